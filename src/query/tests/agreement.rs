//! Random records and searches: an index made of terms and ranges gives the answers that matching gives.

use std::collections::{BTreeSet, HashMap};

use fhir::identity::Kind;

use super::{Sample, handling, registry};
use crate::predicate::{Predicate, moment};
use crate::sample::{Found, IDS, KINDS, Random, look_up, record, search};
use crate::search::parse;
use crate::term::{Form, Lookup, Range, Term, each_range, each_term, part_ranges, part_terms};
use crate::values::{Entry, ParamId, Value, record_hash};

type Rows = BTreeSet<usize>;

/// The plainest index there is: a table of terms, a table of ranges.
struct Index {
    records: Vec<Sample>,
    terms: HashMap<Vec<u8>, Rows>,
    hashes: HashMap<u64, Rows>,
    ranges: Vec<(Range, usize)>,
    tuples: Vec<(ParamId, Box<[Entry]>, usize)>,
}

impl Index {
    fn new(records: Vec<Sample>) -> Index {
        let mut index = Index {
            terms: HashMap::new(),
            hashes: HashMap::new(),
            ranges: Vec::new(),
            tuples: Vec::new(),
            records: Vec::new(),
        };
        for (row, sample) in records.iter().enumerate() {
            each_term(&sample.values, &mut |term| {
                index.hashes.entry(term.hash()).or_default().insert(row);
                index.terms.entry(term.bytes()).or_default().insert(row);
            });
            each_range(&sample.values, &mut |range| index.ranges.push((range, row)));
            for entry in &sample.values.entries {
                if let Value::Composite(tuple) = &entry.value {
                    index.tuples.push((entry.param, tuple.clone(), row));
                }
            }
        }
        index.records = records;
        index
    }

    fn where_term(&self, of: &Term<'_>, meets: impl Fn(&[u8]) -> bool) -> Rows {
        let start = Term::new(of.param, of.form, "").bytes();
        let found = self
            .terms
            .iter()
            .filter(|(term, _)| term.starts_with(&start) && meets(&term[start.len()..]));
        found.flat_map(|(_, rows)| rows.iter().copied()).collect()
    }

    fn look_up(&self, lookup: &Lookup) -> Rows {
        match lookup {
            Lookup::Term(term) => self.hashes.get(&term.hash()).cloned().unwrap_or_default(),
            Lookup::Prefix(term) => self.where_term(term, |text| text.starts_with(term.text.as_bytes())),
            Lookup::Contains(term) => {
                let part: &str = &term.text;
                self.where_term(term, |text| String::from_utf8_lossy(text).contains(part))
            }
            Lookup::Suffix(term) => self.where_term(term, |text| text.ends_with(term.text.as_bytes())),
            Lookup::Ranges { param, span, unit } => {
                let meets = |range: &Range| {
                    let stretch = fhir::moment::Stretch {
                        start: range.start,
                        end: range.end,
                    };
                    range.param == *param && unit.holds(range.unit) && span.holds(stretch)
                };
                self.ranges
                    .iter()
                    .filter(|(range, _)| meets(range))
                    .map(|(_, row)| *row)
                    .collect()
            }
            Lookup::Near { param, near } => {
                let place = |range: &Range| Range::place(range.start, range.end).expect("a place");
                let meets = |range: &Range| range.param == *param && near.holds(place(range));
                let found = self.ranges.iter().filter(|(range, _)| meets(range));
                found.map(|(_, row)| *row).collect()
            }
            Lookup::AnyOf(all) => all.iter().flat_map(|lookup| self.look_up(lookup)).collect(),
            Lookup::Tuple { param, heads, parts } => {
                let tuples = self.tuples.iter().filter(|(of, _, _)| of == param);
                let meets = |tuple: &[Entry]| {
                    let mut asked = parts.iter();
                    asked.all(|asked| finds(&asked.lookup, &tuple[asked.place]) == asked.passes)
                };
                let found = tuples.filter(|(_, tuple, _)| meets(tuple)).map(|(_, _, row)| *row);
                let found: Rows = found.collect();
                for head in heads {
                    assert!(
                        found.is_subset(&self.look_up(head)),
                        "{head:?} leaves out what it leads to"
                    );
                }
                found
            }
        }
    }

    fn rows(&self, meets: impl Fn(&Sample) -> bool) -> Rows {
        self.records
            .iter()
            .enumerate()
            .filter(|(_, s)| meets(s))
            .map(|(row, _)| row)
            .collect()
    }

    fn find(&self, predicate: &Predicate) -> Rows {
        match predicate {
            Predicate::All => self.rows(|_| true),
            Predicate::Nothing => Rows::new(),
            Predicate::And(all) => all
                .iter()
                .fold(self.rows(|_| true), |rows, part| &rows & &self.find(part)),
            Predicate::Or(any) => any.iter().flat_map(|part| self.find(part)).collect(),
            Predicate::Not(inner) => &self.rows(|_| true) - &self.find(inner),
            Predicate::Kind(kinds) => self.rows(|s| kinds.contains(&s.kind)),
            Predicate::Is(ids) => self.rows(|s| ids.contains(&s.id)),
            Predicate::Updated(span) => self.rows(|s| span.holds(moment(s.updated))),
            Predicate::Test { param, test } => self.look_up(&Lookup::of(*param, test)),
            Predicate::Differ { param, by } => {
                let found = self.hashes.get(&Term::differ(*param, *by).hash());
                found.cloned().unwrap_or_default()
            }
            Predicate::Text(_) | Predicate::Content(_) => self.rows(|s| s.with(|subject| predicate.matches(subject))),
            Predicate::RefersTo { param, set } => {
                let hashes = set.iter().map(|record| Term::record(*param, *record));
                hashes
                    .filter_map(|hash| self.hashes.get(&hash))
                    .flatten()
                    .copied()
                    .collect()
            }
            Predicate::PointsTo { param, set } => {
                let terms = set.iter().map(|key| Term::new(*param, Form::Canonical, &**key).hash());
                terms
                    .filter_map(|hash| self.hashes.get(&hash))
                    .flatten()
                    .copied()
                    .collect()
            }
            Predicate::OneOf(set) => self.rows(|s| set.contains(&record_hash(s.kind.as_str(), s.id.as_str()))),
            Predicate::Contains { .. } => self.rows(|s| s.with(|subject| predicate.matches(subject))),
            Predicate::Chain { .. } | Predicate::Has { .. } | Predicate::Within { .. } => panic!("an unresolved join"),
        }
    }

    fn of_kind<'a>(&'a self, rows: &'a Rows, kind: &'a str) -> impl Iterator<Item = &'a Sample> {
        rows.iter()
            .map(|row| &self.records[*row])
            .filter(move |s| s.kind.as_str() == kind)
    }

    fn resolve(&self, predicate: Predicate, find: &dyn Fn(&Predicate) -> Rows) -> Predicate {
        let found = |kinds: &[Kind], inner: &Predicate| -> Vec<Found<'_>> {
            let rows = find(inner).into_iter().map(|row| &self.records[row]);
            let wanted = rows.filter(|sample| kinds.is_empty() || kinds.contains(&sample.kind));
            wanted
                .map(|sample| Found {
                    kind: &sample.kind,
                    id: &sample.id,
                    values: &sample.values,
                    root: sample.document.root(),
                })
                .collect()
        };
        let resolved: Result<Predicate, ()> = predicate.resolve(&mut |join| Ok(look_up(join, &found)));
        resolved.expect("no error")
    }
}

/// Whether a look-up finds a tuple's part by its terms and ranges.
fn finds(lookup: &Lookup, part: &Entry) -> bool {
    let mut found = false;
    let texts = |term: &Term<'_>, wanted: &Term<'_>| term.param == wanted.param && term.form == wanted.form;
    match lookup {
        Lookup::Term(wanted) => part_terms(part, &mut |term| found |= term.hash() == wanted.hash()),
        Lookup::Prefix(wanted) => part_terms(part, &mut |term| {
            found |= texts(&term, wanted) && term.text.starts_with(&*wanted.text)
        }),
        Lookup::Contains(wanted) => part_terms(part, &mut |term| {
            found |= texts(&term, wanted) && term.text.contains(&*wanted.text)
        }),
        Lookup::Suffix(wanted) => part_terms(part, &mut |term| {
            found |= texts(&term, wanted) && term.text.ends_with(&*wanted.text)
        }),
        Lookup::Ranges { span, unit, .. } => part_ranges(part, &mut |range| {
            let (start, end) = (range.start, range.end);
            found |= unit.holds(range.unit) && span.holds(fhir::moment::Stretch { start, end });
        }),
        Lookup::AnyOf(all) => found = all.iter().any(|lookup| finds(lookup, part)),
        Lookup::Near { .. } | Lookup::Tuple { .. } => panic!("no part of a tuple"),
    }
    found
}

#[test]
fn terms_and_ranges_answer_as_matching_does() {
    let mut found = 0;
    for seed in 0..25 {
        let mut random = Random::new(seed);
        let each = KINDS.iter().flat_map(|kind| (0..IDS).map(move |n| (kind, n)));
        let records: Vec<(String, usize)> = each
            .map(|(kind, n)| (record(&mut random, kind, &format!("a{n}")), n))
            .collect();
        let index = Index::new(records.iter().map(|(json, _)| Sample::new(json)).collect());
        for _ in 0..300 {
            found += agree(&index, &mut random, seed);
        }
    }
    assert!(found > 9_000, "the sample finds too little: {found}");
}

fn agree(index: &Index, random: &mut Random, seed: u64) -> usize {
    let (kind, params) = search(random);
    let search = parse(&registry(), std::slice::from_ref(&kind), &params, &handling(true))
        .unwrap_or_else(|issues| panic!("seed {seed}: {kind}?{params:?}: {issues:?}"));
    let matching = |predicate: &Predicate| index.rows(|s| s.with(|subject| predicate.matches(subject)));
    let by_index = index.resolve(search.predicate.clone(), &|p| index.find(p));
    let by_match = index.resolve(search.predicate, &|p| matching(p));
    let (left, right) = (index.find(&by_index), matching(&by_match));
    assert_eq!(left, right, "seed {seed}: {kind}?{params:?}");
    index.of_kind(&left, kind.as_str()).count()
}
