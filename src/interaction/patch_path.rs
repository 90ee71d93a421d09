//! FHIRPath Patch: operations of a Parameters resource on elements that FHIRPath expressions select.
//!
//! <https://hl7.org/fhir/R4/fhirpatch.html>: `add`, `insert`, `delete`, `replace` and `move`. Each operation sees
//! the record as the one before left it. An operation selects elements, never computed values; where it asks for
//! one element it must find exactly one, and only `delete` may find none.

use fhir::document::{Document, Node};
use fhir::outcome::{Code, Issue};
use fhir::parse::Limits;
use fhir::tree::Tree;
use fhirpath::evaluate::Context;
use fhirpath::expression::Expression;
use fhirpath::model::TypeId;
use fhirpath::value::Element;

use crate::patch_place::{Halves, Place, descend, edit, locate, take_out};
use crate::patch_value::{Definer, Failed, Given, Target};

/// Operations one patch may have: each reads the record anew.
pub const OPERATIONS_MAX: usize = 1_000;

/// The moment and the zone that `now()` and `today()` answer in a path.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Microseconds since 1970.
    pub now: i64,
    /// Minutes east of Greenwich.
    pub zone: i32,
}

/// One operation, its parts read.
struct Operation<'a> {
    action: String,
    path: String,
    name: Option<String>,
    value: Option<Node<'a>>,
    index: Option<usize>,
    source: Option<usize>,
    destination: Option<usize>,
}

/// Applies the operations of a Parameters resource to a record.
///
/// # Errors
/// The issue of the first operation that cannot be carried out, located as `Parameters.parameter[index]`:
/// [`Code::Structure`] where the operation itself is malformed, [`Code::BusinessRule`] where it does not fit the
/// record. Nothing of the patch holds then.
pub fn apply(definer: &Definer<'_>, moment: Moment, record: Node<'_>, patch: Node<'_>) -> Result<Tree, Issue> {
    let mut tree = Tree::from_node(record);
    let operations: Vec<Node<'_>> = patch
        .get("parameter")
        .map(|list| list.items().collect())
        .unwrap_or_default();
    if operations.len() > OPERATIONS_MAX {
        let text = format!(
            "The patch has {} operations; the limit is {OPERATIONS_MAX}.",
            operations.len()
        );
        return Err(Issue::error(Code::TooCostly, text).at("Parameters.parameter"));
    }
    for (i, parameter) in operations.into_iter().enumerate() {
        step(definer, moment, &mut tree, parameter).map_err(|(code, text)| {
            Issue::error(code, format!("Operation {i} of the FHIRPath Patch {text}."))
                .at(format!("Parameters.parameter[{i}]"))
        })?;
    }
    Ok(tree)
}

fn step(definer: &Definer<'_>, moment: Moment, tree: &mut Tree, parameter: Node<'_>) -> Result<(), Failed> {
    let operation = read(parameter)?;
    let document = Document::parse(&tree.to_bytes(), Limits::default()).map_err(|e| {
        (
            Code::BusinessRule,
            format!("left a record behind that cannot be read: {e}"),
        )
    })?;
    let focus = Focus {
        definer,
        moment,
        root: document.root(),
    };
    match operation.action.as_str() {
        "add" => add(&focus, tree, &operation),
        "insert" => insert(&focus, tree, &operation),
        "delete" => delete(&focus, tree, &operation),
        "replace" => replace(&focus, tree, &operation),
        "move" => shift(&focus, tree, &operation),
        other => Err((
            Code::Structure,
            format!("has the type \"{other}\", which is none of add, insert, delete, replace, move"),
        )),
    }
}

fn read(parameter: Node<'_>) -> Result<Operation<'_>, Failed> {
    if parameter.string("name").as_deref() != Some("operation") {
        return Err((Code::Structure, "is not named \"operation\"".into()));
    }
    let parts: Vec<Node<'_>> = parameter
        .get("part")
        .map(|list| list.items().collect())
        .unwrap_or_default();
    let find = |name: &str| {
        parts
            .iter()
            .find(|part| part.string("name").as_deref() == Some(name))
            .copied()
    };
    let scalar = |name: &str| find(name).and_then(primitive);
    let number = |name: &str| match scalar(name).map(|text| text.parse::<usize>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err((
            Code::Structure,
            format!("has a part \"{name}\" that is no whole number from 0"),
        )),
    };
    let wanted = |name: &str| scalar(name).ok_or_else(|| (Code::Structure, format!("has no part \"{name}\"")));
    Ok(Operation {
        action: wanted("type")?,
        path: wanted("path")?,
        name: scalar("name"),
        value: find("value"),
        index: number("index")?,
        source: number("source")?,
        destination: number("destination")?,
    })
}

/// The text of a part's `value[x]`, where that is a primitive.
fn primitive(part: Node<'_>) -> Option<String> {
    let (_, value) = part.members().find(|(name, _)| name.starts_with("value"))?;
    value.scalar().map(|text| text.into_owned())
}

/// The record as an operation finds it.
struct Focus<'a> {
    definer: &'a Definer<'a>,
    moment: Moment,
    root: Node<'a>,
}

impl Focus<'_> {
    /// The elements a path selects, in their order; `None` stands for the record itself.
    fn select(&self, path: &str) -> Result<Vec<Option<Place>>, Failed> {
        let expression = Expression::parse(path).map_err(|e| {
            (
                Code::Structure,
                format!("has a path that is no FHIRPath, \"{path}\": {e}"),
            )
        })?;
        let root = Element::resource(self.definer.0, self.root);
        let mut context = Context::new(self.definer.0, root, self.moment.now);
        context.zone = self.moment.zone;
        let items = expression
            .evaluate(&context, root)
            .map_err(|e| (Code::BusinessRule, format!("cannot evaluate \"{path}\": {e}")))?;
        let mut places: Vec<Option<Place>> = Vec::with_capacity(items.len());
        for item in items {
            let element = item
                .element()
                .filter(|e| std::ptr::eq(e.node.document(), self.root.document()));
            let element = element.ok_or_else(|| {
                (
                    Code::BusinessRule,
                    format!("has a path that computes a value instead of selecting elements: \"{path}\""),
                )
            })?;
            let place = locate(self.definer.0, self.root, element.node.place());
            if !places.contains(&place) {
                places.push(place);
            }
        }
        Ok(places)
    }

    /// The one element a path selects; `None` is the record itself.
    fn one(&self, path: &str) -> Result<Option<Place>, Failed> {
        let mut places = self.select(path)?;
        match places.len() {
            1 => Ok(places.swap_remove(0)),
            0 => Err((Code::BusinessRule, format!("found no content at \"{path}\""))),
            n => Err((
                Code::BusinessRule,
                format!("needs one element at \"{path}\" and found {n}"),
            )),
        }
    }

    /// The elements of one list that a path selects, and where each stands in it.
    fn list(&self, path: &str) -> Result<Option<(Place, Vec<usize>)>, Failed> {
        let places = self.select(path)?.into_iter().collect::<Option<Vec<Place>>>();
        let places = places.ok_or_else(|| {
            (
                Code::BusinessRule,
                format!("needs a list, and \"{path}\" is the record itself"),
            )
        })?;
        let Some(first) = places.first() else {
            return Ok(None);
        };
        if places.iter().any(|p| p.parent != first.parent || p.name != first.name) {
            return Err((
                Code::BusinessRule,
                format!("needs elements of one list, and \"{path}\" selects from several"),
            ));
        }
        let indexes = places.iter().map(|p| p.index).collect::<Option<Vec<usize>>>();
        let indexes = indexes.ok_or_else(|| {
            (
                Code::BusinessRule,
                format!("needs a list, and \"{path}\" is a single element"),
            )
        })?;
        Ok(Some((first.clone(), indexes)))
    }
}

fn wanted<T>(part: Option<T>, action: &str, name: &str) -> Result<T, Failed> {
    part.ok_or_else(|| {
        (
            Code::Structure,
            format!("is of type {action} and has no part \"{name}\""),
        )
    })
}

fn vanished() -> Failed {
    (Code::BusinessRule, "lost the element it found".into())
}

fn add(focus: &Focus<'_>, tree: &mut Tree, operation: &Operation<'_>) -> Result<(), Failed> {
    let name = wanted(operation.name.as_deref(), "add", "name")?;
    let value = Given::read(wanted(operation.value, "add", "value")?)?;
    let holder = focus.one(&operation.path)?;
    add_to(focus, tree, holder, name, &value)
}

fn add_to(
    focus: &Focus<'_>,
    tree: &mut Tree,
    holder: Option<Place>,
    name: &str,
    value: &Given<'_>,
) -> Result<(), Failed> {
    let kind = match &holder {
        Some(place) => place.kind,
        None => Element::resource(focus.definer.0, focus.root).kind,
    };
    let kind = kind.ok_or_else(|| (Code::BusinessRule, "selects an element whose type is not known".into()))?;
    let target = focus.definer.target(kind, name, value)?;
    let new = focus.definer.build(&target, value)?;
    let Some(place) = holder else {
        return append(tree, &target, new);
    };
    let primitive = focus.definer.0.is_primitive_type(kind);
    let object = descend(tree, &place.parent).ok_or_else(vanished)?;
    edit(object, &place.name, place.index.is_some(), |elements| {
        let element = elements.get_mut(place.index.unwrap_or(0)).ok_or_else(vanished)?;
        let half = if primitive {
            &mut element.sibling
        } else {
            &mut element.value
        };
        if matches!(half, Tree::Null) {
            *half = Tree::Object(Vec::new());
        }
        append(half, &target, new)
    })
}

/// Puts a new element at the end of its list, or where nothing stands yet.
fn append(object: &mut Tree, target: &Target, new: Halves) -> Result<(), Failed> {
    let taken = |name: &String| object.get(name).is_some() || object.get(&format!("_{name}")).is_some();
    if !target.list
        && let Some(name) = target.forms.iter().find(|name| taken(name))
    {
        let text = format!("adds \"{name}\", which is there already and may be there once: use replace");
        return Err((Code::BusinessRule, text));
    }
    edit(object, &target.name, target.list, |elements| elements.push(new));
    Ok(())
}

fn insert(focus: &Focus<'_>, tree: &mut Tree, operation: &Operation<'_>) -> Result<(), Failed> {
    let index = wanted(operation.index, "insert", "index")?;
    let value = Given::read(wanted(operation.value, "insert", "value")?)?;
    let Some((place, places)) = focus.list(&operation.path)? else {
        return insert_first(focus, tree, operation, index, &value);
    };
    let at = match places.get(index) {
        Some(at) => *at,
        None if index == places.len() => places[index - 1] + 1,
        None => return Err(beyond("index", index, places.len())),
    };
    let new = build_for(focus, &place, &value)?.1;
    let object = descend(tree, &place.parent).ok_or_else(vanished)?;
    edit(object, &place.name, true, |elements| {
        elements.insert(at.min(elements.len()), new)
    });
    Ok(())
}

/// Inserts into a list that has nothing yet: the path up to its last name must select the holder.
fn insert_first(
    focus: &Focus<'_>,
    tree: &mut Tree,
    operation: &Operation<'_>,
    index: usize,
    value: &Given<'_>,
) -> Result<(), Failed> {
    let path = &operation.path;
    let split = path
        .rsplit_once('.')
        .filter(|(_, name)| name.bytes().all(|b| b.is_ascii_alphanumeric()));
    let (holder, name) = split.ok_or_else(|| {
        (
            Code::BusinessRule,
            format!("found no list at \"{path}\" to insert into"),
        )
    })?;
    if index > 0 {
        return Err(beyond("index", index, 0));
    }
    add_to(focus, tree, focus.one(holder)?, name, value)
}

fn beyond(part: &str, index: usize, length: usize) -> Failed {
    (
        Code::BusinessRule,
        format!("has the {part} {index}, and the list has {length} elements"),
    )
}

fn delete(focus: &Focus<'_>, tree: &mut Tree, operation: &Operation<'_>) -> Result<(), Failed> {
    let mut places = focus.select(&operation.path)?;
    if places.len() > 1 {
        let text = format!(
            "may delete one element, and \"{}\" selects {}",
            operation.path,
            places.len()
        );
        return Err((Code::BusinessRule, text));
    }
    match places.pop() {
        None => Ok(()),
        Some(Some(place)) => {
            take_out(tree, &place);
            Ok(())
        }
        Some(None) => Err((Code::BusinessRule, "would delete the record itself: use DELETE".into())),
    }
}

fn replace(focus: &Focus<'_>, tree: &mut Tree, operation: &Operation<'_>) -> Result<(), Failed> {
    let value = Given::read(wanted(operation.value, "replace", "value")?)?;
    let place = focus.one(&operation.path)?;
    let place = place.ok_or_else(|| (Code::BusinessRule, "would replace the record itself: use PUT".into()))?;
    let (name, new) = build_for(focus, &place, &value)?;
    let object = descend(tree, &place.parent).ok_or_else(vanished)?;
    let list = place.index.is_some();
    if name != place.name {
        rename(object, &place.name, &name);
    }
    edit(object, &name, list, |elements| {
        let element = elements.get_mut(place.index.unwrap_or(0)).ok_or_else(vanished)?;
        *element = new;
        Ok(())
    })
}

/// Gives a choice element the name of its new type, in its place.
fn rename(object: &mut Tree, from: &str, to: &str) {
    if let Tree::Object(members) = object {
        for (name, _) in members {
            if name == from {
                *name = to.to_owned();
            } else if name.strip_prefix('_') == Some(from) {
                *name = format!("_{to}");
            }
        }
    }
}

/// The new element for the place of an old one, and the name it has there.
fn build_for(focus: &Focus<'_>, place: &Place, value: &Given<'_>) -> Result<(String, Halves), Failed> {
    let definer = focus.definer;
    let member = place.parent_kind.and_then(|kind| {
        let member = crate::patch_place::member(definer.0, kind, &place.name)?;
        Some((kind, member.base))
    });
    let (kind, base): (TypeId, String) = member.ok_or_else(|| {
        (
            Code::BusinessRule,
            format!("selects \"{}\", whose type is not known", place.name),
        )
    })?;
    let target = definer.target(kind, &base, value)?;
    let new = definer.build(&target, value)?;
    Ok((target.name, new))
}

fn shift(focus: &Focus<'_>, tree: &mut Tree, operation: &Operation<'_>) -> Result<(), Failed> {
    let source = wanted(operation.source, "move", "source")?;
    let destination = wanted(operation.destination, "move", "destination")?;
    let path = &operation.path;
    let list = focus.list(path)?;
    let (place, places) = list.ok_or_else(|| (Code::BusinessRule, format!("found no list at \"{path}\"")))?;
    for (part, index) in [("source", source), ("destination", destination)] {
        if index >= places.len() {
            return Err(beyond(part, index, places.len()));
        }
    }
    let object = descend(tree, &place.parent).ok_or_else(vanished)?;
    edit(object, &place.name, true, |elements| {
        let mut chosen: Vec<Halves> = places.iter().filter_map(|at| elements.get(*at).cloned()).collect();
        let moved = chosen.remove(source);
        chosen.insert(destination, moved);
        for (at, element) in places.iter().zip(chosen) {
            elements[*at] = element;
        }
    });
    Ok(())
}

#[cfg(test)]
#[path = "patch_path_tests.rs"]
mod tests;
