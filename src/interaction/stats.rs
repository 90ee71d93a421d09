//! `Observation/$stats` (<https://hl7.org/fhir/R4/observation-operation-stats.html>): statistics of a subject's measurements.

use std::borrow::Cow;

use conformance::ParameterType;
use fhir::document::Node;
use fhir::moment::{self, Stretch};
use fhir::tree::Tree;
use query::{SortBy, SortKey, Total};

use crate::canonical::escaped;
use crate::current::criteria;
use crate::engine::{Engine, now};
use crate::find::reference;
use crate::inputs::Inputs;
use crate::measured::{Code, Measured};
use crate::operation::Call;
use crate::outputs;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::Wanted;
use crate::statistics::STATISTICS;
use crate::sweep::sweep;

/// Observations read at once.
const CHUNK: usize = 500;
/// Codes one call may name, and groups it may answer.
const CODES_MAX: usize = 200;
/// Microseconds of an hour.
const HOUR: f64 = 3.6e9;

/// What is asked.
struct Asked {
    subject: String,
    codes: Vec<Code>,
    period: Option<Stretch>,
    statistics: Vec<&'static (&'static str, &'static str)>,
    /// How many source observations to answer as well.
    sources: usize,
}

/// 200 with a Parameters resource: for each code a parameter `statistics`, an Observation with a component for each
/// statistic; then, where `include` says so, the newest observations they were made of, as `source`.
///
/// # Errors
/// 400 where `subject` or `statistic` is missing or a parameter is not understood; 422 where there is too much to read.
pub fn stats(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let asked = Asked::read(engine, &inputs)?;
    let kind = call.kind.expect("it is asked of a kind");
    let kinds = std::slice::from_ref(kind);
    let date = engine.registry.parameter(kind, "date").map(|parameter| parameter.id);
    let date = date.ok_or_else(|| Refusal::broken("Observation has no parameter `date`."))?;
    let search = criteria(engine, kinds, &asked.query())?;
    let recent = SortKey {
        by: SortBy::Parameter(date, ParameterType::Date),
        descending: true,
    };
    let wanted = Wanted {
        kinds,
        predicate: &search.predicate,
        sort: &[recent],
        limit: CHUNK,
        total: Total::None,
        clock: engine.clock(false),
    };
    let mut measured = Measured::new(engine, request.base, &asked.codes, date);
    let mut sources = Vec::new();
    sweep(engine, &wanted, None, &mut |record, document| {
        if sources.len() < asked.sources {
            sources.push(outputs::resource("source", Tree::from_node(document.root())));
        }
        measured.take(record, document.root(), &wanted.clock)?;
        match measured.groups() > CODES_MAX {
            true => Err(too_many("The observations have")),
            false => Ok(()),
        }
    })?;
    let mut answer: Vec<Tree> = Vec::new();
    for group in measured.finish() {
        let components = asked
            .statistics
            .iter()
            .flat_map(|statistic| group.components(statistic))
            .collect();
        answer.push(outputs::resource(
            "statistics",
            asked.observation(group.concept, components),
        ));
    }
    answer.append(&mut sources);
    Ok(outputs::reply(answer))
}

fn too_many(what: &str) -> Refusal {
    let text = format!("{what} more than {CODES_MAX} codes; name fewer.");
    Refusal::because(Reason::TooCostly, text).at("http.code")
}

fn bad(name: &str, text: String) -> Refusal {
    Refusal::because(Reason::Invalid, text).at(format!("http.{name}"))
}

impl Asked {
    fn read(engine: &Engine, inputs: &Inputs) -> Result<Asked, Refusal> {
        let subject = inputs.text("subject").filter(|subject| !subject.is_empty());
        let subject = subject.ok_or_else(|| bad("subject", "$stats needs a subject, such as Patient/17.".into()))?;
        let statistics = statistics(inputs)?;
        let include = inputs.flag("include")? == Some(true);
        let limit = inputs.number("limit")?.unwrap_or(engine.limits.page_max);
        Ok(Asked {
            subject: subject.into_owned(),
            codes: codes(inputs)?,
            period: period(engine, inputs)?,
            statistics,
            sources: if include { limit.min(engine.limits.page_max) } else { 0 },
        })
    }

    /// The search for the observations.
    fn query(&self) -> String {
        let mut pairs = vec![
            ("subject", escaped(&self.subject)),
            ("status:not", "entered-in-error".to_owned()),
        ];
        let codes = self.codes.iter().map(|code| match &code.system {
            Some(system) => format!("{}|{}", escaped(system), escaped(&code.code)),
            None => escaped(&code.code),
        });
        let codes: Vec<String> = codes.collect();
        if !codes.is_empty() {
            pairs.push(("combo-code", codes.join(",")));
        }
        if let Some(period) = self.period.filter(|period| period.start > i64::MIN) {
            pairs.push(("date", format!("ge{}", moment::instant(period.start))));
        }
        if let Some(period) = self.period.filter(|period| period.end < i64::MAX) {
            pairs.push(("date", format!("le{}", moment::instant(period.end))));
        }
        let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
        crate::address::with_query("", pairs).trim_start_matches('?').to_owned()
    }

    fn observation(&self, concept: Tree, components: Vec<Tree>) -> Tree {
        let mut observation = Tree::object([
            ("resourceType", Tree::string("Observation")),
            ("status", Tree::string("final")),
            ("code", concept),
            ("subject", reference(&self.subject)),
        ]);
        if let Some(period) = self.period {
            let mut of = Tree::Object(Vec::new());
            for (name, moment) in [("start", period.start), ("end", period.end)] {
                if moment > i64::MIN && moment < i64::MAX {
                    of.set(name, Tree::string(moment::instant(moment)));
                }
            }
            observation.set("effectivePeriod", of);
        }
        observation.set("component", Tree::Array(components));
        observation
    }
}

fn statistics(inputs: &Inputs) -> Result<Vec<&'static (&'static str, &'static str)>, Refusal> {
    let mut all = Vec::new();
    for text in inputs.texts("statistic") {
        for name in text.split(',').map(str::trim) {
            // The operation's page has these two beside the codes of the value set.
            let code = match name {
                "max" => "maximum",
                "min" => "minimum",
                code => code,
            };
            let found = STATISTICS.iter().find(|(known, _)| *known == code).ok_or_else(|| {
                let known: Vec<&str> = STATISTICS.iter().map(|(code, _)| *code).collect();
                bad(
                    "statistic",
                    format!("\"{name}\" is no statistic; there are {}.", known.join(", ")),
                )
            })?;
            if !all.contains(&found) {
                all.push(found);
            }
        }
    }
    match all.is_empty() {
        true => Err(bad("statistic", "$stats needs a statistic, such as average.".into())),
        false => Ok(all),
    }
}

/// The codes asked for: each `code` in the one `system`, or `system|code`, and each `coding`.
fn codes(inputs: &Inputs) -> Result<Vec<Code>, Refusal> {
    let system = inputs.text("system").map(Cow::into_owned);
    let mut codes = Vec::new();
    for text in inputs.texts("code") {
        for code in text.split(',').map(str::trim).filter(|code| !code.is_empty()) {
            let (own, code) = match code.split_once('|') {
                Some((own, code)) => (Some(own.to_owned()), code),
                None => (system.clone(), code),
            };
            codes.push(Code {
                system: own,
                code: code.to_owned(),
            });
        }
    }
    for parameter in inputs.of("coding") {
        let coding = parameter.value().map(|(_, coding)| coding).filter(Node::is_object);
        let code = coding.and_then(|coding| coding.string("code"));
        let code = code.ok_or_else(|| bad("coding", "A coding needs a code, in a valueCoding.".into()))?;
        let system = coding.and_then(|coding| coding.string("system")).map(Cow::into_owned);
        codes.push(Code {
            system,
            code: code.into_owned(),
        });
    }
    match codes.len() > CODES_MAX {
        true => Err(too_many("The call names")),
        false => Ok(codes),
    }
}

/// The time asked about: the last so many hours, or a period.
fn period(engine: &Engine, inputs: &Inputs) -> Result<Option<Stretch>, Refusal> {
    if let Some(text) = inputs.text("duration") {
        let hours = text.parse::<f64>().ok().filter(|hours| *hours > 0.0 && *hours < 1e7);
        let hours =
            hours.ok_or_else(|| bad("duration", format!("duration is \"{text}\"; write a number of hours.")))?;
        let end = now();
        return Ok(Some(Stretch {
            start: end - (hours * HOUR) as i64,
            end,
        }));
    }
    let Some(period) = inputs.object("period") else {
        return match inputs.text("period") {
            None => Ok(None),
            Some(_) => Err(bad(
                "period",
                "A period is written as valuePeriod in a Parameters resource.".into(),
            )),
        };
    };
    let moment = |name: &str| -> Result<Option<Stretch>, Refusal> {
        let Some(text) = period.string(name) else {
            return Ok(None);
        };
        let read = moment::stretch(&text, engine.zone);
        read.map(Some)
            .ok_or_else(|| bad("period", format!("\"{text}\" is no date or time.")))
    };
    let (start, end) = (moment("start")?, moment("end")?);
    Ok(Some(Stretch {
        start: start.map_or(i64::MIN, |start| start.start),
        end: end.map_or(i64::MAX, |end| end.end - 1),
    }))
}
