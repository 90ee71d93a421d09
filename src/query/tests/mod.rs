//! The room under test: tables of records and searches, and random ones held against each other.

mod agreement;
mod extraction;
mod filtering;
mod matching;
mod parsing;

use std::sync::{Arc, OnceLock};

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::moment::stretch;
use fhir::parse::Limits;

use crate::predicate::Subject;
use crate::registry::Registry;
use crate::search::{Handling, Search, parse};
use crate::values::Values;

/// Bhutan's zone.
const ZONE: i32 = 360;

fn registry() -> Arc<Registry> {
    static SHARED: OnceLock<Arc<Registry>> = OnceLock::new();
    Arc::clone(SHARED.get_or_init(|| Arc::new(Registry::new(Definitions::r4(), ZONE))))
}

fn handling(strict: bool) -> Handling<'static> {
    Handling {
        strict,
        now: stretch("2021-01-01T00:00:00Z", 0).expect("a date").start,
        base: "http://host/fhir",
    }
}

/// The parameters of a query string; `&` and `=` are all that is decoded.
fn params(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read(kind: &str, query: &str) -> Search {
    let kind = Kind::new(kind).expect("a kind");
    match parse(&registry(), &[kind], &params(query), &handling(true)) {
        Ok(search) => search,
        Err(issues) => panic!("{query}: {issues:?}"),
    }
}

/// A record with its values.
struct Sample {
    kind: Kind,
    id: Id,
    updated: i64,
    document: Document,
    values: Values,
}

impl Sample {
    fn new(json: &str) -> Sample {
        let document = Document::parse(json.as_bytes(), Limits::default()).unwrap_or_else(|e| panic!("{json}: {e:?}"));
        let root = document.root();
        let kind = Kind::new(&root.string("resourceType").expect("a resourceType")).expect("a kind");
        let id = Id::new(&root.string("id").unwrap_or_else(|| "a0".into())).expect("an id");
        Sample {
            values: registry().extract(&kind, root),
            updated: stretch("2020-02-29T04:30:00Z", 0).expect("a date").start,
            kind,
            id,
            document,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&Subject<'_>) -> T) -> T {
        let root = self.document.root();
        act(&Subject {
            kind: &self.kind,
            id: Some(&self.id),
            updated: self.updated,
            values: &self.values,
            words: &registry().words(root),
            contained: false,
        })
    }
}
