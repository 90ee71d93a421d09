//! A centre and its clinics in one process: clocks, lines, disks and crashes from a seed; a failing seed replays exactly.
//!
//! A seed makes a country, lets things go wrong for a while, heals everything, and then holds the sites to what must be
//! (`oracle`): nothing that was kept is lost, all see the same, and the worklist has what is open and no more.
//! `EPIS_SEEDS=10000` runs so many seeds, from `EPIS_FIRST_SEED` on; `EPIS_SEED=17` that one.

mod backups;
mod centre;
mod disk;
mod kills;
mod ledger;
mod line;
mod moves;
mod mutants;
mod node;
mod oracle;
mod people;
mod seeds;
mod sticks;
mod whose;

use fhir::identity::Id;
use query::sample::Random;
use store::Operation;

use crate::change::Change;
use crate::compare::Comparison;
use crate::tests::name;
use centre::Centre;
use disk::{Disk, Faults, Key};
use ledger::{Kept, Ledger};
use mutants::Mutant;
use node::Node;
use people::{changed, fresh, kind};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// What happened in a simulation, so that a test can tell whether anything did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    writes: usize,
    centre_writes: usize,
    contacts: usize,
    cuts: usize,
    crashes: usize,
    full: usize,
    put_back: usize,
    joins: usize,
    conflicts: usize,
    busy: usize,
    moved: usize,
    fetched: usize,
    /// Whoever came into a horizon or left it after all was healed, and records that came by that.
    came: usize,
    left: usize,
    difference: usize,
    /// Records that a disk lost or changed without a word.
    damaged: usize,
    /// Comparisons that came to their end, and records that came again by them.
    compared: usize,
    mended: usize,
    sticks: usize,
    /// What the ledger found, when all was healed.
    kept: Kept,
}

struct World {
    seed: u64,
    random: Random,
    now: i64,
    centre: Centre,
    nodes: Vec<Node>,
    people: usize,
    tally: Tally,
    ledger: Ledger,
    /// Whether nothing breaks by chance.
    is_calm: bool,
}

impl World {
    fn new(seed: u64, nodes: usize) -> World {
        let mut random = Random::new(seed);
        let mut world = World {
            centre: Centre::new(random.number()),
            nodes: Vec::new(),
            people: 2 + random.below(6) + nodes / 2,
            now: 1_764_000_000_000_000,
            random,
            seed,
            tally: Tally::default(),
            ledger: Ledger::default(),
            is_calm: false,
        };
        world.centre.now = world.now;
        world.centre.newer = world.random.once_in(4);
        for number in 1..=nodes as u32 {
            let mut node = Node::new(number, world.random.number());
            node.session.room = 1 << (6 + world.random.below(8));
            node.session.piece = 1 << (4 + world.random.below(7));
            node.session.dictionary = world.random.below(2) as u8;
            node.newer = world.random.once_in(4);
            if world.random.once_in(3) {
                node.skew = (world.random.below(49) as i64 - 24) * 60 * MINUTE;
            }
            world.nodes.push(node);
            world.move_horizon(number as usize - 1);
        }
        world
    }

    /// All programs are broken in one way, which must be found out.
    fn breaks(&mut self, mutant: Option<Mutant>) {
        self.centre.mutant = mutant;
        self.nodes.iter_mut().for_each(|node| node.mutant = mutant);
    }

    fn faults(&mut self) -> Faults {
        match self.random.below(3) {
            _ if self.is_calm => Faults::default(),
            0 => Faults::default(),
            1 => Faults { crash: 300, full: 0 },
            _ => Faults {
                crash: 1_000,
                full: 1_000,
            },
        }
    }

    /// One thing happens.
    fn step(&mut self) {
        self.now += match self.random.below(40) {
            0 => 30 * DAY,
            1..5 => DAY,
            _ => self.random.below(30 * MINUTE as usize) as i64,
        };
        self.centre.now = self.now;
        let place = self.random.below(self.nodes.len());
        match self.random.below(118) {
            0..45 => self.user_writes(place),
            45..55 => self.centre_writes(),
            55..85 => self.contact(place),
            85..88 => self.nodes[place].cut_until = self.now + self.random.below(31) as i64 * DAY,
            88..91 => self.late(place),
            91..93 => self.nodes[place].crashed = true,
            93 => self.centre.crashed = true,
            94..96 => {
                self.nodes[place].copy = Some((self.nodes[place].disk.clone(), self.nodes[place].session.clone()))
            }
            96 => self.put_back(place),
            97 => self.damage(place),
            98 => self.nodes[place].session.comparison = Comparison::Due(0),
            100..104 => {
                let load = self.random.below(500);
                self.write_stick(place, load as u64);
            }
            104..108 => self.answer_stick(place),
            108..112 => self.read_stick(place),
            112..115 => self.fetch(place),
            _ => self.move_horizon(place),
        }
        self.restart();
    }

    fn restart(&mut self) {
        if self.centre.crashed {
            self.tally.crashes += 1;
            self.centre.restart();
        }
        for node in self.nodes.iter_mut().filter(|node| node.crashed) {
            self.tally.crashes += 1;
            node.restart();
        }
    }

    fn put_back(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        if let Some(copy) = node.copy.clone() {
            self.ledger.put_back(place, &copy.0, &self.centre.disk);
            node.put_back(copy);
            self.tally.put_back += 1;
        }
    }

    /// A clinic's disk loses a record or changes it, without a word. What only this disk has nobody can bring back, and what
    /// was written under the clinic's name tells whether its copy is old: such records are left alone.
    fn damage(&mut self, place: usize) {
        let disk = &self.nodes[place].disk;
        let elsewhere = |key: &&Key| {
            let mut versions = disk.versions(key).map(|entry| &entry.change);
            versions.all(|change| {
                let other = change.version.node != disk.notes.number;
                other && self.centre.disk.find(change.version) == Some(change)
            })
        };
        let keys: Vec<Key> = disk.all().map(|(key, ..)| key).filter(elsewhere).cloned().collect();
        if keys.is_empty() {
            return;
        }
        let key = &keys[self.random.below(keys.len())];
        let live = disk.current(key).is_some_and(|(_, change)| change.operation.is_live());
        let other = live && self.random.once_in(2);
        let body = other.then(|| people::stored(r#"{"resourceType":"Basic","language":"dz"}"#));
        self.nodes[place].disk.damage(key, body);
        self.tally.damaged += 1;
    }

    /// From now on a node has another horizon: an area more or less, or whoever was seen stays longer or shorter, or its clinic
    /// has a record to which people are referred.
    fn move_horizon(&mut self, place: usize) {
        let number = self.centre.numbers(self.nodes[place].disk.notes.number)[0];
        let gewog = 101 + self.random.below(people::areas(self.people)) as u32;
        let node = self.centre.register.entry(number).or_default();
        node.is_quiet = self.nodes.len() > 50;
        match self.random.below(4) {
            0 if node.gewogs.len() > 1 => _ = node.gewogs.remove(0),
            1 => node.within_months = 1 + self.random.below(3) as u32,
            2 => node.clinic = Some(format!("Location/clinic-{}", place + 1)).filter(|_| node.clinic.is_none()),
            _ if node.gewogs.contains(&gewog) => {}
            _ => node.gewogs.push(gewog),
        }
        node.within_months = node.within_months.max(1);
        self.tally.moved += 1;
    }

    /// A clinic asks for the records of somebody, as `$fetch` does: by a Task for its machine.
    fn fetch(&mut self, place: usize) {
        let number = self.nodes[place].disk.notes.number;
        let person = format!("p{}", self.random.below(self.people));
        let key: Key = (
            kind("Task"),
            Id::new(&format!("fetch-{number}.{person}")).expect("an id"),
        );
        let before = self.nodes[place].disk.current(&key).map(|(_, before)| before);
        let text = format!(
            r#"{{"resourceType":"Task","status":"requested","for":{{"reference":"Patient/{person}"}},"owner":{{"reference":"Device/node-{number}"}}{}}}"#,
            people::unknown(&person).unwrap_or_default()
        );
        let asks = Change {
            base: before.map(|before| before.version),
            kind: key.0.clone(),
            id: key.1.clone(),
            version: name(0, 0),
            merged: None,
            updated: 0,
            operation: Operation::Update,
            body: people::stored(&text),
        };
        self.tally.fetched += 1;
        self.keeps(place, asks);
    }

    fn user_writes(&mut self, place: usize) {
        // At most once for each record that is not here yet: ids that sites choose alike are one record.
        let minted = format!("n{}x{}", place, self.random.below(1_000_000));
        let change = wish(&mut self.random, self.people, &self.nodes[place].disk, &minted);
        if self.nodes[place]
            .disk
            .is_readable(&(change.kind.clone(), change.id.clone()))
        {
            self.keeps(place, change);
        }
    }

    /// A clinic's user writes: what she is told is in the ledger.
    fn keeps(&mut self, place: usize, change: Change) {
        let faults = self.faults();
        let node = &mut self.nodes[place];
        node.faults = faults;
        let own = node.disk.log().len();
        let wished = change.clone();
        match node.write(change, self.now) {
            Ok(name) => {
                self.tally.writes += 1;
                self.ledger
                    .told(Some(place), node.disk.find(name).expect("what is kept is there"));
            }
            Err(disk::Broken::Full) => {
                self.tally.full += 1;
                assert_eq!(
                    node.disk.log().len(),
                    own,
                    "seed {}: a full disk keeps what it had",
                    self.seed
                );
            }
            Err(disk::Broken::Crash) if node.breaks(Mutant::ToldBeforeKept) => self.ledger.told(Some(place), &wished),
            Err(disk::Broken::Crash) => (),
        }
        node.faults = Faults::default();
    }

    fn centre_writes(&mut self) {
        let minted = format!("c{}", self.random.below(1_000_000));
        let change = wish(&mut self.random, self.people, &self.centre.disk, &minted);
        let name = self.centre.write(change);
        self.centre.faults = self.faults();
        match self.centre.commit() {
            Ok(()) => {
                self.tally.centre_writes += 1;
                self.ledger
                    .told(None, self.centre.disk.find(name).expect("what is kept is there"));
            }
            Err(disk::Broken::Full) => self.tally.full += 1,
            Err(disk::Broken::Crash) => (),
        }
        if !self.centre.crashed && self.random.once_in(2) {
            let _kept_or_not = self.centre.settle();
        }
        self.centre.faults = Faults::default();
    }

    /// The line holds, disks have room, and everybody speaks until there is nothing more to say.
    fn heal(&mut self) {
        self.restart();
        for round in 0.. {
            let before = self.centre.disk.log().len();
            for place in 0..self.nodes.len() {
                // Who came into a horizon since the last one may have been damaged before.
                self.nodes[place].session.comparison = Comparison::Due(0);
                self.agree(place);
            }
            if round > 0 && self.centre.disk.log().len() == before {
                self.centre.settle().expect("nothing goes wrong");
                return;
            }
            assert!(round < 20, "seed {}: it goes on and on", self.seed);
        }
    }
}

/// A record as a user would write it next: new, changed or deleted.
fn wish(random: &mut Random, people: usize, disk: &Disk, minted: &str) -> Change {
    let person = format!("p{}", random.below(people));
    let kind_name = random.pick(&[
        "Patient",
        "MedicationRequest",
        "Observation",
        "Patient",
        "MedicationRequest",
        "Observation",
        "ServiceRequest",
        "Task",
    ]);
    let id = match (kind_name, random.below(4)) {
        ("Patient", 0) => minted.to_owned(),
        ("Patient", _) => person.clone(),
        (_, 0) => format!("{minted}.{person}"),
        (_, number) => format!("r{number}.{person}"),
    };
    let key: Key = (kind(kind_name), Id::new(&id).expect("an id"));
    let before = disk.current(&key).map(|(_, change)| change);
    let live = before.filter(|before| before.operation.is_live());
    let (operation, body) = match live {
        Some(_) if random.once_in(8) => (Operation::Delete, Vec::new()),
        Some(live) => (Operation::Update, changed(random, live)),
        None => {
            let whose = people::person(&key);
            (Operation::Create, fresh(random, kind_name, whose.as_str()))
        }
    };
    Change {
        base: before.map(|before| before.version),
        kind: key.0,
        id: key.1,
        version: name(0, 0),
        merged: None,
        updated: 0,
        operation,
        body,
    }
}
