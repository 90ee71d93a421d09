//! Before a patient is registered: whom she may be already, as the policy has it; afterwards, the worklist.
//!
//! Every way to register asks: POST, PUT under a new id, conditional ones, and entries of bundles. Entries of one bundle are
//! not held against each other.

use fhir::document::Node;
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue, Severity};
use person::{Found, Grade, Person};
use query::replaced;
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
        let refuses = self.duplicates == Duplicates::Refuse;
        let tells = self.duplicates == Duplicates::Warn && prefer.wants_remarks();
        if kind != replaced::kind() || !(refuses || tells) {
            return Ok(Likely::default());
        }
        let mut found = self.who(&Person::read(record, self.people.names()), NAMED_MAX)?;
        found.retain(|found| found.score.grade >= Grade::Probable);
        let mut open = Vec::new();
        for found in found {
            if !self.is_settled(id, &found)? {
                open.push(found);
            }
        }
        let issues = open.iter().map(issue).collect();
        let looked = prefer.handling == Some(Handling::Lenient);
        if refuses && !looked && !open.is_empty() {
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

fn issue(found: &Found) -> Issue {
    let text = format!(
        "This may be the person of Patient/{}: {}, probability {:.3}.",
        found.id,
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
