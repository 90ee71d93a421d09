//! `ValueSet/$expand` (<https://hl7.org/fhir/R4/valueset-operation-expand.html>).

use fhir::moment;
use fhir::tree::Tree;
use terminology::expansion::{Stamp, expand as expansion};
use terminology::{Shown, ValueSet, Wanted, version};

use crate::engine::{Engine, now};
use crate::operation::Call;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::terminology_call::{Asked, No, answer, needs, unique_name};

/// Parameters that are repeated in the expansion: yes or no.
const FLAGS: [&str; 6] = [
    "activeOnly",
    "excludeNested",
    "excludeNotForUI",
    "excludePostCoordinated",
    "includeDefinition",
    "includeDesignations",
];

/// The value set with its codes.
///
/// # Errors
/// 404 where the value set is not known; 422 where it cannot be expanded, or has too many codes; 400 for parameters that
/// are not understood.
pub fn expand(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    answer(engine, request, call, |asked, session| {
        let set = asked.value_set(session)?;
        let set = set.ok_or_else(|| needs("a value set: a url, or a valueSet that is sent along"))?;
        for supplement in &set.supplements {
            session.supplement(supplement)?;
        }
        let wanted = wanted(asked, &set)?;
        let stamp = Stamp {
            identifier: unique_name(),
            timestamp: moment::instant(now()),
        };
        Ok(expansion(session, &set, &wanted, echoed(asked, &wanted)?, &stamp)?)
    })
}

fn flag(asked: &Asked<'_>, set: &ValueSet, name: &str) -> Result<bool, No> {
    let said = || set.parameter(name).map(|text| text == "true");
    Ok(asked.inputs.flag(name)?.or_else(said).unwrap_or(false))
}

fn wanted(asked: &Asked<'_>, set: &ValueSet) -> Result<Wanted, No> {
    let texts = |name: &str| asked.inputs.texts(name).map(|text| text.into_owned()).collect();
    let filter = asked.inputs.text("filter").map(|text| text.into_owned());
    Ok(Wanted {
        shown: Shown {
            languages: asked.languages(Some(set)),
            designations: flag(asked, set, "includeDesignations")?,
            which: texts("designation"),
            properties: texts("property"),
        },
        filter: filter.filter(|text| !text.trim().is_empty()),
        offset: asked.inputs.number("offset")?.unwrap_or(0),
        count: asked.inputs.number("count")?,
        most: asked.engine.limits.expansion_codes,
        without: asked.inputs.texts("exclude-system").map(|text| system(&text)).collect(),
        active_only: flag(asked, set, "activeOnly")?,
        selectable_only: flag(asked, set, "excludeNotForUI")?,
        definition: flag(asked, set, "includeDefinition")?,
        flat: flag(asked, set, "excludeNested")?,
    })
}

/// A system, and the version of it, where one is named.
fn system(canonical: &str) -> (String, Option<String>) {
    let (url, wanted) = version::split(canonical);
    (url.to_owned(), wanted.map(str::to_owned))
}

/// The parameters that the expansion repeats.
fn echoed(asked: &Asked<'_>, wanted: &Wanted) -> Result<Vec<(String, &'static str, Tree)>, No> {
    let mut all = Vec::new();
    for name in FLAGS {
        if let Some(yes) = asked.inputs.flag(name)? {
            all.push((name.to_owned(), "valueBoolean", Tree::Bool(yes)));
        }
    }
    for name in ["count", "offset"] {
        if let Some(number) = asked.inputs.number(name)? {
            all.push((name.to_owned(), "valueInteger", Tree::number(number)));
        }
    }
    let mut which = wanted.shown.which.clone();
    which.sort_unstable();
    all.extend(
        which
            .into_iter()
            .map(|one| ("designation".to_owned(), "valueString", Tree::string(one))),
    );
    for (url, wanted) in &wanted.without {
        let canonical = version::join(url, wanted.as_deref());
        all.push(("exclude-system".to_owned(), "valueUri", Tree::string(canonical)));
    }
    if let Some(filter) = &wanted.filter {
        all.push(("filter".to_owned(), "valueString", Tree::string(filter)));
    }
    let languages = &wanted.shown.languages;
    if !languages.is_empty() {
        all.push((
            "displayLanguage".to_owned(),
            "valueCode",
            Tree::string(languages.text()),
        ));
    }
    Ok(all)
}
