//! How far references are followed: records that lead from one to the next, and which of them are judged.

use std::sync::Arc;

use conformance::Definitions;
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::outcome::Severity;
use fhir::parse::Limits;

use crate::given::Given;
use crate::hostile::profile;
use crate::library::Library;
use crate::{Asked, Purpose, Validator};

const PATIENT: &str = "http://hl7.org/fhir/StructureDefinition/Patient";
/// Whoever conforms is active, and linked with others that do.
const ACTIVE: &str = r#"{"path":"Patient.active","min":1},
    {"path":"Patient.link.other","type":[{"code":"Reference","targetProfile":["http://a/active"]}]}"#;

/// A server whose records are told in short forms: see [`record`].
struct Server {
    records: Vec<&'static str>,
    profiles: Given,
}

impl Library for Server {
    fn definition(&self, kind: &str, address: &str) -> Option<Arc<Document>> {
        self.profiles.definition(kind, address)
    }

    fn record(&self, kind: &str, id: &str) -> Option<Arc<Document>> {
        let form = self.records.iter().find(|form| form.starts_with(id))?;
        (kind == "Patient").then(|| parsed(&record(form)))
    }

    fn generation(&self) -> u64 {
        1
    }
}

fn parsed(json: &str) -> Arc<Document> {
    Arc::new(Document::parse(json.as_bytes(), Limits::default()).unwrap())
}

/// `a>b` is the patient `a`, active and linked with `b`; `a-b` is not active; `a` is linked with nobody.
fn record(form: &str) -> String {
    let (id, rest) = form.split_at(1);
    let active = if rest.starts_with('-') { "" } else { r#","active":true"# };
    let link = rest.get(1..).filter(|to| !to.is_empty()).map_or(String::new(), |to| {
        format!(r#","link":[{{"other":{{"reference":"{to}"}},"type":"seealso"}}]"#)
    });
    format!(r#"{{"resourceType":"Patient","id":"{id}"{active}{link}}}"#)
}

/// What is judged, the records of the server, and whether it is valid when somebody asks, and when it is written.
const TABLE: &str = "
    a               |    |   valid   valid
    a-              |    |   wrong   wrong
    a>Patient/b     |    |   valid   valid
    a>Patient/b     | b   |   valid   valid
    a>Patient/b     | b-  |   wrong   valid
    a>Patient/b     | b>Patient/c c-  |   valid   valid
    a>Patient/b     | b>Patient/c c   |   valid   valid
    a>Patient/b     | b>Patient/a     |   valid   valid
    a>Group/b       |    |   wrong   wrong
    a>Patient/b     | b>Group/c       |   wrong   valid
    a>#b+b          |    |   valid   valid
    a>#b+b-         |    |   wrong   wrong
    a>#b+b>#c,c-    |    |   wrong   wrong
";

/// As above, of a rule that looks into the other record.
const RULES: &str = "
    a               |    |   valid   valid
    a>Patient/b     |    |   wrong   valid
    a>Patient/b     | b   |   valid   valid
    a>Patient/b     | b-  |   wrong   valid
    a>#b+b          |    |   valid   valid
    a>#b+b-         |    |   wrong   wrong
";
/// Whoever is linked with somebody is so with somebody active.
const LINKED: &str = r#"{"path":"Patient.link","constraint":[{"key":"a-1","severity":"error","human":"x",
    "expression":"other.resolve().active = true"}]}"#;

#[test]
fn other_records_are_followed_as_far_as_the_purpose_asks() {
    try_all(TABLE, ACTIVE);
    try_all(RULES, LINKED);
}

fn try_all(table: &'static str, rules: &str) {
    let validator = Validator::new(Definitions::r4());
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let mut columns = row.split('|').map(str::trim);
        let (form, records) = (columns.next().unwrap(), columns.next().unwrap());
        let expected: Vec<&str> = columns.next().unwrap().split_whitespace().collect();
        let server = Server {
            records: records.split_whitespace().collect(),
            profiles: Given::new(1, [parsed(&profile("active", "Patient", PATIENT, rules))]),
        };
        let (own, within) = form.split_once('+').unwrap_or((form, ""));
        let within: Vec<String> = within.split(',').filter(|one| !one.is_empty()).map(record).collect();
        let contained = match within.is_empty() {
            true => String::new(),
            false => format!(r#","contained":[{}]}}"#, within.join(",")),
        };
        let mut text = record(own);
        if !contained.is_empty() {
            text.pop();
            text.push_str(&contained);
        }
        let found = [Purpose::Asking, Purpose::Writing].map(|purpose| {
            let asked = Asked {
                profiles: &["http://a/active".to_owned()],
                now: 0,
                purpose,
            };
            let (record, kind) = (parsed(&text), Kind::new("Patient").unwrap());
            let codes = terminology::standard();
            let issues = validator.validate(&server, &*codes, &kind, record.root(), &asked);
            let wrong = issues.iter().any(|issue| issue.severity >= Severity::Error);
            if wrong { "wrong" } else { "valid" }
        });
        assert_eq!(found.as_slice(), expected, "{row}\n{text}");
    }
}
