//! The centre of the simulation: takes what nodes send, joins it, and sends what their horizons hold.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use fhir::identity::{Id, Kind, VersionId};
use query::sample::Random;

use super::disk::{Broken, Disk, Entry, Faults, Key, seal};
use super::people::{area, lane, person};
use super::taking::{Append, Records, open, plan};
use crate::change::Change;
use crate::digest::{self, Item, Table};
use crate::frame::{Hello, LANES, Lanes, Place, Seal, What};
use crate::question::Found;
use crate::rules::Rules;
use crate::segment;
use crate::session::{CentreLog, Failed, Holding, Packed, Peer};
use crate::tests::DEFINITIONS;

/// Records in one segment of states.
const SEGMENT: usize = 6;

pub struct Centre {
    pub disk: Disk,
    pub random: Random,
    pub faults: Faults,
    pub now: i64,
    /// Set where the power failed: the line breaks off, and what was in memory is gone.
    pub crashed: bool,
    /// Which areas a node serves, and from which place of the log on.
    pub areas: BTreeMap<u32, BTreeMap<u64, u64>>,
    /// Whether its program is newer than the clinics'.
    pub newer: bool,
    holding: BTreeMap<u32, Option<Holding>>,
    outgoing: BTreeMap<u32, Option<Packed>>,
    heard: BTreeMap<u32, bool>,
    /// How often comparisons ended, and how many records came again.
    pub compared: (usize, usize),
    /// Where a person came to the area where she is now.
    moved: BTreeMap<Id, (u64, u64)>,
}

/// The centre's own number.
pub const NUMBER: u32 = 0;

impl Records for Disk {
    type Trouble = Infallible;

    fn current(&self, kind: &Kind, id: &Id) -> Result<Option<VersionId>, Infallible> {
        let current = Disk::current(self, &(kind.clone(), id.clone()));
        Ok(current.map(|(_, change)| change.version))
    }

    fn versions(&self, kind: &Kind, id: &Id) -> Result<Vec<Change>, Infallible> {
        let key = (kind.clone(), id.clone());
        let entries = Disk::versions(self, &key);
        Ok(entries.map(|entry| entry.change.clone()).collect())
    }
}

impl Centre {
    pub fn new(seed: u64) -> Centre {
        Centre {
            disk: Disk::new(NUMBER),
            random: Random::new(seed),
            faults: Faults::default(),
            now: 0,
            crashed: false,
            areas: BTreeMap::new(),
            newer: false,
            holding: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            heard: BTreeMap::new(),
            compared: (0, 0),
            moved: BTreeMap::new(),
        }
    }

    /// What is in memory is gone.
    pub fn restart(&mut self) {
        self.crashed = false;
        self.disk.recover();
        self.holding.clear();
        self.outgoing.clear();
    }

    /// Whether a person is in a node's horizon, and since which place of the log.
    fn since(&self, node: u32, person: &Id) -> Option<u64> {
        let key = (Kind::new("Patient").expect("a kind"), person.clone());
        let lives = self.moved.get(person).and_then(|(area, moved)| {
            let added = self.areas.get(&node)?.get(area)?;
            Some((*added).max(*moved))
        });
        let seen = self.disk.notes.seen.get(&(node, key)).copied();
        [lives, seen].into_iter().flatten().min()
    }

    /// Where each record of a node's horizon stands in the order of what it is sent.
    pub fn horizon(&self, node: u32) -> impl Iterator<Item = (Place, &Key, &Change)> {
        let mut people: BTreeMap<Id, Option<u64>> = BTreeMap::new();
        self.disk.all().filter_map(move |(key, seq, current)| {
            let person = person(key, current);
            let known = people.get(&person).copied();
            let since = known.unwrap_or_else(|| {
                let since = self.since(node, &person);
                people.insert(person, since);
                since
            });
            Some((Place::of(seq, since?), key, current))
        })
    }

    fn follow(&mut self, from: usize) {
        for (place, Entry { change, aside }) in self.disk.log().iter().enumerate().skip(from) {
            if change.kind.as_str() == "Patient" && !aside && change.operation.is_live() {
                let area = area(change);
                let entry = self.moved.entry(change.id.clone()).or_insert((u64::MAX, 0));
                if entry.0 != area {
                    *entry = (area, place as u64 + 1);
                }
            }
        }
    }

    /// Appends a version of the centre's own; the transaction stays open.
    pub fn write(&mut self, mut change: Change) -> VersionId {
        let notes = &mut self.disk.notes;
        notes.counter += 1;
        notes.clock = self.now.max(notes.clock + 1);
        change.version = VersionId {
            node: NUMBER,
            counter: notes.counter,
        };
        change.updated = notes.clock;
        let name = change.version;
        self.disk.append(change, false);
        name
    }

    /// Ends a transaction.
    pub fn commit(&mut self, from: usize) -> Result<(), Broken> {
        let done = self.disk.commit(&mut self.random, self.faults);
        self.crashed |= done == Err(Broken::Crash);
        match done {
            Ok(()) => self.follow(from),
            // What was not kept has not moved anybody.
            Err(_) => {
                self.moved.clear();
                self.follow(0);
            }
        }
        done
    }

    fn taken(&mut self, node: u32, mut changes: &[Change]) -> Result<(), Failed> {
        let from = self.disk.log().len();
        let last = changes.last().map(|last| (last.version.counter, seal(Some(last))));
        while !changes.is_empty() {
            let planned = plan(changes, &self.disk, &DEFINITIONS, Rules::national());
            let (appends, count) = planned.map_err(|why| Failed(format!("{why:?}")))?;
            assert!(count > 0, "a plan takes something");
            appends.into_iter().for_each(|append| self.append(node, append));
            changes = &changes[count..];
        }
        if let Some(last) = last {
            self.disk.notes.peers.insert(node, last);
        }
        self.commit(from).map_err(|broken| Failed(format!("{broken:?}")))
    }

    fn append(&mut self, node: u32, append: Append) {
        let (key, change) = match append {
            Append::Taken {
                change,
                expected,
                aside,
            } => {
                let key = (change.kind.clone(), change.id.clone());
                let current = self.disk.current(&key).map(|(_, change)| change.version);
                assert_eq!(current, expected, "the plan is of this log");
                self.disk.append(change.clone(), aside);
                (key, change)
            }
            Append::Join(join) => {
                let key = (join.kind.clone(), join.id.clone());
                let change = Change {
                    kind: join.kind,
                    id: join.id,
                    version: join.base,
                    base: Some(join.base),
                    merged: Some(join.merged),
                    updated: 0,
                    operation: join.operation,
                    body: join.body,
                };
                self.write(change.clone());
                (key, change)
            }
        };
        self.seen(node, person(&key, &change));
        self.judge(&key);
    }

    /// A person of whom a node wrote is in its horizon from then on.
    fn seen(&mut self, node: u32, person: Id) {
        let place = self.disk.log().len() as u64;
        let key = (Kind::new("Patient").expect("a kind"), person);
        self.disk.notes.seen.entry((node, key)).or_insert(place);
    }

    /// Keeps the worklist: what a record's versions disagree on, as they are now.
    pub fn judge(&mut self, key: &Key) {
        let versions: Vec<Change> = self.disk.versions(key).map(|entry| entry.change.clone()).collect();
        let conflicts = open::<Infallible>(&versions, &DEFINITIONS, Rules::national()).expect("a history");
        match conflicts.is_empty() {
            true => self.disk.notes.worklist.remove(key),
            false => self.disk.notes.worklist.insert(key.clone(), conflicts),
        };
    }
}

impl CentreLog for Centre {
    fn peer(&self, node: u32) -> Result<Option<Peer>, Failed> {
        Ok(self.areas.contains_key(&node).then(|| {
            let (acked, seal) = self.disk.notes.peers.get(&node).copied().unwrap_or_default();
            Peer {
                acked,
                seal,
                retired: false,
            }
        }))
    }

    fn head(&self) -> u64 {
        self.disk.log().len() as u64
    }

    fn holding(&mut self, node: u32) -> &mut Option<Holding> {
        self.holding.entry(node).or_default()
    }

    fn take(&mut self, node: u32, what: What, bytes: &[u8]) -> Result<(), Failed> {
        let changes = segment::unpack(bytes).map_err(|why| Failed(why.to_string()))?;
        if what == What::Again {
            let here = |change: &Change| self.disk.find(change.version).is_some();
            assert!(changes.iter().all(here), "the centre has all that a node has of before");
            return Ok(());
        }
        let (acked, last) = self.disk.notes.peers.get(&node).copied().unwrap_or_default();
        let first = changes.first().map_or(0, |first| first.version.counter);
        for (change, counter) in changes.iter().zip(first..) {
            assert_eq!(
                change.version,
                VersionId { node, counter },
                "a node's versions come without a gap"
            );
        }
        let known = changes.iter().find(|change| change.version.counter == acked);
        if first > acked + 1 || known.is_some_and(|known| seal(Some(known)) != last) {
            return Ok(());
        }
        let new = changes.partition_point(|change| change.version.counter <= acked);
        self.taken(node, &changes[new..])
    }

    fn outgoing(&mut self, node: u32) -> &mut Option<Packed> {
        self.outgoing.entry(node).or_default()
    }

    fn pack(&mut self, hello: &Hello, lanes: &Lanes, dictionary: u8) -> Result<Option<Packed>, Failed> {
        self.heard.insert(hello.node, true);
        let acked = self.disk.notes.peers.get(&hello.node).map_or(0, |peer| peer.0);
        let mut wanted: [Vec<(Place, &Key, &Change)>; LANES] = Default::default();
        for due in self.horizon(hello.node) {
            let number = usize::from(lane(due.1));
            if due.0 > lanes[number] && due.2.version.node != hello.node {
                wanted[number].push(due);
            }
        }
        for (lane, mut wanted) in (0..).zip(wanted) {
            wanted.sort_by_key(|due| (due.0, due.1));
            wanted.truncate(SEGMENT);
            if let Some((upto, ..)) = wanted.last() {
                let upto = *upto;
                let states: Vec<Change> = wanted.iter().map(|due| due.2.clone()).collect();
                let bytes = segment::pack(&states, dictionary).expect("states can be packed");
                return Ok(Some(Packed::new(What::States { lane, upto, acked }, bytes)));
            }
        }
        Ok(None)
    }

    fn seals(&self, node: u32, after: u64) -> Result<Vec<Seal>, Failed> {
        let changes = self.disk.log().iter().map(|entry| &entry.change);
        let own = changes.filter(|change| change.version.node == node && change.version.counter > after);
        Ok(own.map(|change| seal(Some(change))).collect())
    }

    fn successor(&mut self, node: u32) -> Result<u32, Failed> {
        let given = self.disk.notes.successors.get(&node).copied();
        if let Some(given) = given.filter(|given| !self.heard.contains_key(given)) {
            return Ok(given);
        }
        let number = self.areas.keys().next_back().map_or(1, |last| last + 1);
        let areas = self.areas[&node].clone();
        self.areas.insert(number, areas);
        let seen = self.disk.notes.seen.clone();
        let own = seen.into_iter().filter(|((of, _), _)| *of == node);
        let inherited = own.map(|((_, key), place)| ((number, key), place));
        self.disk.notes.seen.extend(inherited);
        self.disk.notes.successors.insert(node, number);
        let from = self.disk.log().len();
        self.commit(from).map_err(|broken| Failed(format!("{broken:?}")))?;
        Ok(number)
    }

    fn table(&mut self, hello: &Hello) -> Result<Arc<Table>, Failed> {
        let items = self.horizon(hello.node).map(|(_, key, change)| Item {
            key: digest::key(&key.0, &key.1),
            seal: seal(Some(change)),
        });
        Ok(Arc::new(Table::new(items.collect())))
    }

    fn pack_records(&mut self, hello: &Hello, keys: &[u64], dictionary: u8) -> Result<Option<Packed>, Failed> {
        let acked = self.disk.notes.peers.get(&hello.node).map_or(0, |peer| peer.0);
        let all = self.disk.all();
        let wanted = all.filter(|(key, ..)| keys.contains(&digest::key(&key.0, &key.1)));
        let states: Vec<Change> = wanted.map(|(_, _, change)| change.clone()).collect();
        let bytes = segment::pack(&states, dictionary).expect("states can be packed");
        Ok(Some(Packed::new(What::Repair { acked }, bytes)))
    }

    fn compared(&mut self, _: u32, found: Found) -> Result<(), Failed> {
        self.compared.0 += 1;
        self.compared.1 += found.lacked as usize;
        Ok(())
    }

    fn records_max(&self) -> usize {
        2
    }
}
