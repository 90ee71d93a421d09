//! Patients who were registered at a clinic and are new to the centre: whether they are somebody it knows is looked up later.
//!
//! Who came is noted down in the unit that brings them, so that nobody is forgotten. Who is certainly somebody else's second
//! registration is linked with her at once, where that is the policy: a merge like any other, with a Provenance that says by
//! what; `$unmerge` takes it back and it does not happen again. Whoever they may be otherwise is put on the worklist of
//! duplicates, as when somebody is registered here.

use fhir::identity::Id;
use fhir::tree::Tree;
use person::{Found, Grade, Person};
use query::replaced;
use store::{Note, Unit};

use crate::arrive::Untaken;
use crate::engine::{Engine, spliced};
use crate::find::reference;
use crate::merge_party::Party;
use crate::policy::Newcomers;
use crate::record::parsed;
use crate::worklist::{Decision, Pair};
use crate::{Caller, Method, Request};

/// What the keys of the notes begin with.
const NOTES: &str = "newcomer/";
/// Newcomers whose notes are taken away in one unit.
const FORGOTTEN_AT_ONCE: usize = 256;
/// Likely duplicates of one patient that are put on the worklist.
const LIKELY_MAX: usize = 5;
/// The base of the address by which a merge is asked for; nobody sees it.
const BASE: &str = "http://localhost/fhir";

/// The note that somebody came; `None` where the policy does not ask who she is.
pub(crate) fn note(engine: &Engine, id: &Id) -> Option<Note> {
    (engine.newcomers != Newcomers::Off).then(|| Note::new(format!("{NOTES}{id}"), ""))
}

/// Looks up who newcomers may be, at most so many: links who is certain and puts likely pairs on the worklist; how many were
/// looked up.
///
/// # Errors
/// Those of the store and of the register of patients, which may not be read yet: asking again goes on.
pub fn look_up_newcomers(engine: &Engine, most: usize) -> Result<usize, Untaken> {
    let noted = engine.store.notes(NOTES, most)?;
    // Who was looked up and not forgotten, because the power failed, is looked up again: that changes nothing.
    for noted in noted.chunks(FORGOTTEN_AT_ONCE) {
        for (key, _) in noted {
            if let Some(id) = key.strip_prefix(NOTES).and_then(Id::new) {
                look_up(engine, &id)?;
            }
        }
        forget(engine, noted.iter().map(|(key, _)| key.as_str()))?;
    }
    Ok(noted.len())
}

/// Takes notes away.
///
/// # Errors
/// Those of the store.
pub(crate) fn forget<'a>(engine: &Engine, keys: impl Iterator<Item = &'a str>) -> Result<(), Untaken> {
    let unit = Unit {
        notes: keys.map(Note::without).collect(),
        ..Unit::default()
    };
    engine.store.submit(unit).map(drop).map_err(Untaken::Refused)
}

fn look_up(engine: &Engine, id: &Id) -> Result<(), Untaken> {
    let current = engine.store.current(replaced::kind(), id)?;
    let Some(version) = current.filter(|version| version.operation.is_live()) else {
        return Ok(());
    };
    // Whoever is merged already is looked for as the one who stands for her.
    if Party::read(engine, id)?.replaced_by.is_some() {
        return Ok(());
    }
    let document = parsed(&spliced(&version))?;
    let person = Person::read(document.root(), engine.people.names());
    let mut found = engine.who(&person, LIKELY_MAX + 1)?;
    found.retain(|found| found.id != id.as_str() && found.score.grade >= Grade::Probable);
    let certain: Vec<&Found> = found
        .iter()
        .filter(|found| found.score.grade == Grade::Certain)
        .collect();
    let linked = match certain[..] {
        [one] => link(engine, id, one)?,
        // Who is certainly two is for somebody to look at.
        _ => None,
    };
    let stands = linked.as_ref().map_or(id, |linked| &linked.stands);
    for found in found.iter().take(LIKELY_MAX) {
        if linked.as_ref().is_none_or(|linked| linked.other != found.id) {
            engine.propose(stands, found)?;
        }
    }
    Ok(())
}

/// Two records that were linked.
struct Linked {
    /// Who was found.
    other: String,
    /// Who stands for both.
    stands: Id,
}

/// Links a newcomer with whom she certainly is; `None` where the policy does not, somebody said that they are two, or the
/// merge is refused.
fn link(engine: &Engine, id: &Id, found: &Found) -> Result<Option<Linked>, Untaken> {
    let Some(other) = Id::new(&found.id).filter(|_| engine.newcomers == Newcomers::Link) else {
        return Ok(None);
    };
    if Pair::new(id, &other).decision(engine)? == Some(Decision::NotSame) {
        return Ok(None);
    }
    // Who was here first stands for both.
    let number = |id: &Id| engine.store.number(replaced::kind(), id);
    let (source, target) = match number(id)? < number(&other)? {
        true => (other, id.clone()),
        false => (id.clone(), other),
    };
    let parameters = merge(engine, &source, &target, found)?;
    let mut request = Request::new(Method::Post, "Patient/$merge", "", BASE);
    request.body = &parameters;
    request.content_type = Some("application/fhir+json");
    let reply = crate::answer(engine, &Caller::Operator, &request);
    Ok((reply.status == 200).then(|| Linked {
        other: found.id.clone(),
        stands: target,
    }))
}

/// What is asked of `$merge`: who is who, by what, and why.
fn merge(engine: &Engine, source: &Id, target: &Id, found: &Found) -> Result<Vec<u8>, Untaken> {
    let parameter =
        |name: &str, member: &str, value: Tree| Tree::object([("name", Tree::string(name)), (member, value)]);
    let patient = |name: &str, id: &Id| parameter(name, "valueReference", reference(&format!("Patient/{id}")));
    let weights = engine.match_weights()?;
    let who = Tree::object([(
        "display",
        Tree::string(format!("Matching of persons by the weights {}", weights.version)),
    )]);
    let parts: Vec<String> = found.score.parts.iter().map(ToString::to_string).collect();
    let why = format!(
        "Certainly one person, probability {:.4}: {}",
        found.score.probability,
        parts.join("; ")
    );
    let all = vec![
        patient("source-patient", source),
        patient("target-patient", target),
        parameter("agent", "valueReference", who),
        parameter("reason", "valueString", Tree::string(why)),
    ];
    let parameters = Tree::object([
        ("resourceType", Tree::string("Parameters")),
        ("parameter", Tree::Array(all)),
    ]);
    Ok(parameters.to_bytes())
}
