//! A profile compiled: what it adds to the rules of its type, as a tree of elements with their slices.

use std::sync::Arc;

use fhir::document::{Document, Node};
use fhirpath::expression::Expression;
use fhirpath::model::TypeId;

use crate::rules::{Binding, Invariant};

/// A StructureDefinition that was compiled. Shape 0 is the type itself.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Its canonical address, without a version.
    pub(crate) url: Box<str>,
    /// The type it constrains.
    pub(crate) kind: TypeId,
    pub(crate) shapes: Vec<Shape>,
    /// Of an extension: whether it can change the meaning of what holds it, and is a `modifierExtension`.
    pub(crate) modifier: bool,
    /// Of an extension: where it may stand. Anywhere, where there is none.
    pub(crate) contexts: Vec<Context>,
    /// Of an extension: what must be true of the element it stands on.
    pub(crate) context_invariants: Vec<Expression>,
    /// What could not be compiled, each a sentence without its full stop.
    pub(crate) faults: Vec<String>,
}

/// Where an extension may stand (<https://hl7.org/fhir/R4/defining-extensions.html#context>).
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) kind: ContextKind,
    pub(crate) expression: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContextKind {
    Element,
    Extension,
    Fhirpath,
}

/// What a profile says of one element.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// Its path with slices, for sentences: `Patient.identifier:cid`.
    pub(crate) name: Box<str>,
    /// Its type, where there is one only.
    pub(crate) kind: Option<TypeId>,
    pub(crate) min: Option<u32>,
    /// `u32::MAX` for `*`.
    pub(crate) max: Option<u32>,
    /// The types left; empty where the profile says nothing.
    pub(crate) types: Vec<TypeRule>,
    pub(crate) fixed: Option<Fixed>,
    pub(crate) least: Option<Value>,
    pub(crate) greatest: Option<Value>,
    pub(crate) length_min: Option<usize>,
    pub(crate) length_max: Option<usize>,
    pub(crate) binding: Option<Binding>,
    pub(crate) invariants: Vec<Arc<Invariant>>,
    pub(crate) slicing: Option<Slicing>,
    /// By name, in order; places in [`Profile::shapes`].
    pub(crate) slices: Vec<(Box<str>, usize)>,
    /// By the element's name in FHIRPath.
    pub(crate) children: Vec<(Box<str>, usize)>,
    /// Whether a primitive must have a value, not only extensions.
    pub(crate) valued: bool,
    /// Of a narrative: languages that its sections must have; `_yes` any, `_no` none, `_resource` that of the resource.
    pub(crate) languages: Vec<Box<str>>,
    /// Of a narrative: whether each part must say where it comes from.
    pub(crate) sourced: bool,
    /// Extensions of which one must stand in for a value that is not there.
    pub(crate) alternatives: Vec<Box<str>>,
}

/// One of the types an element may have.
#[derive(Clone, Debug)]
pub(crate) struct TypeRule {
    /// `None` for one that R4 does not have.
    pub(crate) kind: Option<TypeId>,
    /// Profiles of the type, of which one must be conformed to.
    pub(crate) profiles: Vec<Box<str>>,
    /// Of a reference: profiles of what it may point to.
    pub(crate) targets: Vec<Box<str>>,
    /// Of a reference: where its target may be; all false is anywhere.
    pub(crate) aggregation: Aggregation,
}

/// Where the target of a reference may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aggregation {
    pub(crate) contained: bool,
    pub(crate) referenced: bool,
    pub(crate) bundled: bool,
}

/// A value within a definition.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    document: Arc<Document>,
    place: u32,
}

impl Value {
    pub(crate) fn new(document: &Arc<Document>, node: Node<'_>) -> Value {
        Value {
            document: Arc::clone(document),
            place: node.place(),
        }
    }

    pub(crate) fn node(&self) -> Node<'_> {
        self.document.node(self.place)
    }
}

/// A value that an element must have.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    pub(crate) value: Value,
    /// Whether nothing else may be there: `fixed[x]`, not `pattern[x]`.
    pub(crate) exact: bool,
}

/// How an element is divided into slices (<https://hl7.org/fhir/R4/profiling.html#slicing>).
#[derive(Clone, Debug)]
pub(crate) struct Slicing {
    pub(crate) discriminators: Vec<Discriminator>,
    pub(crate) ordered: bool,
    pub(crate) rules: Openness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Openness {
    Open,
    OpenAtEnd,
    Closed,
}

/// What tells slices apart.
#[derive(Clone, Debug)]
pub(crate) struct Discriminator {
    pub(crate) by: By,
    pub(crate) path: Vec<PathStep>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A value or a pattern: R4 means the same by both.
    Value,
    Exists,
    Type,
    Profile,
}

/// One step of a discriminator's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathStep {
    Child(Box<str>),
    Extension(Box<str>),
    OfType(Box<str>),
    Resolve,
}

impl PathStep {
    /// The steps of a discriminator's path; `None` where it is none of the restricted FHIRPath.
    pub(crate) fn parse(path: &str) -> Option<Vec<PathStep>> {
        let mut steps = Vec::new();
        let mut rest = path.trim();
        while !rest.is_empty() {
            let end = rest.find(['.', '(']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            rest = after;
            let mut argument = "";
            if let Some(inside) = after.strip_prefix('(') {
                let close = inside.find(')')?;
                argument = inside[..close].trim().trim_matches(['\'', '"']);
                rest = &inside[close + 1..];
            }
            let called = after.starts_with('(');
            match (name, called) {
                ("$this", false) => {}
                ("resolve", true) => steps.push(PathStep::Resolve),
                ("extension", true) => steps.push(PathStep::Extension(argument.into())),
                ("ofType" | "as", true) => steps.push(PathStep::OfType(argument.into())),
                (_, true) | ("", false) => return None,
                (name, false) => steps.push(PathStep::Child(name.trim_end_matches("[x]").into())),
            }
            rest = match rest.strip_prefix('.') {
                Some(after) if !after.is_empty() => after,
                None if rest.is_empty() => rest,
                _ => return None,
            };
        }
        Some(steps)
    }
}

impl Profile {
    /// The shape of an element by its name: `Composition.section:medication`.
    pub(crate) fn part(&self, name: &str) -> Option<usize> {
        self.shapes.iter().position(|shape| *shape.name == *name)
    }
}

impl Shape {
    pub(crate) fn child(&self, name: &str) -> Option<usize> {
        self.children.iter().find(|(own, _)| **own == *name).map(|(_, at)| *at)
    }

    pub(crate) fn slice(&self, name: &str) -> Option<usize> {
        self.slices.iter().find(|(own, _)| **own == *name).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_discriminators_are_read() {
        let child = |name: &str| PathStep::Child(name.into());
        let table = [
            ("$this", Some(vec![])),
            ("code.coding", Some(vec![child("code"), child("coding")])),
            ("$this.resolve()", Some(vec![PathStep::Resolve])),
            (
                "extension('http://a.b/c').value",
                Some(vec![PathStep::Extension("http://a.b/c".into()), child("value")]),
            ),
            (
                "value.ofType(Quantity)",
                Some(vec![child("value"), PathStep::OfType("Quantity".into())]),
            ),
            ("a.where(b)", None),
            ("a..b", None),
            ("a.", None),
        ];
        for (text, steps) in table {
            assert_eq!(PathStep::parse(text), steps, "{text}");
        }
    }
}
