//! The engine that answers now, and how another takes its place.
//!
//! What can be searched may change while the server runs: search parameters come and go, an index is built anew. So an
//! [`Engine`] never changes. A request takes the one of the moment and keeps it, so that what reads its question and what
//! answers it always agree; whoever comes later gets the next.
//!
//! A new index is built beside the one in use, in a folder of its own, from the log. When it has come to the end of the
//! log it takes over, and the folder of the other is removed once the last request has let go of it.
//!
//! What this server's SearchParameter records define is wanted from the moment they are written. What the index in use
//! was not built with is barred until one is that was: a search that names it is refused.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use conformance::{Definitions, SearchParameter, Terminology};
use query::custom::Unusable as UnusableParameter;
use query::{Bar, Registry, Why};
use search_index::{Index, Unusable};
use store::{Store, Trouble};
use terminology::{Answers, Library};
use text::Analysis;

use crate::analyzers::Analyzers;
use crate::built_in::UnderTheLog;
use crate::engine::{Engine, Settings};
use crate::parameters::Parameters;
use crate::shelf::Shelf;
use crate::terminology_call::OfHouse;
use crate::upkeep::{Job, Outcome, Pace, Upkeep};

/// Versions that are read before anything is answered, also where the rest is left to the background: what an index that
/// was killed can be behind, and a second or two of waiting.
const AT_ONCE_MAX: u64 = 16_384;
/// Findings kept of a comparison.
const EXAMPLES_MAX: usize = 10;
/// How long definitions must have rested before an index is built for them: they often come in numbers.
const GATHER: Duration = Duration::from_secs(1);

/// The engines of one server, one after another. Shared by all threads.
pub struct Generations {
    house: Arc<House>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the generations of a server have in common.
pub(crate) struct House {
    current: RwLock<Arc<Engine>>,
    parameters: Arc<Parameters>,
    analyzers: Analyzers,
    /// What searches ask about codes.
    terminology: Arc<dyn Terminology>,
    /// What the next index is to be built with. Held while an engine takes the place of another.
    wanted: Mutex<Wanted>,
    shelf: Shelf,
    /// The folder of a build that was left off when the server stopped last.
    left_off: Mutex<Option<PathBuf>>,
    index: search_index::Settings,
    pub(crate) pace: Pace,
    pub(crate) upkeep: Arc<Upkeep>,
    /// Held by whoever builds: one at a time.
    building: Mutex<()>,
}

/// The search parameters as the records define them, and the tables of the analyzers as they lie in their folder.
struct Wanted {
    registry: Arc<Registry>,
    unusable: Vec<UnusableParameter>,
    since: Instant,
}

impl Wanted {
    fn of(
        store: &Store,
        definitions: &Arc<Definitions>,
        zone: i32,
        parameters: &Parameters,
        analysis: &Arc<Analysis>,
    ) -> Result<Wanted, Trouble> {
        let (mut usable, mut unusable) = parameters.settled(store)?;
        let with = |usable: &[SearchParameter]| {
            Registry::with(Arc::clone(definitions), zone, usable.to_vec()).with_analysis(Arc::clone(analysis))
        };
        let mut registry = with(&usable);
        let custom = registry
            .skipped()
            .iter()
            .filter(|skipped| registry.is_custom(&skipped.url));
        unusable.extend(custom.map(|skipped| UnusableParameter {
            url: skipped.url.clone(),
            code: skipped.code.clone(),
            base: vec![skipped.kind.to_string()],
            why: skipped.why.clone(),
        }));
        // Nothing needs to be built for those that are of use for no kind at all.
        let all = usable.len();
        usable.retain(|definition| registry.has(&definition.url));
        if usable.len() < all {
            registry = with(&usable);
        }
        Ok(Wanted {
            registry: Arc::new(registry),
            unusable,
            since: Instant::now(),
        })
    }

    /// The parameters that an index built with others lacks.
    fn missing<'a>(&'a self, built: &'a [SearchParameter]) -> impl Iterator<Item = &'a SearchParameter> {
        self.registry.custom().iter().filter(|wanted| !built.contains(wanted))
    }

    /// The parameters as they can be searched by with an index built with those of `built`.
    fn offered(&self, built: &Registry, upkeep: &Upkeep, terminology: &Arc<dyn Terminology>) -> Registry {
        let progress = Arc::clone(upkeep.progress());
        let reached = Arc::new(move || match progress.reached() {
            (_, 0) => "its turn comes".to_owned(),
            (read, of) => format!("{read} of {of} versions in the log are read"),
        });
        let pending = |definition| Bar::of(definition, Why::Pending(Arc::clone(&reached) as _));
        let gone = built
            .custom()
            .iter()
            .filter(|built| !self.registry.custom().contains(built));
        let unusable = self.unusable.iter().map(|unusable| Bar {
            code: unusable.code.clone(),
            base: unusable.base.clone(),
            why: Why::Unusable(unusable.why.clone()),
        });
        let bars = gone.map(|definition| Bar::of(definition, Why::Gone));
        let all = bars.chain(self.missing(built.custom()).map(pending)).chain(unusable);
        built.barring(all.collect()).with_terminology(Arc::clone(terminology))
    }
}

impl Generations {
    /// Opens the log and the index, and lets the index and the read cache follow the log. The index is made from the log
    /// where it is missing or of no use; where the pace allows it that goes on in the background, and searches are
    /// refused until it is complete.
    ///
    /// # Errors
    /// [`Trouble`], a sentence, where either cannot be opened.
    pub fn open(settings: Settings) -> Result<Generations, Trouble> {
        let mut settings = settings;
        settings.index.ground = Some(Arc::new(UnderTheLog));
        let definitions = Definitions::r4();
        let store = Store::open(settings.store.clone())?;
        let parameters = Parameters::open(&store, &definitions)?;
        let shelf = Shelf::open(&settings.index_folder)?;
        let before = || Index::analysis(&shelf.current()?);
        let (analyzers, analysis) = Analyzers::open(&settings.analyzers_folder, before, &*settings.index.notice);
        let wanted = Wanted::of(&store, &definitions, settings.zone, &parameters, &analysis)?;
        let opening = Opening {
            shelf: &shelf,
            store: &store,
            settings: &settings.index,
            definitions: &definitions,
        };
        let (index, built, left_off) = opening.open(&wanted.registry)?;
        let (pace, index_settings) = (settings.pace, settings.index.clone());
        let upkeep = Arc::new(Upkeep::default());
        let library = Arc::new(library(&settings));
        let records = OfHouse::default();
        let terminology: Arc<dyn Terminology> = Arc::new(Answers::new(Arc::clone(&library), records.clone()));
        let offered = Arc::new(wanted.offered(&built, &upkeep, &terminology));
        let engine = Engine::new(
            settings,
            definitions,
            offered,
            library,
            store,
            index,
            Arc::clone(&upkeep),
        );
        let house = Arc::new(House {
            upkeep,
            current: RwLock::new(Arc::new(engine)),
            parameters,
            analyzers,
            terminology,
            wanted: Mutex::new(wanted),
            shelf,
            left_off: Mutex::new(left_off),
            index: index_settings,
            pace,
            building: Mutex::new(()),
        });
        records.settle(&house);
        house.tell_unusable(&[]);
        let engine = house.now();
        let missing = engine.store.head().saturating_sub(engine.index.head());
        if !pace.background || missing <= AT_ONCE_MAX {
            engine.index.catch_up(&mut |_, _| true)?;
        }
        if pace.background {
            engine.people.begin(&engine.store)?;
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

/// What is built in, and the large code systems that were loaded.
fn library(settings: &Settings) -> Library {
    let notice = Arc::clone(&settings.index.notice);
    Library::watching(&settings.terminology_folder, move |sentence| notice(&sentence))
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
    /// The engine of this moment. What SearchParameter records said before it was asked for, it knows.
    pub(crate) fn now(&self) -> Arc<Engine> {
        if self.parameters.has_news()
            && let Err(trouble) = self.hear()
        {
            self.notice(&format!(
                "The definitions of search parameters cannot be read: {trouble}"
            ));
        }
        self.engine()
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts another engine in the place of the present one.
    fn put(&self, engine: Engine) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engine);
    }

    /// Takes in what the records define now.
    fn hear(&self) -> Result<(), Trouble> {
        // Whoever asks meanwhile waits here for the engine that knows.
        let mut wanted = self.wanted();
        if !self.parameters.has_news() {
            return Ok(());
        }
        let engine = self.engine();
        let analysis = Arc::clone(wanted.registry.analysis());
        let heard = Wanted::of(
            &engine.store,
            &engine.definitions,
            engine.zone,
            &self.parameters,
            &analysis,
        )?;
        if heard.registry.custom() == wanted.registry.custom() && heard.unusable == wanted.unusable {
            self.parameters.heard();
            return Ok(());
        }
        let before = std::mem::replace(&mut *wanted, heard);
        let offered = Arc::new(wanted.offered(&engine.registry, &self.upkeep, &self.terminology));
        self.put(engine.next(offered, engine.index.clone())?);
        self.parameters.heard();
        drop(wanted);
        self.tell_unusable(&before.unusable);
        Ok(())
    }

    /// Takes in the tables of the analyzers, where they changed.
    pub(crate) fn look_at_tables(&self) {
        if let Some(analysis) = self.analyzers.news(&|sentence| self.notice(sentence)) {
            let mut wanted = self.wanted();
            let registry = Registry::with(
                Arc::clone(&self.engine().definitions),
                wanted.registry.zone(),
                wanted.registry.custom().to_vec(),
            );
            wanted.registry = Arc::new(registry.with_analysis(analysis));
            wanted.since = Instant::now();
        }
    }

    fn tell_unusable(&self, known: &[UnusableParameter]) {
        for UnusableParameter { url, code, why, base } in &self.wanted().unusable {
            if !known.iter().any(|known| known.url == *url && known.why == *why) {
                let base = base.join(", ");
                self.notice(&format!(
                    "The search parameter {code} of {base} ({url}) cannot be used: it {why}."
                ));
            }
        }
    }

    /// Why an index should be built for what the records define, where one should and they have come to rest.
    pub(crate) fn wish(&self) -> Option<String> {
        let (wanted, engine) = (self.wanted(), self.engine());
        let codes: Vec<&str> = wanted
            .missing(engine.registry.custom())
            .map(|p| p.code.as_str())
            .collect();
        if wanted.since.elapsed() < GATHER {
            return None;
        }
        if wanted.registry.analysis() != engine.registry.analysis() {
            return Some("The tables of the analyzers changed.".to_owned());
        }
        (!codes.is_empty()).then(|| format!("Search parameters came or changed: {}.", codes.join(", ")))
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
            Ok(None) if self.upkeep.stops() => (Err("the server stopped.".to_owned()), Ok(())),
            Ok(None) => (Err("what it is to be built with changed meanwhile.".to_owned()), Ok(())),
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

    /// Builds another index and puts it in the place of the present one. It is built with what the records define; where
    /// they change before it is half done, it is left off.
    fn replace(&self, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<Option<Outcome>, Trouble> {
        let old = self.now();
        let registry = Arc::clone(&self.wanted().registry);
        let (index, folder) = self.begin(&registry, &old)?;
        let mut go_on = |read, of| {
            let meant = || self.wanted().registry.fingerprint() == registry.fingerprint();
            go_on(read, of) && (read > of / 2 || meant())
        };
        let built = self.fill(&index, &folder, &mut go_on, &old);
        let outcome = match built {
            Ok(Some(outcome)) => outcome,
            unfinished => {
                // At the next start it may go on.
                if !self.upkeep.stops() {
                    index.retire();
                }
                return unfinished;
            }
        };
        let wanted = self.wanted();
        let offered = Arc::new(wanted.offered(&registry, &self.upkeep, &self.terminology));
        self.put(old.next(offered, index)?);
        drop(wanted);
        old.index.retire();
        Ok(Some(outcome))
    }

    /// An index to be filled: the one that was left off when the server stopped, where it was to become the same.
    fn begin(&self, registry: &Arc<Registry>, old: &Engine) -> Result<(Index, PathBuf), Trouble> {
        let left_off = self.left_off.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (store, settings) = (old.store.clone(), self.index.clone());
        if let Some(folder) = left_off {
            let same = registry.fingerprint() == old.registry.fingerprint() || !Index::is_built_with(&folder, registry);
            let opened = (!same).then(|| Index::open(&folder, Arc::clone(registry), store.clone(), settings.clone()));
            if let Some(Ok(index)) = opened {
                return Ok((index, folder));
            }
        }
        let folder = self.shelf.next();
        let index = Index::make(&folder, Arc::clone(registry), store, settings)?;
        Ok((index, folder))
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
        // An index that cannot be read, or was built with other parameters, cannot be compared.
        if old.index.complaint().is_none()
            && index.is_like(&old.index)
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
    definitions: &'a Arc<Definitions>,
}

/// An index, what it was built with, and the folder of another build that was left off.
type Opened = (Index, Arc<Registry>, Option<PathBuf>);

impl Opening<'_> {
    /// The index in use, built with what is wanted now or with what was wanted earlier; where there is none, or it is of
    /// no use, a new one that takes its place at once.
    fn open(&self, wanted: &Arc<Registry>) -> Result<Opened, Trouble> {
        if let Some(folder) = self.shelf.current() {
            let built = self.built_with(&folder, wanted);
            match Index::open(&folder, Arc::clone(&built), self.store.clone(), self.settings.clone()) {
                Ok(index) => {
                    let left_off = self.shelf.left_off();
                    let kept = left_off.as_deref().unwrap_or(&folder);
                    self.shelf.keep_only(&[&folder, kept]);
                    return Ok((index, built, left_off));
                }
                Err(Unusable::Absent) => {}
                Err(Unusable::Because(why)) => (self.settings.notice)(&format!(
                    "The search index in {} {why}; it is built again from the log.",
                    folder.display()
                )),
            }
        }
        let folder = self.shelf.next();
        let index = Index::make(&folder, Arc::clone(wanted), self.store.clone(), self.settings.clone())?;
        self.shelf.choose(&folder)?;
        self.shelf.keep_only(&[&folder]);
        Ok((index, Arc::clone(wanted), None))
    }

    /// The parameters that the index in a folder was built with, where they are some that were wanted earlier.
    fn built_with(&self, folder: &Path, wanted: &Arc<Registry>) -> Arc<Registry> {
        if !Index::is_built_with(folder, wanted)
            && let Some(custom) = Index::custom(folder)
        {
            let analysis = Index::analysis(folder).map_or_else(Analysis::built_in, Arc::new);
            let earlier = Registry::with(Arc::clone(self.definitions), wanted.zone(), custom).with_analysis(analysis);
            if Index::is_built_with(folder, &earlier) {
                return Arc::new(earlier);
            }
        }
        Arc::clone(wanted)
    }
}
