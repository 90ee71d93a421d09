//! Functions that make one value of a collection: its sum, its average, its least and its greatest item.

use std::cmp::Ordering;

use crate::compare;
use crate::context::Failure;
use crate::evaluate::{Evaluator, List};
use crate::functions::Totals;
use crate::operate;
use crate::syntax::Operator;
use crate::value::Item;

/// Applies a function to a collection; of an empty one comes nothing.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Totals,
    mut input: List<'a>,
) -> Result<List<'a>, Failure> {
    let model = run.context.model;
    let count = Item::Integer(input.len() as i64);
    run.spend(input.len() as u64)?;
    let mut total: Option<Item<'a>> = None;
    for item in input.drain(..) {
        total = match total {
            None => Some(checked(run, function, item)?),
            Some(so_far) => match function {
                Totals::Sum | Totals::Average => operate::computed(model, Operator::Add, Some(so_far), Some(item))?,
                Totals::Least => chosen(run, item, so_far, Ordering::Less)?,
                Totals::Greatest => chosen(run, item, so_far, Ordering::Greater)?,
            },
        };
        // Too large, or not to be told.
        if total.is_none() {
            break;
        }
    }
    if function == Totals::Average && total.is_some() {
        total = operate::computed(model, Operator::Divide, total, Some(count))?;
    }
    input.extend(total);
    Ok(input)
}

/// The first item, where such as it can be added or compared.
fn checked<'a>(run: &Evaluator<'_, 'a>, function: Totals, item: Item<'a>) -> Result<Item<'a>, Failure> {
    let model = run.context.model;
    match function {
        Totals::Sum | Totals::Average => {
            let none = item.quantity(model).is_none() && compare::number(&item.system(model)).is_none();
            match none {
                true => Err(Failure::values(format!(
                    "Only numbers and quantities have a sum, not {}",
                    compare::describe(model, &item)
                ))),
                false => Ok(item.quantity(model).map_or_else(|| item.system(model), Item::Quantity)),
            }
        }
        Totals::Least | Totals::Greatest => {
            compare::order(model, &item, &item).map_err(Failure::values)?;
            Ok(item)
        }
    }
}

/// The item, where it comes before or after the one so far as wanted, or else that; none where that can't be told.
fn chosen<'a>(
    run: &Evaluator<'_, 'a>,
    item: Item<'a>,
    so_far: Item<'a>,
    wanted: Ordering,
) -> Result<Option<Item<'a>>, Failure> {
    let order = compare::order(run.context.model, &item, &so_far).map_err(Failure::values)?;
    Ok(order.map(|order| if order == wanted { item } else { so_far }))
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn collections_are_totalled() {
        check(&[
            ("(1 | 2 | 3).sum()", "6"),
            ("(1.5 | 2).sum()", "3.5"),
            ("(1 'g' | 1 'kg').sum()", "1001 'g'"),
            ("(1 | 2).avg()", "1.5"),
            ("(1 'g' | 2 'g').avg()", "1.5 'g'"),
            ("(3 | 1 | 2).min()", "1"),
            ("(3 | 1 | 2).max()", "3"),
            ("('b' | 'a').min()", "'a'"),
            ("(@2014 | @2013).max()", "@2014"),
            ("(1 'g' | 1 'kg').max()", "1 'kg'"),
            ("telecom.rank.sum()", "3"),
            ("telecom.rank.max()", "2"),
            ("{}.sum()", ""),
            ("{}.min()", ""),
            ("{}.avg()", ""),
            ("('a' | 'b').sum()", "Values:"),
            ("(1 | 'a').max()", "Values:"),
            ("name.min()", "Values:"),
            ("(2147483647).combine(1).sum()", ""),
        ]);
    }
}
