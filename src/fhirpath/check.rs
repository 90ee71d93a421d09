//! Checks an expression by types alone, before there is a record: paths that name no element, types that are none.
//!
//! Where the type of something can't be told, nothing is held against it: what `children()`, `resolve()` or a variable
//! gives may have any member.

use fhir::name::Name;

use crate::context::Failure;
use crate::functions::{Function, Loops, Sets};
use crate::model::{Model, TypeId};
use crate::syntax::{Call, Expr, Gather, Path, Step, TypeName};
use crate::value::is_kind;
use crate::{navigate, sets};

/// The types that something may have; `None` where that can't be told.
pub(crate) type Kinds = Option<Vec<TypeId>>;

/// Checks an expression with a focus of some types, and gives those of what it finds. `ordered` also refuses steps that
/// count on an order after those that have none.
pub(crate) fn check(expr: &Expr, model: &dyn Model, focus: &Kinds, ordered: bool) -> Result<Kinds, Failure> {
    Checker { model, ordered }.expression(expr, focus)
}

struct Checker<'m> {
    model: &'m dyn Model,
    ordered: bool,
}

impl Checker<'_> {
    /// The types that an expression gives with `this` as `$this`.
    fn expression(&self, expr: &Expr, this: &Kinds) -> Result<Kinds, Failure> {
        Ok(match expr {
            Expr::Empty => Some(Vec::new()),
            Expr::This => this.clone(),
            Expr::Constant(_) | Expr::Index | Expr::Total | Expr::Variable(_) => None,
            Expr::Path(path) => return self.path(path, this),
            Expr::Negate(operand) | Expr::Plus(operand) => {
                self.expression(operand, this)?;
                None
            }
            Expr::Is(operand, name) => {
                self.expression(operand, this)?;
                self.named(name)?;
                None
            }
            Expr::Union(parts) => {
                let mut all = Some(Vec::new());
                for part in parts {
                    all = united(all, self.expression(part, this)?);
                }
                all
            }
            Expr::Binary(_, pair) => {
                self.expression(&pair.0, this)?;
                self.expression(&pair.1, this)?;
                None
            }
        })
    }

    fn path(&self, path: &Path, this: &Kinds) -> Result<Kinds, Failure> {
        let mut at = self.expression(&path.start, this)?;
        at = self.flow(&path.flow, at, this)?;
        let mut before = &path.flow;
        for stage in &path.stages {
            if self.ordered && before.last().is_some_and(is_unordered) && is_positional(&stage.gather) {
                let text = "children() and descendants() have no order that the next step could count on";
                return Err(Failure::path(text.to_owned()));
            }
            at = self.gather(&stage.gather, at, this)?;
            at = self.flow(&stage.flow, at, this)?;
            before = &stage.flow;
        }
        Ok(at)
    }

    fn flow(&self, steps: &[Step], at: Kinds, this: &Kinds) -> Result<Kinds, Failure> {
        steps.iter().try_fold(at, |at, step| self.step(step, at, this))
    }

    fn step(&self, step: &Step, at: Kinds, this: &Kinds) -> Result<Kinds, Failure> {
        Ok(match step {
            Step::Root(name) if self.is_root(&at, name.text()) => at,
            Step::Root(name) | Step::Member(name) => return self.member(&at, &name.lent()),
            Step::OfType(name) => self.named(name)?,
            Step::Where(criterion) => {
                self.expression(criterion, &at)?;
                at
            }
            Step::Select(projection) => return self.expression(projection, &at),
            Step::Extension(url) => {
                self.expression(url, this)?;
                self.model.type_id("Extension").map(|kind| vec![kind])
            }
            Step::ReferenceKey(name) => {
                name.as_ref().map(|name| self.named(name)).transpose()?;
                None
            }
            Step::Resolve | Step::Children | Step::Descendants => None,
        })
    }

    fn gather(&self, gather: &Gather, at: Kinds, this: &Kinds) -> Result<Kinds, Failure> {
        match gather {
            Gather::At(index) => {
                self.expression(index, this)?;
                Ok(at)
            }
            Gather::Is(name) => {
                self.named(name)?;
                Ok(None)
            }
            Gather::Call(call) => self.call(call, at, this),
        }
    }

    fn is_root(&self, at: &Kinds, name: &str) -> bool {
        at.as_ref()
            .is_some_and(|kinds| kinds.iter().any(|kind| is_kind(self.model, *kind, name)))
    }

    fn member(&self, at: &Kinds, name: &Name<&str>) -> Result<Kinds, Failure> {
        let Some(kinds) = at else { return Ok(None) };
        let mut found = Some(Vec::new());
        let mut there = kinds.is_empty();
        for kind in kinds {
            match navigate::child_kinds(self.model, *kind, name) {
                Some(children) => {
                    there = true;
                    found = united(found, Some(children));
                }
                // What specialises it may have the member.
                None if self.is_abstract(*kind) => return Ok(None),
                None => {}
            }
        }
        if !there {
            let holders: Vec<&str> = kinds.iter().map(|kind| self.model.type_name(*kind)).collect();
            return Err(Failure::path(format!(
                "{} is no member of {}",
                name.text(),
                holders.join(" or ")
            )));
        }
        Ok(found)
    }

    fn is_abstract(&self, kind: TypeId) -> bool {
        let name = self.model.type_name(kind);
        matches!(name, "Resource" | "DomainResource" | "Element" | "BackboneElement")
    }

    /// The type by a name; a failure where neither FHIR nor System has it.
    fn named(&self, name: &TypeName) -> Result<Kinds, Failure> {
        let fhir = name.fhir.as_deref().map(|fhir| (fhir, self.model.type_id(fhir)));
        match fhir {
            Some((_, Some(kind))) => Ok(Some(vec![kind])),
            Some((fhir, None)) if name.system.is_none() => Err(Failure::path(format!("There is no type {fhir}"))),
            _ => Ok(None),
        }
    }

    fn call(&self, call: &Call, at: Kinds, this: &Kinds) -> Result<Kinds, Failure> {
        if let (Function::Strings(_), Some(kinds)) = (call.function, &at) {
            let complex = |kind: &TypeId| !self.model.sort(*kind).is_primitive();
            if let Some(kind) = kinds.iter().find(|kind| complex(kind)).filter(|_| kinds.len() == 1) {
                let text = format!(
                    "A string is needed here, not an element of type {}",
                    self.model.type_name(*kind)
                );
                return Err(Failure::path(text));
            }
        }
        // Arguments that are evaluated for each item have it as `$this`.
        let inner = if matches!(call.function, Function::Loops(_)) {
            &at
        } else {
            this
        };
        let mut arguments = Vec::new();
        for argument in &call.arguments {
            let repeats = matches!(call.function, Function::Loops(Loops::Repeat | Loops::RepeatAll));
            let found = self.expression(argument, if repeats { &None } else { inner })?;
            arguments.push(found);
        }
        Ok(match call.function {
            Function::Sets(
                Sets::First
                | Sets::Last
                | Sets::Tail
                | Sets::Skip
                | Sets::Take
                | Sets::Single
                | Sets::Distinct
                | Sets::Exclude
                | Sets::Intersect,
            )
            | Function::Loops(Loops::Where | Loops::Sort | Loops::Trace | Loops::DefineVariable) => at,
            Function::Sets(Sets::Combine | Sets::Union) => united(at, arguments.pop().flatten()),
            Function::Loops(Loops::Select) => arguments.pop().flatten(),
            _ => None,
        })
    }
}

fn united(all: Kinds, more: Kinds) -> Kinds {
    let (mut all, more) = (all?, more?);
    for kind in more {
        if !all.contains(&kind) {
            all.push(kind);
        }
    }
    Some(all)
}

fn is_unordered(step: &Step) -> bool {
    matches!(step, Step::Children | Step::Descendants)
}

fn is_positional(gather: &Gather) -> bool {
    match gather {
        Gather::At(_) => true,
        Gather::Call(call) => sets::is_positional(call.function),
        Gather::Is(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::expression::Expression;
    use crate::model::Model;
    use crate::trial::Small;

    #[test]
    fn paths_are_judged_by_types() {
        let table = [
            ("name.given", ""),
            ("Patient.name.where(use = 'usual').first().family.substring(1)", ""),
            ("name.given1", "given1 is no member of HumanName"),
            ("Encounter.name", "Encounter is no member of Patient"),
            ("Resource.id", ""),
            ("deceasedDateTime", "deceasedDateTime is no member of Patient"),
            ("deceased.foo", "foo is no member of boolean or dateTime"),
            ("(deceased as boolean).start", "start is no member of boolean"),
            ("deceased is nothing", "There is no type nothing"),
            ("active.is(System.Patient)", ""),
            ("name.as(HumanName1)", "There is no type HumanName1"),
            ("name.exists(famly = 'x')", "famly is no member of HumanName"),
            ("name.select(given | famly)", "famly is no member of HumanName"),
            ("contained.name", ""),
            ("generalPractitioner.resolve().whatever", ""),
            ("descendants().whatever", ""),
            ("repeat(contact).whatever", ""),
            ("%x.whatever", ""),
            ("extension('a').value.ofType(string)", ""),
            ("extension('a').velue", "velue is no member of Extension"),
            ("birthDate.extension('a').exists()", ""),
            ("name.given.id", ""),
            ("(name | telecom).family", ""),
            (
                "(name | telecom).femily",
                "femily is no member of HumanName or ContactPoint",
            ),
            (
                "name.contains('x')",
                "A string is needed here, not an element of type HumanName",
            ),
            ("iif(active, name, contact).family", ""),
            (
                "generalPractitioner.getReferenceKey(Pasient)",
                "There is no type Pasient",
            ),
        ];
        let model = Small::new();
        let patient = model.type_id("Patient").map(|kind| vec![kind]);
        for (text, expected) in table {
            let expression = Expression::parse(text).expect(text);
            let told = expression
                .check(&model, &patient, false)
                .map_err(|failure| failure.message().to_owned());
            assert_eq!(told.err().unwrap_or_default(), expected, "{text}");
        }
        let unordered = Expression::parse("children().skip(1)").expect("an expression");
        assert!(unordered.check(&model, &patient, true).is_err() && unordered.check(&model, &patient, false).is_ok());
        let anything = Expression::parse("whatever.it.is").expect("an expression");
        assert!(anything.check(&model, &None, true).is_ok());
    }
}
