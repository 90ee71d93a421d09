//! Judges cases from the standard input, one a line: `{"name", "resource", "profiles": [url], "supporting": [resource]}`.
//!
//! For trying rules out: `cargo run -p validation --example judge < cases.ndjson` prints `{"name", "issues"}` a line.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::outcome::write_outcome;
use fhir::parse::Limits;
use validation::{Asked, Library, Validator};

/// The supporting resources of one case.
struct Supporting(HashMap<(String, String), Arc<Document>>, u64);

impl Library for Supporting {
    fn definition(&self, kind: &str, address: &str) -> Option<Arc<Document>> {
        let (url, version) = address.split_once('|').map_or((address, None), |(u, v)| (u, Some(v)));
        let versioned = version.and_then(|v| self.0.get(&(kind.to_owned(), format!("{url}|{v}"))));
        let found = match version {
            Some(_) => versioned,
            None => self.0.get(&(kind.to_owned(), url.to_owned())),
        };
        found.cloned()
    }

    fn record(&self, _kind: &str, _id: &str) -> Option<Arc<Document>> {
        None
    }

    fn generation(&self) -> u64 {
        self.1
    }
}

fn document(value: &serde_json::Value) -> Arc<Document> {
    let text = value.to_string();
    Arc::new(Document::parse(text.as_bytes(), Limits::default()).expect("JSON"))
}

fn main() {
    let validator = Validator::new(Definitions::r4());
    let mut out = std::io::stdout().lock();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let case: serde_json::Value = serde_json::from_str(&line.expect("UTF-8")).expect("a case a line");
        let mut supporting = Supporting(HashMap::new(), number as u64 + 1);
        for resource in case["supporting"].as_array().into_iter().flatten() {
            let text = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
            let kept = document(resource);
            for address in [text("url"), format!("{}|{}", text("url"), text("version"))] {
                supporting.0.insert((text("resourceType"), address), Arc::clone(&kept));
            }
        }
        let strings = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let profiles: Vec<String> = case["profiles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(strings)
            .collect();
        let record = document(&case["resource"]);
        let kind = case["resource"]["resourceType"]
            .as_str()
            .and_then(Kind::new)
            .expect("a type");
        let asked = Asked {
            profiles: &profiles,
            now: 1_795_660_000_000_000,
        };
        let issues = validator.validate(&supporting, &*terminology::standard(), &kind, record.root(), &asked);
        let mut outcome = Vec::new();
        write_outcome(&issues, &mut outcome);
        let outcome = String::from_utf8(outcome).expect("UTF-8");
        writeln!(out, "{{\"name\":{},\"outcome\":{outcome}}}", case["name"]).expect("the output is open");
    }
}
