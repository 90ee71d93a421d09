//! Functional lists: what is current of one patient's problems, medications and allergies.
//!
//! <https://hl7.org/fhir/R4/lifecycle.html#lists>. Where a List record is kept for the purpose (its `code` says so, its
//! `status` is current), that is the list; where none is, it is what the records themselves say is current.

use fhir::identity::{Id, Kind, Reference};
use query::predicate::Predicate;
use query::{Search, SortBy, SortKey, Total};

use crate::address;
use crate::engine::{Engine, now};
use crate::record::{self, Record};
use crate::refusal::{Reason, Refusal};
use crate::search::{Wanted, find};

/// One functional list.
pub(crate) struct CurrentList {
    /// What it is asked for by.
    pub(crate) name: &'static str,
    /// What it is called.
    pub(crate) title: &'static str,
    /// The code of the List records kept for it, in [`CODES`], and in LOINC.
    pub(crate) code: Option<(&'static str, &'static str)>,
    /// The kinds of record it lists, and the criteria by which one is current.
    pub(crate) members: &'static [(&'static str, &'static str)],
}

/// What List records are for (<https://hl7.org/fhir/R4/valueset-list-example-codes.html>).
pub(crate) const CODES: &str = "http://terminology.hl7.org/CodeSystem/list-example-use-codes";

/// Conditions that are problems now: none of which it is said that they are over, or were none.
pub(crate) const PROBLEMS: &str =
    "clinical-status:not=inactive,remission,resolved&verification-status:not=entered-in-error,refuted";
/// Allergies that are to be heeded now.
pub(crate) const ALLERGIES: &str =
    "clinical-status:not=inactive,resolved&verification-status:not=entered-in-error,refuted";
/// Medications that are taken now.
pub(crate) const STATEMENTS: &str = "status=active,intended,on-hold,unknown";
/// Prescriptions that are in force now.
pub(crate) const PRESCRIPTIONS: &str = "status=active,on-hold,unknown";

/// The functional lists that R4 names.
pub(crate) const LISTS: [CurrentList; 4] = [
    CurrentList {
        name: "$current-problems",
        title: "Problem list",
        code: Some(("problems", "11450-4")),
        members: &[("Condition", PROBLEMS)],
    },
    CurrentList {
        name: "$current-medications",
        title: "Medication list",
        code: Some(("medications", "10160-0")),
        members: &[
            ("MedicationStatement", STATEMENTS),
            ("MedicationRequest", PRESCRIPTIONS),
        ],
    },
    CurrentList {
        name: "$current-allergies",
        title: "Allergies and intolerances",
        code: Some(("allergies", "48765-2")),
        members: &[("AllergyIntolerance", ALLERGIES)],
    },
    CurrentList {
        name: "$current-drug-allergies",
        title: "Allergies to medications",
        code: None,
        members: &[(
            "AllergyIntolerance",
            "category=medication&clinical-status:not=inactive,resolved&verification-status:not=entered-in-error,refuted",
        )],
    },
];

/// The functional list of a name, written with the `$` or without.
pub(crate) fn named(name: &str) -> Option<&'static CurrentList> {
    LISTS
        .iter()
        .find(|list| list.name.trim_start_matches('$') == name.trim_start_matches('$'))
}

/// Takes the `_list` that names a functional list out of a search's parameters.
pub(crate) fn take(params: &mut Vec<(String, String)>) -> Option<(String, String)> {
    let is_one = |(name, value): &(String, String)| name == "_list" && LISTS.iter().any(|list| list.name == value);
    let place = params.iter().position(is_one)?;
    Some(params.remove(place))
}

/// The condition to be on the functional list of the patient whom the other parameters name.
///
/// # Errors
/// 400 where they name no patient.
pub(crate) fn listed(
    engine: &Engine,
    kinds: &[Kind],
    name: &str,
    params: &[(String, String)],
) -> Result<Predicate, Refusal> {
    let list = named(name).expect("it was found by this name");
    let patient = params.iter().find_map(|(name, value)| match name.as_str() {
        "patient" | "subject" | "patient:Patient" | "subject:Patient" => patient_id(value),
        _ => None,
    });
    let patient = patient.ok_or_else(|| {
        let text = format!("_list={name} is a list of one patient's; name the patient too, as in patient=17.");
        Refusal::because(Reason::Invalid, text).at("http._list")
    })?;
    if let Some(kept) = kept(engine, list, &patient)? {
        return Ok(criteria(engine, kinds, &format!("_list={}", kept.id))?.predicate);
    }
    let mut choices = Vec::new();
    for (member, current) in list.members {
        let kind = engine.kind(member)?;
        if kinds.is_empty() || kinds.contains(&kind) {
            let current = criteria(engine, std::slice::from_ref(&kind), current)?.predicate;
            choices.push(Predicate::Kind(vec![kind]).and(current));
        }
    }
    Ok(Predicate::any(choices))
}

/// The id in `17`, `Patient/17` or the address of a patient.
pub(crate) fn patient_id(text: &str) -> Option<Id> {
    match Reference::parse(text) {
        Reference::Literal {
            kind: "Patient", id, ..
        } => Id::new(id),
        _ => Id::new(text),
    }
}

/// The List record that is kept for a purpose, the one written last.
///
/// # Errors
/// Those of a search.
pub(crate) fn kept(engine: &Engine, list: &CurrentList, patient: &Id) -> Result<Option<Record>, Refusal> {
    let Some((code, loinc)) = list.code else {
        return Ok(None);
    };
    let kind = engine.kind("List")?;
    let kinds = std::slice::from_ref(&kind);
    let asked = format!("subject=Patient/{patient}&status=current&code={CODES}|{code},http://loinc.org|{loinc}");
    let search = criteria(engine, kinds, &asked)?;
    let newest = SortKey {
        by: SortBy::Updated,
        descending: true,
    };
    let wanted = Wanted {
        kinds,
        predicate: &search.predicate,
        sort: &[newest],
        limit: 1,
        total: Total::None,
        clock: engine.clock(false),
    };
    let hits = find(engine, &wanted, None)?.hits;
    Ok(record::fetch(engine, &hits, &wanted.clock)?.pop())
}

/// Criteria of ours, read as any search is.
///
/// # Errors
/// As for a search that is not understood; while the index is being built, 503.
pub(crate) fn criteria(engine: &Engine, kinds: &[Kind], text: &str) -> Result<Search, Refusal> {
    let params = address::pairs(text).unwrap_or_default();
    let handling = query::Handling {
        strict: true,
        now: now(),
        base: "",
    };
    query::parse(&engine.registry, kinds, &params, &handling).map_err(Refusal::of_search)
}
