//! Where this server is a clinic's: how complete what it answers is, and as of when; and its line to the centre.
//!
//! What is in the clinic's horizon is worked out here as at the centre, from what the clinic has: its own `Device` record
//! says its catchment, its log whom it has seen. It is as of the last contact, and so is what is said of it.

use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fhir::identity::{Id, Kind};
use fhir::moment::instant;
use query::Registry;
use query::predicate::{Predicate, ReferenceTest, Test};
use store::{Trouble, Version};
use sync::catchment::Catchment;
use sync::frame::LANES;
use sync::horizon::{Horizons, Standing, Whom};
use sync::lanes::lane;

use crate::ask_centre::Reached;
use crate::catchment::told;
use crate::engine::Engine;
use crate::own_device::OwnDevice;

/// Versions read at a time, to know whom they are of: meanwhile some milliseconds go by in which nobody is answered.
const BLOCK: usize = 256;

/// A clinic's line to its centre, for what a person waits for.
pub trait CentreLine: Send + Sync {
    /// Begins the next contact at once.
    fn hurry(&self);

    /// The centre's answer to a search such as `Observation?patient=7`: a Bundle in JSON, its links below a base.
    ///
    /// # Errors
    /// A sentence for the person who waits.
    fn search(&self, question: &str, base: &str) -> Result<Vec<u8>, String>;
}

/// What a clinic knows of how complete it is; nothing at a centre.
#[derive(Default)]
pub struct Clinic {
    line: OnceLock<Box<dyn CentreLine>>,
    kept: RwLock<Kept>,
    /// Held by whoever reads the log.
    following: Mutex<()>,
}

#[derive(Default)]
struct Kept {
    horizons: Horizons,
    /// Whether the log was read since the server was started, so that it is known whom the clinic has.
    is_read: bool,
    numbers: Vec<u32>,
    catchment: Catchment,
    /// As of when each lane is here whole, by the centre's clock in microseconds since 1970; 0 where it is not.
    whole: [i64; LANES],
    /// Up to which place of the log it had been looked then who is in the horizon: of who came into it later, records of the
    /// lane may be missing.
    upto: [u64; LANES],
}

/// How complete an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completeness {
    /// One word: `complete`, `clinic`, `left`, `unknown`, `arriving`, `starting`, `local` or `centre`.
    pub word: &'static str,
    /// As of when, in microseconds since 1970.
    pub as_of: Option<i64>,
}

impl Completeness {
    /// What the header says: `complete; as-of=2026-11-26T10:00:00.000000Z`.
    pub fn header(&self) -> String {
        match self.as_of {
            Some(when) => format!("{}; as-of={}", self.word, instant(when)),
            None => self.word.to_owned(),
        }
    }

    /// The same for a person.
    pub fn sentence(&self) -> String {
        let when = self.as_of.map_or("the last contact".to_owned(), instant);
        match self.word {
            "complete" => format!(
                "Complete: everything of this kind that the centre knew at {when}, and what was written here since."
            ),
            "clinic" => format!(
                "Complete for the people of this clinic only, as of {when}; with _centre=true the centre is asked for all."
            ),
            "left" => format!(
                "The patient is not in this clinic's horizon: what is here is as of {when}, and later records are at the centre; \
                 ask it with _centre=true, or have them sent with $fetch."
            ),
            "unknown" => {
                "Only what was written here: the centre has sent nothing of this patient, who was not in this clinic's \
                 horizon at the last contact. Ask the centre with _centre=true, or have her records sent with $fetch."
                    .to_owned()
            }
            "starting" => "The server was started a moment ago and still reads whom this clinic has: what is here is shown, and in a \
                           moment it can be said how complete that is."
                .to_owned(),
            "local" => "Records of this kind stay where they are written: only this clinic's own are here.".to_owned(),
            "centre" => format!("This page is the centre's, as of {when}."),
            _ => "Not complete yet: records of this kind are still coming from the centre.".to_owned(),
        }
    }
}

impl Clinic {
    /// Gives the clinic its line, once.
    pub fn attach(&self, line: Box<dyn CentreLine>) {
        // A server has one line; a second would be the same.
        let _kept = self.line.set(line);
    }

    /// The line, where this is a clinic.
    pub fn line(&self) -> Option<&dyn CentreLine> {
        self.line.get().map(Box::as_ref)
    }

    /// What was noted of the last contact and of the clinic itself: all that takes no reading of the log.
    ///
    /// # Errors
    /// Those of the store.
    pub fn recall(&self, engine: &Engine, reached: &Reached) -> Result<(), Trouble> {
        let own = engine.store.node();
        let (catchment, mut numbers) = OwnDevice::read(engine, own)?.map(told).unwrap_or_default();
        numbers.insert(0, own);
        let mut kept = self.write();
        if kept.whole == [0; LANES] && reached.agreed > 0 {
            kept.whole = [reached.agreed; LANES];
            kept.upto = [reached.whole; LANES];
        }
        (kept.catchment, kept.numbers) = (catchment, numbers);
        Ok(())
    }

    /// Reads what was written since: whom the clinic has seen, where people live now. What the centre does not know of yet
    /// is left for later: nothing came of it so far. The first time that is the whole log, and people are answered meanwhile.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn follow(&self, engine: &Engine, reached: &Reached) -> Result<(), Trouble> {
        let _one = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        self.recall(engine, reached)?;
        let (own, head) = (engine.store.node(), engine.store.head());
        let unknown = |version: &Version| version.version.node == own && version.version.counter > reached.acked;
        loop {
            let place = self.read().horizons.reached();
            let versions = match place < head {
                true => engine.store.log(place, BLOCK)?,
                false => Vec::new(),
            };
            let mut kept = self.write();
            if versions.is_empty() || !kept.horizons.meet_people(&versions, &unknown) {
                kept.is_read = true;
                return Ok(());
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which lanes are here whole at a moment of the centre's clock; up to which place of the log it was looked who is in the
    /// horizon.
    pub(crate) fn whole(&self, lanes: impl Fn(usize) -> bool, when: i64) -> u64 {
        let mut kept = self.write();
        let upto = kept.horizons.reached();
        for lane in (0..LANES).filter(|lane| lanes(*lane)) {
            (kept.whole[lane], kept.upto[lane]) = (when, upto);
        }
        upto
    }

    /// How complete an answer is that has records of these kinds (of every kind where none is named), of these patients or
    /// of anybody; `None` where this is no clinic.
    pub(crate) fn completeness(
        &self,
        engine: &Engine,
        kinds: &[Kind],
        patients: Option<&[Id]>,
    ) -> Option<Completeness> {
        if engine.store.node() == 0 {
            return None;
        }
        let kept = self.read();
        let said = |word, as_of| Some(Completeness { word, as_of });
        let lanes: Vec<usize> = match kinds.is_empty() {
            true => (0..LANES).collect(),
            false => kinds
                .iter()
                .filter_map(|kind| lane(kind.as_str()).number.map(usize::from))
                .collect(),
        };
        let Some(whole) = lanes.iter().filter_map(|lane| kept.whole.get(*lane)).min().copied() else {
            return said("local", None);
        };
        let upto = lanes.iter().filter_map(|lane| kept.upto.get(*lane)).min().copied();
        let came_later = |since: u64| upto.is_some_and(|upto| since > upto);
        if whole == 0 {
            return said("arriving", None);
        }
        let of_people = |kind: &Kind| kind.as_str() == "Patient" || lane(kind.as_str()).is_of_patients();
        let Some(patients) = patients else {
            let of_people = kinds.is_empty() || kinds.iter().any(of_people);
            return said(if of_people { "clinic" } else { "complete" }, Some(whole));
        };
        if !kept.is_read && !patients.is_empty() {
            return said("starting", None);
        }
        let whom = Whom {
            numbers: &kept.numbers,
            catchment: &kept.catchment,
            now: whole,
        };
        let mut left = None;
        for patient in patients {
            match kept.horizons.standing(&whom, patient) {
                Standing::Held(since) if came_later(since) => return said("arriving", None),
                Standing::Held(_) => {}
                Standing::Left(when) => left = Some(left.map_or(when, |known: i64| known.min(when))),
                Standing::Unknown => return said("unknown", None),
            }
        }
        match left {
            None => said("complete", Some(whole)),
            Some(when) => said("left", Some(when.min(whole))),
        }
    }

    /// How complete a record is that was read.
    pub(crate) fn completeness_of(&self, engine: &Engine, kind: &Kind, id: &Id, json: &[u8]) -> Option<Completeness> {
        if engine.store.node() == 0 {
            return None;
        }
        let patient = match kind.as_str() {
            "Patient" => Some(id.clone()),
            _ => fhir::document::Document::parse(json, fhir::parse::Limits::default())
                .ok()
                .and_then(|document| lane(kind.as_str()).patient(document.root())),
        };
        match patient {
            Some(patient) => self.completeness(engine, std::slice::from_ref(kind), Some(&[patient])),
            // A record of nobody is at every clinic.
            None => self.completeness(engine, std::slice::from_ref(kind), Some(&[])),
        }
    }
}

/// The patients to whose records a search is confined; `None` where it may find anybody's.
pub(crate) fn patients(registry: &Registry, kinds: &[Kind], predicate: &Predicate) -> Option<Vec<Id>> {
    match predicate {
        Predicate::And(all) => all.iter().find_map(|part| patients(registry, kinds, part)),
        Predicate::Or(any) if !any.is_empty() => {
            let each = any.iter().map(|part| patients(registry, kinds, part));
            Some(each.collect::<Option<Vec<_>>>()?.concat())
        }
        Predicate::Is(ids) if matches!(kinds, [kind] if kind.as_str() == "Patient") => Some(ids.clone()),
        Predicate::Test {
            param,
            test: Test::Reference(ReferenceTest::Record { kinds, id, .. }),
        } => {
            let of_patient = matches!(registry.code(*param), Some("patient" | "subject" | "beneficiary"));
            let is_patient = kinds.iter().any(|kind| kind.as_str() == "Patient");
            (of_patient && is_patient).then(|| vec![id.clone()])
        }
        _ => None,
    }
}
