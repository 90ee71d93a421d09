//! Many people's particulars in memory, found by what two records of one person are likely to share.
//!
//! A person is a few dozen bytes in one arena, and eight or nine keys of eight bytes. Keys lie sorted; those of lately
//! changed people lie beside, until there are so many that all are sorted anew. Whoever changes is appended again and
//! the old bytes are given up, until half of the arena is that.

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::birth::Birth;
use crate::frequency::{Frequencies, Smoothed, USUAL_DAY, USUAL_TOKEN, USUAL_YEAR, usual_place};
use crate::keys::{self, Key};
use crate::lookup::Lookup;
use crate::pack::{self, Lexicon};
use crate::person::{Identifier, Person};
use crate::places::Place;
use crate::score::{Grade, Score, score};
use crate::weights::Weights;

/// Of the people a key leads to, so many are looked at: a key of more says next to nothing.
const OF_A_KEY: usize = 20_000;
/// So many candidates are reached by keys, the rarest first; more common keys only say more of them.
const REACHED: usize = 2_000;
/// So many of them are compared in full, those with the rarest keys in common: with twice as many, two more in 10,000 second
/// registrations are found.
const COMPARED: usize = 40;
/// Systems of numbers that are known by name; a country has a dozen.
const SYSTEMS_MAX: usize = 64;
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

/// Keys with the numbers under them, sorted, and where the keys of each beginning lie: most keys are sought in vain, and
/// that shall cost a look or two.
#[derive(Default)]
struct Sorted {
    /// Key above, number below.
    entries: Vec<u64>,
    /// Where the entries begin whose key's highest bits are at least so much.
    places: Vec<u32>,
    /// Of each beginning of a key, finer than a place, one bit: whether there is such a key.
    present: Vec<u64>,
}

/// Entries that share a place, about.
const OF_A_PLACE: usize = 8;
/// Bits of `present` for each entry, about.
const OF_AN_ENTRY: usize = 4;

impl Sorted {
    fn settle(&mut self) {
        self.entries.sort_unstable();
        self.places = Vec::new();
        self.present = Vec::new();
        let bits = (self.entries.len() / OF_A_PLACE).max(1).ilog2().min(24);
        if bits == 0 {
            return;
        }
        self.present
            .resize((self.entries.len() * OF_AN_ENTRY).next_power_of_two() >> 6, 0);
        for at in 0..self.entries.len() {
            let (word, bit) = self.present_at((self.entries[at] >> 32) as Key);
            self.present[word] |= bit;
        }
        self.places.resize((1 << bits) + 1, 0);
        for entry in &self.entries {
            self.places[(entry >> (64 - bits)) as usize + 1] += 1;
        }
        let mut before = 0;
        for place in &mut self.places {
            before += *place;
            *place = before;
        }
    }

    /// The word and the bit of `present` that tell of a key.
    fn present_at(&self, key: Key) -> (usize, u64) {
        let at = (u64::from(key) * ((self.present.len() as u64) << 6)) >> 32;
        ((at >> 6) as usize, 1 << (at & 63))
    }

    /// The entries of a key.
    fn of(&self, key: Key) -> &[u64] {
        if !self.present.is_empty() {
            let (word, bit) = self.present_at(key);
            if self.present[word] & bit == 0 {
                return &[];
            }
        }
        let entries = match self.places.len().checked_ilog2() {
            Some(bits) => {
                let beginning = (key >> (32 - bits)) as usize;
                &self.entries[self.places[beginning] as usize..self.places[beginning + 1] as usize]
            }
            None => &self.entries[..],
        };
        let from = entries.partition_point(|entry| ((entry >> 32) as Key) < key);
        let entries = &entries[from..];
        &entries[..entries.partition_point(|entry| (entry >> 32) as Key == key)]
    }
}

/// Says at once of most numbers that they were not put in: most people under a common key were reached by no rarer one.
struct Sieve([u64; 1 << SIEVE_BITS >> 6]);

/// As many places as take few kilobytes and are mostly free when all who are reached are in.
const SIEVE_BITS: usize = 16;

impl Default for Sieve {
    fn default() -> Sieve {
        Sieve([0; 1 << SIEVE_BITS >> 6])
    }
}

impl Sieve {
    fn place(number: u32) -> (usize, u64) {
        let place = number as usize & ((1 << SIEVE_BITS) - 1);
        (place >> 6, 1 << (place & 63))
    }

    fn put(&mut self, number: u32) {
        let (word, bit) = Sieve::place(number);
        self.0[word] |= bit;
    }

    fn may_have(&self, number: u32) -> bool {
        let (word, bit) = Sieve::place(number);
        self.0[word] & bit != 0
    }
}

/// Many people.
#[derive(Default)]
pub struct Register {
    arena: Vec<u8>,
    /// Where each number's bytes begin.
    starts: Vec<u32>,
    /// Whether a number's person changed or went since.
    gone: Vec<bool>,
    living: usize,
    lexicon: Lexicon,
    sorted: Sorted,
    /// How many numbers `sorted` is about.
    settled: usize,
    lately: FxHashMap<Key, Vec<u32>>,
    years: FxHashMap<u32, u32>,
    days: FxHashMap<Birth, u32>,
    places: FxHashMap<u32, u32>,
    lookup: Lookup,
    systems: Vec<String>,
}

impl Register {
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
        self.gone[number as usize] = true;
        self.living -= 1;
        self.count(&person, -1);
    }

    /// A person and her number, by id.
    fn get(&self, id: &str) -> Option<(u32, Person)> {
        let number = self.number(id)?;
        Some((number, pack::person(self.bytes(number), &self.lexicon)?.to_own()))
    }

    fn number(&self, id: &str) -> Option<u32> {
        let mut found = None;
        self.each_of(keys::of_id(id), &mut |number| {
            if pack::id(self.bytes(number)) == Some(id) {
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

    /// What was noted of a record.
    pub fn note(&self, id: &str) -> Option<&[u8]> {
        pack::note(self.bytes(self.number(id)?))
    }

    /// Everybody, in the order they came or last changed.
    pub fn each(&self, each: &mut dyn FnMut(&str, &Person)) {
        let living = (0..self.starts.len()).filter(|number| !self.gone[*number]);
        for number in living {
            if let Some((id, person)) = pack::read(self.bytes(number as u32), &self.lexicon) {
                each(&id, &person);
            }
        }
    }

    /// Calls `each` with the ids of everybody, in the order they came or last changed.
    pub fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
        let living = (0..self.starts.len() as u32).filter(|number| self.lives(*number));
        living.filter_map(|number| self.id_of(number)).for_each(each);
    }

    /// The ids of everybody, in the order they came or last changed.
    pub fn ids(&self) -> Vec<String> {
        let mut ids = Vec::with_capacity(self.living);
        self.each_id(&mut |id| ids.push(id.to_owned()));
        ids
    }

    /// At most `most` people, evenly spread over the order they came in.
    pub(crate) fn sample(&self, most: usize) -> Vec<Person> {
        let step = (self.starts.len() / most.max(1)).max(1);
        let numbers = (0..self.starts.len())
            .step_by(step)
            .filter(|number| !self.gone[*number]);
        let read = |number: usize| Some(pack::person(self.bytes(number as u32), &self.lexicon)?.to_own());
        numbers.filter_map(read).take(most).collect()
    }

    /// Calls `each` with pairs of people who share a key, each pair once, at most `most`.
    pub(crate) fn each_pair(
        &self,
        keys: &dyn Fn(&Person) -> Vec<Key>,
        most: usize,
        each: &mut dyn FnMut(&Person, &Person),
    ) {
        let read = |number: u32| Some(pack::person(self.bytes(number), &self.lexicon)?.to_own());
        let mut left = most;
        for number in (0..self.starts.len() as u32).filter(|number| !self.gone[*number as usize]) {
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
            let other = pack::person(self.bytes(number), &self.lexicon)?;
            let score = score(person, &other, frequencies, weights);
            let likely = score.grade > Grade::CertainlyNot;
            let id = self.id_of(number).filter(|_| likely)?.to_owned();
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
        self.systems.iter().map(String::as_str)
    }

    /// How likely a record is of this person; `None` where there is no such record.
    pub fn explain(&self, person: &Person, id: &str, weights: &Weights) -> Option<Score> {
        Some(score(person, &self.person(id)?, self, weights))
    }

    /// The numbers of those who share keys with a person; where they are many, those who share the rarest.
    fn candidates(&self, person: &Person) -> Vec<u32> {
        let of = |key: Key| {
            (
                self.sorted.of(key),
                self.lately.get(&key).map_or(&[][..], Vec::as_slice),
            )
        };
        let keys = keys::sought(person).into_iter().map(of);
        let length = |(sorted, lately): &(&[u64], &[u32])| sorted.len() + lately.len();
        let mut lists: Vec<(&[u64], &[u32])> = keys.filter(|list| length(list) > 0).collect();
        lists.sort_by_key(length);
        let people = self.living.max(2) as f32;
        let mut reached: FxHashMap<u32, f32> = FxHashMap::with_capacity_and_hasher(REACHED, FxBuildHasher);
        let mut sieve = Sieve::default();
        for list in lists {
            let rarity = (people / length(&list) as f32).log2().max(0.1);
            let numbers = list.0.iter().map(|entry| *entry as u32).chain(list.1.iter().copied());
            for number in numbers.take(OF_A_KEY) {
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

    fn append(&mut self, id: &str, person: &Person, note: &[u8]) -> u32 {
        let number = self.starts.len() as u32;
        self.starts.push(self.arena.len() as u32);
        self.gone.push(false);
        pack::write(&mut self.arena, (id, note), person, &mut self.lexicon);
        self.lookup.add(person, &self.lexicon);
        for Identifier { system, .. } in &person.identifiers {
            if self.systems.len() < SYSTEMS_MAX && !self.systems.contains(system) {
                self.systems.push(system.clone());
            }
        }
        self.living += 1;
        self.count(person, 1);
        number
    }

    fn bytes(&self, number: u32) -> &[u8] {
        &self.arena[self.starts[number as usize] as usize..]
    }

    /// What people are looked up by.
    pub(crate) fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Whether the person of a number is there.
    pub(crate) fn lives(&self, number: u32) -> bool {
        !self.gone[number as usize]
    }

    /// The number of a token, where somebody has or had it.
    pub(crate) fn token(&self, word: &str) -> Option<u32> {
        self.lexicon.find(word)
    }

    /// Somebody's id, by her number.
    pub(crate) fn id_of(&self, number: u32) -> Option<&str> {
        pack::id(self.bytes(number))
    }

    /// Somebody by her number, with her id.
    pub(crate) fn of_number(&self, number: u32) -> Option<(String, Person)> {
        pack::read(self.bytes(number), &self.lexicon)
    }

    /// Calls `each` with every living number under a key.
    pub(crate) fn each_of(&self, key: Key, each: &mut dyn FnMut(u32)) {
        let mut living = |number: u32| {
            if !self.gone[number as usize] {
                each(number);
            }
        };
        self.sorted.of(key).iter().for_each(|entry| living(*entry as u32));
        self.lately
            .get(&key)
            .into_iter()
            .flatten()
            .for_each(|number| living(*number));
    }

    fn holders(&self, key: Key) -> u32 {
        let mut count = 0;
        self.each_of(key, &mut |_| count += 1);
        count
    }

    /// Counts a person's particulars up or down.
    fn count(&mut self, person: &Person, people: i32) {
        fn add<K: std::hash::Hash + Eq>(counts: &mut FxHashMap<K, u32>, key: K, people: i32) {
            let count = counts.entry(key).or_default();
            *count = count.saturating_add_signed(people);
        }
        let mut tokens: Vec<&String> = person.names.iter().flatten().collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens.into_iter().for_each(|token| self.lexicon.add(token, people));
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

    /// Sorts all keys where too many lie unsorted, and gives up the bytes of those who are gone.
    fn settle(&mut self) {
        let lately = self.starts.len() - self.settled;
        if lately < LATELY.max(self.settled / 16) {
            return;
        }
        if self.starts.len() > 2 * self.living + LATELY {
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
        self.settled = self.starts.len();
    }

    fn compact(&mut self) {
        let mut fresh = Register::default();
        for number in (0..self.starts.len() as u32).filter(|number| self.lives(*number)) {
            let note = pack::note(self.bytes(number)).unwrap_or_default();
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
        self.settled = self.starts.len();
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
            .share(self.years.get(&year).copied().unwrap_or(0), USUAL_YEAR)
    }

    fn day(&self, birth: &Birth) -> f64 {
        self.smoothed()
            .share(self.days.get(birth).copied().unwrap_or(0), USUAL_DAY)
    }

    fn place(&self, number: u32) -> f64 {
        self.smoothed()
            .share(self.places.get(&number).copied().unwrap_or(0), usual_place(number))
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
