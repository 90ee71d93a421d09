//! How likely two records are of one person, how sure that makes us, and why: feature by feature.
//!
//! Fellegi and Sunter's model ("A Theory for Record Linkage", 1969): each feature adds the logarithm of how much more
//! likely its agreement is among records of one person than among strangers; before all of them stands how unlikely it
//! is that any two records are of one person. Two things are done beside the sum. What tells the family, not the person,
//! counts together at most as much as finding the family among all people would; and [`rules`](limits) hold the grade down
//! whatever the sum.

use std::fmt;

use crate::compare::{Agreement, compare};
use crate::feature::{Feature, level};
use crate::frequency::Frequencies;
use crate::person::Person;
use crate::weights::Weights;

/// How sure a match is (<http://hl7.org/fhir/R4/valueset-match-grade.html>), the least sure first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Not the same person.
    CertainlyNot,
    /// Perhaps.
    Possible,
    /// So likely that somebody should look.
    Probable,
    /// So sure that records may be linked without anybody looking.
    Certain,
}

impl Grade {
    /// FHIR's code.
    pub fn code(self) -> &'static str {
        match self {
            Grade::Certain => "certain",
            Grade::Probable => "probable",
            Grade::Possible => "possible",
            Grade::CertainlyNot => "certainly-not",
        }
    }

    /// The probability from which the next grade begins; 1 for the last.
    fn end(self) -> f64 {
        match self {
            Grade::Certain => 1.0,
            Grade::Probable => CERTAIN,
            Grade::Possible => PROBABLE,
            Grade::CertainlyNot => POSSIBLE,
        }
    }

    /// The grade a probability has before the rules.
    fn of(probability: f64) -> Grade {
        match probability {
            p if p >= CERTAIN => Grade::Certain,
            p if p >= PROBABLE => Grade::Probable,
            p if p >= POSSIBLE => Grade::Possible,
            _ => Grade::CertainlyNot,
        }
    }
}

/// From which probability a match is certain, probable, possible. Probabilities are calibrated, so these say what is wanted:
/// of all who are certain far more than 98 in 100 are right, and somebody looks where it is one in ten.
pub const CERTAIN: f64 = 0.98;
/// See [`CERTAIN`].
pub const PROBABLE: f64 = 0.1;
/// See [`CERTAIN`].
pub const POSSIBLE: f64 = 0.001;

/// How many people a family is taken to have.
const FAMILY: f64 = 5.0;
/// Fewer people than so many are taken to be so many: a register that small says little about chance.
const PEOPLE_LEAST: f64 = 100.0;

/// What one feature adds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// How far they agree.
    pub agreement: Agreement,
    /// What that adds, in bits.
    pub bits: f64,
}

impl fmt::Display for Part {
    /// `name: same (1 in 4500 have it), +11.2`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Agreement {
            feature,
            level,
            frequency,
        } = self.agreement;
        write!(f, "{}: {}", feature.name(), feature.levels()[usize::from(level)].0)?;
        if frequency < 1.0 {
            write!(f, " (1 in {:.0} have it)", 1.0 / frequency)?;
        }
        write!(f, ", {:+.1}", self.bits)
    }
}

/// How likely two records are of one person, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The sum of all parts and of what stands before them, in bits: the logarithm of the odds, before calibration.
    pub bits: f64,
    /// The calibrated probability; where a rule holds the grade down, none beyond that grade.
    pub probability: f64,
    /// How sure that is.
    pub grade: Grade,
    /// What held the grade down, a sentence.
    pub held: Option<&'static str>,
    /// What stands before the features: how unlikely any two records are of one person.
    pub before: f64,
    /// What the features add.
    pub parts: Vec<Part>,
}

/// Scores two records.
pub fn score<A: AsRef<str>, B: AsRef<str>>(
    a: &Person<A>,
    b: &Person<B>,
    frequencies: &dyn Frequencies,
    weights: &Weights,
) -> Score {
    of_agreements(&compare(a, b, frequencies), frequencies.people(), weights)
}

/// Scores what a comparison found, among so many people.
pub fn of_agreements(agreements: &[Agreement], people: f64, weights: &Weights) -> Score {
    let people = people.max(PEOPLE_LEAST);
    let part = |agreement: &Agreement| Part {
        agreement: *agreement,
        bits: weights.bits(agreement),
    };
    let mut parts: Vec<Part> = agreements.iter().map(part).collect();
    count_family_once(&mut parts, people);
    // One person in two who comes is known already.
    let before = -people.log2() - 1.0;
    let bits = before + parts.iter().map(|part| part.bits).sum::<f64>();
    let probability = 1.0 / (1.0 + (-weights.calibrated(bits)).exp2());
    let (most, held) = limits(agreements);
    let least = match agreements.iter().any(shares_citizen_number) {
        true => Grade::Possible,
        false => Grade::CertainlyNot,
    };
    let grade = Grade::of(probability).max(least);
    Score {
        bits,
        probability: probability.min(most.end()),
        grade: grade.min(most),
        held: held.filter(|_| grade > most || least == most),
        before,
        parts,
    }
}

/// Two records with one citizen number need somebody who looks, however different the rest.
fn shares_citizen_number(agreement: &Agreement) -> bool {
    (agreement.feature, agreement.level) == (Feature::Citizen, level::SAME)
}

/// Brothers and sisters share mother, house and telephone: together these find the family, once.
fn count_family_once(parts: &mut [Part], people: f64) {
    let counts = |part: &&mut Part| part.bits > 0.0 && tells_family(&part.agreement);
    let sum: f64 = parts.iter_mut().filter(counts).map(|part| part.bits).sum();
    let most = (people / FAMILY).log2();
    if sum > most {
        parts.iter_mut().filter(counts).for_each(|part| part.bits *= most / sum);
    }
}

/// Whether it tells the family rather than the person. Families are registered together: their citizen numbers follow each
/// other, and one mistyped is often a brother's.
fn tells_family(agreement: &Agreement) -> bool {
    let mistyped = (agreement.feature, agreement.level) == (Feature::Citizen, level::CITIZEN_MISTYPED);
    mistyped || agreement.feature.is_of_family()
}

/// The most that a grade may be, whatever the sum, and why.
///
/// 1. Name and year of birth alone never link: a full date, a number, a telephone, a mother or a house has to agree too.
/// 2. Without a name in common only an own number and the birth date together link: brothers share all the rest.
/// 3. A citizen number that agrees where neither name nor birth does is somebody else's, mistyped.
/// 4. Two citizen numbers that differ by more than a slip, another birth date or sex without an own
///    number, another place among twins: somebody looks.
fn limits(agreements: &[Agreement]) -> (Grade, Option<&'static str>) {
    let level = |feature: Feature| agreements.iter().find(|a| a.feature == feature).map(|a| a.level);
    let same = |feature: Feature| level(feature) == Some(level::SAME);
    let name = level(Feature::Name);
    let named = name.is_some_and(|level| level < level::NAME_DIFFERENT);
    let birth = level(Feature::Birth);
    let born = birth.is_some_and(|level| level < level::BIRTH_OTHER_DAY);
    let own_number = same(Feature::Citizen) || same(Feature::Identifier);
    if level(Feature::BirthOrder) == Some(level::DIFFERENT) {
        return (Grade::Possible, Some("They are different ones of twins."));
    }
    if same(Feature::Citizen) && name == Some(level::NAME_DIFFERENT) && birth.is_some() && !born {
        return (
            Grade::Possible,
            Some("The citizen number agrees, but neither name nor birth date: it may be somebody else's."),
        );
    }
    if level(Feature::Citizen) == Some(level::CITIZEN_DIFFERENT) {
        return (Grade::Probable, Some("They have different citizen numbers."));
    }
    let tells = own_number
        || level(Feature::Citizen) == Some(level::CITIZEN_MISTYPED)
        || birth.is_some_and(|level| level <= level::BIRTH_PART)
        || same(Feature::Mother)
        || same(Feature::Telephone)
        || level(Feature::Parents).is_some_and(|level| level < level::PARENTS_NONE)
        || level(Feature::Place) == Some(level::HOUSE);
    if !tells {
        return (
            Grade::Possible,
            Some("Only name, year of birth and region agree, which many people share."),
        );
    }
    let linked = named || (own_number && born);
    if !linked {
        return (
            Grade::Probable,
            Some("No name agrees, and not an own number together with the birth date."),
        );
    }
    if birth.is_some() && !born && !own_number {
        return (
            Grade::Probable,
            Some("The birth dates differ, and no own number agrees."),
        );
    }
    if level(Feature::Sex) == Some(level::DIFFERENT) && !own_number {
        return (Grade::Probable, Some("The sex differs."));
    }
    (Grade::Certain, None)
}

#[cfg(test)]
mod tests;
