//! The centre of the simulation: takes what nodes send, joins it, and sends what their horizons hold.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use fhir::identity::{Id, VersionId};
use query::sample::Random;
use store::Operation;

use super::disk::{Broken, Disk, Faults, Key, begin, seal};
use super::mutants::Mutant;
use super::people::{kind, stored, stored_tree};
use super::whose::Whose;
use crate::catchment::{Catchment, Wanted, hour};
use crate::change::Change;
use crate::digest::{self, Item, Table};
use crate::frame::{Hello, Lanes, Seal, What};
use crate::history::Unreadable;
use crate::horizon::{Horizons, Whom};
use crate::question::Found;
use crate::rules::Rules;
use crate::segment;
use crate::session::{CentreLog, Failed, Holding, Packed, Peer, Placed};
use crate::taking::{Acknowledged, Joined, NotNext, Plan, Records, Step};
use crate::tests::{DEFINITIONS, name};

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
    /// The nodes by their numbers, as an operator has them on the register.
    pub register: BTreeMap<u32, Registered>,
    /// Whether its program is newer than the clinics'.
    pub newer: bool,
    holding: BTreeMap<u32, Option<Holding>>,
    outgoing: BTreeMap<u32, Option<Packed>>,
    heard: BTreeMap<u32, bool>,
    /// How often comparisons ended, and how many records came again.
    pub compared: (usize, usize),
    horizons: Horizons,
    /// The same worked out plainly.
    pub whose: Whose,
    /// How its program is broken, where that is to be found out.
    pub mutant: Option<Mutant>,
}

/// A node on the register: what is to be in its horizon.
#[derive(Clone, Debug, Default)]
pub struct Registered {
    pub gewogs: Vec<u32>,
    pub within_months: u32,
    pub clinic: Option<String>,
    /// The numbers it had before.
    pub former: Vec<u32>,
    /// Whether the record of its machine goes to nobody: in a country of a thousand all would have all others'.
    pub is_quiet: bool,
}

impl Registered {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            gewogs: &self.gewogs,
            within_months: self.within_months,
            clinic: self.clinic.as_ref(),
        }
    }

    /// The record of its machine, which says all that.
    fn device(&self, number: u32) -> Change {
        let quiet = r#""patient":{"reference":"Patient/nobody"},"#;
        let quiet = if self.is_quiet { quiet } else { "" };
        let said = format!(
            "{:?} {} {:?} {:?}",
            self.gewogs, self.within_months, self.clinic, self.former
        );
        let said = said.replace('"', "");
        Change {
            kind: kind("Device"),
            id: Id::new(&format!("node-{number}")).expect("an id"),
            version: name(0, 0),
            base: None,
            merged: None,
            updated: 0,
            operation: Operation::Update,
            body: stored(&format!(
                r#"{{"resourceType":"Device",{quiet}"note":[{{"text":"{said}"}}]}}"#
            )),
        }
    }
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
            register: BTreeMap::new(),
            newer: false,
            holding: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            heard: BTreeMap::new(),
            compared: (0, 0),
            horizons: Horizons::default(),
            whose: Whose::default(),
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
        self.horizons = Horizons::default();
        self.whose = Whose::default();
    }

    /// The number under which a node writes by now, and those that it had before.
    pub fn numbers(&self, node: u32) -> Vec<u32> {
        let mut latest = node;
        while let Some(next) = self.disk.notes.successors.get(&latest) {
            latest = *next;
        }
        let former = self.register.get(&latest).map(|node| node.former.as_slice());
        std::iter::once(latest)
            .chain(former.unwrap_or_default().iter().copied())
            .collect()
    }

    /// What is in a node's horizon, as it was noted at its last contact.
    pub fn catchment(&self, numbers: &[u32]) -> Catchment {
        let mut noted = numbers
            .iter()
            .filter_map(|number| self.disk.notes.catchments.get(number));
        noted.next().cloned().unwrap_or_default()
    }

    /// A node's horizon is what the register says from now on; that it has another is a version in the log.
    pub fn greet(&mut self, node: u32) -> Result<(), Broken> {
        let numbers = self.numbers(node);
        let Some(registered) = self.register.get(&numbers[0]).cloned() else {
            return Ok(());
        };
        let mut wanted = registered.wanted();
        if self.breaks(Mutant::ReferralIgnored) {
            wanted.clinic = None;
        }
        if self.breaks(Mutant::NobodyForgotten) {
            wanted.within_months = 1_000;
        }
        let (before, device) = (self.catchment(&numbers), registered.device(numbers[0]));
        let told = self.disk.current(&(device.kind.clone(), device.id.clone()));
        if before.is(&wanted) && told.is_some_and(|(_, told)| told.body == device.body) {
            return Ok(());
        }
        let base = told.map(|(_, told)| told.version);
        self.write(Change { base, ..device });
        self.commit()?;
        let since = match self.breaks(Mutant::GrownHorizonNotSent) {
            true => 0,
            false => self.disk.log().len() as u64,
        };
        let after = before.changed(&wanted, since, hour(self.now));
        self.disk.notes.catchments.insert(numbers[0], after);
        self.commit()
    }

    /// Takes in what was written since.
    pub fn follow(&mut self) {
        for (at, entry) in self
            .disk
            .log()
            .iter()
            .enumerate()
            .skip(self.horizons.reached() as usize)
        {
            let key = (entry.change.kind.clone(), entry.change.id.clone());
            let version = store::Version {
                record: self.disk.places(&key)[0] as u64,
                arrived: entry.arrived,
                aside: entry.aside,
                ..entry.change.clone().at(at as u64 + 1)
            };
            self.horizons.take(&version);
        }
        self.whose.follow(self.disk.log());
    }

    /// The current versions of all records of a node's horizon.
    pub fn horizon(&mut self, node: u32) -> Vec<&Change> {
        self.follow();
        let numbers = self.numbers(node);
        let whom = Whom {
            numbers: &numbers,
            catchment: &self.catchment(&numbers),
            now: self.now,
        };
        let places = self.horizons.places(&whom).into_iter();
        places.map(|seq| &self.disk.log()[seq as usize - 1].change).collect()
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
        self.disk.append(change, false, self.now);
        name
    }

    /// Ends a transaction.
    pub fn commit(&mut self) -> Result<(), Broken> {
        let done = self.disk.commit(&mut self.random, self.faults);
        self.crashed |= done == Err(Broken::Crash);
        done
    }

    /// Takes what one unit holds: the versions, what they come to, and how far the node's are here.
    fn taken(&mut self, node: u32, changes: &[Change]) -> Result<(), Failed> {
        if self.breaks(Mutant::SegmentDropped)
            && let Some(last) = changes.last()
        {
            self.disk.notes.peers.insert(node, Acknowledged::to(last));
            return self.commit().map_err(|broken| Failed(format!("{broken:?}")));
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
            self.disk.append(change.clone(), step.aside, self.now);
        }
        self.write_joined(&plan, joined);
        let last = changes.last().map(Acknowledged::to).unwrap_or_default();
        self.disk.notes.peers.insert(node, last);
        let done = self.commit().map_err(|broken| Failed(format!("{broken:?}")));
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
    fn write_joined(&mut self, plan: &Plan<'_>, joined: Vec<(Key, Joined)>) {
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
                self.write(join);
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
        let mut plan = Plan::default();
        for key in self.disk.notes.worklist.keys() {
            plan.meet(&self.disk, key).expect("records can be read");
        }
        let joined = self.joined(&plan);
        self.write_joined(&plan, joined);
        self.commit()
    }

    /// Up to which of a node's versions they are here.
    pub fn acknowledged(&self, node: u32) -> Acknowledged {
        self.disk.notes.peers.get(&node).copied().unwrap_or_default()
    }
}

impl CentreLog for Centre {
    fn peer(&self, node: u32) -> Result<Option<Peer>, Failed> {
        Ok(self.register.contains_key(&node).then(|| {
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
        self.follow();
        let numbers = self.numbers(hello.node);
        let whom = Whom {
            numbers: &numbers,
            catchment: &self.catchment(&numbers),
            now: self.now,
        };
        let Some((lane, mut due)) = self.horizons.due(&whom, lanes) else {
            return Ok(None);
        };
        due.truncate(SEGMENT);
        let upto = due.last().expect("something is due").place;
        let skipped = usize::from(self.breaks(Mutant::RecordSkipped) && due.len() > 1);
        let log = self.disk.log();
        let states = due
            .iter()
            .skip(skipped)
            .map(|due| log[due.seq as usize - 1].change.clone());
        let states: Vec<Change> = states.collect();
        self.whose
            .may_have(&numbers, &self.register[&numbers[0]], self.now, &states);
        let bytes = segment::pack(&states, dictionary).expect("states can be packed");
        Ok(Some(Packed::new(What::States { lane, upto, acked }, bytes)))
    }

    fn seals(&self, node: u32, after: u64) -> Result<Vec<Seal>, Failed> {
        let changes = self.disk.log().iter().map(|entry| &entry.change);
        let own = changes.filter(|change| change.version.node == node && change.version.counter > after);
        Ok(own.map(|change| seal(Some(change))).collect())
    }

    fn successor(&mut self, node: u32) -> Result<u32, Failed> {
        let numbers = self.numbers(node);
        if numbers[0] != node && !self.heard.contains_key(&numbers[0]) {
            return Ok(numbers[0]);
        }
        let number = self.register.keys().next_back().map_or(1, |last| last + 1);
        let next = Registered {
            former: numbers.clone(),
            ..self.register[&numbers[0]].clone()
        };
        self.register.insert(number, next);
        self.disk.notes.successors.insert(numbers[0], number);
        self.commit().map_err(|broken| Failed(format!("{broken:?}")))?;
        Ok(number)
    }

    fn table(&mut self, hello: &Hello) -> Result<Arc<Table>, Failed> {
        // Records are packed by their keys here: nobody asks for a place.
        let placed = self.horizon(hello.node).into_iter().map(|change| {
            let (key, seal) = (digest::key(&change.kind, &change.id), seal(Some(change)));
            (Item { key, seal }, 0)
        });
        Ok(Arc::new(Table::new(placed.collect())))
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
