//! The walk over a record finds what the FHIRPath engine finds, parameter by parameter.

use conformance::ParameterType;
use fhirpath::evaluate::Context;
use fhirpath::expression::Expression;
use fhirpath::value::{Element, Item};

use super::{Sample, registry};
use crate::extract::of_item;
use crate::registry::Parameter;
use crate::sample::{KINDS, Random, record};
use crate::tuple::part_of;
use crate::values::{Entry, Value};

/// What the engine alone finds for every parameter of the record's kind.
fn by_engine(sample: &Sample) -> Vec<Entry> {
    let registry = registry();
    let mut entries = Vec::new();
    for parameter in registry.parameters(&sample.kind) {
        // The engine has no hasExtension(); no sample has such an extension either.
        if parameter.expression.contains("hasExtension") {
            continue;
        }
        if !parameter.components.is_empty() {
            tuples_by_engine(sample, parameter, &mut entries);
            continue;
        }
        let expression =
            Expression::parse(&parameter.expression).unwrap_or_else(|e| panic!("{}: {e}", parameter.expression));
        let focus = Element::resource(&*registry.definitions, sample.document.root());
        let mut context = Context::new(&*registry.definitions, focus, 0);
        context.zone = registry.zone();
        let items = expression
            .evaluate(&context, focus)
            .unwrap_or_else(|e| panic!("{}: {e}", parameter.expression));
        for item in items {
            let param = parameter.id;
            of_item(&registry, parameter.kind, &item, &mut |value: Value| {
                entries.push(Entry { param, value })
            });
        }
    }
    entries
}

/// What the engine finds for a composite: from each base element, every combination of its components' values.
fn tuples_by_engine(sample: &Sample, composite: &Parameter, entries: &mut Vec<Entry>) {
    let registry = registry();
    let root = Element::resource(&*registry.definitions, sample.document.root());
    let mut context = Context::new(&*registry.definitions, root, 0);
    context.zone = registry.zone();
    let base = Expression::parse(&composite.expression).expect("an expression");
    for item in base.evaluate(&context, root).expect("base elements") {
        let Item::Element(focus) = item else {
            panic!("{} yields no element", composite.expression);
        };
        let mut tuples: Vec<Vec<Entry>> = vec![Vec::new()];
        for component in &composite.components {
            // R4 writes one primitive with a capital.
            let expression = component.expression.replace("DateTime", "dateTime");
            let expression = Expression::parse(&expression).expect("an expression");
            let mut values = Vec::new();
            for item in expression.evaluate(&context, focus).expect("values") {
                of_item(&registry, component.kind, &item, &mut |value| {
                    values.extend(part_of(value))
                });
            }
            let longer = tuples.iter().flat_map(|tuple| {
                let with = |value: &Value| {
                    let (param, value) = (component.id, value.clone());
                    tuple.iter().cloned().chain([Entry { param, value }]).collect()
                };
                values.iter().map(with)
            });
            tuples = longer.collect();
        }
        entries.extend(tuples.into_iter().map(|tuple| Entry {
            param: composite.id,
            value: Value::Composite(tuple.into()),
        }));
    }
}

/// Systems left out: only the walk knows those that codes imply.
fn sorted(entries: &[Entry]) -> Vec<String> {
    fn without(value: &Value) -> Value {
        match value.clone() {
            Value::Token { code, text, .. } => Value::Token {
                system: None,
                code,
                text,
            },
            Value::Composite(parts) => Value::Composite(
                parts
                    .iter()
                    .map(|part| Entry {
                        param: part.param,
                        value: without(&part.value),
                    })
                    .collect(),
            ),
            other => other,
        }
    }
    let mut lines: Vec<String> = entries
        .iter()
        .map(|e| format!("{} {:?}", registry().code(e.param).unwrap_or("?"), without(&e.value)))
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

const RECORDS: [&str; 7] = [
    r##"{"resourceType":"Patient","id":"1","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName","valueString":"Zam"}],
        "telecom":[{"system":"email","value":"a@b"},{"system":"phone","value":"1"},{"value":"2"}],"deceasedBoolean":false,
        "generalPractitioner":[{"reference":"#c"},{"reference":"urn:uuid:1"},{"type":"Practitioner","identifier":{"value":"9"}}],
        "contained":[{"resourceType":"Practitioner","id":"c"}]}"##,
    r#"{"resourceType":"Appointment","status":"booked","participant":[{"actor":{"reference":"Patient/1"},"status":"accepted"},
        {"actor":{"reference":"Location/1"},"status":"accepted"},{"actor":{"reference":"http://x.y/fhir/Practitioner/1"},"status":"accepted"}]}"#,
    r#"{"resourceType":"Goal","startDate":"2020","target":[{"dueDate":"2021"},{"dueDuration":{"value":3}}]}"#,
    r#"{"resourceType":"PlanDefinition","useContext":[{"code":{"code":"x"},"valueQuantity":{"value":1,"code":"a"}},
        {"code":{"code":"y"},"valueRange":{"low":{"value":1}}},{"code":{"code":"z"},"valueCodeableConcept":{"text":"t"}}],
        "relatedArtifact":[{"type":"depends-on","resource":"http://a"},{"type":"successor","resource":"http://b|1"}]}"#,
    r#"{"resourceType":"Questionnaire","item":[{"linkId":"1","code":[{"code":"a"}],"item":[{"linkId":"2","code":[{"code":"b"}]}]}]}"#,
    r#"{"resourceType":"MedicationRequest","medicationReference":{"reference":"Medication/1"},"subject":{"reference":"Group/1"},
        "dosageInstruction":[{"timing":{"event":["2020-01-01"]}}]}"#,
    r#"{"resourceType":"MolecularSequence","coordinateSystem":0,"referenceSeq":{"chromosome":{"coding":[{"code":"1"},{"code":"chr1"}]},
        "referenceSeqId":{"coding":[{"code":"NC_000001.11"}]},"windowStart":128,"windowEnd":2048},
        "variant":[{"start":128,"end":129},{"start":777,"end":778},{"start":5}]}"#,
];

#[test]
fn the_walk_agrees_with_the_engine() {
    let mut random = Random::new(2);
    let generated = (0..140).map(|n| record(&mut random, KINDS[n % KINDS.len()], "a1"));
    for json in RECORDS.map(str::to_owned).into_iter().chain(generated) {
        let sample = Sample::new(&json);
        assert_eq!(sorted(&sample.values.entries), sorted(&by_engine(&sample)), "{json}");
    }
}

#[test]
fn every_parameter_is_compiled() {
    let registry = registry();
    assert_eq!(registry.skipped(), []);
    let with_engine: Vec<String> = registry.computed().collect();
    assert_eq!(
        with_engine,
        ["Bundle.composition", "Bundle.message", "Patient.deceased"]
    );
}

#[test]
fn every_component_of_a_composite_finds_values() {
    let (registry, mut count) = (registry(), 0);
    for kind in registry.kinds() {
        let composites = registry
            .parameters(kind)
            .iter()
            .filter(|p| p.kind == ParameterType::Composite);
        for composite in composites {
            count += 1;
            assert!(composite.components.len() >= 2, "{kind}.{}", composite.code);
        }
    }
    assert_eq!(count, 72, "composites, those of several kinds counted for each");
}

#[test]
fn references_know_what_they_may_point_to() {
    let table = [
        ("Observation", "patient", "Patient"),
        ("Appointment", "location", "Location"),
        ("Patient", "organization", "Organization"),
        ("Observation", "subject", "Device Group Location Patient"),
    ];
    for (kind, code, expected) in table {
        let kind = registry().kind(kind).expect("a kind").clone();
        let registry = registry();
        let parameter = registry.parameter(&kind, code).expect("a parameter");
        let targets: Vec<&str> = parameter.targets.iter().map(|k| k.as_str()).collect();
        assert_eq!(targets.join(" "), expected, "{kind}.{code}");
    }
}
