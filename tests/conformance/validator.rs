//! The validator's suite: records, what is to be found in them, and where; judged by the library, and asked of a server.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::outcome::Severity;
use fhir::parse::Limits;
use serde_json::Value;
use terminology::{Answers, Library};
use tests::world::{Engine, World};
use validation::{Asked, Given, Purpose, Validator};

use super::Tally;

/// Each line a resource by its file's name, or a case.
const CASES: &[u8] = include_bytes!("../fixtures/validator/cases.ndjson.gz");
/// The cases that are held to ask for what R4 does not: case and reason.
const EXCUSES: &str = include_str!("../fixtures/validator/excuses.tsv");
/// The case that a server cannot be asked: what it is judged by is no JSON of R4.
const REFUSED: (&str, &str) = (
    "additional-bindings-observation-2 by profile",
    "its profile has a text where R4 has true or false: \"integer, unsignedInt, positiveInt and decimal are represented as \
     a JSON number, boolean as JSON boolean\" \
     (https://hl7.org/fhir/R4/json.html#primitive), so that a server refuses it",
);
const VERSION: &str = "fhir-test-cases 2dee8a0, validator, open part";

/// Some moment after all that the records tell of: 2026-11-26.
const NOW: i64 = 1_795_660_000_000_000;

/// A record with what it is judged by, and what is to be found.
struct Case {
    name: String,
    record: Arc<Document>,
    profiles: Vec<String>,
    supporting: Vec<Arc<Document>>,
    valid: bool,
    /// Where its errors stand, each a FHIRPath.
    places: Vec<String>,
}

/// An error that was found: its place, and the sentence.
type Found = (String, String);

/// Judges by the library.
pub fn tally() -> Tally {
    let validator = Validator::new(Definitions::r4());
    let outcomes = cases().into_iter().zip(1..).map(|(case, number)| {
        let outcome = case.compare(&judged(&validator, number, &case));
        (case.name, outcome)
    });
    Tally::of("FHIR validator (R4)", VERSION, &excuses(), outcomes)
}

/// Asks a server, with what a case needs written to it first.
pub fn asked_of_a_server() -> Tally {
    let world = World::with(Engine::Sqlite, &["--body-bytes-max", "64MiB"]);
    let outcomes = cases().into_iter().map(|case| {
        let outcome = answered(&world, &case).and_then(|found| case.compare(&found));
        (case.name, outcome)
    });
    let mut excuses = excuses();
    excuses.push(REFUSED);
    Tally::of("FHIR validator (R4), over HTTP", VERSION, &excuses, outcomes)
}

fn excuses() -> Vec<(&'static str, &'static str)> {
    EXCUSES.lines().filter_map(|row| row.split_once('\t')).collect()
}

fn cases() -> Vec<Case> {
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
    let case = |row: &Value| {
        let texts = |name: &str| -> Vec<String> {
            let list = row[name].as_array().expect("a list").iter();
            list.map(|text| text.as_str().expect("a text").to_owned()).collect()
        };
        Case {
            name: row["case"].as_str().expect("a name").to_owned(),
            record: Arc::clone(&files[row["file"].as_str().expect("a file")]),
            profiles: texts("profiles"),
            supporting: texts("supporting")
                .iter()
                .map(|name| Arc::clone(&files[name]))
                .collect(),
            valid: row["valid"].as_bool().expect("true or false"),
            places: texts("at"),
        }
    };
    cases.iter().map(case).collect()
}

impl Case {
    fn kind(&self) -> String {
        let name = self.record.root().string("resourceType");
        name.unwrap_or_default().into_owned()
    }

    /// A case comes out right where valid is valid, and where one of the errors stands at a place where one should.
    fn compare(&self, errors: &[Found]) -> Result<(), String> {
        let told = |(place, text): &Found| format!("{place}: {text}");
        let found = || errors.iter().take(3).map(told).collect::<Vec<_>>().join(" ");
        if self.valid != errors.is_empty() {
            let word = if self.valid { "" } else { "not " };
            return Err(format!("it is {word}valid: {}", found()));
        }
        if self.valid || errors.iter().any(|(place, _)| self.places.contains(place)) {
            return Ok(());
        }
        Err(format!("the errors stand at {}: {}", self.places.join(", "), found()))
    }
}

fn judged(validator: &Validator, number: u64, case: &Case) -> Vec<Found> {
    let given = Given::new(number, case.supporting.iter().cloned());
    let codes = Answers::new(Arc::new(Library::new(Vec::new())), given.clone());
    let asked = Asked {
        profiles: &case.profiles,
        now: NOW,
        purpose: Purpose::Asking,
    };
    let kind = Kind::new(&case.kind()).expect("it names a type");
    let issues = validator.validate(&given, &codes, &kind, case.record.root(), &asked);
    let errors = issues.into_iter().filter(|issue| issue.severity >= Severity::Error);
    errors.map(|issue| (issue.expression, issue.text)).collect()
}

fn answered(world: &World, case: &Case) -> Result<Vec<Found>, String> {
    let json = [("Content-Type", "application/fhir+json")];
    let mut written = Vec::new();
    for definition in &case.supporting {
        let kind = definition.root().string("resourceType").unwrap_or_default();
        // Whatever id it has, it is written under one of its own.
        let answer = world.post(&kind, definition.text());
        if answer.status != 201 {
            return Err(format!("{kind} is refused: {} {:.300}", answer.status, answer.body));
        }
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        written.push(format!("{kind}/{id}"));
    }
    let profiles: Vec<String> = case.profiles.iter().map(|url| format!("profile={url}")).collect();
    let address = format!("{}/$validate?{}", case.kind(), profiles.join("&"));
    let answer = world.send("POST", &address, &json, case.record.text().as_bytes());
    for name in written {
        world.send("DELETE", &name, &[], b"").expect(204);
    }
    if answer.status != 200 {
        return Err(format!("{} {:.300}", answer.status, answer.body));
    }
    let outcome = answer.json();
    let issues = outcome["issue"].as_array().expect("issues").iter();
    let errors = issues.filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(errors
        .map(|issue| (text(&issue["expression"][0]), text(&issue["diagnostics"])))
        .collect())
}
