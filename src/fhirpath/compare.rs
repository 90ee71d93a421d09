//! Equality, equivalence and order of items.

use std::borrow::Cow;
use std::cmp::Ordering;

use fhir::document::{Node, Shape};
use rust_decimal::Decimal;

use crate::calendar::DateTime;
use crate::model::Model;
use crate::quantity::{Quantity, alike, decimal};
use crate::value::{Element, Item};

/// Whether two items are equal; `None` where their precision doesn't let that be told.
pub(crate) fn equal(model: &dyn Model, left: &Item<'_>, right: &Item<'_>) -> Option<bool> {
    if let (Item::Element(a), Item::Element(b)) = (left, right)
        && (a.node == b.node || (a.node.is_object() && b.node.is_object()))
    {
        return Some(a.node == b.node || same_object(a.node, b.node));
    }
    if let (Item::Element(element), Item::String(text)) = (left, right)
        && element.is_text(model)
    {
        return Some(element.node.says(text));
    }
    let (a, b) = (left.system(model), right.system(model));
    match (&a, &b) {
        (Item::Boolean(a), Item::Boolean(b)) => Some(a == b),
        (Item::Integer(a), Item::Integer(b)) => Some(a == b),
        (Item::String(a), Item::String(b)) => Some(a == b),
        (Item::Time(a), Item::Time(b)) => a.compare(b).map(Ordering::is_eq),
        (Item::Type(a), Item::Type(b)) => Some(a == b),
        (Item::Elsewhere(a), Item::Elsewhere(b)) => Some(a.reference.node.text() == b.reference.node.text()),
        _ => {
            if let (Some(a), Some(b)) = (number(&a), number(&b)) {
                return Some(a == b);
            }
            if let (Some(a), Some(b)) = (moment(&a, &b), moment(&b, &a)) {
                return a.compare(&b).map(Ordering::is_eq);
            }
            match quantities(model, &a, &b) {
                Some((a, b)) => a.compare(&b).map(Ordering::is_eq),
                None => Some(same_other(left, right)),
            }
        }
    }
}

/// Items of unlike kinds are never equal, but for primitives that have only extensions.
fn same_other(left: &Item<'_>, right: &Item<'_>) -> bool {
    match (left, right) {
        (Item::Element(a), Item::Element(b)) => {
            let both_bare = a.node.is_null() && b.node.is_null();
            both_bare && matches!((a.sibling, b.sibling), (Some(a), Some(b)) if a == b || same_object(a, b))
        }
        _ => false,
    }
}

/// The number an item is, of a computed integer or decimal.
pub(crate) fn number(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) | Item::Long(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        _ => None,
    }
}

/// An item as a date with time where it is one, or is a text that reads as one beside another.
fn moment(item: &Item<'_>, other: &Item<'_>) -> Option<DateTime> {
    match (item, other) {
        (Item::Date(date), _) => Some(DateTime::from(*date)),
        (Item::DateTime(moment), _) => Some(*moment),
        (Item::String(text), Item::Date(_) | Item::DateTime(_)) => DateTime::parse(text),
        _ => None,
    }
}

/// Two quantities, one of which may be a plain number.
fn quantities<'a>(model: &dyn Model, left: &Item<'a>, right: &Item<'a>) -> Option<(Quantity<'a>, Quantity<'a>)> {
    let read = |item: &Item<'a>| item.quantity(model).or_else(|| number(item).map(Quantity::plain));
    let computed = |item: &Item<'_>| matches!(item, Item::Quantity(_));
    let plain = |item: &Item<'_>| number(item).is_some();
    let fits = computed(left) || computed(right) || (!plain(left) && !plain(right));
    if fits { Some((read(left)?, read(right)?)) } else { None }
}

/// Which comes first: an error where the two have no common order, `None` where it can't be told.
pub(crate) fn order(model: &dyn Model, left: &Item<'_>, right: &Item<'_>) -> Result<Option<Ordering>, String> {
    let (a, b) = (left.system(model), right.system(model));
    match (&a, &b) {
        (Item::Integer(a), Item::Integer(b)) => return Ok(Some(a.cmp(b))),
        (Item::String(a), Item::String(b)) => return Ok(Some(a.cmp(b))),
        (Item::Time(a), Item::Time(b)) => return Ok(a.compare(b)),
        (Item::Time(time), Item::String(text)) | (Item::String(text), Item::Time(time)) => {
            if let Some(read) = crate::calendar::Time::parse(text) {
                let order = time.compare(&read);
                return Ok(if matches!(a, Item::Time(_)) {
                    order
                } else {
                    order.map(Ordering::reverse)
                });
            }
        }
        _ => {}
    }
    if let (Some(a), Some(b)) = (number(&a), number(&b)) {
        return Ok(Some(a.cmp(&b)));
    }
    if let (Some(a), Some(b)) = (moment(&a, &b), moment(&b, &a)) {
        return Ok(a.compare(&b));
    }
    match quantities(model, &a, &b) {
        Some((a, b)) => Ok(a.compare(&b)),
        None if left.is_valueless(model) || right.is_valueless(model) => Ok(None),
        None => Err(format!(
            "{} and {} have no order",
            describe(model, left),
            describe(model, right)
        )),
    }
}

/// Whether two items are equivalent: equal but for case, white space, order and fine precision.
pub(crate) fn equivalent(model: &dyn Model, left: &Item<'_>, right: &Item<'_>) -> bool {
    if let (Item::Element(a), Item::Element(b)) = (left, right)
        && a.node.is_object()
        && b.node.is_object()
    {
        let quantities = left.quantity(model).zip(right.quantity(model));
        let typed = a.kind.is_some() && b.kind.is_some();
        return match quantities.filter(|_| typed) {
            Some((a, b)) => a.equivalent(&b),
            None => alike_nodes(a.node, b.node),
        };
    }
    let (a, b) = (left.system(model), right.system(model));
    match (&a, &b) {
        (Item::String(a), Item::String(b)) => folded(a) == folded(b),
        (Item::Time(a), Item::Time(b)) => a.compare(b) == Some(Ordering::Equal),
        _ => {
            if let (Some(a), Some(b)) = (number(&a), number(&b)) {
                return alike(a, b);
            }
            if let (Some(a), Some(b)) = (moment(&a, &b), moment(&b, &a)) {
                return a.compare(&b) == Some(Ordering::Equal);
            }
            match quantities(model, &a, &b) {
                Some((a, b)) => a.equivalent(&b),
                None => equal(model, left, right) == Some(true),
            }
        }
    }
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Objects of more members than any type has are compared as texts, so that hostile ones cost no square.
const MEMBERS_LIMIT: usize = 200;

fn same_object(left: Node<'_>, right: Node<'_>) -> bool {
    let count = left.members().count();
    if count > MEMBERS_LIMIT {
        return left.text() == right.text();
    }
    count == right.members().count()
        && left
            .members()
            .all(|(key, value)| right.get(&key).is_some_and(|other| same_node(value, other)))
}

/// Whether two JSON values say the same: members in any order, numbers by value.
fn same_node(left: Node<'_>, right: Node<'_>) -> bool {
    match (left.shape(), right.shape()) {
        (Shape::Object, Shape::Object) => same_object(left, right),
        (Shape::Array, Shape::Array) => {
            left.items().count() == right.items().count()
                && left.items().zip(right.items()).all(|(a, b)| same_node(a, b))
        }
        (Shape::Number, Shape::Number) => {
            left.text() == right.text() || decimal(left.text()).is_some_and(|a| decimal(right.text()) == Some(a))
        }
        (Shape::Plain | Shape::Escaped, Shape::Plain | Shape::Escaped) => left.as_str() == right.as_str(),
        _ => left.text() == right.text(),
    }
}

fn alike_nodes(left: Node<'_>, right: Node<'_>) -> bool {
    match (left.shape(), right.shape()) {
        (Shape::Object, Shape::Object) => {
            let content = |node: Node<'_>| node.members().filter(|(key, _)| key != "id").count();
            content(left) == content(right)
                && left
                    .members()
                    .filter(|(key, _)| key != "id")
                    .all(|(key, value)| right.get(&key).is_some_and(|other| alike_nodes(value, other)))
        }
        (Shape::Array, Shape::Array) => {
            left.items().count() == right.items().count()
                && left.items().all(|a| right.items().any(|b| alike_nodes(a, b)))
        }
        (Shape::Number, Shape::Number) => match (decimal(left.text()), decimal(right.text())) {
            (Some(a), Some(b)) => alike(a, b),
            _ => left.text() == right.text(),
        },
        (Shape::Plain | Shape::Escaped, Shape::Plain | Shape::Escaped) => {
            let fold = |node: Node<'_>| node.as_str().map(|text| folded(&text));
            fold(left) == fold(right)
        }
        _ => left.text() == right.text(),
    }
}

/// An item for a sentence: its kind and, of short values, the value.
pub(crate) fn describe(model: &dyn Model, item: &Item<'_>) -> String {
    match item {
        Item::Element(Element { kind: Some(kind), .. }) => format!("an element of type {}", model.type_name(*kind)),
        Item::Element(_) => "an element".to_owned(),
        Item::Elsewhere(_) => "a referenced resource".to_owned(),
        Item::Type(_) => "a type".to_owned(),
        Item::String(text) => {
            let shown: Cow<'_, str> = if text.chars().count() > 40 {
                text.chars().take(40).chain("…".chars()).collect::<String>().into()
            } else {
                Cow::Borrowed(text)
            };
            format!("the string '{shown}'")
        }
        Item::Boolean(value) => format!("the boolean {value}"),
        Item::Integer(value) => format!("the integer {value}"),
        Item::Long(value) => format!("the long integer {value}"),
        Item::Decimal(value) => format!("the decimal {value}"),
        Item::Date(value) => format!("the date {value}"),
        Item::DateTime(value) => format!("the date and time {value}"),
        Item::Time(value) => format!("the time {value}"),
        Item::Quantity(value) => format!("the quantity {value}"),
    }
}
