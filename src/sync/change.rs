//! A version on its way between sites, and the two lines of text that it is on the wire.

use std::fmt::Write as _;

use fhir::body;
use fhir::document::Document;
use fhir::identity::{Id, Kind, VersionId};
use fhir::parse::Limits;
use fhir::tree::Tree;
use store::{Operation, Seal, Version};

/// One version as it travels: what it is the same on every site, and nothing that is a site's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The record's kind.
    pub kind: Kind,
    /// The record's id.
    pub id: Id,
    /// The version's name on every site.
    pub version: VersionId,
    /// The version it was based on; `None` for a record's first.
    pub base: Option<VersionId>,
    /// The version that a join brought together with its base.
    pub merged: Option<VersionId>,
    /// Its hybrid logical clock, in microseconds since 1970.
    pub updated: i64,
    /// What it did.
    pub operation: Operation,
    /// The stored form of the record (`fhir::body`); empty for a deletion.
    pub body: Vec<u8>,
}

/// The lines are none of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChange;

impl From<Version> for Change {
    fn from(version: Version) -> Change {
        Change {
            kind: version.kind,
            id: version.id,
            version: version.version,
            base: version.base,
            merged: version.merged,
            updated: version.updated,
            operation: version.operation,
            body: version.body,
        }
    }
}

/// Between the meta part and the rest of a body: compact JSON has it nowhere.
const PARTS: u8 = b'\t';

impl Change {
    /// The version's seal: the same on every site.
    pub fn seal(&self) -> Seal {
        self.clone().at(0).seal()
    }

    /// The version at a place in a log.
    pub fn at(self, seq: u64) -> Version {
        Version {
            seq,
            record: 0,
            kind: self.kind,
            id: self.id,
            version: self.version,
            base: self.base,
            merged: self.merged,
            updated: self.updated,
            arrived: self.updated,
            aside: false,
            operation: self.operation,
            body: self.body,
        }
    }

    /// The record, without what the server says of it; `None` for a deletion.
    ///
    /// # Errors
    /// [`NoChange`] where the body is no stored body.
    pub fn record(&self) -> Result<Option<Tree>, NoChange> {
        if self.body.is_empty() {
            return Ok(None);
        }
        let (meta, rest) = body::parts(&self.body).ok_or(NoChange)?;
        let mut text = format!("{{\"resourceType\":\"{}\",\"id\":\"{}\"", self.kind, self.id).into_bytes();
        if !meta.is_empty() {
            text.extend_from_slice(b",\"meta\":{");
            text.extend_from_slice(meta);
            text.push(b'}');
        }
        if !rest.is_empty() {
            text.push(b',');
            text.extend_from_slice(rest);
        }
        text.push(b'}');
        let document = Document::parse(&text, Limits::default()).map_err(|_| NoChange)?;
        Ok(Some(Tree::from_node(document.root())))
    }

    /// The two lines: `Kind/id operation version base merged updated`, where a version that is not there is `-`, and the
    /// body's two parts with a tab between them.
    ///
    /// # Errors
    /// [`NoChange`] where the body is no stored body, or has control characters, which JSON must escape.
    pub fn lines(&self) -> Result<[Vec<u8>; 2], NoChange> {
        let mut head = String::with_capacity(96);
        let named = |version: &Option<VersionId>| version.map_or_else(|| "-".to_owned(), |version| version.to_string());
        let operation = letter(self.operation);
        write!(
            head,
            "{}/{} {operation} {} {} {} {}",
            self.kind,
            self.id,
            self.version,
            named(&self.base),
            named(&self.merged),
            self.updated
        )
        .map_err(|_| NoChange)?;
        if self.body.is_empty() {
            return Ok([head.into_bytes(), Vec::new()]);
        }
        let (meta, rest) = body::parts(&self.body).ok_or(NoChange)?;
        if meta.iter().chain(rest).any(|byte| *byte < b' ') {
            return Err(NoChange);
        }
        let mut text = Vec::with_capacity(self.body.len());
        text.extend_from_slice(meta);
        text.push(PARTS);
        text.extend_from_slice(rest);
        Ok([head.into_bytes(), text])
    }

    /// The change that two lines tell of.
    ///
    /// # Errors
    /// [`NoChange`].
    pub fn read(head: &[u8], text: &[u8]) -> Result<Change, NoChange> {
        let head = std::str::from_utf8(head).map_err(|_| NoChange)?;
        let mut words = head.split(' ');
        let mut next = || words.next().ok_or(NoChange);
        let (kind, id) = next()?.split_once('/').ok_or(NoChange)?;
        let version = |word: &str| word.parse::<VersionId>().map_err(|_| NoChange);
        let perhaps = |word: &str| match word {
            "-" => Ok(None),
            word => version(word).map(Some),
        };
        let change = Change {
            kind: Kind::new(kind).ok_or(NoChange)?,
            id: Id::new(id).ok_or(NoChange)?,
            operation: operation(next()?)?,
            version: version(next()?)?,
            base: perhaps(next()?)?,
            merged: perhaps(next()?)?,
            updated: next()?.parse().map_err(|_| NoChange)?,
            body: stored(text)?,
        };
        let whole = words.next().is_none() && change.operation.is_live() != change.body.is_empty();
        whole.then_some(change).ok_or(NoChange)
    }
}

fn stored(text: &[u8]) -> Result<Vec<u8>, NoChange> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    std::str::from_utf8(text).map_err(|_| NoChange)?;
    let tab = text.iter().position(|byte| *byte == PARTS).ok_or(NoChange)?;
    let (meta, rest) = (&text[..tab], &text[tab + 1..]);
    let mut body = u32::try_from(meta.len()).map_err(|_| NoChange)?.to_le_bytes().to_vec();
    body.extend_from_slice(meta);
    body.extend_from_slice(rest);
    Ok(body)
}

fn letter(operation: Operation) -> char {
    match operation {
        Operation::Create => 'c',
        Operation::Update => 'u',
        Operation::Delete => 'd',
    }
}

fn operation(letter: &str) -> Result<Operation, NoChange> {
    match letter {
        "c" => Ok(Operation::Create),
        "u" => Ok(Operation::Update),
        "d" => Ok(Operation::Delete),
        _ => Err(NoChange),
    }
}
