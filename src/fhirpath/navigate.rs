//! From an element to its members, its extensions, and what it refers to.

use fhir::document::{Items, Node};
use fhir::identity::Reference;

use crate::evaluate::{Context, Resolver};
use crate::model::{Child, Model, TypeId};
use crate::value::{Element, Elsewhere, Item, is_kind};

/// How many types a member is looked for in, from a type down to its bases.
const BASES_LIMIT: usize = 16;

/// The elements one member of an element holds.
pub(crate) struct Members<'a> {
    values: Option<Items<'a>>,
    siblings: Option<Items<'a>>,
    kind: Option<TypeId>,
    /// Whether the type may be named by `resourceType` instead.
    resources: bool,
    model: &'a dyn Model,
}

impl<'a> Iterator for Members<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let value = self.values.as_mut().and_then(Iterator::next);
        let sibling = self
            .siblings
            .as_mut()
            .and_then(Iterator::next)
            .filter(|node| !node.is_null());
        let node = value.or(sibling)?;
        let mut kind = self.kind;
        if self.resources
            && let Some(name) = node.string("resourceType")
        {
            kind = self.model.type_id(&name).or(kind);
        }
        Some(Element { node, sibling, kind })
    }
}

/// What the model says of a member.
#[derive(Clone, Copy)]
enum Declared<'m> {
    /// The model doesn't know the parent's type.
    Nothing,
    /// The type has no such member.
    Absent,
    As(Child<'m>),
}

fn declared<'m>(model: &'m dyn Model, parent: Option<TypeId>, name: &str) -> Declared<'m> {
    let Some(mut at) = parent else {
        return Declared::Nothing;
    };
    for _ in 0..BASES_LIMIT {
        if let Some(child) = model.child(at, name) {
            return Declared::As(child);
        }
        match model.base(at) {
            Some(base) => at = base,
            None => break,
        }
    }
    let inherited = match name {
        "extension" => model.type_id("Extension"),
        "id" => model.type_id("string"),
        _ => None,
    };
    inherited.map_or(Declared::Absent, |kind| Declared::As(Child::One(kind)))
}

/// The types that a member of a type may have: `None` where there is no such member, `Some(None)` where they can't be
/// told.
pub(crate) fn child_kinds(model: &dyn Model, kind: TypeId, name: &str) -> Option<Option<Vec<TypeId>>> {
    match declared(model, Some(kind), name) {
        Declared::Absent => None,
        Declared::Nothing => Some(None),
        Declared::As(Child::One(kind)) => Some(Some(vec![kind])),
        Declared::As(Child::Choice(choices)) => Some(Some(choices.iter().map(|(_, kind)| *kind).collect())),
    }
}

/// The elements of a member by name; `None` where the element's type has no such member.
pub(crate) fn members<'a>(model: &'a dyn Model, of: &Element<'a>, name: &str) -> Option<Members<'a>> {
    let mut found = Members {
        values: None,
        siblings: None,
        kind: None,
        resources: false,
        model,
    };
    // A primitive's members stand in its sibling.
    let holder = if of.node.is_object() {
        of.node
    } else {
        of.sibling.unwrap_or(of.node)
    };
    match declared(model, of.kind, name) {
        Declared::Absent => return None,
        Declared::Nothing => {
            found.resources = true;
            plain(&mut found, holder, name);
        }
        Declared::As(Child::One(kind)) => {
            let named = model.type_name(kind);
            found.kind = Some(kind);
            found.resources = matches!(named, "Resource" | "DomainResource");
            if named.starts_with(|c: char| c.is_ascii_lowercase()) {
                plain(&mut found, holder, name);
            } else {
                // Only primitives, whose types have small letters, have a `_name` half to look for.
                found.values = holder.get(name).map(|value| value.each());
            }
        }
        Declared::As(Child::Choice(alternatives)) => choice(&mut found, holder, name, alternatives),
    }
    Some(found)
}

fn plain<'a>(found: &mut Members<'a>, holder: Node<'a>, name: &str) {
    let (value, sibling) = holder.halves(name);
    found.values = value.map(|value| value.each());
    found.siblings = sibling.map(|sibling| sibling.each());
}

fn choice<'a>(found: &mut Members<'a>, holder: Node<'a>, name: &str, alternatives: &[(Box<str>, TypeId)]) {
    for (key, value) in holder.members() {
        let bare = key.strip_prefix('_').unwrap_or(&key);
        if bare.len() <= name.len() || !bare.starts_with(name) {
            continue;
        }
        let Some((_, kind)) = alternatives.iter().find(|(alternative, _)| **alternative == *bare) else {
            continue;
        };
        found.kind = Some(*kind);
        if bare.len() == key.len() {
            found.values = Some(value.each());
        } else {
            found.siblings = Some(value.each());
        }
    }
}

/// Every child of an element, in the record's order; a value's name half is not a child of its own.
pub(crate) fn children<'a>(model: &'a dyn Model, of: &Element<'a>, out: &mut Vec<Item<'a>>) {
    let holder = if of.node.is_object() {
        of.node
    } else {
        of.sibling.unwrap_or(of.node)
    };
    for (key, _) in holder.members() {
        let bare = key.strip_prefix('_').unwrap_or(&key);
        if key == "resourceType" || (bare.len() < key.len() && holder.get(bare).is_some()) {
            continue;
        }
        let name = element_name(model, of.kind, bare);
        match name.and_then(|name| members(model, of, name)) {
            Some(found) => out.extend(found.map(Item::Element)),
            None => {
                let unknown = Element { kind: None, ..*of };
                out.extend(members(model, &unknown, bare).into_iter().flatten().map(Item::Element));
            }
        }
    }
}

/// The element's name behind a JSON name: `value` behind `valueQuantity`.
fn element_name<'k>(model: &dyn Model, parent: Option<TypeId>, key: &'k str) -> Option<&'k str> {
    if matches!(declared(model, parent, key), Declared::As(_) | Declared::Nothing) {
        return Some(key);
    }
    let capitals = key.char_indices().filter(|(_, c)| c.is_ascii_uppercase());
    capitals
        .map(|(at, _)| &key[..at])
        .find(|name| match declared(model, parent, name) {
            Declared::As(Child::Choice(alternatives)) => alternatives.iter().any(|(name, _)| **name == *key),
            _ => false,
        })
}

/// The extensions of an element with a url.
pub(crate) fn extensions<'a>(model: &'a dyn Model, of: &Element<'a>, url: &str) -> impl Iterator<Item = Element<'a>> {
    members(model, of, "extension")
        .into_iter()
        .flatten()
        .filter(move |extension| extension.node.string("url").is_some_and(|found| found == url))
}

/// What an element refers to: a Reference, or a uri or canonical; `None` where it refers to nothing.
pub(crate) fn resolve<'a>(context: &Context<'a>, of: &Element<'a>) -> Option<Item<'a>> {
    let model = context.model;
    let text = match of.node.is_object() {
        true => of.node.string("reference"),
        false => of.node.as_str(),
    };
    let Some(text) = text else {
        return elsewhere(model, of, "");
    };
    if let Some(id) = text.strip_prefix('#') {
        return contained(context, id).map(Item::Element);
    }
    if let Some(found) = context
        .resolver
        .and_then(|resolver: &'a dyn Resolver| resolver.resolve(&text))
    {
        return Some(Item::Element(found));
    }
    if let Some(found) = entry(context, &text) {
        return Some(Item::Element(found));
    }
    elsewhere(model, of, &text)
}

fn contained<'a>(context: &Context<'a>, id: &str) -> Option<Element<'a>> {
    if id.is_empty() {
        return Some(context.resource);
    }
    [context.resource, context.root].into_iter().find_map(|container| {
        let contained = container.node.get("contained")?;
        let found = contained
            .items()
            .find(|node| node.string("id").is_some_and(|found| found == id))?;
        Some(Element::resource(context.model, found))
    })
}

/// The resource of the same Bundle that a reference names by the entry's full URL or its end.
fn entry<'a>(context: &Context<'a>, text: &str) -> Option<Element<'a>> {
    let root = context.root.node;
    if root.string("resourceType")? != "Bundle" {
        return None;
    }
    let fits = |url: &str| url == text || url.strip_suffix(text).is_some_and(|base| base.ends_with('/'));
    let named = |entry: &Node<'a>| entry.string("fullUrl").is_some_and(|url| fits(&url));
    let found = root.get("entry")?.items().find(named)?.get("resource")?;
    Some(Element::resource(context.model, found))
}

fn elsewhere<'a>(model: &dyn Model, of: &Element<'a>, text: &str) -> Option<Item<'a>> {
    let named = match Reference::parse(text) {
        Reference::Literal { kind, .. } | Reference::Conditional { kind, .. } => model.type_id(kind),
        _ => None,
    };
    let said = || of.node.string("type").and_then(|name| model.type_id(&name));
    let kind = named.or_else(said).filter(|kind| is_kind(model, *kind, "Resource"));
    let refers = !text.is_empty() || kind.is_some();
    refers.then_some(Item::Elsewhere(Elsewhere { reference: *of, kind }))
}
