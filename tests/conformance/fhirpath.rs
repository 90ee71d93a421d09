//! FHIRPath: expressions over resources, and what must come of them.

use std::collections::HashMap;
use std::path::Path;

use conformance::Definitions;
use fhir::document::Document;
use fhir::parse::Limits;
use fhirpath::evaluate::Context;
use fhirpath::expression::Expression;
use fhirpath::model::Model;
use fhirpath::value::{Element, Item};
use serde_json::Value;

use super::Tally;

const CASES: &str = include_str!("../fixtures/fhirpath/cases.json");
/// The moment that stands for now.
const NOW: i64 = 1_714_969_800_000_000;

/// Runs the suite.
pub fn tally() -> Tally {
    let cases: Vec<Value> = serde_json::from_str(CASES).expect("the suite is JSON");
    let inputs: HashMap<String, Document> = cases
        .iter()
        .filter_map(|case| case["input"].as_str())
        .map(|name| (name.to_owned(), input(name)))
        .collect();
    let empty = Document::parse(b"{}", Limits::default()).expect("an object");
    let outcomes = cases.iter().map(|case| {
        let document = case["input"].as_str().map_or(&empty, |name| &inputs[name]);
        let name = format!("{} {}", text(&case["group"]), text(&case["name"]));
        (name, outcome(case, document))
    });
    let version = "fhir-test-cases 2dee8a0, r4/fhirpath, open part";
    Tally::of("FHIRPath", version, &[], outcomes.collect::<Vec<_>>())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn input(name: &str) -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/fhirpath/input")
        .join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Document::parse(&bytes, Limits::default()).expect("an input is JSON")
}

fn outcome(case: &Value, document: &Document) -> Result<(), String> {
    let model = Definitions::r4();
    let invalid = case["invalid"].as_str().is_some();
    let expression = match Expression::parse(text(&case["expression"])) {
        Ok(expression) => expression,
        Err(_) if invalid => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let resource = Element::resource(&*model, document.root());
    let focus = resource.kind.map(|kind| vec![kind]);
    let checked = expression.check(&*model, &focus, case["checkOrderedFunctions"] == "true");
    if let Err(failure) = checked {
        return if invalid { Ok(()) } else { Err(failure.to_string()) };
    }
    let context = Context::new(&*model, resource, NOW);
    let found = match expression.evaluate(&context, resource) {
        Ok(found) => found,
        Err(_) if invalid => return Ok(()),
        Err(failure) => return Err(failure.to_string()),
    };
    let mut found: Vec<(String, String)> = found.iter().map(|item| shown(&*model, item)).collect();
    if invalid {
        return Err(format!("{found:?} of an expression that is invalid"));
    }
    if case["predicate"] == "true" {
        let is = found.first().is_some_and(|(_, value)| value != "false");
        found = vec![("boolean".to_owned(), is.to_string())];
    }
    let outputs = case["outputs"].as_array().expect("outputs");
    let mut expected: Vec<(&str, &str)> = outputs.iter().map(|o| (text(&o[0]), text(&o[1]))).collect();
    if case["ordered"] == "false" {
        found.sort();
        expected.sort_unstable();
    }
    let fits = |((kind, value), (wanted, expected)): (&(String, String), &(&str, &str))| {
        let bare = expected.strip_prefix('@').unwrap_or(expected);
        (wanted.is_empty() || wanted == kind) && bare == value
    };
    let same = found.len() == expected.len() && found.iter().zip(&expected).all(fits);
    same.then_some(()).ok_or_else(|| format!("{found:?}, not {expected:?}"))
}

/// The type and the text of an item, as the suite writes them.
fn shown(model: &dyn Model, item: &Item<'_>) -> (String, String) {
    let value = match item.system(model) {
        Item::Boolean(value) => ("boolean", value.to_string()),
        Item::Integer(value) => ("integer", value.to_string()),
        Item::Decimal(value) => ("decimal", value.to_string()),
        Item::String(value) => ("string", value.into_owned()),
        Item::Date(value) => ("date", value.to_string()),
        Item::DateTime(value) => ("dateTime", value.to_string()),
        Item::Time(value) => ("time", value.to_string()),
        Item::Quantity(value) => ("Quantity", value.to_string()),
        other => ("", format!("{other:?}")),
    };
    let own = item
        .element()
        .and_then(|element| element.kind)
        .map(|kind| model.type_name(kind));
    (own.unwrap_or(value.0).to_owned(), value.1)
}
