//! `$validate` (<https://hl7.org/fhir/R4/resource-operation-validate.html>): whether a record conforms, and to what profiles.

use std::sync::Arc;

use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue, Severity};
use fhir::parse::Limits;
use validation::{Asked, Library};

use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};

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
    if let Some(refusal) = misplaced(call, mode, given) {
        return Err(refusal);
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
    if mode == Mode::Delete {
        return Ok(Reply::outcome(200, &[well("Nothing forbids deleting it.")]));
    }
    let mut issues: Vec<Issue> = named_otherwise(call, mode, record).into_iter().collect();
    issues.extend(judged(engine, call.kind, record, &profiles));
    if issues.is_empty() {
        issues.push(well("No issues were found."));
    }
    Ok(Reply::outcome(200, &issues))
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
fn misplaced(call: &Call<'_>, mode: Mode, given: Option<Node<'_>>) -> Option<Refusal> {
    let text = match (mode, call.id, given) {
        (Mode::Update | Mode::Delete | Mode::Profile, None, None) | (Mode::Any | Mode::Create, None, None) => {
            "There is nothing to judge: send a resource, or ask at the address of a record."
        }
        (Mode::Create, Some(_), _) => "The mode create is asked for at the address of a kind, not of a record.",
        (Mode::Delete, None, _) => "The mode delete is asked for at the address of a record.",
        _ => return None,
    };
    Some(Refusal::because(Reason::Invalid, text))
}

pub(crate) fn judged(engine: &Engine, kind: Option<&Kind>, record: Node<'_>, profiles: &[String]) -> Vec<Issue> {
    let named = record.string("resourceType").and_then(|name| Kind::new(&name));
    let Some(kind) = kind.cloned().or(named) else {
        return vec![Issue::error(
            Code::Structure,
            "`resourceType` is missing; it must name the resource's type.",
        )];
    };
    let asked = Asked { profiles, now: now() };
    let terminology = engine.registry.terminology();
    engine
        .validator
        .validate(&Records(engine), terminology, &kind, record, &asked)
}

/// An update must keep the id of the record.
fn named_otherwise(call: &Call<'_>, mode: Mode, record: Node<'_>) -> Option<Issue> {
    let (id, own) = (call.id?, record.string("id"));
    let differs = own.as_deref() != Some(id.as_str());
    let text = format!("The record's address ends in {id}, so its id must be that.");
    (mode == Mode::Update && differs).then(|| Issue::error(Code::Value, text).at("id"))
}

fn well(text: &str) -> Issue {
    Issue {
        severity: Severity::Information,
        ..Issue::error(Code::Informational, text)
    }
}
