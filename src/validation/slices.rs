//! Sorts the items of an element into slices (<https://hl7.org/fhir/R4/profiling.html#discriminator>) and judges them.

use std::sync::Arc;

use conformance::place::Place;
use fhir::outcome::Code;
use fhirpath::model::{Model, TypeId};

use crate::focus::{Child, Focus, Scope, children};
use crate::profiles::Known;
use crate::shape::{By, Discriminator, Openness, PathStep, Profile, Slicing, TypeRule};
use crate::walk::Walk;

/// What a definition asks of the element that a discriminator's path leads to.
#[derive(Clone)]
enum Asked {
    /// A shape of a profile.
    Shape(Arc<Profile>, usize),
    /// A type of R4.
    Type(TypeId),
}

/// What is asked of an element, or that there is none.
type Test<'t> = &'t mut dyn FnMut(&mut Walk<'_>, Option<&Focus<'_, '_>>, &[Asked]) -> bool;

/// Shapes followed at one step of a path, at most.
const ASKED_MAX: usize = 100;

impl Walk<'_> {
    /// Sorts items into the slices of a shape, and judges how many each has and each item by its slice.
    pub(crate) fn slices(
        &mut self,
        focus: &Focus<'_, '_>,
        profile: &Arc<Profile>,
        at: usize,
        items: &[&Child<'_, '_>],
    ) {
        let shape = &profile.shapes[at];
        let Some(slicing) = &shape.slicing else { return };
        if shape.slices.is_empty() && slicing.rules != Openness::Closed {
            return;
        }
        let mut sorted: Vec<Vec<&Child<'_, '_>>> = vec![Vec::new(); shape.slices.len()];
        let (mut last, mut unmatched) = (0, false);
        for item in items {
            let found = shape.slices.iter().position(|(_, slice)| {
                self.with_child(focus, item, |walk, focus| walk.is_in(focus, profile, slicing, *slice))
            });
            self.with_child(focus, item, |walk, focus| {
                walk.placed(focus, profile, at, found, (last, unmatched));
            });
            match found {
                Some(found) => {
                    last = last.max(found);
                    sorted[found].push(item);
                }
                None => unmatched = true,
            }
        }
        for ((_, slice), items) in shape.slices.iter().zip(&sorted) {
            self.count(focus, profile, &profile.shapes[*slice], items.len());
            for item in items {
                self.with_child(focus, item, |walk, focus| walk.shape(focus, profile, *slice));
            }
            self.slices(focus, profile, *slice, items);
        }
    }

    /// Judges where an item stands among slices: `before` is the last slice so far, and whether one was in none.
    fn placed(
        &mut self,
        focus: &Focus<'_, '_>,
        profile: &Profile,
        at: usize,
        found: Option<usize>,
        before: (usize, bool),
    ) {
        let shape = &profile.shapes[at];
        let Some(slicing) = &shape.slicing else { return };
        let (name, url) = (&shape.name, &profile.url);
        match found {
            None if slicing.rules == Openness::Closed => self.found.error(Code::Structure, focus.place, || {
                format!("This is in none of the slices of `{name}`, and the profile {url} allows no others.")
            }),
            Some(_) if slicing.rules == Openness::OpenAtEnd && before.1 => {
                self.found.error(Code::Structure, focus.place, || {
                    format!("What is in no slice of `{name}` must come last (profile {url}).")
                });
            }
            Some(found) if slicing.ordered && found < before.0 => {
                let (own, other) = (&shape.slices[found].0, &shape.slices[before.0].0);
                self.found.error(Code::Structure, focus.place, || {
                    format!("Of `{name}`, the slice {own} must come before {other} (profile {url}).")
                });
            }
            _ => {}
        }
    }

    /// Whether an element belongs to a slice of a profile, by its name; `None` where there is no such profile or slice.
    pub(crate) fn is_in_slice(&mut self, focus: &Focus<'_, '_>, address: &str, name: &str) -> Option<bool> {
        let Known::Profile(profile) = self.known(address) else {
            return None;
        };
        let mut answer = None;
        for shape in &profile.shapes {
            let (Some(slicing), Some(slice)) = (&shape.slicing, shape.slice(name)) else {
                continue;
            };
            let may_be = shape.kind.is_none_or(|kind| self.definitions.is_a(focus.kind, kind));
            let is_in = may_be && self.is_in(focus, &profile, slicing, slice);
            answer = Some(is_in || answer == Some(true));
        }
        answer
    }

    /// Whether an element belongs to a slice.
    fn is_in(&mut self, focus: &Focus<'_, '_>, profile: &Arc<Profile>, slicing: &Slicing, slice: usize) -> bool {
        if !self.found.step() {
            return false;
        }
        if slicing.discriminators.is_empty() {
            return self.trial(|walk| walk.shape(focus, profile, slice));
        }
        let asked = [Asked::Shape(Arc::clone(profile), slice)];
        slicing
            .discriminators
            .iter()
            .all(|one| self.discriminates(focus, &asked, one))
    }

    fn discriminates(&mut self, focus: &Focus<'_, '_>, asked: &[Asked], one: &Discriminator) -> bool {
        let by = one.by;
        self.reach(focus, asked, &one.path, &mut |walk, focus, asked| match by {
            // A slice that says nothing there is not told apart by it.
            _ if asked.is_empty() => true,
            By::Value => walk.has_value_of(focus, asked),
            By::Exists => exists_as(focus, asked),
            By::Type => focus.is_some_and(|focus| asked.iter().any(|asked| walk.has_type_of(focus, asked))),
            By::Profile => focus.is_some_and(|focus| asked.iter().any(|asked| walk.has_profile_of(focus, asked))),
        })
    }

    /// Follows a path through the elements and through the definition at once; whether any end of it passes.
    fn reach(&mut self, focus: &Focus<'_, '_>, asked: &[Asked], path: &[PathStep], test: Test<'_>) -> bool {
        let Some((step, rest)) = path.split_first() else {
            return test(self, Some(focus), asked);
        };
        match step {
            PathStep::Child(name) => {
                let below = self.below(asked, name);
                let all = children(self.definitions, &focus.element, focus.kind);
                let mut items = all.iter().filter(|one| one.step.element.name() == &**name).peekable();
                if items.peek().is_none() {
                    return test(self, None, &below);
                }
                items.any(|item| self.with_child(focus, item, |walk, focus| walk.reach(focus, &below, rest, test)))
            }
            PathStep::Extension(url) => {
                let below = self.extensions_of(asked, url);
                let all = children(self.definitions, &focus.element, focus.kind);
                let is_it = |one: &&Child<'_, '_>| {
                    one.step.element.name() == "extension"
                        && one.element.node.string("url").is_some_and(|u| *u == **url)
                };
                let mut items = all.iter().filter(is_it).peekable();
                if items.peek().is_none() {
                    return test(self, None, &below);
                }
                items.any(|item| self.with_child(focus, item, |walk, focus| walk.reach(focus, &below, rest, test)))
            }
            PathStep::OfType(name) => {
                let kind = self.definitions.type_id(name);
                let fits = kind.is_some_and(|kind| self.definitions.is_a(focus.kind, kind));
                fits && self.reach(focus, asked, rest, test)
            }
            PathStep::Resolve => self.reach_target(focus, asked, rest, test),
        }
    }

    fn reach_target(&mut self, focus: &Focus<'_, '_>, asked: &[Asked], rest: &[PathStep], test: Test<'_>) -> bool {
        let targets = self.targets_of(asked);
        let text = match focus.element.node.is_object() {
            true => focus.element.node.string("reference"),
            false => focus.element.node.as_str(),
        };
        let Some(text) = text else {
            return test(self, None, &targets);
        };
        let Some(element) = self.around(focus.scope).find(&text).element() else {
            return rest.is_empty() && self.is_said_to_be(&text, &targets);
        };
        let Some(kind) = element.kind else { return false };
        let place = Place::Member(focus.place, "resolve()");
        let scope = Scope {
            resource: element,
            root: if text.starts_with('#') {
                focus.scope.root
            } else {
                element
            },
            outer: focus.scope.outer,
            entry: focus.scope.entry,
        };
        let target = Focus::outermost(element, kind, &place, &scope);
        self.reach(&target, &targets, rest, test)
    }

    /// Whether a reference that leads nowhere says in its text that its target has one of the types.
    fn is_said_to_be(&self, text: &str, asked: &[Asked]) -> bool {
        let fhir::identity::Reference::Literal { kind, .. } = fhir::identity::Reference::parse(text) else {
            return false;
        };
        let Some(kind) = self.definitions.type_id(kind) else {
            return false;
        };
        asked.iter().any(|asked| match asked {
            Asked::Type(wanted) => self.definitions.is_a(kind, *wanted),
            Asked::Shape(profile, _) => self.definitions.is_a(kind, profile.kind),
        })
    }

    /// What is asked of a child: by the shapes, or by the profiles of their types.
    fn below(&self, asked: &[Asked], name: &str) -> Vec<Asked> {
        let mut found = Vec::new();
        for one in asked.iter().take(ASKED_MAX) {
            let Asked::Shape(profile, at) = one else { continue };
            let shape = &profile.shapes[*at];
            // What slices that must be there say of the child is asked of some item at least.
            let slices = shape
                .slices
                .iter()
                .filter(|(_, slice)| profile.shapes[*slice].min > Some(0));
            let of_slices = slices.filter_map(|(_, slice)| profile.shapes[*slice].child(name));
            found.extend(of_slices.map(|child| Asked::Shape(Arc::clone(profile), child)));
            match shape.child(name) {
                Some(child) => found.push(Asked::Shape(Arc::clone(profile), child)),
                None => {
                    let roots = self.roots(profile, *at);
                    found.extend(roots.into_iter().filter_map(|root| {
                        match root {
                            Asked::Shape(profile, at) => profile.shapes[at]
                                .child(name)
                                .map(|child| Asked::Shape(Arc::clone(&profile), child)),
                            Asked::Type(_) => None,
                        }
                    }));
                }
            }
        }
        found
    }

    /// The profiles of a shape's types.
    fn roots(&self, profile: &Profile, at: usize) -> Vec<Asked> {
        let addresses = profile.shapes[at].types.iter().flat_map(|rule| &rule.profiles);
        addresses
            .take(ASKED_MAX)
            .filter_map(|address| self.asked_by(address))
            .collect()
    }

    fn asked_by(&self, address: &str) -> Option<Asked> {
        let (address, part) = address
            .split_once('#')
            .map_or((address, None), |(url, part)| (url, Some(part)));
        match (self.known(address), part) {
            (Known::Type(kind), _) => Some(Asked::Type(kind)),
            (Known::Profile(profile), None) => Some(Asked::Shape(profile, 0)),
            (Known::Profile(profile), Some(part)) => profile.part(part).map(|at| Asked::Shape(profile, at)),
            (Known::Nothing, _) => None,
        }
    }

    fn extensions_of(&self, asked: &[Asked], url: &str) -> Vec<Asked> {
        let mut found = Vec::new();
        let mut open = self.below(asked, "extension");
        while let Some(Asked::Shape(profile, at)) = open.pop() {
            let shape = &profile.shapes[at];
            let of_url = |rule: &TypeRule| rule.profiles.iter().any(|own| **own == *url);
            if shape.types.iter().any(of_url) {
                found.push(Asked::Shape(Arc::clone(&profile), at));
            }
            open.extend(
                shape
                    .slices
                    .iter()
                    .map(|(_, slice)| Asked::Shape(Arc::clone(&profile), *slice)),
            );
        }
        found
    }

    fn targets_of(&self, asked: &[Asked]) -> Vec<Asked> {
        let mut found = Vec::new();
        for one in asked.iter().take(ASKED_MAX) {
            let Asked::Shape(profile, at) = one else { continue };
            let addresses = profile.shapes[*at].types.iter().flat_map(|rule| &rule.targets);
            found.extend(addresses.take(ASKED_MAX).filter_map(|address| self.asked_by(address)));
        }
        found
    }

    /// Whether an element is as one of the shapes says: fixed values, patterns, required bindings, and those below.
    fn has_value_of(&mut self, focus: Option<&Focus<'_, '_>>, asked: &[Asked]) -> bool {
        asked.iter().any(|one| match (one, focus) {
            (Asked::Shape(profile, at), None) => profile.shapes[*at].max == Some(0),
            (Asked::Shape(profile, at), Some(focus)) => self.trial(|walk| walk.shape_and_slices(focus, profile, *at)),
            (Asked::Type(_), _) => true,
        })
    }

    /// Holds an element against a shape, and against the slices of it that it is in: one, where there are some.
    fn shape_and_slices(&mut self, focus: &Focus<'_, '_>, profile: &Arc<Profile>, at: usize) {
        self.shape(focus, profile, at);
        let shape = &profile.shapes[at];
        let Some(slicing) = shape.slicing.as_ref().filter(|_| !shape.slices.is_empty()) else {
            return;
        };
        let found = shape
            .slices
            .iter()
            .find(|(_, slice)| self.is_in(focus, profile, slicing, *slice));
        match found {
            Some((_, slice)) => self.shape_and_slices(focus, profile, *slice),
            None => self.found.error(Code::Structure, focus.place, || {
                "This is in none of the slices.".to_owned()
            }),
        }
    }

    fn has_type_of(&self, focus: &Focus<'_, '_>, asked: &Asked) -> bool {
        match asked {
            Asked::Type(kind) => self.definitions.is_a(focus.kind, *kind),
            Asked::Shape(profile, at) => {
                let shape = &profile.shapes[*at];
                let fits = |kind: TypeId| self.definitions.is_a(focus.kind, kind);
                match (shape.types.is_empty(), shape.kind) {
                    (true, Some(kind)) => fits(kind),
                    (true, None) => {
                        // Written as `contentString`, the types are those of the slices.
                        let slices = shape
                            .slices
                            .iter()
                            .map(|(_, slice)| Asked::Shape(Arc::clone(profile), *slice));
                        slices.into_iter().any(|slice| self.has_type_of(focus, &slice))
                    }
                    (false, _) => shape.types.iter().any(|rule| rule.kind.is_some_and(fits)),
                }
            }
        }
    }

    fn has_profile_of(&mut self, focus: &Focus<'_, '_>, asked: &Asked) -> bool {
        match asked {
            Asked::Type(kind) => self.definitions.is_a(focus.kind, *kind),
            Asked::Shape(profile, 0) => self.trial(|walk| walk.conform(focus, profile)),
            Asked::Shape(profile, at) => {
                let addresses: Vec<Box<str>> = {
                    let rules = profile.shapes[*at].types.iter();
                    rules.flat_map(|rule| rule.profiles.iter().cloned()).collect()
                };
                match addresses.is_empty() {
                    true => self.trial(|walk| walk.shape(focus, profile, *at)),
                    false => addresses
                        .iter()
                        .any(|address| self.conforms(focus, address) == Some(true)),
                }
            }
        }
    }
}

/// Whether an element is there, or is not, as the shapes ask.
fn exists_as(focus: Option<&Focus<'_, '_>>, asked: &[Asked]) -> bool {
    asked.iter().all(|one| {
        let Asked::Shape(profile, at) = one else { return true };
        let shape = &profile.shapes[*at];
        match (shape.max, shape.min) {
            (Some(0), _) => focus.is_none(),
            (_, Some(min)) if min > 0 => focus.is_some(),
            _ => true,
        }
    })
}
