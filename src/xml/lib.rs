//! FHIR's XML: read into the record's JSON, written from it, and patched (<https://hl7.org/fhir/R4/xml.html>).
//!
//! [`read`](read::read) and [`write`](write::write) are each other's inverse, by the definitions; [`patch`] is RFC 5261.
//! Beneath is a strict reader of XML itself, which lays a [tape](document) over the text as the JSON reader does.

pub mod document;
pub mod escape;
mod fragment;
mod name;
mod namespace;
mod narrative;
pub mod order;
pub mod parse;
pub mod patch;
pub mod read;
mod select;
mod select_parse;
pub mod write;

pub use document::{Document, Node, What};
pub use namespace::{FHIR, XHTML};
pub use order::misplaced;
pub use parse::{Limits, Malformed};
pub use read::read;
pub use write::{Unwritable, write};
