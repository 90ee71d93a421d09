//! Arithmetic and concatenation of two items.

use std::borrow::Cow;
use std::mem;

use rust_decimal::Decimal;

use crate::compare::{describe, number};
use crate::context::Failure;
use crate::evaluate::{Evaluator, Scope};
use crate::model::Model;
use crate::numbers;
use crate::quantity::Quantity;
use crate::strings::LENGTH_LIMIT;
use crate::syntax::{Expr, Operator};
use crate::value::Item;

/// The result of an operator that computes, but for `&`; empty where an operand is.
pub(crate) fn computed<'a>(
    model: &dyn Model,
    operator: Operator,
    left: Option<Item<'a>>,
    right: Option<Item<'a>>,
) -> Result<Option<Item<'a>>, Failure> {
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(None);
    };
    let (a, b) = (left.system(model), right.system(model));
    match (&a, &b) {
        (Item::Integer(a), Item::Integer(b)) => return Ok(integers(operator, *a, *b, numbers::integer)),
        (Item::Integer(a) | Item::Long(a), Item::Integer(b) | Item::Long(b)) => {
            return Ok(integers(operator, *a, *b, |value| value.map(Item::Long)));
        }
        (Item::String(a), Item::String(b)) if operator == Operator::Add => {
            return joined(a.clone(), b).map(Some);
        }
        (Item::Date(_) | Item::DateTime(_) | Item::Time(_), _) => {
            if let Some(quantity) = b.quantity(model) {
                return moved(operator, &a, &quantity);
            }
        }
        _ => {}
    }
    if let (Some(a), Some(b)) = (number(&a), number(&b)) {
        return Ok(decimals(operator, a, b));
    }
    let read = |item: &Item<'a>| item.quantity(model).or_else(|| number(item).map(Quantity::plain));
    if let (Some(a), Some(b)) = (read(&a), read(&b)) {
        return quantities(operator, &a, &b);
    }
    if left.is_valueless(model) || right.is_valueless(model) {
        return Ok(None);
    }
    Err(impossible(model, operator, &left, &right))
}

fn impossible(model: &dyn Model, operator: Operator, left: &Item<'_>, right: &Item<'_>) -> Failure {
    let (left, right) = (describe(model, left), describe(model, right));
    Failure::values(match operator {
        Operator::Add => format!("{right} can't be added to {left}"),
        Operator::Subtract => format!("{right} can't be taken from {left}"),
        Operator::Multiply => format!("{left} can't be multiplied by {right}"),
        _ => format!("{left} can't be divided by {right}"),
    })
}

impl<'a> Evaluator<'_, 'a> {
    /// Appends to a text what an operand of `&` says: nothing where it is empty. What is joined of several is one text.
    pub(crate) fn concatenate(
        &mut self,
        operand: &'a Expr,
        scope: Scope<'_, 'a>,
        text: &mut String,
    ) -> Result<(), Failure> {
        self.spend(1)?;
        match operand {
            Expr::Binary(Operator::Concatenate, pair) => {
                self.concatenate(&pair.0, scope, text)?;
                return self.concatenate(&pair.1, scope, text);
            }
            Expr::Constant(Item::String(constant)) => {
                text.push_str(constant);
                return Ok(());
            }
            _ => {}
        }
        let mut found = self.list(operand, scope)?;
        match found.as_mut_slice() {
            [] => {}
            [Item::String(Cow::Owned(computed))] if text.is_empty() => *text = mem::take(computed),
            [item] => match item.text() {
                Some(more) if text.len() + more.len() > LENGTH_LIMIT => {
                    return Err(Failure::values("Joining makes too long a text"));
                }
                Some(more) => text.push_str(&more),
                None if item.is_valueless(self.context.model) => {}
                None => {
                    let described = describe(self.context.model, item);
                    return Err(Failure::values(format!("& joins strings, not {described}")));
                }
            },
            many => return Err(Failure::values(format!("One item is needed here, not {}", many.len()))),
        }
        self.give(found);
        Ok(())
    }
}

/// The two texts in one, in the memory of the first where that is a computed one.
fn joined<'a>(left: Cow<'a, str>, right: &str) -> Result<Item<'a>, Failure> {
    if left.len() + right.len() > LENGTH_LIMIT {
        return Err(Failure::values("Joining makes too long a text"));
    }
    let mut text = match left {
        Cow::Owned(text) => text,
        Cow::Borrowed(text) => {
            let mut owned = String::with_capacity(left.len() + right.len());
            owned.push_str(text);
            owned
        }
    };
    text.push_str(right);
    Ok(Item::String(Cow::Owned(text)))
}

/// What an operator makes of two integers, or nothing where `fits` says that the result is too large.
fn integers<'a>(
    operator: Operator,
    left: i64,
    right: i64,
    fits: impl Fn(Option<i64>) -> Option<Item<'a>>,
) -> Option<Item<'a>> {
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::WholeDivide => left.checked_div(right),
        Operator::Modulo => left.checked_rem(right),
        _ => return decimals(operator, left.into(), right.into()),
    };
    fits(value)
}

fn decimals<'a>(operator: Operator, left: Decimal, right: Decimal) -> Option<Item<'a>> {
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right).map(|quotient| quotient.normalize()),
        Operator::Modulo => left.checked_rem(right),
        _ => {
            let whole = left.checked_div(right)?.trunc();
            return i64::try_from(whole).ok().map(Item::whole);
        }
    };
    value.map(Item::Decimal)
}

fn moved<'a>(operator: Operator, moment: &Item<'a>, by: &Quantity<'_>) -> Result<Option<Item<'a>>, Failure> {
    if !matches!(operator, Operator::Add | Operator::Subtract) {
        return Err(Failure::values("Dates and times can only be added to and taken from"));
    }
    let span = by.span(operator == Operator::Subtract).map_err(Failure::values)?;
    Ok(match moment {
        Item::Date(date) => date.plus(span).map(Item::Date),
        Item::DateTime(moment) => moment.plus(span).map(Item::DateTime),
        Item::Time(time) => time.plus(span).map(Item::Time),
        _ => None,
    })
}

fn quantities<'a>(operator: Operator, left: &Quantity<'a>, right: &Quantity<'a>) -> Result<Option<Item<'a>>, Failure> {
    let result = match operator {
        Operator::Multiply => left.combined(right, false),
        Operator::Divide => left.combined(right, true),
        Operator::Add | Operator::Subtract => {
            if !left.comparable(right) {
                let message = format!("{left} and {right} measure different things");
                return Err(Failure::values(message));
            }
            right.converted(&left.unit).and_then(|right| {
                let value = if operator == Operator::Add {
                    left.value.checked_add(right)
                } else {
                    left.value.checked_sub(right)
                };
                let unit = left.unit.clone();
                value.map(|value| Quantity { value, unit })
            })
        }
        _ => return Err(Failure::values("Quantities have no div and mod")),
    };
    Ok(result.map(Item::Quantity))
}

/// The item with the other sign.
pub(crate) fn negated<'a>(model: &dyn Model, item: &Item<'a>) -> Result<Item<'a>, Failure> {
    match item.system(model) {
        Item::Integer(value) => Ok(Item::whole(-value)),
        Item::Long(value) => value
            .checked_neg()
            .map(Item::Long)
            .ok_or_else(|| Failure::values("The integer has no opposite")),
        Item::Decimal(value) => Ok(Item::Decimal(-value)),
        other => match other.quantity(model) {
            Some(Quantity { value, unit }) => Ok(Item::Quantity(Quantity { value: -value, unit })),
            None => Err(Failure::values(format!("{} has no sign", describe(model, item)))),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn numbers_are_computed() {
        check(&[
            ("1 / 2", "0.5"),
            ("4 / 2 = 2", "true"),
            ("7 div 2", "3"),
            ("-7 div 2", "-3"),
            ("7 mod 2", "1"),
            ("2.2 mod 1.8", "0.4"),
            ("1 / 0", ""),
            ("1 div 0", ""),
            ("5 mod 0", ""),
            ("1.8 - 1.2", "0.6"),
            ("9223372036854775807L + 1", ""),
            ("9223372036854775807 * 2", ""),
            ("2147483647 + 1", ""),
            ("2147483647 + 1L", "2147483648L"),
            ("-2147483648", "-2147483648"),
            ("-2147483648 - 1", ""),
            ("1L + 1.5", "2.5"),
            ("7L div 2", "3L"),
            ("5L / 2", "2.5"),
            ("1L = 1 and 1L < 2 and 1L = 1.0", "true"),
            ("'a' + 'b'", "'ab'"),
            ("'a' + {}", ""),
            ("'a' & {}", "'a'"),
            ("name[1].given[0] & 'a'", "'a'"),
            ("name[1].given[0] + 'a'", ""),
            ("name[1].given[0] < 'a'", ""),
            ("name[1].given[0].lower()", ""),
            ("name.given.join('-')", "'Karma-Pema-K\"D'"),
            ("name[1].given[0].toString()", ""),
            ("name[1].given[0].convertsToInteger()", ""),
            ("'a'.startsWith(name[1].given[0])", ""),
            ("'a' - 'b'", "Values:"),
            ("{} & {}", "''"),
            ("1 & 'a'", "Values:"),
            ("(1 | 2) & 'a'", "Values:"),
            ("1 'g' mod 2 'g'", "Values:"),
        ]);
    }

    #[test]
    fn dates_are_moved() {
        check(&[
            ("@1974-12-25 - 1 'month'", "@1974-11-25"),
            ("@1973-12-25 + 7 days", "@1974-01-01"),
            ("@2016-02-29 + 1 year", "@2017-02-28"),
            ("@1973-12-25 + 1 'd'", "@1973-12-26"),
            (
                "@1973-12-25T00:00:00.000+10:00 + 10 'ms'",
                "@1973-12-25T00:00:00.010+10:00",
            ),
            (
                "@1973-12-25T00:00:00.000+10:00 + 1 'min'",
                "@1973-12-25T00:01:00.000+10:00",
            ),
            ("@T01:00:00 + 2 hours", "@T03:00:00"),
            ("@T23:00:00 + 2 hours", "@T01:00:00"),
            ("@1974-12-25 + 7", "Values:"),
            ("@1974-12-25 - 1 'cm'", "Values:"),
            ("@1974-12-25 + 1 'a'", "Values:"),
            ("@2014 + 24 months", "@2016"),
            ("birthDate + 1.9 days", "@1974-12-26"),
            ("@9999 + 1 year", ""),
            ("@2015-01-01 + 99999999999999999999 days", "Values:"),
        ]);
    }
}
