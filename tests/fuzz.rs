//! Replays the corpus of every fuzz target, and some thousand mutations of it, on the stable toolchain.
//!
//! The targets are those of `fuzz/`, which cargo-fuzz runs for hours; this is its smoke test. Half of the mutations are
//! the same at every run, the others are fresh; what fails is printed with its seed and its bytes.

#[path = "../fuzz/lib.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tests::random::Random;

const MUTATIONS: u64 = 10_000;
/// No input of a few kilobytes may take longer, on the slowest machine that runs tests.
const TIME_MAX: Duration = Duration::from_secs(10);
const BYTES_MAX: usize = 16 << 10;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(&folder)
        .expect("a corpus")
        .flatten()
        .map(|file| file.path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() >= 8, "the corpus of {target} is {} files", files.len());
    files.iter().map(|file| fs::read(file).expect("a file")).collect()
}

/// Runs one input.
fn feed(target: fn(&[u8]), input: &[u8], from: &str) {
    let start = Instant::now();
    let held = catch_unwind(AssertUnwindSafe(|| target(input))).is_ok();
    let shown = input.escape_ascii();
    assert!(held, "{from} does not hold for {shown}");
    assert!(
        start.elapsed() < TIME_MAX,
        "{from} took {:?} for {shown}",
        start.elapsed()
    );
}

/// Another input, made from those of a corpus.
fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    for _ in 0..=random.below(5) {
        let length = input.len() as u64;
        let (a, b) = (random.below(length + 1) as usize, random.below(length + 1) as usize);
        let (from, to) = (a.min(b), a.max(b));
        match random.below(7) {
            0 if from < input.len() => input[from] ^= 1 << random.below(8),
            1 if from < input.len() => {
                input[from] = *random.pick(b"\0\t\n \"#&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\xc3\xff")
            }
            2 => drop(input.drain(from..to.min(from + 30))),
            3 => input.truncate(to),
            4 => {
                let part = input[from..to.min(from + 40)].repeat(1 + random.below(60) as usize);
                input.splice(to..to, part);
            }
            _ => {
                let other = random.pick(corpus);
                let start = random.below(other.len() as u64 + 1) as usize;
                let end = other.len().min(start + random.below(60) as usize);
                input.splice(from..from, other[start..end].iter().copied());
            }
        }
    }
    input.truncate(BYTES_MAX);
    input
}

fn replay(name: &str, target: fn(&[u8])) {
    let corpus = corpus(name);
    for input in &corpus {
        feed(target, input, name);
    }
    for seed in [7, Random::fresh_seed()] {
        let mut random = Random::new(seed);
        for at in 0..MUTATIONS / 2 {
            let input = mutated(&mut random, &corpus);
            feed(target, &input, &format!("{name}, seed {seed}, mutation {at}"));
        }
    }
}

#[test]
fn json() {
    replay("json", targets::json);
}

#[test]
fn xml() {
    replay("xml", targets::xml);
}

#[test]
fn fhirpath() {
    replay("fhirpath", targets::fhirpath);
}

#[test]
fn search() {
    replay("search", targets::search);
}

#[test]
fn validate() {
    replay("validate", targets::validate);
}
