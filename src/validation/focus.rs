//! The element under judgement: its value, its type, where it stands, and the resources around it.

use conformance::place::Place;
use conformance::{Definitions, Step};
use fhir::document::Node;
use fhirpath::model::{Model, TypeId};
use fhirpath::value::Element;

/// The resources around an element, from the inside out.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a, 'p> {
    /// `%resource`: the nearest resource, itself perhaps contained.
    pub(crate) resource: Element<'a>,
    /// `%rootResource`: the same, or what contains it.
    pub(crate) root: Element<'a>,
    /// The resource that has this one as an entry or a parameter.
    pub(crate) outer: Option<&'p Scope<'a, 'p>>,
    /// In a Bundle: the entry that holds the root.
    pub(crate) entry: Option<Node<'a>>,
}

impl<'a> Scope<'a, '_> {
    /// A resource with nothing around it.
    pub(crate) fn alone(resource: Element<'a>) -> Self {
        Scope {
            resource,
            root: resource,
            outer: None,
            entry: None,
        }
    }
}

/// The element under judgement.
#[derive(Clone, Copy)]
pub(crate) struct Focus<'a, 'p> {
    pub(crate) element: Element<'a>,
    pub(crate) kind: TypeId,
    pub(crate) place: &'p Place<'p>,
    pub(crate) scope: &'p Scope<'a, 'p>,
    /// The element that holds it, up to the outermost resource.
    pub(crate) parent: Option<&'p Focus<'a, 'p>>,
    /// Where the element is defined: `Patient.contact.name`, `HumanName.given`; empty for a resource on its own.
    pub(crate) path: &'static str,
}

impl<'a, 'p> Focus<'a, 'p> {
    /// The element that a judgement begins with.
    pub(crate) fn outermost(
        element: Element<'a>,
        kind: TypeId,
        place: &'p Place<'p>,
        scope: &'p Scope<'a, 'p>,
    ) -> Self {
        Focus {
            element,
            kind,
            place,
            scope,
            parent: None,
            path: "",
        }
    }
}

/// One child of an element.
pub(crate) struct Child<'a, 'd> {
    /// What the type says of it.
    pub(crate) step: Step<'d>,
    /// Its value, with its concrete type.
    pub(crate) element: Element<'a>,
    /// Its type: of a resource, the one it names.
    pub(crate) kind: TypeId,
    /// Its number, where the element is a list.
    pub(crate) at: Option<usize>,
}

impl Child<'_, '_> {
    /// The place of the child below its parent, handed to `then`.
    pub(crate) fn at<T>(&self, definitions: &Definitions, parent: &Place<'_>, then: impl FnOnce(&Place<'_>) -> T) -> T {
        let place = if self.step.typed {
            Place::Choice(parent, self.step.element, definitions.type_name(self.step.kind))
        } else {
            Place::Member(parent, self.step.element.name())
        };
        match self.at {
            Some(at) => then(&Place::Item(&place, at)),
            None => then(&place),
        }
    }
}

/// The object that holds an element's members: of a primitive, its `_name` half.
pub(crate) fn holder<'a>(element: &Element<'a>) -> Node<'a> {
    if element.node.is_object() {
        element.node
    } else {
        element.sibling.unwrap_or(element.node)
    }
}

/// The children of an element that its type knows, in the record's order.
pub(crate) fn children<'a, 'd>(definitions: &'d Definitions, of: &Element<'a>, kind: TypeId) -> Vec<Child<'a, 'd>> {
    let mut found = Vec::new();
    let holder = holder(of);
    for (key, node) in holder.members() {
        let bare = key.strip_prefix('_').unwrap_or(&key);
        let half = bare.len() < key.len();
        if half && holder.get(bare).is_some() {
            continue;
        }
        if let Some(step) = definitions.step(kind, bare) {
            let sibling = if half { None } else { holder.half(bare) };
            add(definitions, step, node, sibling, &mut found);
        }
    }
    found
}

fn add<'a, 'd>(
    definitions: &'d Definitions,
    step: Step<'d>,
    node: Node<'a>,
    sibling: Option<Node<'a>>,
    out: &mut Vec<Child<'a, 'd>>,
) {
    let list = step.element.is_list();
    let mut siblings = sibling.map(|sibling| sibling.each());
    for (at, node) in node.each().enumerate() {
        let sibling = siblings
            .as_mut()
            .and_then(Iterator::next)
            .filter(|node| !node.is_null());
        // A null stands for what is not there, unless its other half has something.
        if node.is_null() && sibling.is_none() {
            continue;
        }
        let kind = definitions.concrete(step.kind, node);
        out.push(Child {
            step,
            element: Element {
                node,
                sibling,
                kind: Some(kind),
            },
            kind,
            at: list.then_some(at),
        });
    }
}
