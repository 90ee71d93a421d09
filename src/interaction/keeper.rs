//! The thread that keeps the index in order: builds when there is reason to, and goes on patrol when there is none.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use search_index::{Round, Step};
use store::Trouble;

use crate::engine::{Engine, now};
use crate::generations::House;
use crate::refusal::Refusal;
use crate::review::{Review, Reviewed, Standing};
use crate::upkeep::{ReviewState, Upkeep};

/// How long to wait after a build that failed; doubled each time.
const REST: Duration = Duration::from_secs(30);
/// The longest such wait.
const REST_MAX: Duration = Duration::from_secs(3600);
/// How often to look whether there is something to do.
const LOOK: Duration = Duration::from_secs(1);
/// How often the patrol takes a step.
const STRIDE: Duration = Duration::from_millis(500);
/// Of so many records the patrol compares one in all the index keeps of it.
const DEEP_ONE_IN: u64 = 16;

/// People who are looked for in one step of a review: some ten milliseconds, and one write to the disk.
const REVIEWED_AT_ONCE: usize = 128;

/// Starts the thread.
///
/// # Errors
/// A sentence where it cannot be started.
pub(crate) fn start(house: Arc<House>) -> Result<JoinHandle<()>, Trouble> {
    let thread = std::thread::Builder::new().name("upkeep".to_owned());
    let mut keeper = Keeper {
        house,
        round: None,
        review: None,
        again: None,
        failures: 0,
    };
    thread
        .spawn(move || keeper.run())
        .map_err(|error| Trouble::new(format!("The thread for upkeep cannot be started: {error}.")))
}

struct Keeper {
    house: Arc<House>,
    /// The patrol's present round, and of which index.
    round: Option<Round>,
    /// The review of duplicates under way.
    review: Option<Review>,
    /// When a build may be tried again after one failed.
    again: Option<Instant>,
    failures: u32,
}

impl Keeper {
    fn run(&mut self) {
        let upkeep = Arc::clone(&self.house.upkeep);
        self.remember_review(&upkeep);
        while !upkeep.stops() {
            self.house.look_at_tables();
            let engine = self.house.now();
            self.want(&engine, &upkeep);
            if upkeep.waits() {
                drop(engine);
                self.build(&upkeep);
            } else if upkeep.reviews() {
                drop(engine);
                self.review(&upkeep);
            } else {
                let rest = self.patrol(&engine, &upkeep);
                drop(engine);
                upkeep.rest(rest);
            }
        }
    }

    /// Asks for a build where there is reason to.
    fn want(&self, engine: &Engine, upkeep: &Upkeep) {
        if self.again.is_some_and(|again| Instant::now() < again) {
            return;
        }
        if !engine.index.is_complete() {
            upkeep.ask("It lacks part of the log.");
        } else if let Some(complaint) = engine.index.complaint() {
            upkeep.ask(&complaint);
        } else if let Some(wish) = self.house.wish() {
            upkeep.ask(&wish);
        }
    }

    fn build(&mut self, upkeep: &Upkeep) {
        // Nobody can search as long as the first index is not complete: no rest until then.
        let percent = match self.house.now().index.is_complete() {
            true => self.house.pace.percent.clamp(1, 100),
            false => 100,
        };
        let mut pacing = Pacing::new(upkeep, percent);
        let built = self.house.build(&mut |_, _| pacing.go_on());
        self.round = None;
        match built {
            Ok(()) => (self.failures, self.again) = (0, None),
            Err(_) => {
                let rest = REST.saturating_mul(1 << self.failures.min(10)).min(REST_MAX);
                (self.failures, self.again) = (self.failures + 1, Some(Instant::now() + rest));
            }
        }
    }

    /// What is known of the last review: where it was interrupted, it goes on.
    fn remember_review(&self, upkeep: &Upkeep) {
        let state = match Reviewed::noted(&self.house.now()) {
            Ok(None) => return,
            Ok(Some(last)) if last.standing == Standing::UnderWay => ReviewState::Waiting(last.left()),
            Ok(Some(last)) => ReviewState::Ended(last),
            Err(refusal) => self.broke_off(&refusal),
        };
        let review = &mut upkeep.lock().review;
        if *review == ReviewState::None {
            *review = state;
        }
    }

    /// Goes on with the review of duplicates for a while.
    fn review(&mut self, upkeep: &Upkeep) {
        let mut pacing = Pacing::new(upkeep, self.house.pace.percent.clamp(1, 100));
        let until = Instant::now() + LOOK;
        loop {
            let state = match self.reviewed(&self.house.now(), upkeep) {
                Ok(reached) if reached.standing == Standing::UnderWay => ReviewState::Running(reached),
                Ok(reached) => ReviewState::Ended(reached),
                Err(refusal) => self.broke_off(&refusal),
            };
            let goes_on = matches!(state, ReviewState::Running(_));
            upkeep.lock().review = state;
            if !goes_on {
                self.review = None;
                return;
            }
            if !pacing.go_on() || upkeep.waits() || Instant::now() > until {
                return;
            }
        }
    }

    /// One step of the review, or its beginning.
    fn reviewed(&mut self, engine: &Engine, upkeep: &Upkeep) -> Result<Reviewed, Refusal> {
        if let Some(review) = &mut self.review {
            review.step(engine, REVIEWED_AT_ONCE)?;
            return Ok(review.reached().clone());
        }
        let most = match upkeep.review() {
            ReviewState::Waiting(most) => most,
            _ => None,
        };
        let review = self.review.insert(Review::begin(engine, REST_MAX, most)?);
        Ok(review.reached().clone())
    }

    fn broke_off(&self, refusal: &Refusal) -> ReviewState {
        let why = refusal.issues.first().map_or("", |issue| issue.text.as_str());
        self.house.notice(&format!("The review of duplicates broke off: {why}"));
        ReviewState::Failed(why.to_owned())
    }

    /// One step of the patrol; how long to rest after it.
    fn patrol(&mut self, engine: &Engine, upkeep: &Upkeep) -> Duration {
        let pace = u64::from(self.house.pace.patrol);
        if pace == 0 || !engine.index.is_complete() || engine.index.complaint().is_some() {
            return LOOK;
        }
        let began = Instant::now();
        let stepped = match self.round.take() {
            Some(mut round) => {
                let step = Step {
                    records: (pace * STRIDE.as_millis() as u64 / 1000).max(1),
                    deep_one_in: DEEP_ONE_IN,
                    repair: true,
                };
                engine.index.step(&mut round, &step).map(|more| (round, more))
            }
            None => engine.index.round().map(|round| (round, true)),
        };
        match stepped {
            Ok((round, more)) => self.record(round, more, upkeep),
            // The index has complained, or the store cannot be read just now: the next round tells.
            Err(trouble) => {
                self.house
                    .notice(&format!("The patrol of the index broke off: {trouble}"));
                upkeep.lock().rounds.findings += 1;
            }
        }
        STRIDE.max(began.elapsed())
    }

    /// Keeps what a step found.
    fn record(&mut self, mut round: Round, more: bool, upkeep: &Upkeep) {
        for sentence in round.report.findings.iter().chain(&round.report.repairs) {
            self.house.notice(&format!("The patrol of the index found: {sentence}"));
        }
        let mut state = upkeep.lock();
        let rounds = &mut state.rounds;
        rounds.findings += round.report.findings.len() as u64;
        rounds.repairs += round.report.repairs.len() as u64;
        round.report.findings.clear();
        round.report.repairs.clear();
        rounds.reached = round.reached();
        if more {
            drop(state);
            self.round = Some(round);
            return;
        }
        rounds.complete += 1;
        rounds.ended = Some(now());
        rounds.records = (round.report.records, round.report.deep);
    }
}

/// How a build shares the machine: while requests come in it rests as its percentage says.
struct Pacing<'a> {
    upkeep: &'a Upkeep,
    percent: u32,
    requests: u64,
    since: Instant,
}

impl<'a> Pacing<'a> {
    fn new(upkeep: &'a Upkeep, percent: u32) -> Pacing<'a> {
        Pacing {
            upkeep,
            percent,
            requests: upkeep.requests(),
            since: Instant::now(),
        }
    }

    fn go_on(&mut self) -> bool {
        let requests = self.upkeep.requests();
        if requests != self.requests && self.percent < 100 {
            let worked = self.since.elapsed().min(LOOK);
            std::thread::sleep(worked * (100 - self.percent) / self.percent);
        }
        (self.requests, self.since) = (requests, Instant::now());
        !self.upkeep.stops()
    }
}
