//! A code system that a CodeSystem record defines (<https://hl7.org/fhir/R4/codesystem.html>), read where it stands.

use std::borrow::Cow;
use std::sync::Arc;

use fhir::document::{Document, Node};
use fhir::tree::Tree;
use rustc_hash::FxHashMap;

use crate::edges::Edges;
use crate::system::{Content, Designation, Details, Facts, Place, Property, STANDARDS_STATUS, State, System};

/// How deep concepts may stand within concepts.
const DEPTH_MAX: usize = 200;

/// A CodeSystem record, its codes found by a table over the text.
#[derive(Debug)]
pub struct Recorded {
    document: Arc<Document>,
    facts: Facts,
    /// Where each concept stands in the document, in its order.
    concepts: Vec<u32>,
    places: FxHashMap<Box<str>, u32>,
    /// The same by lower-case codes, where case does not count.
    folded: FxHashMap<Box<str>, u32>,
    edges: Edges,
}

impl Recorded {
    /// Reads a record.
    pub fn read(document: Arc<Document>) -> Recorded {
        let root = document.root();
        let facts = facts(root);
        let mut walk = Walk::default();
        if let Some(list) = root.get("concept") {
            walk.list(list, None, 0);
        }
        let Walk { concepts, mut pairs } = walk;
        let mut places: FxHashMap<Box<str>, u32> = FxHashMap::default();
        let code = |place: u32| document.node(place).string("code").unwrap_or_default();
        for (number, place) in concepts.iter().enumerate() {
            places.entry(code(*place).as_ref().into()).or_insert(number as u32);
        }
        for (number, place) in concepts.iter().enumerate() {
            let node = document.node(*place);
            pairs.extend(related(node, &facts).filter_map(|(up, other)| {
                let other = *places.get(other.as_ref())?;
                Some(if up {
                    (other, number as u32)
                } else {
                    (number as u32, other)
                })
            }));
        }
        let mut folded = FxHashMap::default();
        if !facts.case_sensitive {
            let lower = places.iter().map(|(code, place)| (code.to_lowercase().into(), *place));
            folded = lower.collect();
        }
        let edges = Edges::new(concepts.len(), pairs);
        Recorded {
            facts,
            concepts,
            places,
            folded,
            edges,
            document,
        }
    }

    fn concept(&self, place: &Place) -> Option<Node<'_>> {
        let Place::At(number) = place else { return None };
        Some(self.document.node(*self.concepts.get(*number as usize)?))
    }

    /// The concept of a code, for a supplement.
    pub(crate) fn concept_of(&self, code: &str) -> Option<Node<'_>> {
        self.concept(&self.find(code)?)
    }
}

#[derive(Default)]
struct Walk {
    concepts: Vec<u32>,
    pairs: Vec<(u32, u32)>,
}

impl Walk {
    fn list(&mut self, list: Node<'_>, parent: Option<u32>, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        for concept in list.each() {
            let number = self.concepts.len() as u32;
            self.concepts.push(concept.place());
            self.pairs.extend(parent.map(|parent| (parent, number)));
            if let Some(below) = concept.get("concept") {
                self.list(below, Some(number), depth + 1);
            }
        }
    }
}

/// The codes that properties place above (true) and below a concept.
fn related<'a>(concept: Node<'a>, facts: &'a Facts) -> impl Iterator<Item = (bool, Cow<'a, str>)> {
    let list = concept.get("property").into_iter().flat_map(|list| list.each());
    list.filter_map(|property| {
        let code = property.string("code")?;
        let up = ["parent", "subsumedBy"]
            .iter()
            .any(|name| facts.is_property(&code, name));
        if !up && !facts.is_property(&code, "child") {
            return None;
        }
        Some((up, property.string("valueCode")?))
    })
}

/// What a CodeSystem record says about itself.
pub(crate) fn facts(root: Node<'_>) -> Facts {
    let text = |name: &str| root.string(name).map(Cow::into_owned);
    let flag = |name: &str| root.get(name).and_then(|node| node.as_bool());
    let properties = root.get("property").into_iter().flat_map(|list| list.each());
    let property = |node: Node<'_>| {
        Some((
            node.string("code")?.into_owned(),
            node.string("uri").map(Cow::into_owned),
        ))
    };
    Facts {
        url: text("url").unwrap_or_default(),
        version: text("version"),
        name: ["name", "title", "url"].into_iter().find_map(text).unwrap_or_default(),
        language: text("language"),
        status: text("status").unwrap_or_default(),
        experimental: flag("experimental") == Some(true),
        standards_status: extension(root, STANDARDS_STATUS)
            .and_then(|e| e.string("valueCode"))
            .map(Cow::into_owned),
        content: match root.string("content").as_deref() {
            Some("complete") => Content::Complete,
            Some("fragment") => Content::Fragment,
            Some("supplement") => Content::Supplement,
            _ => Content::Absent,
        },
        case_sensitive: flag("caseSensitive") == Some(true),
        properties: properties.filter_map(property).collect(),
        version_needed: flag("versionNeeded") == Some(true),
        value_set: text("valueSet"),
        supplements: text("supplements"),
    }
}

/// The extension of that address.
pub(crate) fn extension<'a>(node: Node<'a>, url: &str) -> Option<Node<'a>> {
    let mut list = node.get("extension").into_iter().flat_map(|list| list.each());
    list.find(|extension| extension.string("url").as_deref() == Some(url))
}

/// What a concept says of itself besides code and display.
pub(crate) fn details(concept: Node<'_>, source: Option<&str>) -> Details {
    let list = |name: &str| concept.get(name).into_iter().flat_map(|list| list.each());
    Details {
        definition: concept.string("definition").map(Cow::into_owned),
        designations: list("designation")
            .filter_map(|node| designation(node, source))
            .collect(),
        properties: list("property").filter_map(property).collect(),
        extensions: list("extension").map(Tree::from_node).collect(),
    }
}

/// A designation, as CodeSystem and ValueSet write it.
pub(crate) fn designation(node: Node<'_>, source: Option<&str>) -> Option<Designation> {
    let extensions = node.get("extension").into_iter().flat_map(|list| list.each());
    Some(Designation {
        language: node.string("language").map(Cow::into_owned),
        usage: node.get("use").map(Tree::from_node),
        value: node.string("value")?.into_owned(),
        extensions: extensions.map(Tree::from_node).collect(),
        source: source.map(str::to_owned),
    })
}

fn property(node: Node<'_>) -> Option<Property> {
    let (member, value) = node.members().find(|(name, _)| name.starts_with("value"))?;
    Some(Property {
        code: node.string("code")?.into_owned(),
        member: member.into_owned(),
        value: Tree::from_node(value),
        group: node
            .get("group")
            .and_then(|group| group.as_number()?.parse().ok())
            .unwrap_or(0),
    })
}

/// What the properties and extensions of a concept say of its use.
pub(crate) fn state(concept: Node<'_>, facts: &Facts) -> State {
    let mut state = State::default();
    for property in concept.get("property").into_iter().flat_map(|list| list.each()) {
        let Some(code) = property.string("code") else { continue };
        let value = || property.members().find(|(name, _)| name.starts_with("value"));
        let yes = || value().and_then(|(_, value)| value.as_bool()) == Some(true);
        if facts.is_property(&code, "notSelectable") {
            state.is_abstract |= yes();
        } else if facts.is_property(&code, "inactive") {
            state.inactive |= yes();
        } else if facts.is_property(&code, "status") {
            state.status = value().and_then(|(_, value)| value.scalar()).map(Cow::into_owned);
        }
    }
    if state.status.is_none() {
        let said = extension(concept, STANDARDS_STATUS).and_then(|e| e.string("valueCode"));
        state.status = said.map(Cow::into_owned);
    }
    let over = |status: &str| matches!(status, "retired" | "inactive" | "withdrawn");
    state.inactive |= state.status.as_deref().is_some_and(over);
    state
}

impl System for Recorded {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn find(&self, code: &str) -> Option<Place> {
        let exact = self.places.get(code);
        let found = exact.or_else(|| match self.folded.is_empty() {
            true => None,
            false => self.folded.get(code.to_lowercase().as_str()),
        });
        found.map(|place| Place::At(*place))
    }

    fn code<'s>(&'s self, place: &'s Place) -> Cow<'s, str> {
        self.concept(place).and_then(|c| c.string("code")).unwrap_or_default()
    }

    fn display(&self, place: &Place) -> Option<Cow<'_, str>> {
        self.concept(place)?.string("display")
    }

    fn state(&self, place: &Place) -> State {
        self.concept(place)
            .map_or_else(State::default, |c| state(c, &self.facts))
    }

    fn details(&self, place: &Place) -> Details {
        self.concept(place).map_or_else(Details::default, |c| details(c, None))
    }

    fn count(&self) -> Option<u32> {
        Some(self.concepts.len() as u32)
    }

    fn parents(&self, place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(self.edges.parents(place))
    }

    fn children(&self, place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(self.edges.children(place))
    }
}
