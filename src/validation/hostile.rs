//! Records and definitions made to be costly: each is judged in a number of steps that its size bounds.

use std::sync::Arc;

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::outcome::{Code, Issue, Severity};
use fhir::parse::Limits;
use terminology::{Answers, Library};

use crate::findings::{ISSUES_MAX, STEPS_MAX};
use crate::{Asked, Given, Purpose, Validator};

fn document(json: &str) -> Arc<Document> {
    let limits = Limits {
        bytes: 64 << 20,
        ..Limits::default()
    };
    Arc::new(Document::parse(json.as_bytes(), limits).unwrap_or_else(|why| panic!("{why}: {json:.300}")))
}

/// The steps that a judgement takes, and what it finds.
pub(crate) fn judged(definitions: &[String], record: &str, profile: &str) -> (u64, Vec<Issue>) {
    let given = Given::new(1, definitions.iter().map(|json| document(json)));
    let codes = Answers::new(Arc::new(Library::new(Vec::new())), given.clone());
    let record = document(record);
    let kind = Kind::new(&record.root().string("resourceType").unwrap()).unwrap();
    let profiles = Vec::from_iter((!profile.is_empty()).then(|| profile.to_owned()));
    let asked = Asked {
        profiles: &profiles,
        now: 1_795_660_000_000_000,
        purpose: Purpose::Asking,
    };
    let found = Validator::new(Definitions::r4()).judge(&given, &codes, &kind, record.root(), &asked);
    (STEPS_MAX - found.steps_left(), found.finish())
}

/// A profile with a name, of a type, with the elements of its differential.
pub(crate) fn profile(name: &str, kind: &str, base: &str, elements: &str) -> String {
    format!(
        r#"{{"resourceType":"StructureDefinition","url":"http://a/{name}","type":"{kind}","kind":"resource",
        "derivation":"constraint","baseDefinition":"{base}","differential":{{"element":[{elements}]}}}}"#
    )
}

const PATIENT: &str = "http://hl7.org/fhir/StructureDefinition/Patient";
const EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/Extension";

/// Something repeated, with its number.
fn many(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn profiles_that_recurse_come_to_an_end() {
    let link = r#"{"path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["http://a/self"]}]}"#;
    let of_itself = profile("self", "Patient", PATIENT, link);
    let patient = |id: usize, other: usize| {
        format!(
            r#"{{"fullUrl":"http://b/Patient/{id}","resource":{{"resourceType":"Patient","id":"{id}","meta":{{"profile":["http://a/self"]}},
            "link":[{{"type":"seealso","other":{{"reference":"Patient/{other}"}}}}]}}}}"#
        )
    };
    let ring = |count: usize| {
        let entries = many(count, |at| patient(at, (at + 1) % count));
        let bundle = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#);
        judged(std::slice::from_ref(&of_itself), &bundle, "")
    };
    let ((small, none), (large, _)) = (ring(10), ring(40));
    assert!(none.iter().all(|issue| issue.severity < Severity::Error), "{none:?}");
    // Each of a ring may be held against the profile from each.
    assert!(large <= small * 20, "{small} {large}");

    let nested = r#"{"path":"Extension.extension","type":[{"code":"Extension","profile":["http://a/nested"]}]}"#;
    let nested = profile("nested", "Extension", EXTENSION, nested);
    let deep = (0..20).fold(
        r#"{"url":"http://a/nested","valueString":"x"}"#.to_owned(),
        |inner, _| format!(r#"{{"url":"http://a/nested","extension":[{inner}]}}"#),
    );
    let record = format!(r#"{{"resourceType":"Patient","extension":[{deep}]}}"#);
    let (steps, _) = judged(&[nested], &record, "");
    assert!(steps < 500_000, "{steps}");

    let own_base = profile("base", "Patient", "http://a/base", r#"{"path":"Patient.name","min":1}"#);
    let (steps, issues) = judged(&[own_base], r#"{"resourceType":"Patient"}"#, "http://a/base");
    assert!(
        steps < 1_000 && issues.iter().any(|issue| issue.text.contains("stand on each other")),
        "{issues:?}"
    );
}

#[test]
fn steps_grow_with_the_record_and_no_faster() {
    let contained = |count: usize| {
        let inner = many(count, |at| {
            format!(r#"{{"resourceType":"Organization","id":"o{at}","name":"x"}}"#)
        });
        let used = many(count, |at| format!("{{\"reference\":\"#o{at}\"}}"));
        format!(r#"{{"resourceType":"Patient","contained":[{inner}],"generalPractitioner":[{used}]}}"#)
    };
    let bundle = |count: usize| {
        let entry = |at: usize| {
            format!(
                r#"{{"fullUrl":"http://b/Patient/{at}","resource":{{"resourceType":"Patient","id":"{at}",
                "link":[{{"type":"seealso","other":{{"reference":"Patient/{}"}}}}]}}}}"#,
                at / 2
            )
        };
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#,
            many(count, entry)
        )
    };
    let names = |count: usize| {
        format!(
            r#"{{"resourceType":"Patient","name":[{}]}}"#,
            many(count, |at| format!(r#"{{"family":"{at}"}}"#))
        )
    };
    let codes = |count: usize| {
        let concepts = many(count, |at| format!(r#"{{"code":"c{at}","display":"x"}}"#));
        format!(
            r#"{{"resourceType":"CodeSystem","url":"http://a/c","status":"draft","content":"complete","concept":[{concepts}]}}"#
        )
    };
    let shapes: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("contained", &contained),
        ("bundle", &bundle),
        ("names", &names),
        ("codes", &codes),
    ];
    for (name, make) in shapes {
        let ((small, _), (large, _)) = (judged(&[], &make(100), ""), judged(&[], &make(800), ""));
        // Some of R4's own rules look through the whole once for each part; they count their steps.
        assert!(large < small * 64, "{name}: {small} {large}");
    }
}

#[test]
fn ten_megabytes_are_judged_or_said_to_cost_too_much() {
    let text = "x".repeat(900);
    let record = format!(
        r#"{{"resourceType":"Patient","name":[{}]}}"#,
        many(11_000, |at| format!(r#"{{"family":"{at}","text":"{text}"}}"#))
    );
    assert!(record.len() > 10_000_000);
    let (steps, issues) = judged(&[], &record, "");
    assert!(steps < STEPS_MAX, "{steps}");
    assert!(issues.iter().all(|issue| issue.code != Code::TooCostly), "{issues:?}");
}

#[test]
fn a_profile_of_thousands_of_elements_is_compiled_or_refused_in_part() {
    let slices = |count: usize| {
        let slicing = r#"{"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}}"#;
        let slice = |at: usize| {
            format!(
                r#"{{"id":"Patient.identifier:s{at}","path":"Patient.identifier","sliceName":"s{at}","min":0}},
                {{"id":"Patient.identifier:s{at}.system","path":"Patient.identifier.system","fixedUri":"http://s/{at}"}}"#
            )
        };
        profile(
            "large",
            "Patient",
            PATIENT,
            &format!("{slicing},{}", many(count, slice)),
        )
    };
    let record = format!(
        r#"{{"resourceType":"Patient","identifier":[{}]}}"#,
        many(50, |at| format!(r#"{{"system":"http://s/{at}","value":"1"}}"#))
    );
    let (steps, issues) = judged(&[slices(2_000)], &record, "http://a/large");
    assert!(steps < 1_000_000, "{steps}");
    assert!(
        issues.iter().all(|issue| issue.severity < Severity::Error),
        "{issues:?}"
    );
    let (_, issues) = judged(&[slices(6_000)], &record, "http://a/large");
    assert!(
        issues
            .iter()
            .any(|issue| issue.text.contains("more than 10000 elements")),
        "{issues:?}"
    );
}

#[test]
fn value_sets_that_include_themselves_hold_nothing_up() {
    let set = |name: &str, other: &str| {
        format!(
            r#"{{"resourceType":"ValueSet","url":"http://a/{name}","status":"active","compose":{{"include":[{{"valueSet":["http://a/{other}"]}}]}}}}"#
        )
    };
    let bound = r#"{"path":"Patient.language","binding":{"strength":"required","valueSet":"http://a/one"}}"#;
    let definitions = [
        set("one", "two"),
        set("two", "one"),
        profile("bound", "Patient", PATIENT, bound),
    ];
    let (steps, _) = judged(
        &definitions,
        r#"{"resourceType":"Patient","language":"dz"}"#,
        "http://a/bound",
    );
    assert!(steps < 10_000, "{steps}");
}

#[test]
fn rules_and_questions_without_end_are_given_up() {
    let rule = r#"{"path":"Bundle.entry","constraint":[{"key":"x-1","severity":"error","human":"x",
        "expression":"%resource.descendants().select(%resource.descendants().count()).count() > 0"}]}"#;
    let costly = profile(
        "costly",
        "Bundle",
        "http://hl7.org/fhir/StructureDefinition/Bundle",
        rule,
    );
    let entry = |at: usize| {
        format!(
            r#"{{"fullUrl":"http://b/Basic/{at}","resource":{{"resourceType":"Basic","id":"{at}","code":{{"text":"x"}}}}}}"#
        )
    };
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#,
        many(600, entry)
    );
    let (steps, issues) = judged(&[costly], &bundle, "http://a/costly");
    assert_eq!(steps, STEPS_MAX, "{issues:?}");
    assert!(issues.iter().any(|issue| issue.code == Code::TooCostly), "{issues:?}");

    let question = |at: usize| {
        format!(
            r#"{{"linkId":"{at}","type":"string","enableWhen":[{{"question":"none","operator":"exists","answerBoolean":true}}]}}"#
        )
    };
    let form = format!(
        r#"{{"resourceType":"Questionnaire","url":"http://a/form","status":"active","item":[{}]}}"#,
        many(1_500, question)
    );
    let items = many(1_500, |at| {
        format!(r#"{{"linkId":"{at}","answer":[{{"valueString":"x"}}]}}"#)
    });
    let response = format!(
        r#"{{"resourceType":"QuestionnaireResponse","questionnaire":"http://a/form","status":"completed","item":[{items}]}}"#
    );
    let (steps, issues) = judged(&[form], &response, "");
    assert!(
        steps <= STEPS_MAX && issues.len() > ISSUES_MAX,
        "{steps} {}",
        issues.len()
    );
}
