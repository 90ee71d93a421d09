//! Turns one version of a record into a tantivy document.

use query::term::{Unit, each_range, each_term};
use query::{ParamId, Target, Value, Words};
use tantivy::TantivyDocument;

use crate::columns::Fields;
use crate::entry::Entry;
use crate::order::{self, ELSEWHERE};
use crate::slots::{Family, Slot, Slots};
use crate::terms::{self, Whose};
use crate::tuples;

/// The document of a living version.
pub(crate) fn document(fields: &Fields, slots: &Slots, entry: &Entry) -> TantivyDocument {
    let words = &entry.words;
    let slots = Of {
        slots,
        kind: slots.of_kind(&entry.kind),
    };
    let mut document = fields.document(entry.record, entry.seq, entry.updated, &entry.kind, &entry.id);
    document.add_u64(fields.distinct, u64::from(words.distinct()));
    document.add_bytes(fields.terms, &terms::kind(entry.kind.as_str()));
    add_terms(&mut document, fields, entry);
    add_ranges(&mut document, fields, &slots, entry);
    add_references(&mut document, fields, &slots, entry);
    tuples::add(&mut document, fields, &slots, entry);
    order::add_keys(&mut document, fields, &slots, entry);
    let mut key = Vec::new();
    let mut add = |whose, word: &str| {
        terms::word(whose, word, &mut key);
        document.add_bytes(fields.words, &key);
    };
    words.narrative(&mut |word| add(Whose::Narrative, word));
    words.content(&mut |word| add(Whose::Content, word));
    document
}

/// The columns of one kind.
pub(crate) struct Of<'a> {
    slots: &'a Slots,
    kind: &'a [(ParamId, Slot)],
}

impl Of<'_> {
    /// The column of a parameter's bytes.
    pub(crate) fn bytes(&self, param: ParamId, family: Family) -> Option<Slot> {
        self.slots.of(self.kind, param).find(|slot| slot.family == family)
    }

    /// The column of a parameter's ranges.
    pub(crate) fn ranges(&self, param: ParamId) -> Option<Slot> {
        self.slots
            .of(self.kind, param)
            .find(|slot| slot.family <= Family::Quantity)
    }
}

fn add_terms(document: &mut TantivyDocument, fields: &Fields, entry: &Entry) {
    let mut hashes = Vec::with_capacity(64);
    each_term(&entry.values, &mut |term| {
        if terms::is_ordered(&term) {
            document.add_bytes(fields.texts, &terms::ordered(&term));
        } else {
            hashes.push(term.hash());
        }
    });
    hashes.sort_unstable();
    hashes.dedup();
    for hash in hashes {
        document.add_bytes(fields.terms, &hash.to_be_bytes());
    }
}

fn add_ranges(document: &mut TantivyDocument, fields: &Fields, slots: &Of<'_>, entry: &Entry) {
    each_range(&entry.values, &mut |range| {
        let Some((start, length, unit)) = slots.ranges(range.param).map(|slot| fields.range(slot)) else {
            return;
        };
        document.add_i64(start, range.start);
        document.add_i64(length, range.end.wrapping_sub(range.start));
        if let Some(unit) = unit {
            document.add_bytes(unit, &unit_key(range.unit));
        }
    });
}

/// How many bytes [`unit_key`] gives.
pub(crate) const UNIT_BYTES: usize = 32;

/// A unit as bytes: its four hashes.
pub(crate) fn unit_key(unit: Unit) -> Vec<u8> {
    [unit.coded, unit.code, unit.name, unit.canonical]
        .map(u64::to_be_bytes)
        .concat()
}

/// The unit of [`unit_key`]; no unit where the bytes are none.
pub(crate) fn unit_of(key: &[u8]) -> Unit {
    let part = |place: usize| {
        let bytes = key
            .get(place * 8..place * 8 + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_be_bytes)
    };
    Unit {
        coded: part(0),
        code: part(1),
        name: part(2),
        canonical: part(3),
    }
}

/// References go into their column as text: what sorting compares, and what a record's hash is made of.
fn add_references(document: &mut TantivyDocument, fields: &Fields, slots: &Of<'_>, entry: &Entry) {
    for found in &entry.values.entries {
        let Value::Reference(target) = &found.value else {
            continue;
        };
        let Some(slot) = slots.bytes(found.param, Family::Reference) else {
            continue;
        };
        let Some(text) = reference_text(target) else {
            continue;
        };
        document.add_bytes(fields.bytes(slot), &text);
    }
}

/// What a column of references says of a target: `Kind/id`, or another text followed by [`ELSEWHERE`].
pub(crate) fn reference_text(target: &Target) -> Option<Vec<u8>> {
    let elsewhere = |text: &str| [text.as_bytes(), &[ELSEWHERE]].concat();
    Some(match target {
        Target::Local { kind, id, .. } => format!("{kind}/{id}").into_bytes(),
        Target::Elsewhere(address) => elsewhere(address),
        Target::Identifier { value, .. } => elsewhere(value.as_deref()?),
    })
}
