//! What the evaluator asks of the definitions: types by name, their bases and their members.

/// A type of the model, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);

/// What a member of a type may hold.
#[derive(Clone, Copy, Debug)]
pub enum Child<'m> {
    /// One type; the JSON member has the element's own name.
    One(TypeId),
    /// A choice (`value[x]`): each JSON name (`valueQuantity`) with its type.
    Choice(&'m [(Box<str>, TypeId)]),
}

/// The definitions, as far as paths need them.
pub trait Model: Send + Sync {
    /// A type by name: `Patient`, `HumanName`, `string`, `Element`; a backbone element is named by its
    /// path, `Patient.contact`.
    fn type_id(&self, name: &str) -> Option<TypeId>;

    /// The type's name.
    fn type_name(&self, of: TypeId) -> &str;

    /// The type it specialises: Patient, DomainResource, Resource; code, string, Element.
    fn base(&self, of: TypeId) -> Option<TypeId>;

    /// What a member of the type holds, by the element's name without `[x]`; content references are
    /// resolved (`Questionnaire.item.item` holds `Questionnaire.item`). A member that a base type
    /// declares may be answered here or for the base.
    fn child(&self, parent: TypeId, name: &str) -> Option<Child<'_>>;
}
