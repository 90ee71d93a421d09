//! `Composition/[id]/$document` (<https://hl7.org/fhir/R4/composition-operation-document.html>): the whole document.

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use fhir::parse;

use crate::bundle_document::{DocumentBundle, uuid};
use crate::create::add;
use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::record::{Record, parsed};
use crate::refusal::{Reason, Refusal, of_refused};
use crate::related::{Circle, Gathering, local};
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// 200 with a Bundle of type document: the Composition, all it refers to, and what those refer to as far as it is of the
/// same patient or of nobody. With `persist=true` it is stored as a Bundle too, and `Location` says where.
///
/// # Errors
/// 404, 410 where there is no such Composition; 400 for parameters that are not understood, a GraphDefinition among
/// them; 422 where the Composition refers to what is not here, or to more than a bundle of this server can hold.
pub fn document(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    if inputs.text("graph").is_some() {
        let text = "$document follows references; a GraphDefinition is not supported, so leave graph out.";
        return Err(Refusal::because(Reason::NotSupported, text).at("http.graph"));
    }
    let persist = inputs.flag("persist")?.unwrap_or(false);
    let kind = call.kind.expect("it is asked of a kind");
    let id = match call.id {
        Some(id) => id.clone(),
        None => named(&inputs, kind, request.base)?,
    };
    let json = bundle(engine, request, kind, &id)?;
    if !persist {
        return Ok(Reply::json(200, json));
    }
    store(engine, request, &json)
}

/// The Composition that the parameter `id` names: an id, or an address of this server.
fn named(inputs: &Inputs, kind: &Kind, base: &str) -> Result<Id, Refusal> {
    let text = inputs.text("id").unwrap_or_default();
    let id = match local(&text, base) {
        Some((of, id, _)) if of == *kind => Some(id),
        Some(_) => None,
        None => Id::new(&text),
    };
    id.ok_or_else(|| {
        let text = "$document needs the parameter id: the id of a Composition of this server.";
        Refusal::because(Reason::Invalid, text).at("http.id")
    })
}

fn bundle(engine: &Engine, request: &Request<'_>, kind: &Kind, id: &Id) -> Result<Vec<u8>, Refusal> {
    let cached = engine.record(kind, id)?;
    let at = engine.head();
    let composition = Record {
        kind: kind.clone(),
        id: id.clone(),
        json: cached.json,
        inside: None,
        score: None,
    };
    let circle = Circle::of(parsed(&composition.json)?.root(), "subject", request.base);
    let clock = engine.clock(false);
    let gathering = Gathering {
        engine,
        base: request.base,
        circle: &circle,
        center: Some((kind, id)),
        apart: None,
        at,
        clock: &clock,
    };
    let related = gathering.gather(std::slice::from_ref(&composition))?;
    if !related.missing.is_empty() {
        let of = format!("{kind}/{id}");
        return Err(Refusal::with(Reason::Unprocessable, missing(&of, &related.missing)));
    }
    if related.cut {
        let text = format!(
            "The document would have more than {} resources.",
            engine.limits.includes_max
        );
        return Err(Refusal::because(Reason::TooCostly, text));
    }
    let made = now();
    let identifier = uuid(&[
        b"document",
        id.as_str().as_bytes(),
        &made.to_le_bytes(),
        &at.to_le_bytes(),
    ]);
    let mut bundle = DocumentBundle::start(made, &format!("urn:uuid:{identifier}"), None);
    bundle.add_record(request.base, &composition);
    related
        .records
        .iter()
        .for_each(|record| bundle.add_record(request.base, record));
    Ok(bundle.finish())
}

fn missing(of: &str, missing: &[String]) -> Vec<Issue> {
    let issue = |reference: &String| {
        let text = format!("{of} refers to {reference}, which is not on this server; a document has all it refers to.");
        Issue::error(Code::NotFound, text)
    };
    missing.iter().map(issue).collect()
}

fn store(engine: &Engine, request: &Request<'_>, json: &[u8]) -> Result<Reply, Refusal> {
    let limits = parse::Limits {
        depth: engine.limits.json_depth,
        bytes: engine.limits.bundle_bytes,
    };
    let kind = engine.kind("Bundle")?;
    let document = Document::parse(json, limits)?;
    let prepared = engine.prepare(&kind, document.root(), false)?;
    let (id, done) = add(engine, &kind, &prepared, &mut || None)
        .map_err(|(id, refused)| of_refused(refused, &[(kind.clone(), id)]))?;
    let stored = engine.record(&kind, &id)?;
    let location = format!("{}/{kind}/{id}/_history/{}", request.base, done.version);
    Ok(Reply {
        location: Some(location),
        ..Reply::json(200, stored.json.to_vec()).of_version(done.version, done.updated)
    })
}
