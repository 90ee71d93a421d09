//! Persons in short forms, and a small nation to look for them in: what the room's tests are written with.

use std::sync::OnceLock;

use fhir::document::Document;
use fhir::parse::Limits;
use synth::{Entry, Nation, Plan};

use crate::birth::Birth;
use crate::person::{CITIZEN, Identifier, Person, Sex, citizen, telephone};
use crate::places::Place;
use crate::register::Register;

/// A person written as `Sonam Dorji, m, 1987-04-09, cid 11404000581, tel 17123456, at BT1401, house 7, mother 11404000002,
/// of Pema Lhamo, father Dorji, twin 1, book HB1`; names apart by `/`.
pub(crate) fn person(text: &str) -> Person {
    let mut person = Person::default();
    for part in text.split(',').map(str::trim) {
        let (word, rest) = part.split_once(' ').unwrap_or((part, ""));
        let tokens = |text: &str| text::Analysis::built_in().names.tokens(text);
        match word {
            "f" => person.sex = Sex::Female,
            "m" => person.sex = Sex::Male,
            "cid" => person.citizen = citizen(rest),
            "tel" => person.telephones.extend(telephone(rest)),
            "at" => person.place = Place::of_code(rest).expect("a place code"),
            "house" => person.place.house = rest.parse().expect("a number"),
            "mother" => {
                person.mother = Some(Identifier {
                    system: CITIZEN.into(),
                    value: rest.into(),
                })
            }
            "of" => person.parents[0] = tokens(rest),
            "father" => person.parents[1] = tokens(rest),
            "twin" => person.birth_order = rest.parse().expect("a number"),
            "book" => person.identifiers.push(Identifier {
                system: "book".into(),
                value: rest.into(),
            }),
            _ if part.starts_with(|c: char| c.is_ascii_digit()) => person.birth = Birth::read(part),
            "" => {}
            _ => person.names = part.split('/').map(tokens).collect(),
        }
    }
    person
}

/// What a nation of the synth room has registered, and which of it is the same person: (second id, first id).
pub(crate) struct Registered {
    pub people: Vec<(String, Person)>,
    pub truth: Vec<(String, String)>,
}

/// So many people of a nation, with 10 % registered twice.
pub(crate) fn nation(people: u64, seed: u64) -> Registered {
    let mut registered = Registered {
        people: Vec::new(),
        truth: Vec::new(),
    };
    let plan = Plan {
        people,
        seed,
        duplicates: 100,
        visits: None,
        today: 20_453,
    };
    Nation::new(plan).each(&mut |entry| {
        match entry {
            Entry::Record(_, record) => {
                let document = Document::parse(&record.to_bytes(), Limits::default()).expect("JSON");
                let id = document.root().string("id").expect("an id").into_owned();
                registered
                    .people
                    .push((id, Person::read(document.root(), &text::Analysis::built_in().names)));
            }
            Entry::Truth(second, first) => registered.truth.push((second.to_owned(), first.to_owned())),
            Entry::Person(_) => {}
        }
        true
    });
    registered
}

/// A register of twenty thousand people: enough for names to be as common as they are.
pub(crate) fn register() -> &'static Register {
    static REGISTER: OnceLock<Register> = OnceLock::new();
    REGISTER.get_or_init(|| nation(20_000, 7).people.into_iter().collect())
}
