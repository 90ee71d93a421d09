//! Builds the smallest valid record that has a value where a path leads.

use conformance::{Definitions, Element};
use fhir::tree::Tree;
use fhirpath::model::{Model, TypeId};

use super::path::Step;
use super::value;

/// How deep required elements are filled in.
const DEPTH_MAX: u32 = 8;

/// A record, and the data type of the value that the path leads to.
pub struct Built {
    /// The record.
    pub record: Tree,
    /// The data type.
    pub data_type: String,
}

/// Builds records for one kind of reference target.
pub struct Builder<'a> {
    /// What records look like.
    pub definitions: &'a Definitions,
    /// The kind that references point to.
    pub target: &'a str,
}

impl Builder<'_> {
    /// The smallest record of a kind.
    pub fn minimal(&self, kind: &str) -> Option<Tree> {
        let of = self.definitions.type_id(kind)?;
        let mut record = Tree::object([("resourceType", Tree::string(kind))]);
        self.fill(&mut record, of, DEPTH_MAX)?;
        Some(record)
    }

    /// A record of the kind with a value at the end of the path, for each data type that may stand there.
    pub fn along(&self, kind: &str, steps: &[Step]) -> Vec<Built> {
        let Some(of) = self.definitions.type_id(kind) else {
            return Vec::new();
        };
        let mut built = self.with(of, steps);
        for one in &mut built {
            let mut record = Tree::object([("resourceType", Tree::string(kind))]);
            if let Tree::Object(members) = &one.record {
                members.iter().for_each(|(name, value)| record.set(name, value.clone()));
            }
            one.record = record;
        }
        built
    }

    /// Values of the type with a value at the end of the rest of the path.
    fn with(&self, of: TypeId, steps: &[Step]) -> Vec<Built> {
        let Some((step, rest)) = steps.split_first() else {
            return self.leaf(of).into_iter().collect();
        };
        match step {
            Step::Child(name) => self.with_child(of, name, rest),
            // One definition of the standard writes `DateTime`.
            Step::Type(name) => match self.definitions.type_id(name).or_else(|| self.primitive(name)) {
                Some(wanted) if self.definitions.is_a(of, wanted) => self.with(of, rest),
                _ => Vec::new(),
            },
            Step::Refers(kind) => {
                let target = Builder {
                    definitions: self.definitions,
                    target: kind,
                };
                target.with(of, rest)
            }
            Step::Where(name, text) => self.with_member(of, rest, name, &Tree::string(text.as_str())),
            Step::Extension(url) => self.with_member(of, rest, "url", &Tree::string(url.as_str())),
            Step::Extended(url) => {
                let mut extension = value::value("Extension", self.target).expect("every data type has a value");
                extension.set("url", Tree::string(url.as_str()));
                self.with_member(of, rest, "extension", &Tree::Array(vec![extension]))
            }
        }
    }

    fn primitive(&self, name: &str) -> Option<TypeId> {
        let (first, rest) = name.split_at_checked(1)?;
        self.definitions.type_id(&format!("{}{rest}", first.to_lowercase()))
    }

    fn with_member(&self, of: TypeId, rest: &[Step], name: &str, value: &Tree) -> Vec<Built> {
        let mut built = self.with(of, rest);
        built.iter_mut().for_each(|one| one.record.set(name, value.clone()));
        built
    }

    fn with_child(&self, of: TypeId, name: &str, rest: &[Step]) -> Vec<Built> {
        let Some(element) = self.definitions.elements(of).find(|element| element.name() == name) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (member, kind) in members(element) {
            for mut one in self.with(kind, rest) {
                let mut parent = Tree::Object(Vec::new());
                if self.fill(&mut parent, of, DEPTH_MAX).is_none() {
                    continue;
                }
                for (other, _) in members(element) {
                    parent.remove(&other);
                }
                let inner = std::mem::replace(&mut one.record, Tree::Null);
                parent.set(
                    &member,
                    if element.is_list() {
                        Tree::Array(vec![inner])
                    } else {
                        inner
                    },
                );
                one.record = parent;
                all.push(one);
            }
        }
        all
    }

    fn leaf(&self, of: TypeId) -> Option<Built> {
        let data_type = self.definitions.type_name(of).to_owned();
        let record = match data_type.as_str() {
            "Resource" => {
                let mut inline = self.minimal(self.target)?;
                inline.set("id", Tree::string(value::TARGET));
                inline
            }
            _ => value::value(&data_type, self.target)?,
        };
        Some(Built { record, data_type })
    }

    /// An object of the type with what it must have, and never an empty one.
    fn required(&self, of: TypeId, depth: u32) -> Option<Tree> {
        let mut object = Tree::Object(Vec::new());
        self.fill(&mut object, of, depth)?;
        // A view is stored only if it can be run.
        if self.definitions.type_name(of) == "ViewDefinition.select" {
            let column = Tree::object([("name", Tree::string("a")), ("path", Tree::string("id"))]);
            object.set("column", Tree::Array(vec![column]));
        }
        if matches!(&object, Tree::Object(members) if members.is_empty()) {
            object.set("id", Tree::string("empty"));
        }
        Some(object)
    }

    fn fill(&self, object: &mut Tree, of: TypeId, depth: u32) -> Option<()> {
        if depth == 0 {
            return None;
        }
        for element in self.definitions.elements(of).filter(|element| element.min > 0) {
            let (member, kind) = members(element).into_iter().next()?;
            let name = self.definitions.type_name(kind);
            let inner = match (name, value::value(name, self.target)) {
                ("Resource", _) => self.minimal("Basic")?,
                ("Reference", _) => {
                    let named = element.types.iter().flat_map(|of_type| of_type.targets.iter());
                    let kind = named.copied().find(|kind| *kind != "Resource").unwrap_or(self.target);
                    value::reference(kind)
                }
                (_, Some(known)) => known,
                (_, None) => self.required(kind, depth - 1)?,
            };
            object.set(
                &member,
                if element.is_list() {
                    Tree::Array(vec![inner])
                } else {
                    inner
                },
            );
        }
        Some(())
    }
}

/// The JSON members an element may have, with their types.
fn members(element: &Element) -> Vec<(String, TypeId)> {
    if element.is_choice() {
        let choices = element.choices.iter();
        return choices.map(|(name, kind)| (name.to_string(), *kind)).collect();
    }
    let types = element.types.iter();
    types
        .map(|of_type| (element.name().to_owned(), of_type.kind))
        .take(1)
        .collect()
}
