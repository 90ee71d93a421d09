//! The values of one record: one walk for all plain paths, the FHIRPath engine for the rest.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use conformance::ParameterType;
use fhir::document::Node;
use fhir::identity::Id;
use fhirpath::evaluate::Context;
use fhirpath::value::{Element, Item};

use crate::plan::{Leaf, Visit};
use crate::registry::{Computed, KindParameters, Registry};
use crate::shape::{Shape, target};
use crate::values::{Contained, Entry, Target, Value, Values};

/// Steps an expression that a record of this server defines may take over one record: it holds up whoever writes it.
const CUSTOM_STEPS: u64 = 50_000;
/// Values it may find.
const CUSTOM_VALUES: usize = 1_000;

/// The values of a record of the kind.
pub(crate) fn values(registry: &Registry, of_kind: &KindParameters, root: Node<'_>) -> Values {
    let mut found = Found {
        registry,
        of_kind,
        root,
        entries: Vec::with_capacity(32),
    };
    of_kind.plan.walk(root, &mut found);
    let mut entries = found.entries;
    for computed in &of_kind.computed {
        compute(registry, computed, root, &mut entries);
    }
    Values {
        entries,
        contained: Vec::new(),
    }
}

/// The resources a record contains. One without an id can be found, but not referred to.
pub(crate) fn contained(registry: &Registry, root: Node<'_>) -> Vec<Contained> {
    let items = root.get("contained").into_iter().flat_map(|list| list.items());
    let one = |(place, item): (usize, Node<'_>)| {
        let kind = registry.kind(&item.string("resourceType")?)?.clone();
        let id = item.string("id").and_then(|id| Id::new(&id));
        let values = registry.extract_flat(&kind, item);
        Some(Contained {
            kind,
            place,
            id,
            values,
            text: item.text().into(),
            analysis: Arc::clone(registry.analysis()),
        })
    };
    items.enumerate().filter_map(one).collect()
}

/// What the walk over a record has found so far.
struct Found<'a> {
    registry: &'a Registry,
    of_kind: &'a KindParameters,
    root: Node<'a>,
    entries: Vec<Entry>,
}

impl Visit for Found<'_> {
    fn value(&mut self, leaf: &Leaf, node: Node<'_>) {
        let (param, entries) = (leaf.param, &mut self.entries);
        leaf.shape.values(leaf.kind, node, self.registry.zone, &mut |value| {
            let value = leaf.complete(value);
            entries.push(Entry { param, value })
        });
    }

    fn base(&mut self, base: u16, node: Node<'_>) {
        let entries = &mut self.entries;
        let bases = &self.of_kind.bases;
        bases.tuples(self.registry, base, (self.root, node), &mut |entry| entries.push(entry));
    }
}

fn compute(registry: &Registry, computed: &Computed, root: Node<'_>, entries: &mut Vec<Entry>) {
    let definitions = &*registry.definitions;
    let focus = Element::resource(definitions, root);
    // No standard parameter asks for the time, and a stored record's values may not depend on it.
    let mut context = Context::new(definitions, focus, 0);
    context.zone = registry.zone;
    if computed.custom {
        context.steps = CUSTOM_STEPS;
    }
    let items = match computed.expression.evaluate(&context, focus) {
        Ok(items) if !computed.custom || items.len() <= CUSTOM_VALUES => items,
        _ => {
            computed.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
    };
    let param = computed.param;
    for item in items {
        of_item(registry, computed.kind, &item, &mut |value| {
            entries.push(Entry { param, value })
        });
    }
}

/// The values an item holds for a search type.
pub(crate) fn of_item(registry: &Registry, search: ParameterType, item: &Item<'_>, each: &mut dyn FnMut(Value)) {
    let token = |code: String| Value::Token {
        system: None,
        code: Some(code.into()),
        text: None,
    };
    match item {
        Item::Element(element) => of_element(registry, search, element, each),
        Item::Boolean(value) if search == ParameterType::Token => each(token(value.to_string())),
        Item::Integer(value) if search == ParameterType::Token => each(token(value.to_string())),
        Item::String(text) if search == ParameterType::Token => each(token(text.to_string())),
        Item::String(text) if search == ParameterType::String => each(Value::String(text.as_ref().into())),
        Item::String(text) if search == ParameterType::Uri => each(Value::Uri(text.as_ref().into())),
        Item::String(text) if search == ParameterType::Reference => {
            if let Some(target) = target(text) {
                each(Value::Reference(target));
            }
        }
        Item::Integer(value) if search == ParameterType::Number => {
            let (low, high) = (*value as f64, *value as f64);
            each(Value::Number { low, high });
        }
        _ => {}
    }
}

fn of_element(registry: &Registry, search: ParameterType, element: &Element<'_>, each: &mut dyn FnMut(Value)) {
    let definitions = &*registry.definitions;
    let Some(kind) = element.kind else {
        return;
    };
    match Shape::of(definitions, kind) {
        Some(shape) if shape.serves(search) => shape.values(search, element.node, registry.zone, each),
        Some(_) => {}
        None if search == ParameterType::Reference => {
            if let Some(target) = inline(element.node) {
                each(Value::Reference(target));
            }
        }
        None => {}
    }
}

/// A resource that stands where a reference is asked for: the first entry of a document or message.
fn inline(resource: Node<'_>) -> Option<Target> {
    let (kind, id) = (resource.string("resourceType")?, resource.string("id")?);
    target(&format!("{kind}/{id}"))
}
