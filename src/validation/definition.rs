//! Judges the resources that define things: profiles, value sets, code systems, search parameters.

use std::sync::Arc;

use conformance::place::{Place, quoted};
use fhir::document::{Document, Node};
use fhir::outcome::Code;
use fhir::parse::Limits;
use fhirpath::model::Model;

use crate::binding::is_absolute;
use crate::compile::compile;
use crate::focus::Focus;
use crate::profiles::Known;
use crate::response::each;
use crate::walk::{DEPTH_MAX, Walk};

/// Bytes of one StructureDefinition that is compiled to see whether it can be.
const DEFINITION_BYTES: usize = 8 << 20;
/// Concepts of one code system that are counted.
const CONCEPTS_MAX: usize = 1_000_000;

impl Walk<'_> {
    /// Judges a definition by what its kind asks for.
    pub(crate) fn definition(&mut self, focus: &Focus<'_, '_>, kind: &str) {
        match kind {
            "StructureDefinition" => self.structure_definition(focus),
            "ValueSet" => self.value_set(focus),
            "CodeSystem" => self.code_system(focus),
            "SearchParameter" => self.search_parameter(focus),
            _ => {}
        }
    }

    /// A profile must be able to be compiled, and its types' profiles must be of those types.
    fn structure_definition(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let kind = node.string("type").and_then(|name| self.definitions.type_id(&name));
        let limits = Limits {
            bytes: DEFINITION_BYTES,
            ..Limits::default()
        };
        let constraint = node.string("derivation").is_some_and(|how| how == "constraint");
        let Some(kind) = kind.filter(|_| constraint && node.get("snapshot").is_none()) else {
            return;
        };
        let Ok(document) = Document::parse(node.text().as_bytes(), limits) else {
            return;
        };
        let rules = &self.validator.rules;
        let profile = compile(self.definitions, rules, &Arc::new(document), kind, Vec::new());
        for fault in &profile.faults {
            self.found.error(Code::Structure, focus.place, || {
                format!("As a profile this does not work: {fault}.")
            });
        }
        let elements = node.get("differential").and_then(|one| one.get("element"));
        let outer = Place::Member(focus.place, "differential");
        let list = Place::Member(&outer, "element");
        for (at, element) in elements.into_iter().flat_map(|list| list.each()).enumerate() {
            let place = Place::Item(&list, at);
            if element.string("path").is_some_and(|path| !path.contains('.')) && element.get("slicing").is_some() {
                self.found.error(Code::Structure, &place, || {
                    "A type as a whole has no slices.".to_owned()
                });
            }
            self.types_of_element(element, &place);
        }
    }

    fn types_of_element(&mut self, element: Node<'_>, place: &Place<'_>) {
        let types = Place::Member(place, "type");
        for (at, one) in each(element, "type").enumerate() {
            let Some(kind) = one.string("code").and_then(|code| self.definitions.type_id(&code)) else {
                continue;
            };
            let place = Place::Item(&types, at);
            let profiles = Place::Member(&place, "profile");
            for (at, address) in each(one, "profile").enumerate() {
                let Some(address) = address.as_str() else { continue };
                let own = match self.known(&address) {
                    Known::Type(own) => own,
                    Known::Profile(profile) => profile.kind,
                    Known::Nothing => continue,
                };
                let profile_of_quantity = matches!(self.definitions.type_name(own), "MoneyQuantity" | "SimpleQuantity");
                let fits = own == kind || profile_of_quantity || self.validator.kinds.is_any_resource(kind);
                if !fits {
                    let (own, wanted) = (self.definitions.type_name(own), self.definitions.type_name(kind));
                    self.found.error(Code::Value, &Place::Item(&profiles, at), || {
                        format!("{} is a profile of {own}; the element is {wanted}.", quoted(&address))
                    });
                }
            }
        }
    }

    fn value_set(&mut self, focus: &Focus<'_, '_>) {
        let Some(composed) = focus.element.node.get("compose") else {
            return;
        };
        let outer = Place::Member(focus.place, "compose");
        for name in ["include", "exclude"] {
            let list = Place::Member(&outer, name);
            for (at, include) in each(composed, name).enumerate() {
                let Some(system) = include.string("system").filter(|system| !is_absolute(system)) else {
                    continue;
                };
                self.found.error(Code::Value, &Place::Item(&list, at), || {
                    format!(
                        "The system {} is not absolute; a contained one is named by its url.",
                        quoted(&system)
                    )
                });
            }
        }
    }

    fn code_system(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let content = node.string("content").unwrap_or_default();
        if node.get("supplements").is_some() && content != "supplement" {
            self.found
                .error(Code::Value, &Place::Member(focus.place, "content"), || {
                    "What supplements another code system has the content `supplement`.".to_owned()
                });
        }
        let stated = node
            .get("count")
            .and_then(|count| count.as_number()?.parse::<usize>().ok());
        if let Some(stated) = stated.filter(|_| content == "complete") {
            let count = concepts(node, 0);
            if count != stated {
                self.found.error(Code::Value, &Place::Member(focus.place, "count"), || {
                    format!("{stated} concepts are said to be there, and {count} are, though the content is complete.")
                });
            }
        }
        let list = Place::Member(focus.place, "property");
        let properties: Vec<Node<'_>> = each(node, "property").collect();
        for (at, property) in properties.iter().enumerate() {
            for name in ["code", "uri"] {
                let own = property.string(name).filter(|own| !own.is_empty());
                let before = &properties[..at];
                if own.is_some() && before.iter().any(|other| other.string(name) == own) {
                    self.found.error(Code::Duplicate, &Place::Item(&list, at), || {
                        let shown = quoted(own.as_deref().unwrap_or_default());
                        format!("Another property has the {name} {shown} already.")
                    });
                }
            }
        }
    }

    fn search_parameter(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let kind = node.string("type").unwrap_or_default();
        if kind == "composite" && each(node, "component").count() < 2 {
            self.found.error(Code::Structure, focus.place, || {
                "A composite parameter has two components or more.".to_owned()
            });
        }
        let Some(address) = node.string("derivedFrom") else {
            return;
        };
        let mut known = self.definitions.search_parameters().iter();
        let Some(base) = known.find(|one| one.url == address) else {
            return;
        };
        if base.kind.as_str() != kind {
            self.found.error(Code::Value, focus.place, || {
                format!(
                    "The type is {kind}; that of {address}, which this derives from, is {}.",
                    base.kind.as_str()
                )
            });
        }
        for own in each(node, "base").filter_map(|own| own.as_str()) {
            if !base.base.iter().any(|other| *other == *own) {
                self.found.error(Code::Value, focus.place, || {
                    format!("{address}, which this derives from, does not search {own}.")
                });
            }
        }
    }
}

fn concepts(node: Node<'_>, depth: usize) -> usize {
    if depth > DEPTH_MAX {
        return 0;
    }
    let own = each(node, "concept").take(CONCEPTS_MAX);
    own.map(|concept| 1 + concepts(concept, depth + 1)).sum()
}
