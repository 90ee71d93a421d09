//! Before a patient is registered: whom she may be already, as the policy has it; afterwards, the worklist.
//!
//! Every way to register asks: POST, PUT under a new id, conditional ones, and entries of bundles. Those of a batch are
//! requests one after the other; those of a transaction are held against each other too ([`Beside`]).

use std::cmp::Ordering;

use fhir::document::Node;
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue, Severity};
use person::{Found, Grade, Person, Register};
use query::replaced;
use rustc_hash::{FxHashMap, FxHashSet};
use store::Unit;

use crate::engine::Engine;
use crate::policy::Duplicates;
use crate::refusal::{Reason, Refusal};
use crate::request::{Handling, Prefer};
use crate::worklist::{Decision, Pair};

/// Likely duplicates that are named at most.
const NAMED_MAX: usize = 5;

/// Whom a patient may be who is about to be registered.
#[derive(Default)]
pub(crate) struct Likely {
    found: Vec<Found>,
    /// What is to be said of it.
    pub(crate) issues: Vec<Issue>,
}

/// The patients whom one transaction registers, so far.
#[derive(Default)]
pub(crate) struct Beside {
    register: Register,
    /// By which entry each is registered.
    entries: FxHashMap<String, usize>,
    /// Those who were found and whose records are not here.
    beyond: FxHashSet<String>,
}

/// A patient who is about to be registered.
pub(crate) struct Newcomer<'a> {
    /// The id that she has, or is to have.
    pub id: &'a Id,
    /// The entry that registers her.
    pub entry: usize,
    /// Her record.
    pub record: Node<'a>,
}

impl Engine {
    /// Whom a new record may be of: nobody where it is no patient, or the policy does not ask. A pair of which somebody
    /// decided that they are two persons is not brought up again.
    ///
    /// # Errors
    /// 409 with everybody she may be, where that is the policy and the caller has not looked yet; 503 while the patients
    /// are being read into memory.
    pub(crate) fn likely_duplicates(
        &self,
        prefer: &Prefer,
        kind: &Kind,
        id: Option<&Id>,
        record: Node<'_>,
    ) -> Result<Likely, Refusal> {
        if kind != replaced::kind() || !self.asks_for_duplicates(prefer) {
            return Ok(Likely::default());
        }
        let person = Person::read(record, self.people.names());
        let (mut found, mut beside) = (self.who(&person, NAMED_MAX)?, Beside::default());
        found.extend(self.beyond(&person, &mut beside)?);
        found.sort_by(likelier_first);
        self.likely(prefer, id, found, &beside)
    }

    /// As [`Engine::likely_duplicates`], of a patient whom a transaction registers beside others, who is then one of them.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn likely_beside(
        &self,
        prefer: &Prefer,
        newcomer: &Newcomer<'_>,
        beside: &mut Beside,
    ) -> Result<Likely, Refusal> {
        if !self.asks_for_duplicates(prefer) {
            return Ok(Likely::default());
        }
        let person = Person::read(newcomer.record, self.people.names());
        let weights = self.match_weights()?;
        let time = self.limits.search_time;
        let mut found = self.people.ask(&self.store, time, |everybody| {
            let register = everybody.register();
            let mut found = beside.register.best_by(register, &person, &weights, NAMED_MAX);
            found.extend(everybody.best(&person, &weights, NAMED_MAX));
            found
        })?;
        found.extend(self.beyond(&person, beside)?);
        found.sort_by(likelier_first);
        let likely = self.likely(prefer, Some(newcomer.id), found, beside);
        beside.register.put(newcomer.id.as_str(), &person);
        beside.entries.insert(newcomer.id.as_str().to_owned(), newcomer.entry);
        likely
    }

    /// Those whom the country's list knows and whose records are not here, where this is a node.
    fn beyond(&self, person: &Person, beside: &mut Beside) -> Result<Vec<Found>, Refusal> {
        let (found, _) = self.who_beyond(person, NAMED_MAX)?;
        beside.beyond.extend(found.iter().map(|found| found.id.clone()));
        Ok(found)
    }

    fn asks_for_duplicates(&self, prefer: &Prefer) -> bool {
        match self.duplicates {
            Duplicates::Off => false,
            Duplicates::Warn => prefer.wants_remarks(),
            Duplicates::Refuse => true,
        }
    }

    /// Those of whom it is likely and not settled; refused, where that is the policy.
    fn likely(
        &self,
        prefer: &Prefer,
        id: Option<&Id>,
        mut found: Vec<Found>,
        beside: &Beside,
    ) -> Result<Likely, Refusal> {
        found.retain(|found| found.score.grade >= Grade::Probable);
        found.truncate(NAMED_MAX);
        let mut open = Vec::new();
        for found in found {
            if !self.is_settled(id, &found)? {
                open.push(found);
            }
        }
        let issues = open.iter().map(|found| issue(found, beside)).collect();
        let looked = prefer.handling == Some(Handling::Lenient);
        if self.duplicates == Duplicates::Refuse && !looked && !open.is_empty() {
            return Err(refusal(issues));
        }
        Ok(Likely { found: open, issues })
    }

    /// Whether writing a record under an id registers a patient: no live record is there.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn registers(&self, kind: &Kind, id: &Id) -> Result<bool, Refusal> {
        if kind != replaced::kind() || self.duplicates == Duplicates::Off {
            return Ok(false);
        }
        Ok(self
            .store
            .current(kind, id)?
            .is_none_or(|version| !version.operation.is_live()))
    }

    /// Whether it is known that a record found is not that of a patient, or it is her own.
    fn is_settled(&self, id: Option<&Id>, found: &Found) -> Result<bool, Refusal> {
        let (Some(own), Some(other)) = (id, Id::new(&found.id)) else {
            return Ok(false);
        };
        Ok(*own == other || Pair::new(own, &other).decision(self)? == Some(Decision::NotSame))
    }

    /// Puts a patient who was registered all the same on the worklist, with everybody she may be. Where that fails she is
    /// registered nevertheless, and the caller is told.
    pub(crate) fn put_on_worklist(&self, id: &Id, likely: &Likely) -> Option<Issue> {
        let put = |found: &Found| self.propose(id, found);
        let failed = likely.found.iter().filter_map(|found| put(found).err()).next()?;
        let why = failed.issues.first().map_or("", |issue| issue.text.as_str());
        let text = format!("The patient is registered, but not on the worklist of possible duplicates: {why}");
        Some(Issue::warning(Code::Transient, text))
    }

    /// Puts a patient and somebody she may be on the worklist, unless they are or were there; whether they were put.
    ///
    /// # Errors
    /// Those of the store.
    pub fn propose(&self, id: &Id, found: &Found) -> Result<bool, Refusal> {
        let Some(other) = Id::new(&found.id).filter(|other| other != id) else {
            return Ok(false);
        };
        let Some(write) = Pair::new(id, &other).proposed(self, &found.score)? else {
            return Ok(false);
        };
        match self.store.submit(Unit::one(write)) {
            Ok(_) => Ok(true),
            // Somebody else was faster.
            Err(store::Refused::Expectation { .. }) => Ok(false),
            Err(refused) => Err(crate::refusal::of_refused(refused, &[])),
        }
    }
}

fn likelier_first(a: &Found, b: &Found) -> Ordering {
    b.score.bits.total_cmp(&a.score.bits)
}

fn issue(found: &Found, beside: &Beside) -> Issue {
    let whose = match beside.entries.get(&found.id) {
        Some(entry) => format!("Bundle.entry[{entry}]"),
        None if beside.beyond.contains(&found.id) => {
            format!("Patient/{} (known at the centre, not here)", found.id)
        }
        None => format!("Patient/{}", found.id),
    };
    let text = format!(
        "This may be the person of {whose}: {}, probability {:.3}.",
        found.score.grade.code(),
        found.score.probability
    );
    Issue::warning(Code::Duplicate, text)
}

fn refusal(mut issues: Vec<Issue>) -> Refusal {
    for issue in &mut issues {
        issue.severity = Severity::Error;
    }
    let text = "Nothing is registered yet: look at those records first. To register the patient all the same, send it again \
                with Prefer: handling=lenient.";
    issues.push(Issue::information(Code::Informational, text));
    Refusal::with(Reason::Duplicate, issues)
}
