//! Tries invariants on an element (<https://hl7.org/fhir/R4/conformance-rules.html#constraints>).

use std::cell::Cell;

use conformance::place::Place;
use fhir::outcome::{Code, Severity};
use fhirpath::evaluate::{self, Context, Failure, Profiles, Reason, Terminology};
use fhirpath::expression::Expression;
use fhirpath::value::{Element, Item};

use crate::around::Around;
use crate::focus::{Focus, Scope};
use crate::rules::Invariant;
use crate::walk::{DEPTH_MAX, Walk};

/// Steps that one invariant may take on one element.
const STEPS_MAX: u64 = 500_000;

/// Why an expression has no answer.
pub(crate) enum Untried {
    /// It needs what is not at hand, such as a code system.
    Unsupported(String),
    /// It does not fit what it met, or takes too long.
    Failed(String),
}

impl Walk<'_> {
    /// Reports each invariant that is not true of an element. `source` names the profile it stands in.
    pub(crate) fn invariants<'i>(
        &mut self,
        focus: &Focus<'_, '_>,
        invariants: impl IntoIterator<Item = &'i Invariant>,
        source: Option<&str>,
    ) {
        for invariant in invariants {
            if !self.found.step() {
                return;
            }
            let answer = self.is_true(focus, &invariant.expression);
            self.judge_invariant(focus, invariant, answer, source);
        }
    }

    fn judge_invariant(
        &mut self,
        focus: &Focus<'_, '_>,
        invariant: &Invariant,
        answer: Result<bool, Untried>,
        source: Option<&str>,
    ) {
        let Invariant { key, human, .. } = invariant;
        let of = source
            .map(|profile| format!(" of the profile {profile}"))
            .unwrap_or_default();
        let sentence = human.trim_end_matches('.');
        match answer {
            Ok(true) => {}
            Ok(false) => self.found.report(invariant.severity, Code::Invariant, focus.place, || {
                format!("The rule {key}{of} does not hold: {sentence}.")
            }),
            Err(Untried::Unsupported(why)) => self.found.remark(Code::NotSupported, focus.place, || {
                format!("The rule {key}{of} could not be tried: {why}.")
            }),
            Err(Untried::Failed(why)) => {
                let severity = invariant.severity.min(Severity::Warning);
                self.found.report(severity, Code::Invariant, focus.place, || {
                    format!("The rule {key}{of} cannot be tried on this: {why}.")
                });
            }
        }
    }

    /// Whether an expression is true of an element. Empty is not true; what would need another record than the one that is
    /// written cannot be told.
    pub(crate) fn is_true(&self, focus: &Focus<'_, '_>, expression: &Expression) -> Result<bool, Untried> {
        let around = self.around(focus.scope);
        let found = self.evaluated_around(&around, focus, expression, &[], |items| match items {
            [Item::Boolean(value)] => Ok(*value),
            [] => Ok(false),
            [Item::Element(element)] => Ok(element.node.as_bool().unwrap_or(true)),
            [_] => Ok(true),
            _ => Err(Untried::Failed(format!("it yields {} items", items.len()))),
        });
        match found? {
            Ok(false) if around.missed.get() => {
                let why = "it looks into another record, and what is written is judged by itself";
                Err(Untried::Unsupported(why.to_owned()))
            }
            answer => answer,
        }
    }

    /// What an expression yields on an element, handed to `then`.
    pub(crate) fn evaluated<T>(
        &self,
        focus: &Focus<'_, '_>,
        expression: &Expression,
        variables: &[(&str, Vec<Item<'_>>)],
        then: impl FnOnce(&[Item<'_>]) -> T,
    ) -> Result<T, Untried> {
        self.evaluated_around(&self.around(focus.scope), focus, expression, variables, then)
    }

    fn evaluated_around<'a, T>(
        &self,
        around: &Around<'a, 'a>,
        focus: &Focus<'_, '_>,
        expression: &Expression,
        variables: &[(&str, Vec<Item<'_>>)],
        then: impl FnOnce(&[Item<'_>]) -> T,
    ) -> Result<T, Untried> {
        let spent = Cell::new(0);
        let asking = Asking {
            walk: self,
            scope: focus.scope,
        };
        let context = Context {
            resource: focus.scope.resource,
            root: focus.scope.root,
            resolver: Some(around),
            terminology: Some(&asking),
            profiles: Some(&asking),
            variables,
            steps: STEPS_MAX.min(self.found.steps_left()),
            spent: Some(&spent),
            ..Context::new(self.definitions, focus.scope.resource, self.now)
        };
        let element = Element {
            kind: Some(focus.kind),
            ..focus.element
        };
        let answer = expression.evaluate(&context, element);
        self.found.spend(spent.get());
        match answer {
            Ok(items) => Ok(then(&items)),
            Err(failure) => {
                let why = failure.message().trim_end_matches('.').to_owned();
                Err(match failure.reason() {
                    Reason::Unsupported => Untried::Unsupported(why),
                    _ => Untried::Failed(why),
                })
            }
        }
    }
}

/// Answers what an expression asks of terminology and of profiles.
pub(crate) struct Asking<'w, 'v> {
    pub(crate) walk: &'w Walk<'v>,
    pub(crate) scope: &'w Scope<'w, 'w>,
}

impl<'v> Asking<'_, 'v> {
    /// A judgement of its own, so that the one under way stays as it is but for the steps it takes; `None` of what has
    /// no type, or too deep within others.
    fn apart<T>(&self, element: Element<'_>, judge: impl FnOnce(&mut Walk<'v>, &Focus<'_, '_>) -> T) -> Option<T> {
        let kind = element.kind.filter(|_| self.walk.depth < DEPTH_MAX)?;
        let mut walk = Walk {
            found: self.walk.found.within(),
            under_way: self.walk.under_way.clone(),
            depth: self.walk.depth + 1,
            ..*self.walk
        };
        let is_resource = self.walk.definitions.is_a(kind, self.walk.validator.kinds.resource);
        let scope = Scope {
            resource: if is_resource { element } else { self.scope.resource },
            root: self.scope.root,
            outer: None,
            entry: self.scope.entry,
        };
        let focus = Focus::outermost(element, kind, &Place::Root(""), &scope);
        let answer = judge(&mut walk, &focus);
        self.walk
            .found
            .spend(self.walk.found.steps_left() - walk.found.steps_left());
        Some(answer)
    }
}

impl Terminology for Asking<'_, '_> {
    fn member_of(&self, codes: &[evaluate::Code<'_>], value_set: &str) -> Result<bool, Failure> {
        let mut unknown = None;
        for one in codes {
            match self
                .walk
                .terminology
                .validate(value_set, one.system.as_deref(), &one.code)
            {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(why) => unknown = Some(why),
            }
        }
        unknown.map_or(Ok(false), |why| Err(Failure::unsupported(why.to_string())))
    }

    fn subsumes(&self, broader: &evaluate::Code<'_>, narrower: &evaluate::Code<'_>) -> Result<bool, Failure> {
        let system = broader.system.as_deref().unwrap_or_default();
        if broader.code == narrower.code && broader.system == narrower.system {
            return Ok(true);
        }
        let below = self.walk.terminology.below(system, &broader.code);
        let below = below.map_err(|why| Failure::unsupported(why.to_string()))?;
        Ok(below.has(narrower.system.as_deref().unwrap_or_default(), &narrower.code))
    }
}

impl Profiles for Asking<'_, '_> {
    fn conforms(&self, element: Element<'_>, profile: &str) -> Result<bool, Failure> {
        let answer = self.apart(element, |walk, focus| walk.conforms(focus, profile));
        answer
            .flatten()
            .ok_or_else(|| Failure::unsupported(format!("Judging by {profile} needs the profile")))
    }

    fn is_in_slice(&self, element: Element<'_>, profile: &str, slice: &str) -> Result<bool, Failure> {
        let answer = self.apart(element, |walk, focus| walk.is_in_slice(focus, profile, slice));
        answer
            .flatten()
            .ok_or_else(|| Failure::unsupported(format!("There is no slice {slice} in a profile {profile} known here")))
    }
}
