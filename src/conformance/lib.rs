//! Reads the definitions of a standard and says whether a record conforms.
//!
//! [`Definitions`] are the facts; [`judge`](judge::judge) holds a record against them; [`terminology`] asks what codes
//! belong together; [`compact`] makes the tables all of them are read from.

pub mod asked;
mod codes;
pub mod compact;
mod compact_records;
pub mod compact_rules;
mod compact_terms;
mod compact_words;
pub mod definitions;
pub mod facts;
pub mod judge;
mod load;
mod members;
pub mod place;
mod primitive;
mod resources;
pub mod terminology;

pub use codes::RequiredCodes;
pub use definitions::{Definitions, Form, JsonMember, Step};
pub use facts::{Compartment, Component, Element, ElementType, ParameterType, SearchParameter};
pub use judge::{judge, judge_with_codes};
pub use resources::PUBLISHED;
pub use terminology::{Codes, Terminology, Unanswered};
