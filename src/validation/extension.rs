//! Judges extensions by their definitions, and where they stand (<https://hl7.org/fhir/R4/defining-extensions.html>).

use std::sync::Arc;

use conformance::place::quoted;
use fhir::outcome::{Code, Severity};
use fhirpath::expression::Expression;
use fhirpath::model::{Model, TypeId};
use fhirpath::value::Item;

use crate::binding::is_absolute;
use crate::focus::Focus;
use crate::profiles::Known;
use crate::shape::{ContextKind, Profile};
use crate::validator::Purpose;
use crate::walk::Walk;

/// How far up the chain of elements a context is looked for.
const PARENTS_MAX: usize = 100;
/// Where the standard's examples have their addresses (RFC 2606).
const EXAMPLES: &str = "example.org";

impl Walk<'_> {
    /// Judges an extension. `modifier` says that it may change the meaning of what holds it.
    pub(crate) fn extension(&mut self, focus: &Focus<'_, '_>, modifier: bool) {
        let Some(url) = focus.element.node.string("url") else {
            return;
        };
        if !is_absolute(&url) {
            return self.part_of_extension(focus, &url);
        }
        if url.contains('|') {
            return self.found.error(Code::Value, focus.place, || {
                format!("{} has a version; the url of an extension has none.", quoted(&url))
            });
        }
        match self.known(&url) {
            Known::Profile(profile) => {
                self.conform(focus, &profile);
                self.context(focus, &profile);
                if profile.modifier != modifier {
                    self.found.error(Code::Extension, focus.place, || {
                        let right = if modifier { "extension" } else { "modifierExtension" };
                        format!(
                            "By its definition {} is a {right}, and stands among the others.",
                            quoted(&url)
                        )
                    });
                }
            }
            Known::Type(_) => self.found.error(Code::Structure, focus.place, || {
                format!("{} defines a type, not an extension.", quoted(&url))
            }),
            Known::Nothing if modifier => self.found.error(Code::Extension, focus.place, || {
                format!(
                    "Nothing is known here of {}, which may change what this means.",
                    quoted(&url)
                )
            }),
            Known::Nothing => self.unknown_extension(focus, &url),
        }
    }

    /// An extension whose definition is not at hand: "Whenever resources containing extensions are exchanged, the
    /// definitions of the extensions SHALL be available to all the parties that share the resources"
    /// (<https://hl7.org/fhir/R4/defining-extensions.html>). So it is an error, where somebody asks whether a record is
    /// valid; and none, where it is only to be kept: "Applications should not reject resources merely because they
    /// contain extensions" (<https://hl7.org/fhir/R4/extensibility.html>).
    fn unknown_extension(&mut self, focus: &Focus<'_, '_>, url: &str) {
        let severity = match self.purpose {
            Purpose::Asking if !is_out_of_reach(url) => Severity::Error,
            _ => Severity::Warning,
        };
        self.found.report(severity, Code::Extension, focus.place, || {
            format!(
                "Nothing is known here of the extension {}; write its StructureDefinition here, and it is judged.",
                quoted(url)
            )
        });
    }

    /// A relative url names a part of the extension around it, which must know it.
    fn part_of_extension(&mut self, focus: &Focus<'_, '_>, url: &str) {
        let around = focus
            .parent
            .filter(|parent| parent.kind == self.validator.kinds.extension);
        let Some(around) = around else {
            return self.found.error(Code::Extension, focus.place, || {
                format!(
                    "{} is no address; only a part of an extension has a short name.",
                    quoted(url)
                )
            });
        };
        let Some(address) = around.element.node.string("url").filter(|url| is_absolute(url)) else {
            return;
        };
        let Known::Profile(profile) = self.known(&address) else {
            return;
        };
        let parts = profile.shapes[0].child("extension").map(|at| &profile.shapes[at]);
        let known = parts.is_some_and(|parts| {
            parts.slices.is_empty()
                || parts
                    .slices
                    .iter()
                    .any(|(name, at)| **name == *url || names(&profile, *at, url))
        });
        if !known {
            self.found.error(Code::Extension, focus.place, || {
                format!("The extension {} has no part {}.", quoted(&address), quoted(url))
            });
        }
    }

    fn context(&mut self, focus: &Focus<'_, '_>, profile: &Arc<Profile>) {
        let Some(parent) = focus.parent else { return };
        let fits = |walk: &mut Self, kind: ContextKind, expression: &str| match kind {
            ContextKind::Element => walk.is_element(parent, expression),
            ContextKind::Extension => parent
                .element
                .node
                .string("url")
                .is_some_and(|url| expression.split('#').next() == Some(&*url)),
            ContextKind::Fhirpath => walk.is_selected(parent, expression),
        };
        let contexts = &profile.contexts;
        if !contexts.is_empty() && !contexts.iter().any(|one| fits(self, one.kind, &one.expression)) {
            let allowed: Vec<&str> = contexts.iter().map(|one| &*one.expression).collect();
            self.found.error(Code::Extension, parent.place, || {
                format!(
                    "The extension {} may not stand here, only on {}.",
                    profile.url,
                    allowed.join(", ")
                )
            });
        }
        for invariant in &profile.context_invariants {
            if matches!(self.is_true(parent, invariant), Ok(false)) {
                self.found.error(Code::Invariant, parent.place, || {
                    format!(
                        "The extension {} may stand only where {invariant} is true.",
                        profile.url
                    )
                });
            }
        }
    }

    /// Whether a context names the element: its type, a base of it, or a path to it.
    fn is_element(&self, focus: &Focus<'_, '_>, expression: &str) -> bool {
        let wanted = expression.trim_end_matches("[x]");
        // Element is any; a context in a profile can only be judged with it.
        if wanted == "Element" || wanted.contains('#') || wanted.contains("://") || wanted.contains(':') {
            return true;
        }
        if self.is_named(focus.kind, wanted) || focus.path == wanted {
            return true;
        }
        let (mut names, mut at) = (Vec::new(), *focus);
        for _ in 0..PARENTS_MAX {
            let Some(parent) = at.parent else { break };
            names.push(at.path.rsplit('.').next().unwrap_or_default());
            // `Patient.name.given` and `HumanName.given` both lead to it.
            let below: Vec<&str> = names.iter().rev().copied().collect();
            let rest = format!(".{}", below.join("."));
            if wanted
                .strip_suffix(&*rest)
                .is_some_and(|start| self.is_named(parent.kind, start))
            {
                return true;
            }
            at = *parent;
        }
        false
    }

    fn is_named(&self, kind: TypeId, name: &str) -> bool {
        let wanted = self.definitions.type_id(name);
        wanted.is_some_and(|wanted| self.definitions.is_a(kind, wanted))
    }

    /// Whether a FHIRPath over the resource yields the element.
    fn is_selected(&self, focus: &Focus<'_, '_>, expression: &str) -> bool {
        let Ok(expression) = Expression::parse(expression) else {
            return true;
        };
        let Some(kind) = focus.scope.resource.kind else {
            return true;
        };
        let resource = Focus {
            element: focus.scope.resource,
            kind,
            ..*focus
        };
        let node = focus.element.node;
        let is_it = |item: &Item<'_>| item.element().is_some_and(|element| element.node == node);
        let found = self.evaluated(&resource, &expression, &[], |items| items.iter().any(is_it));
        found.unwrap_or(true)
    }
}

/// Whether nobody can be blamed that a definition is not here: that of an example, and those that HL7 itself publishes
/// beside R4, but for the guides of a realm (`us`, `uv`), which are packages to be loaded.
fn is_out_of_reach(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut folders = path.split('/');
    let hl7 = host == "hl7.org" && folders.next() == Some("fhir");
    let of_no_realm = folders.next().is_some_and(|folder| folder.len() > 2);
    hl7 && of_no_realm || host == EXAMPLES || host.strip_suffix(EXAMPLES).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a slice of extensions is for a url.
fn names(profile: &Profile, at: usize, url: &str) -> bool {
    let fixed = profile.shapes[at]
        .child("url")
        .and_then(|at| profile.shapes[at].fixed.as_ref());
    fixed.is_some_and(|fixed| fixed.value.node().as_str().is_some_and(|own| own == url))
}
