//! `$everything` of a patient, of all patients or of an encounter: the records that belong to them, and what those refer to.
//!
//! <https://hl7.org/fhir/R4/patient-operation-everything.html>,
//! <https://hl7.org/fhir/R4/encounter-operation-everything.html>.

use fhir::identity::{Id, Kind};
use fhir::moment::{self, Stretch};
use fhir::outcome::{Code, Issue};
use query::predicate::{Predicate, Test};
use query::{Span, Total, Window};

use crate::compartment::Belonging;
use crate::cursor::{self, Token, link};
use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::page::{Mode, Page};
use crate::record::{self, parsed};
use crate::refusal::{Reason, Refusal};
use crate::related::{Circle, Gathering};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{Asking, Wanted, find, links};

/// The search parameters that tell when care was given, asked for or written down. A record that has a value for none of
/// them (a patient, a coverage without dates) is of no date, and is left out by none.
const CARE_DATES: [&str; 25] = [
    "authored",
    "authored-on",
    "authoredon",
    "collected",
    "created",
    "date",
    "datetime",
    "datewritten",
    "effective",
    "effective-time",
    "entered-date",
    "identified",
    "issued",
    "occurrence",
    "onset",
    "onset-date",
    "period",
    "received",
    "recorded",
    "recorded-date",
    "sent",
    "start-date",
    "started",
    "whenhandedover",
    "whenprepared",
];

/// What `$everything` may be asked.
struct Asked {
    /// A condition on every record: `_since`, `start`, `end`.
    condition: Predicate,
    /// The kinds asked for; all where there are none.
    types: Vec<Kind>,
    count: usize,
    token: Option<String>,
    question: Vec<(String, String)>,
}

/// Whose records are asked for.
struct Center<'a> {
    kind: &'a Kind,
    /// None for all of the kind.
    id: Option<&'a Id>,
    /// Whose records may come along.
    circle: Circle,
}

impl<'a> Center<'a> {
    /// Whose records the address names.
    ///
    /// # Errors
    /// 404, 410 where there is no such record.
    fn of(engine: &Engine, request: &Request<'_>, call: &Call<'a>) -> Result<Center<'a>, Refusal> {
        let kind = call.kind.expect("it is asked of kinds and records only");
        let record = call.id.map(|id| engine.record(kind, id)).transpose()?;
        let circle = match record {
            Some(record) if !is_patient(kind) => Circle::of(parsed(&record.json)?.root(), "subject", request.base),
            // All that is of patients matches by itself.
            _ => Circle(None),
        };
        let id = call.id;
        Ok(Center { kind, id, circle })
    }

    /// What belongs to it.
    fn belonging(&self, engine: &Engine) -> Result<Belonging, Refusal> {
        match self.id {
            Some(id) => engine.compartments.of(&engine.registry, self.kind, id, None),
            None => engine.compartments.of_any(self.kind),
        }
    }

    /// Its address.
    fn path(&self) -> String {
        match self.id {
            Some(id) => format!("{}/{id}/$everything", self.kind),
            None => format!("{}/$everything", self.kind),
        }
    }
}

fn is_patient(kind: &Kind) -> bool {
    kind.as_str() == "Patient"
}

/// The records of the compartment as matches, page by page where `_count` is smaller or there are very many; beside
/// them, as included, what they refer to and no other patient's compartment has.
///
/// # Errors
/// 404, 410 where there is no such record; 400 for parameters that are not understood.
pub fn everything(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let center = Center::of(engine, request, call)?;
    let asked = read(engine, request, call)?;
    let own = center.path();
    let path = format!("{}/{own}", request.base);
    let question = link(&own, &asked.question, None);
    let token = asked.token.as_deref();
    let token = token
        .map(|text| Token::read(text, &question, engine.head()))
        .transpose()?;
    let belonging = center.belonging(engine)?;
    let mut kinds = belonging.kinds;
    kinds.retain(|kind| asked.wants(kind));
    let clock = engine.clock(false);
    let wanted = Wanted {
        predicate: &match kinds.is_empty() {
            true => Predicate::Nothing,
            false => belonging.predicate.and(asked.condition.clone()),
        },
        kinds: &kinds,
        sort: &[],
        limit: asked.count,
        // What all patients have is not counted for each page of it.
        total: match center.id.is_some() || asked.count == 0 {
            true => Total::Accurate,
            false => Total::None,
        },
        clock: clock.clone(),
    };
    let matches = find(engine, &wanted, token.as_ref())?;
    let records = record::fetch(engine, &matches.hits, &clock)?;
    let one = center.id.map(|id| (center.kind, id));
    let related = Gathering {
        engine,
        base: request.base,
        circle: &center.circle,
        center: one.filter(|(kind, _)| !is_patient(kind)),
        apart: one,
        at: matches.at,
        clock: &clock,
    };
    let related = related.gather(&records)?;
    let asking = Asking {
        path: &path,
        question: &asked.question,
        asked: &question,
        token: asked.token.as_deref(),
        limit: asked.count,
    };
    let mut page = Page::start("searchset", now(), matches.total, &links(&asking, &matches));
    let included = related.records.iter().filter(|record| asked.wants(&record.kind));
    let all = records.iter().map(|record| (record, Mode::Match));
    for (record, mode) in all.chain(included.map(|record| (record, Mode::Include))) {
        page.found(request.base, &record.kind, &record.id, mode, |out| {
            out.extend_from_slice(&record.json)
        });
    }
    if related.cut {
        let text = "More is referred to than one page can carry, and was left out; ask for smaller pages with _count.";
        page.remarks(&[Issue::warning(Code::TooCostly, text)]);
    }
    Ok(Reply::json(200, page.finish()))
}

impl Asked {
    fn wants(&self, kind: &Kind) -> bool {
        self.types.is_empty() || self.types.contains(kind)
    }
}

fn read(engine: &Engine, request: &Request<'_>, call: &Call<'_>) -> Result<Asked, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let mut question = Vec::new();
    let mut used = |name: &str, value: String| question.push((name.to_owned(), value));
    let mut condition = Predicate::All;
    if let Some(since) = inputs.text("_since") {
        condition = condition.and(updated_since(engine, &since)?);
        used("_since", since.into_owned());
    }
    let day = |name: &str| -> Result<Option<Stretch>, Refusal> {
        let Some(text) = inputs.text(name) else {
            return Ok(None);
        };
        let read = moment::stretch(&text, engine.zone);
        let bad = || {
            Refusal::because(
                Reason::Invalid,
                format!("{name} is \"{text}\"; write a date, as in 2024-05-01."),
            )
        };
        read.map(Some).ok_or_else(|| bad().at(format!("http.{name}")))
    };
    let (start, end) = (day("start")?, day("end")?);
    if start.is_some() || end.is_some() {
        condition = condition.and(cared_for(engine, start, end));
    }
    for name in ["start", "end"] {
        inputs
            .text(name)
            .into_iter()
            .for_each(|value| used(name, value.into_owned()));
    }
    let types: Vec<String> = inputs.texts("_type").map(|text| text.into_owned()).collect();
    let names = types.iter().flat_map(|list| list.split(','));
    let kinds = names
        .map(|name| engine.kind(name.trim()))
        .collect::<Result<Vec<Kind>, _>>()?;
    if !types.is_empty() {
        used("_type", types.join(","));
    }
    let count = inputs.number("_count")?.map(|count| count.min(engine.limits.page_max));
    count.iter().for_each(|count| used("_count", count.to_string()));
    Ok(Asked {
        condition,
        types: kinds,
        count: count.unwrap_or(engine.limits.page_max),
        token: inputs.text(cursor::PARAMETER).map(|token| token.into_owned()),
        question,
    })
}

fn updated_since(engine: &Engine, since: &str) -> Result<Predicate, Refusal> {
    let test = [("_lastUpdated".to_owned(), format!("ge{since}"))];
    let handling = query::Handling {
        strict: true,
        now: now(),
        base: "",
    };
    let search = query::parse(&engine.registry, &[], &test, &handling);
    let bad = |_| {
        let text = format!("_since is \"{since}\"; write an instant, as in 2024-05-01T08:00:00Z.");
        Refusal::because(Reason::Invalid, text).at("http._since")
    };
    Ok(search.map_err(bad)?.predicate)
}

/// Records of which a care date lies, in part at least, in a range of days; and those without any.
fn cared_for(engine: &Engine, start: Option<Stretch>, end: Option<Stretch>) -> Predicate {
    let overlapping = Window {
        start_min: i64::MIN,
        start_max: end.map_or(i64::MAX, |end| end.end - 1),
        end_min: start.map_or(i64::MIN, |start| start.start + 1),
        end_max: i64::MAX,
    };
    let params = CARE_DATES.iter().filter_map(|code| engine.registry.id_of(code));
    let (mut any, mut present) = (Vec::new(), Vec::new());
    for param in params {
        let span = Span {
            windows: vec![overlapping],
        };
        any.push(Predicate::Test {
            param,
            test: Test::Date(span),
        });
        present.push(Predicate::Test {
            param,
            test: Test::Present,
        });
    }
    any.push(Predicate::any(present).negate());
    Predicate::any(any)
}
