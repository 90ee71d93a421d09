//! `$validate` (<https://hl7.org/fhir/R4/resource-operation-validate.html>): whether a record conforms, and to what profiles.

use std::sync::Arc;

use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue, Severity};
use fhir::parse::Limits;
use store::Expect;
use validation::{Asked, Judging, Library, Purpose};

use crate::canonical::escaped;
use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::written::expectation;

/// What a resource is judged for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Whatever it is for.
    Any,
    Create,
    Update,
    Delete,
    /// Only to see whether it conforms to the profile.
    Profile,
}

/// Records of this server, as judging others needs them.
pub(crate) struct Records<'e>(pub(crate) &'e Engine);

impl Library for Records<'_> {
    fn definition(&self, kind: &str, address: &str) -> Option<Arc<Document>> {
        self.0.canonical(&Kind::new(kind)?, address).ok().flatten()
    }

    fn record(&self, kind: &str, id: &str) -> Option<Arc<Document>> {
        let (kind, id) = (self.0.registry.kind(kind)?, Id::new(id)?);
        let cached = self.0.record(kind, &id).ok()?;
        Document::parse(&cached.json, Limits::default()).ok().map(Arc::new)
    }

    fn generation(&self) -> u64 {
        self.0.definitions_written()
    }
}

/// What answers `conformsTo()` in the expressions of users.
pub(crate) fn judging<'e>(engine: &'e Engine, records: &'e Records<'e>) -> Judging<'e> {
    Judging {
        validator: &engine.validator,
        library: records,
        terminology: engine.registry.terminology(),
        now: now(),
    }
}

/// Judges the resource that is given, or the record in the address: 200 with every issue, or a remark that there is none.
///
/// # Errors
/// 400 for a mode that is none, or where there is nothing to judge; 404, 410 for a record that is not there.
pub fn validate(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let envelope = inputs.of("resource").next().is_some() || inputs.of("mode").next().is_some();
    let given = match inputs.root() {
        Some(root) if !envelope && !is_question(root) => Some(root),
        _ => inputs.resource("resource", ""),
    };
    let mode = mode(inputs.text("mode").as_deref())?;
    let profiles: Vec<String> = inputs.texts("profile").map(|text| text.into_owned()).collect();
    if let Some(refusal) = misplaced(call, mode, given, &profiles) {
        return Err(refusal);
    }
    if mode == Mode::Delete {
        return deletable(engine, request, call);
    }
    let stored;
    let record = match (given, call.kind.zip(call.id)) {
        (Some(record), _) => record,
        (None, Some((kind, id))) => {
            let cached = engine.record(kind, id)?;
            stored = Document::parse(&cached.json, Limits::default())?;
            stored.root()
        }
        (None, None) => unreachable!("told by `misplaced`"),
    };
    let mut issues = match mode {
        Mode::Create | Mode::Update => unacceptable(engine, request, call, mode, record)?,
        _ => Vec::new(),
    };
    // Of a resource within Parameters, the XML has other places.
    if inputs.root().is_some_and(|root| Some(root) == given) {
        issues.extend(out_of_order(engine, request));
    }
    issues.extend(judged(engine, call.kind, record, &profiles, Purpose::Asking));
    if issues.is_empty() {
        issues.push(well("No issues were found."));
    }
    Ok(Reply::outcome(200, &issues))
}

/// What of the XML that was sent stands out of its order.
fn out_of_order(engine: &Engine, request: &Request<'_>) -> Vec<Issue> {
    let Some(xml) = request.xml else { return Vec::new() };
    let limits = xml::Limits {
        depth: engine.limits.json_depth,
        bytes: xml.len(),
    };
    // It was read before, so it can be.
    xml::misplaced(&engine.definitions, xml, limits).unwrap_or_default()
}

/// Whether the record in the address may be deleted: it is there, in the version that is meant.
fn deletable(engine: &Engine, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let (Some(kind), Some(id)) = (call.kind, call.id) else {
        unreachable!("told by `misplaced`")
    };
    engine.record(kind, id)?;
    let issue = superseded(engine, request, kind, id)?;
    Ok(Reply::outcome(
        200,
        &[issue.unwrap_or_else(|| well("Nothing forbids deleting it."))],
    ))
}

/// What would be refused if the record were written: another id than the address has, a version that is no longer
/// current, an identifier that another record has and only one may have.
fn unacceptable(
    engine: &Engine,
    request: &Request<'_>,
    call: &Call<'_>,
    mode: Mode,
    record: Node<'_>,
) -> Result<Vec<Issue>, Refusal> {
    let mut issues = Vec::new();
    let named = record.string("resourceType").and_then(|name| Kind::new(&name));
    let Some(kind) = call.kind.cloned().or(named) else {
        return Ok(issues);
    };
    let own = record.string("id");
    let id = match mode {
        Mode::Update => call.id.cloned().or_else(|| Id::new(own.as_deref()?)),
        _ => None,
    };
    match (&id, mode) {
        (Some(id), _) => {
            if own.as_deref() != Some(id.as_str()) {
                let text = format!("The record's address ends in {id}, so its id must be that.");
                issues.push(Issue::error(Code::Value, text).at("id"));
            }
            issues.extend(superseded(engine, request, &kind, id)?);
        }
        (None, Mode::Update) => {
            let text = "An update is of one record: the resource needs its id.";
            issues.push(Issue::error(Code::Required, text).at("id"));
        }
        _ => {}
    }
    issues.extend(claimed(engine, &kind, id.as_ref(), record)?);
    Ok(issues)
}

/// That If-Match names another version than the current one.
fn superseded(engine: &Engine, request: &Request<'_>, kind: &Kind, id: &Id) -> Result<Option<Issue>, Refusal> {
    let Expect::Version(expected) = expectation(request.if_match, None)? else {
        return Ok(None);
    };
    let current = match engine.record(kind, id) {
        Ok(cached) => Some(cached.version),
        Err(_) => None,
    };
    let text = format!("{kind}/{id} is not in the version that If-Match names.");
    Ok((current != Some(expected)).then(|| Issue::error(Code::Conflict, text)))
}

/// Identifiers that only one record may have, and another has.
fn claimed(engine: &Engine, kind: &Kind, own: Option<&Id>, record: Node<'_>) -> Result<Vec<Issue>, Refusal> {
    if engine.registry.kind(kind.as_str()).is_none() {
        return Ok(Vec::new());
    }
    let mut issues = Vec::new();
    let found_by = search_index::Prepared::new(&engine.registry, kind, record);
    for claim in engine.claims(kind, &found_by.values) {
        let system = claim.scope.split_once('|').map_or("", |(_, system)| system);
        let criteria = format!("{}|{}", escaped(system), escaped(&claim.value));
        let others = engine.look_for(kind, &[("identifier".to_owned(), criteria)])?;
        let another = |other: &Arc<Document>| other.root().string("id").as_deref() != own.map(Id::as_str);
        if others.iter().any(another) {
            let text = format!("Another {kind} has this identifier of {system}, which only one may have.");
            issues.push(Issue::error(Code::Duplicate, text).at(format!("{kind}.identifier")));
        }
    }
    Ok(issues)
}

/// Whether a Parameters resource only says how to judge a record that stands elsewhere.
fn is_question(root: Node<'_>) -> bool {
    let parameters = root.get("parameter").into_iter().flat_map(|list| list.each());
    let mut names = parameters.map(|parameter| parameter.string("name").unwrap_or_default().into_owned());
    root.string("resourceType").is_some_and(|name| name == "Parameters")
        && root.get("parameter").is_some()
        && names.all(|name| matches!(name.as_str(), "profile" | "mode" | "resource"))
}

fn mode(text: Option<&str>) -> Result<Mode, Refusal> {
    Ok(match text {
        None => Mode::Any,
        Some("create") => Mode::Create,
        Some("update") => Mode::Update,
        Some("delete") => Mode::Delete,
        Some("profile") => Mode::Profile,
        Some(other) => {
            let text = format!("mode is \"{other}\"; it is create, update, delete or profile.");
            return Err(Refusal::because(Reason::Invalid, text).at("http.mode"));
        }
    })
}

/// Why a mode cannot be asked for here, or there is nothing to judge.
fn misplaced(call: &Call<'_>, mode: Mode, given: Option<Node<'_>>, profiles: &[String]) -> Option<Refusal> {
    let text = match (mode, call.id, given) {
        (Mode::Any | Mode::Create | Mode::Update | Mode::Profile, None, None) => {
            "There is nothing to judge: send a resource, or ask at the address of a record."
        }
        (Mode::Profile, _, _) if profiles.is_empty() => "The mode profile needs the parameter profile.",
        (Mode::Create, Some(_), _) => "The mode create is asked for at the address of a kind, not of a record.",
        (Mode::Delete, None, _) => "The mode delete is asked for at the address of a record.",
        _ => return None,
    };
    Some(Refusal::because(Reason::Invalid, text))
}

/// Judges a record in full, for a purpose.
pub(crate) fn judged(
    engine: &Engine,
    kind: Option<&Kind>,
    record: Node<'_>,
    profiles: &[String],
    purpose: Purpose,
) -> Vec<Issue> {
    let named = record.string("resourceType").and_then(|name| Kind::new(&name));
    let Some(kind) = kind.cloned().or(named) else {
        return vec![Issue::error(
            Code::Structure,
            "`resourceType` is missing; it must name the resource's type.",
        )];
    };
    let asked = Asked {
        profiles,
        now: now(),
        purpose,
    };
    let terminology = engine.registry.terminology();
    engine
        .validator
        .validate(&Records(engine), terminology, &kind, record, &asked)
}

fn well(text: &str) -> Issue {
    Issue {
        severity: Severity::Information,
        ..Issue::error(Code::Informational, text)
    }
}
