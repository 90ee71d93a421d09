//! `DELETE [base]/[type]/[id]` (<https://hl7.org/fhir/R4/http.html#delete>), also by a search.

use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use store::{Done, Expect, Guard, Operation, Refused, Unit, Write};

use crate::built_in;
use crate::conditional::{self, Attempt};
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal, of_refused};
use crate::reply::Reply;
use crate::request::{Caller, Request, Return};
use crate::written::expectation;

/// Deletes a record: 204, also where there is none; 200 with an OperationOutcome where Prefer asks for one.
///
/// # Errors
/// 405 where it is part of the program, 412 where If-Match does not hold, 422 where it is a patient that was merged into
/// another.
pub fn delete(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    kind: &Kind,
    id: &Id,
) -> Result<Reply, Refusal> {
    let expect = expectation(request.if_match, None)?;
    if built_in::has(kind, id) && engine.store.number(kind, id)?.is_none() {
        let text = format!("{kind}/{id} is part of the program and cannot be deleted.");
        return Err(Refusal::because(Reason::MethodNotAllowed, text));
    }
    conditional::persist(engine, || {
        attempt(engine, request, vec![deletion(kind, id, expect)], None)
    })
}

/// Deletes what a search finds: 204; 412 where it finds more than the setting allows, which is usually one
/// (<https://hl7.org/fhir/R4/http.html#cond-delete>).
///
/// # Errors
/// 400 where the search is not understood, 412 where it has no criteria.
pub fn delete_conditionally(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    kind: &Kind,
) -> Result<Reply, Refusal> {
    let most = engine.limits.conditional_delete_max.max(1);
    let expect = expectation(request.if_match, None)?;
    conditional::persist(engine, || {
        let found = conditional::find(engine, kind, request.query, most + 1)?;
        if found.ids.len() > most {
            let text = format!("The search finds more than {most} {kind}; nothing was deleted. Narrow it down.");
            return Err(Refusal::because(Reason::MultipleMatches, text));
        }
        if found.ids.is_empty() {
            return Ok(Attempt::Done(reply(request, &[])));
        }
        let writes = found.ids.iter().map(|id| deletion(kind, id, expect)).collect();
        attempt(engine, request, writes, Some(found.guard()))
    })
}

/// Deletes, unless what the guard watches has changed.
///
/// # Errors
/// 422 where one is a patient that was merged into another; 412 where one is not as expected.
fn attempt(
    engine: &Engine,
    request: &Request<'_>,
    writes: Vec<Write>,
    guard: Option<Guard>,
) -> Result<Attempt<Reply>, Refusal> {
    let stays_merged = engine.stays_merged(&writes).map_err(|(_, refusal)| refusal)?;
    let named = |write: &Write| (write.kind.clone(), write.id.clone());
    let names: Vec<(Kind, Id)> = writes.iter().map(named).collect();
    let unit = Unit {
        writes,
        guard: conditional::both(guard, stays_merged),
        ..Unit::default()
    };
    match engine.store.submit(unit) {
        Ok(done) => Ok(Attempt::Done(reply(request, &done))),
        Err(Refused::Disturbed) => Ok(Attempt::Disturbed),
        Err(refused) => Err(of_refused(refused, &names)),
    }
}

/// The write that deletes a record.
pub fn deletion(kind: &Kind, id: &Id, expect: Expect) -> Write {
    Write {
        expect,
        ..Write::new(kind.clone(), id.clone(), Operation::Delete, Vec::new())
    }
}

fn reply(request: &Request<'_>, done: &[Done]) -> Reply {
    let deleted = done.iter().filter(|done| done.seq > 0).count();
    let reply = match request.prefer.answer {
        Some(Return::Outcome) => {
            let text = match deleted {
                0 => "There was nothing to delete.".to_owned(),
                1 => "One record was deleted; its history stays readable.".to_owned(),
                n => format!("{n} records were deleted; their histories stay readable."),
            };
            Reply::outcome(200, &[Issue::information(Code::Informational, text)])
        }
        _ => Reply::empty(204),
    };
    match done {
        [one] if one.seq > 0 => reply.of_version(one.version, one.updated),
        _ => reply,
    }
}
