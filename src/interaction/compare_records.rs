//! What a site has of a node's horizon, read from its log, for a comparison; and what comes back of what a disk has lost.

use std::sync::Arc;

use store::{Expect, Store, Trouble, Unit, Version};
use sync::Change;
use sync::digest::{Item, Table, key};
use sync::frame::What;
use sync::question::Found;
use sync::segment;
use sync::session::{Failed, Packed};

use crate::answer_node::{short, trouble};
use crate::arrive::{Untaken, write_of};
use crate::engine::Engine;

/// Records looked at in one go.
const BLOCK: u64 = 2_048;

/// What a site has: each record's digest, and where in the log it was read.
pub(crate) struct Inventory {
    /// What is compared.
    pub(crate) table: Arc<Table>,
    /// By key.
    places: Vec<(u64, u64)>,
}

impl Inventory {
    /// Of the versions at these places that are wanted. Those that cannot be read are left out and told to the operator: the other side
    /// sends them again.
    ///
    /// # Errors
    /// [`Trouble`] where the database cannot be read.
    pub(crate) fn read(store: &Store, places: &[u64], wanted: &dyn Fn(&Version) -> bool) -> Result<Inventory, Trouble> {
        let (mut items, mut known) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        let mut add = |version: &Version| {
            if !wanted(version) {
                return;
            }
            let key = key(&version.kind, &version.id);
            let seal = short(version.seal());
            items.push(Item { key, seal });
            known.push((key, version.seq));
        };
        for block in places.chunks(BLOCK as usize) {
            match store.by_seq(block) {
                Ok(versions) => versions.iter().for_each(&mut add),
                Err(_) => each_alone(store, block, &mut add),
            }
        }
        known.sort_unstable();
        Ok(Inventory {
            table: Arc::new(Table::new(items)),
            places: known,
        })
    }

    /// The current versions of records, as they are now, as many as one segment holds.
    ///
    /// # Errors
    /// [`Failed`] where the log cannot be read.
    pub(crate) fn current(&self, store: &Store, keys: &[u64]) -> Result<Vec<Change>, Failed> {
        let place = |key: &u64| {
            let at = self.places.binary_search_by_key(key, |(key, _)| *key).ok()?;
            Some(self.places[at].1)
        };
        let places: Vec<u64> = keys.iter().filter_map(place).collect();
        let mut changes = Vec::with_capacity(places.len());
        for version in store.by_seq(&places).map_err(trouble)? {
            let current = store.current(&version.kind, &version.id).map_err(trouble)?;
            changes.extend(current.map(Change::from));
        }
        changes.truncate(segment::fitting(&changes));
        Ok(changes)
    }
}

fn each_alone(store: &Store, places: &[u64], add: &mut dyn FnMut(&Version)) {
    for place in places {
        match store.by_seq(&[*place]) {
            Ok(versions) => versions.iter().for_each(&mut *add),
            Err(damaged) => eprintln!("epis: {damaged} A copy is asked for."),
        }
    }
}

/// Where each record's current version is.
///
/// # Errors
/// [`Trouble`] where the database cannot be read.
pub(crate) fn all_current(store: &Store) -> Result<Vec<u64>, Trouble> {
    let (head, mut places) = (store.head(), Vec::new());
    let (records, mut after) = (store.records(head)?, 0);
    while after < records {
        let upto = after + BLOCK;
        places.extend(store.latest(after, upto, head)?.into_iter().map(|(_, place)| place));
        after = upto;
    }
    Ok(places)
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
        if current.is_some_and(|own| own.node == store.node() && own.counter > acknowledged) {
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
