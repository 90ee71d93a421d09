//! Puts the same records under the same ids into a server.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::ask::Server;

/// Records put at once.
const BATCH: usize = 100;

/// The sample patients, those they refer to, and the hand-made records; references by `urn:uuid` made plain.
pub fn records() -> Vec<Value> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut records = Vec::new();
    for folder in ["fixtures/synthea/common", "fixtures/synthea/patients"] {
        let mut files: Vec<_> = std::fs::read_dir(home.join(folder))
            .expect("the samples are there")
            .map(|file| file.expect("a file").path())
            .collect();
        files.sort();
        files.iter().for_each(|file| add(&read(file), &mut records));
    }
    add(&read(&home.join("differ/records.json")), &mut records);
    let mut newest: BTreeMap<String, Value> = BTreeMap::new();
    for record in records {
        newest.insert(address(&record), record);
    }
    // Those referred to before those that refer, as far as the kinds tell.
    let mut ordered: Vec<Value> = newest.into_values().collect();
    let rank = |record: &Value| {
        let first = [
            "Organization",
            "Practitioner",
            "Location",
            "Patient",
            "Encounter",
            "Condition",
            "Observation",
        ];
        let kind = record["resourceType"].as_str().unwrap_or_default();
        first.iter().position(|known| *known == kind).unwrap_or(first.len())
    };
    ordered.sort_by_key(rank);
    ordered
}

fn address(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().expect("every record has a type and an id");
    format!("{}/{}", text("resourceType"), text("id"))
}

fn read(file: &Path) -> Value {
    let bytes = std::fs::read(file).expect("the file can be read");
    let mut text = String::new();
    if file.extension().is_some_and(|end| end == "gz") {
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .expect("the file is gzip");
    } else {
        text = String::from_utf8(bytes).expect("the file is text");
    }
    serde_json::from_str(&text).expect("the file is JSON")
}

fn add(bundle: &Value, records: &mut Vec<Value>) {
    let entries = || bundle["entry"].as_array().into_iter().flatten();
    let names: BTreeMap<&str, String> = entries()
        .filter_map(|entry| Some((entry["fullUrl"].as_str()?, address(&entry["resource"]))))
        .collect();
    for entry in entries() {
        let mut record = entry["resource"].clone();
        rename(&mut record, &names);
        records.push(record);
    }
}

fn rename(value: &mut Value, names: &BTreeMap<&str, String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("reference")
                && let Some(name) = names.get(text.as_str())
            {
                *text = name.clone();
            }
            members.values_mut().for_each(|member| rename(member, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

/// Puts the records in, in batches; says how many were refused, and the first reason.
pub fn put(server: &Server, records: &[Value]) {
    let (mut refused, mut first) = (0, String::new());
    for chunk in records.chunks(BATCH) {
        let entry = |record: &Value| json!({"resource": record, "request": {"method": "PUT", "url": address(record)}});
        let entries: Vec<Value> = chunk.iter().map(entry).collect();
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
        let request = server
            .agent
            .post(&server.base)
            .header("Content-Type", "application/fhir+json");
        let mut answer = request.send(bundle.as_bytes()).expect("the server takes batches");
        let text = answer
            .body_mut()
            .with_config()
            .limit(1 << 28)
            .read_to_string()
            .unwrap_or_default();
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        for answer in body["entry"].as_array().into_iter().flatten() {
            let status = answer["response"]["status"].as_str().unwrap_or_default();
            if !status.starts_with('2') {
                refused += 1;
                if first.is_empty() {
                    first = answer.to_string();
                }
            }
        }
    }
    eprintln!(
        "{}: {} records put, {refused} refused {first:.300}",
        server.base,
        records.len()
    );
}
