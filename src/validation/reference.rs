//! Judges references (<https://hl7.org/fhir/R4/references.html>): how they are written, and what they may point to.

use conformance::place::quoted;
use fhir::identity::Reference;
use fhir::outcome::Code;
use fhirpath::model::{Model, TypeId};

use crate::around::Found;
use crate::binding::is_absolute;
use crate::focus::{Focus, Scope};
use crate::profiles::{Known, STANDARD};
use crate::shape::{Aggregation, Profile, TypeRule};
use crate::validator::Purpose;
use crate::walk::Walk;

impl Walk<'_> {
    /// Judges a Reference by how it is written, and by the types that R4 lets the element point to.
    pub(crate) fn reference(&mut self, focus: &Focus<'_, '_>) {
        let Some(text) = focus.element.node.string("reference") else {
            return;
        };
        match Reference::parse(&text) {
            Reference::Contained(_) => {}
            Reference::Literal { kind, .. } if !self.definitions.is_resource(kind) => {
                self.found.error(Code::Value, focus.place, || {
                    format!("{} names the type {kind}, which R4 does not have.", quoted(&text))
                });
            }
            Reference::Other(other) if !is_absolute(other) => self.found.error(Code::Value, focus.place, || {
                format!(
                    "{} is no reference; a relative one is written as Patient/17.",
                    quoted(other)
                )
            }),
            _ => {}
        }
        self.ambiguous(focus, &text);
        self.stated_type(focus, &text);
        self.declared_targets(focus, &text);
    }

    /// What a reference names has the type that it states (<https://hl7.org/fhir/R4/references-definitions.html#Reference.type>).
    fn stated_type(&mut self, focus: &Focus<'_, '_>, text: &str) {
        let Some(stated) = focus.element.node.string("type") else {
            return;
        };
        let name = stated.strip_prefix(STANDARD).unwrap_or(&stated);
        let Some(wanted) = self.definitions.type_id(name) else {
            return;
        };
        if let Some(kind) = self
            .target_kind(focus, text)
            .filter(|kind| !self.definitions.is_a(*kind, wanted))
        {
            let own = self.definitions.type_name(kind);
            self.found.error(Code::Value, focus.place, || {
                format!("The reference states the type {name}, but names {own}.")
            });
        }
    }

    /// Within a Bundle a reference names one entry; only a history has several versions of one.
    fn ambiguous(&mut self, focus: &Focus<'_, '_>, text: &str) {
        let (Some(outer), Some(entry)) = (focus.scope.outer, focus.scope.entry) else {
            return;
        };
        let bundle = outer.resource.node;
        if bundle.string("type").is_some_and(|kind| kind == "history") {
            return;
        }
        let count = self.bundles.of(bundle).matches(bundle, entry, text).len();
        if count > 1 {
            self.found.error(Code::MultipleMatches, focus.place, || {
                format!("{} names {count} entries of the Bundle.", quoted(text))
            });
        }
    }

    fn declared_targets(&mut self, focus: &Focus<'_, '_>, text: &str) {
        let Some(kind) = self.target_kind(focus, text) else {
            return;
        };
        let Some(element) = self.definitions.element(focus.path) else {
            return;
        };
        let targets: Vec<&str> = element
            .types
            .iter()
            .flat_map(|one| one.targets.iter().copied())
            .collect();
        let fits = |name: &&str| {
            self.definitions
                .type_id(name)
                .is_some_and(|wanted| self.definitions.is_a(kind, wanted))
        };
        if !targets.is_empty() && !targets.iter().any(fits) {
            let own = self.definitions.type_name(kind);
            self.found.error(Code::Structure, focus.place, || {
                format!("This refers to {own}; it may refer to {}.", targets.join(", "))
            });
        }
    }

    /// The type of what a reference points to: that of the resource where it is at hand, or what its text says.
    fn target_kind(&self, focus: &Focus<'_, '_>, text: &str) -> Option<TypeId> {
        if let Some(found) = self.around(focus.scope).find(text).element() {
            return found.kind;
        }
        match Reference::parse(text) {
            Reference::Literal { kind, .. } | Reference::Conditional { kind, .. } => self.definitions.type_id(kind),
            _ => None,
        }
    }

    /// Judges a reference by the profiles that a profile lets it point to, and by where its target may be.
    pub(crate) fn targets(&mut self, focus: &Focus<'_, '_>, profile: &Profile, rules: &[&TypeRule]) {
        if focus.kind != self.validator.kinds.reference {
            return;
        }
        let Some(text) = focus.element.node.string("reference") else {
            return;
        };
        let found = self.around(focus.scope).find(&text);
        self.aggregation(focus, profile, rules, &text, found);
        let addresses: Vec<&str> = rules
            .iter()
            .flat_map(|rule| &rule.targets)
            .map(|text| &**text)
            .collect();
        if addresses.is_empty() || rules.iter().any(|rule| rule.targets.is_empty()) {
            return;
        }
        // What is sent along belongs to what is judged; another record is followed only as far as the purpose asks.
        let elsewhere = matches!(found, Found::Here(_));
        let followed = !elsewhere || self.purpose == Purpose::Asking && !self.away;
        match found.element().filter(|_| followed) {
            Some(element) => {
                let scope = Scope {
                    resource: element,
                    root: match found {
                        Found::Contained(_) => focus.scope.root,
                        _ => element,
                    },
                    outer: focus.scope.outer,
                    entry: focus.scope.entry,
                };
                let Some(kind) = element.kind else { return };
                let target = Focus::outermost(element, kind, focus.place, &scope);
                let before = self.away;
                self.away |= elsewhere;
                self.target_conforms(&target, profile, &addresses, &text);
                self.away = before;
            }
            None => self.target_is_said(focus, profile, &addresses, &text),
        }
    }

    fn target_conforms(&mut self, target: &Focus<'_, '_>, profile: &Profile, addresses: &[&str], text: &str) {
        let mut unknown = None;
        for address in addresses {
            match self.conforms(target, address) {
                Some(true) => return,
                Some(false) => {}
                None => unknown = Some(*address),
            }
        }
        match unknown {
            Some(address) => self.found.error(Code::NotFound, target.place, || {
                format!("The profile {address} is not known here, so whether {text} conforms to it cannot be told.")
            }),
            None => self.found.error(Code::Structure, target.place, || {
                let (text, list) = (quoted(text), addresses.join(", "));
                format!(
                    "{text} conforms to none of the profiles that {} allows here: {list}.",
                    profile.url
                )
            }),
        }
    }

    /// Of a target that is not at hand, or not followed, only its type is judged.
    fn target_is_said(&mut self, focus: &Focus<'_, '_>, profile: &Profile, addresses: &[&str], text: &str) {
        let Reference::Literal { kind: name, .. } = Reference::parse(text) else {
            return;
        };
        let Some(kind) = self.definitions.type_id(name) else {
            return;
        };
        let fits = |address: &&str| match self.known(address) {
            Known::Type(wanted) => self.definitions.is_a(kind, wanted),
            Known::Profile(profile) => self.definitions.is_a(kind, profile.kind),
            Known::Nothing => true,
        };
        if !addresses.iter().any(fits) {
            self.found.error(Code::Structure, focus.place, || {
                let list = addresses.join(", ");
                format!("This refers to {name}; the profile {} allows {list}.", profile.url)
            });
        }
    }

    fn aggregation(
        &mut self,
        focus: &Focus<'_, '_>,
        profile: &Profile,
        rules: &[&TypeRule],
        text: &str,
        found: Found<'_>,
    ) {
        let free = |rule: &&TypeRule| rule.aggregation == Aggregation::default();
        if rules.iter().any(free) {
            return;
        }
        let fits = |rule: &&TypeRule| match found {
            Found::Contained(_) => rule.aggregation.contained,
            Found::Beside(_) => rule.aggregation.bundled || rule.aggregation.referenced,
            _ => rule.aggregation.referenced,
        };
        // Outside of a Bundle, nothing can be said of what is meant to be bundled.
        let alone = focus.scope.outer.is_none() && !text.starts_with('#');
        let unsaid = alone && rules.iter().any(|rule| rule.aggregation.bundled);
        if !unsaid && !rules.iter().any(fits) {
            self.found.error(Code::Structure, focus.place, || {
                let place = match found {
                    Found::Contained(_) => "contained",
                    Found::Beside(_) => "in the same Bundle",
                    _ => "elsewhere",
                };
                format!(
                    "What this refers to is {place}, where the profile {} does not allow it.",
                    profile.url
                )
            });
        }
    }
}
