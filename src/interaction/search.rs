//! Search of a kind, of a compartment or of everything (<https://hl7.org/fhir/R4/search.html>), by GET and by POST.
//!
//! All pages of a search show the log position of the first. A page is put together from stored bytes.

use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use query::predicate::Predicate;
use query::{Containing, Search, SortKey, Summary, Total};
use search_index::{Clock, Cursor, Hit, Place, Query};

use crate::at_hand;
use crate::clinic::{self, Completeness};
use crate::compartment::Belonging;
use crate::contained;
use crate::current;
use crate::cursor::{self, Token, Turn, link};
use crate::distance;
use crate::engine::{Engine, now};
use crate::include::{self, Included};
use crate::page::{Mode, Page};
use crate::proxy;
use crate::record::{self, Record};
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Handling, Request};
use crate::shape::Shape;

/// What a search is over.
#[derive(Clone, Debug)]
pub enum Within {
    /// Everything, or the kinds that `_type` names.
    System,
    /// One kind.
    Kind(Kind),
    /// The records of one kind, or of all, that belong to a record.
    Compartment {
        /// The kind of that record.
        center: Kind,
        /// Its id.
        id: Id,
        /// The kind looked for; all where there is none.
        of: Option<Kind>,
    },
}

/// The parameter that asks how a search was answered and what that cost; the standard has none for it.
pub(crate) const EXPLAIN: &str = "__explain";

/// A search taken apart: what is asked of the index and how it is answered.
pub(crate) struct Plan {
    pub(crate) search: Search,
    /// The kinds of record that can be answered; every kind where none is named.
    pub(crate) kinds: Vec<Kind>,
    /// What a record has to meet; of a search for contained resources by themselves, what those have to meet.
    pub(crate) predicate: Predicate,
    shape: Shape,
    /// The address without a query.
    path: String,
    /// The parameters that make up the question, for links.
    question: Vec<(String, String)>,
    /// The question as one text, to which page links belong.
    asked: String,
    pub(crate) token: Option<Token>,
    /// The token as it was sent.
    token_text: Option<String>,
    pub(crate) limit: usize,
    /// How complete the answer will be, where it is a clinic's, or the centre's to a clinic: worked out before anything is
    /// looked for, as more may arrive meanwhile.
    completeness: Option<Completeness>,
    pub(crate) clock: Clock,
}

/// One page of matches.
pub(crate) struct Matches {
    pub(crate) at: u64,
    pub(crate) hits: Vec<Hit>,
    pub(crate) total: Option<u64>,
    /// Where the next page lies.
    pub(crate) next: Option<Token>,
    /// Where the page before lies.
    pub(crate) previous: Option<Token>,
}

/// Searches: 200 with a Bundle of type searchset.
///
/// # Errors
/// 400 for what is not understood (under `handling=strict` also for unknown parameters), 503 out of time.
pub fn search(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    within: &Within,
    params: &[(String, String)],
) -> Result<Reply, Refusal> {
    let plan = Plan::read(engine, request, within, params, &[])?;
    let wanted = Wanted {
        kinds: &plan.kinds,
        predicate: &plan.predicate,
        sort: &plan.search.sort,
        limit: plan.limit,
        total: match plan.search.total {
            Total::None if plan.limit == 0 => Total::Accurate,
            total => total,
        },
        clock: plan.clock.clone(),
    };
    let (matches, records) = if plan.search.alone {
        contained::find(engine, &plan.search.kinds, &wanted, plan.token.as_ref())?
    } else {
        let matches = look(engine, &wanted, plan.token.as_ref(), true)?;
        let records = record::fetch(engine, &matches.hits, &wanted.clock)?;
        (matches, records)
    };
    answer(engine, request, &plan, &matches, &records)
}

/// 200 with the page of matches, and what comes along with them.
///
/// # Errors
/// Those of looking for what comes along.
pub(crate) fn answer(
    engine: &Engine,
    request: &Request<'_>,
    plan: &Plan,
    matches: &Matches,
    records: &[Record],
) -> Result<Reply, Refusal> {
    let included = include::gather(engine, &plan.search, records, matches.at, &plan.clock)?;
    let page = write(engine, request, plan, (matches, records, &included));
    Ok(Reply {
        completeness: plan.completeness.as_ref().map(Completeness::header),
        ..Reply::json(200, page)
    })
}

impl Plan {
    /// Takes a search apart; `beside` are parameters that belong to the question and are known to an operation alone.
    ///
    /// # Errors
    /// 400 for what is not understood.
    pub(crate) fn read(
        engine: &Engine,
        request: &Request<'_>,
        within: &Within,
        params: &[(String, String)],
        beside: &[(String, String)],
    ) -> Result<Plan, Refusal> {
        let mut params = params.to_vec();
        let token_text = take(&mut params, cursor::PARAMETER);
        let explain = explain(&mut params)?;
        let proxied = take(&mut params, proxy::PARAMETER);
        let own = belonging(engine, within)?;
        let listed = current::take(&mut params);
        let list = listed
            .as_ref()
            .map(|(_, name)| current::listed(engine, &own.kinds, name, &params))
            .transpose()?;
        let handling = query::Handling {
            strict: request.prefer.handling == Some(Handling::Strict),
            now: now(),
            base: request.base,
        };
        let mut search = query::parse(&engine.registry, &own.kinds, &params, &handling).map_err(Refusal::of_search)?;
        lower(&mut search, engine.limits.page_max);
        if let Some(list) = list {
            search.predicate = search.predicate.and(list);
            search.used.extend(listed);
        }
        search.used.extend_from_slice(beside);
        let (kinds, predicate) = question(engine, within, own, &search)?;
        let path = request.path.trim_end_matches('/');
        let path = path.strip_suffix("_search").unwrap_or(path).trim_end_matches('/');
        // The address of this server is no part of the question: it may be known by several, and by others after a restart.
        let asked = link(path, &search.used, None);
        let path = format!("{}/{path}", request.base);
        let path = path.trim_end_matches('/').to_owned();
        let mut question = search.used.clone();
        question.extend(proxied.map(|value| (proxy::PARAMETER.to_owned(), value)));
        question.extend(explain.map(|explain| (EXPLAIN.to_owned(), explain.to_string())));
        let token = token_text
            .as_deref()
            .map(|text| Token::read(text, &asked, engine.head()))
            .transpose()?;
        let limits = &engine.limits;
        let limit = match search.summary {
            Summary::Count => 0,
            _ => search.count.unwrap_or(limits.page_default).min(limits.page_max),
        };
        Ok(Plan {
            completeness: completeness(engine, &question, &kinds, &predicate),
            shape: Shape::of_search(search.summary, &search.elements),
            search,
            kinds,
            predicate,
            path,
            question,
            asked,
            token,
            token_text,
            limit,
            clock: match request.at_hand {
                true => at_hand::clock(&engine.limits),
                false => engine.clock(explain == Some(true)),
            },
        })
    }
}

/// How complete an answer is, where it is a clinic's, or the centre's to a clinic.
fn completeness(
    engine: &Engine,
    question: &[(String, String)],
    kinds: &[Kind],
    predicate: &Predicate,
) -> Option<Completeness> {
    if proxy::is_wanted(question) {
        return Some(Completeness {
            word: "centre",
            as_of: Some(now()),
        });
    }
    let patients = clinic::patients(&engine.registry, kinds, predicate);
    engine.clinic.completeness(engine, kinds, patients.as_deref())
}

/// The kinds that are searched, and what records have to meet to be searched at all.
fn belonging(engine: &Engine, within: &Within) -> Result<Belonging, Refusal> {
    Ok(match within {
        Within::System => Belonging {
            kinds: Vec::new(),
            predicate: Predicate::All,
        },
        Within::Kind(kind) => Belonging {
            kinds: vec![kind.clone()],
            predicate: Predicate::All,
        },
        Within::Compartment { center, id, of } => engine.compartments.of(&engine.registry, center, id, of.as_ref())?,
    })
}

/// Lowers how many are asked for to what a page can have; the links say what was used.
fn lower(search: &mut Search, page_max: usize) {
    if search.count.is_some_and(|count| count > page_max) {
        search.count = Some(page_max);
        for (_, value) in search.used.iter_mut().filter(|(name, _)| name == "_count") {
            *value = page_max.to_string();
        }
    }
}

/// The kinds of record that can be answered and what they have to meet. Within a compartment, it is the record that
/// belongs to it, whether it is found by itself or by what it contains.
fn question(
    engine: &Engine,
    within: &Within,
    own: Belonging,
    search: &Search,
) -> Result<(Vec<Kind>, Predicate), Refusal> {
    let Within::Compartment { center, id, .. } = within else {
        return Ok(match search.alone {
            true => (Vec::new(), search.predicate.clone()),
            false => search.question(),
        });
    };
    if search.contained == Containing::Records {
        return Ok((own.kinds, own.predicate.and(search.predicate.clone())));
    }
    if search.alone {
        let text =
            "In a compartment contained resources are not answered by themselves; leave _containedType=contained out.";
        return Err(Refusal::because(Reason::NotSupported, text).at("http._containedType"));
    }
    let belonging = engine.compartments.of(&engine.registry, center, id, None)?;
    Ok((belonging.kinds, belonging.predicate.and(search.question().1)))
}

/// Whether the search shall be explained; `None` where nothing is said of that.
fn explain(params: &mut Vec<(String, String)>) -> Result<Option<bool>, Refusal> {
    let Some(value) = take(params, EXPLAIN) else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|_| {
        let text = format!("{EXPLAIN} is \"{value}\"; it can be true or false.");
        Refusal::because(Reason::Invalid, text).at(format!("http.{EXPLAIN}"))
    })
}

fn take(params: &mut Vec<(String, String)>, name: &str) -> Option<String> {
    let place = params.iter().position(|(n, _)| n == name)?;
    Some(params.remove(place).1)
}

/// What is asked of the index.
pub(crate) struct Wanted<'a> {
    pub(crate) kinds: &'a [Kind],
    pub(crate) predicate: &'a Predicate,
    pub(crate) sort: &'a [SortKey],
    pub(crate) limit: usize,
    pub(crate) total: Total,
    pub(crate) clock: Clock,
}

/// One page of matches in the log.
pub(crate) fn find(engine: &Engine, wanted: &Wanted<'_>, token: Option<&Token>) -> Result<Matches, Refusal> {
    look(engine, wanted, token, false)
}

/// One page of matches, in the log and perhaps under it.
fn look(engine: &Engine, wanted: &Wanted<'_>, token: Option<&Token>, under: bool) -> Result<Matches, Refusal> {
    // Who asks for everything asks for what was written here.
    let named = (1..engine.registry.kinds().len()).contains(&wanted.kinds.len());
    let known = token.and_then(|token| token.total);
    let turn = token.map_or(&Turn::First, |token| &token.turn);
    let cursor = turn.cursor().map(Cursor::parse).transpose().map_err(|_| damaged())?;
    let query = Query {
        kinds: wanted.kinds.to_vec(),
        predicate: wanted.predicate.clone(),
        sort: wanted.sort.to_vec(),
        limit: match (turn, wanted.total, known) {
            (Turn::Last, Total::Accurate, Some(total)) => on_last(wanted.limit, total),
            _ => wanted.limit,
        },
        place: match (turn, &cursor) {
            (Turn::After(_), Some(cursor)) => Place::After(cursor),
            (Turn::Before(_), Some(cursor)) => Place::Before(cursor),
            (Turn::Last, _) => Place::Last,
            _ => Place::First,
        },
        at: token.map(|token| token.at),
        under: under && named,
        total: known.map_or(wanted.total, |_| Total::None),
        clock: wanted.clock.clone(),
    };
    let found = engine.index.find(&query)?;
    let total = known.or(found.total);
    let (at, token) = (found.at, |turn| Token {
        at: found.at,
        total,
        turn,
    });
    Ok(Matches {
        at,
        total,
        next: found.next.map(|cursor| token(Turn::After(cursor.to_string()))),
        previous: found.previous.map(|cursor| token(Turn::Before(cursor.to_string()))),
        hits: found.hits,
    })
}

/// How many of all matches are on the last of pages of so many.
fn on_last(limit: usize, total: u64) -> usize {
    match (usize::try_from(total), limit) {
        (Ok(total), 1..) if total > 0 => (total - 1) % limit + 1,
        _ => limit,
    }
}

pub(crate) fn damaged() -> Refusal {
    Refusal::because(Reason::Invalid, "The page link is damaged; start again without _page.").at("http._page")
}

/// What the links of a page are made of.
pub(crate) struct Asking<'a> {
    /// The address without a query.
    pub(crate) path: &'a str,
    /// The parameters that make up the question.
    pub(crate) question: &'a [(String, String)],
    /// The question as one text, to which page links belong.
    pub(crate) asked: &'a str,
    /// The token of this page, as it was sent.
    pub(crate) token: Option<&'a str>,
    /// How many matches a page has.
    pub(crate) limit: usize,
}

/// The links of a page: to itself, and to the others of its snapshot where there are others.
pub(crate) fn links(asking: &Asking<'_>, matches: &Matches) -> Vec<(&'static str, String)> {
    let mut links = vec![("self", link(asking.path, asking.question, asking.token))];
    let several = matches.next.is_some() || matches.previous.is_some();
    if asking.limit == 0 || !(several || asking.token.is_some()) {
        return links;
    }
    let end = |turn| Token {
        at: matches.at,
        total: matches.total,
        turn,
    };
    let first = Some(end(Turn::First));
    let last = Some(end(Turn::Last));
    for (relation, token) in [
        ("next", &matches.next),
        ("previous", &matches.previous),
        ("first", &first),
        ("last", &last),
    ] {
        if let Some(token) = token {
            let text = token.write(asking.asked);
            links.push((relation, link(asking.path, asking.question, Some(&text))));
        }
    }
    links
}

fn write(
    engine: &Engine,
    request: &Request<'_>,
    plan: &Plan,
    (matches, records, included): (&Matches, &[Record], &Included),
) -> Vec<u8> {
    let asking = Asking {
        path: &plan.path,
        question: &plan.question,
        asked: &plan.asked,
        token: plan.token_text.as_deref(),
        limit: plan.limit,
    };
    let links = links(&asking, matches);
    let total = matches
        .total
        .filter(|_| plan.search.total != Total::None || plan.limit == 0);
    let mut page = Page::start("searchset", now(), total, &links);
    let places = distance::places(&plan.search.predicate);
    let mode = |record: &Record| match distance::metres(engine, &places, record) {
        Some(metres) => Mode::Near {
            metres,
            score: record.score,
        },
        None => record.score.map_or(Mode::Match, Mode::Scored),
    };
    let all = records.iter().map(|record| (record, mode(record)));
    for (record, mode) in all.chain(included.records.iter().map(|record| (record, Mode::Include))) {
        let place = (&record.kind, &record.id, record.inside.as_ref());
        page.found_inside(request.base, place, mode, |out| {
            let shape = match (&plan.shape, mode) {
                // "The list of elements does not apply to included resources."
                (Shape::Elements(_), Mode::Include) => &Shape::Whole,
                (shape, _) => shape,
            };
            shape.write(&engine.definitions, &record.json, out);
        });
    }
    let mut issues = plan.search.issues.clone();
    if included.cut {
        let text = format!(
            "More than {} records would be included; the rest was left out. Ask for smaller pages or fewer includes.",
            engine.limits.includes_max
        );
        issues.push(Issue::warning(Code::TooCostly, text));
    }
    let told = plan.clock.explanation();
    issues.extend(told.map(|told| Issue::information(Code::Informational, told)));
    if included.far {
        let text = format!(
            "References were followed {} times, and what is further away was left out.",
            engine.limits.include_rounds + 1
        );
        issues.push(Issue::warning(Code::TooCostly, text));
    }
    issues.extend(
        plan.completeness
            .as_ref()
            .map(|said| Issue::information(Code::Informational, said.sentence())),
    );
    page.remarks(&issues);
    page.finish()
}
