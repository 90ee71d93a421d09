//! A record as the set of its versions: those that sites wrote apart are read back from the log and brought together.
//!
//! See `docs/reference/merging.md` and decision 18. Not everything is read: only back to a version that all later ones
//! know of, and back to where a conflict began that is still open.

use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use rustc_hash::FxHashSet;
use store::{HistoryRange, Scope, Store, Trouble};
use sync::element::Address;
use sync::history::VERSIONS_MAX;
use sync::{Change, Conflict, History, Rules, State};

use crate::engine::Engine;
use crate::refusal::Refusal;

/// Versions read from the log at once.
const CHUNK: usize = 64;

/// What a record comes to when all that was written to it is known.
pub(crate) struct Joined {
    /// The record; `None` where it is deleted.
    pub(crate) record: Option<Tree>,
    /// What its writers disagree on and a person settles.
    pub(crate) conflicts: Vec<Conflict>,
    /// The place of the oldest version that was looked at.
    pub(crate) since: u64,
}

/// A version that came as the merging room sees it.
///
/// # Errors
/// A sentence where its body is no stored JSON.
pub(crate) fn version_of(change: &Change) -> Result<sync::Version, String> {
    Ok(sync::Version {
        name: change.version,
        parents: change.base.into_iter().chain(change.merged).collect(),
        clock: change.updated,
        body: change.record().map_err(|_| "its body is no stored JSON")?,
    })
}

/// Versions of one record, read back until the oldest stands for all before it.
struct Past {
    versions: Vec<sync::Version>,
    names: FxHashSet<VersionId>,
    /// What versions here are based on and is not here.
    wanted: FxHashSet<VersionId>,
    /// A version here is based on none.
    begun: bool,
    since: u64,
}

impl Past {
    fn add(&mut self, version: sync::Version) {
        self.wanted.remove(&version.name);
        self.begun |= version.parents.is_empty();
        let unknown = version.parents.iter().filter(|parent| !self.names.contains(parent));
        self.wanted.extend(unknown);
        self.names.insert(version.name);
        self.versions.push(version);
    }

    /// Reads back from the log. `until` is where a conflict began that is still open.
    fn read(store: &Store, (kind, id): (&Kind, &Id), came: &[sync::Version], until: u64) -> Result<Past, Trouble> {
        let mut past = Past {
            versions: Vec::new(),
            names: FxHashSet::default(),
            wanted: FxHashSet::default(),
            begun: false,
            since: u64::MAX,
        };
        came.iter().rev().for_each(|version| past.add(version.clone()));
        let scope = Scope::Record(kind.clone(), id.clone());
        let mut range = HistoryRange::newest(CHUNK);
        loop {
            let versions = store.history(&scope, &range)?;
            let Some(last) = versions.last() else { break };
            range.before = Some(last.seq);
            for version in versions {
                past.since = version.seq;
                let others_know = past.wanted.iter().all(|wanted| *wanted == version.version) && !past.begun;
                let mut read = version_of(&Change::from(version)).map_err(Trouble::new)?;
                if others_know && past.since <= until && !past.versions.is_empty() {
                    read.parents = Vec::new();
                    past.add(read);
                    return Ok(past);
                }
                past.add(read);
                if past.versions.len() > VERSIONS_MAX {
                    return Ok(past);
                }
            }
        }
        // What is not in this log at all, as after an old copy of it was put back, is known to nobody here.
        for version in &mut past.versions {
            version.parents.retain(|parent| past.names.contains(parent));
        }
        Ok(past)
    }
}

impl Engine {
    /// What a record comes to with versions that came and are not in the log yet. `until` is the place in the log from
    /// which a conflict is known that is still open, else the log's end; `current` names the record's current version, and
    /// `apart` are those that did not know of it.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn joined(
        &self,
        (kind, id): (&Kind, &Id),
        came: &[sync::Version],
        until: u64,
        (current, apart): (VersionId, &[VersionId]),
    ) -> Result<Joined, Refusal> {
        let past = Past::read(&self.store, (kind, id), came, until)?;
        let since = past.since;
        let shown = past.versions.iter().find(|version| version.name == current);
        let shown = shown.and_then(|version| version.body.clone());
        let state = match History::new(past.versions) {
            Ok(history) => sync::state(&history, &self.definitions, Rules::national()),
            // There is too much to look at: the current version goes on, and a person looks at the others.
            Err(_) => unjoined(shown, current, apart),
        };
        Ok(Joined {
            record: state.record,
            conflicts: state.conflicts.into_iter().filter(|conflict| conflict.review).collect(),
            since,
        })
    }
}

fn unjoined(shown: Option<Tree>, current: VersionId, apart: &[VersionId]) -> State {
    let all = std::iter::once(current).chain(apart.iter().copied());
    State {
        record: shown,
        conflicts: vec![Conflict {
            address: Address::default(),
            said: all.map(|name| (name, Some(String::new()))).collect(),
            review: true,
        }],
    }
}
