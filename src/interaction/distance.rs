//! How far a found Location is from what it was searched near to.
//!
//! <http://hl7.org/fhir/StructureDefinition/location-distance>

use fhir::document::Document;
use fhir::parse::Limits;
use query::predicate::{Predicate, Test};
use query::{Near, ParamId, Value};

use crate::engine::Engine;
use crate::record::Record;

/// The places that a search is near to, outside of its joins.
pub fn places(predicate: &Predicate) -> Vec<(ParamId, Near)> {
    match predicate {
        Predicate::And(list) | Predicate::Or(list) => list.iter().flat_map(places).collect(),
        Predicate::Test {
            param,
            test: Test::Near(near),
        } => vec![(*param, *near)],
        _ => Vec::new(),
    }
}

/// The metres from a record to the nearest of the places.
pub fn metres(engine: &Engine, places: &[(ParamId, Near)], record: &Record) -> Option<u32> {
    if places.is_empty() {
        return None;
    }
    let document = Document::parse(&record.json, Limits::default()).ok()?;
    let values = engine.registry.extract(&record.kind, document.root());
    let distances = places.iter().flat_map(|(param, near)| {
        values.of(*param).filter_map(|value| match value {
            Value::Position(position) => Some(near.place.distance(*position)),
            _ => None,
        })
    });
    distances.map(|metres| metres.round() as u32).min()
}
