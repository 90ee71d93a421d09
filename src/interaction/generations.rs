//! The engine that answers now, and how another takes its place.
//!
//! What can be searched may change while the server runs: search parameters come and go, an index is built anew. So an
//! [`Engine`] never changes. A request takes the one of the moment and keeps it, so that what reads its question and what
//! answers it always agree; whoever comes later gets the next.
//!
//! A new index is built beside the one in use, in a folder of its own, from the log. When it has come to the end of the
//! log it takes over, and the folder of the other is removed once the last request has let go of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use conformance::Definitions;
use query::Registry;
use search_index::{Index, Unusable};
use store::{Store, Trouble};

use crate::engine::{Engine, Settings};
use crate::shelf::Shelf;
use crate::upkeep::{Job, Outcome, Pace, Upkeep};

/// Versions that are read before anything is answered, also where the rest is left to the background.
const AT_ONCE_MAX: u64 = 256;
/// Findings kept of a comparison.
const EXAMPLES_MAX: usize = 10;

/// The engines of one server, one after another. Shared by all threads.
pub struct Generations {
    house: Arc<House>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the generations of a server have in common.
pub(crate) struct House {
    current: RwLock<Arc<Engine>>,
    shelf: Shelf,
    index: search_index::Settings,
    pub(crate) pace: Pace,
    pub(crate) upkeep: Arc<Upkeep>,
    /// Held by whoever builds: one at a time.
    building: Mutex<()>,
}

impl Generations {
    /// Opens the log and the index, and lets the index and the read cache follow the log. The index is made from the log
    /// where it is missing or of no use; where the pace allows it that goes on in the background, and searches are
    /// refused until it is complete.
    ///
    /// # Errors
    /// [`Trouble`], a sentence, where either cannot be opened.
    pub fn open(settings: Settings) -> Result<Generations, Trouble> {
        let definitions = Definitions::r4();
        let registry = Arc::new(Registry::new(Arc::clone(&definitions), settings.zone));
        let store = Store::open(settings.store.clone())?;
        let shelf = Shelf::open(&settings.index_folder)?;
        let opening = Opening {
            shelf: &shelf,
            store: &store,
            settings: &settings.index,
        };
        let index = opening.open(&registry)?;
        let (pace, index_settings) = (settings.pace, settings.index.clone());
        let engine = Engine::new(settings, definitions, registry, store, index);
        let house = Arc::new(House {
            upkeep: Arc::clone(&engine.upkeep),
            current: RwLock::new(Arc::new(engine)),
            shelf,
            index: index_settings,
            pace,
            building: Mutex::new(()),
        });
        let engine = house.now();
        let missing = engine.store.head().saturating_sub(engine.index.head());
        if !pace.background || missing <= AT_ONCE_MAX {
            engine.index.catch_up(&mut |_, _| true)?;
        }
        let keeper = || crate::keeper::start(Arc::clone(&house));
        let thread = pace.background.then(keeper).transpose()?;
        Ok(Generations {
            house,
            thread: Mutex::new(thread),
        })
    }

    /// The engine of this moment; a request asks once.
    pub fn now(&self) -> Arc<Engine> {
        self.house.now()
    }

    /// Builds the index anew and puts it in the place of the present one, on this thread and as fast as it goes.
    /// `progress` is called with (versions read, versions in the log).
    ///
    /// # Errors
    /// [`Trouble`] where it cannot be built; the present one stays in use.
    pub fn rebuild(&self, progress: &dyn Fn(u64, u64)) -> Result<Job, Trouble> {
        let upkeep = &self.house.upkeep;
        upkeep.ask("It was asked for.");
        let go_on = &mut |read, of| {
            progress(read, of);
            true
        };
        self.house.build(go_on)?;
        upkeep
            .job()
            .ok_or_else(|| Trouble::new("The index was not built.".to_owned()))
    }
}

impl Drop for Generations {
    fn drop(&mut self) {
        self.house.upkeep.lock().stop = true;
        self.house.upkeep.ring();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic there has said so itself.
            let _ = thread.join();
        }
    }
}

impl House {
    pub(crate) fn now(&self) -> Arc<Engine> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells whoever runs the server.
    pub(crate) fn notice(&self, sentence: &str) {
        (self.index.notice)(sentence);
    }

    /// Makes the build that waits: beside the present index, or, where that was never complete, of that one. `go_on` is
    /// asked now and then; where it says no, the build is left off, and a later one may go on from there.
    ///
    /// # Errors
    /// [`Trouble`] where it cannot be built; the present one stays in use.
    pub(crate) fn build(&self, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<(), Trouble> {
        let _one_at_a_time = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(job) = self.upkeep.begin() else {
            return Ok(());
        };
        self.notice(&format!("The search index is being built. {}", job.why));
        let progress = Arc::clone(self.upkeep.progress());
        let mut report = |read, of| {
            progress.reach(read, of);
            go_on(read, of)
        };
        let built = match self.now().index.is_complete() {
            true => self.replace(&mut report),
            false => self.complete(&mut report),
        };
        let (ended, answer) = match built {
            Ok(Some(outcome)) => (Ok(outcome), Ok(())),
            Ok(None) => (Err("It was left off, because the server stopped.".to_owned()), Ok(())),
            Err(trouble) => (Err(trouble.to_string()), Err(trouble)),
        };
        if let Some(job) = self.upkeep.end(ended) {
            self.notice(&job.sentence());
        }
        answer
    }

    /// Completes an index that is in use and lacks part of the log.
    fn complete(&self, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Outcome>, Trouble> {
        let index = self.now().index.clone();
        if !index.catch_up(go_on)? {
            return Ok(None);
        }
        Ok(Some(Outcome {
            records: index.size().1,
            ..Outcome::default()
        }))
    }

    /// Builds another index and puts it in the place of the present one.
    fn replace(&self, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Outcome>, Trouble> {
        let old = self.now();
        let registry = Arc::clone(&old.registry);
        let folder = self.shelf.next();
        let index = Index::make(&folder, Arc::clone(&registry), old.store.clone(), self.index.clone())?;
        let built = self.fill(&index, &folder, go_on, &old);
        let outcome = match built {
            Ok(Some(outcome)) => outcome,
            unfinished => {
                index.retire();
                return unfinished;
            }
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(old.next(registry, index));
        old.index.retire();
        Ok(Some(outcome))
    }

    fn fill(
        &self,
        index: &Index,
        folder: &Path,
        go_on: &mut dyn FnMut(u64, u64) -> bool,
        old: &Engine,
    ) -> Result<Option<Outcome>, Trouble> {
        if !index.catch_up(go_on)? {
            return Ok(None);
        }
        index.flush().map_err(sentence)?;
        let mut outcome = Outcome {
            records: index.size().1,
            ..Outcome::default()
        };
        // An index that cannot be read cannot be compared either.
        if old.index.complaint().is_none()
            && let Ok(report) = old.index.check(&|_, _| {}, false)
        {
            outcome.differing = Some(report.differing);
            outcome.examples = report.findings.into_iter().take(EXAMPLES_MAX).collect();
        }
        self.shelf.choose(folder)?;
        Ok(Some(outcome))
    }
}

fn sentence(trouble: search_index::Trouble) -> Trouble {
    Trouble::new(trouble.to_string())
}

/// What opening the index takes.
struct Opening<'a> {
    shelf: &'a Shelf,
    store: &'a Store,
    settings: &'a search_index::Settings,
}

impl Opening<'_> {
    /// The index in use; where there is none, or it is of no use, a new one that takes its place at once.
    fn open(&self, registry: &Arc<Registry>) -> Result<Index, Trouble> {
        let present: Option<PathBuf> = self.shelf.current();
        if let Some(folder) = &present {
            match Index::open(folder, Arc::clone(registry), self.store.clone(), self.settings.clone()) {
                Ok(index) => {
                    self.shelf.keep_only(&[folder]);
                    return Ok(index);
                }
                Err(Unusable::Absent) => {}
                Err(Unusable::Because(why)) => (self.settings.notice)(&format!(
                    "The search index in {} {why}; it is built again from the log.",
                    folder.display()
                )),
            }
        }
        let folder = self.shelf.next();
        let index = Index::make(&folder, Arc::clone(registry), self.store.clone(), self.settings.clone())?;
        self.shelf.choose(&folder)?;
        self.shelf.keep_only(&[&folder]);
        Ok(index)
    }
}
