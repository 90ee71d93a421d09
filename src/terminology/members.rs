//! What a search and the validation of records ask of terminology, answered from the library.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use conformance::terminology::CODES_MAX;
use conformance::{Codes, Terminology, Unanswered};
use fhir::document::Document;

use crate::by_name::ByName;
use crate::entry::Member;
use crate::expand::{Gathering, Wanted};
use crate::finding::Unable;
use crate::library::{Library, NoRecords, Records, Session};
use crate::membership::Trail;
use crate::names::Names;
use crate::system::{Content, Place, System, reach};
use crate::value_set::ValueSet;

/// The library and the records of a server, as [`Terminology`].
pub struct Answers<R> {
    library: Arc<Library>,
    records: R,
    /// The names that records give, and after how many changes of records there were these.
    names: RwLock<Option<(u64, Arc<ByName>)>>,
}

impl<R: Records> Answers<R> {
    /// Answers from a library and records.
    pub fn new(library: Arc<Library>, records: R) -> Answers<R> {
        Answers {
            library,
            records,
            names: RwLock::new(None),
        }
    }

    fn session(&self) -> Session<'_> {
        Session::new(&self.library, &self.records)
    }
}

/// What the standard says by itself, without any record or release: R4's own code systems and value sets, and the
/// systems that are built in.
pub fn standard() -> Arc<dyn Terminology> {
    static SHARED: OnceLock<Arc<Answers<NoRecords>>> = OnceLock::new();
    let make = || Arc::new(Answers::new(Arc::new(Library::new(Vec::new())), NoRecords));
    Arc::clone(SHARED.get_or_init(make)) as Arc<dyn Terminology>
}

fn unanswered(value_set: &str, unable: &Unable) -> Unanswered {
    let sentence = format!(
        "The value set {value_set} cannot be expanded here: {}",
        unable.sentence()
    );
    match unable {
        Unable::Refused(_, findings) if findings.iter().any(|f| f.code == "too-costly") => {
            Unanswered::TooCostly(sentence)
        }
        _ => Unanswered::NotLoaded(sentence),
    }
}

fn find(session: &Session<'_>, value_set: &str) -> Result<Arc<ValueSet>, Unanswered> {
    let set = session
        .set(value_set)
        .map_err(|unread| unanswered(value_set, &unread.into()))?;
    set.ok_or_else(|| Unanswered::Unknown(format!("The value set {value_set} is not known here")))
}

/// Value sets that only take in whole systems, and leave nothing out, need not be listed.
fn whole(session: &Session<'_>, set: &ValueSet) -> Option<Codes> {
    let mut codes = Codes::default();
    for rule in &set.includes {
        let system = rule.system.as_deref()?;
        if !rule.is_whole() || !rule.sets.is_empty() || rule.version.is_some() || !set.excludes.is_empty() {
            return None;
        }
        let known = session.systems(system).ok()?;
        if known.first().is_some_and(|system| can_be_listed(&**system)) {
            return None;
        }
        codes.systems.insert(system.into());
    }
    (!codes.systems.is_empty()).then_some(codes)
}

/// Whether all codes of a system are here, and few enough: of a fragment others are as good.
fn can_be_listed(system: &dyn System) -> bool {
    let few = system.count().is_some_and(|count| count as usize <= CODES_MAX);
    few && system.facts().content == Content::Complete
}

fn codes<'m>(members: impl IntoIterator<Item = &'m Member>) -> BTreeSet<(Box<str>, Box<str>)> {
    let pair = |member: &Member| {
        let code = member.system.code(&member.place);
        (member.system.facts().url.as_str().into(), code.as_ref().into())
    };
    members.into_iter().map(pair).collect()
}

impl<R: Records + Send + Sync> Terminology for Answers<R> {
    fn members(&self, value_set: &str) -> Result<Codes, Unanswered> {
        let session = self.session();
        let set = find(&session, value_set)?;
        if let Some(codes) = whole(&session, &set) {
            return Ok(codes);
        }
        let wanted = Wanted::default();
        let gathered = Gathering::of(&session, &set, &wanted).map_err(|unable| unanswered(value_set, &unable))?;
        if gathered.members.len() > CODES_MAX {
            let text = format!("The value set {value_set} has more than {CODES_MAX} codes, too many for one search");
            return Err(Unanswered::TooCostly(text));
        }
        Ok(Codes {
            systems: BTreeSet::new(),
            codes: codes(&gathered.members),
        })
    }

    fn validate(&self, value_set: &str, system: Option<&str>, code: &str) -> Result<bool, Unanswered> {
        let session = self.session();
        let set = find(&session, value_set)?;
        let unable = |unable: Unable| unanswered(value_set, &unable);
        let mut urls = Vec::new();
        match system {
            Some(system) => urls.push(system.to_owned()),
            None => session.drawn_on(&set, &Trail::default(), &mut urls).map_err(unable)?,
        }
        for url in urls {
            let known = session.systems(&url).map_err(|unread| unable(unread.into()))?;
            if known.is_empty() {
                if session.lists(&set, &url, code, &Trail::default()).map_err(unable)? {
                    return Ok(true);
                }
                let mut claims = Vec::new();
                session
                    .claims(&set, &url, &Trail::default(), &mut claims)
                    .map_err(unable)?;
                if system.is_some() && !claims.is_empty() && !enumerates_only(&set, &url) {
                    let text = format!("The value set {value_set} cannot be checked here: {url} is not loaded");
                    return Err(Unanswered::NotLoaded(text));
                }
            }
            for system in known.iter() {
                let Some(place) = system.find(code) else { continue };
                if session
                    .has(&set, &**system, &place, &Trail::default())
                    .map_err(unable)?
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn below(&self, system: &str, code: &str) -> Result<Codes, Unanswered> {
        self.reached(system, code, false)
    }

    fn above(&self, system: &str, code: &str) -> Result<Codes, Unanswered> {
        self.reached(system, code, true)
    }

    fn names(&self, url: &str, code: &str) -> Result<Vec<String>, Unanswered> {
        let known = self.session().systems(url).unwrap_or_else(|_| Arc::from([]));
        let Some(system) = known.first() else {
            let text = format!("The code system {url} is not loaded here");
            return Err(Unanswered::NotLoaded(text));
        };
        let found = known.iter().find_map(|system| Some((system, system.find(code)?)));
        let Some((system, place)) = found else {
            let text = format!("The code system {} has no code `{code}`", system.facts().url);
            return Err(Unanswered::Unknown(text));
        };
        let names = Names::of(&**system, &place, None);
        let others = names.designations.into_iter().map(|other| other.value);
        Ok(names.display.into_iter().chain(others).collect())
    }

    fn starting(&self, start: &str) -> Result<Codes, Unanswered> {
        let pair = |(system, code): (&str, &str)| (Box::from(system), Box::from(code));
        let recorded = self.recorded_names()?;
        let known = ByName::standard().starting(start).chain(recorded.starting(start));
        let mut codes: BTreeSet<(Box<str>, Box<str>)> = known.map(pair).collect();
        for system in self.library.loaded().iter() {
            let url = &*system.facts().url;
            let unread = |_| Unanswered::NotLoaded(format!("The file with the names of {url} cannot be read"));
            let places = system.starting(start, CODES_MAX).map_err(unread)?;
            codes.extend(
                places
                    .into_iter()
                    .map(|place| pair((url, &system.code(&Place::At(place))))),
            );
        }
        if codes.len() > CODES_MAX {
            let text =
                format!("More than {CODES_MAX} codes have a name that begins with \"{start}\"; write more of it");
            return Err(Unanswered::TooCostly(text));
        }
        let systems = BTreeSet::new();
        Ok(Codes { systems, codes })
    }

    fn system(&self, url: &str) -> Option<Arc<Document>> {
        let records = self.records.versions("CodeSystem", url).ok()?;
        records
            .into_iter()
            .next_back()
            .or_else(|| self.library.standard_system(url))
    }
}

/// Whether a value set takes codes of a system only one by one.
fn enumerates_only(set: &ValueSet, system: &str) -> bool {
    let mut rules = set
        .includes
        .iter()
        .filter(|rule| rule.system.as_deref() == Some(system));
    rules.all(|rule| !rule.concepts.is_empty()) && set.includes.iter().all(|rule| rule.sets.is_empty())
}

impl<R: Records> Answers<R> {
    /// The names in the CodeSystems that are records.
    fn recorded_names(&self) -> Result<Arc<ByName>, Unanswered> {
        let generation = self.records.generation();
        let kept = self.names.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((then, names)) = kept
            && then == generation
        {
            return Ok(names);
        }
        let unread = |_| Unanswered::NotLoaded("The code systems that records define cannot be read".to_owned());
        let records = self.records.systems().map_err(unread)?;
        let costly = || Unanswered::TooCostly("The code systems that records define have too many names".to_owned());
        let names = Arc::new(ByName::of(&records).ok_or_else(costly)?);
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = Some((generation, Arc::clone(&names)));
        Ok(names)
    }

    fn reached(&self, url: &str, code: &str, upwards: bool) -> Result<Codes, Unanswered> {
        let session = self.session();
        let known = session.systems(url).unwrap_or_else(|_| Arc::from([]));
        let Some(system) = known.first() else {
            return Err(Unanswered::NotLoaded(format!(
                "The code system {url} is not loaded here, so what lies above and below its codes is not known"
            )));
        };
        let place = match system.find(code) {
            Some(Place::At(place)) => place,
            Some(Place::Written(_)) => {
                return Ok(Codes {
                    systems: BTreeSet::new(),
                    codes: BTreeSet::from([(url.into(), code.into())]),
                });
            }
            None => {
                return Err(Unanswered::Unknown(format!(
                    "The code system {url} has no code `{code}`"
                )));
            }
        };
        let all = reach(&**system, place, upwards);
        if all.len() > CODES_MAX {
            let text = format!("There are more than {CODES_MAX} codes below {code} of {url}, too many for one search");
            return Err(Unanswered::TooCostly(text));
        }
        let pair = |place: u32| (url.into(), system.code(&Place::At(place)).as_ref().into());
        Ok(Codes {
            systems: BTreeSet::new(),
            codes: all.into_iter().map(pair).collect(),
        })
    }
}
