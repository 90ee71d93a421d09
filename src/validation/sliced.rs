//! Profiles in short forms, and what each finds in records: slices of every sort, values, and elements defined elsewhere.

use fhir::outcome::Severity;

use crate::hostile::{judged, profile};

/// A profile, the elements of its differential, and records with the places of their errors.
struct Profiled {
    what: &'static str,
    kind: &'static str,
    elements: &'static str,
    rows: &'static str,
}

const IDENTIFIERS: &str = r#"{"id":"Patient.identifier:one","path":"Patient.identifier","sliceName":"one","min":1,"max":"1"},
    {"id":"Patient.identifier:one.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://s/1"},
    {"id":"Patient.identifier:two","path":"Patient.identifier","sliceName":"two","min":0},
    {"id":"Patient.identifier:two.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://s/2"}"#;

/// How identifiers are sliced, and the records.
const RULES: [(&str, &str); 4] = [
    (
        r#""rules":"open""#,
        "1 => \n 2 => Patient \n 3,1 => \n 1,1 => Patient \n 2,1 => ",
    ),
    (r#""rules":"closed""#, "1 => \n 1,3 => Patient.identifier[1] \n 2,1 => "),
    (
        r#""rules":"openAtEnd""#,
        "1,3 => \n 3,1 => Patient.identifier[1] \n 2,1,3 => ",
    ),
    (
        r#""rules":"open","ordered":true"#,
        "1,2 => \n 2,1 => Patient.identifier[1] \n 1,3,2 => ",
    ),
];

#[test]
fn slices_are_open_closed_and_ordered() {
    for (rules, rows) in RULES {
        let slicing = format!(
            r#"{{"id":"Patient.identifier","path":"Patient.identifier","slicing":{{"discriminator":[{{"type":"value","path":"system"}}],{rules}}}}}"#
        );
        let patient = |numbers: &str| {
            let one = |number: &str| format!(r#"{{"system":"http://s/{number}","value":"x"}}"#);
            let all: Vec<String> = numbers.split(',').map(one).collect();
            format!(r#"{{"resourceType":"Patient","identifier":[{}]}}"#, all.join(","))
        };
        try_rows(rules, "Patient", &format!("{slicing},{IDENTIFIERS}"), rows, patient);
    }
}

fn try_rows(what: &str, kind: &str, elements: &str, rows: &str, record: impl Fn(&str) -> String) {
    let base = format!("http://hl7.org/fhir/StructureDefinition/{kind}");
    let definition = profile("p", kind, &base, elements);
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (short, places) = row.rsplit_once("=>").unwrap_or_else(|| panic!("two columns in {row}"));
        let (_, mut issues) = judged(std::slice::from_ref(&definition), &record(short.trim()), "http://a/p");
        issues.retain(|issue| issue.severity >= Severity::Error);
        let found: Vec<&str> = issues.iter().map(|issue| &*issue.expression).collect();
        assert_eq!(found.join(", "), places.trim(), "{what}: {row}\n{issues:#?}");
    }
}

const PROFILES: [Profiled; 9] = [
    Profiled {
        what: "told apart by whether something is there",
        kind: "Patient",
        elements: r#"{"id":"Patient.name","path":"Patient.name","slicing":{"discriminator":[{"type":"exists","path":"period"}],"rules":"open"}},
            {"id":"Patient.name:old","path":"Patient.name","sliceName":"old","min":0,"max":"1"},
            {"id":"Patient.name:old.period","path":"Patient.name.period","min":1},
            {"id":"Patient.name:now","path":"Patient.name","sliceName":"now","min":1},
            {"id":"Patient.name:now.period","path":"Patient.name.period","max":"0"}"#,
        rows: r#"{"resourceType":"Patient","name":[{"text":"x"},{"text":"y","period":{"start":"2020"}}]} =>
            {"resourceType":"Patient","name":[{"text":"y","period":{"start":"2020"}}]} => Patient"#,
    },
    Profiled {
        what: "told apart by a pattern",
        kind: "Observation",
        elements: r#"{"id":"Observation.component","path":"Observation.component","slicing":{"discriminator":[{"type":"pattern","path":"code"}],"rules":"closed"}},
            {"id":"Observation.component:a","path":"Observation.component","sliceName":"a","min":1},
            {"id":"Observation.component:a.code","path":"Observation.component.code","patternCodeableConcept":{"coding":[{"system":"http://s","code":"a"}]}}"#,
        rows: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"component":[{"code":{"coding":[{"system":"http://s","code":"a"},{"code":"z"}],"text":"A"}}]} =>
            {"resourceType":"Observation","status":"final","code":{"text":"x"},"component":[{"code":{"coding":[{"system":"http://s","code":"b"}]}}]} => Observation.component[0], Observation"#,
    },
    Profiled {
        what: "told apart by type",
        kind: "Observation",
        elements: r#"{"id":"Observation.value[x]","path":"Observation.value[x]","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"closed"}},
            {"id":"Observation.value[x]:valueQuantity","path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]},
            {"id":"Observation.value[x]:valueQuantity.unit","path":"Observation.value[x].unit","min":1}"#,
        rows: r#"{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"unit":"g"}} =>
            {"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1}} => Observation.value.ofType(Quantity)
            {"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"x"} => Observation.value.ofType(string)"#,
    },
    Profiled {
        what: "told apart by the type of a resource",
        kind: "Bundle",
        elements: r#"{"id":"Bundle.entry","path":"Bundle.entry","slicing":{"discriminator":[{"type":"type","path":"resource"}],"rules":"open"}},
            {"id":"Bundle.entry:patient","path":"Bundle.entry","sliceName":"patient","min":1,"max":"1"},
            {"id":"Bundle.entry:patient.resource","path":"Bundle.entry.resource","min":1,"type":[{"code":"Patient"}]}"#,
        rows: r#"{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://b/Patient/1","resource":{"resourceType":"Patient","id":"1"}},{"fullUrl":"http://b/Basic/1","resource":{"resourceType":"Basic","id":"1","code":{"text":"x"}}}]} =>
            {"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://b/Basic/1","resource":{"resourceType":"Basic","id":"1","code":{"text":"x"}}}]} => Bundle"#,
    },
    Profiled {
        what: "told apart by what is referred to",
        kind: "Patient",
        elements: r#"{"id":"Patient.generalPractitioner","path":"Patient.generalPractitioner","slicing":{"discriminator":[{"type":"type","path":"$this.resolve()"}],"rules":"open"}},
            {"id":"Patient.generalPractitioner:org","path":"Patient.generalPractitioner","sliceName":"org","min":1,"type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"]}]}"#,
        rows: r##"{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x"}],"generalPractitioner":[{"reference":"#o"}]} =>
            {"resourceType":"Patient","generalPractitioner":[{"reference":"Organization/1"}]} =>
            {"resourceType":"Patient","generalPractitioner":[{"reference":"Practitioner/1"}]} => Patient"##,
    },
    Profiled {
        what: "told apart by the value of an extension",
        kind: "Patient",
        elements: r#"{"id":"Patient.contact","path":"Patient.contact","slicing":{"discriminator":[{"type":"value","path":"extension('http://example.org/x').value"}],"rules":"open"}},
            {"id":"Patient.contact:x","path":"Patient.contact","sliceName":"x","min":1},
            {"id":"Patient.contact:x.extension","path":"Patient.contact.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
            {"id":"Patient.contact:x.extension:x","path":"Patient.contact.extension","sliceName":"x","min":1,"type":[{"code":"Extension","profile":["http://example.org/x"]}]},
            {"id":"Patient.contact:x.extension:x.url","path":"Patient.contact.extension.url","fixedUri":"http://example.org/x"},
            {"id":"Patient.contact:x.extension:x.value[x]","path":"Patient.contact.extension.value[x]","fixedCode":"right"}"#,
        rows: r#"{"resourceType":"Patient","contact":[{"name":{"text":"x"},"extension":[{"url":"http://example.org/x","valueCode":"right"}]}]} =>
            {"resourceType":"Patient","contact":[{"name":{"text":"x"},"extension":[{"url":"http://example.org/x","valueCode":"wrong"}]}]} => Patient"#,
    },
    Profiled {
        what: "an element that is defined by another",
        kind: "Questionnaire",
        elements: r#"{"path":"Questionnaire.item.item.text","min":1},{"path":"Questionnaire.item.item.item","max":"0"}"#,
        rows: r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"string","text":"x"}]}]} =>
            {"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"string"}]}]} => Questionnaire.item[0].item[0]"#,
    },
    Profiled {
        what: "values that are fixed, bounded or patterns",
        kind: "Patient",
        elements: r#"{"path":"Patient.maritalStatus","patternCodeableConcept":{"coding":[{"code":"M"}]}},{"path":"Patient.name","fixedHumanName":{"text":"x"}},
            {"path":"Patient.birthDate","minValueDate":"1900-01-01"},{"path":"Patient.language","maxLength":2}"#,
        rows: r#"{"resourceType":"Patient","maritalStatus":{"coding":[{"code":"M"}],"text":"y"},"name":[{"text":"x"}],"birthDate":"1900","language":"dz"} =>
            {"resourceType":"Patient","maritalStatus":{"text":"y"}} => Patient.maritalStatus
            {"resourceType":"Patient","name":[{"text":"x","use":"old"}]} => Patient.name[0].use
            {"resourceType":"Patient","birthDate":"1899-12-31"} => Patient.birthDate
            {"resourceType":"Patient","language":"en-US"} => Patient.language"#,
    },
    Profiled {
        what: "a slice that is sliced again",
        kind: "Patient",
        elements: r#"{"id":"Patient.telecom","path":"Patient.telecom","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
            {"id":"Patient.telecom:phone","path":"Patient.telecom","sliceName":"phone","min":0,"slicing":{"discriminator":[{"type":"value","path":"use"}],"rules":"closed"}},
            {"id":"Patient.telecom:phone.system","path":"Patient.telecom.system","min":1,"fixedCode":"phone"},
            {"id":"Patient.telecom:phone/home","path":"Patient.telecom","sliceName":"phone/home","max":"1"},
            {"id":"Patient.telecom:phone/home.use","path":"Patient.telecom.use","min":1,"fixedCode":"home"}"#,
        rows: r#"{"resourceType":"Patient","telecom":[{"system":"phone","use":"home","value":"1"},{"system":"email","value":"2"}]} =>
            {"resourceType":"Patient","telecom":[{"system":"phone","use":"work","value":"1"}]} => Patient.telecom[0]"#,
    },
];

#[test]
fn profiles_find_what_they_say() {
    for Profiled {
        what,
        kind,
        elements,
        rows,
    } in PROFILES
    {
        try_rows(what, kind, elements, rows, str::to_owned);
    }
}
