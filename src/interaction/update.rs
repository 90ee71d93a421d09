//! `PUT [base]/[type]/[id]` (<https://hl7.org/fhir/R4/http.html#update>), also as a create and by a search.

use fhir::document::Node;
use fhir::identity::{Id, Kind};
use store::{Expect, Guard, Operation, Refused};

use crate::conditional::{self, Attempt};
use crate::create;
use crate::duplicates::Likely;
use crate::engine::{Engine, Prepared};
use crate::refusal::{Reason, Refusal, of_refused};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::written::{Written, expectation, submit};

/// Writes a record under an id: 200; 201 where no live record was there.
///
/// # Errors
/// 400 where the body's id is not the address's, 412 where If-Match or If-None-Match does not hold; 422, also where it
/// would take back a merge of patients; 409, also for a likely duplicate, where that is the policy.
pub fn update(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    kind: &Kind,
    id: &Id,
) -> Result<Reply, Refusal> {
    let document = engine.parse(request, engine.limits.body_bytes)?;
    let prepared = engine.prepare(kind, document.root(), request.prefer.wants_remarks())?;
    check_id(document.root(), kind, id)?;
    let expect = expectation(request.if_match, request.if_none_match)?;
    conditional::persist(engine, || {
        attempt(engine, request, (kind, id), (document.root(), &prepared), expect, None)
    })
}

/// Writes the record that a search finds: 200; 201 where it finds none; 412 where it finds several
/// (<https://hl7.org/fhir/R4/http.html#cond-update>).
///
/// # Errors
/// As [`update`]; 400 where the body has an id that is not that of the record found.
pub fn update_conditionally(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    kind: &Kind,
) -> Result<Reply, Refusal> {
    let document = engine.parse(request, engine.limits.body_bytes)?;
    let prepared = engine.prepare(kind, document.root(), request.prefer.wants_remarks())?;
    let expect = expectation(request.if_match, request.if_none_match)?;
    let own = own_id(document.root())?;
    conditional::persist(engine, || {
        let found = conditional::find(engine, kind, request.query, 2)?;
        let (id, expect) = match (found.at_most_one()?, &own) {
            (Some(id), _) => {
                if own.is_some() {
                    check_id(document.root(), kind, &id)?;
                }
                (id, expect)
            }
            (None, _) if matches!(expect, Expect::Version(_) | Expect::Present) => {
                let text = "The search finds no record, but If-Match expects one.";
                return Err(Refusal::because(Reason::PreconditionFailed, text));
            }
            (None, None) => return create::add_guarded(engine, request, (kind, document.root()), &prepared, &found),
            // No match with an id: an update as create, but never over a record that does not match (R4: 409 or 412).
            (None, Some(id)) => (id.clone(), Expect::Absent),
        };
        attempt(
            engine,
            request,
            (kind, &id),
            (document.root(), &prepared),
            expect,
            Some(found.guard()),
        )
    })
}

fn attempt(
    engine: &Engine,
    request: &Request<'_>,
    (kind, id): (&Kind, &Id),
    (record, prepared): (Node<'_>, &Prepared),
    expect: Expect,
    guard: Option<Guard>,
) -> Result<Attempt<Reply>, Refusal> {
    let write = prepared
        .clone()
        .into_write(kind.clone(), id.clone(), Operation::Update, expect);
    let stays_merged = engine
        .stays_merged(std::slice::from_ref(&write))
        .map_err(|(_, refusal)| refusal)?;
    let likely = match engine.registers(kind, id)? {
        true => engine.likely_duplicates(&request.prefer, kind, Some(id), record)?,
        false => Likely::default(),
    };
    let done = match submit(engine, write, conditional::both(guard, stays_merged)) {
        Ok(done) => done,
        Err(Refused::Disturbed) => return Ok(Attempt::Disturbed),
        Err(refused) => return Err(of_refused(refused, &[(kind.clone(), id.clone())])),
    };
    let mut issues = prepared.issues.clone();
    issues.extend(engine.put_on_worklist(id, &likely));
    issues.extend_from_slice(&likely.issues);
    let written = Written {
        kind,
        id,
        done,
        status: if done.existed { 200 } else { 201 },
        body: &prepared.body,
        issues: &issues,
    };
    Ok(Attempt::Done(written.reply(request)))
}

/// The id in a body, where there is one.
fn own_id(record: Node<'_>) -> Result<Option<Id>, Refusal> {
    let Some(text) = record.string("id") else {
        return Ok(None);
    };
    match Id::new(&text) {
        Some(id) => Ok(Some(id)),
        None => Err(Refusal::because(Reason::Invalid, format!("\"{text}\" is no id.")).at("id")),
    }
}

/// Holds the id in a body against that of the address.
///
/// # Errors
/// 400 where it is missing or another.
pub fn check_id(record: Node<'_>, kind: &Kind, id: &Id) -> Result<(), Refusal> {
    let text = match record.string("id") {
        Some(own) if own == id.as_str() => return Ok(()),
        Some(own) => format!("The body has the id \"{own}\", but the address is {kind}/{id}; they must be the same."),
        None => format!("The body has no id; an update needs \"id\": \"{id}\" in it."),
    };
    Err(Refusal::because(Reason::Invalid, text).at(format!("{kind}.id")))
}
