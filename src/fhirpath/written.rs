//! Items for those who asked: the name of their type, and their value as JSON.

use std::borrow::Cow;
use std::fmt::Display;

use fhir::document::Shape;
use fhir::parse::write_string;

use crate::model::Model;
use crate::quantity::{Quantity, Unit};
use crate::value::{Element, Item};

impl<'a> Item<'a> {
    /// The name of the type, as FHIR names it: `HumanName`, `code`, `Patient.contact`. Computed values have the name of
    /// the FHIR type that holds such: `string`, `dateTime`, `Quantity`.
    pub fn type_name(&self, model: &'a dyn Model) -> Cow<'a, str> {
        Cow::Borrowed(match self {
            Item::Element(element) => match element.kind {
                Some(kind) => model.type_name(kind),
                None => return untyped(element),
            },
            Item::Elsewhere(elsewhere) => elsewhere.kind.map_or("Resource", |kind| model.type_name(kind)),
            Item::Boolean(_) => "boolean",
            Item::Integer(_) => "integer",
            Item::Long(_) => "integer64",
            Item::Decimal(_) => "decimal",
            Item::String(_) => "string",
            Item::Date(_) => "date",
            Item::DateTime(_) => "dateTime",
            Item::Time(_) => "time",
            Item::Quantity(_) => "Quantity",
            Item::Type(_) => "TypeInfo",
        })
    }

    /// Appends the value as JSON: what a record holds as it stands there, `null` for a primitive without a value. Of a
    /// resource that is not at hand it is the reference to it.
    pub fn write_json(&self, model: &dyn Model, out: &mut Vec<u8>) {
        match self {
            Item::Element(_) if self.is_valueless(model) => out.extend_from_slice(b"null"),
            Item::Element(element) => element.node.write_compact(out),
            Item::Elsewhere(elsewhere) => elsewhere.reference.node.write_compact(out),
            Item::Boolean(value) => plain(value, out),
            Item::Integer(value) | Item::Long(value) => plain(value, out),
            Item::Decimal(value) => plain(value, out),
            Item::String(text) => write_string(out, text),
            Item::Date(value) => write_string(out, &value.to_string()),
            Item::DateTime(value) => write_string(out, &value.to_string()),
            Item::Time(value) => write_string(out, &value.to_string()),
            Item::Quantity(value) => quantity(value, out),
            Item::Type(info) => {
                out.extend_from_slice(b"{\"namespace\":");
                write_string(out, info.namespace);
                out.extend_from_slice(b",\"name\":");
                write_string(out, &info.name);
                out.push(b'}');
            }
        }
    }
}

/// The type of an element that the model doesn't know, by its JSON.
fn untyped<'a>(element: &Element<'a>) -> Cow<'a, str> {
    match element.node.shape() {
        Shape::Bool => Cow::Borrowed("boolean"),
        Shape::Number if element.node.text().contains(['.', 'e', 'E']) => Cow::Borrowed("decimal"),
        Shape::Number => Cow::Borrowed("integer"),
        Shape::Plain | Shape::Escaped => Cow::Borrowed("string"),
        _ => element.node.string("resourceType").unwrap_or(Cow::Borrowed("Element")),
    }
}

fn plain(value: impl Display, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

fn quantity(quantity: &Quantity<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"value\":");
    plain(quantity.value, out);
    let unit = match &quantity.unit {
        Unit::Code(code) => Cow::Borrowed(&**code),
        calendar => Cow::Owned(calendar.word().unwrap_or_default().to_owned()),
    };
    out.extend_from_slice(b",\"unit\":");
    write_string(out, &unit);
    if let Unit::Code(code) = &quantity.unit {
        out.extend_from_slice(b",\"system\":");
        write_string(out, ucum::SYSTEM);
        out.extend_from_slice(b",\"code\":");
        write_string(out, code);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use crate::context::Context;
    use crate::expression::Expression;
    use crate::trial::{PATIENT, Small};
    use crate::value::Element;

    #[test]
    fn items_are_written_with_their_types() {
        let table = [
            ("birthDate", r#"date "1974-12-25""#),
            ("birthDate + 1 day", r#"date "1974-12-26""#),
            ("name[0].use", r#"code "official""#),
            ("name[1].given[0]", "string null"),
            ("contact.name", r#"HumanName {"family":"Wangmo"}"#),
            ("contact", r#"Patient.contact {"name":{"family":"Wangmo"}}"#),
            ("active", "boolean true"),
            ("1.50", "decimal 1.50"),
            (
                "2 'mg'",
                r#"Quantity {"value":2,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}"#,
            ),
            ("2 days", r#"Quantity {"value":2,"unit":"day"}"#),
            ("@T10:30", r#"time "10:30""#),
            ("1.type()", r#"TypeInfo {"namespace":"System","name":"Integer"}"#),
        ];
        let model = Small::new();
        let document = Document::parse(PATIENT.as_bytes(), Limits::default()).expect("the record is JSON");
        let resource = Element::resource(&model, document.root());
        let context = Context::new(&model, resource, 0);
        for (text, expected) in table {
            let expression = Expression::parse(text).expect(text);
            let found = expression.evaluate(&context, resource).expect(text);
            let mut json = Vec::new();
            found[0].write_json(&model, &mut json);
            let written = format!("{} {}", found[0].type_name(&model), String::from_utf8_lossy(&json));
            assert_eq!(written, expected, "{text}");
        }
    }
}
