//! `_filter` inside a composite: what one tuple has to meet, as in `code-value-quantity[code eq x].value-quantity gt 5`.
//!
//! A tuple is asked for all of some tests on its parts, each of which has to pass or to fail. What is written in
//! brackets becomes a choice of such lists: a record meets it where some tuple meets one of them.

use crate::clause::{Reader, wrong};
use crate::filter::{Comparison, is_ordered};
use crate::filter_parse::{Filter, Operator, Step};
use crate::modifier::Asked;
use crate::predicate::Predicate;
use crate::search::Problem;
use crate::test::{PartTest, Test};

/// How many lists of tests brackets may come to.
const CHOICES_MAX: usize = 64;

/// Lists of tests, of which a tuple has to meet one whole.
type Choices = Vec<Vec<PartTest>>;

impl Reader<'_> {
    /// The records with a tuple that meets what stands in the brackets and what stands behind them.
    pub(crate) fn within_tuples(
        &self,
        asked: &Asked<'_>,
        brackets: Option<&Filter>,
        rest: &[Step],
        comparison: &Comparison<'_>,
    ) -> Result<Predicate, Problem> {
        let (meets, behind) = match (brackets, rest) {
            (Some(filter), []) => {
                let code = asked.code;
                if (comparison.operator, comparison.value) != (Operator::Pr, "true") {
                    let text =
                        format!("Behind `{code}[...]`, `_filter` takes `pr true` or a `.` and one of its parts.");
                    return Err(Problem::Refused(text));
                }
                (self.choices(asked, filter, true)?, vec![Vec::new()])
            }
            (Some(filter), path) => (
                self.choices(asked, filter, true)?,
                self.compared(asked, path, comparison, true)?,
            ),
            (None, path) => (vec![Vec::new()], self.compared(asked, path, comparison, true)?),
        };
        let tests = both(asked, meets, behind)?.into_iter();
        let composites = tests.map(|tests| asked.is(Test::Composite(tests.into())));
        Ok(Predicate::any(composites.collect()))
    }

    /// What a tuple has to meet so that the filter is true of it, or so that it is false.
    fn choices(&self, asked: &Asked<'_>, filter: &Filter, is: bool) -> Result<Choices, Problem> {
        match (filter, is) {
            (Filter::Not(inner), _) => self.choices(asked, inner, !is),
            (Filter::And(left, right), true) | (Filter::Or(left, right), false) => {
                both(asked, self.choices(asked, left, is)?, self.choices(asked, right, is)?)
            }
            (Filter::Or(left, right), true) | (Filter::And(left, right), false) => {
                let mut either = self.choices(asked, left, is)?;
                either.extend(self.choices(asked, right, is)?);
                within_limit(asked, either)
            }
            (Filter::Compare { path, operator, value }, _) => {
                let operator = *operator;
                self.compared(asked, path, &Comparison { operator, value }, is)
            }
        }
    }

    /// One comparison of one part.
    fn compared(
        &self,
        asked: &Asked<'_>,
        path: &[Step],
        comparison: &Comparison<'_>,
        is: bool,
    ) -> Result<Choices, Problem> {
        let components = &asked.common.components;
        let found = match path {
            [Step { name, filter: None }] => components.iter().position(|component| *component.code == **name),
            _ => None,
        };
        let Some(place) = found else {
            let codes: Vec<&str> = components.iter().map(|component| &*component.code).collect();
            let text = format!(
                "Inside `{}`, `_filter` compares its parts: {}.",
                asked.code,
                codes.join(", ")
            );
            return Err(Problem::Refused(text));
        };
        let component = &components[place];
        let part = Asked {
            common: &component.common(),
            code: &component.code,
            modifier: None,
        };
        let Comparison { operator, value } = *comparison;
        let found = match operator {
            // Every tuple has all its parts.
            Operator::Pr => {
                let there = value
                    .parse()
                    .map_err(|_| wrong(part.code, "the value is `true` or `false`"))?;
                return Ok(if is == there { vec![Vec::new()] } else { Vec::new() });
            }
            Operator::Ne if !is_ordered(component.kind) => {
                let operator = Operator::Eq;
                self.by_type(&part, &Comparison { operator, value })?.negate()
            }
            _ => self.by_type(&part, comparison)?,
        };
        test_of(found, place, is).ok_or_else(|| {
            let text = format!("`{}` is not compared so inside `{}`.", part.code, asked.code);
            Problem::Refused(text)
        })
    }
}

/// The test of one part that a condition is; `None` where it is another.
fn test_of(condition: Predicate, place: usize, is: bool) -> Option<Choices> {
    match condition {
        Predicate::Not(inner) => test_of(*inner, place, !is),
        Predicate::Test { param, test } => {
            let passes = is;
            Some(vec![vec![PartTest {
                place,
                param,
                test,
                passes,
            }]])
        }
        _ => None,
    }
}

/// Each of the one with each of the other.
fn both(asked: &Asked<'_>, left: Choices, right: Choices) -> Result<Choices, Problem> {
    if left.len() * right.len() > CHOICES_MAX {
        return Err(too_many(asked));
    }
    let joined = |one: &Vec<PartTest>| {
        right
            .iter()
            .map(|other| [&one[..], other].concat())
            .collect::<Choices>()
    };
    Ok(left.iter().flat_map(joined).collect())
}

fn within_limit(asked: &Asked<'_>, choices: Choices) -> Result<Choices, Problem> {
    match choices.len() <= CHOICES_MAX {
        true => Ok(choices),
        false => Err(too_many(asked)),
    }
}

fn too_many(asked: &Asked<'_>) -> Problem {
    let code = asked.code;
    Problem::Costly(format!(
        "What stands in the brackets of `{code}` comes to more than {CHOICES_MAX} cases; ask for fewer at once."
    ))
}
