//! The versions appended last, kept in memory to judge guards by.

use std::collections::VecDeque;

use crate::unit::{Appended, Guard};

/// How long, in microseconds: a guard is hardly older than its request, and attachments weigh.
const KEPT_FOR: i64 = 10_000_000;

/// The last versions, without a gap up to the log's head.
pub(crate) struct Recent {
    versions: VecDeque<Appended>,
    /// How many at most.
    most: usize,
    /// Every version after this place is here.
    from: u64,
}

impl Recent {
    /// Nothing appended since a place; so many are kept at most.
    pub fn since(head: u64, most: usize) -> Recent {
        Recent {
            versions: VecDeque::new(),
            most,
            from: head,
        }
    }

    /// Adds a group and lets go of what is too old.
    pub fn add(&mut self, group: Vec<Appended>) {
        let newest = group.last().map_or(0, |a| a.arrived);
        self.versions.extend(group);
        while let Some(oldest) = self.versions.front() {
            if self.versions.len() <= self.most && oldest.arrived + KEPT_FOR >= newest {
                break;
            }
            self.from = oldest.seq;
            self.versions.pop_front();
        }
    }

    /// Whether a version kept here disturbs a guard, or the guard is older than what is kept.
    pub fn disturbs(&self, guard: &Guard) -> bool {
        let after = self.versions.iter().rev().take_while(|a| a.seq > guard.since);
        guard.since < self.from || after.into_iter().any(|a| guard.is_disturbed_by(a))
    }
}
