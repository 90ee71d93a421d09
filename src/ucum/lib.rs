//! Units of measure: reads UCUM, converts, and says which units are comparable.
//!
//! The whole of UCUM 2.2 (<https://ucum.org/ucum>), by its case sensitive codes. The table of units is
//! `schema/ucum/units.tsv`; the code knows only the grammar and the functions of special units.
//!
//! ```ignore
//! let mg = Unit::parse("mg")?;
//! let g = Unit::parse("g")?;
//! assert_eq!(convert(Amount::parse("5.4")?, &mg, &g)?.to_string(), "0.0054");
//! ```
//!
//! Conversions by a fixed factor are exact ([`Amount`]); those of special units, where a function leads to
//! the scale of ratios, have the precision of a float. Nothing here panics, whatever the code.

mod amount;
mod convert;
mod dimension;
mod display;
mod function;
mod parse;
mod table;
mod unit;

pub use amount::Amount;
pub use convert::{Apart, Combined, convert, divide, multiply};
pub use dimension::Dimension;
pub use parse::Invalid;
pub use unit::Unit;

/// UCUM's code system.
pub const SYSTEM: &str = "http://unitsofmeasure.org";
