//! Pages of contained resources, each by itself: `_contained=true&_containedType=contained`.
//!
//! See <https://hl7.org/fhir/R4/search.html#contained>.
//!
//! What contains them is found as a whole, within the cost of a search; a page is a stretch of that.

use std::collections::BTreeMap;

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use search_index::{Clock, Hit};

use crate::cursor::Token;
use crate::engine::Engine;
use crate::record::{self, Inside, Record};
use crate::refusal::Refusal;
use crate::search::{Matches, Wanted};
use crate::stretch::{neighbours, stretch};

/// A page of the contained resources of the kinds that meet the condition, and the resources themselves.
///
/// # Errors
/// 400 for a damaged page link; what the index refuses.
pub(crate) fn find(
    engine: &Engine,
    kinds: &[Kind],
    wanted: &Wanted<'_>,
    token: Option<&Token>,
) -> Result<(Matches, Vec<Record>), Refusal> {
    let at = token.map(|token| token.at);
    let found = engine.index.containers(kinds, wanted.predicate, at, &wanted.clock)?;
    let each = |container| {
        let search_index::Container { record, places } = container;
        places.into_iter().map(move |place| (Hit::clone(&record), place))
    };
    let all: Vec<(Hit, usize)> = found.list.into_iter().flat_map(each).collect();
    let stretch = stretch(all.len(), wanted.limit, token.map(|token| &token.turn))?;
    let (next, previous) = neighbours(found.at, all.len(), &stretch);
    let page = &all[stretch];
    let matches = Matches {
        at: found.at,
        hits: page.iter().map(|(hit, _)| hit.clone()).collect(),
        total: Some(all.len() as u64),
        next,
        previous,
    };
    let records = records(engine, page, &wanted.clock)?;
    Ok((matches, records))
}

/// What lies in the records at the places.
fn records(engine: &Engine, page: &[(Hit, usize)], clock: &Clock) -> Result<Vec<Record>, Refusal> {
    let distinct: BTreeMap<u64, &Hit> = page.iter().map(|(hit, _)| (hit.seq, hit)).collect();
    let hits: Vec<Hit> = distinct.into_values().cloned().collect();
    let mut documents = BTreeMap::new();
    for record in record::fetch(engine, &hits, clock)? {
        if let Ok(document) = Document::parse(&record.json, Limits::default()) {
            documents.insert((record.kind, record.id), document);
        }
    }
    let one = |(hit, place): &(Hit, usize)| {
        let document = documents.get(&(hit.kind.clone(), hit.id.clone()))?;
        let list = document.root().get("contained")?;
        let item = list.items().nth(*place)?;
        let named = item.string("id").and_then(|id| Id::new(&id));
        let mut json = Vec::new();
        item.write_compact(&mut json);
        Some(Record {
            kind: hit.kind.clone(),
            id: hit.id.clone(),
            json: json.into(),
            inside: Some(named.map_or(Inside::Unnamed, Inside::Named)),
            score: None,
        })
    };
    Ok(page.iter().filter_map(one).collect())
}
