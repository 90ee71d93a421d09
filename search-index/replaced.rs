//! Which records are of one person at a snapshot: who is replaced by whom, in the index and in memory.
//!
//! The pairs of a segment lie ready in memory, by either record; nearly always there are none, and nothing is done.

use std::sync::Arc;

use fhir::identity::Id;
use query::replaced::{self, KIND, Persons};
use query::term::{Form, Term};
use query::{Predicate, RecordSet, record_hash};
use rustc_hash::FxHashMap;
use tantivy::{DocId, DocSet, TERMINATED, TantivyError};

use crate::columns::{Columns, Segment};
use crate::compile::postings;
use crate::entry::Entry;
use crate::find::{Run, damaged};
use crate::shared::View;
use crate::slots::{Family, Slots};
use crate::snapshot::Snapshot;
use crate::terms;
use crate::trouble::Trouble;

/// The pairs of replaced and replacing records that a segment's documents tell of, by the hash of either.
#[derive(Default)]
pub(crate) struct Pairs(FxHashMap<u64, Vec<Pair>>);

/// The other record of a pair, and the document that tells of it.
struct Pair {
    doc: DocId,
    other: Id,
}

impl Pairs {
    /// Gathers the pairs of a segment.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn of(columns: &Columns, slots: &Slots) -> Result<Pairs, TantivyError> {
        let mut pairs = Pairs::default();
        let present = terms::hashed(&Term::new(replaced::param(), Form::Present, ""));
        let Some(mut docs) = postings(&columns.terms, &present)? else {
            return Ok(pairs);
        };
        let slot = slots.slot(replaced::kind(), replaced::param(), Family::Reference);
        let Some(column) = slot.and_then(|slot| columns.bytes(slot)) else {
            return Ok(pairs);
        };
        let mut text = Vec::new();
        while docs.doc() != TERMINATED {
            let doc = docs.doc();
            docs.advance();
            if columns.kind_of(doc) != replaced::kind() {
                continue;
            }
            let id = columns.id_of(doc).ok_or_else(damaged)?;
            for ord in column.term_ords(doc) {
                text.clear();
                column.ord_to_bytes(ord, &mut text)?;
                pairs.extend(doc, &id, other(&text));
            }
        }
        Ok(pairs)
    }

    fn extend(&mut self, doc: DocId, id: &Id, other: Option<Id>) {
        let Some(other) = other.filter(|other| other != id) else {
            return;
        };
        let mut add = |from: &Id, other: Id| self.0.entry(hash(from)).or_default().push(Pair { doc, other });
        add(&other, id.clone());
        add(id, other);
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The id in a reference as its column has it.
fn other(text: &[u8]) -> Option<Id> {
    let (kind, id) = std::str::from_utf8(text).ok()?.split_once('/')?;
    (kind == KIND).then(|| Id::new(id)).flatten()
}

fn hash(id: &Id) -> u64 {
    record_hash(KIND, id.as_str())
}

impl View {
    /// Whether any record may be replaced by another.
    pub(crate) fn has_replaced(&self) -> bool {
        self.tail.replaced_by().next().is_some()
            || self.segments.iter().any(|segment| !segment.columns.pairs.is_empty())
    }
}

impl Snapshot {
    /// Whether any record may be replaced by another.
    fn replaces(&self) -> bool {
        self.replaced_in_memory().next().is_some()
            || self.segments().iter().any(|segment| !segment.columns.pairs.is_empty())
    }

    /// The records that one record is joined to directly.
    fn joined<'a>(&'a self, id: &'a Id) -> impl Iterator<Item = &'a Id> {
        let committed = self
            .segments()
            .iter()
            .flat_map(move |segment| self.paired(segment, hash(id)));
        let in_memory = self.replaced_in_memory().flat_map(move |entry| {
            let replacing = move || replaced::replacing(&entry.kind, &entry.values);
            let forward = replacing().filter(move |_| entry.id == *id);
            let backward = replacing().filter(move |other| *other == id).map(|_| &entry.id);
            forward.chain(backward)
        });
        committed.chain(in_memory)
    }

    fn paired<'a>(&'a self, segment: &'a Segment, record: u64) -> impl Iterator<Item = &'a Id> {
        let pairs = segment.columns.pairs.0.get(&record);
        let pairs = pairs
            .into_iter()
            .flatten()
            .filter(|pair| !self.hides(segment, pair.doc));
        pairs.map(|pair| &pair.other)
    }

    /// The hashes of all records that may be joined to another.
    fn all_joined(&self) -> impl Iterator<Item = (u64, Id)> + '_ {
        let committed = self.segments().iter().flat_map(|segment| {
            let pairs = segment.columns.pairs.0.values().flatten();
            pairs.map(|pair| pair.other.clone())
        });
        let in_memory = self.replaced_in_memory().flat_map(|entry| {
            let replacing = replaced::replacing(&entry.kind, &entry.values).cloned();
            replacing.chain([entry.id.clone()])
        });
        committed.chain(in_memory).map(|id| (hash(&id), id))
    }
}

/// The versions in memory, among those, that name the record which replaces theirs.
pub(crate) fn those_replaced<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Vec<Arc<Entry>> {
    entries.filter(|entry| is_replaced(entry)).cloned().collect()
}

/// Whether a version names the record which replaces its own.
pub(crate) fn is_replaced(entry: &Entry) -> bool {
    replaced::replacing(&entry.kind, &entry.values).next().is_some()
}

impl Run<'_> {
    /// The condition with references read as references to persons; joins are left as they are.
    ///
    /// # Errors
    /// [`Trouble::Timeout`], [`Trouble::Costly`] as the clock says.
    pub(crate) fn of_persons(&self, predicate: Predicate) -> Result<Predicate, Trouble> {
        if !self.snapshot.replaces() {
            return Ok(predicate);
        }
        predicate.of_persons(self)
    }

    /// The records with all others of their persons.
    ///
    /// # Errors
    /// As [`Run::of_persons`].
    pub(crate) fn persons(&self, set: RecordSet) -> Result<RecordSet, Trouble> {
        if !self.snapshot.replaces() {
            return Ok(set);
        }
        Ok(self.completed(&set)?.unwrap_or(set))
    }
}

impl Persons for Run<'_> {
    type Trouble = Trouble;

    fn others(&self, id: &Id) -> Result<Vec<Id>, Trouble> {
        let mut found: Vec<Id> = vec![id.clone()];
        let mut next = 0;
        while let Some(id) = found.get(next).cloned() {
            self.clock.check(1)?;
            for other in self.snapshot.joined(&id) {
                if !found.contains(other) {
                    found.push(other.clone());
                }
            }
            next += 1;
        }
        found.remove(0);
        Ok(found)
    }

    fn completed(&self, set: &RecordSet) -> Result<Option<RecordSet>, Trouble> {
        let mut more = RecordSet::default();
        for (record, id) in self.snapshot.all_joined() {
            self.clock.check(1)?;
            if set.contains(&record) && !more.contains(&record) {
                more.insert(record);
                more.extend(self.others(&id)?.iter().map(hash));
            }
        }
        let adds = more.iter().any(|record| !set.contains(record));
        Ok(adds.then(|| set.union(&more).copied().collect()))
    }
}
