//! Learns the weights from records alone: no pair has to be judged by anybody.
//!
//! What strangers agree in is taken from pairs drawn evenly; what records of one person agree in by
//! expectation-maximisation over pairs that are likely to be such.
//!
//! The pairs are blocked two ways, by the citizen number and by the day of birth with a part of the name, and what a block
//! was made by is not learned in it. In each, expectation says how likely each pair is one person by the weights so
//! far, maximisation takes the weights from the pairs so weighted (Winkler, "Using the EM Algorithm for Weight Computation
//! in the Fellegi-Sunter Model", 1988).

use crate::compare::{Agreement, compare};
use crate::feature::{Chance, Feature, level};
use crate::keys;
use crate::person::Person;
use crate::register::Register;
use crate::weights::{Weight, Weights, bounded};

/// Pairs of strangers, and pairs of a block at most.
const PAIRS: usize = 200_000;
/// Rounds of expectation and maximisation at most; they end earlier where nothing changes any more.
const ROUNDS: usize = 40;
/// Below so many likely pairs nothing can be learned.
const PAIRS_LEAST: f64 = 50.0;
/// How many pairs the weights so far count as, so that what was not seen is not impossible.
const BEFORE: f64 = 5.0;

/// What was learned.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The weights.
    pub weights: Weights,
    /// Pairs looked at by citizen number, and how many of them are likely one person.
    pub by_citizen: (usize, f64),
    /// Pairs looked at by day and name, and how many of them are likely one person.
    pub by_day: (usize, f64),
}

/// Learns from a register, beginning with other weights.
///
/// # Errors
/// A sentence where there are too few people, or too few who were registered twice.
pub fn train(register: &Register, before: &Weights, version: &str) -> Result<Learned, String> {
    let mut weights = before.clone();
    weights.version = version.to_owned();
    strangers(register, &mut weights)?;
    let by_citizen = block(
        register,
        &|person| person.citizen.map(keys::of_citizen).into_iter().collect(),
        Feature::Citizen,
    );
    let by_day = block(register, &keys::of_days, Feature::Birth);
    let (of_citizen, mut of_day) = (maximise(&by_citizen, &weights), maximise(&by_day, &weights));
    // Names tell twins apart there, but all pairs were chosen to have a part in common.
    of_day.seen[Feature::Name as usize] = 0.0;
    for (which, estimate) in [("citizen number", &of_citizen), ("day of birth and name", &of_day)] {
        if estimate.likely < PAIRS_LEAST {
            return Err(format!(
                "Only {:.0} pairs of records that share the {which} are likely one person; {PAIRS_LEAST} are needed to learn.",
                estimate.likely
            ));
        }
    }
    for (at, levels) in weights.levels.iter_mut().enumerate() {
        for (level, weight) in levels.iter_mut().enumerate() {
            // What a block was made by was not learned in it: there it has no weight.
            let seen = |estimate: &Estimate| (estimate.seen[at], estimate.seen[at] * estimate.m[at][level]);
            let ((a, a_of_level), (b, b_of_level)) = (seen(&of_citizen), seen(&of_day));
            if a + b > 0.0 {
                weight.m = bounded((a_of_level + b_of_level + BEFORE * weight.m) / (a + b + BEFORE));
            }
        }
    }
    Ok(Learned {
        weights,
        by_citizen: (by_citizen.len(), of_citizen.likely),
        by_day: (by_day.len(), of_day.likely),
    })
}

/// Takes the chances of agreement by accident from pairs drawn at random.
fn strangers(register: &Register, weights: &mut Weights) -> Result<(), String> {
    let people = register.sample(PAIRS);
    if people.len() < 1_000 {
        return Err(format!(
            "{} people are too few to learn from; 1,000 are needed.",
            people.len()
        ));
    }
    let mut counts: Vec<Vec<f64>> = weights.levels.iter().map(|levels| vec![0.0; levels.len()]).collect();
    // Each with one a stride away: two lists in different order, without a need for chance.
    let stride = people.len() / 2 + 1;
    for (at, person) in people.iter().enumerate() {
        for agreement in compare(person, &people[(at + stride) % people.len()], register) {
            counts[agreement.feature as usize][usize::from(agreement.level)] += 1.0;
        }
    }
    for ((feature, levels), counts) in Feature::ALL.iter().zip(&mut weights.levels).zip(&counts) {
        let all: f64 = counts.iter().sum();
        for ((weight, count), (_, chance)) in levels.iter_mut().zip(counts).zip(feature.levels()) {
            if *chance == Chance::Fixed && all > 0.0 {
                weight.u = ((count + weight.u * BEFORE) / (all + BEFORE)).max(1e-6);
            }
        }
    }
    let names = &counts[Feature::Name as usize];
    let same = names[usize::from(level::SAME)].max(1.0);
    weights.levels[Feature::Name as usize][1].u = (names[1] / same).clamp(1.0, 50.0);
    Ok(())
}

/// What was found of pairs that share a key, without the feature the key is of; by the day of birth, of those only who have
/// a part of the name in common.
fn block(register: &Register, keys: &dyn Fn(&Person) -> Vec<keys::Key>, of: Feature) -> Vec<Vec<Agreement>> {
    let mut pairs = Vec::new();
    register.each_pair(keys, PAIRS, &mut |a, b| {
        let mut agreements = compare(a, b, register);
        let named = agreements
            .iter()
            .any(|a| a.feature == Feature::Name && a.level < level::NAME_DIFFERENT);
        if named || of != Feature::Birth {
            agreements.retain(|agreement| agreement.feature != of);
            pairs.push(agreements);
        }
    });
    pairs
}

/// What the pairs of one block say.
struct Estimate {
    /// By feature and level.
    m: Vec<Vec<f64>>,
    /// By feature, how many likely pairs have it.
    seen: Vec<f64>,
    /// How many of the pairs are likely one person.
    likely: f64,
}

fn maximise(pairs: &[Vec<Agreement>], start: &Weights) -> Estimate {
    let mut weights = start.clone();
    let mut share = 0.5;
    for round in 0.. {
        let estimate = expect(pairs, &weights, share);
        let mut change: f64 = 0.0;
        for (levels, m) in weights.levels.iter_mut().zip(&estimate.m) {
            for (weight, m) in levels.iter_mut().zip(m) {
                change = change.max((weight.m - m).abs());
                *weight = Weight {
                    m: bounded(*m),
                    ..*weight
                };
            }
        }
        share = (estimate.likely / pairs.len().max(1) as f64).clamp(0.001, 0.999);
        if change < 1e-4 || round == ROUNDS {
            return estimate;
        }
    }
    unreachable!("the last round returns")
}

fn expect(pairs: &[Vec<Agreement>], weights: &Weights, share: f64) -> Estimate {
    let mut m: Vec<Vec<f64>> = weights.levels.iter().map(|levels| vec![0.0; levels.len()]).collect();
    let (mut seen, mut likely) = (vec![0.0; m.len()], 0.0);
    for pair in pairs {
        let bits: f64 = pair.iter().map(|agreement| weights.bits(agreement)).sum();
        let odds = (bits + (share / (1.0 - share)).log2()).clamp(-60.0, 60.0).exp2();
        let probability = odds / (1.0 + odds);
        likely += probability;
        for agreement in pair {
            m[agreement.feature as usize][usize::from(agreement.level)] += probability;
            seen[agreement.feature as usize] += probability;
        }
    }
    for ((levels, seen), before) in m.iter_mut().zip(&seen).zip(&weights.levels) {
        for (sum, weight) in levels.iter_mut().zip(before) {
            *sum = (*sum + BEFORE * weight.m) / (seen + BEFORE);
        }
    }
    Estimate { m, seen, likely }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::register;

    #[test]
    fn what_is_learned_is_what_the_nation_was_made_with() {
        // Begun with weights that know next to nothing.
        let mut ignorant = Weights::built_in();
        for levels in &mut ignorant.levels {
            let last = levels.len() - 1;
            let even = 0.5 / last as f64;
            for (at, weight) in levels.iter_mut().enumerate() {
                weight.m = if at == 0 { 0.5 } else { even };
            }
        }
        let learned = train(register(), &ignorant, "trial").unwrap();
        let m = |feature: Feature, level: u8| learned.weights.of(feature, level).m;
        let table = [
            // Two in a hundred citizen numbers of second registrations are mistyped, of those that have one.
            (Feature::Citizen, level::CITIZEN_MISTYPED, 0.02, 0.06),
            (Feature::Citizen, level::SAME, 0.9, 0.98),
            (Feature::Sex, level::DIFFERENT, 0.001, 0.02),
            (Feature::Name, level::NAME_DIFFERENT, 0.005, 0.04),
            (Feature::Birth, level::SAME, 0.5, 0.8),
            (Feature::Telephone, level::DIFFERENT, 0.08, 0.25),
            (Feature::Place, level::PLACE_DIFFERENT, 0.03, 0.12),
        ];
        for (feature, level, low, high) in table {
            let m = m(feature, level);
            assert!(
                (low..high).contains(&m),
                "{}: {m}",
                feature.levels()[usize::from(level)].0
            );
        }
        for (feature, levels) in Feature::ALL.iter().zip(&learned.weights.levels) {
            let sum: f64 = levels.iter().map(|weight| weight.m).sum();
            assert!((sum - 1.0).abs() < 0.02, "{}: {sum}", feature.name());
        }
        assert!(
            learned.by_citizen.1 > 1_000.0 && learned.by_day.1 > 1_000.0,
            "{learned:?}"
        );
        assert_eq!(Weights::read(&learned.weights.write()).unwrap().version, "trial");
    }

    #[test]
    fn too_little_is_said() {
        let refused = train(&Register::default(), &Weights::built_in(), "x").unwrap_err();
        assert!(refused.contains("too few"), "{refused}");
    }
}
