//! What moves when all is healed: time passes, areas are given to other clinics, and only the difference is sent.

use std::collections::BTreeSet;

use fhir::identity::Id;

use super::people::person;
use super::{DAY, World};
use crate::compare::Comparison;

impl World {
    /// Time passes, and then horizons are moved; each clinic is sent those who came into its horizon, and nothing else.
    pub(super) fn moves_on(&mut self) {
        let clinics = self.nodes.len().min(5);
        for days in [0, 25, 50] {
            self.now += days * DAY;
            self.centre.now = self.now;
            for place in 0..clinics {
                self.nodes[place].session.comparison = Comparison::Due(0);
                self.agree(place);
            }
            for place in 0..clinics {
                let before = self.people_of(place);
                self.move_horizon(place);
                self.agree_on_the_difference(place, &before);
            }
        }
    }

    fn people_of(&mut self, place: usize) -> BTreeSet<Id> {
        self.centre.follow();
        let numbers = self.centre.numbers(self.nodes[place].disk.notes.number);
        let node = &self.centre.register[&numbers[0]];
        let people = self.centre.whose.people(&numbers, node, self.now);
        people.into_iter().cloned().collect()
    }

    fn agree_on_the_difference(&mut self, place: usize, before: &BTreeSet<Id>) {
        self.nodes[place].received.clear();
        // Who comes into the horizon may have been damaged here before.
        self.nodes[place].session.comparison = Comparison::Due(0);
        self.agree(place);
        let after = self.people_of(place);
        let received: BTreeSet<_> = self.nodes[place].received.drain(..).collect();
        for key in received.iter().filter(|key| key.0.as_str() != "Device") {
            let person = person(key);
            assert!(
                after.contains(&person) && !before.contains(&person),
                "seed {}: clinic {place} is sent {}/{} again, whose horizon is the same",
                self.seed,
                key.0,
                key.1
            );
        }
        let all = self.centre.disk.all().map(|(key, _, change)| (key, change));
        for (key, change) in all.filter(|(key, _)| key.0.as_str() != "Device" && after.contains(&person(key))) {
            let here = self.nodes[place].disk.current(key).map(|(_, change)| change);
            assert_eq!(here, Some(change), "seed {}: clinic {place} lacks what came", self.seed);
        }
        self.tally.came += after.difference(before).count();
        self.tally.left += before.difference(&after).count();
        self.tally.difference += received.len();
    }
}
