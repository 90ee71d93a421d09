//! `POST [base]/$reindex` builds the index anew beside the one in use; `GET [base]/$reindex` tells how that stands.
//!
//! Both answer with a Parameters resource. One build at a time: whoever asks while one is under way is told of that one.

use std::collections::BTreeMap;

use fhir::moment;
use fhir::tree::Tree;
use query::Why;

use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Method, Request};
use crate::upkeep::{Job, JobState};

/// By POST, asks for a build: 202 with the job. Otherwise tells of the build under way, or else of the last: 200.
///
/// # Errors
/// 400 for a parameter: it has none.
pub fn reindex(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    Inputs::read(engine, request, call)?;
    if request.method == Method::Post {
        let job = engine.upkeep.ask("It was asked for.");
        return Ok(Reply::json(202, state(engine, Some(&job)).to_bytes()));
    }
    Ok(Reply::json(200, state(engine, engine.upkeep.job().as_ref()).to_bytes()))
}

fn state(engine: &Engine, job: Option<&Job>) -> Tree {
    let mut parameters = Vec::new();
    match job {
        Some(job) => of_job(job, &mut parameters),
        None => parameters.push(of("state", "valueCode", Tree::string("none"))),
    }
    let (_, records) = engine.index.size();
    parameters.push(of("inUse", "valueString", Tree::string(in_use(engine, records))));
    for bar in engine.registry.bars() {
        let (name, why) = match &bar.why {
            Why::Gone => continue,
            Why::Unusable(why) => ("unusable", format!("it {why}")),
            Why::Pending(reached) => ("pending", reached()),
        };
        let text = format!("{} of {}: {why}.", bar.code, bar.base.join(", "));
        parameters.push(of(name, "valueString", Tree::string(text)));
    }
    for (parameter, records) in failures(engine) {
        let text = format!(
            "{parameter}: the expression took too long or found too much in {records} records, which have no value for it."
        );
        parameters.push(of("tooLong", "valueString", Tree::string(text)));
    }
    Tree::object([
        ("resourceType", Tree::string("Parameters")),
        ("parameter", Tree::Array(parameters)),
    ])
}

/// How often custom expressions failed: over what the index read itself, and over what was written since.
fn failures(engine: &Engine) -> BTreeMap<String, u64> {
    let mut failures = BTreeMap::new();
    for (parameter, records) in engine.index.failures().into_iter().chain(engine.registry.failures()) {
        *failures.entry(parameter).or_default() += records;
    }
    failures
}

fn in_use(engine: &Engine, records: u64) -> String {
    let head = engine.index.head();
    if !engine.index.is_complete() {
        let end = engine.store.head();
        return format!(
            "The index in use lacks part of the log, so that searches wait: {head} of {end} versions are read."
        );
    }
    match engine.index.complaint() {
        Some(complaint) => complaint,
        None => format!("The index in use holds {records} records and follows the log up to {head}."),
    }
}

fn of_job(job: &Job, parameters: &mut Vec<Tree>) {
    let code = match &job.state {
        JobState::Waiting => "waiting",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed(_) => "failed",
    };
    let number = |value: u64| Tree::number(value);
    parameters.push(of("id", "valueString", Tree::string(job.id.to_string())));
    parameters.push(of("state", "valueCode", Tree::string(code)));
    parameters.push(of("why", "valueString", Tree::string(&job.why)));
    parameters.push(of("summary", "valueString", Tree::string(job.sentence())));
    parameters.push(of("asked", "valueInstant", Tree::string(moment::instant(job.asked))));
    parameters.extend(
        job.ended
            .map(|ended| of("ended", "valueInstant", Tree::string(moment::instant(ended)))),
    );
    parameters.push(of("versionsRead", "valueDecimal", number(job.reached.0)));
    parameters.push(of("versions", "valueDecimal", number(job.reached.1)));
    if let Some(outcome) = &job.outcome {
        parameters.push(of("records", "valueDecimal", number(outcome.records)));
        parameters.extend(
            outcome
                .differing
                .map(|differing| of("differing", "valueDecimal", number(differing))),
        );
        let examples = outcome.examples.iter();
        parameters.extend(examples.map(|example| of("difference", "valueString", Tree::string(example))));
    }
}

fn of(name: &str, member: &str, value: Tree) -> Tree {
    Tree::object([("name", Tree::string(name)), (member, value)])
}
