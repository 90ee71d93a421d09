//! Amounts from one unit into another, and amounts multiplied and divided.

use std::fmt;

use crate::amount::Amount;
use crate::dimension::Dimension;
use crate::unit::Unit;

/// Why one unit cannot be converted into another: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart(Box<str>);

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Apart {}

/// So many of one unit, in another.
///
/// # Errors
/// Where the two measure different things, or the number is out of reach.
pub fn convert(amount: Amount, from: &Unit, to: &Unit) -> Result<Amount, Apart> {
    if from == to {
        return Ok(amount);
    }
    let (Some(source), Some(target)) = (from.scale(), to.scale()) else {
        return Err(no_form(if from.scale().is_none() { from } else { to }));
    };
    if source.dimension != target.dimension {
        let why = format!("`{}` and `{}` measure different things", from.code(), to.code());
        return Err(Apart(why.into()));
    }
    let canonical = source.canonical(amount);
    canonical
        .and_then(|canonical| target.of_canonical(canonical))
        .ok_or_else(|| out_of_reach(from, to))
}

/// A product or quotient in base units.
#[derive(Clone, Debug)]
pub struct Combined {
    /// How much.
    pub amount: Amount,
    /// Of what: its text is the code of the unit.
    pub dimension: Dimension,
}

/// The product of two amounts, in base units.
///
/// # Errors
/// Where a unit cannot be multiplied, or the number is out of reach.
pub fn multiply(left: (Amount, &Unit), right: (Amount, &Unit)) -> Result<Combined, Apart> {
    combine(left, right, false)
}

/// The quotient of two amounts, in base units.
///
/// # Errors
/// Where a unit cannot be divided, the divisor is zero, or the number is out of reach.
pub fn divide(left: (Amount, &Unit), right: (Amount, &Unit)) -> Result<Combined, Apart> {
    combine(left, right, true)
}

fn combine(left: (Amount, &Unit), right: (Amount, &Unit), divides: bool) -> Result<Combined, Apart> {
    let ((left, left_unit), (right, right_unit)) = (left, right);
    let scale = |unit: &Unit| unit.scale().cloned().ok_or_else(|| no_form(unit));
    let combined = scale(left_unit)?.combined(&scale(right_unit)?, divides);
    let combined = combined.ok_or_else(|| out_of_reach(left_unit, right_unit))?;
    let number = if divides { left.over(right) } else { left.times(right) };
    let amount = number.and_then(|number| number.times(combined.factor));
    Ok(Combined {
        amount: amount.ok_or_else(|| out_of_reach(left_unit, right_unit))?,
        dimension: combined.dimension,
    })
}

fn no_form(unit: &Unit) -> Apart {
    Apart(format!("`{}` cannot be converted: a unit in it has no fixed size", unit.code()).into())
}

fn out_of_reach(left: &Unit, right: &Unit) -> Apart {
    Apart(format!("the number of `{}` and `{}` is out of reach", left.code(), right.code()).into())
}
