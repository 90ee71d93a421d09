//! What is read, what is refused, and with which words.

use fhir::identity::Kind;
use fhir::outcome::Code;

use super::{handling, params, read, registry};
use crate::predicate::Predicate;
use crate::sample::Random;
use crate::search::{Summary, Total, parse};

/// The codes and places of the errors, strict or lenient.
fn errors(kind: &str, query: &str, strict: bool) -> String {
    let kinds: Vec<Kind> = Kind::new(kind).into_iter().collect();
    match parse(&registry(), &kinds, &params(query), &handling(strict)) {
        Ok(search) => search
            .issues
            .iter()
            .map(|i| format!("ignored {}", i.expression))
            .collect::<Vec<_>>()
            .join("; "),
        Err(issues) => {
            let text = |i: &fhir::outcome::Issue| format!("{} {}", i.code.as_str(), i.expression);
            issues.iter().map(text).collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn what_is_unsupported_is_named() {
    let table = [
        ("Patient", "foo=1", "foo"),
        ("Patient", "name.family=x", "name.family"),
        ("Patient", "organization.foo=x", "organization.foo"),
        ("Patient", "organization:Patient.name=x", "organization:Patient.name"),
        ("Patient", "_has:Foo:patient:code=x", "_has:Foo:patient:code"),
        ("Patient", "_has:Observation:foo:code=x", "_has:Observation:foo:code"),
        (
            "Patient",
            "_has:Observation:encounter:code=x",
            "_has:Observation:encounter:code",
        ),
        (
            "Patient",
            "_has:Observation:patient:foo=x",
            "_has:Observation:patient:foo",
        ),
        ("Patient", "_type=Patient", "_type"),
        ("Patient", "_contained=true&_sort=name", "_sort"),
        ("Patient", "_sort=foo", "_sort"),
        ("Patient", "_include=Patient:name", "_include"),
        ("Patient", "_include=Observation:subject", "_include"),
        ("Patient", "_include:foo=Patient:link", "_include:foo"),
        ("Location", "_sort=near", "_sort"),
        ("", "name=x", "name"),
    ];
    for (kind, query, name) in table {
        assert_eq!(
            errors(kind, query, true),
            format!("not-supported http.{name}"),
            "{query}"
        );
        assert_eq!(errors(kind, query, false), format!("ignored http.{name}"), "{query}");
    }
}

/// Ignoring these would answer another question.
#[test]
fn what_is_refused_is_an_error_whatever_the_handling() {
    let table = [
        (
            "Observation",
            "code-value-quantity:exact=x$1",
            "modifier `:exact`; a composite parameter supports :missing",
        ),
        (
            "Patient",
            "name:foo=1",
            "modifier `:foo`; a string parameter supports :exact",
        ),
        ("Patient", "name:in=http://v", ":exact"),
        ("Patient", "birthdate:exact=2020", ":missing"),
        ("Patient", "_id:exact=x", ":not"),
        ("Patient", "_text:exact=x", "no modifier"),
        ("Patient", "_lastUpdated:exact=2020", ":missing"),
        ("Patient", "_query=current-high-risk", "`current-high-risk`"),
        ("Patient", "_list=$current-problems", "`$current-problems`"),
        ("Patient", "_list:not=1", ":not"),
        ("Patient", "gender:above=x", "system|code"),
        (
            "Patient",
            "gender:below=http://nowhere|x",
            "http://nowhere is not loaded",
        ),
        (
            "Patient",
            "gender:in=http://nowhere/vs",
            "http://nowhere/vs is not known",
        ),
        ("Patient", "gender:in=ValueSet/1", "ValueSet/1 is not known"),
        (
            "Observation",
            "code:not-in=http://hl7.org/fhir/ValueSet/clinical-findings",
            "http://snomed.info/sct",
        ),
        ("Observation", "patient:below=Patient/1", "part of others of their kind"),
        ("Observation", "patient:identifier.name=x", "identifier"),
        (
            "Encounter",
            "part-of:below=http://else.where/1",
            "a record of this server",
        ),
    ];
    for (kind, query, word) in table {
        for strict in [true, false] {
            let kind = Kind::new(kind).unwrap();
            let issues = parse(&registry(), &[kind], &params(query), &handling(strict)).map(|search| search.issues);
            match issues {
                Err(issues) => assert!(issues[0].text.contains(word), "{query}: {}", issues[0].text),
                Ok(issues) => assert!(query.contains(".name") && !strict, "{query}: {issues:?}"),
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_always_an_error() {
    let table = [
        ("Patient", "birthdate=yesterday"),
        ("Patient", "birthdate=2020-13"),
        ("Patient", "birthdate=xx2020"),
        ("Patient", "birthdate="),
        ("Patient", "name="),
        ("Patient", "name=a,,b"),
        ("Patient", "name=..."),
        ("Patient", "gender=|"),
        ("Patient", "name:missing=maybe"),
        ("Patient", "organization=a b"),
        ("Patient", "organization=#c"),
        ("Patient", "organization=Organization?name=x"),
        ("Patient", "identifier:of-type=a|b"),
        ("Patient", "organization.name="),
        ("Patient", "_has:Observation=x"),
        ("Patient", "_id=a_b"),
        ("Patient", "_lastUpdated=now"),
        ("Patient", "_text=."),
        ("Patient", "_count=-1"),
        ("Patient", "_count=ten"),
        ("Patient", "_total=all"),
        ("Patient", "_summary=maybe"),
        ("Patient", "_elements=a,,b"),
        ("Patient", "_sort=name,,family"),
        ("Patient", "_include=Foo:bar"),
        ("Patient", "_include=Patient"),
        ("Patient", "_revinclude=Observation"),
        ("Observation", "value-quantity=tall"),
        ("Observation", "value-quantity=5|mg"),
        ("Observation", "value-quantity=5|http://u|"),
        ("Observation", "code-value-quantity=x"),
        ("Observation", "code-value-quantity=x$"),
        ("Location", "near=91|0"),
        ("Location", "near=27.47"),
        ("Location", "near=27.47|89.64|10|kg"),
        ("Observation", "code-value-quantity=x$1$2"),
        ("Observation", "code-value-quantity=x$tall"),
        ("RiskAssessment", "probability=1,5"),
        ("RiskAssessment", "probability=1.5.2"),
        ("", "_type=Foo"),
    ];
    for (kind, query) in table.into_iter().filter(|(_, query)| *query != "probability=1,5") {
        let name = query.split_once('=').map_or(query, |(name, _)| name);
        for strict in [true, false] {
            assert_eq!(errors(kind, query, strict), format!("value http.{name}"), "{query}");
        }
    }
}

#[test]
fn all_errors_come_at_once() {
    let found = errors("Patient", "foo=1&birthdate=x&name=dorji&_count=y", true);
    assert_eq!(found, "not-supported http.foo; value http.birthdate; value http._count");
}

#[test]
fn the_sentence_names_what_is_supported() {
    let kind = [Kind::new("Patient").unwrap()];
    let issues = parse(&registry(), &kind, &params("foo=1&name:in=x"), &handling(true)).unwrap_err();
    assert!(
        issues[0]
            .text
            .starts_with("Patient has no search parameter `foo`. It has _id, _lastUpdated,")
    );
    assert!(issues[0].text.contains("birthdate") && issues[1].text.contains(":exact, :contains and :missing"));
}

#[test]
fn the_answers_shape_is_read() {
    let search = read(
        "Patient",
        "name=a&_sort=-birthdate,_id&_count=20&_total=none&_summary=data&_elements=name,id&_include=Patient:organization\
         &_include:iterate=Organization:partof:Organization&_revinclude=*&_revinclude=Observation:*&_format=json&_contained=false",
    );
    assert_eq!(
        (search.sort.len(), search.sort[0].descending, search.count),
        (2, true, Some(20))
    );
    assert_eq!((search.total, search.summary), (Total::None, Summary::Data));
    assert_eq!(search.elements, ["name", "id"]);
    assert_eq!((search.includes.len(), search.revincludes.len()), (2, 2));
    assert!(search.includes[1].iterate && search.includes[1].target.is_some());
    let used: Vec<&str> = search.used.iter().map(|(name, _)| name.as_str()).collect();
    assert!(!used.contains(&"_format") && used.len() == 11, "{used:?}");
}

#[test]
fn lenient_uses_what_it_applied() {
    let kind = [Kind::new("Patient").unwrap()];
    let search = parse(&registry(), &kind, &params("foo=1&name=a&_sort=bar"), &handling(false)).unwrap();
    assert_eq!(search.used, [("name".to_owned(), "a".to_owned())]);
    assert_eq!(search.issues.len(), 2);
    assert!(
        search
            .issues
            .iter()
            .all(|i| i.code == Code::NotSupported && i.text.ends_with("was ignored."))
    );
}

#[test]
fn joins_nest() {
    let table = [
        ("Observation", "subject:Patient.name=x", "subject>Patient(T)"),
        (
            "Observation",
            "patient.organization.name=x",
            "patient>Patient(organization>Organization(T))",
        ),
        ("Patient", "_has:Observation:patient:code=x", "patient<Observation(T)"),
        (
            "Patient",
            "_has:Observation:patient:_has:AuditEvent:entity:agent=1",
            "patient<Observation(entity<AuditEvent(T))",
        ),
        (
            "Patient",
            "_has:Encounter:patient:practitioner.name=x",
            "patient<Encounter(practitioner>Practitioner(T))",
        ),
        (
            "Observation",
            "patient._has:Condition:patient:code=x",
            "patient>Patient(patient<Condition(T))",
        ),
        ("Observation", "patient._id=1", "patient>Patient(I)"),
        (
            "Observation",
            "encounter.patient:missing=true",
            "encounter>Encounter(!T)",
        ),
    ];
    for (kind, query, expected) in table {
        let search = read(kind, query);
        assert_eq!(described(&search.predicate), expected, "{query}");
    }
    let kinds: Vec<String> = read("Patient", "_has:Observation:patient:performer:Practitioner.name=x")
        .kinds_touched()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(kinds, ["Observation", "Patient", "Practitioner"]);
}

fn described(predicate: &Predicate) -> String {
    let code = |param: &crate::values::ParamId| registry().code(*param).expect("a code").to_owned();
    match predicate {
        Predicate::Chain {
            param, targets, inner, ..
        } => {
            let targets: Vec<&str> = targets.iter().map(Kind::as_str).collect();
            format!("{}>{}({})", code(param), targets.join("+"), described(inner))
        }
        Predicate::Has { kind, param, inner, .. } => format!("{}<{kind}({})", code(param), described(inner)),
        Predicate::Not(inner) => format!("!{}", described(inner)),
        Predicate::Test { .. } => "T".into(),
        Predicate::Is(_) => "I".into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn joins_are_bounded() {
    let deep = format!("{}name=x", "partof.".repeat(20));
    assert_eq!(
        errors("Organization", &deep, false),
        format!("too-costly http.{}", &deep[..deep.len() - 2])
    );
    let wide = format!("{}=x", ["subject"; 9].join("."));
    assert!(!errors("Observation", &wide, true).is_empty());
}

#[test]
fn several_kinds_are_searched_together() {
    let found = parse(
        &registry(),
        &[],
        &params("_type=Patient,Practitioner&name=x"),
        &handling(true),
    )
    .unwrap();
    assert_eq!(found.kinds.len(), 2);
    assert_eq!(found.used.len(), 2);
    let all = parse(&registry(), &[], &params("_lastUpdated=gt2020&_tag=a"), &handling(true)).unwrap();
    assert!(all.kinds.len() > 140);
    assert_eq!(
        errors("", "_type=Patient,Observation&birthdate=2020", true),
        "not-supported http.birthdate"
    );
}

#[test]
fn nothing_makes_it_panic() {
    let pieces = [
        "name",
        "birthdate",
        "value-quantity",
        "subject",
        "_has",
        "Patient",
        "Observation",
        "_sort",
        "_include",
        ":",
        ".",
        "|",
        ",",
        "\\",
        "$",
        "-",
        "ge",
        "2020",
        "-02-30",
        "T24:60",
        "1e300",
        "9999999999999999999",
        "é",
        "ཀ",
        " ",
        "#",
        "/",
        "http://host/fhir/",
        "_lastUpdated",
        "*",
        "?",
        "%",
        "_id",
        "missing",
        "not",
        "\u{0}",
    ];
    let mut random = Random::new(11);
    let mut text = |most: usize| -> String {
        let count = random.below(most);
        (0..count).map(|_| random.pick(&pieces)).collect()
    };
    let kinds = [Kind::new("Patient").unwrap(), Kind::new("Observation").unwrap()];
    for _ in 0..40_000 {
        let query = [(text(6), text(6))];
        for kinds in [&kinds[..1], &kinds[1..], &kinds[..], &[]] {
            let _ = parse(&registry(), kinds, &query, &handling(true));
        }
    }
}
