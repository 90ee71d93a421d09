//! A code system that is ready to answer, wherever its content lies: in a record, in a file, or in a grammar.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use fhir::tree::Tree;
use rustc_hash::FxHashSet;

/// How much of a system is known (<https://hl7.org/fhir/R4/valueset-codesystem-content-mode.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    #[default]
    Complete,
    /// A part: a code that is missing may still be one.
    Fragment,
    /// Nothing that can be relied on: `not-present` or `example`.
    Absent,
    /// Additions to another system.
    Supplement,
}

/// What a system says about itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its canonical address.
    pub url: String,
    /// Its business version.
    pub version: Option<String>,
    /// `CodeSystem.name`; where it has none the title, or else the address.
    pub name: String,
    /// The language of its displays.
    pub language: Option<String>,
    /// `CodeSystem.status`.
    pub status: String,
    /// Whether it is marked as experimental.
    pub experimental: bool,
    /// The extension `structuredefinition-standards-status`.
    pub standards_status: Option<String>,
    /// How much of it is known.
    pub content: Content,
    /// Whether case counts in its codes.
    pub case_sensitive: bool,
    /// The properties it defines: code and URI.
    pub properties: Vec<(String, Option<String>)>,
    /// Whether codes mean something only with a version.
    pub version_needed: bool,
    /// The value set of all its codes.
    pub value_set: Option<String>,
    /// The system that it supplements, with or without a version.
    pub supplements: Option<String>,
}

impl Facts {
    /// Address and version.
    pub fn canonical(&self) -> String {
        crate::version::join(&self.url, self.version.as_deref())
    }

    /// The URI of a property, where the system defines it with one.
    pub fn property_uri(&self, code: &str) -> Option<&str> {
        let known = self.properties.iter().find(|(known, _)| known == code)?;
        known.1.as_deref()
    }

    /// Whether a property of that code is the one that FHIR calls `name`
    /// (<https://hl7.org/fhir/R4/codesystem-concept-properties.html>).
    pub fn is_property(&self, code: &str, name: &str) -> bool {
        const PROPERTIES: &str = "http://hl7.org/fhir/concept-properties#";
        code == name
            || self
                .property_uri(code)
                .is_some_and(|uri| uri.strip_prefix(PROPERTIES) == Some(name))
    }
}

/// Where a code stands in its system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the list of codes, counted from 0 in the order of the definition.
    At(u32),
    /// Nowhere: the grammar of the system makes it.
    Written(Arc<str>),
}

/// Whether a code may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// It groups others and is not to be chosen.
    pub is_abstract: bool,
    /// It is not to be used any more.
    pub inactive: bool,
    /// What the system says of it: `retired`, `deprecated`.
    pub status: Option<String>,
}

/// Another name of a code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Designation {
    /// Its language.
    pub language: Option<String>,
    /// What it is for: a Coding.
    pub usage: Option<Tree>,
    /// The name.
    pub value: String,
    /// Extensions that say more of it.
    pub extensions: Vec<Tree>,
    /// The supplement it comes from.
    pub source: Option<String>,
}

impl Designation {
    /// Whether it is no longer to be used.
    pub fn is_withdrawn(&self) -> bool {
        let status = self.extensions.iter().filter(|e| extension_is(e, STANDARDS_STATUS));
        let mut status = status.filter_map(|e| e.get("valueCode").and_then(Tree::as_str));
        status.any(|status| matches!(status, "withdrawn" | "deprecated"))
    }
}

/// A property of a code.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// Its code.
    pub code: String,
    /// The member its value stands in: `valueCode`.
    pub member: String,
    /// The value.
    pub value: Tree,
    /// Of SNOMED CT: the group that the relationship is in; 0 for none.
    pub group: u32,
}

impl Property {
    /// A property whose value is a text.
    pub fn of(code: &str, member: &str, value: impl Into<String>) -> Property {
        Property {
            code: code.to_owned(),
            member: member.to_owned(),
            value: Tree::string(value),
            group: 0,
        }
    }

    /// The value as a filter compares it: of a Coding its code.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.value {
            Tree::String(text) | Tree::Number(text) => Cow::Borrowed(text),
            Tree::Bool(yes) => Cow::Borrowed(if *yes { "true" } else { "false" }),
            coding => Cow::Borrowed(coding.get("code").and_then(Tree::as_str).unwrap_or_default()),
        }
    }
}

/// All that is known of a code but its display and state.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Its definition.
    pub definition: Option<String>,
    /// Its other names.
    pub designations: Vec<Designation>,
    /// Its properties.
    pub properties: Vec<Property>,
    /// Extensions of the concept.
    pub extensions: Vec<Tree>,
}

/// The extension by which a definition, a concept or a designation says how far it is to be used.
pub(crate) const STANDARDS_STATUS: &str =
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status";

/// Whether an extension is the one of that address.
pub(crate) fn extension_is(extension: &Tree, url: &str) -> bool {
    extension.get("url").and_then(Tree::as_str) == Some(url)
}

/// One version of a code system. What is not said otherwise is so of one whose codes are made by a rule: they are what is
/// written, stand in no order, and nothing more is known of them.
pub trait System: Send + Sync {
    /// What it says about itself.
    fn facts(&self) -> &Facts;

    /// Where a code stands; case counts only where the system says so.
    fn find(&self, code: &str) -> Option<Place>;

    /// The code there, as the system writes it.
    fn code<'s>(&'s self, place: &'s Place) -> Cow<'s, str> {
        match place {
            Place::Written(code) => Cow::Borrowed(code),
            Place::At(_) => Cow::Borrowed(""),
        }
    }

    /// Its display.
    fn display(&self, _place: &Place) -> Option<Cow<'_, str>> {
        None
    }

    /// Whether it may be used.
    fn state(&self, _place: &Place) -> State {
        State::default()
    }

    /// What else is known of it.
    fn details(&self, _place: &Place) -> Details {
        Details::default()
    }

    /// How many codes there are; `None` where a grammar makes them without end.
    fn count(&self) -> Option<u32> {
        None
    }

    /// The codes directly above one.
    fn parents(&self, _place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(&[])
    }

    /// The codes directly below one.
    fn children(&self, _place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(&[])
    }

    /// The codes in the reference set or list that a code names.
    fn members(&self, _place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(&[])
    }

    /// Whether a designation of a code may hold a word, given in lower case; no is certain, yes is not.
    fn may_name(&self, _place: &Place, _word: &str) -> bool {
        true
    }

    /// The codes of which a name begins with a folded text ([`text::fold`]): all, or some where there are more than `most`.
    /// Asked of what was loaded; the names of others are kept together.
    ///
    /// # Errors
    /// Where names lie in a file that cannot be read.
    fn starting(&self, _start: &str, _most: usize) -> io::Result<FxHashSet<u32>> {
        Ok(FxHashSet::default())
    }

    /// Whether the value of a filter is acceptable at all; `None` where the system knows no such filter.
    /// Systems whose filters are the general ones leave this as it is.
    fn own_filter(&self, _property: &str, _op: &str, _value: &str, _place: &Place) -> Option<bool> {
        None
    }
}

/// A code and all below it (or, upwards, above it), nearest first.
pub fn reach(system: &dyn System, from: u32, upwards: bool) -> Vec<u32> {
    let (mut seen, mut open) = (FxHashSet::from_iter([from]), VecDeque::from([from]));
    let mut found = Vec::new();
    while let Some(at) = open.pop_front() {
        found.push(at);
        let next = if upwards {
            system.parents(at)
        } else {
            system.children(at)
        };
        open.extend(next.iter().copied().filter(|next| seen.insert(*next)));
    }
    found
}

/// Whether one code is another or lies below it.
pub fn is_below(system: &dyn System, place: u32, top: u32) -> bool {
    if place == top {
        return true;
    }
    let (mut seen, mut open) = (FxHashSet::from_iter([place]), vec![place]);
    while let Some(at) = open.pop() {
        for parent in system.parents(at).iter() {
            if *parent == top {
                return true;
            }
            if seen.insert(*parent) {
                open.push(*parent);
            }
        }
    }
    false
}
