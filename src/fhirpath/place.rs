//! Where in a resource an element stands, as an expression that leads there.

use fhir::document::Node;

/// The place of a node below a resource: `Patient.name[0].given[1]`. Names are those of the JSON.
pub fn place_of(resource: Node<'_>, node: Node<'_>) -> String {
    let mut path = resource.string("resourceType").unwrap_or_default().into_owned();
    let mut at = resource;
    // A value stands in the tape before all that is within it.
    while at.place() < node.place() {
        let before = |other: &Node<'_>| other.place() <= node.place();
        if at.is_array() {
            let Some((index, item)) = at.items().enumerate().filter(|(_, item)| before(item)).last() else {
                break;
            };
            path.push_str(&format!("[{index}]"));
            at = item;
        } else {
            let Some((name, value)) = at.members().filter(|(_, value)| before(value)).last() else {
                break;
            };
            path.push('.');
            path.push_str(name.strip_prefix('_').unwrap_or(&name));
            at = value;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use super::*;
    use crate::context::Context;
    use crate::expression::Expression;
    use crate::trial::{PATIENT, Small};
    use crate::value::Element;

    #[test]
    fn elements_are_placed() {
        let table = [
            ("$this", "Patient"),
            ("birthDate", "Patient.birthDate"),
            ("name[1].given[1]", "Patient.name[1].given[1]"),
            ("contact.name", "Patient.contact[0].name"),
            ("name.given.extension", "Patient.name[0].given[1].extension[0]"),
            ("deceased", "Patient.deceasedDateTime"),
            (
                "managingOrganization.reference",
                "Patient.managingOrganization.reference",
            ),
        ];
        let model = Small::new();
        let document = Document::parse(PATIENT.as_bytes(), Limits::default()).expect("the record is JSON");
        let resource = Element::resource(&model, document.root());
        let context = Context::new(&model, resource, 0);
        for (text, expected) in table {
            let expression = Expression::parse(text).expect(text);
            let found = expression.evaluate(&context, resource).expect(text);
            let element = found[0].element().expect(text);
            assert_eq!(place_of(document.root(), element.node), expected, "{text}");
        }
    }
}
