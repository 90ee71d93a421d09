//! Parses, compiles and evaluates FHIRPath over records.
//!
//! FHIRPath 2.0 (N1, <http://hl7.org/fhirpath/N1/>) with FHIR R4's additions
//! (<https://hl7.org/fhir/R4/fhirpath.html>). An [`Expression`](expression::Expression) is compiled once
//! and evaluated over the nodes of a parsed record, which is never cloned. The room knows neither clock nor
//! disk: the moment, the time zone, the definitions and the resolver of references are handed in.

mod boundary;
pub mod calendar;
mod calls;
mod check;
mod coded;
mod compare;
mod context;
mod convert;
pub mod encode;
pub mod evaluate;
pub mod expression;
mod functions;
mod html;
mod inspect;
mod keys;
mod kinds;
mod loops;
pub mod model;
mod moments;
mod navigate;
mod numbers;
mod operate;
mod parse;
pub mod place;
mod plain;
pub mod quantity;
mod records;
mod sets;
mod spare;
mod strings;
mod syntax;
mod token;
mod totals;
#[cfg(test)]
mod trial;
mod units;
pub mod value;
mod variables;
mod walk;
mod written;
