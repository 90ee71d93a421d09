//! A predicate over records: FHIR search parsed, values extracted, one record matched.

mod extract;
pub mod fold;
mod path;
mod plan;
pub mod predicate;
pub mod registry;
mod shape;
pub mod span;
pub mod term;
mod test;
pub mod values;

pub use fold::fold;
pub use predicate::{Join, NoWords, Predicate, RecordSet, Subject, Test, Words};
pub use registry::{Parameter, Registry};
pub use span::{Span, Window};
pub use values::{Entry, ParamId, Quantity, Target, Value, Values, record_hash};
