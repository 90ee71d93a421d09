//! Functions whose arguments are evaluated for items: where, select, repeat, aggregate, iif, sort and others.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::compare;
use crate::context::Failure;
use crate::evaluate::{Evaluator, List, Scope};
use crate::functions::Loops;
use crate::sets;
use crate::syntax::{Call, Expr};
use crate::value::Item;

/// The most items that `repeat()` may gather.
const REPEAT_LIMIT: usize = 100_000;

/// Applies a function to a collection.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Loops,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    match function {
        Loops::Where => filtered(run, &call.arguments[0], input, scope),
        Loops::Select => projected(run, &call.arguments[0], &input, scope),
        Loops::All => {
            let answer = !comes_out(run, &call.arguments[0], &input, scope, false)?;
            Ok(run.one(input, Item::Boolean(answer)))
        }
        Loops::Exists => {
            let answer = match call.arguments.first() {
                Some(criterion) => comes_out(run, criterion, &input, scope, true)?,
                None => !input.is_empty(),
            };
            Ok(run.one(input, Item::Boolean(answer)))
        }
        Loops::Repeat => repeated(run, &call.arguments[0], &input, scope, true),
        Loops::RepeatAll => repeated(run, &call.arguments[0], &input, scope, false),
        Loops::Aggregate => aggregated(run, call, &input, scope),
        Loops::Coalesce => coalesced(run, call, &input, scope),
        Loops::Iif => chosen(run, call, &input, scope),
        Loops::Sort => sorted(run, call, input, scope),
        Loops::Trace => traced(run, call, input, scope),
        Loops::DefineVariable => defined(run, call, input, scope),
    }
}

/// The scope for one item of a collection.
fn on<'s, 'a>(scope: Scope<'s, 'a>, item: &'s Item<'a>, index: usize) -> Scope<'s, 'a> {
    Scope {
        this: std::slice::from_ref(item),
        index: Some(index as i64),
        total: scope.total,
    }
}

fn filtered<'a>(
    run: &mut Evaluator<'_, 'a>,
    criterion: &'a Expr,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let mut kept = run.take();
    for (index, item) in input.drain(..).enumerate() {
        if run.truth(criterion, on(scope, &item, index))? == Some(true) {
            kept.push(item);
        }
    }
    run.give(input);
    Ok(kept)
}

fn projected<'a>(
    run: &mut Evaluator<'_, 'a>,
    projection: &'a Expr,
    input: &[Item<'a>],
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let mut out = run.take();
    for (index, item) in input.iter().enumerate() {
        let mut found = run.list(projection, on(scope, item, index))?;
        run.spend(found.len() as u64 * 4)?;
        out.append(&mut found);
        run.give(found);
    }
    Ok(out)
}

/// Whether the criterion comes out for some item as wanted: true, or anything but true.
fn comes_out<'a>(
    run: &mut Evaluator<'_, 'a>,
    criterion: &'a Expr,
    input: &[Item<'a>],
    scope: Scope<'_, 'a>,
    wanted: bool,
) -> Result<bool, Failure> {
    for (index, item) in input.iter().enumerate() {
        if (run.truth(criterion, on(scope, item, index))? == Some(true)) == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn repeated<'a>(
    run: &mut Evaluator<'_, 'a>,
    projection: &'a Expr,
    input: &[Item<'a>],
    scope: Scope<'_, 'a>,
    distinct: bool,
) -> Result<List<'a>, Failure> {
    let mut out = projected(run, projection, input, scope)?;
    if distinct {
        let found = std::mem::take(&mut out);
        sets::add_distinct(run, &found, 0, &mut out)?;
    }
    let mut at = 0;
    while at < out.len() {
        run.spend(1)?;
        if out.len() > REPEAT_LIMIT {
            return Err(Failure::values(format!(
                "repeat() found more than {REPEAT_LIMIT} items"
            )));
        }
        let item = out[at].clone();
        let found = run.list(projection, on(scope, &item, at))?;
        if distinct {
            sets::add_distinct(run, &found, 0, &mut out)?;
        } else {
            out.extend(found);
        }
        at += 1;
    }
    Ok(out)
}

fn aggregated<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: &[Item<'a>],
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let mut total = match call.arguments.get(1) {
        Some(start) => run.list(start, scope)?,
        None => Vec::new(),
    };
    for (index, item) in input.iter().enumerate() {
        let scope = Scope {
            this: std::slice::from_ref(item),
            index: Some(index as i64),
            total: Some(&total),
        };
        total = run.list(&call.arguments[0], scope)?;
    }
    Ok(total)
}

fn chosen<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: &[Item<'a>],
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    if input.len() > 1 {
        return Err(Failure::values(format!(
            "iif() looks at one item at most, not {}",
            input.len()
        )));
    }
    let scope = Scope { this: input, ..scope };
    let found = run.list(&call.arguments[0], scope)?;
    // A computed value that is no boolean is a slip of the pen, not something that is there.
    if let [item] = found.as_slice()
        && !matches!(item, Item::Boolean(_) | Item::Element(_) | Item::Elsewhere(_))
    {
        let what = compare::describe(run.context.model, item);
        return Err(Failure::values(format!(
            "The criterion of iif() is true or false, not {what}"
        )));
    }
    let truth = run.boolean(&found)?;
    run.give(found);
    let chosen = match truth {
        Some(true) => call.arguments.get(1),
        _ => call.arguments.get(2),
    };
    match chosen {
        Some(argument) => run.list(argument, scope),
        None => Ok(Vec::new()),
    }
}

/// The first argument that isn't empty.
fn coalesced<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: &[Item<'a>],
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let scope = Scope { this: input, ..scope };
    for argument in &call.arguments {
        let found = run.list(argument, scope)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

fn sorted<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let mut keyed = Vec::with_capacity(input.len());
    for (index, item) in input.drain(..).enumerate() {
        let mut keys = Vec::with_capacity(call.arguments.len().max(1));
        for argument in &call.arguments {
            keys.push(run.single(argument, on(scope, &item, index))?);
        }
        if call.arguments.is_empty() {
            keys.push(Some(item.clone()));
        }
        keyed.push((keys, item));
    }
    run.spend(keyed.len() as u64 * 16)?;
    let mut trouble = None;
    keyed.sort_by(|(left, _), (right, _)| {
        for (at, (left, right)) in left.iter().zip(right).enumerate() {
            let order = key_order(run, left.as_ref(), right.as_ref(), &mut trouble);
            if order.is_ne() {
                let down = call.descending.get(at).copied().unwrap_or(false);
                return if down { order.reverse() } else { order };
            }
        }
        Ordering::Equal
    });
    match trouble {
        Some(message) => Err(Failure::values(message)),
        None => {
            input.extend(keyed.into_iter().map(|(_, item)| item));
            Ok(input)
        }
    }
}

/// What has no key comes first.
fn key_order(
    run: &Evaluator<'_, '_>,
    left: Option<&Item<'_>>,
    right: Option<&Item<'_>>,
    trouble: &mut Option<String>,
) -> Ordering {
    let (Some(left), Some(right)) = (left, right) else {
        return left.is_some().cmp(&right.is_some());
    };
    match compare::order(run.context.model, left, right) {
        Ok(order) => order.unwrap_or(Ordering::Equal),
        Err(message) => {
            trouble.get_or_insert(message);
            Ordering::Equal
        }
    }
}

fn name<'a>(run: &mut Evaluator<'_, 'a>, call: &'a Call, scope: Scope<'_, 'a>) -> Result<Cow<'a, str>, Failure> {
    let name = run.single(&call.arguments[0], scope)?.and_then(|item| item.text());
    name.ok_or_else(|| Failure::values("A name is needed here, as a string"))
}

fn traced<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let name = name(run, call, scope)?;
    if let Some(tracer) = run.context.tracer {
        match call.arguments.get(1) {
            Some(projection) => tracer.trace(&name, &projected(run, projection, &input, scope)?),
            None => tracer.trace(&name, &input),
        }
    }
    Ok(input)
}

fn defined<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let name = name(run, call, scope)?;
    if run.is_taken(&name) {
        return Err(Failure::values(format!("The variable %{name} is defined already")));
    }
    let value = match call.arguments.get(1) {
        Some(argument) => run.list(argument, scope.on(&input))?,
        None => {
            run.weigh(&input)?;
            input.clone()
        }
    };
    run.defined.push((name, value));
    Ok(input)
}

#[cfg(test)]
mod tests {
    use crate::trial::{answer, check};

    #[test]
    fn arguments_are_evaluated_for_items() {
        check(&[
            ("name.exists(use = 'usual')", "true"),
            ("name.all(given.exists())", "true"),
            ("name.all(family.exists())", "false"),
            ("{}.all(false)", "true"),
            ("telecom.where($index > 0).value", "'k@d.bt', '18'"),
            ("telecom.select(iif(value = '18', $index, {}))", "2"),
            ("name.where('a' | 'b')", "Values:"),
            ("(1 | 2 | 3).aggregate($this + $total, 0)", "6"),
            (
                "(3 | 1 | 2).aggregate(iif($total.empty(), $this, iif($this < $total, $this, $total)))",
                "1",
            ),
            ("iif({}, 1, 2)", "2"),
            ("iif(false, 1)", ""),
            ("iif(true, 1, 1 / 'a')", "1"),
            ("iif(1 | 2, 1)", "Values:"),
            ("iif('a', 1, 2)", "Values:"),
            ("(1 | 2).iif(true, 1)", "Values:"),
            ("'a'.iif($this = 'a', 'b')", "'b'"),
            ("iif(name.first(), 1, 2)", "1"),
            ("coalesce({}, name.nothing, active, 1)", "true"),
            ("coalesce({})", ""),
            ("(3 | 1 | 2).sort()", "1, 2, 3"),
            ("(3 | 1 | 2).sort(-$this)", "3, 2, 1"),
            ("telecom.sort(system desc, value).value", "'17', '18', 'k@d.bt'"),
            ("telecom.sort(rank).value", "'18', 'k@d.bt', '17'"),
            ("(1 | 'a').sort()", "Values:"),
            ("contact.repeat(children())", "HumanName, 'Wangmo'"),
            ("1.repeat($this)", "1"),
            ("1.repeatAll($this)", "Values:"),
            ("name.trace('n', use).count()", "2"),
            ("name.select(given.first())", "'Karma', #g0"),
        ]);
    }

    #[test]
    fn the_tracer_hears() {
        struct Ear(std::sync::Mutex<String>);
        impl crate::context::Tracer for Ear {
            fn trace(&self, name: &str, items: &[crate::value::Item<'_>]) {
                let mut heard = self.0.lock().expect("one thread");
                heard.push_str(&format!("{name}:{} ", items.len()));
            }
        }
        // Lives as long as any context, which answer() makes inside.
        let ear: &'static Ear = Box::leak(Box::new(Ear(std::sync::Mutex::default())));
        answer("name.trace('n').trace('g', given)", false, |context| {
            context.tracer = Some(ear)
        });
        assert_eq!(*ear.0.lock().expect("one thread"), "n:2 g:4 ");
    }
}
