//! The register under test: who is found, whatever the mistake, and that changes leave nothing behind.

use super::*;
use crate::person::Sex;
use crate::trial::{nation, person, register};

fn of(people: &[(&str, &str)]) -> Register {
    people.iter().map(|(id, text)| (*id, person(text))).collect()
}

const PEOPLE: &[(&str, &str)] = &[
    (
        "a",
        "Sonam Dorji, m, 1987-04-09, cid 11404000581, tel 17123456, at BT1401",
    ),
    ("b", "Sonam Dorji, m, 1987-08-30, cid 11404000582, at BT1401"),
    ("c", "Sonam Dorji, m, 1991-04-09, at BT1401"),
    ("d", "Pema Lhamo, f, 1990-02-11, cid 11404000002"),
    ("e", "f, 2026-03-02, mother 11404000002, of Pema Lhamo"),
    ("f", "Jigme Tshultrim, m, 1950-01-01, tel 77000001, at BT0104"),
];

#[test]
fn people_are_found_whatever_the_mistake() {
    let register = of(PEOPLE);
    let weights = Weights::built_in();
    let table = [
        ("Dorjee Sonam, m, 1987-04-09", "a"),
        ("Sonam, m, 1987-09-04, tel 17123456", "a"),
        ("Karma, m, 1987-04-09, cid 11404000581", "a"),
        ("Sonam Dorji, m, 1987-04-09, cid 11404000518", "a"),
        ("Sonam Dorji, m, 1989-01-01, cid 11404000581", "a"),
        ("Sonam Dorji, m, 1991-04-09, at BT1401", "c"),
        ("Karma Choki, f, 2026-03-02, mother 11404000002", "e"),
        ("Jigmi Tsultrim, m, 1951, tel 77000001", "f"),
    ];
    for (looked_for, expected) in table {
        let found = register.best(&person(looked_for), &weights, 3);
        assert_eq!(
            found.first().map(|found| found.id.as_str()),
            Some(expected),
            "{looked_for}: {found:?}"
        );
    }
    assert!(
        register
            .best(&person("Kinley Wangmo, f, 2001-06-06"), &weights, 3)
            .is_empty()
    );
    assert!(register.best(&Person::default(), &weights, 3).is_empty());
}

#[test]
fn of_three_with_one_name_none_is_certain_by_name_and_year() {
    let register = of(&[
        ("a", "Sonam Dorji, m, 1987-04-09, at BT0104"),
        ("b", "Sonam Dorji, m, 1987-08-30, at BT0104"),
        ("c", "Sonam Dorji, m, 1987-01-01, at BT0104"),
    ]);
    let weights = Weights::built_in();
    let grades = |text: &str| {
        let found = register.best(&person(text), &weights, 5);
        found
            .into_iter()
            .map(|found| (found.id, found.score.grade.code()))
            .collect::<Vec<_>>()
    };
    let by_year = grades("Sonam Dorji, m, 1987, at BT0104");
    assert!(
        by_year.len() == 3 && by_year.iter().all(|(_, grade)| *grade == "possible"),
        "{by_year:?}"
    );
    let by_day = grades("Sonam Dorji, m, 1987-08-30, at BT0104");
    assert_eq!(by_day[0], ("b".to_owned(), "certain"));
    assert!(by_day[1..].iter().all(|(_, grade)| *grade == "possible"), "{by_day:?}");
}

/// Changed and removed again and again, a register answers as one made of what is left.
#[test]
fn changes_leave_nothing_behind() {
    let people = nation(3_000, 3).people;
    let mut changed = Register::default();
    for (round, step) in [1, 3, 2].into_iter().enumerate() {
        for (at, (id, person)) in people.iter().enumerate().step_by(step) {
            if (at + round).is_multiple_of(5) {
                changed.remove(id);
            } else {
                changed.put(
                    id,
                    &Person {
                        sex: Sex::Other,
                        ..person.clone()
                    },
                );
                changed.put(id, person);
            }
        }
    }
    let mut left: Vec<(String, Person)> = Vec::new();
    changed.each(&mut |id, person| left.push((id.to_owned(), person.clone())));
    assert_eq!(left.len(), changed.len());
    let fresh: Register = left.iter().cloned().collect();
    let weights = Weights::built_in();
    let told = |register: &Register, person: &Person| {
        let found = register.best(person, &weights, 5);
        found
            .into_iter()
            .map(|found| (found.id, found.score.bits.to_bits()))
            .collect::<Vec<_>>()
    };
    for (id, person) in left.iter().step_by(37) {
        assert_eq!(told(&changed, person), told(&fresh, person), "{id}");
        assert_eq!(changed.person(id).as_ref(), Some(person));
    }
}

#[test]
fn second_registrations_are_found() {
    let registered = nation(20_000, 7);
    let weights = Weights::built_in();
    let second: rustc_hash::FxHashMap<&str, &str> = registered
        .truth
        .iter()
        .map(|(second, first)| (second.as_str(), first.as_str()))
        .collect();
    let (mut looked_for, mut first, mut certain, mut wrong) = (0, 0, 0, 0);
    for (id, person) in registered
        .people
        .iter()
        .filter(|(id, _)| second.contains_key(id.as_str()))
    {
        let found = register().best(person, &weights, 6);
        let others: Vec<&Found> = found.iter().filter(|found| found.id != *id).collect();
        looked_for += 1;
        first += usize::from(others.iter().take(5).any(|found| found.id == second[id.as_str()]));
        for found in others.iter().filter(|found| found.score.grade == Grade::Certain) {
            match found.id == second[id.as_str()] {
                true => certain += 1,
                false => {
                    wrong += 1;
                    println!(
                        "{person:?}\n{:?}\n{}",
                        register().person(&found.id),
                        found
                            .score
                            .parts
                            .iter()
                            .map(|p| p.to_string())
                            .collect::<Vec<_>>()
                            .join("; ")
                    );
                }
            }
        }
    }
    assert!(
        first * 1_000 >= looked_for * 990,
        "{first} of {looked_for} in the first five"
    );
    assert!(
        certain * 100 >= looked_for * 93 && wrong <= 2,
        "{certain} linked, {wrong} wrongly, of {looked_for}"
    );
}
