//! Finds what a reference names: in the same resource, in the same Bundle, among the parameters, or on this server.

use std::cell::Cell;

use conformance::Definitions;
use fhir::document::Node;
use fhir::identity::Reference;
use fhirpath::evaluate::Resolver;
use fhirpath::value::Element;

use crate::entries::Bundles;
use crate::focus::Scope;
use crate::library::{Library, Shelf};

/// Where a referenced resource was found.
#[derive(Clone, Copy)]
pub(crate) enum Found<'a> {
    /// Within the same resource, which contains it.
    Contained(Element<'a>),
    /// As another entry of the same Bundle, or another parameter.
    Beside(Element<'a>),
    /// As a record of this server.
    Here(Element<'a>),
    /// Nowhere.
    Nowhere,
}

impl<'a> Found<'a> {
    pub(crate) fn element(self) -> Option<Element<'a>> {
        match self {
            Found::Contained(element) | Found::Beside(element) | Found::Here(element) => Some(element),
            Found::Nowhere => None,
        }
    }
}

/// What is around an element that refers to something.
pub(crate) struct Around<'a, 'p> {
    pub(crate) definitions: &'p Definitions,
    pub(crate) library: &'p dyn Library,
    pub(crate) shelf: &'a Shelf,
    pub(crate) bundles: &'p Bundles,
    pub(crate) scope: &'p Scope<'a, 'p>,
    /// Whether the records of this server are looked at. They are not when one is written: what they say must not depend
    /// on the order in which records come.
    pub(crate) far: bool,
    /// Whether one of them was asked for in vain.
    pub(crate) missed: Cell<bool>,
}

impl<'a> Around<'a, '_> {
    /// Finds what a literal reference names.
    pub(crate) fn find(&self, text: &str) -> Found<'a> {
        if let Some(id) = text.strip_prefix('#') {
            return self.contained(id).map_or(Found::Nowhere, Found::Contained);
        }
        if let Some(found) = self.beside(text) {
            return Found::Beside(found);
        }
        match Reference::parse(text) {
            Reference::Literal { base: "", .. } if !self.far => {
                self.missed.set(true);
                Found::Nowhere
            }
            Reference::Literal { base: "", kind, id, .. } => match self.library.record(kind, id) {
                Some(document) => Found::Here(self.resource(self.shelf.keep(document).root())),
                None => Found::Nowhere,
            },
            _ => Found::Nowhere,
        }
    }

    fn resource(&self, node: Node<'a>) -> Element<'a> {
        Element::resource(self.definitions, node)
    }

    fn contained(&self, id: &str) -> Option<Element<'a>> {
        if id.is_empty() {
            return Some(self.scope.root);
        }
        let among = contained(self.scope.root.node);
        let found = among
            .into_iter()
            .find(|node| node.string("id").is_some_and(|own| own == id));
        found.map(|node| self.resource(node))
    }

    fn beside(&self, text: &str) -> Option<Element<'a>> {
        let mut inner = self.scope;
        while let Some(outer) = inner.outer {
            let found = match inner.entry {
                Some(entry) => {
                    let bundle = outer.resource.node;
                    self.bundles.of(bundle).find(bundle, entry, text)
                }
                None => in_parameters(outer.resource.node, text),
            };
            if let Some(node) = found {
                return Some(self.resource(node));
            }
            inner = outer;
        }
        None
    }
}

impl Resolver for Around<'_, '_> {
    fn resolve(&self, reference: &str) -> Option<Element<'_>> {
        self.find(reference).element()
    }
}

/// The resources that a resource contains.
pub(crate) fn contained(node: Node<'_>) -> Vec<Node<'_>> {
    node.get("contained")
        .map(|list| list.each().collect())
        .unwrap_or_default()
}

/// The contained resource with an id.
pub(crate) fn contained_in<'a>(node: Node<'a>, id: &str) -> Option<Node<'a>> {
    let mut all = contained(node).into_iter();
    all.find(|one| one.string("id").is_some_and(|own| own == id))
}

/// The entries of a Bundle.
pub(crate) fn entries(bundle: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    bundle.get("entry").into_iter().flat_map(|list| list.each())
}

fn in_parameters<'a>(holder: Node<'a>, text: &str) -> Option<Node<'a>> {
    let Reference::Literal { kind, id, .. } = Reference::parse(text) else {
        return None;
    };
    let mut open: Vec<Node<'a>> = holder.get("parameter").into_iter().collect();
    while let Some(list) = open.pop() {
        for parameter in list.each() {
            let resource = parameter
                .get("resource")
                .filter(|resource| is_named(*resource, kind, id));
            if resource.is_some() {
                return resource;
            }
            open.extend(parameter.get("part"));
        }
    }
    None
}

fn is_named(resource: Node<'_>, kind: &str, id: &str) -> bool {
    resource.string("resourceType").is_some_and(|own| own == kind) && resource.string("id").is_some_and(|own| own == id)
}
