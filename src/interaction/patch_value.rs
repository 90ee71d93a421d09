//! The values of a FHIRPath Patch: what a `value` part gives, and the element it becomes at its place.

use conformance::Definitions;
use fhir::document::Node;
use fhir::name::Name;
use fhir::outcome::Code;
use fhir::tree::Tree;
use fhirpath::model::{Child, Model, TypeId};

use crate::patch_place::{Halves, edit, member};

/// Why an operation cannot be carried out: what kind of issue it is, and the end of the sentence.
pub type Failed = (Code, String);

/// How deep values given as parts may nest.
const PARTS_DEPTH_MAX: usize = 32;

/// What a `value` part gives.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// `valueHumanName` and its like, with the second half of a primitive.
    Typed {
        /// The member's name: `valueHumanName`.
        member: &'a str,
        /// The value.
        value: Option<Node<'a>>,
        /// What stands under `_valueCode`.
        sibling: Option<Node<'a>>,
    },
    /// Parts, one an element: the way to give what has no type of its own, such as `Patient.contact`.
    Parts(Node<'a>),
    /// A resource, for `contained` and its like.
    Resource(Node<'a>),
}

impl<'a> Given<'a> {
    /// Reads a part.
    ///
    /// # Errors
    /// [`Code::Structure`] where the part gives nothing, or more than one thing.
    pub fn read(part: Node<'a>) -> Result<Given<'a>, Failed> {
        let name = part.string("name").unwrap_or_default().into_owned();
        let named = |prefix: &str| {
            let found = plain_members(part).find(|(key, _)| key.starts_with(prefix) && key.len() > prefix.len());
            found.map(|(key, value)| (&key[prefix.len() - 5..], value))
        };
        let (typed, second) = (named("value"), named("_value"));
        let parts = part.get("part");
        let resource = part.get("resource");
        match (typed, second, parts, resource) {
            (None, None, Some(parts), None) => Ok(Given::Parts(parts)),
            (None, None, None, Some(resource)) => Ok(Given::Resource(resource)),
            (Some(_), _, None, None) | (_, Some(_), None, None) => {
                let member = typed.or(second).map(|(member, _)| member).unwrap_or_default();
                Ok(Given::Typed {
                    member,
                    value: typed.map(|t| t.1),
                    sibling: second.map(|s| s.1),
                })
            }
            (None, None, None, None) => Err((Code::Structure, format!("has a part \"{name}\" without a value"))),
            _ => Err((
                Code::Structure,
                format!("has a part \"{name}\" with more than one value"),
            )),
        }
    }
}

/// The members whose names are written without escapes, as every name of FHIR's is.
fn plain_members<'a>(object: Node<'a>) -> impl Iterator<Item = (&'a str, Node<'a>)> {
    object.members().filter_map(|(key, value)| match key {
        std::borrow::Cow::Borrowed(key) => Some((key, value)),
        std::borrow::Cow::Owned(_) => None,
    })
}

/// The member of an object that a new element becomes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The JSON name: `valueQuantity`.
    pub name: String,
    /// The JSON names of the same element; several for a choice.
    pub forms: Vec<String>,
    /// The element's type.
    pub kind: TypeId,
    /// Whether the element may repeat.
    pub list: bool,
}

/// What the definitions say of elements, as far as a patch needs it.
#[derive(Clone, Copy)]
pub struct Definer<'a>(pub &'a Definitions);

impl Definer<'_> {
    /// The member that a value becomes under a name (`value`, or with its type, `valueQuantity`) in an object.
    ///
    /// # Errors
    /// [`Code::BusinessRule`] where the type has no such element, or the element no such type.
    pub fn target(&self, parent: TypeId, name: &str, given: &Given<'_>) -> Result<Target, Failed> {
        let unknown = || {
            let text = format!("names \"{name}\", and {} has no such element", self.0.type_name(parent));
            (Code::BusinessRule, text)
        };
        match self.0.child(parent, &Name::of(name)) {
            Some(Child::One(kind, _)) => Ok(Target {
                name: name.to_owned(),
                forms: vec![name.to_owned()],
                kind,
                list: self.repeats(parent, name),
            }),
            Some(Child::Choice(forms)) => self.choice(parent, name, forms, given),
            None => {
                let found = member(self.0, parent, name).ok_or_else(unknown)?;
                match self.0.child(parent, &Name::of(&*found.base)) {
                    Some(Child::Choice(forms)) => Ok(self.form(parent, &found.base, forms, name, found.kind)),
                    _ => Err(unknown()),
                }
            }
        }
    }

    fn choice(
        &self,
        parent: TypeId,
        base: &str,
        forms: &[(Box<str>, TypeId)],
        given: &Given<'_>,
    ) -> Result<Target, Failed> {
        let suffix = match given {
            Given::Typed { member, .. } => &member["value".len()..],
            _ => "",
        };
        let wanted = format!("{base}{suffix}");
        match forms.iter().find(|(name, _)| **name == *wanted) {
            Some((name, kind)) => Ok(self.form(parent, base, forms, name, *kind)),
            None => {
                let names: Vec<&str> = forms.iter().map(|(name, _)| &**name).collect();
                let text = format!(
                    "gives no type that \"{base}\" may have: it is one of {}",
                    names.join(", ")
                );
                Err((Code::BusinessRule, text))
            }
        }
    }

    fn form(&self, parent: TypeId, base: &str, forms: &[(Box<str>, TypeId)], name: &str, kind: TypeId) -> Target {
        Target {
            name: name.to_owned(),
            forms: forms.iter().map(|(name, _)| name.to_string()).collect(),
            kind,
            list: self.repeats(parent, base),
        }
    }

    fn repeats(&self, parent: TypeId, base: &str) -> bool {
        let path = format!("{}.{base}", self.0.type_name(parent));
        self.0.element(&path).is_some_and(|element| element.is_list())
    }

    /// The element a value becomes at its place.
    ///
    /// # Errors
    /// As [`Definer::target`], for the parts of the value.
    pub fn build(&self, target: &Target, given: &Given<'_>) -> Result<Halves, Failed> {
        self.nested(target, given, 0)
    }

    fn nested(&self, target: &Target, given: &Given<'_>, depth: usize) -> Result<Halves, Failed> {
        if depth > PARTS_DEPTH_MAX {
            let text = format!("gives parts nested deeper than {PARTS_DEPTH_MAX} levels");
            return Err((Code::TooCostly, text));
        }
        let copy = |node: &Option<Node<'_>>| node.map_or(Tree::Null, Tree::from_node);
        match given {
            Given::Typed { value, sibling, .. } => Ok(Halves {
                value: copy(value),
                sibling: copy(sibling),
            }),
            Given::Resource(resource) => Ok(Halves {
                value: Tree::from_node(*resource),
                sibling: Tree::Null,
            }),
            Given::Parts(parts) => self.assemble(target, *parts, depth),
        }
    }

    fn assemble(&self, target: &Target, parts: Node<'_>, depth: usize) -> Result<Halves, Failed> {
        if self.0.is_primitive_type(target.kind) {
            let text = format!("gives parts for \"{}\", which is a primitive", target.name);
            return Err((Code::BusinessRule, text));
        }
        let mut object = Tree::Object(Vec::new());
        for part in parts.items() {
            let name = part.string("name");
            let name = name.ok_or_else(|| (Code::Structure, "has a part of its value without a name".to_owned()))?;
            let given = Given::read(part)?;
            let inner = self.target(target.kind, &name, &given)?;
            let new = self.nested(&inner, &given, depth + 1)?;
            let twice = edit(&mut object, &inner.name, inner.list, |elements| {
                elements.push(new);
                !inner.list && elements.len() > 1
            });
            if twice {
                return Err((
                    Code::BusinessRule,
                    format!("gives \"{name}\" twice, which may be there once"),
                ));
            }
        }
        Ok(Halves {
            value: object,
            sibling: Tree::Null,
        })
    }
}
