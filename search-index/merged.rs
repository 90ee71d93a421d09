//! Which records are of one person, found in the plainest way: what the oracle holds the index to.

use std::convert::Infallible;
use std::sync::Arc;

use fhir::identity::Id;
use query::replaced::{KIND, Persons};
use query::{Predicate, RecordSet, record_hash};

/// Records that replace each other, as pairs; in the plainest way.
pub(crate) struct Merged(pub Vec<(Id, Id)>);

impl Merged {
    /// A set of records with all that are of the same persons.
    pub(crate) fn whole(&self, part: Predicate) -> Predicate {
        match part {
            Predicate::OneOf(set) => match self.completed(&set) {
                Ok(Some(whole)) => Predicate::OneOf(Arc::new(whole)),
                Ok(None) => Predicate::OneOf(set),
            },
            other => other,
        }
    }
}

impl Persons for Merged {
    type Trouble = Infallible;

    fn others(&self, id: &Id) -> Result<Vec<Id>, Infallible> {
        let mut all = vec![id.clone()];
        loop {
            let before = all.len();
            for (one, other) in &self.0 {
                match (all.contains(one), all.contains(other)) {
                    (true, false) => all.push(other.clone()),
                    (false, true) => all.push(one.clone()),
                    _ => {}
                }
            }
            if all.len() == before {
                all.remove(0);
                return Ok(all);
            }
        }
    }

    fn completed(&self, set: &RecordSet) -> Result<Option<RecordSet>, Infallible> {
        let hash = |id: &Id| record_hash(KIND, id.as_str());
        let mut whole = set.clone();
        for id in self.0.iter().flat_map(|(one, other)| [one, other]) {
            if set.contains(&hash(id)) {
                let Ok(others) = self.others(id);
                whole.extend(others.iter().map(hash));
            }
        }
        Ok((whole.len() > set.len()).then_some(whole))
    }
}
