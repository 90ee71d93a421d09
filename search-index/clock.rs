//! What one query may take: its time, its work, and its turn among the queries that run long.
//!
//! Whatever may run long tells its query's [`Clock`] of the work done every few thousand steps, and ends when
//! the clock says so. A step is a document visited, a test asked, a term read; dearer things are charged as
//! many. A query that has done more than a short one ever does has to hold one of the few places of the
//! [`Gate`] from then on, and passes it on after a while where others wait: so short queries always find a
//! processor, and long ones share the rest in turns.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use query::Registry;

use crate::explain::{Outcome, Watch};
use crate::trouble::Trouble;

/// A query that has run for longer, and done more than [`SHORT_STEPS`], is long.
const SHORT: Duration = Duration::from_millis(20);
/// Below so many steps a query is short, however long a busy machine let it wait.
const SHORT_STEPS: u64 = 100_000;
/// How long a long query keeps its place while others wait for one.
const TURN: Duration = Duration::from_millis(100);

/// Why a query was stopped, kept in a byte.
const RUNNING: u8 = 0;
const OUT_OF_TIME: u8 = 1;
const TOO_COSTLY: u8 = 2;
const TOO_MANY: u8 = 3;
const NOT_AT_HAND: u8 = 4;

/// The time and the work one request may take, over all its queries. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Account>);

#[derive(Debug)]
struct Account {
    started: Instant,
    deadline: Instant,
    steps_max: u64,
    patient: bool,
    steps: AtomicU64,
    stopped: AtomicU8,
    waited_micros: AtomicU64,
    gate: Option<Gate>,
    turn: Mutex<Option<Turn>>,
    watch: Option<Watch>,
}

impl Clock {
    /// A clock that only runs out at `deadline`.
    pub fn until(deadline: Instant) -> Clock {
        Clock::new(deadline, u64::MAX, None, None)
    }

    /// A clock that runs out at `deadline` or after `steps_max` steps, and lets long work pass by `gate` alone.
    /// Where words are given, what its queries do is told in them: [`explanation`](Clock::explanation).
    pub fn new(deadline: Instant, steps_max: u64, gate: Option<&Gate>, words: Option<Arc<Registry>>) -> Clock {
        Clock::start(deadline, steps_max, true, gate, words)
    }

    /// A clock for what can be answered from memory with little work: where a query would take more than `steps_max`
    /// steps or longer than `time`, wait for the store, or lay something out, it ends with [`Trouble::NotAtHand`].
    pub fn at_hand(time: Duration, steps_max: u64) -> Clock {
        Clock::start(Instant::now() + time, steps_max, false, None, None)
    }

    fn start(
        deadline: Instant,
        steps_max: u64,
        patient: bool,
        gate: Option<&Gate>,
        words: Option<Arc<Registry>>,
    ) -> Clock {
        Clock(Arc::new(Account {
            started: Instant::now(),
            deadline,
            steps_max,
            patient,
            steps: AtomicU64::new(0),
            stopped: AtomicU8::new(RUNNING),
            waited_micros: AtomicU64::new(0),
            gate: gate.cloned(),
            turn: Mutex::new(None),
            watch: words.map(Watch::new),
        }))
    }

    /// What the queries under this clock did and what it cost, one line for each part of each plan; `None`
    /// where the clock was not made to tell.
    pub fn explanation(&self) -> Option<String> {
        self.watch().map(Watch::text)
    }

    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.0.watch.as_ref()
    }

    /// Tells what a query has found.
    pub(crate) fn answered(&self, outcome: &Outcome) {
        if let Some(watch) = self.watch() {
            watch.answered(outcome, self.steps(), self.micros().1);
        }
    }

    /// How many steps were charged so far.
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }

    /// Microseconds since the clock began, and of those how many were spent waiting for a turn.
    pub fn micros(&self) -> (u64, u64) {
        let all = u64::try_from(self.0.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        (all, self.0.waited_micros.load(Ordering::Relaxed))
    }

    /// Charges steps without looking at the time: for the last few of a loop that ticked before.
    pub(crate) fn charge(&self, steps: u64) {
        self.0.steps.fetch_add(steps, Ordering::Relaxed);
    }

    /// Charges steps, waits for a turn where the query has become a long one, and says whether it may go on.
    /// A list cut short by this is only ever seen by a query that then fails.
    pub fn tick(&self, steps: u64) -> bool {
        let account = &*self.0;
        let steps = account.steps.fetch_add(steps, Ordering::Relaxed) + steps;
        if account.stopped.load(Ordering::Relaxed) != RUNNING {
            return false;
        }
        let now = Instant::now();
        let stop = if !account.patient {
            match steps > account.steps_max || now >= account.deadline {
                true => NOT_AT_HAND,
                false => RUNNING,
            }
        } else if now >= account.deadline {
            OUT_OF_TIME
        } else if steps > account.steps_max {
            TOO_COSTLY
        } else if steps > SHORT_STEPS && now.duration_since(account.started) > SHORT {
            account.take_turn(now)
        } else {
            RUNNING
        };
        if stop != RUNNING {
            account.stopped.store(stop, Ordering::Relaxed);
        }
        stop == RUNNING
    }

    /// Whether the query may wait for the store, and do at length what will serve later ones.
    pub(crate) fn is_patient(&self) -> bool {
        self.0.patient
    }

    /// Says that the query is about to wait for the store, or to do at length what will serve later ones.
    ///
    /// # Errors
    /// [`Trouble::NotAtHand`] where it may not.
    pub fn wait(&self) -> Result<(), Trouble> {
        if self.0.patient {
            return Ok(());
        }
        self.0.stopped.store(NOT_AT_HAND, Ordering::Relaxed);
        Err(Trouble::NotAtHand)
    }

    /// Charges steps like [`tick`](Clock::tick).
    ///
    /// # Errors
    /// [`Trouble::Timeout`], [`Trouble::Costly`], [`Trouble::Busy`] or [`Trouble::NotAtHand`] where the query may not go
    /// on.
    pub fn check(&self, steps: u64) -> Result<(), Trouble> {
        if self.tick(steps) {
            return Ok(());
        }
        let done = self.steps();
        Err(match self.0.stopped.load(Ordering::Relaxed) {
            NOT_AT_HAND => Trouble::NotAtHand,
            TOO_COSTLY => Trouble::Costly(format!(
                "The search was stopped after {done} steps, of {} that one may take",
                self.0.steps_max
            )),
            TOO_MANY => Trouble::Busy(
                "The search would run long, and too many long searches wait already; try again in a moment".to_owned(),
            ),
            _ => Trouble::Timeout(format!(
                "The search was stopped after {} milliseconds and {done} steps, which is longer than it may take",
                self.micros().0 / 1_000
            )),
        })
    }
}

impl Account {
    fn take_turn(&self, now: Instant) -> u8 {
        let Some(gate) = &self.gate else {
            return RUNNING;
        };
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let again = match &*turn {
            Some(held) if now.duration_since(held.since) < TURN || !gate.is_wanted() => return RUNNING,
            Some(_) => true,
            None => false,
        };
        *turn = None;
        let entered = gate.enter(self.deadline, again);
        let waited = u64::try_from(now.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waited_micros.fetch_add(waited, Ordering::Relaxed);
        match entered {
            Ok(held) => {
                *turn = Some(held);
                RUNNING
            }
            Err(Refused::Full) => TOO_MANY,
            Err(Refused::Late) => OUT_OF_TIME,
        }
    }
}

/// The few places for long queries. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Places>);

#[derive(Debug)]
struct Places {
    waiting_max: usize,
    line: Mutex<Line>,
    bell: Condvar,
}

#[derive(Debug)]
struct Line {
    free: usize,
    waiting: VecDeque<u64>,
    next: u64,
}

/// So many long pieces of work of one kind are done at once, at least one: half of the machine is for the people who ask it.
pub fn half_the_processors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).max(1)
}

/// A place at the gate, given back when it is dropped.
#[derive(Debug)]
struct Turn {
    gate: Gate,
    since: Instant,
}

enum Refused {
    Full,
    Late,
}

impl Gate {
    /// A gate of so many places, at least one, at which so many queries may wait.
    pub fn new(places: usize, waiting_max: usize) -> Gate {
        let line = Line {
            free: places.max(1),
            waiting: VecDeque::new(),
            next: 0,
        };
        Gate(Arc::new(Places {
            waiting_max,
            line: Mutex::new(line),
            bell: Condvar::new(),
        }))
    }

    /// A gate with a place for every second processor.
    pub fn for_half_the_processors(waiting_max: usize) -> Gate {
        Gate::new(half_the_processors(), waiting_max)
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// Waits for a place, first come, first served. Who had one before (`again`) may always wait.
    fn enter(&self, deadline: Instant, again: bool) -> Result<Turn, Refused> {
        let mut line = self.lock();
        if line.free == 0 && !again && line.waiting.len() >= self.0.waiting_max {
            return Err(Refused::Full);
        }
        let ticket = line.next;
        line.next += 1;
        line.waiting.push_back(ticket);
        loop {
            if line.free > 0 && line.waiting.front() == Some(&ticket) {
                line.waiting.pop_front();
                line.free -= 1;
                // Another place may be free for the next in line.
                self.0.bell.notify_all();
                let (gate, since) = (self.clone(), Instant::now());
                return Ok(Turn { gate, since });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                line.waiting.retain(|waiting| *waiting != ticket);
                self.0.bell.notify_all();
                return Err(Refused::Late);
            }
            let woken = self.0.bell.wait_timeout(line, left);
            line = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.gate.lock().free += 1;
        self.gate.0.bell.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    fn long(gate: &Gate, deadline: Instant) -> Clock {
        let clock = Clock::new(deadline, u64::MAX, Some(gate), None);
        thread::sleep(SHORT + Duration::from_millis(5));
        clock
    }

    #[test]
    fn a_clock_stops_for_the_reason_that_came_first() {
        let late = Clock::until(Instant::now());
        assert!(matches!(late.check(1), Err(Trouble::Timeout(_))));
        let costly = Clock::new(soon(), 10, None, None);
        assert!(costly.tick(10));
        assert!(!costly.tick(1));
        assert!(matches!(costly.check(0), Err(Trouble::Costly(_))));
        assert_eq!(costly.steps(), 11);
    }

    #[test]
    fn long_queries_wait_in_line_and_short_ones_pass() {
        let gate = Gate::new(1, 1);
        let first = long(&gate, soon());
        assert!(first.tick(SHORT_STEPS + 1));
        let short = long(&gate, soon());
        assert!(short.tick(SHORT_STEPS), "few steps never wait");
        let late = long(&gate, Instant::now() + Duration::from_millis(60));
        assert!(matches!(late.check(SHORT_STEPS + 1), Err(Trouble::Timeout(_))));
        let waiting = thread::spawn({
            let gate = gate.clone();
            move || long(&gate, soon()).tick(SHORT_STEPS + 1)
        });
        while !gate.is_wanted() {
            thread::yield_now();
        }
        let refused = long(&gate, soon());
        assert!(matches!(refused.check(SHORT_STEPS + 1), Err(Trouble::Busy(_))));
        thread::sleep(TURN);
        assert!(first.tick(1), "passes its place on, and gets it back");
        assert!(waiting.join().unwrap());
        assert!(first.micros().1 > 0 || !gate.is_wanted());
    }

    #[test]
    fn turns_go_round() {
        let gate = Gate::new(2, 8);
        let work = |gate: Gate| {
            move || {
                let clock = long(&gate, soon());
                (0..40).all(|_| {
                    thread::sleep(Duration::from_millis(5));
                    clock.tick(SHORT_STEPS)
                })
            }
        };
        let all: Vec<_> = (0..6).map(|_| thread::spawn(work(gate.clone()))).collect();
        assert!(all.into_iter().all(|one| one.join().unwrap()));
        let line = gate.lock();
        assert_eq!((line.free, line.waiting.len()), (2, 0));
    }
}
