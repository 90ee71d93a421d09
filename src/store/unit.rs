//! What is asked of the log: units of writes with their expectations, and what came of them.

use std::any::Any;
use std::sync::Arc;

use fhir::identity::{Id, Kind, VersionId};

/// What a version did to its record. The numbers are the log's own and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The record began, or began again after a deletion.
    Create,
    /// The record changed.
    Update,
    /// The record ended; the version has no body.
    Delete,
}

impl Operation {
    /// Whether the record is there after this version.
    pub fn is_live(self) -> bool {
        self != Operation::Delete
    }

    pub(crate) fn number(self) -> i16 {
        match self {
            Operation::Create => 1,
            Operation::Update => 2,
            Operation::Delete => 3,
        }
    }

    pub(crate) fn of_number(number: i16) -> Option<Operation> {
        match number {
            1 => Some(Operation::Create),
            2 => Some(Operation::Update),
            3 => Some(Operation::Delete),
            _ => None,
        }
    }
}

/// How a write must find its record, or the whole unit is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// However it is.
    Anything,
    /// No live record: there never was one, or it is deleted.
    Absent,
    /// A live record.
    Present,
    /// A live record whose current version is this one.
    Version(VersionId),
    /// There never was a record of this kind and id, not even a deleted one.
    New,
    /// The record's current version is this one, a deletion too; `None` as [`Expect::New`].
    Current(Option<VersionId>),
}

/// Where a version was made, and on what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Made {
    /// Here, on the record's current version.
    #[default]
    Here,
    /// Here, on the record's current version and on this one that is kept aside: it brings both together. The record must
    /// be there, be it deleted.
    Joining(VersionId),
    /// On another node. It is never refused because another record holds what it claims, and a deletion is appended also
    /// where there is nothing to delete.
    Elsewhere(Elsewhere),
}

/// What a version from another node says of itself; all of it stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its name.
    pub version: VersionId,
    /// What it was based on; it need not be in this log.
    pub base: Option<VersionId>,
    /// The other version it was based on, where it is a join; then it has a base.
    pub merged: Option<VersionId>,
    /// When it was made, in microseconds since 1970.
    pub updated: i64,
    /// Whether it is only kept: the record's current version stays what it is. A record's first version here is its
    /// current one nevertheless.
    pub aside: bool,
}

/// A value that at most one live record may hold in its scope (a national number, a licence plate).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// What the value must be unique in.
    pub scope: String,
    /// The value.
    pub value: String,
}

/// One version to append.
#[derive(Clone)]
pub struct Write {
    /// The record's kind.
    pub kind: Kind,
    /// The record's id.
    pub id: Id,
    /// What is done. Create and update are told apart for the history's `request.method` only.
    pub operation: Operation,
    /// The stored form of the record (`fhir::body`); empty for a deletion.
    pub body: Vec<u8>,
    /// How the record must be found.
    pub expect: Expect,
    /// Where the version was made.
    pub made: Made,
    /// What the record claims from now on, in place of what it claimed before. Ignored for a deletion,
    /// which drops them all.
    pub claims: Vec<Claim>,
    /// Handed to followers and guards with the version, and kept in memory for a while.
    pub attachment: Option<Arc<dyn Any + Send + Sync>>,
}

impl Write {
    /// A write that expects nothing, claims nothing and carries nothing along.
    pub fn new(kind: Kind, id: Id, operation: Operation, body: Vec<u8>) -> Write {
        Write {
            kind,
            id,
            operation,
            body,
            expect: Expect::Anything,
            made: Made::Here,
            claims: Vec::new(),
            attachment: None,
        }
    }
}

/// Judges one appended version: does it disturb what a unit was decided upon?
pub type Disturbs = Box<dyn Fn(&Appended) -> bool + Send>;

/// Makes a unit depend on nothing relevant having been appended since it was decided upon.
pub struct Guard {
    /// The log position at which the unit was decided upon.
    pub since: u64,
    /// Called on the writer thread for every version after `since` that became current, those earlier in the same group
    /// included: keep it short.
    pub disturbed_by: Disturbs,
}

impl Guard {
    pub(crate) fn is_disturbed_by(&self, appended: &Appended) -> bool {
        !appended.aside && (self.disturbed_by)(appended)
    }
}

/// Something to remember beside the records, or to forget, under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The key: at most 256 bytes.
    pub key: String,
    /// The value, at most 1 MiB; `None` forgets it.
    pub value: Option<Vec<u8>>,
}

/// Writes that are appended together or not at all, in their order.
#[derive(Default)]
pub struct Unit {
    /// The writes.
    pub writes: Vec<Write>,
    /// What must not have happened since.
    pub guard: Option<Guard>,
    /// What is noted down in the same transaction. A unit may consist of notes alone.
    pub notes: Vec<Note>,
}

impl Unit {
    /// A unit of one write, without a guard.
    pub fn one(write: Write) -> Unit {
        Unit::of(vec![write])
    }

    /// A unit of these writes, without a guard.
    pub fn of(writes: Vec<Write>) -> Unit {
        Unit {
            writes,
            ..Unit::default()
        }
    }
}

/// What became of one write, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The version's place in the log, from 1; 0 where nothing was appended because a deletion found
    /// nothing to delete.
    pub seq: u64,
    /// The record's number, from 1; 0 where there never was such a record.
    pub record: u64,
    /// The version written; where nothing was, the record's latest (counter 0 where there is none).
    pub version: VersionId,
    /// When, in microseconds since 1970; 0 where nothing was appended.
    pub updated: i64,
    /// Whether a live version was there before.
    pub existed: bool,
    /// How many of its claims another record holds, which keeps them; always 0 for an ordinary version made here, which
    /// is refused.
    pub unclaimed: u32,
}

/// One version just appended, as followers and guards see it.
#[derive(Clone)]
pub struct Appended {
    /// Its place in the log.
    pub seq: u64,
    /// The record's number.
    pub record: u64,
    /// The record's kind.
    pub kind: Kind,
    /// The record's id.
    pub id: Id,
    /// The version's name.
    pub version: VersionId,
    /// When it was made, in microseconds since 1970: [`Version::updated`](crate::Version::updated).
    pub updated: i64,
    /// When it came into the log, in microseconds since 1970.
    pub arrived: i64,
    /// What it did.
    pub operation: Operation,
    /// Whether it is only kept: the record's current version is what it was before.
    pub aside: bool,
    /// The place of the version that was current before, a deletion included; `None` for a record's first.
    pub previous: Option<u64>,
    /// What the write carried along.
    pub attachment: Option<Arc<dyn Any + Send + Sync>>,
}

/// Somebody who follows the log as it grows.
pub trait Follower: Send + Sync {
    /// Called on the writer thread after a group is durable and before anybody in it is told, with the
    /// group's versions in log order. Groups come in order, each once. Blocking here holds up every
    /// writer: that is back-pressure, to be used with care.
    fn committed(&self, appended: &[Appended]);

    /// Whether it need not be told any more: the store then forgets it.
    fn ended(&self) -> bool {
        false
    }
}
