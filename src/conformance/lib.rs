//! Reads the definitions of a standard and says whether a record conforms.
//!
//! [`Definitions`] are the facts; [`judge`](judge::judge) holds a record against them; [`compact`] makes the tables they
//! are read from.

pub mod compact;
pub mod definitions;
pub mod facts;
pub mod judge;
mod load;
mod members;
mod place;
mod primitive;

pub use definitions::Definitions;
pub use facts::{Compartment, Component, Element, ElementType, ParameterType, SearchParameter};
pub use judge::judge;
