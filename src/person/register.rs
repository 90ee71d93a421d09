//! Many people's particulars, found by what two records of one person are likely to share.
//!
//! They are in memory, or most of them at rest in a file ([`Register::open`]), with those in memory who changed since. A person
//! in memory is a few dozen bytes in one arena, and eight or nine keys of eight bytes. Keys lie sorted; those of lately
//! changed people lie beside, until there are so many that all are sorted anew. Whoever changes is appended again and
//! the old bytes are given up, until half of the arena is that.

use std::borrow::Cow;
use std::fs::File;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::birth::Birth;
use crate::counts::Counts;
use crate::frequency::{Frequencies, Smoothed, USUAL_DAY, USUAL_TOKEN, USUAL_YEAR, usual_place};
use crate::keys::{self, Key};
use crate::lookup::{By, Lookup};
use crate::pack::{self, Lexicon};
use crate::person::Person;
use crate::roster::{Head, Unreadable};
use crate::score::{Grade, Score, score};
use crate::settled::{Held, Settled};
use crate::sorted::{Sieve, Sorted};
use crate::weights::Weights;

/// Of the people a key leads to, so many are looked at: a key of more says next to nothing.
const OF_A_KEY: usize = 20_000;
/// So many candidates are reached by keys, the rarest first; more common keys only say more of them.
const REACHED: usize = 2_000;
/// So many of them are compared in full, those with the rarest keys in common: with twice as many, two more in 10,000 second
/// registrations are found.
const COMPARED: usize = 40;
/// Keys of so many lately changed people are looked through unsorted, or a sixteenth of all.
const LATELY: usize = 4_096;

/// Somebody found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record's id.
    pub id: String,
    /// How likely it is the person looked for, and why.
    pub score: Score,
}

/// The numbers of the people under a key.
struct Under<'r> {
    at_rest: Option<Held<'r>>,
    sorted: &'r [u64],
    lately: &'r [u32],
}

impl Under<'_> {
    fn len(&self) -> usize {
        self.at_rest.as_ref().map_or(0, Held::len) + self.sorted.len() + self.lately.len()
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        let at_rest = self.at_rest.as_ref().map(Held::numbers).unwrap_or_default();
        let sorted = self.sorted.iter().map(|entry| *entry as u32);
        at_rest.into_iter().chain(sorted).chain(self.lately.iter().copied())
    }
}

/// Many people.
#[derive(Default)]
pub struct Register {
    arena: Vec<u8>,
    /// Where the bytes begin of each number after those at rest.
    starts: Vec<u32>,
    /// Whether such a number's person changed or went since.
    gone: Vec<bool>,
    /// Those at rest who changed or went since.
    gone_at_rest: FxHashSet<u32>,
    living: usize,
    lexicon: Lexicon,
    sorted: Sorted,
    /// How many people in memory `sorted` is about.
    in_order: usize,
    lately: FxHashMap<Key, Vec<u32>>,
    counts: Counts,
    lookup: Lookup,
}

impl Register {
    /// The people at rest in a file that [`Settler`](crate::Settler) wrote, and what they are. They take a few megabytes of
    /// memory, of which 8 MiB are what was read last; the file must stay as it is.
    ///
    /// # Errors
    /// [`Unreadable`] where it is none, of another release, or damaged where all of it is described.
    pub fn open(file: File) -> Result<(Register, Head), Unreadable> {
        let (settled, directory) = Settled::open(file)?;
        let register = Register {
            living: settled.count() as usize,
            lookup: Lookup::of(settled, &directory.lexicon),
            lexicon: directory.lexicon,
            counts: directory.counts,
            ..Register::default()
        };
        Ok((register, directory.head))
    }

    /// Whether a part of the file could not be read: answers since then may lack somebody, and it is to be made anew.
    pub fn has_failed(&self) -> bool {
        self.at_rest().is_some_and(|settled| settled.pages.failed())
    }

    /// How many people are in memory, those who are gone again among them.
    pub fn in_memory(&self) -> usize {
        self.starts.len()
    }

    fn at_rest(&self) -> Option<&Settled> {
        self.lookup.settled()
    }

    /// The number of the first person in memory.
    fn first(&self) -> u32 {
        self.at_rest().map_or(0, Settled::count)
    }

    /// The numbers of all who are or were here.
    fn numbers(&self) -> std::ops::Range<u32> {
        0..self.first() + self.starts.len() as u32
    }

    /// How many people there are.
    pub fn len(&self) -> usize {
        self.living
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.living == 0
    }

    /// Adds a person, or takes her new particulars.
    pub fn put(&mut self, id: &str, person: &Person) {
        self.put_noting(id, person, &[]);
    }

    /// As [`Register::put`], with a note for whoever shows her, which says nothing to the register.
    pub fn put_noting(&mut self, id: &str, person: &Person, note: &[u8]) {
        self.remove(id);
        let number = self.append(id, person, note);
        for key in keys::kept(person).into_iter().chain([keys::of_id(id)]) {
            self.lately.entry(key).or_default().push(number);
        }
        self.settle();
    }

    /// Takes a person out; nothing happens where she is not there.
    pub fn remove(&mut self, id: &str) {
        let Some((number, person)) = self.get(id) else {
            return;
        };
        match number.checked_sub(self.first()) {
            Some(own) => self.gone[own as usize] = true,
            None => {
                self.gone_at_rest.insert(number);
            }
        }
        self.living -= 1;
        self.counts.add(&person, -1, &mut self.lexicon);
    }

    /// A person and her number, by id.
    fn get(&self, id: &str) -> Option<(u32, Person)> {
        let number = self.number(id)?;
        Some((number, pack::person(&self.bytes(number), &self.lexicon)?.to_own()))
    }

    fn number(&self, id: &str) -> Option<u32> {
        let mut found = None;
        self.each_of(keys::of_id(id), &mut |number| {
            if pack::id(&self.bytes(number)) == Some(id) {
                found = Some(number);
            }
        });
        found
    }

    /// The particulars of a record.
    pub fn person(&self, id: &str) -> Option<Person> {
        self.get(id).map(|(_, person)| person)
    }

    /// Whether there is such a record.
    pub fn has(&self, id: &str) -> bool {
        self.number(id).is_some()
    }

    /// What was noted of a record; of those at rest nothing is.
    pub fn note(&self, id: &str) -> Option<&[u8]> {
        pack::note(self.own_bytes(self.number(id)?)?)
    }

    /// Everybody, in the order they came or last changed.
    pub fn each(&self, each: &mut dyn FnMut(&str, &Person)) {
        for number in self.numbers().filter(|number| self.lives(*number)) {
            if let Some((id, person)) = self.of_number(number) {
                each(&id, &person);
            }
        }
    }

    /// Calls `each` with the ids of everybody, in the order they came or last changed.
    pub fn each_id(&self, each: &mut dyn FnMut(&str)) {
        for number in self.numbers().filter(|number| self.lives(*number)) {
            pack::id(&self.bytes(number)).into_iter().for_each(&mut *each);
        }
    }

    /// The ids of everybody, in the order they came or last changed.
    pub fn ids(&self) -> Vec<String> {
        let mut ids = Vec::with_capacity(self.living);
        self.each_id(&mut |id| ids.push(id.to_owned()));
        ids
    }

    /// At most `most` people, evenly spread over the order they came in.
    pub(crate) fn sample(&self, most: usize) -> Vec<Person> {
        let step = (self.numbers().len() / most.max(1)).max(1);
        let numbers = self.numbers().step_by(step).filter(|number| self.lives(*number));
        let read = |number: u32| Some(pack::person(&self.bytes(number), &self.lexicon)?.to_own());
        numbers.filter_map(read).take(most).collect()
    }

    /// Calls `each` with pairs of people who share a key, each pair once, at most `most`.
    pub(crate) fn each_pair(
        &self,
        keys: &dyn Fn(&Person) -> Vec<Key>,
        most: usize,
        each: &mut dyn FnMut(&Person, &Person),
    ) {
        let read = |number: u32| Some(pack::person(&self.bytes(number), &self.lexicon)?.to_own());
        let mut left = most;
        for number in self.numbers().filter(|number| self.lives(*number)) {
            let Some(person) = read(number) else { continue };
            for key in keys(&person) {
                let mut others = Vec::new();
                self.each_of(key, &mut |other| {
                    others.extend(Some(other).filter(|other| *other > number))
                });
                for other in others.into_iter().filter_map(read).take(left) {
                    each(&person, &other);
                    left -= 1;
                }
            }
        }
    }

    /// Those who may be this person, the likeliest first, at most `most`; nobody who is certainly another.
    pub fn best(&self, person: &Person, weights: &Weights, most: usize) -> Vec<Found> {
        self.best_by(self, person, weights, most)
    }

    /// As [`Register::best`], where how common particulars are is known from elsewhere.
    pub fn best_by(
        &self,
        frequencies: &dyn Frequencies,
        person: &Person,
        weights: &Weights,
        most: usize,
    ) -> Vec<Found> {
        let scored = self.candidates(person).into_iter().filter_map(|number| {
            let bytes = self.bytes(number);
            let other = pack::person(&bytes, &self.lexicon)?;
            let score = score(person, &other, frequencies, weights);
            let likely = score.grade > Grade::CertainlyNot;
            let id = pack::id(&bytes).filter(|_| likely)?.to_owned();
            Some(Found { id, score })
        });
        let mut found: Vec<Found> = scored.collect();
        found.sort_by(|a, b| {
            let score = b
                .score
                .grade
                .cmp(&a.score.grade)
                .then(b.score.bits.total_cmp(&a.score.bits));
            score.then_with(|| a.id.cmp(&b.id))
        });
        found.truncate(most);
        found
    }

    /// The ids of those who have a number of this person exactly, at most `most`.
    pub fn holders_of(&self, numbers: &Person, most: usize) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for key in keys::of_numbers(numbers) {
            self.each_of(key, &mut |number| {
                let holder = self.of_number(number).filter(|_| found.len() < most);
                if let Some((id, _)) = holder.filter(|(_, person)| person.shares_number(numbers))
                    && !found.contains(&id)
                {
                    found.push(id);
                }
            });
        }
        found
    }

    /// The systems of its people's numbers, those that were met first.
    pub fn systems(&self) -> impl Iterator<Item = &str> {
        self.counts.systems.iter().map(String::as_str)
    }

    /// How likely a record is of this person; `None` where there is no such record.
    pub fn explain(&self, person: &Person, id: &str, weights: &Weights) -> Option<Score> {
        Some(score(person, &self.person(id)?, self, weights))
    }

    /// The numbers of those who share keys with a person; where they are many, those who share the rarest.
    fn candidates(&self, person: &Person) -> Vec<u32> {
        let mut lists: Vec<Under<'_>> = keys::sought(person).into_iter().map(|key| self.under(key)).collect();
        lists.retain(|list| list.len() > 0);
        lists.sort_by_key(Under::len);
        let people = self.living.max(2) as f32;
        let mut reached: FxHashMap<u32, f32> = FxHashMap::with_capacity_and_hasher(REACHED, FxBuildHasher);
        let mut sieve = Sieve::default();
        for list in lists {
            let rarity = (people / list.len() as f32).log2().max(0.1);
            for number in list.numbers().take(OF_A_KEY) {
                if sieve.may_have(number)
                    && let Some(sum) = reached.get_mut(&number)
                {
                    *sum += rarity;
                } else if reached.len() < REACHED && self.lives(number) {
                    // Later, who shares none of the rarer keys is not among those who share the rarest.
                    reached.insert(number, rarity);
                    sieve.put(number);
                }
            }
        }
        let mut reached: Vec<(u32, f32)> = reached.into_iter().collect();
        let rarest_first = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if reached.len() > COMPARED {
            reached.select_nth_unstable_by(COMPARED, rarest_first);
            reached.truncate(COMPARED);
        }
        reached.into_iter().map(|(number, _)| number).collect()
    }

    fn under(&self, key: Key) -> Under<'_> {
        Under {
            at_rest: self.at_rest().and_then(|settled| settled.under(By::Key(key))),
            sorted: self.sorted.of(key),
            lately: self.lately.get(&key).map_or(&[][..], Vec::as_slice),
        }
    }

    fn append(&mut self, id: &str, person: &Person, note: &[u8]) -> u32 {
        let number = self.numbers().end;
        self.starts.push(self.arena.len() as u32);
        self.gone.push(false);
        pack::write(&mut self.arena, (id, note), person, &mut self.lexicon);
        self.lookup.add(person, &self.lexicon);
        self.living += 1;
        self.counts.add(person, 1, &mut self.lexicon);
        number
    }

    /// Somebody packed; nothing where she is at rest and cannot be read.
    fn bytes(&self, number: u32) -> Cow<'_, [u8]> {
        match self.own_bytes(number) {
            Some(bytes) => Cow::Borrowed(bytes),
            None => Cow::Owned(self.at_rest().map(|settled| settled.packed(number)).unwrap_or_default()),
        }
    }

    /// The bytes from where somebody in memory begins.
    fn own_bytes(&self, number: u32) -> Option<&[u8]> {
        let own = number.checked_sub(self.first())?;
        Some(&self.arena[self.starts[own as usize] as usize..])
    }

    /// What people are looked up by.
    pub(crate) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Whether the person of a number is there.
    pub(crate) fn lives(&self, number: u32) -> bool {
        match number.checked_sub(self.first()) {
            Some(own) => !self.gone[own as usize],
            None => !self.gone_at_rest.contains(&number),
        }
    }

    /// The number of a token, where somebody has or had it.
    pub(crate) fn token(&self, word: &str) -> Option<u32> {
        self.lexicon.find(word)
    }

    /// Somebody's id, by her number.
    pub(crate) fn id_of(&self, number: u32) -> Option<String> {
        pack::id(&self.bytes(number)).map(str::to_owned)
    }

    /// Somebody by her number, with her id.
    pub(crate) fn of_number(&self, number: u32) -> Option<(String, Person)> {
        pack::read(&self.bytes(number), &self.lexicon)
    }

    /// Calls `each` with every living number under a key.
    pub(crate) fn each_of(&self, key: Key, each: &mut dyn FnMut(u32)) {
        self.under(key)
            .numbers()
            .filter(|number| self.lives(*number))
            .for_each(each);
    }

    fn holders(&self, key: Key) -> u32 {
        let mut count = 0;
        self.each_of(key, &mut |_| count += 1);
        count
    }

    /// Sorts all keys where too many lie unsorted, and gives up the bytes of those who are gone.
    fn settle(&mut self) {
        let lately = self.starts.len() - self.in_order;
        if lately < LATELY.max(self.in_order / 16) {
            return;
        }
        // Where people are at rest, whoever brought them there does so again before there are many.
        if self.at_rest().is_none() && self.starts.len() > 2 * self.living + LATELY {
            self.compact();
            return;
        }
        let lately = std::mem::take(&mut self.lately);
        let entries = lately.into_iter().flat_map(|(key, numbers)| {
            numbers
                .into_iter()
                .map(move |number| u64::from(key) << 32 | u64::from(number))
        });
        self.sorted.entries.extend(entries);
        self.sorted.settle();
        self.in_order = self.starts.len();
    }

    fn compact(&mut self) {
        let mut fresh = Register::default();
        for number in self.numbers().filter(|number| self.lives(*number)) {
            let note = self.own_bytes(number).and_then(pack::note).unwrap_or_default();
            if let Some((id, person)) = self.of_number(number) {
                fresh.add_unsorted(&id, &person, note);
            }
        }
        *self = fresh.sorted_anew();
    }

    /// Adds somebody whose id nobody has, without sorting her keys in: she is found after [`Register::sorted_anew`].
    /// The note is that of [`Register::put_noting`].
    pub fn add_unsorted(&mut self, id: &str, person: &Person, note: &[u8]) {
        let number = self.append(id, person, note);
        let keys = keys::kept(person).into_iter().chain([keys::of_id(id)]);
        let entries = keys.map(|key| u64::from(key) << 32 | u64::from(number));
        self.sorted.entries.extend(entries);
    }

    /// The register with all keys sorted.
    pub fn sorted_anew(mut self) -> Register {
        self.sorted.settle();
        self.in_order = self.starts.len();
        self.lookup.settle();
        self
    }

    fn smoothed(&self) -> Smoothed {
        Smoothed {
            people: self.living as f64,
        }
    }
}

impl<I: AsRef<str>> FromIterator<(I, Person)> for Register {
    /// A register of many people at once; no two have the same id.
    fn from_iter<T: IntoIterator<Item = (I, Person)>>(people: T) -> Register {
        let mut register = Register::default();
        people
            .into_iter()
            .for_each(|(id, person)| register.add_unsorted(id.as_ref(), &person, &[]));
        register.sorted_anew()
    }
}

impl Frequencies for Register {
    fn people(&self) -> f64 {
        self.living as f64
    }

    fn token(&self, token: &str) -> f64 {
        self.smoothed().share(self.lexicon.count(token), USUAL_TOKEN)
    }

    fn year(&self, year: u32) -> f64 {
        self.smoothed()
            .share(self.counts.years.get(&year).copied().unwrap_or(0), USUAL_YEAR)
    }

    fn day(&self, birth: &Birth) -> f64 {
        self.smoothed()
            .share(self.counts.days.get(birth).copied().unwrap_or(0), USUAL_DAY)
    }

    fn place(&self, number: u32) -> f64 {
        self.smoothed().share(
            self.counts.places.get(&number).copied().unwrap_or(0),
            usual_place(number),
        )
    }

    fn house(&self, house: u64) -> f64 {
        self.smoothed().holders(self.holders(keys::of_house(house)))
    }

    fn citizen(&self, number: u64) -> f64 {
        self.smoothed().holders_of_own(self.holders(keys::of_citizen(number)))
    }

    fn own_number(&self) -> f64 {
        self.smoothed().holders_of_own(1)
    }

    fn telephone(&self, number: u64) -> f64 {
        self.smoothed().holders(self.holders(keys::of_telephone(number)))
    }

    fn mother(&self, mother: &str) -> f64 {
        self.smoothed().holders(self.holders(keys::of_mother(mother)))
    }
}

#[cfg(test)]
mod tests;
