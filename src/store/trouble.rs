//! What the store says when it cannot do its work.

use std::fmt;

use fhir::identity::{Id, Kind, VersionId};

/// The database could not be opened, read or written: a sentence a person can act on.
///
/// A trouble is never the fault of the request; an answer made from it is a 500 or a 503.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    /// A trouble described by a whole sentence.
    pub fn new(sentence: impl Into<String>) -> Trouble {
        Trouble(sentence.into())
    }

    /// The sentence.
    pub fn sentence(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

impl From<diesel::result::Error> for Trouble {
    fn from(error: diesel::result::Error) -> Trouble {
        Trouble(format!("The database refused to work: {error}."))
    }
}

/// Why a unit was not written. Nothing of a refused unit is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A write did not find the record as it expected it (409, 412).
    Expectation {
        /// Which write of the unit, from 0.
        write: usize,
        /// The latest version and whether it is live (`false`: a deletion); `None` where there never was one.
        current: Option<(VersionId, bool)>,
    },
    /// A version appended since the guard's position disturbs it, or the position is too old to know.
    Disturbed,
    /// A claimed value is held by another record.
    Claimed {
        /// Which write of the unit, from 0.
        write: usize,
        /// The claim's scope.
        scope: String,
        /// The claim's value.
        value: String,
        /// The record that holds it.
        holder: (Kind, Id),
    },
    /// Too many units are waiting already; nothing was tried (503 with Retry-After).
    Busy,
    /// No room is left where the database lives; reading goes on (507).
    Full(String),
    /// The database could not be written.
    Trouble(Trouble),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Expectation { write, current } => {
                let found = match current {
                    None => "there is no such record".to_owned(),
                    Some((version, true)) => format!("its current version is {version}"),
                    Some((version, false)) => format!("it was deleted by version {version}"),
                };
                write!(f, "Write {write} did not find the record as it expected it: {found}.")
            }
            Refused::Disturbed => f.write_str("Another write changed what this one was decided upon."),
            Refused::Claimed {
                write,
                scope,
                value,
                holder,
            } => write!(
                f,
                "Write {write} claims {scope} {value}, which {}/{} holds.",
                holder.0, holder.1
            ),
            Refused::Busy => f.write_str("Too many writes are waiting; try again in a moment."),
            Refused::Full(sentence) => f.write_str(sentence),
            Refused::Trouble(trouble) => trouble.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        Refused::Trouble(trouble)
    }
}
