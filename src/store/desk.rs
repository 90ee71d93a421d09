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
use crate::unit::{Appended, Done, Expect, Guard, Operation};

/// The head row: the last numbers given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub seq: i64,
    pub record: i64,
    pub counter: i64,
    pub clock: i64,
    pub minted: i64,
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
    pub updated: i64,
    pub kind: i16,
    pub id: Id,
    pub operation: Operation,
    pub hash: Seal,
    pub packed: Packed,
}

/// One group while it is decided upon.
pub(crate) struct Desk<'a> {
    pub node: u32,
    pub head: Head,
    /// Every record that the group touches; `None` where there never was one.
    pub records: FxHashMap<Key, Option<State>>,
    pub claims: Claims,
    pub entries: Vec<Entry>,
    pub appended: Vec<Appended>,
    pub recent: &'a Recent,
    undo: Vec<(Key, Option<State>)>,
}

impl<'a> Desk<'a> {
    /// A desk with nothing on it.
    pub fn new(node: u32, head: Head, recent: &'a Recent) -> Desk<'a> {
        Desk {
            node,
            head,
            records: FxHashMap::default(),
            claims: Claims::default(),
            entries: Vec::new(),
            appended: Vec::new(),
            recent,
            undo: Vec::new(),
        }
    }

    /// Decides upon one unit, whose kinds have these numbers.
    pub fn decide(&mut self, writes: Vec<(i16, Prepared)>, guard: Option<&Guard>) -> Answer {
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
        Ok(done)
    }

    fn is_disturbed(&self, guard: &Guard) -> bool {
        let mut group = self.appended.iter().filter(|a| a.seq > guard.since);
        group.any(&guard.disturbed_by) || self.recent.disturbs(guard)
    }

    fn write(&mut self, index: usize, kind: i16, write: Prepared) -> Result<Done, Refused> {
        let key = (kind, write.id.clone());
        let state = self.records.get(&key).copied().flatten();
        if !is_met(write.expect, state) {
            return Err(Refused::Expectation {
                write: index,
                current: state.map(|s| (s.version, s.live)),
            });
        }
        let existed = state.is_some_and(|s| s.live);
        if write.operation == Operation::Delete && !existed {
            return Ok(self.nothing_to_delete(state));
        }
        let record = state.map_or(self.head.record + 1, |s| s.record);
        let claims = if write.operation.is_live() {
            &write.claims[..]
        } else {
            &[]
        };
        let held = self.claims.hold(record, (&write.kind, &write.id), claims);
        held.map_err(|(claim, holder)| Refused::Claimed {
            write: index,
            scope: claim.scope,
            value: claim.value,
            holder,
        })?;
        Ok(self.append(key, record, state, write))
    }

    fn nothing_to_delete(&self, state: Option<State>) -> Done {
        let never = VersionId {
            node: self.node,
            counter: 0,
        };
        Done {
            seq: 0,
            record: state.map_or(0, |s| s.record as u64),
            version: state.map_or(never, |s| s.version),
            updated: 0,
            existed: false,
        }
    }

    fn append(&mut self, key: Key, record: i64, state: Option<State>, write: Prepared) -> Done {
        self.head.seq += 1;
        self.head.counter += 1;
        self.head.clock = now().max(self.head.clock + 1);
        self.head.record = self.head.record.max(record);
        let version = VersionId {
            node: self.node,
            counter: self.head.counter as u64,
        };
        let (seq, updated, base) = (self.head.seq, self.head.clock, state.map(|s| s.version));
        let sealed = Sealed {
            kind: write.kind.as_str(),
            id: write.id.as_str(),
            version,
            base,
            updated,
            operation: write.operation,
        };
        self.entries.push(Entry {
            seq,
            record,
            version,
            base,
            updated,
            kind: key.0,
            id: key.1.clone(),
            operation: write.operation,
            hash: seal(&sealed, &write.hash),
            packed: write.packed,
        });
        let live = write.operation.is_live();
        let next = State {
            record,
            seq,
            version,
            live,
        };
        self.appended.push(Appended {
            seq: seq as u64,
            record: record as u64,
            kind: write.kind,
            id: write.id,
            version,
            updated,
            operation: write.operation,
            previous: state.map(|s| s.seq as u64),
            attachment: write.attachment,
        });
        self.records.insert(key.clone(), Some(next));
        self.undo.push((key, state));
        Done {
            seq: seq as u64,
            record: record as u64,
            version,
            updated,
            existed: state.is_some_and(|s| s.live),
        }
    }
}

fn is_met(expect: Expect, state: Option<State>) -> bool {
    match expect {
        Expect::Anything => true,
        Expect::Absent => state.is_none_or(|s| !s.live),
        Expect::Present => state.is_some_and(|s| s.live),
        Expect::Version(version) => state.is_some_and(|s| s.live && s.version == version),
        Expect::New => state.is_none(),
    }
}

/// The wall clock in microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_micros() as i64)
}
