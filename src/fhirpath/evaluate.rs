//! Evaluates a compiled expression over a record.

use std::borrow::Cow;

use fhir::document::Shape;

use crate::compare;
pub use crate::context::{Code, Context, Failure, Profiles, Reason, Resolver, STEPS, Terminology, Tracer};
use crate::quantity::{Quantity, Unit};
use crate::syntax::{Expr, Operator};
use crate::value::Item;
use crate::walk::Few;
use crate::{kinds, operate, sets, spare};

/// A collection.
pub(crate) type List<'a> = Vec<Item<'a>>;

/// What `$this`, `$index` and `$total` are at a place of the expression.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s, 'a> {
    pub(crate) this: &'s [Item<'a>],
    pub(crate) index: Option<i64>,
    pub(crate) total: Option<&'s [Item<'a>]>,
}

impl<'s, 'a> Scope<'s, 'a> {
    /// The same, with another `$this` and no `$index`.
    pub(crate) fn on(self, this: &'s [Item<'a>]) -> Scope<'s, 'a> {
        Scope {
            this,
            index: None,
            ..self
        }
    }
}

/// One evaluation under way.
pub(crate) struct Evaluator<'c, 'a> {
    pub(crate) context: &'c Context<'a>,
    /// `%context`
    pub(crate) focus: &'c [Item<'a>],
    /// How many steps are left.
    steps: u64,
    /// What `defineVariable()` defined and is still in sight, innermost last.
    pub(crate) defined: Vec<(Cow<'a, str>, List<'a>)>,
    /// Whether some reference led to what is not at hand.
    pub(crate) elsewhere: bool,
    /// Emptied lists, kept for their memory; none before one is needed.
    spare: Option<Vec<List<'a>>>,
}

/// Evaluates a compiled expression with `focus` as `$this` and `%context`, and appends what it yields.
pub(crate) fn evaluate<'a>(
    expr: &'a Expr,
    context: &Context<'a>,
    focus: &[Item<'a>],
    out: &mut List<'a>,
) -> Result<(), Failure> {
    let mut evaluator = Evaluator {
        context,
        focus,
        steps: context.steps,
        defined: Vec::new(),
        elsewhere: false,
        spare: None,
    };
    let scope = Scope {
        this: focus,
        index: None,
        total: None,
    };
    let start = out.len();
    let evaluated = evaluator.append(expr, scope, out);
    if let Some(spent) = context.spent {
        spent.set(spent.get() + context.steps - evaluator.steps);
    }
    if evaluator.elsewhere {
        let found = out.split_off(start);
        out.extend(found.into_iter().filter(Item::is_at_hand));
    }
    if let Some(lists) = evaluator.spare {
        spare::leave(lists);
    }
    evaluated
}

/// Why an evaluation ends that would go on for too long.
#[cold]
pub(crate) fn exhausted(context: &Context<'_>) -> Failure {
    let text = format!("The expression took more than {} steps", context.steps);
    Failure::new(Reason::Limit, text)
}

impl<'a> Evaluator<'_, 'a> {
    /// Counts steps against the limit.
    #[inline]
    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), Failure> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(exhausted(self.context)),
        }
    }

    /// Counts the memory that copies of items take, so that what doubles itself comes to an end.
    pub(crate) fn weigh(&mut self, items: &[Item<'a>]) -> Result<(), Failure> {
        let weight = |item: &Item<'a>| match item {
            Item::String(Cow::Owned(text)) => 4 + text.len() as u64 / 16,
            _ => 4,
        };
        self.spend(items.iter().map(weight).sum())
    }

    pub(crate) fn take(&mut self) -> List<'a> {
        self.spare.get_or_insert_with(spare::take).pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut list: List<'a>) {
        if let Some(spare) = self.spare.as_mut().filter(|spare| spare.len() < spare::LISTS_MAX) {
            list.clear();
            spare.push(list);
        }
    }

    /// A list with one item, in the memory of another.
    pub(crate) fn one(&mut self, mut memory: List<'a>, item: Item<'a>) -> List<'a> {
        memory.clear();
        memory.push(item);
        memory
    }

    /// The value of a part on its own: variables it defines end with it.
    pub(crate) fn list(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Result<List<'a>, Failure> {
        let defined = self.defined.len();
        let mut out = self.take();
        self.append(expr, scope, &mut out)?;
        self.defined.truncate(defined);
        Ok(out)
    }

    /// The one item a part yields, or none.
    pub(crate) fn single(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<Item<'a>>, Failure> {
        if let Expr::Constant(item) = expr {
            return Ok(Some(constant(item)));
        }
        if let Some(walked) = self.walked(expr, scope) {
            return match walked? {
                Few::None => Ok(None),
                Few::One(item) => Ok(Some(item)),
                Few::Several(count) => Err(too_many(count)),
            };
        }
        let mut found = self.list(expr, scope)?;
        if found.len() > 1 {
            return Err(too_many(found.len()));
        }
        let item = found.pop();
        self.give(found);
        Ok(item)
    }

    /// As [`single`](Evaluator::single), for an operand: a primitive without a value is none.
    pub(crate) fn operand(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<Item<'a>>, Failure> {
        let item = self.single(expr, scope)?;
        Ok(item.filter(|item| !item.is_valueless(self.context.model)))
    }

    /// The one item of a collection as a value, or none.
    pub(crate) fn value(&self, items: &[Item<'a>]) -> Result<Option<Item<'a>>, Failure> {
        let model = self.context.model;
        let item = only(items)?.filter(|item| !item.is_valueless(model));
        Ok(item.map(|item| item.system(model)))
    }

    /// A part as true, false or unknown: a single item that is no boolean is true.
    pub(crate) fn truth(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<bool>, Failure> {
        if let Expr::Binary(operator, pair) = expr
            && let Some(answer) = self.judged(*operator, &pair.0, &pair.1, scope)
        {
            return answer;
        }
        let found = self.list(expr, scope)?;
        let truth = self.boolean(&found);
        self.give(found);
        truth
    }

    /// A collection as true, false or unknown.
    pub(crate) fn boolean(&self, items: &[Item<'a>]) -> Result<Option<bool>, Failure> {
        match items {
            [] => Ok(None),
            [Item::Boolean(value)] => Ok(Some(*value)),
            [Item::Element(element)] if element.node.shape() == Shape::Bool => Ok(element.node.as_bool()),
            [item] if item.is_valueless(self.context.model) => Ok(None),
            [_] => Ok(Some(true)),
            _ => Err(Failure::values(format!(
                "True or false is needed here, not {} items",
                items.len()
            ))),
        }
    }

    /// Appends the value of a part to `out`.
    pub(crate) fn append(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>, out: &mut List<'a>) -> Result<(), Failure> {
        self.spend(1)?;
        match expr {
            Expr::Empty => {}
            Expr::Constant(item) => out.push(constant(item)),
            Expr::This => {
                self.weigh(scope.this)?;
                out.extend_from_slice(scope.this);
            }
            Expr::Index => out.extend(scope.index.map(Item::Integer)),
            Expr::Total => {
                let total = scope.total.unwrap_or_default();
                self.weigh(total)?;
                out.extend_from_slice(total);
            }
            Expr::Variable(name) => self.variable(name, out)?,
            Expr::Path(path) => self.path(path, scope, out)?,
            Expr::Negate(operand) => {
                if let Some(item) = self.operand(operand, scope)? {
                    out.push(operate::negated(self.context.model, &item)?);
                }
            }
            Expr::Plus(operand) => {
                if let Some(item) = self.operand(operand, scope)? {
                    operate::negated(self.context.model, &item)?;
                    out.push(item);
                }
            }
            Expr::Is(operand, name) => {
                if let Some(item) = self.single(operand, scope)? {
                    out.push(Item::Boolean(kinds::is(self.context, &item, name)));
                }
            }
            Expr::Union(parts) => {
                let start = out.len();
                for part in parts {
                    let found = self.list(part, scope)?;
                    sets::add_distinct(self, &found, start, out)?;
                    self.give(found);
                }
            }
            Expr::Binary(operator, pair) => self.binary(*operator, &pair.0, &pair.1, scope, out)?,
        }
        Ok(())
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Scope<'_, 'a>,
        out: &mut List<'a>,
    ) -> Result<(), Failure> {
        if let Some(answer) = self.judged(operator, left, right, scope) {
            out.extend(answer?.map(Item::Boolean));
            return Ok(());
        }
        let start = out.len();
        if operator == Operator::Concatenate {
            let mut text = String::new();
            self.concatenate(left, scope, &mut text)?;
            self.concatenate(right, scope, &mut text)?;
            out.push(Item::String(Cow::Owned(text)));
            return self.weigh(&out[start..]);
        }
        let left = self.single(left, scope)?;
        let right = self.single(right, scope)?;
        out.extend(operate::computed(self.context.model, operator, left, right)?);
        self.weigh(&out[start..])
    }

    /// The answer of an operator that yields a boolean; `None` for the others.
    fn judged(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Scope<'_, 'a>,
    ) -> Option<Result<Option<bool>, Failure>> {
        use Operator::*;
        Some(match operator {
            And | Or | Xor | Implies => self.logic(operator, left, right, scope),
            Equal | NotEqual | Equivalent | NotEquivalent => self.equality(operator, left, right, scope),
            Less | LessOrEqual | Greater | GreaterOrEqual => self.inequality(operator, left, right, scope),
            In => self.membership(left, right, scope),
            Contains => self.membership(right, left, scope),
            Add | Subtract | Concatenate | Multiply | Divide | WholeDivide | Modulo => return None,
        })
    }

    fn logic(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<bool>, Failure> {
        let left = self.truth(left, scope)?;
        match (operator, left) {
            (Operator::And, Some(false)) => return Ok(Some(false)),
            (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => return Ok(Some(true)),
            _ => {}
        }
        let right = self.truth(right, scope)?;
        Ok(match (operator, left, right) {
            (Operator::And, _, Some(false)) => Some(false),
            (Operator::Or | Operator::Implies, _, Some(true)) => Some(true),
            (_, Some(left), Some(right)) => Some(match operator {
                Operator::And => left && right,
                Operator::Or => left || right,
                Operator::Xor => left != right,
                _ => !left || right,
            }),
            _ => None,
        })
    }

    fn equality(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<bool>, Failure> {
        if let (Expr::Constant(right), Operator::Equal) = (right, operator)
            && let Some(walked) = self.walked(left, scope)
        {
            self.spend(1)?;
            return Ok(match walked? {
                Few::None => None,
                Few::One(left) => compare::equal(self.context.model, &left, right),
                Few::Several(_) => Some(false),
            });
        }
        let left = self.list(left, scope)?;
        let right = self.list(right, scope)?;
        let answer = match operator {
            Operator::Equal => sets::equal(self, &left, &right)?,
            Operator::NotEqual => sets::equal(self, &left, &right)?.map(|same| !same),
            Operator::Equivalent => Some(sets::equivalent(self, &left, &right)?),
            _ => Some(!sets::equivalent(self, &left, &right)?),
        };
        self.give(left);
        self.give(right);
        Ok(answer)
    }

    fn inequality(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<bool>, Failure> {
        let (Some(left), Some(right)) = (self.single(left, scope)?, self.single(right, scope)?) else {
            return Ok(None);
        };
        let order = compare::order(self.context.model, &left, &right).map_err(Failure::values)?;
        Ok(order.map(|order| match operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            _ => order.is_ge(),
        }))
    }

    fn membership(&mut self, item: &'a Expr, list: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<bool>, Failure> {
        let Some(item) = self.single(item, scope)? else {
            return Ok(None);
        };
        let list = self.list(list, scope)?;
        let found = sets::holds(self, &list, &item)?;
        self.give(list);
        Ok(Some(found))
    }
}

/// The one item of a collection, or none; a failure where there are more.
pub(crate) fn only<'l, 'a>(items: &'l [Item<'a>]) -> Result<Option<&'l Item<'a>>, Failure> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(too_many(items.len())),
    }
}

#[cold]
fn too_many(count: usize) -> Failure {
    Failure::values(format!("One item is needed here, not {count}"))
}

/// A literal, lent by the expression.
fn constant<'a>(item: &'a Item<'static>) -> Item<'a> {
    match item {
        Item::String(text) => Item::String(Cow::Borrowed(text)),
        Item::Quantity(Quantity {
            value,
            unit: Unit::Code(code),
        }) => Item::Quantity(Quantity {
            value: *value,
            unit: Unit::Code(Cow::Borrowed(code)),
        }),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::{check, check_observation};

    #[test]
    fn operators_bind_as_told() {
        check(&[
            ("1 + 2 * 3 - 4 div 2", "5"),
            ("-1 + 2", "1"),
            ("-(1 + 2)", "-3"),
            ("(1 | 1 is Integer).count()", "2"),
            ("-1.abs()", "-1"),
            ("1 > 2 is Boolean", "Values:"),
            ("true and '2' in ('1' | '2')", "true"),
            ("true or {} and false", "true"),
            ("false implies {}", "true"),
            ("1 = 1 and 2 != 3", "true"),
            ("'a' & 'b' = 'ab'", "true"),
            ("1 | 2 | 2 | 1.0", "1, 2"),
            ("+1", "1"),
            ("+'a'", "Values:"),
        ]);
    }

    #[test]
    fn logic_has_three_values() {
        check(&[
            ("true and {}", ""),
            ("false and {}", "false"),
            ("{} or true", "true"),
            ("{} or false", ""),
            ("true xor true", "false"),
            ("{} xor true", ""),
            ("true implies {}", ""),
            ("{} implies true", "true"),
            ("{} implies false", ""),
            ("{}.not()", ""),
            ("1.not()", "false"),
            ("(1 | 2) and true", "Values:"),
            ("active and 'x'", "true"),
        ]);
    }

    #[test]
    fn equality_knows_precision() {
        check(&[
            ("birthDate = @1974-12-25", "true"),
            ("birthDate = '1974-12-25'", "true"),
            ("birthDate = @1974-12", ""),
            ("birthDate < today()", "true"),
            ("@2012 = @2013", "false"),
            ("@T10:30 < @T10:30:00", ""),
            ("@T10:30:00 = @T10:30:00.0", "true"),
            ("1.10 = 1.1", "true"),
            ("'a' = 'A'", "false"),
            ("'a b' ~ ' A  B'", "true"),
            ("(1 | 2) = (1 | 2)", "true"),
            ("(1 | 2) = (2 | 1)", "false"),
            ("(1 | 2) ~ (2 | 1)", "true"),
            ("{} = {}", ""),
            ("{} ~ {}", "true"),
            ("1.2 / 1.8 ~ 0.67", "true"),
            ("name[0] = name[0]", "true"),
            ("name[0] != name[1]", "true"),
            ("@2012-04-15 ~ @2012-04-15T10:00:00", "false"),
            ("1 = 'a'", "false"),
            ("1 < 'a'", "Values:"),
            ("1 in (1 | 2)", "true"),
            ("{} in (1 | 2)", ""),
            ("(1 | 2) contains 3", "false"),
        ]);
    }

    #[test]
    fn quantities_compare_across_units() {
        check_observation(&[
            ("value < 200 '[lb_av]'", "true"),
            ("value > 80 'kg'", "true"),
            ("value = 185 'kg'", "false"),
            ("value = 1 'm'", ""),
            ("4 'g' = 4000 'mg'", "true"),
            ("4 'g' ~ 4040 'mg'", "true"),
            ("7 days = 1 week", "true"),
            ("1 year = 1 'a'", ""),
            ("1 year ~ 1 'a'", "true"),
            ("1 year = 12 months", "true"),
            ("2.0 'cm' * 2.0 'm' = 0.040 'm2'", "true"),
            ("4.0 'g' / 2.0 'm' = 2 'g/m'", "true"),
            ("1 'm' / 1 'cm'", "100 '1'"),
            ("3 'g' + 500 'mg'", "3.5 'g'"),
            ("3 'g' - 1 'm'", "Values:"),
            ("2 'mol' * 3", "6 'mol'"),
            ("1 '[ly]' > 1 'km'", "true"),
            ("1 '[stone_av]' = 14 '[lb_av]'", "true"),
            ("37 'Cel' = 98.6 '[degF]'", "true"),
            ("3 'furlong' = 3 'furlong'", "true"),
            ("-(3 'g')", "-3 'g'"),
            ("1 'g'.comparable(1 'kg')", "true"),
            ("1 'g'.comparable(1 'm')", "false"),
        ]);
    }
}
