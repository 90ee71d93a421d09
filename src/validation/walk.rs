//! The walk through a record by the rules of its types: every element once, its children after it.

use conformance::{Definitions, Terminology};
use fhirpath::value::Element;

use crate::findings::Findings;
use crate::focus::{Child, Focus, Scope, children};
use crate::library::{Library, Shelf};
use crate::validator::Validator;

/// How deep elements may nest within each other.
const DEPTH_MAX: usize = 100;

/// One judgement under way.
pub(crate) struct Walk<'v> {
    pub(crate) validator: &'v Validator,
    pub(crate) definitions: &'v Definitions,
    pub(crate) library: &'v dyn Library,
    pub(crate) terminology: &'v dyn Terminology,
    pub(crate) shelf: &'v Shelf,
    pub(crate) now: i64,
    pub(crate) found: Findings,
    pub(crate) depth: usize,
}

impl Walk<'_> {
    /// Judges a resource, wherever it stands.
    pub(crate) fn resource(&mut self, focus: &Focus<'_, '_>) {
        self.element(focus, None);
    }

    /// Judges an element: by its type, as the element it is (`at`, its place among all elements), then its children.
    fn element(&mut self, focus: &Focus<'_, '_>, at: Option<u32>) {
        if self.depth >= DEPTH_MAX || !self.found.step() {
            return;
        }
        let rules = &self.validator.rules;
        self.invariants(focus, rules.of_type(self.definitions, focus.kind), None);
        if let Some(binding) = rules.binding_of_type(focus.kind) {
            self.binding(focus, binding, None);
        }
        if let Some(at) = at {
            self.invariants(focus, rules.of_element(at), None);
            if let Some(binding) = rules.binding_of(at) {
                self.binding(focus, binding, None);
            }
        }
        self.own_rules(focus);
        self.depth += 1;
        for child in children(self.definitions, &focus.element, focus.kind) {
            self.child(focus, &child);
        }
        self.depth -= 1;
    }

    fn child(&mut self, focus: &Focus<'_, '_>, child: &Child<'_, '_>) {
        let definitions = self.definitions;
        let is_resource = self.validator.kinds.is_any_resource(child.step.kind);
        child.at(definitions, focus.place, |place| {
            let inner;
            let scope = if is_resource {
                inner = scope_of(focus, child);
                &inner
            } else {
                focus.scope
            };
            let focus = Focus {
                element: child.element,
                kind: child.kind,
                place,
                scope,
            };
            if is_resource {
                self.resource(&focus);
            } else {
                self.element(&focus, Some(child.step.place));
            }
        });
    }

    /// The rules that no table can say.
    fn own_rules(&mut self, focus: &Focus<'_, '_>) {
        let kinds = &self.validator.kinds;
        if focus.kind == kinds.coding || self.definitions.is_a(focus.kind, kinds.quantity) {
            self.coding(focus);
        }
    }
}

/// The resources around a resource within another.
fn scope_of<'a, 'p>(focus: &Focus<'a, 'p>, child: &Child<'a, '_>) -> Scope<'a, 'p> {
    let resource = Element {
        kind: Some(child.kind),
        ..child.element
    };
    if child.step.element.name() == "contained" {
        return Scope {
            resource,
            ..*focus.scope
        };
    }
    Scope {
        resource,
        root: resource,
        outer: Some(focus.scope),
        entry: (child.step.element.path == "Bundle.entry.resource").then_some(focus.element.node),
    }
}
