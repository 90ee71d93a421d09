//! One test on one value of a record.

use std::sync::Arc;

use conformance::Codes;
use fhir::identity::{Id, Kind};
use fhir::moment::Stretch;

use crate::fold::{fold, fold_code};
use crate::position::Near;
use crate::span::{Span, numeric};
use crate::values::{ParamId, Quantity, Target, Value};

/// A test on one value of a parameter. A value of another search type never passes.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// There is a value at all: `:missing=false`.
    Present,
    /// A coded value.
    Token(TokenTest),
    /// The display or text of a coded value starts with this folded text: `:text`.
    TokenText(Box<str>),
    /// An identifier by its type: `:of-type`. The code and the value are folded.
    OfType {
        /// The system of the identifier's type.
        system: Box<str>,
        /// The code of the identifier's type.
        code: Box<str>,
        /// The identifier's value.
        value: Box<str>,
    },
    /// A text.
    String(StringTest),
    /// A reference.
    Reference(ReferenceTest),
    /// A date.
    Date(Span),
    /// A number.
    Number(Span),
    /// An amount, in the unit asked for.
    Quantity(Span, UnitTest),
    /// A URI.
    Uri(UriTest),
    /// A place within a distance of another.
    Near(Near),
    /// A tuple that meets all of these.
    Composite(Box<[PartTest]>),
}

/// A test on one part of a tuple.
#[derive(Clone, Debug, PartialEq)]
pub struct PartTest {
    /// The part's place among the composite's components.
    pub place: usize,
    /// The component's own parameter.
    pub param: ParamId,
    /// The test.
    pub test: Test,
    /// Whether the part has to pass it; else it has to fail.
    pub passes: bool,
}

impl PartTest {
    /// The opposite test of the part.
    pub(crate) fn negate(self) -> PartTest {
        let passes = !self.passes;
        PartTest { passes, ..self }
    }
}

/// How a coded value is compared; codes are folded ([`fold_code`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenTest {
    /// `code`: whatever the system.
    Code(Box<str>),
    /// `system|code`; `|code` is the empty system: a value without one.
    Coded(Box<str>, Box<str>),
    /// `system|`: any code of the system.
    System(Box<str>),
    /// Any of a set of codes: `:in`, `:above`, `:below`.
    Among(Arc<CodeSet>),
}

/// A set of codes to find coded values by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeSet {
    /// Systems that belong to the set as a whole, as `system|` finds them; sorted.
    pub systems: Vec<Box<str>>,
    /// `system|code` of the others, the code folded; sorted.
    pub coded: Vec<Box<str>>,
}

impl CodeSet {
    /// The set that terminology answers.
    pub fn of(codes: &Codes) -> CodeSet {
        let coded = codes.codes.iter().map(|(system, code)| coded(system, &fold_code(code)));
        let mut coded: Vec<Box<str>> = coded.collect();
        coded.sort();
        coded.dedup();
        CodeSet {
            systems: codes.systems.iter().cloned().collect(),
            coded,
        }
    }

    fn has(&self, system: &str, code: Option<&str>) -> bool {
        let of_set = |code: &str| self.coded.binary_search(&coded(system, &fold_code(code))).is_ok();
        self.systems.binary_search_by(|known| (**known).cmp(system)).is_ok() || code.is_some_and(of_set)
    }
}

/// A system and a folded code as one text.
fn coded(system: &str, code: &str) -> Box<str> {
    format!("{system}|{code}").into()
}

/// How a text is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StringTest {
    /// Starts with the folded text.
    Prefix(Box<str>),
    /// Is exactly the text.
    Exact(Box<str>),
    /// Has the folded text anywhere in it.
    Contains(Box<str>),
    /// Is the text when both are folded.
    Equal(Box<str>),
    /// Ends with the folded text.
    Suffix(Box<str>),
}

/// How a reference is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceTest {
    /// A record of this server with the id, of one of the kinds; any version, or the one named.
    Record {
        /// The kinds it may be of.
        kinds: Vec<Kind>,
        /// Its id.
        id: Id,
        /// The version the reference has to name.
        version: Option<Box<str>>,
    },
    /// Another address, exactly; a canonical without `|version` is met by any version of it.
    Address(Box<str>),
    /// A canonical address in this version or one of its releases: `url|1.2` is met by `url|1.2.9`.
    Release(Box<str>),
    /// A reference by identifier: `:identifier`.
    Identifier(TokenTest),
}

/// Which unit an amount has to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitTest {
    /// Any.
    Any,
    /// This system and code, which are none of UCUM: `5|http://example.org|tablet`.
    Coded(Box<str>, Box<str>),
    /// Any UCUM unit of this dimension ([`Canonical::dimension`](crate::values::Canonical)); the span is in base
    /// units: `5|http://unitsofmeasure.org|mg`.
    Canonical(u64),
    /// This code or unit: `5||mg`.
    Named(Box<str>),
}

/// How a URI is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriTest {
    /// Exactly; a canonical without `|version` is met by any version of it.
    Exact(Box<str>),
    /// Is this, or lies below it by path segments: `:below`.
    Below(Box<str>),
    /// Is this, or lies above it by path segments: `:above`.
    Above(Box<str>),
    /// Starts with this.
    Starts(Box<str>),
    /// Has this anywhere in it.
    Contains(Box<str>),
    /// Ends with this, with or without its `|version`.
    Ends(Box<str>),
}

impl Test {
    /// Whether the value passes.
    pub fn passes(&self, value: &Value) -> bool {
        match (self, value) {
            (Test::Present, _) => true,
            (Test::Token(test), Value::Token { system, code, .. }) => test.passes(system.as_deref(), code.as_deref()),
            (Test::TokenText(prefix), Value::Token { text: Some(text), .. }) => fold(text).starts_with(&**prefix),
            (
                Test::OfType { system, code, value },
                Value::OfType {
                    system: s,
                    code: c,
                    value: v,
                },
            ) => system == s && fold_code(c) == **code && fold_code(v) == **value,
            (Test::String(test), Value::String(text)) => test.passes(text),
            (Test::Reference(test), Value::Reference(target)) => test.passes(target),
            (Test::Date(span), Value::Date(range)) => span.holds(*range),
            (Test::Number(span), Value::Number { low, high }) => span.holds(numeric(*low, *high)),
            (Test::Quantity(span, unit), Value::Quantity(quantity)) => {
                unit.range(quantity).is_some_and(|range| span.holds(range))
            }
            (Test::Uri(test), Value::Uri(uri)) => test.passes(uri),
            (Test::Near(near), Value::Position(place)) => near.holds(*place),
            (Test::Composite(tests), Value::Composite(parts)) => tests.iter().all(|asked| {
                let part = parts.get(asked.place);
                part.is_some_and(|part| asked.test.passes(&part.value) == asked.passes)
            }),
            _ => false,
        }
    }
}

impl TokenTest {
    fn passes(&self, system: Option<&str>, code: Option<&str>) -> bool {
        let is = |wanted: &str| code.is_some_and(|code| fold_code(code) == wanted);
        match self {
            TokenTest::Code(code) => is(code),
            TokenTest::Coded(wanted, code) => system.unwrap_or("") == &**wanted && is(code),
            TokenTest::System(wanted) => system == Some(wanted),
            TokenTest::Among(set) => system.is_some_and(|system| set.has(system, code)),
        }
    }
}

impl StringTest {
    fn passes(&self, text: &str) -> bool {
        match self {
            StringTest::Prefix(prefix) => fold(text).starts_with(&**prefix),
            StringTest::Exact(exact) => text == &**exact,
            StringTest::Contains(part) => fold(text).contains(&**part),
            StringTest::Equal(whole) => fold(text) == **whole,
            StringTest::Suffix(end) => fold(text).ends_with(&**end),
        }
    }
}

impl ReferenceTest {
    fn passes(&self, target: &Target) -> bool {
        match (self, target) {
            (
                ReferenceTest::Record { kinds, id, version },
                Target::Local {
                    kind,
                    id: i,
                    version: v,
                },
            ) => i == id && kinds.contains(kind) && (version.is_none() || version == v),
            (ReferenceTest::Address(wanted), Target::Elsewhere(address)) => is_canonical(address, wanted),
            (ReferenceTest::Release(wanted), Target::Elsewhere(address)) => {
                releases(address).any(|release| release == &**wanted)
            }
            (ReferenceTest::Identifier(test), Target::Identifier { system, value }) => {
                test.passes(system.as_deref(), value.as_deref())
            }
            _ => false,
        }
    }
}

impl UnitTest {
    /// The range to be compared; `None` where the unit is not the one asked for.
    fn range(&self, quantity: &Quantity) -> Option<Stretch> {
        let fits = match self {
            UnitTest::Canonical(dimension) => {
                let canonical = quantity.canonical.filter(|found| found.dimension == *dimension);
                return canonical.map(|found| numeric(found.low, found.high));
            }
            UnitTest::Any => true,
            UnitTest::Coded(system, code) => {
                quantity.system.as_ref() == Some(system) && quantity.code.as_ref() == Some(code)
            }
            UnitTest::Named(name) => quantity.code.as_ref() == Some(name) || quantity.unit.as_ref() == Some(name),
        };
        fits.then(|| numeric(quantity.low, quantity.high))
    }
}

impl UriTest {
    fn passes(&self, uri: &str) -> bool {
        match self {
            UriTest::Exact(wanted) => is_canonical(uri, wanted),
            UriTest::Below(root) => is_below(uri, root) || is_below(bare(uri), root),
            UriTest::Starts(start) => uri.starts_with(&**start),
            UriTest::Contains(part) => uri.contains(&**part),
            UriTest::Ends(end) => uri.ends_with(&**end) || bare(uri).ends_with(&**end),
            UriTest::Above(leaf) => is_below(leaf, uri) || is_below(leaf, bare(uri)),
        }
    }
}

/// A canonical without its `|version`.
pub(crate) fn bare(address: &str) -> &str {
    address.split_once('|').map_or(address, |(bare, _)| bare)
}

/// The versions of a canonical address that it is a release of: of `url|1.2.9` itself, `url|1.2` and `url|1`.
pub(crate) fn releases(address: &str) -> impl Iterator<Item = &str> {
    let version = address.find('|').map_or(address.len(), |bar| bar + 1);
    let dots = address[version..].match_indices('.').map(move |(dot, _)| version + dot);
    let ends = dots.chain((version < address.len()).then_some(address.len()));
    ends.map(|end| &address[..end])
}

/// Whether an address is the one wanted, or a version of it.
fn is_canonical(address: &str, wanted: &str) -> bool {
    address == wanted || bare(address) == wanted
}

/// Whether a URI is the root or continues it after a `/`.
fn is_below(uri: &str, root: &str) -> bool {
    let root = root.strip_suffix('/').unwrap_or(root);
    uri.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
