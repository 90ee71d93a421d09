//! The people of one chiwog: drawn by the census's ages and sexes, then joined to couples, children and households.

use crate::names::{Name, Names};
use crate::numbers::Numbers;
use crate::person::{Birth, Identifier, Parent, Person, years_between};
use crate::places::{Places, ages};
use crate::random::{Random, Weighted};

/// Days in a year, near enough.
const YEAR: i64 = 365;
/// Of a thousand women old enough, how many live with a partner of their age in the chiwog.
const PARTNERED: u64 = 780;
/// Of a thousand births, how many are of twins.
const TWINS: u64 = 12;
/// Younger people who are in no couple live with their parents.
const AT_HOME: i64 = 25;
/// Until so many days after birth many have no name.
const UNNAMED_DAYS: i64 = 60;
/// Between the births of two children of one mother lie at least so many days.
const BETWEEN_BIRTHS: i64 = 290;

/// What villages are drawn from.
pub(crate) struct Country {
    pub places: Places,
    pub names: Names,
    ages: [Weighted<i64>; 3],
}

impl Country {
    pub fn new() -> Country {
        Country {
            places: Places::bhutan(),
            names: Names::bhutan(),
            ages: ages(),
        }
    }
}

/// Somebody of whom only birth, sex and family are decided.
#[derive(Clone, Debug)]
struct Draft {
    born: i64,
    female: bool,
    house: Option<u64>,
    mother: Option<usize>,
    father: Option<usize>,
    birth_order: Option<u8>,
    partnered: bool,
}

/// A mother, where she lives and with whom.
struct Mother {
    born: i64,
    at: usize,
    partner: usize,
    house: u64,
    births: Vec<i64>,
}

/// Draws the people of a chiwog.
pub(crate) struct Village<'a> {
    country: &'a Country,
    chiwog: usize,
    today: i64,
    random: Random,
}

impl<'a> Village<'a> {
    pub fn new(country: &'a Country, chiwog: usize, today: i64, random: Random) -> Village<'a> {
        Village {
            country,
            chiwog,
            today,
            random,
        }
    }

    /// So many people, numbered from `first`.
    pub fn people(mut self, people: u64, first: u64, numbers: &mut Numbers) -> Vec<Person> {
        if people == 0 {
            return Vec::new();
        }
        let census = &self.country.places.chiwogs[self.chiwog];
        let houses = (people * census.households / census.people.max(1)).max(1);
        let mut drafts: Vec<Draft> = (0..people).map(|_| self.draft()).collect();
        let mut mothers = self.couples(&mut drafts, houses);
        self.children(&mut drafts, &mut mothers);
        for draft in &mut drafts {
            draft.house.get_or_insert_with(|| self.random.below(houses));
        }
        self.named(&drafts, houses, first, numbers)
    }

    fn draft(&mut self) -> Draft {
        let census = &self.country.places.chiwogs[self.chiwog];
        let at = self.random.below(census.people);
        let group = usize::from(at >= census.ages[0]) + usize::from(at >= census.ages[0] + census.ages[1]);
        let years = *self.country.ages[group].draw(&mut self.random);
        // Between one birthday and the next; the year's quarter of a day adds up over a life.
        let days = years * YEAR + years / 4 + self.random.between(1, YEAR - 1);
        Draft {
            born: self.today - days,
            female: self.random.below(census.people) < census.female,
            house: None,
            mother: None,
            father: None,
            birth_order: None,
            partnered: false,
        }
    }

    /// Makes couples of women and men of nearly the same age, and gives them houses.
    fn couples(&mut self, drafts: &mut [Draft], houses: u64) -> Vec<Mother> {
        let old_enough = self.today - 20 * YEAR;
        let of = |female: bool| {
            let all = drafts.iter().enumerate();
            let mut adults: Vec<usize> = all
                .filter(|(_, d)| d.female == female && d.born < old_enough)
                .map(|(at, _)| at)
                .collect();
            adults.sort_by_key(|at| drafts[*at].born);
            adults
        };
        let (women, men) = (of(true), of(false));
        let mut couples: Vec<(usize, usize)> = women.into_iter().zip(men).collect();
        couples.retain(|_| self.random.in_thousand(PARTNERED));
        let mut order: Vec<u64> = (0..houses).collect();
        self.random.shuffle(&mut order);
        let mut mothers = Vec::new();
        for (nth, (woman, man)) in couples.into_iter().enumerate() {
            let house = match order.get(nth) {
                Some(house) => *house,
                None => self.random.below(houses),
            };
            for at in [woman, man] {
                (drafts[at].house, drafts[at].partnered) = (Some(house), true);
            }
            mothers.push(Mother {
                born: drafts[woman].born,
                at: woman,
                partner: man,
                house,
                births: Vec::new(),
            });
        }
        mothers
    }

    /// Gives the young to mothers who were 17 to 43 when they were born; some of them as twins.
    fn children(&mut self, drafts: &mut [Draft], mothers: &mut [Mother]) {
        let young = self.today - AT_HOME * YEAR;
        let children: Vec<usize> = (0..drafts.len())
            .filter(|at| drafts[*at].born > young && !drafts[*at].partnered)
            .collect();
        let mut twin_of: Option<usize> = None;
        for at in children {
            if let Some(first) = twin_of.take() {
                let first_born = drafts[first].clone();
                drafts[first].birth_order = Some(1);
                drafts[at] = Draft {
                    female: drafts[at].female,
                    birth_order: Some(2),
                    ..first_born
                };
                continue;
            }
            let Some(mother) = self.mother_of(drafts[at].born, mothers) else {
                continue;
            };
            let mother = &mut mothers[mother];
            mother.births.push(drafts[at].born);
            let draft = &mut drafts[at];
            (draft.mother, draft.father, draft.house) = (Some(mother.at), Some(mother.partner), Some(mother.house));
            if self.random.in_thousand(TWINS) {
                twin_of = Some(at);
            }
        }
    }

    fn mother_of(&mut self, born: i64, mothers: &[Mother]) -> Option<usize> {
        // Sorted by birth, as couples were made.
        let from = mothers.partition_point(|mother| mother.born < born - 43 * YEAR);
        let to = mothers.partition_point(|mother| mother.born <= born - 17 * YEAR);
        (0..4).find_map(|_| {
            let at = from + self.random.below(to.checked_sub(from)? as u64) as usize;
            let mother = mothers[..to].get(at)?;
            let apart = |other: &i64| (other - born).abs() >= BETWEEN_BIRTHS;
            mother.births.iter().all(apart).then_some(at)
        })
    }

    /// Names and numbers for all: parents first, so that children can have theirs.
    fn named(mut self, drafts: &[Draft], houses: u64, first: u64, numbers: &mut Numbers) -> Vec<Person> {
        let own = self.country.places.chiwogs[self.chiwog].gewog;
        let southern = self.country.places.dzongkhags[self.country.places.gewogs[own].dzongkhag].southern;
        let families: Vec<bool> = (0..houses).map(|_| self.random.in_thousand(southern)).collect();
        let mut order: Vec<usize> = (0..drafts.len()).collect();
        order.sort_by_key(|at| drafts[*at].born);
        let lines: Vec<String> = (0..houses).map(|_| numbers.telephone()).collect();
        let mut people: Vec<Option<Person>> = vec![None; drafts.len()];
        for at in order {
            let draft = &drafts[at];
            let house = draft.house.expect("everybody lives somewhere");
            let parents = [draft.mother, draft.father].map(|parent| people[parent?].as_ref());
            let person = self.person(draft, parents, families[house as usize], own, numbers);
            let mut telephones = person.telephones;
            telephones.push(lines[house as usize].clone());
            people[at] = Some(Person {
                number: first + at as u64,
                house,
                telephones,
                ..person
            });
        }
        people.into_iter().flatten().collect()
    }

    fn person(
        &mut self,
        draft: &Draft,
        [mother, father]: [Option<&Person>; 2],
        southern: bool,
        own: usize,
        numbers: &mut Numbers,
    ) -> Person {
        let age = years_between(draft.born, self.today);
        let unnamed = self.today - draft.born < UNNAMED_DAYS && self.random.in_thousand(700);
        let family = father.and_then(|father| father.name.family.clone());
        let name = match unnamed {
            true => Name::default(),
            false => self.name(draft.female, southern, family.as_deref()),
        };
        let mut person = Person {
            number: 0,
            female: draft.female,
            born: draft.born,
            papers: self.papers(draft.born, age),
            name,
            citizen_number: None,
            identifiers: Vec::new(),
            mother: Some(self.parent(mother, true, southern)),
            father: Some(self.parent(father, false, southern)),
            birth_order: draft.birth_order,
            telephones: Vec::new(),
            chiwog: self.chiwog,
            house: 0,
        };
        self.identify(&mut person, age, own, numbers);
        if age >= 15 && self.random.in_thousand(850) {
            person.telephones.push(numbers.telephone());
        }
        person
    }

    fn name(&mut self, female: bool, southern: bool, family: Option<&str>) -> Name {
        let names = &self.country.names;
        let mut name = match southern {
            true => names.draw_southern(&mut self.random, female, family),
            false => names.draw(&mut self.random, female),
        };
        // What stands in the papers is not always the usual spelling.
        for part in &mut name.given {
            if self.random.in_thousand(25) {
                *part = names.other_spelling(&mut self.random, part);
            }
        }
        name
    }

    /// What papers say of a birth: of the old often only the year, or its first of January.
    fn papers(&mut self, born: i64, age: i64) -> Birth {
        let birth = Birth::of_day(born);
        let (heaped, year_only) = match age {
            0..18 => (20, 0),
            18..40 => (90, 10),
            40..60 => (250, 40),
            _ => (400, 100),
        };
        match self.random.below(1_000) {
            at if at < heaped => Birth {
                day: Some((1, 1)),
                ..birth
            },
            at if at < heaped + year_only => Birth { day: None, ..birth },
            _ => birth,
        }
    }

    /// A parent who lives here, or one who is only a name.
    fn parent(&mut self, here: Option<&Person>, female: bool, southern: bool) -> Parent {
        match here {
            Some(person) => Parent {
                name: person.name.clone(),
                citizen_number: person.citizen_number.clone(),
            },
            None => Parent {
                name: self.name(female, southern, None),
                citizen_number: None,
            },
        }
    }

    fn identify(&mut self, person: &mut Person, age: i64, own: usize, numbers: &mut Numbers) {
        let foreign = age >= 18
            && person
                .mother
                .as_ref()
                .is_some_and(|mother| mother.citizen_number.is_none());
        let known = |system: &'static str, value: String| Identifier { system, value };
        match self.random.below(1_000) {
            0..12 if foreign => person.identifiers.push(known("work-permit", numbers.other("WP"))),
            12..18 if foreign => person.identifiers.push(known("special-resident", numbers.other("SR"))),
            _ if age > 0 || (!person.name.given.is_empty() && self.random.in_thousand(500)) => {
                let gewog = match self.random.in_thousand(650) {
                    true => own,
                    false => *self.country.places.by_people.draw(&mut self.random),
                };
                person.citizen_number = Some(numbers.citizen(&mut self.random, &self.country.places, gewog));
            }
            _ => {}
        }
        if age < 10 && (age > 0 || self.random.in_thousand(800)) {
            person.identifiers.push(known("health-book", numbers.other("HB")));
        }
        if person.citizen_number.is_none() && person.identifiers.is_empty() {
            person.identifiers.push(known("temporary", numbers.other("T")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> Vec<Person> {
        let country = Country::new();
        let mut numbers = Numbers::new(&country.places);
        Village::new(&country, 7, 20_000, Random::new(11, 7)).people(4_000, 100, &mut numbers)
    }

    #[test]
    fn a_village_has_the_census_s_shape() {
        let people = people();
        let country = Country::new();
        let census = &country.places.chiwogs[7];
        let near = |found: usize, counted: u64, what: &str| {
            let (found, expected) = (found as f64 / 4_000.0, counted as f64 / census.people as f64);
            assert!((found - expected).abs() < 0.03, "{what}: {found} for {expected}");
        };
        assert_eq!(people.len(), 4_000);
        near(people.iter().filter(|p| p.female).count(), census.female, "women");
        near(
            people.iter().filter(|p| p.age(20_000) < 15).count(),
            census.ages[0],
            "children",
        );
        near(
            people.iter().filter(|p| p.age(20_000) >= 65).count(),
            census.ages[2],
            "elders",
        );
    }

    #[test]
    fn families_are_families() {
        let people = people();
        let by_citizen = |number: &str| people.iter().find(|p| p.citizen_number.as_deref() == Some(number));
        let mut pairs = 0;
        for child in people.iter().filter(|p| p.age(20_000) < 15) {
            let mother = child
                .mother
                .as_ref()
                .and_then(|m| by_citizen(m.citizen_number.as_deref()?));
            let Some(mother) = mother else { continue };
            let years = years_between(mother.born, child.born);
            assert!(
                mother.female && (16..=43).contains(&years) && mother.house == child.house,
                "{years}"
            );
            assert_eq!(
                mother.telephones.last(),
                child.telephones.last(),
                "the household's telephone"
            );
            pairs += 1;
        }
        assert!(pairs > 500, "{pairs}");
        let twins: Vec<&Person> = people.iter().filter(|p| p.birth_order == Some(1)).collect();
        assert!(!twins.is_empty());
        for first in twins {
            let second = people
                .iter()
                .find(|p| p.birth_order == Some(2) && p.mother == first.mother && p.born == first.born);
            assert!(second.is_some_and(|second| second.house == first.house));
        }
    }
}
