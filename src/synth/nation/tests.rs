//! The nation under test: the same bytes for the same plan, valid records, true duplicates.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::moment::days_from_civil;
use fhir::outcome::Severity;
use fhir::parse::Limits;
use validation::{Asked, Purpose, Validator};

use super::*;

fn plan(people: u64, seed: u64) -> Plan {
    Plan {
        people,
        seed,
        duplicates: 100,
        visits: Some(2023..=2024),
        today: days_from_civil(2025, 12, 31),
    }
}

fn records(plan: &Plan) -> Vec<(&'static str, Vec<u8>)> {
    let mut records = Vec::new();
    Nation::new(plan.clone()).each(&mut |entry| {
        if let Entry::Record(kind, record) = entry {
            records.push((kind, record.to_bytes()));
        }
        true
    });
    records
}

#[test]
fn a_plan_makes_the_same_bytes_again_and_a_seed_others() {
    let one = records(&plan(800, 1));
    assert_eq!(one, records(&plan(800, 1)));
    assert_ne!(one, records(&plan(800, 2)));
    // Golden: whoever changes what is drawn changes every figure that was ever published of a seed.
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in one.iter().flat_map(|(_, bytes)| bytes) {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    assert_eq!(
        (one.len(), format!("{sum:016x}").as_str()),
        (22_793, "0ca0d3c20a572374")
    );
}

#[test]
fn every_record_is_valid_by_its_national_profile() {
    let definitions = Definitions::r4();
    let validator = Validator::new(Arc::clone(&definitions));
    let mut kinds: HashMap<&str, u32> = HashMap::new();
    for (kind, bytes) in records(&plan(300, 3)) {
        let seen = kinds.entry(kind).or_default();
        *seen += 1;
        // Hundreds of the same kind of observation would show nothing more.
        if *seen > 400 {
            continue;
        }
        let document = Document::parse(&bytes, Limits::default()).unwrap();
        let asked = Asked {
            profiles: &[],
            now: 0,
            purpose: Purpose::Asking,
        };
        let issues = validator.validate(
            &validation::library::Empty,
            &*terminology::standard(),
            &Kind::new(kind).unwrap(),
            document.root(),
            &asked,
        );
        let errors: Vec<_> = issues
            .iter()
            .filter(|issue| issue.severity >= Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{errors:?} in {}", document.text());
    }
    assert_eq!(kinds.len(), 6, "{kinds:?}");
}

#[test]
fn duplicates_are_told_beside_the_records_and_references_lead_somewhere() {
    let (mut ids, mut truth, mut subjects) = (HashSet::new(), Vec::new(), Vec::new());
    Nation::new(plan(2_000, 4)).each(&mut |entry| {
        match entry {
            Entry::Record("Patient", record) => {
                assert!(ids.insert(record.get("id").unwrap().as_str().unwrap().to_owned()));
                let text = String::from_utf8(record.to_bytes()).unwrap();
                assert!(!text.contains("duplicate"), "the matcher is told nothing");
            }
            Entry::Record(_, record) => {
                let subject = record
                    .get("subject")
                    .unwrap()
                    .get("reference")
                    .unwrap()
                    .as_str()
                    .unwrap();
                subjects.push(subject.trim_start_matches("Patient/").to_owned());
            }
            Entry::Truth(second, first) => truth.push((second.to_owned(), first.to_owned())),
            Entry::Person(_) => {}
        }
        true
    });
    assert!((150..250).contains(&truth.len()) && ids.len() == 2_000 + truth.len());
    assert!(
        truth
            .iter()
            .all(|(second, first)| ids.contains(second) && ids.contains(first) && second != first)
    );
    assert!(subjects.len() > 1_000 && subjects.iter().all(|subject| ids.contains(subject)));
}

#[test]
fn whoever_has_enough_can_stop() {
    let mut count = 0;
    Nation::new(plan(1_000_000, 5)).each(&mut |_| {
        count += 1;
        count < 10
    });
    assert_eq!(count, 10);
}
