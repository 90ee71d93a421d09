//! What the simulated centre makes of the versions that a node sends; the product's is `interaction/take_changes.rs`.
//!
//! It is written for itself, as simply as can be, so that the machine of sessions, the segments and the rules of merging
//! are tried without a store. A version based on the record's current one goes on from it. Any other is kept *aside*, and
//! a *join* of both becomes the current one at once, in the same transaction.

use conformance::Definitions;
use fhir::body;
use fhir::document::Document;
use fhir::identity::{Id, Kind, VersionId};
use fhir::parse::Limits;
use fhir::tree::Tree;
use rustc_hash::{FxHashMap, FxHashSet};
use store::Operation;

use crate::change::Change;
use crate::history::{History, Invalid, VERSIONS_MAX, Version};
use crate::merge::{Conflict, state};
use crate::rules::Rules;

/// What is known of records where versions are taken.
pub trait Records {
    /// Why a record cannot be read.
    type Trouble;

    /// The name of a record's current version, a deletion too.
    fn current(&self, kind: &Kind, id: &Id) -> Result<Option<VersionId>, Self::Trouble>;

    /// All versions of a record, in the order of the log.
    fn versions(&self, kind: &Kind, id: &Id) -> Result<Vec<Change>, Self::Trouble>;
}

/// One version to be appended.
#[derive(Clone, Debug)]
pub enum Append {
    /// A version as it came.
    Taken {
        /// The version.
        change: Change,
        /// The record's current version as it must still be; `None` where there is none.
        expected: Option<VersionId>,
        /// Whether it is kept without becoming current.
        aside: bool,
    },
    /// A version of the centre's own that knows of both.
    Join(Box<Join>),
}

/// A version that brings a record's current one and one aside together.
#[derive(Clone, Debug)]
pub struct Join {
    /// The record's kind.
    pub kind: Kind,
    /// The record's id.
    pub id: Id,
    /// The current version.
    pub base: VersionId,
    /// The last version aside.
    pub merged: VersionId,
    /// What it does to the record.
    pub operation: Operation,
    /// The stored form of the record; empty for a deletion.
    pub body: Vec<u8>,
}

/// Why versions cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untaken<T> {
    /// A record cannot be read.
    Trouble(T),
    /// A record's versions are no history.
    Invalid(Invalid),
    /// A body is no record: its version.
    Body(VersionId),
}

impl<T> From<Invalid> for Untaken<T> {
    fn from(invalid: Invalid) -> Self {
        Untaken::Invalid(invalid)
    }
}

/// What is known of a record while a unit of versions is planned.
struct Standing {
    current: Option<VersionId>,
    /// The versions aside so far, as they came.
    aside: Vec<Change>,
}

/// Plans the taking of versions of one node, in the order of its counter: what is appended, in order, and how many of the
/// versions that takes. Those left over are planned when these have been appended.
///
/// # Errors
/// [`Untaken`].
pub fn plan<R: Records>(
    changes: &[Change],
    records: &R,
    definitions: &Definitions,
    rules: &Rules,
) -> Result<(Vec<Append>, usize), Untaken<R::Trouble>> {
    let mut known: FxHashMap<(Kind, Id), Standing> = FxHashMap::default();
    let mut order: Vec<(Kind, Id)> = Vec::new();
    let (mut appends, mut count) = (Vec::new(), 0);
    for change in changes {
        let key = (change.kind.clone(), change.id.clone());
        if !known.contains_key(&key) {
            let current = records.current(&key.0, &key.1).map_err(Untaken::Trouble)?;
            let aside = Vec::new();
            known.insert(key.clone(), Standing { current, aside });
            order.push(key.clone());
        }
        let standing = known.get_mut(&key).expect("it was just entered");
        let (expected, last) = (standing.current, standing.aside.last());
        if last.is_some_and(|last| change.base != Some(last.version)) {
            // Another branch of the same record: it is joined when this one has been.
            break;
        }
        let aside = expected.is_some() && change.base != expected;
        match aside {
            true => standing.aside.push(change.clone()),
            false => standing.current = Some(change.version),
        }
        let change = change.clone();
        appends.push(Append::Taken {
            change,
            expected,
            aside,
        });
        count += 1;
    }
    for (kind, id) in order {
        let standing = &known[&(kind.clone(), id.clone())];
        if let (Some(base), Some(last)) = (standing.current, standing.aside.last()) {
            let mut versions = records.versions(&kind, &id).map_err(Untaken::Trouble)?;
            let taken = appends.iter().filter_map(|append| match append {
                Append::Taken { change, .. } if (&change.kind, &change.id) == (&kind, &id) => Some(change.clone()),
                _ => None,
            });
            versions.extend(taken);
            let merged = last.version;
            appends.push(Append::Join(Box::new(join(
                versions,
                (base, merged),
                definitions,
                rules,
            )?)));
        }
    }
    Ok((appends, count))
}

/// The join of a record's versions, whose last ones are the current one and those aside.
fn join<T>(
    versions: Vec<Change>,
    (base, merged): (VersionId, VersionId),
    definitions: &Definitions,
    rules: &Rules,
) -> Result<Join, Untaken<T>> {
    let (kind, id) = versions
        .last()
        .map(|last| (last.kind.clone(), last.id.clone()))
        .ok_or(Invalid::Empty)?;
    let history = history(&versions)?;
    let body = state(&history, definitions, rules)
        .record
        .map_or(Ok(Vec::new()), |record| stored(&record).ok_or(Untaken::Body(merged)))?;
    Ok(Join {
        kind,
        id,
        base,
        merged,
        operation: match body.is_empty() {
            true => Operation::Delete,
            false => Operation::Update,
        },
        body,
    })
}

/// What the versions of a record, all that there are, disagree on and a person settles.
///
/// # Errors
/// [`Untaken`].
pub fn open<T>(versions: &[Change], definitions: &Definitions, rules: &Rules) -> Result<Vec<Conflict>, Untaken<T>> {
    // Only joins bring versions together that did not know of each other.
    if versions.iter().all(|version| version.merged.is_none()) {
        return Ok(Vec::new());
    }
    let mut conflicts = state(&history(versions)?, definitions, rules).conflicts;
    conflicts.retain(|conflict| conflict.review);
    Ok(conflicts)
}

/// The last [`VERSIONS_MAX`] versions in the order of the log as a history. What the first ones were based on is not there:
/// they stand for it.
fn history<T>(versions: &[Change]) -> Result<History, Untaken<T>> {
    let versions = &versions[versions.len().saturating_sub(VERSIONS_MAX)..];
    let names: FxHashSet<VersionId> = versions.iter().map(|version| version.version).collect();
    let version = |change: &Change| {
        let body = change.record().map_err(|_| Untaken::Body(change.version))?;
        let parents = change.base.iter().chain(&change.merged);
        Ok(Version {
            name: change.version,
            parents: parents.filter(|parent| names.contains(parent)).copied().collect(),
            clock: change.updated,
            body,
        })
    };
    let versions: Vec<Version> = versions.iter().map(version).collect::<Result<_, Untaken<T>>>()?;
    Ok(History::new(versions)?)
}

fn stored(record: &Tree) -> Option<Vec<u8>> {
    let text = record.to_bytes();
    let document = Document::parse(&text, Limits::default()).ok()?;
    Some(body::store(document.root()))
}
