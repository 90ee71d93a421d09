//! Two sites that wrote apart: what comes of it, case by case.

use conformance::Definitions;
use fhirpath::model::Model;

use super::{DEFINITIONS, name, state_of, text, version};
use crate::element::Elements;
use crate::history::{History, Invalid, Version};
use crate::merge::State;
use crate::rules::Rules;

/// A case: what is in it, the record, what site 1 and site 2 made of it (`-` deleted it), what comes of it, and the
/// elements they disagree on, those for a person with `!`. Site 2 wrote later.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","text":"Dorji"}],"telecom":[{"system":"phone","value":"1","use":"home"},{"system":"phone","value":"2","use":"work"}],"gender":"male","birthDate":"1980-01-01"}"#;

const CASES: &[Case] = &[
    (
        "different elements",
        PATIENT,
        r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","text":"Dorji"}],"telecom":[{"system":"phone","value":"1","use":"home"},{"system":"phone","value":"2","use":"work"}],"gender":"female","birthDate":"1980-01-01"}"#,
        r#"{"resourceType":"Patient","id":"p","active":false,"name":[{"use":"official","text":"Dorji"}],"telecom":[{"system":"phone","value":"1","use":"home"},{"system":"phone","value":"2","use":"work"}],"gender":"male","birthDate":"1980-01-01"}"#,
        r#"{"resourceType":"Patient","id":"p","active":false,"name":[{"use":"official","text":"Dorji"}],"telecom":[{"system":"phone","value":"1","use":"home"},{"system":"phone","value":"2","use":"work"}],"gender":"female","birthDate":"1980-01-01"}"#,
        &[],
    ),
    (
        "one telephone taken out, the other changed: each is known by what it is, not by its place",
        PATIENT,
        r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","text":"Dorji"}],"telecom":[{"system":"phone","value":"2","use":"work"}],"gender":"male","birthDate":"1980-01-01"}"#,
        r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","text":"Dorji"}],"telecom":[{"system":"phone","value":"1","use":"home"},{"system":"phone","value":"2","use":"mobile"}],"gender":"male","birthDate":"1980-01-01"}"#,
        r#"{"resourceType":"Patient","id":"p","active":true,"name":[{"use":"official","text":"Dorji"}],"telecom":[{"system":"phone","value":"2","use":"mobile"}],"gender":"male","birthDate":"1980-01-01"}"#,
        &[],
    ),
    (
        "a birth date told differently is shown as told last and goes to a person",
        r#"{"resourceType":"Patient","birthDate":"1980"}"#,
        r#"{"resourceType":"Patient","birthDate":"1981"}"#,
        r#"{"resourceType":"Patient","birthDate":"1982"}"#,
        r#"{"resourceType":"Patient","birthDate":"1982"}"#,
        &["!birthDate"],
    ),
    (
        "the same change twice is one",
        r#"{"resourceType":"Patient","birthDate":"1980"}"#,
        r#"{"resourceType":"Patient","birthDate":"1981"}"#,
        r#"{"resourceType":"Patient","birthDate":"1981"}"#,
        r#"{"resourceType":"Patient","birthDate":"1981"}"#,
        &[],
    ),
    (
        "what no person needs to settle is kept",
        r#"{"resourceType":"Patient","name":[{"use":"official","text":"Pema"}]}"#,
        r#"{"resourceType":"Patient","name":[{"use":"official","text":"Pema Lhamo"}]}"#,
        r#"{"resourceType":"Patient","name":[{"use":"official","text":"Pema Lham"}]}"#,
        r#"{"resourceType":"Patient","name":[{"use":"official","text":"Pema Lham"}]}"#,
        &["name[official].text"],
    ),
    (
        "a choice is one element whatever its type",
        r#"{"resourceType":"Patient","deceasedBoolean":false}"#,
        r#"{"resourceType":"Patient","deceasedBoolean":true}"#,
        r#"{"resourceType":"Patient","deceasedDateTime":"2026-01-02"}"#,
        r#"{"resourceType":"Patient","deceasedDateTime":"2026-01-02"}"#,
        &["!deceased"],
    ),
    (
        "both add an item",
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1"}]}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1"},{"system":"urn:a","value":"2"}]}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1"},{"system":"urn:b","value":"3"}]}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1"},{"system":"urn:a","value":"2"},{"system":"urn:b","value":"3"}]}"#,
        &[],
    ),
    (
        "an item taken out here and changed there stays",
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1"}]}"#,
        r#"{"resourceType":"Patient"}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1","use":"old"}]}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1","use":"old"}]}"#,
        &["!identifier[urn:cid 1]"],
    ),
    (
        "a change beats a deletion that did not know of it",
        r#"{"resourceType":"Patient","active":true}"#,
        "-",
        r#"{"resourceType":"Patient","active":false}"#,
        r#"{"resourceType":"Patient","active":false}"#,
        &["!"],
    ),
    (
        "two deletions are one",
        r#"{"resourceType":"Patient","active":true}"#,
        "-",
        "-",
        "deleted",
        &[],
    ),
    (
        "a request that got further here than there got so far",
        r#"{"resourceType":"MedicationRequest","status":"active","intent":"order"}"#,
        r#"{"resourceType":"MedicationRequest","status":"completed","intent":"order"}"#,
        r#"{"resourceType":"MedicationRequest","status":"on-hold","intent":"order"}"#,
        r#"{"resourceType":"MedicationRequest","status":"completed","intent":"order"}"#,
        &[],
    ),
    (
        "cancelled here and completed there contradict each other",
        r#"{"resourceType":"MedicationRequest","status":"active"}"#,
        r#"{"resourceType":"MedicationRequest","status":"cancelled"}"#,
        r#"{"resourceType":"MedicationRequest","status":"completed"}"#,
        r#"{"resourceType":"MedicationRequest","status":"completed"}"#,
        &["!status"],
    ),
    (
        "a dose is one value: never the number of one with the unit of the other",
        r#"{"resourceType":"MedicationRequest","dosageInstruction":[{"text":"1","doseAndRate":[{"doseQuantity":{"value":1,"unit":"mg"}}]}]}"#,
        r#"{"resourceType":"MedicationRequest","dosageInstruction":[{"text":"1","doseAndRate":[{"doseQuantity":{"value":2,"unit":"mg"}}]}]}"#,
        r#"{"resourceType":"MedicationRequest","dosageInstruction":[{"text":"1","doseAndRate":[{"doseQuantity":{"value":1,"unit":"g"}}]}]}"#,
        r#"{"resourceType":"MedicationRequest","dosageInstruction":[{"text":"1","doseAndRate":[{"doseQuantity":{"value":1,"unit":"g"}}]}]}"#,
        &["!dosageInstruction"],
    ),
    (
        "a fact is one value, and two corrections of it are both kept",
        r#"{"resourceType":"Observation","status":"final","valueInteger":1}"#,
        r#"{"resourceType":"Observation","status":"corrected","valueInteger":2}"#,
        r#"{"resourceType":"Observation","status":"corrected","valueInteger":3}"#,
        r#"{"resourceType":"Observation","status":"corrected","valueInteger":3}"#,
        &["!"],
    ),
    (
        "an error that was seen is shown before a later correction",
        r#"{"resourceType":"Observation","status":"final","valueInteger":1}"#,
        r#"{"resourceType":"Observation","status":"entered-in-error","valueInteger":1}"#,
        r#"{"resourceType":"Observation","status":"amended","valueInteger":3}"#,
        r#"{"resourceType":"Observation","status":"entered-in-error","valueInteger":1}"#,
        &["!"],
    ),
    (
        "an allergy in doubt goes to a person whatever was changed",
        r#"{"resourceType":"AllergyIntolerance","criticality":"low"}"#,
        r#"{"resourceType":"AllergyIntolerance","criticality":"high"}"#,
        r#"{"resourceType":"AllergyIntolerance","criticality":"unable-to-assess"}"#,
        r#"{"resourceType":"AllergyIntolerance","criticality":"unable-to-assess"}"#,
        &["!criticality"],
    ),
    (
        "digits stay as they were written",
        r#"{"resourceType":"Location","position":{"longitude":89.60,"latitude":27.50}}"#,
        r#"{"resourceType":"Location","position":{"longitude":89.60,"latitude":27.500}}"#,
        r#"{"resourceType":"Location","name":"Paro","position":{"longitude":89.60,"latitude":27.50}}"#,
        r#"{"resourceType":"Location","name":"Paro","position":{"longitude":89.60,"latitude":27.500}}"#,
        &[],
    ),
    (
        "what nobody knows passes through",
        r#"{"resourceType":"Patient","novel":{"a":[1,{"b":2.0}]},"active":true}"#,
        r#"{"resourceType":"Patient","novel":{"a":[1,{"b":2.0}]},"active":false}"#,
        r#"{"resourceType":"Patient","novel":{"a":[1,{"b":3.0}]},"active":true}"#,
        r#"{"resourceType":"Patient","novel":{"a":[1,{"b":3.0}]},"active":false}"#,
        &[],
    ),
    (
        "a national number put right differently: both are shown, and a person looks",
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"1"}]}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"2"}]}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"3"}]}"#,
        r#"{"resourceType":"Patient","identifier":[{"system":"urn:cid","value":"2"},{"system":"urn:cid","value":"3"}]}"#,
        &["!identifier[urn:cid]"],
    ),
    (
        "two numbers of one system where there was none",
        r#"{"resourceType":"Patient","active":true}"#,
        r#"{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:cid","value":"2"}]}"#,
        r#"{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:cid","value":"3","use":"official"}]}"#,
        r#"{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:cid","value":"2"},{"system":"urn:cid","value":"3","use":"official"}]}"#,
        &["!identifier[urn:cid]"],
    ),
    (
        "a number that is in use no more is beside the one that is",
        r#"{"resourceType":"Patient","active":true}"#,
        r#"{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:cid","value":"2","use":"old"}]}"#,
        r#"{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:cid","value":"3"}]}"#,
        r#"{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:cid","value":"2","use":"old"},{"system":"urn:cid","value":"3"}]}"#,
        &[],
    ),
    (
        "items that only their places tell apart: one taken out, the other changed, and never a mixture",
        r#"{"resourceType":"Patient","name":[{"text":"Pema Lhamo","given":["Pema"]},{"text":"Dorji","given":["Dorji"]}]}"#,
        r#"{"resourceType":"Patient","name":[{"text":"Dorji","given":["Dorji"]}]}"#,
        r#"{"resourceType":"Patient","name":[{"text":"Pema Lhamo","given":["Pema"]},{"text":"Dorji","given":["Dorji","Wangdi"]}]}"#,
        r#"{"resourceType":"Patient","name":[{"text":"Dorji","given":["Dorji","Wangdi"]}]}"#,
        &[],
    ),
    (
        "an extension that is there twice: each is what it says",
        r#"{"resourceType":"Patient","extension":[{"url":"u","valueCode":"a"},{"url":"u","valueCode":"b"}]}"#,
        r#"{"resourceType":"Patient","extension":[{"url":"u","valueCode":"b"}]}"#,
        r#"{"resourceType":"Patient","extension":[{"url":"u","valueCode":"a"},{"url":"u","valueCode":"b"},{"url":"u","valueCode":"c"}]}"#,
        r#"{"resourceType":"Patient","extension":[{"url":"u","valueCode":"b"},{"url":"u","valueCode":"c"}]}"#,
        &[],
    ),
    (
        "why there is no birth date is of the birth date",
        r#"{"resourceType":"Patient","active":true}"#,
        r#"{"resourceType":"Patient","active":true,"_birthDate":{"extension":[{"url":"u","valueCode":"unknown"}]}}"#,
        r#"{"resourceType":"Patient","active":true,"_birthDate":{"extension":[{"url":"u","valueCode":"masked"}]}}"#,
        r#"{"resourceType":"Patient","active":true,"_birthDate":{"extension":[{"url":"u","valueCode":"masked"}]}}"#,
        &["!_birthDate"],
    ),
    (
        "a birth date taken out here and changed there",
        r#"{"resourceType":"Patient","birthDate":"1980","gender":"male"}"#,
        r#"{"resourceType":"Patient","gender":"male"}"#,
        r#"{"resourceType":"Patient","birthDate":"1981","gender":"male"}"#,
        r#"{"resourceType":"Patient","birthDate":"1981","gender":"male"}"#,
        &["!birthDate"],
    ),
    (
        "a dose taken out here and changed there",
        r#"{"resourceType":"MedicationRequest","status":"active","dosageInstruction":[{"text":"1"}]}"#,
        r#"{"resourceType":"MedicationRequest","status":"active"}"#,
        r#"{"resourceType":"MedicationRequest","status":"active","dosageInstruction":[{"text":"2"}]}"#,
        r#"{"resourceType":"MedicationRequest","status":"active","dosageInstruction":[{"text":"2"}]}"#,
        &["!dosageInstruction"],
    ),
    (
        "a dose within an item of a plan",
        r#"{"resourceType":"CarePlan","activity":[{"detail":{"code":{"text":"iron"},"status":"scheduled","dailyAmount":{"value":1}}}]}"#,
        r#"{"resourceType":"CarePlan","activity":[{"detail":{"code":{"text":"iron"},"status":"scheduled","dailyAmount":{"value":2}}}]}"#,
        r#"{"resourceType":"CarePlan","activity":[{"detail":{"code":{"text":"iron"},"status":"scheduled","dailyAmount":{"value":3}}}]}"#,
        r#"{"resourceType":"CarePlan","activity":[{"detail":{"code":{"text":"iron"},"status":"scheduled","dailyAmount":{"value":3}}}]}"#,
        &[r#"!activity[{"text":"iron"}].detail.dailyAmount"#],
    ),
    (
        "a strength",
        r#"{"resourceType":"Medication","ingredient":[{"itemCodeableConcept":{"text":"a"},"strength":{"numerator":{"value":1}}}]}"#,
        r#"{"resourceType":"Medication","ingredient":[{"itemCodeableConcept":{"text":"a"},"strength":{"numerator":{"value":2}}}]}"#,
        r#"{"resourceType":"Medication","ingredient":[{"itemCodeableConcept":{"text":"a"},"strength":{"numerator":{"value":3}}}]}"#,
        r#"{"resourceType":"Medication","ingredient":[{"itemCodeableConcept":{"text":"a"},"strength":{"numerator":{"value":3}}}]}"#,
        &["!ingredient"],
    ),
    (
        "the sex of a mother",
        r#"{"resourceType":"RelatedPerson","gender":"unknown"}"#,
        r#"{"resourceType":"RelatedPerson","gender":"female"}"#,
        r#"{"resourceType":"RelatedPerson","gender":"male"}"#,
        r#"{"resourceType":"RelatedPerson","gender":"male"}"#,
        &["!gender"],
    ),
    (
        "an allergy deleted here and found worse there",
        r#"{"resourceType":"AllergyIntolerance","criticality":"low"}"#,
        "-",
        r#"{"resourceType":"AllergyIntolerance","criticality":"high"}"#,
        r#"{"resourceType":"AllergyIntolerance","criticality":"high"}"#,
        &["!"],
    ),
    (
        "a reaction taken out here and changed there",
        r#"{"resourceType":"AllergyIntolerance","criticality":"low","reaction":[{"severity":"mild"}]}"#,
        r#"{"resourceType":"AllergyIntolerance","criticality":"low"}"#,
        r#"{"resourceType":"AllergyIntolerance","criticality":"low","reaction":[{"severity":"severe"}]}"#,
        r#"{"resourceType":"AllergyIntolerance","criticality":"low","reaction":[{"severity":"severe"}]}"#,
        &["!reaction"],
    ),
];

fn body(json: &str) -> Option<&str> {
    (json != "-").then_some(json)
}

fn told(state: &State) -> Vec<String> {
    let each = state.conflicts.iter();
    each.map(|conflict| format!("{}{}", if conflict.review { "!" } else { "" }, conflict.address))
        .collect()
}

#[test]
fn what_two_sites_wrote_apart_comes_together() {
    for (what, base, one, other, expected, conflicts) in CASES {
        let first = version(0, 1, &[], 10, Some(base));
        let here = version(1, 1, &[name(0, 1)], 20, body(one));
        let there = version(2, 1, &[name(0, 1)], 30, body(other));
        let versions = [first, here, there];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let found = state_of(order.map(|place: usize| versions[place].clone()));
            assert_eq!(text(&found.record), *expected, "{what}");
            assert_eq!(told(&found), *conflicts, "{what}");
        }
    }
}

#[test]
fn a_slot_belongs_to_the_site_that_made_it() {
    let slot = |status: &str| format!(r#"{{"resourceType":"Slot","status":"{status}"}}"#);
    let versions = [
        version(5, 1, &[], 10, Some(&slot("free"))),
        version(5, 2, &[name(5, 1)], 20, Some(&slot("busy-tentative"))),
        version(7, 1, &[name(5, 1)], 30, Some(&slot("busy"))),
    ];
    let found = state_of(versions);
    assert_eq!(text(&found.record), slot("busy-tentative"));
    assert_eq!(told(&found), ["!"]);
}

#[test]
fn what_a_person_settled_is_settled() {
    let patient = |date: &str| format!(r#"{{"resourceType":"Patient","birthDate":"{date}"}}"#);
    let mut versions = vec![
        version(0, 1, &[], 10, Some(&patient("1980"))),
        version(1, 1, &[name(0, 1)], 20, Some(&patient("1981"))),
        version(2, 1, &[name(0, 1)], 30, Some(&patient("1982"))),
    ];
    let joined = state_of(versions.clone());
    assert_eq!(told(&joined), ["!birthDate"]);
    versions.push(version(
        0,
        2,
        &[name(1, 1), name(2, 1)],
        40,
        Some(&text(&joined.record)),
    ));
    assert_eq!(
        told(&state_of(versions.clone())),
        ["!birthDate"],
        "a join settles nothing"
    );
    versions.push(version(0, 3, &[name(0, 2)], 50, Some(&patient("1981"))));
    let settled = state_of(versions);
    assert_eq!(text(&settled.record), patient("1981"));
    assert!(told(&settled).is_empty(), "{:?}", settled.conflicts);
}

#[test]
fn one_of_two_numbers_is_settled_by_who_knew_of_both() {
    let patient = |items: &str| format!(r#"{{"resourceType":"Patient","identifier":[{items}]}}"#);
    let (one, other) = (
        r#"{"system":"urn:cid","value":"2"}"#,
        r#"{"system":"urn:cid","value":"3"}"#,
    );
    let both = patient(&format!("{one},{other}"));
    let mut versions = vec![
        version(0, 1, &[], 10, Some(&patient(r#"{"system":"urn:cid","value":"1"}"#))),
        version(1, 1, &[name(0, 1)], 20, Some(&patient(one))),
        version(2, 1, &[name(0, 1)], 30, Some(&patient(other))),
        version(0, 2, &[name(1, 1), name(2, 1)], 40, Some(&both)),
    ];
    let joined = state_of(versions.clone());
    assert_eq!(
        (text(&joined.record), told(&joined)),
        (both, vec!["!identifier[urn:cid]".to_owned()])
    );
    let said: Vec<_> = joined.conflicts[0].said.clone();
    assert_eq!(
        said,
        [(name(1, 1), Some(one.to_owned())), (name(2, 1), Some(other.to_owned()))]
    );
    let old = r#"{"system":"urn:cid","value":"3","use":"old"}"#;
    for settled in [one.to_owned(), format!("{one},{old}")] {
        versions.truncate(4);
        versions.push(version(0, 3, &[name(0, 2)], 50, Some(&patient(&settled))));
        let ended = state_of(versions.clone());
        assert!(told(&ended).is_empty(), "{settled}: {:?}", ended.conflicts);
    }
}

#[test]
fn a_deletion_that_was_beaten_is_settled_by_who_knew_of_it() {
    let patient = |date: &str| format!(r#"{{"resourceType":"Patient","birthDate":"{date}"}}"#);
    let mut versions = vec![
        version(0, 1, &[], 10, Some(&patient("1980"))),
        version(1, 1, &[name(0, 1)], 20, None),
        version(2, 1, &[name(0, 1)], 30, Some(&patient("1982"))),
        version(0, 2, &[name(1, 1), name(2, 1)], 40, Some(&patient("1982"))),
    ];
    let open = state_of(versions.clone());
    assert_eq!(
        (told(&open), text(&open.record)),
        (vec!["!".to_owned()], patient("1982"))
    );
    for settled in [Some(patient("1983")), None] {
        versions.truncate(4);
        versions.push(version(0, 3, &[name(0, 2)], 50, settled.as_deref()));
        assert!(told(&state_of(versions.clone())).is_empty(), "{settled:?}");
    }
}

#[test]
fn what_is_no_history_is_told() {
    let some = |counter, parents: &[u64]| -> Version {
        let parents: Vec<_> = parents.iter().map(|counter| name(0, *counter)).collect();
        version(0, counter, &parents, counter as i64, None)
    };
    let table = [
        (vec![], Invalid::Empty),
        (vec![some(1, &[]), some(1, &[])], Invalid::Twice(name(0, 1))),
        (vec![some(2, &[1])], Invalid::Missing(name(0, 1))),
        (vec![some(1, &[2]), some(2, &[1])], Invalid::Circle),
        ((1..=4_097).map(|n| some(n, &[])).collect(), Invalid::Long),
    ];
    for (versions, expected) in table {
        assert_eq!(History::new(versions).expect_err("no history"), expected);
    }
}

#[test]
fn the_tables_name_what_there_is() {
    let (definitions, rules) = (&**DEFINITIONS, Rules::national());
    for kind in rules.kinds() {
        assert!(
            definitions.is_resource(kind),
            "kinds.tsv names {kind}, which is no kind"
        );
        codes_are_those_of(definitions, rules, kind);
    }
    for of in rules.identities() {
        assert!(
            definitions.type_id(of).is_some(),
            "identity.tsv names {of}, which is no type"
        );
    }
}

fn codes_are_those_of(definitions: &Definitions, rules: &Rules, kind: &str) {
    let Some(state) = rules.of(kind).state() else {
        return;
    };
    let element = definitions.element(&format!("{kind}.{state}"));
    assert!(element.is_some(), "kinds.tsv names {kind}.{state}, which is no element");
}

#[test]
fn a_record_is_its_elements() {
    for (what, base, one, other, ..) in CASES {
        for json in [base, one, other].into_iter().filter(|json| **json != "-") {
            let record = super::tree(json);
            let again = Elements::of(&record, &DEFINITIONS, Rules::national()).record();
            assert_eq!(text(&again), *json, "{what}");
        }
    }
}
