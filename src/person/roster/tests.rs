//! Rosters under test: what comes back, how small they are, what damage does, and bytes that were shipped.

use super::*;
use crate::hidden::Key;
use crate::score::Grade;
use crate::trial::{nation, person, register};
use crate::weights::Weights;

/// What a roster carries of a person.
fn carried(person: &Person) -> Person {
    let place = match person.place.gewog {
        0 => Place {
            dzongkhag: person.place.dzongkhag,
            ..Place::default()
        },
        gewog => Place::of_gewog(gewog),
    };
    Person {
        mother: None,
        parents: Default::default(),
        birth_order: 0,
        place,
        ..person.clone()
    }
}

fn read_back(bytes: &[u8]) -> Vec<(String, Person)> {
    let mut people = Vec::new();
    let roster = Roster::read(bytes).unwrap();
    roster
        .each(&mut |id, person| people.push((id.to_owned(), person)))
        .unwrap();
    assert_eq!(roster.len(), people.len());
    people
}

fn as_is(person: &Person) -> Person {
    person.clone()
}

#[test]
fn everybody_comes_back_and_is_small() {
    for (people, seed) in [(0, 1), (1, 2), (50, 3), (5_000, 4)] {
        let people = nation(people, seed).people;
        let register: Register = people.iter().cloned().collect();
        let bytes = whole(
            &register,
            Head {
                after: 0,
                up_to: 17,
                key: [0; 16],
            },
            &as_is,
        );
        let expected: Vec<(String, Person)> = people
            .iter()
            .map(|(id, person)| (id.clone(), carried(person)))
            .collect();
        assert_eq!(read_back(&bytes), expected);
    }
    let bytes = whole(register(), Head::default(), &as_is);
    // 20 MB for 780,000 people.
    assert!(
        bytes.len() / register().len() < 20_000_000 / 780_000,
        "{} bytes a person",
        bytes.len() / register().len()
    );
}

/// Random people with everything there can be: whatever they are, they come back.
#[test]
fn whatever_people_are_they_come_back() {
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % end
    };
    for _ in 0..300 {
        let mut writer = Writer::new(Head {
            after: below(9),
            up_to: u64::MAX,
            key: [0; 16],
        });
        let mut expected = Vec::new();
        for at in 0..below(20) {
            let mut text = |most: u64| {
                (0..below(most))
                    .map(|_| char::from_u32(32 + below(4_000) as u32).unwrap_or('x'))
                    .collect::<String>()
            };
            let (id, names) = (
                format!("{at}{}", text(9)),
                (0..2).map(|_| vec![text(9), text(3)]).collect(),
            );
            let identifiers = vec![Identifier {
                system: text(5),
                value: text(20),
            }];
            let person = Person {
                names,
                identifiers,
                birth: Birth::read(["", "1901", "1999-02", "2020-02-29"][below(4) as usize]),
                sex: [Sex::Unknown, Sex::Female, Sex::Male, Sex::Other][below(4) as usize],
                citizen: Some(below(100_000_000_000)).filter(|number| *number > 0),
                telephones: (0..below(4)).map(|_| below(100_000_000)).collect(),
                place: [
                    Place::default(),
                    Place {
                        dzongkhag: 7,
                        ..Place::default()
                    },
                    Place::of_gewog(1401),
                ][below(3) as usize],
                ..Person::default()
            };
            writer.put(&id, &person);
            expected.push((id, person));
        }
        assert_eq!(read_back(&writer.finish()), expected);
    }
}

#[test]
fn a_day_s_changes_are_small_and_bring_up_to_date() {
    let day = 600;
    let mut changed: Vec<(String, Person)> = Vec::new();
    register().each(&mut |id, person| changed.push((id.to_owned(), carried(person))));
    let mut before: Register = changed.iter().cloned().collect();
    let after_all = before.len();
    let mut writer = Writer::new(Head {
        after: 100,
        up_to: 900,
        key: [0; 16],
    });
    let step = changed.len() / day;
    for (at, (id, person)) in changed.iter_mut().step_by(step).take(day).enumerate() {
        if at % 20 == 0 {
            writer.went(id);
            *person = Person::default();
        } else {
            person.telephones = vec![77_000_000 + at as u64];
            writer.put(id, person);
        }
    }
    let bytes = writer.finish();
    assert!(bytes.len() <= 20_000, "{} bytes for {day} changes", bytes.len());
    let roster = Roster::read(&bytes).unwrap();
    for _ in 0..2 {
        roster.apply(&mut before).unwrap();
        assert_eq!(before.len(), after_all - day / 20);
        for (id, person) in changed.iter().step_by(step).take(day) {
            let expected = Some(person).filter(|person| **person != Person::default());
            assert_eq!(before.person(id).as_ref(), expected);
        }
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    let people = nation(30, 5).people;
    let register: Register = people.iter().cloned().collect();
    let bytes = whole(&register, Head::default(), &as_is);
    for at in 0..bytes.len() {
        assert!(Roster::read(&bytes[..at]).is_err(), "cut at {at}");
        let mut other = bytes.clone();
        other[at] ^= 0x41;
        assert!(Roster::read(&other).is_err(), "changed at {at}");
    }
    // With a sum that fits, nonsense within is still no reason to fall over.
    for at in (HEAD..bytes.len() - SUM).step_by(3) {
        let mut other = bytes[..bytes.len() - SUM].to_vec();
        other[at] ^= 0x15;
        let sum = blake3::hash(&other);
        other.extend_from_slice(&sum.as_bytes()[..SUM]);
        if let Ok(roster) = Roster::read(&other) {
            let _read = roster.each(&mut |_, _| {});
        }
    }
}

#[test]
fn hidden_particulars_cannot_be_read_but_found() {
    let key = Key::of("a secret of the country").unwrap();
    let registered = nation(3_000, 9);
    let all: Register = registered.people.iter().cloned().collect();
    let head = Head {
        after: 0,
        up_to: 5,
        key: key.check(),
    };
    let bytes = whole(&all, head, &|person| key.hide(person));
    let hidden = Roster::read(&bytes).unwrap().register().unwrap();
    let mut told = String::new();
    hidden.each(&mut |_, person| told.push_str(&format!("{person:?}")));
    for word in ["sonam", "dorji", "year: 1987,", "Female", "gewog: 1401,"] {
        assert!(!told.contains(word), "{word}");
    }
    assert!(
        registered
            .people
            .iter()
            .filter_map(|(_, person)| person.citizen)
            .all(|number| !told.contains(&number.to_string()))
    );
    let weights = Weights::built_in();
    let (mut found, mut wrong) = (0, 0);
    for (second, first) in &registered.truth {
        let looked_for = key.hide(&all.person(second).unwrap());
        let best = hidden.best(&looked_for, &weights, 5);
        found += usize::from(best.iter().any(|found| found.id == *first));
        let certain = best
            .iter()
            .filter(|found| found.score.grade == Grade::Certain && found.id != *second);
        wrong += certain.filter(|found| found.id != *first).count();
    }
    assert!(
        found * 100 >= registered.truth.len() * 93 && wrong <= 1,
        "{found} found, {wrong} wrong"
    );
    let other = Key::of("another secret, as long").unwrap();
    assert!(other.check() != key.check() && Key::of("short").is_err());
    assert!(
        hidden
            .best(&other.hide(&all.person(&registered.truth[0].0).unwrap()), &weights, 5)
            .is_empty()
    );
}

/// Bytes of the first format, as they were shipped.
#[test]
fn shipped_rosters_are_read() {
    const SHIPPED: &[u8] = include_bytes!("../../../tests/fixtures/person/roster-1");
    let roster = Roster::read(SHIPPED).unwrap();
    assert_eq!(
        roster.head,
        Head {
            after: 3,
            up_to: 1_742,
            key: [0; 16]
        }
    );
    let people = [
        (
            "0-17",
            "Sonam Dorji/Ugyen Rai, m, 1987-04-09, cid 11404000581, tel 17123456, at BT1401, book B1",
        ),
        ("0-18", "f, 2026-03, at BT14"),
        ("n", "ཞཞ, 1950-01-01, tel 77000001, tel 17000001"),
    ];
    let people: Vec<(String, Person)> = people
        .iter()
        .map(|(id, text)| ((*id).to_owned(), person(text)))
        .collect();
    assert_eq!(read_back(SHIPPED), people);
    let mut register: Register = [("0-9", person("Karma"))].into_iter().collect();
    roster.apply(&mut register).unwrap();
    assert!(register.len() == 3 && register.person("0-9").is_none(), "0-9 went");
    let later = [b"EPISWHO\x02".as_slice(), &SHIPPED[8..]].concat();
    assert!(Roster::read(&later).err().unwrap().0.contains("later format"));
    assert!(Roster::read(b"{}").err().unwrap().0.contains("no file of persons"));
}
