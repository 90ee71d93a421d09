//! `Patient/$unmerge`: two records that were merged are two persons again, whatever was written since.
//!
//! FHIR has no such operation. What refers to either record was never rewritten, so it is with its person already. Of each
//! of the two, the history is told again without the merge: every change that was made since is made on the version before.

use fhir::identity::Id;
use fhir::tree::Tree;
use query::replaced;
use store::{HistoryRange, Scope};

use crate::conditional::{self, Attempt};
use crate::engine::{Engine, spliced};
use crate::inputs::Inputs;
use crate::merge::leads;
use crate::merge_event::{Event, UNMERGE};
use crate::merge_party::{Party, refused};
use crate::operation::Call;
use crate::rebase::rebase;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// The types of the links that merges write.
const LINKS: [&str; 2] = ["replaces", "replaced-by"];
/// Versions read from the log at once.
const CHUNK: usize = 100;
/// Versions that are told again at most.
const VERSIONS_MAX: usize = 10_000;

/// Undoes a merge: 200 with what was asked, an outcome, and what the target has become. `source-patient` is the record that
/// was merged into another, or the one in the address.
///
/// # Errors
/// 400 for parameters that are missing or cannot be read; 403 where the caller may not; 422 where the source is not merged, or into another than the
/// target named, where the target was itself merged since, or where what comes out does not conform.
pub fn unmerge(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let event = Event::read(UNMERGE, &inputs)?;
    event.permit(engine)?;
    conditional::persist(engine, || attempt(engine, &inputs, call.id, &event))
}

fn attempt(engine: &Engine, inputs: &Inputs, id: Option<&Id>, event: &Event<'_>) -> Result<Attempt<Reply>, Refusal> {
    let named = ["target-patient", "target-patient-identifier"]
        .iter()
        .any(|name| inputs.of(name).next().is_some());
    let target = named
        .then(|| Party::named(engine, inputs, "target-patient", None))
        .transpose()?;
    let source = match id {
        Some(id) => Party::read(engine, id)?,
        None => Party::named(
            engine,
            inputs,
            "source-patient",
            target.as_ref().map(|target| &target.id),
        )?,
    };
    if let Some(target) = event.happened(engine, &source.id, target.as_ref().map(|target| &target.id))? {
        return event.done(engine, &target, "The merge was undone before; nothing was written.");
    }
    // Two places may have merged her into two.
    let links = merges(&source.record);
    let chosen = target
        .as_ref()
        .map(|target| ("replaced-by".to_owned(), target.id.clone()));
    let chosen = chosen.filter(|chosen| links.contains(chosen)).map(|(_, id)| id);
    let Some(into) = chosen.or_else(|| source.replaced_by.clone()) else {
        return Err(refused(format!(
            "Patient/{} is not merged into another; nothing is to be undone.",
            source.id
        )));
    };
    let target = match target {
        Some(target) if target.id == into => target,
        Some(other) => {
            let text = format!(
                "Patient/{} is merged into Patient/{into}, not into Patient/{}.",
                source.id, other.id
            );
            return Err(refused(text));
        }
        None => Party::read(engine, &into)?,
    };
    if let Some(next) = &target.replaced_by {
        let text = format!("Patient/{into} was itself merged since, into Patient/{next}; undo that first.");
        return Err(refused(text));
    }
    // The target lets go of identifiers first, so that the source can hold them again.
    let mut after = Vec::new();
    let merged = ("replaces".to_owned(), source.id.clone());
    if merges(&target.record).contains(&merged) {
        let own = undone(engine, &target, &merged)?;
        after.push((&target, own.unwrap_or_else(|| unlinked(&target, &merged))));
    }
    let merged = ("replaced-by".to_owned(), target.id.clone());
    let own = undone(engine, &source, &merged)?;
    after.push((&source, own.unwrap_or_else(|| unlinked(&source, &merged))));
    let text = format!("Patient/{} and Patient/{into} are two persons again.", source.id);
    event.carry_out(engine, (&source, &target), after, text)
}

/// A link that a merge wrote: its type, and the id of the other patient.
type Merged = (String, Id);

/// The links of a record that merges wrote.
pub(crate) fn merges(record: &Tree) -> Vec<Merged> {
    let links = record.get("link").map_or(&[][..], Tree::items);
    let merged = links.iter().filter_map(|link| {
        let kind = link.get("type").and_then(Tree::as_str)?;
        let other = link.get("other")?.get("reference").and_then(Tree::as_str)?;
        let id = Id::new(other.rsplit('/').next()?)?;
        (LINKS.contains(&kind) && leads(link, kind, &id)).then(|| (kind.to_owned(), id))
    });
    merged.collect()
}

/// What a record would be without a merge; `None` where nothing tells of it, or it was there from the first version on.
///
/// From the last version that no merge had touched, the history is told again: a merge that was undone in between never
/// happened, nor did the one that is undone now.
fn undone(engine: &Engine, party: &Party, merge: &Merged) -> Result<Option<Tree>, Refusal> {
    if !merges(&party.record).contains(merge) {
        return Ok(None);
    }
    let mut versions = since_untouched(engine, &party.id)?.into_iter().rev();
    let mut told: Vec<Tree> = versions.next().into_iter().collect();
    for version in versions {
        let now = merges(&version);
        let before = told.last().map(merges).unwrap_or_default();
        for gone in before.iter().filter(|merge| !now.contains(merge)) {
            leave_out(&mut told, gone);
        }
        told.push(version);
    }
    Ok(leave_out(&mut told, merge).then(|| told.pop()).flatten())
}

/// Tells versions as they were without the merge they end with; false where they begin with it.
fn leave_out(told: &mut Vec<Tree>, merge: &Merged) -> bool {
    let merged = told
        .iter()
        .rev()
        .take_while(|version| merges(version).contains(merge))
        .count();
    let from = told.len() - merged;
    let Some(mut record) = from.checked_sub(1).map(|before| told[before].clone()) else {
        return false;
    };
    let mut again = Vec::with_capacity(merged);
    for pair in told[from..].windows(2) {
        record = rebase(&pair[0], &pair[1], &record);
        again.push(record.clone());
    }
    told.truncate(from);
    told.extend(again);
    true
}

/// The versions of a record, newest first, up to the last that no merge had touched, or that a deletion began.
fn since_untouched(engine: &Engine, id: &Id) -> Result<Vec<Tree>, Refusal> {
    let scope = Scope::Record(replaced::kind().clone(), id.clone());
    let mut found = Vec::new();
    let mut range = HistoryRange {
        current_only: true,
        ..HistoryRange::newest(CHUNK)
    };
    loop {
        let versions = engine.store.history(&scope, &range)?;
        let Some(last) = versions.last() else {
            return Ok(found);
        };
        range.before = Some(last.seq);
        for version in versions {
            if !version.operation.is_live() {
                return Ok(found);
            }
            found.push(Tree::parse(&spliced(&version))?);
            if found.last().is_some_and(|version| merges(version).is_empty()) {
                return Ok(found);
            }
        }
        if found.len() > VERSIONS_MAX {
            let text = format!("Patient/{id} has more than {VERSIONS_MAX} versions since it was first merged.");
            return Err(Refusal::because(Reason::TooCostly, text));
        }
    }
}

/// One side of a merge of which nothing is known from before: without the link, and the source active.
fn unlinked(party: &Party, (kind, other): &Merged) -> Tree {
    let mut record = party.record.clone();
    let links = record.get("link").map_or(&[][..], Tree::items);
    let links = links.iter().filter(|link| !leads(link, kind, other));
    let links: Vec<Tree> = links.cloned().collect();
    match links.is_empty() {
        true => drop(record.remove("link")),
        false => record.set("link", Tree::Array(links)),
    }
    if kind == "replaced-by" {
        record.set("active", Tree::Bool(true));
    }
    record
}
