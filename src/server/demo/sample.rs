//! Who the walk is about, and what is written of her where.

use serde_json::{Value, json};

/// What she is called.
pub const NAME: &str = "Pema Lhamo";

/// Her telephone as it is registered, and as it is.
pub const TELEPHONE: [&str; 2] = ["17 65 43 12", "17 65 43 21"];
/// Where she lives as it is registered, and where she has moved: village and gewog.
pub const ADDRESS: [(&str, &str, &str); 2] = [("Toko", "Laya", "BT0403"), ("Thanza", "Lunana", "BT0404")];
/// When she was born: as it is registered, as Laya finds it, and as Lunana does.
pub const BORN: [&str; 3] = ["1987-01-01", "1987-03-14", "1987-04-13"];
/// What she is allergic to.
pub const ALLERGY: &str = "Penicillin";

/// The code of what a person has to settle.
pub const CONFLICT: &str = "urn:epis:bt:conflict|settle-conflict";

/// Her record as it is registered. The citizen number differs from walk to walk, as no two records may share one.
pub fn patient(citizen: u64) -> Value {
    json!({
        "resourceType": "Patient",
        "active": true,
        "identifier": [{"system": "http://id.gov.bt/citizen", "value": format!("104{:08}", citizen % 100_000_000)}],
        "name": [{"use": "official", "text": NAME, "given": ["Pema", "Lhamo"]}],
        "gender": "female",
        "birthDate": BORN[0],
        "telecom": [{"system": "phone", "use": "mobile", "value": TELEPHONE[0]}],
        "address": [address(ADDRESS[0])],
    })
}

/// An address.
pub fn address((village, gewog, code): (&str, &str, &str)) -> Value {
    json!({
        "extension": [{
            "url": "http://fhir.moh.gov.bt/StructureDefinition/bt-gewog",
            "valueCoding": {"system": "urn:epis:bt:p-code", "code": code, "display": gewog},
        }],
        "use": "home",
        "line": [village],
        "city": gewog,
        "country": "BT",
    })
}

/// Changes of elements, as a JSON Patch.
pub fn changes(elements: &[(&str, Value)]) -> Value {
    let change = |(path, value): &(&str, Value)| json!({"op": "replace", "path": path, "value": value});
    elements.iter().map(change).collect()
}

/// Her allergy, as Laya records it.
pub fn allergy(patient: &str) -> Value {
    json!({
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", None),
        "verificationStatus": coded("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed", None),
        "type": "allergy",
        "category": ["medication"],
        "criticality": "high",
        "code": {"text": ALLERGY},
        "patient": {"reference": format!("Patient/{patient}")},
        "reaction": [{"manifestation": [{"text": "Hives"}]}],
    })
}

/// Her visit at Lunana: a transaction of an encounter and five vital signs.
pub fn visit(patient: &str, now: &str) -> Value {
    let fever = "urn:uuid:6f1c7c52-0b8e-4a51-9e2c-3f0f6d7a1b04";
    let encounter = json!({
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB", "display": "ambulatory"},
        "subject": {"reference": format!("Patient/{patient}"), "display": NAME},
        "period": {"start": now, "end": now},
        "reasonCode": [{"text": "Fever for three days"}],
    });
    let signs = [
        ("8310-5", "Body temperature", 38.6, "Cel"),
        ("8867-4", "Heart rate", 96.0, "/min"),
        ("9279-1", "Respiratory rate", 20.0, "/min"),
        (
            "59408-5",
            "Oxygen saturation in Arterial blood by Pulse oximetry",
            91.0,
            "%",
        ),
        ("29463-7", "Body weight", 54.2, "kg"),
    ];
    let entry = |full: Option<&str>, record: Value| {
        let mut entry = json!({"request": {"method": "POST", "url": record["resourceType"]}, "resource": record});
        if let Some(full) = full {
            entry["fullUrl"] = json!(full);
        }
        entry
    };
    let observation = |(code, display, value, unit): (&str, &str, f64, &str)| {
        json!({
            "resourceType": "Observation",
            "status": "final",
            "category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", None)],
            "code": coded("http://loinc.org", code, Some(display)),
            "subject": {"reference": format!("Patient/{patient}")},
            "encounter": {"reference": fever},
            "effectiveDateTime": now,
            "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        })
    };
    let mut entries = vec![entry(Some(fever), encounter)];
    entries.extend(signs.map(|sign| entry(None, observation(sign))));
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries})
}

/// How many records a visit is.
pub const VISIT_RECORDS: u64 = 6;

fn coded(system: &str, code: &str, display: Option<&str>) -> Value {
    let mut coding = json!({"system": system, "code": code});
    if let Some(display) = display {
        coding["display"] = json!(display);
    }
    json!({"coding": [coding]})
}
