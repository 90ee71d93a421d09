//! What is known of the upkeep of the index: builds asked for, under way and done, and what the patrol found.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::now;
use crate::review::Reviewed;

/// How the index is kept in order while a server runs.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Whether anything is done in the background at all. Without it the index is complete once the engine is open, and
    /// changes only when asked to.
    pub background: bool,
    /// How much of its time a build may work while requests come in, in percent.
    pub percent: u32,
    /// How many records the patrol looks at in a second; 0 for no patrol.
    pub patrol: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            background: false,
            percent: 50,
            patrol: 200,
        }
    }
}

/// How far a build is; read while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    of: AtomicU64,
}

impl Progress {
    /// Versions read, and versions in the log.
    pub fn reached(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed))
    }

    pub(crate) fn reach(&self, read: u64, of: u64) {
        self.read.store(read, Ordering::Relaxed);
        self.of.store(of, Ordering::Relaxed);
    }
}

/// One build of the index.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number since the server was started.
    pub id: u64,
    /// Why it is made, a sentence.
    pub why: String,
    /// How it stands.
    pub state: JobState,
    /// When it was asked for, in microseconds since 1970.
    pub asked: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// Versions read, and versions in the log.
    pub reached: (u64, u64),
    /// What came of it.
    pub outcome: Option<Outcome>,
}

impl Job {
    /// What came of it, in words.
    pub fn sentence(&self) -> String {
        let seconds = self.ended.unwrap_or(self.asked).saturating_sub(self.asked) / 1_000_000;
        match (&self.state, &self.outcome) {
            (JobState::Failed(why), _) => format!("The search index was not built: {why}"),
            (JobState::Done, Some(outcome)) => format!(
                "The search index is built: {} records from {} versions in {seconds} s; {}",
                outcome.records,
                self.reached.0,
                match outcome.differing {
                    None => "there was none before it to compare with.".to_owned(),
                    Some(0) => "the one before it said the same of all of them.".to_owned(),
                    Some(1) => "the one before it differed in 1 record.".to_owned(),
                    Some(differing) => format!("the one before it differed in {differing} records."),
                }
            ),
            _ => format!(
                "The search index is being built: {} of {} versions are read.",
                self.reached.0, self.reached.1
            ),
        }
    }
}

/// How a build stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Its turn comes.
    Waiting,
    /// It is being made.
    Running,
    /// It is in use.
    Done,
    /// It could not be made; why, a sentence.
    Failed(String),
}

/// What came of a build.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Living records in the new index.
    pub records: u64,
    /// Records of which the index before said something else; `None` where there was none to compare with.
    pub differing: Option<u64>,
    /// The first of them, a sentence each.
    pub examples: Vec<String>,
}

/// What the patrol has seen.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// Rounds that came to their end.
    pub complete: u64,
    /// When the last one ended, in microseconds since 1970.
    pub ended: Option<i64>,
    /// Records the last one passed, and how many of them were compared in all the index keeps.
    pub records: (u64, u64),
    /// What was found wrong since the server was started and could not be put right.
    pub findings: u64,
    /// What was found wrong since the server was started and was put right.
    pub repairs: u64,
    /// How far the one under way is: numbers of records passed, and the highest.
    pub reached: (u64, u64),
}

/// How a review of duplicates stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReviewState {
    /// Nobody ever asked for one.
    #[default]
    None,
    /// Its turn comes; it is to put so many pairs on the worklist, or as many as there are.
    Waiting(Option<usize>),
    /// So far it is.
    Running(Reviewed),
    /// It came to its end, or as far as it was to go for now.
    Ended(Reviewed),
    /// It broke off; why, a sentence.
    Failed(String),
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) review: ReviewState,
    pub(crate) stop: bool,
    pub(crate) current: Option<Job>,
    pub(crate) last: Option<Job>,
    pub(crate) rounds: Rounds,
    jobs: u64,
}

/// Shared by whoever keeps the index in order and whoever asks how it stands.
#[derive(Default)]
pub struct Upkeep {
    state: Mutex<State>,
    bell: Condvar,
    progress: Arc<Progress>,
    requests: AtomicU64,
}

impl Upkeep {
    /// Asks for a build; where one is waiting or under way already, that is the one.
    pub fn ask(&self, why: &str) -> Job {
        let mut state = self.lock();
        if state.current.is_none() {
            state.jobs += 1;
            state.current = Some(Job {
                id: state.jobs,
                why: why.to_owned(),
                state: JobState::Waiting,
                asked: now(),
                ended: None,
                reached: (0, 0),
                outcome: None,
            });
            self.bell.notify_all();
        }
        drop(state);
        self.job().expect("there is one now")
    }

    /// The build that is waiting or under way; else the last one.
    pub fn job(&self) -> Option<Job> {
        let state = self.lock();
        let mut job = state.current.clone().or_else(|| state.last.clone())?;
        if job.state == JobState::Running {
            job.reached = self.progress.reached();
        }
        Some(job)
    }

    /// Asks for a review of duplicates, which pauses when `most` pairs are new on the worklist; where one is waiting or under
    /// way already, that is the one.
    pub fn ask_for_review(&self, most: Option<usize>) -> ReviewState {
        let mut state = self.lock();
        if !matches!(state.review, ReviewState::Waiting(_) | ReviewState::Running(_)) {
            state.review = ReviewState::Waiting(most);
            self.bell.notify_all();
        }
        state.review.clone()
    }

    /// How the review of duplicates stands.
    pub fn review(&self) -> ReviewState {
        self.lock().review.clone()
    }

    /// Whether a review waits or is under way.
    pub(crate) fn reviews(&self) -> bool {
        matches!(self.lock().review, ReviewState::Waiting(_) | ReviewState::Running(_))
    }

    /// What the patrol has seen.
    pub fn rounds(&self) -> Rounds {
        self.lock().rounds.clone()
    }

    /// How far the build under way is.
    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Counts a request, so that the upkeep knows whether anybody is held up by it.
    pub(crate) fn note(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests there have been.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the server is stopping.
    pub(crate) fn stops(&self) -> bool {
        self.lock().stop
    }

    /// Tells the upkeep to end, or that there is something to do.
    pub(crate) fn ring(&self) {
        self.bell.notify_all();
    }

    /// Rests; less where there is something to do.
    pub(crate) fn rest(&self, most: Duration) {
        let state = self.lock();
        let builds = |state: &State| state.current.as_ref().is_some_and(|job| job.state == JobState::Waiting);
        let waiting = |state: &State| builds(state) || matches!(state.review, ReviewState::Waiting(_));
        if !state.stop && !waiting(&state) {
            drop(self.bell.wait_timeout(state, most));
        }
    }

    /// Whether a build waits for its turn.
    pub(crate) fn waits(&self) -> bool {
        self.lock()
            .current
            .as_ref()
            .is_some_and(|job| job.state == JobState::Waiting)
    }

    /// The build that waits begins.
    pub(crate) fn begin(&self) -> Option<Job> {
        let mut state = self.lock();
        let job = state.current.as_mut()?;
        job.state = JobState::Running;
        self.progress.reach(0, 0);
        Some(job.clone())
    }

    /// The build under way has ended.
    pub(crate) fn end(&self, ended: Result<Outcome, String>) -> Option<Job> {
        let mut state = self.lock();
        let mut job = state.current.take()?;
        (job.ended, job.reached) = (Some(now()), self.progress.reached());
        match ended {
            Ok(outcome) => (job.state, job.outcome) = (JobState::Done, Some(outcome)),
            Err(why) => job.state = JobState::Failed(why),
        }
        self.progress.reach(0, 0);
        state.last = Some(job.clone());
        Some(job)
    }
}
