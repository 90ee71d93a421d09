//! Differences applied: whatever two resources of a type are, the patch makes the other of the one.

use fhir::document::Document;
use fhir::parse::Limits;
use query::sample::{KINDS, Random, record};

use super::*;
use crate::outputs::parameters;
use crate::patch_path::{Moment, apply};
use crate::patch_value::Definer;

/// The difference, applied to the one.
fn applied(definitions: &Definitions, kind: &str, from: &str, to: &str) -> (Vec<Tree>, Tree) {
    let tree = |text: &str| Tree::parse(text.as_bytes()).unwrap();
    let document = |text: &[u8]| Document::parse(text, Limits::default()).unwrap();
    let operations = difference(definitions, kind, (&tree(from), &tree(to)), &[]);
    let operations = operations.unwrap_or_else(|why| panic!("{why}: {from} {to}"));
    let patch = document(&parameters(operations.clone()).to_bytes());
    let from = document(from.as_bytes());
    let moment = Moment { now: 0, zone: 0 };
    let patched = apply(&Definer(definitions), moment, from.root(), patch.root());
    let patched = patched.unwrap_or_else(|issue| panic!("{}: {} to {to}", issue.text, from.text()));
    (operations, patched)
}

fn assert_makes(definitions: &Definitions, kind: &str, from: &str, to: &str) -> usize {
    let (operations, patched) = applied(definitions, kind, from, to);
    let wanted = Tree::parse(to.as_bytes()).unwrap();
    assert!(
        exactly(&patched, &wanted),
        "{}\nfrom {from}\nto   {to}\nby   {}",
        String::from_utf8(patched.to_bytes()).unwrap(),
        String::from_utf8(parameters(operations).to_bytes()).unwrap()
    );
    operations.len()
}

/// Members of a Patient before | after | how many operations.
const PATIENTS: &str = r#"
"active":true | "active":true | 0
"active":true | "active":false | 1
"active":true | "birthDate":"1980" | 2
"birthDate":"1980" | "birthDate":"1980","_birthDate":{"id":"a"} | 1
"birthDate":"1980","_birthDate":{"id":"a"} | "_birthDate":{"id":"a"} | 1
"deceasedBoolean":true | "deceasedDateTime":"2020" | 1
"name":[{"text":"A"}] | "name":[{"text":"A"},{"text":"B"}] | 1
"name":[{"text":"A"},{"text":"B"}] | "name":[{"text":"B"}] | 1
"name":[{"text":"B"}] | "name":[{"text":"A"},{"text":"B"}] | 1
"name":[{"text":"A"},{"text":"B"},{"text":"C"}] | "name":[{"text":"A"},{"text":"C"}] | 1
"name":[{"given":["A"]}] | "name":[{"family":"A"}] | 2
"name":[{"given":["A","B"]}] | "name":[{"given":["A","X","B"],"_given":[null,{"id":"g"},null]}] | 1
"name":[{"given":["A","B"],"_given":[{"id":"g"},null]}] | "name":[{"given":["A","B"]}] | 1
"name":[{"text":"A"}] | "active":true | 2
"contact":[{"gender":"male","name":{"text":"A"}}] | "contact":[{"name":{"text":"B"},"gender":"male"}] | 1
"active":true | "active":true,"contact":[{"name":{"text":"B","given":["C","D"]},"gender":"male","_gender":{"id":"g"}}] | 1
"text":{"status":"empty","div":"<div>a</div>"} | "text":{"status":"generated","div":"<div>b</div>"} | 2
"active":true | "text":{"status":"empty","div":"<div>a</div>"} | 2
"extension":[{"url":"u","valueString":"a"}] | "extension":[{"url":"u","valueBoolean":true},{"url":"v","extension":[{"url":"w","valueCode":"x"}]}] | 2
"active":true | "active":true,"contained":[{"resourceType":"Organization","id":"o","name":"x"}] | 1
"contained":[{"resourceType":"Organization","id":"o","name":"x"}] | "contained":[{"resourceType":"Organization","id":"o","name":"y"}] | 1
"multipleBirthInteger":1 | "multipleBirthInteger":2 | 1
"#;

#[test]
fn patches_are_short_and_make_the_other() {
    let definitions = Definitions::r4();
    for row in PATIENTS.lines().filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
        let patient = |members: &str| format!(r#"{{"resourceType":"Patient","id":"p",{members}}}"#);
        let (from, to) = (patient(cells[0]), patient(cells[1]));
        let operations = assert_makes(&definitions, "Patient", &from, &to);
        assert_eq!(operations.to_string(), cells[2], "{row}");
        assert_makes(&definitions, "Patient", &to, &from);
    }
}

#[test]
fn digits_and_choices_within_elements_are_kept() {
    let definitions = Definitions::r4();
    let observation = |rest: &str| format!(r#"{{"resourceType":"Observation","id":"o","status":"final",{rest}}}"#);
    let table = [
        (
            r#""valueQuantity":{"value":1.0,"unit":"kg"}"#,
            r#""valueQuantity":{"value":1.00,"unit":"kg"}"#,
        ),
        (
            r#""valueQuantity":{"value":1}"#,
            r#""valueCodeableConcept":{"text":"x"}"#,
        ),
        (
            r#""component":[{"code":{"text":"a"},"valueQuantity":{"value":1}}]"#,
            r#""component":[{"code":{"text":"b"},"valueString":"x"},{"code":{"text":"a"},"valueQuantity":{"value":1}}]"#,
        ),
        (
            r#""referenceRange":[{"text":"a"}]"#,
            r#""referenceRange":[{"low":{"value":1.50}}]"#,
        ),
    ];
    for (from, to) in table {
        assert_makes(&definitions, "Observation", &observation(from), &observation(to));
        assert_makes(&definitions, "Observation", &observation(to), &observation(from));
    }
}

#[test]
fn any_two_records_of_a_kind_become_each_other() {
    let definitions = Definitions::r4();
    for seed in 0..600 {
        let mut random = Random::new(seed);
        let kind = random.pick(&KINDS);
        let (from, to) = (record(&mut random, kind, "a"), record(&mut random, kind, "a"));
        assert_makes(&definitions, kind, &from, &to);
    }
}
