//! The nation, record by record: a plan in, FHIR records and the truth about duplicates out.

use std::ops::RangeInclusive;

use fhir::tree::Tree;

use crate::damage::Workshop;
use crate::numbers::Numbers;
use crate::patient::patient;
use crate::person::Person;
use crate::random::Random;
use crate::registration::Registration;
use crate::village::{Country, Village};
use crate::visits::Clinic;

/// What nation to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many people.
    pub people: u64,
    /// What makes this nation another than the next.
    pub seed: u64,
    /// Of a thousand people, how many are registered a second time, with damage.
    pub duplicates: u64,
    /// The years to make visits of, if any.
    pub visits: Option<RangeInclusive<i64>>,
    /// The day on which all ages are as the census has them, counted from 1970.
    pub today: i64,
}

/// What a nation hands out.
pub enum Entry<'a> {
    /// A record, its kind first.
    Record(&'static str, &'a Tree),
    /// Both ids of a person who was registered twice: the second, then the first.
    Truth(&'a str, &'a str),
    /// A person with all that was registered of her; after her records.
    Person(&'a Person),
}

/// A nation to be made.
pub struct Nation {
    plan: Plan,
    country: Country,
    clinic: Option<Clinic>,
}

/// What differs between streams of chance of the same seed.
const PEOPLE: u64 = 1 << 32;
const CLERKS: u64 = 2 << 32;
const VISITS: u64 = 3 << 32;

/// The node whose ids the records have: none that a server mints.
const NODE: &str = "900";

/// What is handed out along the way.
struct Out<'a> {
    numbers: Numbers,
    records: u64,
    each: &'a mut dyn FnMut(Entry<'_>) -> bool,
}

impl Out<'_> {
    fn id(&mut self) -> String {
        self.records += 1;
        format!("{NODE}-{}", self.records)
    }
}

impl Nation {
    /// The nation of a plan.
    pub fn new(plan: Plan) -> Nation {
        Nation {
            clinic: plan.visits.clone().map(Clinic::new),
            country: Country::new(),
            plan,
        }
    }

    /// Makes everybody, chiwog by chiwog, and hands out what is written of them, until `each` answers `false`.
    pub fn each(&self, each: &mut dyn FnMut(Entry<'_>) -> bool) {
        let chiwogs = &self.country.places.chiwogs;
        let total: u64 = chiwogs.iter().map(|chiwog| chiwog.people).sum();
        let share = |before: u64| (u128::from(before) * u128::from(self.plan.people) / u128::from(total)) as u64;
        let mut out = Out {
            numbers: Numbers::new(&self.country.places),
            records: 0,
            each,
        };
        let mut before = 0;
        for (at, chiwog) in chiwogs.iter().enumerate() {
            let (first, end) = (share(before), share(before + chiwog.people));
            before += chiwog.people;
            let random = Random::new(self.plan.seed, PEOPLE + at as u64);
            let people =
                Village::new(&self.country, at, self.plan.today, random).people(end - first, first, &mut out.numbers);
            let mut clerks = Random::new(self.plan.seed, CLERKS + at as u64);
            let mut visits = Random::new(self.plan.seed, VISITS + at as u64);
            for person in &people {
                if !self.register(person, &mut clerks, &mut visits, &mut out) {
                    return;
                }
            }
        }
    }

    fn register(&self, person: &Person, clerks: &mut Random, visits: &mut Random, out: &mut Out<'_>) -> bool {
        let (places, names) = (&self.country.places, &self.country.names);
        let first = Registration::careful(clerks, places, names, person, self.plan.today);
        let mut ids = vec![out.id()];
        if !(out.each)(Entry::Record("Patient", &patient(places, &ids[0], &first))) {
            return false;
        }
        if clerks.in_thousand(self.plan.duplicates) {
            let workshop = Workshop {
                names,
                places,
                new_telephone: out.numbers.telephone(),
                temporary: out.numbers.other("T"),
            };
            // The second clerk sees the person, not the first clerk's record.
            let second = Registration::careful(clerks, places, names, person, self.plan.today);
            let second = second.damaged(clerks, &workshop);
            ids.push(out.id());
            if !(out.each)(Entry::Record("Patient", &patient(places, &ids[1], &second)))
                || !(out.each)(Entry::Truth(&ids[1], &ids[0]))
            {
                return false;
            }
        }
        let mut going = true;
        if let Some(clinic) = &self.clinic {
            clinic.visits(visits, places, person, &ids, &mut |kind, record| {
                going = going && (out.each)(Entry::Record(kind, &record));
            });
        }
        going && (out.each)(Entry::Person(person))
    }
}

#[cfg(test)]
mod tests;
