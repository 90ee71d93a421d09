//! What searchers, the log's follower and the indexing thread share, under one lock.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::columns::Segment;
use crate::entry::Entry;
use crate::past::{Change, Changes};
use crate::tail::Tail;

/// The whole answer at one moment: the committed index up to `position`, and the log from there to `head`.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) segments: Arc<Vec<Segment>>,
    pub(crate) position: u64,
    pub(crate) tail: Tail,
    pub(crate) head: u64,
}

/// Everything under the lock.
pub(crate) struct State {
    pub(crate) view: View,
    pub(crate) changes: Changes,
    /// Versions the indexing thread has not taken yet.
    pub(crate) queue: VecDeque<Arc<Entry>>,
    /// The index shall be committed up to here without delay.
    pub(crate) flush_to: u64,
    /// Versions to be indexed again that are not committed yet.
    pub(crate) repairing: usize,
    /// A merge has ended.
    pub(crate) merged: bool,
    /// Nothing has been written for a while, and the segments are as few as they shall be.
    pub(crate) resting: bool,
    /// The indexing thread shall end.
    pub(crate) stop: bool,
    /// Somebody reads the log up to its head; the follower need not wait for that.
    pub(crate) catching_up: bool,
    /// The last place the follower left to whoever is catching up.
    pub(crate) skipped: u64,
    /// Why the indexing thread cannot work just now.
    pub(crate) failure: Option<String>,
    /// How often it could not, without a success in between.
    pub(crate) failures: u32,
    /// Why the index is not to be believed.
    pub(crate) damage: Option<String>,
    /// Why the index should be built anew though what it answers is right.
    pub(crate) wanting: Option<String>,
    /// Another index has taken its place: nothing needs to be kept.
    pub(crate) retired: bool,
}

/// The lock and its bells.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Rung for the indexing thread.
    work: Condvar,
    /// Rung when the index has moved on.
    moved: Condvar,
}

/// What the indexing thread does next.
pub(crate) enum Task {
    /// Take these versions in.
    Feed(Vec<Arc<Entry>>),
    /// Make what was taken in durable and searchable.
    Commit,
    /// Look at the segments again.
    Refresh,
    /// Nothing was written for a while: bring the segments together.
    Settle,
    /// End.
    Stop,
}

/// Versions taken from the queue at once.
const CHUNK: usize = 512;
/// How long to wait when nothing is due; a bell comes sooner.
const IDLE: Duration = Duration::from_secs(60);

impl Shared {
    /// Begins with a view; whoever opens the index is catching up.
    pub(crate) fn new(view: View) -> Shared {
        let state = State {
            changes: Changes::after(view.head),
            view,
            queue: VecDeque::new(),
            flush_to: 0,
            repairing: 0,
            merged: false,
            resting: false,
            stop: false,
            catching_up: true,
            skipped: 0,
            failure: None,
            failures: 0,
            damage: None,
            wanting: None,
            retired: false,
        };
        Shared {
            state: Mutex::new(state),
            work: Condvar::new(),
            moved: Condvar::new(),
        }
    }

    /// The state. A panic elsewhere leaves it usable: every change to it is complete before it is let go.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings for the indexing thread.
    pub(crate) fn ring(&self) {
        self.work.notify_all();
    }

    /// Says that the index has moved on.
    pub(crate) fn tell(&self) {
        self.moved.notify_all();
    }

    /// Waits until the index has moved on, or a moment has passed.
    pub(crate) fn wait_moved<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let waited = self.moved.wait_timeout(state, Duration::from_millis(200));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for the next task. `fed` is the last place taken in, `pending` how many versions since the
    /// last commit, `due` when that commit is to be made, `settle` when to settle where nothing comes until then.
    pub(crate) fn next_task(
        &self,
        (fed, pending): (u64, usize),
        pending_max: usize,
        due: Option<Instant>,
        settle: Option<Instant>,
    ) -> Task {
        let mut state = self.lock();
        loop {
            if state.stop {
                return Task::Stop;
            }
            let now = Instant::now();
            let uncommitted = pending > 0 || fed > state.view.position;
            if uncommitted && (pending >= pending_max || due.is_some_and(|due| due <= now)) {
                return Task::Commit;
            }
            if !state.queue.is_empty() {
                let most = state.queue.len().min(CHUNK);
                return Task::Feed(state.queue.drain(..most).collect());
            }
            if uncommitted && state.flush_to > state.view.position {
                return Task::Commit;
            }
            if state.merged {
                state.merged = false;
                return Task::Refresh;
            }
            if !uncommitted && settle.is_some_and(|settle| settle <= now) {
                return Task::Settle;
            }
            let until = [due, settle].into_iter().flatten().min();
            let wait = until.map_or(IDLE, |until| until.saturating_duration_since(now));
            state = self
                .work
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits while there is no room for `more` versions; not where the indexing thread is in trouble.
    pub(crate) fn wait_room(&self, more: usize, tail_max: usize) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        while state.view.tail.len() > 0
            && state.view.tail.len() + more > tail_max
            && state.failure.is_none()
            && !state.stop
        {
            state = self.wait_moved(state);
        }
        state
    }
}

impl State {
    /// Takes the log's next versions into the tail; those known already are passed over.
    pub(crate) fn push(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            if entry.seq != self.view.head + 1 {
                continue;
            }
            let entry = Arc::new(entry);
            if let Some(change) = Change::of(&entry) {
                self.changes.push(change);
            }
            self.view.head = entry.seq;
            self.view.tail.push(Arc::clone(&entry));
            self.queue.push_back(entry);
        }
    }
}
