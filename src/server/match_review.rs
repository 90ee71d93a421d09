//! `epis match review`: looks for everybody among all others and puts those who may be one person on the worklist.

use std::collections::HashSet;

use fhir::identity::Id;
use interaction::worklist::Pair;
use interaction::{Engine, Refusal, people};
use person::{Grade, Person};
use store::{Unit, Write};

use crate::command::Set;
use crate::progress::Progress;

/// Of one person, so many others are looked at.
const OTHERS_MAX: usize = 6;
/// Tasks written at once.
const BLOCK: usize = 100;

/// What a review came to.
struct Review<'a> {
    engine: &'a Engine,
    /// Pairs that were looked up already: each is found from both sides.
    seen: HashSet<Id>,
    writes: Vec<Write>,
    put: usize,
}

/// Reviews everybody, and says how many pairs are new on the worklist.
///
/// # Errors
/// A sentence where the data cannot be opened, read or written.
pub(crate) fn review(set: &Set) -> Result<(), String> {
    let engine = crate::engine::open(&set.gather(&[])?, false)?.now();
    let everybody = people::everybody(&engine.store, &engine.registry.analysis().names)?;
    let weights = engine.match_weights().map_err(said)?;
    let total = everybody.len();
    let progress = Progress::new("Reviewing", total as u64);
    let mut review = Review {
        engine: &engine,
        seen: HashSet::default(),
        writes: Vec::with_capacity(BLOCK),
        put: 0,
    };
    progress.show_during(|| {
        let mut failed = Ok(());
        everybody.each(&mut |id, person| {
            progress.advance(1);
            if failed.is_ok() {
                let found = everybody.best(person, &weights, OTHERS_MAX);
                failed = review.take(id, person, &found);
            }
        });
        failed.and_then(|()| review.write())
    })?;
    println!(
        "{total} people: {} of {} pairs that may be one person are new on the worklist.",
        review.put,
        review.seen.len()
    );
    Ok(())
}

impl Review<'_> {
    fn take(&mut self, id: &str, person: &Person, found: &[person::Found]) -> Result<(), String> {
        if person.is_unknown() {
            return Ok(());
        }
        let own = Id::new(id).ok_or("A record has an id that is none.")?;
        let likely = found
            .iter()
            .filter(|found| found.id != id && found.score.grade >= Grade::Probable);
        for found in likely {
            let Some(other) = Id::new(&found.id) else { continue };
            let pair = Pair::new(&own, &other);
            if self.seen.insert(pair.id()) {
                self.writes
                    .extend(pair.proposed(self.engine, &found.score).map_err(said)?);
            }
        }
        if self.writes.len() < BLOCK {
            return Ok(());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), String> {
        if self.writes.is_empty() {
            return Ok(());
        }
        self.put += self.writes.len();
        let writes = std::mem::take(&mut self.writes);
        let done = self.engine.store.submit(Unit::of(writes));
        done.map(drop)
            .map_err(|refused| format!("The worklist cannot be written: {refused:?}."))
    }
}

fn said(refusal: Refusal) -> String {
    let texts: Vec<&str> = refusal.issues.iter().map(|issue| issue.text.as_str()).collect();
    texts.join(" ")
}
