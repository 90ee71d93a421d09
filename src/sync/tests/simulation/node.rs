//! A clinic of the simulation: writes without a line, and brings itself to agreement when there is one.

use std::sync::Arc;

use fhir::identity::VersionId;
use query::sample::Random;

use super::disk::{Broken, Disk, Faults, Key, seal};
use super::mutants::Mutant;
use super::people;
use crate::change::Change;
use crate::digest::{Item, Table, key};
use crate::frame::{Frames, Lanes, Seal, What};
use crate::segment;
use crate::session::{Failed, Next, NodeLog, NodeSession, Packed};

/// Versions in one segment of changes.
pub const SEGMENT: usize = 5;

pub struct Node {
    pub disk: Disk,
    pub session: NodeSession,
    pub random: Random,
    pub faults: Faults,
    pub crashed: bool,
    /// How wrong its clock is, in microseconds.
    pub skew: i64,
    /// Whether it is of a newer program, which says what others do not know.
    pub newer: bool,
    /// Until when it has no line.
    pub cut_until: i64,
    pub copy: Option<(Disk, NodeSession)>,
    /// The bytes of its last request: they may arrive once more, and late.
    pub late: Vec<u8>,
    /// A request and an answer on a stick: each may arrive again and again, days late, or never.
    pub carried: (Vec<u8>, Vec<u8>),
    /// How its program is broken, where that is to be found out.
    pub mutant: Option<Mutant>,
    /// Of which records states came from the centre.
    pub received: Vec<Key>,
}

impl Node {
    pub fn new(number: u32, seed: u64) -> Node {
        Node {
            disk: Disk::new(number),
            session: NodeSession::new(number),
            random: Random::new(seed),
            faults: Faults::default(),
            crashed: false,
            skew: 0,
            newer: false,
            cut_until: 0,
            copy: None,
            late: Vec::new(),
            carried: (Vec::new(), Vec::new()),
            mutant: None,
            received: Vec::new(),
        }
    }

    /// Writes a version as a user of the clinic does; its name where she is told that it is kept.
    pub fn write(&mut self, mut change: Change, now: i64) -> Result<VersionId, Broken> {
        let notes = &mut self.disk.notes;
        notes.counter += 1;
        notes.clock = (now + self.skew).max(notes.clock + 1);
        change.version = VersionId {
            node: notes.number,
            counter: notes.counter,
        };
        change.updated = notes.clock;
        let name = change.version;
        self.disk.append(change, false, now);
        self.commit()?;
        Ok(name)
    }

    fn commit(&mut self) -> Result<(), Broken> {
        let done = self.disk.commit(&mut self.random, self.faults);
        self.crashed |= done == Err(Broken::Crash);
        done
    }

    /// Whether its program is broken so.
    pub fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The session, and the log as it sees it.
    pub fn sides(&mut self) -> (&mut NodeSession, Log<'_>) {
        let log = Log {
            disk: &mut self.disk,
            random: &mut self.random,
            faults: self.faults,
            crashed: &mut self.crashed,
            mutant: self.mutant,
            received: &mut self.received,
        };
        (&mut self.session, log)
    }

    /// What it makes of the bytes of an answer; `None` where they broke off.
    pub fn hears(&mut self, bytes: &[u8]) -> Option<Next> {
        let (session, mut log) = self.sides();
        let mut frames = Frames::default();
        frames.feed(bytes);
        while let Some(frame) = frames.next_frame().expect("frames") {
            let next = session.hear(frame, &mut log);
            log.disk.notes.acked = session.acked;
            match next {
                Ok(Next::Listen) => (),
                Ok(next) => return Some(next),
                Err(_) => return None,
            }
        }
        None
    }

    /// What is in memory is gone: the session begins with what the disk has.
    pub fn restart(&mut self) {
        self.crashed = false;
        self.disk.recover();
        let mut session = NodeSession::new(self.disk.notes.number);
        session.lanes = self.disk.notes.lanes;
        session.acked = self.disk.notes.acked;
        session.dictionary = self.session.dictionary;
        (session.room, session.piece) = (self.session.room, self.session.piece);
        self.session = session;
    }

    /// The machine breaks, and an older copy of its database is put on another.
    pub fn put_back(&mut self, (disk, session): (Disk, NodeSession)) {
        self.disk = disk;
        self.session = session;
        self.restart();
    }
}

/// The log of a node as its session sees it.
pub struct Log<'a> {
    pub disk: &'a mut Disk,
    pub random: &'a mut Random,
    pub faults: Faults,
    pub crashed: &'a mut bool,
    pub mutant: Option<Mutant>,
    /// What came from the centre.
    pub received: &'a mut Vec<Key>,
}

impl Log<'_> {
    fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn commit(&mut self) -> Result<(), Failed> {
        let done = self.disk.commit(self.random, self.faults);
        *self.crashed |= done == Err(Broken::Crash);
        done.map_err(|broken| Failed(format!("{broken:?}")))
    }
}

impl NodeLog for Log<'_> {
    fn last(&self) -> u64 {
        self.disk.notes.counter
    }

    fn seal(&self, counter: u64) -> Result<Seal, Failed> {
        if self.breaks(Mutant::OldCopyNotSeen) {
            return Ok(Seal::default());
        }
        let node = self.disk.notes.number;
        Ok(seal(self.disk.find(VersionId { node, counter })))
    }

    fn pack(&mut self, after: u64, dictionary: u8) -> Result<Option<Packed>, Failed> {
        let node = self.disk.notes.number;
        let changes = self.disk.log().iter().map(|entry| &entry.change);
        let own = changes.filter(|change| change.version.node == node && change.version.counter > after);
        let own: Vec<Change> = own.take(SEGMENT).cloned().collect();
        let upto = after + own.len() as u64;
        let bytes = segment::pack(&own, dictionary).expect("changes can be packed");
        Ok((!own.is_empty()).then(|| Packed::new(What::Changes { after, upto }, bytes)))
    }

    fn take(&mut self, what: What, bytes: &[u8], lanes: &Lanes) -> Result<(), Failed> {
        let states = segment::unpack(bytes).map_err(|why| Failed(why.to_string()))?;
        let acked = match what {
            What::States { acked, .. } => acked,
            What::Repair { .. } if self.breaks(Mutant::RepairDropped) => return Ok(()),
            What::Repair { .. } => {
                states.into_iter().for_each(|state| self.disk.mend(state));
                return self.commit();
            }
            What::Changes { .. } | What::Again => return Err(Failed("no states".to_owned())),
        };
        for mut state in states {
            self.received.push((state.kind.clone(), state.id.clone()));
            if self.breaks(Mutant::UnknownDropped) {
                state.body = people::without_unknown(&state.body);
            }
            let current = self.disk.current(&(state.kind.clone(), state.id.clone()));
            let current = current.map(|(_, change)| change.version);
            let own = current.is_some_and(|own| own.node == self.disk.notes.number && own.counter > acked);
            let own = own && !self.breaks(Mutant::OwnHidden);
            if current != Some(state.version) && !own {
                self.disk.append(state, false, 0);
            }
        }
        self.disk.notes.lanes = *lanes;
        let done = self.commit();
        if self.breaks(Mutant::LaneBeforeRecords) {
            self.disk.note_unsynced(|notes| notes.lanes = *lanes);
        }
        done
    }

    fn renumber(&mut self, after: u64, number: u32) -> Result<(), Failed> {
        self.disk.renumber(after, number);
        self.commit()
    }

    fn table(&mut self) -> Result<Arc<Table>, Failed> {
        let placed = self.disk.all().map(|(of, place, change)| {
            let (key, seal) = (key(&of.0, &of.1), seal(Some(change)));
            (Item { key, seal }, place)
        });
        Ok(Arc::new(Table::new(placed.collect())))
    }

    fn pack_again(&mut self, keys: &[u64], dictionary: u8) -> Result<Option<(Packed, u64)>, Failed> {
        let wanted = self.disk.all().filter(|(of, ..)| keys.contains(&key(&of.0, &of.1)));
        let changes: Vec<Change> = wanted.map(|(_, _, change)| change.clone()).collect();
        let bytes = segment::pack(&changes, dictionary).expect("changes can be packed");
        Ok(Some((Packed::new(What::Again, bytes), changes.len() as u64)))
    }
}
