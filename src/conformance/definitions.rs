//! The definitions of FHIR R4 in memory: types, elements, search parameters and compartments.

use std::sync::{Arc, OnceLock};

use fhir::document::Node;
use fhirpath::model::{Child, Model, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::facts::{Compartment, Element, SearchParameter};
use crate::load;
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
    pub(crate) elements: Vec<Element>,
    pub(crate) named: FxHashMap<Box<str>, TypeId>,
    pub(crate) symbols: FxHashMap<Box<str>, u32>,
    pub(crate) members: FxHashMap<u64, Member>,
    pub(crate) uri_members: FxHashSet<Box<str>>,
    pub(crate) search_parameters: Vec<SearchParameter>,
    pub(crate) compartments: Vec<Compartment>,
    pub(crate) landmarks: Landmarks,
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

#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) name: Box<str>,
    pub(crate) base: Option<TypeId>,
    pub(crate) sort: Sort,
    /// Its elements in order, inherited ones first, as places in `Definitions::elements`.
    pub(crate) elements: Box<[u32]>,
    /// A bit for each of its elements that must be there.
    pub(crate) required: u128,
}

/// What a name is within a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    /// The type of the value.
    pub(crate) kind: TypeId,
    /// The place in `Definitions::elements`.
    pub(crate) element: u32,
    /// The number of the element within its type.
    pub(crate) bit: u8,
    pub(crate) list: bool,
    pub(crate) role: Role,
    pub(crate) sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A name in JSON and in FHIRPath alike.
    Plain,
    /// The JSON name of one type of a choice: `valueQuantity`.
    Typed,
    /// The FHIRPath name of a choice: `value`.
    Bare,
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
        resources.map(|t| &*t.name)
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

    pub(crate) fn member(&self, kind: TypeId, name: &str) -> Option<&Member> {
        let symbol = self.symbols.get(name)?;
        self.members.get(&member_key(kind, *symbol))
    }

    fn sort_of(&self, name: &str) -> Option<Sort> {
        let kind = self.named.get(name)?;
        Some(self.types[kind.0 as usize].sort)
    }
}

pub(crate) fn member_key(kind: TypeId, symbol: u32) -> u64 {
    u64::from(kind.0) << 32 | u64::from(symbol)
}

impl Model for Definitions {
    fn type_id(&self, name: &str) -> Option<TypeId> {
        self.named.get(name).copied()
    }

    fn type_name(&self, kind: TypeId) -> &str {
        &self.types[kind.0 as usize].name
    }

    fn base(&self, kind: TypeId) -> Option<TypeId> {
        self.types[kind.0 as usize].base
    }

    fn child(&self, parent: TypeId, name: &str) -> Option<Child<'_>> {
        let member = self.member(parent, name)?;
        match member.role {
            Role::Plain => Some(Child::One(member.kind)),
            Role::Bare => Some(Child::Choice(&self.elements[member.element as usize].choices)),
            Role::Typed => None,
        }
    }
}
