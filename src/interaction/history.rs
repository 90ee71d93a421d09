//! `_history` of a record, a kind or everything (<https://hl7.org/fhir/R4/http.html#history>).
//!
//! Pages go down the log from the position at which the first was asked for: nothing is missed and nothing comes twice
//! while others write.

use fhir::body;
use fhir::identity::{Id, Kind};
use fhir::moment;
use search_index::UNDER;
use store::{HistoryRange, Operation, Scope, Version};

use crate::built_in;
use crate::cache::Cached;
use crate::cursor::{self, Token, Turn, link};
use crate::engine::{Engine, header, not_found, now, spliced};
use crate::page::{Page, Past};
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::shape::Shape;

/// What a history may be asked.
struct Asked {
    since: Option<i64>,
    at: Option<moment::Stretch>,
    count: usize,
    token: Option<String>,
    /// The parameters that make up the question, for links.
    question: Vec<(String, String)>,
}

/// Reads a history, newest first. `path` is that of the request, for links.
///
/// # Errors
/// 400 for parameters that are not understood; 404 where the record never was.
pub fn history(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    scope: &Scope,
    (params, shape): (&[(String, String)], &Shape),
) -> Result<Reply, Refusal> {
    if let Scope::Record(kind, id) = scope
        && engine
            .cached(kind.as_str(), id.as_str())
            .is_none_or(|cached| cached.seq == UNDER)
        && engine.store.current(kind, id)?.is_none()
    {
        let own = built_in::record(kind, id).ok_or_else(|| not_found(kind, id))?;
        return of_program(engine, request, (kind, id, &own), &read(engine, params)?, shape);
    }
    let asked = read(engine, params)?;
    let path = format!("{}/{}", request.base, request.path);
    let question = link(&path, &asked.question, None);
    let head = engine.store.head();
    let token = asked
        .token
        .as_deref()
        .map(|text| Token::read(text, &question, head))
        .transpose()?;
    let top = token.as_ref().map_or(head, |token| token.at);
    let range = HistoryRange {
        before: Some(top + 1),
        since: asked.since,
        at: asked.at,
        current_only: false,
        limit: asked.count + 1,
    };
    let total = match token.as_ref().and_then(|token| token.total) {
        Some(total) => total,
        None => engine.store.history_count(scope, &range)?,
    };
    let before = token.as_ref().and_then(|token| token.turn.cursor()?.parse().ok());
    let range = HistoryRange {
        before: before.or(range.before),
        ..range
    };
    let mut versions = if asked.count == 0 {
        Vec::new()
    } else {
        engine.store.history(scope, &range)?
    };
    let more = versions.len() > asked.count;
    versions.truncate(asked.count);
    let own = asked.token.as_deref();
    let mut links = vec![("self", link(&path, &asked.question, own))];
    if let Some(last) = versions.last().filter(|_| more) {
        let next = Token {
            at: top,
            total: Some(total),
            turn: Turn::After(last.seq.to_string()),
        };
        links.push(("next", link(&path, &asked.question, Some(&next.write(&question)))));
        links.push(("first", question));
    }
    let mut page = Page::start("history", now(), Some(total), &links);
    for version in &versions {
        add(engine, request.base, version, shape, &mut page);
    }
    Ok(Reply::json(200, page.finish()))
}

/// The history of a definition that is part of the program: it has one version, the program's.
fn of_program(
    engine: &Engine,
    request: &Request<'_>,
    (kind, id, own): (&Kind, &Id, &Cached),
    asked: &Asked,
    shape: &Shape,
) -> Result<Reply, Refusal> {
    let after = asked.since.is_none_or(|since| own.updated >= since);
    let is_asked = after && asked.at.is_none_or(|at| own.updated < at.end);
    let path = format!("{}/{}", request.base, request.path);
    let links = [("self", link(&path, &asked.question, None))];
    let mut page = Page::start("history", now(), Some(u64::from(is_asked)), &links);
    let past = Past {
        kind,
        id,
        version: own.version,
        updated: own.updated,
        method: "PUT",
        status: "201 Created",
    };
    let write = |out: &mut Vec<u8>| match shape {
        Shape::Whole => out.extend_from_slice(&own.json),
        shape => shape.write(&engine.definitions, &own.json, out),
    };
    if is_asked && asked.count > 0 {
        page.happened(request.base, &past, Some(&write));
    }
    Ok(Reply::json(200, page.finish()))
}

fn read(engine: &Engine, params: &[(String, String)]) -> Result<Asked, Refusal> {
    let limits = &engine.limits;
    let mut asked = Asked {
        since: None,
        at: None,
        count: limits.page_default.min(limits.page_max),
        token: None,
        question: Vec::new(),
    };
    for (name, value) in params {
        let bad = |wants: &str| {
            let text = format!("{name} is \"{value}\"; {wants}.");
            Refusal::because(Reason::Invalid, text).at(format!("http.{name}"))
        };
        match name.as_str() {
            "_count" => {
                let count: usize = value.parse().map_err(|_| bad("write a whole number"))?;
                asked.count = count.min(limits.page_max);
                // The links say what was used.
                asked.question.push((name.clone(), asked.count.to_string()));
                continue;
            }
            "_since" => {
                let since = moment::stretch(value, engine.zone).ok_or_else(|| bad("write an instant"))?;
                asked.since = Some(since.start);
            }
            "_at" => asked.at = Some(moment::stretch(value, engine.zone).ok_or_else(|| bad("write a date or time"))?),
            cursor::PARAMETER => {
                asked.token = Some(value.clone());
                continue;
            }
            _ => {
                let text = format!("A history knows no parameter \"{name}\"; it knows _since, _at and _count.");
                return Err(Refusal::because(Reason::NotSupported, text).at(format!("http.{name}")));
            }
        }
        asked.question.push((name.clone(), value.clone()));
    }
    Ok(asked)
}

fn add(engine: &Engine, base: &str, version: &Version, shape: &Shape, page: &mut Page) {
    let (method, status) = match version.operation {
        Operation::Create => ("POST", "201 Created"),
        Operation::Update if version.base.is_none() => ("PUT", "201 Created"),
        Operation::Update => ("PUT", "200 OK"),
        Operation::Delete => ("DELETE", "204 No Content"),
    };
    let past = Past {
        kind: &version.kind,
        id: &version.id,
        version: version.version,
        updated: version.updated,
        method,
        status,
    };
    let write = |out: &mut Vec<u8>| match shape {
        Shape::Whole => body::splice(header(version), &version.body, out),
        shape => shape.write(&engine.definitions, &spliced(version), out),
    };
    page.happened(
        base,
        &past,
        if version.operation.is_live() {
            Some(&write)
        } else {
            None
        },
    );
}
