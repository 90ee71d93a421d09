//! A predicate over records: FHIR search parsed, values extracted, one record matched.
//!
//! How a search finds a record:
//!
//! 1. [`Registry`] holds every kind's search parameters, their expressions compiled into one walk.
//!    [`Registry::extract`] gives a record's [`Values`].
//! 2. [`parse`] reads a search into a [`Search`]: a [`Predicate`], an order, what comes along.
//! 3. [`Predicate::resolve`] replaces chains and `_has`, innermost first, by sets of records.
//! 4. [`Predicate::matches`] decides for one record. An index decides for all of them with the same
//!    predicate, through the terms and ranges of [`term`]; a test holds the two to the same answers.

mod bars;
pub mod canonical;
mod clause;
pub mod custom;
mod describe;
mod extract;
mod filter;
mod filter_parse;
mod filter_tuple;
mod hash;
mod literal;
mod measure;
mod modifier;
mod path;
mod plan;
mod position;
pub mod predicate;
pub mod registry;
pub mod replaced;
mod results;
pub mod sameness;
pub mod sample;
pub mod score;
pub mod search;
mod shape;
pub mod sort;
pub mod span;
pub mod term;
mod test;
mod tuple;
pub mod values;
pub mod words;

pub use bars::{Bar, Why};
pub use describe::advice;
pub use hash::hash;
pub use position::{Near, Position};
pub use predicate::{Join, NoWords, Predicate, RecordSet, Subject, Test, Words};
pub use registry::{Component, Parameter, Registry};
pub use search::{Containing, Handling, Include, Search, SortBy, SortKey, Summary, Total, parse};
pub use sort::{SortValue, sort_key};
pub use span::{Span, Window};
pub use text::fold;
pub use values::{Canonical, Entry, ParamId, Quantity, Target, Value, Values, record_hash};

#[cfg(test)]
mod tests;
