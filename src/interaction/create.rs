//! `POST [base]/[type]` (<https://hl7.org/fhir/R4/http.html#create>), also conditional by If-None-Exist.

use fhir::document::Node;
use fhir::identity::{Id, Kind};
use store::{Done, Expect, Guard, Operation, Refused};

use crate::conditional::{self, Attempt, Found};
use crate::engine::{Engine, Prepared};
use crate::refusal::{Refusal, of_refused};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::written::{Written, submit};

/// How often a new id is asked for where somebody else took the minted one by PUT in between.
const MINTS: usize = 4;

/// Creates a record under a new id: 201; 200 where If-None-Exist finds one, 412 where it finds several.
///
/// # Errors
/// 400, 413, 415 for the body, 422 where it does not conform, 409 where it claims what another record holds, or
/// is a patient who may be registered already and that is not wanted.
pub fn create(engine: &Engine, _caller: &Caller, request: &Request<'_>, kind: &Kind) -> Result<Reply, Refusal> {
    let document = engine.parse(request, engine.limits.body_bytes)?;
    let mut prepared = engine.prepare(kind, document.root(), request.prefer.wants_remarks())?;
    let Some(criteria) = request.if_none_exist else {
        let likely = engine.likely_duplicates(&request.prefer, kind, None, document.root())?;
        let (id, done) = add(engine, kind, &prepared, &mut || None).map_err(|(id, r)| refused(r, kind, id))?;
        prepared.issues.extend(engine.put_on_worklist(&id, &likely));
        prepared.issues.extend(likely.issues);
        return Ok(created(request, kind, &id, done, &prepared));
    };
    conditional::persist(engine, || {
        let found = conditional::find(engine, kind, criteria, 2)?;
        if let Some(id) = found.at_most_one()? {
            return existing(engine, request, kind, &id, &prepared);
        }
        add_guarded(engine, request, (kind, document.root()), &prepared, &found)
    })
}

/// Creates the record unless the answer to `found` changed.
///
/// # Errors
/// As [`create`].
pub(crate) fn add_guarded(
    engine: &Engine,
    request: &Request<'_>,
    (kind, record): (&Kind, Node<'_>),
    prepared: &Prepared,
    found: &Found,
) -> Result<Attempt<Reply>, Refusal> {
    let likely = engine.likely_duplicates(&request.prefer, kind, None, record)?;
    match add(engine, kind, prepared, &mut || Some(found.guard())) {
        Ok((id, done)) => {
            let mut prepared = prepared.clone();
            prepared.issues.extend(engine.put_on_worklist(&id, &likely));
            prepared.issues.extend(likely.issues);
            Ok(Attempt::Done(created(request, kind, &id, done, &prepared)))
        }
        Err((_, Refused::Disturbed)) => Ok(Attempt::Disturbed),
        Err((id, other)) => Err(refused(other, kind, id)),
    }
}

fn refused(refused: Refused, kind: &Kind, id: Id) -> Refusal {
    of_refused(refused, &[(kind.clone(), id)])
}

fn created(request: &Request<'_>, kind: &Kind, id: &Id, done: Done, prepared: &Prepared) -> Reply {
    let written = Written {
        kind,
        id,
        done,
        status: 201,
        body: &prepared.body,
        issues: &prepared.issues,
    };
    written.reply(request)
}

/// The record that is there already, as a conditional create answers it: 200, nothing written.
fn existing(
    engine: &Engine,
    request: &Request<'_>,
    kind: &Kind,
    id: &Id,
    prepared: &Prepared,
) -> Result<Attempt<Reply>, Refusal> {
    let Some(current) = engine
        .store
        .current(kind, id)?
        .filter(|version| version.operation.is_live())
    else {
        return Ok(Attempt::Disturbed);
    };
    let written = Written {
        kind,
        id,
        done: Done {
            seq: current.seq,
            record: current.record,
            version: current.version,
            updated: current.updated,
            existed: true,
            unclaimed: 0,
        },
        status: 200,
        body: &current.body,
        issues: &prepared.issues,
    };
    let location = format!("{}/{kind}/{id}/_history/{}", request.base, current.version);
    Ok(Attempt::Done(Reply {
        content_location: Some(location),
        ..written.reply(request)
    }))
}

/// Writes a record under a new id, with what `guard` gives each time.
///
/// # Errors
/// As the store refused it, with the id.
pub(crate) fn add(
    engine: &Engine,
    kind: &Kind,
    prepared: &Prepared,
    guard: &mut dyn FnMut() -> Option<Guard>,
) -> Result<(Id, Done), (Id, Refused)> {
    for left in (0..MINTS).rev() {
        let id = engine.store.mint();
        let write = prepared
            .clone()
            .into_write(kind.clone(), id.clone(), Operation::Create, Expect::New);
        match submit(engine, write, guard()) {
            Ok(done) => return Ok((id, done)),
            Err(Refused::Expectation { .. }) if left > 0 => {}
            Err(refused) => return Err((id, refused)),
        }
    }
    unreachable!("the last round returns")
}
