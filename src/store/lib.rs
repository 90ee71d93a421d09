//! Keeps every version in one ordered log; the only room that knows SQL.

mod append;
mod check;
mod claims;
mod connection;
mod desk;
mod dictionary;
mod history;
mod kinds;
mod latest;
mod made_by;
mod mend;
mod migrate;
mod notes;
mod numbers;
mod packing;
mod queue;
mod read;
mod readers;
mod recent;
mod records;
mod rename;
mod rows;
mod seal;
mod settings;
mod shared;
mod submit;
mod tables;
pub mod testing;
#[cfg(test)]
mod tests;
mod trouble;
mod unit;
mod version;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fhir::identity::{Id, Kind, VersionId};

pub use check::Report;
pub use dictionary::train;
pub use seal::Seal;
use shared::Shared;
use writer::Writer;

pub use settings::{Place, Settings};
pub use trouble::{Refused, Trouble};
pub use unit::{
    Appended, Claim, Disturbs, Done, Elsewhere, Expect, Follower, Guard, Made, Note, Operation, Unit, Write,
};
pub use version::{HistoryRange, Scope, Version};

/// One ordered log of versions. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    ending: Arc<Ending>,
}

/// Ends the writer when the last handle goes.
struct Ending {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Ending {
    fn end(&self) {
        self.shared.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let myself = std::thread::current().id();
        if let Some(writer) = writer.filter(|writer| writer.thread().id() != myself) {
            // A writer that panicked has closed the queue and answered everybody.
            let _ended = writer.join();
        }
        self.shared.close();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end();
    }
}

impl Store {
    /// Opens the log, makes its tables where they are missing, and takes it for this process alone.
    ///
    /// # Errors
    /// [`Trouble`] where the place cannot be reached, is in use by another process, or is of another node.
    pub fn open(settings: Settings) -> Result<Store, Trouble> {
        let (shared, db) = Shared::open(settings)?;
        let shared = Arc::new(shared);
        let writer = Writer::new(shared.clone(), db)?;
        let thread = std::thread::Builder::new().name("log-writer".to_owned());
        let writer = thread
            .spawn(move || writer.run())
            .map_err(|e| Trouble::new(format!("The writer's thread cannot be started: {e}.")))?;
        let ending = Ending {
            shared: shared.clone(),
            writer: Mutex::new(Some(writer)),
        };
        Ok(Store {
            shared,
            ending: Arc::new(ending),
        })
    }

    /// The last place in the log that is durable and known to every follower; 0 for an empty log.
    pub fn head(&self) -> u64 {
        self.shared.head()
    }

    /// How many groups of units were committed since the store was opened: one fsync each.
    pub fn groups(&self) -> u64 {
        self.shared.groups()
    }

    /// This node's number: 0 is the centre.
    pub fn node(&self) -> u32 {
        self.shared.node()
    }

    /// How many versions were made here under this node's number: the counter of the last one that is durable.
    pub fn counter(&self) -> u64 {
        self.shared.counter()
    }

    /// A new id; never the id of a stored record, never given twice. At the centre `0-count`; at another node
    /// `node-epoch-count`, where the epoch is drawn anew whenever the database is opened, so that a node which goes on with
    /// an old copy of its database gives no id that it gave since the copy was made.
    pub fn mint(&self) -> Id {
        self.shared.mint()
    }

    /// Tells `follower` of every version after the place returned, until it has [`ended`](Follower::ended).
    pub fn follow(&self, follower: Arc<dyn Follower>) -> u64 {
        let mut followers = self.shared.followers();
        followers.retain(|follower| !follower.ended());
        followers.push(follower);
        self.shared.head()
    }

    /// Writes a unit; returns when it is durable and every follower knows it, one [`Done`] a write.
    ///
    /// # Errors
    /// [`Refused`]; nothing of the unit was written then.
    pub fn submit(&self, unit: Unit) -> Result<Vec<Done>, Refused> {
        self.shared.submit(unit)
    }

    /// The current version of a record, a deletion too; `None` where there never was one.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read or the version is damaged.
    pub fn current(&self, kind: &Kind, id: &Id) -> Result<Option<Version>, Trouble> {
        self.shared.current(kind, id)
    }

    /// The current versions of some records of a kind, deletions too, in no order; of those that never were there is none.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn currents(&self, kind: &Kind, ids: &[&Id]) -> Result<Vec<Version>, Trouble> {
        self.shared.currents(kind, ids)
    }

    /// The number of a record, a deleted one too; `None` where there never was one. It stays the same for ever.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read.
    pub fn number(&self, kind: &Kind, id: &Id) -> Result<Option<u64>, Trouble> {
        self.shared.number(kind, id)
    }

    /// The number of a record that was lately asked for. Waits for nothing.
    pub fn number_at_hand(&self, kind: &Kind, id: &Id) -> Option<u64> {
        self.shared.numbers.get(kind, id)
    }

    /// One version of a record by its name.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn version(&self, kind: &Kind, id: &Id, version: VersionId) -> Result<Option<Version>, Trouble> {
        self.shared.one_version(kind, id, version)
    }

    /// The versions at these places in the log, in the order asked; places that do not exist are left out.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn by_seq(&self, places: &[u64]) -> Result<Vec<Version>, Trouble> {
        self.shared.by_seq(places)
    }

    /// At most `limit` versions after a place, ascending and without a gap, up to [`Store::head`].
    ///
    /// # Errors
    /// As [`Store::current`]; also where a place is missing.
    pub fn log(&self, after: u64, limit: usize) -> Result<Vec<Version>, Trouble> {
        self.shared.log(after, limit)
    }

    /// Which version was the current one of each record at a place in the log, deletions included: (record's number, place
    /// of the version), ascending, of the records after one number and up to another. No record is opened.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn latest(&self, after: u64, up_to: u64, at: u64) -> Result<Vec<(u64, u64)>, Trouble> {
        self.shared.latest(after, up_to, at)
    }

    /// The highest number that a record had at a place in the log; 0 for an empty log. Records are numbered as they begin.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn records(&self, at: u64) -> Result<u64, Trouble> {
        self.shared.records(at)
    }

    /// The records of a kind as they were at a place in the log, in the order of their ids: of the next `limit` after
    /// an id those that were there and not deleted, and the last id looked at; `None` where there are no more.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn records_of(
        &self,
        kind: &Kind,
        after: Option<&Id>,
        at: u64,
        limit: usize,
    ) -> Result<(Vec<Version>, Option<Id>), Trouble> {
        self.shared.records_of(kind, after, at, limit)
    }

    /// At most `limit` versions that were made on one node, after a place in the log and in the order they were made; and
    /// the place up to which there are no others, from which to go on.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn made_by(&self, node: u32, after: u64, limit: usize) -> Result<(Vec<Version>, u64), Trouble> {
        self.shared.made_by(node, after, limit)
    }

    /// The place in the log after which all versions that were made on a node have counters above this one: where
    /// [`Store::made_by`] begins for them. It reads much of the log at worst; better keep what that answers. Of another
    /// node it holds where the node's versions were appended in their order.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn place_of(&self, node: u32, counter: u64) -> Result<u64, Trouble> {
        self.shared.place_of(node, counter)
    }

    /// Gives the versions that were made on this node after a counter new names, as those of a node with another number,
    /// whose first they become; this node goes on under that number. For a node that went on with an old copy of its
    /// database: others know other versions by those names. All or nothing. Answers given before bear the old names:
    /// open what keeps them anew.
    ///
    /// # Errors
    /// [`Refused`]; also where the log has versions of a node with that number.
    pub fn rename_own(&self, after: u64, node: u32) -> Result<(), Refused> {
        self.shared.rename(after, node)
    }

    /// Gives versions back what the disk has made of them, each by its place in the log and its name, as another site has
    /// them. Only rows change whose hash says that this was written.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn mend(&self, versions: Vec<Version>) -> Result<(), Refused> {
        self.shared.mend(versions)
    }

    /// The name of a record's current version, and whether the record is live by it; the version itself is not opened.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read.
    pub fn name_of(&self, kind: &Kind, id: &Id) -> Result<Option<(VersionId, bool)>, Trouble> {
        self.shared.name_of(kind, id)
    }

    /// Where in the log one version of a record is; it is not opened.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read.
    pub fn place_at(&self, kind: &Kind, id: &Id, version: VersionId) -> Result<Option<u64>, Trouble> {
        self.shared.place_at(kind, id, version)
    }

    /// What was noted down under a key.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read.
    pub fn note(&self, key: &str) -> Result<Option<Vec<u8>>, Trouble> {
        self.shared.note(key)
    }

    /// What was noted down under keys that begin so, at most `limit`, in the order of their keys.
    ///
    /// # Errors
    /// As [`Store::note`].
    pub fn notes(&self, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
        self.shared.notes(prefix, limit)
    }

    /// A history, newest first.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn history(&self, scope: &Scope, range: &HistoryRange) -> Result<Vec<Version>, Trouble> {
        self.shared.history(scope, range)
    }

    /// How many versions a history has; the range's `limit` does not matter.
    ///
    /// # Errors
    /// As [`Store::current`].
    pub fn history_count(&self, scope: &Scope, range: &HistoryRange) -> Result<u64, Trouble> {
        self.shared.history_count(scope, range)
    }

    /// Looks at everything: no gap in the log, every hash, every record's latest version, claims, counters.
    /// Calls `progress` with (versions looked at, versions in all). Puts records' pointers right.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read; damage is a finding, not an error.
    pub fn check(&self, progress: &dyn Fn(u64, u64)) -> Result<Report, Trouble> {
        self.shared.check(progress)
    }

    /// The kinds that have ever had a record, in the order they came.
    pub fn kinds(&self) -> Vec<Kind> {
        self.shared.kinds().all().to_vec()
    }

    /// Ends the store: what waits is written, followers are let go, the database is free for another
    /// process. Later writes are refused. Needed where a follower holds a handle itself; otherwise
    /// dropping the last handle does the same.
    pub fn close(&self) {
        self.ending.end();
    }
}
