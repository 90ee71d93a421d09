//! Keeps every version in one ordered log; the only room that knows SQL.

mod settings;
mod trouble;
mod unit;
mod version;

use std::sync::Arc;

use fhir::identity::{Id, Kind, VersionId};

pub use settings::{Place, Settings};
pub use trouble::{Refused, Trouble};
pub use unit::{Appended, Claim, Disturbs, Done, Expect, Follower, Guard, Operation, Unit, Write};
pub use version::{HistoryRange, Scope, Version};

/// What a check of the whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Versions looked at.
    pub versions: u64,
    /// Records looked at.
    pub records: u64,
    /// What is wrong and stays so, a sentence each.
    pub findings: Vec<String>,
    /// What was wrong and has been put right, a sentence each.
    pub repairs: Vec<String>,
}

/// One ordered log of versions. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens the log, makes its tables where they are missing, and takes it for this process alone.
    ///
    /// # Errors
    /// [`Trouble`] where the place cannot be reached, is in use by another process, or is of another node.
    pub fn open(_settings: Settings) -> Result<Store, Trouble> {
        Err(Trouble::new("unfinished"))
    }

    /// The last place in the log that is durable and known to every follower; 0 for an empty log.
    pub fn head(&self) -> u64 {
        0
    }

    /// A new id, `node-count`; never the id of a stored record, never given twice.
    pub fn mint(&self) -> Id {
        Id::new("0-1").expect("an id")
    }

    /// Tells `follower` of every version after the place returned.
    pub fn follow(&self, _follower: Arc<dyn Follower>) -> u64 {
        0
    }

    /// Writes a unit; returns when it is durable and every follower knows it, one [`Done`] a write.
    ///
    /// # Errors
    /// [`Refused`]; nothing of the unit was written then.
    pub fn submit(&self, _unit: Unit) -> Result<Vec<Done>, Refused> {
        Err(Refused::Busy)
    }

    /// The latest version of a record, a deletion too; `None` where there never was one.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read or the version is damaged.
    pub fn current(&self, _kind: &Kind, _id: &Id) -> Result<Option<Version>, Trouble> {
        Ok(None)
    }

    /// One version of a record by its name.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn version(&self, _kind: &Kind, _id: &Id, _version: VersionId) -> Result<Option<Version>, Trouble> {
        Ok(None)
    }

    /// The versions at these places in the log, in the order asked; places that do not exist are left out.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn by_seq(&self, _places: &[u64]) -> Result<Vec<Version>, Trouble> {
        Ok(Vec::new())
    }

    /// At most `limit` versions after a place, ascending and without a gap, up to [`Store::head`].
    ///
    /// # Errors
    /// As [`Store::current`]; also where a place is missing.
    pub fn log(&self, _after: u64, _limit: usize) -> Result<Vec<Version>, Trouble> {
        Ok(Vec::new())
    }

    /// A history, newest first.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn history(&self, _scope: &Scope, _range: &HistoryRange) -> Result<Vec<Version>, Trouble> {
        Ok(Vec::new())
    }

    /// How many versions a history has; the range's `limit` does not matter.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn history_count(&self, _scope: &Scope, _range: &HistoryRange) -> Result<u64, Trouble> {
        Ok(0)
    }

    /// Looks at everything: no gap in the log, every hash, every record's latest version, claims, counters.
    /// Calls `progress` with (versions looked at, versions in all). Puts records' pointers right.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read; damage is a finding, not an error.
    pub fn check(&self, _progress: &dyn Fn(u64, u64)) -> Result<Report, Trouble> {
        Ok(Report::default())
    }

    /// The kinds that have ever had a record, in the order they came.
    pub fn kinds(&self) -> Vec<Kind> {
        Vec::new()
    }
}
