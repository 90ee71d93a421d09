//! Finds the elements of FHIR XML that stand out of the order their type gives them (<https://hl7.org/fhir/R4/xml.html>).
//!
//! Their order means nothing, and nothing is refused for it when a record is read: only who asks whether the XML is valid
//! is told, since the standard's schemas fix it.

use conformance::place::Place;
use conformance::{Definitions, Form};
use fhir::outcome::{Code, Issue};
use fhirpath::model::{Model, TypeId};

use crate::document::{Document, Node};
use crate::parse::{Limits, Malformed};

/// Issues told at most.
const ISSUES_MAX: usize = 200;

/// An issue for each element that stands after one it should stand before, with its place as FHIRPath.
///
/// # Errors
/// [`Malformed`], with the place in the XML: not well-formed, or beyond the limits.
pub fn misplaced(definitions: &Definitions, xml: &[u8], limits: Limits) -> Result<Vec<Issue>, Malformed> {
    let document = Document::parse(xml, limits)?;
    let mut order = Order {
        definitions,
        found: Vec::new(),
    };
    let root = document.root();
    order.resource(root, &Place::Root(root.name()), limits.depth);
    Ok(order.found)
}

struct Order<'d> {
    definitions: &'d Definitions,
    found: Vec<Issue>,
}

impl Order<'_> {
    fn resource(&mut self, node: Node<'_>, place: &Place<'_>, left: usize) {
        if let Some(kind) = self.definitions.type_id(node.name()) {
            self.children(node, kind, place, left);
        }
    }

    fn children(&mut self, node: Node<'_>, kind: TypeId, place: &Place<'_>, left: usize) {
        let (mut last, mut before, mut at) = (0, "", 0);
        for child in node.elements().filter(|_| left > 0) {
            let name = child.name();
            at = if name == before { at + 1 } else { 0 };
            let member = self.definitions.json_member(kind, name);
            let Some((member, step)) = member.zip(self.definitions.step(kind, name)) else {
                continue;
            };
            let own = match step.typed {
                true => Place::Choice(place, step.element, self.definitions.type_name(step.kind)),
                false => Place::Member(place, step.element.name()),
            };
            let item = Place::Item(&own, at);
            let own = if member.list { &item } else { &own };
            if member.order < last && self.found.len() < ISSUES_MAX {
                let text = format!("<{name}> stands after <{before}>; in XML it comes before it.");
                self.found.push(Issue::error(Code::Structure, text).at(own.path()));
            }
            (last, before) = (last.max(member.order), name);
            match member.form {
                Form::Xhtml => {}
                Form::Resource => {
                    if let Some(inner) = child.elements().next() {
                        self.resource(inner, own, left - 1);
                    }
                }
                Form::Object => self.children(child, step.kind, own, left - 1),
                Form::String | Form::Number | Form::Boolean => {
                    self.children(child, self.definitions.element_type(), own, left - 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stand_in_their_order() {
        let table = [
            (
                "<id value='a'/><active value='true'/><name/><name/><gender value='male'/>",
                "",
            ),
            ("<gender value='male'/><active value='true'/>", "Patient.active"),
            (
                "<name><given value='a'/><family value='b'/></name>",
                "Patient.name[0].family",
            ),
            (
                "<name/><name><given value='a'/><use value='usual'/></name>",
                "Patient.name[1].use",
            ),
            ("<name/><gender value='male'/><name/>", "Patient.name[0]"),
            (
                "<active value='true'/><id value='a'/><meta/>",
                "Patient.id, Patient.meta",
            ),
            (
                "<multipleBirthBoolean value='true'/><deceasedBoolean value='true'/>",
                "Patient.deceased.ofType(boolean)",
            ),
            (
                "<contained><Group><actual value='true'/><type value='person'/></Group></contained>",
                "Patient.contained[0].type",
            ),
            (
                "<birthDate value='2001'><extension url='u'><valueCode value='c'/><extension url='v'/></extension></birthDate>",
                "Patient.birthDate.extension[0].extension[0]",
            ),
            ("<chicken/><active value='true'/>", ""),
        ];
        for (inner, expected) in table {
            let xml = format!("<Patient xmlns='http://hl7.org/fhir'>{inner}</Patient>");
            let found = misplaced(&Definitions::r4(), xml.as_bytes(), Limits::default()).unwrap();
            let places: Vec<String> = found.into_iter().map(|issue| issue.expression).collect();
            assert_eq!(places.join(", "), expected, "{inner}");
        }
    }
}
