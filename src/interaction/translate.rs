//! `ConceptMap/$translate` (<https://hl7.org/fhir/R4/conceptmap-operation-translate.html>).

use terminology::translate::{Translation, translate as translation};
use terminology::validate::Coding;
use terminology::{Session, Unable};

use crate::engine::Engine;
use crate::inputs::Parameter;
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::terminology_call::{Asked, No, answer, coding, needs, own};

/// The codes that maps give for a code. Parameters are taken by the names of R4 and by those of later versions.
///
/// # Errors
/// 404 where the map is not known; 400 where no code is named.
pub fn translate(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    answer(engine, request, call, |asked, session| {
        let question = question(asked, session)?;
        Ok(translation(session, &question)?)
    })
}

fn question(asked: &Asked<'_>, session: &Session<'_>) -> Result<Translation, No> {
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| asked.inputs.text(name))
            .map(|text| text.into_owned())
    };
    let target = codings(
        asked,
        &["targetCoding"],
        &["targetCodeableConcept"],
        text(&["targetCode"]),
        None,
    );
    let reverse = asked.inputs.flag("reverse")? == Some(true);
    let target_system = text(&["targetsystem", "targetSystem"]);
    let source_system = text(&["system", "sourceSystem"]);
    let mut given = codings(
        asked,
        &["coding", "sourceCoding"],
        &["codeableConcept", "sourceCodeableConcept"],
        text(&["code", "sourceCode"]),
        source_system.clone(),
    );
    let backwards = reverse || (given.is_empty() && !target.is_empty());
    if given.is_empty() {
        given = target;
    }
    if given.is_empty() {
        return Err(needs("a code: a code with its system, a coding or a codeableConcept"));
    }
    Ok(Translation {
        map: map(asked, session)?,
        codings: given,
        source: text(&["source", "sourceScope"]),
        target: text(&["target", "targetScope"]),
        // In reverse, R4 names the system that codes are wanted of as the target.
        source_system: if reverse {
            target_system.clone()
        } else {
            source_system.filter(|_| backwards)
        },
        target_system: target_system.filter(|_| !reverse),
        dependencies: asked.inputs.of("dependency").filter_map(dependency).collect(),
        reverse: backwards,
    })
}

/// An element that is known beside the code, and the codes it holds.
fn dependency(parameter: Parameter<'_>) -> Option<(String, Vec<Coding>)> {
    let part = |name: &str| parameter.parts().find(|part| part.name() == name);
    let element = part("element")?.text()?.into_owned();
    let (_, concept) = part("concept")?.value()?;
    let codings = match concept.get("coding") {
        Some(list) => list.each().map(coding).collect(),
        None => vec![coding(concept)],
    };
    Some((element, codings))
}

fn codings(
    asked: &Asked<'_>,
    one: &[&str],
    several: &[&str],
    code: Option<String>,
    system: Option<String>,
) -> Vec<Coding> {
    if let Some(node) = several.iter().find_map(|name| asked.inputs.object(name)) {
        return node
            .get("coding")
            .into_iter()
            .flat_map(|list| list.each())
            .map(coding)
            .collect();
    }
    if let Some(node) = one.iter().find_map(|name| asked.inputs.object(name)) {
        return vec![coding(node)];
    }
    let of = |code| Coding {
        system,
        code,
        ..Coding::default()
    };
    code.map(of).into_iter().collect()
}

/// The map that is named: the record in the address, a resource that came along, or that of an address.
fn map(asked: &Asked<'_>, session: &Session<'_>) -> Result<Option<std::sync::Arc<fhir::document::Document>>, No> {
    if let Some(record) = asked.record()? {
        return Ok(Some(record));
    }
    if let Some(resource) = asked.inputs.resource("conceptMap", "conceptMap") {
        return Ok(Some(own(resource)?));
    }
    let Some(url) = asked.inputs.text("url") else {
        return Ok(None);
    };
    let wanted = asked.inputs.text("conceptMapVersion");
    let canonical = terminology::version::join(&url, wanted.as_deref());
    match session.map(&canonical)? {
        Some(map) => Ok(Some(map)),
        None => Err(Unable::missing(format!(
            "A definition for the ConceptMap '{canonical}' could not be found"
        ))
        .into()),
    }
}
