//! The read caches: live records as they are answered, by kind and id; versions for pages, by place in the log.
//!
//! The first follows the log: a record written is taken out before anybody is told of the write. A reader that missed puts a
//! placeholder in *before* it asks the store; taking the record out takes the placeholder too, and then the reader's
//! value is answered but not kept. So nobody who asks after a write was acknowledged sees what was before it.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use fhir::identity::{Id, Kind, VersionId};
use quick_cache::sync::{Cache, GuardResult};
use quick_cache::{Equivalent, Weighter};
use store::{Appended, Follower};

/// One record as it is answered.
#[derive(Clone, Debug)]
pub struct Cached {
    /// The version's place in the log.
    pub seq: u64,
    /// The version.
    pub version: VersionId,
    /// When it was written, in microseconds since 1970.
    pub updated: i64,
    /// The whole record's JSON.
    pub json: Arc<[u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name(Kind, Id);

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asked(self.0.as_str(), self.1.as_str()).hash(state);
    }
}

/// A name as a path says it.
#[derive(Hash)]
struct Asked<'a>(&'a str, &'a str);

impl Equivalent<Name> for Asked<'_> {
    fn equivalent(&self, name: &Name) -> bool {
        self.0 == name.0.as_str() && self.1 == name.1.as_str()
    }
}

/// Bytes in memory: the JSON, the name, and what holding them costs.
#[derive(Clone)]
struct Bytes;

impl Weighter<Name, Cached> for Bytes {
    fn weight(&self, name: &Name, cached: &Cached) -> u64 {
        (cached.json.len() + name.0.as_str().len() + name.1.as_str().len() + 200) as u64
    }
}

/// Live records by kind and id, bounded by bytes.
pub struct ReadCache {
    cache: Cache<Name, Cached, Bytes>,
}

impl ReadCache {
    /// A cache that holds about so many bytes.
    pub fn new(bytes: u64) -> ReadCache {
        let records = usize::try_from(bytes / 2048).unwrap_or(usize::MAX).max(16);
        ReadCache {
            cache: Cache::with_weighter(records, bytes, Bytes),
        }
    }

    /// The record, where it is here.
    pub fn get(&self, kind: &str, id: &str) -> Option<Cached> {
        self.cache.get(&Asked(kind, id))
    }

    /// The record from here or from `load`, which must read the store as it is now.
    ///
    /// # Errors
    /// Those of `load`; nothing is kept then.
    pub fn get_or<E>(&self, kind: &Kind, id: &Id, load: impl FnOnce() -> Result<Cached, E>) -> Result<Cached, E> {
        match self.cache.get_value_or_guard(&Name(kind.clone(), id.clone()), None) {
            GuardResult::Value(cached) => Ok(cached),
            GuardResult::Guard(guard) => {
                let loaded = load()?;
                // Refused where the record was written meanwhile: then the value is not kept.
                let _ = guard.insert(loaded.clone());
                Ok(loaded)
            }
            GuardResult::Timeout => load(),
        }
    }
}

/// Versions by their place in the log, as they are answered. A version never changes, so nothing is ever taken out but
/// for room.
pub struct VersionCache {
    cache: Cache<u64, Arc<[u8]>, Bytes>,
}

impl Weighter<u64, Arc<[u8]>> for Bytes {
    fn weight(&self, _: &u64, json: &Arc<[u8]>) -> u64 {
        (json.len() + 100) as u64
    }
}

impl VersionCache {
    /// A cache that holds about so many bytes.
    pub fn new(bytes: u64) -> VersionCache {
        let versions = usize::try_from(bytes / 2048).unwrap_or(usize::MAX).max(16);
        VersionCache {
            cache: Cache::with_weighter(versions, bytes, Bytes),
        }
    }

    /// The version at a place in the log, where it is here.
    pub fn get(&self, place: u64) -> Option<Arc<[u8]>> {
        self.cache.get(&place)
    }

    /// Keeps a version.
    pub fn insert(&self, place: u64, json: Arc<[u8]>) {
        self.cache.insert(place, json);
    }
}

impl Follower for ReadCache {
    fn committed(&self, appended: &[Appended]) {
        for version in appended.iter().filter(|version| !version.aside) {
            self.cache.remove(&Asked(version.kind.as_str(), version.id.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(counter: u64) -> Cached {
        Cached {
            seq: counter,
            version: VersionId { node: 0, counter },
            updated: 0,
            json: Arc::from(b"{}".as_slice()),
        }
    }

    #[test]
    fn a_write_during_a_load_keeps_the_old_value_out() {
        let cache = ReadCache::new(1 << 20);
        let (kind, id) = (Kind::new("Patient").unwrap(), Id::new("1").unwrap());
        let written = Appended {
            seq: 2,
            record: 1,
            kind: kind.clone(),
            id: id.clone(),
            version: VersionId { node: 0, counter: 2 },
            updated: 0,
            arrived: 0,
            operation: store::Operation::Update,
            aside: false,
            previous: Some(1),
            attachment: None,
        };
        let loaded = cache.get_or(&kind, &id, || {
            cache.committed(std::slice::from_ref(&written));
            Ok::<_, ()>(cached(1))
        });
        assert_eq!(loaded.unwrap().version.counter, 1);
        assert!(cache.get("Patient", "1").is_none());
        let again = cache.get_or(&kind, &id, || Ok::<_, ()>(cached(2)));
        assert_eq!(again.unwrap().version.counter, 2);
        assert_eq!(cache.get("Patient", "1").unwrap().version.counter, 2);
    }
}
