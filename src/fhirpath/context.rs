//! What is handed in with a record, and why an evaluation may come to nothing.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use crate::model::Model;
use crate::value::{Element, Item};

/// What an evaluation may take in all before it is refused: about a second's work.
pub const STEPS: u64 = 5_000_000;

/// Finds the resource that a reference names.
pub trait Resolver {
    /// The resource, where it is at hand.
    fn resolve(&self, reference: &str) -> Option<Element<'_>>;
}

/// A code as a coded element names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code<'c> {
    /// The code system's address; `None` for an element of type `code`, and for a string.
    pub system: Option<Cow<'c, str>>,
    /// The code system's version, where the element says it.
    pub version: Option<Cow<'c, str>>,
    /// The code itself.
    pub code: Cow<'c, str>,
}

/// Answers what expressions ask of terminology (<https://hl7.org/fhir/R4/fhirpath.html#functions>).
pub trait Terminology {
    /// Whether one of the codes is in the value set with an address, `url` or `url|version`. A code without a
    /// system is in it where the value set has that code of one system or another.
    ///
    /// # Errors
    /// A [`Failure`] where there is no such value set or it cannot be told.
    fn member_of(&self, codes: &[Code<'_>], value_set: &str) -> Result<bool, Failure>;

    /// Whether the first code is the second one or a broader one.
    ///
    /// # Errors
    /// A [`Failure`] where their code systems are unknown or have nothing to do with one another.
    fn subsumes(&self, broader: &Code<'_>, narrower: &Code<'_>) -> Result<bool, Failure>;
}

/// Judges elements by profiles, for `conformsTo()` and `slice()`.
pub trait Profiles {
    /// Whether a resource or an element conforms to the StructureDefinition with an address, `url` or
    /// `url|version`.
    ///
    /// # Errors
    /// A [`Failure`] where there is no such definition or it cannot be told.
    fn conforms(&self, element: Element<'_>, profile: &str) -> Result<bool, Failure>;

    /// Whether an element belongs to the slice with a name in the StructureDefinition with an address.
    ///
    /// # Errors
    /// A [`Failure`] where there is no such slice or definition, or it cannot be told.
    fn is_in_slice(&self, element: Element<'_>, profile: &str, slice: &str) -> Result<bool, Failure>;
}

/// Hears what `trace()` says.
pub trait Tracer {
    /// Called once for each `trace(name)` that is passed, with the items there.
    fn trace(&self, name: &str, items: &[Item<'_>]);
}

/// What is handed in with the record.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The definitions.
    pub model: &'a dyn Model,
    /// `%resource`: the resource that contains the focus, itself perhaps contained.
    pub resource: Element<'a>,
    /// `%rootResource`: the outermost resource.
    pub root: Element<'a>,
    /// The moment of `now()`, in microseconds since 1970.
    pub now: i64,
    /// The zone of `now()` and `today()`, in minutes east of Greenwich.
    pub zone: i32,
    /// Finds referenced resources. Without one, `resolve()` finds contained resources and entries of the
    /// same Bundle, and yields [`Item::Elsewhere`] for the rest.
    pub resolver: Option<&'a dyn Resolver>,
    /// Answers `memberOf()`, `subsumes()` and `subsumedBy()`, which fail without.
    pub terminology: Option<&'a dyn Terminology>,
    /// Answers `conformsTo()`; without, it only tells the types of HL7's base definitions apart.
    pub profiles: Option<&'a dyn Profiles>,
    /// Further `%variables` by name.
    pub variables: &'a [(&'a str, Vec<Item<'a>>)],
    /// Hears `trace()`.
    pub tracer: Option<&'a dyn Tracer>,
    /// How many steps the evaluation may take before it fails.
    pub steps: u64,
    /// Counts up the steps that evaluations take, for whoever allows several of them a number together.
    pub spent: Option<&'a Cell<u64>>,
}

impl<'a> Context<'a> {
    /// A context for one outermost resource at a moment, in UTC and with nothing more.
    pub fn new(model: &'a dyn Model, resource: Element<'a>, now: i64) -> Context<'a> {
        Context {
            model,
            resource,
            root: resource,
            now,
            zone: 0,
            resolver: None,
            terminology: None,
            profiles: None,
            variables: &[],
            tracer: None,
            steps: STEPS,
            spent: None,
        }
    }
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The expression doesn't fit the values it met.
    Values,
    /// A path names no element of the model: what [`Expression::check`](crate::expression::Expression::check) finds.
    Path,
    /// It would have taken more steps than allowed.
    Limit,
    /// It needs something that isn't at hand here, such as a terminology service.
    Unsupported,
}

/// Why an evaluation came to nothing. A single word, so that the answers of all that may fail stay in a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<(Reason, String)>);

impl Failure {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Failure {
        Failure(Box::new((reason, message.into())))
    }

    /// A failure for want of something that isn't at hand.
    pub fn unsupported(message: impl Into<String>) -> Failure {
        Failure::new(Reason::Unsupported, message)
    }

    pub(crate) fn values(message: impl Into<String>) -> Failure {
        Failure::new(Reason::Values, message)
    }

    pub(crate) fn path(message: String) -> Failure {
        Failure::new(Reason::Path, message)
    }

    /// What kind of failure it is.
    pub fn reason(&self) -> Reason {
        self.0.0
    }

    /// A sentence that says what is wrong.
    pub fn message(&self) -> &str {
        &self.0.1
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Failure {}
