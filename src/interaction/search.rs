//! Search of a kind, of a compartment or of everything (<https://hl7.org/fhir/R4/search.html>), by GET and by POST.
//!
//! All pages of a search show the log position of the first. A page is put together from stored bytes.

use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use query::predicate::Predicate;
use query::{Search, SortKey, Summary, Total};
use search_index::{Clock, Cursor, Hit, Query};

use crate::compartment::Belonging;
use crate::cursor::{self, Token, link};
use crate::engine::{Engine, now};
use crate::include::{self, Included};
use crate::page::{Mode, Page};
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
const EXPLAIN: &str = "__explain";

/// A search taken apart: what is asked of the index and how it is answered.
struct Plan {
    search: Search,
    predicate: Predicate,
    shape: Shape,
    /// The address without a query.
    path: String,
    /// The parameters that make up the question, for links.
    question: Vec<(String, String)>,
    /// The address of the first page, which stands for the whole question.
    first: String,
    token: Option<Token>,
    /// The token as it was sent.
    token_text: Option<String>,
    limit: usize,
    clock: Clock,
}

/// One page of matches.
pub(crate) struct Matches {
    pub(crate) at: u64,
    pub(crate) hits: Vec<Hit>,
    pub(crate) total: Option<u64>,
    pub(crate) next: Option<Token>,
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
    let plan = plan(engine, request, within, params)?;
    let wanted = Wanted {
        kinds: &plan.search.kinds,
        predicate: &plan.predicate,
        sort: &plan.search.sort,
        limit: plan.limit,
        total: plan.search.total != Total::None || plan.limit == 0,
        clock: plan.clock.clone(),
    };
    let matches = find(engine, &wanted, plan.token.as_ref())?;
    let records = record::fetch(engine, &matches.hits)?;
    let included = include::gather(engine, &plan.search, &records, matches.at, &plan.clock)?;
    let page = write(engine, request, &plan, &matches, &records, &included);
    Ok(Reply::json(200, page))
}

fn plan(engine: &Engine, request: &Request<'_>, within: &Within, params: &[(String, String)]) -> Result<Plan, Refusal> {
    let mut params = params.to_vec();
    let token_text = take(&mut params, cursor::PARAMETER);
    let explain = explain(&mut params)?;
    let own = match within {
        Within::System => Belonging {
            kinds: Vec::new(),
            predicate: Predicate::All,
        },
        Within::Kind(kind) => Belonging {
            kinds: vec![kind.clone()],
            predicate: Predicate::All,
        },
        Within::Compartment { center, id, of } => engine.compartments.of(&engine.registry, center, id, of.as_ref())?,
    };
    let handling = query::Handling {
        strict: request.prefer.handling == Some(Handling::Strict),
        now: now(),
        base: request.base,
    };
    let search = query::parse(&engine.registry, &own.kinds, &params, &handling)
        .map_err(|issues| Refusal::with(Reason::Invalid, issues))?;
    let predicate = own.predicate.and(search.predicate.clone());
    let path = request.path.trim_end_matches('/');
    let path = path.strip_suffix("_search").unwrap_or(path).trim_end_matches('/');
    let path = format!("{}/{path}", request.base);
    let path = path.trim_end_matches('/').to_owned();
    let mut question = search.used.clone();
    question.extend(explain.map(|explain| (EXPLAIN.to_owned(), explain.to_string())));
    let first = link(&path, &question, None);
    let token = token_text
        .as_deref()
        .map(|text| Token::read(text, &first, engine.head()))
        .transpose()?;
    let limits = &engine.limits;
    let limit = match search.summary {
        Summary::Count => 0,
        _ => search.count.unwrap_or(limits.page_default).min(limits.page_max),
    };
    Ok(Plan {
        shape: Shape::of_search(search.summary, &search.elements),
        search,
        predicate,
        path,
        question,
        first,
        token,
        token_text,
        limit,
        clock: engine.clock(explain == Some(true)),
    })
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
    pub(crate) total: bool,
    pub(crate) clock: Clock,
}

/// One page of matches.
pub(crate) fn find(engine: &Engine, wanted: &Wanted<'_>, token: Option<&Token>) -> Result<Matches, Refusal> {
    let known = token.and_then(|token| token.total);
    let after = token.and_then(|token| token.cursor.as_deref()).map(Cursor::parse);
    let after = after.transpose().map_err(|_| damaged())?;
    let query = Query {
        kinds: wanted.kinds.to_vec(),
        predicate: wanted.predicate.clone(),
        sort: wanted.sort.to_vec(),
        limit: wanted.limit,
        after: after.as_ref(),
        at: token.map(|token| token.at),
        total: wanted.total && known.is_none(),
        clock: wanted.clock.clone(),
    };
    let found = engine.index.find(&query)?;
    let total = known.or(found.total);
    let next = found.next.map(|cursor| Token {
        at: found.at,
        total,
        cursor: Some(cursor.to_string()),
    });
    Ok(Matches {
        at: found.at,
        hits: found.hits,
        total,
        next,
    })
}

fn damaged() -> Refusal {
    Refusal::because(Reason::Invalid, "The page link is damaged; start again without _page.").at("http._page")
}

fn write(
    engine: &Engine,
    request: &Request<'_>,
    plan: &Plan,
    matches: &Matches,
    records: &[Record],
    included: &Included,
) -> Vec<u8> {
    let mut links = vec![("self", link(&plan.path, &plan.question, plan.token_text.as_deref()))];
    if let Some(next) = matches.next.as_ref().filter(|_| plan.limit > 0) {
        let token = next.write(&plan.first);
        links.push(("next", link(&plan.path, &plan.question, Some(&token))));
    }
    if plan.token.is_some() || links.len() > 1 {
        links.push(("first", plan.first.clone()));
    }
    let total = matches
        .total
        .filter(|_| plan.search.total != Total::None || plan.limit == 0);
    let mut page = Page::start("searchset", now(), total, &links);
    let all = records.iter().map(|record| (record, Mode::Match));
    for (record, mode) in all.chain(included.records.iter().map(|record| (record, Mode::Include))) {
        page.found(request.base, &record.kind, &record.id, mode, |out| {
            plan.shape.write(&engine.definitions, &record.json, out);
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
    page.remarks(&issues);
    page.finish()
}
