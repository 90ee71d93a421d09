//! A record's versions, read back from a log as far as they are needed to bring together what was written apart.
//!
//! See `docs/reference/merging.md` and decision 18. Not everything is read: only back to a version that all later ones
//! know of, and back to before a conflict began that was open there.

use fhir::identity::VersionId;
use rustc_hash::FxHashSet;

use crate::history::{VERSIONS_MAX, Version};
use crate::taking::{Name, Records};

/// Versions of one record, read back until the oldest stands for all before it.
#[derive(Default)]
pub(crate) struct Past {
    versions: Vec<Version>,
    names: FxHashSet<VersionId>,
    /// What versions here are based on and is not here.
    wanted: FxHashSet<VersionId>,
    /// A version here is based on none.
    begun: bool,
    /// The place of the oldest that was read.
    since: Option<u64>,
}

impl Past {
    /// The place of the oldest version that was read, the log's end where none was, and the versions.
    pub(crate) fn into_versions(self) -> (u64, Vec<Version>) {
        (self.since.unwrap_or(u64::MAX), self.versions)
    }

    fn add(&mut self, version: Version) {
        self.wanted.remove(&version.name);
        self.begun |= version.parents.is_empty();
        let unknown = version.parents.iter().filter(|parent| !self.names.contains(parent));
        self.wanted.extend(unknown);
        self.names.insert(version.name);
        self.versions.push(version);
    }

    /// Reads back what was before versions that came. A version at a place may stand for all before it only where that is said.
    pub(crate) fn read<R: Records>(
        records: &R,
        name: &Name,
        came: &[Version],
        may_stand: impl Fn(u64) -> bool,
    ) -> Result<Past, R::Trouble> {
        let mut past = Past::default();
        came.iter().rev().for_each(|version| past.add(version.clone()));
        loop {
            let versions = records.before(name, past.since)?;
            if versions.is_empty() {
                break;
            }
            for (place, change) in versions {
                past.since = Some(place);
                let mut version = Version::of(&change)?;
                let others_know = past.wanted.iter().all(|wanted| *wanted == version.name) && !past.begun;
                if others_know && may_stand(place) && !past.versions.is_empty() {
                    version.parents = Vec::new();
                    past.add(version);
                    return Ok(past);
                }
                past.add(version);
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
