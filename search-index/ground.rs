//! Records that lie under the log: part of the program, never written, found where their kind is asked for by name.
//!
//! They are matched like versions in memory. Where the log has a record of the same kind and id, that one is found
//! instead, from the version on that began it.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use query::Registry;
use rustc_hash::FxHashMap;
use store::{Appended, Store};

use crate::clock::Clock;
use crate::entry::Entry;
use crate::trouble::Trouble;

/// The place in the log of what lies under it.
pub const UNDER: u64 = 0;
/// The number of the first record under the log; those in the log have smaller ones, and so come first.
const FIRST: u64 = 1 << 63;

/// What lies under a log. It never changes while the program runs.
pub trait Ground: Send + Sync {
    /// The kinds of which there are records.
    fn kinds(&self) -> Vec<Kind>;

    /// Whether there is a record of that name.
    fn has(&self, kind: &Kind, id: &Id) -> bool;

    /// The ids of the records of a kind, in the order they are found in.
    fn ids(&self, kind: &Kind) -> Vec<Id>;

    /// A record, and when it was last changed, in microseconds since 1970.
    fn record(&self, kind: &Kind, id: &Id) -> Option<(Document, i64)>;
}

type Name = (Kind, Id);

/// What lies under the log of an index, read kind by kind when it is first asked for.
#[derive(Default)]
pub(crate) struct Under {
    ground: Option<Arc<dyn Ground>>,
    read: FxHashMap<Kind, OnceLock<Vec<Arc<Entry>>>>,
    /// The records that the log has instead, and where each begins there; those known to have begun at some time, at 0.
    covered: RwLock<FxHashMap<Name, u64>>,
}

impl Under {
    pub(crate) fn new(ground: Option<Arc<dyn Ground>>) -> Under {
        let kinds = ground.iter().flat_map(|ground| ground.kinds());
        Under {
            read: kinds.map(|kind| (kind, OnceLock::new())).collect(),
            ground,
            covered: RwLock::default(),
        }
    }

    /// Takes note of records that begin in the log.
    pub(crate) fn cover(&self, appended: &[Appended]) {
        let Some(ground) = &self.ground else { return };
        let begun = appended.iter().filter(|appended| appended.previous.is_none());
        for appended in begun.filter(|appended| ground.has(&appended.kind, &appended.id)) {
            let mut covered = self.covered.write().unwrap_or_else(PoisonError::into_inner);
            covered
                .entry((appended.kind.clone(), appended.id.clone()))
                .or_insert(appended.seq);
        }
    }

    /// The records of these kinds that count at a place in the log.
    ///
    /// # Errors
    /// [`Trouble::NotAtHand`] where they have to be read first and that may not be waited for, and the store's.
    pub(crate) fn entries(
        &self,
        kinds: &[Kind],
        at: u64,
        (registry, store, clock): (&Registry, &Store, &Clock),
    ) -> Result<Vec<&Arc<Entry>>, Trouble> {
        let mut found = Vec::new();
        for (kind, read) in kinds.iter().filter_map(|kind| self.read.get_key_value(kind)) {
            if read.get().is_none() {
                clock.wait()?;
                self.look_for_cover(kind, store)?;
            }
            let entries = read.get_or_init(|| self.of_kind(kind, registry));
            let covered = self.covered.read().unwrap_or_else(PoisonError::into_inner);
            let counts = |entry: &&Arc<Entry>| {
                covered.is_empty()
                    || covered
                        .get(&(kind.clone(), entry.id.clone()))
                        .is_none_or(|begun| *begun > at)
            };
            found.extend(entries.iter().filter(counts));
        }
        Ok(found)
    }

    /// Finds which records of a kind the log has already.
    fn look_for_cover(&self, kind: &Kind, store: &Store) -> Result<(), Trouble> {
        for id in self.ground.iter().flat_map(|ground| ground.ids(kind)) {
            if store.number(kind, &id)?.is_some() {
                let mut covered = self.covered.write().unwrap_or_else(PoisonError::into_inner);
                covered.entry((kind.clone(), id)).or_insert(0);
            }
        }
        Ok(())
    }

    fn of_kind(&self, kind: &Kind, registry: &Registry) -> Vec<Arc<Entry>> {
        let Some(ground) = &self.ground else {
            return Vec::new();
        };
        let ids = ground.ids(kind).into_iter().zip(FIRST..);
        let entries = ids.filter_map(|(id, record)| {
            let (document, updated) = ground.record(kind, &id)?;
            let name = (kind.clone(), id);
            Some(Arc::new(Entry::under(registry, record, name, updated, document.root())))
        });
        entries.collect()
    }

    /// The record of an entry that lies under the log.
    pub(crate) fn document(&self, entry: &Entry) -> Option<Document> {
        let (document, _) = self.ground.as_ref()?.record(&entry.kind, &entry.id)?;
        Some(document)
    }
}
