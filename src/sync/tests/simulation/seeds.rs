//! Which seeds are run, what came of them, and that what a seed tries did happen.

use query::sample::Random;

use super::mutants::Mutant;
use super::{Tally, World, oracle};

/// Runs a seed whole, mostly with few clinics; what happened.
pub(super) fn run(seed: u64, mutant: Option<Mutant>) -> Tally {
    let mut random = Random::new(seed ^ 0x5eed);
    let nodes = match random.below(50) {
        0 => 40,
        _ => 1 + random.below(5),
    };
    run_with(seed, (nodes, 20 + random.below(150)), mutant)
}

/// Runs a seed with so many clinics for so many steps.
fn run_with(seed: u64, (nodes, steps): (usize, usize), mutant: Option<Mutant>) -> Tally {
    let mut world = World::new(seed, nodes);
    world.breaks(mutant);
    for _ in 0..steps {
        world.step();
    }
    world.heal();
    (world.tally.compared, world.tally.mended) = world.centre.compared;
    oracle::judge(&mut world);
    world.moves_on();
    world.tally
}

impl Tally {
    fn counts(&mut self) -> [&mut usize; 22] {
        [
            &mut self.writes,
            &mut self.centre_writes,
            &mut self.contacts,
            &mut self.cuts,
            &mut self.crashes,
            &mut self.full,
            &mut self.put_back,
            &mut self.joins,
            &mut self.conflicts,
            &mut self.busy,
            &mut self.moved,
            &mut self.fetched,
            &mut self.came,
            &mut self.left,
            &mut self.difference,
            &mut self.damaged,
            &mut self.compared,
            &mut self.mended,
            &mut self.sticks,
            &mut self.kept.named,
            &mut self.kept.renamed,
            &mut self.kept.gone,
        ]
    }

    fn add(&mut self, one: &Tally) {
        let mut one = *one;
        for (sum, one) in self.counts().into_iter().zip(one.counts()) {
            *sum += *one;
        }
    }
}

/// The seeds to run: a fixed set and a fresh one, unless the environment says otherwise.
fn seeds() -> Vec<u64> {
    let wished = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    if let Some(one) = wished("EPIS_SEED") {
        return vec![one];
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let fresh = now.map_or(1, |since| since.as_nanos() as u64);
    let first = wished("EPIS_FIRST_SEED").unwrap_or(0);
    let mut seeds: Vec<u64> = (first..first + wished("EPIS_SEEDS").unwrap_or(150)).collect();
    seeds.push(fresh);
    seeds
}

#[test]
fn clinics_without_a_line_lose_nothing_and_end_alike() {
    let seeds = seeds();
    let fresh = seeds.last().copied().unwrap_or_default();
    println!("the fresh seed is {fresh}");
    let mut sum = Tally::default();
    let many = seeds.len() > 1;
    for seed in seeds {
        let one = std::panic::catch_unwind(|| run(seed, None));
        sum.add(&one.unwrap_or_else(|_| panic!("seed {seed} fails: EPIS_SEED={seed} replays it")));
    }
    println!("{sum:?}");
    assert!(!many || sum.counts().iter().all(|count| **count > 20), "{sum:?}");
}

#[test]
fn a_thousand_clinics_end_alike() {
    let seeds = seeds();
    let seed = seeds.last().copied().unwrap_or_default();
    println!("the seed is {seed}");
    let one = run_with(seed, (1_000, 4_000), None);
    println!("{one:?}");
    assert!(one.writes > 1_000 && one.joins > 0, "{one:?}");
}
