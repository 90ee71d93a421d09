//! What is handed in with a record, and why an evaluation may come to nothing.

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
    /// Further `%variables` by name.
    pub variables: &'a [(&'a str, Vec<Item<'a>>)],
    /// Hears `trace()`.
    pub tracer: Option<&'a dyn Tracer>,
    /// Whether a path that names no element of the model is a failure; otherwise it is empty.
    pub strict: bool,
    /// How many steps the evaluation may take before it fails.
    pub steps: u64,
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
            variables: &[],
            tracer: None,
            strict: false,
            steps: STEPS,
        }
    }
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The expression doesn't fit the values it met.
    Values,
    /// The path names no element of the model (only when strict).
    Path,
    /// It would have taken more steps than allowed.
    Limit,
    /// It needs something that isn't at hand here, such as a terminology service.
    Unsupported,
}

/// Why an evaluation came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub reason: Reason,
    /// A sentence that says what is wrong.
    pub message: String,
}

impl Failure {
    pub(crate) fn values(message: impl Into<String>) -> Failure {
        Failure {
            reason: Reason::Values,
            message: message.into(),
        }
    }

    pub(crate) fn path(message: String) -> Failure {
        Failure {
            reason: Reason::Path,
            message,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
