//! `List/$find` (<https://hl7.org/fhir/R4/list-operation-find.html>): the list that serves a purpose for a patient.

use fhir::identity::Id;
use fhir::moment;
use fhir::tree::Tree;
use query::Total;

use crate::current::{self, CODES, CurrentList};
use crate::engine::{Engine, now};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{Wanted, find as search};

/// 200 with the List record kept for the purpose, or with a list of what is current made for this answer.
///
/// # Errors
/// 400 where `patient` or `name` is missing, 404 where there is no such patient or functional list, 422 where more is
/// current than a list of this server can hold.
pub fn find(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let wanted = |name: &str, what: &str| {
        let missing = || Refusal::because(Reason::Invalid, format!("$find needs the parameter {name}, {what}."));
        let text = inputs.text(name).map(|text| text.into_owned());
        text.ok_or_else(|| missing().at(format!("http.{name}")))
    };
    let patient = wanted("patient", "the id of a patient of this server")?;
    let name = wanted("name", "such as $current-problems")?;
    let patient = current::patient_id(&patient).ok_or_else(|| {
        let text = format!("\"{patient}\" is no id of a patient.");
        Refusal::because(Reason::Invalid, text).at("http.patient")
    })?;
    engine.record(&engine.kind("Patient")?, &patient)?;
    let Some(list) = current::named(&name) else {
        let names: Vec<&str> = current::LISTS.iter().map(|list| list.name).collect();
        let text = format!(
            "There is no functional list \"{name}\" here; there are {}.",
            names.join(", ")
        );
        return Err(Refusal::because(Reason::NotFound, text).at("http.name"));
    };
    if let Some(kept) = current::kept(engine, list, &patient)? {
        let cached = engine.record(&kept.kind, &kept.id)?;
        let location = format!("{}/List/{}", request.base, kept.id);
        return Ok(Reply {
            content_location: Some(location),
            ..Reply::json(200, cached.json.to_vec()).of_version(cached.version, cached.updated)
        });
    }
    Ok(Reply::json(200, made(engine, list, &patient)?.to_bytes()))
}

/// A list of what is current now.
fn made(engine: &Engine, list: &CurrentList, patient: &Id) -> Result<Tree, Refusal> {
    let mut entries = Vec::new();
    for (member, criteria) in list.members {
        let kind = engine.kind(member)?;
        let kinds = std::slice::from_ref(&kind);
        let asked = current::criteria(engine, kinds, &format!("patient={patient}&{criteria}"))?;
        let wanted = Wanted {
            kinds,
            predicate: &asked.predicate,
            sort: &[],
            limit: engine.limits.page_max,
            total: Total::None,
            clock: engine.clock(false),
        };
        let found = search(engine, &wanted, None)?;
        if found.next.is_some() {
            let text = format!(
                "More than {} records are current; search {member} with _list={} page by page.",
                engine.limits.page_max, list.name
            );
            return Err(Refusal::because(Reason::TooCostly, text));
        }
        entries.extend(
            found
                .hits
                .iter()
                .map(|hit| reference(&format!("{}/{}", hit.kind, hit.id))),
        );
    }
    let entry = |item| Tree::object([("item", item)]);
    let mut made = Tree::object([
        ("resourceType", Tree::string("List")),
        ("status", Tree::string("current")),
        ("mode", Tree::string("snapshot")),
        ("title", Tree::string(list.title)),
    ]);
    if let Some((code, _)) = list.code {
        made.set("code", concept(CODES, code, list.title));
    }
    made.set("subject", reference(&format!("Patient/{patient}")));
    made.set("date", Tree::string(moment::instant(now())));
    match entries.is_empty() {
        true => made.set("emptyReason", unavailable()),
        false => made.set("entry", Tree::Array(entries.into_iter().map(entry).collect())),
    }
    Ok(made)
}

/// Why a list or a section is empty: nothing is on record, which is not to say that there is nothing.
pub(crate) fn unavailable() -> Tree {
    let system = "http://terminology.hl7.org/CodeSystem/list-empty-reason";
    concept(system, "unavailable", "Unavailable")
}

/// A reference.
pub(crate) fn reference(text: &str) -> Tree {
    Tree::object([("reference", Tree::string(text))])
}

/// A concept of one coding.
pub(crate) fn concept(system: &str, code: &str, display: &str) -> Tree {
    let coding = Tree::object([
        ("system", Tree::string(system)),
        ("code", Tree::string(code)),
        ("display", Tree::string(display)),
    ]);
    Tree::object([("coding", Tree::Array(vec![coding]))])
}
