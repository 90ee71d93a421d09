//! The order of hits: sort values first, then the record's number, so that no two hits are equal.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Bound;
use std::sync::Arc;

use conformance::ParameterType;
use fhir::identity::Kind;
use query::{ParamId, SortBy, SortKey, SortValue, sort_key};
use tantivy::columnar::BytesColumn;
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, TERMINATED, TantivyDocument, TantivyError};

use crate::among::Among;
use crate::columns::{Columns, Fields, Ranges};
use crate::documents::Listed;
use crate::entry::Entry;
use crate::scoring::{Scoring, score_of};
use crate::slots::{Family, Slots};
use crate::stored::Of;
use crate::turn::Turn;

/// A text to sort by is kept by so many bytes of its beginning.
const TEXT_MAX: usize = 96;
/// What follows a text that names no record of this server, in a column of references.
pub(crate) const ELSEWHERE: u8 = 0;

/// Where a hit stands: its sort values, then its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    pub(crate) values: Vec<Option<SortValue>>,
    pub(crate) record: u64,
}

impl Rank {
    /// Which of two comes first.
    pub(crate) fn compare(&self, other: &Rank, sort: &[SortKey]) -> Ordering {
        for (key, (mine, others)) in sort.iter().zip(self.values.iter().zip(&other.values)) {
            let order = match (mine, others) {
                (Some(mine), Some(others)) if key.descending => others.cmp(mine),
                (Some(mine), Some(others)) => mine.cmp(others),
                (mine, others) => mine.is_none().cmp(&others.is_none()),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        self.record.cmp(&other.record)
    }

    /// Where a version in memory stands.
    pub(crate) fn of(entry: &Entry, sort: &[SortKey], score: i64) -> Rank {
        let value = |key: &SortKey| match key.by {
            SortBy::Id => Some(text(entry.id.as_str())),
            SortBy::Updated => Some(SortValue::Number(entry.updated)),
            SortBy::Parameter(param, _) => sort_key(&entry.values, param, key.descending).map(shorten),
            SortBy::Score => Some(SortValue::Number(score)),
        };
        Rank {
            values: sort.iter().map(value).collect(),
            record: entry.record,
        }
    }
}

fn text(text: &str) -> SortValue {
    SortValue::Text(text[..text.floor_char_boundary(TEXT_MAX)].into())
}

fn shorten(value: SortValue) -> SortValue {
    match value {
        SortValue::Text(long) if long.len() > TEXT_MAX => text(&long),
        other => other,
    }
}

/// The family in which a parameter's sort values lie.
pub(crate) fn family(kind: ParameterType) -> Option<Family> {
    match kind {
        ParameterType::Date => Some(Family::Date),
        ParameterType::Number => Some(Family::Number),
        ParameterType::Quantity => Some(Family::Quantity),
        ParameterType::Reference => Some(Family::Reference),
        ParameterType::String | ParameterType::Token | ParameterType::Uri => Some(Family::Order),
        ParameterType::Special => Some(Family::Position),
        ParameterType::Composite => None,
    }
}

/// Adds the least and the greatest text of every parameter that is sorted by text.
pub(crate) fn add_keys(document: &mut TantivyDocument, fields: &Fields, slots: &Of<'_>, entry: &Entry) {
    let mut params: Vec<ParamId> = entry.values.entries.iter().map(|value| value.param).collect();
    params.sort_unstable();
    for same in params.chunk_by(|a, b| a == b) {
        let Some(slot) = slots.bytes(same[0], Family::Order) else {
            continue;
        };
        let key = |descending| sort_key(&entry.values, same[0], descending).map(shorten);
        let least = key(false);
        let greatest = if same.len() > 1 {
            key(true).filter(|key| Some(key) != least.as_ref())
        } else {
            None
        };
        for value in [least, greatest].into_iter().flatten() {
            if let SortValue::Text(text) = value {
                document.add_bytes(fields.bytes(slot), text.as_bytes());
            }
        }
    }
}

/// Where one key's values of a segment's documents are found.
enum Source<'a> {
    Id,
    Score(Option<&'a Scoring>),
    Updated,
    /// By the number of the kind in the segment.
    Numbers(Vec<Option<Arc<Ranges>>>),
    /// By the number of the kind in the segment.
    Texts(Vec<Option<BytesColumn>>),
    /// All texts in one column, so that their numbers are in order.
    Ordinals(BytesColumn),
    Nothing,
}

/// The order within one segment.
pub(crate) struct Sorter<'a> {
    columns: &'a Columns,
    sort: &'a [SortKey],
    sources: Vec<Source<'a>>,
}

impl<'a> Sorter<'a> {
    /// The order of a segment's documents, of these kinds.
    pub(crate) fn new(
        columns: &'a Columns,
        slots: &Slots,
        among: &Among<'_>,
        sort: &'a [SortKey],
        scoring: Option<&'a Scoring>,
    ) -> Sorter<'a> {
        let of = |key: &SortKey| match key.by {
            SortBy::Score => Source::Score(scoring),
            _ => source(columns, slots, among, key),
        };
        let sources = sort.iter().map(of).collect();
        Sorter { columns, sort, sources }
    }

    /// Whether every key is a number, so that documents are compared without reading a text.
    fn is_fast(&self) -> bool {
        self.sources
            .iter()
            .all(|source| !matches!(source, Source::Id | Source::Texts(_)))
    }

    /// Where a document stands.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn rank(&self, doc: DocId) -> Result<Rank, TantivyError> {
        let keys = self.sort.iter().zip(&self.sources);
        let values = keys
            .map(|(key, source)| self.value(doc, key, source))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Rank {
            values,
            record: self.columns.record_of(doc),
        })
    }

    fn value(&self, doc: DocId, key: &SortKey, source: &Source<'_>) -> Result<Option<SortValue>, TantivyError> {
        Ok(match source {
            Source::Id => self.columns.id_of(doc).map(|id| text(id.as_str())),
            Source::Score(scoring) => Some(SortValue::Number(i64::from(score_of(*scoring, doc)))),
            Source::Updated => Some(SortValue::Number(self.columns.updated.values.get_val(doc))),
            Source::Numbers(columns) => self.number(doc, columns, key.descending).map(SortValue::Number),
            Source::Texts(columns) => match &columns[self.kind(doc)] {
                Some(column) => text_of(column, doc, key.descending)?,
                None => None,
            },
            Source::Ordinals(column) => text_of(column, doc, key.descending)?,
            Source::Nothing => None,
        })
    }

    fn kind(&self, doc: DocId) -> usize {
        self.columns.kind.values.get_val(doc) as usize
    }

    fn number(&self, doc: DocId, columns: &[Option<Arc<Ranges>>], descending: bool) -> Option<i64> {
        let ranges = columns[self.kind(doc)].as_ref()?;
        let starts = ranges.starts(doc);
        if descending { starts.max() } else { starts.min() }
    }

    /// The key of a document as numbers, each ascending, missing values greatest.
    fn fast_key(&self, doc: DocId, key: &mut Vec<u64>) {
        key.clear();
        for (sort, source) in self.sort.iter().zip(&self.sources) {
            let value = self.fast_value(doc, sort, source);
            key.push(directed(value, sort.descending));
        }
        key.push(self.columns.record_of(doc));
    }

    fn fast_value(&self, doc: DocId, sort: &SortKey, source: &Source<'_>) -> Option<u64> {
        match source {
            Source::Score(scoring) => Some(number_key(i64::from(score_of(*scoring, doc)))),
            Source::Updated => Some(number_key(self.columns.updated.values.get_val(doc))),
            Source::Numbers(columns) => self.number(doc, columns, sort.descending).map(number_key),
            Source::Ordinals(column) => ordinal(column, doc, sort.descending).map(|ord| 2 * ord + 1),
            Source::Id | Source::Texts(_) | Source::Nothing => None,
        }
    }

    /// The key of a cursor among the keys of this segment's documents.
    fn fast_cursor(&self, cursor: &Rank) -> Result<Vec<u64>, TantivyError> {
        let mut key = Vec::with_capacity(self.sort.len() + 1);
        for ((sort, source), value) in self.sort.iter().zip(&self.sources).zip(&cursor.values) {
            let value = match (source, value) {
                (Source::Ordinals(column), Some(SortValue::Text(text))) => Some(place_of(column, text.as_bytes())?),
                (_, Some(SortValue::Number(number))) => Some(number_key(*number)),
                // The cursor's document had a value where no document of this segment has one.
                (_, Some(SortValue::Text(_))) => Some(0),
                (_, None) => None,
            };
            key.push(directed(value, sort.descending));
        }
        key.push(cursor.record);
        Ok(key)
    }

    /// The keys of the order.
    pub(crate) fn keys(&self) -> &'a [SortKey] {
        self.sort
    }

    /// The documents in this order; `None` where only reading their texts tells it.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn lay_out(&self, mut docs: Listed) -> Result<Option<Arc<[DocId]>>, TantivyError> {
        let (mut listed, mut buffer) = (
            Vec::with_capacity(docs.size_hint() as usize),
            [0; COLLECT_BLOCK_BUFFER_LEN],
        );
        while docs.doc() != TERMINATED {
            let read = docs.fill_buffer(&mut buffer);
            listed.extend_from_slice(&buffer[..read]);
        }
        let mut keys = Vec::with_capacity(self.sort.len());
        for (sort, source) in self.sort.iter().zip(&self.sources) {
            match self.key_column(sort, source, &listed)? {
                Some(column) => keys.push(column),
                None => return Ok(None),
            }
        }
        let mut places: Vec<u32> = (0..listed.len() as u32).collect();
        places.sort_unstable_by(|a, b| {
            let compared = keys.iter().map(|key| key[*a as usize].cmp(&key[*b as usize]));
            let unequal = compared.into_iter().find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.cmp(b))
        });
        Ok(Some(places.iter().map(|place| listed[*place as usize]).collect()))
    }

    /// One key of each document as a number, ascending.
    fn key_column(
        &self,
        sort: &SortKey,
        source: &Source<'_>,
        docs: &[DocId],
    ) -> Result<Option<Vec<u64>>, TantivyError> {
        let ranks = match source {
            Source::Texts(columns) => {
                let mut present = columns.iter().flatten();
                match (present.next(), present.next()) {
                    (Some(only), None) => match ranks_of(only)? {
                        Some(ranks) => Some((only, ranks)),
                        None => return Ok(None),
                    },
                    (None, _) => None,
                    _ => return Ok(None),
                }
            }
            Source::Id => return Ok(Some(self.id_column(sort, docs))),
            _ => None,
        };
        let key = |doc: &DocId| {
            let value = match &ranks {
                Some((column, ranks)) => {
                    ordinal(column, *doc, sort.descending).map(|ord| u64::from(ranks[ord as usize]))
                }
                None => self.fast_value(*doc, sort, source),
            };
            directed(value, sort.descending)
        };
        Ok(Some(docs.iter().map(key).collect()))
    }

    fn id_column(&self, sort: &SortKey, docs: &[DocId]) -> Vec<u64> {
        let id = |doc: &DocId| self.columns.id_of(*doc).map(|id| Box::<str>::from(id.as_str()));
        let ids: Vec<Option<Box<str>>> = docs.iter().map(id).collect();
        let mut places: Vec<u32> = (0..docs.len() as u32).collect();
        places.sort_unstable_by(|a, b| ids[*a as usize].cmp(&ids[*b as usize]));
        let mut column = vec![0; docs.len()];
        // Records of different kinds may share an id: the next key decides between them.
        let (mut rank, mut last) = (0, None);
        for place in places {
            let id = &ids[place as usize];
            rank += u64::from(last.is_some_and(|last| last != id));
            last = Some(id);
            column[place as usize] = directed(Some(rank), sort.descending);
        }
        column
    }

    /// Where an order is cut in what lies before the beginning of a turn and what lies after it.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn place_in(&self, order: &[DocId], turn: Turn<'_>) -> Result<usize, TantivyError> {
        let Some(cursor) = turn.from else {
            return Ok(if turn.back { order.len() } else { 0 });
        };
        let fast = if self.is_fast() {
            Some(self.fast_cursor(cursor)?)
        } else {
            None
        };
        let (mut low, mut high, mut key) = (0, order.len(), Vec::new());
        while low < high {
            let middle = low + (high - low) / 2;
            let compared = match &fast {
                Some(cursor) => {
                    self.fast_key(order[middle], &mut key);
                    key.cmp(cursor)
                }
                None => self.rank(order[middle])?.compare(cursor, self.sort),
            };
            if compared.is_lt() || (compared.is_eq() && !turn.back) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Keeps the `most` documents that a turn meets first.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn first(&'a self, most: usize, turn: Turn<'a>) -> Result<First<'a>, TantivyError> {
        let from = match turn.from {
            Some(rank) if self.is_fast() => Some(turned(self.fast_cursor(rank)?, turn)),
            _ => None,
        };
        Ok(First {
            sorter: self,
            most,
            turn,
            from,
            fast: BinaryHeap::new(),
            slow: Vec::new(),
            key: Vec::new(),
        })
    }
}

/// A key that is less where the turn meets it earlier.
fn turned(mut key: Vec<u64>, turn: Turn<'_>) -> Vec<u64> {
    if turn.back {
        key.iter_mut().for_each(|part| *part = !*part);
    }
    key
}

fn number_key(number: i64) -> u64 {
    (number as u64) ^ (1 << 63)
}

fn directed(value: Option<u64>, descending: bool) -> u64 {
    match value {
        None => u64::MAX,
        Some(value) if descending => u64::MAX - 1 - value.min(u64::MAX - 1),
        Some(value) => value.min(u64::MAX - 1),
    }
}

fn ordinal(column: &BytesColumn, doc: DocId, descending: bool) -> Option<u64> {
    let ords = column.term_ords(doc);
    if descending { ords.max() } else { ords.min() }
}

fn text_of(column: &BytesColumn, doc: DocId, descending: bool) -> Result<Option<SortValue>, TantivyError> {
    let Some(ord) = ordinal(column, doc, descending) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    column.ord_to_bytes(ord, &mut bytes)?;
    Ok(Some(as_read(&bytes)))
}

/// A column's text as sorting reads it.
fn as_read(bytes: &[u8]) -> SortValue {
    text(&String::from_utf8_lossy(
        bytes.strip_suffix(&[ELSEWHERE]).unwrap_or(bytes),
    ))
}

/// The place of each text of a column among them as sorting reads them; `None` where they are not in order.
fn ranks_of(column: &BytesColumn) -> Result<Option<Vec<u32>>, TantivyError> {
    let mut ranks = Vec::with_capacity(column.num_terms());
    let (mut last, mut rank) = (None::<SortValue>, 0);
    let mut stream = column.dictionary().stream()?;
    while stream.advance() {
        let read = as_read(stream.key());
        match &last {
            Some(last) if read < *last => return Ok(None),
            Some(last) if read > *last => rank += 1,
            _ => {}
        }
        last = Some(read);
        ranks.push(rank);
    }
    Ok(Some(ranks))
}

/// Twice the number of a text in the dictionary and one more; between two numbers where it is not in it.
fn place_of(column: &BytesColumn, text: &[u8]) -> Result<u64, TantivyError> {
    let bounds = column
        .dictionary()
        .term_bounds_to_ord(Bound::Included(text), Bound::Excluded(text))?;
    let exact = column.dictionary().term_ord(text)?;
    Ok(match (exact, bounds.0) {
        (Some(ord), _) => 2 * ord + 1,
        (None, Bound::Included(ord) | Bound::Excluded(ord)) => ord.min(1 << 40) * 2,
        (None, Bound::Unbounded) => 0,
    })
}

fn source<'a>(columns: &Columns, slots: &Slots, among: &Among<'_>, key: &SortKey) -> Source<'a> {
    let (param, kind) = match key.by {
        SortBy::Id => return Source::Id,
        SortBy::Updated => return Source::Updated,
        SortBy::Score => return Source::Nothing,
        SortBy::Parameter(param, kind) => (param, kind),
    };
    let wanted = |kind: &Kind| among.has(kind);
    let Some(family) = family(kind) else {
        return Source::Nothing;
    };
    let slot = |kind: &Kind| slots.slot(kind, param, family).filter(|_| wanted(kind));
    match family {
        // Places have no order.
        Family::Position => Source::Nothing,
        Family::Date | Family::Number | Family::Quantity => {
            let ranges = |kind: &Kind| slot(kind).and_then(|slot| columns.ranges(slot));
            Source::Numbers(columns.kinds.iter().map(ranges).collect())
        }
        Family::Order | Family::Reference => {
            let of_kinds: Vec<_> = columns.kinds.iter().map(slot).collect();
            let searched: Vec<_> = columns
                .kinds
                .iter()
                .zip(&of_kinds)
                .filter(|(kind, _)| wanted(kind))
                .collect();
            match searched[..] {
                // References mark those that lead elsewhere, which only reading the text takes away.
                [(_, Some(slot))] if family == Family::Order => {
                    columns.bytes(*slot).map_or(Source::Nothing, Source::Ordinals)
                }
                _ => Source::Texts(
                    of_kinds
                        .iter()
                        .map(|slot| slot.and_then(|slot| columns.bytes(slot)))
                        .collect(),
                ),
            }
        }
    }
}

/// The documents of a segment that a turn meets first, found in one pass.
pub(crate) struct First<'a> {
    sorter: &'a Sorter<'a>,
    most: usize,
    turn: Turn<'a>,
    /// The key where the turn begins.
    from: Option<Vec<u64>>,
    fast: BinaryHeap<(Vec<u64>, DocId)>,
    slow: Vec<(Rank, DocId)>,
    key: Vec<u64>,
}

impl First<'_> {
    /// Takes a document in, if it is among the first.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn offer(&mut self, doc: DocId) -> Result<(), TantivyError> {
        if self.most == 0 {
            return Ok(());
        }
        if !self.sorter.is_fast() {
            return self.offer_slow(doc);
        }
        self.sorter.fast_key(doc, &mut self.key);
        if self.turn.back {
            self.key.iter_mut().for_each(|part| *part = !*part);
        }
        if self.from.as_ref().is_some_and(|from| self.key <= *from) {
            return Ok(());
        }
        if self.fast.len() < self.most {
            self.fast.push((self.key.clone(), doc));
        } else if self.fast.peek().is_some_and(|(worst, _)| self.key < *worst) {
            self.fast.pop();
            self.fast.push((self.key.clone(), doc));
        }
        Ok(())
    }

    fn offer_slow(&mut self, doc: DocId) -> Result<(), TantivyError> {
        let (rank, sort) = (self.sorter.rank(doc)?, self.sorter.sort);
        if !self.turn.meets(&rank, sort) {
            return Ok(());
        }
        self.slow.push((rank, doc));
        if self.slow.len() >= self.most.saturating_mul(2).saturating_add(1_024) {
            self.cut();
        }
        Ok(())
    }

    fn cut(&mut self) {
        let sort = self.sorter.sort;
        let turn = self.turn;
        self.slow.sort_by(|(a, _), (b, _)| turn.compare(a, b, sort));
        self.slow.truncate(self.most);
    }

    /// What was kept, in no particular order.
    ///
    /// # Errors
    /// Where the segment cannot be read.
    pub(crate) fn kept(mut self) -> Result<Vec<(Rank, DocId)>, TantivyError> {
        self.cut();
        let mut kept = std::mem::take(&mut self.slow);
        for (_, doc) in std::mem::take(&mut self.fast) {
            kept.push((self.sorter.rank(doc)?, doc));
        }
        Ok(kept)
    }
}
