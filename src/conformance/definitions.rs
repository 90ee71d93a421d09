//! The definitions of FHIR R4 in memory: types, elements, search parameters and compartments.

use std::sync::{Arc, OnceLock};

use fhir::document::{Document, Node};
use fhir::name::Name;
use fhirpath::model::{self, Child, Model, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::facts::{Compartment, Element, SearchParameter};
use crate::load;
use crate::members::{Member, Members, Role};
use crate::primitive::Primitive;

/// All that is known of a standard. Read once, then shared.
///
/// Types are numbered; a [`TypeId`] is meaningful to the `Definitions` that gave it. Besides the types FHIR names there
/// is one for each backbone element, named by its path (`Patient.contact`), and an element that refers to another's
/// content (`Questionnaire.item.item`) has that one's type.
///
/// Where an element holds any resource (`contained`, `Bundle.entry.resource`, `Parameters.parameter.resource`), its type
/// is `Resource`, whose children are only `id`, `meta`, `implicitRules` and `language`. Callers that stand on a node take
/// [`Definitions::concrete`] first, which gives the type that the node's own `resourceType` names.
#[derive(Debug)]
pub struct Definitions {
    pub(crate) types: Vec<Type>,
    /// Of each type, the sort that paths ask for: kept close together.
    pub(crate) sorts: Box<[model::Sort]>,
    pub(crate) elements: Vec<Element>,
    pub(crate) named: FxHashMap<&'static str, TypeId>,
    pub(crate) members: Members,
    pub(crate) uri_members: FxHashSet<Box<str>>,
    pub(crate) search_parameters: Vec<SearchParameter>,
    pub(crate) compartments: Vec<Compartment>,
    pub(crate) landmarks: Landmarks,
    /// Of each type that was asked for, its StructureDefinition.
    pub(crate) written: Box<[OnceLock<Option<Box<Document>>>]>,
}

/// One step from a type to a member of its JSON.
#[derive(Clone, Copy, Debug)]
pub struct Step<'d> {
    /// The element's place among all elements.
    pub place: u32,
    /// The facts about it.
    pub element: &'d Element,
    /// The type of the value.
    pub kind: TypeId,
    /// Whether the name carries the type of a choice: `valueQuantity`.
    pub typed: bool,
}

/// What the judge must know by heart.
#[derive(Debug)]
pub(crate) struct Landmarks {
    /// The type Element.
    pub(crate) element: TypeId,
    /// The type Extension.
    pub(crate) extension: TypeId,
    /// The bit of Extension.extension.
    pub(crate) extensions: u128,
    /// The bit of Extension.value.
    pub(crate) value: u128,
}

/// What sort of type it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A JSON string, number or boolean.
    Primitive(Primitive),
    /// An object without `resourceType`: a data type or a backbone element.
    Complex,
    /// Any resource: the types `Resource` and `DomainResource`.
    AnyResource,
    /// A resource.
    Resource,
}

/// What a JSON member holds.
#[derive(Clone, Copy, Debug)]
pub struct JsonMember<'a> {
    /// Its name.
    pub name: &'a str,
    /// The type of its values.
    pub kind: TypeId,
    /// The place of its element among those of the type: the order that XML has them in.
    pub order: u8,
    /// Whether it is an array.
    pub list: bool,
    /// What each of its values looks like.
    pub form: Form,
}

/// What a value looks like in JSON and in XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A string.
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A string that is XHTML, which XML holds as it is.
    Xhtml,
    /// An object.
    Object,
    /// An object with a `resourceType`.
    Resource,
}

impl Sort {
    /// The same as paths tell them apart.
    #[inline]
    pub(crate) fn for_paths(self) -> model::Sort {
        match self {
            Sort::Primitive(primitive) => primitive.for_paths(),
            Sort::Complex => model::Sort::Complex,
            Sort::AnyResource => model::Sort::Resource { any: true },
            Sort::Resource => model::Sort::Resource { any: false },
        }
    }
}

#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) name: &'static str,
    pub(crate) base: Option<TypeId>,
    pub(crate) sort: Sort,
    /// The status of its definition; empty for a backbone element.
    pub(crate) status: &'static str,
    /// Its elements in order, inherited ones first, as places in `Definitions::elements`.
    pub(crate) elements: Box<[u32]>,
    /// A bit for each of its elements that must be there.
    pub(crate) required: u128,
}

impl Definitions {
    /// The definitions of FHIR R4 4.0.1. The first call reads them, in a few milliseconds.
    pub fn r4() -> Arc<Definitions> {
        static R4: OnceLock<Arc<Definitions>> = OnceLock::new();
        Arc::clone(R4.get_or_init(|| Arc::new(load::r4())))
    }

    /// Whether it is the name of a resource type that records can have (`Resource` is not).
    pub fn is_resource(&self, name: &str) -> bool {
        self.sort_of(name) == Some(Sort::Resource)
    }

    /// Whether it is the name of a primitive type: `string`, `date`, `xhtml`.
    pub fn is_primitive(&self, name: &str) -> bool {
        matches!(self.sort_of(name), Some(Sort::Primitive(_)))
    }

    /// Whether the type is a primitive.
    pub fn is_primitive_type(&self, kind: TypeId) -> bool {
        matches!(self.types[kind.0 as usize].sort, Sort::Primitive(_))
    }

    /// The resource types that records can have, sorted.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let resources = self.types.iter().filter(|t| t.sort == Sort::Resource);
        resources.map(|t| t.name)
    }

    /// Whether the type is `ancestor` or specialises it.
    pub fn is_a(&self, kind: TypeId, ancestor: TypeId) -> bool {
        let mut at = Some(kind);
        while let Some(kind) = at {
            if kind == ancestor {
                return true;
            }
            at = self.base(kind);
        }
        false
    }

    /// The type a node of the declared type really has: where that is any resource, what `resourceType` says.
    pub fn concrete(&self, declared: TypeId, node: Node<'_>) -> TypeId {
        if self.types[declared.0 as usize].sort != Sort::AnyResource {
            return declared;
        }
        let name = node.string("resourceType");
        let kind = name.filter(|n| self.is_resource(n)).and_then(|n| self.type_id(&n));
        kind.unwrap_or(declared)
    }

    /// The elements of a type in order, inherited ones first.
    pub fn elements(&self, kind: TypeId) -> impl Iterator<Item = &Element> {
        let places = self.types[kind.0 as usize].elements.iter();
        places.map(|place| &self.elements[*place as usize])
    }

    /// The facts about an element by its path from a type: `Patient.contact.name`, `Patient.name.given`,
    /// `Observation.value`, `Observation.value[x]`, `Observation.valueQuantity.unit`.
    pub fn element(&self, path: &str) -> Option<&Element> {
        let mut parts = path.split('.');
        let mut kind = self.type_id(parts.next()?)?;
        let mut found = None;
        for part in parts {
            let member = self.member(kind, part.strip_suffix("[x]").unwrap_or(part))?;
            kind = member.kind;
            found = Some(&self.elements[member.element as usize]);
        }
        found
    }

    /// The system that a code has without saying so: of an element by its name in a type, what
    /// [`Element::system`] says.
    pub fn implied_system(&self, parent: TypeId, name: &str) -> Option<&'static str> {
        let member = self.member(parent, name)?;
        self.elements[member.element as usize].system
    }

    /// The JSON members that hold a uri, url, canonical, oid or uuid in some type: `url`, `instantiatesCanonical`,
    /// `valueUri`. The same name can hold another type elsewhere.
    pub fn uri_members(&self) -> &FxHashSet<Box<str>> {
        &self.uri_members
    }

    /// The search parameters of the standard, by canonical address.
    pub fn search_parameters(&self) -> &[SearchParameter] {
        &self.search_parameters
    }

    /// The compartments of the standard, by code.
    pub fn compartments(&self) -> &[Compartment] {
        &self.compartments
    }

    /// What a member of a type is, by its name in JSON: `name`, `valueQuantity`.
    pub fn step(&self, kind: TypeId, name: &str) -> Option<Step<'_>> {
        let member = self.member(kind, name).filter(|member| member.role != Role::Bare)?;
        Some(Step {
            place: member.element,
            element: &self.elements[member.element as usize],
            kind: member.kind,
            typed: member.role == Role::Typed,
        })
    }

    /// The facts about an element of a type by its name in FHIRPath, and its place among all elements.
    pub fn own_element(&self, kind: TypeId, name: &str) -> Option<(u32, &Element)> {
        let member = self.member(kind, name).filter(|member| member.role != Role::Typed)?;
        Some((member.element, &self.elements[member.element as usize]))
    }

    /// How many elements there are; [`Step::place`] is below it.
    pub fn element_count(&self) -> usize {
        self.elements.len()
    }

    /// How many types there are; a [`TypeId`] is below it.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    /// What the JSON member of that name holds in a type: `name`, `valueQuantity`; not the `_name` half of a primitive.
    pub fn json_member(&self, kind: TypeId, name: &str) -> Option<JsonMember<'_>> {
        let member = self.member(kind, name).filter(|member| member.role != Role::Bare)?;
        Some(JsonMember {
            name: self.members.name_of(member),
            kind: member.kind,
            order: member.bit,
            list: member.list,
            form: match member.sort {
                Sort::Primitive(Primitive::Boolean) => Form::Boolean,
                Sort::Primitive(Primitive::Xhtml) => Form::Xhtml,
                Sort::Primitive(primitive) if primitive.is_number() => Form::Number,
                Sort::Primitive(_) => Form::String,
                Sort::Complex => Form::Object,
                Sort::AnyResource | Sort::Resource => Form::Resource,
            },
        })
    }

    /// The type Element, whose children are what a primitive has beside its value.
    pub fn element_type(&self) -> TypeId {
        self.landmarks.element
    }

    /// The type Extension.
    pub fn extension_type(&self) -> TypeId {
        self.landmarks.extension
    }

    pub(crate) fn member(&self, kind: TypeId, name: &str) -> Option<&Member> {
        self.members.find(kind, &Name::of(name))
    }

    /// As [`member`](Definitions::member), by a name whose mark is known.
    pub(crate) fn named_member(&self, kind: TypeId, name: &Name<&str>) -> Option<&Member> {
        self.members.find(kind, name)
    }

    fn sort_of(&self, name: &str) -> Option<Sort> {
        let kind = self.named.get(name)?;
        Some(self.types[kind.0 as usize].sort)
    }
}

impl Model for Definitions {
    fn type_id(&self, name: &str) -> Option<TypeId> {
        self.named.get(name).copied()
    }

    fn type_name(&self, kind: TypeId) -> &str {
        self.types[kind.0 as usize].name
    }

    fn base(&self, kind: TypeId) -> Option<TypeId> {
        self.types[kind.0 as usize].base
    }

    fn sort(&self, kind: TypeId) -> model::Sort {
        self.sorts[kind.0 as usize]
    }

    fn child(&self, parent: TypeId, name: &Name<&str>) -> Option<Child<'_>> {
        let member = self.members.find(parent, name)?;
        match member.role {
            Role::Plain => Some(Child::One(member.kind, member.for_paths)),
            Role::Bare => Some(Child::Choice(&self.elements[member.element as usize].choices)),
            Role::Typed => None,
        }
    }

    fn json_child(&self, parent: TypeId, name: &Name<&str>) -> Option<(TypeId, model::Sort)> {
        let member = self.members.find(parent, name)?;
        (member.role != Role::Bare).then_some((member.kind, member.for_paths))
    }

    fn element_definition(&self, parent: TypeId, name: Option<&str>) -> Option<fhirpath::value::Element<'_>> {
        Some(fhirpath::value::Element {
            node: self.element_definition_node(parent, name)?,
            sibling: None,
            kind: self.type_id("ElementDefinition"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ParameterType;
    use fhir::document::Document;
    use fhir::parse::Limits;

    #[test]
    fn knows_every_type() {
        let r4 = Definitions::r4();
        // Those of R4, and ViewDefinition.
        assert_eq!(r4.resources().count(), 147);
        assert!(r4.resources().is_sorted());
        assert!(r4.is_resource("Patient") && !r4.is_resource("Resource") && !r4.is_resource("HumanName"));
        assert!(r4.is_primitive("xhtml") && !r4.is_primitive("Quantity") && !r4.is_primitive("nothing"));
        let table = [
            ("Patient", "DomainResource Resource"),
            ("Bundle", "Resource"),
            ("Age", "Quantity Element"),
            ("MoneyQuantity", "Quantity Element"),
            ("Timing", "BackboneElement Element"),
            ("Timing.repeat", "Element"),
            ("Patient.contact", "BackboneElement Element"),
            ("code", "string Element"),
            ("positiveInt", "integer Element"),
            ("canonical", "uri Element"),
        ];
        for (name, bases) in table {
            let kind = r4.type_id(name).unwrap();
            let up = std::iter::successors(r4.base(kind), |kind| r4.base(*kind));
            let names: Vec<&str> = up.map(|kind| r4.type_name(kind)).collect();
            assert_eq!(names.join(" "), bases, "{name}");
            let last = r4.type_id(names[names.len() - 1]).unwrap();
            assert!(r4.is_a(kind, kind) && r4.is_a(kind, last) && !r4.is_a(last, kind));
        }
    }

    #[test]
    fn knows_every_child() {
        let table = [
            ("Patient", "name", "HumanName"),
            ("Patient", "id", "id"),
            ("Patient", "text", "Narrative"),
            ("Patient", "contained", "Resource"),
            ("Patient.contact", "modifierExtension", "Extension"),
            ("HumanName", "given", "string"),
            ("HumanName", "id", "string"),
            ("Extension", "url", "uri"),
            ("Age", "value", "decimal"),
            (
                "Patient",
                "deceased",
                "deceasedBoolean:boolean deceasedDateTime:dateTime",
            ),
            ("Patient", "deceasedBoolean", "-"),
            ("Patient", "nothing", "-"),
            ("Questionnaire.item", "item", "Questionnaire.item"),
            (
                "QuestionnaireResponse.item.answer",
                "item",
                "QuestionnaireResponse.item",
            ),
            ("Observation.component", "referenceRange", "Observation.referenceRange"),
            ("Bundle.entry", "link", "Bundle.link"),
            ("Parameters.parameter", "part", "Parameters.parameter"),
            (
                "Timing.repeat",
                "bounds",
                "boundsDuration:Duration boundsRange:Range boundsPeriod:Period",
            ),
            ("string", "extension", "Extension"),
        ];
        let r4 = Definitions::r4();
        for (parent, name, expected) in table {
            let found = match r4.child(r4.type_id(parent).unwrap(), &Name::of(name)) {
                None => "-".to_owned(),
                Some(Child::One(kind, _)) => r4.type_name(kind).to_owned(),
                Some(Child::Choice(choices)) => {
                    let named = choices
                        .iter()
                        .map(|(name, kind)| format!("{name}:{}", r4.type_name(*kind)));
                    named.collect::<Vec<_>>().join(" ")
                }
            };
            assert_eq!(found, expected, "{parent}.{name}");
        }
    }

    #[test]
    fn every_element_is_found_by_its_names() {
        let r4 = Definitions::r4();
        for kind in (0..r4.types.len() as u32).map(TypeId) {
            for (bit, element) in r4.elements(kind).enumerate() {
                let names = element.choices.iter().map(|(name, _)| &**name).chain([element.name()]);
                for name in names {
                    let member = r4.member(kind, name).unwrap();
                    assert_eq!(r4.elements[member.element as usize].path, element.path);
                    assert_eq!(usize::from(member.bit), bit);
                }
            }
        }
    }

    #[test]
    fn knows_the_facts_of_an_element() {
        let table = [
            // path, where it is defined, min, list, summary, modifier, targets
            (
                "Patient.contact.name",
                "Patient.contact.name",
                0,
                false,
                false,
                false,
                "",
            ),
            ("Patient.name.given", "HumanName.given", 0, true, true, false, ""),
            ("Patient.active", "Patient.active", 0, false, true, true, ""),
            ("Patient.id", "Resource.id", 0, false, true, false, ""),
            ("Observation.status", "Observation.status", 1, false, true, true, ""),
            ("Observation.value[x]", "Observation.value", 0, false, true, false, ""),
            (
                "Observation.valueQuantity.unit",
                "Quantity.unit",
                0,
                false,
                true,
                false,
                "",
            ),
            (
                "Patient.link.other",
                "Patient.link.other",
                1,
                false,
                true,
                false,
                "Patient RelatedPerson",
            ),
            (
                "Questionnaire.item.item.linkId",
                "Questionnaire.item.linkId",
                1,
                false,
                false,
                false,
                "",
            ),
        ];
        let r4 = Definitions::r4();
        for (path, defined, min, list, summary, modifier, targets) in table {
            let element = r4.element(path).unwrap_or_else(|| panic!("{path}"));
            let found = (
                element.path,
                element.min,
                element.is_list(),
                element.summary,
                element.modifier,
            );
            assert_eq!(found, (defined, min, list, summary, modifier), "{path}");
            assert_eq!(element.types[0].targets.join(" "), targets, "{path}");
        }
        assert!(r4.element("Patient.nothing").is_none() && r4.element("Nothing.name").is_none());
        let names: Vec<&str> = r4.elements(r4.type_id("Basic").unwrap()).map(Element::name).collect();
        let inherited = "id meta implicitRules language text contained extension modifierExtension";
        assert_eq!(
            names.join(" "),
            format!("{inherited} identifier code subject created author")
        );
    }

    #[test]
    fn knows_the_members_that_hold_a_uri() {
        let r4 = Definitions::r4();
        for name in [
            "url",
            "system",
            "fullUrl",
            "instantiatesCanonical",
            "valueUri",
            "valueUuid",
            "implicitRules",
        ] {
            assert!(r4.uri_members().contains(name), "{name}");
        }
        for name in ["valueString", "text", "family"] {
            assert!(!r4.uri_members().contains(name), "{name}");
        }
    }

    #[test]
    fn takes_the_type_a_resource_says() {
        let r4 = Definitions::r4();
        let (any, name) = (r4.type_id("Resource").unwrap(), r4.type_id("HumanName").unwrap());
        let table = [
            (r#"{"resourceType":"Patient"}"#, "Patient"),
            (r#"{"resourceType":"X"}"#, "Resource"),
            ("{}", "Resource"),
        ];
        for (text, expected) in table {
            let document = Document::parse(text.as_bytes(), Limits::default()).unwrap();
            assert_eq!(r4.type_name(r4.concrete(any, document.root())), expected);
            assert_eq!(r4.concrete(name, document.root()), name);
        }
    }

    #[test]
    fn knows_search_parameters_and_compartments() {
        let r4 = Definitions::r4();
        // Those of R4, ten of ViewDefinition, and one of patients who were merged.
        assert_eq!(r4.search_parameters().len(), 1386);
        let find = |code: &str, base: &str| {
            let mut all = r4.search_parameters().iter();
            all.find(|p| p.code == code && p.base.iter().any(|b| b == base))
                .unwrap()
        };
        let birth = find("birthdate", "Patient");
        assert_eq!(birth.kind, ParameterType::Date);
        assert_eq!(
            birth.expression,
            "Patient.birthDate | Person.birthDate | RelatedPerson.birthDate"
        );
        assert_eq!(birth.comparators.len(), 9);
        assert_eq!(find("_id", "Resource").expression, "Resource.id");
        assert_eq!(find("_text", "DomainResource").expression, "");
        assert_eq!(find("organization", "Patient").target, ["Organization"]);
        let composite = find("code-value-quantity", "Observation");
        assert_eq!(
            (composite.kind, composite.multiple_or),
            (ParameterType::Composite, Some(false))
        );
        assert_eq!(composite.components[0].expression, "code");
        assert_eq!(
            composite.components[1].definition,
            find("value-quantity", "Observation").url
        );

        let codes: Vec<&str> = r4.compartments().iter().map(|c| c.code.as_str()).collect();
        assert_eq!(
            codes,
            ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"]
        );
        assert_eq!(
            r4.compartments()[2].members["AllergyIntolerance"],
            ["patient", "recorder", "asserter"]
        );
    }
}
