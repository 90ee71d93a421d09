//! Looks for everybody among all others, some at a time, and puts those who may be one person on the worklist.
//!
//! People are looked for in the order of their ids. How far that is stands in the log beside what was put on the worklist,
//! so that whoever was interrupted goes on from there, and so does whoever wanted only so many pairs for now.

use std::time::{Duration, Instant};

use fhir::identity::Id;
use person::{Grade, Score};
use rustc_hash::FxHashSet;
use store::{Note, Unit, Write};

use crate::engine::{Engine, now};
use crate::refusal::{Refusal, of_refused};
use crate::worklist::Pair;

/// Of one person, so many others are looked at.
const OTHERS_MAX: usize = 6;
/// Ids that are laid out at once: each time, everybody's are gone through.
const AHEAD: usize = 16_384;
/// The key of the note that says how far it is.
const NOTE: &str = "review-duplicates";
/// How often that is noted where nothing is put on the worklist.
const NOTED_EVERY: Duration = Duration::from_secs(10);

/// A review under way. Between its steps records may change: everybody is looked for as she is then. Whoever is new
/// meanwhile was looked for when she was registered.
pub struct Review {
    ahead: std::vec::IntoIter<Id>,
    reached: Reviewed,
    noted: Instant,
}

/// Whether a review goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    #[default]
    UnderWay,
    /// As many pairs are on the worklist as were wanted for now; the next goes on where it ended.
    Paused,
    /// Everybody was looked for.
    Done,
}

/// How far a review is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Whether it goes on.
    pub standing: Standing,
    /// People who were looked for.
    pub people: usize,
    /// People to look for.
    pub of: usize,
    /// Pairs that may be one person.
    pub pairs: usize,
    /// Those of them that are new on the worklist.
    pub put: usize,
    /// How many are to be new on the worklist before it pauses.
    pub most: Option<usize>,
    /// When it was begun, in microseconds since 1970.
    pub began: i64,
    /// The id of the last who was looked for; empty before the first.
    after: String,
}

impl Reviewed {
    /// How far the last review is, as it is noted in the log; `None` where there never was one.
    ///
    /// # Errors
    /// Those of the store.
    pub fn noted(engine: &Engine) -> Result<Option<Reviewed>, Refusal> {
        let note = engine.store.note(NOTE)?;
        Ok(note.and_then(|bytes| Reviewed::read(std::str::from_utf8(&bytes).ok()?)))
    }

    /// How many pairs are still wanted for now; `None` where as many as there are.
    pub fn left(&self) -> Option<usize> {
        Some(self.most?.saturating_sub(self.put))
    }

    fn read(text: &str) -> Option<Reviewed> {
        let fields: Vec<&str> = text.split('\t').collect();
        let [standing, after, began, people, of, pairs, put, most] = fields[..] else {
            return None;
        };
        let standing = match standing {
            "done" => Standing::Done,
            "paused" => Standing::Paused,
            _ => Standing::UnderWay,
        };
        Some(Reviewed {
            standing,
            people: people.parse().ok()?,
            of: of.parse().ok()?,
            pairs: pairs.parse().ok()?,
            put: put.parse().ok()?,
            most: most.parse().ok(),
            began: began.parse().ok()?,
            after: after.to_owned(),
        })
    }

    fn note(&self) -> Note {
        let standing = match self.standing {
            Standing::Done => "done",
            Standing::Paused => "paused",
            Standing::UnderWay => "under way",
        };
        let most = self.most.map_or_else(String::new, |most| most.to_string());
        let Reviewed {
            people,
            of,
            pairs,
            put,
            began,
            after,
            ..
        } = self;
        Note::new(
            NOTE,
            format!("{standing}\t{after}\t{began}\t{people}\t{of}\t{pairs}\t{put}\t{most}"),
        )
    }
}

/// Somebody who was looked for, and those she may be.
type Likely = (Id, Vec<(Pair, Score)>);

impl Review {
    /// Begins a review of everybody who is here, waiting until they are read, or goes on with the last one where that did
    /// not come to its end. It pauses when `most` pairs are new on the worklist.
    ///
    /// # Errors
    /// 503 where they are not read after `patience`; those of the store.
    pub fn begin(engine: &Engine, patience: Duration, most: Option<usize>) -> Result<Review, Refusal> {
        let unfinished = Reviewed::noted(engine)?.filter(|last| last.standing != Standing::Done);
        let mut reached = unfinished.unwrap_or_else(|| Reviewed {
            began: now(),
            ..Reviewed::default()
        });
        let people = engine
            .people
            .ask(&engine.store, patience, |everybody| everybody.len())?;
        reached.standing = Standing::UnderWay;
        reached.of = people.max(reached.people);
        reached.most = most.map(|most| reached.put.saturating_add(most));
        Ok(Review {
            ahead: Vec::new().into_iter(),
            reached,
            noted: Instant::now(),
        })
    }

    /// Looks for so many people more.
    ///
    /// # Errors
    /// Those of the store; 422 where the policy refuses such Tasks.
    pub fn step(&mut self, engine: &Engine, people: usize) -> Result<Standing, Refusal> {
        let next = self.next(engine, people)?;
        let found = look_for(engine, &next)?;
        let mut known = on_worklist(engine, &found)?;
        let mut writes: Vec<Write> = Vec::new();
        for (id, likely) in found {
            if self.reached.left().is_some_and(|left| writes.len() >= left) {
                self.reached.standing = Standing::Paused;
                break;
            }
            for (pair, score) in likely {
                let is_new = known.insert(pair.id());
                if is_new {
                    writes.push(pair.proposal(engine, &score)?);
                }
                self.reached.pairs += usize::from(is_new || pair.first() == &id);
            }
            self.reached.people += 1;
            self.reached.after = id.as_str().to_owned();
        }
        if next.is_empty() {
            self.reached.standing = Standing::Done;
        }
        self.reached.of = self.reached.of.max(self.reached.people);
        self.write(engine, writes)?;
        Ok(self.reached.standing)
    }

    /// Whom it looks for next; nobody where everybody was.
    fn next(&mut self, engine: &Engine, people: usize) -> Result<Vec<Id>, Refusal> {
        if self.ahead.len() == 0 {
            let time = engine.limits.search_time;
            let after = &self.reached.after;
            let ahead = engine
                .people
                .ask(&engine.store, time, |everybody| everybody.ids_after(after, AHEAD))?;
            self.ahead = ahead.into_iter();
        }
        Ok(self.ahead.by_ref().take(people).collect())
    }

    /// Puts pairs on the worklist, and notes how far it is.
    fn write(&mut self, engine: &Engine, writes: Vec<Write>) -> Result<(), Refusal> {
        let goes_on = self.reached.standing == Standing::UnderWay;
        if writes.is_empty() && goes_on && self.noted.elapsed() < NOTED_EVERY {
            return Ok(());
        }
        let before = self.reached.put;
        self.reached.put += writes.len();
        let together = Unit {
            writes: writes.clone(),
            notes: vec![self.reached.note()],
            ..Unit::default()
        };
        match engine.store.submit(together) {
            Ok(_) => {}
            // Somebody registers meanwhile and was faster with one of them.
            Err(store::Refused::Expectation { .. }) => {
                self.reached.put = before + one_by_one(engine, writes)?;
                let note = Unit {
                    notes: vec![self.reached.note()],
                    ..Unit::default()
                };
                engine.store.submit(note).map_err(|refused| of_refused(refused, &[]))?;
            }
            Err(refused) => return Err(of_refused(refused, &[])),
        }
        self.noted = Instant::now();
        Ok(())
    }

    /// How far it is.
    pub fn reached(&self) -> &Reviewed {
        &self.reached
    }
}

/// Looks for people among all others: whom each may be, likely enough for somebody to look.
fn look_for(engine: &Engine, ids: &[Id]) -> Result<Vec<Likely>, Refusal> {
    let weights = engine.match_weights()?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        // One by one: whoever writes a patient meanwhile waits for one of them, not for all.
        let found = engine
            .people
            .ask(&engine.store, engine.limits.search_time, |everybody| {
                everybody.others(id.as_str(), &weights, OTHERS_MAX)
            })?;
        let likely = found.into_iter().filter(|found| found.score.grade >= Grade::Probable);
        let pairs = likely.filter_map(|found| Some((Pair::new(id, &Id::new(&found.id)?), found.score)));
        all.push((id.clone(), pairs.collect()));
    }
    Ok(all)
}

/// The ids of those of the Tasks that are on the worklist, or were.
fn on_worklist(engine: &Engine, found: &[Likely]) -> Result<FxHashSet<Id>, Refusal> {
    let ids: Vec<Id> = found
        .iter()
        .flat_map(|(_, pairs)| pairs)
        .map(|(pair, _)| pair.id())
        .collect();
    let ids: Vec<&Id> = ids.iter().collect();
    let tasks = engine.store.currents(&engine.kind("Task")?, &ids)?;
    let living = tasks.into_iter().filter(|task| task.operation.is_live());
    Ok(living.map(|task| task.id).collect())
}

/// Puts pairs on the worklist that were not put there meanwhile; how many these were.
fn one_by_one(engine: &Engine, writes: Vec<Write>) -> Result<usize, Refusal> {
    let mut put = 0;
    for write in writes {
        match engine.store.submit(Unit::one(write)) {
            Ok(_) => put += 1,
            Err(store::Refused::Expectation { .. }) => {}
            Err(refused) => return Err(of_refused(refused, &[])),
        }
    }
    Ok(put)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_it_is_is_read_as_it_was_noted() {
        for (standing, most) in [
            (Standing::UnderWay, None),
            (Standing::Paused, Some(500)),
            (Standing::Done, None),
        ] {
            let reached = Reviewed {
                standing,
                people: 3,
                of: 4,
                pairs: 2,
                put: 1,
                most,
                began: 1_764_000_000_000_000,
                after: "0-17".to_owned(),
            };
            let note = reached.note().value.expect("a value");
            assert_eq!(Reviewed::read(std::str::from_utf8(&note).unwrap()), Some(reached));
        }
        assert_eq!(Reviewed::read("done"), None);
    }
}
