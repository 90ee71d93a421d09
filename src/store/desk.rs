//! Decides upon a group of units in memory, one after the other: what is refused, what is appended.
//!
//! Everything a unit needs is checked before the next is looked at, and a refused unit is undone here,
//! so the database sees only what will be committed.

use std::time::{SystemTime, UNIX_EPOCH};

use fhir::identity::{Id, VersionId};
use rustc_hash::FxHashMap;

use crate::claims::Claims;
use crate::packing::Packed;
use crate::queue::{Answer, Prepared};
use crate::recent::Recent;
use crate::seal::{Seal, Sealed, seal};
use crate::trouble::Refused;
use crate::unit::{Appended, Done, Expect, Guard, Made, Note, Operation};

/// How far ahead of this node's clock a version's own may be and still move it on, in microseconds: a wild clock elsewhere
/// must not drag this one along.
const CLOCK_AHEAD_MAX: i64 = 5 * 60 * 1_000_000;

/// The head row: the last numbers given, and whose they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub seq: i64,
    pub record: i64,
    pub counter: i64,
    pub clock: i64,
    pub minted: i64,
    pub node: i32,
}

/// A record as the group has left it so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub record: i64,
    pub seq: i64,
    pub version: VersionId,
    pub live: bool,
}

/// A kind's number and an id.
pub(crate) type Key = (i16, Id);

/// A version to be written.
pub(crate) struct Entry {
    pub seq: i64,
    pub record: i64,
    pub version: VersionId,
    pub base: Option<VersionId>,
    pub merged: Option<VersionId>,
    pub updated: i64,
    pub lag: i64,
    pub aside: bool,
    pub kind: i16,
    pub id: Id,
    pub operation: Operation,
    pub hash: Seal,
    pub packed: Packed,
}

/// One group while it is decided upon.
pub(crate) struct Desk<'a> {
    pub head: Head,
    /// Every record that the group touches; `None` where there never was one.
    pub records: FxHashMap<Key, Option<State>>,
    pub claims: Claims,
    pub entries: Vec<Entry>,
    pub appended: Vec<Appended>,
    pub notes: Vec<Note>,
    pub recent: &'a Recent,
    undo: Vec<(Key, Option<State>)>,
}

impl<'a> Desk<'a> {
    /// A desk with nothing on it.
    pub fn new(head: Head, recent: &'a Recent) -> Desk<'a> {
        Desk {
            head,
            records: FxHashMap::default(),
            claims: Claims::default(),
            entries: Vec::new(),
            appended: Vec::new(),
            notes: Vec::new(),
            recent,
            undo: Vec::new(),
        }
    }

    /// Decides upon one unit, whose kinds have these numbers.
    pub fn decide(&mut self, writes: Vec<(i16, Prepared)>, notes: Vec<Note>, guard: Option<&Guard>) -> Answer {
        if guard.is_some_and(|guard| self.is_disturbed(guard)) {
            return Err(Refused::Disturbed);
        }
        let (head, entries, appended) = (self.head, self.entries.len(), self.appended.len());
        self.undo.clear();
        self.claims.begin();
        let mut done = Vec::with_capacity(writes.len());
        for (index, (kind, write)) in writes.into_iter().enumerate() {
            match self.write(index, kind, write) {
                Ok(one) => done.push(one),
                Err(refused) => {
                    self.head = head;
                    self.entries.truncate(entries);
                    self.appended.truncate(appended);
                    self.claims.undo();
                    for (key, state) in self.undo.drain(..).rev() {
                        self.records.insert(key, state);
                    }
                    return Err(refused);
                }
            }
        }
        if !notes.is_empty() && self.head == head {
            // By the head row it is told whether a commit has happened: notes alone move it too.
            self.head.clock = now().max(head.clock + 1);
        }
        self.notes.extend(notes);
        Ok(done)
    }

    fn is_disturbed(&self, guard: &Guard) -> bool {
        let mut group = self.appended.iter().filter(|a| a.seq > guard.since);
        group.any(|a| guard.is_disturbed_by(a)) || self.recent.disturbs(guard)
    }

    fn write(&mut self, index: usize, kind: i16, write: Prepared) -> Result<Done, Refused> {
        let key = (kind, write.id.clone());
        let state = self.records.get(&key).copied().flatten();
        let joins_nothing = matches!(write.made, Made::Joining(_)) && state.is_none();
        if joins_nothing || !is_met(write.expect, state) {
            return Err(Refused::Expectation {
                write: index,
                current: state.map(|s| (s.version, s.live)),
            });
        }
        let existed = state.is_some_and(|s| s.live);
        if write.made == Made::Here && write.operation == Operation::Delete && !existed {
            return Ok(self.nothing_to_delete(state));
        }
        let record = state.map_or(self.head.record + 1, |s| s.record);
        let aside = state.is_some() && matches!(write.made, Made::Elsewhere(made) if made.aside);
        let unclaimed = if aside { 0 } else { self.claim(index, record, &write)? };
        let done = self.append(key, record, (state, aside), write);
        Ok(Done { unclaimed, ..done })
    }

    /// Lets a record hold what a write claims; how much of it another holds, where that does not refuse the write.
    fn claim(&mut self, index: usize, record: i64, write: &Prepared) -> Result<u32, Refused> {
        let claims = match write.operation.is_live() {
            true => &write.claims[..],
            false => &[],
        };
        let name = (&write.kind, &write.id);
        if write.made != Made::Here {
            return Ok(self.claims.hold_free(record, name, claims));
        }
        let held = self.claims.hold(record, name, claims);
        held.map(|()| 0).map_err(|(claim, holder)| Refused::Claimed {
            write: index,
            scope: claim.scope,
            value: claim.value,
            holder,
        })
    }

    fn nothing_to_delete(&self, state: Option<State>) -> Done {
        let never = VersionId {
            node: self.head.node as u32,
            counter: 0,
        };
        Done {
            seq: 0,
            record: state.map_or(0, |s| s.record as u64),
            version: state.map_or(never, |s| s.version),
            updated: 0,
            existed: false,
            unclaimed: 0,
        }
    }

    /// Moves the clock on to the moment at which a version comes into the log.
    fn arrive(&mut self, made: Made) -> i64 {
        let now = now();
        let said = match made {
            Made::Elsewhere(made) if made.updated <= now + CLOCK_AHEAD_MAX => made.updated,
            _ => now,
        };
        self.head.clock = now.max(self.head.clock + 1).max(said);
        self.head.clock
    }

    /// A version's name, the versions it is based on, and when it was made.
    fn identify(&mut self, made: Made, arrived: i64, current: Option<VersionId>) -> Identity {
        let own = self.head.node as u32;
        if let Made::Elsewhere(made) = made {
            if made.version.node == own {
                // What this node once made comes back to it: the name must not be given again.
                self.head.counter = self.head.counter.max(made.version.counter as i64);
            }
            return (made.version, made.base, made.merged, made.updated);
        }
        self.head.counter += 1;
        let version = VersionId {
            node: own,
            counter: self.head.counter as u64,
        };
        let merged = match made {
            Made::Joining(merged) => Some(merged),
            _ => None,
        };
        (version, current, merged, arrived)
    }

    fn append(&mut self, key: Key, record: i64, (state, aside): (Option<State>, bool), write: Prepared) -> Done {
        self.head.seq += 1;
        self.head.record = self.head.record.max(record);
        let arrived = self.arrive(write.made);
        let (version, base, merged, updated) = self.identify(write.made, arrived, state.map(|s| s.version));
        let seq = self.head.seq;
        let sealed = Sealed {
            kind: write.kind.as_str(),
            id: write.id.as_str(),
            version,
            base,
            merged,
            updated,
            operation: write.operation,
        };
        self.entries.push(Entry {
            seq,
            record,
            version,
            base,
            merged,
            updated,
            lag: arrived - updated,
            aside,
            kind: key.0,
            id: key.1.clone(),
            operation: write.operation,
            hash: seal(&sealed, &write.hash),
            packed: write.packed,
        });
        let next = State {
            record,
            seq,
            version,
            live: write.operation.is_live(),
        };
        self.appended.push(Appended {
            seq: seq as u64,
            record: record as u64,
            kind: write.kind,
            id: write.id,
            version,
            updated,
            arrived,
            operation: write.operation,
            aside,
            previous: state.map(|s| s.seq as u64),
            attachment: write.attachment,
        });
        if !aside {
            self.records.insert(key.clone(), Some(next));
            self.undo.push((key, state));
        }
        Done {
            seq: seq as u64,
            record: record as u64,
            version,
            updated,
            existed: state.is_some_and(|s| s.live),
            unclaimed: 0,
        }
    }
}

/// A version's name, its base, the other version that it joins, and when it was made.
type Identity = (VersionId, Option<VersionId>, Option<VersionId>, i64);

fn is_met(expect: Expect, state: Option<State>) -> bool {
    match expect {
        Expect::Anything => true,
        Expect::Absent => state.is_none_or(|s| !s.live),
        Expect::Present => state.is_some_and(|s| s.live),
        Expect::Version(version) => state.is_some_and(|s| s.live && s.version == version),
        Expect::New => state.is_none(),
        Expect::Current(version) => state.map(|s| s.version) == version,
    }
}

/// The wall clock in microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_micros() as i64)
}
