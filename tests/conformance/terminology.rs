//! The cases of HL7's terminology ecosystem: questions sent over HTTP, with the definitions they need along with each.
//!
//! What is expected is written with `$...$` for what may vary. Texts are compared without spaces and quotation marks: the
//! suite writes the same sentence now with and now without them.

use std::collections::HashMap;
use std::io::Read as _;

use serde_json::{Map, Value, json};
use tests::world::{Engine, World};

use super::Tally;

const SUITE: &[u8] = include_bytes!("../fixtures/terminology/suite.ndjson.gz");

const LOCATION: &str = "expects an issue without `location`, which the other 144 cases with such issues require: \"This \
                        element is deprecated because it is XML specific. It is replaced by issue.expression\" \
                        (https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.location); \
                        both are given, and no rule tells when to leave it out";
const DISPLAY: &str = "expects of version 2.0.0 the display `Display 2`, where that version of its own code system \
                       says `Display #2`: \"A human readable string that is the recommended default way to present \
                       this concept to a user\" \
                       (https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.concept.display)";
const EXCUSES: &[(&str, &str)] = &[
    ("notSelectable/notSelectable-prop-true-true-param-false", LOCATION),
    ("overload/expand-all-merged", DISPLAY),
    ("overload/expand-enum-bad", DISPLAY),
    ("overload/expand-enum-good", DISPLAY),
    ("overload/expand-exclude-versioned", DISPLAY),
    ("overload/validate-all-bad2", LOCATION),
    ("overload/validate-all-bad2v", LOCATION),
    ("overload/validate-bad-enum-code1", LOCATION),
    ("overload/validate-bad-exclude-code1", LOCATION),
    ("overload/validate-bad-unknown", LOCATION),
    ("overload/validate-bad-v1code4", LOCATION),
    ("overload/validate-bad-v2code3", LOCATION),
    ("overload/validate-v1code2-wrongdisplay", LOCATION),
    ("parameters/parameters-validate-supplement-none", LOCATION),
    ("regex-bad/validate-regex-bad", LOCATION),
    ("regex-bad/validate-regex-bad-2", LOCATION),
    ("validation/validation-contained-bad", LOCATION),
    ("validation/validation-contained-good", LOCATION),
];

/// Runs the suite.
pub fn tally() -> Tally {
    let suite = Suite::read();
    let world = World::new(Engine::Sqlite);
    let mut cases: Vec<(String, Result<(), String>)> = Vec::new();
    let empty = Vec::new();
    for group in suite.files["test-cases.json"]["suites"].as_array().unwrap_or(&empty) {
        let setup: Vec<&Value> = strings(&group["setup"]).map(|file| &suite.files[file]).collect();
        for case in group["tests"].as_array().unwrap_or(&empty) {
            let mut name = format!("{}/{}", text(&group["name"]), text(&case["name"]));
            // One name stands twice.
            while cases.iter().any(|(known, _)| *known == name) {
                name.push('\'');
            }
            cases.push((name, suite.run(&world, case, &setup)));
        }
    }
    let version = "fhir-tx-ecosystem-ig 888e84d, open general part";
    Tally::of("Terminology ecosystem", version, EXCUSES, cases)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

struct Suite {
    files: HashMap<String, Value>,
}

impl Suite {
    fn read() -> Suite {
        let mut lines = String::new();
        let mut unpacked = flate2::read::GzDecoder::new(SUITE);
        unpacked.read_to_string(&mut lines).expect("the suite unpacks");
        let file = |line: &str| {
            let mut line: Value = serde_json::from_str(line).expect("a line of JSON");
            (text(&line["file"]).to_owned(), line["content"].take())
        };
        Suite {
            files: lines.lines().map(file).collect(),
        }
    }

    fn run(&self, world: &World, case: &Value, setup: &[&Value]) -> Result<(), String> {
        let mut request = self.files[text(&case["request"])].clone();
        let parameters = request["parameter"]
            .as_array_mut()
            .ok_or("the request is no Parameters")?;
        parameters.extend(
            setup
                .iter()
                .map(|resource| json!({"name": "tx-resource", "resource": resource})),
        );
        for more in ["parameters-default.json", text(&case["profile"])] {
            let more = self.files.get(more).and_then(|more| more["parameter"].as_array());
            parameters.extend(more.into_iter().flatten().cloned());
        }
        let operation = match text(&case["operation"]) {
            "expand" => "ValueSet/$expand",
            "validate-code" => "ValueSet/$validate-code",
            "cs-validate-code" => "CodeSystem/$validate-code",
            "lookup" => "CodeSystem/$lookup",
            _ => "ConceptMap/$translate",
        };
        let mut headers = vec![("Content-Type", "application/fhir+json")];
        let language = case["Accept-Language"].as_str();
        headers.extend(language.map(|language| ("Accept-Language", language)));
        let answer = world.send("POST", operation, &headers, request.to_string().as_bytes());
        let class = case["http-code"].as_str().unwrap_or("200");
        if !class.starts_with(&answer.status.to_string()[..1]) {
            return Err(format!("status {} for {class}", answer.status));
        }
        let compare = Compare {
            sentences: &self.files["messages-tx.fhir.org.json"][text(&case["response"])],
        };
        let mut found = Vec::new();
        compare.value(
            &self.files[text(&case["response"])],
            &later(answer.json()),
            "",
            &mut found,
        );
        found.truncate(3);
        if found.is_empty() {
            Ok(())
        } else {
            Err(found.join("; "))
        }
    }
}

/// An expansion as R5 writes it, in which the suite is written: what R4 has in extensions stands in members.
fn later(value: Value) -> Value {
    const R5: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion.";
    match value {
        Value::Array(items) => items.into_iter().map(later).collect(),
        Value::Object(members) => {
            let mut all: Map<String, Value> = members.into_iter().map(|(name, value)| (name, later(value))).collect();
            if let Some(Value::Array(extensions)) = all.remove("extension") {
                let is = |extension: &Value| text(&extension["url"]).starts_with(R5);
                let (properties, others): (Vec<Value>, Vec<Value>) = extensions.into_iter().partition(is);
                if !others.is_empty() {
                    all.insert("extension".to_owned(), Value::Array(others));
                }
                if !properties.is_empty() {
                    all.insert("property".to_owned(), properties.iter().map(property).collect());
                }
            }
            Value::Object(all)
        }
        other => other,
    }
}

fn property(extension: &Value) -> Value {
    let mut property = Map::new();
    for part in extension["extension"].as_array().into_iter().flatten() {
        let value = part
            .as_object()
            .and_then(|part| part.iter().find(|(name, _)| name.starts_with("value")));
        let Some((member, value)) = value else { continue };
        let name = match text(&part["url"]) {
            "value" => member.clone(),
            name => name.to_owned(),
        };
        property.insert(name, value.clone());
    }
    Value::Object(property)
}

struct Compare<'a> {
    /// The sentences that stand elsewhere, by their number.
    sentences: &'a Value,
}

fn bare(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !"'\"`".contains(*c))
        .collect()
}

fn is_optional(value: &Value) -> bool {
    value.get("$optional$").is_some()
}

impl Compare<'_> {
    fn value(&self, expected: &Value, found: &Value, path: &str, out: &mut Vec<String>) {
        match (expected, found) {
            (Value::String(expected), found) => {
                if !self.text(expected, found) {
                    out.push(format!("{path}: {found} for {expected}"));
                }
            }
            (Value::Object(expected), Value::Object(found)) => self.object(expected, found, path, out),
            (Value::Array(expected), Value::Array(found)) => self.list(expected, found, path, out),
            (expected, found) if expected == found => {}
            (expected, found) => out.push(format!("{path}: {found} for {expected}")),
        }
    }

    fn text(&self, expected: &str, found: &Value) -> bool {
        let Some(found) = found.as_str() else {
            return expected == "$$";
        };
        let inner = expected.strip_prefix('$').and_then(|rest| rest.strip_suffix('$'));
        let Some(inner) = inner else {
            return bare(expected) == bare(found);
        };
        match inner.split_once(':') {
            Some(("choice", choices)) => choices.split('|').any(|choice| choice == found),
            Some(("fragments", _)) => true,
            Some(("external", number)) => {
                let number = number.split(':').next().unwrap_or_default();
                self.sentences[number]
                    .as_str()
                    .is_none_or(|sentence| bare(sentence) == bare(found))
            }
            _ if inner == "uuid" => found.starts_with("urn:uuid:"),
            _ if inner.starts_with("external") => true,
            // Any text: an id, a version, a moment.
            _ => true,
        }
    }

    fn object(&self, expected: &Map<String, Value>, found: &Map<String, Value>, path: &str, out: &mut Vec<String>) {
        let may_lack: Vec<&str> = expected
            .get("$optional-properties$")
            .map(|list| strings(list).collect())
            .unwrap_or_default();
        for (name, value) in expected.iter().filter(|(name, _)| !name.starts_with('$')) {
            let Some(found) = found.get(name) else {
                let all_optional = value.as_array().is_some_and(|items| items.iter().all(is_optional));
                if !may_lack.contains(&name.as_str()) && !all_optional && !is_optional(value) {
                    out.push(format!("{path}.{name} is missing"));
                }
                continue;
            };
            self.value(value, found, &format!("{path}.{name}"), out);
        }
        let extra = found
            .keys()
            .filter(|name| !expected.contains_key(*name) && *name != "id");
        out.extend(extra.map(|name| format!("{path}.{name} is too much")));
    }

    /// In any order: each that is expected takes the first that fits, or else the one it is most like.
    fn list(&self, expected: &[Value], found: &[Value], path: &str, out: &mut Vec<String>) {
        let mut left: Vec<&Value> = found.iter().collect();
        for (i, wanted) in expected.iter().enumerate() {
            let path = format!("{path}[{i}]");
            let judged = left.iter().enumerate().map(|(at, item)| {
                let mut wrong = Vec::new();
                self.value(wanted, item, &path, &mut wrong);
                (wrong, at)
            });
            let best = judged.min_by_key(|(wrong, _)| wrong.len());
            match best {
                Some((wrong, at)) if wrong.is_empty() => drop(left.remove(at)),
                _ if is_optional(wanted) => {}
                Some((wrong, at)) => {
                    left.remove(at);
                    out.extend(wrong);
                }
                None => out.push(format!("{path} is missing")),
            }
        }
        out.extend(left.iter().map(|item| format!("{path}: {item:.120} is too much")));
    }
}
