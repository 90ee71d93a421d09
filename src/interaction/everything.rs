//! `Patient/[id]/$everything` (<https://hl7.org/fhir/R4/patient-operation-everything.html>): the patient's compartment.

use fhir::identity::{Id, Kind};
use query::predicate::Predicate;

use crate::compartment::Part;
use crate::cursor::{self, Token, link};
use crate::engine::{Engine, now};
use crate::page::{Mode, Page};
use crate::record;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{Wanted, find};

/// What `$everything` may be asked.
struct Asked {
    /// A condition on every record: `_since`.
    since: Predicate,
    /// The kinds asked for; all where there are none.
    types: Vec<Kind>,
    count: usize,
    token: Option<String>,
    question: Vec<(String, String)>,
}

/// All records of a patient's compartment, the patient first, page by page where `_count` is smaller.
///
/// # Errors
/// 404, 410 where there is no such patient; 400 for parameters that are not understood.
pub fn everything(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    id: &Id,
    params: &[(String, String)],
) -> Result<Reply, Refusal> {
    let patient = engine.kind("Patient")?;
    engine.record(&patient, id)?;
    let asked = read(engine, params)?;
    let parts = parts(engine, &patient, id, &asked)?;
    let path = format!("{}/Patient/{id}/$everything", request.base);
    let question = link(&path, &asked.question, None);
    let token = asked
        .token
        .as_deref()
        .map(|text| Token::read(text, &question, engine.head()))
        .transpose()?;
    let wanted = Wanted {
        parts: &parts,
        sort: &[],
        limit: asked.count,
        total: true,
        deadline: engine.deadline(),
    };
    let matches = find(engine, &wanted, token.as_ref())?;
    let mut links = vec![("self", link(&path, &asked.question, asked.token.as_deref()))];
    if let Some(next) = matches.next.as_ref().filter(|_| asked.count > 0) {
        links.push(("next", link(&path, &asked.question, Some(&next.write(&question)))));
    }
    let mut page = Page::start("searchset", now(), matches.total, &links);
    for record in record::fetch(engine, &matches.hits)? {
        page.found(request.base, &record.kind, &record.id, Mode::Match, |out| {
            out.extend_from_slice(&record.json);
        });
    }
    Ok(Reply::json(200, page.finish()))
}

fn read(engine: &Engine, params: &[(String, String)]) -> Result<Asked, Refusal> {
    let mut asked = Asked {
        since: Predicate::All,
        types: Vec::new(),
        count: engine.limits.page_max,
        token: None,
        question: Vec::new(),
    };
    for (name, value) in params {
        match name.as_str() {
            "_since" => {
                let test = [("_lastUpdated".to_owned(), format!("ge{value}"))];
                let handling = query::Handling {
                    strict: true,
                    now: now(),
                    base: "",
                };
                let search = query::parse(&engine.registry, &[], &test, &handling);
                asked.since = search
                    .map_err(|issues| Refusal::with(Reason::Invalid, issues))?
                    .predicate;
            }
            "_type" => {
                let kinds = value.split(',').map(|name| engine.kind(name.trim()));
                asked.types = kinds.collect::<Result<_, _>>()?;
            }
            "_count" => {
                let bad = |_| {
                    let text = format!("_count is \"{value}\"; write a whole number.");
                    Refusal::because(Reason::Invalid, text).at("http._count")
                };
                asked.count = value.parse::<usize>().map_err(bad)?.min(engine.limits.page_max);
            }
            cursor::PARAMETER => {
                asked.token = Some(value.clone());
                continue;
            }
            _ => {
                let text = format!("$everything knows no parameter \"{name}\"; it knows _since, _type and _count.");
                return Err(Refusal::because(Reason::NotSupported, text).at(format!("http.{name}")));
            }
        }
        asked.question.push((name.clone(), value.clone()));
    }
    Ok(asked)
}

/// The patient, then the rest of the compartment, in parts to be asked one by one.
fn parts(engine: &Engine, patient: &Kind, id: &Id, asked: &Asked) -> Result<Vec<Part>, Refusal> {
    let own = Predicate::Is(vec![id.clone()]);
    let mut parts = vec![(vec![patient.clone()], own.clone())];
    for (kinds, belongs) in engine.compartments.parts(&engine.registry, patient, id, None)? {
        // The patient comes first; patients linked to it are a part of their own.
        let rest = if kinds.contains(patient) {
            belongs.and(own.clone().negate())
        } else {
            belongs
        };
        parts.push((kinds, rest));
    }
    for (kinds, predicate) in &mut parts {
        kinds.retain(|kind| asked.types.is_empty() || asked.types.contains(kind));
        *predicate = std::mem::replace(predicate, Predicate::All).and(asked.since.clone());
    }
    parts.retain(|(kinds, _)| !kinds.is_empty());
    Ok(parts)
}
