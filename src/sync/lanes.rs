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
    /// The elements that name the place to which the patient is referred.
    place: Vec<Vec<&'static str>>,
}

/// The kinds of record that a place has: whoever is referred to it comes into the horizon of its clinic.
const PLACES: [&str; 4] = ["Device", "HealthcareService", "Location", "Organization"];
/// Places that one record refers to at most.
const REFERRED_MAX: usize = 16;

const TABLE: &str = include_str!("../../schema/sync/lanes.tsv");

static LANES_OF: LazyLock<FxHashMap<&'static str, Lane>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(read).collect()
});

fn read(line: &'static str) -> (&'static str, Lane) {
    let fields: Vec<&str> = line.split('\t').collect();
    let (kind, lane, patient, place) = match fields[..] {
        [kind, lane, patient] => (kind, lane, patient, "-"),
        [kind, lane, patient, place] => (kind, lane, patient, place),
        _ => panic!("lanes.tsv: {line} has neither three fields nor four"),
    };
    let number = lane.parse::<u8>().ok();
    assert!(
        lane == "-" || number.is_some_and(|number| usize::from(number) < LANES),
        "lanes.tsv: {line} names no lane"
    );
    let elements = |field: &'static str| {
        let elements = field.split(' ').filter(|element| *element != "-");
        elements.map(|element| element.split('.').collect()).collect()
    };
    let (patient, place) = (elements(patient), elements(place));
    (kind, Lane { number, patient, place })
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
        let mut found = None;
        for steps in &self.patient {
            named(record, steps, &mut |kind, id| {
                found = found.take().or_else(|| Id::new(id).filter(|_| kind == "Patient"));
            });
        }
        found
    }

    /// The places to which a record refers its patient, such as `Location/7`.
    pub fn places(&self, record: Node<'_>) -> Vec<String> {
        let mut found = Vec::new();
        for steps in &self.place {
            named(record, steps, &mut |kind, id| {
                if PLACES.contains(&kind) && found.len() < REFERRED_MAX {
                    found.push(format!("{kind}/{id}"));
                }
            });
        }
        found
    }

    /// Whether records of the kind name a patient.
    pub fn is_of_patients(&self) -> bool {
        !self.patient.is_empty()
    }
}

/// Calls with the kind and the id of every record that an element refers to.
fn named(at: Node<'_>, steps: &[&str], each: &mut dyn FnMut(&str, &str)) {
    if at.is_array() {
        at.items().for_each(|item| named(item, steps, each));
        return;
    }
    let Some((step, rest)) = steps.split_first() else {
        let reference = at.string("reference").unwrap_or_default();
        if let Reference::Literal { kind, id, .. } = Reference::parse(&reference) {
            each(kind, id);
        }
        return;
    };
    if let Some(next) = at.get(step) {
        named(next, rest, each);
    }
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use super::*;

    #[test]
    fn records_refer_to_the_places_they_name() {
        let table = [
            (
                "ServiceRequest",
                r#"{"performer":[{"reference":"Practitioner/1"},{"reference":"Organization/2"}],"locationReference":[{"reference":"http://a/fhir/Location/3"}]}"#,
                vec!["Organization/2", "Location/3"],
            ),
            (
                "Task",
                r#"{"owner":{"reference":"Device/node-7"}}"#,
                vec!["Device/node-7"],
            ),
            (
                "Appointment",
                r#"{"participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"reference":"Location/3"}}]}"#,
                vec!["Location/3"],
            ),
            (
                "Observation",
                r#"{"performer":[{"reference":"Organization/2"}]}"#,
                vec![],
            ),
            ("Task", r#"{"owner":{"display":"x"}}"#, vec![]),
        ];
        for (kind, text, places) in table {
            let document = Document::parse(text.as_bytes(), Limits::default()).expect("JSON");
            assert_eq!(lane(kind).places(document.root()), places, "{kind} {text}");
        }
    }

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
