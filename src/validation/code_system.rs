//! Judges CodeSystems: their counts, their properties, and of supplements that they add to codes that are there.

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::{Code, Severity};
use rustc_hash::FxHashMap;

use crate::focus::Focus;
use crate::response::each;
use crate::walk::{DEPTH_MAX, Walk};

/// Concepts of one code system that are counted.
const CONCEPTS_MAX: usize = 1_000_000;

/// The properties that FHIR defines for all code systems, and their types
/// (<https://hl7.org/fhir/R4/codesystem-concept-properties.html>, and what R5 added to them).
const STANDARD: [(&str, &str); 13] = [
    ("inactive", "boolean"),
    ("notSelectable", "boolean"),
    ("deprecated", "dateTime"),
    ("deprecationDate", "dateTime"),
    ("effectiveDate", "dateTime"),
    ("retirementDate", "dateTime"),
    ("status", "code"),
    ("parent", "code"),
    ("child", "code"),
    ("partOf", "code"),
    ("synonym", "code"),
    ("comment", "string"),
    ("itemWeight", "decimal"),
];
/// Where they have their addresses.
const PROPERTIES: &str = "http://hl7.org/fhir/concept-properties#";

/// What its concepts are held against.
struct Frame {
    /// The type of each property.
    types: FxHashMap<String, String>,
    /// The system that is supplemented.
    base: Option<String>,
}

impl Walk<'_> {
    /// Judges a CodeSystem (<https://hl7.org/fhir/R4/codesystem.html>).
    pub(crate) fn code_system(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let content = node.string("content").unwrap_or_default();
        let supplemented = node.string("supplements");
        if supplemented.is_some() && content != "supplement" {
            self.found
                .error(Code::Value, &Place::Member(focus.place, "content"), || {
                    "What supplements another code system has the content `supplement`.".to_owned()
                });
        }
        self.concept_count(focus, &content);
        let types = self.properties(focus);
        let base = supplemented.map(|url| url.split('|').next().unwrap_or_default().to_owned());
        self.concepts(node, &Frame { types, base }, focus.place, 0);
    }

    fn concept_count(&mut self, focus: &Focus<'_, '_>, content: &str) {
        let stated = focus.element.node.get("count");
        let stated = stated.and_then(|count| count.as_number()?.parse::<usize>().ok());
        let Some(stated) = stated.filter(|_| content == "complete") else {
            return;
        };
        let count = concepts(focus.element.node, 0);
        if count != stated {
            self.found.error(Code::Value, &Place::Member(focus.place, "count"), || {
                format!("{stated} concepts are said to be there, and {count} are, though the content is complete.")
            });
        }
    }

    /// Judges how properties are declared. The type of each by its code.
    fn properties(&mut self, focus: &Focus<'_, '_>) -> FxHashMap<String, String> {
        let list = Place::Member(focus.place, "property");
        let properties: Vec<Node<'_>> = each(focus.element.node, "property").collect();
        let mut types = FxHashMap::default();
        for (at, property) in properties.iter().enumerate() {
            let place = Place::Item(&list, at);
            for name in ["code", "uri"] {
                let own = property.string(name).filter(|own| !own.is_empty());
                let before = &properties[..at];
                if own.is_some() && before.iter().any(|other| other.string(name) == own) {
                    self.found.error(Code::Duplicate, &place, || {
                        let shown = quoted(own.as_deref().unwrap_or_default());
                        format!("Another property has the {name} {shown} already.")
                    });
                }
            }
            let text = |name: &str| property.string(name).unwrap_or_default();
            let (uri, kind) = (text("uri"), text("type"));
            let name = uri.strip_prefix(PROPERTIES);
            let standard = STANDARD.iter().find(|(known, _)| Some(*known) == name);
            if let Some((_, right)) = standard.filter(|(_, right)| *right != kind) {
                self.found.error(Code::Value, &place, || {
                    format!("The property {} is of the type {right}, not {kind}.", quoted(&uri))
                });
            }
            types.insert(text("code").into_owned(), kind.into_owned());
        }
        types
    }

    fn concepts(&mut self, holder: Node<'_>, frame: &Frame, place: &Place<'_>, depth: usize) {
        let list = Place::Member(place, "concept");
        for (at, concept) in each(holder, "concept").enumerate() {
            if depth > DEPTH_MAX || !self.found.step() {
                return;
            }
            let place = Place::Item(&list, at);
            if let (Some(base), Some(code)) = (&frame.base, concept.string("code")) {
                self.must_have(base, &code, Severity::Error, &place);
            }
            let properties = Place::Member(&place, "property");
            for (at, property) in each(concept, "property").enumerate() {
                self.property_value(property, frame, &Place::Item(&properties, at));
            }
            self.concepts(concept, frame, &place, depth + 1);
        }
    }

    fn property_value(&mut self, property: Node<'_>, frame: &Frame, place: &Place<'_>) {
        let code = property.string("code").unwrap_or_default();
        let Some(wanted) = frame.types.get(&*code) else { return };
        let mut members = property.members();
        let own = members.find_map(|(name, _)| name.strip_prefix("value").map(str::to_owned));
        if let Some(own) = own.filter(|own| !own.eq_ignore_ascii_case(wanted)) {
            self.found.error(Code::Value, place, || {
                format!("The property {} is declared as {wanted}, not as {own}.", quoted(&code))
            });
        }
    }
}

fn concepts(node: Node<'_>, depth: usize) -> usize {
    if depth > DEPTH_MAX {
        return 0;
    }
    let own = each(node, "concept").take(CONCEPTS_MAX);
    own.map(|concept| 1 + concepts(concept, depth + 1)).sum()
}
