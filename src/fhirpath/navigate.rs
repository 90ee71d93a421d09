//! From an element to its members, its extensions, and what it refers to.

use fhir::document::{Key, Node};
use fhir::identity::Reference;
use fhir::name::Name;

use crate::context::Failure;
use crate::evaluate::{Context, Resolver};
use crate::model::{Child, Choices, Model, Sort, TypeId};
use crate::value::{Element, Elsewhere, Item, is_kind};

/// What one member of an element holds.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    value: Option<Node<'a>>,
    /// Of a primitive, what stands beside its value.
    half: Option<Node<'a>>,
    kind: Option<TypeId>,
    /// Whether `resourceType` may say the type instead.
    any: bool,
}

impl<'a> Member<'a> {
    /// The one element it holds, where it is no list: nearly always.
    #[inline]
    pub(crate) fn only(&self, model: &dyn Model) -> Option<Element<'a>> {
        let node = self.value?;
        let single = self.half.is_none() && !node.is_array() && !node.is_null();
        single.then(|| self.element(model, node, None))
    }

    /// Hands on the elements it holds, one by one.
    #[inline]
    pub(crate) fn each(
        &self,
        model: &dyn Model,
        then: &mut impl FnMut(Element<'a>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if let Some(half) = self.half {
            return self.each_with_half(model, half, then);
        }
        let Some(value) = self.value else {
            return Ok(());
        };
        for node in value.each().filter(|node| !node.is_null()) {
            then(self.element(model, node, None))?;
        }
        Ok(())
    }

    /// As [`each`](Member::each), where something stands beside the values: seldom.
    #[cold]
    fn each_with_half(
        &self,
        model: &dyn Model,
        half: Node<'a>,
        then: &mut dyn FnMut(Element<'a>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut values = self.value.into_iter().flat_map(|value| value.each());
        let mut halves = half.each();
        loop {
            let (value, half) = (values.next(), halves.next());
            let Some(node) = value.or(half) else {
                return Ok(());
            };
            let sibling = half.filter(|half| !half.is_null());
            if sibling.is_some() || !node.is_null() {
                then(self.element(model, node, sibling))?;
            }
        }
    }

    #[inline]
    fn element(&self, model: &dyn Model, node: Node<'a>, sibling: Option<Node<'a>>) -> Element<'a> {
        let mut kind = self.kind;
        if self.any
            && let Some(name) = node.string("resourceType")
        {
            kind = model.type_id(&name).or(kind);
        }
        Element { node, sibling, kind }
    }

    /// What nobody knows the type of.
    fn unknown(value: Option<Node<'a>>, half: Option<Node<'a>>) -> Member<'a> {
        Member {
            value,
            half,
            kind: None,
            any: true,
        }
    }
}

/// The types that a member of a type may have; `None` where there is no such member.
pub(crate) fn child_kinds(model: &dyn Model, kind: TypeId, name: &Name<&str>) -> Option<Vec<TypeId>> {
    Some(match model.child(kind, name)? {
        Child::One(kind, _) => vec![kind],
        Child::Choice(choices) => choices.iter().map(|(_, kind)| *kind).collect(),
    })
}

/// What holds an element's members: of a primitive what stands beside its value.
#[inline]
fn holder<'a>(of: &Element<'a>) -> Node<'a> {
    match of.sibling {
        Some(sibling) if !of.node.is_object() => sibling,
        _ => of.node,
    }
}

/// What a member of an element holds, by the element's name: nothing where the element's type has no such member.
#[inline]
pub(crate) fn member<'a>(model: &dyn Model, of: &Element<'a>, name: &Name<&str>) -> Member<'a> {
    let holder = holder(of);
    let Some(parent) = of.kind else {
        return Member::unknown(holder.find(name), half(holder, name.text(), Sort::Text));
    };
    match model.child(parent, name) {
        None => Member::unknown(None, None),
        Some(Child::Choice(choices)) => choice(holder, name.text(), choices),
        Some(Child::One(kind, sort)) => Member {
            value: holder.find(name),
            half: half(holder, name.text(), sort),
            kind: Some(kind),
            any: sort == Sort::Resource { any: true },
        },
    }
}

/// What stands beside the value of a primitive; nothing of what is none.
#[inline]
fn half<'a>(holder: Node<'a>, name: &str, sort: Sort) -> Option<Node<'a>> {
    let may_be = holder.document().has_halves() && sort.is_primitive();
    may_be.then(|| holder.half(name)).flatten()
}

/// What a choice holds: its name in JSON ends in the type.
fn choice<'a>(holder: Node<'a>, name: &str, choices: &Choices) -> Member<'a> {
    let mut found = Member {
        value: None,
        half: None,
        kind: None,
        any: false,
    };
    let first = name.as_bytes().first().copied();
    let may_be = |key: &Key<'a>| Some(key.first()) == first || key.first() == b'_';
    for (key, value) in holder.keys().filter(may_be).map(|key| (key.text(), key.value())) {
        let bare = key.strip_prefix('_').unwrap_or(&key);
        if bare.len() <= name.len() || !bare.starts_with(name) {
            continue;
        }
        let Some((_, kind)) = choices.iter().find(|(json, _)| **json == *bare) else {
            continue;
        };
        found.kind = Some(*kind);
        if bare.len() == key.len() {
            found.value = Some(value);
        } else {
            found.half = Some(value);
        }
    }
    found
}

/// Hands on every child of an element, in the record's order; what stands beside a primitive's value is no child of its
/// own.
pub(crate) fn children<'a>(
    model: &dyn Model,
    of: &Element<'a>,
    then: &mut impl FnMut(Element<'a>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let holder = holder(of);
    for key in holder.keys() {
        json_member(model, of.kind, holder, key).each(model, then)?;
    }
    Ok(())
}

/// How many children an element has, or descendants: who only counts them needs not to know of what types they are.
/// `None` where primitives have two halves, so that what is one child can be told by types alone.
pub(crate) fn count(of: &Element<'_>, deep: bool) -> Option<u64> {
    (!of.node.document().has_halves()).then(|| count_below(of.node, deep))
}

fn count_below(node: Node<'_>, deep: bool) -> u64 {
    let mut count = 0;
    for key in node.keys().filter(|key| !is_type_name(key)) {
        for child in key.value().each().filter(|child| !child.is_null()) {
            count += 1;
            if deep && child.is_object() {
                count += count_below(child, deep);
            }
        }
    }
    count
}

/// Whether a member says of what type its resource is, and is no element.
fn is_type_name(key: &Key<'_>) -> bool {
    key.first() == b'r' && key.text() == "resourceType"
}

/// What the member at a key holds; nothing where it is no element by itself.
#[inline(always)]
fn json_member<'a>(model: &dyn Model, parent: Option<TypeId>, holder: Node<'a>, key: Key<'a>) -> Member<'a> {
    let text = key.text();
    if key.first() == b'_'
        && let Some(bare) = text.strip_prefix('_')
    {
        return half_alone(model, parent, holder, bare, key.value());
    }
    let name = key.name(&text);
    let Some((kind, sort)) = parent.and_then(|parent| model.json_child(parent, &name)) else {
        let is_element = name.text() != "resourceType";
        return Member::unknown(is_element.then(|| key.value()), half(holder, &text, Sort::Text));
    };
    Member {
        value: Some(key.value()),
        half: half(holder, &text, sort),
        kind: Some(kind),
        any: sort == Sort::Resource { any: true },
    }
}

/// What stands beside the value of a primitive, where that has none.
#[cold]
fn half_alone<'a>(
    model: &dyn Model,
    parent: Option<TypeId>,
    holder: Node<'a>,
    name: &str,
    node: Node<'a>,
) -> Member<'a> {
    let alone = holder.get(name).is_none();
    let child = parent.and_then(|parent| model.json_child(parent, &Name::of(name)));
    Member {
        kind: child.map(|(kind, _)| kind),
        ..Member::unknown(None, alone.then_some(node))
    }
}

/// The extensions of an element with a url.
pub(crate) fn extensions<'a>(
    model: &dyn Model,
    of: &Element<'a>,
    url: &str,
    then: &mut impl FnMut(Element<'a>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    const EXTENSION: Name<&str> = Name::fixed("extension");
    const URL: Name<&str> = Name::fixed("url");
    let member = member(model, of, &EXTENSION);
    // No extension is a primitive, so none has a half.
    let found = member.value.into_iter().flat_map(|list| list.each());
    for node in found.filter(|node| node.find(&URL).is_some_and(|found| found.says(url))) {
        then(member.element(model, node, None))?;
    }
    Ok(())
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
