//! A view, compiled: what it selects from which kind of record, and the columns that come of it.

use fhir::document::Document;
use fhirpath::expression::Expression;
use fhirpath::model::{Model, TypeId};
use fhirpath::value::{Element, Item};

/// A column of the table a view makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name: a letter, then letters, digits and underscores; unique in the view.
    pub name: String,
    /// The type its definition names, where it names one: `string`, `decimal`, `http://hl7.org/fhirpath/System.Date`.
    pub kind: Option<String>,
    /// Whether it holds lists of values.
    pub collection: bool,
}

/// A compiled ViewDefinition. Made by [`View::compile`].
#[derive(Debug)]
pub struct View {
    pub(crate) name: Option<String>,
    pub(crate) resource: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) constants: Constants,
    pub(crate) filters: Vec<Path>,
    pub(crate) parts: Vec<Part>,
}

/// An expression, and whether it asks for `%rowIndex`.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) expression: Expression,
    pub(crate) indexed: bool,
}

/// What rows are put together from: every combination of what the parts of one level give.
#[derive(Debug)]
pub(crate) enum Part {
    /// Columns, each with its place in the row.
    Columns(Vec<(usize, Path)>),
    /// A nested select.
    Select(Select),
    /// The rows of one select after those of another, in the same columns.
    Union(Vec<Select>),
}

/// One `select`: what it goes over, and what each of that gives.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) over: Over,
    pub(crate) parts: Vec<Part>,
}

/// What a select goes over.
#[derive(Debug)]
pub(crate) enum Over {
    /// What its surroundings are at.
    Here,
    /// Each item of a path; where there is none, no row, or one without values (`forEachOrNull`).
    Each(Path, bool),
    /// Each item that the paths lead to, from there again and again: parents before children.
    Repeat(Vec<Path>),
}

/// The constants of a view. Their values stand in a document of the view's own.
#[derive(Debug, Default)]
pub(crate) struct Constants {
    pub(crate) document: Option<Document>,
    pub(crate) values: Vec<Constant>,
}

/// A constant: its name, its value's place in the document, and the FHIR type of that, where the model knows it.
#[derive(Debug)]
pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) place: u32,
    pub(crate) kind: Option<TypeId>,
}

impl Constants {
    /// The constants as variables of an expression.
    pub(crate) fn variables(&self) -> Vec<(&str, Vec<Item<'_>>)> {
        let Some(document) = &self.document else {
            return Vec::new();
        };
        let variable = |constant: &'_ Constant| {
            let element = Element {
                node: document.node(constant.place),
                sibling: None,
                kind: constant.kind,
            };
            vec![Item::Element(element)]
        };
        self.values
            .iter()
            .map(|constant| (constant.name.as_str(), variable(constant)))
            .collect()
    }
}

impl View {
    /// The name of the view, where its definition has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The kind of record it is a view of.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The columns in their order: those of a `select` first, then what is nested in it, then its `unionAll`.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether the model knows the kind of record, so that paths are understood by its types.
    pub fn is_typed(&self, model: &dyn Model) -> bool {
        model.type_id(&self.resource).is_some()
    }
}
