//! Runs cases of the oracle, as many as asked for, and makes a failure small before it tells of it.
//!
//! `EPIS_ORACLE_CASES=1000000 EPIS_ORACLE_SEED=7 cargo test --release -p search-index oracle -- --nocapture` runs a
//! million from a seed; without the variables a few thousand run, some of them from a fresh seed, which is printed.

use std::panic::{self, AssertUnwindSafe};

use query::sample::Random;

use crate::oracle::{World, Written};
use crate::{Index, Settings};

/// Rounds in the life of one world.
const ROUNDS: usize = 200;
/// Of a long run, one case in so many is also asked page by page: that asks the index ten times as often.
const PAGED_ONE_IN: usize = 16;
/// Worlds built while a failure is made small.
const ATTEMPTS_MAX: usize = 300;

fn settings(random: &mut Random) -> Settings {
    let tail_max = 8 + random.below(60);
    Settings {
        commit_every_ms: [1, 20, 100_000][random.below(3)],
        commit_records: 1 + random.below(tail_max),
        tail_max,
        heap_bytes: 15_000_000,
        orders_from: [1, 4, 1_024][random.below(3)],
        orders_bytes: [0, 200, 1 << 20][random.below(3)],
        ..Settings::default()
    }
}

/// One world from a seed: writes, commits, reopenings, and between them cases; gives how many cases there were.
fn run(seed: u64, cases_a_round: usize, paged_one_in: usize) -> usize {
    let mut random = Random::new(seed);
    let settings = settings(&mut random);
    let mut world = World::new(settings.clone());
    let (mut cases, mut building) = (0, None);
    for round in 0..ROUNDS {
        let what = format!("seed {seed}, round {round}");
        match random.below(40) {
            0 => {
                building = None;
                world.open();
            }
            1 => building = Some(building.take().unwrap_or_else(|| world.begin())),
            33..36 if building.is_some() => building = build_on(&mut world, building, &mut random),
            2 => world.is_sound(&what),
            3..8 => world.index().flush().unwrap(),
            8..24 => world.write(&mut random),
            _ => {
                for _ in 0..cases_a_round {
                    compare(&world, &settings, &mut random, (paged_one_in, &what));
                    cases += 1;
                }
            }
        }
    }
    cases
}

/// A build goes on for a while; where it has come to the end of the log it takes over.
fn build_on(world: &mut World, building: Option<Index>, random: &mut Random) -> Option<Index> {
    let index = building?;
    let mut left = random.below(3);
    let go_on = &mut |_, _| {
        left = left.saturating_sub(1);
        left > 0
    };
    if !index.catch_up(go_on).unwrap() {
        return Some(index);
    }
    world.swap(index);
    None
}

fn compare(world: &World, settings: &Settings, random: &mut Random, how: (usize, &str)) {
    let before = random.clone();
    if let Err(cause) = attempt(world, random, how) {
        let told = smallest(world.versions(), settings, &before, how);
        panic!("{cause}\n\n{told}");
    }
}

/// One case; the error is what the failed assertion said.
fn attempt(world: &World, random: &mut Random, (paged_one_in, what): (usize, &str)) -> Result<(), String> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| world.compare(random, paged_one_in, what)));
    outcome.map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned())
    })
}

/// Leaves versions away as long as the same case fails on a new world of the rest.
fn smallest(mut versions: Vec<Written>, settings: &Settings, random: &Random, how: (usize, &str)) -> String {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let fails = |versions: &[Written]| {
        let mut world = World::new(settings.clone());
        versions.iter().for_each(|written| world.put(written));
        attempt(&world, &mut random.clone(), how).err()
    };
    let mut failure = fails(&versions);
    let (mut size, mut attempts) = (versions.len().div_ceil(2), 0);
    while failure.is_some() && size > 0 && attempts < ATTEMPTS_MAX {
        let mut start = 0;
        while start < versions.len() && attempts < ATTEMPTS_MAX {
            let mut fewer = versions.clone();
            fewer.drain(start..(start + size).min(fewer.len()));
            attempts += 1;
            match fails(&fewer) {
                Some(told) => (versions, failure) = (fewer, Some(told)),
                None => start += size,
            }
        }
        size /= 2;
    }
    panic::set_hook(hook);
    match failure {
        None => "The same versions written anew answer rightly: it takes the seed's own commits and reopenings.".into(),
        Some(told) => {
            let texts: Vec<String> = versions.iter().map(ToString::to_string).collect();
            format!("Made small:\n{}\n{told}", texts.join("\n"))
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text}; write a number")),
    )
}

#[test]
fn the_index_answers_as_the_oracle() {
    for seed in 1..=4 {
        run(seed, 4, 1);
    }
}

#[test]
fn the_index_answers_as_the_oracle_from_a_fresh_seed() {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let first = number("EPIS_ORACLE_SEED").unwrap_or(now.as_micros() as u64);
    let wanted = number("EPIS_ORACLE_CASES").unwrap_or(1_000) as usize;
    eprintln!("seed {first}");
    let (a_round, paged_one_in) = if wanted > 10_000 { (100, PAGED_ONE_IN) } else { (4, 1) };
    let (mut cases, mut seed) = (0, first);
    while cases < wanted {
        cases += run(seed, a_round, paged_one_in);
        seed += 1;
        if wanted > 10_000 {
            eprintln!("{cases} cases, the next seed is {seed}");
        }
    }
}
