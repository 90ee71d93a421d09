//! The room under test without a server: records of a test's own, beside what is built in.

use std::borrow::Cow;
use std::sync::Arc;

use conformance::asked::Asked;
use conformance::{Terminology, Unanswered};
use fhir::document::Document;
use fhir::parse::Limits;
use fhir::tree::Tree;
use fhirpath::evaluate::{Code, Terminology as _};

use crate::expand::Wanted;
use crate::expansion::{Stamp, expand};
use crate::finding::Unable;
use crate::library::{Library, NoRecords, Records, Session, Unread};
use crate::lookup::{Sought, lookup};
use crate::members::{Answers, standard};
use crate::validate::{Coding, Subject, Terms, validate};

/// Some records.
struct Held(Vec<Arc<Document>>);

impl Held {
    fn of(texts: &[&str]) -> Held {
        let parse = |text: &&str| Arc::new(Document::parse(text.as_bytes(), Limits::default()).unwrap());
        Held(texts.iter().map(parse).collect())
    }
}

impl Records for Held {
    fn versions(&self, kind: &str, url: &str) -> Result<Vec<Arc<Document>>, Unread> {
        let is = |document: &&Arc<Document>| {
            let root = document.root();
            root.string("resourceType").as_deref() == Some(kind) && root.string("url").as_deref() == Some(url)
        };
        Ok(self.0.iter().filter(is).cloned().collect())
    }

    fn maps(&self) -> Result<Vec<Arc<Document>>, Unread> {
        Ok(Vec::new())
    }

    fn systems(&self) -> Result<Vec<Arc<Document>>, Unread> {
        let is = |document: &&Arc<Document>| document.root().string("resourceType").as_deref() == Some("CodeSystem");
        Ok(self.0.iter().filter(is).cloned().collect())
    }

    fn generation(&self) -> u64 {
        1
    }
}

/// A system of numbers, each below its half, and value sets over it.
fn numbers(count: usize) -> String {
    let property = |n: usize| {
        format!(
            r#"[{{"code":"parent","valueCode":"{}"}},{{"code":"even","valueBoolean":{}}}]"#,
            n / 2,
            n.is_multiple_of(2)
        )
    };
    let concept = |n: usize| format!(r#"{{"code":"{n}","display":"number {n}","property":{}}}"#, property(n));
    let all: Vec<String> = (1..=count).map(concept).collect();
    format!(
        r#"{{"resourceType":"CodeSystem","url":"urn:n","version":"1","status":"active","content":"complete","caseSensitive":true,"concept":[{}]}}"#,
        all.join(",")
    )
}

fn set(url: &str, compose: &str) -> String {
    format!(r#"{{"resourceType":"ValueSet","url":"{url}","status":"active","compose":{compose}}}"#)
}

fn codes(session: &Session<'_>, url: &str, wanted: &Wanted) -> Result<Vec<String>, Unable> {
    let set = session.set(url)?.expect("a value set");
    let stamp = Stamp {
        identifier: "urn:uuid:0".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
    };
    let expanded = expand(session, &set, wanted, Vec::new(), &stamp)?;
    let contains = expanded
        .get("expansion")
        .and_then(|e| e.get("contains"))
        .map(Tree::items)
        .unwrap_or_default();
    Ok(contains
        .iter()
        .filter_map(|c| c.get("code")?.as_str().map(str::to_owned))
        .collect())
}

fn flat(most: usize) -> Wanted {
    Wanted {
        most,
        flat: true,
        ..Wanted::default()
    }
}

#[test]
fn every_filter_picks_what_it_says() {
    let filters = [
        ("concept", "is-a", "3", "3,6,7,12,13"),
        ("concept", "descendent-of", "3", "6,7,12,13"),
        ("concept", "is-not-a", "1", ""),
        ("concept", "generalizes", "13", "1,3,6,13"),
        ("concept", "child-of", "1", "2,3"),
        ("concept", "descendent-leaf", "3", "7,12,13"),
        ("concept", "in", "1, 5,99", "1,5"),
        ("code", "regex", "1[0-2]", "10,11,12"),
        ("code", "=", "4", "4"),
        ("even", "=", "true", "2,4,6,8,10,12"),
        ("even", "exists", "false", ""),
        ("parent", "=", "2", "4,5"),
        ("display", "regex", "number 1.", "10,11,12,13"),
        ("concept", "not-in", "1,2,3,4,5,6,7,8,9,10,11", "12,13"),
        ("concept", "is-a", "99", ""),
    ];
    for (property, op, value, expected) in filters {
        let compose = format!(
            r#"{{"include":[{{"system":"urn:n","filter":[{{"property":"{property}","op":"{op}","value":"{value}"}}]}}]}}"#
        );
        let records = Held::of(&[&numbers(13), &set("urn:s", &compose)]);
        let library = Arc::new(Library::new(Vec::new()));
        let session = Session::new(&library, &records);
        let found = codes(&session, "urn:s", &flat(1000)).unwrap();
        assert_eq!(found.join(","), expected, "{property} {op} {value}");
        let answers = Answers::new(Arc::clone(&library), records);
        for n in 1..=13 {
            let belongs = answers.validate("urn:s", Some("urn:n"), &n.to_string()).unwrap();
            assert_eq!(belongs, found.contains(&n.to_string()), "{property} {op} {value}: {n}");
        }
    }
}

#[test]
fn what_cannot_be_expanded_says_so() {
    let include = |filter: &str| format!(r#"{{"include":[{{"system":"urn:n"{filter}}}]}}"#);
    let uses = |url: &str| format!(r#"{{"include":[{{"valueSet":["{url}"]}}]}}"#);
    let deep: Vec<String> = (0..40)
        .map(|n| set(&format!("urn:deep{n}"), &uses(&format!("urn:deep{}", n + 1))))
        .collect();
    let twice = |n: usize| {
        format!(
            r#"{{"include":[{{"valueSet":["urn:t{0}"]}},{{"valueSet":["urn:t{0}"]}}]}}"#,
            n + 1
        )
    };
    let doubled = (0..30).map(|n| set(&format!("urn:t{n}"), &twice(n)));
    let mut texts = vec![
        set(
            "urn:t30",
            r#"{"include":[{"system":"urn:n","concept":[{"code":"1"}]}]}"#,
        ),
        numbers(100_000),
        set("urn:all", &include("")),
        set(
            "urn:bad",
            &include(r#","filter":[{"property":"code","op":"regex","value":"("}]"#),
        ),
        set(
            "urn:odd",
            &include(r#","filter":[{"property":"x","op":"like","value":"1"}]"#),
        ),
        set("urn:a", &uses("urn:b")),
        set("urn:b", &uses("urn:a")),
        set("urn:gone", &uses("urn:nowhere")),
        set("urn:unknown", r#"{"include":[{"system":"urn:nowhere"}]}"#),
        set("urn:units", r#"{"include":[{"system":"http://unitsofmeasure.org"}]}"#),
    ];
    texts.extend(deep);
    texts.extend(doubled);
    let records = Held::of(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let library = Library::new(Vec::new());
    let session = Session::new(&library, &records);
    let table = [
        ("urn:all", "too-costly"),
        ("urn:bad", "invalid"),
        ("urn:odd", "not-supported"),
        ("urn:a", "processing"),
        ("urn:deep0", "too-costly"),
        ("urn:t0", "too-costly"),
        ("urn:gone", "not-found"),
        ("urn:unknown", "not-found"),
        ("urn:units", "too-costly"),
    ];
    for (url, code) in table {
        match codes(&session, url, &flat(1000)) {
            Err(Unable::Refused(422, findings)) => assert_eq!(findings[0].code, code, "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }
    // A page of the same is no trouble.
    let page = Wanted {
        count: Some(3),
        offset: 99_998,
        ..flat(1000)
    };
    assert_eq!(codes(&session, "urn:all", &page).unwrap(), ["99999", "100000"]);
}

#[test]
fn the_standard_answers_for_itself() {
    let library = Arc::new(Library::new(Vec::new()));
    let answers = Answers::new(Arc::clone(&library), NoRecords);
    let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
    let members = answers.members(gender).unwrap();
    assert_eq!(members.codes.len(), 4);
    assert_eq!(answers.validate(gender, None, "male"), Ok(true));
    assert_eq!(answers.validate(&format!("{gender}|4.0.1"), None, "Male"), Ok(false));
    let loinc = answers
        .members("http://hl7.org/fhir/ValueSet/observation-codes")
        .unwrap();
    assert!(loinc.has("http://loinc.org", "8480-6") && loinc.codes.is_empty());
    let missing = answers.members("http://hl7.org/fhir/ValueSet/clinical-findings");
    assert!(matches!(missing, Err(Unanswered::NotLoaded(why)) if why.contains("snomed")));
    assert!(matches!(answers.members("urn:none"), Err(Unanswered::Unknown(_))));
    let session = Session::new(&library, &NoRecords);
    let sought = Sought {
        system: "http://terminology.hl7.org/CodeSystem/v3-ActCode".to_owned(),
        code: "ACUTE".to_owned(),
        ..Sought::default()
    };
    let text = String::from_utf8(lookup(&session, &sought).unwrap().to_bytes()).unwrap();
    assert!(
        text.contains("inpatient acute") && text.contains("\"parent\""),
        "{text}"
    );
}

#[test]
fn displays_are_held_against_all_names() {
    let system = r#"{"resourceType":"CodeSystem","url":"urn:s","language":"en","status":"active","content":"complete",
        "caseSensitive":true,"concept":[{"code":"a","display":"One  two","designation":[{"language":"dz","value":"གཅིག"}]}]}"#;
    let records = Held::of(&[system]);
    let library = Library::new(Vec::new());
    let session = Session::new(&library, &records);
    let table = [
        ("One  two", "", true, ""),
        ("one  TWO", "", true, ""),
        ("One two", "", false, "Wrong whitespace"),
        ("གཅིག", "", true, ""),
        ("གཅིག", "en", false, "Wrong Display Name"),
        ("One  two", "fr", true, "no valid display names"),
    ];
    for (display, languages, right, says) in table {
        let coding = Coding {
            system: Some("urn:s".to_owned()),
            code: "a".to_owned(),
            display: Some(display.to_owned()),
            ..Coding::default()
        };
        let terms = Terms {
            languages: crate::Languages::parse(languages),
            ..Terms::default()
        };
        let answer = validate(&session, None, &Subject::Coding(coding), &terms).unwrap();
        let text = String::from_utf8(answer.to_bytes()).unwrap();
        let result = format!(r#"{{"name":"result","valueBoolean":{right}}}"#);
        assert!(
            text.contains(&result) && text.contains(says),
            "{display} {languages}: {text}"
        );
    }
}

#[test]
fn expressions_are_answered_from_the_standards_own_codes() {
    const GENDER: &str = "http://hl7.org/fhir/administrative-gender";
    const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let code = |system: &'static str, code: &'static str| Code {
        system: (!system.is_empty()).then_some(Cow::Borrowed(system)),
        version: None,
        code: Cow::Borrowed(code),
    };
    let terminology = standard();
    let asked = Asked(&*terminology);
    let set = "http://hl7.org/fhir/ValueSet/administrative-gender";
    assert_eq!(asked.member_of(&[code("", "male")], set), Ok(true));
    assert_eq!(
        asked.member_of(&[code("x", "male"), code(GENDER, "female")], set),
        Ok(true)
    );
    assert_eq!(asked.member_of(&[code("x", "male")], set), Ok(false));
    assert!(asked.member_of(&[code("", "male")], "http://none").is_err());
    assert_eq!(asked.subsumes(&code(GENDER, "male"), &code(GENDER, "male")), Ok(true));
    assert_eq!(
        asked.subsumes(&code(ROLE, "_ActAccountCode"), &code(ROLE, "PBILLACCT")),
        Ok(true)
    );
    assert_eq!(
        asked.subsumes(&code(ROLE, "PBILLACCT"), &code(ROLE, "_ActAccountCode")),
        Ok(false)
    );
    assert!(asked.subsumes(&code(GENDER, "male"), &code(ROLE, "male")).is_err());
}

#[test]
fn nearly_every_value_set_of_the_standard_can_be_listed() {
    let terminology = standard();
    let (mut listed, mut refused) = (0, Vec::new());
    for (url, _) in crate::built_in::BuiltIn::shared().versions("ValueSet") {
        match terminology.members(url) {
            Ok(found) => listed += usize::from(found.codes.len() + found.systems.len() > 0),
            Err(why) => refused.push(why),
        }
    }
    assert!(
        listed > 1_240 && refused.len() < 70,
        "{listed}, {}: {refused:#?}",
        refused.len()
    );
    refused.retain(|why| matches!(why, Unanswered::TooCostly(text) if !text.contains("by a grammar without end")));
    assert_eq!(refused, Vec::new());
}

#[test]
fn a_fragment_does_not_bound_a_value_set() {
    let currencies = standard().members("http://hl7.org/fhir/ValueSet/currencies").unwrap();
    assert!(currencies.has("urn:iso:std:iso:4217", "XYZ") && currencies.codes.is_empty());
}

#[test]
fn codes_are_found_by_names_of_records_supplements_and_the_standard() {
    let care = r#"{"resourceType":"CodeSystem","url":"urn:care","status":"active","content":"complete","concept":[{"code":"in","display":"Ward (Ínpatient)","concept":[{"code":"icu","display":"Intensive care","designation":[{"value":"Ward, intensive"}]}]}]}"#;
    let more = r#"{"resourceType":"CodeSystem","url":"urn:more","status":"active","content":"supplement","supplements":"urn:care|1","concept":[{"code":"icu","designation":[{"language":"dz","value":"ནང་ནད་"}]}]}"#;
    let answers = Answers::new(
        Arc::new(Library::new(Vec::new())),
        Held::of(&[care, more, &numbers(30_000)]),
    );
    for (start, expected) in [
        ("ward inp", "urn:care|in"),
        ("ward", "urn:care|icu urn:care|in"),
        ("ནང ནད", "urn:care|icu"),
        ("number 17 ", ""),
        ("divorc", "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus|D"),
        ("bhutanese", "urn:iso:std:iso:4217|BTN"),
    ] {
        let found = answers.starting(start).unwrap();
        let codes: Vec<String> = found
            .codes
            .iter()
            .map(|(system, code)| format!("{system}|{code}"))
            .collect();
        assert!(
            codes.join(" ").contains(expected) && found.systems.is_empty(),
            "{start}: {codes:?}"
        );
        assert!(!expected.is_empty() || codes.is_empty(), "{start}: {codes:?}");
    }
    assert!(matches!(answers.starting("number"), Err(Unanswered::TooCostly(_))));
}
