//! `Patient/[id]/$everything` (<https://hl7.org/fhir/R4/patient-operation-everything.html>): the patient's compartment.

use fhir::identity::{Id, Kind};
use query::Total;
use query::predicate::Predicate;

use crate::cursor::{self, Token, link};
use crate::engine::{Engine, now};
use crate::operation::Call;
use crate::page::{Mode, Page};
use crate::record;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{Matches, Wanted, find};

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
pub fn everything(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let patient = engine.kind("Patient")?;
    let id = call.id.expect("it is asked of records only");
    engine.record(&patient, id)?;
    let asked = read(engine, call.params)?;
    let path = format!("{}/Patient/{id}/$everything", request.base);
    let question = link(&path, &asked.question, None);
    let token = asked
        .token
        .as_deref()
        .map(|text| Token::read(text, &question, engine.head()))
        .transpose()?;
    let matches = page(engine, &patient, id, &asked, token.as_ref())?;
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

/// A page of the compartment. The patient leads the first; on the others only what belongs to it is asked for.
fn page(engine: &Engine, patient: &Kind, id: &Id, asked: &Asked, token: Option<&Token>) -> Result<Matches, Refusal> {
    let clock = engine.clock(false);
    let own = Predicate::Is(vec![id.clone()]);
    let mut lead = None;
    if token.is_none() && (asked.types.is_empty() || asked.types.contains(patient)) {
        let wanted = Wanted {
            kinds: std::slice::from_ref(patient),
            predicate: &own.clone().and(asked.since.clone()),
            sort: &[],
            limit: 1,
            total: Total::None,
            clock: clock.clone(),
        };
        lead = Some(find(engine, &wanted, None)?);
    }
    let belonging = engine.compartments.of(&engine.registry, patient, id, None)?;
    let own = Predicate::Kind(vec![patient.clone()]).and(own);
    let mut kinds = belonging.kinds;
    kinds.retain(|kind| asked.types.is_empty() || asked.types.contains(kind));
    let rest = match kinds.is_empty() {
        true => Predicate::Nothing,
        false => belonging.predicate.and(own.negate()).and(asked.since.clone()),
    };
    // What the patient takes up of the first page is not asked for; all of it is counted.
    let start = lead.as_ref().map(|lead| Token::beginning(lead.at));
    let leads = lead.as_ref().map_or(0, |lead| lead.hits.len());
    let full = asked.count > 0 && leads == asked.count;
    let wanted = Wanted {
        kinds: &kinds,
        predicate: &rest,
        sort: &[],
        limit: if full { 0 } else { asked.count.saturating_sub(leads) },
        total: Total::Accurate,
        clock,
    };
    let mut matches = find(engine, &wanted, token.or(start.as_ref()))?;
    let Some(lead) = lead else {
        return Ok(matches);
    };
    if full && matches.total > Some(0) {
        matches.next = start;
    }
    matches.total = matches.total.map(|total| total + leads as u64);
    if let Some(next) = &mut matches.next {
        next.total = matches.total;
    }
    if asked.count > 0 {
        matches.hits.splice(0..0, lead.hits);
    }
    Ok(matches)
}
