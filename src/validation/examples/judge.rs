//! Judges cases from the standard input, one a line: `{"name", "resource", "profiles": [url], "supporting": [resource]}`.
//!
//! For trying rules out: `cargo run -p validation --example judge < cases.ndjson` prints `{"name", "outcome"}` a line.

use std::io::{BufRead, Write};
use std::sync::Arc;

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::outcome::write_outcome;
use fhir::parse::Limits;
use terminology::{Answers, Library};
use validation::{Asked, Given, Purpose, Validator};

fn document(value: &serde_json::Value) -> Arc<Document> {
    let limits = Limits {
        bytes: 64 << 20,
        ..Limits::default()
    };
    Arc::new(Document::parse(value.to_string().as_bytes(), limits).expect("JSON"))
}

fn main() {
    let validator = Validator::new(Definitions::r4());
    let mut out = std::io::stdout().lock();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let case: serde_json::Value = serde_json::from_str(&line.expect("UTF-8")).expect("a case a line");
        let list = |name: &str| case[name].as_array().cloned().unwrap_or_default();
        let given = Given::new(number as u64 + 1, list("supporting").iter().map(document));
        let codes = Answers::new(Arc::new(Library::new(Vec::new())), given.clone());
        let profiles = list("profiles");
        let profiles: Vec<String> = profiles
            .iter()
            .filter_map(|one| one.as_str().map(str::to_owned))
            .collect();
        let record = document(&case["resource"]);
        let kind = record.root().string("resourceType").and_then(|name| Kind::new(&name));
        let asked = Asked {
            profiles: &profiles,
            now: 1_795_660_000_000_000,
            purpose: Purpose::Asking,
        };
        let issues = validator.validate(&given, &codes, &kind.expect("a type"), record.root(), &asked);
        let mut outcome = Vec::new();
        write_outcome(&issues, &mut outcome);
        let outcome = String::from_utf8(outcome).expect("UTF-8");
        writeln!(out, "{{\"name\":{},\"outcome\":{outcome}}}", case["name"]).expect("the output is open");
    }
}
