//! Answers what codes mean: which belong to a value set, what is known of each, how they lie to each other.
//!
//! A [`Library`] holds the definitions: what FHIR R4 defines is built in, records are asked for through [`Records`], and
//! large systems are read from files that were loaded. A [`Session`] is one question's view of it. The operations are
//! [`expand`](expansion::expand), [`validate`](validate::validate), [`lookup`](lookup::lookup),
//! [`subsumes`](subsume::subsumes) and [`translate`](translate::translate); each answers with the resource that FHIR
//! answers with, or with [`Unable`] and its findings. Nothing here knows HTTP, the store or the clock.

mod built_in;
mod by_name;
mod display;
mod ecl;
mod ecl_description;
mod ecl_refine;
mod edges;
mod entry;
mod expand;
pub mod expansion;
mod filter;
mod finding;
mod grammar;
mod icd10;
mod icd11;
mod implied;
pub mod language;
mod library;
mod loaded;
mod loinc;
pub mod lookup;
mod members;
mod membership;
mod names;
pub mod packed;
mod packed_names;
mod pins;
mod recorded;
pub mod release;
#[cfg(test)]
mod release_tests;
mod remarks;
mod snomed;
pub mod subsume;
mod supplement;
pub mod system;
mod tables;
#[cfg(test)]
mod tests;
pub mod translate;
mod unlisted;
pub mod validate;
mod value_set;
pub mod version;
mod versions;
mod words;

pub use built_in::{Packed, packed};
pub use entry::Shown;
pub use expand::{GATHERED_MAX, Wanted};
pub use expansion::Stamp;
pub use finding::{Finding, Unable, outcome};
pub use language::Languages;
pub use library::{Library, NoRecords, Records, Session, Unread};
pub use members::{Answers, standard};
pub use pins::Pins;
pub use system::System;
pub use value_set::ValueSet;
