//! Why a search got no answer, in a sentence.

use std::fmt;

use tantivy::TantivyError;

/// Why a search got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline passed before the answer was complete.
    Timeout(String),
    /// The answer would take more work than is allowed.
    Costly(String),
    /// Memory and a few steps do not suffice, and the query was to take no more: see
    /// [`Clock::at_hand`](crate::Clock::at_hand).
    NotAtHand,
    /// Too many long searches are under way; to be tried again later.
    Busy(String),
    /// The snapshot asked for is too old: the page link has expired.
    Expired(String),
    /// The index is being built and would answer short; to be tried again later.
    Building(String),
    /// What the index keeps cannot be read.
    Damaged(String),
    /// The store could not be read, or the index not be written.
    Failed(String),
}

impl Trouble {
    pub(crate) fn expired(changes: u64) -> Trouble {
        Trouble::Expired(format!(
            "This page belongs to a snapshot that {changes} changes have passed over since; start the search again."
        ))
    }
}

impl Trouble {
    /// The same, and how to narrow the query where it took too much.
    pub(crate) fn advised(self, advice: &str) -> Trouble {
        let narrowed = |what: &str| format!("{}. {advice}", what.trim_end_matches('.'));
        match self {
            Trouble::Timeout(what) => Trouble::Timeout(narrowed(&what)),
            Trouble::Costly(what) => Trouble::Costly(narrowed(&what)),
            Trouble::Busy(what) => Trouble::Busy(narrowed(&what)),
            other => other,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Timeout(sentence)
            | Trouble::Costly(sentence)
            | Trouble::Busy(sentence)
            | Trouble::Expired(sentence)
            | Trouble::Building(sentence)
            | Trouble::Damaged(sentence)
            | Trouble::Failed(sentence) => f.write_str(sentence),
            Trouble::NotAtHand => f.write_str("The answer is not at hand."),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<TantivyError> for Trouble {
    fn from(error: TantivyError) -> Trouble {
        Trouble::Damaged(format!("The search index could not be read: {error}."))
    }
}

impl From<store::Trouble> for Trouble {
    fn from(trouble: store::Trouble) -> Trouble {
        Trouble::Failed(trouble.sentence().to_owned())
    }
}
