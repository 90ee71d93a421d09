//! Compares values with those that a definition fixes: exactly, or as a pattern; and with its bounds.

use conformance::place::{Place, quoted};
use fhir::document::{Node, Shape as Json};
use fhir::outcome::Code;
use ucum::{Amount, Unit};

use crate::focus::Focus;
use crate::shape::{Profile, Shape};
use crate::walk::Walk;

impl Walk<'_> {
    /// Compares a value with what is fixed, `exact`, or with a pattern.
    pub(crate) fn same(&mut self, place: &Place<'_>, value: Node<'_>, wanted: Node<'_>, exact: bool, profile: &str) {
        if !self.found.step() {
            return;
        }
        match (value.is_object(), wanted.is_object()) {
            (true, true) => self.same_object(place, value, wanted, exact, profile),
            _ if is_same_scalar(value, wanted) => {}
            _ => self.found.error(Code::Value, place, || {
                let (shown, wanted) = (quoted(value.text()), quoted(wanted.text()));
                format!("{shown} is here; the profile {profile} asks for {wanted}.")
            }),
        }
    }

    fn same_object(&mut self, place: &Place<'_>, value: Node<'_>, wanted: Node<'_>, exact: bool, profile: &str) {
        for (name, wanted) in wanted.members() {
            let Some(own) = value.get(&name) else {
                let shown = quoted(wanted.text());
                self.found.error(Code::Value, place, || {
                    format!("`{name}` is missing; the profile {profile} asks for {shown}.")
                });
                continue;
            };
            let below = Place::Member(place, &name);
            if wanted.is_array() {
                self.same_list(&below, own, wanted, exact, profile);
            } else {
                self.same(&below, own, wanted, exact, profile);
            }
        }
        if !exact {
            return;
        }
        for (name, _) in value
            .members()
            .filter(|(name, _)| name != "id" && wanted.get(name).is_none())
        {
            self.found.error(Code::Value, &Place::Member(place, &name), || {
                format!("`{name}` is here; the value that the profile {profile} fixes has none.")
            });
        }
    }

    /// Exactly the same items in order; of a pattern, each item somewhere.
    fn same_list(&mut self, place: &Place<'_>, value: Node<'_>, wanted: Node<'_>, exact: bool, profile: &str) {
        if exact {
            let (own, others) = (value.each().count(), wanted.each().count());
            if own != others {
                self.found.error(Code::Value, place, || {
                    format!("There are {own} here; the profile {profile} fixes {others}.")
                });
            }
            for (at, (own, wanted)) in value.each().zip(wanted.each()).enumerate() {
                self.same(&Place::Item(place, at), own, wanted, exact, profile);
            }
            return;
        }
        for wanted in wanted.each() {
            let found = value
                .each()
                .any(|own| self.trial(|walk| walk.same(place, own, wanted, false, profile)));
            if !found {
                let shown = quoted(wanted.text());
                self.found.error(Code::Value, place, || {
                    format!("None of these is as the profile {profile} asks: {shown}.")
                });
            }
        }
    }

    /// Judges a value by the least and the greatest that a definition allows.
    pub(crate) fn bounds(&mut self, focus: &Focus<'_, '_>, profile: &Profile, shape: &Shape) {
        let node = focus.element.node;
        let (least, greatest) = (shape.least.as_ref(), shape.greatest.as_ref());
        for (bound, wrong, word) in [
            (least, std::cmp::Ordering::Less, "less"),
            (greatest, std::cmp::Ordering::Greater, "greater"),
        ] {
            let Some(bound) = bound else { continue };
            let bound = bound.node();
            match compare(node, bound) {
                Some(order) if order == wrong => self.found.error(Code::Value, focus.place, || {
                    let (shown, bound) = (quoted(&shown(node)), quoted(&self::shown(bound)));
                    format!(
                        "{shown} is {word} than {bound}, which the profile {} allows.",
                        profile.url
                    )
                }),
                Some(_) => {}
                None => self.found.warning(Code::Value, focus.place, || {
                    let (shown, bound) = (quoted(&shown(node)), quoted(&self::shown(bound)));
                    format!(
                        "{shown} cannot be compared with {bound} of the profile {}.",
                        profile.url
                    )
                }),
            }
        }
    }
}

fn is_same_scalar(value: Node<'_>, wanted: Node<'_>) -> bool {
    match (value.shape(), wanted.shape()) {
        (Json::Number, Json::Number) => match (Amount::parse(value.text()), Amount::parse(wanted.text())) {
            (Some(own), Some(wanted)) => own.compare(wanted, 30).is_eq(),
            _ => value.text() == wanted.text(),
        },
        _ => value.scalar().is_some() && value.scalar() == wanted.scalar(),
    }
}

/// How a value stands to another of its kind: numbers, quantities with their units, dates as far as both say.
pub(crate) fn compare(value: Node<'_>, other: Node<'_>) -> Option<std::cmp::Ordering> {
    if value.is_object() {
        return compare_quantities(value, other);
    }
    if let (Some(own), Some(other)) = (value.as_number(), other.as_number()) {
        return Some(Amount::parse(own)?.compare(Amount::parse(other)?, 30));
    }
    let (own, other) = (value.as_str()?, other.as_str()?);
    // Written dates and times are in order as texts, as far as both are precise.
    let length = own.len().min(other.len());
    Some(own.get(..length)?.cmp(other.get(..length)?))
}

fn compare_quantities(value: Node<'_>, other: Node<'_>) -> Option<std::cmp::Ordering> {
    let amount = |node: Node<'_>| Amount::parse(node.get("value")?.as_number()?);
    let (own, limit) = (amount(value)?, amount(other)?);
    let code = |node: Node<'_>| node.string("code").unwrap_or_default().into_owned();
    let (own_code, other_code) = (code(value), code(other));
    if own_code == other_code {
        return Some(own.compare(limit, 30));
    }
    let (from, to) = (Unit::parse(&own_code).ok()?, Unit::parse(&other_code).ok()?);
    Some(ucum::convert(own, &from, &to).ok()?.compare(limit, 15))
}

/// A value as it is shown in a sentence.
pub(crate) fn shown(node: Node<'_>) -> String {
    if !node.is_object() {
        return node.scalar().unwrap_or_default().into_owned();
    }
    let amount = node.get("value").map(|value| value.text()).unwrap_or_default();
    let unit = node.string("code").or_else(|| node.string("unit")).unwrap_or_default();
    format!("{amount} {unit}")
}
