//! People at rest under test: the answers are those of the same people in memory, whatever changed, and damage is told.

use std::fs::{self, File};
use std::path::PathBuf;

use text::Analysis;

use super::*;
use crate::Person;
use crate::asked::Asked;
use crate::register::Register;
use crate::score::Grade;
use crate::settle::Settler;
use crate::trial::{nation, person};
use crate::weights::Weights;

/// A file that goes when it is no longer needed.
struct Trial(PathBuf);

impl Trial {
    fn new(name: &str) -> Trial {
        Trial(std::env::temp_dir().join(format!("epis-settled-{}-{name}", std::process::id())))
    }

    fn file(&self) -> File {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        options.open(&self.0).expect("a file can be made")
    }

    fn settle(&self, people: &[(String, Person)], head: Head) {
        let scratch = Trial::new("scratch");
        let mut settler = Settler::new(self.file(), scratch.file());
        people.iter().for_each(|(id, person)| settler.put(id, person));
        settler.finish(head).expect("there is room");
    }

    fn open(&self) -> Result<(Register, Head), Unreadable> {
        Register::open(File::open(&self.0).expect("it was written"))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

/// What a register says when it is asked about somebody, in every way there is.
fn said(register: &Register, id: &str, who: &Person, typed: &[String]) -> String {
    let analysis = Analysis::built_in();
    let mut said = format!("{:?} {:?}\n", register.person(id), register.has(id));
    for found in register.best(who, &Weights::built_in(), 12) {
        said += &format!("{} {:?} {}\n", found.id, found.score.grade, found.score.bits);
    }
    for typed in typed {
        let asked = Asked::read(typed, &analysis.names, 2026);
        for most in [3, 40] {
            said += &format!("{typed}: {:?}\n", register.find(&asked, &analysis.names, most));
        }
    }
    said
}

/// What may be typed to find somebody.
fn typed(person: &Person, random: &mut query::sample::Random) -> Vec<String> {
    let cut = |text: &str, to: usize| text.chars().take(to).collect::<String>();
    let names: Vec<&String> = person.names.iter().flatten().collect();
    let name = names.get(random.below(names.len().max(1))).map_or("pema", |name| name);
    let year = person.birth.map_or("1990".to_owned(), |birth| birth.year.to_string());
    let number = person
        .citizen
        .map_or("114".to_owned(), |number| format!("{number:011}"));
    vec![
        names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "),
        format!("{} {year}", cut(name, 1 + random.below(5))),
        format!(
            "{} {}",
            name.replacen(['a', 'e'], "o", 1),
            ["paro", "thim", "chang", "34y"][random.below(4)]
        ),
        cut(&number, 3 + random.below(9)),
        person.telephones.first().map_or_else(|| cut(name, 2), u64::to_string),
        person.birth.map_or_else(|| cut(name, 1), |birth| birth.to_string()),
    ]
}

#[test]
fn people_at_rest_are_found_as_people_in_memory() {
    let everybody = nation(6_000, 21).people;
    let (first, later) = everybody.split_at(5_000);
    let head = Head {
        after: 0,
        up_to: 17,
        key: [3; 16],
    };
    let trial = Trial::new("same");
    trial.settle(first, head);
    let (mut at_rest, read) = trial.open().unwrap();
    assert_eq!((read, at_rest.len(), at_rest.in_memory()), (head, first.len(), 0));
    let mut in_memory: Register = first.iter().cloned().collect();
    let mut random = query::sample::Random::new(5);
    for round in 0..3 {
        let asked: Vec<&(String, Person)> = everybody.iter().skip(round).step_by(47).collect();
        for (id, person) in &asked {
            let typed = typed(person, &mut random);
            assert_eq!(
                said(&at_rest, id, person, &typed),
                said(&in_memory, id, person, &typed),
                "round {round}, {id}"
            );
        }
        // Somebody comes, somebody goes, somebody changes: in both.
        for (at, (id, person)) in later.iter().chain(first).enumerate().skip(round * 300).take(900) {
            for register in [&mut at_rest, &mut in_memory] {
                match at % 3 {
                    0 => register.remove(id),
                    1 => register.put(id, person),
                    _ => register.put(
                        id,
                        &Person {
                            telephones: vec![17_000_000 + at as u64],
                            ..person.clone()
                        },
                    ),
                }
            }
        }
    }
    assert!(at_rest.in_memory() > 500 && !at_rest.has_failed());
    // At rest again, they are the same people.
    let again = Trial::new("again");
    let mut left = Vec::new();
    at_rest.each(&mut |id, person| left.push((id.to_owned(), person.clone())));
    again.settle(&left, head);
    let (again, _) = again.open().unwrap();
    let mut anew = Vec::new();
    again.each(&mut |id, person| anew.push((id.to_owned(), person.clone())));
    assert!(anew == left && anew.len() == in_memory.len());
}

/// Lists of all lengths: of everybody, of nearly nobody, with particulars too long for a page.
#[test]
fn whatever_people_are_they_come_back() {
    let mut people: Vec<(String, Person)> = (0..3_000)
        .map(|at| {
            (
                format!("p{at}"),
                person(&format!(
                    "Sonam Dorji, f, 19{:02}-01-01, tel {}",
                    at % 100,
                    17_000_000 + at % 7
                )),
            )
        })
        .collect();
    people[7].1.identifiers = (0..900)
        .map(|at| crate::Identifier {
            system: "book".to_owned(),
            value: format!("{at:>9}"),
        })
        .collect();
    let (trial, nobody) = (Trial::new("long"), Trial::new("nobody"));
    trial.settle(&people, Head::default());
    let (register, _) = trial.open().unwrap();
    let mut read = Vec::new();
    register.each(&mut |id, person| read.push((id.to_owned(), person.clone())));
    assert!(read == people && !register.has_failed());
    nobody.settle(&[], Head::default());
    let (mut register, _) = nobody.open().unwrap();
    assert!(register.is_empty() && !register.has("p1"));
    register.put("p1", &people[1].1);
    assert_eq!(register.person("p1").as_ref(), Some(&people[1].1));
}

#[test]
fn damage_is_told_wherever_it_is() {
    let people = nation(400, 5).people;
    let trial = Trial::new("damage");
    trial.settle(&people, Head::default());
    let bytes = fs::read(&trial.0).unwrap();
    let all = |register: &Register| {
        let mut found = 0;
        for (id, person) in people.iter().step_by(20) {
            let best = register.best(person, &Weights::built_in(), 3);
            found += usize::from(
                best.iter()
                    .any(|found| found.id == *id && found.score.grade == Grade::Certain),
            );
            typed(person, &mut query::sample::Random::new(1))
                .iter()
                .for_each(|typed| {
                    let asked = Asked::read(typed, &Analysis::built_in().names, 2026);
                    register.find(&asked, &Analysis::built_in().names, 5);
                });
        }
        found
    };
    let found = all(&trial.open().unwrap().0);
    let mut told = 0;
    for at in (0..bytes.len()).step_by(1_021) {
        fs::write(&trial.0, &bytes[..at]).unwrap();
        assert!(trial.open().is_err(), "cut at {at}");
        let mut other = bytes.clone();
        other[at] ^= 0x41;
        fs::write(&trial.0, &other).unwrap();
        match trial.open() {
            Ok((register, _)) => assert!(all(&register) == found || register.has_failed(), "changed at {at}"),
            Err(_) => told += 1,
        }
    }
    assert!(told > 0 && told < bytes.len() / 1_021);
    // Of another release: it is made anew.
    let mut other = bytes;
    let last = other.len() - 4_096;
    other[last + 8] ^= 1;
    fs::write(&trial.0, &other).unwrap();
    assert!(trial.open().is_err());
}
