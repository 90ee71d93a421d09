//! How urgently records of each kind are sent to a clinic, and whom they are of: `schema/sync/lanes.tsv`, read once.

use std::sync::LazyLock;

use fhir::document::Node;
use fhir::identity::{Id, Reference};
use rustc_hash::FxHashMap;

use crate::frame::LANES;

/// What holds for one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// How urgent: 0 first; `None` is never sent.
    pub number: Option<u8>,
    /// The elements that name the patient, each as its steps.
    patient: Vec<Vec<&'static str>>,
}

const TABLE: &str = include_str!("../../schema/sync/lanes.tsv");

static LANES_OF: LazyLock<FxHashMap<&'static str, Lane>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(read).collect()
});

fn read(line: &'static str) -> (&'static str, Lane) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [kind, lane, patient] = fields[..] else {
        panic!("lanes.tsv: {line} has not three fields");
    };
    let number = lane.parse::<u8>().ok();
    assert!(
        lane == "-" || number.is_some_and(|number| usize::from(number) < LANES),
        "lanes.tsv: {line} names no lane"
    );
    let elements = patient.split(' ').filter(|element| *element != "-");
    let patient = elements.map(|element| element.split('.').collect()).collect();
    (kind, Lane { number, patient })
}

/// What holds for a kind.
pub fn lane(kind: &str) -> &'static Lane {
    LANES_OF
        .get(kind)
        .or_else(|| LANES_OF.get("*"))
        .expect("lanes.tsv has a line for every other kind")
}

impl Lane {
    /// The first patient that a record names.
    pub fn patient(&self, record: Node<'_>) -> Option<Id> {
        self.patient.iter().find_map(|steps| named(record, steps))
    }
}

fn named(at: Node<'_>, steps: &[&str]) -> Option<Id> {
    if at.is_array() {
        return at.items().find_map(|item| named(item, steps));
    }
    let Some((step, rest)) = steps.split_first() else {
        let reference = at.string("reference")?;
        let Reference::Literal {
            kind: "Patient", id, ..
        } = Reference::parse(&reference)
        else {
            return None;
        };
        return Id::new(id);
    };
    named(at.get(step)?, rest)
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use super::*;

    #[test]
    fn records_are_of_whom_they_name() {
        let table = [
            (
                "Observation",
                r#"{"subject":{"reference":"Patient/1"}}"#,
                Some(2),
                Some("1"),
            ),
            ("Observation", r#"{"subject":{"reference":"Group/1"}}"#, Some(2), None),
            ("Observation", r#"{"subject":{"display":"x"}}"#, Some(2), None),
            (
                "Claim",
                r#"{"patient":{"reference":"http://a/Patient/7/_history/2"}}"#,
                Some(2),
                Some("7"),
            ),
            (
                "Task",
                r#"{"for":{"reference":"Patient/1"},"subject":{"reference":"Patient/2"}}"#,
                Some(0),
                Some("1"),
            ),
            (
                "Appointment",
                r#"{"participant":[{"actor":{"reference":"Location/1"}},{"actor":{"reference":"Patient/2"}}]}"#,
                Some(1),
                Some("2"),
            ),
            ("Location", r#"{"subject":{"reference":"Patient/1"}}"#, Some(1), None),
            ("AuditEvent", "{}", None, None),
        ];
        for (kind, text, number, patient) in table {
            let document = Document::parse(text.as_bytes(), Limits::default()).expect("JSON");
            let lane = lane(kind);
            assert_eq!(lane.number, number, "{kind}");
            let named = lane.patient(document.root());
            assert_eq!(named.as_ref().map(Id::as_str), patient, "{kind} {text}");
        }
    }
}
