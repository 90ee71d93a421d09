//! Judges records in full: bindings, invariants, profiles, references, bundles and questionnaires.
//!
//! `conformance::judge` says in one fast walk whether a record has the structure of its type; every write goes through
//! it. [`Validator`] judges all that the standard's own validator does (<https://hl7.org/fhir/R4/validation.html>), for
//! `$validate` and where a kind's policy asks for it. StructureDefinitions are compiled once to a tree of what they add
//! to R4's types ([`shape`]), and kept as long as no definition is written. Everything is bounded: steps, depth, issues.

mod answer;
#[cfg(test)]
mod answered;
mod around;
mod attachment;
mod binding;
mod bundle;
mod bundle_request;
mod check_digit;
mod code_system;
mod coding;
mod compile;
mod concept_map;
mod conform;
mod definition;
mod enable;
mod entries;
mod expression;
mod extension;
mod findings;
mod focus;
#[cfg(test)]
mod followed;
mod given;
#[cfg(test)]
mod hostile;
mod invariant;
mod judging;
pub mod library;
mod measure;
mod measure_report;
mod narrative;
mod narrowing;
mod national;
mod operation_definition;
mod primitive;
pub mod profiles;
mod reference;
mod response;
mod rules;
mod same;
mod shape;
#[cfg(test)]
mod sliced;
mod slices;
#[cfg(test)]
mod trial;
mod validator;
mod value_set;
mod vital_signs;
mod walk;

pub use given::Given;
pub use judging::Judging;
pub use library::{Library, version_fits};
pub use validator::{Asked, Purpose, Validator};
