//! Where in a resource an element stands: as an expression that leads there, and as the definition of that place.

use std::borrow::Cow;

use fhir::document::Node;
use fhir::name::Name;

use crate::model::{Model, Sort};
use crate::value::Element;

/// One step of the way to a node.
pub(crate) enum Way<'a> {
    /// To an item of a list.
    Item(usize),
    /// To a member, by its name in the JSON.
    Member(Cow<'a, str>),
}

/// The steps that lead from a value to a node within it, each with the value it leads to.
pub(crate) fn way<'a>(from: Node<'a>, to: Node<'a>) -> impl Iterator<Item = (Way<'a>, Node<'a>)> {
    let mut at = from;
    // A value stands in the tape before all that is within it.
    let before = move |other: &Node<'a>| other.place() <= to.place();
    std::iter::from_fn(move || {
        if at.place() >= to.place() {
            return None;
        }
        let (step, next) = if at.is_array() {
            let items = at.items().enumerate().filter(|(_, item)| before(item));
            items.last().map(|(index, item)| (Way::Item(index), item))?
        } else {
            let members = at.members().filter(|(_, value)| before(value));
            members.last().map(|(name, value)| (Way::Member(name), value))?
        };
        at = next;
        Some((step, next))
    })
}

/// The place of a node below a resource: `Patient.name[0].given[1]`. Names are those of the JSON.
pub fn place_of(resource: Node<'_>, node: Node<'_>) -> String {
    let mut path = resource.string("resourceType").unwrap_or_default().into_owned();
    for (step, _) in way(resource, node) {
        match step {
            Way::Item(index) => path.push_str(&format!("[{index}]")),
            Way::Member(name) => {
                path.push('.');
                path.push_str(name.strip_prefix('_').unwrap_or(&name));
            }
        }
    }
    path
}

/// The ElementDefinition of an element: that of its place in the type that has it. `None` of what stands in no typed
/// resource, and of what the definitions do not know.
pub(crate) fn definition<'a>(model: &'a dyn Model, element: &Element<'a>) -> Option<Element<'a>> {
    let resource = Element::resource(model, element.node.document().root());
    let (mut kind, mut member) = (resource.kind?, None);
    let mut owner = kind;
    for (step, node) in way(resource.node, element.node) {
        if let Way::Member(name) = step {
            let name = name
                .strip_prefix('_')
                .map(str::to_owned)
                .unwrap_or_else(|| name.into_owned());
            owner = kind;
            kind = model.json_child(owner, &Name::of(&*name))?.0;
            member = Some(name);
        }
        if model.sort(kind) == (Sort::Resource { any: true }) && node.is_object() {
            kind = Element::resource(model, node).kind?;
        }
    }
    model.element_definition(owner, member.as_deref())
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
