//! The International Patient Summary that the server makes is valid by the profiles of IPS itself.

use serde_json::{Value, json};
use tests::world::{Engine, World};

const BUNDLE: &str = "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips";

/// What one patient has on record, in a transaction.
fn records() -> Value {
    let subject = json!({"reference": "Patient/p"});
    let coded = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let state = |name: &str, code: &str| coded(&format!("http://terminology.hl7.org/CodeSystem/{name}"), code);
    let records = [
        json!({"resourceType": "Patient", "id": "p", "name": [{"text": "Sonam Dorji"}], "gender": "male", "birthDate": "1960"}),
        json!({"resourceType": "Condition", "id": "c", "subject": subject, "code": {"text": "Influenza"},
            "clinicalStatus": state("condition-clinical", "active"),
            "verificationStatus": state("condition-ver-status", "confirmed")}),
        json!({"resourceType": "AllergyIntolerance", "id": "a", "patient": subject, "code": {"text": "Peanut"},
            "clinicalStatus": state("allergyintolerance-clinical", "active"),
            "verificationStatus": state("allergyintolerance-verification", "confirmed")}),
        json!({"resourceType": "MedicationRequest", "id": "m", "status": "active", "intent": "order", "subject": subject,
            "medicationCodeableConcept": {"text": "Amoxicillin"}}),
        json!({"resourceType": "Immunization", "id": "i", "status": "completed", "patient": subject,
            "vaccineCode": {"text": "BCG"}, "occurrenceDateTime": "1960-05-01"}),
        json!({"resourceType": "Observation", "id": "o", "status": "final", "subject": subject,
            "category": [state("observation-category", "vital-signs")], "code": coded("http://loinc.org", "8867-4"),
            "effectiveDateTime": "2020-01-01",
            "valueQuantity": {"value": 60, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"}}),
        json!({"resourceType": "Procedure", "id": "s", "status": "completed", "subject": subject,
            "code": {"text": "Appendectomy"}, "performedDateTime": "2001-02"}),
    ];
    let entry = |record: &Value| {
        let url = format!(
            "{}/{}",
            record["resourceType"].as_str().expect("a type"),
            record["id"].as_str().expect("an id")
        );
        json!({"resource": record, "request": {"method": "PUT", "url": url}})
    };
    json!({"resourceType": "Bundle", "type": "transaction", "entry": records.iter().map(entry).collect::<Vec<_>>()})
}

/// The errors of a document, as the server finds them by the profile of its Bundle.
fn errors(world: &World, bundle: &Value) -> Vec<String> {
    assert_eq!(bundle["meta"]["profile"][0], BUNDLE);
    let outcome = world.post("Bundle/$validate", &bundle.to_string()).expect(200).json();
    let issues = outcome["issue"].as_array().expect("issues").iter();
    let unknown = |issue: &&Value| {
        issue["diagnostics"]
            .as_str()
            .is_some_and(|text| text.starts_with("The profile"))
    };
    assert_eq!(issues.clone().find(unknown), None);
    issues
        .filter(|issue| issue["severity"] == "error")
        .map(|issue| format!("{}: {}", issue["expression"][0], issue["diagnostics"]))
        .collect()
}

#[test]
fn a_summary_is_valid_by_its_own_profiles() {
    let world = World::new(Engine::Sqlite);
    world.post("", &records().to_string()).expect(200);
    world.put(
        "Patient/bare",
        r#"{"resourceType":"Patient","id":"bare","name":[{"text":"Pema"}],"birthDate":"2001"}"#,
    );
    for (patient, sections) in [("p", 6), ("bare", 3)] {
        let summary = world.get(&format!("Patient/{patient}/$summary")).expect(200).json();
        let found = summary["entry"][0]["resource"]["section"]
            .as_array()
            .expect("sections")
            .len();
        assert_eq!(found, sections, "{patient}: {summary}");
        assert_eq!(errors(&world, &summary), Vec::<String>::new(), "{patient}: {summary}");
    }
}

#[test]
fn what_a_summary_must_have_is_missed() {
    let world = World::new(Engine::Sqlite);
    world.post("", &records().to_string()).expect(200);
    let summary = world.get("Patient/p/$summary").expect(200).json();
    type Spoil = fn(&mut Value);
    let table: [(&str, Spoil); 4] = [
        ("sectionProblems` is needed", |bundle| {
            let sections = bundle["entry"][0]["resource"]["section"].as_array_mut();
            drop(sections.expect("sections").remove(0));
        }),
        ("Patient-uv-ips", |bundle| {
            let patient = bundle["entry"][1]["resource"].as_object_mut();
            drop(patient.expect("a patient").remove("birthDate"));
        }),
        ("The rule bdl-9 does not hold", |bundle| {
            drop(bundle.as_object_mut().expect("a bundle").remove("identifier"));
        }),
        ("not linked with the first", |bundle| {
            let entry = json!({"fullUrl": "http://elsewhere/Organization/1",
                "resource": {"resourceType": "Organization", "id": "1", "name": "x"}});
            bundle["entry"].as_array_mut().expect("entries").push(entry);
        }),
    ];
    for (text, spoil) in table {
        let mut spoiled = summary.clone();
        spoil(&mut spoiled);
        let found = errors(&world, &spoiled);
        assert!(found.iter().any(|error| error.contains(text)), "{text}: {found:#?}");
    }
}
