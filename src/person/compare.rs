//! Compares two persons feature by feature: how far they agree in each, and how common what they agree in is.

use crate::birth::Birth;
use crate::feature::{Feature, level};
use crate::frequency::Frequencies;
use crate::keys::is_mistyped;
use crate::person::{Name, Person, Sex, same_tokens};
use crate::places::Place;
use crate::sound::similar;

/// Systems of which somebody may have several numbers: another number says nothing.
const OF_SEVERAL: [&str; 2] = ["/temporary", "/hospital"];

/// How far two persons agree in one feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The feature.
    pub feature: Feature,
    /// The place of the level in [`Feature::levels`].
    pub level: u8,
    /// The share of people who have what they agree in; 1 for levels whose chance is fixed.
    pub frequency: f64,
}

/// Compares what both have. A feature that one of them lacks is left out: it says nothing.
pub fn compare<A: AsRef<str>, B: AsRef<str>>(
    a: &Person<A>,
    b: &Person<B>,
    frequencies: &dyn Frequencies,
) -> Vec<Agreement> {
    let mut agreements = Vec::with_capacity(Feature::ALL.len());
    let mut add = |feature: Feature, found: Option<(u8, f64)>| {
        if let Some((level, frequency)) = found {
            agreements.push(Agreement {
                feature,
                level,
                frequency,
            });
        }
    };
    add(Feature::Name, names(&a.names, &b.names, frequencies));
    add(
        Feature::Birth,
        a.birth.zip(b.birth).map(|(a, b)| births(&a, &b, frequencies)),
    );
    add(Feature::Sex, sexes(a.sex, b.sex));
    add(
        Feature::Citizen,
        a.citizen.zip(b.citizen).map(|(a, b)| citizens(a, b, frequencies)),
    );
    add(Feature::Identifier, identifiers(a, b, frequencies));
    add(Feature::BirthOrder, orders(a.birth_order, b.birth_order));
    let mothers = a.mother.as_ref().zip(b.mother.as_ref());
    add(
        Feature::Mother,
        mothers.map(|(a, b)| match a.value.as_ref() == b.value.as_ref() {
            true => (level::SAME, frequencies.mother(a.value.as_ref())),
            false => (level::DIFFERENT, 1.0),
        }),
    );
    add(Feature::Parents, parents(a, b, frequencies));
    add(
        Feature::Telephone,
        telephones(&a.telephones, &b.telephones, frequencies),
    );
    add(Feature::Place, places(&a.place, &b.place, frequencies));
    agreements
}

/// The best agreement of any two names.
fn names<A: AsRef<str>, B: AsRef<str>>(
    a: &[Name<A>],
    b: &[Name<B>],
    frequencies: &dyn Frequencies,
) -> Option<(u8, f64)> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    let found = pairs.map(|(a, b)| one_name(a, b, frequencies));
    found.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))
}

fn one_name<A: AsRef<str>, B: AsRef<str>>(a: &[A], b: &[B], frequencies: &dyn Frequencies) -> (u8, f64) {
    let mut left: Vec<&str> = b.iter().map(AsRef::as_ref).collect();
    let mut pair = |token: &str, fits: &dyn Fn(&str, &str) -> bool| {
        let at = left.iter().position(|other| fits(token, other))?;
        Some(left.remove(at))
    };
    let (mut frequency, mut exact, mut rest) = (1.0, 0, Vec::new());
    for token in a.iter().map(AsRef::as_ref) {
        match pair(token, &|a, b| a == b) {
            Some(_) => {
                frequency *= frequencies.token(token);
                exact += 1;
            }
            None => rest.push(token),
        }
    }
    let mut close = 0;
    for token in rest {
        if let Some(other) = pair(token, &|a, b| similar(a, b)) {
            // One of the two spellings may be a slip, and rare as such: the other says how common the name is.
            frequency *= frequencies.token(token).max(frequencies.token(other));
            close += 1;
        }
    }
    let (shorter, longer) = (a.len().min(b.len()), a.len().max(b.len()));
    let level = match exact + close {
        0 => return (level::NAME_DIFFERENT, 1.0),
        all if all == longer && close == 0 => level::SAME,
        all if all == longer => 1,
        all if all == shorter => 2,
        _ => level::NAME_ONE_PART,
    };
    (level, frequency)
}

fn births(a: &Birth, b: &Birth, frequencies: &dyn Frequencies) -> (u8, f64) {
    let to_the_day = a.tells_day() && b.tells_day();
    if a.year == b.year {
        return match to_the_day {
            true if a == b => (level::SAME, frequencies.day(a)),
            true if a.swapped() == Some(*b) => (level::BIRTH_SWAPPED, 1.0),
            true if a.month == b.month || a.day == b.day => (level::BIRTH_PART, 1.0),
            true => (level::BIRTH_OTHER_DAY, 1.0),
            false => (level::BIRTH_YEAR, frequencies.year(a.year)),
        };
    }
    let off = a.year.abs_diff(b.year);
    match to_the_day {
        false if off <= 2 => (level::BIRTH_YEARS_OFF, 1.0),
        true if (a.month, a.day) == (b.month, b.day) && (off <= 2 || off == 10) => (level::BIRTH_OTHER_YEAR, 1.0),
        _ => (level::BIRTH_DIFFERENT, 1.0),
    }
}

fn sexes(a: Sex, b: Sex) -> Option<(u8, f64)> {
    let known = a != Sex::Unknown && b != Sex::Unknown;
    known.then_some((u8::from(a != b), 1.0))
}

fn citizens(a: u64, b: u64, frequencies: &dyn Frequencies) -> (u8, f64) {
    match a == b {
        true => (level::SAME, frequencies.citizen(a)),
        false if is_mistyped(a, b) => (level::CITIZEN_MISTYPED, 1.0),
        false => (level::CITIZEN_DIFFERENT, 1.0),
    }
}

/// Numbers of a system are for one person, as far as anybody knows.
fn identifiers<A: AsRef<str>, B: AsRef<str>>(
    a: &Person<A>,
    b: &Person<B>,
    frequencies: &dyn Frequencies,
) -> Option<(u8, f64)> {
    let pairs = a
        .identifiers
        .iter()
        .flat_map(|a| b.identifiers.iter().map(move |b| (a, b)));
    let of_one_system = pairs.filter(|(a, b)| a.system.as_ref() == b.system.as_ref());
    let mut differ = false;
    for (a, b) in of_one_system {
        if a.value.as_ref() == b.value.as_ref() {
            return Some((level::SAME, frequencies.own_number()));
        }
        let system = a.system.as_ref();
        differ |= !system.is_empty() && !OF_SEVERAL.iter().any(|end| system.ends_with(end));
    }
    differ.then_some((level::DIFFERENT, 1.0))
}

fn orders(a: u32, b: u32) -> Option<(u8, f64)> {
    (a > 0 && b > 0).then_some((u8::from(a != b), 1.0))
}

fn parents<A: AsRef<str>, B: AsRef<str>>(
    a: &Person<A>,
    b: &Person<B>,
    frequencies: &dyn Frequencies,
) -> Option<(u8, f64)> {
    let known = a
        .parents
        .iter()
        .zip(&b.parents)
        .filter(|(a, b)| !a.is_empty() && !b.is_empty());
    let (mut compared, mut agreed, mut frequency) = (0, 0, 1.0);
    for (a, b) in known {
        compared += 1;
        let (level, common) = one_name(a, b, frequencies);
        if same_tokens(a, b) || level <= 1 {
            agreed += 1;
            frequency *= common;
        }
    }
    match (compared, agreed) {
        (0, _) => None,
        (_, 0) => Some((level::PARENTS_NONE, 1.0)),
        (2, 2) => Some((level::SAME, frequency)),
        _ => Some((level::PARENTS_ONE, frequency)),
    }
}

fn telephones(a: &[u64], b: &[u64], frequencies: &dyn Frequencies) -> Option<(u8, f64)> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let shared = a
        .iter()
        .filter(|number| b.contains(number))
        .map(|number| frequencies.telephone(*number));
    Some(
        shared
            .min_by(f64::total_cmp)
            .map_or((level::DIFFERENT, 1.0), |common| (level::SAME, common)),
    )
}

fn places(a: &Place, b: &Place, frequencies: &dyn Frequencies) -> Option<(u8, f64)> {
    if a.is_unknown() || b.is_unknown() {
        return None;
    }
    let agree = |of: fn(&Place) -> u32| of(a) > 0 && of(a) == of(b);
    Some(if a.house > 0 && a.house == b.house {
        (level::HOUSE, frequencies.house(a.house))
    } else if agree(|place| place.chiwog) {
        (level::CHIWOG, frequencies.place(a.chiwog))
    } else if agree(|place| place.gewog) {
        (level::GEWOG, frequencies.place(a.gewog))
    } else if agree(|place| place.dzongkhag) {
        (level::DZONGKHAG, frequencies.place(a.dzongkhag))
    } else {
        (level::PLACE_DIFFERENT, 1.0)
    })
}
