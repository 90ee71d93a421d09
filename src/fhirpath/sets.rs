//! Functions over whole collections: existence, subsetting, combining; equality of collections.

use crate::compare;
use crate::context::Failure;
use crate::evaluate::{Evaluator, List, Scope, only};
use crate::functions::{Function, Sets};
use crate::syntax::{Call, Expr};
use crate::value::Item;

/// Whether the function counts on the collection's order.
pub(crate) fn is_positional(function: Function) -> bool {
    matches!(
        function,
        Function::Sets(Sets::First | Sets::Last | Sets::Tail | Sets::Skip | Sets::Take)
    )
}

/// Applies a function to a collection.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Sets,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let answer = match function {
        Sets::AllFalse | Sets::AllTrue | Sets::AnyFalse | Sets::AnyTrue => booleans(function, &input, run)?,
        Sets::Count => return Ok(counted(run, input)),
        Sets::Empty => input.is_empty(),
        Sets::First => {
            input.truncate(1);
            return Ok(input);
        }
        Sets::Last => {
            let skipped = input.len().saturating_sub(1);
            input.drain(..skipped);
            return Ok(input);
        }
        Sets::Tail => {
            input.drain(..input.len().min(1));
            return Ok(input);
        }
        Sets::Skip | Sets::Take => return part(run, function, call, input, scope),
        Sets::Single => {
            only(&input)?;
            return Ok(input);
        }
        Sets::Not => {
            let answer = run.boolean(&input)?;
            input.clear();
            input.extend(answer.map(|answer| Item::Boolean(!answer)));
            return Ok(input);
        }
        Sets::Distinct => return distinct(run, input),
        Sets::IsDistinct => {
            let before = input.len();
            let left = distinct(run, input)?;
            let answer = left.len() == before;
            return Ok(run.one(left, Item::Boolean(answer)));
        }
        Sets::SubsetOf | Sets::SupersetOf => {
            let other = run.list(&call.arguments[0], scope)?;
            let (part, whole) = if function == Sets::SubsetOf {
                (&input, &other)
            } else {
                (&other, &input)
            };
            let mut answer = true;
            for item in part {
                answer = answer && holds(run, whole, item)?;
            }
            run.give(other);
            answer
        }
        Sets::Combine | Sets::Union | Sets::Intersect | Sets::Exclude => {
            return combined(run, function, &call.arguments[0], input, scope);
        }
    };
    Ok(run.one(input, Item::Boolean(answer)))
}

fn counted<'a>(run: &mut Evaluator<'_, 'a>, input: List<'a>) -> List<'a> {
    let count = input.len() as i64;
    run.one(input, Item::Integer(count))
}

fn booleans<'a>(function: Sets, input: &[Item<'a>], run: &Evaluator<'_, 'a>) -> Result<bool, Failure> {
    let model = run.context.model;
    let mut values = Vec::with_capacity(input.len());
    for item in input {
        match item.system(model) {
            Item::Boolean(value) => values.push(value),
            _ => {
                let found = compare::describe(model, item);
                return Err(Failure::values(format!("Only booleans can be judged so, not {found}")));
            }
        }
    }
    Ok(match function {
        Sets::AllTrue => values.iter().all(|value| *value),
        Sets::AllFalse => values.iter().all(|value| !*value),
        Sets::AnyTrue => values.contains(&true),
        _ => values.contains(&false),
    })
}

fn part<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Sets,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let Some(count) = integer(run, &call.arguments[0], scope)? else {
        input.clear();
        return Ok(input);
    };
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX).min(input.len());
    if function == Sets::Skip {
        input.drain(..count);
    } else {
        input.truncate(count);
    }
    Ok(input)
}

/// The item at an index, or none.
pub(crate) fn at<'a>(
    run: &mut Evaluator<'_, 'a>,
    mut input: List<'a>,
    index: &'a Expr,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let index = integer(run, index, scope)?.and_then(|index| usize::try_from(index).ok());
    let item = index
        .filter(|index| *index < input.len())
        .map(|index| input.swap_remove(index));
    input.clear();
    input.extend(item);
    Ok(input)
}

/// An argument as an integer, or none.
pub(crate) fn integer<'a>(
    run: &mut Evaluator<'_, 'a>,
    argument: &'a Expr,
    scope: Scope<'_, 'a>,
) -> Result<Option<i64>, Failure> {
    let model = run.context.model;
    match run.single(argument, scope)?.map(|item| item.system(model)) {
        None => Ok(None),
        Some(Item::Integer(value) | Item::Long(value)) => Ok(Some(value)),
        Some(item) => {
            let found = compare::describe(model, &item);
            Err(Failure::values(format!("An integer is needed here, not {found}")))
        }
    }
}

fn distinct<'a>(run: &mut Evaluator<'_, 'a>, input: List<'a>) -> Result<List<'a>, Failure> {
    if input.len() < 2 {
        return Ok(input);
    }
    let mut found = run.take();
    add_distinct(run, &input, 0, &mut found)?;
    run.give(input);
    Ok(found)
}

/// Appends what isn't among `out[start..]` yet.
pub(crate) fn add_distinct<'a>(
    run: &mut Evaluator<'_, 'a>,
    items: &[Item<'a>],
    start: usize,
    out: &mut List<'a>,
) -> Result<(), Failure> {
    for item in items {
        if !holds(run, &out[start..], item)? {
            out.push(item.clone());
        }
    }
    Ok(())
}

/// Whether an item equal to this one is in the list.
pub(crate) fn holds<'a>(run: &mut Evaluator<'_, 'a>, list: &[Item<'a>], item: &Item<'a>) -> Result<bool, Failure> {
    let model = run.context.model;
    for other in list {
        run.spend(cost(other, item))?;
        if compare::equal(model, other, item) == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What comparing two items may take, in steps: more for large elements.
fn cost(left: &Item<'_>, right: &Item<'_>) -> u64 {
    match (left, right) {
        (Item::Element(left), Item::Element(right)) if left.node != right.node => {
            1 + left.node.text().len().min(right.node.text().len()) as u64 / 64
        }
        (Item::String(left), Item::String(right)) => 1 + left.len().min(right.len()) as u64 / 64,
        _ => 1,
    }
}

fn combined<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Sets,
    argument: &'a Expr,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let other = run.list(argument, scope)?;
    match function {
        Sets::Combine => {
            run.weigh(&other)?;
            input.extend(other.iter().cloned());
        }
        Sets::Union => {
            let mut found = distinct(run, input)?;
            add_distinct(run, &other, 0, &mut found)?;
            input = found;
        }
        _ => {
            let mut kept = run.take();
            for item in input.drain(..) {
                let shared = holds(run, &other, &item)?;
                match function {
                    Sets::Exclude if !shared => kept.push(item),
                    Sets::Intersect if shared && !holds(run, &kept, &item)? => kept.push(item),
                    _ => {}
                }
            }
            run.give(input);
            input = kept;
        }
    }
    run.give(other);
    Ok(input)
}

/// Whether two collections are equal, in order; `None` where that can't be told or one is empty.
pub(crate) fn equal<'a>(
    run: &mut Evaluator<'_, 'a>,
    left: &[Item<'a>],
    right: &[Item<'a>],
) -> Result<Option<bool>, Failure> {
    if left.is_empty() || right.is_empty() {
        return Ok(None);
    }
    if left.len() != right.len() {
        return Ok(Some(false));
    }
    let mut answer = Some(true);
    for (a, b) in left.iter().zip(right) {
        run.spend(cost(a, b))?;
        match compare::equal(run.context.model, a, b) {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => answer = None,
        }
    }
    Ok(answer)
}

/// Whether two collections are equivalent, in any order.
pub(crate) fn equivalent<'a>(
    run: &mut Evaluator<'_, 'a>,
    left: &[Item<'a>],
    right: &[Item<'a>],
) -> Result<bool, Failure> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let mut open: Vec<&Item<'a>> = right.iter().collect();
    for item in left {
        let mut found = None;
        for (at, other) in open.iter().enumerate() {
            run.spend(cost(item, other))?;
            if compare::equivalent(run.context.model, item, other) {
                found = Some(at);
                break;
            }
        }
        match found {
            Some(at) => open.swap_remove(at),
            None => return Ok(false),
        };
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn collections_are_taken_apart_and_put_together() {
        check(&[
            ("(1 | 2 | 3).first()", "1"),
            ("(1 | 2 | 3).last()", "3"),
            ("(1 | 2 | 3).tail()", "2, 3"),
            ("(1 | 2 | 3).skip(1)", "2, 3"),
            ("(1 | 2 | 3).take(2)", "1, 2"),
            ("(1 | 2).take(-1)", ""),
            ("(1 | 2).skip(9)", ""),
            ("{}.last()", ""),
            ("(1 | 2).single()", "Values: One item is needed here, not 2"),
            ("{}.single()", ""),
            ("name.count()", "2"),
            ("{}.count()", "0"),
            ("name.given.count()", "4"),
            ("{}.empty()", "true"),
            ("name.empty().not()", "true"),
            ("(1 | 2).not()", "Values:"),
            ("1.combine(1)", "1, 1"),
            ("1.combine(1).distinct()", "1"),
            ("1.combine(1).isDistinct()", "false"),
            ("1.union(2 | 1)", "1, 2"),
            ("(1 | 2 | 3).intersect(2 | 4)", "2"),
            ("(1 | 2 | 3).exclude(2)", "1, 3"),
            ("1.combine(1).exclude(2)", "1, 1"),
            ("(1 | 2).subsetOf(1 | 2 | 3)", "true"),
            ("(1 | 2).supersetOf(3)", "false"),
            ("{}.subsetOf(1)", "true"),
            ("(true | false).allTrue()", "false"),
            ("(true | false).anyTrue()", "true"),
            ("{}.allTrue()", "true"),
            ("{}.anyFalse()", "false"),
            ("false.allFalse()", "true"),
            ("1.allTrue()", "Values:"),
            ("name[0].given['a']", "Values:"),
        ]);
    }
}
