//! Which records changed lately and what they were before, so that a page can be an earlier snapshot.

use std::collections::VecDeque;

use fhir::identity::{Id, Kind};
use rustc_hash::FxHashMap;

use crate::entry::{Before, Entry};

/// Changes remembered; older ones are read from the log.
const REMEMBERED_MAX: usize = 65_536;

/// A record that was there before a version came.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The version's place in the log.
    pub(crate) seq: u64,
    /// The record.
    pub(crate) record: u64,
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its id.
    pub(crate) id: Id,
    /// What it was before.
    pub(crate) before: Before,
}

impl Change {
    /// The change a version makes; `None` where the record is new.
    pub(crate) fn of(entry: &Entry) -> Option<Change> {
        let Entry {
            seq, record, before, ..
        } = *entry;
        let (kind, id) = (entry.kind.clone(), entry.id.clone());
        (before != Before::Nothing).then_some(Change {
            seq,
            record,
            kind,
            id,
            before,
        })
    }
}

/// The latest changes, complete after a place in the log.
#[derive(Default)]
pub(crate) struct Changes {
    after: u64,
    changes: VecDeque<Change>,
}

impl Changes {
    /// No changes yet, complete after `after`.
    pub(crate) fn after(after: u64) -> Changes {
        Changes {
            after,
            changes: VecDeque::new(),
        }
    }

    /// Remembers a change.
    pub(crate) fn push(&mut self, change: Change) {
        if self.changes.len() == REMEMBERED_MAX
            && let Some(oldest) = self.changes.pop_front()
        {
            self.after = oldest.seq;
        }
        self.changes.push_back(change);
    }

    /// The first change of each record after `at`; `None` where that is too long ago to be remembered.
    pub(crate) fn since(&self, at: u64) -> Option<FxHashMap<u64, Change>> {
        if at < self.after {
            return None;
        }
        let from = self.changes.partition_point(|change| change.seq <= at);
        let mut first = FxHashMap::default();
        for change in self.changes.range(from..) {
            first.entry(change.record).or_insert_with(|| change.clone());
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_first_change_of_each_record() {
        let mut changes = Changes::after(10);
        for (seq, record) in [(11, 1), (12, 2), (13, 1)] {
            let (kind, id) = (Kind::new("Patient").unwrap(), Id::new("1").unwrap());
            changes.push(Change {
                seq,
                record,
                kind,
                id,
                before: Before::At(seq - 5),
            });
        }
        let found = |at| {
            let mut found: Vec<_> = changes
                .since(at)?
                .values()
                .map(|change| (change.record, change.seq))
                .collect();
            found.sort_unstable();
            Some(found)
        };
        assert_eq!(found(9), None);
        assert_eq!(found(10), Some(vec![(1, 11), (2, 12)]));
        assert_eq!(found(11), Some(vec![(1, 13), (2, 12)]));
        assert_eq!(found(13), Some(vec![]));
    }
}
