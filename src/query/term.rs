//! How an index answers a test: the terms and ranges of a record's values, and where to look them up.
//!
//! An index keeps two things for each record, and needs no other knowledge of search types:
//!
//! * **terms** ([`each_term`]): a parameter, a form and a text. Equal terms may be kept as
//!   [`Term::hash`]; only the forms [`Form::is_ordered`] names must also be kept in order as
//!   [`Term::bytes`], for [`Lookup::Prefix`] and [`Lookup::Contains`];
//! * **ranges** ([`each_range`]): a parameter and a half-open range of whole numbers, of dates and
//!   numbers and quantities alike, a quantity with the hashes of its unit, and once more in base units.
//!
//! A composite's tuples ([`Value::Composite`]) are kept beside them, each part by its terms or ranges.
//!
//! [`Lookup::of`] turns a test into the look-up that finds exactly the records the test passes on:
//! `matches` and the look-up agree, and a test here holds them to it. A negation or a missing value is
//! [`Predicate::Not`](crate::predicate::Predicate::Not) around the test. Sets of records
//! ([`Predicate::RefersTo`](crate::predicate::Predicate::RefersTo)) are answered by the terms of
//! [`Form::Record`], whose hash is [`Term::record`] of the record's own hash.

use std::borrow::Cow;

use fhir::identity::Kind;

use fhir::moment::Stretch;

use crate::canonical::key;
use crate::fold::{fold, fold_code};
use crate::position::{Near, Position};
use crate::sameness::Sameness;
use crate::span::{Span, numeric};
use crate::test::{PartTest, ReferenceTest, StringTest, Test, TokenTest, UnitTest, UriTest, bare, releases};
use crate::values::{Entry, ParamId, Quantity, Target, Value, Values, hash, record_hash};

/// What kind of text a term holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Form {
    /// There is a value; the text is empty.
    Present = 0,
    /// A folded code, whatever its system.
    Code = 1,
    /// `system|code`, the code folded.
    Coded = 2,
    /// A system.
    System = 3,
    /// A folded display or text of a coded value. Ordered.
    Display = 4,
    /// `system|code|value` of a typed identifier, code and value folded.
    OfType = 5,
    /// A folded text. Ordered.
    Folded = 6,
    /// A text as written.
    Exact = 7,
    /// `Kind/id` of a record of this server.
    Record = 8,
    /// `Kind/id/_history/version`.
    Version = 9,
    /// Another address; also a canonical without its version.
    Address = 10,
    /// A folded identifier value, whatever its system, of a reference by identifier.
    Identifier = 11,
    /// `system|value` of a reference by identifier, the value folded.
    IdentifierCoded = 12,
    /// The system of a reference by identifier.
    IdentifierSystem = 13,
    /// A URI; also a canonical without its version. Ordered.
    Uri = 14,
    /// Another address as joins compare it: [`canonical::key`](crate::canonical::key).
    Canonical = 15,
    /// Values of the parameter differ by what the text names ([`Sameness`]).
    Differ = 17,
    /// A canonical address as far as a dot of its version, or the whole: `url|1` and `url|1.2` of `url|1.2`.
    Release = 18,
    /// A resource the record contains: its kind ([`Term::holds`]), and its own terms ([`Term::held`]).
    Contained = 16,
}

impl Form {
    /// Whether prefixes or parts of these terms are looked up, so that an index keeps them in order.
    pub fn is_ordered(self) -> bool {
        matches!(self, Form::Display | Form::Folded | Form::Uri)
    }
}

/// A term of a record: equal terms mean equal values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term<'a> {
    /// The parameter.
    pub param: ParamId,
    /// What the text is.
    pub form: Form,
    /// The text.
    pub text: Cow<'a, str>,
}

impl<'a> Term<'a> {
    /// A term.
    pub fn new(param: ParamId, form: Form, text: impl Into<Cow<'a, str>>) -> Term<'a> {
        let text = text.into();
        Term { param, form, text }
    }

    /// The term as bytes in the order of parameter, form and text: four bytes of parameter (big endian),
    /// one of form, then the text.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(5 + self.text.len());
        bytes.extend_from_slice(&self.param.0.to_be_bytes());
        bytes.push(self.form as u8);
        bytes.extend_from_slice(self.text.as_bytes());
        bytes
    }

    /// A stable 64-bit hash of the term.
    pub fn hash(&self) -> u64 {
        if self.form == Form::Record {
            return Term::record(self.param, hash(&[self.text.as_bytes()]));
        }
        hash(&[&self.param.0.to_be_bytes(), &[self.form as u8], self.text.as_bytes()])
    }

    /// The hash of the [`Form::Record`] term that refers to a record, from [`record_hash`].
    pub fn record(param: ParamId, record: u64) -> u64 {
        hash(&[&param.0.to_be_bytes(), &[Form::Record as u8], &record.to_le_bytes()])
    }

    /// The term of a record with values of the parameter that differ.
    pub fn differ(param: ParamId, by: Sameness) -> Term<'static> {
        Term::new(param, Form::Differ, by.name())
    }

    /// The term of a record that contains a resource of a kind.
    pub fn holds(kind: &Kind) -> Term<'_> {
        Term::new(ParamId(0), Form::Contained, kind.as_str())
    }

    /// The term of a record that contains a resource of a kind which has this term.
    pub fn held(&self, kind: &Kind) -> Term<'static> {
        let text = format!("{kind}|{}|{}", self.form as u8, self.text);
        Term::new(self.param, Form::Contained, text)
    }

    /// The same term with a text of its own.
    pub fn into_owned(self) -> Term<'static> {
        Term::new(self.param, self.form, self.text.into_owned())
    }
}

/// A range of a record: a date, number or quantity; also a place, as its latitude and its longitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The parameter.
    pub param: ParamId,
    /// The first whole number in it: microseconds, or [`order`](crate::span::order) of a number.
    pub start: i64,
    /// The first whole number after it.
    pub end: i64,
    /// The unit of a quantity; all zero for a date or number.
    pub unit: Unit,
}

impl Range {
    /// The place that a range stands for, from its latitude and its longitude; `None` where it is none.
    pub fn place(start: i64, end: i64) -> Option<Position> {
        Some(Position {
            latitude: i32::try_from(start).ok()?,
            longitude: i32::try_from(end).ok()?,
        })
    }
}

/// The unit of a quantity, by hashes; zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unit {
    /// The hash of system and code ([`Unit::coded`]).
    pub coded: u64,
    /// The hash of the code ([`Unit::named`]).
    pub code: u64,
    /// The hash of the unit as people read it ([`Unit::named`]).
    pub name: u64,
    /// Of the range as written: 0, or [`Unit::ALSO_CANONICAL`] where the amount has a range in base units too.
    /// Of a range in base units: its dimension, and all else is zero.
    pub canonical: u64,
}

impl Unit {
    /// What [`Unit::canonical`] is where another range says the same in base units.
    pub const ALSO_CANONICAL: u64 = 1;

    /// Whether the range is as written, and not in base units.
    pub fn is_plain(self) -> bool {
        self.canonical <= Unit::ALSO_CANONICAL
    }

    /// The hash of a system and a code.
    pub fn coded(system: &str, code: &str) -> u64 {
        hash(&[system.as_bytes(), b"|", code.as_bytes()])
    }

    /// The hash of a code or a unit.
    pub fn named(name: &str) -> u64 {
        hash(&[name.as_bytes()])
    }

    fn of(quantity: &Quantity) -> Unit {
        let named = |text: &Option<Box<str>>| text.as_deref().map_or(0, Unit::named);
        let coded = match (&quantity.system, &quantity.code) {
            (Some(system), Some(code)) => Unit::coded(system, code),
            _ => 0,
        };
        Unit {
            coded,
            code: named(&quantity.code),
            name: named(&quantity.unit),
            canonical: quantity.canonical.map_or(0, |_| Unit::ALSO_CANONICAL),
        }
    }
}

/// Which unit a range has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitKey {
    /// Any, or none; the range as written.
    Any,
    /// [`Unit::coded`] is this.
    Coded(u64),
    /// [`Unit::code`] or [`Unit::name`] is this.
    Named(u64),
    /// The range in base units, of this dimension.
    Canonical(u64),
}

impl UnitKey {
    /// Whether a range's unit is the one asked for.
    pub fn holds(self, unit: Unit) -> bool {
        match self {
            UnitKey::Any => unit.is_plain(),
            UnitKey::Coded(hash) => unit.is_plain() && unit.coded == hash,
            UnitKey::Named(hash) => unit.is_plain() && (unit.code == hash || unit.name == hash),
            UnitKey::Canonical(dimension) => unit.canonical == dimension,
        }
    }
}

/// Where an index finds the records a test passes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup {
    /// Records with the term.
    Term(Term<'static>),
    /// Records with a term of the same parameter and form whose text starts with this term's.
    Prefix(Term<'static>),
    /// Records with a term of the same parameter and form whose text contains this term's.
    Contains(Term<'static>),
    /// Records with a term of the same parameter and form whose text ends with this term's.
    Suffix(Term<'static>),
    /// Records with a range of the parameter that both lies in a window and has the unit.
    Ranges {
        /// The parameter.
        param: ParamId,
        /// The windows.
        span: Span,
        /// The unit.
        unit: UnitKey,
    },
    /// Records with a range of the parameter that is a place near another: see [`Range::place`].
    Near {
        /// The parameter.
        param: ParamId,
        /// What is near.
        near: Near,
    },
    /// Records that any of these finds.
    AnyOf(Vec<Lookup>),
    /// Records with a tuple of the parameter that meets all of the parts.
    Tuple {
        /// The parameter.
        param: ParamId,
        /// Each of these finds all of the records, and others: where to begin.
        heads: Vec<Lookup>,
        /// What is asked of the parts' [`part_terms`] and [`part_ranges`].
        parts: Vec<PartLookup>,
    },
}

/// What is asked of one part of a tuple.
#[derive(Clone, Debug, PartialEq)]
pub struct PartLookup {
    /// The part's place.
    pub place: usize,
    /// What finds it.
    pub lookup: Lookup,
    /// Whether it has to be found; else it must not be.
    pub passes: bool,
}

impl Lookup {
    /// The look-up of a test.
    pub fn of(param: ParamId, test: &Test) -> Lookup {
        let owned = |form, text: &str| Term::new(param, form, text.to_owned());
        let term = |form, text: &str| Lookup::Term(owned(form, text));
        let prefix = |form, text: &str| Lookup::Prefix(owned(form, text));
        match test {
            Test::Present => term(Form::Present, ""),
            Test::Token(test) => token(param, test, [Form::Code, Form::Coded, Form::System]),
            Test::TokenText(text) => prefix(Form::Display, text),
            Test::OfType { system, code, value } => term(Form::OfType, &format!("{system}|{code}|{value}")),
            Test::String(StringTest::Prefix(text)) => prefix(Form::Folded, text),
            Test::String(StringTest::Exact(text)) => term(Form::Exact, text),
            Test::String(StringTest::Contains(text)) => Lookup::Contains(owned(Form::Folded, text)),
            Test::String(StringTest::Equal(text)) => term(Form::Folded, text),
            Test::String(StringTest::Suffix(text)) => Lookup::Suffix(owned(Form::Folded, text)),
            Test::Reference(test) => reference(param, test),
            Test::Date(span) | Test::Number(span) => Lookup::Ranges {
                param,
                span: span.clone(),
                unit: UnitKey::Any,
            },
            Test::Quantity(span, unit) => Lookup::Ranges {
                param,
                span: span.clone(),
                unit: match unit {
                    UnitTest::Any => UnitKey::Any,
                    UnitTest::Coded(system, code) => UnitKey::Coded(Unit::coded(system, code)),
                    UnitTest::Named(name) => UnitKey::Named(Unit::named(name)),
                    UnitTest::Canonical(dimension) => UnitKey::Canonical(*dimension),
                },
            },
            Test::Uri(UriTest::Exact(uri)) => term(Form::Uri, uri),
            Test::Uri(UriTest::Starts(start)) => prefix(Form::Uri, start),
            Test::Uri(UriTest::Contains(part)) => Lookup::Contains(owned(Form::Uri, part)),
            Test::Uri(UriTest::Ends(end)) => Lookup::Suffix(owned(Form::Uri, end)),
            Test::Uri(UriTest::Below(root)) => {
                let root = root.strip_suffix('/').unwrap_or(root);
                Lookup::AnyOf(vec![term(Form::Uri, root), prefix(Form::Uri, &format!("{root}/"))])
            }
            Test::Uri(UriTest::Above(leaf)) => {
                Lookup::AnyOf(above(leaf).iter().map(|uri| term(Form::Uri, uri)).collect())
            }
            Test::Near(near) => Lookup::Near { param, near: *near },
            Test::Composite(tests) => tuple(param, tests),
        }
    }

    /// Whether it finds records by terms alone, each known in full.
    fn is_exact(&self) -> bool {
        match self {
            Lookup::Term(_) => true,
            Lookup::AnyOf(all) => all.iter().all(Lookup::is_exact),
            _ => false,
        }
    }
}

/// A record with the tuple has the part's value under the component's own parameter as well, or else under the
/// composite's: see [`each_term`].
fn tuple(param: ParamId, tests: &[PartTest]) -> Lookup {
    let of = |asked: &PartTest| PartLookup {
        place: asked.place,
        lookup: Lookup::of(asked.param, &asked.test),
        passes: asked.passes,
    };
    let parts: Vec<PartLookup> = tests.iter().map(of).collect();
    let mut heads = Vec::new();
    for (part, asked) in parts.iter().zip(tests) {
        if part.passes && part.lookup.is_exact() {
            heads.push(Lookup::AnyOf(vec![part.lookup.clone(), Lookup::of(param, &asked.test)]));
        }
    }
    if heads.is_empty() {
        heads.push(Lookup::Term(Term::new(param, Form::Present, "")));
    }
    Lookup::Tuple { param, heads, parts }
}

fn token(param: ParamId, test: &TokenTest, [code, coded, system]: [Form; 3]) -> Lookup {
    let term = |form, text: &str| Lookup::Term(Term::new(param, form, text.to_owned()));
    match test {
        TokenTest::Code(text) => term(code, text),
        TokenTest::Coded(space, text) => term(coded, &format!("{space}|{text}")),
        TokenTest::System(text) => term(system, text),
        TokenTest::Among(set) => {
            let systems = set.systems.iter().map(|text| term(system, text));
            Lookup::AnyOf(systems.chain(set.coded.iter().map(|text| term(coded, text))).collect())
        }
    }
}

fn reference(param: ParamId, test: &ReferenceTest) -> Lookup {
    match test {
        ReferenceTest::Record { kinds, id, version } => {
            let one = |kind: &fhir::identity::Kind| {
                Lookup::Term(match version {
                    Some(version) => Term::new(param, Form::Version, format!("{kind}/{id}/_history/{version}")),
                    None => Term::new(param, Form::Record, format!("{kind}/{id}")),
                })
            };
            match &kinds[..] {
                [kind] => one(kind),
                kinds => Lookup::AnyOf(kinds.iter().map(one).collect()),
            }
        }
        ReferenceTest::Address(address) => Lookup::Term(Term::new(param, Form::Address, address.clone().into_string())),
        ReferenceTest::Release(address) => Lookup::Term(Term::new(param, Form::Release, address.clone().into_string())),
        ReferenceTest::Identifier(test) => token(
            param,
            test,
            [Form::Identifier, Form::IdentifierCoded, Form::IdentifierSystem],
        ),
    }
}

/// Every URI that a leaf is, or lies below: its beginnings before a `/`, without and with the slash.
fn above(leaf: &str) -> Vec<String> {
    let mut ends: Vec<usize> = leaf.match_indices('/').map(|(at, _)| at).collect();
    ends.push(leaf.len());
    ends.iter()
        .flat_map(|end| [leaf[..*end].to_owned(), format!("{}/", &leaf[..*end])])
        .collect()
}

/// Calls `each` with every term of the values. The same term may come more than once.
pub fn each_term(values: &Values, each: &mut dyn FnMut(Term<'_>)) {
    for entry in &values.entries {
        each(Term::new(entry.param, Form::Present, ""));
        match &entry.value {
            Value::Composite(parts) => {
                let strange = |part: &&Entry| !values.of(part.param).any(|value| covers(value, &part.value));
                let strangers = parts.iter().filter(strange);
                strangers.for_each(|part| terms_of(entry.param, &part.value, each));
            }
            value => terms_of(entry.param, value, each),
        }
    }
    each_difference(values, &mut |param, by| each(Term::differ(param, by)));
    for held in &values.contained {
        each(Term::holds(&held.kind));
        each_term(&held.values, &mut |term| each(term.held(&held.kind)));
    }
}

/// Calls `each` once with everything by which a parameter's values differ.
fn each_difference(values: &Values, each: &mut dyn FnMut(ParamId, Sameness)) {
    // All values are the same where all are what the first one is.
    let mut firsts: Vec<(&Entry, Vec<Sameness>)> = Vec::new();
    for entry in &values.entries {
        let Some((first, told)) = firsts.iter_mut().find(|(first, _)| first.param == entry.param) else {
            firsts.push((entry, Vec::new()));
            continue;
        };
        Sameness::each_between(&first.value, &entry.value, &mut |by| {
            if !told.contains(&by) {
                told.push(by);
                each(entry.param, by);
            }
        });
    }
}

/// Whether a value has all the terms of a tuple's part. A part that is no parameter's value is listed under the
/// composite's own parameter, so that [`Lookup::Tuple`] always has where to begin.
fn covers(value: &Value, part: &Value) -> bool {
    match (value, part) {
        (_, Value::Date(_) | Value::Number { .. } | Value::Quantity(_) | Value::Position(_)) => true,
        (Value::Token { system, code, .. }, Value::Token { system: s, code: c, .. }) => system == s && code == c,
        (value, part) => value == part,
    }
}

/// Calls `each` with every term of a tuple's part, under the component's own parameter.
pub fn part_terms(part: &Entry, each: &mut dyn FnMut(Term<'_>)) {
    terms_of(part.param, &part.value, each);
}

fn terms_of(param: ParamId, value: &Value, each: &mut dyn FnMut(Term<'_>)) {
    match value {
        Value::Token { system, code, text } => {
            let forms = [Form::Code, Form::Coded, Form::System];
            terms_of_token(param, system.as_deref(), code.as_deref(), forms, each);
            if let Some(text) = text {
                each(Term::new(param, Form::Display, fold(text)));
            }
        }
        Value::OfType { system, code, value } => {
            let text = format!("{system}|{}|{}", fold_code(code), fold_code(value));
            each(Term::new(param, Form::OfType, text));
        }
        Value::String(text) => {
            each(Term::new(param, Form::Folded, fold(text)));
            each(Term::new(param, Form::Exact, &**text));
        }
        Value::Reference(target) => terms_of_target(param, target, each),
        Value::Uri(uri) => terms_of_address(param, Form::Uri, uri, each),
        Value::Date(_) | Value::Number { .. } | Value::Quantity(_) | Value::Position(_) | Value::Composite(_) => {}
    }
}

fn terms_of_token(
    param: ParamId,
    system: Option<&str>,
    code: Option<&str>,
    forms: [Form; 3],
    each: &mut dyn FnMut(Term<'_>),
) {
    if let Some(code) = code {
        let code = fold_code(code);
        each(Term::new(param, forms[1], format!("{}|{code}", system.unwrap_or(""))));
        each(Term::new(param, forms[0], code));
    }
    if let Some(system) = system {
        each(Term::new(param, forms[2], system));
    }
}

fn terms_of_target(param: ParamId, target: &Target, each: &mut dyn FnMut(Term<'_>)) {
    match target {
        Target::Local { kind, id, version } => {
            let record = format!("{kind}/{id}");
            if let Some(version) = version {
                each(Term::new(param, Form::Version, format!("{record}/_history/{version}")));
            }
            each(Term::new(param, Form::Record, record));
        }
        Target::Elsewhere(address) => {
            terms_of_address(param, Form::Address, address, each);
            each(Term::new(param, Form::Canonical, key(address)));
            releases(address).for_each(|release| each(Term::new(param, Form::Release, release)));
        }
        Target::Identifier { system, value } => {
            let forms = [Form::Identifier, Form::IdentifierCoded, Form::IdentifierSystem];
            terms_of_token(param, system.as_deref(), value.as_deref(), forms, each);
        }
    }
}

fn terms_of_address(param: ParamId, form: Form, address: &str, each: &mut dyn FnMut(Term<'_>)) {
    each(Term::new(param, form, address));
    let bare = bare(address);
    if bare.len() < address.len() {
        each(Term::new(param, form, bare));
    }
}

/// Calls `each` with every range of the values: one of each date, number and quantity as written, and one
/// more of a quantity in base units where it has such a form.
pub fn each_range(values: &Values, each: &mut dyn FnMut(Range)) {
    values.entries.iter().for_each(|entry| part_ranges(entry, each));
}

/// Calls `each` with every range of one value, such as a tuple's part.
pub fn part_ranges(entry: &Entry, each: &mut dyn FnMut(Range)) {
    let param = entry.param;
    let mut range = |range: Stretch, unit: Unit| {
        let (start, end) = (range.start, range.end);
        each(Range {
            param,
            start,
            end,
            unit,
        });
    };
    match &entry.value {
        Value::Date(found) => range(*found, Unit::default()),
        Value::Position(place) => {
            let (start, end) = (i64::from(place.latitude), i64::from(place.longitude));
            range(Stretch { start, end }, Unit::default());
        }
        Value::Number { low, high } => range(numeric(*low, *high), Unit::default()),
        Value::Quantity(quantity) => {
            range(numeric(quantity.low, quantity.high), Unit::of(quantity));
            if let Some(found) = quantity.canonical {
                let canonical = found.dimension;
                range(
                    numeric(found.low, found.high),
                    Unit {
                        canonical,
                        ..Unit::default()
                    },
                );
            }
        }
        _ => {}
    }
}

/// Calls `each` with the parameter and [`record_hash`] of every record of this server referred to.
pub fn each_record(values: &Values, each: &mut dyn FnMut(ParamId, u64)) {
    for entry in &values.entries {
        if let Value::Reference(Target::Local { kind, id, .. }) = &entry.value {
            each(entry.param, record_hash(kind.as_str(), id.as_str()));
        }
    }
}
