//! What is to be said of a code that was found: its case, its state, its display, and the standing of what defines it.

use std::sync::Arc;

use crate::display::judge_display;
use crate::finding::{Finding, Unable};
use crate::library::Session;
use crate::membership::Trail;
use crate::names::Names;
use crate::system::{Place, System};
use crate::validate::{Check, Coding, Paths, Verdict};
use crate::value_set::{Listed, ValueSet, warning_of};

/// Of a code that the value set has.
pub(crate) fn of_member(
    check: &Check<'_>,
    coding: &Coding,
    set: &Arc<ValueSet>,
    (system, place): (Arc<dyn System>, Place),
    paths: &Paths,
    among: bool,
    verdict: &mut Verdict,
) -> Result<(), Unable> {
    let state = system.state(&place);
    if is_barred(check, coding, &*system, &place, paths, verdict) {
        check.not_in(coding, paths, among, verdict);
    }
    if state.inactive && (check.terms.active_only || set.inactive == Some(false)) {
        let text = format!("The concept '{}' is valid but is not active", coding.code);
        verdict.findings.push(
            Finding::error("business-rule", "code-rule", text)
                .known_as("STATUS_CODE_WARNING_CODE")
                .at(paths.at("code")),
        );
        check.not_in(coding, paths, among, verdict);
    }
    let mut standing = Vec::new();
    sets(check.session, set, &*system, &place, &Trail::default(), &mut standing)?;
    verdict.findings.extend(standing);
    let listed = set
        .includes
        .iter()
        .filter(|rule| rule.system.as_deref() == Some(system.facts().url.as_str()));
    let listed = listed.filter_map(|rule| rule.listed_in(&*system, &place)).next();
    if let Some(status) = listed.and_then(|listed| listed.status.as_deref()) {
        let text = format!(
            "The presence of the concept '{}' in the system '{}' in the value set {} is marked with a status of {status} and \
             its use should be reviewed",
            coding.code,
            system.facts().url,
            set.canonical()
        );
        verdict.findings.push(
            Finding::warning("business-rule", "code-comment", text)
                .known_as("CONCEPT_DEPRECATED_IN_VALUESET")
                .at(paths.at("code")),
        );
    }
    remarks(check, coding, (system, place), listed, paths, verdict);
    Ok(())
}

/// Whether a code is abstract where none such may stand; then it is said.
fn is_barred(
    check: &Check<'_>,
    coding: &Coding,
    system: &dyn System,
    place: &Place,
    paths: &Paths,
    verdict: &mut Verdict,
) -> bool {
    let barred = check.terms.concrete_only && system.state(place).is_abstract;
    if barred {
        let name = format!("{}#{}", system.facts().url, coding.code);
        let text = format!("Code '{name}' is abstract, and not allowed in this context");
        verdict.findings.push(
            Finding::error("business-rule", "code-rule", text)
                .known_as("ABSTRACT_CODE_NOT_ALLOWED")
                .at(paths.at("code")),
        );
    }
    barred
}

/// Of a code that its system has, where no value set was asked about.
pub(crate) fn of_code(
    check: &Check<'_>,
    coding: &Coding,
    found: (Arc<dyn System>, Place),
    paths: &Paths,
    verdict: &mut Verdict,
) -> Result<(), Unable> {
    is_barred(check, coding, &*found.0, &found.1, paths, verdict);
    remarks(check, coding, found, None, paths, verdict);
    Ok(())
}

fn remarks(
    check: &Check<'_>,
    coding: &Coding,
    (system, place): (Arc<dyn System>, Place),
    listed: Option<&Listed>,
    paths: &Paths,
    verdict: &mut Verdict,
) {
    let facts = system.facts();
    let said = warning_of(&facts.status, facts.experimental, facts.standards_status.as_deref());
    if let Some(warning) = said {
        verdict
            .findings
            .push(standing(warning, "CodeSystem", &facts.canonical()));
    }
    let right = system.code(&place).into_owned();
    if right != coding.code {
        let text = format!(
            "The code '{}' differs from the correct code '{right}' by case. Although the code system '{}' is case \
             insensitive, implementers are strongly encouraged to use the correct case anyway",
            coding.code,
            facts.canonical()
        );
        verdict.findings.push(
            Finding::information("business-rule", "code-rule", text)
                .known_as("CODE_CASE_DIFFERENCE")
                .at(paths.at("code")),
        );
        verdict.normalized = Some(right);
    }
    let state = system.state(&place);
    let status = match (state.status.as_deref(), state.inactive) {
        (Some("inactive") | None, true) => Some("inactive".to_owned()),
        (Some(status), true) => Some(format!("{status} and inactive")),
        (Some("deprecated"), false) => Some("deprecated".to_owned()),
        _ => None,
    };
    if let Some(status) = status {
        let text = format!(
            "The concept '{}' has a status of {status} and its use should be reviewed",
            coding.code
        );
        let finding = Finding::warning("business-rule", "code-comment", text)
            .known_as("INACTIVE_CONCEPT_FOUND")
            .at(paths.whole());
        verdict.findings.push(finding.spoken());
    }
    if !check.terms.membership_only {
        let names = Names::of(&*system, &place, listed);
        verdict
            .findings
            .extend(judge_display(check.terms, coding, &names, paths));
    }
    verdict.found = Some((system, Some(place)));
}

fn standing(warning: &str, kind: &str, canonical: &str) -> Finding {
    let text = format!("Reference to {warning} {kind} {canonical}");
    let message = match warning {
        "withdrawn" => "MSG_WITHDRAWN",
        "deprecated" => "MSG_DEPRECATED",
        "retired" => "MSG_RETIRED",
        "draft" => "MSG_DRAFT",
        _ => "MSG_EXPERIMENTAL",
    };
    Finding::information("business-rule", "status-check", text).known_as(message)
}

/// The standing of the value sets that bring a code in.
fn sets(
    session: &Session<'_>,
    set: &ValueSet,
    system: &dyn System,
    place: &Place,
    trail: &Trail,
    found: &mut Vec<Finding>,
) -> Result<(), Unable> {
    let trail = trail.with(set)?;
    if let Some(warning) = set.warning {
        found.push(standing(warning, "ValueSet", &set.canonical()));
    }
    for rule in set.includes.iter().filter(|rule| !rule.sets.is_empty()) {
        if session.picks(set, rule, system, place, &trail, true)? {
            for used in &rule.sets {
                sets(session, &*session.used_set(set, used)?, system, place, &trail, found)?;
            }
        }
    }
    Ok(())
}
