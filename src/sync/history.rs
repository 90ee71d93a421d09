//! The versions of one record and who knew of whom.

use std::collections::BTreeMap;

use fhir::identity::VersionId;
use fhir::tree::Tree;

use crate::change::Change;

/// One version of a record.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its name on every node.
    pub name: VersionId,
    /// The versions it was based on: none for a record's first, one for a change, several for a join, which changes
    /// nothing by itself.
    pub parents: Vec<VersionId>,
    /// Its hybrid logical clock: it orders what is shown first, and never decides what is kept.
    pub clock: i64,
    /// The record; `None` where the version deleted it.
    pub body: Option<Tree>,
}

/// The body of this version is no stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub VersionId);

impl Version {
    /// A version as it travels and is stored.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn of(change: &Change) -> Result<Version, Unreadable> {
        Ok(Version {
            name: change.version,
            parents: change.base.into_iter().chain(change.merged).collect(),
            clock: change.updated,
            body: change.record().map_err(|_| Unreadable(change.version))?,
        })
    }

    /// Whether it only brings versions together that did not know of each other.
    pub fn is_join(&self) -> bool {
        self.parents.len() > 1
    }
}

/// Why versions are no history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// There is none.
    Empty,
    /// Two versions have the name.
    Twice(VersionId),
    /// A version is based on one that is not there.
    Missing(VersionId),
    /// Versions are based on each other.
    Circle,
    /// There are more than [`VERSIONS_MAX`].
    Long,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Invalid::Empty => write!(f, "there is no version"),
            Invalid::Twice(name) => write!(f, "two versions are named {name}"),
            Invalid::Missing(name) => write!(f, "a version is based on {name}, which is not there"),
            Invalid::Circle => write!(f, "versions are based on each other"),
            Invalid::Long => write!(f, "there are more than {VERSIONS_MAX} versions"),
        }
    }
}

/// How many versions of a record are joined at once: since the last one that everybody knew of.
pub const VERSIONS_MAX: usize = 4_096;

/// The versions of one record, those it is based on before each.
///
/// It need not begin with the record: where it does not, its first version stands for all before it.
#[derive(Debug)]
pub struct History {
    versions: Vec<Version>,
    /// For each version, whom it knew of: a bit for each version.
    past: Vec<Bits>,
}

impl History {
    /// Orders the versions; the order given does not matter.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn new(versions: impl IntoIterator<Item = Version>) -> Result<History, Invalid> {
        let mut waiting: BTreeMap<VersionId, Version> = BTreeMap::new();
        for version in versions {
            let name = version.name;
            if waiting.insert(name, version).is_some() {
                return Err(Invalid::Twice(name));
            }
        }
        if waiting.is_empty() || waiting.len() > VERSIONS_MAX {
            return Err(if waiting.is_empty() {
                Invalid::Empty
            } else {
                Invalid::Long
            });
        }
        let parents = waiting.values().flat_map(|version| &version.parents);
        if let Some(missing) = parents.into_iter().find(|parent| !waiting.contains_key(parent)) {
            return Err(Invalid::Missing(*missing));
        }
        History::ordered(waiting)
    }

    fn ordered(mut waiting: BTreeMap<VersionId, Version>) -> Result<History, Invalid> {
        let count = waiting.len();
        let mut places: BTreeMap<VersionId, usize> = BTreeMap::new();
        let mut history = History {
            versions: Vec::with_capacity(count),
            past: Vec::with_capacity(count),
        };
        while !waiting.is_empty() {
            let ready = |version: &&Version| version.parents.iter().all(|parent| places.contains_key(parent));
            let next = waiting
                .values()
                .filter(ready)
                .min_by_key(|version| (version.clock, version.name));
            let name = next.ok_or(Invalid::Circle)?.name;
            let version = waiting.remove(&name).expect("it was just seen");
            let mut past = Bits::new(count);
            for place in version.parents.iter().map(|parent| places[parent]) {
                past.unite(&history.past[place]);
                past.set(place);
            }
            places.insert(name, history.versions.len());
            history.versions.push(version);
            history.past.push(past);
        }
        Ok(history)
    }

    /// The versions, each behind those it is based on.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Whether the version at one place knew of the one at another.
    pub fn knew(&self, place: usize, of: usize) -> bool {
        self.past[place].has(of)
    }

    /// Whether neither version knew of the other.
    pub fn apart(&self, one: usize, other: usize) -> bool {
        one != other && !self.knew(one, other) && !self.knew(other, one)
    }

    /// The versions nobody knew of: more than one where sites have written apart and nothing joined them yet.
    pub fn heads(&self) -> Vec<&Version> {
        let known = |place: usize| self.past.iter().any(|past| past.has(place));
        let heads = self.versions.iter().enumerate().filter(|(place, _)| !known(*place));
        heads.map(|(_, version)| version).collect()
    }

    /// Where a version is.
    pub fn place(&self, name: VersionId) -> Option<usize> {
        self.versions.iter().position(|version| version.name == name)
    }
}

/// A set of places.
#[derive(Clone, Debug)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: usize) -> Bits {
        Bits(vec![0; count.div_ceil(64)])
    }

    fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }

    fn unite(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own |= other);
    }
}
