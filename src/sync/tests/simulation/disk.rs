//! A site's disk: transactions that are durable when they are synced, and what a crash, a full disk or a copy make of them.

use std::collections::BTreeMap;
use std::ops::Range;

use fhir::identity::{Id, Kind, VersionId};
use query::sample::Random;

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
}

/// What a site notes in the same transactions.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    pub number: u32,
    pub counter: u64,
    pub clock: i64,
    pub lanes: Lanes,
    pub acked: u64,
    /// At the centre: up to which of a node's versions it has them.
    pub peers: BTreeMap<u32, Acknowledged>,
    pub successors: BTreeMap<u32, u32>,
    /// At the centre: where in the log a record came into a node's horizon because the node wrote of it.
    pub seen: BTreeMap<(u32, Key), u64>,
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

/// How often things break, in ten thousand transactions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub crash: usize,
    pub full: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Disk {
    log: Vec<Entry>,
    pub notes: Notes,
    synced: usize,
    synced_notes: Notes,
    current: BTreeMap<Key, usize>,
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

    /// All records: the current version of each and its place, from 1.
    pub fn all(&self) -> impl Iterator<Item = (&Key, u64, &Change)> {
        let current = self.current.iter();
        current.map(|(key, place)| (key, *place as u64 + 1, &self.log[*place].change))
    }

    pub fn versions(&self, key: &Key) -> impl Iterator<Item = &Entry> {
        let of = move |entry: &&Entry| (&entry.change.kind, &entry.change.id) == (&key.0, &key.1);
        self.log.iter().filter(of)
    }

    pub fn find(&self, name: VersionId) -> Option<&Change> {
        let mut changes = self.log.iter().map(|entry| &entry.change);
        changes.find(|change| change.version == name)
    }

    /// Appends within the transaction.
    pub fn append(&mut self, change: Change, aside: bool) {
        if !aside {
            self.current
                .insert((change.kind.clone(), change.id.clone()), self.log.len());
        }
        self.log.push(Entry { change, aside });
    }

    /// Puts a version in the place of the one of its name, or behind all others, within the transaction.
    pub fn mend(&mut self, change: Change) {
        let named = |entry: &Entry| entry.change.version == change.version;
        let Some(place) = self.log.iter().position(named) else {
            return self.append(change, false);
        };
        self.before.get_or_insert_with(|| self.log.clone());
        self.current.insert((change.kind.clone(), change.id.clone()), place);
        self.log[place].change = change;
    }

    /// Without a word, the disk loses all versions of a record, or has another body in its current one.
    pub fn damage(&mut self, key: &Key, body: Option<Vec<u8>>) {
        match (body, self.current.get(key).copied()) {
            (Some(body), Some(place)) => self.log[place].change.body = body,
            _ => self
                .log
                .retain(|entry| (&entry.change.kind, &entry.change.id) != (&key.0, &key.1)),
        }
        self.synced = self.log.len();
        self.index();
    }

    /// Ends the transaction: syncs it, unless the disk is full or the power fails before or after.
    pub fn commit(&mut self, random: &mut Random, faults: Faults) -> Result<(), Broken> {
        let fate = random.below(10_000);
        if fate < faults.full {
            self.recover();
            return Err(Broken::Full);
        }
        let crashes = fate < faults.full + faults.crash;
        // Whatever part of it reached the disk without a sync is torn, and taken back when the site is up again.
        if crashes && random.once_in(2) {
            self.recover();
            return Err(Broken::Crash);
        }
        self.synced = self.log.len();
        self.before = None;
        self.synced_notes = self.notes.clone();
        match crashes {
            true => Err(Broken::Crash),
            false => Ok(()),
        }
    }

    /// What a site finds when it is up again: what was synced.
    pub fn recover(&mut self) {
        if let Some(before) = self.before.take() {
            self.log = before;
        }
        self.log.truncate(self.synced);
        self.notes = self.synced_notes.clone();
        self.index();
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
    }

    fn index(&mut self) {
        let current = self.log.iter().enumerate().filter(|(_, entry)| !entry.aside);
        let key = |change: &Change| (change.kind.clone(), change.id.clone());
        self.current = current.map(|(place, entry)| (key(&entry.change), place)).collect();
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
