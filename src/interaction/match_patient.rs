//! `Patient/$match` (<https://hl7.org/fhir/R4/patient-operation-match.html>): who somebody may be, how surely, and why.

use std::cmp::Ordering;
use std::sync::Arc;

use fhir::document::Node;
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use person::{Found, Grade, Person};

use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::page::{Graded, Page};
use crate::people::Everybody;
use crate::record;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::EXPLAIN;

/// How many are answered where nothing is said.
const COUNT: usize = 10;

/// Answers 200 with a searchset of those who may be the person, the likeliest first, each with its score and grade;
/// `__explain=true` says of each what every feature adds. With `onlyCertainMatches` it is one who is certain, or nobody.
/// At a node those come too whom the country's list knows and whose records are not here, tagged as such.
///
/// # Errors
/// 400 where no Patient is given or a parameter cannot be read; 503 while the patients are being read into memory.
pub fn match_patient(
    engine: &Engine,
    _caller: &Caller,
    request: &Request<'_>,
    call: &Call<'_>,
) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let person = Person::read(patient(&inputs)?, engine.people.names());
    let only_certain = inputs.flag("onlyCertainMatches")?.unwrap_or(false);
    let count = inputs.number("count")?.unwrap_or(COUNT).min(engine.limits.page_max);
    let explain = inputs.flag(EXPLAIN)?.unwrap_or(false);
    let mut remarks = Vec::new();
    if explain && !engine.match_weights()?.is_calibrated() {
        let text = "The weights in force are not calibrated: probabilities are too sure. Learn them again, with epis match train.";
        remarks.push(Issue::warning(Code::Informational, text));
    }
    if person.is_unknown() {
        let text =
            "The patient has neither name, birth date, identifier nor telephone: nobody can be found by what is left.";
        remarks.push(Issue::information(Code::Informational, text));
    }
    let mut found = engine.who_then(&person, engine.limits.page_max, |everybody, found| {
        let here = |found: Found| Who {
            place: everybody.place(&found.id),
            found,
        };
        found.into_iter().map(here).collect::<Vec<Who>>()
    })?;
    let (beyond, said) = engine.who_beyond(&person, engine.limits.page_max)?;
    found.extend(beyond.into_iter().map(|found| Who { found, place: None }));
    found.sort_by(|a, b| b.likelihood().partial_cmp(&a.likelihood()).unwrap_or(Ordering::Equal));
    found.truncate(engine.limits.page_max);
    remarks.extend(said);
    if only_certain {
        found.retain(|who| who.found.score.grade == Grade::Certain);
        if found.len() > 1 {
            let text = format!(
                "{} records are certainly this person; with onlyCertainMatches none is answered where there are several. They \
                 may be duplicates of each other.",
                found.len()
            );
            remarks.push(Issue::information(Code::MultipleMatches, text));
            found.clear();
        }
    }
    let kind = call.kind.expect("it is asked of a kind");
    Ok(Reply::json(
        200,
        page(engine, request, kind, &found, count, explain, &remarks)?,
    ))
}

/// Somebody found.
struct Who {
    found: Found,
    /// The place of her record in the log; where it is not here, the country's list has her.
    place: Option<u64>,
}

impl Who {
    fn likelihood(&self) -> (Grade, f64) {
        (self.found.score.grade, self.found.score.bits)
    }
}

/// The Patient that is looked for.
fn patient(inputs: &Inputs) -> Result<Node<'_>, Refusal> {
    let refused = |text: &str| Refusal::because(Reason::Invalid, text).at("Parameters.parameter");
    let resource = inputs
        .resource("resource", "resource")
        .ok_or_else(|| refused("$match needs the parameter resource: a Patient with what is known."))?;
    match resource.string("resourceType").as_deref() {
        Some("Patient") => Ok(resource),
        _ => Err(refused("The parameter resource of $match is no Patient.")),
    }
}

fn page(
    engine: &Engine,
    request: &Request<'_>,
    kind: &Kind,
    found: &[Who],
    count: usize,
    explain: bool,
    remarks: &[Issue],
) -> Result<Vec<u8>, Refusal> {
    let address = format!("{}/{kind}/$match", request.base);
    let mut page = Page::start("searchset", now(), Some(found.len() as u64), &[("self", address)]);
    let found = &found[..count.min(found.len())];
    let records = records(engine, found)?;
    for (Who { found, .. }, json) in found.iter().zip(records) {
        let (Some(id), Some(json)) = (Id::new(&found.id), json) else {
            continue;
        };
        let why = if explain { explanation(found) } else { Vec::new() };
        let graded = Graded {
            millionths: (found.score.probability * 1e6) as u32,
            grade: found.score.grade.code(),
            why: &why,
        };
        page.graded(request.base, kind, &id, &graded, |out| out.extend_from_slice(&json));
    }
    page.remarks(remarks);
    Ok(page.finish())
}

/// What is shown of those found, in their order: the versions that were compared, read in one go, or what the country's list
/// has; `None` where there is nothing any more.
fn records(engine: &Engine, found: &[Who]) -> Result<Vec<Option<Arc<[u8]>>>, Refusal> {
    let places: Vec<u64> = found.iter().filter_map(|who| who.place).collect();
    let mut here = record::at_places(engine, &places, &engine.clock(false))?.into_iter();
    let country = engine.country.read();
    let shown = found.iter().map(|who| match who.place {
        Some(_) => here.next().flatten(),
        None => Some(country.known()?.patient(&who.found.id).to_bytes().into()),
    });
    Ok(shown.collect())
}

/// What every feature adds, in bits, and what held the grade down.
fn explanation(found: &Found) -> Vec<String> {
    let score = &found.score;
    let mut lines = vec![format!("any two records: {:+.1}", score.before)];
    lines.extend(score.parts.iter().map(ToString::to_string));
    lines.push(format!("together: {:+.1}", score.bits));
    lines.extend(score.held.map(str::to_owned));
    lines
}

impl Engine {
    /// Those whose records may be of this person, the likeliest first, at most `most`. Who was merged into another is found by
    /// either record, and is that other.
    ///
    /// # Errors
    /// 503 while the patients are being read into memory; those of the store and of a search.
    pub fn who(&self, person: &Person, most: usize) -> Result<Vec<Found>, Refusal> {
        self.who_then(person, most, |_, found| found)
    }

    /// As [`Engine::who`], and what everybody has to say of them then.
    fn who_then<T>(
        &self,
        person: &Person,
        most: usize,
        then: impl FnOnce(&Everybody, Vec<Found>) -> T,
    ) -> Result<T, Refusal> {
        let weights = self.match_weights()?;
        let country = self.country.read();
        let wider = country.known().and_then(|known| known.frequencies());
        self.people.ask(&self.store, self.limits.search_time, |everybody| {
            let found = match wider {
                // A clinic's few people say little of how common a name is.
                Some(wider) => everybody.best_by(wider, person, &weights, most),
                None => everybody.best(person, &weights, most),
            };
            then(everybody, found)
        })
    }
}
