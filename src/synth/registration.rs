//! What a clerk wrote down of a person: not all that is true of her, and not always in the same words.

use crate::names::{Name, Names};
use crate::person::{Birth, Identifier, Parent, Person};
use crate::places::Places;
use crate::random::Random;

/// Where somebody says she lives, as precisely as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The dzongkhag, by place in [`Places::dzongkhags`].
    pub dzongkhag: usize,
    /// The gewog, by place in [`Places::gewogs`].
    pub gewog: Option<usize>,
    /// The chiwog, by place in [`Places::chiwogs`].
    pub chiwog: Option<usize>,
    /// The number of the house.
    pub house: Option<u64>,
}

impl Home {
    /// A home that is known to the house.
    pub(crate) fn at(places: &Places, chiwog: usize, house: u64) -> Home {
        let gewog = places.chiwogs[chiwog].gewog;
        Home {
            dzongkhag: places.gewogs[gewog].dzongkhag,
            gewog: Some(gewog),
            chiwog: Some(chiwog),
            house: Some(house),
        }
    }
}

/// One registration of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The name; without any part for a newborn who has none yet.
    pub name: Name,
    /// The name in Dzongkha as well.
    pub dzongkha: Option<Vec<String>>,
    /// Woman or girl.
    pub female: bool,
    /// The date of birth.
    pub birth: Option<Birth>,
    /// The citizen number.
    pub citizen_number: Option<String>,
    /// Other numbers.
    pub identifiers: Vec<Identifier>,
    /// The mother.
    pub mother: Option<Parent>,
    /// The father.
    pub father: Option<Parent>,
    /// Which of twins.
    pub birth_order: Option<u8>,
    /// Telephones.
    pub telephones: Vec<String>,
    /// The address.
    pub home: Option<Home>,
}

impl Registration {
    /// What a careful clerk writes, with the person and her papers at the desk.
    pub fn careful(random: &mut Random, places: &Places, names: &Names, person: &Person, today: i64) -> Registration {
        let age = person.age(today);
        // Parents are asked for of children, and of others now and then.
        let asked = if age < 18 { 850 } else { 300 };
        let unnamed = person.name.given.is_empty();
        let (mother, father) = (random.in_thousand(asked) || unnamed, random.in_thousand(asked));
        let dzongkha = random.in_thousand(150).then(|| names.dzongkha(&person.name)).flatten();
        let mut telephones = person.telephones.clone();
        telephones.truncate(1 + usize::from(random.in_thousand(200)));
        if random.in_thousand(60) {
            telephones.clear();
        }
        Registration {
            name: person.name.clone(),
            dzongkha: dzongkha
                .filter(|parts| !parts.is_empty())
                .map(|parts| parts.into_iter().map(str::to_owned).collect()),
            female: person.female,
            birth: Some(person.papers),
            citizen_number: person.citizen_number.clone(),
            identifiers: person.identifiers.clone(),
            mother: person.mother.clone().filter(|_| mother),
            father: person.father.clone().filter(|_| father),
            birth_order: person.birth_order,
            telephones,
            home: Some(Home::at(places, person.chiwog, person.house)),
        }
    }

    /// Whether nothing but the mother tells who it is.
    pub fn is_unnamed(&self) -> bool {
        self.name.given.is_empty() && self.name.family.is_none()
    }
}
