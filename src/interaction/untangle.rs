//! What becomes of merges of patients that sites made and undid apart: everywhere one record stands for a person.
//!
//! Links travel with their records and come together like any element. What comes of that may be no merge at all: two
//! records that replace each other, because two clinics merged them either way; three in a circle; one that two replace;
//! or one whose link a plain write took out. Which patients such links came for is noted in the unit that brings them. What
//! says the same of who is who is put straight; what does not is put on the worklist of duplicates, for somebody to decide.

use fhir::body::{self, Header};
use fhir::document::Document;
use fhir::identity::Id;
use fhir::parse::Limits;
use fhir::tree::Tree;
use query::replaced;
use store::{Note, Version};
use sync::Change;

use crate::arrive::Untaken;
use crate::conditional::{self, Attempt};
use crate::engine::{Engine, spliced};
use crate::find::reference;
use crate::inputs::Inputs;
use crate::merge_event::{Event, MERGE};
use crate::merge_party::Party;
use crate::newcomers::forget;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::unmerge::merges;
use crate::worklist::{Decision, Pair};

/// What the keys of the notes begin with; the value has the ids of those who replaced the patient, a line each.
const NOTES: &str = "linked/";
/// What the text of a merged record contains.
const MARK: &[u8] = b"\"replace";
/// Records that replace each other in a circle, at most.
const CIRCLE_MAX: usize = 64;

/// The ids of those who replace a patient by this version of her record; nobody where it is no patient's.
pub(crate) fn replacing(version: &Version) -> Vec<Id> {
    match version.kind == *replaced::kind() && is_marked(&version.body) {
        true => of_json(&spliced(version)),
        false => Vec::new(),
    }
}

/// As [`replacing`], of a version that came.
pub(crate) fn replacing_after(change: &Change) -> Vec<Id> {
    if change.kind != *replaced::kind() || !is_marked(&change.body) || body::parts(&change.body).is_none() {
        return Vec::new();
    }
    let header = Header {
        kind: &change.kind,
        id: &change.id,
        version: change.version,
        updated: change.updated,
    };
    let mut json = Vec::new();
    body::splice(header, &change.body, &mut json);
    of_json(&json)
}

fn is_marked(body: &[u8]) -> bool {
    body.windows(MARK.len()).any(|part| part == MARK)
}

fn of_json(json: &[u8]) -> Vec<Id> {
    let document = Document::parse(json, Limits::default());
    let record = document.map_or(Tree::Null, |document| Tree::from_node(document.root()));
    replaced_by(&record)
}

fn replaced_by(record: &Tree) -> Vec<Id> {
    let links = merges(record).into_iter();
    links
        .filter(|(kind, _)| kind == "replaced-by")
        .map(|(_, id)| id)
        .collect()
}

/// The note that a patient was or is replaced by these; `None` where it is nobody.
pub(crate) fn note(id: &Id, mut replacing: Vec<Id>) -> Option<Note> {
    replacing.sort_unstable();
    replacing.dedup();
    let lines: Vec<&str> = replacing.iter().map(Id::as_str).collect();
    (!lines.is_empty()).then(|| Note::new(format!("{NOTES}{id}"), lines.join("\n")))
}

/// Looks at patients whose links came from clinics, at most so many: how many were looked at.
///
/// # Errors
/// Those of the store: asking again goes on.
pub fn untangle(engine: &Engine, most: usize) -> Result<usize, Untaken> {
    let noted = engine.store.notes(NOTES, most)?;
    for (key, value) in &noted {
        let others = String::from_utf8_lossy(value);
        let others: Vec<Id> = others.lines().filter_map(Id::new).collect();
        if let Some(id) = key.strip_prefix(NOTES).and_then(Id::new) {
            one(engine, &id, &others)?;
        }
        forget(engine, std::iter::once(key.as_str()))?;
    }
    Ok(noted.len())
}

/// Puts straight what links say of one patient who was replaced by these.
fn one(engine: &Engine, id: &Id, replaced_once: &[Id]) -> Result<(), Refusal> {
    let Some(patient) = living(engine, id)? else {
        return Ok(());
    };
    for other in replaced_by(&patient.record).iter().chain(replaced_once) {
        either_way(engine, id, other)?;
    }
    break_circle(engine, id)?;
    let Some(patient) = living(engine, id)? else {
        return Ok(());
    };
    let replacing = replaced_by(&patient.record);
    for other in &replacing {
        if Pair::new(id, other).decision(engine)? == Some(Decision::NotSame) {
            let why =
                "One place merged them, and another decided that they are two: undo the merge, or merge them again.";
            ask(engine, (id, other), why)?;
        }
    }
    if let Some((first, rest)) = replacing.split_first() {
        for other in rest {
            let why = format!(
                "Patient/{id} was merged into both, at two places: they are one person, or one merge is wrong."
            );
            ask(engine, (first, other), &why)?;
        }
    }
    for other in replaced_once.iter().filter(|other| !replacing.contains(other)) {
        let apart = Pair::new(id, other).decision(engine)? == Some(Decision::NotSame);
        let Some(one) = living(engine, other)?.filter(|_| !apart) else {
            continue;
        };
        if one.survivor(engine)? != patient.survivor(engine)? {
            let why = "They were merged, and a plain write took that back: merge them again, or keep them apart.";
            ask(engine, (id, other), why)?;
        }
    }
    Ok(())
}

fn living(engine: &Engine, id: &Id) -> Result<Option<Party>, Refusal> {
    match Party::read(engine, id) {
        Ok(party) => Ok(Some(party)),
        Err(refusal) if refusal.status == 422 => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Puts two who may be one person before somebody, again.
fn ask(engine: &Engine, (one, other): (&Id, &Id), why: &str) -> Result<(), Refusal> {
    Pair::new(one, other).ask_again(engine, why)
}

/// Which of records came first here.
fn first<'a>(engine: &Engine, ids: impl Iterator<Item = &'a Id>) -> Result<Option<&'a Id>, Refusal> {
    let mut least: Option<(u64, &Id)> = None;
    for id in ids {
        let number = engine.store.number(replaced::kind(), id)?.unwrap_or(u64::MAX);
        if least.is_none_or(|(before, _)| number < before) {
            least = Some((number, id));
        }
    }
    Ok(least.map(|(_, id)| id))
}

/// Two who were merged either way: the one that came first stands for both.
fn either_way(engine: &Engine, one: &Id, other: &Id) -> Result<(), Refusal> {
    let (Some(a), Some(b)) = (living(engine, one)?, living(engine, other)?) else {
        return Ok(());
    };
    let links = [(&a, other), (&b, one)].map(|(party, to)| replaced_by(&party.record).contains(to));
    let crossed = match links {
        [true, true] => true,
        // Hers is the note where it is the other way round.
        [true, false] => false,
        [false, true] => a.record.get("active") == Some(&Tree::Bool(false)) && a.replaced_by.is_none(),
        // A merge, told from both sides as if the other were the one that goes.
        [false, false] => {
            let tells = |party: &Party, to: &Id| merges(&party.record).iter().any(|(_, id)| id == to);
            tells(&a, other) && tells(&b, one)
        }
    };
    if !crossed {
        return Ok(());
    }
    let stands = first(engine, [one, other].into_iter())?.unwrap_or(one);
    let text = "Two places merged the two either way; this one stands for both.";
    straighten(engine, stands, if stands == one { other } else { one }, true, text)
}

/// Records that replace each other in a circle: the one that came first stands for all.
fn break_circle(engine: &Engine, id: &Id) -> Result<(), Refusal> {
    let mut circle = vec![id.clone()];
    while let Some(next) = living(engine, &circle[circle.len() - 1])?.and_then(|party| party.replaced_by) {
        if let Some(at) = circle.iter().position(|known| *known == next) {
            let stands = first(engine, circle[at..].iter())?.unwrap_or(id).clone();
            let Some(gone) = living(engine, &stands)?.and_then(|party| party.replaced_by) else {
                return Ok(());
            };
            let text = "Several places merged records in a circle; this one stands for all.";
            return straighten(engine, &stands, &gone, false, text);
        }
        if circle.len() >= CIRCLE_MAX {
            return Ok(());
        }
        circle.push(next);
    }
    Ok(())
}

/// Writes, with a Provenance, that one record stands for itself; and where they are `linked` that it stands for the other.
fn straighten(engine: &Engine, stands: &Id, other: &Id, linked: bool, why: &str) -> Result<(), Refusal> {
    let agent = Tree::object([("display", Tree::string("What clinics merged, put together"))]);
    let inputs = Inputs::of_own(&[
        ("agent", "valueReference", agent),
        ("reason", "valueString", Tree::string(why)),
    ])?;
    let event = Event::read(MERGE, &inputs)?;
    conditional::persist(engine, || {
        let (Some(source), Some(target)) = (living(engine, other)?, living(engine, stands)?) else {
            return Ok(Attempt::Done(Reply::json(200, Vec::new())));
        };
        let after = vec![
            (&source, relinked(&source, &target.id, linked.then_some("replaced-by"))),
            (&target, relinked(&target, &source.id, linked.then_some("replaces"))),
        ];
        event.carry_out(engine, (&source, &target), after, why.to_owned())
    })
    .map(drop)
}

/// A record with one link to another, of a type, in place of those that merges wrote; active unless another replaces it.
fn relinked(party: &Party, other: &Id, kind: Option<&str>) -> Tree {
    let mut record = party.record.clone();
    let links = record.get("link").map_or(&[][..], Tree::items);
    let own = |link: &&Tree| {
        let only = Tree::object([("link", Tree::Array(vec![(*link).clone()]))]);
        merges(&only).iter().all(|(_, id)| id != other)
    };
    let mut links: Vec<Tree> = links.iter().filter(own).cloned().collect();
    links.extend(kind.map(|kind| {
        Tree::object([
            ("other", reference(&format!("Patient/{other}"))),
            ("type", Tree::string(kind)),
        ])
    }));
    match links.is_empty() {
        true => drop(record.remove("link")),
        false => record.set("link", Tree::Array(links)),
    }
    let stands = replaced_by(&record).is_empty();
    record.set("active", Tree::Bool(stands));
    record
}
