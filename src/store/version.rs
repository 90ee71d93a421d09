//! One version as it is read back, and which of them a history asks for.

use fhir::identity::{Id, Kind, VersionId};
use fhir::moment::Stretch;

use crate::unit::Operation;

/// One version of one record. Its hash was checked when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its place in the log, from 1.
    pub seq: u64,
    /// The record's number, from 1.
    pub record: u64,
    /// The record's kind.
    pub kind: Kind,
    /// The record's id.
    pub id: Id,
    /// The version's name on every node.
    pub version: VersionId,
    /// The version it was based on; `None` for a record's first.
    pub base: Option<VersionId>,
    /// The other version it was based on, where it brings two together that did not know of each other.
    pub merged: Option<VersionId>,
    /// When it was made, in microseconds since 1970, by the hybrid logical clock of the node that made it. It is the same
    /// everywhere, and rises along the versions that one node made.
    pub updated: i64,
    /// When it came into this log, in microseconds since 1970: rises along the log. `updated` for what was made here.
    pub arrived: i64,
    /// Whether it is only kept: it came from elsewhere and never was its record's current version.
    pub aside: bool,
    /// What it did.
    pub operation: Operation,
    /// The stored form of the record (`fhir::body`); empty for a deletion.
    pub body: Vec<u8>,
}

/// Whose history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of one record.
    Record(Kind, Id),
    /// Of all records of a kind.
    Kind(Kind),
    /// Of everything.
    All,
}

/// Which versions of a history (<https://hl7.org/fhir/R4/http.html#history>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRange {
    /// Only versions before this place in the log: where the next page goes on.
    pub before: Option<u64>,
    /// Only versions that came into the log at this moment or later, in microseconds since 1970 (`_since`).
    pub since: Option<i64>,
    /// Only versions that were current at some moment of this stretch (`_at`).
    pub at: Option<Stretch>,
    /// Only versions that were current at some time: none that is only kept.
    pub current_only: bool,
    /// How many at most.
    pub limit: usize,
}

impl HistoryRange {
    /// The newest versions, without any condition.
    pub fn newest(limit: usize) -> HistoryRange {
        HistoryRange {
            before: None,
            since: None,
            at: None,
            current_only: false,
            limit,
        }
    }

    /// The newest versions before a place in the log that were current at some time; the first of a record's is the one
    /// that was current there.
    pub fn current_before(place: u64, limit: usize) -> HistoryRange {
        HistoryRange {
            before: Some(place),
            current_only: true,
            ..HistoryRange::newest(limit)
        }
    }
}
