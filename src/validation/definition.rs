//! Judges the resources that define things: profiles and search parameters here, the others in files of their own.

use std::sync::Arc;

use conformance::place::{Place, quoted};
use fhir::document::{Document, Node};
use fhir::outcome::Code;
use fhir::parse::Limits;
use fhirpath::model::{Model, TypeId};

use crate::compile::compile;
use crate::focus::Focus;
use crate::profiles::Known;
use crate::response::each;
use crate::shape::PathStep;
use crate::walk::Walk;

/// Bytes of one StructureDefinition that is compiled to see whether it can be.
const DEFINITION_BYTES: usize = 8 << 20;

impl Walk<'_> {
    /// Judges a definition by what its kind asks for.
    pub(crate) fn definition(&mut self, focus: &Focus<'_, '_>, kind: &str) {
        match kind {
            "StructureDefinition" => self.structure_definition(focus),
            "ValueSet" => self.value_set(focus),
            "CodeSystem" => self.code_system(focus),
            "ConceptMap" => self.concept_map(focus),
            "Measure" => self.measure(focus),
            "MeasureReport" => self.measure_report(focus),
            "SearchParameter" => self.search_parameter(focus),
            "OperationDefinition" => self.operation_definition(focus),
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
        let Some(kind) = kind.filter(|_| constraint) else {
            return;
        };
        let Ok(document) = Document::parse(node.text().as_bytes(), limits) else {
            return;
        };
        self.base(node, kind, focus.place);
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
            self.discriminators(element, &place);
            self.narrows(element, &place);
            self.constraint_expressions(element, &place);
        }
    }

    /// What a profile is based on is of the type that it constrains
    /// (<https://hl7.org/fhir/R4/structuredefinition-definitions.html#StructureDefinition.type>).
    fn base(&mut self, node: Node<'_>, kind: TypeId, place: &Place<'_>) {
        let Some(address) = node.string("baseDefinition") else {
            return;
        };
        let place = Place::Member(place, "baseDefinition");
        let base = match self.known(&address) {
            Known::Type(base) => base,
            Known::Profile(profile) => profile.kind,
            Known::Nothing => {
                return self.found.warning(Code::NotFound, &place, || {
                    format!("The base {} is not known here.", quoted(&address))
                });
            }
        };
        if base != kind {
            let (own, wanted) = (self.definitions.type_name(base), self.definitions.type_name(kind));
            self.found.error(Code::Value, &place, || {
                format!("The base is of {own}; the profile is of {wanted}.")
            });
        }
    }

    /// The path of a discriminator leads from the element that is sliced to one that its types have.
    fn discriminators(&mut self, element: Node<'_>, place: &Place<'_>) {
        let Some(slicing) = element.get("slicing") else { return };
        let kinds = self.kinds_of(element);
        let outer = Place::Member(place, "slicing");
        let list = Place::Member(&outer, "discriminator");
        for (at, discriminator) in each(slicing, "discriminator").enumerate() {
            let path = discriminator.string("path").unwrap_or_default();
            let leads = PathStep::parse(&path).is_none_or(|steps| self.leads_somewhere(kinds.clone(), &steps));
            if !leads {
                self.found.error(Code::Value, &Place::Item(&list, at), || {
                    format!("The path {} leads to no element of what is sliced.", quoted(&path))
                });
            }
        }
    }

    /// The types that an element of a profile may have: those that it says, or those of R4.
    pub(crate) fn kinds_of(&self, element: Node<'_>) -> Vec<TypeId> {
        let own: Vec<TypeId> = each(element, "type")
            .filter_map(|one| self.definitions.type_id(&one.string("code")?))
            .collect();
        let path = element.string("path").unwrap_or_default();
        match self.definitions.element(&path) {
            Some(known) if own.is_empty() || known.types.len() == 1 => known.types.iter().map(|one| one.kind).collect(),
            None if own.is_empty() => self.definitions.type_id(&path).into_iter().collect(),
            _ => own,
        }
    }

    /// Whether the steps of a path can be gone from elements of some types; what cannot be told can.
    fn leads_somewhere(&self, mut kinds: Vec<TypeId>, steps: &[PathStep]) -> bool {
        for step in steps {
            if kinds.is_empty() || kinds.iter().any(|kind| self.validator.kinds.is_any_resource(*kind)) {
                return true;
            }
            match step {
                PathStep::Resolve => return true,
                PathStep::Extension(_) => kinds = vec![self.validator.kinds.extension],
                PathStep::OfType(name) => kinds = self.definitions.type_id(name).into_iter().collect(),
                PathStep::Child(name) => {
                    let steps = kinds
                        .iter()
                        .filter_map(|kind| self.definitions.own_element(*kind, name));
                    let below: Vec<TypeId> = steps
                        .flat_map(|(_, one)| one.types.iter().map(|one| one.kind))
                        .collect();
                    if below.is_empty() {
                        return false;
                    }
                    kinds = below;
                }
            }
        }
        true
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

    fn search_parameter(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let kind = node.string("type").unwrap_or_default();
        if kind == "composite" && each(node, "component").count() < 2 {
            self.found.error(Code::Structure, focus.place, || {
                "A composite parameter has two components or more.".to_owned()
            });
        }
        self.search_expression(focus);
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
