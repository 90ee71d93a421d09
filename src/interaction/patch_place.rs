//! Where in a record an element stands, and edits of it with both halves of a primitive together.
//!
//! FHIR's JSON keeps a primitive in two members, `birthDate` for its value and `_birthDate` for its id and
//! extensions, and a list of primitives in two arrays that run side by side. An edit here is an edit of elements:
//! both halves move together, and what becomes empty leaves the record, as FHIR has no empty elements.

use fhir::document::Node;
use fhir::name::Name;
use fhir::tree::Tree;
use fhirpath::model::{Child, Model, TypeId};

/// One step from a value down to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into an object.
    Member(String),
    /// Into an array.
    Item(usize),
}

/// Where an element stands: the object that holds it, its name there, and its place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From the record down to the object that holds the element.
    pub parent: Vec<Step>,
    /// The type of that object, where it is known.
    pub parent_kind: Option<TypeId>,
    /// The JSON name of the member, without the underscore of a primitive's second half: `valueQuantity`.
    pub name: String,
    /// The place in the list; `None` where the member is no list.
    pub index: Option<usize>,
    /// The type of the element, where it is known.
    pub kind: Option<TypeId>,
}

/// An element as JSON keeps it: `Null` stands for a half that is not there.
#[derive(Clone, Debug)]
pub struct Halves {
    /// The value, or the object of a complex element.
    pub value: Tree,
    /// The id and extensions of a primitive.
    pub sibling: Tree,
}

impl Halves {
    fn is_nothing(&self) -> bool {
        matches!((&self.value, &self.sibling), (Tree::Null, Tree::Null))
    }
}

/// A child of a type, by the name of its JSON member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name of the element: `value` for `valueQuantity`.
    pub base: String,
    /// Its type.
    pub kind: TypeId,
}

/// The child of a type that a JSON member holds: the element of that name, or a choice with its type behind it.
pub fn member(model: &dyn Model, parent: TypeId, json: &str) -> Option<Member> {
    if let Some(Child::One(kind, _)) = model.child(parent, &Name::of(json)) {
        return Some(Member {
            base: json.to_owned(),
            kind,
        });
    }
    let capitals = json.char_indices().filter(|(at, c)| *at > 0 && c.is_ascii_uppercase());
    capitals
        .map(|(at, _)| &json[..at])
        .find_map(|base| match model.child(parent, &Name::of(base))? {
            Child::Choice(forms) => {
                let (_, kind) = forms.iter().find(|(name, _)| **name == *json)?;
                Some(Member {
                    base: base.to_owned(),
                    kind: *kind,
                })
            }
            Child::One(..) => None,
        })
}

/// The type of a value: a resource says its own.
fn kind_of(model: &dyn Model, node: Node<'_>, declared: Option<TypeId>) -> Option<TypeId> {
    match node.string("resourceType") {
        Some(name) => model.type_id(&name).or(declared),
        None => declared,
    }
}

/// Where the value at a place of the tape stands in its record. `None` for the record itself.
pub fn locate(model: &dyn Model, root: Node<'_>, target: u32) -> Option<Place> {
    let mut steps = Vec::new();
    let mut kind = kind_of(model, root, None);
    let mut holder = (0, kind);
    let mut at = root;
    while at.place() != target {
        if at.is_object() {
            let (name, value) = at.members().take_while(|(_, value)| value.place() <= target).last()?;
            holder = (steps.len(), kind);
            let child = kind.and_then(|kind| member(model, kind, name.strip_prefix('_').unwrap_or(&name)));
            kind = kind_of(model, value, child.map(|c| c.kind));
            steps.push(Step::Member(name.into_owned()));
            at = value;
        } else {
            let items = at.items().enumerate();
            let (index, item) = items.take_while(|(_, item)| item.place() <= target).last()?;
            kind = kind_of(model, item, kind);
            steps.push(Step::Item(index));
            at = item;
        }
    }
    place(steps, holder.0, holder.1, kind)
}

fn place(mut steps: Vec<Step>, holder: usize, parent_kind: Option<TypeId>, kind: Option<TypeId>) -> Option<Place> {
    let mut last = steps.split_off(holder).into_iter();
    let Some(Step::Member(name)) = last.next() else {
        return None;
    };
    let index = match last.next() {
        Some(Step::Item(index)) => Some(index),
        _ => None,
    };
    let name = name.strip_prefix('_').map(str::to_owned).unwrap_or(name);
    Some(Place {
        parent: steps,
        parent_kind,
        name,
        index,
        kind,
    })
}

/// The value some steps below another.
pub fn descend<'a>(tree: &'a mut Tree, steps: &[Step]) -> Option<&'a mut Tree> {
    let mut at = tree;
    for step in steps {
        at = match (step, at) {
            (Step::Member(name), object) => object.get_mut(name)?,
            (Step::Item(index), Tree::Array(items)) => items.get_mut(*index)?,
            _ => return None,
        };
    }
    Some(at)
}

/// The elements that an object holds under a name, and whether they are a list.
fn elements(object: &mut Tree, name: &str) -> (Vec<Halves>, bool) {
    let mut half = |name: &str| match object.get_mut(name).map(|half| std::mem::replace(half, Tree::Null)) {
        None => (Vec::new(), false),
        Some(Tree::Array(items)) => (items, true),
        Some(Tree::Null) => (Vec::new(), false),
        Some(single) => (vec![single], false),
    };
    let (values, list) = half(name);
    let (siblings, sibling_list) = half(&format!("_{name}"));
    let length = values.len().max(siblings.len());
    let mut values = values.into_iter();
    let mut siblings = siblings.into_iter();
    let mut next = || Halves {
        value: values.next().unwrap_or(Tree::Null),
        sibling: siblings.next().unwrap_or(Tree::Null),
    };
    ((0..length).map(|_| next()).collect(), list || sibling_list)
}

fn put(object: &mut Tree, name: &str, elements: Vec<Halves>, list: bool) {
    let (values, siblings): (Vec<Tree>, Vec<Tree>) = elements.into_iter().map(|e| (e.value, e.sibling)).unzip();
    for (name, half) in [(name, values), (&format!("_{name}"), siblings)] {
        if half.iter().all(|value| matches!(value, Tree::Null)) {
            object.remove(name);
        } else if list {
            object.set(name, Tree::Array(half));
        } else if let Some(value) = half.into_iter().next() {
            object.set(name, value);
        }
    }
}

/// Changes the elements that an object holds under a name. `list` says whether the definitions make it a list;
/// what already is a list stays one.
pub fn edit<T>(object: &mut Tree, name: &str, list: bool, change: impl FnOnce(&mut Vec<Halves>) -> T) -> T {
    let (mut found, is_list) = elements(object, name);
    let list = is_list || list || found.len() > 1;
    let answer = change(&mut found);
    found.retain(|element| !element.is_nothing());
    put(object, name, found, list);
    answer
}

/// Takes the element out, and then whatever became empty above it; the record itself stays.
pub fn take_out(record: &mut Tree, place: &Place) {
    if let Some(object) = descend(record, &place.parent) {
        edit(object, &place.name, place.index.is_some(), |elements| {
            let index = place.index.unwrap_or(0);
            if index < elements.len() {
                elements.remove(index);
            }
        });
    }
    let mut steps = place.parent.clone();
    while let Some(above) = prune(record, &steps) {
        steps = above;
    }
}

/// Takes the object at `steps` out where it is empty; the steps to the object that held it.
fn prune(record: &mut Tree, steps: &[Step]) -> Option<Vec<Step>> {
    let empty = matches!(descend(record, steps), Some(Tree::Object(members)) if members.is_empty());
    let holder = steps.iter().rposition(|step| matches!(step, Step::Member(_)))?;
    let (Step::Member(name), true) = (&steps[holder], empty) else {
        return None;
    };
    let index = match steps.get(holder + 1) {
        Some(Step::Item(index)) => Some(*index),
        _ => None,
    };
    let above = steps[..holder].to_vec();
    let object = descend(record, &above)?;
    let (base, second) = name
        .strip_prefix('_')
        .map_or((name.as_str(), false), |base| (base, true));
    edit(object, base, index.is_some(), |elements| {
        if let Some(element) = elements.get_mut(index.unwrap_or(0)) {
            *(if second {
                &mut element.sibling
            } else {
                &mut element.value
            }) = Tree::Null;
        }
    });
    Some(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::parse(text.as_bytes()).unwrap()
    }

    fn text(tree: &Tree) -> String {
        String::from_utf8(tree.to_bytes()).unwrap()
    }

    fn at(parent: &[Step], name: &str, index: Option<usize>) -> Place {
        Place {
            parent: parent.to_vec(),
            parent_kind: None,
            name: name.into(),
            index,
            kind: None,
        }
    }

    #[test]
    fn taking_out_keeps_both_halves_together() {
        let name = || vec![Step::Member("name".into()), Step::Item(0)];
        let below = || vec![Step::Member("_birthDate".into())];
        let table = [
            (
                at(&[], "birthDate", None),
                r#"{"birthDate":"1","_birthDate":{"id":"x"},"a":1}"#,
                r#"{"a":1}"#,
            ),
            (
                at(&name(), "given", Some(0)),
                r#"{"name":[{"given":["A","B"],"_given":[null,{"id":"x"}]}]}"#,
                r#"{"name":[{"given":["B"],"_given":[{"id":"x"}]}]}"#,
            ),
            (
                at(&name(), "given", Some(1)),
                r#"{"name":[{"given":["A","B"],"_given":[null,{"id":"x"}]}]}"#,
                r#"{"name":[{"given":["A"]}]}"#,
            ),
            (
                at(&name(), "given", Some(0)),
                r#"{"name":[{"given":["A"]}],"a":1}"#,
                r#"{"a":1}"#,
            ),
            (
                at(&name(), "given", Some(0)),
                r#"{"name":[{"given":["A"]},{"text":"B"}]}"#,
                r#"{"name":[{"text":"B"}]}"#,
            ),
            (
                at(&below(), "id", None),
                r#"{"birthDate":"1","_birthDate":{"id":"x"}}"#,
                r#"{"birthDate":"1"}"#,
            ),
            (
                at(&below(), "id", None),
                r#"{"_birthDate":{"id":"x"},"b":2}"#,
                r#"{"b":2}"#,
            ),
        ];
        for (place, before, after) in table {
            let mut record = tree(before);
            take_out(&mut record, &place);
            assert_eq!(text(&record), after, "{place:?}");
        }
    }

    #[test]
    fn inserting_keeps_both_halves_together() {
        let mut record = tree(r#"{"given":["A"],"_given":[{"id":"x"}]}"#);
        edit(&mut record, "given", true, |elements| {
            elements.insert(
                0,
                Halves {
                    value: Tree::string("B"),
                    sibling: Tree::Null,
                },
            );
        });
        assert_eq!(text(&record), r#"{"given":["B","A"],"_given":[null,{"id":"x"}]}"#);
    }
}
