//! Pages of contained resources, each by itself: `_contained=true&_containedType=contained`.
//!
//! See <https://hl7.org/fhir/R4/search.html#contained>.
//!
//! What contains them is found as a whole, within the cost of a search; a page is a stretch of that.

use std::collections::BTreeMap;
use std::ops::Range;

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use search_index::Hit;

use crate::cursor::{Token, Turn};
use crate::engine::Engine;
use crate::record::{self, Record};
use crate::refusal::Refusal;
use crate::search::{Matches, Wanted, damaged};

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
        let search_index::Container { record, ids } = container;
        ids.into_iter().map(move |id| (Hit::clone(&record), id))
    };
    let all: Vec<(Hit, Id)> = found.list.into_iter().flat_map(each).collect();
    let stretch = stretch(all.len(), wanted.limit, token.map(|token| &token.turn))?;
    let total = Some(all.len() as u64);
    let link = |there: bool, turn: fn(String) -> Turn, place: usize| {
        there.then(|| Token {
            at: found.at,
            total,
            turn: turn(place.to_string()),
        })
    };
    let page = &all[stretch.clone()];
    let matches = Matches {
        at: found.at,
        hits: page.iter().map(|(hit, _)| hit.clone()).collect(),
        total,
        next: link(stretch.end < all.len(), Turn::After, stretch.end),
        previous: link(stretch.start > 0, Turn::Before, stretch.start),
    };
    let records = records(engine, page)?;
    Ok((matches, records))
}

/// Which of `all` are on a page of `limit`.
fn stretch(all: usize, limit: usize, turn: Option<&Turn>) -> Result<Range<usize>, Refusal> {
    let place = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|place| *place <= all)
            .ok_or_else(damaged)
    };
    let (start, end) = match turn {
        None | Some(Turn::First) => (0, limit),
        Some(Turn::After(text)) => (place(text)?, place(text)?.saturating_add(limit)),
        Some(Turn::Before(text)) => (place(text)?.saturating_sub(limit), place(text)?),
        Some(Turn::Last) => (all.saturating_sub(1) / limit.max(1) * limit, all),
    };
    let end = end.min(all);
    Ok(start.min(end)..end)
}

/// What lies in the records under the ids.
fn records(engine: &Engine, page: &[(Hit, Id)]) -> Result<Vec<Record>, Refusal> {
    let distinct: BTreeMap<u64, &Hit> = page.iter().map(|(hit, _)| (hit.seq, hit)).collect();
    let hits: Vec<Hit> = distinct.into_values().cloned().collect();
    let mut documents = BTreeMap::new();
    for record in record::fetch(engine, &hits)? {
        if let Ok(document) = Document::parse(&record.json, Limits::default()) {
            documents.insert((record.kind, record.id), document);
        }
    }
    let one = |(hit, inside): &(Hit, Id)| {
        let document = documents.get(&(hit.kind.clone(), hit.id.clone()))?;
        let list = document.root().get("contained")?;
        let mut items = list.items();
        let item = items.find(|item| item.string("id").is_some_and(|id| *id == *inside.as_str()))?;
        let mut json = Vec::new();
        item.write_compact(&mut json);
        Some(Record {
            kind: hit.kind.clone(),
            id: hit.id.clone(),
            json: json.into(),
            inside: Some(inside.clone()),
            score: None,
        })
    };
    Ok(page.iter().filter_map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_stretches_of_the_whole() {
        let after = |place: usize| Some(Turn::After(place.to_string()));
        let before = |place: usize| Some(Turn::Before(place.to_string()));
        let table = [
            (5, 2, None, 0..2),
            (5, 2, after(2), 2..4),
            (5, 2, after(4), 4..5),
            (5, 2, before(4), 2..4),
            (5, 2, before(1), 0..1),
            (5, 2, Some(Turn::Last), 4..5),
            (4, 2, Some(Turn::Last), 2..4),
            (0, 2, Some(Turn::Last), 0..0),
            (5, 0, None, 0..0),
        ];
        for (all, limit, turn, expected) in table {
            assert_eq!(
                stretch(all, limit, turn.as_ref()).unwrap(),
                expected,
                "{all} {limit} {turn:?}"
            );
        }
        assert!(stretch(5, 2, after(9).as_ref()).is_err());
    }
}
