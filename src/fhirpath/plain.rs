//! Expressions that are a plain path, as `subject.reference`: members of members of one element, and nothing to compute.
//!
//! What most columns of views and most search parameters are. They need none of what an evaluation otherwise sets up.

use crate::context::{Context, Failure};
use crate::evaluate::{List, exhausted};
use crate::syntax::{Expr, Step};
use crate::value::{Element, Item};
use crate::{kinds, navigate};

/// What an evaluation counts before it takes the first step of a path.
const BEGINNING: u64 = 5;

/// Whether an expression is such a path.
pub(crate) fn is(expr: &Expr) -> bool {
    let Expr::Path(path) = expr else { return false };
    let is_member = |step: &Step| matches!(step, Step::Root(_) | Step::Member(_));
    matches!(path.start, Expr::This) && path.stages.is_empty() && path.flow.iter().all(is_member)
}

/// Appends what the steps lead to from an element.
///
/// # Errors
/// A [`Failure`] where the context allows fewer steps.
pub(crate) fn walk<'a>(
    context: &Context<'a>,
    steps: &'a [Step],
    from: Element<'a>,
    out: &mut List<'a>,
) -> Result<(), Failure> {
    let mut walk = Walk {
        context,
        left: context.steps,
    };
    let walked = walk.spend(BEGINNING).and_then(|()| walk.go(steps, from, out));
    if let Some(spent) = context.spent {
        spent.set(spent.get() + context.steps - walk.left);
    }
    walked
}

struct Walk<'c, 'a> {
    context: &'c Context<'a>,
    /// How many steps are left.
    left: u64,
}

impl<'a> Walk<'_, 'a> {
    #[inline]
    fn spend(&mut self, steps: u64) -> Result<(), Failure> {
        self.left = self.left.checked_sub(steps).ok_or_else(|| exhausted(self.context))?;
        Ok(())
    }

    fn go(&mut self, mut steps: &'a [Step], from: Element<'a>, out: &mut List<'a>) -> Result<(), Failure> {
        let model = self.context.model;
        // Its parts, which stay in registers from step to step.
        let Element {
            mut node,
            mut sibling,
            mut kind,
        } = from;
        while let Some((step, rest)) = steps.split_first() {
            self.spend(1)?;
            let element = Element { node, sibling, kind };
            match step {
                Step::Root(name) if kinds::is_root(model, &element, name.text()) => {}
                Step::Root(name) | Step::Member(name) => {
                    let member = navigate::member(model, &element, &name.lent());
                    match member.only(model) {
                        Some(only) => Element { node, sibling, kind } = only,
                        None => {
                            return member.each(model, &mut |element| {
                                self.spend(1)?;
                                self.go(rest, element, out)
                            });
                        }
                    }
                }
                // There are no others in such a path.
                _ => return Ok(()),
            }
            steps = rest;
        }
        out.extend(std::iter::once_with(|| Item::Element(Element { node, sibling, kind })));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use fhir::document::Document;
    use fhir::parse::Limits;

    use crate::context::Context;
    use crate::expression::Expression;
    use crate::trial::{PATIENT, Small};
    use crate::value::{Element, Item};

    /// What an expression finds, as texts, and the steps that took; by the plain way, and by the way of all expressions.
    fn both(text: &str, steps: u64) -> [Option<(Vec<String>, u64)>; 2] {
        let model = Small::new();
        let document = Document::parse(PATIENT.as_bytes(), Limits::default()).unwrap();
        let focus = Element::resource(&model, document.root());
        let expression = Expression::parse(text).unwrap();
        [true, false].map(|plain| {
            let (spent, mut out) = (Cell::new(0), Vec::new());
            let mut context = Context::new(&model, focus, 0);
            context.steps = steps;
            context.spent = Some(&spent);
            let went = match plain {
                true => expression.append(&context, focus, &mut out),
                false => expression.append_at(&context, &[Item::Element(focus)], &mut out),
            };
            let texts = out.iter().map(|item| format!("{item:?}")).collect();
            // What was counted of what could not be finished does not matter.
            went.ok().map(|()| (texts, spent.get()))
        })
    }

    #[test]
    fn the_plain_way_finds_what_all_expressions_find_and_counts_alike() {
        let paths = [
            "id",
            "Patient.id",
            "name",
            "name.given",
            "Patient.name.given.extension.url",
            "nothing.there",
            "contained",
        ];
        for path in paths {
            for steps in [3, 6, 9, 1_000] {
                let [plain, general] = both(path, steps);
                assert_eq!(plain, general, "{path} with {steps} steps");
            }
        }
    }

    #[test]
    fn only_members_of_members_are_plain() {
        for (text, plain) in [
            ("a", true),
            ("a.b.c", true),
            ("Patient.a", true),
            ("a.first()", false),
            ("a.where(b)", false),
            ("a | b", false),
            ("'a'", false),
            ("$this.a", true),
            ("%resource.a", false),
        ] {
            assert_eq!(super::is(&crate::parse::parse(text).unwrap()), plain, "{text}");
        }
    }
}
