//! The validator's suite: records, what is to be found in them, and where.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::outcome::{Issue, Severity};
use fhir::parse::Limits;
use serde_json::Value;
use terminology::{Answers, Library};
use validation::{Asked, Given, Validator};

use super::Tally;

/// Each line a resource by its file's name, or a case.
const CASES: &[u8] = include_bytes!("../fixtures/validator/cases.ndjson.gz");
const EXCUSES: &str = include_str!("../fixtures/validator/excuses.tsv");

/// Some moment after all that the records tell of: 2026-11-26.
const NOW: i64 = 1_795_660_000_000_000;

/// Runs the suite.
pub fn tally() -> Tally {
    let mut text = String::new();
    let unpacked = flate2::read::GzDecoder::new(CASES).read_to_string(&mut text);
    unpacked.expect("the suite is packed text");
    let limits = Limits {
        bytes: 64 << 20,
        ..Limits::default()
    };
    let (mut files, mut cases) = (HashMap::new(), Vec::new());
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("a row is JSON");
        if row.get("resource").is_some() {
            let whole = Document::parse(line.as_bytes(), limits).expect("a resource is JSON");
            let resource = whole.root().get("resource").expect("it was there").text();
            let kept = Document::parse(resource.as_bytes(), limits).expect("a resource is JSON");
            files.insert(row["file"].as_str().expect("a name").to_owned(), Arc::new(kept));
        } else {
            cases.push(row);
        }
    }
    let validator = Validator::new(Definitions::r4());
    let outcomes = cases.iter().enumerate().map(|(number, case)| {
        let name = case["case"].as_str().expect("a name").to_owned();
        (name, outcome(&validator, number as u64 + 1, case, &files))
    });
    let excuses: Vec<(&str, &'static str)> = EXCUSES.lines().filter_map(|row| row.split_once('\t')).collect();
    Tally::of(
        "FHIR validator (R4)",
        "fhir-test-cases 2dee8a0, validator, open part",
        &excuses,
        outcomes,
    )
}

/// A case comes out right where valid is valid, and where one of the errors stands at a place where one should.
fn outcome(
    validator: &Validator,
    number: u64,
    case: &Value,
    files: &HashMap<String, Arc<Document>>,
) -> Result<(), String> {
    let texts = |name: &str| -> Vec<String> {
        let list = case[name].as_array().expect("a list").iter();
        list.map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    let supporting = texts("supporting");
    let given = Given::new(number, supporting.iter().map(|name| Arc::clone(&files[name])));
    let codes = Answers::new(Arc::new(Library::new(Vec::new())), given.clone());
    let record = &files[case["file"].as_str().expect("a file")];
    let name = record.root().string("resourceType").unwrap_or_default();
    let kind = Kind::new(&name).ok_or("it names no type")?;
    let profiles = texts("profiles");
    let asked = Asked {
        profiles: &profiles,
        now: NOW,
    };
    let mut issues = validator.validate(&given, &codes, &kind, record.root(), &asked);
    issues.retain(|issue| issue.severity >= Severity::Error);
    let valid = case["valid"].as_bool().expect("true or false");
    let told = |issue: &Issue| format!("{}: {}", issue.expression, issue.text);
    let found = || issues.iter().take(3).map(told).collect::<Vec<_>>().join(" ");
    if valid != issues.is_empty() {
        return Err(format!("it is {}valid: {}", if valid { "" } else { "not " }, found()));
    }
    let places = texts("at");
    let at_one = issues.iter().any(|issue| places.contains(&issue.expression));
    if valid || at_one {
        return Ok(());
    }
    Err(format!("the errors stand at {}: {}", places.join(", "), found()))
}
