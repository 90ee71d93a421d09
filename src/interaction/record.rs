//! Versions on their way into a page, as JSON.

use std::sync::Arc;

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use rustc_hash::FxHashMap;
use search_index::{Clock, Hit};

use crate::built_in;
use crate::engine::{Engine, spliced};
use crate::refusal::Refusal;

/// What it costs to bring a record into a page, in steps of a search.
const STEPS_PER_HIT: u64 = 64;

/// Something that a record contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Under this id.
    Named(Id),
    /// Without an id, so that no address leads to it.
    Unnamed,
}

/// One record on its way into a page.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
    /// The whole of it.
    pub json: Arc<[u8]>,
    /// What is meant within the record, where the JSON is only that.
    pub inside: Option<Inside>,
    /// How well its words fit, in millionths, where words were asked for.
    pub score: Option<u32>,
}

/// Reads a stored record's JSON.
///
/// # Errors
/// 500: what is stored was read before it was written.
pub(crate) fn parsed(json: &[u8]) -> Result<Document, Refusal> {
    Document::parse(json, Limits::default())
        .map_err(|e| Refusal::broken(format!("a stored record cannot be read. {e}")))
}

/// The records that were hit, in their order.
///
/// # Errors
/// Those of the store and of the clock.
pub fn fetch(engine: &Engine, hits: &[Hit], clock: &Clock) -> Result<Vec<Record>, Refusal> {
    let stored = hits.iter().map(|hit| hit.seq).filter(|seq| *seq != search_index::UNDER);
    let mut stored = at_places(engine, &stored.collect::<Vec<u64>>(), clock)?.into_iter();
    let mut json = |hit: &Hit| match hit.seq {
        search_index::UNDER => built_in::record(&hit.kind, &hit.id).map(|record| record.json),
        _ => stored.next().flatten(),
    };
    let record = |hit: &Hit| {
        Some(Record {
            json: json(hit)?,
            kind: hit.kind.clone(),
            id: hit.id.clone(),
            inside: None,
            score: hit.score,
        })
    };
    Ok(hits.iter().filter_map(record).collect())
}

/// The JSON of the versions at some places in the log, in their order; `None` where there is none. What was answered lately
/// is at hand; the rest is read in one go.
///
/// # Errors
/// Those of the store and of the clock.
pub(crate) fn at_places(engine: &Engine, places: &[u64], clock: &Clock) -> Result<Vec<Option<Arc<[u8]>>>, Refusal> {
    clock.check(places.len() as u64 * STEPS_PER_HIT)?;
    let mut found: Vec<Option<Arc<[u8]>>> = places.iter().map(|place| engine.versions.get(*place)).collect();
    let missing = places.iter().zip(&found).filter(|(_, json)| json.is_none());
    let missing: Vec<u64> = missing.map(|(place, _)| *place).collect();
    if missing.is_empty() {
        return Ok(found);
    }
    clock.wait()?;
    let mut read: FxHashMap<u64, Arc<[u8]>> = FxHashMap::default();
    for version in engine.store.by_seq(&missing)? {
        let json: Arc<[u8]> = spliced(&version).into();
        engine.versions.insert(version.seq, Arc::clone(&json));
        read.insert(version.seq, json);
    }
    for (place, json) in places.iter().zip(&mut found) {
        if json.is_none() {
            *json = read.get(place).cloned();
        }
    }
    Ok(found)
}
