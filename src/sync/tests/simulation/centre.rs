//! The centre of the simulation: takes what nodes send, joins it, and sends what their horizons hold.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use fhir::identity::{Id, Kind, VersionId};
use query::sample::Random;

use super::disk::{Broken, Disk, Entry, Faults, Key, begin, seal};
use super::mutants::Mutant;
use super::people::{area, lane, person, stored_tree};
use crate::change::Change;
use crate::digest::{self, Item, Table};
use crate::frame::{Hello, LANES, Lanes, Place, Seal, What};
use crate::history::Unreadable;
use crate::question::Found;
use crate::rules::Rules;
use crate::segment;
use crate::session::{CentreLog, Failed, Holding, Packed, Peer, Placed};
use crate::taking::{Acknowledged, Joined, NotNext, Plan, Records, Step};
use crate::tests::DEFINITIONS;

/// Records in one segment of states.
const SEGMENT: usize = 6;
/// Versions in one unit at most.
const UNIT_MAX: usize = 4;

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
    /// How its program is broken, where that is to be found out.
    pub mutant: Option<Mutant>,
}

/// The centre's own number.
pub const NUMBER: u32 = 0;

/// Versions of a record read at once.
const READ_AT_ONCE: usize = 2;

impl Records for Disk {
    type Trouble = Unreadable;

    fn current(&self, key: &Key) -> Result<Option<(VersionId, bool)>, Unreadable> {
        let current = Disk::current(self, key);
        Ok(current.map(|(_, change)| (change.version, change.operation.is_live())))
    }

    fn before(&self, key: &Key, place: Option<u64>) -> Result<Vec<(u64, Change)>, Unreadable> {
        let places = self.places(key).iter().rev().map(|at| (*at, *at as u64 + 1));
        let before = places.filter(|(_, seq)| place.is_none_or(|place| *seq < place));
        Ok(before
            .take(READ_AT_ONCE)
            .map(|(at, seq)| (seq, self.log()[at].change.clone()))
            .collect())
    }

    fn open_since(&self, key: &Key) -> Result<Option<u64>, Unreadable> {
        Ok(self.notes.worklist.get(key).map(|(since, _)| *since))
    }

    fn once_open(&self, key: &Key) -> Result<Option<Range<u64>>, Unreadable> {
        Ok(self.notes.once_open.get(key).cloned())
    }

    fn head(&self) -> u64 {
        self.log().len() as u64
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
            mutant: None,
        }
    }

    /// Whether its program is broken so.
    fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
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
            let person = person(key);
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
            Err(_) if self.disk.log().len() > from => self.follow(from),
            // What was not kept has not moved anybody.
            Err(_) => {
                self.moved.clear();
                self.follow(0);
            }
        }
        done
    }

    /// Takes what one unit holds: the versions, what they come to, and how far the node's are here.
    fn taken(&mut self, node: u32, changes: &[Change]) -> Result<(), Failed> {
        let from = self.disk.log().len();
        if self.breaks(Mutant::SegmentDropped)
            && let Some(last) = changes.last()
        {
            self.disk.notes.peers.insert(node, Acknowledged::to(last));
            return self.commit(from).map_err(|broken| Failed(format!("{broken:?}")));
        }
        let mut plan = Plan::default();
        let planned: Vec<Step> = changes
            .iter()
            .map(|change| plan.take(&self.disk, change).expect("a record"))
            .collect();
        let joined = self.joined(&plan);
        for (change, step) in changes.iter().zip(planned) {
            let key = (change.kind.clone(), change.id.clone());
            let current = self.disk.current(&key).map(|(_, change)| change.version);
            assert_eq!(current, step.before, "the plan is of this log");
            self.disk.append(change.clone(), step.aside);
            self.seen(node, person(&key));
        }
        self.write_joined(&plan, joined, Some(node));
        let last = changes.last().map(Acknowledged::to).unwrap_or_default();
        self.disk.notes.peers.insert(node, last);
        let done = self.commit(from).map_err(|broken| Failed(format!("{broken:?}")));
        if self.breaks(Mutant::AcknowledgedBeforeKept) {
            self.disk.note_unsynced(|notes| _ = notes.peers.insert(node, last));
        }
        done
    }

    /// What the records of a plan come to, before anything of it is written.
    fn joined(&self, plan: &Plan<'_>) -> Vec<(Key, Joined)> {
        let names = plan.names().iter();
        let joined = |key: &Key| {
            let joined = plan.joined(&self.disk, key, (&DEFINITIONS, Rules::national()));
            Some((key.clone(), joined.expect("records can be read")?))
        };
        names.filter_map(joined).collect()
    }

    /// Writes a join for each version that is apart, and keeps the worklist.
    fn write_joined(&mut self, plan: &Plan<'_>, joined: Vec<(Key, Joined)>, node: Option<u32>) {
        for (key, joined) in joined {
            let standing = plan.standing(&key).expect("it is in the plan");
            for apart in standing.apart() {
                let (_, current) = self.disk.current(&key).expect("what is apart has a current version");
                let join = Change {
                    kind: key.0.clone(),
                    id: key.1.clone(),
                    version: current.version,
                    base: Some(current.version),
                    merged: Some(*apart),
                    updated: 0,
                    operation: standing.operation(joined.record.as_ref()),
                    body: match self.breaks(Mutant::LastWriterWins) {
                        true => current.body.clone(),
                        false => stored_tree(joined.record.as_ref()),
                    },
                };
                let of = person(&key);
                self.write(join);
                node.into_iter().for_each(|node| self.seen(node, of.clone()));
            }
            if let Some(places) = joined.once_open {
                self.disk.notes.once_open.insert(key.clone(), places);
            }
            let forgotten = self.breaks(Mutant::ConflictForgotten) && key.0.as_str() == "Patient";
            match joined.conflicts.is_empty() || forgotten {
                true => self.disk.notes.worklist.remove(&key),
                false => self.disk.notes.worklist.insert(key, (joined.since, joined.conflicts)),
            };
        }
    }

    /// Brings the worklist to what is open now: who settles a conflict writes an ordinary version.
    pub fn settle(&mut self) -> Result<(), Broken> {
        let from = self.disk.log().len();
        let mut plan = Plan::default();
        for key in self.disk.notes.worklist.keys() {
            plan.meet(&self.disk, key).expect("records can be read");
        }
        let joined = self.joined(&plan);
        self.write_joined(&plan, joined, None);
        self.commit(from)
    }

    /// Up to which of a node's versions they are here.
    pub fn acknowledged(&self, node: u32) -> Acknowledged {
        self.disk.notes.peers.get(&node).copied().unwrap_or_default()
    }

    /// A person of whom a node wrote is in its horizon from then on.
    fn seen(&mut self, node: u32, person: Id) {
        let place = self.disk.log().len() as u64;
        let key = (Kind::new("Patient").expect("a kind"), person);
        self.disk.notes.seen.entry((node, key)).or_insert(place);
    }
}

impl CentreLog for Centre {
    fn peer(&self, node: u32) -> Result<Option<Peer>, Failed> {
        Ok(self.areas.contains_key(&node).then(|| {
            let here = self.acknowledged(node);
            Peer {
                acked: here.counter,
                seal: match self.breaks(Mutant::OldCopyNotSeen) {
                    true => Seal::default(),
                    false => begin(here.seal),
                },
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

    fn take(&mut self, node: u32, what: What, bytes: &[u8]) -> Result<Placed, Failed> {
        let changes = segment::unpack(bytes).map_err(|why| Failed(why.to_string()))?;
        if what == What::Again {
            let here = |change: &Change| self.disk.find(change.version).is_some();
            assert!(changes.iter().all(here), "the centre has all that a node has of before");
            return Ok(Placed::InPlace);
        }
        // Each unit is durable before the next is looked at.
        for unit in changes.chunks(1 + self.random.below(UNIT_MAX)) {
            match self.acknowledged(node).fresh(node, unit) {
                Ok([]) => {}
                Ok(fresh) => self.taken(node, fresh)?,
                Err(NotNext::Gap { .. } | NotNext::Other(_)) => return Ok(Placed::OutOfPlace),
                Err(NotNext::OutOfOrder(..)) => panic!("a node's versions come without a gap"),
            }
        }
        Ok(Placed::InPlace)
    }

    fn outgoing(&mut self, node: u32) -> &mut Option<Packed> {
        self.outgoing.entry(node).or_default()
    }

    fn pack(&mut self, hello: &Hello, lanes: &Lanes, dictionary: u8) -> Result<Option<Packed>, Failed> {
        self.heard.insert(hello.node, true);
        let acked = self.acknowledged(hello.node).counter;
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
                let skipped = usize::from(self.breaks(Mutant::RecordSkipped) && wanted.len() > 1);
                let states: Vec<Change> = wanted.iter().skip(skipped).map(|due| due.2.clone()).collect();
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
        let acked = self.acknowledged(hello.node).counter;
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
