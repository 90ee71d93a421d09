//! `$convert`: gives a resource back in the format asked for.
//!
//! <https://hl7.org/fhir/R4/resource-operation-convert.html>. The resource is neither judged nor kept.

use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// Answers with the resource that was sent, bare or as the parameter `input`: 200. What it is written as is decided for
/// it as for every answer.
///
/// # Errors
/// 400 where no resource was sent, or another parameter.
pub fn convert(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let Some(resource) = inputs.resource("input", "input") else {
        let text = "$convert takes the resource to convert as its body, or as the parameter \"input\" of Parameters.";
        return Err(Refusal::because(Reason::Invalid, text));
    };
    let mut out = Vec::new();
    resource.write_compact(&mut out);
    Ok(Reply::json(200, out))
}
