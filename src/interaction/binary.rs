//! Binary by its own bytes: read, created and updated in the type of its content (<https://hl7.org/fhir/R4/binary.html#rest>).
//!
//! "When a read request is made for the binary resource that doesn't explicitly specify the FHIR content types […] then the
//! content should be returned using the content type stated in the resource". What is written to a Binary is its content,
//! whatever its type, unless it is a Binary itself. Everything else a Binary is asked goes the way of all records.

use fhir::base64;
use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::{Limits, write_string};
use fhirpath::encode::to_base64;

use crate::cache::Cached;
use crate::conditional::{self, Attempt};
use crate::engine::Engine;
use crate::format;
use crate::read;
use crate::refusal::{Reason, Refusal};
use crate::reply::{Body, Reply};
use crate::request::{Caller, Method, Request};
use crate::shape::Shape;
use crate::vread::version_of;
use crate::{create, update};

const BINARY: &str = "Binary";
/// What stands in for a content type that no header can hold.
const UNKNOWN: &str = "application/octet-stream";
/// Types a browser may show at its own window: none of them runs anything. Everything else is offered to be saved.
const SHOWN: [&str; 8] = [
    "application/dicom",
    "application/pdf",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/csv",
    "text/plain",
];

/// Whether a path is of Binary, where any type may be sent and accepted.
pub fn is_at(path: &str) -> bool {
    path.split('/').next() == Some(BINARY)
}

/// Answers what is asked of a Binary by its content; `None` for everything else. `format` is `_format`, and `others` says
/// whether there are other parameters, which speak of the resource.
pub(crate) fn answer(
    engine: &Engine,
    caller: &Caller,
    request: &Request<'_>,
    (format, others): (Option<&str>, bool),
) -> Option<Result<Reply, Refusal>> {
    if !is_at(request.path) {
        return None;
    }
    let segments: Vec<&str> = request.path.trim_end_matches('/').split('/').skip(1).collect();
    let resource = others || format.is_some_and(format::is_fhir);
    match (request.method, segments.as_slice()) {
        (Method::Get | Method::Head, [id] | [id, "_history", _]) if !resource && Id::new(id).is_some() => {
            raw(engine, request, id, segments.get(2).copied()).transpose()
        }
        (Method::Post, []) if is_content(engine, request) => Some(create(engine, caller, request)),
        (Method::Put, [id]) if is_content(engine, request) => Some(update(engine, caller, request, id)),
        _ => None,
    }
}

fn kind() -> Kind {
    Kind::new(BINARY).expect("a name of a kind")
}

/// The content of a record or of one version of it; `None` where the caller wants the resource.
fn raw(engine: &Engine, request: &Request<'_>, id: &str, version: Option<&str>) -> Result<Option<Reply>, Refusal> {
    let Some(id) = Id::new(id) else { return Ok(None) };
    let found = match version {
        Some(version) => version_of(engine, &kind(), &id, version)?,
        None => engine.record(&kind(), &id)?,
    };
    let document = Document::parse(&found.json, Limits::default())?;
    let root = document.root();
    let own = root.string("contentType").unwrap_or_default();
    if format::wants_resource(request.accept, essence(&own)) {
        return Ok(None);
    }
    let content = base64::decode(&root.string("data").unwrap_or_default());
    let content = content.ok_or_else(|| Refusal::broken("the data of a stored Binary is no base64."))?;
    let context = root
        .get("securityContext")
        .and_then(|context| context.string("reference"));
    Ok(Some(sent(
        engine,
        request,
        found,
        (own.into_owned(), content),
        context.map(Into::into),
    )))
}

/// The answer with a content and its type.
fn sent(
    engine: &Engine,
    request: &Request<'_>,
    found: Cached,
    (media, content): (String, Vec<u8>),
    security_context: Option<String>,
) -> Reply {
    let reply = read::answer(engine, request, found, &Shape::Whole);
    if reply.status != 200 {
        return reply;
    }
    let shown = SHOWN.iter().any(|shown| shown.eq_ignore_ascii_case(essence(&media)));
    let fits = !media.is_empty() && media.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    Reply {
        body: Body::Owned(content),
        media: if fits { media.into() } else { UNKNOWN.into() },
        disposition: Some(if shown { "inline" } else { "attachment" }),
        security_context,
        ..reply
    }
}

/// A media type without its parameters.
fn essence(media: &str) -> &str {
    media.split(';').next().unwrap_or_default().trim()
}

/// Whether a body is the content of a Binary: whatever says its type and is no Binary.
fn is_content(engine: &Engine, request: &Request<'_>) -> bool {
    let Some(media) = request.content_type else {
        return false;
    };
    let read = match format::Sent::read(engine, request) {
        Ok(sent) if format::is_fhir(media) => Document::parse(sent.request(request).body, Limits::default()).ok(),
        _ => None,
    };
    let kind = read.as_ref().and_then(|read| read.root().string("resourceType"));
    kind.as_deref() != Some(BINARY)
}

fn create(engine: &Engine, caller: &Caller, request: &Request<'_>) -> Result<Reply, Refusal> {
    let body = wrapped(engine, request, None, request.security_context)?;
    create::create(engine, caller, &with(request, &body, request.if_match), &kind())
}

/// Updates the content. Whose it is does not change where the caller does not say: a proxy for who may read it would
/// be lost with every update otherwise.
fn update(engine: &Engine, caller: &Caller, request: &Request<'_>, id: &str) -> Result<Reply, Refusal> {
    let id = Id::new(id).ok_or_else(|| Refusal::because(Reason::Invalid, format!("\"{id}\" is no id.")))?;
    conditional::persist(engine, || {
        let current = engine.record(&kind(), &id).ok();
        let known = current.as_ref().and_then(|current| context_of(&current.json));
        let body = wrapped(
            engine,
            request,
            Some(&id),
            request.security_context.or(known.as_deref()),
        )?;
        let tag = current.filter(|_| request.if_none_match.is_none());
        let tag = tag.map(|current| format!("W/\"{}\"", current.version));
        let own = request.if_match.or(tag.as_deref());
        match update::update(engine, caller, &with(request, &body, own), &kind(), &id) {
            Err(refusal) if refusal.status == 412 && request.if_match.is_none() && tag.is_some() => {
                Ok(Attempt::Disturbed)
            }
            answer => answer.map(Attempt::Done),
        }
    })
}

fn context_of(json: &[u8]) -> Option<String> {
    let document = Document::parse(json, Limits::default()).ok()?;
    let context = document.root().get("securityContext")?.string("reference")?;
    Some(context.into_owned())
}

/// The request with a Binary as its body.
fn with<'a>(request: &Request<'a>, body: &'a [u8], if_match: Option<&'a str>) -> Request<'a> {
    Request {
        body,
        content_type: Some("application/fhir+json"),
        if_match,
        ..*request
    }
}

/// The Binary of a body.
fn wrapped(
    engine: &Engine,
    request: &Request<'_>,
    id: Option<&Id>,
    security_context: Option<&str>,
) -> Result<Vec<u8>, Refusal> {
    let data = to_base64(request.body);
    if data.len() > engine.limits.body_bytes {
        let text = format!(
            "The content has {} bytes; a Binary takes three quarters of the {} that a record may have.",
            request.body.len(),
            engine.limits.body_bytes
        );
        return Err(Refusal::because(Reason::TooLarge, text));
    }
    let mut out = br#"{"resourceType":"Binary""#.to_vec();
    let mut member = |name: &str, text: &str| {
        out.extend_from_slice(format!(",\"{name}\":").as_bytes());
        write_string(&mut out, text);
    };
    if let Some(id) = id {
        member("id", id.as_str());
    }
    member("contentType", request.content_type.unwrap_or(UNKNOWN));
    if !data.is_empty() {
        member("data", &data);
    }
    if let Some(reference) = security_context {
        out.extend_from_slice(br#","securityContext":{"reference":"#);
        write_string(&mut out, reference);
        out.push(b'}');
    }
    out.push(b'}');
    Ok(out)
}
