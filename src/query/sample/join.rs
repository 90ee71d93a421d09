//! What joins stand for, record by record: the oracle's side of them.

use std::sync::Arc;

use fhir::document::Node;
use fhir::identity::{Id, Kind};

use crate::canonical::{AddressSet, each_key, pointed_to};
use crate::predicate::{Hierarchy, Join, Predicate, RecordSet};
use crate::values::{ParamId, Target, Value, Values, record_hash};

/// A record that a look-up found.
pub struct Found<'a> {
    /// Its kind.
    pub kind: &'a Kind,
    /// Its id.
    pub id: &'a Id,
    /// Its values.
    pub values: &'a Values,
    /// The record.
    pub root: Node<'a>,
}

impl Found<'_> {
    fn record(&self) -> u64 {
        record_hash(self.kind.as_str(), self.id.as_str())
    }

    fn refers_to(&self, param: ParamId, only: Option<&Kind>) -> impl Iterator<Item = u64> {
        self.values.of(param).filter_map(move |value| match value {
            Value::Reference(Target::Local { kind, id, .. }) if only.is_none_or(|only| only == kind) => {
                Some(record_hash(kind.as_str(), id.as_str()))
            }
            _ => None,
        })
    }
}

/// What a join stands for, given how to find the records of some kinds that meet a condition without joins.
pub fn look_up<'a>(join: Join, find: &dyn Fn(&[Kind], &Predicate) -> Vec<Found<'a>>) -> Predicate {
    match join {
        Join::Chain {
            param,
            targets,
            inner,
            canonical,
        } => {
            let found = if targets.is_empty() {
                Vec::new()
            } else {
                find(&targets, &inner)
            };
            let set: RecordSet = found.iter().map(Found::record).collect();
            let mut addresses = AddressSet::default();
            for one in found.iter().filter(|_| canonical) {
                each_key(one.root, &mut |key| {
                    addresses.insert(key.into());
                });
            }
            let (set, addresses) = (Arc::new(set), Arc::new(addresses));
            let by_address = Predicate::PointsTo { param, set: addresses };
            let inside = Predicate::Contains {
                by: Some(param),
                kinds: targets,
                inner: Box::new(inner),
            };
            let inside: RecordSet = find(&[], &inside).iter().map(Found::record).collect();
            Predicate::Or(vec![
                Predicate::RefersTo { param, set },
                by_address,
                Predicate::OneOf(Arc::new(inside)),
            ])
        }
        Join::Has {
            kind,
            param,
            inner,
            canonical,
        } => {
            let found = find(&[kind], &inner);
            let set: RecordSet = found.iter().flat_map(|one| one.refers_to(param, None)).collect();
            let addresses = found.iter().filter(|_| canonical).flat_map(|one| one.values.of(param));
            let addresses = addresses.filter_map(|value| match value {
                Value::Reference(Target::Elsewhere(address)) => Some(&**address),
                _ => None,
            });
            Predicate::Or(vec![Predicate::OneOf(Arc::new(set)), pointed_to(addresses)])
        }
        Join::Contains { by, kinds, inner } => {
            let inner = Box::new(inner);
            let found = find(&[], &Predicate::Contains { by, kinds, inner });
            Predicate::OneOf(Arc::new(found.iter().map(Found::record).collect()))
        }
        Join::Within { param, hierarchy } => {
            let set = Arc::new(within(
                &hierarchy,
                &find(std::slice::from_ref(&hierarchy.kind), &Predicate::All),
            ));
            Predicate::RefersTo { param, set }
        }
    }
}

/// The records of a hierarchy: those reached from where it starts over as many steps as there are.
fn within(hierarchy: &Hierarchy, all: &[Found<'_>]) -> RecordSet {
    let mut set = RecordSet::from_iter([record_hash(hierarchy.kind.as_str(), hierarchy.id.as_str())]);
    loop {
        let before = set.len();
        for one in all {
            let (record, mut above) = (one.record(), one.refers_to(hierarchy.by, Some(&hierarchy.kind)));
            match hierarchy.up {
                true if set.contains(&record) => set.extend(above),
                false if above.any(|above| set.contains(&above)) => {
                    set.insert(record);
                }
                _ => {}
            }
        }
        if set.len() == before {
            break;
        }
    }
    set
}
