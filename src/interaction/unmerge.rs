//! `Patient/$unmerge`: two records that were merged are two persons again, whatever was written since.
//!
//! FHIR has no such operation. What refers to either record was never rewritten, so it is with its person already. Of each
//! of the two, the version before the merge is taken, and every change that was made since is made again on it.

use fhir::identity::Id;
use fhir::tree::Tree;
use query::replaced;
use store::{HistoryRange, Scope};

use crate::conditional::{self, Attempt};
use crate::engine::{Engine, spliced};
use crate::inputs::Inputs;
use crate::merge::leads;
use crate::merge_event::Event;
use crate::merge_party::{Party, refused};
use crate::operation::Call;
use crate::rebase::rebase;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// What can be asked.
const KNOWN: [&str; 8] = [
    "source-patient",
    "source-patient-identifier",
    "target-patient",
    "target-patient-identifier",
    "preview",
    "agent",
    "reason",
    "key",
];
/// Versions read from the log at once.
const CHUNK: usize = 100;
/// Versions since a merge that are made again at most.
const VERSIONS_MAX: usize = 10_000;

/// Undoes a merge: 200 with what was asked, an outcome, and what the target has become. `source-patient` is the record that
/// was merged into another, or the one in the address.
///
/// # Errors
/// 400 for parameters that are missing or cannot be read; 422 where the source is not merged, or into another than the
/// target named, where the target was itself merged since, or where what comes out does not conform.
pub fn unmerge(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    inputs.only("unmerge", &KNOWN)?;
    let event = Event::read("unmerge", &inputs)?;
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
    if let Some(target) = &target
        && event.happened(engine, &source.id, &target.id)?
    {
        return event.done(engine, &target.id, "The merge was undone before; nothing was written.");
    }
    let Some(into) = source.replaced_by.clone() else {
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
    let own = undone(engine, &target, &|record| is_linked(record, "replaces", &source.id))?;
    after.extend(own.map(|record| (&target, record)));
    let own = undone(engine, &source, &|record| is_linked(record, "replaced-by", &target.id))?;
    after.push((&source, own.unwrap_or_else(|| unlinked(&source, &target.id))));
    let text = format!("Patient/{} and Patient/{into} are two persons again.", source.id);
    event.carry_out(engine, (&source, &target), after, text)
}

fn is_linked(record: &Tree, kind: &str, to: &Id) -> bool {
    let links = record.get("link").map_or(&[][..], Tree::items);
    links.iter().any(|link| leads(link, kind, to))
}

/// What a record would be without the merge: its version before, and all that was changed since; `None` where it is not
/// linked, or always was.
fn undone(engine: &Engine, party: &Party, linked: &dyn Fn(&Tree) -> bool) -> Result<Option<Tree>, Refusal> {
    if !linked(&party.record) {
        return Ok(None);
    }
    let Some(versions) = since(engine, &party.id, linked)? else {
        return Ok(None);
    };
    let mut versions = versions.into_iter().rev();
    let (Some(mut record), Some(mut merged)) = (versions.next(), versions.next()) else {
        return Ok(None);
    };
    for later in versions {
        record = rebase(&merged, &later, &record);
        merged = later;
    }
    Ok(Some(record))
}

/// The versions of a record that are linked, newest first, and the one before them; `None` where there is none before.
fn since(engine: &Engine, id: &Id, linked: &dyn Fn(&Tree) -> bool) -> Result<Option<Vec<Tree>>, Refusal> {
    let scope = Scope::Record(replaced::kind().clone(), id.clone());
    let mut found = Vec::new();
    let mut range = HistoryRange::newest(CHUNK);
    loop {
        let versions = engine.store.history(&scope, &range)?;
        let Some(last) = versions.last() else {
            return Ok(None);
        };
        range.before = Some(last.seq);
        for version in versions {
            if !version.operation.is_live() {
                return Ok(None);
            }
            found.push(Tree::parse(&spliced(&version))?);
            if !found.last().is_some_and(linked) {
                return Ok(Some(found));
            }
        }
        if found.len() > VERSIONS_MAX {
            let text = format!("Patient/{id} has more than {VERSIONS_MAX} versions since the merge.");
            return Err(Refusal::because(Reason::TooCostly, text));
        }
    }
}

/// The source of a merge that was written as such from its first version on: without the link, and active.
fn unlinked(source: &Party, target: &Id) -> Tree {
    let mut record = source.record.clone();
    let links = record.get("link").map_or(&[][..], Tree::items);
    let links = links.iter().filter(|link| !leads(link, "replaced-by", target));
    let links: Vec<Tree> = links.cloned().collect();
    match links.is_empty() {
        true => drop(record.remove("link")),
        false => record.set("link", Tree::Array(links)),
    }
    record.set("active", Tree::Bool(true));
    record
}
