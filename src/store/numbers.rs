//! The numbers of records lately asked for by name: a record keeps its number for ever, so none goes stale.

use std::hash::{Hash, Hasher};

use fhir::identity::{Id, Kind};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;

/// Numbers kept, at most: some megabytes.
const NUMBERS_MAX: usize = 16_384;

/// Numbers of records, by kind and id; those asked for longest ago make room.
pub(crate) struct Numbers(Cache<Name, u64>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Name(Kind, Id);

/// A name asked for, without a copy of it.
struct Asked<'a>(&'a Kind, &'a Id);

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Equivalent<Name> for Asked<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        (self.0, self.1) == (&name.0, &name.1)
    }
}

impl Numbers {
    /// None yet.
    pub(crate) fn new() -> Numbers {
        Numbers(Cache::new(NUMBERS_MAX))
    }

    /// The number of a record, where it is known here.
    pub(crate) fn get(&self, kind: &Kind, id: &Id) -> Option<u64> {
        self.0.get(&Asked(kind, id))
    }

    /// Keeps the number that a committed record has.
    pub(crate) fn keep(&self, kind: &Kind, id: &Id, number: u64) {
        self.0.insert(Name(kind.clone(), id.clone()), number);
    }
}
