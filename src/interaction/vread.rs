//! `GET [base]/[type]/[id]/_history/[vid]` (<https://hl7.org/fhir/R4/http.html#vread>).

use fhir::identity::{Id, Kind, VersionId};

use crate::engine::{Engine, cached_of, deleted};
use crate::read;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::shape::Shape;

/// Reads one version of a record: 200, 304, 404, 410 where that version is the deletion.
///
/// # Errors
/// The refusals named above.
pub fn vread(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    (kind, id, version): (&Kind, &Id, &str),
    shape: &Shape,
) -> Result<Reply, Refusal> {
    let named = version.parse::<VersionId>().ok();
    let found = match named {
        Some(named) => engine.store.version(kind, id, named)?,
        None => None,
    };
    let Some(found) = found else {
        let text = format!("{kind}/{id} has no version {version}; its history is at {kind}/{id}/_history.");
        return Err(Refusal::because(Reason::NotFound, text));
    };
    match cached_of(&found) {
        Some(cached) => Ok(read::answer(engine, request, cached, shape)),
        None => Err(deleted(&found)),
    }
}
