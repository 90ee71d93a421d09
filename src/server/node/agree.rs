//! A node comes to agree with its centre: contact after contact in the background, as long as it serves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use fhir::moment::instant;
use interaction::Generations;
use interaction::ask_centre::{Asker, Reached};
use interaction::own_device::OwnDevice;
use sync::frame::Standing;
use sync::session::{Holding, Next, Outcome};

use super::at_centre::AtCentre;
use super::carried::Carried;
use super::identity::Identity;
use super::line::{Counted, Line};

/// Requests in one contact at most.
const REQUESTS_MAX: usize = 10_000;
/// Seconds that a node waits at most where a busy centre tells it to.
const BUSY_MAX: u64 = 3_600;

/// How the last contact went.
#[derive(Clone, Debug, Default)]
pub struct Last {
    /// When it ended, in microseconds since 1970; 0 where there was none yet.
    pub when: i64,
    /// Whether both sides had all they wanted of each other.
    pub agreed: bool,
    /// What happened, a sentence.
    pub said: String,
    /// What went over the line since the node was started.
    pub counted: Counted,
    /// How far the node's clock is ahead of the centre's, in microseconds.
    pub ahead: Option<i64>,
}

/// The node's side while it serves.
pub struct Agreeing {
    /// What its centre is called.
    centre: String,
    data: String,
    generations: Arc<Generations>,
    last: Mutex<Last>,
    is_quiet: bool,
    stopping: AtomicBool,
    verifying: AtomicBool,
    /// Held during a contact, and while a stick is read. What came of a segment in which the last contact was cut off: else no
    /// segment would ever come over a line that is cut more often than it takes.
    turn: Mutex<Option<Holding>>,
    /// Whether somebody with a stick waits for the turn.
    awaited: AtomicBool,
    pause: (Mutex<bool>, Condvar),
}

impl Agreeing {
    /// Begins: a contact now, and again after each pause. How they go is said on standard error, where it is not quiet.
    ///
    /// # Errors
    /// A sentence where the node's key cannot be read or no thread can be had.
    pub fn begin(
        identity: Identity,
        data: &str,
        mut carried: Carried,
        generations: Arc<Generations>,
        pause: Duration,
        is_quiet: bool,
    ) -> Result<Arc<Agreeing>, String> {
        let mut line = Line::of(&identity, data)?;
        let agreeing = Arc::new(Agreeing {
            centre: identity.centre.clone(),
            data: data.to_owned(),
            generations,
            last: Mutex::default(),
            is_quiet,
            stopping: AtomicBool::new(false),
            verifying: AtomicBool::new(false),
            turn: Mutex::default(),
            awaited: AtomicBool::new(false),
            pause: (Mutex::new(false), Condvar::new()),
        });
        let line_of_people = AtCentre::new(Arc::downgrade(&agreeing), identity, data);
        let engine = agreeing.generations.now();
        engine.clinic.attach(Box::new(line_of_people));
        let reached = Reached::of(&engine).map_err(|failed| failed.0)?;
        let recalled = engine.clinic.recall(&engine, &reached);
        recalled.map_err(|trouble| trouble.to_string())?;
        let own = agreeing.clone();
        let work = move || {
            while !own.stopping.load(Ordering::Acquire) {
                carried.load(own.generations.now().country());
                let busy = own.contact(&mut line);
                if own.last().agreed {
                    let is_stopping = || own.stopping.load(Ordering::Acquire);
                    carried.go_on(&mut line, &own.generations.now(), pause, &is_stopping);
                }
                own.wait(busy.unwrap_or(pause));
            }
        };
        let thread = std::thread::Builder::new().name("centre".to_owned()).spawn(work);
        thread.map_err(|e| format!("No thread can be had for the line to the centre: {e}."))?;
        Ok(agreeing)
    }

    /// What people call this clinic, as the centre last said.
    ///
    /// # Errors
    /// A sentence where its identity cannot be read.
    pub fn name(&self) -> Result<String, String> {
        Ok(Identity::kept(&self.data)?.map_or(String::new(), |identity| identity.name))
    }

    /// Begins the next contact at once.
    pub fn hurry(&self) {
        *self.pause.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.pause.1.notify_all();
    }

    /// Begins the next contact at once, and compares what the node has with what the centre holds it should have.
    pub fn verify(&self) {
        self.verifying.store(true, Ordering::Release);
        self.hurry();
    }

    /// Begins no further contact.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.hurry();
    }

    /// How the last contact went.
    pub fn last(&self) -> Last {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does something between two contacts. One that is under way is ended where it is; what it brought stays.
    pub fn between<T>(&self, work: impl FnOnce() -> T) -> T {
        self.awaited.store(true, Ordering::Release);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.awaited.store(false, Ordering::Release);
        work()
    }

    fn wait(&self, pause: Duration) {
        let hurried = self.pause.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.pause.1.wait_timeout_while(hurried, pause, |hurried| !*hurried);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// One contact; how long to wait for the next where the centre said so.
    fn contact(&self, line: &mut Line) -> Option<Duration> {
        let before = self.last();
        let mut ahead = None;
        let ended = self.ask(line, &mut ahead);
        let now = interaction::engine::now();
        let busy = match &ended {
            Ok(Outcome::Refused(Standing::Busy(seconds))) => Some(spread(*seconds, now)),
            _ => None,
        };
        let last = Last {
            when: now,
            agreed: ended == Ok(Outcome::Agreed),
            said: match ended {
                Ok(Outcome::Agreed) => "Everything was exchanged.".to_owned(),
                Ok(Outcome::Stuck) => "Not everything was taken; the next contact tries again.".to_owned(),
                Ok(Outcome::Refused(standing)) => refused(&standing),
                Err(why) => why,
            },
            counted: line.counted(),
            ahead: ahead.or(before.ahead),
        };
        // What repeats itself is said once.
        if last.said != before.said && !self.is_quiet {
            eprintln!("Contact with {} at {}: {}", self.centre, instant(now), last.said);
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        busy
    }

    fn ask(&self, line: &mut Line, ahead: &mut Option<i64>) -> Result<Outcome, String> {
        let mut held = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = self.generations.now();
        let mut asker = Asker::new(&engine).map_err(|failed| failed.0)?.going_on(held.take());
        let ended = self.ask_on(line, &mut asker, ahead);
        *held = asker.into_held();
        ended
    }

    fn ask_on(&self, line: &mut Line, asker: &mut Asker, ahead: &mut Option<i64>) -> Result<Outcome, String> {
        let engine = self.generations.now();
        if self.verifying.load(Ordering::Acquire) {
            asker.verify();
        }
        for _ in 0..REQUESTS_MAX {
            let request = asker.ask(&engine).map_err(|failed| failed.0)?;
            let mut next = Next::Listen;
            let exchanged = line.exchange(request.into_iter(), &mut |bytes| {
                if self.awaited.load(Ordering::Acquire) {
                    return Err("A stick goes first.".to_owned());
                }
                if next == Next::Listen {
                    next = asker.hear(&engine, bytes).map_err(|failed| failed.0)?;
                }
                Ok(())
            });
            *ahead = asker.ahead();
            let agreed = next == Next::Close(Outcome::Agreed);
            if asker.comparison().is_over() {
                self.verifying.store(false, Ordering::Release);
            }
            asker.note(&engine, agreed).map_err(|failed| failed.0)?;
            remember(&self.generations, &self.data)?;
            exchanged.map_err(|error| error.to_string())?;
            match next {
                Next::Ask if !self.stopping.load(Ordering::Acquire) => {}
                Next::Close(outcome) => return Ok(outcome),
                _ => return Err("The centre's answer broke off.".to_owned()),
            }
        }
        Ok(Outcome::Stuck)
    }
}

/// How long a node waits that was told to come again after some seconds: up to twice as long, as the clock's last digits
/// have it, so that those who were told together do not come together.
fn spread(seconds: u64, now: i64) -> Duration {
    let seconds = seconds.clamp(1, BUSY_MAX);
    Duration::from_micros(seconds * 1_000_000 + now.unsigned_abs() % (seconds * 1_000_000))
}

/// Keeps what a contact told a node of itself: the name and the catchment that the centre gave it, and the number under which
/// it goes on where its database turned out to be an older copy; what was answered under the old one is forgotten.
///
/// # Errors
/// A sentence where it cannot be kept.
pub fn remember(generations: &Generations, data: &str) -> Result<(), String> {
    let engine = generations.now();
    let number = engine.store.node();
    let Some(before) = Identity::kept(data)? else {
        return Ok(());
    };
    let mut identity = before.clone();
    identity.number = number;
    if let Some(told) = OwnDevice::read(&engine, number).map_err(|trouble| trouble.to_string())? {
        (identity.name, identity.horizon.gewogs) = (told.name, told.gewogs);
    }
    if identity == before {
        return Ok(());
    }
    identity.keep(data)?;
    if (&identity.name, &identity.horizon) != (&before.name, &before.horizon) {
        eprintln!(
            "The centre calls this clinic {} now, with the people of {}.",
            identity.name,
            identity.horizon.names()
        );
    }
    if number == before.number {
        return Ok(());
    }
    eprintln!("This node's data was an older copy: it goes on as node {number}.");
    let rebuilt = generations.rebuild(&|_, _| {});
    rebuilt.map(|_| ()).map_err(|trouble| trouble.to_string())
}

/// Why the centre does not go on, a sentence for whoever runs the clinic.
pub fn refused(standing: &Standing) -> String {
    match standing {
        Standing::Behind => {
            "The centre's own data is an older copy than this node knows: nothing is exchanged until whoever runs it has looked."
        }
        Standing::Retired => "The centre no longer knows this node; what was not sent stays here: ask the centre.",
        Standing::Busy(_) => "The centre has too much to do; the next contact, in less than a minute, tries again.",
        Standing::Good | Standing::Restored { .. } => "The centre did not go on.",
    }
    .to_owned()
}
