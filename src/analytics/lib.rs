//! Views over records become tables: SQL on FHIR ViewDefinitions, compiled once and run over records one by one.
//!
//! A [`View`] is compiled from a ViewDefinition
//! (<https://sql-on-fhir.org/ig/latest/StructureDefinition-ViewDefinition.html>), [`Runner`] gives the rows of one
//! record after another, [`Table`] writes them as CSV, NDJSON or JSON, and [`each_record`] reads all records of a kind
//! from the log. Rows are handed on one by one and never gathered.

mod compile;
mod names;
mod row;
mod run;
mod scan;
mod table;
#[cfg(test)]
mod tests;
mod view;

pub use row::{Cell, Row, Shape};
pub use run::{Fault, Runner, Surroundings};
pub use scan::each_record;
pub use table::{Format, Table};
pub use view::{Column, View};
