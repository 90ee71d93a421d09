//! The index as others hold it: opened, following the log, asked, built again.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use query::Registry;
use store::{Appended, Follower, Store};
use tantivy::directory::MmapDirectory;
use tantivy::schema::Schema;
use tantivy::store::Compressor;
use tantivy::{IndexSettings, IndexSortByField, Order, TantivyError};

use crate::columns::{Fields, RECORD};
use crate::entry::Entry;
use crate::find::{Found, Query, Run};
use crate::indexing::Indexing;
use crate::order;
use crate::orders::Orders;
use crate::segments;
use crate::settings::Settings;
use crate::shared::{Shared, View};
use crate::slots::{Family, Slots};
use crate::snapshot::{Snapshot, changes_in_log};
use crate::tail::Tail;
use crate::trouble::Trouble;

/// Raised whenever an index written by older code can no longer be read by this one.
const LAYOUT: u32 = 4;
/// The file that says what the index was built from.
const FINGERPRINT: &str = "fingerprint";
/// How long to rest before the log is read again after a failure.
const REST: Duration = Duration::from_secs(1);
/// Versions read from the log at once when catching up.
const CHUNK: usize = 512;

/// A search index that follows a store's log. Cheap to clone; all clones are the same index.
#[derive(Clone)]
pub struct Index {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) registry: Arc<Registry>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) index: tantivy::Index,
    pub(crate) settings: Settings,
    pub(crate) orders: Orders,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Index {
    /// Opens the index in a directory, makes it where it is missing, and makes it anew from the log where
    /// it is damaged, of another log or of other definitions; the notice says which. Follows the store from
    /// then on. Returns when everything in the log can be found.
    ///
    /// # Errors
    /// A sentence, where the directory or the store cannot be used, or another process uses the index.
    pub fn open(
        directory: &Path,
        registry: Arc<Registry>,
        store: Store,
        settings: Settings,
    ) -> Result<Index, store::Trouble> {
        let settings = settings.bounded();
        let slots = Arc::new(allot(&registry));
        let fields = Arc::new(Fields::new(&slots));
        let place = Place {
            directory: directory.to_owned(),
            mark: mark(&registry, &slots),
        };
        let (index, position) = place.open_or_make(&fields, &slots, &store, &settings)?;
        let segments = segments::open(&index, &fields, &slots, &[]).map_err(|error| place.unusable(&error))?;
        let view = View {
            segments: Arc::new(segments),
            position,
            tail: Tail::default(),
            head: position,
        };
        let shared = Arc::new(Shared::new(view));
        let parts = (Arc::clone(&fields), Arc::clone(&slots));
        let thread = Indexing::start(
            Arc::clone(&shared),
            store.clone(),
            index.clone(),
            parts,
            settings.clone(),
        )
        .map_err(|error| place.unusable(&error))?;
        let thread = Mutex::new(Some(thread));
        let inner = Arc::new(Inner {
            shared,
            store,
            registry,
            slots,
            index,
            orders: Orders::new(settings.orders_bytes, settings.orders_from),
            settings,
            thread,
        });
        inner.store.follow(Arc::new(Following(Arc::downgrade(&inner))));
        inner.catch_up(&|_, _| {})?;
        Ok(Index { inner })
    }

    /// The place in the log up to which versions are committed to the index; what follows is in memory.
    pub fn position(&self) -> u64 {
        self.inner.shared.lock().view.position
    }

    /// The place in the log up to which versions can be found.
    pub fn head(&self) -> u64 {
        self.inner.shared.lock().view.head
    }

    /// How many segments the committed index has, and how many records are in them.
    pub fn size(&self) -> (usize, u64) {
        let segments = Arc::clone(&self.inner.shared.lock().view.segments);
        (
            segments.len(),
            segments
                .iter()
                .map(|segment| u64::from(segment.reader.num_docs()))
                .sum(),
        )
    }

    /// Waits until everything that can be found now is committed.
    ///
    /// # Errors
    /// [`Trouble::Failed`] where the index cannot be written.
    pub fn flush(&self) -> Result<(), Trouble> {
        let shared = &self.inner.shared;
        let mut state = shared.lock();
        let head = state.view.head;
        state.flush_to = state.flush_to.max(head);
        shared.ring();
        while state.view.position < head {
            if let Some(failure) = &state.failure {
                return Err(Trouble::Failed(format!(
                    "The search index could not be written: {failure}."
                )));
            }
            state = shared.wait_moved(state);
        }
        Ok(())
    }

    /// Answers a query.
    ///
    /// # Errors
    /// [`Trouble`]; nothing is ever answered short.
    pub fn find(&self, query: &Query<'_>) -> Result<Found, Trouble> {
        let snapshot = self.inner.snapshot(query.at)?;
        let inner = &self.inner;
        let clock = query.clock.clone();
        let run = Run {
            snapshot: &snapshot,
            slots: &inner.slots,
            store: &inner.store,
            orders: &inner.orders,
            clock,
        };
        run.page(query).map_err(|trouble| {
            let advice = query::advice(&query.kinds, &query.predicate, &inner.registry);
            trouble.advised(&advice)
        })
    }

    /// Builds the whole index again from the log. Searches are refused until it is complete; `progress` is
    /// called with (versions read, versions in the log).
    ///
    /// # Errors
    /// [`Trouble::Failed`] where the log cannot be read or the index cannot be written.
    pub fn rebuild(&self, progress: &dyn Fn(u64, u64)) -> Result<(), Trouble> {
        let shared = &self.inner.shared;
        let mut state = shared.lock();
        if state.catching_up {
            return Err(building());
        }
        (state.catching_up, state.clear) = (true, true);
        shared.ring();
        while state.clear {
            if let Some(failure) = &state.failure {
                return Err(Trouble::Failed(format!(
                    "The search index could not be emptied: {failure}."
                )));
            }
            state = shared.wait_moved(state);
        }
        drop(state);
        self.inner.catch_up(progress)?;
        self.flush()
    }
}

fn building() -> Trouble {
    Trouble::Building("The search index is being built from the log; try again in a moment.".to_owned())
}

impl Inner {
    fn snapshot(&self, at: Option<u64>) -> Result<Snapshot, Trouble> {
        let state = self.shared.lock();
        if state.catching_up {
            return Err(building());
        }
        let view = state.view.clone();
        let head = view.head;
        let Some(at) = at.filter(|at| *at < head) else {
            return Ok(Snapshot::newest(view));
        };
        let known = state.changes.since(at);
        drop(state);
        let most = self.settings.changes_max;
        let changes = match known {
            Some(changes) => changes,
            None => changes_in_log(&self.store, at, head, most)?,
        };
        if changes.len() > most {
            return Err(Trouble::expired(changes.len() as u64));
        }
        Snapshot::earlier(at, view, changes, &self.registry, &self.store)
    }

    /// Reads the log up to its head, and lets the follower take over without a gap.
    fn catch_up(&self, progress: &dyn Fn(u64, u64)) -> Result<(), store::Trouble> {
        loop {
            let head = self.shared.lock().view.head;
            let versions = self.store.log(head, CHUNK)?;
            if versions.is_empty() {
                let mut state = self.shared.lock();
                if state.view.head >= state.skipped && state.view.head >= self.store.head() {
                    (state.catching_up, state.skipped) = (false, 0);
                    return Ok(());
                }
                continue;
            }
            let entries: Vec<Entry> = versions
                .iter()
                .map(|version| Entry::read(&self.registry, version))
                .collect();
            self.push(entries, false);
            progress(versions[versions.len() - 1].seq, self.store.head());
        }
    }

    /// Reads the log up to its head on a thread of its own, as often as it takes.
    fn keep_catching_up(inner: Arc<Inner>) {
        let read = move || {
            while let Err(trouble) = inner.catch_up(&|_, _| {}) {
                (inner.settings.notice)(&format!(
                    "The search index cannot read the log, and tries again: {trouble}"
                ));
                thread::sleep(REST);
                if inner.shared.lock().stop {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("search-catch-up".to_owned()).spawn(read);
        started.expect("the machine can run one more thread");
    }

    /// Takes versions into the tail, waiting for room. A follower that finds a gap leaves it, and what
    /// follows it, to whoever is catching up.
    fn push(&self, entries: Vec<Entry>, follower: bool) {
        let (Some(first), Some(last)) = (entries.first().map(|e| e.seq), entries.last().map(|e| e.seq)) else {
            return;
        };
        let leave = |state: &mut crate::shared::State| {
            let gap = follower && state.catching_up && first > state.view.head + 1;
            if gap {
                state.skipped = state.skipped.max(last);
            }
            gap
        };
        if leave(&mut self.shared.lock()) {
            return;
        }
        let mut state = self.shared.wait_room(entries.len(), self.settings.tail_max);
        if leave(&mut state) {
            return;
        }
        state.push(entries);
        drop(state);
        self.shared.ring();
    }

    fn follow(&self, appended: &[Appended]) -> Result<(), store::Trouble> {
        let mut entries: Vec<Option<Entry>> = appended.iter().map(Entry::carried).collect();
        let missing: Vec<u64> = appended
            .iter()
            .zip(&entries)
            .filter(|(_, entry)| entry.is_none())
            .map(|(a, _)| a.seq)
            .collect();
        let mut read = self.store.by_seq(&missing)?.into_iter();
        for (entry, appended) in entries.iter_mut().zip(appended).filter(|(entry, _)| entry.is_none()) {
            let found = read.next().map(|version| Entry::read(&self.registry, &version));
            *entry = found.map(|mut found| {
                found.before = appended.previous.map_or(found.before, crate::entry::Before::At);
                found
            });
        }
        self.push(entries.into_iter().flatten().collect(), true);
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.ring();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A panic there has said so itself; the log replays what was not committed.
            let _ = thread.join();
        }
    }
}

/// Follows the log for an index as long as somebody holds the index.
struct Following(Weak<Inner>);

impl Follower for Following {
    fn committed(&self, appended: &[Appended]) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        if let Err(trouble) = inner.follow(appended) {
            // Searches would answer short: refuse them until the log has been read again.
            (inner.settings.notice)(&format!("The search index lost the log and reads it again: {trouble}"));
            let last = appended.last().map_or(0, |appended| appended.seq);
            let mut state = inner.shared.lock();
            let alone = !state.catching_up;
            (state.catching_up, state.skipped) = (true, state.skipped.max(last));
            drop(state);
            if alone {
                Inner::keep_catching_up(inner);
            }
        }
    }
}

/// Allots the columns: every parameter of every kind by what its values are.
fn allot(registry: &Registry) -> Slots {
    let mut wanted: Vec<_> = Vec::new();
    for kind in registry.kinds() {
        for parameter in registry.parameters(kind) {
            wanted.extend(order::family(parameter.kind).map(|family: Family| (kind.clone(), parameter.id, family)));
        }
    }
    Slots::allot(wanted)
}

fn mark(registry: &Registry, slots: &Slots) -> String {
    format!(
        "layout {LAYOUT}\ndefinitions {:016x}\ncolumns {:016x}\n",
        registry.fingerprint(),
        slots.fingerprint()
    )
}

/// Where the index lives, and what it has to be built from.
struct Place {
    directory: PathBuf,
    mark: String,
}

impl Place {
    fn unusable(&self, error: &dyn std::fmt::Display) -> store::Trouble {
        store::Trouble::new(format!(
            "The search index in {} cannot be used: {error}.",
            self.directory.display()
        ))
    }

    fn open_or_make(
        &self,
        fields: &Fields,
        slots: &Slots,
        store: &Store,
        settings: &Settings,
    ) -> Result<(tantivy::Index, u64), store::Trouble> {
        // Reading a file cut short may panic.
        let opened = panic::catch_unwind(AssertUnwindSafe(|| self.open(fields, slots, store)));
        let reason = match opened {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(reason)) => reason,
            Err(_) => Some("is damaged".to_owned()),
        };
        if let Some(reason) = reason {
            let place = self.directory.display();
            (settings.notice)(&format!(
                "The search index in {place} {reason}; it is built again from the log."
            ));
        }
        self.make(fields.schema.clone())
            .map(|index| (index, 0))
            .map_err(|error| self.unusable(&error))
    }

    /// The index that is there. The error says why it is of no use; nothing where there is none.
    fn open(&self, fields: &Fields, slots: &Slots, store: &Store) -> Result<(tantivy::Index, u64), Option<String>> {
        let Ok(found) = fs::read_to_string(self.directory.join(FINGERPRINT)) else {
            return Err(None);
        };
        if found != self.mark {
            return Err(Some("was built from other definitions".to_owned()));
        }
        let damaged = |error: TantivyError| Some(format!("is damaged ({error})"));
        let index = tantivy::Index::open_in_dir(&self.directory).map_err(damaged)?;
        if index.schema() != fields.schema {
            return Err(Some("has other columns".to_owned()));
        }
        segments::open(&index, fields, slots, &[]).map_err(damaged)?;
        let payload = index.load_metas().map_err(damaged)?.payload.unwrap_or_default();
        match segments::position(store, &payload) {
            Ok(Some(position)) => Ok((index, position)),
            Ok(None) => Err(Some("belongs to another log".to_owned())),
            Err(trouble) => Err(Some(format!("cannot be compared with the log ({trouble})"))),
        }
    }

    fn make(&self, schema: Schema) -> Result<tantivy::Index, TantivyError> {
        if self.directory.exists() {
            let ours = [FINGERPRINT, "meta.json"]
                .iter()
                .any(|name| self.directory.join(name).exists());
            if !ours && fs::read_dir(&self.directory)?.next().is_some() {
                let text = "the directory holds other files; give the index one of its own";
                return Err(TantivyError::InvalidArgument(text.to_owned()));
            }
            fs::remove_dir_all(&self.directory)?;
        }
        fs::create_dir_all(&self.directory)?;
        let settings = IndexSettings {
            sort_by_field: Some(IndexSortByField {
                field: RECORD.to_owned(),
                order: Order::Asc,
            }),
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let directory = MmapDirectory::open(&self.directory).map_err(TantivyError::from)?;
        let index = tantivy::Index::create(directory, schema, settings)?;
        fs::write(self.directory.join(FINGERPRINT), &self.mark)?;
        Ok(index)
    }
}
