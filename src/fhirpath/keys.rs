//! Keys by which rows of views are joined: of a record, and of the record that a reference names.
//!
//! See <https://sql-on-fhir.org/ig/latest/StructureDefinition-ViewDefinition.html#getresourcekey--keytype>. A key is
//! `Type/id`, so that those of several types can stand in one column.

use std::borrow::Cow;

use fhir::identity::Reference;

use crate::context::Context;
use crate::kinds;
use crate::syntax::TypeName;
use crate::value::{Element, Elsewhere, Item};

/// The key of a record; `None` of what has no type and id.
pub(crate) fn of_resource<'a>(element: Element<'a>) -> Option<Item<'a>> {
    let (kind, id) = (element.node.string("resourceType")?, element.node.string("id")?);
    Some(Item::String(Cow::Owned(format!("{kind}/{id}"))))
}

/// The key of the record that a reference names, where that is of the wanted type.
pub(crate) fn of_reference<'a>(
    context: &Context<'a>,
    element: &Element<'a>,
    wanted: Option<&TypeName>,
) -> Option<Item<'a>> {
    let text = element.node.string("reference")?;
    let Reference::Literal { kind, id, .. } = Reference::parse(&text) else {
        return None;
    };
    if let Some(wanted) = wanted {
        let named = Item::Elsewhere(Elsewhere {
            reference: *element,
            kind: context.model.type_id(kind),
        });
        let of_no_type = wanted.fhir.as_deref() == Some(kind);
        if !of_no_type && !kinds::is(context, &named, wanted) {
            return None;
        }
    }
    Some(Item::String(Cow::Owned(format!("{kind}/{id}"))))
}

#[cfg(test)]
mod tests {
    use crate::trial::{check, check_observation};

    #[test]
    fn keys_of_records_and_of_references_agree() {
        check(&[
            ("getResourceKey()", "'Patient/p1'"),
            ("contained.getResourceKey()", "'Organization/o1'"),
            ("name.first().getResourceKey()", ""),
            ("{}.getResourceKey()", ""),
            (
                "generalPractitioner.getReferenceKey()",
                "'Practitioner/1', 'Organization/2'",
            ),
            ("generalPractitioner.getReferenceKey(Practitioner)", "'Practitioner/1'"),
            (
                "generalPractitioner.getReferenceKey(FHIR.Organization)",
                "'Organization/2'",
            ),
            ("generalPractitioner.getReferenceKey(Patient)", ""),
            ("managingOrganization.getReferenceKey()", ""),
            ("active.getReferenceKey()", ""),
            ("getReferenceKey(1)", "invalid:"),
        ]);
        check_observation(&[
            ("subject.getReferenceKey(Patient)", "'Patient/p1'"),
            ("subject.getReferenceKey() = 'Patient/p1'", "true"),
        ]);
    }
}
