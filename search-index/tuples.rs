//! The tuples of composite parameters: one column for all of a kind, each row a key that says what its parts are.
//!
//! ```text
//! key    parameter (4 bytes), then its parts
//! part   0, n, n hashes (8 bytes each), m, m times: form (1), length (2), text     terms and ordered texts
//!        1, first (2), count (2)        ranges: these rows of the part's own parameter in the same document
//!        2, count (2), count times: start (8), end (8), unit                        ranges that are not among those
//! ```
//!
//! Amounts and dates stay in the columns of their own parameters. So a key holds little that differs from record to
//! record: there are few keys, a row is the number of one in the dictionary, and each key is judged once a query.

use fhir::moment::Stretch;
use query::term::{Form, Lookup, PartLookup, Range, Unit, part_ranges, part_terms};
use query::{Entry as Part, ParamId, Value};
use tantivy::TantivyDocument;

use crate::columns::Fields;
use crate::entry::Entry;
use crate::stored::{Of, UNIT_BYTES, unit_key, unit_of};
use crate::terms;

const TERMS: u8 = 0;
const ROWS: u8 = 1;
const RANGES: u8 = 2;

/// Adds the tuples of a version to its document.
pub(crate) fn add(document: &mut TantivyDocument, fields: &Fields, slots: &Of<'_>, entry: &Entry) {
    let mut keys = Vec::new();
    for found in &entry.values.entries {
        if let Value::Composite(parts) = &found.value {
            keys.push(key(found.param, parts, &|part| place(slots, entry, part)));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        document.add_bytes(fields.tuples, &key);
    }
}

/// The rows that a part's ranges have among those of its own parameter: the first, and how many.
fn place(slots: &Of<'_>, entry: &Entry, part: &Part) -> Option<(u16, u16)> {
    slots.ranges(part.param)?;
    let mut first = 0;
    for found in entry.values.entries.iter().filter(|found| found.param == part.param) {
        let mut count = 0;
        part_ranges(found, &mut |_| count += 1);
        if found.value == part.value {
            return Some((u16::try_from(first).ok()?, count));
        }
        first += u32::from(count);
    }
    None
}

fn key(param: ParamId, parts: &[Part], place: &dyn Fn(&Part) -> Option<(u16, u16)>) -> Vec<u8> {
    let mut key = param.0.to_be_bytes().to_vec();
    for part in parts {
        let mut ranges = Vec::new();
        part_ranges(part, &mut |range| ranges.push(range));
        if ranges.is_empty() {
            write_terms(part, &mut key);
            continue;
        }
        if let Some((first, count)) = place(part) {
            key.push(ROWS);
            key.extend_from_slice(&first.to_be_bytes());
            key.extend_from_slice(&count.to_be_bytes());
            continue;
        }
        key.push(RANGES);
        key.extend_from_slice(&(ranges.len() as u16).to_be_bytes());
        for range in ranges {
            key.extend_from_slice(&range.start.to_be_bytes());
            key.extend_from_slice(&range.end.to_be_bytes());
            key.extend_from_slice(&unit_key(range.unit));
        }
    }
    key
}

fn write_terms(part: &Part, key: &mut Vec<u8>) {
    let (mut hashes, mut texts) = (Vec::new(), Vec::new());
    part_terms(part, &mut |term| {
        if terms::is_ordered(&term) {
            texts.push((term.form as u8, terms::beginning_of(&term).to_owned()));
        } else {
            hashes.push(term.hash());
        }
    });
    hashes.sort_unstable();
    hashes.truncate(usize::from(u8::MAX));
    texts.truncate(usize::from(u8::MAX));
    key.extend([TERMS, hashes.len() as u8]);
    hashes.iter().for_each(|hash| key.extend(hash.to_be_bytes()));
    key.push(texts.len() as u8);
    for (form, text) in texts {
        key.push(form);
        key.extend((text.len() as u16).to_be_bytes());
        key.extend_from_slice(text.as_bytes());
    }
}

/// Whether tuples with a key pass.
#[derive(Clone, Debug, Default)]
pub(crate) enum Verdict {
    /// Nobody asked yet.
    #[default]
    Unknown,
    No,
    Yes,
    /// Where these rows of the document say so, for each: what is asked, by its number; the first row, how many.
    Rows(Box<[(usize, u32, u32)]>),
}

/// What a key says to everything that is asked; `None` where it is damaged.
pub(crate) fn judge(key: &[u8], param: ParamId, asked: &[PartLookup]) -> Option<Verdict> {
    let mut rest = Rest(key);
    if rest.take()? != param.0.to_be_bytes() {
        return Some(Verdict::No);
    }
    let mut parts = Vec::new();
    while !rest.0.is_empty() {
        parts.push(Held::read(&mut rest, param)?);
    }
    let mut rows = Vec::new();
    for (number, asked) in asked.iter().enumerate() {
        let found = match parts.get(asked.place)? {
            Held::Rows { first, count } => {
                rows.push((number, *first, *count));
                continue;
            }
            Held::Terms(terms) => terms.meet(&asked.lookup),
            Held::Ranges(ranges) => ranges.iter().any(|range| in_range(&asked.lookup, range)),
        };
        if found != asked.passes {
            return Some(Verdict::No);
        }
    }
    Some(match rows.is_empty() {
        true => Verdict::Yes,
        false => Verdict::Rows(rows.into()),
    })
}

/// What a key holds of one part.
enum Held<'k> {
    Terms(Terms<'k>),
    Rows { first: u32, count: u32 },
    Ranges(Vec<Range>),
}

impl<'k> Held<'k> {
    fn read(rest: &mut Rest<'k>, param: ParamId) -> Option<Held<'k>> {
        Some(match rest.take()? {
            [TERMS] => Held::Terms(Terms::read(rest)?),
            [ROWS] => Held::Rows {
                first: u32::from(u16::from_be_bytes(rest.take()?)),
                count: u32::from(u16::from_be_bytes(rest.take()?)),
            },
            [RANGES] => {
                let count = u16::from_be_bytes(rest.take()?);
                Held::Ranges((0..count).map(|_| rest.range(param)).collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

fn in_range(lookup: &Lookup, range: &Range) -> bool {
    match lookup {
        Lookup::Ranges { span, unit, .. } => {
            let (start, end) = (range.start, range.end);
            unit.holds(range.unit) && span.holds(Stretch { start, end })
        }
        Lookup::AnyOf(all) => all.iter().any(|lookup| in_range(lookup, range)),
        _ => false,
    }
}

/// The terms of a part.
struct Terms<'k> {
    hashes: Vec<u64>,
    texts: Vec<(u8, &'k [u8])>,
}

impl<'k> Terms<'k> {
    fn read(rest: &mut Rest<'k>) -> Option<Terms<'k>> {
        let [count] = rest.take()?;
        let hashes = (0..count)
            .map(|_| rest.take().map(u64::from_be_bytes))
            .collect::<Option<_>>()?;
        let [count] = rest.take()?;
        let mut texts = Vec::new();
        for _ in 0..count {
            let [form] = rest.take()?;
            let length = u16::from_be_bytes(rest.take()?);
            texts.push((form, rest.bytes(usize::from(length))?));
        }
        Some(Terms { hashes, texts })
    }

    fn meet(&self, lookup: &Lookup) -> bool {
        let any = |form: Form, meets: &dyn Fn(&[u8]) -> bool| {
            let mut of_form = self.texts.iter().filter(|(of, _)| *of == form as u8);
            of_form.any(|(_, text)| meets(text))
        };
        match lookup {
            Lookup::Term(term) if terms::is_ordered(term) => any(term.form, &|text| text == term.text.as_bytes()),
            Lookup::Term(term) => self.hashes.contains(&term.hash()),
            Lookup::Prefix(term) => any(term.form, &|text| text.starts_with(term.text.as_bytes())),
            Lookup::Contains(term) => any(term.form, &|text| terms::has_part(text, term.text.as_bytes())),
            Lookup::Suffix(term) => any(term.form, &|text| text.ends_with(term.text.as_bytes())),
            Lookup::AnyOf(all) => all.iter().any(|lookup| self.meet(lookup)),
            _ => false,
        }
    }
}

/// What of a key is still to be read.
struct Rest<'k>(&'k [u8]);

impl<'k> Rest<'k> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn bytes(&mut self, count: usize) -> Option<&'k [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn range(&mut self, param: ParamId) -> Option<Range> {
        let (start, end) = (i64::from_be_bytes(self.take()?), i64::from_be_bytes(self.take()?));
        let unit: Unit = unit_of(self.bytes(UNIT_BYTES)?);
        Some(Range {
            param,
            start,
            end,
            unit,
        })
    }
}

#[cfg(test)]
mod tests {
    use query::predicate::{TokenTest, UnitTest};
    use query::span::{Prefix, numeric};
    use query::{Quantity, Span, Test};

    use super::*;

    #[test]
    fn a_key_is_judged_as_it_was_written() {
        let (whole, code, amount) = (ParamId(7), ParamId(8), ParamId(9));
        let parts = [
            Part {
                param: code,
                value: Value::Token {
                    system: Some("http://loinc.org".into()),
                    code: Some("8480-6".into()),
                    text: None,
                },
            },
            Part {
                param: amount,
                value: Value::Quantity(Box::new(Quantity {
                    low: 141.0,
                    high: 141.0,
                    system: None,
                    code: None,
                    unit: Some("mmHg".into()),
                    canonical: None,
                })),
            },
        ];
        let span = |prefix| Span::new(prefix, numeric(140.0, 140.0));
        let wanted = |code_wanted: &str, prefix, unit| {
            let asked = |place, lookup| PartLookup {
                place,
                lookup,
                passes: true,
            };
            [
                asked(0, Lookup::of(code, &Test::Token(TokenTest::Code(code_wanted.into())))),
                asked(1, Lookup::of(amount, &Test::Quantity(span(prefix), unit))),
            ]
        };
        let neither = |parts: [PartLookup; 2]| parts.map(|part| PartLookup { passes: false, ..part });
        let explicit = key(whole, &parts, &|_| None);
        let placed = key(whole, &parts, &|_| Some((3, 1)));
        let named = UnitTest::Named("mmHg".into());
        for (code, prefix, unit, expected) in [
            ("8480-6", Prefix::Greater, UnitTest::Any, true),
            ("8480-6", Prefix::Greater, named.clone(), true),
            ("8480-6", Prefix::Greater, UnitTest::Named("kPa".into()), false),
            ("8480-6", Prefix::Less, UnitTest::Any, false),
            ("8462-4", Prefix::Greater, UnitTest::Any, false),
        ] {
            let parts = wanted(code, prefix, unit);
            let said = judge(&explicit, whole, &parts);
            assert_eq!(matches!(said, Some(Verdict::Yes)), expected, "{code} {said:?}");
        }
        for (code, prefix, expected) in [
            ("8462-4", Prefix::Less, true),
            ("8480-6", Prefix::Less, false),
            ("8462-4", Prefix::Greater, false),
        ] {
            let said = judge(&explicit, whole, &neither(wanted(code, prefix, UnitTest::Any)));
            assert_eq!(matches!(said, Some(Verdict::Yes)), expected, "neither {code} {said:?}");
        }
        let parts = wanted("8480-6", Prefix::Less, named);
        assert!(matches!(judge(&placed, whole, &parts), Some(Verdict::Rows(rows)) if *rows == [(1, 3, 1)]));
        assert!(matches!(judge(&placed, code, &parts), Some(Verdict::No)));
        for end in 0..placed.len() {
            assert!(judge(&placed[..end], whole, &parts).is_none(), "cut at {end}");
        }
    }
}
