//! What the index keeps of a record, as tantivy fields; and one segment of it, opened.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use fhir::identity::{Id, Kind, VersionId};
use query::record_hash;
use query::term::{Unit, UnitKey};
use tantivy::columnar::{BytesColumn, Column, ColumnIndex, ColumnValues};
use tantivy::fastfield::AliveBitSet;
use tantivy::query::{AllScorer, EmptyScorer};
use tantivy::schema::{BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, SchemaBuilder};
use tantivy::{DocId, DocSet, InvertedIndexReader, SegmentReader, TERMINATED, TantivyDocument, TantivyError};

use crate::documents::Listed;
use crate::replaced::Pairs;
use crate::slots::{FAMILIES, Family, Slot, Slots};
use crate::stored::unit_of;

/// The name of the column by which every segment is sorted.
pub(crate) const RECORD: &str = "record";

/// The half of a number that is a document; the other is the upper half of a hash.
pub(crate) const DOCUMENT: u64 = u32::MAX as u64;
/// The name of the column of composite parameters' tuples.
const TUPLES: &str = "tuples";

/// The fields of the index.
pub(crate) struct Fields {
    pub(crate) schema: Schema,
    pub(crate) terms: Field,
    pub(crate) texts: Field,
    pub(crate) words: Field,
    pub(crate) tuples: Field,
    record: Field,
    seq: Field,
    updated: Field,
    kind: Field,
    counter: Field,
    name: Field,
    pub(crate) distinct: Field,
    slots: BTreeMap<Family, Vec<Columned>>,
}

/// The fields of one slot; those its family lacks are of no meaning.
#[derive(Clone, Copy)]
struct Columned {
    first: Field,
    length: Field,
    unit: Field,
}

impl Fields {
    /// The fields for an allotment of columns.
    pub(crate) fn new(slots: &Slots) -> Fields {
        let mut builder = SchemaBuilder::new();
        let indexed = BytesOptions::default().set_indexed();
        let (number, bytes) = (NumericOptions::default().set_fast(), BytesOptions::default().set_fast());
        let terms = builder.add_bytes_field("terms", indexed.clone());
        let texts = builder.add_bytes_field("texts", indexed.clone());
        let words = builder.add_bytes_field("words", indexed);
        let record = builder.add_u64_field(RECORD, number.clone());
        let seq = builder.add_u64_field("seq", number.clone());
        let updated = builder.add_i64_field("updated", number.clone());
        let kind = builder.add_bytes_field("kind", bytes.clone());
        let counter = builder.add_u64_field("counter", number.clone());
        let name = builder.add_bytes_field("name", bytes.clone());
        let distinct = builder.add_u64_field("distinct", number.clone());
        let tuples = builder.add_bytes_field(TUPLES, bytes.clone());
        let mut columns: BTreeMap<Family, Vec<Columned>> = BTreeMap::new();
        for family in FAMILIES {
            for slot in (0..slots.count(family)).map(|number| Slot { family, number }) {
                let mut made = parts(family).iter().map(|part| {
                    let name = column_name(slot, *part);
                    match part {
                        Part::Start | Part::Length => builder.add_i64_field(&name, number.clone()),
                        Part::Unit | Part::Bytes => builder.add_bytes_field(&name, bytes.clone()),
                    }
                });
                let first = made.next().expect("every family has a part");
                let (length, unit) = (made.next().unwrap_or(first), made.next().unwrap_or(first));
                columns
                    .entry(family)
                    .or_default()
                    .push(Columned { first, length, unit });
            }
        }
        Fields {
            schema: builder.build(),
            terms,
            texts,
            words,
            tuples,
            record,
            seq,
            updated,
            kind,
            counter,
            name,
            distinct,
            slots: columns,
        }
    }

    /// A document with what every record has.
    pub(crate) fn document(&self, record: u64, seq: u64, updated: i64, kind: &Kind, id: &Id) -> TantivyDocument {
        let mut document = TantivyDocument::with_capacity(2_048);
        document.add_u64(self.record, record);
        document.add_u64(self.seq, seq);
        document.add_i64(self.updated, updated);
        document.add_bytes(self.kind, kind.as_str().as_bytes());
        match counter_of(id) {
            Some(counter) => document.add_u64(self.counter, counter),
            None => document.add_bytes(self.name, &packed(id.as_str())),
        }
        document
    }

    /// The fields of a slot of ranges: start, length and, for quantities, unit.
    pub(crate) fn range(&self, slot: Slot) -> (Field, Field, Option<Field>) {
        let columned = self.slots[&slot.family][slot.number];
        (
            columned.first,
            columned.length,
            (slot.family == Family::Quantity).then_some(columned.unit),
        )
    }

    /// The field of a slot of bytes: references and texts to sort by.
    pub(crate) fn bytes(&self, slot: Slot) -> Field {
        self.slots[&slot.family][slot.number].first
    }
}

#[derive(Clone, Copy)]
enum Part {
    Start,
    Length,
    Unit,
    Bytes,
}

fn parts(family: Family) -> &'static [Part] {
    match family {
        Family::Date | Family::Number | Family::Position => &[Part::Start, Part::Length],
        Family::Quantity => &[Part::Start, Part::Length, Part::Unit],
        Family::Reference | Family::Order => &[Part::Bytes],
    }
}

fn column_name(slot: Slot, part: Part) -> String {
    let part = match part {
        Part::Start => "s",
        Part::Length => "l",
        Part::Unit => "u",
        Part::Bytes => "",
    };
    format!("{}{}{part}", slot.family.letter(), slot.number)
}

/// An id that reads `node-counter`, as a number; nearly free in a column, as they come in order.
fn counter_of(id: &Id) -> Option<u64> {
    let parts: VersionId = id.as_str().parse().ok()?;
    (parts.node < 1 << 16 && parts.counter < 1 << 48).then_some((u64::from(parts.node) << 48) | parts.counter)
}

/// Any other id as bytes: a UUID in 16, the rest as it is, each after a byte that says which.
fn packed(id: &str) -> Vec<u8> {
    let digits: Vec<u8> = id.bytes().filter(|b| *b != b'-').collect();
    let number = std::str::from_utf8(&digits)
        .ok()
        .and_then(|text| u128::from_str_radix(text, 16).ok());
    match number {
        Some(number) if digits.len() == 32 && uuid(number) == id => [&[1], &number.to_be_bytes()[..]].concat(),
        _ => [&[0], id.as_bytes()].concat(),
    }
}

fn uuid(number: u128) -> String {
    let text = format!("{number:032x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

fn unpacked(bytes: &[u8]) -> Option<Id> {
    match bytes.split_first()? {
        (1, number) => Id::new(&uuid(u128::from_be_bytes(number.try_into().ok()?))),
        (_, text) => Id::new(std::str::from_utf8(text).ok()?),
    }
}

/// Ranges of a slot: several a document where the parameter repeats.
pub(crate) struct Ranges {
    pub(crate) index: ColumnIndex,
    pub(crate) start: Arc<dyn ColumnValues<i64>>,
    pub(crate) length: Arc<dyn ColumnValues<i64>>,
    units: Option<Units>,
}

/// The units of a slot of quantities.
struct Units {
    /// The unit of each row, by its number in `known`.
    of_row: Arc<dyn ColumnValues<u64>>,
    known: Vec<Unit>,
}

impl Units {
    fn open(column: &BytesColumn) -> Result<Units, TantivyError> {
        let mut known = Vec::with_capacity(column.num_terms());
        let mut stream = column.dictionary().stream()?;
        while stream.advance() {
            known.push(unit_of(stream.key()));
        }
        let of_row = Arc::clone(&column.ords().values);
        Ok(Units { of_row, known })
    }
}

impl Ranges {
    /// The range at a row: start and end.
    pub(crate) fn at(&self, row: u32) -> (i64, i64) {
        let start = self.start.get_val(row);
        (start, start.wrapping_add(self.length.get_val(row)))
    }

    /// Which units are the one asked for, by their numbers; `None` where every row will do.
    pub(crate) fn fitting(&self, unit: UnitKey) -> Option<Vec<bool>> {
        let units = self.units.as_ref()?;
        Some(units.known.iter().map(|known| unit.holds(*known)).collect())
    }

    /// The number of a row's unit; 0 where there are no units.
    pub(crate) fn unit_at(&self, row: u32) -> usize {
        self.units
            .as_ref()
            .map_or(0, |units| units.of_row.get_val(row) as usize)
    }

    /// The numbers of the units of many rows; nothing where there are no units.
    pub(crate) fn units_at(&self, rows: &[u32], numbers: &mut Vec<u64>) {
        numbers.clear();
        if let Some(units) = &self.units {
            numbers.resize(rows.len(), 0);
            units.of_row.get_vals(rows, numbers);
        }
    }

    /// Where a document's amounts begin: as written, or in base units where they have such a form.
    pub(crate) fn starts(&self, doc: DocId) -> impl Iterator<Item = i64> {
        let counts = |row: &u32| match &self.units {
            Some(units) => {
                let unit = units.known.get(units.of_row.get_val(*row) as usize);
                unit.is_some_and(|unit| unit.canonical != Unit::ALSO_CANONICAL)
            }
            None => true,
        };
        self.index
            .value_row_ids(doc)
            .filter(counts)
            .map(|row| self.start.get_val(row))
    }
}

/// The parts of a segment that never change: everything but which documents are alive.
pub(crate) struct Columns {
    pub(crate) terms: Arc<InvertedIndexReader>,
    pub(crate) texts: Arc<InvertedIndexReader>,
    pub(crate) words: Arc<InvertedIndexReader>,
    pub(crate) record: Column<u64>,
    pub(crate) seq: Column<u64>,
    pub(crate) updated: Column<i64>,
    /// How many different words each record has.
    pub(crate) distinct: Column<u64>,
    pub(crate) kind: Column<u64>,
    /// The kinds by their numbers in this segment.
    pub(crate) kinds: Vec<Kind>,
    counter: Column<u64>,
    name: BytesColumn,
    reader: SegmentReader,
    ranges: BTreeMap<(Family, usize), OnceLock<Option<Arc<Ranges>>>>,
    bytes: BTreeMap<(Family, usize), OnceLock<Option<BytesColumn>>>,
    tuples: OnceLock<Option<BytesColumn>>,
    /// Which records replace which.
    pub(crate) pairs: Pairs,
}

impl Columns {
    /// Opens what every query needs; the slots are opened when first asked for.
    pub(crate) fn open(reader: &SegmentReader, fields: &Fields, slots: &Slots) -> Result<Columns, TantivyError> {
        let fast = reader.fast_fields();
        let missing = |name: &str| TantivyError::SchemaError(format!("the column {name} is missing"));
        let kind = fast.bytes("kind")?.ok_or_else(|| missing("kind"))?;
        let numbered = |families: &[Family]| -> Vec<(Family, usize)> {
            families
                .iter()
                .flat_map(|f| (0..slots.count(*f)).map(|number| (*f, number)))
                .collect()
        };
        let ranges = numbered(&[Family::Date, Family::Number, Family::Position, Family::Quantity]);
        let bytes = numbered(&[Family::Reference, Family::Order]);
        let mut columns = Columns {
            terms: reader.inverted_index(fields.terms)?,
            texts: reader.inverted_index(fields.texts)?,
            words: reader.inverted_index(fields.words)?,
            record: fast.u64(RECORD)?,
            seq: fast.u64("seq")?,
            updated: fast.i64("updated")?,
            distinct: fast.u64("distinct")?,
            kinds: kinds_of(&kind)?,
            kind: kind.ords().clone(),
            counter: fast.u64("counter")?,
            name: fast.bytes("name")?.ok_or_else(|| missing("name"))?,
            reader: reader.clone(),
            ranges: ranges.into_iter().map(|place| (place, OnceLock::new())).collect(),
            bytes: bytes.into_iter().map(|place| (place, OnceLock::new())).collect(),
            tuples: OnceLock::new(),
            pairs: Pairs::default(),
        };
        columns.pairs = Pairs::of(&columns, slots)?;
        Ok(columns)
    }

    /// The ranges of a slot; `None` where no document here has one.
    pub(crate) fn ranges(&self, slot: Slot) -> Option<Arc<Ranges>> {
        let cell = self.ranges.get(&(slot.family, slot.number))?;
        cell.get_or_init(|| self.open_ranges(slot).ok().flatten().map(Arc::new))
            .clone()
    }

    fn open_ranges(&self, slot: Slot) -> Result<Option<Ranges>, TantivyError> {
        let fast = self.reader.fast_fields();
        let Some(start) = fast.column_opt::<i64>(&column_name(slot, Part::Start))? else {
            return Ok(None);
        };
        let length = fast.i64(&column_name(slot, Part::Length))?;
        let units = match slot.family {
            Family::Quantity => fast.bytes(&column_name(slot, Part::Unit))?,
            _ => None,
        };
        let units = units.as_ref().map(Units::open).transpose()?;
        Ok(Some(Ranges {
            index: start.index,
            start: start.values,
            length: length.values,
            units,
        }))
    }

    /// The bytes of a slot; `None` where no document here has any.
    pub(crate) fn bytes(&self, slot: Slot) -> Option<BytesColumn> {
        let cell = self.bytes.get(&(slot.family, slot.number))?;
        let open = || {
            self.reader
                .fast_fields()
                .bytes(&column_name(slot, Part::Bytes))
                .ok()
                .flatten()
        };
        cell.get_or_init(open).clone()
    }

    /// The tuples of composite parameters; `None` where no document here has any.
    pub(crate) fn tuples(&self) -> Option<BytesColumn> {
        let open = || self.reader.fast_fields().bytes(TUPLES).ok().flatten();
        self.tuples.get_or_init(open).clone()
    }

    /// The record of a document.
    pub(crate) fn record_of(&self, doc: DocId) -> u64 {
        self.record.values.get_val(doc)
    }

    /// The place in the log of a document's version.
    pub(crate) fn seq_of(&self, doc: DocId) -> u64 {
        self.seq.values.get_val(doc)
    }

    /// The kind of a document.
    pub(crate) fn kind_of(&self, doc: DocId) -> &Kind {
        &self.kinds[self.kind.values.get_val(doc) as usize]
    }

    /// The id of a document's record; `None` only where the segment is damaged.
    pub(crate) fn id_of(&self, doc: DocId) -> Option<Id> {
        if let Some(counter) = self.counter.first(doc) {
            return Id::new(&format!("{}-{}", counter >> 48, counter & ((1 << 48) - 1)));
        }
        let mut bytes = Vec::new();
        self.name.ord_to_bytes(self.name.ords().first(doc)?, &mut bytes).ok()?;
        unpacked(&bytes)
    }

    /// The hash of a document's record; `None` only where the segment is damaged.
    pub(crate) fn name_of(&self, doc: DocId) -> Option<u64> {
        let id = self.id_of(doc)?;
        Some(record_hash(self.kind_of(doc).as_str(), id.as_str()))
    }

    /// The documents by the hashes of their records, ascending: the upper half of the hash, then the document.
    pub(crate) fn names_of(&self, mut docs: Listed) -> Option<Vec<u64>> {
        let mut names = Vec::with_capacity(docs.size_hint() as usize);
        while docs.doc() != TERMINATED {
            names.push((self.name_of(docs.doc())? & !DOCUMENT) | u64::from(docs.doc()));
            docs.advance();
        }
        names.sort_unstable();
        Some(names)
    }

    /// The documents of a kind, or all.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn of_kind(&self, kind: Option<&Kind>) -> Result<Listed, TantivyError> {
        let Some(kind) = kind else {
            return Ok(Box::new(AllScorer::new(self.reader.max_doc())));
        };
        let Some(info) = self.terms.terms().get(crate::terms::kind(kind.as_str()))? else {
            return Ok(Box::new(EmptyScorer));
        };
        let list = self
            .terms
            .read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
        Ok(Box::new(list))
    }

    /// The document of a record's version that is in the segment. Before it there may be others of the record, dead ones:
    /// versions that were replaced before they were committed.
    pub(crate) fn document_of(&self, record: u64, seq: u64) -> DocId {
        let mut doc = self.first_from(record);
        while self.seq_of(doc) != seq && doc + 1 < self.reader.max_doc() {
            doc += 1;
        }
        doc
    }

    /// The first document whose record is not below `record`; the number of documents if there is none.
    pub(crate) fn first_from(&self, record: u64) -> DocId {
        let (mut low, mut high) = (0, self.reader.max_doc());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record_of(middle) < record {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

fn kinds_of(column: &BytesColumn) -> Result<Vec<Kind>, TantivyError> {
    let mut kinds = Vec::with_capacity(column.num_terms());
    let mut name = Vec::new();
    for ord in 0..column.num_terms() as u64 {
        column.ord_to_bytes(ord, &mut name)?;
        let kind = std::str::from_utf8(&name).ok().and_then(Kind::new);
        kinds.push(kind.ok_or_else(|| TantivyError::InternalError("a kind's name is damaged".to_owned()))?);
    }
    Ok(kinds)
}

/// A segment as one searcher sees it.
#[derive(Clone)]
pub(crate) struct Segment {
    /// What is alive.
    pub(crate) reader: SegmentReader,
    /// What never changes.
    pub(crate) columns: Arc<Columns>,
    /// How many documents of each kind are alive, by number of the kind.
    living: Arc<OnceLock<Vec<u64>>>,
    /// The documents that are not.
    dead: Arc<OnceLock<Vec<DocId>>>,
}

impl Segment {
    /// A segment with what is alive in it.
    pub(crate) fn new(reader: SegmentReader, columns: Arc<Columns>) -> Segment {
        Segment {
            reader,
            columns,
            living: Arc::default(),
            dead: Arc::default(),
        }
    }

    /// The documents that are dead, ascending.
    pub(crate) fn dead(&self) -> &[DocId] {
        let of = |alive: &AliveBitSet| {
            (0..self.reader.max_doc())
                .filter(|doc| alive.is_deleted(*doc))
                .collect()
        };
        let alive = self.reader.alive_bitset();
        self.dead.get_or_init(|| alive.map_or_else(Vec::new, of))
    }

    /// How many documents of each kind are alive, by number of the kind in the segment.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn living(&self) -> Result<&[u64], TantivyError> {
        if let Some(living) = self.living.get() {
            return Ok(living);
        }
        let (columns, terms) = (&self.columns, self.columns.terms.terms());
        let mut living = Vec::with_capacity(columns.kinds.len());
        for kind in &columns.kinds {
            let info = terms.get(crate::terms::kind(kind.as_str()))?;
            living.push(info.map_or(0, |info| u64::from(info.doc_freq)));
        }
        for dead in self.dead() {
            living[columns.kind.values.get_val(*dead) as usize] -= 1;
        }
        Ok(self.living.get_or_init(|| living))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_packing() {
        for text in [
            "0-17",
            "65535-281474976710655",
            "65536-1",
            "17",
            "0-017",
            "0e3c1f6e-0000-4b2a-9d7e-000000000001",
            "0E3C1F6E-0000-4B2A-9D7E-000000000001",
            "0e3c1f6e00004b2a9d7e000000000001",
            "a.b-c",
        ] {
            let id = Id::new(text).unwrap();
            match counter_of(&id) {
                Some(counter) => assert_eq!(format!("{}-{}", counter >> 48, counter & ((1 << 48) - 1)), text),
                None => assert_eq!(unpacked(&packed(text)), Some(id)),
            }
        }
        assert_eq!(packed("0e3c1f6e-0000-4b2a-9d7e-000000000001").len(), 17);
    }
}
