//! The records as they were at one place in the log: index, tail and what is known of the past.

use std::sync::Arc;

use fhir::identity::{Id, Kind};
use query::Registry;
use rustc_hash::{FxHashMap, FxHashSet};
use store::{HistoryRange, Scope, Store, Version};
use tantivy::{DocId, TantivyError};

use crate::among::Among;
use crate::blocks::keep_where;
use crate::columns::Segment;
use crate::entry::{Before, Entry};
use crate::past::Change;
use crate::recorded::Records;
use crate::replaced::those_replaced;
use crate::shared::View;
use crate::tail::Tail;
use crate::trouble::Trouble;

/// Finding the document of a record costs about what asking so many documents for their records does.
const FOUND_COST: usize = 4;
/// Versions read from the log at once when looking back.
const CHUNK: usize = 512;

/// Everything a query looks at; nothing in it changes while the query runs.
pub(crate) struct Snapshot {
    /// The place in the log.
    pub(crate) at: u64,
    view: View,
    past: Option<Past>,
}

/// What makes a snapshot differ from the newest state.
struct Past {
    /// Records whose documents in the index do not count.
    shadowed: FxHashSet<u64>,
    /// The versions in memory that count instead, living ones only.
    entries: FxHashMap<Kind, Vec<Arc<Entry>>>,
    /// Those of them that name the record which replaces theirs.
    replaced: Vec<Arc<Entry>>,
}

impl Snapshot {
    /// The newest state.
    pub(crate) fn newest(view: View) -> Snapshot {
        Snapshot {
            at: view.head,
            view,
            past: None,
        }
    }

    /// An earlier state: `changes` are the first changes of records after `at`.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) fn earlier(
        at: u64,
        view: View,
        changes: FxHashMap<u64, Change>,
        registry: &Registry,
        store: &Store,
    ) -> Result<Snapshot, Trouble> {
        let mut newest: FxHashMap<u64, Arc<Entry>> = FxHashMap::default();
        for entry in view
            .tail
            .all()
            .into_iter()
            .filter(|entry| entry.seq <= at && !entry.aside)
        {
            newest.insert(entry.record, entry);
        }
        let (mut places, mut lost) = (Vec::new(), Vec::new());
        for change in changes.values().filter(|change| !newest.contains_key(&change.record)) {
            match change.before {
                Before::At(place) if place <= at => places.push(place),
                // The record began after `at`, and changed since.
                Before::At(_) => {}
                Before::Somewhere => lost.push((change.kind.clone(), change.id.clone())),
                Before::Nothing => {}
            }
        }
        let mut shadowed: FxHashSet<u64> = changes.into_keys().collect();
        shadowed.extend(newest.keys());
        let mut versions = Vec::new();
        for places in places.chunks(CHUNK) {
            versions.extend(store.by_seq(places)?);
        }
        for (kind, id) in lost {
            versions.extend(version_before(store, kind, id, at)?);
        }
        let old = versions.iter().filter(|version| version.operation.is_live());
        let old = old.map(|version| Arc::new(Entry::read(registry, version)));
        let mut entries: FxHashMap<Kind, Vec<Arc<Entry>>> = FxHashMap::default();
        for entry in newest.into_values().filter(|entry| entry.live).chain(old) {
            entries.entry(entry.kind.clone()).or_default().push(entry);
        }
        let replaced = those_replaced(entries.values().flatten());
        Ok(Snapshot {
            at,
            view,
            past: Some(Past {
                shadowed,
                entries,
                replaced,
            }),
        })
    }

    /// The segments of the index.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.view.segments
    }

    /// What takes the documents that do not count out of a segment's candidates, of which there are at most so many.
    pub(crate) fn veil<'a>(&'a self, segment: &'a Segment, candidates: u32) -> Veil<'a> {
        let tail = &self.view.tail;
        let replaced = self.past.as_ref().map_or(tail.replacing(), |past| past.shadowed.len());
        let hidden = (replaced > 0 && replaced * FOUND_COST < candidates as usize).then(|| {
            let records = match &self.past {
                None => tail.kinds().flat_map(|kind| tail.replaced(kind)).collect(),
                Some(past) => past.shadowed.iter().copied().collect(),
            };
            Records::new(records).find(&segment.columns.record, segment.reader.max_doc())
        });
        Veil {
            segment,
            at: self.past.as_ref().map(|_| self.at),
            known: match (hidden, &self.past) {
                (Some(docs), _) => Known::Documents(docs, 0),
                (None, Some(past)) => Known::Records(&past.shadowed),
                (None, None) if tail.replaces() => Known::Tail(tail),
                (None, None) => Known::Nothing,
            },
            numbers: Vec::new(),
        }
    }

    /// Whether there may be a document in the segment that does not count.
    pub(crate) fn conceals(&self, segment: &Segment) -> bool {
        self.past.is_some() || segment.reader.has_deletes() || self.view.tail.replaces()
    }

    /// Whether a document does not count: it is dead, or another version counts.
    pub(crate) fn hides(&self, segment: &Segment, doc: DocId) -> bool {
        if segment.reader.is_deleted(doc) {
            return true;
        }
        match &self.past {
            None => self.view.tail.replaces() && self.view.tail.shadows(segment.columns.record_of(doc)),
            Some(past) => {
                segment.columns.seq_of(doc) > self.at || past.shadowed.contains(&segment.columns.record_of(doc))
            }
        }
    }

    /// How many documents of these kinds count in a segment, where that can be said without visiting them.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn count(&self, segment: &Segment, among: &Among<'_>) -> Result<Option<u64>, TantivyError> {
        if !self.is_newest() {
            return Ok(None);
        }
        let living = segment.living()?.iter().zip(&segment.columns.kinds);
        let count: u64 = living.filter(|(_, kind)| among.has(kind)).map(|(count, _)| count).sum();
        if !self.view.tail.replaces() || count == 0 {
            return Ok(Some(count));
        }
        Ok(Some(count - self.replaced(segment, among).count() as u64))
    }

    /// The documents that are alive but replaced by versions in memory, of these kinds.
    fn replaced<'a>(&self, segment: &'a Segment, among: &Among<'_>) -> impl Iterator<Item = DocId> + use<'a> {
        let tail = &self.view.tail;
        let kinds = tail.kinds().filter(|kind| among.has(kind));
        let records = kinds.flat_map(|kind| tail.replaced(kind)).collect();
        let documents = Records::new(records).find(&segment.columns.record, segment.reader.max_doc());
        documents.into_iter().filter(|doc| !segment.reader.is_deleted(*doc))
    }

    /// Whether it is the newest state, of which nothing more has to be known of a document than whether it was replaced.
    pub(crate) fn is_newest(&self) -> bool {
        self.past.is_none()
    }

    /// The documents that do not count in the newest state, of these kinds and perhaps of others; `None` where they are more
    /// than `most`.
    pub(crate) fn hidden(&self, segment: &Segment, among: &Among<'_>, most: usize) -> Option<Vec<DocId>> {
        let dead = segment.dead();
        if dead.len() + self.view.tail.replacing() > most {
            return None;
        }
        let mut hidden = dead.to_vec();
        if self.view.tail.replaces() {
            hidden.extend(self.replaced(segment, among));
        }
        Some(hidden)
    }

    /// The versions in memory that count and name the record which replaces theirs.
    pub(crate) fn replaced_in_memory(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let (newest, past) = match &self.past {
            None => (Some(self.view.tail.replaced_by()), &[][..]),
            Some(past) => (None, &past.replaced[..]),
        };
        newest.into_iter().flatten().chain(past)
    }

    /// The living versions in memory that count, of these kinds; of every kind where none is named.
    pub(crate) fn entries<'a>(&'a self, among: &Among<'_>) -> Vec<&'a Arc<Entry>> {
        let wanted = |kind: &&Kind| among.has(kind);
        match &self.past {
            None => {
                let tail = &self.view.tail;
                let of_kinds = tail.kinds().filter(wanted).flat_map(|kind| tail.of_kind(kind));
                of_kinds.filter(|entry| entry.live && tail.is_newest(entry)).collect()
            }
            Some(past) => past
                .entries
                .iter()
                .filter(|(kind, _)| among.has(kind))
                .flat_map(|(_, list)| list)
                .collect(),
        }
    }
}

/// What takes documents that do not count out of ascending candidates, a block at a time.
pub(crate) struct Veil<'a> {
    segment: &'a Segment,
    /// Documents of versions after this place do not count.
    at: Option<u64>,
    known: Known<'a>,
    numbers: Vec<u64>,
}

/// Which records count by another version.
enum Known<'a> {
    Nothing,
    /// Those of these documents, ascending; those before a place were passed.
    Documents(Vec<DocId>, usize),
    Records(&'a FxHashSet<u64>),
    Tail(&'a Tail),
}

impl Veil<'_> {
    /// Keeps the documents that count.
    pub(crate) fn keep(&mut self, docs: &mut Vec<DocId>) {
        let columns = &self.segment.columns;
        if let Some(alive) = self.segment.reader.alive_bitset() {
            keep_where(docs, |_, doc| alive.is_alive(doc));
        }
        let numbers = &mut self.numbers;
        if let Some(at) = self.at {
            numbers.resize(docs.len(), 0);
            columns.seq.values.get_vals(docs, numbers);
            keep_where(docs, |place, _| numbers[place] <= at);
        }
        match &mut self.known {
            Known::Nothing => {}
            Known::Documents(hidden, passed) => keep_where(docs, |_, doc| {
                while hidden.get(*passed).is_some_and(|hidden| *hidden < doc) {
                    *passed += 1;
                }
                hidden.get(*passed) != Some(&doc)
            }),
            Known::Records(records) => docs.retain(|doc| !records.contains(&columns.record_of(*doc))),
            Known::Tail(tail) => docs.retain(|doc| !tail.shadows(columns.record_of(*doc))),
        }
    }
}

/// The version of a record that was its latest at `at`.
fn version_before(store: &Store, kind: Kind, id: Id, at: u64) -> Result<Vec<Version>, Trouble> {
    Ok(store.history(&Scope::Record(kind, id), &HistoryRange::current_before(at + 1, 1))?)
}

/// The first change of each record after `at`, read from the log: what memory does not reach.
///
/// # Errors
/// [`Trouble::Expired`] where more than `most` versions came since.
pub(crate) fn changes_in_log(
    store: &Store,
    at: u64,
    head: u64,
    most: usize,
) -> Result<FxHashMap<u64, Change>, Trouble> {
    if head - at > most as u64 {
        return Err(Trouble::expired(head - at));
    }
    let highest = store.records(at)?;
    let mut changes = FxHashMap::default();
    let mut after = at;
    while after < head {
        let versions = store.log(after, CHUNK)?;
        let Some(last) = versions.last() else {
            break;
        };
        after = last.seq;
        for version in versions
            .into_iter()
            .filter(|version| version.record <= highest && !version.aside && version.seq <= head)
        {
            let Version {
                seq, record, kind, id, ..
            } = version;
            let before = Before::Somewhere;
            changes.entry(record).or_insert(Change {
                seq,
                record,
                kind,
                id,
                before,
            });
        }
    }
    Ok(changes)
}
