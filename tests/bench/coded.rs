//! What questions about codes cost beside a handler that answers a fixed body.

use crate::phases::{Rate, Target, rate};
use crate::{Plan, Report};

/// A value set of a few dozen codes, all of one system with a hierarchy.
const SET: &str = "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode";
const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const CLIENTS: usize = 8;

/// Asks each question about all codes of the set in turn, as fast as they are answered.
pub fn measure(plan: &Plan, target: &Target, report: &mut Report) {
    let expanded = target.json(&format!("ValueSet/$expand?url={SET}&excludeNested=true"));
    let contains = expanded["expansion"]["contains"].as_array().expect("codes");
    let codes: Vec<&str> = contains.iter().filter_map(|code| code["code"].as_str()).collect();
    assert!(codes.len() > 5, "{expanded}");
    let fixed = rate(plan, target, CLIENTS, &["/ping".to_owned()]);
    let asked = |question: &str| -> Rate {
        let path = |code: &&str| format!("/fhir/{question}={code}");
        rate(plan, target, CLIENTS, &codes.iter().map(path).collect::<Vec<_>>())
    };
    let figure = |rate: &Rate| format!("{:.0}/s, {:.3} ms CPU", rate.rate, rate.cpu_millis);
    report.note("H, the static handler", figure(&fixed));
    for (what, question) in [
        (
            "ValueSet/$validate-code",
            format!("ValueSet/$validate-code?url={SET}&system={SYSTEM}&code"),
        ),
        ("CodeSystem/$lookup", format!("CodeSystem/$lookup?system={SYSTEM}&code")),
        (
            "CodeSystem/$subsumes",
            format!("CodeSystem/$subsumes?system={SYSTEM}&codeA=_ActEncounterCode&codeB"),
        ),
    ] {
        let found = asked(&question);
        report.goal(what, figure(&found), found.rate / fixed.rate, "H", "at least 0.5");
    }
}
