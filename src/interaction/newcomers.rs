//! Patients who were registered at a clinic and are new to the centre: whether they are somebody it knows is looked up later.
//!
//! Who came is noted down in the unit that brings them, so that nobody is forgotten; whoever they may be is put on the
//! worklist of duplicates, as when somebody is registered here.

use fhir::identity::Id;
use person::{Grade, Person};
use query::replaced;
use store::{Note, Unit};

use crate::arrive::Untaken;
use crate::engine::{Engine, spliced};
use crate::policy::Duplicates;
use crate::record::parsed;

/// What the keys of the notes begin with.
const NOTES: &str = "newcomer/";
/// Likely duplicates of one patient that are put on the worklist.
const LIKELY_MAX: usize = 5;

/// The note that somebody came; `None` where the policy does not ask who she is.
pub(crate) fn note(engine: &Engine, id: &Id) -> Option<Note> {
    (engine.duplicates != Duplicates::Off).then(|| Note::new(format!("{NOTES}{id}"), ""))
}

/// Looks up who newcomers may be, at most so many, and puts likely pairs on the worklist; how many were looked up.
///
/// # Errors
/// Those of the store and of the register of patients, which may not be read yet: asking again goes on.
pub fn look_up_newcomers(engine: &Engine, most: usize) -> Result<usize, Untaken> {
    let noted = engine.store.notes(NOTES, most)?;
    for (key, _) in &noted {
        if let Some(id) = key.strip_prefix(NOTES).and_then(Id::new) {
            look_up(engine, &id)?;
        }
        let forget = Unit {
            notes: vec![Note::without(key)],
            ..Unit::default()
        };
        engine.store.submit(forget).map_err(Untaken::Refused)?;
    }
    Ok(noted.len())
}

fn look_up(engine: &Engine, id: &Id) -> Result<(), Untaken> {
    let current = engine.store.current(replaced::kind(), id)?;
    let Some(version) = current.filter(|version| version.operation.is_live()) else {
        return Ok(());
    };
    let document = parsed(&spliced(&version))?;
    let person = Person::read(document.root(), engine.people.names());
    for found in engine.who(&person, LIKELY_MAX)? {
        if found.score.grade >= Grade::Probable {
            engine.propose(id, &found)?;
        }
    }
    Ok(())
}
