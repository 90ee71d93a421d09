//! `$meta-delete` (<https://hl7.org/fhir/R4/resource-operation-meta-delete.html>): takes labels off a record, as a new version.

use crate::engine::Engine;
use crate::labels;
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// Takes out profiles, tags and security labels; it is no error where they are not there. 200 with the resulting `meta`.
///
/// # Errors
/// Those of [`labels::change`].
pub fn meta_delete(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<Reply, Refusal> {
    labels::change(engine, request, call, ("meta-delete", labels::take_out))
}
