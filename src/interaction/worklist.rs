//! The worklist of records that may be of one person: a Task for each pair, with both sides, and what was decided.
//!
//! The id of a Task follows from its pair, so that there is never a second, on no node: a pair that was decided upon is
//! known by reading one record. `focus` and `for` are the two patients; `input` says how likely they are one, and why.

use fhir::identity::{Id, VersionId};
use fhir::moment;
use fhir::tree::Tree;
use person::{Grade, Score};
use query::values::hash;
use store::{Expect, Operation, Refused, Unit, Write};

use crate::conditional::{self, Attempt};
use crate::engine::{Engine, now, spliced};
use crate::find::reference;
use crate::merge_party::document;
use crate::refusal::{Refusal, of_refused};

/// Where the codes of the worklist come from.
const SYSTEM: &str = "urn:epis:bt:duplicate-review";

/// Two records, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    first: Id,
    second: Id,
}

/// What was decided about a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They were merged.
    Same,
    /// They are two persons.
    NotSame,
}

impl Decision {
    fn code(self) -> &'static str {
        match self {
            Decision::Same => "same",
            Decision::NotSame => "not-same",
        }
    }
}

impl Pair {
    /// The pair of two records.
    pub fn new(one: &Id, other: &Id) -> Pair {
        let (first, second) = if one.as_str() < other.as_str() {
            (one, other)
        } else {
            (other, one)
        };
        Pair {
            first: first.clone(),
            second: second.clone(),
        }
    }

    /// The record whose id comes first.
    pub(crate) fn first(&self) -> &Id {
        &self.first
    }

    /// The id of its Task.
    pub fn id(&self) -> Id {
        let named = |salt: &[u8]| {
            hash(&[
                salt,
                self.first.as_str().as_bytes(),
                b"/",
                self.second.as_str().as_bytes(),
            ])
        };
        let text = format!("pair-{:016x}{:016x}", named(b"one "), named(b"other "));
        Id::new(&text).expect("hexadecimal digits are an id")
    }

    /// What was decided about it; `None` where nothing was.
    ///
    /// # Errors
    /// Those of the store.
    pub fn decision(&self, engine: &Engine) -> Result<Option<Decision>, Refusal> {
        let Some((_, task)) = self.task(engine)? else {
            return Ok(None);
        };
        let status = task.get("businessStatus").and_then(|status| status.get("coding"));
        let codes = status
            .map_or(&[][..], Tree::items)
            .iter()
            .filter_map(|coding| coding.get("code")?.as_str());
        let decision = |code: &str| {
            [Decision::Same, Decision::NotSame]
                .into_iter()
                .find(|known| known.code() == code)
        };
        Ok(codes.filter_map(decision).next())
    }

    /// Its Task as it is now.
    fn task(&self, engine: &Engine) -> Result<Option<(VersionId, Tree)>, Refusal> {
        let version = engine.store.current(&engine.kind("Task")?, &self.id())?;
        let living = version.filter(|version| version.operation.is_live());
        living
            .map(|version| Ok((version.version, Tree::parse(&spliced(&version))?)))
            .transpose()
    }

    /// The write that puts it on the worklist; `None` where it is there, or was.
    ///
    /// # Errors
    /// Those of the store; 422 where the policy refuses such Tasks.
    pub fn proposed(&self, engine: &Engine, score: &Score) -> Result<Option<Write>, Refusal> {
        match self.task(engine)? {
            Some(_) => Ok(None),
            None => self.proposal(engine, score).map(Some),
        }
    }

    /// The write that puts it on the worklist where it never was: certain ones as urgent, the others as routine.
    ///
    /// # Errors
    /// 422 where the policy refuses such Tasks.
    pub(crate) fn proposal(&self, engine: &Engine, score: &Score) -> Result<Write, Refusal> {
        let mut task = self.fresh();
        task.set("status", Tree::string("requested"));
        let priority = match score.grade {
            Grade::Certain => "urgent",
            _ => "routine",
        };
        task.set("priority", Tree::string(priority));
        let (first, second, grade) = (&self.first, &self.second, score.grade.code());
        let text = format!("Patient/{first} and Patient/{second} may be one person: {grade}.");
        task.set("description", Tree::string(text));
        let input = |code: &str, member: &str, value: Tree| Tree::object([("type", concept(code)), (member, value)]);
        let mut inputs = vec![
            input("grade", "valueCode", Tree::string(score.grade.code())),
            input(
                "probability",
                "valueDecimal",
                Tree::number(format!("{:.4}", score.probability)),
            ),
        ];
        let features = score
            .parts
            .iter()
            .map(ToString::to_string)
            .chain(score.held.map(str::to_owned));
        inputs.extend(features.map(|text| input("feature", "valueString", Tree::string(text))));
        task.set("input", Tree::Array(inputs));
        self.write(engine, &task, Expect::Absent)
    }

    /// The write that says what was decided, by whom and why, on its Task or a new one; `None` where there is none and
    /// none is wanted.
    ///
    /// # Errors
    /// As [`Pair::proposed`].
    pub fn decided(
        &self,
        engine: &Engine,
        decision: Decision,
        (who, why): (Tree, Option<&str>),
        wanted: bool,
    ) -> Result<Option<Write>, Refusal> {
        let (expect, mut task) = match self.task(engine)? {
            Some((version, task)) => (Expect::Version(version), task),
            None if wanted => (Expect::Absent, self.fresh()),
            None => return Ok(None),
        };
        task.set("status", Tree::string("completed"));
        task.set("businessStatus", concept(decision.code()));
        task.set("owner", who);
        match why {
            Some(why) => task.set("statusReason", Tree::object([("text", Tree::string(why))])),
            None => drop(task.remove("statusReason")),
        }
        task.set("lastModified", Tree::string(moment::instant(now())));
        self.write(engine, &task, expect).map(Some)
    }

    /// Puts it on the worklist again, whatever was decided, and says why; nothing where it is open there.
    ///
    /// # Errors
    /// As [`Pair::proposed`].
    pub(crate) fn ask_again(&self, engine: &Engine, why: &str) -> Result<(), Refusal> {
        conditional::persist(engine, || {
            let (expect, mut task) = match self.task(engine)? {
                Some((_, task)) if task.get("status") == Some(&Tree::string("requested")) => {
                    return Ok(Attempt::Done(()));
                }
                Some((version, task)) => (Expect::Version(version), task),
                None => (Expect::Absent, self.fresh()),
            };
            task.set("status", Tree::string("requested"));
            ["businessStatus", "owner"]
                .iter()
                .for_each(|name| drop(task.remove(name)));
            task.set("statusReason", Tree::object([("text", Tree::string(why))]));
            task.set("lastModified", Tree::string(moment::instant(now())));
            match engine.store.submit(Unit::one(self.write(engine, &task, expect)?)) {
                Ok(_) => Ok(Attempt::Done(())),
                Err(Refused::Expectation { .. } | Refused::Disturbed) => Ok(Attempt::Disturbed),
                Err(refused) => Err(of_refused(refused, &[])),
            }
        })
    }

    fn fresh(&self) -> Tree {
        let patient = |id: &Id| reference(&format!("Patient/{id}"));
        let now = moment::instant(now());
        Tree::object([
            ("resourceType", Tree::string("Task")),
            ("status", Tree::Null),
            ("intent", Tree::string("proposal")),
            ("code", concept("review-duplicate")),
            ("focus", patient(&self.first)),
            ("for", patient(&self.second)),
            ("authoredOn", Tree::string(now.clone())),
            ("lastModified", Tree::string(now)),
        ])
    }

    fn write(&self, engine: &Engine, task: &Tree, expect: Expect) -> Result<Write, Refusal> {
        let kind = engine.kind("Task")?;
        let prepared = engine.prepare(&kind, document(task)?.root(), false)?;
        let operation = match expect {
            Expect::Absent => Operation::Create,
            _ => Operation::Update,
        };
        Ok(prepared.into_write(kind, self.id(), operation, expect))
    }
}

fn concept(code: &str) -> Tree {
    let coding = Tree::object([("system", Tree::string(SYSTEM)), ("code", Tree::string(code))]);
    Tree::object([("coding", Tree::Array(vec![coding]))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_one_id_whichever_comes_first() {
        let id = |text: &str| Id::new(text).unwrap();
        let pair = |one: &str, other: &str| Pair::new(&id(one), &id(other)).id();
        assert_eq!(pair("a", "b"), pair("b", "a"));
        assert_ne!(pair("a", "b"), pair("a", "c"));
        // Kept in records for ever.
        assert_eq!(pair("a", "b").as_str(), "pair-1795692a5fa960191e351b47423d66b3");
    }
}
