//! What records refer to, followed from record to record without ever leaving the circle of one patient.

use std::sync::Arc;

use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind, Reference};
use fhir::parse::Limits;
use query::predicate::{RecordSet, Subject};
use query::record_hash;
use search_index::{Clock, STEPS_PER_RECORD};

use crate::engine::{Engine, cached_of};
use crate::record::Record;
use crate::refusal::Refusal;

/// The compartment whose records are one patient's alone.
const PATIENT: &str = "Patient";

/// Whose records may come along: those of kinds that belong to no patient (practitioners, places, medications), and
/// of the other kinds those of this patient.
pub(crate) struct Circle(pub(crate) Option<Id>);

impl Circle {
    /// The circle of whom a reference of a record names: `subject` of an Encounter.
    pub(crate) fn of(record: Node<'_>, member: &str, base: &str) -> Circle {
        let reference = record.get(member).and_then(|subject| subject.string("reference"));
        let named = reference.as_deref().and_then(|text| local(text, base));
        Circle(named.filter(|(kind, ..)| kind.as_str() == PATIENT).map(|(_, id, _)| id))
    }

    fn admits(&self, engine: &Engine, record: &Record, document: &Document) -> bool {
        let patient = self.0.as_ref();
        let anybody = || Id::new("0").expect("a digit is an id");
        match belongs(
            engine,
            (PATIENT, &patient.cloned().unwrap_or_else(anybody)),
            record,
            document,
        ) {
            None => true,
            Some(belongs) => belongs && patient.is_some(),
        }
    }
}

/// Whether a record belongs to the compartment of another; `None` where records of its kind never do.
fn belongs(engine: &Engine, center: (&str, &Id), record: &Record, document: &Document) -> Option<bool> {
    let belongs = engine.registry.compartment(center.0, center.1, &record.kind)?;
    Some(belongs.matches(&Subject {
        kind: &record.kind,
        id: Some(&record.id),
        updated: 0,
        values: &engine.registry.extract(&record.kind, document.root()),
        words: &engine.registry.words(document.root()),
        contained: false,
    }))
}

/// What was found.
#[derive(Default)]
pub(crate) struct Related {
    /// The records, in the order found; none twice, none of those started from.
    pub(crate) records: Vec<Record>,
    /// What the centre refers to and is not here, as it is written there.
    pub(crate) missing: Vec<String>,
    /// Whether the limits left some out.
    pub(crate) cut: bool,
}

/// Where to start and how far to go.
pub(crate) struct Gathering<'a> {
    pub(crate) engine: &'a Engine,
    /// The base address: a reference that starts with it is one of this server's.
    pub(crate) base: &'a str,
    /// Whose records may come along.
    pub(crate) circle: &'a Circle,
    /// The record all of whose references may, as it is about them: an Encounter, a Composition.
    pub(crate) center: Option<(&'a Kind, &'a Id)>,
    /// The record whose compartment is answered by itself, so that nothing of it comes along.
    pub(crate) apart: Option<(&'a Kind, &'a Id)>,
    /// The place in the log.
    pub(crate) at: u64,
    pub(crate) clock: &'a Clock,
}

impl Gathering<'_> {
    /// Follows the references of the records, and of what they lead to, within the limits of includes.
    ///
    /// # Errors
    /// Those of the store; out of time.
    pub(crate) fn gather(&self, from: &[Record]) -> Result<Related, Refusal> {
        let mut related = Related::default();
        let mut seen: RecordSet = from
            .iter()
            .map(|r| record_hash(r.kind.as_str(), r.id.as_str()))
            .collect();
        let mut round = self.round(from, &mut seen, &mut related)?;
        for _ in 0..self.engine.limits.include_rounds {
            if round.is_empty() || related.cut {
                break;
            }
            let next = self.round(&round, &mut seen, &mut related)?;
            related.records.append(&mut round);
            round = next;
        }
        related.records.append(&mut round);
        Ok(related)
    }

    fn round(&self, from: &[Record], seen: &mut RecordSet, related: &mut Related) -> Result<Vec<Record>, Refusal> {
        let mut found = Vec::new();
        for record in from {
            let Ok(document) = Document::parse(&record.json, Limits::default()) else {
                continue;
            };
            let central = self.center == Some((&record.kind, &record.id));
            let mut references = Vec::new();
            each_reference(document.root(), &mut |text| references.push(text.to_owned()));
            for text in references {
                let Some((kind, id, version)) = local(&text, self.base) else {
                    if central && !text.starts_with('#') {
                        related.missing.push(text);
                    }
                    continue;
                };
                if !seen.insert(record_hash(kind.as_str(), id.as_str())) {
                    continue;
                }
                if related.records.len() + from.len() + found.len() >= self.engine.limits.includes_max {
                    related.cut = true;
                    return Ok(found);
                }
                match self.fetch(&kind, &id, version.as_deref())? {
                    Some(record) if self.admitted(&record, central) => found.push(record),
                    None if central => related.missing.push(text),
                    _ => {}
                }
            }
        }
        Ok(found)
    }

    fn admitted(&self, record: &Record, central: bool) -> bool {
        let Ok(document) = Document::parse(&record.json, Limits::default()) else {
            return false;
        };
        let apart = self
            .apart
            .and_then(|(kind, id)| belongs(self.engine, (kind.as_str(), id), record, &document));
        apart != Some(true) && (central || self.circle.admits(self.engine, record, &document))
    }

    /// The record as of the place in the log, or its version where one is named.
    fn fetch(&self, kind: &Kind, id: &Id, version: Option<&str>) -> Result<Option<Record>, Refusal> {
        self.clock.check(STEPS_PER_RECORD)?;
        let json: Option<Arc<[u8]>> = match version.and_then(|text| text.parse().ok()) {
            Some(version) => {
                let named = self.engine.store.version(kind, id, version)?;
                named
                    .filter(|v| v.seq <= self.at)
                    .as_ref()
                    .and_then(cached_of)
                    .map(|cached| cached.json)
            }
            None => self.engine.record_at(kind, id, self.at)?.map(|cached| cached.json),
        };
        Ok(json.map(|json| Record {
            kind: kind.clone(),
            id: id.clone(),
            json,
            inside: None,
            score: None,
        }))
    }
}

/// The record of this server that a reference names, and the version it wants.
pub(crate) fn local(text: &str, base: &str) -> Option<(Kind, Id, Option<String>)> {
    match Reference::parse(text) {
        Reference::Literal {
            base: of,
            kind,
            id,
            version,
        } if of.is_empty() || of == base => Some((Kind::new(kind)?, Id::new(id)?, version.map(str::to_owned))),
        _ => None,
    }
}

/// Calls `each` with the text of every reference below a value, and with the address of every attachment in a Binary.
fn each_reference(node: Node<'_>, each: &mut dyn FnMut(&str)) {
    for (name, value) in node.members() {
        for item in value.each() {
            match item.as_str() {
                Some(text) if name == "reference" => each(&text),
                Some(text) if name == "url" && text.starts_with("Binary/") => each(&text),
                Some(_) => {}
                None => each_reference(item, each),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_wherever_they_stand() {
        let text = r##"{"subject":{"reference":"Patient/1"},"a":[{"b":{"reference":"#x"}}],"c":{"url":"Binary/1"},
            "url":"http://e.org","reference":{"reference":"Observation/2/_history/0-3"}}"##;
        let document = Document::parse(text.as_bytes(), Limits::default()).unwrap();
        let mut found = Vec::new();
        each_reference(document.root(), &mut |text| found.push(text.to_owned()));
        assert_eq!(found, ["Patient/1", "#x", "Binary/1", "Observation/2/_history/0-3"]);
    }

    #[test]
    fn only_this_server_s_records_are_local() {
        let table = [
            ("Patient/1", true),
            ("http://h/fhir/Patient/1", true),
            ("http://h/other/Patient/1", false),
            ("#x", false),
            ("urn:uuid:1", false),
        ];
        for (text, there) in table {
            assert_eq!(local(text, "http://h/fhir").is_some(), there, "{text}");
        }
    }
}
