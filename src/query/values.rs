//! What a record says about each search parameter: typed values, ready to be matched or indexed.

use std::sync::Arc;

use fhir::identity::{Id, Kind};
use fhir::moment::Stretch;
use text::Analysis;

pub use crate::hash::hash;
use crate::position::Position;

/// A search parameter's number: one for each code, shared by all kinds that have the code.
///
/// It is a hash of the code, so that it stays what it is when other parameters come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u32);

impl ParamId {
    /// The number of a code. Two codes of one [`Registry`](crate::registry::Registry) never share one:
    /// it leaves out the later.
    pub fn of(code: &str) -> ParamId {
        ParamId(hash(&[code.as_bytes()]) as u32)
    }
}

/// All values of one version of a record, in the order they were found.
///
/// `_id` and `_lastUpdated` are not among them: they come from the version itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// The values.
    pub entries: Vec<Entry>,
    /// The resources the record contains, in their order. What they hold is not among the values above.
    pub contained: Vec<Contained>,
}

impl Values {
    /// The values of one parameter, in the order they were found.
    pub fn of(&self, param: ParamId) -> impl Iterator<Item = &Value> {
        self.entries
            .iter()
            .filter(move |entry| entry.param == param)
            .map(|entry| &entry.value)
    }
}

/// A resource inside a record, which nothing but that record refers to
/// (<https://hl7.org/fhir/R4/references.html#contained>).
#[derive(Clone, Debug, PartialEq)]
pub struct Contained {
    /// Its kind.
    pub kind: Kind,
    /// Its place among what the record contains.
    pub place: usize,
    /// Its id within the record, where it has one: references say `#id`.
    pub id: Option<Id>,
    /// Its values.
    pub values: Values,
    /// Its JSON, read again where its words are asked for.
    pub text: Box<str>,
    /// How its words are broken.
    pub analysis: Arc<Analysis>,
}

/// One value of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The parameter.
    pub param: ParamId,
    /// Its value.
    pub value: Value,
}

/// A value in the form its search type compares (<https://hl7.org/fhir/R4/search.html#ptypes>).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A coded value; a concept's own text has neither system nor code.
    Token {
        /// The system or namespace.
        system: Option<Box<str>>,
        /// The code, identifier, contact or `true`/`false`.
        code: Option<Box<str>>,
        /// The display or text, as written.
        text: Option<Box<str>>,
    },
    /// An identifier by the type it has, for `:of-type`.
    OfType {
        /// The system of the identifier's type.
        system: Box<str>,
        /// The code of the identifier's type.
        code: Box<str>,
        /// The identifier's value.
        value: Box<str>,
    },
    /// A text, as written.
    String(Box<str>),
    /// What a reference or canonical points to.
    Reference(Target),
    /// A stretch of time.
    Date(Stretch),
    /// A number, or the closed range from `low` to `high`; equal for a plain number.
    Number {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
    },
    /// An amount of something.
    Quantity(Box<Quantity>),
    /// A URI, as written.
    Uri(Box<str>),
    /// A place on earth.
    Position(Position),
    /// What stands together in one element, a value for each component with the component's own parameter.
    Composite(Box<[Entry]>),
}

/// An amount: the closed range from `low` to `high` (equal for a plain quantity), and its unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// The least value; minus infinity where the low end is open.
    pub low: f64,
    /// The greatest value; infinity where the high end is open.
    pub high: f64,
    /// The unit's system.
    pub system: Option<Box<str>>,
    /// The unit's code; a currency for money.
    pub code: Option<Box<str>>,
    /// The unit as people read it.
    pub unit: Option<Box<str>>,
    /// The same amount in base units, where the code is one of UCUM that can be converted.
    pub canonical: Option<Canonical>,
}

/// An amount in UCUM's base units: equal amounts are equal here, whatever unit they were written in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Canonical {
    /// The least value; minus infinity where the low end is open.
    pub low: f64,
    /// The greatest value; infinity where the high end is open.
    pub high: f64,
    /// What is measured: [`ucum::Dimension::key`], never 0 or 1.
    pub dimension: u64,
}

/// Where a reference points.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A record of this server.
    Local {
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: Id,
        /// The version named, where one is.
        version: Option<Box<str>>,
    },
    /// Any other address: an absolute URL, `urn:uuid:…`, a canonical with or without `|version`.
    Elsewhere(Box<str>),
    /// A reference by identifier.
    Identifier {
        /// The identifier's system.
        system: Option<Box<str>>,
        /// The identifier's value.
        value: Option<Box<str>>,
    },
}

/// A stable 64-bit name of a record: the hash of `Kind/id`.
///
/// Joins carry these instead of texts. Two of a billion records share a name with a chance of 3 in 100,
/// and nobody can choose an id that shares the name of a given record.
pub fn record_hash(kind: &str, id: &str) -> u64 {
    hash(&[kind.as_bytes(), b"/", id.as_bytes()])
}
