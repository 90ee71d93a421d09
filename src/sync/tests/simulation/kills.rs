//! The power fails, or the disk is full, at each transaction of a small country in turn: before its sync, and after it.

use super::disk::{Disk, Fate};
use super::{World, oracle};

const SEEDS: [u64; 1] = [5];
const CLINICS: usize = 2;
const STEPS: usize = 80;

impl World {
    /// The disk of the centre, 0, or of a clinic, from 1.
    fn disk(&mut self, site: usize) -> &mut Disk {
        match site.checked_sub(1) {
            None => &mut self.centre.disk,
            Some(place) => &mut self.nodes[place].disk,
        }
    }
}

/// One country, where nothing breaks but this; how many transactions each site had before it was healed.
fn broken(seed: u64, breaks: Option<(usize, usize, Fate)>) -> Vec<usize> {
    let mut world = World::new(seed, CLINICS);
    world.is_calm = true;
    if let Some((site, at, fate)) = breaks {
        world.disk(site).break_at = Some((at, fate));
    }
    for _ in 0..STEPS {
        world.step();
    }
    let commits = (0..=CLINICS).map(|site| world.disk(site).commits).collect();
    for site in 0..=CLINICS {
        world.disk(site).break_at = None;
    }
    world.heal();
    oracle::judge(&mut world);
    commits
}

#[test]
fn every_transaction_may_be_the_last() {
    for seed in SEEDS {
        let commits = broken(seed, None);
        println!("seed {seed}: {commits:?} transactions");
        for (site, commits) in commits.into_iter().enumerate() {
            assert!(commits > 10, "seed {seed}: site {site} has {commits} transactions");
            for at in 1..=commits {
                for fate in [Fate::Full, Fate::Torn, Fate::Untold] {
                    broken(seed, Some((site, at, fate)));
                }
            }
        }
    }
}
