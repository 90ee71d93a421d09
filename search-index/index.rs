//! The index as others hold it: opened, following the log, asked, retired.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use conformance::SearchParameter;
use fhir::identity::Kind;
use query::{Predicate, Registry, custom};
use store::Store;
use tantivy::TantivyError;
use text::{Analysis, Tables};

use crate::clock::Clock;
use crate::columns::Fields;
use crate::containers::Containers;
use crate::find::{Found, Query, Run};
use crate::following::Following;
use crate::ground::Under;
use crate::indexing::Indexing;
use crate::order;
use crate::orders::Orders;
use crate::place::{ANALYZERS, CUSTOM, Place, Unusable, mark};
use crate::segments;
use crate::settings::Settings;
use crate::shared::{Shared, State, View};
use crate::slots::{Family, Slots};
use crate::snapshot::{Snapshot, changes_in_log};
use crate::tail::Tail;
use crate::trouble::Trouble;

/// What is said of an index where reading it made the program fail.
pub(crate) const UNREADABLE: &str = "The search index is damaged: reading it failed.";
/// Failures in a row after which the index is no longer trusted to mend itself.
const FAILURES_MAX: u32 = 5;

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
    pub(crate) fields: Arc<Fields>,
    pub(crate) orders: Orders,
    pub(crate) place: Place,
    pub(crate) under: Under,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Index {
    /// The index in a directory, as it was left; it follows the store from then on. What the log has got meanwhile is
    /// found after [`Index::catch_up`]; until then searches are refused.
    ///
    /// # Errors
    /// Why there is no index to be had.
    pub fn open(
        directory: &Path,
        registry: Arc<Registry>,
        store: Store,
        settings: Settings,
    ) -> Result<Index, Unusable> {
        let parts = Parts::new(directory, registry);
        let (index, position) = parts.place.open(&parts.fields, &parts.slots, &store)?;
        let started = parts.start(index, position, store, settings);
        started.map_err(|error| Unusable::Because(format!("cannot be used ({error})")))
    }

    /// A new, empty index in a directory; an index that is there is removed. It follows the store from then on, and what
    /// the log has already is found after [`Index::catch_up`]; until then searches are refused.
    ///
    /// # Errors
    /// A sentence, where the directory cannot be used.
    pub fn make(
        directory: &Path,
        registry: Arc<Registry>,
        store: Store,
        settings: Settings,
    ) -> Result<Index, store::Trouble> {
        let parts = Parts::new(directory, registry);
        let made = parts.place.make(parts.fields.schema.clone());
        let index = made.map_err(|error| parts.place.unusable(&error))?;
        let unusable = parts.place.unusable(&"it is in use by another process");
        parts.start(index, 0, store, settings).map_err(|_| unusable)
    }

    /// The custom search parameters that the index in a directory was built with; `None` where it does not say.
    pub fn custom(directory: &Path) -> Option<Vec<SearchParameter>> {
        custom::parse(&fs::read_to_string(directory.join(CUSTOM)).ok()?)
    }

    /// The tables by which the index in a directory breaks texts into words; `None` where it does not say.
    pub fn analysis(directory: &Path) -> Option<Analysis> {
        let tables = Tables::read(&fs::read_to_string(directory.join(ANALYZERS)).ok()?).ok()?;
        Analysis::new(&tables).ok()
    }

    /// Whether the index in a directory was built with these parameters by a program like this one.
    pub fn is_built_with(directory: &Path, registry: &Registry) -> bool {
        let wanted = mark(registry, &allot(registry));
        fs::read_to_string(directory.join(crate::place::FINGERPRINT)).is_ok_and(|found| found == wanted)
    }

    /// Reads the log up to its head; from then on every version is found as it is written. After every few versions
    /// `go_on` is asked, with (versions read, versions in the log); it may take its time, and where it says no, this ends
    /// with false. A later call goes on from there.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn catch_up(&self, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<bool, store::Trouble> {
        self.inner.catch_up(go_on)
    }

    /// The parameters whose expressions failed, with how often: [`Registry::failures`].
    pub fn failures(&self) -> Vec<(String, u64)> {
        self.inner.registry.failures()
    }

    /// Whether another index was built with the same parameters.
    pub fn is_like(&self, other: &Index) -> bool {
        self.inner.place.mark == other.inner.place.mark
    }

    /// Whether everything in the log can be found, so that searches are answered.
    pub fn is_complete(&self) -> bool {
        !self.inner.shared.lock().catching_up
    }

    /// Why the index should be built anew, where it should: a sentence.
    pub fn complaint(&self) -> Option<String> {
        let state = self.inner.shared.lock();
        if let Some(complaint) = state.damage.as_ref().or(state.wanting.as_ref()) {
            return Some(complaint.clone());
        }
        let failure = state.failure.as_ref().filter(|_| state.failures >= FAILURES_MAX)?;
        Some(format!("The search index cannot be written: {failure}."))
    }

    /// Refuses searches from now on, because what the index answers may be wrong; `why` is a sentence.
    pub(crate) fn distrust(&self, why: String) {
        let mut state = self.inner.shared.lock();
        if state.damage.is_none() {
            (self.inner.settings.notice)(&why);
            state.damage = Some(why);
        }
    }

    /// Removes the directory some time after nobody holds the index any more; what a process that ends leaves behind is
    /// for the next start.
    pub fn retire(&self) {
        self.inner.shared.lock().retired = true;
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

    /// Whether nothing has been written for a while and the segments have come together, so that nothing goes on behind
    /// the searches.
    pub fn is_resting(&self) -> bool {
        self.inner.shared.lock().resting
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
        let found = self.run(query.at, &query.clock, |run| run.page(query), query.under);
        found.map_err(|trouble| trouble.advised(&query::advice(&query.kinds, &query.predicate, &self.inner.registry)))
    }

    /// The records, as of a log position, that contain a resource of one of the kinds which meets the condition.
    ///
    /// # Errors
    /// [`Trouble`]; nothing is ever answered short.
    pub fn containers(
        &self,
        kinds: &[Kind],
        inner: &Predicate,
        at: Option<u64>,
        clock: &Clock,
    ) -> Result<Containers, Trouble> {
        let found = self.run(at, clock, |run| run.containers(kinds, inner), false);
        found.map_err(|trouble| trouble.advised(&query::advice(kinds, inner, &self.inner.registry)))
    }

    /// Whether any record is replaced by another now, so that a reference may lead to several (see [`query::replaced`]).
    pub fn has_replaced(&self) -> bool {
        self.inner.shared.lock().view.has_replaced()
    }

    fn run<T>(
        &self,
        at: Option<u64>,
        clock: &Clock,
        work: impl FnOnce(&Run<'_>) -> Result<T, Trouble>,
        under: bool,
    ) -> Result<T, Trouble> {
        let inner = &self.inner;
        let snapshot = inner.snapshot(at, clock)?;
        let run = Run {
            snapshot: &snapshot,
            slots: &inner.slots,
            store: &inner.store,
            registry: &inner.registry,
            orders: &inner.orders,
            under: under.then_some(&inner.under),
            clock: clock.clone(),
        };
        // Reading a damaged file may panic.
        let answered = panic::catch_unwind(AssertUnwindSafe(|| work(&run)));
        let damage = match answered {
            Ok(Err(Trouble::Damaged(why))) => why,
            Ok(answer) => return answer,
            Err(_) => UNREADABLE.to_owned(),
        };
        self.distrust(damage);
        Err(building(&self.inner.shared.lock(), inner.store.head()))
    }
}

/// The refusal of a search that would be answered short or wrong.
fn building(state: &State, head: u64) -> Trouble {
    Trouble::Building(match &state.damage {
        Some(damage) => format!("{damage} It is built anew; GET [base]/$reindex says how far it is."),
        None => format!(
            "The search index is being built: {} of {head} versions in the log are read; try again in a moment.",
            state.view.head
        ),
    })
}

/// The parts an index is made of before it has a store.
struct Parts {
    place: Place,
    registry: Arc<Registry>,
    slots: Arc<Slots>,
    fields: Arc<Fields>,
}

impl Parts {
    fn new(directory: &Path, registry: Arc<Registry>) -> Parts {
        let slots = Arc::new(allot(&registry));
        let fields = Arc::new(Fields::new(&slots));
        let place = Place {
            directory: directory.to_owned(),
            mark: mark(&registry, &slots),
            custom: custom::write(registry.custom()),
            analyzers: registry.analysis().tables().to_owned(),
        };
        Parts {
            place,
            registry,
            slots,
            fields,
        }
    }

    /// Starts what keeps the index up to date.
    fn start(
        self,
        index: tantivy::Index,
        position: u64,
        store: Store,
        settings: Settings,
    ) -> Result<Index, TantivyError> {
        let settings = settings.bounded();
        let view = View {
            segments: Arc::new(segments::open(&index, &self.fields, &self.slots, &[])?),
            position,
            tail: Tail::default(),
            head: position,
        };
        let shared = Arc::new(Shared::new(view));
        let directory = self.place.directory.clone();
        let parts = (Arc::clone(&self.fields), Arc::clone(&self.slots), directory);
        let thread = Indexing::start(
            Arc::clone(&shared),
            store.clone(),
            index.clone(),
            parts,
            settings.clone(),
        )?;
        let inner = Arc::new(Inner {
            shared,
            store,
            registry: self.registry,
            slots: self.slots,
            fields: self.fields,
            index,
            orders: Orders::new(settings.orders_bytes, settings.orders_from),
            under: Under::new(settings.ground.clone()),
            settings,
            place: self.place,
            thread: Mutex::new(Some(thread)),
        });
        inner.store.follow(Arc::new(Following(Arc::downgrade(&inner))));
        Ok(Index { inner })
    }
}

impl Inner {
    fn snapshot(&self, at: Option<u64>, clock: &Clock) -> Result<Snapshot, Trouble> {
        let state = self.shared.lock();
        if state.catching_up || state.damage.is_some() {
            return Err(building(&state, self.store.head()));
        }
        let view = state.view.clone();
        let head = view.head;
        let Some(at) = at.filter(|at| *at < head) else {
            return Ok(Snapshot::newest(view));
        };
        let known = state.changes.since(at);
        drop(state);
        // What was before a change may have to be read.
        if known.as_ref().is_none_or(|changes| !changes.is_empty()) {
            clock.wait()?;
        }
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
}

impl Drop for Inner {
    fn drop(&mut self) {
        let retired = {
            let mut state = self.shared.lock();
            state.stop = true;
            state.retired
        };
        self.shared.ring();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Nobody waits for an index that is only to be removed.
        let awaited = |thread: &JoinHandle<()>| !retired && thread.thread().id() != std::thread::current().id();
        if let Some(thread) = thread.filter(awaited) {
            // A panic there has said so itself; the log replays what was not committed.
            let _ = thread.join();
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
