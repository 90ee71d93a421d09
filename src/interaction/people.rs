//! The particulars of all patients in memory, following the log: who somebody may be is asked of them.
//!
//! A server reads them from the log in the background when it starts, any other program at the first question; who asks
//! meanwhile waits for that, up to its time. From then on a write only notes which record it changed; the next question reads those again before it
//! is answered, so it sees every write before it. Where more changed than is worth that, all is thrown away and read anew.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use fhir::identity::{Id, Kind};
use person::find::Sighting;
use person::{Asked, Found, Person, Register, Weights};
use rustc_hash::{FxHashMap, FxHashSet};
use store::{Appended, Follower, Store, Trouble, Version};
use text::{Analysis, Spellings};

use crate::refusal::{Reason, Refusal};
use crate::told::{Note, PATIENT, Told, told_by};

/// Records read from the log at once.
const CHUNK: usize = 1_000;
/// Records that replace each other, followed from one to the next.
const STEPS_MAX: usize = 1_000;
/// Records of one person that are told to be hers where all of them are found.
const RECORDS_OF_ONE: usize = 16;
/// Beyond so many changed records all are read anew.
const CHANGED_MAX: usize = 100_000;

/// Tells whoever runs the server.
pub(crate) type Notice = Arc<dyn Fn(&str) + Send + Sync>;

/// All patients' particulars, and what is to be read of them again.
pub struct People {
    analysis: Arc<Analysis>,
    notice: Notice,
    /// How many records were read.
    reached: AtomicU64,
    state: Mutex<State>,
    bell: Condvar,
    everybody: RwLock<Everybody>,
    /// Held while changed records are read: one after the other, or an older version could come last.
    following: Mutex<()>,
}

/// Somebody found.
pub(crate) struct Seen {
    /// The record that stands for her.
    pub id: String,
    /// By which record she was found, and how.
    pub sighting: Sighting,
}

/// All patients' particulars, and who of them was merged into whom.
#[derive(Default)]
pub struct Everybody {
    register: Register,
    replaced: FxHashMap<String, String>,
}

impl Everybody {
    /// Those who may be this person, as [`Register::best`] has it. Who is found by a record that another replaces is that
    /// other, and nobody is named twice.
    pub fn best(&self, person: &Person, weights: &Weights, most: usize) -> Vec<Found> {
        self.best_by(&self.register, person, weights, most)
    }

    /// As [`Everybody::best`], where how common particulars are is known from elsewhere.
    pub(crate) fn best_by(
        &self,
        frequencies: &Register,
        person: &Person,
        weights: &Weights,
        most: usize,
    ) -> Vec<Found> {
        let mut found = self.register.best_by(frequencies, person, weights, most);
        let mut named = FxHashSet::default();
        found
            .iter_mut()
            .for_each(|found| found.id = self.survivor(&found.id).to_owned());
        found.retain(|found| named.insert(found.id.clone()));
        found
    }

    /// The others who may be the person of a record, as [`Everybody::best`] has it; nobody where another record replaces it, or
    /// where nothing is known of her.
    pub(crate) fn others(&self, id: &str, weights: &Weights, most: usize) -> Vec<Found> {
        let stands = !self.replaced.contains_key(id);
        let person = stands.then(|| self.register.person(id)).flatten();
        let Some(person) = person.filter(|person| !person.is_unknown()) else {
            return Vec::new();
        };
        let mut found = self.best(&person, weights, most);
        found.retain(|found| found.id != id);
        found
    }

    /// Those whom what was typed may mean, as [`Register::find`] has it, each with the record that stands for her. Who is
    /// found by several of her records stands once, by the one that matches best, on whatever page.
    ///
    /// `None` where that would take looking at more than so many people.
    pub(crate) fn find(&self, asked: &Asked, names: &Spellings, most: usize, looked_at: usize) -> Option<Vec<Seen>> {
        for times in [1, 2, RECORDS_OF_ONE] {
            let found = self.register.find_within(asked, names, most * times, looked_at)?;
            let all = found.len() < most * times;
            let mut seen: Vec<Seen> = found.into_iter().map(|sighting| self.seen(sighting)).collect();
            let mut named = FxHashSet::default();
            seen.retain(|seen| self.replaced.is_empty() || named.insert(seen.id.clone()));
            if all || seen.len() >= most || times == RECORDS_OF_ONE {
                seen.truncate(most);
                return Some(seen);
            }
        }
        None
    }

    fn seen(&self, sighting: Sighting) -> Seen {
        let id = self.survivor(&sighting.id).to_owned();
        Seen { id, sighting }
    }

    /// What is shown of a record, packed; nothing where there is none.
    pub(crate) fn card(&self, id: &str) -> &[u8] {
        self.register.note(id).map_or(&[], |note| Note::read(note).card)
    }

    /// The place in the log of the version of a record that is known.
    pub(crate) fn place(&self, id: &str) -> Option<u64> {
        Some(Note::read(self.register.note(id)?).place)
    }

    /// The particulars of all records, also of those that others replace.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// How many there are whom nobody replaces.
    pub fn len(&self) -> usize {
        self.register.len() - self.replaced.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `each` with everybody whom nobody replaces, by id.
    pub fn each(&self, each: &mut dyn FnMut(&str, &Person)) {
        self.register.each(&mut |id, person| {
            if !self.replaced.contains_key(id) {
                each(id, person);
            }
        });
    }

    /// The ids of those whom nobody replaces, from after one on and in their order, at most `most`. All ids are gone through.
    pub(crate) fn ids_after(&self, after: &str, most: usize) -> Vec<Id> {
        let mut next: BinaryHeap<String> = BinaryHeap::with_capacity(most + 1);
        self.register.each_id(&mut |id| {
            let is_next = id > after && (next.len() < most || next.peek().is_some_and(|last| id < last.as_str()));
            if is_next && !self.replaced.contains_key(id) {
                next.push(id.to_owned());
                if next.len() > most {
                    next.pop();
                }
            }
        });
        next.into_sorted_vec().iter().filter_map(|id| Id::new(id)).collect()
    }

    /// The ids of the records that others replace.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = &str> {
        self.replaced.keys().map(String::as_str)
    }

    /// The last of the records that replace one, one after the other, as far as they are there; where they go round in a
    /// circle, some of them.
    pub(crate) fn survivor<'a>(&'a self, id: &'a str) -> &'a str {
        let mut last = id;
        for _ in 0..STEPS_MAX {
            match self.replaced.get(last) {
                Some(next) if self.register.has(next) => last = next,
                _ => break,
            }
        }
        last
    }

    fn put(&mut self, id: &Id, now: Option<Told>) {
        self.replaced.remove(id.as_str());
        let Some(told) = now else {
            self.register.remove(id.as_str());
            return;
        };
        self.register.put_noting(id.as_str(), &told.person, &told.note);
        if let Some(other) = told.replaced_by {
            self.replaced.insert(id.as_str().to_owned(), other.as_str().to_owned());
        }
    }
}

#[derive(Default)]
struct State {
    progress: Progress,
    changed: FxHashSet<Id>,
    /// More changed while they were read than is worth reading again.
    overtaken: bool,
}

#[derive(Default, PartialEq)]
enum Progress {
    /// Nobody asked yet.
    #[default]
    Idle,
    /// They are being read.
    Reading,
    /// They are all there.
    Read,
    /// They could not be read; why, a sentence.
    Failed(String),
}

/// Tells people of what is written, as long as somebody asks them.
struct Following(Weak<People>);

impl Follower for Following {
    fn committed(&self, appended: &[Appended]) {
        if let Some(people) = self.0.upgrade() {
            people.changed(appended);
        }
    }

    fn ended(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl People {
    /// People whose names are read by these tables, and who are told of every change in the store from now on.
    pub(crate) fn new(analysis: Arc<Analysis>, notice: Notice, store: &Store) -> Arc<People> {
        let people = Arc::new(People {
            analysis,
            notice,
            reached: AtomicU64::new(0),
            state: Mutex::default(),
            bell: Condvar::new(),
            everybody: RwLock::default(),
            following: Mutex::default(),
        });
        store.follow(Arc::new(Following(Arc::downgrade(&people))));
        people
    }

    /// The people to ask where names are read by other tables: they are read before this returns where these were, so
    /// that nobody waits for them.
    ///
    /// # Errors
    /// Those of the store.
    pub fn renewed(self: &Arc<Self>, analysis: &Arc<Analysis>, store: &Store) -> Result<Arc<People>, Trouble> {
        if self.analysis == *analysis {
            return Ok(Arc::clone(self));
        }
        let people = People::new(Arc::clone(analysis), Arc::clone(&self.notice), store);
        if self.lock().progress == Progress::Read {
            people.lock().progress = Progress::Reading;
            people.read(store);
            if let Progress::Failed(why) = &people.lock().progress {
                return Err(Trouble::new(why.clone()));
            }
        }
        Ok(people)
    }

    /// Tells whoever runs the server.
    pub(crate) fn tell(&self, what: &str) {
        (self.notice)(what);
    }

    /// The tables that names are read by.
    pub fn names(&self) -> &Spellings {
        &self.analysis.names
    }

    fn changed(&self, appended: &[Appended]) {
        let mut patients = appended
            .iter()
            .filter(|appended| appended.kind.as_str() == PATIENT && !appended.aside)
            .peekable();
        if patients.peek().is_none() {
            return;
        }
        let mut state = self.lock();
        if state.progress == Progress::Idle {
            return;
        }
        state.changed.extend(patients.map(|appended| appended.id.clone()));
        if state.changed.len() > CHANGED_MAX {
            state.changed = FxHashSet::default();
            match state.progress {
                Progress::Reading => state.overtaken = true,
                _ => *state = State::default(),
            }
        }
    }

    /// Asks the register where that takes no waiting and nothing is to be read before; `None` where it would, or the
    /// question has no answer.
    pub fn ask_at_hand<T>(&self, question: impl FnOnce(&Everybody) -> Option<T>) -> Option<T> {
        let unchanged = self
            .state
            .try_lock()
            .is_ok_and(|state| state.progress == Progress::Read && state.changed.is_empty());
        let everybody = unchanged.then(|| self.everybody.try_read().ok()).flatten()?;
        question(&everybody)
    }

    /// Asks the register, as of every write before.
    ///
    /// # Errors
    /// 503 where it is not read after `patience`; those of the store.
    pub fn ask<T>(
        self: &Arc<Self>,
        store: &Store,
        patience: Duration,
        question: impl FnOnce(&Everybody) -> T,
    ) -> Result<T, Refusal> {
        self.wait(store, patience)?;
        self.follow(store)?;
        let everybody = self.everybody.read().unwrap_or_else(PoisonError::into_inner);
        Ok(question(&everybody))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has everybody read in the background, where nobody has yet.
    ///
    /// # Errors
    /// A sentence where there is no thread to be had.
    pub(crate) fn begin(self: &Arc<Self>, store: &Store) -> Result<(), Trouble> {
        let mut state = self.lock();
        if state.progress != Progress::Idle {
            return Ok(());
        }
        state.progress = Progress::Reading;
        let (people, store) = (Arc::clone(self), store.clone());
        let thread = std::thread::Builder::new().name("people".to_owned());
        let started = thread.spawn(move || people.read(&store));
        started
            .map(drop)
            .map_err(|e| Trouble::new(format!("The patients cannot be read: {e}.")))
    }

    /// Whether everybody is read, and how many records are.
    pub fn reached(&self) -> (bool, u64) {
        let is_read = self.lock().progress == Progress::Read;
        (is_read, self.reached.load(Ordering::Relaxed))
    }

    /// Waits until everybody was read.
    fn wait(self: &Arc<Self>, store: &Store, patience: Duration) -> Result<(), Refusal> {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            match &state.progress {
                Progress::Read => return Ok(()),
                Progress::Idle => {
                    drop(state);
                    self.begin(store)?;
                    state = self.lock();
                    // They may be read by now, and nobody rings again.
                    continue;
                }
                Progress::Failed(why) => {
                    let refusal = Refusal::broken(why);
                    state.progress = Progress::Idle;
                    return Err(refusal);
                }
                Progress::Reading => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!(
                    "The patients are being read into memory to be found and matched, {} so far; ask again in a moment.",
                    self.reached.load(Ordering::Relaxed)
                );
                return Err(Refusal::because(Reason::Building, text));
            }
            state = self
                .bell
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Reads everybody. What changes meanwhile is noted, and read again by the first question; where that is too much, they
    /// are read once more.
    fn read(&self, store: &Store) {
        (self.notice)("Reading the patients into memory, to find and match them.");
        let began = Instant::now();
        let read = read_all(store, &self.analysis.names, &self.reached);
        let seconds = began.elapsed().as_secs_f64();
        match &read {
            Ok(everybody) => (self.notice)(&format!("{} patients are read, in {seconds:.1} s.", everybody.len())),
            Err(why) => (self.notice)(&format!("The patients cannot be read: {why}")),
        }
        let mut state = self.lock();
        state.progress = match read {
            Ok(_) if state.overtaken => Progress::Idle,
            Ok(everybody) => {
                *self.everybody.write().unwrap_or_else(PoisonError::into_inner) = everybody;
                Progress::Read
            }
            Err(why) => Progress::Failed(why),
        };
        state.overtaken = false;
        if state.progress == Progress::Idle {
            state.changed = FxHashSet::default();
        }
        self.bell.notify_all();
    }

    /// Reads what changed.
    fn follow(&self, store: &Store) -> Result<(), Refusal> {
        let _one = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = std::mem::take(&mut self.lock().changed);
        if changed.is_empty() {
            return Ok(());
        }
        let kind = patient();
        let mut now: Vec<(&Id, u64, Option<Told>)> = Vec::with_capacity(changed.len());
        for id in &changed {
            match store.current(&kind, id) {
                Ok(version) => {
                    let seq = version.as_ref().map_or(0, |version| version.seq);
                    let told = version.as_ref().and_then(|version| told_by(version, self.names()));
                    now.push((id, seq, told));
                }
                Err(trouble) => {
                    // They are still to be read.
                    self.lock().changed.extend(changed);
                    return Err(trouble.into());
                }
            }
        }
        // Whoever matches as well as another comes in the order they were written.
        now.sort_by_key(|(_, seq, _)| *seq);
        let mut everybody = self.everybody.write().unwrap_or_else(PoisonError::into_inner);
        now.into_iter().for_each(|(id, _, now)| everybody.put(id, now));
        Ok(())
    }
}

fn patient() -> Kind {
    Kind::new(PATIENT).expect("it is a kind's name")
}

/// All patients in the log.
///
/// # Errors
/// A sentence where the log cannot be read.
pub fn everybody(store: &Store, names: &Spellings) -> Result<Everybody, String> {
    read_all(store, names, &AtomicU64::new(0))
}

/// Pages of records that are read ahead.
const AHEAD: usize = 4;

/// All patients in the log: one thread reads it, this one reads the records.
fn read_all(store: &Store, names: &Spellings, reached: &AtomicU64) -> Result<Everybody, String> {
    let (sender, pages) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || send_pages(store, &sender));
        let mut all = Everybody::default();
        reached.store(0, Ordering::Relaxed);
        for page in pages {
            for version in page?.iter() {
                // One after the other: unpacked, everybody together would take several times the memory.
                let Some(told) = told_by(version, names) else { continue };
                let id = version.id.as_str();
                all.register.add_unsorted(id, &told.person, &told.note);
                let other = told.replaced_by.map(|other| other.as_str().to_owned());
                all.replaced.extend(other.map(|other| (id.to_owned(), other)));
                reached.fetch_add(1, Ordering::Relaxed);
            }
        }
        all.register = all.register.sorted_anew();
        Ok(all)
    })
}

/// Sends all patients in the log, page by page, as long as somebody takes them.
fn send_pages(store: &Store, pages: &SyncSender<Result<Vec<Version>, String>>) {
    let kind = patient();
    let mut after: Option<Id> = None;
    loop {
        // Whatever is there, also what the head has not passed yet: the follower was told of it before.
        let page = store.records_of(&kind, after.as_ref(), u64::MAX, CHUNK);
        let (versions, last) = match page {
            Ok((versions, last)) => (Ok(versions), last),
            Err(trouble) => (Err(trouble.to_string()), None),
        };
        let taken = pages.send(versions).is_ok();
        match last.filter(|_| taken) {
            Some(last) => after = Some(last),
            None => break,
        }
    }
}

/// The particulars of everybody in the log.
///
/// # Errors
/// As [`everybody`].
pub fn register(store: &Store, names: &Spellings) -> Result<Register, String> {
    Ok(everybody(store, names)?.register)
}
