//! `Observation/$lastn` (<https://hl7.org/fhir/R4/observation-operation-lastn.html>): the most recent of each code.

use std::collections::HashMap;

use conformance::ParameterType;
use fhir::document::Node;
use fhir::identity::Id;
use query::{Containing, SortBy, SortKey, SortValue, Total, sort_key};

use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::record::Record;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::{Matches, Plan, Wanted, Within, answer};
use crate::stretch::{neighbours, stretch};
use crate::sweep::sweep;

/// Observations read at once.
const CHUNK: usize = 1_000;

/// Searches observations and answers, of each group of them that have the same code, the `max` most recent (1 where
/// nothing is said), most recent first. Those of the same moment as the last are answered too.
///
/// # Errors
/// 400 where no subject or no code is named, or the search is not understood; 422 where it finds too many.
pub fn lastn(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let kind = call.kind.expect("it is asked of a kind");
    let inputs = Inputs::read(engine, request, call)?;
    let (own, params): (Vec<_>, Vec<_>) = inputs.pairs()?.into_iter().partition(|(name, _)| name == "max");
    let max = most(&inputs)?;
    check(&params)?;
    let mut plan = Plan::read(engine, request, &Within::Kind(kind.clone()), &params, &own)?;
    if plan.search.contained != Containing::Records {
        let text = "$lastn answers records, not what is contained in others; leave _contained out.";
        return Err(Refusal::because(Reason::NotSupported, text).at("http._contained"));
    }
    if plan.search.count.is_none() && plan.limit > 0 {
        plan.limit = engine.limits.page_max;
    }
    let (at, chosen) = choose(engine, &plan, max)?;
    let page = stretch(chosen.len(), plan.limit, plan.token.as_ref().map(|token| &token.turn))?;
    let (next, previous) = neighbours(at, chosen.len(), &page);
    let matches = Matches {
        at,
        hits: Vec::new(),
        total: Some(chosen.len() as u64),
        next,
        previous,
    };
    let mut records = Vec::new();
    for id in &chosen[page] {
        let found = engine.record_at(kind, id, at)?;
        records.extend(found.map(|cached| Record {
            kind: kind.clone(),
            id: id.clone(),
            json: cached.json,
            inside: None,
            score: None,
        }));
    }
    answer(engine, request, &plan, &matches, &records)
}

fn most(inputs: &Inputs) -> Result<usize, Refusal> {
    match inputs.number("max")? {
        None => Ok(1),
        Some(0) => Err(Refusal::because(Reason::Invalid, "max is 0; write a number from 1.").at("http.max")),
        Some(max) => Ok(max),
    }
}

/// The operation SHALL be asked with a subject, and with a category or a parameter over codes.
fn check(params: &[(String, String)]) -> Result<(), Refusal> {
    let heads = || {
        params
            .iter()
            .map(|(name, _)| name.split([':', '.']).next().unwrap_or(name))
    };
    if heads().any(|name| name == "_sort") {
        let text = "$lastn has an order of its own, the most recent first; leave _sort out.";
        return Err(Refusal::because(Reason::NotSupported, text).at("http._sort"));
    }
    if !heads().any(|name| matches!(name, "patient" | "subject")) {
        let text = "$lastn needs a subject: add patient=… or subject=….";
        return Err(Refusal::because(Reason::Invalid, text).at("http.subject"));
    }
    if !heads().any(|name| name == "category" || name.contains("code") || name.contains("concept")) {
        let text = "$lastn needs to know which observations: add category=… or code=….";
        return Err(Refusal::because(Reason::Invalid, text).at("http.code"));
    }
    Ok(())
}

/// The ids of the observations to answer, most recent first, and the place in the log they are of.
fn choose(engine: &Engine, plan: &Plan, max: usize) -> Result<(u64, Vec<Id>), Refusal> {
    let kind = &plan.kinds[0];
    let date = engine.registry.parameter(kind, "date").map(|parameter| parameter.id);
    let date = date.ok_or_else(|| Refusal::broken("Observation has no parameter `date`."))?;
    let recent = SortKey {
        by: SortBy::Parameter(date, ParameterType::Date),
        descending: true,
    };
    let wanted = Wanted {
        kinds: &plan.kinds,
        predicate: &plan.predicate,
        sort: &[recent],
        limit: CHUNK,
        total: Total::None,
        clock: plan.clock.clone(),
    };
    let mut groups = Groups::default();
    let mut all: Vec<(Id, usize, Option<SortValue>)> = Vec::new();
    let at = sweep(
        engine,
        &wanted,
        plan.token.as_ref().map(|token| token.at),
        &mut |record, document| {
            let values = engine.registry.extract(kind, document.root());
            let group = groups.join(document.root().get("code"));
            all.push((record.id.clone(), group, sort_key(&values, date, true)));
            Ok(())
        },
    )?;
    // Which codes are the same is known only now: a record may say of two groups that they are one.
    let mut taken: HashMap<usize, (usize, Option<SortValue>)> = HashMap::new();
    let mut chosen = Vec::new();
    for (id, group, moment) in all {
        let (count, last) = taken.entry(groups.root(group)).or_default();
        if *count < max || (moment.is_some() && moment == *last) {
            *count += 1;
            *last = moment;
            chosen.push(id);
        }
    }
    Ok((at, chosen))
}

/// Codes in groups: codings that stand in one concept mean the same, and so do those that mean the same as one of them.
#[derive(Default)]
struct Groups {
    /// The group of each code, by its number.
    of: HashMap<String, usize>,
    /// For each group the one it was joined to; itself where it was to none.
    joined: Vec<usize>,
}

impl Groups {
    /// The group of a concept: by its codings, or where it has none by its text as written.
    fn join(&mut self, concept: Option<Node<'_>>) -> usize {
        let codings = concept.and_then(|concept| concept.get("coding"));
        let codings = codings.iter().flat_map(|list| list.each()).filter_map(|coding| {
            let system = coding.string("system").unwrap_or_default();
            Some(format!("{system}|{}", coding.string("code")?))
        });
        let mut names: Vec<String> = codings.collect();
        if names.is_empty() {
            let text = concept.and_then(|concept| concept.string("text"));
            names.push(format!("text {}", text.unwrap_or_default()));
        }
        let mut first = None;
        for name in names {
            let fresh = self.joined.len();
            let group = *self.of.entry(name).or_insert(fresh);
            if group == fresh {
                self.joined.push(fresh);
            }
            let root = self.root(group);
            let first = *first.get_or_insert(root);
            self.joined[root] = first;
        }
        first.expect("there is a name at least")
    }

    /// The group that a group belongs to in the end.
    fn root(&mut self, mut group: usize) -> usize {
        while self.joined[group] != group {
            // Halves the way for whoever asks next.
            self.joined[group] = self.joined[self.joined[group]];
            group = self.joined[group];
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use super::*;

    /// The table of the standard: letters are codings, words after `=` texts; how many groups they make.
    #[test]
    fn codes_are_grouped_as_the_standard_s_table_has_it() {
        let table = [
            ("a; b; c", 3),
            ("a; b; a,c", 2),
            ("a; b; a,b", 1),
            ("=textM; =Text; =t e x t", 3),
            ("a,b; c,d; b,c", 1),
            ("=x; =x; x", 2),
        ];
        for (concepts, expected) in table {
            let mut groups = Groups::default();
            let mut numbers = Vec::new();
            for concept in concepts.split(';').map(str::trim) {
                let text = match concept.strip_prefix('=') {
                    Some(text) => format!(r#"{{"text":"{text}"}}"#),
                    None => {
                        let coding = |code: &str| format!(r#"{{"system":"s","code":"{code}"}}"#);
                        let codings: Vec<String> = concept.split(',').map(coding).collect();
                        format!(r#"{{"coding":[{}],"text":"any"}}"#, codings.join(","))
                    }
                };
                let document = Document::parse(text.as_bytes(), Limits::default()).unwrap();
                numbers.push(groups.join(Some(document.root())));
            }
            let mut roots: Vec<usize> = numbers.into_iter().map(|number| groups.root(number)).collect();
            roots.sort_unstable();
            roots.dedup();
            assert_eq!(roots.len(), expected, "{concepts}");
        }
    }
}
