//! Reads all records of one kind from the log, as of one place in it, a page at a time.

use std::fmt;

use fhir::body::{Header, splice};
use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use store::{Store, Version};

use crate::run::Fault;

/// Records read from the log at once.
const PAGE: usize = 500;

/// Calls `each` with every record of a kind that there was at a place in the log and whose version came into the log at a
/// moment (microseconds since 1970) or later, until it says `false`. Memory holds one page of records.
///
/// # Errors
/// The store's trouble, and what `each` gives.
pub fn each_record(
    store: &Store,
    kind: &Kind,
    at: u64,
    since: Option<i64>,
    each: &mut dyn FnMut(Node<'_>) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let mut after: Option<Id> = None;
    let mut text = Vec::new();
    loop {
        let page = store.records_of(kind, after.as_ref(), at, PAGE).map_err(sentence)?;
        let (versions, Some(last)) = page else {
            return Ok(());
        };
        for version in versions.iter().filter(|v| since.is_none_or(|since| v.arrived >= since)) {
            let record = parsed(version, &mut text).map_err(sentence)?;
            if !each(record.root())? {
                return Ok(());
            }
        }
        after = Some(last);
    }
}

fn sentence(trouble: impl fmt::Display) -> Fault {
    Fault::Store(trouble.to_string())
}

fn parsed(version: &Version, text: &mut Vec<u8>) -> Result<Document, fhir::parse::Malformed> {
    let header = Header {
        kind: &version.kind,
        id: &version.id,
        version: version.version,
        updated: version.updated,
    };
    text.clear();
    splice(header, &version.body, text);
    Document::parse(text, Limits::default())
}
