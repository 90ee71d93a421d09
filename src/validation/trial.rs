//! Records in short forms, and what is to be found in each: the tables that the room's tests are.

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::outcome::{Issue, Severity};
use fhir::parse::Limits;

use crate::library::Empty;
use crate::{Asked, Purpose, Validator};

/// Judges a record, by a profile where one is named.
fn judged(validator: &Validator, text: &str, profile: &str) -> Vec<Issue> {
    let document = Document::parse(text.as_bytes(), Limits::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
    let kind = document.root().string("resourceType").unwrap();
    let profiles: Vec<String> = Some(profile.to_owned())
        .filter(|url| !url.is_empty())
        .into_iter()
        .collect();
    let asked = Asked {
        profiles: &profiles,
        now: 1_795_660_000_000_000,
        purpose: Purpose::Asking,
    };
    let root = document.root();
    validator.validate(
        &Empty,
        &*terminology::standard(),
        &Kind::new(&kind).unwrap(),
        root,
        &asked,
    )
}

/// Tries a table: a row has the record, the places of the errors in order, and part of the first sentence. `forms`
/// turns the short form of a record into JSON.
fn try_all(table: &str, profile: &str, forms: impl Fn(&str) -> String) {
    let validator = Validator::new(Definitions::r4());
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let columns: Vec<&str> = row.split("=>").map(str::trim).collect();
        let [record, places, part] = columns[..] else {
            panic!("three columns in: {row}")
        };
        let mut issues = judged(&validator, &forms(record), profile);
        issues.retain(|issue| issue.severity >= Severity::Error);
        let found: Vec<&str> = issues.iter().map(|issue| &*issue.expression).collect();
        assert_eq!(found.join(", "), places, "{row}\n{issues:#?}");
        let first = issues.first().map_or("", |issue| &issue.text);
        assert!(first.contains(part), "{row}: {first}");
        assert!(issues.iter().all(|issue| issue.text.ends_with('.')), "{row}");
    }
}

/// `P` begins a Patient, `O` an Observation with what it must have, `B` a collection; anything else is JSON.
fn expand(row: &str) -> String {
    let (letter, rest) = row.split_at(1);
    match letter {
        "P" => format!("{{\"resourceType\":\"Patient\"{rest}}}"),
        "O" => format!("{{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{{\"text\":\"x\"}}{rest}}}"),
        "B" => format!("{{\"resourceType\":\"Bundle\",\"type\":\"collection\"{rest}}}"),
        _ => row.to_owned(),
    }
}

const BASE: &str = r##"
    P,"gender":"male"  =>  =>
    P,"gender":"man"  => Patient.gender => `man` must be a code
    P,"contact":[{"gender":"male"}]  => Patient.contact[0] => pat-1
    P,"maritalStatus":{"text":"married"}  =>  =>
    P,"multipleBirthBoolean":true,"generalPractitioner":[{"reference":"Patient/1"}]  => Patient.generalPractitioner[0] => refers to Patient
    P,"generalPractitioner":[{"reference":"Chicken/1"}]  => Patient.generalPractitioner[0] => Chicken
    P,"generalPractitioner":[{"reference":"nowhere"}]  => Patient.generalPractitioner[0] => no reference
    P,"generalPractitioner":[{"reference":"#x"}]  => Patient.generalPractitioner[0] => ref-1
    P,"generalPractitioner":[{"reference":"#x"}],"contained":[{"resourceType":"Organization","id":"x","name":"y"}]  =>  =>
    P,"contained":[{"resourceType":"Organization","id":"x","name":"y"}]  => Patient.contained[0] => dom-3
    P,"extension":[{"url":"http://nobody.knows/this","valueString":"x"}]  => Patient.extension[0] => Nothing is known here
    P,"extension":[{"url":"http://example.org/this","valueString":"x"},{"url":"http://fhir.example.org/this","valueString":"x"}]  =>  =>
    P,"extension":[{"url":"http://badexample.org/this","valueString":"x"}]  => Patient.extension[0] => Nothing is known here
    P,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/of-a-later-release","valueString":"x"}]  =>  =>
    P,"extension":[{"url":"http://hl7.org/fhir/build/StructureDefinition/x","valueString":"x"}]  =>  =>
    P,"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","valueString":"x"}]  => Patient.extension[0] => Nothing is known here
    P,"modifierExtension":[{"url":"http://nobody.knows/this","valueString":"x"}]  => Patient.modifierExtension[0] => may change
    P,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired","valueString":"x"}]  => Patient.extension[0] => allows boolean
    P,"name":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/humanname-own-prefix","valueString":"x"}]}]  => Patient.name[0] => may not stand here
    P,"identifier":[{"id":"a","value":"x"},{"id":"a","value":"y"}]  => Patient.identifier[1] => has the id
    P,"photo":[{"contentType":"image/png","size":3,"data":"eHh4eA=="}]  => Patient.photo[0] => 3 bytes
    P,"meta":{"profile":["http://hl7.org/fhir/StructureDefinition/Observation"]}  => Patient => is for Observation
    O,"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"}  =>  =>
    O,"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"none"}]}]  => Observation.interpretation[0].coding[0].code => has no code
    O,"category":[{"coding":[{"system":"not-absolute","code":"x"}]}]  => Observation.category[0].coding[0].system => must be absolute
    O,"effectivePeriod":{"start":"2020-02","end":"2020-01"}  => Observation.effective.ofType(Period) => per-1
    B,"entry":[{"fullUrl":"Patient/1","resource":{"resourceType":"Patient","id":"1"}}]  => Bundle.entry[0] => not absolute
    B,"entry":[{"fullUrl":"http://a.b/Patient/1","resource":{"resourceType":"Patient","id":"2"}}]  => Bundle.entry[0] => ends in 1
    B,"entry":[{"resource":{"resourceType":"Patient","id":"2"}}]  => Bundle.entry[0] => fullUrl
    B,"entry":[{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient","gender":"x"}}]  => Bundle.entry[0].resource.gender => must be a code
    {"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/request-doNotPerform","valueBoolean":true}]}  => ServiceRequest, ServiceRequest.extension[0] => only on NutritionOrder
    {"resourceType":"StructureDefinition","url":"http://a/b","name":"B","status":"draft","kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient.birthDate","path":"Patient.birthDate","max":"2","type":[{"code":"string"}]},{"id":"Patient.gender","path":"Patient.gender","binding":{"strength":"example"}},{"id":"Patient.active","path":"Patient.active","binding":{"strength":"example"}}]}}  => StructureDefinition.differential.element[0].max, StructureDefinition.differential.element[0].type[0], StructureDefinition.differential.element[1].binding, StructureDefinition.differential.element[2] => at most
    P,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:oid:1.2\">x</a></div>"}  => Patient.text.div => nobody can follow
    P,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"https://a.b\">urn:x</a></div>"}  =>  =>
    P,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a&nbsp;b</div>"}  => Patient.text.div => txt-1
    P,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p id=\"a\">x</p><p id=\"a\">y</p></div>"}  => Patient.text.div => the id
    P,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p id=\"a\">x</p></div>"},"name":[{"id":"a","text":"x"}]  => Patient.name[0] => the id
    P,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p id=\"a\"><a href=\"#a\">x</a></p></div>"}  =>  =>
    P,"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","display":"MARRIED"}]}  =>  =>
    P,"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","display":"Single"}]}  => Patient.maritalStatus.coding[0].display => `Married`
    P,"identifier":[{"system":"abc","value":"1"}]  => Patient.identifier[0] => not absolute
    P,"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:oid:1.2.3"}]  =>  =>
    P,"identifier":[{"system":"urn:ietf:rfc:3986","value":"abc"}]  => Patient.identifier[0] => identifies by URIs
    P,"maritalStatus":{"coding":[{"system":"http://hl7.org/fhir/ValueSet/marital-status","code":"M"}]}  => Patient.maritalStatus.coding[0].system => is a value set
    P,"contained":[{"resourceType":"Organization","id":"a","name":"x"},{"resourceType":"Organization","id":"a","name":"y"}],"managingOrganization":{"reference":"#a"}  => Patient.contained[1] => the same id
    P,"managingOrganization":{"reference":"Organization/1","type":"Patient"}  => Patient.managingOrganization => states the type
    {"resourceType":"CarePlan","status":"draft","intent":"plan","subject":{"reference":"Patient/1"},"instantiatesCanonical":["#none"]}  => CarePlan.instantiatesCanonical[0] => not contained
    P,"_implicitRules":{"id":"a"},"maritalStatus":{"id":"b"}  => Patient.implicitRules, Patient.maritalStatus => ele-1
    P,"_gender":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}  => Patient.gender => no code here
    P,"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"NNBTN"}]},"value":"1"}]  =>  =>
    O,"method":{"coding":[{"system":"http://snomed.info/sct","code":"12345"}]}  => Observation.method.coding[0].code => has no code
    {"resourceType":"MedicationRequest","status":"active","intent":"order","medicationCodeableConcept":{"text":"x"},"subject":{"reference":"Patient/1"},"dispenseRequest":{"quantity":{"value":1,"comparator":"<"}}}  => MedicationRequest.dispenseRequest.quantity => sqty-1
    O,"valueRange":{"low":{"value":1,"comparator":">"}}  => Observation.value.ofType(Range).low => sqty-1
    {"resourceType":"MedicationStatement","status":"active","medicationCodeableConcept":{"text":"x"},"subject":{"reference":"Patient/1"},"dosage":[{"doseAndRate":[{"doseRange":{"low":{"value":1}}}]},{"doseAndRate":[{"doseQuantity":{"value":1,"comparator":"<"}}]}]}  => MedicationStatement.dosage[1].doseAndRate[0].dose.ofType(Quantity) => sqty-1
    O,"valueQuantity":{"value":1,"comparator":"<"}  =>  =>
    {"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/1"},"valueQuantity":{"value":60,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}  => Observation, Observation, Observation => `Observation.category` is needed
"##;

#[test]
fn the_base_rules_hold() {
    try_all(BASE, "", expand);
}

const EXPRESSIONS: &str = r##"
    S["Patient"],"expression":"Patient.name | Person.name"  => SearchParameter.expression => can find nothing
    S["Patient","Person"],"expression":"Patient.name | Person.name"  =>  =>
    S["Patient"],"expression":"Organization.name"  => SearchParameter.expression => can find nothing
    S["Patient"],"expression":"Patient.nam"  => SearchParameter.expression => can find nothing
    S["Patient"],"expression":"Patient.name("  => SearchParameter.expression => no FHIRPath
    S["Resource"],"expression":"name"  =>  =>
    S["Patient"]  =>  =>
    C"name.exists()"  =>  =>
    C"nam.exists()"  =>  =>
    C"name.exists("  => StructureDefinition, StructureDefinition.differential.element[0].constraint[0].expression => no FHIRPath
    Mtext/cql|  =>  =>
    Mtext/cql|"library":["http://a/Library/b"],  =>  =>
    Mtext/fhirpath|  =>  =>
    Mtext/fhirpath|"description":"x",  =>  =>
    {"resourceType":"PlanDefinition","status":"draft","action":[{"condition":[{"kind":"start","expression":{"language":"text/fhirpath","expression":"item(1).answer"}}]}]}  =>  =>
    {"resourceType":"PlanDefinition","status":"draft","action":[{"condition":[{"kind":"start","expression":{"language":"text/fhirpath","expression":"a and"}}]}]}  => PlanDefinition.action[0].condition[0].expression => no FHIRPath
"##;

/// As [`expand`]; `S` is a search parameter with its bases, `C` a profile with a rule, `M` a measure with a language.
fn expressed(row: &str) -> String {
    match row.split_at(1) {
        ("S", rest) => format!(
            r#"{{"resourceType":"SearchParameter","url":"http://a/b","name":"B","status":"draft","description":"x","code":"b","type":"string","base":{rest}}}"#
        ),
        ("C", rest) => format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://a/b","name":"B","status":"draft","kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{{"element":[{{"id":"Patient","path":"Patient","constraint":[{{"key":"b-1","severity":"error","human":"x","expression":{rest}}}]}}]}}}}"#
        ),
        ("M", rest) => {
            let (language, rest) = rest.split_once('|').unwrap();
            format!(
                r#"{{"resourceType":"Measure","status":"draft",{rest}"group":[{{"population":[{{"criteria":{{"language":"{language}","expression":"a"}}}}]}}]}}"#
            )
        }
        _ => expand(row),
    }
}

#[test]
fn expressions_are_judged() {
    try_all(EXPRESSIONS, "", expressed);
}

const QUESTIONS: &str = r##"
    Q{"linkId":"a","type":"string"},{"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}]}  =>  =>
    Q{"linkId":"b","type":"string","enableWhen":[{"question":"a","operator":"exists","answerBoolean":true}]}  => Questionnaire.item[0] => not asked
    Q{"linkId":"a","type":"group","item":[{"linkId":"b","type":"string"}]},{"linkId":"c","type":"string","enableWhen":[{"question":"b","operator":"exists","answerBoolean":true}]}  =>  =>
    Q{"linkId":"a","type":"group","enableWhen":[{"question":"b","operator":"exists","answerBoolean":true}],"item":[{"linkId":"b","type":"string"}]}  => Questionnaire.item[0] => below it
    BObservation  => StructureDefinition.baseDefinition => is of Observation
    BPatient  =>  =>
    BElsewhere  =>  =>
"##;

/// `Q` is a questionnaire with its items, `B` a profile of Patient with its base.
fn asked(row: &str) -> String {
    match row.split_at(1) {
        ("Q", items) => format!(r#"{{"resourceType":"Questionnaire","status":"draft","item":[{items}]}}"#),
        (_, base) => format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://a/b","name":"B","status":"draft","kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/{base}","derivation":"constraint","differential":{{"element":[{{"id":"Patient","path":"Patient"}}]}}}}"#
        ),
    }
}

#[test]
fn questions_and_bases_are_there() {
    try_all(QUESTIONS, "", asked);
}

const BUNDLES: &str = r##"
    Tbatch|POST|Patient|{"resourceType":"Patient"}  =>  =>
    Tbatch|POST|Observation|{"resourceType":"Patient"}  => Bundle.entry[0].request.url => cannot be sent to
    Tbatch|PUT|Patient/1|{"resourceType":"Patient","id":"2"}  => Bundle.entry[0].resource => must be 1
    Tbatch|PUT|Patient/1|{"resourceType":"Patient","id":"1"}  =>  =>
    Tbatch|PUT|Patient?identifier=1|{"resourceType":"Patient"}  =>  =>
    Tbatch|PUT|http://a.b/Patient/1|{"resourceType":"Patient","id":"1"}  => Bundle.entry[0].request.url => not relative
    Tbatch|GET|Patient/1|  =>  =>
    Tbatch|POST|Patient/$validate|{"resourceType":"Parameters"}  =>  =>
    Tbatch|DELETE|Patient/1|;DELETE|Patient/1|  =>  =>
    Ttransaction|DELETE|Patient/1|;DELETE|Patient/1|  => Bundle.entry[1] => changes `Patient/1` too
    Ttransaction|PATCH|Patient/1|  => Bundle.entry[0] => needs the resource
    B,"entry":[{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1"}},{"fullUrl":"http://a/Patient/1","resource":{"resourceType":"Patient","id":"1"}},{"fullUrl":"http://a/Person/1","resource":{"resourceType":"Person","id":"1","link":[{"target":{"reference":"Patient/1"}}]}}]  => Bundle, Bundle.entry[2].resource.link[0].target => bdl-7
"##;

/// As [`expand`]; `T` is a batch or transaction: its type, and of each entry method, address and resource.
fn bundle(row: &str) -> String {
    let Some(rest) = row.strip_prefix('T') else {
        return expand(row);
    };
    let (kind, rest) = rest.split_once('|').unwrap();
    let entry = |text: &str| {
        let mut columns = text.split('|');
        let (method, url) = (columns.next().unwrap(), columns.next().unwrap());
        let resource = columns.next().filter(|json| !json.is_empty());
        let resource = resource.map_or(String::new(), |json| format!("\"resource\":{json},"));
        format!("{{{resource}\"request\":{{\"method\":\"{method}\",\"url\":\"{url}\"}}}}")
    };
    let entries: Vec<String> = rest.split(';').map(entry).collect();
    format!(
        "{{\"resourceType\":\"Bundle\",\"type\":\"{kind}\",\"entry\":[{}]}}",
        entries.join(",")
    )
}

#[test]
fn what_a_bundle_asks_for_is_judged() {
    try_all(BUNDLES, "", bundle);
}

const PATIENT: &str = r##"
    N,"birthDate":"1960"  =>  =>
    N,"birthDate":"1960","_birthDate":{"extension":[{"url":"http://fhir.moh.gov.bt/StructureDefinition/bt-birth-date-as-told","valueString":"Iron Mouse"}]}  =>  =>
    {"resourceType":"Patient"}  => Patient, Patient, Patient => `Patient.identifier` is needed
    I{"system":"http://id.gov.bt/citizen","value":"11404000581"}  =>  =>
    I{"system":"http://id.gov.bt/citizen","value":"41404000581"}  => Patient.identifier[0].value => eleven digits
    I{"system":"http://id.gov.bt/citizen"}  => Patient.identifier[0] => identifier:cid.value
    I{"system":"http://id.gov.bt/citizen","value":"11404000581"},{"system":"http://id.gov.bt/citizen","value":"11404000582"}  => Patient => identifier:cid` may occur 1
    I{"system":"http://fhir.moh.gov.bt/identifier/hospital","value":"7"}  => Patient.identifier[0] => assigner
    I{"system":"http://elsewhere","value":"7"}  =>  =>
    N,"address":[{"country":"BT"}]  => Patient.address[0] => names the dzongkhag
    N,"address":[{"country":"IN"}]  =>  =>
    ABT03 BT0305  =>  =>
    ABT03 BT0405  => Patient.address[0] => lies in its dzongkhag
    ABT44  => Patient.address[0].extension[0].value.ofType(Coding) => value set
    AParo  => Patient.address[0].extension[0].value.ofType(Coding), Patient.address[0].extension[0].value.ofType(Coding).code => value set
"##;

/// `N` is a newborn with a temporary number, `I` a patient with the identifiers that follow, `A` one with the places.
fn patient(row: &str) -> String {
    let start = r#"{"resourceType":"Patient","name":[{"given":["Sonam","Dorji"]}],"gender":"male""#;
    let temporary = r#""identifier":[{"system":"http://fhir.moh.gov.bt/identifier/temporary","value":"1"}]"#;
    let place = |(code, name): (&str, &str)| {
        let url = format!("http://fhir.moh.gov.bt/StructureDefinition/{name}");
        format!(r#"{{"url":"{url}","valueCoding":{{"system":"urn:epis:bt:p-code","code":"{code}"}}}}"#)
    };
    match row.split_at(1) {
        ("N", rest) => format!("{start},{temporary}{rest}}}"),
        ("I", rest) => format!("{start},\"identifier\":[{rest}]}}"),
        ("A", rest) => {
            let codes = rest.split_ascii_whitespace().zip(["bt-dzongkhag", "bt-gewog"]);
            let places = codes.map(place).collect::<Vec<_>>().join(",");
            format!("{start},{temporary},\"address\":[{{\"extension\":[{places}]}}]}}")
        }
        _ => row.to_owned(),
    }
}

#[test]
fn patients_of_the_nation_are_known_by_their_numbers() {
    try_all(
        PATIENT,
        "http://fhir.moh.gov.bt/StructureDefinition/bt-patient",
        patient,
    );
}

#[test]
fn every_built_in_definition_can_be_compiled() {
    let validator = Validator::new(Definitions::r4());
    let mut seen = 0;
    for address in crate::profiles::built_in().addresses() {
        let known = validator
            .profiles
            .get(&validator.definitions, &validator.rules, &Empty, address);
        if let crate::profiles::Known::Profile(profile) = known {
            assert_eq!(profile.faults, Vec::<String>::new(), "{address}");
            seen += 1;
        }
    }
    assert!(seen > 440, "{seen}");
}
