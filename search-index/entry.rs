//! One version of a record in memory: in the tail, on its way into the index, or out of the past.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use fhir::body::{self, Header};
use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use query::registry::Registry;
use query::{Subject, Values, Words};
use store::{Appended, Version};

use crate::ground::UNDER;

/// How deep a stored record may be nested: more than any server lets in.
const STORED_DEPTH_MAX: usize = 512;

/// What searching needs of one version of a record, extracted once while the record is at hand.
///
/// Carried along with a write as its attachment, it saves the index from reading the record again.
pub struct Prepared {
    /// The values of the search parameters.
    pub values: Arc<Values>,
    /// The fingerprint of the registry that extracted them.
    of: u64,
    words: Arc<WordLists>,
}

impl Prepared {
    /// Extracts values and words of a record.
    pub fn new(registry: &Registry, kind: &Kind, root: Node<'_>) -> Prepared {
        Prepared {
            values: Arc::new(registry.extract(kind, root)),
            of: registry.fingerprint(),
            words: Arc::new(WordLists::of(&registry.words(root))),
        }
    }

    /// Whether values and words are those the registry would extract.
    pub fn is_of(&self, registry: &Registry) -> bool {
        self.of == registry.fingerprint()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prepared({} values)", self.values.entries.len())
    }
}

impl Words for Prepared {
    fn narrative(&self, each: &mut dyn FnMut(&str)) {
        self.words.narrative(each);
    }

    fn content(&self, each: &mut dyn FnMut(&str)) {
        self.words.content(each);
    }
}

/// The distinct tokens of a record, each list one text with a space between.
#[derive(Clone, Debug, Default)]
pub(crate) struct WordLists {
    narrative: Box<str>,
    content: Box<str>,
}

impl WordLists {
    fn of(words: &dyn Words) -> WordLists {
        WordLists {
            narrative: distinct(&mut |each| words.narrative(each)),
            content: distinct(&mut |each| words.content(each)),
        }
    }
}

impl Words for WordLists {
    fn narrative(&self, each: &mut dyn FnMut(&str)) {
        self.narrative.split_terminator(' ').for_each(each);
    }

    fn content(&self, each: &mut dyn FnMut(&str)) {
        self.content.split_terminator(' ').for_each(each);
    }

    fn distinct(&self) -> u32 {
        u32::try_from(self.content.split_terminator(' ').count()).unwrap_or(u32::MAX)
    }
}

/// Hands every word to what it is given.
type Visit<'a> = dyn FnMut(&mut dyn FnMut(&str)) + 'a;

/// The distinct words a visit gives, with a space after each. They hold no space themselves.
fn distinct(visit: &mut Visit<'_>) -> Box<str> {
    let (mut text, mut ends) = (String::new(), Vec::new());
    visit(&mut |word| {
        text.push_str(word);
        ends.push(text.len());
    });
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let mut words: Vec<&str> = starts.zip(&ends).map(|(start, end)| &text[start..*end]).collect();
    words.sort_unstable();
    words.dedup();
    let mut joined = String::with_capacity(text.len() + words.len());
    for word in words {
        joined.push_str(word);
        joined.push(' ');
    }
    joined.into_boxed_str()
}

/// What a record was before a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// The version is the record's first.
    Nothing,
    /// The version at this place in the log, perhaps a deletion.
    At(u64),
    /// Something, at a place not known.
    Somewhere,
}

/// One version of a record.
pub(crate) struct Entry {
    pub(crate) seq: u64,
    pub(crate) record: u64,
    pub(crate) kind: Kind,
    pub(crate) id: Id,
    pub(crate) updated: i64,
    /// Whether the record is there after this version.
    pub(crate) live: bool,
    pub(crate) before: Before,
    /// Whether the version is only kept: it takes its place in the log, and changes no record.
    pub(crate) aside: bool,
    pub(crate) values: Arc<Values>,
    /// Whether it is in the index already and only indexed again.
    pub(crate) again: bool,
    pub(crate) words: Arc<WordLists>,
}

impl Entry {
    /// A version as the log tells of it; `None` where a live one carries nothing that helps: nothing at all, or what
    /// other parameters made of it.
    pub(crate) fn carried(registry: &Registry, appended: &Appended) -> Option<Entry> {
        let live = appended.operation.is_live() && !appended.aside;
        let (values, words) = match (&appended.attachment, live) {
            (_, false) => (Arc::default(), Arc::default()),
            (Some(attachment), true) => unpack(registry, attachment)?,
            (None, true) => return None,
        };
        Some(Entry {
            seq: appended.seq,
            record: appended.record,
            kind: appended.kind.clone(),
            id: appended.id.clone(),
            updated: appended.updated,
            live,
            before: match appended.previous {
                Some(place) if !appended.aside => Before::At(place),
                _ => Before::Nothing,
            },
            aside: appended.aside,
            values,
            again: false,
            words,
        })
    }

    /// A version as it is read from the log, which does not say what the record was before.
    pub(crate) fn read(registry: &Registry, version: &Version) -> Entry {
        let document = document_of(version).filter(|_| !version.aside);
        let (values, words) = match document {
            Some(document) => {
                let root = document.root();
                (
                    registry.extract(&version.kind, root),
                    WordLists::of(&registry.words(root)),
                )
            }
            None => Default::default(),
        };
        Entry {
            seq: version.seq,
            record: version.record,
            kind: version.kind.clone(),
            id: version.id.clone(),
            updated: version.updated,
            live: version.operation.is_live() && !version.aside,
            before: Before::Nothing,
            aside: version.aside,
            values: Arc::new(values),
            again: false,
            words: Arc::new(words),
        }
    }

    /// A record under the log.
    pub(crate) fn under(
        registry: &Registry,
        record: u64,
        (kind, id): (Kind, Id),
        updated: i64,
        root: Node<'_>,
    ) -> Entry {
        Entry {
            seq: UNDER,
            record,
            updated,
            live: true,
            before: Before::Nothing,
            aside: false,
            values: Arc::new(registry.extract(&kind, root)),
            again: false,
            words: Arc::new(WordLists::of(&registry.words(root))),
            kind,
            id,
        }
    }

    /// A record that is to leave the index because the log does not have it.
    pub(crate) fn ghost(record: u64, kind: Kind, id: Id) -> Entry {
        Entry {
            seq: 0,
            record,
            kind,
            id,
            updated: 0,
            live: false,
            before: Before::Somewhere,
            aside: false,
            values: Arc::default(),
            again: true,
            words: Arc::default(),
        }
    }

    /// The version as a predicate sees it.
    pub(crate) fn subject<'a>(&'a self, words: &'a dyn Words) -> Subject<'a> {
        Subject {
            kind: &self.kind,
            id: Some(&self.id),
            updated: self.updated,
            values: &self.values,
            words,
            contained: false,
        }
    }
}

fn unpack(registry: &Registry, attachment: &Arc<dyn Any + Send + Sync>) -> Option<(Arc<Values>, Arc<WordLists>)> {
    let prepared = attachment.downcast_ref::<Prepared>()?;
    let words = Arc::clone(&prepared.words);
    prepared.is_of(registry).then(|| (Arc::clone(&prepared.values), words))
}

/// The record of a version, parsed again; `None` for a deletion.
pub(crate) fn document_of(version: &Version) -> Option<Document> {
    if !version.operation.is_live() {
        return None;
    }
    let header = Header {
        kind: &version.kind,
        id: &version.id,
        version: version.version,
        updated: version.updated,
    };
    let mut text = Vec::new();
    body::splice(header, &version.body, &mut text);
    Document::parse(
        &text,
        Limits {
            depth: STORED_DEPTH_MAX,
            ..Limits::default()
        },
    )
    .ok()
}
