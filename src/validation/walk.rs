//! The walk through a record by the rules of its types: every element once, its children after it.

use std::cell::Cell;

use conformance::place::{Place, quoted};
use conformance::{Definitions, Terminology};
use fhir::document::Node;
use fhir::outcome::Code;
use fhirpath::model::Model;
use fhirpath::value::Element;
use rustc_hash::FxHashSet;

use crate::around::{Around, contained};
use crate::entries::Bundles;
use crate::findings::Findings;
use crate::focus::{Child, Focus, Scope, children, holder};
use crate::library::{Library, Shelf};
use crate::narrative;
use crate::profiles::Known;
use crate::validator::{Purpose, Validator};

/// How deep elements may nest within each other.
pub(crate) const DEPTH_MAX: usize = 100;

/// Profiles that one resource may claim.
const PROFILES_MAX: usize = 50;

/// One judgement under way.
pub(crate) struct Walk<'v> {
    pub(crate) validator: &'v Validator,
    pub(crate) definitions: &'v Definitions,
    pub(crate) library: &'v dyn Library,
    pub(crate) terminology: &'v dyn Terminology,
    pub(crate) shelf: &'v Shelf,
    pub(crate) bundles: &'v Bundles,
    pub(crate) now: i64,
    pub(crate) purpose: Purpose,
    pub(crate) found: Findings,
    pub(crate) depth: usize,
    /// The elements being held against a profile: their document, their place in it, and the profile.
    pub(crate) under_way: Vec<(usize, u32, usize)>,
    /// Whether what is held against a profile is another record of this server: what that refers to is not followed.
    pub(crate) away: bool,
}

impl<'v> Walk<'v> {
    /// What is around an element.
    pub(crate) fn around<'w>(&self, scope: &'w Scope<'w, 'w>) -> Around<'w, 'w>
    where
        'v: 'w,
    {
        Around {
            definitions: self.definitions,
            library: self.library,
            shelf: self.shelf,
            bundles: self.bundles,
            scope,
            far: self.purpose == Purpose::Asking,
            missed: Cell::new(false),
        }
    }

    /// Judges a resource, wherever it stands.
    pub(crate) fn resource(&mut self, focus: &Focus<'_, '_>) {
        self.element(focus, None);
        self.claims(focus);
        self.ids(focus);
        self.unused(focus);
        let kinds = &self.validator.kinds;
        match focus.kind {
            kind if kind == kinds.bundle => self.bundle(focus),
            kind if kind == kinds.questionnaire => self.questionnaire(focus),
            kind if kind == kinds.response => self.response(focus),
            kind if kind == kinds.observation => self.vital_signs(focus),
            kind => self.definition(focus, self.definitions.type_name(kind)),
        }
    }

    /// Holds a resource against the profiles that it claims to conform to.
    fn claims(&mut self, focus: &Focus<'_, '_>) {
        let meta = focus.element.node.get("meta");
        let Some(profiles) = meta.and_then(|meta| meta.get("profile")) else {
            return;
        };
        let meta = Place::Member(focus.place, "meta");
        let list = Place::Member(&meta, "profile");
        if profiles.each().count() > PROFILES_MAX {
            self.found.warning(Code::TooCostly, &list, || {
                format!("There are more than {PROFILES_MAX} profiles; only so many are judged by.")
            });
        }
        for (at, address) in profiles.each().take(PROFILES_MAX).enumerate() {
            let Some(address) = address.as_str() else { continue };
            if matches!(self.known(&address), Known::Nothing) {
                self.found.warning(Code::NotFound, &Place::Item(&list, at), || {
                    format!(
                        "The profile {} is not known here, so it is not judged by.",
                        quoted(&address)
                    )
                });
                continue;
            }
            let why = format!("The profile {address}");
            self.conform_to(focus, &address, &why);
        }
    }

    /// A contained resource must be referred to from its container, or refer to it (dom-3).
    fn unused(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let within = contained(node);
        if within.is_empty() {
            return;
        }
        let (named, mut ids) = (self.fragments(node), FxHashSet::default());
        let list = Place::Member(focus.place, "contained");
        for (at, inner) in within.into_iter().enumerate() {
            let id = inner.string("id");
            if id.is_some() && !ids.insert(id.clone()) {
                self.found.error(Code::Duplicate, &Place::Item(&list, at), || {
                    "Another contained resource has the same id, so nothing can refer to either.".to_owned()
                });
            }
            let used = id.is_some_and(|id| named.contains(&format!("#{id}")));
            if !used && !self.fragments(inner).contains("#") {
                self.found.error(Code::Invariant, &Place::Item(&list, at), || {
                    "Nothing in the resource refers to this, nor does this refer to the resource (dom-3).".to_owned()
                });
            }
        }
    }

    /// The texts within a value that begin with `#`: whole strings, and what an attribute in a narrative names.
    fn fragments(&self, node: Node<'_>) -> FxHashSet<String> {
        let (mut found, mut open) = (FxHashSet::default(), vec![node]);
        while let Some(node) = open.pop().filter(|_| self.found.step()) {
            if let Some(text) = node.as_str() {
                if text.starts_with('#') {
                    found.insert(text.into_owned());
                } else if text.starts_with('<') {
                    let quoted = text.split(['"', '\'']).filter(|part| part.starts_with('#'));
                    found.extend(quoted.map(str::to_owned));
                }
            }
            open.extend(node.items());
            open.extend(node.members().map(|(_, one)| one));
        }
        found
    }

    /// No two elements of a resource have the same id.
    fn ids(&mut self, focus: &Focus<'_, '_>) {
        let mut seen = FxHashSet::default();
        self.own_ids(focus, &mut seen, 0);
        self.narrative_targets(focus, &seen);
    }

    /// Says that an id is the second of its name within the resource.
    fn own_id(&mut self, focus: &Focus<'_, '_>, seen: &mut FxHashSet<String>, id: &str) {
        if !seen.insert(id.to_owned()) {
            self.found.error(Code::Duplicate, focus.place, || {
                format!("Another element of this resource has the id {} too.", quoted(id))
            });
        }
    }

    fn own_ids(&mut self, focus: &Focus<'_, '_>, seen: &mut FxHashSet<String>, depth: usize) {
        if depth > DEPTH_MAX || !self.found.step() {
            return;
        }
        for child in children(self.definitions, &focus.element, focus.kind) {
            // A snapshot and a differential have the same ids: those name elements of the type defined.
            let of_element = child.step.element.path == "Element.id" && focus.kind != self.validator.kinds.definition;
            if of_element && let Some(id) = child.element.node.as_str() {
                self.own_id(focus, seen, &id);
            } else if child.step.kind == self.validator.kinds.xhtml {
                let text = child.element.node.as_str().unwrap_or_default();
                self.with_child(focus, &child, |walk, focus| {
                    narrative::ids(&text).for_each(|id| walk.own_id(focus, seen, id));
                });
            } else if !self.validator.kinds.is_any_resource(child.step.kind) {
                self.with_child(focus, &child, |walk, focus| walk.own_ids(focus, seen, depth + 1));
            }
        }
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
        if at.is_some() && is_only_an_id(&focus.element) {
            self.found.error(Code::Invariant, focus.place, || {
                "An element has a value or children; this has only an id (ele-1).".to_owned()
            });
        }
        self.depth += 1;
        for child in children(self.definitions, &focus.element, focus.kind) {
            self.child(focus, &child);
        }
        self.depth -= 1;
    }

    fn child(&mut self, focus: &Focus<'_, '_>, child: &Child<'_, '_>) {
        let place = child.step.place;
        let is_resource = self.validator.kinds.is_any_resource(child.step.kind);
        self.with_child(focus, child, |walk, focus| {
            if is_resource {
                walk.resource(focus);
            } else {
                walk.element(focus, Some(place));
            }
        });
    }

    /// Hands a child of an element to `then`, with its place and the resources around it.
    pub(crate) fn with_child<T>(
        &mut self,
        focus: &Focus<'_, '_>,
        child: &Child<'_, '_>,
        then: impl FnOnce(&mut Self, &Focus<'_, '_>) -> T,
    ) -> T {
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
            let below = Focus {
                element: child.element,
                kind: child.kind,
                place,
                scope,
                parent: Some(focus),
                path: child.step.element.path,
            };
            then(self, &below)
        })
    }

    /// The rules that no table can say.
    fn own_rules(&mut self, focus: &Focus<'_, '_>) {
        let kinds = &self.validator.kinds;
        match focus.kind {
            kind if kind == kinds.reference => self.reference(focus),
            kind if kind == kinds.extension => self.extension(focus, focus.path.ends_with(".modifierExtension")),
            kind if kind == kinds.coding => self.coding(focus),
            kind if kind == kinds.expression => self.expression(focus),
            kind if kind == kinds.attachment => self.attachment(focus),
            kind if kind == kinds.identifier => self.identifier(focus),
            kind if kind == kinds.xhtml => self.narrative(focus),
            kind if self.definitions.is_a(kind, kinds.quantity) => self.coding(focus),
            kind if self.definitions.is_a(kind, kinds.uri) => self.uri(focus),
            _ => {}
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

/// Whether an element has nothing but an id.
fn is_only_an_id(element: &Element<'_>) -> bool {
    let mut members = holder(element).members();
    !element.has_value() && members.next().is_some_and(|(name, _)| name == "id") && members.next().is_none()
}
