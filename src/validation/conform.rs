//! Holds an element against a compiled profile: cardinalities, types, values, bindings, invariants, slices.

use std::sync::Arc;

use conformance::Element;
use conformance::place::quoted;
use fhir::outcome::Code;
use fhirpath::model::Model;

use crate::focus::{Child, Focus, children, holder};
use crate::profiles::Known;
use crate::shape::{Profile, Shape, TypeRule};
use crate::walk::{DEPTH_MAX, Walk};

/// Judgements of the same element by the same profile, one within the other: a profile that recurses ends there.
const UNDER_WAY_MAX: usize = 64;

impl Walk<'_> {
    /// What an address of a StructureDefinition stands for.
    pub(crate) fn known(&self, address: &str) -> Known {
        let validator = self.validator;
        validator
            .profiles
            .get(self.definitions, &validator.rules, self.library, address)
    }

    /// Holds an element against what an address stands for. `why` is the beginning of the sentence where that is
    /// nothing: what names the address.
    pub(crate) fn conform_to(&mut self, focus: &Focus<'_, '_>, address: &str, why: &str) {
        let known = self.known(address);
        if let (Known::Nothing, Some((address, part))) = (&known, address.split_once('#')) {
            return self.conform_to_part(focus, address, part);
        }
        match known {
            Known::Type(kind) if self.definitions.is_a(focus.kind, kind) => {}
            Known::Type(kind) => {
                let (own, wanted) = (self.definitions.type_name(focus.kind), self.definitions.type_name(kind));
                self.found.error(Code::Structure, focus.place, || {
                    format!("Here is {own}; {why} is for {wanted}.")
                });
            }
            Known::Profile(profile) => self.conform(focus, &profile),
            Known::Nothing => self.found.error(Code::NotFound, focus.place, || {
                format!("{why} is not known here, so whether this conforms to it cannot be told.")
            }),
        }
    }

    /// Holds an element against one element of a profile: `Composition.section` of one of Composition.
    fn conform_to_part(&mut self, focus: &Focus<'_, '_>, address: &str, part: &str) {
        let Known::Profile(profile) = self.known(address) else {
            return self.found.error(Code::NotFound, focus.place, || {
                format!("The profile {address} is not known here, so whether this conforms to it cannot be told.")
            });
        };
        match profile.part(part) {
            Some(at) => self.shape(focus, &profile, at),
            None => self.found.error(Code::NotFound, focus.place, || {
                format!("The profile {address} says nothing of {part}, to which this shall conform.")
            }),
        }
    }

    /// Whether an element conforms to what an address stands for; `None` where that is nothing.
    pub(crate) fn conforms(&mut self, focus: &Focus<'_, '_>, address: &str) -> Option<bool> {
        let known = self.known(address);
        if let (Known::Nothing, Some((address, part))) = (&known, address.split_once('#')) {
            return Some(self.trial(|walk| walk.conform_to_part(focus, address, part)));
        }
        match known {
            Known::Type(kind) => Some(self.definitions.is_a(focus.kind, kind)),
            Known::Profile(profile) => Some(self.trial(|walk| walk.conform(focus, &profile))),
            Known::Nothing => None,
        }
    }

    /// Whether all goes well, without a word about what does not.
    pub(crate) fn trial(&mut self, run: impl FnOnce(&mut Self)) -> bool {
        let before = self.found.begin_trial();
        run(self);
        self.found.end_trial(before)
    }

    /// Holds an element against a profile.
    pub(crate) fn conform(&mut self, focus: &Focus<'_, '_>, profile: &Arc<Profile>) {
        if !self.definitions.is_a(focus.kind, profile.kind) {
            let (own, wanted) = (
                self.definitions.type_name(focus.kind),
                self.definitions.type_name(profile.kind),
            );
            return self.found.error(Code::Structure, focus.place, || {
                format!("Here is {own}; the profile {} is for {wanted}.", profile.url)
            });
        }
        let node = focus.element.node;
        let now = (
            std::ptr::from_ref(node.document()) as usize,
            node.place(),
            Arc::as_ptr(profile) as usize,
        );
        if self.under_way.contains(&now) || self.under_way.len() >= UNDER_WAY_MAX {
            return;
        }
        self.under_way.push(now);
        for fault in &profile.faults {
            self.found.warning(Code::NotSupported, focus.place, || {
                format!("The profile {} cannot be tried in full: {fault}.", profile.url)
            });
        }
        self.shape(focus, profile, 0);
        self.under_way.pop();
    }

    /// Holds an element against one shape of a profile, and its children against the shape's.
    pub(crate) fn shape(&mut self, focus: &Focus<'_, '_>, profile: &Arc<Profile>, at: usize) {
        if self.depth >= DEPTH_MAX || !self.found.step() {
            return;
        }
        let shape = &profile.shapes[at];
        if !self.has_type(focus, profile, shape) {
            return;
        }
        self.value(focus, profile, shape);
        if let Some(binding) = &shape.binding {
            self.binding(focus, binding, Some(&profile.url));
        }
        // What a profile says of a resource within its own is said from there: %resource is what holds it.
        let scope = match focus.parent {
            Some(parent) if at > 0 && is_resource_within(focus.path) => parent.scope,
            _ => focus.scope,
        };
        let asked = Focus { scope, ..*focus };
        self.invariants(&asked, shape.invariants.iter().map(|one| &**one), Some(&profile.url));
        if shape.children.is_empty() {
            return;
        }
        let all = children(self.definitions, &focus.element, focus.kind);
        self.depth += 1;
        for (name, child) in &shape.children {
            let items: Vec<&Child<'_, '_>> = all.iter().filter(|one| one.step.element.name() == &**name).collect();
            self.occurrences(focus, profile, *child, &items);
        }
        self.depth -= 1;
    }

    /// Judges all items of one child: how many there are, each by itself, and each by its slice.
    fn occurrences(&mut self, focus: &Focus<'_, '_>, profile: &Arc<Profile>, at: usize, items: &[&Child<'_, '_>]) {
        self.count(focus, profile, &profile.shapes[at], items.len());
        for item in items {
            self.with_child(focus, item, |walk, focus| walk.shape(focus, profile, at));
        }
        self.slices(focus, profile, at, items);
    }

    /// Judges how often something occurs. What R4 itself asks for has been said already.
    pub(crate) fn count(&mut self, focus: &Focus<'_, '_>, profile: &Profile, shape: &Shape, count: usize) {
        let (name, url) = (&shape.name, &profile.url);
        if let Some(min) = shape.min.filter(|min| count < *min as usize) {
            let base = name.rsplit('.').next().unwrap_or(name);
            let (_, element) = self.definitions.own_element(focus.kind, base).unzip();
            let said = count == 0 && min == 1 && element.is_some_and(|element| element.min > 0);
            if !said || self.found.is_trial() {
                self.found.error(Code::Required, focus.place, || {
                    format!("`{name}` is needed {min} times, and there are {count} (profile {url}).")
                });
            }
        }
        if let Some(max) = shape.max.filter(|max| count > *max as usize) {
            self.found.error(Code::Structure, focus.place, || {
                format!("`{name}` may occur {max} times, and there are {count} (profile {url}).")
            });
        }
    }

    /// Judges the type, the profiles of it and, of a reference, where it points. Whether the type is right.
    fn has_type(&mut self, focus: &Focus<'_, '_>, profile: &Arc<Profile>, shape: &Shape) -> bool {
        if shape.types.is_empty() {
            return true;
        }
        let fits = |rule: &&TypeRule| rule.kind.is_some_and(|kind| self.definitions.is_a(focus.kind, kind));
        let rules: Vec<&TypeRule> = shape.types.iter().filter(fits).collect();
        if rules.is_empty() {
            if shape.types.iter().all(|rule| rule.kind.is_none()) {
                return true;
            }
            let own = self.definitions.type_name(focus.kind);
            let names = shape
                .types
                .iter()
                .filter_map(|rule| Some(self.definitions.type_name(rule.kind?)));
            let names: Vec<&str> = names.collect();
            // What a choice of several types, or an extension's value, may not be is no element of what holds it.
            let choice = self.definitions.element(focus.path).is_some_and(Element::is_choice);
            let several = names.len() > 1 || focus.path == "Extension.value";
            let holder = focus.parent.filter(|_| choice && several);
            let place = holder.map_or(focus.place, |holder| holder.place);
            self.found.error(Code::Structure, place, || {
                format!(
                    "The type is {own}; the profile {} allows {}.",
                    profile.url,
                    names.join(", ")
                )
            });
            return false;
        }
        self.type_profiles(focus, profile, &rules);
        self.targets(focus, profile, &rules);
        true
    }

    /// One of the profiles of an element's type must be conformed to.
    fn type_profiles(&mut self, focus: &Focus<'_, '_>, profile: &Profile, rules: &[&TypeRule]) {
        if rules.iter().any(|rule| rule.profiles.is_empty()) {
            return;
        }
        let addresses: Vec<&str> = rules
            .iter()
            .flat_map(|rule| &rule.profiles)
            .map(|text| &**text)
            .collect();
        if let [address] = addresses[..] {
            let is_extension = focus.kind == self.validator.kinds.extension;
            if is_extension && matches!(self.known(address), Known::Nothing) {
                // What is unknown of an extension is said where it stands.
                return;
            }
            let why = format!("The profile {address}");
            return self.conform_to(focus, address, &why);
        }
        let mut unknown = None;
        for address in &addresses {
            match self.conforms(focus, address) {
                Some(true) => return,
                Some(false) => {}
                None => unknown = Some(*address),
            }
        }
        match unknown {
            Some(address) => self.found.warning(Code::NotFound, focus.place, || {
                format!("The profile {address} is not known here, so whether this conforms to it cannot be told.")
            }),
            None => self.found.error(Code::Structure, focus.place, || {
                let list = addresses.join(", ");
                format!(
                    "This conforms to none of the profiles that {} allows: {list}.",
                    profile.url
                )
            }),
        }
    }

    /// A value that is fixed, or bounded, or must be there.
    fn value(&mut self, focus: &Focus<'_, '_>, profile: &Profile, shape: &Shape) {
        if let Some(fixed) = &shape.fixed {
            self.same(
                focus.place,
                focus.element.node,
                fixed.value.node(),
                fixed.exact,
                &profile.url,
            );
        }
        self.bounds(focus, profile, shape);
        if shape.sourced || !shape.languages.is_empty() {
            self.narrative_sections(focus, profile, shape);
        }
        if let Some(text) = focus.element.node.as_str() {
            let length = text.chars().count();
            if let Some(max) = shape.length_max.filter(|max| length > *max) {
                self.found.error(Code::TooLong, focus.place, || {
                    format!(
                        "The text has {length} characters; the profile {} allows {max}.",
                        profile.url
                    )
                });
            }
            if let Some(min) = shape.length_min.filter(|min| length < *min) {
                self.found.error(Code::Value, focus.place, || {
                    format!(
                        "The text has {length} characters; the profile {} asks for {min}.",
                        profile.url
                    )
                });
            }
        }
        if self.definitions.is_primitive_type(focus.kind) && !focus.element.has_value() {
            self.valueless(focus, profile, shape);
        }
    }

    /// A primitive without a value.
    fn valueless(&mut self, focus: &Focus<'_, '_>, profile: &Profile, shape: &Shape) {
        if shape.valued {
            self.found.error(Code::Required, focus.place, || {
                format!("The profile {} asks for a value, not only extensions.", profile.url)
            });
        }
        let extensions = holder(&focus.element).get("extension");
        let urls = extensions
            .into_iter()
            .flat_map(|list| list.each())
            .filter_map(|one| one.string("url"));
        let urls: Vec<_> = urls.collect();
        let stands_in = |wanted: &str| urls.iter().any(|url| **url == *wanted);
        if !shape.alternatives.is_empty() && !shape.alternatives.iter().any(|wanted| stands_in(wanted)) {
            self.found.error(Code::Required, focus.place, || {
                let list: Vec<String> = shape.alternatives.iter().map(|url| quoted(url)).collect();
                format!(
                    "Without a value the profile {} asks for the extension {}.",
                    profile.url,
                    list.join(" or ")
                )
            });
        }
    }
}

/// Whether an element holds a resource within another.
fn is_resource_within(path: &str) -> bool {
    path.ends_with(".resource") || path.ends_with(".contained")
}
