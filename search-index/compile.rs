//! Turns a resolved predicate into the documents of one segment that meet it.

use std::sync::Arc;

use fhir::identity::{Id, Kind};
use query::span::Span;
use query::term::{Form, Lookup, Range, Term, UnitKey};
use query::values::hash;
use query::{Near, ParamId, Predicate, RecordSet};
use rustc_hash::FxHashMap;
use tantivy::columnar::{BytesColumn, ColumnValues};
use tantivy::postings::TermInfo;
use tantivy::query::AllScorer;
use tantivy::schema::IndexRecordOption;
use tantivy::{BitSet, DocId, InvertedIndexReader, TantivyError};
use text::Word;

use crate::among::Among;
use crate::blocks::{Candidates, Sieve, keep_where};
use crate::clock::Clock;
use crate::columns::{Columns, DOCUMENT};
use crate::documents::{Listed, Part, from_bits, from_docs, insert, unite};
use crate::order::ELSEWHERE;
use crate::orders::{Layout, Orders};
use crate::ranged::Ranged;
use crate::recorded::Records;
use crate::slots::{Family, Slots};
use crate::terms::{self, Whose};

/// Up to so many records of a join are looked up one by one; more are marked in the column.
const LOOKED_UP_MAX: usize = 64;
/// More are looked up too, where they are fewer than one in so many of what marking them would read.
const LOOKED_UP_ONE_IN: usize = 8;
/// Up to so many kinds are listed; for more every document's kind is tested.
const KINDS_LISTED_MAX: usize = 8;
/// Terms read between two looks at the clock.
const PATIENCE: usize = 256;

/// The records of the ids a predicate names, by kind and id; a kind and id without a record is missing.
pub(crate) type Named = FxHashMap<(Kind, Id), u64>;

/// Compiles predicates for one segment.
pub(crate) struct Compiler<'a> {
    pub(crate) columns: &'a Arc<Columns>,
    /// How many documents the segment has, dead ones too.
    pub(crate) max: DocId,
    pub(crate) slots: &'a Slots,
    /// The kinds searched.
    pub(crate) among: &'a Among<'a>,
    pub(crate) named: &'a Named,
    pub(crate) orders: &'a Orders,
    pub(crate) clock: &'a Clock,
}

impl Compiler<'_> {
    /// The documents of the searched kinds that meet the predicate, dead ones too.
    pub(crate) fn candidates(&self, predicate: &Predicate) -> Result<Candidates, TantivyError> {
        // All documents need not be listed beside those of the kinds.
        let mut parts = match predicate {
            _ if !self.columns.kinds.iter().any(|kind| self.among.has(kind)) => vec![Part::nothing()],
            Predicate::All => Vec::new(),
            other => vec![self.part(other)?],
        };
        // Most segments have nothing of what few records have.
        if parts.first().is_some_and(Part::is_nothing) {
            return Ok(Part::nothing().into_candidates(self.max, self.clock));
        }
        if parts.is_empty() || !self.among.named().is_empty() {
            let kinds = self.of_kinds()?;
            parts.extend(kinds.map(|part| match self.clock.watch() {
                Some(watch) => watch.kinds(part),
                None => part,
            }));
        }
        if parts.is_empty() {
            parts.push(self.everything());
        }
        Ok(Part::And(parts).into_candidates(self.max, self.clock))
    }

    /// The documents of the searched kinds; `None` where the segment has no others.
    fn of_kinds(&self) -> Result<Option<Part>, TantivyError> {
        let wanted: Vec<bool> = self.columns.kinds.iter().map(|kind| self.among.has(kind)).collect();
        if wanted.iter().all(|wanted| *wanted) {
            return Ok(None);
        }
        self.kinds(self.among.named(), wanted).map(Some)
    }

    /// The documents of a condition's kinds.
    fn of_kind(&self, kinds: &[Kind]) -> Result<Part, TantivyError> {
        let wanted: Vec<bool> = self.columns.kinds.iter().map(|kind| kinds.contains(kind)).collect();
        if !wanted.contains(&true) {
            return Ok(Part::nothing());
        }
        self.kinds(kinds, wanted)
    }

    /// The documents of some kinds, of which `wanted` says the same by their numbers in the segment: listed where they
    /// have to lead, and tested by one look at a column where something smaller does.
    fn kinds(&self, kinds: &[Kind], wanted: Vec<bool>) -> Result<Part, TantivyError> {
        let sieve = Box::new(OfKinds::new(self.columns, wanted));
        if kinds.len() > KINDS_LISTED_MAX {
            return Ok(Part::Sieved(sieve));
        }
        let keys = kinds.iter().map(|kind| terms::kind(kind.as_str()));
        let lists = keys.filter_map(|key| postings(&self.columns.terms, &key).transpose());
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        Ok(Part::Either(unite(lists, self.max, self.clock), sieve))
    }

    fn everything(&self) -> Part {
        Part::Listed(Box::new(AllScorer::new(self.max)))
    }

    fn part(&self, predicate: &Predicate) -> Result<Part, TantivyError> {
        let part = self.bare(predicate)?;
        Ok(match self.clock.watch() {
            Some(watch) => watch.part(predicate, part),
            None => part,
        })
    }

    fn bare(&self, predicate: &Predicate) -> Result<Part, TantivyError> {
        let parts = |list: &[Predicate]| list.iter().map(|part| self.part(part)).collect::<Result<Vec<_>, _>>();
        Ok(match predicate {
            Predicate::All => self.everything(),
            Predicate::Nothing | Predicate::Chain { .. } | Predicate::Has { .. } | Predicate::Within { .. } => {
                Part::nothing()
            }
            Predicate::And(all) if all.is_empty() => self.everything(),
            Predicate::And(all) => {
                let mut parts = Vec::with_capacity(all.len());
                for part in all {
                    let part = self.part(part)?;
                    if part.is_nothing() {
                        return Ok(part);
                    }
                    parts.push(part);
                }
                Part::And(parts)
            }
            Predicate::Or(any) if any.is_empty() => Part::nothing(),
            Predicate::Or(any) => Part::Or(parts(any)?),
            Predicate::Not(inner) => Part::Not(Box::new(self.part(inner)?)),
            Predicate::Kind(kinds) => self.of_kind(kinds)?,
            Predicate::Is(ids) => self.named(ids),
            Predicate::Updated(span) => self.updated(span),
            Predicate::Test { param, test } => self.look_up(&Lookup::of(*param, test))?,
            Predicate::Differ { param, by } => Part::Listed(self.term(&Term::differ(*param, *by))?),
            Predicate::Text(words) => self.words(Whose::Narrative, words)?,
            Predicate::Content(words) => self.words(Whose::Content, words)?,
            Predicate::RefersTo { param, set } => self.refers_to(*param, set)?,
            Predicate::PointsTo { param, set } => {
                let terms = set.iter().map(|key| Term::new(*param, Form::Canonical, &**key).hash());
                Part::Listed(self.any_of(terms)?)
            }
            Predicate::Contains { kinds, inner, .. } => self.holding(kinds, inner)?,
            Predicate::OneOf(set) => self.one_of(set)?,
        })
    }

    fn named(&self, ids: &[Id]) -> Part {
        let records = self
            .named
            .iter()
            .filter(|((_, id), _)| ids.contains(id))
            .map(|(_, record)| *record);
        let found = Records::new(records.collect()).find(&self.columns.record, self.max);
        Part::Listed(from_docs(found))
    }

    fn updated(&self, span: &Span) -> Part {
        let (columns, span) = (Arc::clone(self.columns), span.clone());
        let holds = move |updated| span.holds(query::predicate::moment(updated));
        Part::Sieved(Box::new(Valued {
            column: Arc::clone(&columns.updated.values),
            holds,
            values: Vec::new(),
        }))
    }

    fn one_of(&self, set: &Arc<RecordSet>) -> Result<Part, TantivyError> {
        if let Some(found) = self.records_named(set)? {
            return Ok(Part::Listed(from_docs(found)));
        }
        let (columns, set) = (Arc::clone(self.columns), Arc::clone(set));
        Ok(Part::Tested(Box::new(move |doc| {
            columns.name_of(doc).is_some_and(|name| set.contains(&name))
        })))
    }

    /// The records of a set, looked up by their names; `None` where testing every record costs less.
    fn records_named(&self, set: &RecordSet) -> Result<Option<Vec<DocId>>, TantivyError> {
        let searched = || self.columns.kinds.iter().filter(|kind| self.among.has(kind));
        if searched().count() > KINDS_LISTED_MAX {
            return Ok(None);
        }
        let mut found = Vec::new();
        for kind in searched() {
            let docs = self.columns.of_kind(Some(kind))?;
            let size = docs.size_hint();
            if set.len() > size as usize / LOOKED_UP_ONE_IN {
                return Ok(None);
            }
            let layout = Layout::Named(kind.clone());
            let make = || match self.clock.wait() {
                Ok(()) => Ok(self.columns.names_of(docs).map(Into::into)),
                Err(_) => Ok(None),
            };
            let Some(names) = self.orders.named(self.columns, &layout, size as usize, make)? else {
                return Ok(None);
            };
            for name in set {
                for doc in docs_named(&names, *name) {
                    if self.columns.name_of(doc) == Some(*name) {
                        found.push(doc);
                    }
                }
            }
        }
        found.sort_unstable();
        Ok(Some(found))
    }

    fn words(&self, whose: Whose, words: &[Word]) -> Result<Part, TantivyError> {
        let (mut parts, mut key) = (Vec::with_capacity(words.len()), Vec::new());
        for word in words {
            let mut lists = Vec::with_capacity(word.len());
            for token in word {
                let list = postings(&self.columns.words, terms::word(whose, token, &mut key))?;
                lists.extend(list.map(Part::Listed));
            }
            match lists.len() {
                0 => return Ok(Part::nothing()),
                1 => parts.append(&mut lists),
                _ => parts.push(Part::Or(lists)),
            }
        }
        if parts.is_empty() {
            return Ok(self.everything());
        }
        Ok(Part::And(parts))
    }

    /// The documents that a look-up finds, and some of kinds that are not searched.
    pub(crate) fn look_up(&self, lookup: &Lookup) -> Result<Part, TantivyError> {
        Ok(match lookup {
            Lookup::Term(term) => Part::Listed(self.term(term)?),
            Lookup::Prefix(term) => Part::Listed(self.scan(&terms::ordered(term), &mut |_| true)?),
            Lookup::Contains(term) => {
                let start = terms::form(term);
                let (skip, wanted) = (start.len(), term.text.as_bytes());
                let contains = &mut |key: &[u8]| terms::has_part(&key[skip..], wanted);
                Part::Listed(self.scan(&start, contains)?)
            }
            Lookup::Suffix(term) => {
                let start = terms::form(term);
                let (skip, wanted) = (start.len(), term.text.as_bytes());
                Part::Listed(self.scan(&start, &mut |key: &[u8]| key[skip..].ends_with(wanted))?)
            }
            Lookup::Ranges { param, span, unit } => self.ranges(*param, span, *unit)?,
            Lookup::Near { param, near } => self.near(*param, *near),
            Lookup::Tuple { param, heads, parts } => self.tuple(*param, heads, parts)?,
            Lookup::AnyOf(lookups) => self.any(lookups)?,
        })
    }

    /// The documents of any look-up; lists are united once, so that asking a document costs the same for hundreds of
    /// codes as for one.
    fn any(&self, lookups: &[Lookup]) -> Result<Part, TantivyError> {
        let (mut lists, mut rest) = (Vec::new(), Vec::new());
        for lookup in lookups {
            match self.look_up(lookup)? {
                Part::Listed(list) => lists.push(list),
                other => rest.push(other),
            }
        }
        let listed = Part::Listed(unite(lists, self.max, self.clock));
        if rest.is_empty() {
            return Ok(listed);
        }
        rest.push(listed);
        Ok(Part::Or(rest))
    }

    fn term(&self, term: &Term<'_>) -> Result<Listed, TantivyError> {
        let found = if terms::is_ordered(term) {
            postings(&self.columns.texts, &terms::ordered(term))?
        } else {
            postings(&self.columns.terms, &terms::hashed(term))?
        };
        Ok(found.unwrap_or_else(|| Box::new(tantivy::query::EmptyScorer)))
    }

    /// The documents of every ordered term that begins with `prefix` and that `wanted` accepts.
    fn scan(&self, prefix: &[u8], wanted: &mut dyn FnMut(&[u8]) -> bool) -> Result<Listed, TantivyError> {
        let texts = &self.columns.texts;
        let mut found: Vec<TermInfo> = Vec::new();
        let mut stream = texts.terms().range().ge(prefix).into_stream()?;
        let mut read = 0_usize;
        while stream.advance() && stream.key().starts_with(prefix) {
            read += 1;
            if read.is_multiple_of(PATIENCE) && !self.clock.tick(PATIENCE as u64) {
                break;
            }
            if wanted(stream.key()) {
                found.push(stream.value().clone());
            }
        }
        let open = |info: &TermInfo| -> Result<Listed, TantivyError> {
            Ok(Box::new(
                texts.read_postings_from_terminfo(info, IndexRecordOption::Basic)?,
            ))
        };
        if found.len() <= KINDS_LISTED_MAX {
            let lists = found.iter().map(open).collect::<Result<Vec<_>, _>>()?;
            return Ok(unite(lists, self.max, self.clock));
        }
        let mut bits = BitSet::with_max_value(self.max);
        for infos in found.chunks(PATIENCE) {
            let mut steps = 0;
            for info in infos {
                steps += insert(&mut bits, &mut open(info)?);
            }
            if !self.clock.tick(steps) {
                break;
            }
        }
        Ok(from_bits(bits))
    }

    /// By number of the kind in the segment, what `of` gives for the searched kinds.
    pub(crate) fn by_kind<T>(&self, of: impl Fn(&Kind) -> Option<T>) -> Vec<Option<T>> {
        let searched = |kind: &&Kind| self.among.has(kind);
        self.columns
            .kinds
            .iter()
            .map(|kind| Some(kind).filter(searched).and_then(&of))
            .collect()
    }

    fn ranges(&self, param: ParamId, span: &Span, unit: UnitKey) -> Result<Part, TantivyError> {
        let ranges = self.by_kind(|kind| self.columns.ranges(self.slots.ranges(kind, param)?));
        let ranged = ranges.into_iter().map(|ranges| Some(Ranged::new(ranges?, span, unit)));
        let mut checked: Vec<Option<Ranged>> = ranged.collect();
        if checked.iter().all(Option::is_none) {
            return Ok(Part::nothing());
        }
        if self.among.named().len() == 1 {
            // Documents of other kinds are refused by their kind, whatever this says of them.
            let only = checked.into_iter().flatten().next().expect("one is left");
            return Ok(Part::Sieved(Box::new(only)));
        }
        let columns = Arc::clone(self.columns);
        Ok(Part::Tested(Box::new(move |doc| {
            let kind = columns.kind.values.get_val(doc) as usize;
            checked[kind].as_mut().is_some_and(|checked| checked.holds(doc))
        })))
    }

    fn near(&self, param: ParamId, near: Near) -> Part {
        let places = self.by_kind(|kind| self.columns.ranges(self.slots.slot(kind, param, Family::Position)?));
        if places.iter().all(Option::is_none) {
            return Part::nothing();
        }
        let columns = Arc::clone(self.columns);
        Part::Tested(Box::new(move |doc| {
            let kind = columns.kind.values.get_val(doc) as usize;
            places[kind].as_ref().is_some_and(|places| {
                places.index.value_row_ids(doc).any(|row| {
                    let (latitude, longitude) = places.at(row);
                    Range::place(latitude, longitude).is_some_and(|place| near.holds(place))
                })
            })
        }))
    }

    /// The documents of any of the hashed terms.
    fn any_of(&self, terms: impl Iterator<Item = u64>) -> Result<Listed, TantivyError> {
        let lists = terms.filter_map(|term| postings(&self.columns.terms, &term.to_be_bytes()).transpose());
        Ok(unite(lists.collect::<Result<_, _>>()?, self.max, self.clock))
    }

    fn refers_to(&self, param: ParamId, set: &Arc<RecordSet>) -> Result<Part, TantivyError> {
        let slot = |kind: &Kind| self.slots.slot(kind, param, Family::Reference);
        let columns = self.by_kind(|kind| self.columns.bytes(slot(kind)?));
        let to_mark: usize = columns.iter().flatten().map(BytesColumn::num_terms).sum();
        if set.len() <= LOOKED_UP_MAX.max(to_mark / LOOKED_UP_ONE_IN) {
            let terms = set.iter().map(|record| Term::record(param, *record));
            return Ok(Part::Listed(self.any_of(terms)?));
        }
        let mut marked = Vec::new();
        for column in columns {
            marked.push(column.map(|column| mark(column, set, self.clock)).transpose()?);
        }
        let columns = Arc::clone(self.columns);
        Ok(Part::Tested(Box::new(move |doc| {
            let kind = columns.kind.values.get_val(doc) as usize;
            marked[kind]
                .as_ref()
                .is_some_and(|(column, marks)| column.term_ords(doc).any(|ord| marks[ord as usize]))
        })))
    }
}

/// The documents of some kinds.
struct OfKinds {
    columns: Arc<Columns>,
    /// By number of the kind in the segment.
    wanted: Vec<bool>,
    kinds: Vec<u64>,
}

impl OfKinds {
    fn new(columns: &Arc<Columns>, wanted: Vec<bool>) -> OfKinds {
        OfKinds {
            columns: Arc::clone(columns),
            wanted,
            kinds: Vec::new(),
        }
    }
}

impl Sieve for OfKinds {
    fn keep(&mut self, docs: &mut Vec<DocId>) {
        self.kinds.resize(docs.len(), 0);
        self.columns.kind.values.get_vals(docs, &mut self.kinds);
        keep_where(docs, |place, _| self.wanted[self.kinds[place] as usize]);
    }

    fn holds(&mut self, doc: DocId) -> bool {
        self.wanted[self.columns.kind.values.get_val(doc) as usize]
    }
}

/// The documents whose value in a full column passes.
struct Valued<F> {
    column: Arc<dyn ColumnValues<i64>>,
    holds: F,
    values: Vec<i64>,
}

impl<F: Fn(i64) -> bool + Send> Sieve for Valued<F> {
    fn keep(&mut self, docs: &mut Vec<DocId>) {
        self.values.resize(docs.len(), 0);
        self.column.get_vals(docs, &mut self.values);
        keep_where(docs, |place, _| (self.holds)(self.values[place]));
    }

    fn holds(&mut self, doc: DocId) -> bool {
        (self.holds)(self.column.get_val(doc))
    }
}

/// The documents that may have a name, in what [`Columns::names_of`] laid out.
fn docs_named(names: &[u64], name: u64) -> impl Iterator<Item = DocId> + '_ {
    let alike = name & !DOCUMENT;
    let from = names.partition_point(|known| *known < alike);
    let same = names[from..]
        .iter()
        .take_while(move |known| **known & !DOCUMENT == alike);
    same.map(|known| (known & DOCUMENT) as DocId)
}

/// The list of a key, where there is one.
pub(crate) fn postings(terms: &InvertedIndexReader, key: &[u8]) -> Result<Option<Listed>, TantivyError> {
    let Some(info) = terms.terms().get(key)? else {
        return Ok(None);
    };
    let list = terms.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
    Ok(Some(Box::new(list)))
}

/// Which of a column's texts name a record of the set.
fn mark(column: BytesColumn, set: &RecordSet, clock: &Clock) -> Result<(BytesColumn, Vec<bool>), TantivyError> {
    let mut marks = Vec::with_capacity(column.num_terms());
    let mut stream = column.dictionary().stream()?;
    while stream.advance() {
        if marks.len() % PATIENCE == PATIENCE - 1 && !clock.tick(PATIENCE as u64) {
            // What is asked of the rest does not matter any more.
            marks.resize(column.num_terms(), false);
            break;
        }
        marks.push(record_named(stream.key()).is_some_and(|record| set.contains(&record)));
    }
    Ok((column, marks))
}

/// The record a text of a reference column names; `None` where it leads elsewhere.
pub(crate) fn record_named(text: &[u8]) -> Option<u64> {
    (text.last() != Some(&ELSEWHERE)).then(|| hash(&[text]))
}
