//! SQL on FHIR: views over resources and the rows that must come of them, each asked of a server over HTTP.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tests::world::{Engine, World};

use super::Tally;

/// Runs the suite.
pub fn tally() -> Tally {
    let world = World::new(Engine::Sqlite);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sql-on-fhir");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the suite")
        .flatten()
        .map(|e| e.path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let mut outcomes = Vec::new();
    for file in files {
        let suite: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
        for case in suite["tests"].as_array().expect("cases") {
            let name = format!("{} {}", suite["title"], case["title"]).replace('"', "");
            outcomes.push((name, outcome(&world, &suite["resources"], case)));
        }
    }
    Tally::of("SQL on FHIR", "sql-on-fhir-v2 49fc1ad, open part", &[], outcomes)
}

fn outcome(world: &World, resources: &Value, case: &Value) -> Result<(), String> {
    let mut view = case["view"].clone();
    view["resourceType"] = json!("ViewDefinition");
    let resources = resources.as_array().expect("resources").iter();
    let mut parameters = vec![json!({"name": "viewResource", "resource": view})];
    parameters.extend(resources.map(|resource| json!({"name": "resource", "resource": resource})));
    let asked = json!({"resourceType": "Parameters", "parameter": parameters}).to_string();
    let answer = world.post("ViewDefinition/$viewdefinition-run?_format=ndjson", &asked);
    if case["expectError"] == true {
        let refused = answer.status == 422 && answer.json()["resourceType"] == "OperationOutcome";
        return refused.then_some(()).ok_or(answer.body);
    }
    if answer.status != 200 {
        return Err(answer.body);
    }
    let mut found: Vec<Value> = Vec::new();
    for line in answer.body.lines() {
        found.push(serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?);
    }
    if let Some(count) = case["expectCount"].as_u64() {
        return (found.len() as u64 == count).then_some(()).ok_or(answer.body);
    }
    let expected = case["expect"].as_array().expect("rows");
    let same = sorted(&found) == sorted(expected);
    same.then_some(()).ok_or(answer.body)
}

/// The rows in an order of their own, numbers by their value.
fn sorted(rows: &[Value]) -> Vec<String> {
    let number = |value: &Value| value.as_f64().map_or_else(|| value.clone(), |number| json!(number));
    let row = |row: &Value| {
        let mut cells: Vec<String> = row
            .as_object()
            .expect("a row")
            .iter()
            .map(|(name, value)| format!("{name}={}", number(value)))
            .collect();
        cells.sort();
        cells.join(" ")
    };
    let mut rows: Vec<String> = rows.iter().map(row).collect();
    rows.sort();
    rows
}
