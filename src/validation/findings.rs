//! What a judgement has found so far: each issue once, up to a limit, and nothing but yes or no during a trial.

use conformance::place::Place;
use fhir::outcome::{Code, Issue, Severity};
use rustc_hash::FxHashSet;

/// Issues reported at most; one more says that there are others.
const ISSUES_MAX: usize = 200;
/// Steps that one judgement may take: elements looked at, rules tried, slices compared.
const STEPS_MAX: u64 = 2_000_000;

/// The issues of one judgement.
pub(crate) struct Findings {
    issues: Vec<Issue>,
    seen: FxHashSet<(String, String)>,
    /// During a trial: whether something was wrong.
    trial: Option<bool>,
    steps: u64,
}

impl Default for Findings {
    fn default() -> Findings {
        Findings {
            issues: Vec::new(),
            seen: FxHashSet::default(),
            trial: None,
            steps: STEPS_MAX,
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
        self.trial == Some(true) || self.issues.len() > ISSUES_MAX || self.steps == 0
    }

    /// Counts a step; false where none is left.
    pub(crate) fn step(&mut self) -> bool {
        if self.steps == 0 {
            return false;
        }
        self.steps -= 1;
        if self.steps == 0 {
            let text = "Judging this would take more steps than are allowed; what was found so far is listed.";
            self.issues.push(Issue::error(Code::TooCostly, text));
        }
        !self.is_settled()
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

    /// Takes an issue that somebody else found.
    pub(crate) fn take(&mut self, issue: Issue) {
        if self.issues.len() > ISSUES_MAX || !self.seen.insert((issue.expression.clone(), issue.text.clone())) {
            return;
        }
        if self.issues.len() == ISSUES_MAX {
            let text = format!("There are more issues; these are the first {ISSUES_MAX}.");
            self.issues.push(Issue::information(Code::TooCostly, text));
            return;
        }
        self.issues.push(issue);
    }

    /// All issues, the worst first, otherwise in the order they were found.
    pub(crate) fn finish(mut self) -> Vec<Issue> {
        self.issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity));
        self.issues
    }
}
