//! What a judgement has found so far: each issue once, up to a limit, and nothing but yes or no during a trial.

use std::cell::Cell;

use conformance::place::Place;
use fhir::outcome::{Code, Issue, Severity};
use rustc_hash::FxHashSet;

/// Errors reported at most, and as many other issues; one more says that there are others.
pub(crate) const ISSUES_MAX: usize = 200;
/// Steps that one judgement may take: elements looked at, rules tried, slices compared, and those of FHIRPath.
pub(crate) const STEPS_MAX: u64 = 20_000_000;

/// The issues of one judgement.
pub(crate) struct Findings {
    issues: Vec<Issue>,
    /// How many of them are errors.
    errors: usize,
    /// Whether there were more.
    more: bool,
    seen: FxHashSet<(String, String)>,
    /// During a trial: whether something was wrong.
    trial: Option<bool>,
    /// How many are left; those that only look count too.
    steps: Cell<u64>,
}

impl Default for Findings {
    fn default() -> Findings {
        Findings {
            issues: Vec::new(),
            errors: 0,
            more: false,
            seen: FxHashSet::default(),
            trial: None,
            steps: Cell::new(STEPS_MAX),
        }
    }
}

/// Where a trial within a trial goes on afterwards.
pub(crate) struct Before(Option<bool>);

impl Findings {
    /// Begins a trial: what follows is not reported, only whether there was an error.
    pub(crate) fn begin_trial(&mut self) -> Before {
        Before(self.trial.replace(false))
    }

    /// Ends a trial: whether all went well.
    pub(crate) fn end_trial(&mut self, before: Before) -> bool {
        let failed = std::mem::replace(&mut self.trial, before.0);
        failed != Some(true)
    }

    /// Whether a trial is under way.
    pub(crate) fn is_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Whether there is nothing more to learn: the trial has failed, or the limit is met.
    pub(crate) fn is_settled(&self) -> bool {
        self.trial == Some(true) || self.more && self.errors == ISSUES_MAX || self.steps_left() == 0
    }

    /// How many steps are left.
    pub(crate) fn steps_left(&self) -> u64 {
        self.steps.get()
    }

    /// Counts steps.
    pub(crate) fn spend(&self, steps: u64) {
        self.steps.set(self.steps_left().saturating_sub(steps));
    }

    /// Counts a step; false where there is nothing more to learn, or no step left.
    pub(crate) fn step(&self) -> bool {
        self.spend(1);
        !self.is_settled()
    }

    /// What a judgement of its own within this one finds, with the steps that are left to this one.
    pub(crate) fn within(&self) -> Findings {
        Findings::of_steps(self.steps_left())
    }

    /// What a judgement finds that may take so many steps.
    pub(crate) fn of_steps(steps: u64) -> Findings {
        Findings {
            steps: Cell::new(steps),
            ..Findings::default()
        }
    }

    /// An error at a place.
    pub(crate) fn error(&mut self, code: Code, place: &Place<'_>, text: impl FnOnce() -> String) {
        self.report(Severity::Error, code, place, text);
    }

    /// A warning at a place.
    pub(crate) fn warning(&mut self, code: Code, place: &Place<'_>, text: impl FnOnce() -> String) {
        self.report(Severity::Warning, code, place, text);
    }

    /// A remark at a place.
    pub(crate) fn remark(&mut self, code: Code, place: &Place<'_>, text: impl FnOnce() -> String) {
        self.report(Severity::Information, code, place, text);
    }

    /// An issue at a place.
    pub(crate) fn report(&mut self, severity: Severity, code: Code, place: &Place<'_>, text: impl FnOnce() -> String) {
        if let Some(failed) = &mut self.trial {
            *failed |= severity >= Severity::Error;
            return;
        }
        let issue = Issue {
            severity,
            code,
            text: text(),
            expression: place.path(),
        };
        self.take(issue);
    }

    /// Takes an issue that somebody else found. However many warnings there are, errors are still taken.
    pub(crate) fn take(&mut self, issue: Issue) {
        let is_error = issue.severity >= Severity::Error;
        let others = self.issues.len() - self.errors;
        if (if is_error { self.errors } else { others }) == ISSUES_MAX {
            self.more = true;
        } else if self.seen.insert((issue.expression.clone(), issue.text.clone())) {
            self.errors += usize::from(is_error);
            self.issues.push(issue);
        }
    }

    /// All issues, the worst first, otherwise in the order they were found.
    pub(crate) fn finish(mut self) -> Vec<Issue> {
        if self.more {
            let text = format!("There are more issues; of errors and of others the first {ISSUES_MAX} are told.");
            self.issues.push(Issue::information(Code::TooCostly, text));
        }
        if self.steps_left() == 0 {
            let text = "Judging this would take more steps than are allowed; what was found so far is listed.";
            self.issues.push(Issue::error(Code::TooCostly, text));
        }
        self.issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity));
        self.issues
    }
}
