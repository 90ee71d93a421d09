//! What a site has of a node's horizon, read from its log, for a comparison; and what comes back of what a disk has lost.

use std::sync::Arc;

use store::{Expect, Store, Trouble, Unit, Version};
use sync::Change;
use sync::digest::{Item, Table, key};
use sync::frame::What;
use sync::lanes::lane;
use sync::question::Found;
use sync::segment;
use sync::session::{Failed, Packed};

use crate::answer_node::{short, trouble};
use crate::arrive::{Untaken, write_of};
use crate::engine::Engine;

/// Records looked at in one go.
const BLOCK: u64 = 2_048;

/// What is at these places, for a comparison. What cannot be read is left out and told to the operator: the other side sends it
/// again.
pub(crate) fn table_of(store: &Store, places: &[u64]) -> Arc<Table> {
    let mut records = Vec::with_capacity(places.len());
    for block in places.chunks(BLOCK as usize) {
        records.extend(read(store, block).iter().map(placed));
    }
    Arc::new(Table::new(records))
}

/// All that is here now and belongs to a lane, for a comparison; what cannot be read as in [`table_of`].
///
/// # Errors
/// [`Trouble`] where the database cannot be read.
pub(crate) fn table_of_all(store: &Store) -> Result<Arc<Table>, Trouble> {
    let head = store.head();
    let count = store.records(head)?;
    let mut records = Vec::with_capacity(count as usize);
    for after in (0..count).step_by(BLOCK as usize) {
        let latest = store.latest(after, after + BLOCK, head)?;
        let places: Vec<u64> = latest.into_iter().map(|(_, place)| place).collect();
        let versions = read(store, &places);
        let sent = versions
            .iter()
            .filter(|version| lane(version.kind.as_str()).number.is_some());
        records.extend(sent.map(placed));
    }
    Ok(Arc::new(Table::new(records)))
}

fn placed(version: &Version) -> (Item, u64) {
    let item = Item {
        key: key(&version.kind, &version.id),
        seal: short(version.seal()),
    };
    (item, version.seq)
}

/// The versions at these places, one by one where they cannot be read together.
fn read(store: &Store, places: &[u64]) -> Vec<Version> {
    store.by_seq(places).unwrap_or_else(|_| {
        let alone = |place: &u64| match store.by_seq(&[*place]) {
            Ok(versions) => versions,
            Err(damaged) => {
                eprintln!("epis: {damaged} A copy is asked for.");
                Vec::new()
            }
        };
        places.iter().flat_map(alone).collect()
    })
}

/// The current versions of records of a table, as they are now, as many as one segment holds.
///
/// # Errors
/// [`Failed`] where the log cannot be read.
pub(crate) fn current(store: &Store, table: &Table, keys: &[u64]) -> Result<Vec<Change>, Failed> {
    let mut changes = Vec::with_capacity(keys.len());
    for version in store.by_seq(&table.places(keys)).map_err(trouble)? {
        let current = store.current(&version.kind, &version.id).map_err(trouble)?;
        changes.extend(current.map(Change::from));
    }
    changes.truncate(segment::fitting(&changes));
    Ok(changes)
}

/// A segment of versions that the other side may lack, and how many they are; `None` where there are none.
///
/// # Errors
/// [`Failed`] where one cannot be packed.
pub(crate) fn packed(what: What, changes: &[Change], dictionary: u8) -> Result<Option<(Packed, u64)>, Failed> {
    if changes.is_empty() {
        return Ok(None);
    }
    let bytes = segment::pack(changes, dictionary).map_err(|_| Failed("A record cannot be packed.".to_owned()))?;
    Ok(Some((Packed::new(what, bytes), changes.len() as u64)))
}

/// Puts records right at a node: the centre has them so. A version that the disk has changed comes back in its place, and
/// what is not here at all is taken, unless this node has written to the record what the centre does not know of.
///
/// # Errors
/// [`Untaken`].
pub(crate) fn mend_records(engine: &Engine, states: Vec<Change>, acknowledged: u64) -> Result<(), Untaken> {
    let (store, mut damaged, mut lost) = (&engine.store, Vec::new(), Vec::new());
    for state in states {
        match store.place_at(&state.kind, &state.id, state.version)? {
            Some(seq) => damaged.push(state.at(seq)),
            None => lost.push(state),
        }
    }
    store.mend(damaged).map_err(Untaken::Refused)?;
    let mut writes = Vec::new();
    for state in &lost {
        let current = store.name_of(&state.kind, &state.id)?;
        if current.is_some_and(|(own, _)| own.node == store.node() && own.counter > acknowledged) {
            continue;
        }
        let mut write = write_of(engine, state, false)?;
        write.expect = Expect::Anything;
        writes.push(write);
    }
    match writes.is_empty() {
        true => Ok(()),
        false => store.submit(Unit::of(writes)).map(|_| ()).map_err(Untaken::Refused),
    }
}

/// What comparisons of a node with the centre found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// When the last one ended, in microseconds since 1970; 0 where there was none.
    pub when: i64,
    /// How many records it compared.
    pub records: u64,
    /// When anything was found last; 0 where nothing ever was.
    pub found: i64,
    /// How many records were missing or others at the node then, and came again.
    pub lacked: u64,
    /// How many the centre lacked, or its disk had changed, and came from the node.
    pub given: u64,
    /// When one was last tried.
    pub tried: i64,
}

impl Verified {
    /// What is noted under a key.
    ///
    /// # Errors
    /// [`Failed`] where it cannot be read.
    pub(crate) fn of(store: &Store, key: &str) -> Result<Verified, Failed> {
        let note = store.note(key).map_err(trouble)?.unwrap_or_default();
        let mut numbers = note.chunks_exact(8).map(|bytes| {
            let bytes: [u8; 8] = bytes.try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        });
        let mut next = || numbers.next().unwrap_or_default();
        Ok(Verified {
            when: next() as i64,
            records: next(),
            found: next() as i64,
            lacked: next(),
            given: next(),
            tried: next() as i64,
        })
    }

    /// With one more comparison.
    pub(crate) fn and(self, found: Found, now: i64) -> Verified {
        let ended = Verified {
            when: now,
            records: found.records,
            tried: now,
            ..self
        };
        match (found.lacked, found.given) {
            (0, 0) => ended,
            (lacked, given) => Verified {
                found: now,
                lacked,
                given,
                ..ended
            },
        }
    }

    /// The note of it.
    pub(crate) fn note(&self, key: String) -> store::Note {
        let numbers = [
            self.when as u64,
            self.records,
            self.found as u64,
            self.lacked,
            self.given,
            self.tried as u64,
        ];
        store::Note::new(key, numbers.map(u64::to_le_bytes).concat())
    }
}
