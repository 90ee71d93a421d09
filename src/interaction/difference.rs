//! The difference of two resources of one type, as the FHIRPath Patch that makes the other of the one.
//!
//! <https://hl7.org/fhir/R4/fhirpatch.html>. Elements are compared, not JSON: a primitive with its id and extensions is
//! one. Within an object what is new or other comes first and what goes comes last, so that nothing is empty in between
//! and disappears with what it stands in. Lists keep what they have in common at both ends; what lies between is matched
//! item by item.

use conformance::Definitions;
use fhir::tree::Tree;
use fhirpath::model::{Model, TypeId};

use crate::outputs;
use crate::patch_place::{Halves, member};

/// Types that a `value[x]` of Parameters may have, beside the primitives (<https://hl7.org/fhir/R4/datatypes.html#open>).
const OPEN: [&str; 33] = [
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "CodeableConcept",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "HumanName",
    "Identifier",
    "Meta",
    "Money",
    "ParameterDefinition",
    "Period",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "Timing",
    "TriggerDefinition",
    "UsageContext",
    "Population",
    "ProdCharacteristic",
];

/// Words of FHIRPath that an element's name is not mistaken for where it stands in quotes.
const WORDS: [&str; 11] = [
    "and", "as", "contains", "div", "false", "implies", "in", "is", "mod", "or", "true",
];

/// Something that no FHIRPath Patch can say; the sentence names it.
pub(crate) type Inexpressible = String;

/// The operations, each a parameter of a FHIRPath Patch. `id` and `resourceType` of the resources are not compared.
///
/// # Errors
/// Where an element is none that the definitions know.
pub(crate) fn difference(
    definitions: &Definitions,
    kind: &str,
    (from, to): (&Tree, &Tree),
    skipped: &[&str],
) -> Result<Vec<Tree>, Inexpressible> {
    let id = definitions
        .type_id(kind)
        .ok_or_else(|| format!("{kind} is no type of resource"))?;
    let mut differ = Differ {
        definitions,
        operations: Vec::new(),
    };
    let without = |tree: &Tree| {
        let mut tree = tree.clone();
        ["resourceType", "id"]
            .iter()
            .chain(skipped)
            .for_each(|name| drop(tree.remove(name)));
        tree
    };
    differ.object(kind, id, &without(from), &without(to))?;
    Ok(differ.operations)
}

struct Differ<'a> {
    definitions: &'a Definitions,
    operations: Vec<Tree>,
}

/// An element of an object: all its values, with the name that their JSON member has.
struct Held {
    /// The element's name without its type: `value`.
    base: String,
    /// The JSON member: `valueQuantity`.
    name: String,
    kind: TypeId,
    list: bool,
    values: Vec<Halves>,
}

impl Differ<'_> {
    fn object(&mut self, path: &str, kind: TypeId, from: &Tree, to: &Tree) -> Result<(), Inexpressible> {
        let (old, new) = (self.elements(kind, from)?, self.elements(kind, to)?);
        for new in &new {
            match old.iter().find(|old| old.base == new.base) {
                None => {
                    for value in &new.values {
                        self.add(path, new, value)?;
                    }
                }
                Some(old) if old.list || new.list => self.list(path, old, new)?,
                Some(old) => self.single(&format!("{path}.{}", quoted(&new.base)), old, new)?,
            }
        }
        for gone in old.iter().filter(|old| !new.iter().any(|new| new.base == old.base)) {
            self.delete_from(path, gone, 0);
        }
        Ok(())
    }

    /// The elements that an object has.
    fn elements(&self, kind: TypeId, object: &Tree) -> Result<Vec<Held>, Inexpressible> {
        let Tree::Object(members) = object else {
            let of = self.definitions.type_name(kind);
            return Err(format!("a value of type {of} is no object"));
        };
        let mut all: Vec<Held> = Vec::new();
        for (name, _) in members {
            let name = name.strip_prefix('_').unwrap_or(name);
            if all.iter().any(|held| held.name == name) {
                continue;
            }
            let found = member(self.definitions, kind, name);
            let found = found.ok_or_else(|| format!("{} has no element {name}", self.definitions.type_name(kind)))?;
            let (values, list) = halves(object, name);
            all.push(Held {
                base: found.base,
                name: name.to_owned(),
                kind: found.kind,
                list,
                values,
            });
        }
        Ok(all)
    }

    fn single(&mut self, path: &str, old: &Held, new: &Held) -> Result<(), Inexpressible> {
        self.value(path, (old, &old.values[0]), (new, &new.values[0]))
    }

    /// One element in the place of another.
    fn value(&mut self, path: &str, old: (&Held, &Halves), new: (&Held, &Halves)) -> Result<(), Inexpressible> {
        let ((old, from), (new, to)) = (old, new);
        if old.name == new.name && same(from, to) {
            return Ok(());
        }
        let alike = old.name == new.name && !self.definitions.is_primitive_type(new.kind);
        if alike && to.value.get("resourceType").is_none() && from.value.get("resourceType").is_none() {
            return self.object(path, new.kind, &from.value, &to.value);
        }
        let value = self.given("value", new.kind, &new.name, to)?;
        self.operation("replace", path, vec![value]);
        Ok(())
    }

    fn list(&mut self, path: &str, old: &Held, new: &Held) -> Result<(), Inexpressible> {
        let list = format!("{path}.{}", quoted(&new.base));
        let (from, to) = (&old.values, &new.values);
        let shorter = from.len().min(to.len());
        let front = from.iter().zip(to).take_while(|(from, to)| same(from, to)).count();
        let backward = from.iter().rev().zip(to.iter().rev());
        let back = backward
            .take_while(|(from, to)| same(from, to))
            .count()
            .min(shorter - front);
        let both = front..shorter - back;
        for at in both.clone() {
            self.value(&format!("{list}[{at}]"), (old, &from[at]), (new, &to[at]))?;
        }
        for (at, value) in to.iter().enumerate().take(to.len() - back).skip(both.end) {
            let given = self.given("value", new.kind, &new.name, value)?;
            let index = outputs::value("index", "valueInteger", Tree::number(at));
            self.operation("insert", &list, vec![given, index]);
        }
        for at in (both.end..from.len() - back).rev() {
            self.operation("delete", &format!("{list}[{at}]"), Vec::new());
        }
        Ok(())
    }

    fn add(&mut self, path: &str, held: &Held, value: &Halves) -> Result<(), Inexpressible> {
        let given = self.given("value", held.kind, &held.name, value)?;
        let name = outputs::value("name", "valueString", Tree::string(held.base.as_str()));
        self.operation("add", path, vec![name, given]);
        Ok(())
    }

    /// Deletes the values of an element from a place on, the last first.
    fn delete_from(&mut self, path: &str, held: &Held, first: usize) {
        let element = format!("{path}.{}", quoted(&held.base));
        if !held.list {
            return self.operation("delete", &element, Vec::new());
        }
        for at in (first..held.values.len()).rev() {
            self.operation("delete", &format!("{element}[{at}]"), Vec::new());
        }
    }

    fn operation(&mut self, action: &str, path: &str, rest: Vec<Tree>) {
        let mut parts = vec![
            outputs::value("type", "valueCode", Tree::string(action)),
            outputs::value("path", "valueString", Tree::string(path)),
        ];
        parts.extend(rest);
        self.operations.push(outputs::parts("operation", parts));
    }

    /// A part that gives a value: by its type where Parameters can hold it, else as a resource or element by element.
    fn given(&self, name: &str, kind: TypeId, member: &str, value: &Halves) -> Result<Tree, Inexpressible> {
        let of = self.definitions.type_name(kind);
        let primitive = self.definitions.is_primitive_type(kind);
        if primitive || OPEN.contains(&of) {
            return Ok(typed(name, if of == "xhtml" { "string" } else { of }, value));
        }
        if value.value.get("resourceType").is_some() {
            return Ok(outputs::resource(name, value.value.clone()));
        }
        let mut parts = Vec::new();
        let elements = self
            .elements(kind, &value.value)
            .map_err(|why| format!("{member}: {why}"))?;
        for held in elements {
            for inner in &held.values {
                parts.push(self.given(&held.name, held.kind, &held.name, inner)?);
            }
        }
        Ok(outputs::parts(name, parts))
    }
}

/// A part with both halves of a value.
fn typed(name: &str, kind: &str, value: &Halves) -> Tree {
    let mut chars = kind.chars();
    let capital: String = chars
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .collect();
    let member = format!("value{capital}{}", chars.as_str());
    let mut part = Tree::object([("name", Tree::string(name))]);
    if !matches!(value.value, Tree::Null) {
        part.set(&member, value.value.clone());
    }
    if !matches!(value.sibling, Tree::Null) {
        part.set(&format!("_{member}"), value.sibling.clone());
    }
    part
}

/// The values that an object has under a name, and whether they are a list.
fn halves(object: &Tree, name: &str) -> (Vec<Halves>, bool) {
    let half = |name: &str| match object.get(name) {
        None | Some(Tree::Null) => (Vec::new(), false),
        Some(Tree::Array(items)) => (items.clone(), true),
        Some(single) => (vec![single.clone()], false),
    };
    let ((values, list), (siblings, also)) = (half(name), half(&format!("_{name}")));
    let at = |half: &[Tree], place: usize| half.get(place).cloned().unwrap_or(Tree::Null);
    let all = 0..values.len().max(siblings.len());
    let halves = all.map(|place| Halves {
        value: at(&values, place),
        sibling: at(&siblings, place),
    });
    (halves.collect(), list || also)
}

/// Whether two values are the same to the last digit: 1.0 is not 1.00.
fn same(one: &Halves, other: &Halves) -> bool {
    exactly(&one.value, &other.value) && exactly(&one.sibling, &other.sibling)
}

fn exactly(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Number(one), Tree::Number(other)) => one == other,
        (Tree::Array(one), Tree::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| exactly(one, other))
        }
        (Tree::Object(members), Tree::Object(others)) => {
            let found = |name: &str, value: &Tree| other.get(name).is_some_and(|other| exactly(value, other));
            members.len() == others.len() && members.iter().all(|(name, value)| found(name, value))
        }
        (one, other) => one == other,
    }
}

/// An element's name as a path has it.
fn quoted(name: &str) -> String {
    match WORDS.contains(&name) {
        true => format!("`{name}`"),
        false => name.to_owned(),
    }
}

#[cfg(test)]
#[path = "difference_tests.rs"]
mod tests;
