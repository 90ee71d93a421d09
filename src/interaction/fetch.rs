//! `Patient/[id]/$fetch`: a clinic asks for the records of a person who is not in its horizon.
//!
//! What asks is a Task of the person, written here and owned by the clinic's machine. It travels as every record does, and a
//! person of whom a clinic has written is in its horizon: so her records come in the contact that takes it, also where the
//! line is only there again after weeks, and everybody sees who asked and why.

use fhir::identity::Id;
use fhir::moment::instant;
use fhir::tree::Tree;
use store::{Expect, Operation, Unit};
use sync::digest::key;

use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::merge_event::who;
use crate::merge_party::{document, refused};
use crate::operation::Call;
use crate::refusal::{Refusal, of_refused};
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// Asks for her records: 200 with the Task. Asked again, she stays for as long again.
///
/// # Errors
/// 422 at the centre, which has everybody's records.
pub fn fetch(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let (patient_kind, patient) = call.record();
    let node = engine.store.node();
    if node == 0 {
        return Err(refused(
            "This server is the centre: everybody's records are here.".to_owned(),
        ));
    }
    let (device, moment) = (format!("Device/node-{node}"), instant(now()));
    let reference = |to: &str| Tree::object([("reference", Tree::string(to))]);
    let mut task = Tree::object([
        ("resourceType", Tree::string("Task")),
        ("status", Tree::string("requested")),
        ("intent", Tree::string("order")),
        (
            "code",
            Tree::object([("text", Tree::string("Send the records of this person to the clinic"))]),
        ),
        ("for", reference(&format!("Patient/{patient}"))),
        ("authoredOn", Tree::string(moment.clone())),
        ("lastModified", Tree::string(moment)),
        ("requester", who(&inputs)),
        ("owner", reference(&device)),
    ]);
    if let Some(reason) = inputs.text("reason") {
        task.set("reasonCode", Tree::object([("text", Tree::string(reason))]));
    }
    let kind = engine.kind("Task")?;
    let id = Id::new(&format!("fetch-{node}-{:016x}", key(patient_kind, patient))).expect("digits are an id");
    let prepared = engine.as_it_is(&kind, document(&task)?.root());
    let write = prepared.into_write(kind.clone(), id.clone(), Operation::Update, Expect::Anything);
    let written = engine.store.submit(Unit::one(write));
    written.map_err(|refused| of_refused(refused, &[(kind.clone(), id.clone())]))?;
    if let Some(line) = engine.clinic.line() {
        line.hurry();
    }
    let task = engine.record(&kind, &id)?;
    Ok(Reply::json(200, task.json.to_vec()).of_version(task.version, task.updated))
}
