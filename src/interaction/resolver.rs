//! Finds the records that references name, for expressions: parsed once, kept as long as the evaluation lasts.

use std::cell::{Cell, OnceCell};

use fhir::document::Document;
use fhir::identity::{Id, Kind, Reference};
use fhir::parse::Limits;
use fhirpath::evaluate::Resolver;
use fhirpath::value::Element;

use crate::engine::Engine;

/// How many records one evaluation may resolve; a further one is named, but not read.
const RECORDS_MAX: usize = 200;

/// A reference, and the record it names, where there is one.
type Found = (String, Option<Document>);

/// What answers `resolve()` with the records of a server.
pub struct Records<'e> {
    engine: &'e Engine,
    base: &'e str,
    found: Box<[OnceCell<Found>]>,
    used: Cell<usize>,
}

impl<'e> Records<'e> {
    /// The records of an engine; absolute references are to it where they begin with its base address.
    pub fn of(engine: &'e Engine, base: &'e str) -> Records<'e> {
        Records {
            engine,
            base,
            found: (0..RECORDS_MAX).map(|_| OnceCell::new()).collect(),
            used: Cell::new(0),
        }
    }

    fn read(&self, reference: &str) -> Option<Document> {
        let Reference::Literal { base, kind, id, .. } = Reference::parse(reference) else {
            return None;
        };
        if !base.is_empty() && base != self.base {
            return None;
        }
        let record = self.engine.record(&Kind::new(kind)?, &Id::new(id)?).ok()?;
        Document::parse(&record.json, Limits::default()).ok()
    }
}

impl Resolver for Records<'_> {
    fn resolve(&self, reference: &str) -> Option<Element<'_>> {
        let used = self.found[..self.used.get()].iter().filter_map(OnceCell::get);
        let mut known = used.filter(|(known, _)| known == reference);
        let document = match known.next() {
            Some((_, document)) => document,
            None => {
                let place = self.found.get(self.used.get())?;
                self.used.set(self.used.get() + 1);
                &place.get_or_init(|| (reference.to_owned(), self.read(reference))).1
            }
        };
        let root = document.as_ref()?.root();
        Some(Element::resource(&*self.engine.definitions, root))
    }
}
