//! What users were told is kept, noted at that moment and outside all simulated disks: by this a healed country is judged.
//!
//! A clinic's old backup that is put back takes with it what was written since and had reached no other site. The ledger
//! sets apart exactly those writes, at the moment of putting back; of all others nothing may be missing, by its name and to
//! the byte.

use std::collections::BTreeSet;

use fhir::identity::VersionId;
use store::Seal;

use super::World;
use super::disk::{Disk, Key};
use crate::change::Change;
use crate::compare::Comparison;

/// Who told a user that a version is kept: a clinic by its place in the country, or the centre.
pub type Site = Option<usize>;

/// One version that a user was told is kept.
struct Told {
    site: Site,
    key: Key,
    name: VersionId,
    seal: Seal,
    content: [u8; 32],
    /// It was written after the backup that was put back, and had reached no other site.
    excused: bool,
}

#[derive(Default)]
pub struct Ledger {
    told: Vec<Told>,
    /// Clinics where an old copy was put back: what is not at the centre by then goes on under another number.
    put_back: BTreeSet<usize>,
}

/// What of the ledger the centre has, when all is healed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Under the name that was told.
    pub named: usize,
    /// Under the number that a clinic got after an old copy was put back.
    pub renamed: usize,
    /// Written after a backup that was put back, reached no other site, and is nowhere.
    pub gone: usize,
}

/// A hash of what a version says, without the names of versions, which a clinic that is an old copy changes.
fn content(change: &Change) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    let head = format!(
        "{}/{} {:?} {}\n",
        change.kind, change.id, change.operation, change.updated
    );
    hash.update(head.as_bytes()).update(&change.body);
    *hash.finalize().as_bytes()
}

impl Ledger {
    /// A user is told that a version is kept.
    pub fn told(&mut self, site: Site, change: &Change) {
        self.told.push(Told {
            site,
            key: (change.kind.clone(), change.id.clone()),
            name: change.version,
            seal: change.seal(),
            content: content(change),
            excused: false,
        });
    }

    /// A clinic's machine broke, and a copy of its disk is put in its place.
    pub fn put_back(&mut self, clinic: usize, copy: &Disk, centre: &Disk) {
        self.put_back.insert(clinic);
        let own = self.told.iter_mut().filter(|told| told.site == Some(clinic));
        for told in own {
            let has = |disk: &Disk| {
                disk.versions(&told.key)
                    .any(|entry| content(&entry.change) == told.content)
            };
            told.excused |= !has(copy) && !has(centre);
        }
    }

    /// Holds the centre to what users were told.
    ///
    /// # Panics
    /// Where a version is not there: the message names the seed.
    pub fn judge(&self, centre: &Disk, seed: u64) -> Kept {
        let mut kept = Kept::default();
        for told in &self.told {
            let named = centre.find(told.name).is_some_and(|change| change.seal() == told.seal);
            let moved = told.site.is_some_and(|clinic| self.put_back.contains(&clinic));
            let same = || {
                centre
                    .versions(&told.key)
                    .any(|entry| content(&entry.change) == told.content)
            };
            match () {
                () if named => kept.named += 1,
                () if moved && same() => kept.renamed += 1,
                () if told.excused => kept.gone += 1,
                () => panic!(
                    "seed {seed}: {} of {}/{} was told as kept, and is not at the centre",
                    told.name, told.key.0, told.key.1
                ),
            }
        }
        kept
    }
}

impl World {
    /// What a clinic says of its own versions holds: those that it takes for acknowledged are on the centre's disk, and those
    /// that are not are what it shows, whatever came from elsewhere. It says that all is agreed only when all are there.
    pub(super) fn clinic_speaks_true(&self, place: usize, (before, agreed): (u64, bool)) {
        let (disk, session) = (&self.nodes[place].disk, &self.nodes[place].session);
        let node = disk.notes.number;
        let after = if session.number == node { session.acked } else { 0 };
        for counter in before.min(after) + 1..=after {
            let name = VersionId { node, counter };
            let (here, there) = (disk.find(name), self.centre.disk.find(name));
            assert!(
                here.is_some() && here == there,
                "seed {}: {name} is said to be at the centre, and is not",
                self.seed
            );
        }
        assert!(
            !agreed || after == disk.notes.counter,
            "seed {}: node {node} says that all is agreed, and has not sent all",
            self.seed
        );
        if let Comparison::Done(found) = &session.comparison {
            assert!(
                found.lacked == 0 || disk.damaged,
                "seed {}: node {node} lacked what it was sent, though its disk lost nothing: {found:?}",
                self.seed
            );
        }
        for counter in after + 1..=disk.notes.counter {
            let own = disk
                .find(VersionId { node, counter })
                .expect("a node has its own versions");
            // What the centre has may have come back joined, though the node does not know yet that it is there.
            if self.centre.disk.find(own.version) == Some(own) {
                continue;
            }
            let (_, shown) = disk
                .current(&(own.kind.clone(), own.id.clone()))
                .expect("it is of a record");
            let newer = shown.version.node == node && shown.version.counter >= counter;
            assert!(
                newer,
                "seed {}: {} at node {node} hides what was written here",
                self.seed, shown.version
            );
        }
    }
}
