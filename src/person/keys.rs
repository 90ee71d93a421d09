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
    let mut hasher = FxHasher::default();
    hasher.write(purpose.as_bytes());
    for word in words {
        hasher.write_u8(0xff);
        hasher.write(word.as_bytes());
    }
    hasher.finish()
}

fn key(purpose: &str, words: &[&str]) -> Key {
    // The hasher's best bits are the lowest.
    hash(purpose, words) as Key
}

/// The key of a record's id.
pub(crate) fn of_id(id: &str) -> Key {
    key("id", &[id])
}

/// The key of a citizen number.
pub(crate) fn of_citizen(number: u64) -> Key {
    key("citizen", &[&number.to_string()])
}

/// The key of a telephone number.
pub(crate) fn of_telephone(number: u64) -> Key {
    key("telephone", &[&number.to_string()])
}

fn of_identifier(identifier: &Identifier) -> Key {
    key("identifier", &[&identifier.system, &identifier.value])
}

/// The key of the mother's number, shared by her children.
pub(crate) fn of_mother(mother: &Identifier) -> Key {
    key("mother", &[&mother.value])
}

/// The key of a house.
pub(crate) fn of_house(house: u64) -> Key {
    key("house", &[&house.to_string()])
}

fn of_token(token: &str, year: u32) -> Key {
    key("token", &[&sound(token), &year.to_string()])
}

fn of_name(name: &Name) -> Key {
    let mut sounds: Vec<String> = name.iter().map(|token| sound(token)).collect();
    sounds.sort_unstable();
    let sounds: Vec<&str> = sounds.iter().map(String::as_str).collect();
    key("name", &sounds)
}

fn of_mother_s_name(name: &Name, year: u32) -> Key {
    of_name(name) ^ key("mother's name", &[&year.to_string()])
}

fn of_day(birth: &Birth) -> Key {
    key("day", &[&format!("{}-{}-{}", birth.year, birth.month, birth.day)])
}

/// The key of the day of birth, where it is known.
pub(crate) fn of_days(person: &Person) -> Vec<Key> {
    person.birth.filter(Birth::tells_day).iter().map(of_day).collect()
}

/// The keys a person is kept under.
pub(crate) fn kept(person: &Person) -> Vec<Key> {
    let mut keys = exact(person);
    let year = person.birth.map_or(0, |birth| birth.year);
    keys.extend(person.names.iter().flatten().map(|token| of_token(token, year)));
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

/// The keys that do not depend on the date of birth.
fn exact(person: &Person) -> Vec<Key> {
    let mut keys: Vec<Key> = person.citizen.map(of_citizen).into_iter().collect();
    keys.extend(person.identifiers.iter().map(of_identifier));
    keys.extend(person.mother.as_ref().map(of_mother));
    keys.extend(person.telephones.iter().map(|number| of_telephone(*number)));
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
    let tokens = || person.names.iter().flatten();
    match person.birth {
        Some(birth) => {
            let years = birth.year.saturating_sub(2)..=birth.year.saturating_add(2);
            keys.extend(
                years
                    .chain([0])
                    .flat_map(|year| tokens().map(move |token| of_token(token, year))),
            );
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
        None => keys.extend(tokens().map(|token| of_token(token, 0))),
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The citizen numbers that one mistyped digit makes of a number, or two swapped.
pub(crate) fn mistyped(number: u64) -> impl Iterator<Item = u64> {
    let digits: Vec<u8> = format!("{number:011}").into_bytes();
    // A hash, in a register without readable particulars, is no number that can be mistyped.
    let length = if digits.len() == 11 { 11 } else { 0 };
    let value = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
    };
    let changed = (0..length).flat_map(|at| (b'0'..=b'9').map(move |digit| (at, digit)));
    let mut found: Vec<u64> = Vec::new();
    for (at, digit) in changed {
        let mut other = digits.clone();
        other[at] = digit;
        found.push(value(&other));
    }
    for at in 1..length {
        let mut other = digits.clone();
        other.swap(at - 1, at);
        found.push(value(&other));
    }
    found.retain(|other| *other != number);
    found.into_iter()
}

/// Whether one mistyped digit, or two swapped, make one citizen number of the other.
pub(crate) fn is_mistyped(a: u64, b: u64) -> bool {
    let (a, b) = (format!("{a:011}").into_bytes(), format!("{b:011}").into_bytes());
    if a.len() != 11 || b.len() != 11 {
        return false;
    }
    let differ: Vec<usize> = (0..11).filter(|at| a[*at] != b[*at]).collect();
    match differ[..] {
        [_] => true,
        [first, second] => second == first + 1 && a[first] == b[second] && a[second] == b[first],
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
