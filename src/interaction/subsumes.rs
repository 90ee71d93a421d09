//! `CodeSystem/$subsumes` (<https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>).

use std::sync::Arc;

use terminology::subsume::subsumes as relation;

use crate::engine::Engine;
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::terminology_call::{answer, coding, needs, wrong};

/// How two codes of a system lie to each other.
///
/// # Errors
/// 404 where the system or a code is not known; 400 where they are not named, or are of two systems.
pub fn subsumes(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    answer(engine, request, call, |asked, session| {
        let text = |name: &str| asked.inputs.text(name).map(|text| text.into_owned());
        let one = |code: &str, whole: &str| {
            let mut given = asked.inputs.object(whole).map(coding).unwrap_or_default();
            given.code = text(code).unwrap_or(given.code);
            given
        };
        let (a, b) = (one("codeA", "codingA"), one("codeB", "codingB"));
        if a.code.is_empty() || b.code.is_empty() {
            return Err(needs(
                "two codes: codeA and codeB with a system, or codingA and codingB",
            ));
        }
        if let (Some(first), Some(second)) = (&a.system, &b.system)
            && first != second
        {
            let text = format!("The codes are of two systems, {first} and {second}; name two codes of one");
            return Err(wrong(text));
        }
        let mut system = text("system").or(a.system).or(b.system);
        let mut version = text("version").or(a.version).or(b.version);
        if let Some(record) = asked.record()? {
            let root = record.root();
            system = root.string("url").map(|url| url.into_owned());
            version = root.string("version").map(|version| version.into_owned());
            session.add(Arc::clone(&record));
        }
        let system = system.ok_or_else(|| needs("the system of the codes"))?;
        Ok(relation(session, &system, version.as_deref(), &a.code, &b.code)?)
    })
}
