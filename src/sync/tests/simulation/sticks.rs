//! Sticks of the simulation: requests and answers that are carried, late, again or never.

use fhir::identity::Id;
use query::sample::Random;

use super::disk::{Disk, Faults};
use super::{World, node, oracle, people, wish};
use crate::change::Change;
use crate::session::{CentreSession, NodeSession};

impl World {
    /// A clinic writes what the centre lacks on its stick, in segments of so many bytes and one more.
    pub(super) fn write_stick(&mut self, place: usize, load: u64) {
        let line = self.nodes[place].session.clone();
        self.nodes[place].session = line.by_stick(load);
        let late = self.nodes[place].late.clone();
        self.nodes[place].carried.0 = self.request(place);
        (self.nodes[place].session, self.nodes[place].late) = (line, late);
    }

    /// A clinic's stick is at the centre, which writes its answer on it.
    pub(super) fn answer_stick(&mut self, place: usize) {
        let session = CentreSession::by_stick(1 << self.random.below(14));
        self.centre.faults = self.faults();
        let answer = self.answered(session, &self.nodes[place].carried.0.clone());
        self.centre.faults = Faults::default();
        if !answer.is_empty() {
            self.nodes[place].carried.1 = answer;
        }
    }

    /// A clinic's stick is back: it takes what is new, and notes how far it has come.
    pub(super) fn read_stick(&mut self, place: usize) {
        self.tally.sticks += usize::from(!self.nodes[place].carried.1.is_empty());
        let line = self.nodes[place].session.clone();
        self.nodes[place].session = line.by_stick(0);
        self.nodes[place].faults = self.faults();
        self.hears(place, &self.nodes[place].carried.1.clone());
        self.nodes[place].faults = Faults::default();
        let node = &mut self.nodes[place];
        let mut session = NodeSession::new(node.session.number);
        (session.acked, session.lanes) = (node.session.acked, node.session.lanes);
        (session.room, session.piece, session.dictionary) = (line.room, line.piece, line.dictionary);
        session.comparison = line.comparison;
        node.session = session;
    }
}

/// What is on a stick from before an older copy was put back comes to the centre first; then a stick from after it, with
/// several segments: the first is not what the centre has, and the second follows on that only by its counts.
#[test]
fn a_stick_does_not_fork_what_a_clinic_wrote() {
    for (before, after) in [(3, 12), (5, 12), (5, 6), (10, 12), (12, 12)] {
        let mut world = World::new(9, 1);
        let empty = (world.nodes[0].disk.clone(), world.nodes[0].session.clone());
        let write = |world: &mut World, count: usize, text: &str| {
            for number in 0..count {
                let wish = Change {
                    id: Id::new(&format!("{text}{number}.p0")).expect("an id"),
                    kind: people::kind("Observation"),
                    body: people::fresh(&mut Random::new(1), "Observation", "p0"),
                    ..wish(&mut Random::new(1), 1, &Disk::new(1), "p0")
                };
                let now = world.now;
                world.nodes[0].write(wish, now).expect("nothing goes wrong");
            }
        };
        write(&mut world, before, "before");
        world.write_stick(0, 0);
        let old = world.nodes[0].carried.0.clone();
        world.nodes[0].put_back(empty);
        write(&mut world, after, "after");
        world.write_stick(0, 1 << 20);
        let new = world.nodes[0].carried.0.clone();
        for request in [old, new] {
            world.answered(CentreSession::by_stick(0), &request);
            let taken = world.centre.acknowledged(1).counter;
            assert_eq!(taken, before.min(node::SEGMENT) as u64, "{before}, then {after}");
        }
        world.heal();
        oracle::judge(&mut world);
        for number in 0..after {
            let id = Id::new(&format!("after{number}.p0")).expect("an id");
            let is_there = world.centre.disk.all().any(|(key, ..)| key.1 == id);
            assert!(is_there, "{before}, then {after}: {id}");
        }
    }
}
