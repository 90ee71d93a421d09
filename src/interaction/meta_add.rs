//! `$meta-add` (<https://hl7.org/fhir/R4/resource-operation-meta-add.html>): adds labels to a record, as a new version.

use crate::engine::Engine;
use crate::labels;
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// Adds profiles, tags and security labels; those the record has stay as they are. 200 with the resulting `meta`.
///
/// # Errors
/// Those of [`labels::change`].
pub fn meta_add(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    labels::change(engine, request, call, ("meta-add", labels::add))
}
