//! Quantities: a decimal with a unit.

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::calendar::Precision;

/// A unit of a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// `year`, `month`, `day`, `hour`, `minute`, `second`: a calendar's duration.
    Calendar(Precision),
    /// `week`
    Week,
    /// `millisecond`
    Millisecond,
    /// A UCUM code; `1` where there is no unit.
    Code(Cow<'a, str>),
}

/// A decimal with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity<'a> {
    /// How much.
    pub value: Decimal,
    /// Of what.
    pub unit: Unit<'a>,
}
