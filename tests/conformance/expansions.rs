//! HL7's own expansions of the value sets of R4, against `$expand`: the same systems and codes.

use std::collections::BTreeSet;
use std::io::Read as _;

use serde_json::Value;
use tests::world::{Engine, World};

use super::Tally;

const EXPANSIONS: &[u8] = include_bytes!("../fixtures/expansions/expansions.ndjson.gz");

const DEPRECATED: &str = "leaves out codes that are deprecated: \"Concepts that are deprecated but not inactive can \
                          still be used, but their use is discouraged\" \
                          (https://hl7.org/fhir/R4/codesystem-concept-properties.html)";
const ABSENT: &str = "draws on a system whose codes R4 does not publish: \"None of the concepts defined by the \
                      code system are included in the code system resource\" \
                      (https://hl7.org/fhir/R4/valueset-codesystem-content-mode.html, not-present), and with \
                      \"incomplete definitions\" a server \"SHALL return an error\" \
                      (https://hl7.org/fhir/R4/valueset-operation-expand.html)";
const EXAMPLE: &str = "draws on a system with \"A few representative concepts\": \"it's not intended to be \
                       workable\" (https://hl7.org/fhir/R4/valueset-codesystem-content-mode.html, example), and with \
                       \"incomplete definitions\" a server \"SHALL return an error\" \
                       (https://hl7.org/fhir/R4/valueset-operation-expand.html)";
const CHILD: &str = "leaves out codes that lie below another only by the property child: \"The concept identified \
                     in this property is a child of the concept on which it is a property\" \
                     (https://hl7.org/fhir/R4/codesystem-concept-properties.html)";
const PINNED: &str = "asks for version 3.6.0 of a system that R4 has in version 4.0.1: \"When a server cannot \
                      correctly expand a value set because it does not fully understand the code systems (e.g. it \
                      has the wrong version, or incomplete definitions) then it SHALL return an error\" \
                      (https://hl7.org/fhir/R4/valueset-operation-expand.html)";
const GRAMMAR: &str = "lists none or some of the codes of a system that a grammar makes without end: \"If the \
                       expansion is too large (at the discretion of the server), the server MAY return an error \
                       (OperationOutcome with code too-costly)\" \
                       (https://hl7.org/fhir/R4/valueset-operation-expand.html)";
const EXCUSES: &[(&str, &str)] = &[
    (
        "http://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_CID_29.html",
        ABSENT,
    ),
    ("http://hl7.org/fhir/ValueSet/appointment-cancellation-reason", EXAMPLE),
    ("http://hl7.org/fhir/ValueSet/consent-content-class", ABSENT),
    ("http://hl7.org/fhir/ValueSet/detectedissue-category", CHILD),
    ("http://hl7.org/fhir/ValueSet/diagnostic-service-sections", DEPRECATED),
    ("http://hl7.org/fhir/ValueSet/formatcodes", ABSENT),
    ("http://hl7.org/fhir/ValueSet/mimetypes", GRAMMAR),
    (
        "http://hl7.org/fhir/ValueSet/relatedperson-relationshiptype",
        DEPRECATED,
    ),
    ("http://hl7.org/fhir/ValueSet/security-labels", DEPRECATED),
    ("http://hl7.org/fhir/ValueSet/service-category", EXAMPLE),
    ("http://hl7.org/fhir/ValueSet/service-type", EXAMPLE),
    ("http://hl7.org/fhir/ValueSet/task-code", PINNED),
    ("http://hl7.org/fhir/ValueSet/ucum-units", GRAMMAR),
    ("http://hl7.org/fhir/ValueSet/vaccine-code", ABSENT),
    ("http://terminology.hl7.org/ValueSet/v2-0487", DEPRECATED),
    ("http://terminology.hl7.org/ValueSet/v2-0916", DEPRECATED),
    ("http://terminology.hl7.org/ValueSet/v3-ActPharmacySupplyType", CHILD),
];

/// Runs the suite.
pub fn tally() -> Tally {
    let mut lines = String::new();
    let mut unpacked = flate2::read::GzDecoder::new(EXPANSIONS);
    unpacked.read_to_string(&mut lines).expect("the suite unpacks");
    let world = World::new(Engine::Sqlite);
    let cases: Vec<(String, Result<(), String>)> = lines
        .lines()
        .map(|line| {
            let case: Value = serde_json::from_str(line).expect("a line of JSON");
            let url = case["url"].as_str().expect("a url");
            (url.to_owned(), run(&world, url, &case["codes"]))
        })
        .collect();
    Tally::of(
        "HL7's expansions",
        "hl7.fhir.r4.expansions 4.0.1, open part",
        EXCUSES,
        cases,
    )
}

fn run(world: &World, url: &str, codes: &Value) -> Result<(), String> {
    let path = format!("ValueSet/$expand?excludeNested=true&excludeNotForUI=true&count=10000&url={url}");
    let answer = world.get(&path);
    if answer.status != 200 {
        return Err(format!("{} {:.300}", answer.status, answer.body));
    }
    let mut expected = BTreeSet::new();
    for (system, codes) in codes.as_object().into_iter().flatten() {
        let codes = codes.as_array().into_iter().flatten().filter_map(Value::as_str);
        expected.extend(codes.map(|code| (system.clone(), code.to_owned())));
    }
    let json = answer.json();
    let contains = json["expansion"]["contains"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found: BTreeSet<(String, String)> = contains
        .map(|code| (text(&code["system"]), text(&code["code"])))
        .collect();
    let missing: Vec<_> = expected.difference(&found).take(3).collect();
    let extra: Vec<_> = found.difference(&expected).take(3).collect();
    match missing.is_empty() && extra.is_empty() {
        true => Ok(()),
        false => Err(format!("missing {missing:?}, too many {extra:?}")),
    }
}
