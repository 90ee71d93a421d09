//! How many people have each particular that says something by being rare or common.

use rustc_hash::FxHashMap;

use crate::birth::Birth;
use crate::pack::{Lexicon, Reader, put, put_text};
use crate::person::{Identifier, Person};
use crate::places::Place;

/// People by year and day of birth and by place; those of a token are counted in the lexicon.
#[derive(Default)]
pub(crate) struct Counts {
    pub years: FxHashMap<u32, u32>,
    pub days: FxHashMap<Birth, u32>,
    pub places: FxHashMap<u32, u32>,
    /// The systems of other numbers, the first of them.
    pub systems: Vec<String>,
}

/// Systems of numbers that are known by name; a country has a dozen.
const SYSTEMS_MAX: usize = 64;

fn add<K: std::hash::Hash + Eq>(counts: &mut FxHashMap<K, u32>, key: K, people: i32) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add_signed(people);
}

impl Counts {
    /// Counts a person's particulars up or down.
    pub fn add(&mut self, person: &Person, people: i32, lexicon: &mut Lexicon) {
        let mut tokens: Vec<&String> = person.names.iter().flatten().collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens.into_iter().for_each(|token| lexicon.add(token, people));
        for Identifier { system, .. } in &person.identifiers {
            if self.systems.len() < SYSTEMS_MAX && !self.systems.contains(system) {
                self.systems.push(system.clone());
            }
        }
        if let Some(birth) = person.birth {
            add(&mut self.years, birth.year, people);
            if birth.tells_day() {
                add(&mut self.days, birth, people);
            }
        }
        let Place {
            dzongkhag,
            gewog,
            chiwog,
            ..
        } = person.place;
        for number in [dzongkhag, gewog, chiwog].into_iter().filter(|number| *number > 0) {
            add(&mut self.places, number, people);
        }
    }

    /// Appends them, to be read by [`Counts::read`].
    pub fn write(&self, out: &mut Vec<u8>) {
        for counts in [&self.years, &self.places] {
            put(out, counts.len() as u64);
            for (number, count) in counts {
                put(out, u64::from(*number));
                put(out, u64::from(*count));
            }
        }
        put(out, self.systems.len() as u64);
        self.systems.iter().for_each(|system| put_text(out, system));
        put(out, self.days.len() as u64);
        for (birth, count) in &self.days {
            [birth.year, birth.month, birth.day, *count]
                .iter()
                .for_each(|part| put(out, u64::from(*part)));
        }
    }

    /// Reads what [`Counts::write`] wrote; `None` where it is none.
    pub fn read(reader: &mut Reader<'_>) -> Option<Counts> {
        let mut counts = Counts::default();
        for counts in [&mut counts.years, &mut counts.places] {
            for _ in 0..reader.number()? {
                counts.insert(reader.number()? as u32, reader.number()? as u32);
            }
        }
        for _ in 0..reader.number()? {
            counts.systems.push(reader.text()?.to_owned());
        }
        for _ in 0..reader.number()? {
            let mut part = || Some(reader.number()? as u32);
            let birth = Birth {
                year: part()?,
                month: part()?,
                day: part()?,
            };
            counts.days.insert(birth, part()?);
        }
        Some(counts)
    }
}
