//! Why a search got no answer, in a sentence.

use std::fmt;

use tantivy::TantivyError;

/// Why a search got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The deadline passed before the answer was complete.
    Timeout,
    /// The search would take too much; to be asked in steps.
    Costly(String),
    /// The snapshot asked for is too old: the page link has expired.
    Expired(String),
    /// The index is being built and would answer short; to be tried again later.
    Building(String),
    /// The index or the store could not be read.
    Failed(String),
}

impl Trouble {
    pub(crate) fn expired(changes: u64) -> Trouble {
        Trouble::Expired(format!(
            "This page belongs to a snapshot that {changes} changes have passed over since; start the search again."
        ))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Timeout => f.write_str(
                "The search took longer than it may; narrow it, for example by a patient, a code or a date.",
            ),
            Trouble::Costly(sentence)
            | Trouble::Expired(sentence)
            | Trouble::Building(sentence)
            | Trouble::Failed(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<TantivyError> for Trouble {
    fn from(error: TantivyError) -> Trouble {
        Trouble::Failed(format!("The search index could not be read: {error}."))
    }
}

impl From<store::Trouble> for Trouble {
    fn from(trouble: store::Trouble) -> Trouble {
        Trouble::Failed(trouble.sentence().to_owned())
    }
}
