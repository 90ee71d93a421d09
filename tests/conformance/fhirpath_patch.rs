//! FHIRPath Patch: records and patches, both in XML, sent to a server of its own.

use serde_json::Value;
use tests::world::{Engine, World};
use xml::{Document, Limits, Node};

use super::Tally;

const CASES: &str = include_str!("../fixtures/patch/fhirpath-patch.xml");

/// Runs the suite.
pub fn tally() -> Tally {
    let suite = Document::parse(CASES.as_bytes(), Limits::default()).expect("the suite is XML");
    let world = World::new(Engine::Sqlite);
    let cases: Vec<(String, Result<(), String>)> = suite
        .root()
        .elements()
        .map(|case| {
            let name = case.attribute("name").expect("a case has a name").value().into_owned();
            (name, outcome(&world, case))
        })
        .collect();
    Tally::of(
        "FHIRPath Patch",
        "fhir-test-cases 2dee8a0, r4/patch, open part",
        &[],
        cases,
    )
}

fn inner(case: Node<'_>, name: &str) -> Option<String> {
    let part = case.elements().find(|part| part.name() == name)?;
    part.elements().next().map(|resource| resource.standalone())
}

const XML: &[(&str, &str)] = &[("Content-Type", "application/fhir+xml")];

fn outcome(world: &World, case: Node<'_>) -> Result<(), String> {
    let input = inner(case, "input").expect("an input");
    let patch = inner(case, "diff").expect("a patch");
    let made = world.send("POST", "Patient", XML, input.as_bytes()).json();
    let id = made["id"]
        .as_str()
        .ok_or_else(|| format!("the input is refused: {made}"))?;
    let patched = world.send("PATCH", &format!("Patient/{id}"), XML, patch.as_bytes());
    let Some(expected) = inner(case, "output") else {
        return if patched.status >= 400 {
            Ok(())
        } else {
            Err(patched.body)
        };
    };
    let limits = Limits::default();
    let expected =
        xml::read(&conformance::Definitions::r4(), expected.as_bytes(), limits).map_err(|e| e.to_string())?;
    let expected: Value = serde_json::from_slice(&expected).map_err(|e| e.to_string())?;
    let (found, expected) = (without_identity(patched.json()), without_identity(expected));
    match patched.status == 200 && found == expected {
        true => Ok(()),
        false => Err(format!("{} {found} instead of {expected}", patched.status)),
    }
}

/// The record without its id, which the server gave it, and what the server says of it.
fn without_identity(mut record: Value) -> Value {
    if let Some(members) = record.as_object_mut() {
        members.remove("id");
        members.remove("meta");
    }
    record
}
