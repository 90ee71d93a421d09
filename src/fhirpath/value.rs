//! What an expression yields: elements of the record where they stand, or computed values.

use std::borrow::Cow;

use fhir::document::{Node, Shape};
use rust_decimal::Decimal;

use crate::calendar::{Date, DateTime, Time};
use crate::model::{Model, Sort, TypeId};
use crate::quantity::{Quantity, decimal};

/// One element of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Element<'a> {
    /// The element's JSON value. Of a primitive that has only extensions this is the value of its `_name`
    /// member, or a `null` in an array whose sibling stands in `sibling`.
    pub node: Node<'a>,
    /// The `_name` half of a primitive, with its id and extensions.
    pub sibling: Option<Node<'a>>,
    /// The element's type, where the model knows it.
    pub kind: Option<TypeId>,
}

impl<'a> Element<'a> {
    /// A resource, typed by its `resourceType`.
    pub fn resource(model: &dyn Model, node: Node<'a>) -> Element<'a> {
        let kind = node.string("resourceType").and_then(|name| model.type_id(&name));
        Element {
            node,
            sibling: None,
            kind,
        }
    }

    /// Whether it is a primitive that has a value, not only extensions.
    pub fn has_value(&self) -> bool {
        !self.node.is_null() && !self.node.is_object() && !self.node.is_array()
    }

    /// Whether it is a primitive with a string that is computed as one: no date, no time.
    pub(crate) fn is_text(&self, model: &dyn Model) -> bool {
        let is_string = matches!(self.node.shape(), Shape::Plain | Shape::Escaped);
        let reads_as_other = |kind| matches!(model.sort(kind), Sort::Date | Sort::DateTime | Sort::Time);
        is_string && !self.kind.is_some_and(reads_as_other)
    }

    /// The text of a primitive's value: a string's characters, a number's digits, `true` or `false`.
    pub fn scalar(&self) -> Option<Cow<'a, str>> {
        self.node.scalar()
    }
}

/// A resource that a reference names and that is not at hand: it answers only what type it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elsewhere<'a> {
    /// The element that held the reference.
    pub reference: Element<'a>,
    /// The type of the resource it names, where the reference says it.
    pub kind: Option<TypeId>,
}

/// What `type()` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeInfo<'a> {
    /// `System` or `FHIR`.
    pub namespace: &'static str,
    /// The type's name within it.
    pub name: Cow<'a, str>,
    /// The type it specialises, qualified, where there is one.
    pub base: Option<Cow<'a, str>>,
}

/// One item of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// An element of a record, where it stands; primitives too.
    Element(Element<'a>),
    /// A resource that a reference names and that is not at hand.
    Elsewhere(Elsewhere<'a>),
    /// A computed boolean.
    Boolean(bool),
    /// A computed integer, of 32 bits.
    Integer(i64),
    /// A computed integer of 64 bits.
    Long(i64),
    /// A computed decimal; its scale is its precision.
    Decimal(Decimal),
    /// A computed string.
    String(Cow<'a, str>),
    /// A computed date.
    Date(Date),
    /// A computed date with time.
    DateTime(DateTime),
    /// A computed time of day.
    Time(Time),
    /// A computed quantity.
    Quantity(Quantity<'a>),
    /// What `type()` answers.
    Type(Box<TypeInfo<'a>>),
}

impl<'a> Item<'a> {
    /// A whole number: an integer where it is one of 32 bits.
    pub fn whole(value: i64) -> Item<'a> {
        match i32::try_from(value) {
            Ok(_) => Item::Integer(value),
            Err(_) => Item::Long(value),
        }
    }

    /// The element, where the item is one.
    pub fn element(&self) -> Option<Element<'a>> {
        match self {
            Item::Element(element) => Some(*element),
            _ => None,
        }
    }
}

impl<'a> Item<'a> {
    /// The computed value of a primitive element; anything else as it is.
    pub fn system(&self, model: &dyn Model) -> Item<'a> {
        match self {
            Item::Element(element) => element.system(model).unwrap_or(Item::Element(*element)),
            other => other.clone(),
        }
    }

    /// Whether it is more than what a reference names: that only answers what type it is.
    #[inline]
    pub(crate) fn is_at_hand(&self) -> bool {
        !matches!(self, Item::Elsewhere(_))
    }

    /// Whether it is a primitive that has no value, only extensions: as an operand it counts as nothing.
    pub fn is_valueless(&self, model: &dyn Model) -> bool {
        let Item::Element(element) = self else {
            return false;
        };
        let primitive = || element.kind.is_some_and(|kind| model.sort(kind).is_primitive());
        !element.has_value() && (element.node.is_null() || primitive())
    }

    /// As [`Item::system`], and a FHIR Quantity as a quantity.
    pub fn quantity(&self, model: &dyn Model) -> Option<Quantity<'a>> {
        match self {
            Item::Quantity(quantity) => Some(quantity.clone()),
            Item::Element(element) if element.node.is_object() => {
                let is_quantity = element.kind.is_none_or(|kind| is_kind(model, kind, "Quantity"));
                if is_quantity {
                    Quantity::of_element(element.node)
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    /// The characters of a string, or of a primitive element that is written as one.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Item::String(text) => Some(text.clone()),
            Item::Element(element) => element.node.as_str(),
            _ => None,
        }
    }
}

impl<'a> Element<'a> {
    /// The computed value of a primitive; `None` where it is none or has no value.
    pub fn system(&self, model: &dyn Model) -> Option<Item<'a>> {
        let sort = || self.kind.map(|kind| model.sort(kind));
        match self.node.shape() {
            Shape::Bool => self.node.as_bool().map(Item::Boolean),
            Shape::Number => number(self.node.as_number()?, sort()),
            Shape::Plain | Shape::Escaped => self.node.as_str().map(|text| string(text, sort())),
            _ => None,
        }
    }
}

fn number<'a>(digits: &str, sort: Option<Sort>) -> Option<Item<'a>> {
    if sort != Some(Sort::Decimal)
        && let Ok(integer) = digits.parse()
    {
        return Some(Item::whole(integer));
    }
    decimal(digits).map(Item::Decimal)
}

fn string<'a>(text: Cow<'a, str>, sort: Option<Sort>) -> Item<'a> {
    let parsed = match sort {
        Some(Sort::Date) => Date::parse(&text).map(Item::Date),
        Some(Sort::DateTime) => DateTime::parse(&text).map(Item::DateTime),
        Some(Sort::Time) => Time::parse(&text).map(Item::Time),
        _ => None,
    };
    parsed.unwrap_or(Item::String(text))
}

/// Whether the type has the name or specialises the one that has it.
pub(crate) fn is_kind(model: &dyn Model, kind: TypeId, name: &str) -> bool {
    let mut at = Some(kind);
    // No model is that deep; the bound guards against one that goes round.
    for _ in 0..16 {
        match at {
            Some(kind) if model.type_name(kind) == name => return true,
            Some(kind) => at = model.base(kind),
            None => return false,
        }
    }
    false
}
