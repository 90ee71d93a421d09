//! The data types that hold search values, and how each becomes a value of a search type.
//!
//! The table of <https://hl7.org/fhir/R4/search.html#ptypes>, data type by search type. A data type that
//! says nothing for a search type gives no value.

use conformance::{Definitions, ParameterType};
use fhir::document::Node;
use fhir::identity::{Id, Kind, Reference};
use fhir::moment::{BEGINNING, END, Stretch, stretch};
use fhirpath::model::{Model, TypeId};

use crate::measure;
use crate::position::Position;
use crate::values::{Quantity, Target, Value};

/// A data type, as far as search tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Any primitive: its text.
    Primitive,
    Coding,
    CodeableConcept,
    Identifier,
    ContactPoint,
    HumanName,
    Address,
    Reference,
    Period,
    Timing,
    /// Quantity and what specialises it: Age, Duration, Count, Distance.
    Quantity,
    Money,
    Range,
    /// Where a Location is.
    Position,
    /// An extension: its `value[x]`.
    Extension,
    /// A data type without search values: SampledData, Attachment, a backbone element.
    Other,
}

const SHAPES: [(&str, Shape); 13] = [
    ("Coding", Shape::Coding),
    ("CodeableConcept", Shape::CodeableConcept),
    ("Identifier", Shape::Identifier),
    ("ContactPoint", Shape::ContactPoint),
    ("HumanName", Shape::HumanName),
    ("Address", Shape::Address),
    ("Reference", Shape::Reference),
    ("Period", Shape::Period),
    ("Timing", Shape::Timing),
    ("Money", Shape::Money),
    ("Range", Shape::Range),
    ("Extension", Shape::Extension),
    ("Location.position", Shape::Position),
];

impl Shape {
    /// The shape of a type; `None` for a resource.
    pub(crate) fn of(definitions: &Definitions, kind: TypeId) -> Option<Shape> {
        let name = definitions.type_name(kind);
        if definitions.is_resource(name) || name == "Resource" || name == "DomainResource" {
            return None;
        }
        if definitions.is_primitive_type(kind) {
            return Some(Shape::Primitive);
        }
        let quantity = definitions.type_id("Quantity");
        if quantity.is_some_and(|quantity| definitions.is_a(kind, quantity)) {
            return Some(Shape::Quantity);
        }
        Some(Shape::named(name))
    }

    fn named(name: &str) -> Shape {
        SHAPES
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Shape::Other, |(_, shape)| *shape)
    }

    /// Whether the type can hold values of the search type at all.
    pub(crate) fn serves(self, search: ParameterType) -> bool {
        use ParameterType as P;
        match self {
            Shape::Primitive => !matches!(search, P::Quantity | P::Composite | P::Special),
            Shape::Coding | Shape::Identifier | Shape::ContactPoint => search == P::Token,
            Shape::CodeableConcept => matches!(search, P::Token | P::String),
            Shape::HumanName | Shape::Address => search == P::String,
            Shape::Reference => search == P::Reference,
            Shape::Period | Shape::Timing => search == P::Date,
            Shape::Quantity | Shape::Money => search == P::Quantity,
            Shape::Range => matches!(search, P::Quantity | P::Number),
            Shape::Position => search == P::Special,
            Shape::Extension => search != P::Special,
            Shape::Other => false,
        }
    }

    /// Calls `each` with every value that the element holds for the search type.
    pub(crate) fn values(self, search: ParameterType, node: Node<'_>, zone: i32, each: &mut dyn FnMut(Value)) {
        match self {
            Shape::Primitive => each_if(primitive(search, node, zone), each),
            Shape::Coding => each_if(coding(node), each),
            Shape::CodeableConcept if search == ParameterType::Token => concept(node, each),
            Shape::CodeableConcept => strings(node, &["text"], each),
            Shape::Identifier => identifier(node, each),
            Shape::ContactPoint => each_if(text(node, "value").map(|value| token(None, Some(value), None)), each),
            Shape::HumanName => strings(node, &["text", "family", "given", "prefix", "suffix"], each),
            Shape::Address => strings(node, &ADDRESS, each),
            Shape::Reference => reference(node, each),
            Shape::Period => each_if(period(node, zone).map(Value::Date), each),
            Shape::Timing => each_if(timing(node, zone).map(Value::Date), each),
            Shape::Quantity => each_if(quantity(node), each),
            Shape::Money => each_if(money(node), each),
            Shape::Range => each_if(range(search, node), each),
            Shape::Extension => extension(search, node, zone, each),
            Shape::Position => each_if(position(node), each),
            Shape::Other => {}
        }
    }
}

fn position(node: Node<'_>) -> Option<Value> {
    let degrees = |name: &str| node.get(name)?.scalar();
    let place = Position::parse(&degrees("latitude")?, &degrees("longitude")?)?;
    Some(Value::Position(place))
}

const ADDRESS: [&str; 7] = ["text", "line", "city", "district", "state", "postalCode", "country"];

fn each_if(value: Option<Value>, each: &mut dyn FnMut(Value)) {
    if let Some(value) = value {
        each(value);
    }
}

fn text(node: Node<'_>, name: &str) -> Option<Box<str>> {
    let found = node.get(name)?.scalar()?;
    (!found.is_empty()).then(|| found.into())
}

fn token(system: Option<Box<str>>, code: Option<Box<str>>, text: Option<Box<str>>) -> Value {
    Value::Token { system, code, text }
}

fn primitive(search: ParameterType, node: Node<'_>, zone: i32) -> Option<Value> {
    let scalar = node.scalar().filter(|text| !text.is_empty())?;
    Some(match search {
        ParameterType::Token => token(None, Some(scalar.into()), None),
        ParameterType::String => Value::String(scalar.into()),
        ParameterType::Uri => Value::Uri(scalar.into()),
        ParameterType::Date => Value::Date(stretch(&scalar, zone)?),
        ParameterType::Reference => Value::Reference(target(&scalar)?),
        ParameterType::Number => {
            let number = number(&scalar)?;
            Value::Number {
                low: number,
                high: number,
            }
        }
        ParameterType::Quantity | ParameterType::Composite | ParameterType::Special => return None,
    })
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn coding(node: Node<'_>) -> Option<Value> {
    let (system, code, display) = (text(node, "system"), text(node, "code"), text(node, "display"));
    (system.is_some() || code.is_some() || display.is_some()).then(|| token(system, code, display))
}

fn concept(node: Node<'_>, each: &mut dyn FnMut(Value)) {
    for (name, member) in node.members() {
        match &*name {
            "coding" => member.each().filter_map(coding).for_each(&mut *each),
            "text" => each_if(text(node, "text").map(|text| token(None, None, Some(text))), each),
            _ => {}
        }
    }
}

fn identifier(node: Node<'_>, each: &mut dyn FnMut(Value)) {
    let (system, value) = (text(node, "system"), text(node, "value"));
    let kind = node.get("type");
    let label = kind.and_then(|kind| text(kind, "text"));
    if let Some(value) = &value {
        for coding in kind
            .and_then(|kind| kind.get("coding"))
            .into_iter()
            .flat_map(|list| list.each())
        {
            if let (Some(system), Some(code)) = (text(coding, "system"), text(coding, "code")) {
                let value = value.clone();
                each(Value::OfType { system, code, value });
            }
        }
    }
    if system.is_some() || value.is_some() {
        each(token(system, value, label));
    }
}

fn strings(node: Node<'_>, names: &[&str], each: &mut dyn FnMut(Value)) {
    for (name, member) in node.members() {
        if names.contains(&&*name) {
            for item in member.each() {
                if let Some(text) = item.as_str().filter(|text| !text.is_empty()) {
                    each(Value::String(text.into()));
                }
            }
        }
    }
}

fn reference(node: Node<'_>, each: &mut dyn FnMut(Value)) {
    if let Some(literal) = node.string("reference") {
        each_if(target(&literal).map(Value::Reference), each);
    }
    if let Some(identifier) = node.get("identifier") {
        let (system, value) = (text(identifier, "system"), text(identifier, "value"));
        if system.is_some() || value.is_some() {
            each(Value::Reference(Target::Identifier { system, value }));
        }
    }
}

/// Where a literal reference or a canonical points; a contained resource is an address that starts with `#`.
pub(crate) fn target(literal: &str) -> Option<Target> {
    match Reference::parse(literal) {
        Reference::Literal {
            base: "",
            kind,
            id,
            version,
        } => Some(Target::Local {
            kind: Kind::new(kind)?,
            id: Id::new(id)?,
            version: version.map(Into::into),
        }),
        _ if literal.is_empty() => None,
        _ => Some(Target::Elsewhere(literal.into())),
    }
}

fn period(node: Node<'_>, zone: i32) -> Option<Stretch> {
    let edge = |name: &str| node.string(name).and_then(|text| stretch(&text, zone));
    let (start, end) = (edge("start"), edge("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    Some(Stretch {
        start: start.map_or(BEGINNING, |s| s.start),
        end: end.map_or(END, |s| s.end),
    })
}

/// The outer limits of a timing: its events and its bounds.
fn timing(node: Node<'_>, zone: i32) -> Option<Stretch> {
    let events = node.get("event").into_iter().flat_map(|list| list.each());
    let events = events.filter_map(|event| stretch(&event.as_str()?, zone));
    let bounds = node.get("repeat").and_then(|repeat| repeat.get("boundsPeriod"));
    events
        .chain(bounds.and_then(|bounds| period(bounds, zone)))
        .reduce(|a, b| Stretch {
            start: a.start.min(b.start),
            end: a.end.max(b.end),
        })
}

fn quantity(node: Node<'_>) -> Option<Value> {
    let written = node.get("value")?.scalar()?;
    let value = number(&written)?;
    let (open_low, open_high) = match node.string("comparator").as_deref() {
        Some("<" | "<=") => (true, false),
        Some(">" | ">=") => (false, true),
        _ => (false, false),
    };
    let (system, code) = (text(node, "system"), text(node, "code"));
    let end = |open: bool| (!open).then_some(&*written);
    let canonical = measure::canonical(system.as_deref(), code.as_deref(), end(open_low), end(open_high));
    Some(Value::Quantity(Box::new(Quantity {
        low: if open_low { f64::NEG_INFINITY } else { value },
        high: if open_high { f64::INFINITY } else { value },
        system,
        code,
        unit: text(node, "unit"),
        canonical,
    })))
}

/// Currencies are ISO 4217 codes (<https://hl7.org/fhir/R4/datatypes.html#Money>).
const CURRENCIES: &str = "urn:iso:std:iso:4217";

fn money(node: Node<'_>) -> Option<Value> {
    let value = number(&node.get("value")?.scalar()?)?;
    let code = text(node, "currency");
    Some(Value::Quantity(Box::new(Quantity {
        low: value,
        high: value,
        system: code.is_some().then(|| CURRENCIES.into()),
        code,
        unit: None,
        canonical: None,
    })))
}

fn range(search: ParameterType, node: Node<'_>) -> Option<Value> {
    let written = |name: &str| {
        let text = node.get(name)?.get("value")?.scalar()?;
        Some((number(&text)?, text))
    };
    let (from, to) = (written("low"), written("high"));
    if from.is_none() && to.is_none() {
        return None;
    }
    let low = from.as_ref().map_or(f64::NEG_INFINITY, |(low, _)| *low);
    let high = to.as_ref().map_or(f64::INFINITY, |(high, _)| *high);
    if search == ParameterType::Number {
        return Some(Value::Number { low, high });
    }
    let of_unit = |name: &str| {
        let ends = [node.get("low"), node.get("high")];
        ends.into_iter().flatten().find_map(|end| text(end, name))
    };
    let (system, code) = (of_unit("system"), of_unit("code"));
    let [from, to] = [&from, &to].map(|end| end.as_ref().map(|(_, text)| &**text));
    let canonical = measure::canonical(system.as_deref(), code.as_deref(), from, to);
    Some(Value::Quantity(Box::new(Quantity {
        low,
        high,
        system,
        code,
        unit: of_unit("unit"),
        canonical,
    })))
}

fn extension(search: ParameterType, node: Node<'_>, zone: i32, each: &mut dyn FnMut(Value)) {
    for (name, member) in node.members() {
        let Some(kind) = name.strip_prefix("value") else {
            continue;
        };
        let shape = match (Shape::named(kind), kind) {
            (Shape::Other, "Quantity" | "Age" | "Duration" | "Count" | "Distance") => Shape::Quantity,
            (Shape::Other, _) if !member.is_object() => Shape::Primitive,
            (shape, _) => shape,
        };
        if shape != Shape::Extension && shape.serves(search) {
            shape.values(search, member, zone, each);
        }
    }
}
