//! `GET [base]/[type]/[id]/_history/[vid]` (<https://hl7.org/fhir/R4/http.html#vread>).

use fhir::identity::{Id, Kind, VersionId};

use search_index::UNDER;

use crate::built_in;
use crate::cache::Cached;
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
    let found = version_of(engine, kind, id, version)?;
    Ok(read::answer(engine, request, found, shape))
}

/// One version of a record, by its id as it stands in an address.
///
/// # Errors
/// 404 where there is none, 410 where it is the deletion.
pub(crate) fn version_of(engine: &Engine, kind: &Kind, id: &Id, version: &str) -> Result<Cached, Refusal> {
    let found = match version.parse::<VersionId>() {
        Ok(named) => engine.store.version(kind, id, named)?,
        Err(_) => None,
    };
    let Some(found) = found else {
        let own = built_in::record(kind, id).filter(|own| own.version.to_string() == version);
        if let Some(own) = own.filter(|_| engine.record(kind, id).is_ok_and(|now| now.seq == UNDER)) {
            return Ok(own);
        }
        let text = format!("{kind}/{id} has no version {version}; its history is at {kind}/{id}/_history.");
        return Err(Refusal::because(Reason::NotFound, text));
    };
    cached_of(&found).ok_or_else(|| deleted(&found))
}
