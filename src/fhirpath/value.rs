//! What an expression yields: elements of the record where they stand, or computed values.

use std::borrow::Cow;

use fhir::document::Node;
use rust_decimal::Decimal;

use crate::calendar::{Date, DateTime, Time};
use crate::model::{Model, TypeId};
use crate::quantity::Quantity;

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
    /// A computed integer.
    Integer(i64),
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
    Type(TypeInfo<'a>),
}

impl<'a> Item<'a> {
    /// The element, where the item is one.
    pub fn element(&self) -> Option<Element<'a>> {
        match self {
            Item::Element(element) => Some(*element),
            _ => None,
        }
    }
}
