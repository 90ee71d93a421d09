//! Looks for everybody among all others, some at a time, and puts those who may be one person on the worklist.

use std::time::Duration;

use fhir::identity::Id;
use person::{Found, Grade};
use rustc_hash::FxHashSet;
use store::{Unit, Write};

use crate::engine::Engine;
use crate::people::Everybody;
use crate::refusal::{Refusal, of_refused};
use crate::worklist::Pair;

/// Of one person, so many others are looked at.
const OTHERS_MAX: usize = 6;

/// A review under way. Between its steps records may change: everybody is looked for as she is then.
pub struct Review {
    ids: Vec<Id>,
    next: usize,
    /// Pairs that were looked up already: each is found from both sides.
    seen: FxHashSet<Id>,
    put: usize,
}

/// How far a review is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// People who were looked for.
    pub people: usize,
    /// People to look for.
    pub of: usize,
    /// Pairs that may be one person.
    pub pairs: usize,
    /// Those of them that are new on the worklist.
    pub put: usize,
}

impl Review {
    /// Begins a review of everybody who is here now, waiting until they are read.
    ///
    /// # Errors
    /// 503 where they are not read after `patience`; those of the store.
    pub fn begin(engine: &Engine, patience: Duration) -> Result<Review, Refusal> {
        let ids = engine.people.ask(&engine.store, patience, |everybody| {
            let mut ids = Vec::with_capacity(everybody.len());
            everybody.each(&mut |id, _| ids.extend(Id::new(id)));
            ids
        })?;
        Ok(Review {
            ids,
            next: 0,
            seen: FxHashSet::default(),
            put: 0,
        })
    }

    /// Looks for so many people more; whether there are others left.
    ///
    /// # Errors
    /// Those of the store; 422 where the policy refuses such Tasks.
    pub fn step(&mut self, engine: &Engine, people: usize) -> Result<bool, Refusal> {
        let weights = engine.match_weights()?;
        let ids = &self.ids[self.next..self.ids.len().min(self.next + people)];
        let likely = |everybody: &Everybody| {
            let of = |id: &Id| {
                let found = everybody.others(id.as_str(), &weights, OTHERS_MAX);
                (id.clone(), found)
            };
            ids.iter().map(of).collect::<Vec<(Id, Vec<Found>)>>()
        };
        let found = engine.people.ask(&engine.store, engine.limits.search_time, likely)?;
        self.next += found.len();
        let mut writes: Vec<Write> = Vec::new();
        for (id, others) in found {
            for found in others.iter().filter(|found| found.score.grade >= Grade::Probable) {
                let Some(other) = Id::new(&found.id) else { continue };
                let pair = Pair::new(&id, &other);
                if self.seen.insert(pair.id()) {
                    writes.extend(pair.proposed(engine, &found.score)?);
                }
            }
        }
        self.write(engine, writes)?;
        Ok(self.next < self.ids.len())
    }

    fn write(&mut self, engine: &Engine, writes: Vec<Write>) -> Result<(), Refusal> {
        if writes.is_empty() {
            return Ok(());
        }
        let count = writes.len();
        match engine.store.submit(Unit::of(writes.clone())) {
            Ok(_) => self.put += count,
            // Somebody registers or reviews meanwhile and was faster with one of them.
            Err(store::Refused::Expectation { .. }) => {
                for write in writes {
                    match engine.store.submit(Unit::one(write)) {
                        Ok(_) => self.put += 1,
                        Err(store::Refused::Expectation { .. }) => {}
                        Err(refused) => return Err(of_refused(refused, &[])),
                    }
                }
            }
            Err(refused) => return Err(of_refused(refused, &[])),
        }
        Ok(())
    }

    /// How far it is.
    pub fn reached(&self) -> Reviewed {
        Reviewed {
            people: self.next,
            of: self.ids.len(),
            pairs: self.seen.len(),
            put: self.put,
        }
    }
}
