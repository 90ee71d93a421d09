//! Where definitions and other records come from while a record is judged.

use std::cell::OnceCell;
use std::sync::Arc;

use fhir::document::Document;

/// Finds records.
pub trait Library: Sync {
    /// The StructureDefinition, Questionnaire, ValueSet or CodeSystem with an address, `url` or `url|version`.
    fn definition(&self, kind: &str, address: &str) -> Option<Arc<Document>>;

    /// The record of this server that a reference names, `Patient/17`; `None` where there is none, or where
    /// references are not to be followed.
    fn record(&self, kind: &str, id: &str) -> Option<Arc<Document>>;

    /// Changes whenever a definition is written: what was compiled before is compiled anew.
    fn generation(&self) -> u64;
}

/// How well a version is the one that an address names after its `|`: 2 where it is that or none is named, 1 where it
/// begins with it (`0.2` names every `0.2.n`), `None` where it is another.
pub fn version_fits(wanted: Option<&str>, version: &str) -> Option<u8> {
    let Some(wanted) = wanted.filter(|wanted| *wanted != version) else {
        return Some(2);
    };
    let rest = version.strip_prefix(wanted)?;
    rest.starts_with('.').then_some(1)
}

/// A library without records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl Library for Empty {
    fn definition(&self, _kind: &str, _address: &str) -> Option<Arc<Document>> {
        None
    }

    fn record(&self, _kind: &str, _id: &str) -> Option<Arc<Document>> {
        None
    }

    fn generation(&self) -> u64 {
        0
    }
}

/// Documents fetched during one judgement, kept until its end so that others can point into them.
#[derive(Default)]
pub(crate) struct Shelf {
    first: OnceCell<Box<Kept>>,
}

struct Kept {
    document: Arc<Document>,
    next: OnceCell<Box<Kept>>,
}

impl Shelf {
    /// Keeps a document.
    pub(crate) fn keep(&self, document: Arc<Document>) -> &Document {
        let mut place = &self.first;
        while let Some(kept) = place.get() {
            if Arc::ptr_eq(&kept.document, &document) {
                return &kept.document;
            }
            place = &kept.next;
        }
        let new = || {
            Box::new(Kept {
                document,
                next: OnceCell::new(),
            })
        };
        &place.get_or_init(new).document
    }
}
