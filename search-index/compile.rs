//! Turns a resolved predicate into the documents of one segment that meet it.

use std::sync::Arc;

use fhir::identity::{Id, Kind};
use query::span::Span;
use query::term::{Lookup, Term, UnitKey};
use query::values::hash;
use query::{ParamId, Predicate, RecordSet, record_hash};
use rustc_hash::FxHashMap;
use tantivy::columnar::BytesColumn;
use tantivy::postings::TermInfo;
use tantivy::query::AllScorer;
use tantivy::schema::IndexRecordOption;
use tantivy::{BitSet, DocId, DocSet, InvertedIndexReader, TERMINATED, TantivyError};

use crate::among::Among;
use crate::columns::{Columns, Ranges};
use crate::documents::{Clock, Listed, Part, Tested, from_bits, unite};
use crate::order::ELSEWHERE;
use crate::recorded::Records;
use crate::slots::{Family, Slots};
use crate::terms::{self, Whose};

/// Up to so many records of a join are looked up one by one; more are marked in the column.
const LOOKED_UP_MAX: usize = 64;
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
    pub(crate) clock: &'a Clock,
}

impl Compiler<'_> {
    /// The documents of the searched kinds that meet the predicate, dead ones too.
    pub(crate) fn list(&self, predicate: &Predicate) -> Result<Listed, TantivyError> {
        // All documents need not be listed beside those of the kinds.
        let mut parts = match predicate {
            Predicate::All => Vec::new(),
            other => vec![self.part(other)?],
        };
        if parts.is_empty() || !self.among.named().is_empty() {
            parts.extend(self.of_kinds()?);
        }
        if parts.is_empty() {
            parts.push(self.everything());
        }
        Ok(Part::And(parts).into_list(self.max, self.clock))
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
        let columns = Arc::clone(self.columns);
        let test: Tested = Box::new(move |doc| wanted[columns.kind.values.get_val(doc) as usize]);
        if kinds.len() > KINDS_LISTED_MAX {
            return Ok(Part::Tested(test));
        }
        let keys = kinds.iter().map(|kind| terms::kind(kind.as_str()));
        let lists = keys.filter_map(|key| postings(&self.columns.terms, &key).transpose());
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        Ok(Part::Either(unite(lists, self.max, self.clock), test))
    }

    fn everything(&self) -> Part {
        Part::Listed(Box::new(AllScorer::new(self.max)))
    }

    fn part(&self, predicate: &Predicate) -> Result<Part, TantivyError> {
        let parts = |list: &[Predicate]| list.iter().map(|part| self.part(part)).collect::<Result<Vec<_>, _>>();
        Ok(match predicate {
            Predicate::All => self.everything(),
            Predicate::Nothing | Predicate::Chain { .. } | Predicate::Has { .. } => Part::nothing(),
            Predicate::And(all) if all.is_empty() => self.everything(),
            Predicate::And(all) => Part::And(parts(all)?),
            Predicate::Or(any) if any.is_empty() => Part::nothing(),
            Predicate::Or(any) => Part::Or(parts(any)?),
            Predicate::Not(inner) => Part::Not(Box::new(self.part(inner)?)),
            Predicate::Kind(kinds) => self.of_kind(kinds)?,
            Predicate::Is(ids) => self.named(ids),
            Predicate::Updated(span) => self.updated(span),
            Predicate::Test { param, test } => self.look_up(&Lookup::of(*param, test))?,
            Predicate::Text(words) => self.words(Whose::Narrative, words)?,
            Predicate::Content(words) => self.words(Whose::Content, words)?,
            Predicate::RefersTo { param, set } => self.refers_to(*param, set)?,
            Predicate::OneOf(set) => self.one_of(set),
        })
    }

    fn named(&self, ids: &[Id]) -> Part {
        let records = self
            .named
            .iter()
            .filter(|((_, id), _)| ids.contains(id))
            .map(|(_, record)| *record);
        let found = Records::new(records.collect()).find(&self.columns.record, self.max);
        let mut bits = BitSet::with_max_value(self.max);
        for doc in found {
            bits.insert(doc);
        }
        Part::Listed(from_bits(bits))
    }

    fn updated(&self, span: &Span) -> Part {
        let (columns, span) = (Arc::clone(self.columns), span.clone());
        Part::Tested(Box::new(move |doc| {
            span.holds(query::predicate::moment(columns.updated.values.get_val(doc)))
        }))
    }

    fn one_of(&self, set: &Arc<RecordSet>) -> Part {
        let (columns, set) = (Arc::clone(self.columns), Arc::clone(set));
        Part::Tested(Box::new(move |doc| {
            let id = columns.id_of(doc);
            id.is_some_and(|id| set.contains(&record_hash(columns.kind_of(doc).as_str(), id.as_str())))
        }))
    }

    fn words(&self, whose: Whose, words: &[Box<str>]) -> Result<Part, TantivyError> {
        let (mut parts, mut key) = (Vec::with_capacity(words.len()), Vec::new());
        for word in words {
            match postings(&self.columns.words, terms::word(whose, word, &mut key))? {
                Some(list) => parts.push(Part::Listed(list)),
                None => return Ok(Part::nothing()),
            }
        }
        if parts.is_empty() {
            return Ok(self.everything());
        }
        Ok(Part::And(parts))
    }

    fn look_up(&self, lookup: &Lookup) -> Result<Part, TantivyError> {
        Ok(match lookup {
            Lookup::Term(term) => Part::Listed(self.term(term)?),
            Lookup::Prefix(term) => Part::Listed(self.scan(&terms::ordered(term), &mut |_| true)?),
            Lookup::Contains(term) => {
                let start = terms::form(term);
                let (skip, wanted) = (start.len(), term.text.as_bytes());
                let contains = &mut |key: &[u8]| has_part(&key[skip..], wanted);
                Part::Listed(self.scan(&start, contains)?)
            }
            Lookup::Ranges { param, span, unit } => self.ranges(*param, span, *unit)?,
            Lookup::AnyOf(lookups) => Part::Or(
                lookups
                    .iter()
                    .map(|lookup| self.look_up(lookup))
                    .collect::<Result<_, _>>()?,
            ),
        })
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
            if read.is_multiple_of(PATIENCE) && self.clock.passed() {
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
            if self.clock.passed() {
                break;
            }
            for info in infos {
                let mut list = open(info)?;
                while list.doc() != TERMINATED {
                    bits.insert(list.doc());
                    list.advance();
                }
            }
        }
        Ok(from_bits(bits))
    }

    /// By number of the kind in the segment, what `of` gives for the searched kinds.
    fn by_kind<T>(&self, of: impl Fn(&Kind) -> Option<T>) -> Vec<Option<T>> {
        let searched = |kind: &&Kind| self.among.has(kind);
        self.columns
            .kinds
            .iter()
            .map(|kind| Some(kind).filter(searched).and_then(&of))
            .collect()
    }

    fn ranges(&self, param: ParamId, span: &Span, unit: UnitKey) -> Result<Part, TantivyError> {
        let ranges = self.by_kind(|kind| self.columns.ranges(self.slots.ranges(kind, param)?));
        let checked = ranges.into_iter().map(|ranges| Some(Checked::new(ranges?, span, unit)));
        let checked: Vec<Option<Checked>> = checked.collect();
        if checked.iter().all(Option::is_none) {
            return Ok(Part::nothing());
        }
        if self.among.named().len() == 1 {
            // Documents of other kinds are refused by their kind, whatever this says of them.
            let only = checked.into_iter().flatten().next().expect("one is left");
            return Ok(Part::Tested(Box::new(move |doc| only.holds(doc))));
        }
        let columns = Arc::clone(self.columns);
        Ok(Part::Tested(Box::new(move |doc| {
            let kind = columns.kind.values.get_val(doc) as usize;
            checked[kind].as_ref().is_some_and(|checked| checked.holds(doc))
        })))
    }

    fn refers_to(&self, param: ParamId, set: &Arc<RecordSet>) -> Result<Part, TantivyError> {
        if set.len() <= LOOKED_UP_MAX {
            let keys = set.iter().map(|record| Term::record(param, *record).to_be_bytes());
            let lists = keys.filter_map(|key| postings(&self.columns.terms, &key).transpose());
            return Ok(Part::Listed(unite(
                lists.collect::<Result<_, _>>()?,
                self.max,
                self.clock,
            )));
        }
        let slot = |kind: &Kind| self.slots.slot(kind, param, Family::Reference);
        let mut marked = Vec::new();
        for column in self.by_kind(|kind| self.columns.bytes(slot(kind)?)) {
            marked.push(column.map(|column| mark(column, set)).transpose()?);
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

/// The list of a key, where there is one.
fn postings(terms: &InvertedIndexReader, key: &[u8]) -> Result<Option<Listed>, TantivyError> {
    let Some(info) = terms.terms().get(key)? else {
        return Ok(None);
    };
    let list = terms.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
    Ok(Some(Box::new(list)))
}

fn has_part(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// Which of a column's texts name a record of the set.
fn mark(column: BytesColumn, set: &RecordSet) -> Result<(BytesColumn, Vec<bool>), TantivyError> {
    let mut marks = Vec::with_capacity(column.num_terms());
    let mut stream = column.dictionary().stream()?;
    while stream.advance() {
        marks.push(record_named(stream.key()).is_some_and(|record| set.contains(&record)));
    }
    Ok((column, marks))
}

/// The record a text of a reference column names; `None` where it leads elsewhere.
pub(crate) fn record_named(text: &[u8]) -> Option<u64> {
    (text.last() != Some(&ELSEWHERE)).then(|| hash(&[text]))
}

/// Ranges with what is asked of them.
struct Checked {
    ranges: Arc<Ranges>,
    span: Span,
    /// Which units will do, by their numbers; `None` where every row will.
    units: Option<Vec<bool>>,
}

impl Checked {
    fn new(ranges: Arc<Ranges>, span: &Span, unit: UnitKey) -> Checked {
        Checked {
            units: ranges.fitting(unit),
            ranges,
            span: span.clone(),
        }
    }

    fn holds(&self, doc: DocId) -> bool {
        self.ranges.index.value_row_ids(doc).any(|row| {
            let (start, end) = self.ranges.at(row);
            self.span.holds(fhir::moment::Stretch { start, end }) && self.unit_fits(row)
        })
    }

    fn unit_fits(&self, row: u32) -> bool {
        match &self.units {
            Some(fitting) => fitting.get(self.ranges.unit_at(row)).copied().unwrap_or(false),
            None => true,
        }
    }
}
