//! `Patient/$merge` (<https://hl7.org/fhir/R5/patient-operation-merge.html>): two records are one person from now on.
//!
//! The source names the target as the one that replaces it, the target names the source, and a Provenance tells who did it
//! and why: three versions, written as one unit. Nothing that refers to either is rewritten; searches read a reference to
//! one as a reference to the person (see [`query::replaced`]). `$unmerge` takes it back.

use fhir::document::Node;
use fhir::tree::Tree;

use crate::conditional::{self, Attempt};
use crate::engine::Engine;
use crate::find::reference;
use crate::inputs::Inputs;
use crate::merge_event::{Event, MERGE};
use crate::merge_party::{Party, refused};
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// Merges: 200 with what was asked, an outcome, and the target as it has become. Asked again it is 200 too, and nothing is
/// written; so it is in a preview.
///
/// # Errors
/// 400 for parameters that are missing or cannot be read; 403 where the caller may not; 422 where a record is not here or deleted, is no Patient, is the
/// same, is merged already or would close a circle, and where the result does not conform; 409 for a unique identifier
/// that another record holds.
pub fn merge(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let event = Event::read(MERGE, &inputs)?;
    event.permit(engine)?;
    conditional::persist(engine, || attempt(engine, &inputs, &event))
}

fn attempt(engine: &Engine, inputs: &Inputs, event: &Event<'_>) -> Result<Attempt<Reply>, Refusal> {
    let target = Party::named(engine, inputs, "target-patient", None)?;
    let source = Party::named(engine, inputs, "source-patient", Some(&target.id))?;
    let (from, into) = (format!("Patient/{}", source.id), format!("Patient/{}", target.id));
    if event.happened(engine, &source.id, Some(&target.id))?.is_some()
        || source.replaced_by.as_ref() == Some(&target.id)
    {
        return event.done(
            engine,
            &target.id,
            &format!("{from} was merged into {into} before; nothing was written."),
        );
    }
    check(engine, &source, &target)?;
    let mut replaced = source.record.clone();
    replaced.set("active", Tree::Bool(false));
    push(&mut replaced, "link", link(&into, "replaced-by"));
    let survivor = match inputs.resource("result-patient", "") {
        Some(result) => given(result, &source, &target)?,
        None => joined(&source, &target),
    };
    let after = vec![(&source, replaced), (&target, survivor)];
    let text = format!("{from} is merged into {into}, which stands for both; both ids go on leading to the person.");
    event.carry_out(engine, (&source, &target), after, text)
}

/// Whether the one may be merged into the other.
fn check(engine: &Engine, source: &Party, target: &Party) -> Result<(), Refusal> {
    let (from, into) = (&source.id, &target.id);
    if from == into {
        return Err(refused(format!(
            "Source and target are the same record, Patient/{from}; a merge needs two."
        )));
    }
    if let Some(other) = &source.replaced_by {
        let text = format!(
            "Patient/{from} was merged already, into Patient/{other}; undo that with $unmerge, or merge Patient/{other}."
        );
        return Err(refused(text));
    }
    if target.replaced_by.is_some() {
        let survivor = target.survivor(engine)?;
        let text = match survivor == *from {
            true => format!(
                "Patient/{into} was merged into Patient/{from} before; the other way round would close a circle. Undo that \
                 with $unmerge first."
            ),
            false => format!("Patient/{into} was merged into Patient/{survivor}; name that one as the target."),
        };
        return Err(refused(text));
    }
    Ok(())
}

/// The target with the link, and the identifiers of the source that it lacks, as old ones.
fn joined(source: &Party, target: &Party) -> Tree {
    let mut record = target.record.clone();
    let same = |one: &Tree, other: &Tree| ["system", "value"].iter().all(|part| one.get(part) == other.get(part));
    for identifier in source.record.get("identifier").map_or(&[][..], Tree::items) {
        let own = record.get("identifier").map_or(&[][..], Tree::items);
        if !own.iter().any(|own| same(own, identifier)) {
            let mut old = identifier.clone();
            old.set("use", Tree::string("old"));
            push(&mut record, "identifier", old);
        }
    }
    let links = record.get("link").map_or(&[][..], Tree::items);
    if !links.iter().any(|link| leads(link, "replaces", &source.id)) {
        push(&mut record, "link", link(&format!("Patient/{}", source.id), "replaces"));
    }
    record
}

/// The target as the caller wants it.
///
/// # Errors
/// 422 where it is another record, or does not name the source as replaced by it.
fn given(result: Node<'_>, source: &Party, target: &Party) -> Result<Tree, Refusal> {
    let at = "Parameters.parameter.where(name='result-patient')";
    if result.string("id").as_deref() != Some(target.id.as_str()) {
        return Err(refused(format!(
            "result-patient is not the target: it needs the id {}.",
            target.id
        ))
        .at(at));
    }
    let result = Tree::from_node(result);
    let links = result.get("link").map_or(&[][..], Tree::items);
    if !links.iter().any(|link| leads(link, "replaces", &source.id)) {
        let text = format!(
            "result-patient needs a link of type replaces whose other is Patient/{}.",
            source.id
        );
        return Err(refused(text).at(at));
    }
    Ok(result)
}

/// Whether a link is of the type and leads to the patient.
pub(crate) fn leads(link: &Tree, kind: &str, to: &fhir::identity::Id) -> bool {
    let other = link
        .get("other")
        .and_then(|other| other.get("reference"))
        .and_then(Tree::as_str);
    let own = |text: &str| text == format!("Patient/{to}") || text.ends_with(&format!("/Patient/{to}"));
    link.get("type").and_then(Tree::as_str) == Some(kind) && other.is_some_and(own)
}

fn link(to: &str, kind: &str) -> Tree {
    Tree::object([("other", reference(to)), ("type", Tree::string(kind))])
}

fn push(record: &mut Tree, name: &str, item: Tree) {
    let items = record.get(name).map_or(&[][..], Tree::items);
    let items = [items, &[item]].concat();
    record.set(name, Tree::Array(items));
}
