//! `GET [base]/[type]/[id]` (<https://hl7.org/fhir/R4/http.html#read>), with the conditional read of its headers.

use fhir::identity::{Id, Kind, VersionId};
use fhir::moment::{self, SECOND};

use crate::cache::Cached;
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};
use crate::reply::{Body, Reply};
use crate::request::{Caller, Request};
use crate::shape::Shape;

/// Reads a record: 200, 304 where the caller has it already, 404, 410 where it is deleted.
///
/// # Errors
/// The refusals named above.
pub fn read(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    kind: &Kind,
    id: &Id,
    shape: &Shape,
) -> Result<Reply, Refusal> {
    let cached = engine
        .record(kind, id)
        .map_err(|refusal| elsewhere(engine, kind, id, refusal))?;
    let completeness = engine.clinic.completeness_of(engine, kind, id, &cached.json);
    Ok(Reply {
        completeness: completeness.map(|said| said.header()),
        ..answer(engine, request, cached, shape)
    })
}

/// What is not at a clinic may be at the centre: how to ask there.
fn elsewhere(engine: &Engine, kind: &Kind, id: &Id, refusal: Refusal) -> Refusal {
    match engine.clinic.line() {
        Some(_) if refusal.status == Reason::NotFound.status() => Refusal::because(
            Reason::NotFound,
            format!(
                "There is no {kind}/{id} at this clinic; the centre may have it: ask {kind}?_id={id}&_centre=true."
            ),
        ),
        _ => refusal,
    }
}

/// The answer to reading one version of a record.
pub(crate) fn answer(engine: &Engine, request: &Request<'_>, cached: Cached, shape: &Shape) -> Reply {
    let Cached {
        version, updated, json, ..
    } = cached;
    if is_known(request, version, updated) {
        return Reply::empty(304).of_version(version, updated);
    }
    let body = if *shape == Shape::Whole {
        Body::Shared(json)
    } else {
        let mut out = Vec::with_capacity(json.len());
        shape.write(&engine.definitions, &json, &mut out);
        Body::Owned(out)
    };
    Reply {
        body,
        ..Reply::empty(200)
    }
    .of_version(version, updated)
}

/// Whether the caller says it has this version. If-None-Match goes before If-Modified-Since (RFC 9110, 13.1.3).
fn is_known(request: &Request<'_>, version: VersionId, updated: i64) -> bool {
    if let Some(tags) = request.if_none_match {
        return tags
            .split(',')
            .any(|tag| tag.trim() == "*" || tag_version(tag) == Some(version));
    }
    let since = request.if_modified_since.and_then(moment::parse_http_date);
    since.is_some_and(|since| updated.div_euclid(SECOND) <= since.div_euclid(SECOND))
}

/// The version inside an entity tag: `W/"0-17"`, also without `W/`.
pub(crate) fn tag_version(tag: &str) -> Option<VersionId> {
    let tag = tag.trim();
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    quoted.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}
