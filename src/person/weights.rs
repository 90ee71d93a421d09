//! What agreement and disagreement count: of each level how often two records of one person show it, and of two strangers.
//!
//! Written as a table: feature, level, m (the share among records of one person), u (among strangers). Where the level's
//! chance goes by frequency, u is what the frequency is multiplied by. Shares are of the pairs in which both have the
//! feature, so m of a feature's levels sum to 1. Above the table stand, as `name value`: `version`, and the two numbers
//! of the calibration.

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
    /// What bits of evidence are multiplied by, then added to, to be the log-odds that are right as often as they say.
    pub calibration: (f64, f64),
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

    /// Reads a table.
    ///
    /// # Errors
    /// A sentence with the line that cannot be read, or the level that is missing.
    pub fn read(table: &str) -> Result<Weights, String> {
        let mut weights = Weights {
            version: String::new(),
            calibration: (1.0, 0.0),
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
                ["slope", slope] => weights.calibration.0 = share(slope)?,
                ["offset", offset] => weights.calibration.1 = offset.parse().map_err(|_| wrong())?,
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
        let mut out = format!(
            "version\t{}\nslope\t{}\noffset\t{}\n",
            self.version, self.calibration.0, self.calibration.1
        );
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
        for wrong in ["name\tsame\tx\t1", "name\tsame\t0\t1", "whatever"] {
            let table = format!("{}\n{wrong}\n", weights.write());
            assert!(Weights::read(&table).unwrap_err().starts_with("Line "), "{wrong}");
        }
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
