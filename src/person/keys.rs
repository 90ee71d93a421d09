//! What people are found by: hashes of particulars that two records of one person are likely to share.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::birth::Birth;
use crate::person::{Identifier, Name, Person};
use crate::sound::sound;

/// A key of a register: a hash of what it is of and of the particular.
pub(crate) type Key = u32;

/// A hash of some words for a purpose; the same in every process of one build.
pub(crate) fn hash(purpose: &str, words: &[&str]) -> u64 {
    hasher(purpose, words).finish()
}

fn hasher(purpose: &str, words: &[&str]) -> FxHasher {
    let mut hasher = FxHasher::default();
    hasher.write(purpose.as_bytes());
    for word in words {
        hasher.write_u8(0xff);
        hasher.write(word.as_bytes());
    }
    hasher
}

fn key(purpose: &str, words: &[&str]) -> Key {
    // The hasher's best bits are the lowest.
    hash(purpose, words) as Key
}

/// The key of some words and a number.
fn numbered(purpose: &str, words: &[&str], number: u64) -> Key {
    let mut hasher = hasher(purpose, words);
    hasher.write_u64(number);
    hasher.finish() as Key
}

/// The key of a record's id.
pub(crate) fn of_id(id: &str) -> Key {
    key("id", &[id])
}

/// The key of a citizen number.
pub(crate) fn of_citizen(number: u64) -> Key {
    numbered("citizen", &[], number)
}

/// The key of a telephone number.
pub(crate) fn of_telephone(number: u64) -> Key {
    numbered("telephone", &[], number)
}

fn of_identifier(identifier: &Identifier) -> Key {
    key("identifier", &[&identifier.system, &identifier.value])
}

/// The key of the mother's number, shared by her children.
pub(crate) fn of_mother(number: &str) -> Key {
    key("mother", &[number])
}

/// The key of a house.
pub(crate) fn of_house(house: u64) -> Key {
    numbered("house", &[], house)
}

/// The key of how a token of a name sounds, in people born in a year; 0 where that is not known.
fn of_sound(sound: &str, year: u32) -> Key {
    numbered("token", &[sound], u64::from(year))
}

fn of_name(name: &Name) -> Key {
    let mut sounds: Vec<String> = name.iter().map(|token| sound(token)).collect();
    sounds.sort_unstable();
    let sounds: Vec<&str> = sounds.iter().map(String::as_str).collect();
    key("name", &sounds)
}

fn of_mother_s_name(name: &Name, year: u32) -> Key {
    of_name(name) ^ numbered("mother's name", &[], u64::from(year))
}

fn of_day(birth: &Birth) -> Key {
    let [year, month, day] = [birth.year, birth.month, birth.day].map(u64::from);
    numbered("day", &[], year << 16 | month << 8 | day)
}

/// The key of the day of birth, where it is known.
pub(crate) fn of_days(person: &Person) -> Vec<Key> {
    person.birth.filter(Birth::tells_day).iter().map(of_day).collect()
}

/// The keys a person is kept under.
pub(crate) fn kept(person: &Person) -> Vec<Key> {
    let mut keys = exact(person);
    let year = person.birth.map_or(0, |birth| birth.year);
    keys.extend(person.names.iter().flatten().map(|token| of_sound(&sound(token), year)));
    keys.extend(of_days(person));
    if !person.parents[0].is_empty() && year > 0 {
        keys.push(of_mother_s_name(&person.parents[0], year));
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// What all keys of somebody come to who has everything: another number where they are made otherwise.
pub(crate) fn probe() -> u64 {
    let of = |value: &str| Identifier {
        system: "book".to_owned(),
        value: value.to_owned(),
    };
    let person = Person {
        names: vec![vec!["tshering".to_owned(), "dorji".to_owned()]],
        birth: Some(Birth {
            year: 1987,
            month: 4,
            day: 9,
        }),
        citizen: Some(11_404_000_581),
        identifiers: vec![of("B1")],
        mother: Some(of("M1")),
        parents: [vec!["pema".to_owned()], Vec::new()],
        telephones: vec![17_123_456],
        place: crate::Place {
            house: 7,
            ..crate::Place::default()
        },
        ..Person::default()
    };
    let keys = kept(&person).into_iter().chain([of_id("0-17")]);
    keys.fold(0, |all, key| all.rotate_left(7) ^ u64::from(key))
}

/// The keys of her own numbers.
pub(crate) fn of_numbers(person: &Person) -> Vec<Key> {
    let mut keys: Vec<Key> = person.citizen.map(of_citizen).into_iter().collect();
    keys.extend(person.identifiers.iter().map(of_identifier));
    keys.extend(person.telephones.iter().map(|number| of_telephone(*number)));
    keys
}

/// The keys that do not depend on the date of birth.
fn exact(person: &Person) -> Vec<Key> {
    let mut keys = of_numbers(person);
    keys.extend(person.mother.iter().map(|mother| of_mother(&mother.value)));
    keys.extend(person.names.iter().map(of_name));
    if person.place.house > 0 {
        keys.push(of_house(person.place.house));
    }
    keys
}

/// The keys a person is looked for under: those she is kept under, and those of the usual mistakes.
pub(crate) fn sought(person: &Person) -> Vec<Key> {
    let mut keys = exact(person);
    keys.extend(
        person
            .citizen
            .iter()
            .flat_map(|number| mistyped(*number))
            .map(of_citizen),
    );
    let sounds: Vec<String> = person.names.iter().flatten().map(|token| sound(token)).collect();
    let sounding = |year: u32| sounds.iter().map(move |sound| of_sound(sound, year));
    match person.birth {
        Some(birth) => {
            let years = birth.year.saturating_sub(2)..=birth.year.saturating_add(2);
            keys.extend(years.chain([0]).flat_map(sounding));
            keys.extend(
                [Some(birth), birth.swapped()]
                    .into_iter()
                    .flatten()
                    .filter(Birth::tells_day)
                    .map(|b| of_day(&b)),
            );
            if !person.parents[0].is_empty() {
                keys.push(of_mother_s_name(&person.parents[0], birth.year));
            }
        }
        None => keys.extend(sounding(0)),
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Digits of a citizen number.
const DIGITS: u32 = 11;
/// Citizen numbers are below this. A hash, in a register without readable particulars, is not: it is no number that can be
/// mistyped.
const NUMBERS: u64 = 10_u64.pow(DIGITS);

/// The digit of a number at a place, the last at 0.
fn digit(number: u64, at: u32) -> u64 {
    number / 10_u64.pow(at) % 10
}

/// The citizen numbers that one mistyped digit makes of a number, or two swapped.
pub(crate) fn mistyped(number: u64) -> impl Iterator<Item = u64> {
    let places = if number < NUMBERS { DIGITS } else { 0 };
    let with = move |at: u32, digits: u64, other: u64| number - digits * 10_u64.pow(at) + other * 10_u64.pow(at);
    let changed = (0..places).flat_map(move |at| (0..10).map(move |other| with(at, digit(number, at), other)));
    let swapped = (1..places).map(move |at| {
        let (low, high) = (digit(number, at - 1), digit(number, at));
        with(at - 1, 10 * high + low, 10 * low + high)
    });
    changed.chain(swapped).filter(move |other| *other != number)
}

/// Whether one mistyped digit, or two swapped, make one citizen number of the other.
pub(crate) fn is_mistyped(a: u64, b: u64) -> bool {
    if a >= NUMBERS || b >= NUMBERS {
        return false;
    }
    let mut differ = (0..DIGITS).filter(|at| digit(a, *at) != digit(b, *at));
    match (differ.next(), differ.next(), differ.next()) {
        (Some(_), None, _) => true,
        (Some(low), Some(high), None) => {
            high == low + 1 && digit(a, low) == digit(b, high) && digit(a, high) == digit(b, low)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistyped_number_is_sought_and_known_as_one() {
        let number = 11_404_000_581;
        let others: Vec<u64> = mistyped(number).collect();
        assert_eq!(others.len(), 11 * 9 + 7);
        assert!(others.iter().all(|other| is_mistyped(number, *other)));
        for other in [number, 11_404_000_518 + 1_000, 11_414_000_518] {
            assert!(!is_mistyped(number, other), "{other}");
        }
        assert!(is_mistyped(number, 11_404_000_518) && is_mistyped(number, 11_404_009_581));
    }

    #[test]
    fn a_person_is_sought_under_what_she_is_kept_under() {
        let person = Person {
            names: vec![vec!["sonam".into(), "dorji".into()]],
            birth: Birth::read("1987-04-09"),
            citizen: Some(11_404_000_581),
            telephones: vec![17_123_456],
            parents: [vec!["pema".into()], Vec::new()],
            ..Person::default()
        };
        let sought = sought(&person);
        assert!(kept(&person).iter().all(|key| sought.contains(key)));
        let later = Person {
            birth: Birth::read("1989"),
            names: vec![vec!["dorjee".into()]],
            ..Person::default()
        };
        assert!(
            kept(&later).iter().any(|key| sought.contains(key)),
            "two years off, another spelling"
        );
        let other = Person {
            names: vec![vec!["karma".into()]],
            ..later
        };
        assert!(!kept(&other).iter().any(|key| sought.contains(key)));
    }
}
