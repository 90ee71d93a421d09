//! Functions over one number, quantity, date or time.

use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::boundary;
use crate::compare::{describe, number};
use crate::context::Failure;
use crate::evaluate::{Evaluator, List, Scope};
use crate::functions::Numbers;
use crate::quantity::Quantity;
use crate::sets;
use crate::syntax::Call;
use crate::value::Item;

/// The most digits after the point that a decimal can have.
const DIGITS_LIMIT: u32 = 28;

/// Applies a function to a collection of at most one item.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Numbers,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let model = run.context.model;
    let item = run.value(&input)?;
    input.clear();
    let Some(item) = item else {
        return Ok(input);
    };
    let found = match function {
        Numbers::Comparable => {
            let other = run
                .single(&call.arguments[0], scope)?
                .and_then(|other| other.quantity(model));
            let both = item.quantity(model).zip(other);
            Some(Item::Boolean(both.is_some_and(|(a, b)| a.comparable(&b))))
        }
        Numbers::LowBoundary | Numbers::HighBoundary => {
            let precision = match call.arguments.first() {
                Some(argument) => sets::integer(run, argument, scope)?,
                None => None,
            };
            let item = item.quantity(model).map_or(item, Item::Quantity);
            boundary::boundary(&item, precision, function == Numbers::HighBoundary)
        }
        Numbers::Precision => boundary::precision(&item).map(Item::Integer),
        Numbers::Log | Numbers::Power => {
            let other = run.single(&call.arguments[0], scope)?.map(|other| other.system(model));
            match other {
                Some(other) => two(function, &item, &other, |item| wrong(run, item))?,
                None => None,
            }
        }
        Numbers::Round => {
            let digits = match call.arguments.first() {
                Some(argument) => sets::integer(run, argument, scope)?.unwrap_or(0),
                None => 0,
            };
            let Ok(digits) = u32::try_from(digits) else {
                return Err(Failure::values("round() takes a number of digits that isn't negative"));
            };
            let value = number(&item).ok_or_else(|| wrong(run, &item))?;
            let away = RoundingStrategy::MidpointAwayFromZero;
            Some(Item::Decimal(
                value.round_dp_with_strategy(digits.min(DIGITS_LIMIT), away),
            ))
        }
        _ => one(function, &item).ok_or_else(|| wrong(run, &item))?,
    };
    input.extend(found);
    Ok(input)
}

fn wrong(run: &Evaluator<'_, '_>, item: &Item<'_>) -> Failure {
    let found = describe(run.context.model, item);
    Failure::values(format!("A number is needed here, not {found}"))
}

/// The outer `None` where the item is no number, the inner where there is no answer.
fn one<'a>(function: Numbers, item: &Item<'a>) -> Option<Option<Item<'a>>> {
    if function == Numbers::Abs {
        return match item {
            Item::Integer(value) => Some(integer(value.checked_abs())),
            Item::Long(value) => Some(value.checked_abs().map(Item::Long)),
            Item::Decimal(value) => Some(Some(Item::Decimal(value.abs()))),
            Item::Quantity(Quantity { value, unit }) => Some(Some(Item::Quantity(Quantity {
                value: value.abs(),
                unit: unit.clone(),
            }))),
            _ => None,
        };
    }
    let value = number(item)?;
    let whole = |value: Decimal| i64::try_from(value).ok().map(Item::whole);
    Some(match function {
        Numbers::Ceiling => whole(value.ceil()),
        Numbers::Floor => whole(value.floor()),
        Numbers::Truncate => whole(value.trunc()),
        Numbers::Exp => real(value.to_f64()?.exp()),
        Numbers::Ln => real(value.to_f64()?.ln()),
        Numbers::Sqrt => real(value.to_f64()?.sqrt()),
        _ => None,
    })
}

/// A result as an integer; `None` where it has more than 32 bits.
pub(crate) fn integer<'a>(value: Option<i64>) -> Option<Item<'a>> {
    value.filter(|value| i32::try_from(*value).is_ok()).map(Item::Integer)
}

/// A floating-point result as a decimal; `None` where it is no number or too large.
fn real<'a>(value: f64) -> Option<Item<'a>> {
    if !value.is_finite() {
        return None;
    }
    Decimal::from_f64(value).map(|value| Item::Decimal(value.normalize()))
}

fn two<'a>(
    function: Numbers,
    left: &Item<'a>,
    right: &Item<'a>,
    wrong: impl Fn(&Item<'_>) -> Failure,
) -> Result<Option<Item<'a>>, Failure> {
    let a = number(left).ok_or_else(|| wrong(left))?;
    let b = number(right).ok_or_else(|| wrong(right))?;
    if let (Numbers::Power, Item::Integer(base), Item::Integer(exponent)) = (function, left, right)
        && let Ok(exponent) = u32::try_from(*exponent)
    {
        return Ok(integer(base.checked_pow(exponent)));
    }
    let (Some(a), Some(b)) = (a.to_f64(), b.to_f64()) else {
        return Ok(None);
    };
    Ok(match function {
        Numbers::Power => real(a.powf(b)),
        // The plain quotient of logarithms misses whole results by a last digit.
        _ if b == 2.0 => real(a.log2()),
        _ if b == 10.0 => real(a.log10()),
        _ => real(a.ln() / b.ln()),
    })
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn numbers_have_functions() {
        check(&[
            ("(-5).abs()", "5"),
            ("(-5.5 'mg').abs()", "5.5 'mg'"),
            ("(-1.1).ceiling()", "-1"),
            ("(-2.1).floor()", "-3"),
            ("(-1.56).truncate()", "-1"),
            ("81.sqrt()", "9"),
            ("(-1).sqrt()", ""),
            ("1.ln()", "0"),
            ("(-1).ln()", ""),
            ("16.log(2)", "4"),
            ("100.0.log(10.0)", "2"),
            ("0.exp()", "1"),
            ("2.power(3)", "8"),
            ("2.power(-1)", "0.5"),
            ("(-1).power(0.5)", ""),
            ("2.power(64)", ""),
            ("2.power(31)", ""),
            ("(-5L).abs()", "5L"),
            ("2147483648.5.floor()", "2147483648L"),
            ("10.power(9999999999)", ""),
            ("3.14159.round(2)", "3.14"),
            ("2.5.round()", "3"),
            ("(-2.5).round()", "-3"),
            ("1.round(-1)", "Values:"),
            ("'a'.abs()", "Values:"),
            ("{}.abs()", ""),
            ("(1 | 2).abs()", "Values:"),
            ("1.round(99)", "1"),
        ]);
    }
}
