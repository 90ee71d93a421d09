//! Types: whether an item is of one, and what `type()` says.

use std::borrow::Cow;

use crate::context::Context;
use crate::model::{Model, Sort};
use crate::syntax::{System, TypeName};
use crate::value::{Element, Item, TypeInfo, is_kind};

/// Whether the item is of the type or of one that specialises it.
pub(crate) fn is(context: &Context<'_>, item: &Item<'_>, name: &TypeName) -> bool {
    let kind = match item {
        Item::Element(element) => element.kind,
        Item::Elsewhere(elsewhere) => elsewhere.kind,
        computed => return name.system.is_some_and(|system| is_system(computed, system)),
    };
    let Some(fhir) = &name.fhir else {
        return false;
    };
    match kind {
        Some(kind) => is_kind(context.model, kind, fhir),
        None => item.element().is_some_and(|element| {
            let named = element.node.string("resourceType");
            named.is_some_and(|named| named == **fhir)
        }),
    }
}

/// Whether `as` and `ofType()` keep the item: it is of the type; or it is a primitive of FHIR, and the type the one of
/// System that it turns into wherever it is used (<https://hl7.org/fhir/R4/fhirpath.html#types>).
pub(crate) fn keeps(context: &Context<'_>, item: &Item<'_>, name: &TypeName) -> bool {
    let turned = || {
        let kind = item.element().and_then(|element| element.kind)?;
        Some(turns_into(context.model.sort(kind)) == Some(name.system?))
    };
    is(context, item, name) || turned() == Some(true)
}

fn turns_into(sort: Sort) -> Option<System> {
    Some(match sort {
        Sort::Text => System::String,
        Sort::Boolean => System::Boolean,
        Sort::Integer => System::Integer,
        Sort::Decimal => System::Decimal,
        Sort::Date => System::Date,
        Sort::DateTime => System::DateTime,
        Sort::Time => System::Time,
        Sort::Complex | Sort::Resource { .. } => return None,
    })
}

/// Whether a path may begin with this name at the element: its type's name, or a base type's.
pub(crate) fn is_root(model: &dyn Model, element: &Element<'_>, name: &str) -> bool {
    match element.kind {
        Some(kind) => is_kind(model, kind, name),
        None => element.node.string("resourceType").is_some_and(|kind| kind == name),
    }
}

fn is_system(item: &Item<'_>, system: System) -> bool {
    matches!(
        (item, system),
        (_, System::Any)
            | (Item::Boolean(_), System::Boolean)
            | (Item::Integer(_), System::Integer)
            | (Item::Long(_), System::Long)
            | (Item::Decimal(_), System::Decimal)
            | (Item::String(_), System::String)
            | (Item::Date(_), System::Date)
            | (Item::DateTime(_), System::DateTime)
            | (Item::Time(_), System::Time)
            | (Item::Quantity(_), System::Quantity)
    )
}

/// What `type()` says of the item.
pub(crate) fn info<'a>(model: &'a dyn Model, item: &Item<'a>) -> TypeInfo<'a> {
    let kind = match item {
        Item::Element(element) => element.kind,
        Item::Elsewhere(elsewhere) => elsewhere.kind,
        Item::Boolean(_) => return system("Boolean"),
        Item::Integer(_) => return system("Integer"),
        Item::Long(_) => return system("Long"),
        Item::Decimal(_) => return system("Decimal"),
        Item::String(_) => return system("String"),
        Item::Date(_) => return system("Date"),
        Item::DateTime(_) => return system("DateTime"),
        Item::Time(_) => return system("Time"),
        Item::Quantity(_) => return system("Quantity"),
        Item::Type(_) => return system("TypeInfo"),
    };
    let base = kind.and_then(|kind| model.base(kind)).map(|base| model.type_name(base));
    TypeInfo {
        namespace: "FHIR",
        name: Cow::Borrowed(kind.map_or("Element", |kind| model.type_name(kind))),
        base: base.map(|base| Cow::Owned(format!("FHIR.{base}"))),
    }
}

fn system<'a>(name: &'static str) -> TypeInfo<'a> {
    TypeInfo {
        namespace: "System",
        name: Cow::Borrowed(name),
        base: Some(Cow::Borrowed("System.Any")),
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn types_are_told() {
        check(&[
            ("1 is Integer", "true"),
            ("1.is(System.Integer)", "true"),
            ("1 is integer", "false"),
            ("1L is Long", "true"),
            ("1L is Integer", "false"),
            ("1L.type()", "System.Long"),
            ("1 is System.Any", "true"),
            ("1.0 is Integer", "false"),
            ("'a' is String", "true"),
            ("active is boolean", "true"),
            ("active is Boolean", "false"),
            ("active is FHIR.boolean", "true"),
            ("active is System.Boolean", "false"),
            ("name[0].use is string", "true"),
            ("name[0].use is code", "true"),
            ("name[0].family is code", "false"),
            ("$this is Patient", "true"),
            ("$this is Resource", "true"),
            ("$this is Organization", "false"),
            ("@2014.is(Date)", "true"),
            ("@2014T.is(DateTime)", "true"),
            ("@T10.is(Time)", "true"),
            ("1 'mg' is Quantity", "true"),
            ("{} is Patient", ""),
            ("(1 | 2) is Integer", "Values:"),
            ("contained[0] is Organization", "true"),
            ("1.ofType(Integer)", "1"),
            ("1.as(String)", ""),
            ("(name[0].family as String).exists()", "true"),
            ("name[0].family.as(System.String).exists()", "true"),
            ("name[0].family as Boolean", ""),
            ("active.ofType(Boolean).exists()", "true"),
            ("1 is System.Nothing", "false"),
            ("$this is System.Patient", "false"),
        ]);
    }
}
