//! All definitions that questions are answered from: records, files that were loaded, and what is built in.
//!
//! A [`Library`] lives as long as the server and keeps what it has read. A [`Session`] is one question's view of it:
//! with the resources that came along, the supplements and the versions that were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use fhir::document::{Document, Node};
use rustc_hash::FxHashMap;

use crate::built_in::BuiltIn;
use crate::finding::Unable;
use crate::grammar;
use crate::implied::implied;
use crate::loaded::Loaded;
use crate::pins::Pins;
use crate::recorded::{Recorded, facts};
use crate::supplement::Supplemented;
use crate::system::{Content, System};
use crate::tables;
use crate::value_set::ValueSet;
use crate::version;

/// What the texts of the definitions that are kept may take together, in bytes.
const KEPT_BYTES: usize = 256 << 20;

/// The records could not be read; whoever lent them knows why.
#[derive(Clone, Copy, Debug)]
pub struct Unread;

impl From<Unread> for Unable {
    fn from(_: Unread) -> Unable {
        Unable::Unread
    }
}

/// The records of a server that define terminology.
pub trait Records {
    /// All versions of the CodeSystem, ValueSet or ConceptMap with a canonical address, the one that counts first; of an
    /// address that is a literal reference, as in `ValueSet/17`, the record it leads to.
    ///
    /// # Errors
    /// [`Unread`].
    fn versions(&self, kind: &str, url: &str) -> Result<Vec<Arc<Document>>, Unread>;

    /// All ConceptMaps.
    ///
    /// # Errors
    /// [`Unread`].
    fn maps(&self) -> Result<Vec<Arc<Document>>, Unread>;

    /// All CodeSystems.
    ///
    /// # Errors
    /// [`Unread`].
    fn systems(&self) -> Result<Vec<Arc<Document>>, Unread>;

    /// A number that changes whenever such a record does.
    fn generation(&self) -> u64;
}

/// No records at all.
pub struct NoRecords;

impl Records for NoRecords {
    fn versions(&self, _: &str, _: &str) -> Result<Vec<Arc<Document>>, Unread> {
        Ok(Vec::new())
    }

    fn maps(&self) -> Result<Vec<Arc<Document>>, Unread> {
        Ok(Vec::new())
    }

    fn systems(&self) -> Result<Vec<Arc<Document>>, Unread> {
        Ok(Vec::new())
    }

    fn generation(&self) -> u64 {
        0
    }
}

type Systems = Arc<[Arc<dyn System>]>;
type Sets = Arc<[Arc<ValueSet>]>;

/// How often records and loaded files had changed.
type Generation = (u64, u64);

/// What has been read of the definitions, until one of them changes.
#[derive(Default)]
struct Kept {
    generation: Generation,
    bytes: usize,
    systems: FxHashMap<String, Systems>,
    sets: FxHashMap<String, Sets>,
}

/// The definitions of a server. Shared by all threads.
pub struct Library {
    built_in: &'static BuiltIn,
    loaded: Loaded,
    kept: RwLock<Kept>,
}

impl Library {
    /// What is built in, and some systems that were loaded.
    pub fn new(loaded: Vec<Arc<dyn System>>) -> Library {
        Library::with(Loaded::fixed(loaded))
    }

    /// What is built in, and the systems in the files of a folder, whatever they are at the moment. A file that cannot be
    /// used is told.
    pub fn watching(folder: &Path, notice: impl Fn(String) + Send + Sync + 'static) -> Library {
        Library::with(Loaded::watching(folder, Box::new(notice)))
    }

    fn with(loaded: Loaded) -> Library {
        Library {
            built_in: BuiltIn::shared(),
            loaded,
            kept: RwLock::default(),
        }
    }

    /// The systems that were loaded from their releases.
    pub(crate) fn loaded(&self) -> Arc<[Arc<dyn System>]> {
        self.loaded.present().systems
    }

    /// The systems that neither records nor the standard define.
    fn others(&self) -> Vec<Arc<dyn System>> {
        let loaded = self.loaded.present().systems;
        let all = loaded.iter().chain(grammar::all()).chain(tables::all());
        all.cloned().collect()
    }

    /// What changes whenever a record or a loaded file does.
    fn generation(&self, records: &dyn Records) -> Generation {
        (records.generation(), self.loaded.present().changes)
    }

    /// The CodeSystem of the standard with an address.
    pub(crate) fn standard_system(&self, url: &str) -> Option<Arc<Document>> {
        self.built_in.find("CodeSystem", url).into_iter().next()
    }

    /// All systems whose codes are here, by address, with their versions: those of `records`, which are CodeSystems, and
    /// those that are here without records.
    pub fn known(&self, records: &[Arc<Document>]) -> BTreeMap<String, BTreeSet<String>> {
        let others = self.others();
        let mut all = self.built_in.systems().clone();
        let recorded = records
            .iter()
            .map(|document| document.root())
            .filter(|r| has_content(*r));
        let recorded = recorded.map(|root| facts(root));
        for facts in recorded.chain(others.iter().map(|system| system.facts().clone())) {
            all.entry(facts.url).or_default().extend(facts.version);
        }
        all
    }

    fn kept<T: Clone>(&self, generation: Generation, of: impl Fn(&Kept) -> Option<T>) -> Option<T> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        (kept.generation == generation).then(|| of(&kept)).flatten()
    }

    fn keep(&self, generation: Generation, bytes: usize, put: impl FnOnce(&mut Kept)) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.generation != generation || kept.bytes + bytes > KEPT_BYTES {
            *kept = Kept {
                generation,
                ..Kept::default()
            };
        }
        kept.bytes += bytes;
        put(&mut kept);
    }

    /// All versions of a system, the newest first.
    fn systems(&self, records: &dyn Records, url: &str) -> Result<Systems, Unread> {
        let generation = self.generation(records);
        if let Some(found) = self.kept(generation, |kept| kept.systems.get(url).cloned()) {
            return Ok(found);
        }
        let own = records.versions("CodeSystem", url)?;
        let built_in = self.built_in.find("CodeSystem", url);
        let bytes = own
            .iter()
            .chain(&built_in)
            .map(|document| 3 * document.text().len())
            .sum();
        let read = |documents: Vec<Arc<Document>>| -> Vec<Arc<dyn System>> {
            let known = documents.into_iter().filter(|document| has_content(document.root()));
            known.map(|d| Arc::new(Recorded::read(d)) as Arc<dyn System>).collect()
        };
        let mut given = self.others();
        given.retain(|system| system.facts().url == url);
        given.extend(read(built_in));
        let all = by_precedence(read(own), newest_first(given));
        self.keep(generation, bytes, |kept| {
            kept.systems.insert(url.to_owned(), Arc::clone(&all));
        });
        Ok(all)
    }

    /// All versions of a value set, the newest first.
    fn sets(&self, records: &dyn Records, url: &str) -> Result<Sets, Unread> {
        let generation = self.generation(records);
        if let Some(found) = self.kept(generation, |kept| kept.sets.get(url).cloned()) {
            return Ok(found);
        }
        let own = records.versions("ValueSet", url)?;
        let mut given = self.built_in.find("ValueSet", url);
        if own.is_empty() && given.is_empty() {
            let implied = implied(url);
            given.extend(implied);
        }
        let bytes = own.iter().chain(&given).map(|document| 3 * document.text().len()).sum();
        let read = |documents: Vec<Arc<Document>>| documents.into_iter().map(|d| Arc::new(ValueSet::read(d)));
        let mut given: Vec<Arc<ValueSet>> = read(given).collect();
        given.sort_by(|a, b| compare(b.version.as_deref(), a.version.as_deref()));
        let all: Sets = read(own).chain(given).collect();
        self.keep(generation, bytes, |kept| {
            kept.sets.insert(url.to_owned(), Arc::clone(&all));
        });
        Ok(all)
    }
}

/// Whether a CodeSystem has codes that can be relied on.
pub(crate) fn has_content(root: Node<'_>) -> bool {
    matches!(facts(root).content, Content::Complete | Content::Fragment)
}

fn compare(a: Option<&str>, b: Option<&str>) -> std::cmp::Ordering {
    version::compare(a.unwrap_or_default(), b.unwrap_or_default())
}

fn newest_first(mut all: Vec<Arc<dyn System>>) -> Vec<Arc<dyn System>> {
    all.sort_by(|a, b| compare(b.facts().version.as_deref(), a.facts().version.as_deref()));
    all
}

/// Records before what is given, and of one version the first. Versions of the two need not be written alike: a record
/// says what this server means by a system.
fn by_precedence(records: Vec<Arc<dyn System>>, given: Vec<Arc<dyn System>>) -> Systems {
    let mut all: Vec<Arc<dyn System>> = Vec::new();
    for system in records.into_iter().chain(given) {
        if !all.iter().any(|known| known.facts().version == system.facts().version) {
            all.push(system);
        }
    }
    all.into()
}

/// One question's view of the library.
#[derive(Clone)]
pub struct Session<'a> {
    library: &'a Library,
    records: &'a dyn Records,
    extra_systems: Vec<Arc<Recorded>>,
    extra_sets: Vec<Arc<ValueSet>>,
    extra_maps: Vec<Arc<Document>>,
    supplements: Vec<Arc<Recorded>>,
    /// The versions that were asked for.
    pub pins: Pins,
}

impl<'a> Session<'a> {
    /// The library as it is, with the records of a server.
    pub fn new(library: &'a Library, records: &'a dyn Records) -> Session<'a> {
        Session {
            library,
            records,
            extra_systems: Vec::new(),
            extra_sets: Vec::new(),
            extra_maps: Vec::new(),
            supplements: Vec::new(),
            pins: Pins::default(),
        }
    }

    /// Takes in a resource that came with the question; what is no definition of terminology is left away.
    pub fn add(&mut self, document: Arc<Document>) {
        match document.root().string("resourceType").as_deref() {
            Some("CodeSystem") => self.extra_systems.push(Arc::new(Recorded::read(document))),
            Some("ValueSet") => self.extra_sets.push(Arc::new(ValueSet::read(document))),
            Some("ConceptMap") => self.extra_maps.push(document),
            _ => {}
        }
    }

    /// Uses a supplement for all that follows.
    ///
    /// # Errors
    /// 404 where it is not known.
    pub fn supplement(&mut self, canonical: &str) -> Result<(), Unable> {
        let (url, wanted) = version::split(canonical);
        let fits = |system: &Recorded| {
            let facts = system.facts();
            facts.content == Content::Supplement
                && facts.url == url
                && wanted.is_none_or(|wanted| {
                    facts
                        .version
                        .as_deref()
                        .is_some_and(|has| version::matches(wanted, has))
                })
        };
        let extra = self.extra_systems.iter().filter(|system| fits(system)).cloned();
        let mut found: Vec<Arc<Recorded>> = extra.collect();
        if found.is_empty() {
            let read = self.records.versions("CodeSystem", url)?;
            found = read
                .into_iter()
                .map(|d| Arc::new(Recorded::read(d)))
                .filter(|s| fits(s))
                .collect();
        }
        let newest = found
            .into_iter()
            .max_by(|a, b| compare(a.facts().version.as_deref(), b.facts().version.as_deref()));
        let Some(supplement) = newest else {
            let text = format!("Required supplement not found: {canonical}");
            return Err(Unable::missing_as("VALUESET_SUPPLEMENT_MISSING", text));
        };
        let known = |other: &Arc<Recorded>| other.facts().canonical() == supplement.facts().canonical();
        if !self.supplements.iter().any(known) {
            self.supplements.push(supplement);
        }
        Ok(())
    }

    /// Whether an address is that of a supplement, which adds to a system and is none.
    ///
    /// # Errors
    /// [`Unread`].
    pub(crate) fn is_supplement(&self, url: &str) -> Result<bool, Unread> {
        let supplements = |content: Content| content == Content::Supplement;
        let mut extra = self.extra_systems.iter().map(|system| system.facts());
        if extra.any(|facts| facts.url == url && supplements(facts.content)) {
            return Ok(true);
        }
        let mut known = self.records.versions("CodeSystem", url)?;
        known.extend(self.library.built_in.find("CodeSystem", url));
        Ok(known.iter().any(|document| supplements(facts(document.root()).content)))
    }

    /// The supplements in use for a system.
    pub fn supplements_of(&self, url: &str) -> impl Iterator<Item = &Arc<Recorded>> {
        let of = move |supplement: &&Arc<Recorded>| {
            let base = supplement.facts().supplements.as_deref();
            base.is_some_and(|base| version::split(base).0 == url)
        };
        self.supplements.iter().filter(of)
    }

    /// All versions of a system, the newest first.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn systems(&self, url: &str) -> Result<Systems, Unread> {
        let extra = self.extra_systems.iter().filter(|system| {
            let facts = system.facts();
            facts.url == url && matches!(facts.content, Content::Complete | Content::Fragment)
        });
        let mut all: Vec<Arc<dyn System>> = extra.map(|s| Arc::clone(s) as Arc<dyn System>).collect();
        let known = self.library.systems(self.records, url)?;
        let supplements: Vec<Arc<Recorded>> = self.supplements_of(url).cloned().collect();
        if all.is_empty() && supplements.is_empty() {
            return Ok(known);
        }
        all = by_precedence(newest_first(all), Vec::new()).to_vec();
        let newer =
            |system: &&Arc<dyn System>| !all.iter().any(|extra| extra.facts().version == system.facts().version);
        let others: Vec<Arc<dyn System>> = known.iter().filter(newer).cloned().collect();
        all.extend(others);
        if !supplements.is_empty() {
            let with = |system| Arc::new(Supplemented::new(system, supplements.clone())) as Arc<dyn System>;
            all = all.into_iter().map(with).collect();
        }
        Ok(all.into())
    }

    /// A value set by its canonical address, of several versions the one that counts among those that fit; or by a
    /// literal reference to its record, as in `ValueSet/17`.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn set(&self, canonical: &str) -> Result<Option<Arc<ValueSet>>, Unread> {
        let (url, wanted) = version::split(canonical);
        let literal = url.starts_with("ValueSet/");
        let fits = |set: &&Arc<ValueSet>| {
            (literal || set.url == url)
                && wanted.is_none_or(|wanted| set.version.as_deref().is_some_and(|has| version::matches(wanted, has)))
        };
        let extra = self.extra_sets.iter().filter(|_| !literal).filter(fits);
        let newest = extra.max_by(|a, b| compare(a.version.as_deref(), b.version.as_deref()));
        if let Some(set) = newest {
            return Ok(Some(Arc::clone(set)));
        }
        Ok(self.library.sets(self.records, url)?.iter().find(fits).cloned())
    }

    /// The versions of a value set that are known, the newest first.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn set_versions(&self, url: &str) -> Result<Vec<String>, Unread> {
        let known = self.library.sets(self.records, url)?;
        let extra = self.extra_sets.iter().filter(|set| set.url == url);
        Ok(extra
            .chain(known.iter())
            .filter_map(|set| set.version.clone())
            .collect())
    }

    /// All ConceptMaps.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn maps(&self) -> Result<Vec<Arc<Document>>, Unread> {
        let mut all = self.extra_maps.clone();
        all.extend(self.records.maps()?);
        all.extend(self.library.built_in.all("ConceptMap"));
        Ok(all)
    }

    /// The ConceptMap of an address.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn map(&self, canonical: &str) -> Result<Option<Arc<Document>>, Unread> {
        let (url, wanted) = version::split(canonical);
        let fits = |map: &&Arc<Document>| {
            let root = map.root();
            root.string("url").as_deref() == Some(url)
                && wanted.is_none_or(|wanted| root.string("version").is_some_and(|has| version::matches(wanted, &has)))
        };
        if let Some(map) = self.extra_maps.iter().find(fits) {
            return Ok(Some(Arc::clone(map)));
        }
        let mut all = self.records.versions("ConceptMap", url)?;
        all.extend(self.library.built_in.find("ConceptMap", url));
        let version_of = |map: &Arc<Document>| map.root().string("version").map(|v| v.into_owned());
        let fitting = all.into_iter().filter(|map| fits(&map));
        Ok(fitting.max_by(|a, b| compare(version_of(a).as_deref(), version_of(b).as_deref())))
    }
}
