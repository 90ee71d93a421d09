//! A batch: every entry is a request of its own, and one that fails leaves the others alone.

use fhir::document::Node;
use fhir::outcome::write_outcome;

use crate::bundle_entry::Entry;
use crate::bundle_reply::{self, Answer};
use crate::bundle_value;
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Method, Prefer, Request, Return};

/// Carries out the entries one after the other, in their order.
pub fn batch(engine: &Engine, caller: &Caller, request: &Request<'_>, entries: &[Node<'_>]) -> Reply {
    let entries = entries.iter().enumerate();
    let answers: Vec<Answer> = entries
        .map(|(index, node)| match Entry::read(index, *node, request.base) {
            Ok(entry) => single(engine, caller, request, &entry),
            Err(issue) => refused(Refusal::with(Reason::Invalid, vec![issue])),
        })
        .collect();
    Reply::json(200, bundle_reply::write("batch-response", &answers))
}

/// Carries out one entry as a request of its own.
pub fn single(engine: &Engine, caller: &Caller, request: &Request<'_>, entry: &Entry<'_>) -> Answer {
    let wanted = request.prefer.answer;
    let mut own = Request {
        method: entry.method,
        if_match: entry.if_match.as_deref(),
        if_none_match: entry.if_none_match.as_deref(),
        if_modified_since: entry.if_modified_since.as_deref(),
        if_none_exist: entry.if_none_exist.as_deref(),
        prefer: Prefer {
            answer: wanted.or(Some(Return::Minimal)),
            ..request.prefer
        },
        ..Request::new(entry.method, &entry.path, &entry.query, request.base)
    };
    let patch;
    match (entry.method, entry.resource) {
        (Method::Patch, Some(resource)) => match bundle_value::patch(resource) {
            Ok((media, bytes)) => {
                patch = bytes;
                (own.content_type, own.body) = (Some(media), &patch);
            }
            Err(text) => return refused(Refusal::because(Reason::Malformed, text).at(entry.place(".resource"))),
        },
        (_, Some(resource)) => own.body = resource.text().as_bytes(),
        (_, None) => {}
    }
    let mut reply = crate::route::answer_part(engine, caller, &own);
    if entry.method == Method::Head {
        reply.body = crate::Body::Empty;
    }
    Answer::from_reply(reply, entry.is_reading())
}

fn refused(refusal: Refusal) -> Answer {
    let mut outcome = Vec::new();
    write_outcome(&refusal.issues, &mut outcome);
    Answer {
        status: refusal.status,
        outcome,
        ..Answer::default()
    }
}
