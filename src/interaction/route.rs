//! Which interaction a request is: by its path and its method. Every request gets an answer here.

use fhir::identity::{Id, Kind};
use store::Scope;

use crate::address;
use crate::at_hand;
use crate::conditional::{bad_encoding, too_long};
use crate::engine::Engine;
use crate::format::{Format, Sent, Wanted};
use crate::operation::{self, At, Call, Operation};
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Method, Request};
use crate::search::{self, Within};
use crate::shape::Shape;
use crate::{binary, bundle, capabilities, create, delete, find_people, history, patch, proxy, read, update, vread};

/// A path, read (<https://hl7.org/fhir/R4/http.html#summary>).
enum Place {
    Base,
    Metadata,
    /// The box for finding people; it is no part of FHIR.
    Find,
    History(Scope),
    Search(Option<Kind>),
    Kind(Kind),
    Record(Kind, Id),
    Version(Kind, Id, String),
    /// Records of one kind, or of all, in the compartment of a record; with `_search` or without.
    Compartment(Kind, Id, Option<Kind>, bool),
    /// An operation, with the kind, the id and the version in its address.
    Operation(&'static Operation, Option<Kind>, Option<Id>, Option<String>),
}

/// The parameters that every interaction has (<https://hl7.org/fhir/R4/http.html#parameters>), and the rest.
struct Common {
    wanted: Wanted,
    /// `_format`, where it has a value.
    format: Option<String>,
    shape: Shape,
    /// All other parameters, those of the shape included for searches.
    rest: Vec<(String, String)>,
}

/// Answers a request. Whatever fails is answered with an OperationOutcome.
pub fn answer(engine: &Engine, caller: &Caller, request: &Request<'_>) -> Reply {
    engine.upkeep.note();
    match common(engine, request) {
        Ok(common) => {
            let reply = plain(engine, caller, request, &common).unwrap_or_else(Reply::from);
            common.wanted.write(&engine.definitions, reply)
        }
        Err(refusal) => Wanted::of_refused(request).write(&engine.definitions, refusal.into()),
    }
}

/// Answers a request that is part of another: in JSON, whatever it asks for.
pub(crate) fn answer_part(engine: &Engine, caller: &Caller, request: &Request<'_>) -> Reply {
    let answered = common(engine, request).and_then(|common| plain(engine, caller, request, &common));
    answered.unwrap_or_else(Reply::from)
}

/// The answer to a search that a clinic passes on; 400 to anything else, whatever it would be answered here.
pub fn answer_search(engine: &Engine, caller: &Caller, request: &Request<'_>) -> Reply {
    let place = place(engine, request.path);
    match place.map(|place| within(request.method, &place)) {
        Ok(Some(_)) => answer(engine, caller, request),
        Ok(None) => Reply::from(Refusal::because(
            Reason::Invalid,
            "This is no search: only searches are passed on to the centre.".to_owned(),
        )),
        Err(refusal) => Reply::from(refusal),
    }
}

/// The answer in JSON.
fn plain(engine: &Engine, caller: &Caller, request: &Request<'_>, common: &Common) -> Result<Reply, Refusal> {
    let asked = (common.format.as_deref(), !common.rest.is_empty());
    if let Some(answer) = binary::answer(engine, caller, request, asked) {
        return answer;
    }
    let sent = Sent::read(engine, request)?;
    dispatch(engine, caller, &sent.request(request), common)
}

/// The answer to the most frequent requests of all, where it lies ready: a plain read of a record in the read cache, a
/// search that takes little work. It waits for nobody, so that the server can give it at once.
pub fn ready(engine: &Engine, caller: &Caller, request: &Request<'_>) -> Option<Reply> {
    if request.method != Method::Get {
        return None;
    }
    if !request.query.is_empty() {
        return asked_ready(engine, caller, request);
    }
    let (kind, id) = request.path.split_once('/').filter(|_| !binary::is_at(request.path))?;
    // What a clinic says of a record takes a look at it.
    let cached = engine.cached(kind, id).filter(|_| engine.store.node() == 0)?;
    let wanted = Wanted::of(request, None).ok()?;
    if wanted.format != Format::Json {
        return None;
    }
    Some(wanted.write(
        &engine.definitions,
        read::answer(engine, request, cached, &Shape::Whole),
    ))
}

/// The answer to a search or to a question about codes, where it is at hand. Whatever else may be said to it takes the
/// long way.
fn asked_ready(engine: &Engine, caller: &Caller, request: &Request<'_>) -> Option<Reply> {
    let common = common(engine, request).ok()?;
    let plain = common.wanted.format == Format::Json && !common.wanted.pretty;
    if !plain || proxy::is_wanted(&common.rest) || !common.rest.iter().all(|(name, _)| at_hand::may_be(name)) {
        return None;
    }
    let request = &Request {
        at_hand: true,
        ..*request
    };
    let search = |within| search::search(engine, caller, request, &within, &common.rest).ok();
    let reply = match place(engine, request.path).ok()? {
        Place::Kind(kind) => search(Within::Kind(kind))?,
        Place::Compartment(center, id, of, false) => search(Within::Compartment { center, id, of })?,
        Place::Find => {
            let found = find_people::ready(engine, &common.rest)?;
            return Some(common.wanted.write(&engine.definitions, found));
        }
        Place::Operation(operation, Some(kind), None, None) if operation.may_be_at_hand() => {
            let call = Call {
                operation,
                kind: Some(&kind),
                id: None,
                version: None,
                params: &common.rest,
                format: None,
            };
            (operation.answer)(engine, caller, request, &call).ok()?
        }
        _ => return None,
    };
    engine.upkeep.note();
    Some(common.wanted.write(&engine.definitions, reply))
}

fn common(engine: &Engine, request: &Request<'_>) -> Result<Common, Refusal> {
    let limit = engine.limits.query_bytes;
    let form = request.form.unwrap_or("");
    if request.query.len() > limit || form.len() > limit {
        return Err(too_long(request.query.len().max(form.len()), limit));
    }
    let mut all = address::pairs(request.query).ok_or_else(|| bad_encoding(request.query))?;
    all.extend(address::pairs(form).ok_or_else(|| bad_encoding(form))?);
    let value = |name: &str| all.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let parameter = value("_format").filter(|wanted| !wanted.is_empty());
    let wanted = match Wanted::of(request, parameter) {
        Err(_) if operation::has_own_formats(request.path) || binary::is_at(request.path) => Wanted::PLAIN,
        wanted => wanted?,
    };
    Ok(Common {
        format: parameter.map(str::to_owned),
        wanted: Wanted {
            pretty: matches!(value("_pretty"), Some("true" | "")),
            ..wanted
        },
        shape: Shape::of(value("_summary"), value("_elements"))?,
        rest: all
            .into_iter()
            .filter(|(name, _)| name != "_format" && name != "_pretty")
            .collect(),
    })
}

impl Common {
    /// The parameters without those of the shape: what a history reads.
    fn without_shape(&self) -> Vec<(String, String)> {
        let kept = self
            .rest
            .iter()
            .filter(|(name, _)| name != "_summary" && name != "_elements");
        kept.cloned().collect()
    }
}

fn place(engine: &Engine, path: &str) -> Result<Place, Refusal> {
    let decoded: Option<Vec<String>> = path.trim_end_matches('/').split('/').map(address::decode).collect();
    let unknown = || {
        let text = format!("There is nothing at \"{path}\"; GET /fhir/metadata lists what this server does.");
        Refusal::because(Reason::NoSuchPath, text)
    };
    let decoded = decoded.ok_or_else(unknown)?;
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let id = |text: &str| Id::new(text).ok_or_else(|| bad_id(text));
    Ok(match segments.as_slice() {
        [""] | [] => Place::Base,
        ["metadata"] => Place::Metadata,
        ["find"] => Place::Find,
        ["_history"] => Place::History(Scope::All),
        ["_search"] => Place::Search(None),
        [name] if name.starts_with('$') => Place::Operation(operation_at(name, At::System)?, None, None, None),
        [kind] => Place::Kind(engine.kind(kind)?),
        [kind, "_search"] => Place::Search(Some(engine.kind(kind)?)),
        [kind, "_history"] => Place::History(Scope::Kind(engine.kind(kind)?)),
        [kind, name] if name.starts_with('$') => {
            let kind = engine.kind(kind)?;
            Place::Operation(operation_at(name, At::Kind(kind.as_str()))?, Some(kind), None, None)
        }
        [kind, record, name] if name.starts_with('$') => {
            let kind = engine.kind(kind)?;
            let operation = operation_at(name, At::Record(kind.as_str()))?;
            Place::Operation(operation, Some(kind), Some(id(record)?), None)
        }
        [kind, record, "_history", version, name] if name.starts_with('$') => {
            let kind = engine.kind(kind)?;
            let operation = operation_at(name, At::Version(kind.as_str()))?;
            Place::Operation(operation, Some(kind), Some(id(record)?), Some((*version).to_owned()))
        }
        [kind, record] => Place::Record(engine.kind(kind)?, id(record)?),
        [kind, record, "_history"] => Place::History(Scope::Record(engine.kind(kind)?, id(record)?)),
        [kind, record, "_history", version] => Place::Version(engine.kind(kind)?, id(record)?, (*version).to_owned()),
        [center, record, "*"] => Place::Compartment(engine.kind(center)?, id(record)?, None, false),
        [center, record, kind] => {
            Place::Compartment(engine.kind(center)?, id(record)?, Some(engine.kind(kind)?), false)
        }
        [center, record, kind, "_search"] => {
            Place::Compartment(engine.kind(center)?, id(record)?, Some(engine.kind(kind)?), true)
        }
        _ => return Err(unknown()),
    })
}

fn bad_id(text: &str) -> Refusal {
    let sentence = format!("\"{text}\" is no id: an id has 1 to 64 letters, digits, dashes and dots.");
    Refusal::because(Reason::Invalid, sentence)
}

fn operation_at(name: &str, at: At<'_>) -> Result<&'static Operation, Refusal> {
    operation::find(name, at).ok_or_else(|| {
        let text = format!("This server has no operation {name} here; GET /fhir/metadata lists those it has.");
        Refusal::because(Reason::NoSuchPath, text)
    })
}

impl Place {
    /// The methods the place knows, for `Allow`.
    fn methods(&self) -> &'static str {
        match self {
            Place::Base => "GET, HEAD, POST",
            Place::Metadata | Place::Find | Place::History(_) | Place::Version(..) => "GET, HEAD",
            Place::Search(_) | Place::Compartment(_, _, _, true) => "POST",
            Place::Kind(_) => "GET, HEAD, POST, PUT, PATCH, DELETE",
            Place::Record(..) => "GET, HEAD, PUT, PATCH, DELETE",
            Place::Compartment(_, _, _, false) => "GET, HEAD",
            Place::Operation(operation, ..) => operation.methods(),
        }
    }
}

fn dispatch(engine: &Engine, caller: &Caller, request: &Request<'_>, common: &Common) -> Result<Reply, Refusal> {
    let place = place(engine, request.path)?;
    let shape = &common.shape;
    // HEAD is GET whose body the server leaves away.
    let method = if request.method == Method::Head {
        Method::Get
    } else {
        request.method
    };
    match (method, &place) {
        (Method::Get, Place::Metadata) => capabilities::capabilities(engine, caller, request, shape),
        (Method::Get, Place::Find) => find_people::find_people(engine, caller, request, &common.rest),
        (Method::Get, Place::Record(kind, id)) => {
            only_shape(common)?;
            read::read(engine, caller, request, kind, id, shape)
        }
        (Method::Get, Place::Version(kind, id, version)) => {
            only_shape(common)?;
            vread::vread(engine, caller, request, (kind, id, version), shape)
        }
        (Method::Get, Place::History(scope)) => {
            history::history(engine, caller, request, scope, (&common.without_shape(), shape))
        }
        (_, Place::Operation(operation, kind, id, version))
            if method == Method::Post || operation.safe && method == Method::Get =>
        {
            let call = Call {
                operation,
                kind: kind.as_ref(),
                id: id.as_ref(),
                version: version.as_deref(),
                params: &common.rest,
                format: common.format.as_deref(),
            };
            (operation.answer)(engine, caller, request, &call)
        }
        (Method::Post, Place::Base) => bundle::bundle(engine, caller, request),
        (Method::Post, Place::Kind(kind)) => create::create(engine, caller, request, kind),
        (Method::Put, Place::Kind(kind)) => update::update_conditionally(engine, caller, request, kind),
        (Method::Put, Place::Record(kind, id)) => update::update(engine, caller, request, kind, id),
        (Method::Patch, Place::Kind(kind)) => patch::patch_conditionally(engine, caller, request, kind),
        (Method::Patch, Place::Record(kind, id)) => patch::patch(engine, caller, request, kind, id),
        (Method::Delete, Place::Kind(kind)) => delete::delete_conditionally(engine, caller, request, kind),
        (Method::Delete, Place::Record(kind, id)) => delete::delete(engine, caller, request, kind, id),
        _ => match within(method, &place) {
            Some(within) if proxy::is_wanted(&common.rest) => {
                proxy::proxy(engine, caller, request, &within, &common.rest)
            }
            Some(within) => search::search(engine, caller, request, &within, &common.rest),
            None => Err(no_method(&place)),
        },
    }
}

/// What a search is over, where the request is one.
fn within(method: Method, place: &Place) -> Option<Within> {
    match (method, place) {
        (Method::Get, Place::Base) | (Method::Post, Place::Search(None)) => Some(Within::System),
        (Method::Get, Place::Kind(kind)) | (Method::Post, Place::Search(Some(kind))) => {
            Some(Within::Kind(kind.clone()))
        }
        (Method::Get, Place::Compartment(center, id, of, false))
        | (Method::Post, Place::Compartment(center, id, of, true)) => Some(Within::Compartment {
            center: center.clone(),
            id: id.clone(),
            of: of.clone(),
        }),
        _ => None,
    }
}

fn no_method(place: &Place) -> Refusal {
    let methods = place.methods();
    Refusal {
        allow: Some(methods),
        ..Refusal::because(Reason::MethodNotAllowed, format!("This address knows only {methods}."))
    }
}

/// A read has no parameters but those of its shape; another is refused, never ignored.
fn only_shape(common: &Common) -> Result<(), Refusal> {
    match common.without_shape().first() {
        None => Ok(()),
        Some((name, _)) => {
            let text =
                format!("A read knows no parameter \"{name}\"; it knows _summary, _elements, _pretty and _format.");
            Err(Refusal::because(Reason::NotSupported, text).at(format!("http.{name}")))
        }
    }
}
