//! What agreement and disagreement count: of each level how often two records of one person show it, and of two strangers.
//!
//! Written as a table: feature, level, m (the share among records of one person), u (among strangers). Where the level's
//! chance goes by frequency, u is what the frequency is multiplied by. Shares are of the pairs in which both have the
//! feature, so m of a feature's levels sum to 1. Above the table stand the `version`, and for each point of the
//! `calibration` so many bits of evidence and the log-odds they turned out to be, in bits too.

use std::fmt::Write as _;

use crate::compare::Agreement;
use crate::feature::{Chance, Feature};

/// The weights of one level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// The share among records of one person.
    pub m: f64,
    /// The share among strangers, or what a frequency is multiplied by.
    pub u: f64,
}

/// All weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Which weights these are.
    pub version: String,
    /// Bits of evidence and what log-odds they turned out to be, both rising; nothing where they are taken at their word.
    pub calibration: Vec<(f64, f64)>,
    /// By feature as in [`Feature::ALL`], then by level.
    pub levels: Vec<Vec<Weight>>,
}

const BUILT_IN: &str = include_str!("../../schema/names/weights.tsv");
/// No share is nearer to 0 or 1 than this: one surprise shall not outweigh everything.
const LEAST: f64 = 1e-7;

impl Weights {
    /// The weights that are part of the program, `schema/names/weights.tsv`: trained on the synthetic nation.
    pub fn built_in() -> Weights {
        Weights::read(BUILT_IN).expect("a test reads them")
    }

    /// Whether bits of evidence are known to be what they turn out to be: weights that were learned before that was measured
    /// are taken at their word, which is too sure.
    pub fn is_calibrated(&self) -> bool {
        !self.calibration.is_empty()
    }

    /// Reads a table.
    ///
    /// # Errors
    /// A sentence with the line that cannot be read, or the level that is missing.
    pub fn read(table: &str) -> Result<Weights, String> {
        let mut weights = Weights {
            version: String::new(),
            calibration: Vec::new(),
            levels: Vec::new(),
        };
        let mut found: Vec<(&str, &str, Weight)> = Vec::new();
        for (at, line) in table
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.starts_with('#') && !line.is_empty())
        {
            let wrong = || {
                format!(
                    "Line {} of the weights is neither a level with its m and u nor a setting.",
                    at + 1
                )
            };
            let fields: Vec<&str> = line.split('\t').collect();
            let share = |text: &str| {
                text.parse()
                    .ok()
                    .filter(|share| (LEAST..=1e6).contains(share))
                    .ok_or_else(wrong)
            };
            match fields[..] {
                ["feature", "level", "m", "u"] => {}
                ["version", version] => weights.version = version.to_owned(),
                ["calibration", bits, odds] => {
                    let number = |text: &str| {
                        text.parse()
                            .ok()
                            .filter(|number: &f64| number.is_finite())
                            .ok_or_else(wrong)
                    };
                    let point = (number(bits)?, number(odds)?);
                    let rises = weights
                        .calibration
                        .last()
                        .is_none_or(|last| last.0 < point.0 && last.1 <= point.1);
                    weights
                        .calibration
                        .push(Some(point).filter(|_| rises).ok_or_else(wrong)?);
                }
                [feature, level, m, u] => found.push((
                    feature,
                    level,
                    Weight {
                        m: share(m)?.min(1.0),
                        u: share(u)?,
                    },
                )),
                _ => return Err(wrong()),
            }
        }
        for feature in Feature::ALL {
            let of = |level: &str| {
                let found = found.iter().find(|(f, l, _)| *f == feature.name() && *l == level);
                found
                    .map(|(.., weight)| *weight)
                    .ok_or_else(|| format!("The weights have no line for \"{}\", \"{level}\".", feature.name()))
            };
            let levels: Result<Vec<Weight>, String> = feature.levels().iter().map(|(level, _)| of(level)).collect();
            weights.levels.push(levels?);
        }
        Ok(weights)
    }

    /// Writes the table.
    pub fn write(&self) -> String {
        let mut out = format!("version\t{}\n", self.version);
        for (bits, odds) in &self.calibration {
            let _ = writeln!(out, "calibration\t{bits}\t{odds}");
        }
        out.push_str("feature\tlevel\tm\tu\n");
        for (feature, levels) in Feature::ALL.iter().zip(&self.levels) {
            for ((level, _), weight) in feature.levels().iter().zip(levels) {
                let _ = writeln!(out, "{}\t{level}\t{:.7}\t{:.7}", feature.name(), weight.m, weight.u);
            }
        }
        out
    }

    /// The weight of a level.
    pub fn of(&self, feature: Feature, level: u8) -> Weight {
        self.levels[feature as usize][usize::from(level)]
    }

    /// The log-odds that so many bits of evidence turned out to be: between two points as they lie, beyond them as far from
    /// the last as the evidence is.
    pub fn calibrated(&self, bits: f64) -> f64 {
        let points = &self.calibration;
        let after = points.partition_point(|(at, _)| *at <= bits);
        match (after.checked_sub(1).map(|before| points[before]), points.get(after)) {
            (None, None) => bits,
            (None, Some((at, odds))) => odds + bits - at,
            (Some((at, odds)), None) => odds + bits - at,
            (Some((from, low)), Some((to, high))) => low + (high - low) * (bits - from) / (to - from),
        }
    }

    /// What an agreement says, in bits: how much more likely it is among records of one person than among strangers.
    pub fn bits(&self, agreement: &Agreement) -> f64 {
        let weight = self.of(agreement.feature, agreement.level);
        let chance = agreement.feature.levels()[usize::from(agreement.level)].1;
        let u = match chance {
            Chance::Fixed => weight.u,
            Chance::Frequency => (weight.u * agreement.frequency).min(1.0),
        };
        (weight.m / u.max(1e-12)).log2()
    }
}

/// A share as weights may have it.
pub(crate) fn bounded(share: f64) -> f64 {
    share.clamp(1e-4, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::level;

    #[test]
    fn weights_are_written_as_they_are_read() {
        let weights = Weights::built_in();
        assert_eq!(Weights::read(&weights.write()).unwrap(), weights);
        let without = weights.write().replace("sex\tdifferent", "sex\tdiverse");
        assert!(Weights::read(&without).unwrap_err().contains("\"sex\", \"different\""));
        for wrong in ["name\tsame\tx\t1", "name\tsame\t0\t1", "calibration\tx\t0", "whatever"] {
            let table = format!("{}\n{wrong}\n", weights.write());
            assert!(Weights::read(&table).unwrap_err().starts_with("Line "), "{wrong}");
        }
    }

    #[test]
    fn evidence_is_calibrated_by_points() {
        let weights = Weights {
            calibration: vec![(-2.0, -6.0), (2.0, 0.0), (8.0, 9.0)],
            ..Weights::built_in()
        };
        for (bits, odds) in [
            (-4.0, -8.0),
            (-2.0, -6.0),
            (0.0, -3.0),
            (5.0, 4.5),
            (8.0, 9.0),
            (10.0, 11.0),
        ] {
            assert!((weights.calibrated(bits) - odds).abs() < 1e-9, "{bits}");
        }
        let without = Weights {
            calibration: Vec::new(),
            ..weights
        };
        assert!((without.calibrated(3.0) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_rare_name_says_more_than_a_common_one() {
        let weights = Weights::built_in();
        let bits = |frequency: f64| {
            weights.bits(&Agreement {
                feature: Feature::Name,
                level: level::SAME,
                frequency,
            })
        };
        assert!(bits(1e-6) > bits(1e-3) + 9.0 && bits(1e-3) > 0.0);
        let sexes = weights.bits(&Agreement {
            feature: Feature::Sex,
            level: level::DIFFERENT,
            frequency: 1.0,
        });
        assert!(sexes < -3.0);
        for (feature, levels) in Feature::ALL.iter().zip(&weights.levels) {
            let sum: f64 = levels.iter().map(|weight| weight.m).sum();
            assert!((sum - 1.0).abs() < 0.02, "{}: {sum}", feature.name());
        }
    }
}
