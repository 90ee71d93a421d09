//! A site's disk: transactions that are durable when they are synced, and what a crash, a full disk or a copy make of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fhir::identity::{Id, Kind, VersionId};
use query::sample::Random;
use rustc_hash::FxHashMap;

use crate::catchment::Catchment;
use crate::change::Change;
use crate::frame::{Lanes, Seal};
use crate::merge::Conflict;
use crate::taking::Acknowledged;

/// A record by its kind and id.
pub type Key = (Kind, Id);

/// One version in a site's log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub change: Change,
    pub aside: bool,
    /// When it was written here.
    pub arrived: i64,
}

/// What a site notes in the same transactions.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    pub number: u32,
    pub counter: u64,
    pub clock: i64,
    pub lanes: Lanes,
    pub acked: u64,
    /// Versions that the disk has changed: what is read does not fit their hash, and nobody writes on from it.
    pub spoiled: BTreeSet<VersionId>,
    /// At the centre: up to which of a node's versions it has them.
    pub peers: BTreeMap<u32, Acknowledged>,
    pub successors: BTreeMap<u32, u32>,
    /// At the centre: what is in a node's horizon.
    pub catchments: BTreeMap<u32, Catchment>,
    /// At the centre: what a person has to settle, and from which place of the log on that is known.
    pub worklist: BTreeMap<Key, (u64, Vec<Conflict>)>,
    /// At the centre: between which places of the log something was on the worklist that is settled.
    pub once_open: BTreeMap<Key, Range<u64>>,
}

/// Why a transaction did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The site went down; whether the transaction is durable is known when it is up again.
    Crash,
    /// No room: nothing was written.
    Full,
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Kept,
    /// No room.
    Full,
    /// The power fails before it is synced: whatever part of it reached the disk is torn, and taken back.
    Torn,
    /// The power fails after it is synced, before anybody is told.
    Untold,
}

/// How often things break, in ten thousand transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub crash: usize,
    pub full: usize,
}

impl Faults {
    fn fate(self, random: &mut Random) -> Fate {
        let fate = random.below(10_000);
        if fate < self.full {
            Fate::Full
        } else if fate >= self.full + self.crash {
            Fate::Kept
        } else if random.once_in(2) {
            Fate::Torn
        } else {
            Fate::Untold
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    log: Vec<Entry>,
    pub notes: Notes,
    synced: usize,
    synced_notes: Notes,
    current: BTreeMap<Key, usize>,
    /// Where all versions of each record are, and each version by its name.
    places: BTreeMap<Key, Vec<usize>>,
    names: FxHashMap<VersionId, usize>,
    /// Whether it ever lost or changed anything without a word.
    pub damaged: bool,
    /// Transactions so far, and the one at which the power fails or the disk is full.
    pub commits: usize,
    pub break_at: Option<(usize, Fate)>,
    /// The log as it was synced, while versions are being named anew.
    before: Option<Vec<Entry>>,
}

impl Disk {
    pub fn new(number: u32) -> Disk {
        let notes = Notes {
            number,
            ..Notes::default()
        };
        Disk {
            synced_notes: notes.clone(),
            notes,
            ..Disk::default()
        }
    }

    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// A record's current version and its place, from 1.
    pub fn current(&self, key: &Key) -> Option<(u64, &Change)> {
        let place = *self.current.get(key)?;
        Some((place as u64 + 1, &self.log[place].change))
    }

    /// Whether a record can be read.
    pub fn is_readable(&self, key: &Key) -> bool {
        self.current(key)
            .is_none_or(|(_, change)| !self.notes.spoiled.contains(&change.version))
    }

    /// All records: the current version of each and its place, from 1.
    pub fn all(&self) -> impl Iterator<Item = (&Key, u64, &Change)> {
        let current = self.current.iter();
        current.map(|(key, place)| (key, *place as u64 + 1, &self.log[*place].change))
    }

    /// Where a record's versions are, from 0, the newest last.
    pub fn places(&self, key: &Key) -> &[usize] {
        self.places.get(key).map_or(&[], Vec::as_slice)
    }

    pub fn versions(&self, key: &Key) -> impl DoubleEndedIterator<Item = &Entry> {
        self.places(key).iter().map(|place| &self.log[*place])
    }

    pub fn find(&self, name: VersionId) -> Option<&Change> {
        self.names.get(&name).map(|place| &self.log[*place].change)
    }

    /// Appends within the transaction.
    pub fn append(&mut self, change: Change, aside: bool, arrived: i64) {
        self.log.push(Entry { change, aside, arrived });
        self.note(self.log.len() - 1);
    }

    fn note(&mut self, place: usize) {
        let Entry { change, aside, .. } = &self.log[place];
        let key = (change.kind.clone(), change.id.clone());
        self.names.insert(change.version, place);
        self.places.entry(key.clone()).or_default().push(place);
        if !aside {
            self.current.insert(key, place);
        }
    }

    /// Puts a version in the place of the one of its name, or behind all others, within the transaction.
    pub fn mend(&mut self, change: Change) {
        let Some(place) = self.names.get(&change.version).copied() else {
            return self.append(change, false, 0);
        };
        self.before.get_or_insert_with(|| self.log.clone());
        self.notes.spoiled.remove(&change.version);
        self.current.insert((change.kind.clone(), change.id.clone()), place);
        self.log[place].change = change;
    }

    /// Without a word, the disk loses all versions of a record, or has another body in its current one.
    pub fn damage(&mut self, key: &Key, body: Option<Vec<u8>>) {
        match (body, self.current.get(key).copied()) {
            (Some(body), Some(place)) => {
                let spoiled = self.log[place].change.version;
                self.note_unsynced(|notes| _ = notes.spoiled.insert(spoiled));
                self.log[place].change.body = body;
            }
            _ => self
                .log
                .retain(|entry| (&entry.change.kind, &entry.change.id) != (&key.0, &key.1)),
        }
        self.damaged = true;
        self.synced = self.log.len();
        self.index();
    }

    /// Ends the transaction: syncs it, unless the disk is full or the power fails before or after.
    pub fn commit(&mut self, random: &mut Random, faults: Faults) -> Result<(), Broken> {
        self.commits += 1;
        let fate = match self.break_at {
            Some((at, fate)) if at == self.commits => fate,
            _ => faults.fate(random),
        };
        match fate {
            Fate::Full => {
                self.recover();
                return Err(Broken::Full);
            }
            Fate::Torn => {
                self.recover();
                return Err(Broken::Crash);
            }
            Fate::Kept | Fate::Untold => {}
        }
        self.synced = self.log.len();
        self.before = None;
        self.synced_notes = self.notes.clone();
        match fate {
            Fate::Untold => Err(Broken::Crash),
            _ => Ok(()),
        }
    }

    /// What a site finds when it is up again: what was synced.
    pub fn recover(&mut self) {
        self.notes = self.synced_notes.clone();
        let renamed = self.before.take();
        if renamed.is_none() && self.log.len() == self.synced {
            return;
        }
        self.log = renamed.unwrap_or_else(|| std::mem::take(&mut self.log));
        self.log.truncate(self.synced);
        self.index();
    }

    /// Writes notes without a transaction, as a broken program would.
    pub fn note_unsynced(&mut self, note: impl Fn(&mut Notes)) {
        note(&mut self.notes);
        note(&mut self.synced_notes);
    }

    /// Names the site's own versions after a count anew.
    pub fn renumber(&mut self, after: u64, number: u32) {
        self.before = Some(self.log.clone());
        let old = self.notes.number;
        let anew = |name: VersionId| match name.node == old && name.counter > after {
            true => VersionId {
                node: number,
                counter: name.counter - after,
            },
            false => name,
        };
        for entry in &mut self.log {
            entry.change.version = anew(entry.change.version);
            entry.change.base = entry.change.base.map(anew);
            entry.change.merged = entry.change.merged.map(anew);
        }
        self.notes.number = number;
        self.notes.counter -= after;
        self.notes.acked = 0;
        self.index();
    }

    fn index(&mut self) {
        self.current.clear();
        self.places.clear();
        self.names.clear();
        (0..self.log.len()).for_each(|place| self.note(place));
    }
}

/// The beginning of a version's seal; zeros where there is none.
pub fn seal(change: Option<&Change>) -> Seal {
    begin(change.map(Change::seal).unwrap_or_default())
}

/// The beginning of a seal, as frames have it.
pub fn begin(seal: store::Seal) -> Seal {
    *seal.first_chunk().expect("16 bytes begin with 8")
}
