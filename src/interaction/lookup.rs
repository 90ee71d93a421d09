//! `CodeSystem/$lookup` (<https://hl7.org/fhir/R4/codesystem-operation-lookup.html>).

use terminology::lookup::{Sought, lookup as look_up};

use crate::engine::Engine;
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::terminology_call::{answer, coding, needs};

/// All that is known of a code.
///
/// # Errors
/// 404 where the system or the code is not known; 400 where no code is named.
pub fn lookup(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    answer(engine, request, call, |asked, session| {
        let text = |name: &str| asked.inputs.text(name).map(|text| text.into_owned());
        let given = asked.inputs.object("coding").map(coding).unwrap_or_default();
        let need = || needs("a code: code and system, or a coding");
        let record = asked.record()?;
        let own = |name: &str| Some(record.as_ref()?.root().string(name)?.into_owned());
        let sought = Sought {
            system: own("url")
                .or_else(|| text("system"))
                .or(given.system)
                .ok_or_else(need)?,
            version: own("version").or_else(|| text("version")).or(given.version),
            code: text("code")
                .or_else(|| Some(given.code).filter(|code| !code.is_empty()))
                .ok_or_else(need)?,
            languages: asked.languages(None),
            properties: asked.inputs.texts("property").map(|text| text.into_owned()).collect(),
        };
        Ok(look_up(session, &sought)?)
    })
}
