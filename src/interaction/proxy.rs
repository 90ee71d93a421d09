//! A search at a clinic that goes on at the centre, over the clinic's line: `_centre=true`.
//!
//! The answer is the centre's page, with the clinic's links, and says that it is the centre's. At the centre the parameter
//! says only that: its answer is its own anyway.

use crate::address::with_query;
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{self, Within};

/// The parameter that asks for the centre's answer.
pub(crate) const PARAMETER: &str = "_centre";

/// Whether the centre's answer is wanted.
pub(crate) fn is_wanted(params: &[(String, String)]) -> bool {
    params.iter().any(|(name, value)| name == PARAMETER && value == "true")
}

/// Searches at the centre: 200 with its page.
///
/// # Errors
/// 503 where the centre cannot be asked now; its own refusals as they are.
pub(crate) fn proxy(
    engine: &Engine,
    caller: &Caller,
    request: &Request<'_>,
    within: &Within,
    params: &[(String, String)],
) -> Result<Reply, Refusal> {
    if engine.store.node() == 0 {
        return search::search(engine, caller, request, within, params);
    }
    let unreachable = |why: String| {
        let text = format!("The centre cannot be asked now: {why} Ask without {PARAMETER} for what this clinic has.");
        Refusal::because(Reason::Busy, text)
    };
    let line = engine.clinic.line();
    let line = line.ok_or_else(|| unreachable("this clinic has no line.".to_owned()))?;
    let path = request.path.trim_end_matches('/');
    let path = path.strip_suffix("_search").unwrap_or(path).trim_end_matches('/');
    let pairs = params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let page = line
        .search(&with_query(path, pairs), request.base)
        .map_err(unreachable)?;
    Ok(Reply {
        completeness: Some("centre".to_owned()),
        ..Reply::json(200, page)
    })
}
