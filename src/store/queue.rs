//! The bounded queue before the writer: small units gather into groups, large ones go alone.
//!
//! Small units and large ones wait in lanes of their own and take turns, so that a small unit never
//! waits for more than one large one. A group is what waits when the writer comes back. Where a disk
//! commits faster than writers come, that would be few; then the writer waits a little for more, as long
//! as waiting has been shown to bring them:
//!
//! * it aims at a number of units: twice the last group's after a success, else three quarters of it;
//! * it gives up when nobody came for a while, or after `gather`;
//! * an aim at more that fails is not tried again for a doubling number of groups.
//!
//! So a lone writer is held up once in a few hundred writes, and sixty-four share their commits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::mend::Mending;
use crate::packing::Packed;
use crate::rename::Rename;
use crate::settings::Settings;
use crate::trouble::{Refused, Trouble};
use crate::unit::{Done, Expect, Guard, Made, Note, Operation};

/// A unit of more writes than this goes alone.
const SMALL_MAX: usize = 128;
/// The longest time without an arrival, while gathering, in units of the usual gap between two.
const DRY_GAPS: u32 = 4;
const DRY_MIN: Duration = Duration::from_micros(300);
/// Groups without an aim at more, after such an aim failed so often in a row (as a power of two).
const RESTRAINT_MAX: u32 = 9;

/// One write, packed and hashed by the thread that submits it.
pub(crate) struct Prepared {
    pub kind: fhir::identity::Kind,
    pub id: fhir::identity::Id,
    pub operation: Operation,
    pub packed: Packed,
    pub hash: [u8; 32],
    pub expect: Expect,
    pub made: Made,
    pub claims: Vec<crate::unit::Claim>,
    pub attachment: Option<Arc<dyn std::any::Any + Send + Sync>>,
}

/// One unit on its way to the writer.
pub(crate) struct Job {
    pub writes: Vec<Prepared>,
    pub guard: Option<Guard>,
    pub notes: Vec<Note>,
    /// Records to enter anew from the log (a check repairs).
    pub repairs: Vec<crate::check::Place>,
    /// New names for this node's own versions.
    pub rename: Option<Rename>,
    /// Versions to be given back what the disk has made of them.
    pub mend: Vec<Mending>,
    pub ticket: Ticket,
}

impl Job {
    /// A job with nothing to do yet.
    pub fn new(ticket: Ticket) -> Job {
        Job {
            writes: Vec::new(),
            guard: None,
            notes: Vec::new(),
            repairs: Vec::new(),
            rename: None,
            mend: Vec::new(),
            ticket,
        }
    }

    /// Whether it is committed alone.
    fn goes_alone(&self) -> bool {
        self.writes.len() > SMALL_MAX || self.rename.is_some() || !self.mend.is_empty()
    }
}

/// An answer to a unit.
pub(crate) type Answer = Result<Vec<Done>, Refused>;

struct Slot {
    answer: Mutex<Option<Answer>>,
    submitter: Thread,
}

/// The writer's half of a waiting submitter. Dropped unanswered, it says that the writer has ended.
pub(crate) struct Ticket(Option<Arc<Slot>>);

/// The submitter's half.
pub(crate) struct Waiting(Arc<Slot>);

impl Ticket {
    /// A pair for the calling thread.
    pub fn new() -> (Ticket, Waiting) {
        let slot = Arc::new(Slot {
            answer: Mutex::new(None),
            submitter: std::thread::current(),
        });
        (Ticket(Some(slot.clone())), Waiting(slot))
    }

    /// Answers and wakes the submitter.
    pub fn answer(mut self, answer: Answer) {
        self.give(answer);
    }

    fn give(&mut self, answer: Answer) {
        if let Some(slot) = self.0.take() {
            *slot.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            slot.submitter.unpark();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give(Err(Trouble::new(
            "The store was closed before it answered; this write may or may not be kept.",
        )
        .into()));
    }
}

impl Waiting {
    /// Waits for the answer.
    pub fn wait(self) -> Answer {
        loop {
            let answer = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
            match answer {
                Some(answer) => return answer,
                None => std::thread::park(),
            }
        }
    }
}

/// The queue.
pub(crate) struct Queue {
    lanes: Mutex<Lanes>,
    arrived: Condvar,
    queue_max: usize,
    group_max: usize,
    gather: Duration,
}

#[derive(Default)]
struct Lanes {
    small: VecDeque<Job>,
    large: VecDeque<Job>,
    large_next: bool,
    closed: bool,
    /// The writer sleeps until so many units wait.
    wanted: usize,
}

/// What the writer has learnt about its writers.
pub(crate) struct Pace {
    last: usize,
    gap: Duration,
    failures: u32,
    restraint: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            last: 1,
            gap: DRY_MIN,
            failures: 0,
            restraint: 0,
        }
    }
}

impl Pace {
    /// How many units to wait for.
    fn aim(&self) -> usize {
        match (self.restraint, self.last) {
            (0, last) => last * 2,
            (_, 1) => 1,
            (_, last) => (last * 3).div_ceil(4),
        }
    }

    /// Learns from a group of `got` units gathered with an aim.
    fn learn(&mut self, aim: usize, got: usize) {
        if self.restraint > 0 {
            self.restraint -= 1;
        } else if got >= aim {
            self.failures = 0;
        } else {
            self.failures = (self.failures + 1).min(RESTRAINT_MAX);
            self.restraint = 1 << self.failures;
        }
        self.last = got.max(1);
    }
}

impl Queue {
    /// An empty queue.
    pub fn new(settings: &Settings) -> Queue {
        Queue {
            lanes: Mutex::default(),
            arrived: Condvar::new(),
            queue_max: settings.queue_max.max(1),
            group_max: settings.group_max.max(1),
            gather: settings.gather,
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a unit wait for the writer.
    ///
    /// # Errors
    /// [`Refused::Busy`] where the queue is full, [`Refused::Trouble`] where the store is closed.
    pub fn push(&self, job: Job) -> Result<(), Refused> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(Trouble::new("The store is closed.").into());
        }
        if lanes.small.len() + lanes.large.len() >= self.queue_max {
            return Err(Refused::Busy);
        }
        if job.goes_alone() {
            lanes.large.push_back(job);
        } else {
            lanes.small.push_back(job);
        }
        if lanes.waiting() >= lanes.wanted {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Lets nobody in any more; what waits is still written.
    pub fn close(&self) {
        self.lanes().closed = true;
        self.arrived.notify_all();
    }

    /// Drops whoever still waits, which answers them.
    pub fn clear(&self) {
        let mut lanes = self.lanes();
        let waiting = (std::mem::take(&mut lanes.small), std::mem::take(&mut lanes.large));
        drop(lanes);
        drop(waiting);
    }

    /// The next group for the writer; `None` when the queue is closed and empty.
    pub fn next_group(&self, pace: &mut Pace) -> Option<Vec<Job>> {
        let mut lanes = self.lanes();
        lanes.wanted = 1;
        while lanes.waiting() == 0 {
            if lanes.closed {
                return None;
            }
            lanes = self.arrived.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        let aim = pace.aim().min(self.group_max).min(self.queue_max);
        let mut lanes = self.gather(lanes, pace, aim);
        let group = lanes.take(self.group_max);
        if !group.iter().any(Job::goes_alone) {
            pace.learn(aim, group.len());
        }
        Some(group)
    }

    /// Waits for more small units, up to an aim, while they keep coming and nothing large waits.
    fn gather<'a>(&self, mut lanes: MutexGuard<'a, Lanes>, pace: &mut Pace, aim: usize) -> MutexGuard<'a, Lanes> {
        let begun = Instant::now();
        let mut came = lanes.waiting();
        let mut last_came = begun;
        while lanes.waiting() < aim && lanes.large.is_empty() && !lanes.closed {
            let dry = (pace.gap * DRY_GAPS).max(DRY_MIN);
            let left = self.gather.saturating_sub(begun.elapsed());
            if left.is_zero() || last_came.elapsed() >= dry {
                break;
            }
            lanes.wanted = aim;
            let waited = self.arrived.wait_timeout(lanes, left.min(dry));
            lanes = waited.unwrap_or_else(PoisonError::into_inner).0;
            let more = lanes.waiting().saturating_sub(came);
            if more > 0 {
                let gap = last_came.elapsed() / more as u32;
                pace.gap = (pace.gap * 7 + gap) / 8;
                (came, last_came) = (lanes.waiting(), Instant::now());
            }
        }
        lanes
    }
}

impl Lanes {
    fn waiting(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Takes one large unit or many small ones, in turn where both wait.
    fn take(&mut self, writes_max: usize) -> Vec<Job> {
        let large = !self.large.is_empty() && (self.large_next || self.small.is_empty());
        self.large_next = !large;
        if large {
            return self.large.pop_front().into_iter().collect();
        }
        let (mut group, mut writes) = (Vec::new(), 0);
        while let Some(job) = self.small.front() {
            writes += job.writes.len();
            if writes > writes_max && !group.is_empty() {
                break;
            }
            group.extend(self.small.pop_front());
        }
        group
    }
}
