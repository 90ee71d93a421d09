//! `PATCH [base]/[type]/[id]` (<https://hl7.org/fhir/R4/http.html#patch>), as JSON Patch, XML Patch and FHIRPath Patch.

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use fhir::parse;
use fhir::tree::Tree;
use store::{Expect, Guard, Operation, Refused, Version};

use crate::conditional::{self, Attempt};
use crate::engine::{Engine, deleted, not_found, now, spliced};
use crate::format::{self, PATCH_FORMATS};
use crate::patch_path::Moment;
use crate::patch_value::Definer;
use crate::refusal::{Reason, Refusal, of_refused};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::written::{Written, expectation, submit};
use crate::{patch_json, patch_path};

/// A patch as it came, ready to be applied to any record.
pub enum Patch {
    /// JSON Patch: an array of operations.
    Json(Tree),
    /// XML Patch: a document of operations.
    Xml(xml::patch::Patch),
    /// FHIRPath Patch: a Parameters resource.
    Path(Document),
}

/// Changes a record: 200; 404 or 410 where there is none; 412 where If-Match does not hold.
///
/// # Errors
/// 400 where the patch is malformed, 415 where it is of another format, 422 where it does not fit the record or the
/// record does not conform afterwards.
pub fn patch(engine: &Engine, _caller: &Caller, request: &Request<'_>, kind: &Kind, id: &Id) -> Result<Reply, Refusal> {
    let patch = Patch::of_request(engine, request)?;
    let expect = expectation(request.if_match, request.if_none_match)?;
    conditional::persist(engine, || attempt(engine, request, (kind, id), &patch, expect, None))
}

/// Changes the record that a search finds: 200; 404 where it finds none, 412 where it finds several.
///
/// # Errors
/// As [`patch`]; 400 where the search is not understood, 412 where it has no criteria.
pub fn patch_conditionally(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    kind: &Kind,
) -> Result<Reply, Refusal> {
    let patch = Patch::of_request(engine, request)?;
    let expect = expectation(request.if_match, request.if_none_match)?;
    conditional::persist(engine, || {
        let found = conditional::find(engine, kind, request.query, 2)?;
        let id = found.at_most_one()?.ok_or_else(|| none_found(kind, request.query))?;
        attempt(engine, request, (kind, &id), &patch, expect, Some(found.guard()))
    })
}

/// The refusal to patch what a search does not find.
pub fn none_found(kind: &Kind, query: &str) -> Refusal {
    Refusal::because(
        Reason::NotFound,
        format!("No {kind} matches \"{query}\", so there is nothing to patch."),
    )
}

fn attempt(
    engine: &Engine,
    request: &Request<'_>,
    (kind, id): (&Kind, &Id),
    patch: &Patch,
    expect: Expect,
    guard: Option<Guard>,
) -> Result<Attempt<Reply>, Refusal> {
    let current = current(engine, kind, id, expect)?;
    let document = patch.apply(engine, &current)?;
    let prepared = engine.prepare(kind, document.root(), request.prefer.wants_remarks())?;
    let write = prepared.clone().into_write(
        kind.clone(),
        id.clone(),
        Operation::Update,
        Expect::Version(current.version),
    );
    let stays_merged = engine
        .stays_merged(std::slice::from_ref(&write))
        .map_err(|(_, refusal)| refusal)?;
    let done = match submit(engine, write, conditional::both(guard, stays_merged)) {
        Ok(done) => done,
        // Somebody else wrote in between: patch what they wrote, unless the caller named a version.
        Err(Refused::Disturbed) => return Ok(Attempt::Disturbed),
        Err(Refused::Expectation { .. }) if !matches!(expect, Expect::Version(_)) => return Ok(Attempt::Disturbed),
        Err(refused) => return Err(of_refused(refused, &[(kind.clone(), id.clone())])),
    };
    let written = Written {
        kind,
        id,
        done,
        status: 200,
        body: &prepared.body,
        issues: &prepared.issues,
    };
    Ok(Attempt::Done(written.reply(request)))
}

/// The version a patch starts from.
///
/// # Errors
/// 404, 410 where there is none; 412 where it is not as expected.
pub fn current(engine: &Engine, kind: &Kind, id: &Id, expect: Expect) -> Result<Version, Refusal> {
    let found = engine.store.current(kind, id)?;
    let version = found.ok_or_else(|| not_found(kind, id))?;
    if !version.operation.is_live() {
        return Err(deleted(&version));
    }
    let holds = match expect {
        Expect::Anything | Expect::Present => true,
        Expect::Version(wanted) => wanted == version.version,
        Expect::Current(wanted) => wanted == Some(version.version),
        Expect::Absent | Expect::New => false,
    };
    if !holds {
        let refused = Refused::Expectation {
            write: 0,
            current: Some((version.version, true)),
        };
        return Err(of_refused(refused, &[(kind.clone(), id.clone())]));
    }
    Ok(version)
}

impl Patch {
    /// The patch in a request's body, by its content type; without one, by its shape.
    ///
    /// # Errors
    /// 413, 400 as any body; 415 for another format.
    pub fn of_request(engine: &Engine, request: &Request<'_>) -> Result<Patch, Refusal> {
        let media = request.content_type.unwrap_or_default();
        let essence = media.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/xml-patch+xml") {
            let patch = xml::patch::Patch::read(request.body, xml_limits(engine));
            return patch.map(Patch::Xml).map_err(refused);
        }
        let named = essence.eq_ignore_ascii_case("application/json-patch+json");
        if !named {
            format::body_is_json(request).map_err(|refusal| unsupported(refusal.issues))?;
        }
        let plain = Request {
            content_type: None,
            ..*request
        };
        let document = engine.parse(&plain, engine.limits.body_bytes)?;
        if named || (document.root().is_array() && !essence.eq_ignore_ascii_case("application/fhir+json")) {
            return Ok(Patch::Json(Tree::from_node(document.root())));
        }
        Patch::of_parameters(document)
    }

    /// The FHIRPath Patch in a Parameters resource.
    ///
    /// # Errors
    /// 400 where it is something else.
    pub fn of_parameters(document: Document) -> Result<Patch, Refusal> {
        if document.root().string("resourceType").as_deref() == Some("Parameters") {
            return Ok(Patch::Path(document));
        }
        let text = "A patch as application/fhir+json is a Parameters resource; a JSON Patch is sent as application/json-patch+json, an XML Patch as application/xml-patch+xml.";
        Err(Refusal::because(Reason::Malformed, text).at("resourceType"))
    }

    /// The record as the patch leaves it.
    ///
    /// # Errors
    /// 400 where the patch is malformed; 422 where it does not fit the record, changes its type or id, or makes it too
    /// large to be read.
    pub fn apply(&self, engine: &Engine, current: &Version) -> Result<Document, Refusal> {
        let limits = parse::Limits {
            depth: engine.limits.json_depth,
            bytes: engine.limits.body_bytes,
        };
        let record = Document::parse(&spliced(current), parse::Limits::default())
            .map_err(|e| Refusal::broken(format!("a stored record cannot be read. {e}")))?;
        let patched = match self {
            Patch::Json(patch) => patch_json::apply(Tree::from_node(record.root()), patch),
            Patch::Xml(patch) => patch_xml(engine, &record, patch),
            Patch::Path(patch) => {
                let moment = Moment {
                    now: now(),
                    zone: engine.zone,
                };
                patch_path::apply(&Definer(&engine.definitions), moment, record.root(), patch.root())
            }
        };
        let patched = patched.map_err(refused)?;
        for (member, value) in [("resourceType", current.kind.as_str()), ("id", current.id.as_str())] {
            if patched.get(member).and_then(Tree::as_str) != Some(value) {
                let text = format!("A patch cannot change {member}: it must stay \"{value}\".");
                return Err(Refusal::because(Reason::Unprocessable, text).at(format!("{}.{member}", current.kind)));
            }
        }
        Document::parse(&patched.to_bytes(), limits).map_err(|e| {
            Refusal::because(
                Reason::Unprocessable,
                format!("The record as the patch leaves it cannot be stored. {e}"),
            )
        })
    }
}

fn xml_limits(engine: &Engine) -> xml::Limits {
    xml::Limits {
        depth: engine.limits.json_depth,
        bytes: engine.limits.body_bytes,
    }
}

/// The record as an XML Patch leaves it: patched as XML, and made JSON again.
fn patch_xml(engine: &Engine, record: &Document, patch: &xml::patch::Patch) -> Result<Tree, Issue> {
    let unfit = |text: String| Issue::error(Code::BusinessRule, text);
    let written = xml::write(&engine.definitions, record.root(), false);
    let written = written.map_err(|e| unfit(format!("The record cannot be patched as XML: {e}")))?;
    // What was stored may be as long as it is; only what the patch adds to it is the patch's matter.
    let limits = xml::Limits {
        bytes: written.len() + xml_limits(engine).bytes,
        ..xml_limits(engine)
    };
    let patched = patch.apply(&String::from_utf8_lossy(&written), limits)?;
    let left = |e: &dyn std::fmt::Display| unfit(format!("The patch leaves a record that cannot be read. {e}"));
    let json = xml::read(&engine.definitions, patched.as_bytes(), limits).map_err(|e| left(&e))?;
    Tree::parse(&json).map_err(|e| left(&e))
}

fn unsupported(issues: Vec<Issue>) -> Refusal {
    Refusal {
        accept_patch: Some(PATCH_FORMATS),
        ..Refusal::with(Reason::UnsupportedMedia, issues)
    }
}

fn refused(issue: Issue) -> Refusal {
    let reason = match issue.code {
        Code::Structure => Reason::Malformed,
        Code::TooCostly => Reason::TooCostly,
        _ => Reason::Unprocessable,
    };
    Refusal::with(reason, vec![issue])
}
