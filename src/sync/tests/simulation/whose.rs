//! Who is in a clinic's horizon, worked out plainly from all versions that came: what the product's horizons are held to.

use std::collections::BTreeSet;

use fhir::identity::Id;
use fhir::tree::Tree;

use super::centre::Registered;
use super::disk::Entry;
use super::people::{gewog, person};
use crate::change::Change;

const HOUR: i64 = 3_600_000_000;
/// A month, in hours.
const MONTH: f64 = 365.25 * 24.0 / 12.0;

/// What one version at the centre tells of whom it is of.
struct Fact {
    person: Id,
    /// Where she lives from now on.
    gewog: Option<u32>,
    /// Who has seen her, and to which places she is referred.
    by: u32,
    places: Vec<String>,
    hour: i64,
}

/// All facts, in the order of the log.
#[derive(Default)]
pub struct Whose {
    facts: Vec<Fact>,
}

impl Whose {
    /// Looks at what was written since. What was looked at is durable.
    pub fn follow(&mut self, log: &[Entry]) {
        let new = log.iter().skip(self.facts.len());
        self.facts.extend(new.map(fact));
    }

    /// The people in a node's horizon.
    pub fn people(&self, numbers: &[u32], node: &Registered, now: i64) -> BTreeSet<&Id> {
        let devices: Vec<String> = numbers.iter().map(|number| format!("Device/node-{number}")).collect();
        let is_here = |place: &String| devices.contains(place) || Some(place) == node.clinic.as_ref();
        let oldest = now.div_euclid(HOUR) - (f64::from(node.within_months) * MONTH) as i64;
        let (mut lives, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for fact in &self.facts {
            match fact.gewog {
                Some(gewog) if node.gewogs.contains(&gewog) => _ = lives.insert(&fact.person),
                Some(_) => _ = lives.remove(&fact.person),
                None => {}
            }
            let here = numbers.contains(&fact.by) || fact.places.iter().any(is_here);
            if here && fact.hour >= oldest {
                seen.insert(&fact.person);
            }
        }
        &lives | &seen
    }

    /// Holds what a node is sent to whom it may know of: the people in its horizon, and those who lived there.
    pub fn may_have(&self, numbers: &[u32], node: &Registered, now: i64, states: &[Change]) {
        let people = self.people(numbers, node, now);
        for state in states.iter().filter(|state| state.kind.as_str() != "Device") {
            let person = person(&(state.kind.clone(), state.id.clone()));
            let lived = |fact: &Fact| fact.person == person && fact.gewog.is_some_and(|at| node.gewogs.contains(&at));
            assert!(
                people.contains(&person) || self.facts.iter().any(lived),
                "node {} is sent {}/{} of somebody beyond its horizon",
                numbers[0],
                state.kind,
                state.id
            );
        }
    }
}

fn fact(entry: &Entry) -> Fact {
    let change = &entry.change;
    let record = change.record().expect("a body").unwrap_or(Tree::Null);
    let is_patient = change.kind.as_str() == "Patient" && change.operation.is_live() && !entry.aside;
    let performers = record.get("performer").map(Tree::items).unwrap_or_default();
    let named = performers.iter().chain(record.get("owner"));
    let places = named.filter_map(|named| named.get("reference")?.as_str().map(str::to_owned));
    Fact {
        person: person(&(change.kind.clone(), change.id.clone())),
        gewog: is_patient.then(|| gewog(&record)),
        by: if change.version.node > 0 {
            change.version.node
        } else {
            u32::MAX
        },
        places: places.collect(),
        hour: entry.arrived.div_euclid(HOUR),
    }
}
