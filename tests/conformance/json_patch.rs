//! JSON Patch: documents, patches, and what must come of them.

use fhir::tree::Tree;
use interaction::patch_json::apply;

use super::Tally;

const CASES: &str = include_str!("../fixtures/patch/json-patch.json");

/// Runs the suite.
pub fn tally() -> Tally {
    let suite = Tree::parse(CASES.as_bytes()).expect("the suite is JSON");
    let cases = suite.items().iter().map(|case| {
        let name = case.get("comment").and_then(Tree::as_str).expect("a case has a name");
        (name.to_owned(), outcome(case))
    });
    Tally::of("JSON Patch", "fhir-test-cases 2dee8a0, r4/patch, open part", &[], cases)
}

fn outcome(case: &Tree) -> Result<(), String> {
    let part = |name: &str| case.get(name);
    let (document, patch) = (part("doc").expect("a document"), part("patch").expect("a patch"));
    match (apply(document.clone(), patch), part("expected"), part("error")) {
        (Ok(patched), Some(expected), None) if patched == *expected => Ok(()),
        (Err(_), None, Some(_)) => Ok(()),
        (Ok(patched), ..) => Err(String::from_utf8_lossy(&patched.to_bytes()).into_owned()),
        (Err(issue), ..) => Err(issue.text),
    }
}
