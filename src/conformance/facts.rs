//! The facts of a standard as values: elements, search parameters and compartments.

use fhirpath::model::{Choices, TypeId};

/// One element of a type (<https://hl7.org/fhir/R4/elementdefinition.html>), as far as the house needs it.
#[derive(Debug)]
pub struct Element {
    /// The path where it is defined, without `[x]`: `Patient.contact.name`; of an inherited one, that of the base:
    /// `DomainResource.text`.
    pub path: &'static str,
    /// How often it occurs at least.
    pub min: u32,
    /// How often it occurs at most; `None` is any number. More than one means a JSON array.
    pub max: Option<u32>,
    /// Its types: several for a choice, one for all others; a content reference is the type it points to.
    pub types: Vec<ElementType>,
    /// For a choice (`value[x]`): the JSON member names with their types; empty for all others.
    pub choices: Choices,
    /// Whether it belongs to the summary (`isSummary`).
    pub summary: bool,
    /// Whether it can change the meaning of what holds it (`isModifier`).
    pub modifier: bool,
    /// For a code: the system it has without saying so, where its required binding draws on one system only.
    pub system: Option<&'static str>,
}

impl Element {
    /// The last part of the path: the name in FHIRPath, `value` for `value[x]`.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// Whether its JSON is an array.
    pub fn is_list(&self) -> bool {
        self.max != Some(1)
    }

    /// Whether its JSON member's name carries the type: `valueQuantity`.
    pub fn is_choice(&self) -> bool {
        !self.choices.is_empty()
    }
}

/// One of the types an element may have.
#[derive(Debug)]
pub struct ElementType {
    /// The type. `Resource` means any: the node's own `resourceType` says which.
    pub kind: TypeId,
    /// For Reference and canonical: the resource types it may point to; empty or `Resource` is any.
    pub targets: Vec<&'static str>,
}

/// The type of a search parameter (<https://hl7.org/fhir/R4/search.html#ptypes>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterType {
    /// A string, matched by its beginning.
    String,
    /// A code, an identifier, a boolean.
    Token,
    /// A reference or a canonical.
    Reference,
    /// A date, a period, a timing.
    Date,
    /// A number.
    Number,
    /// A quantity or an amount of money.
    Quantity,
    /// A URI, matched whole.
    Uri,
    /// Several parameters that hold on the same element.
    Composite,
    /// One with rules of its own (`_text`, `near`).
    Special,
}

impl ParameterType {
    /// The type of FHIR's code.
    pub fn from_code(code: &str) -> Option<ParameterType> {
        Some(match code {
            "string" => ParameterType::String,
            "token" => ParameterType::Token,
            "reference" => ParameterType::Reference,
            "date" => ParameterType::Date,
            "number" => ParameterType::Number,
            "quantity" => ParameterType::Quantity,
            "uri" => ParameterType::Uri,
            "composite" => ParameterType::Composite,
            "special" => ParameterType::Special,
            _ => return None,
        })
    }

    /// FHIR's code.
    pub fn as_str(self) -> &'static str {
        match self {
            ParameterType::String => "string",
            ParameterType::Token => "token",
            ParameterType::Reference => "reference",
            ParameterType::Date => "date",
            ParameterType::Number => "number",
            ParameterType::Quantity => "quantity",
            ParameterType::Uri => "uri",
            ParameterType::Composite => "composite",
            ParameterType::Special => "special",
        }
    }
}

/// A search parameter (<https://hl7.org/fhir/R4/searchparameter.html>).
#[derive(Clone, Debug, PartialEq)]
pub struct SearchParameter {
    /// Its canonical address.
    pub url: String,
    /// Its name in a search: `birthdate`.
    pub code: String,
    /// The resource types it searches; `Resource` and `DomainResource` stand as written for all of theirs.
    pub base: Vec<String>,
    /// How its values are compared.
    pub kind: ParameterType,
    /// The FHIRPath to its values; empty for `_text`, `_content` and `_query`.
    pub expression: String,
    /// For references: the resource types it may point to; empty is any.
    pub target: Vec<String>,
    /// The comparators the definition lists; R4 lists them for few. Empty says nothing.
    pub comparators: Vec<String>,
    /// The modifiers the definition lists; R4 lists none. Empty says nothing.
    pub modifiers: Vec<String>,
    /// Whether several values may be given with commas, as far as the definition says.
    pub multiple_or: Option<bool>,
    /// Whether it may be repeated, as far as the definition says.
    pub multiple_and: Option<bool>,
    /// For composites: the parts in order.
    pub components: Vec<Component>,
}

/// One part of a composite search parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// The canonical address of the parameter that says how the part is compared.
    pub definition: String,
    /// The FHIRPath to the part's values, from an element that the composite's expression yields.
    pub expression: String,
}

/// A compartment (<https://hl7.org/fhir/R4/compartmentdefinition.html>): who a record belongs to.
#[derive(Clone, Debug)]
pub struct Compartment {
    /// The resource type it is made around: `Patient`. That record itself is always in it.
    pub code: String,
    /// By resource type, sorted: the search parameters of which one must point to the record.
    pub members: std::collections::BTreeMap<String, Vec<String>>,
}
