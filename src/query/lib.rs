//! A predicate over records: FHIR search parsed, values extracted, one record matched.

mod clause;
mod extract;
pub mod fold;
mod literal;
mod path;
mod plan;
pub mod predicate;
pub mod registry;
mod results;
pub mod sample;
pub mod search;
mod shape;
pub mod sort;
pub mod span;
pub mod term;
mod test;
pub mod values;
mod words;

pub use fold::fold;
pub use predicate::{Join, NoWords, Predicate, RecordSet, Subject, Test, Words};
pub use registry::{Parameter, Registry};
pub use search::{Handling, Include, Search, SortBy, SortKey, Summary, Total, parse};
pub use sort::{SortValue, sort_key};
pub use span::{Span, Window};
pub use values::{Entry, ParamId, Quantity, Target, Value, Values, record_hash};

#[cfg(test)]
mod tests;
