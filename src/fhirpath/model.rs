//! What the evaluator asks of the definitions: types by name, their bases and their members.

use fhir::name::Name;

use crate::value::Element;

/// A type of the model, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);

/// What sort of type it is: how its JSON is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A primitive without a system type of its own but `String`: `string`, `code`, `uri`, `base64Binary`.
    Text,
    /// `boolean`
    Boolean,
    /// `integer` and what specialises it.
    Integer,
    /// `decimal`
    Decimal,
    /// `date`
    Date,
    /// `dateTime` and `instant`
    DateTime,
    /// `time`
    Time,
    /// Data types and backbone elements.
    Complex,
    /// A resource; of an abstract one (`Resource`, `DomainResource`) the JSON's `resourceType` says which it is.
    Resource {
        /// Whether it is abstract.
        any: bool,
    },
}

impl Sort {
    /// Whether the JSON is a single value, with an id and extensions beside it.
    #[inline]
    pub fn is_primitive(self) -> bool {
        !matches!(self, Sort::Complex | Sort::Resource { .. })
    }
}

/// What a member of a type may hold.
#[derive(Clone, Copy, Debug)]
pub enum Child<'m> {
    /// One type, and its sort; the JSON member has the element's own name.
    One(TypeId, Sort),
    /// A choice (`value[x]`).
    Choice(&'m Choices),
}

/// The types of a choice: each JSON name (`valueQuantity`) with its type.
pub type Choices = Box<[(Box<str>, TypeId)]>;

/// The definitions, as far as paths need them.
pub trait Model: Send + Sync {
    /// A type by name: `Patient`, `HumanName`, `string`, `Element`; a backbone element is named by its
    /// path, `Patient.contact`.
    fn type_id(&self, name: &str) -> Option<TypeId>;

    /// The type's name.
    fn type_name(&self, of: TypeId) -> &str;

    /// What sort of type it is.
    fn sort(&self, of: TypeId) -> Sort;

    /// The type it specialises: Patient, DomainResource, Resource; code, string, Element.
    fn base(&self, of: TypeId) -> Option<TypeId>;

    /// What a member of the type holds, by the element's name without `[x]`; content references are
    /// resolved (`Questionnaire.item.item` holds `Questionnaire.item`). Inherited members are answered too.
    fn child(&self, parent: TypeId, name: &Name<&str>) -> Option<Child<'_>>;

    /// The type of what a member of the type's JSON holds, and its sort, by its name there: `name`, `valueQuantity`.
    fn json_child(&self, parent: TypeId, name: &Name<&str>) -> Option<(TypeId, Sort)>;

    /// The ElementDefinition of what a member of the type's JSON holds, by its name there, or of the type as a whole.
    fn element_definition(&self, parent: TypeId, name: Option<&str>) -> Option<Element<'_>>;
}
