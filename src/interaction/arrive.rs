//! What brings versions from other sites into the log has in common: the write of one, and why it cannot be taken.

use std::fmt;

use fhir::body::{self, Header};
use fhir::document::Document;
use fhir::identity::VersionId;
use fhir::parse::Limits;
use store::{Elsewhere, Made, Refused, Trouble, Write};
use sync::taking::NotNext;
use sync::{Change, Unreadable};

use crate::engine::Engine;
use crate::refusal::Refusal;

/// Why versions from another site were not taken. Those before a certain one may have been: asking again goes on there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untaken {
    /// Versions are missing before the first one.
    Gap {
        /// The counter that comes next.
        expected: u64,
        /// The counter of the first one.
        found: u64,
    },
    /// The version that was taken last is another one than the site's of that name: its database is an old copy, or ours.
    Other(VersionId),
    /// A version is none, or not of that site; why, a sentence.
    Unusable(VersionId, String),
    /// The store did not take them.
    Refused(Refused),
    /// What is here already cannot be read; why, a sentence.
    Broken(String),
}

impl fmt::Display for Untaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Untaken::Gap { expected, found } => {
                write!(f, "Versions are missing: the next is {expected}, but {found} came.")
            }
            Untaken::Other(version) => write!(
                f,
                "The version {version} that is here is another than the one that came."
            ),
            Untaken::Unusable(version, why) => write!(f, "The version {version} cannot be taken: {why}."),
            Untaken::Refused(refused) => refused.fmt(f),
            Untaken::Broken(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Untaken {}

impl From<Trouble> for Untaken {
    fn from(trouble: Trouble) -> Untaken {
        Untaken::Refused(Refused::Trouble(trouble))
    }
}

impl From<Unreadable> for Untaken {
    fn from(Unreadable(version): Unreadable) -> Untaken {
        Untaken::Unusable(version, "its body is no stored JSON".to_owned())
    }
}

impl From<NotNext> for Untaken {
    fn from(not: NotNext) -> Untaken {
        match not {
            NotNext::Gap { expected, found } => Untaken::Gap { expected, found },
            NotNext::Other(version) => Untaken::Other(version),
            NotNext::OutOfOrder(version, next) => Untaken::Unusable(version, format!("{next} comes next of its node")),
        }
    }
}

impl From<Refusal> for Untaken {
    fn from(refusal: Refusal) -> Untaken {
        let texts: Vec<&str> = refusal.issues.iter().map(|issue| issue.text.as_str()).collect();
        Untaken::Broken(texts.join(" "))
    }
}

/// The write that appends a version as it came; only kept, or with what searches need of it.
///
/// # Errors
/// [`Untaken::Unusable`] where its body is no stored JSON.
pub(crate) fn write_of(engine: &Engine, change: &Change, aside: bool) -> Result<Write, Untaken> {
    let mut write = Write::new(
        change.kind.clone(),
        change.id.clone(),
        change.operation,
        change.body.clone(),
    );
    write.made = Made::Elsewhere(Elsewhere {
        version: change.version,
        base: change.base,
        merged: change.merged,
        updated: change.updated,
        aside,
    });
    if aside || !change.operation.is_live() {
        return Ok(write);
    }
    let unusable = |why: String| Untaken::Unusable(change.version, why);
    body::parts(&change.body).ok_or_else(|| unusable("its body is no stored body".to_owned()))?;
    let mut json = Vec::new();
    let header = Header {
        kind: &change.kind,
        id: &change.id,
        version: change.version,
        updated: change.updated,
    };
    body::splice(header, &change.body, &mut json);
    let document = Document::parse(&json, Limits::default()).map_err(|e| unusable(e.to_string()))?;
    let prepared = engine.as_it_is(&change.kind, document.root());
    write.claims = prepared.claims;
    write.attachment = Some(prepared.found_by);
    Ok(write)
}
