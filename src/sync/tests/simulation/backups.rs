//! An older copy of the centre's disk in the place of it: clinics that know more exchange nothing, and keep what they wrote.

use super::{World, oracle};
use crate::frame::Standing;
use crate::session::{Next, Outcome};

const CLINICS: usize = 3;

/// What a clinic has, by which it can be seen whether anything came of a contact.
fn stands(world: &World, place: usize) -> (usize, u64, u64) {
    let node = &world.nodes[place];
    (node.disk.log().len(), node.disk.notes.counter, node.session.acked)
}

#[test]
fn an_older_copy_of_the_centre_is_told_and_changes_nothing() {
    let mut countries = 0;
    for seed in 0..12 {
        let mut world = World::new(seed, CLINICS);
        (0..30).for_each(|_| world.step());
        world.heal();
        let copy = world.centre.disk.clone();
        (0..60).for_each(|_| world.step());
        world.heal();
        // That a node's horizon was moved meanwhile is written at the older copy, too: a version for each.
        if world.centre.disk.log().len() < copy.log().len() + 2 * CLINICS {
            continue;
        }
        countries += 1;
        (0..CLINICS).for_each(|place| world.user_writes(place));
        world.restart();
        let right = std::mem::replace(&mut world.centre.disk, copy);
        world.centre.restart();
        for place in 0..CLINICS {
            let before = stands(&world, place);
            let bytes = world.request(place);
            let answer = world.heard(&bytes);
            let next = world.hears(place, &answer);
            assert_eq!(
                next,
                Some(Next::Close(Outcome::Refused(Standing::Behind))),
                "seed {seed}"
            );
            assert_eq!(stands(&world, place), before, "seed {seed}: clinic {place}");
        }
        world.centre.disk = right;
        world.centre.restart();
        world.heal();
        oracle::judge(&mut world);
    }
    assert!(countries > 5, "{countries} countries went on after the copy");
}
