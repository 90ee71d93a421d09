//! What people are looked up by while somebody types: lists of people by name, year and gewog; their numbers in order.
//!
//! Beside a register's packed people lie, of each, what a typed word is compared with: the tokens of her names, year and
//! day of birth, gewog. That is read at once, without unpacking her, so that tens of thousands can be looked at in a
//! millisecond or two. People are only ever added; who is gone, the register knows.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::keys;
use crate::pack::Lexicon;
use crate::person::Person;
use crate::sound::sound;

/// Bits of a person's number.
const PERSON_BITS: u32 = 27;
/// Numbers that lie unsorted, at least.
const RECENT: usize = 4_096;
/// Letters and digits of a number of any system that are in order: 37 to the power of 7 fits beside a person's number.
pub(crate) const LETTERS: usize = 7;
const OF_LETTERS: u64 = 37;

/// What a typed word is compared with.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts {
    names_from: u32,
    names: u8,
    /// The year of birth; 0 where it is not known.
    pub(crate) year: u16,
    /// The month times 32 and the day.
    pub(crate) day: u16,
    /// The gewog (1401), or the dzongkhag times a hundred; 0 where it is not known.
    pub(crate) gewog: u16,
}

/// A token of the register's lexicon.
#[derive(Default)]
pub(crate) struct Token {
    pub(crate) word: Box<str>,
    /// A hash of how it sounds.
    pub(crate) sound: u32,
    /// One bit for each letter that it has.
    pub(crate) letters: u32,
    /// How many characters it has, as far as 255.
    pub(crate) length: u8,
    /// The people who have it in a name, ascending.
    pub(crate) people: Vec<u32>,
}

/// What people are looked up by.
#[derive(Default)]
pub(crate) struct Lookup {
    /// By the token's number in the lexicon.
    tokens: Vec<Token>,
    /// The tokens that begin with a letter.
    beginning: FxHashMap<char, Vec<u32>>,
    years: FxHashMap<u16, Vec<u32>>,
    gewogs: FxHashMap<u16, Vec<u32>>,
    pub(crate) citizens: Ordered,
    pub(crate) telephones: Ordered,
    pub(crate) identifiers: Ordered,
    facts: Vec<Facts>,
    names: Vec<u32>,
}

impl Lookup {
    /// Adds the person of the next number, whose tokens are in the lexicon.
    pub(crate) fn add(&mut self, person: &Person, lexicon: &Lexicon) {
        let number = self.facts.len() as u32;
        self.learn(lexicon);
        // Who has no name yet is looked for by her mother's.
        let mother = Some(&person.parents[0]).filter(|_| person.names.is_empty());
        let from = self.names.len();
        for token in person.names.iter().chain(mother).flatten() {
            if let Some(token) = lexicon.find(token)
                && !self.names[from..].contains(&token)
            {
                self.names.push(token);
                self.tokens[token as usize].people.push(number);
            }
        }
        let birth = person.birth.unwrap_or(crate::Birth::of_year(0));
        let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        let place = person.place;
        let facts = Facts {
            names_from: from as u32,
            names: (self.names.len() - from).min(255) as u8,
            year: small(birth.year),
            day: small(birth.month.saturating_mul(32).saturating_add(birth.day)),
            gewog: small(if place.gewog > 0 {
                place.gewog
            } else {
                place.dzongkhag.saturating_mul(100)
            }),
        };
        self.facts.push(facts);
        self.years.entry(facts.year).or_default().push(number);
        self.gewogs.entry(facts.gewog).or_default().push(number);
        person
            .citizen
            .iter()
            .for_each(|value| self.citizens.put(*value, number));
        person
            .telephones
            .iter()
            .for_each(|value| self.telephones.put(*value, number));
        for identifier in &person.identifiers {
            self.identifiers.put(letters(&identifier.value).0, number);
        }
    }

    /// Takes in tokens that are new in the lexicon.
    fn learn(&mut self, lexicon: &Lexicon) {
        for word in lexicon.words_from(self.tokens.len()) {
            let number = self.tokens.len() as u32;
            if let Some(first) = word.chars().next() {
                self.beginning.entry(first).or_default().push(number);
            }
            self.tokens.push(Token {
                word: word.into(),
                sound: keys::hash("sound", &[&sound(word)]) as u32,
                letters: letter_bits(word),
                length: word.chars().count().min(255) as u8,
                people: Vec::new(),
            });
        }
    }

    /// Gives up what memory was taken beforehand, and puts all numbers in order.
    pub(crate) fn settle(&mut self) {
        self.tokens.iter_mut().for_each(|token| token.people.shrink_to_fit());
        self.years
            .values_mut()
            .chain(self.gewogs.values_mut())
            .for_each(Vec::shrink_to_fit);
        self.facts.shrink_to_fit();
        self.names.shrink_to_fit();
        for ordered in [&mut self.citizens, &mut self.telephones, &mut self.identifiers] {
            ordered.settle();
        }
    }

    pub(crate) fn facts(&self, person: u32) -> Facts {
        self.facts[person as usize]
    }

    /// The tokens of somebody's names, by their numbers.
    pub(crate) fn names(&self, person: u32) -> &[u32] {
        let facts = self.facts[person as usize];
        let from = facts.names_from as usize;
        &self.names[from..from + usize::from(facts.names)]
    }

    pub(crate) fn token(&self, number: u32) -> &Token {
        &self.tokens[number as usize]
    }

    /// All tokens that somebody has, with their numbers.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (u32, &Token)> {
        let all = self.tokens.iter().enumerate();
        all.filter(|(_, token)| !token.people.is_empty())
            .map(|(number, token)| (number as u32, token))
    }

    /// The tokens that begin with a text.
    pub(crate) fn beginning(&self, text: &str) -> impl Iterator<Item = (u32, &Token)> {
        let of_first = text.chars().next().and_then(|first| self.beginning.get(&first));
        let numbers = of_first.into_iter().flatten();
        let tokens = numbers.map(|number| (*number, self.token(*number)));
        tokens.filter(move |(_, token)| !token.people.is_empty() && token.word.starts_with(text))
    }

    /// The people born in a year, ascending.
    pub(crate) fn of_year(&self, year: u16) -> &[u32] {
        self.years.get(&year).map_or(&[], Vec::as_slice)
    }

    /// The people of a gewog, or of a dzongkhag times a hundred whose gewog is not known; ascending.
    pub(crate) fn of_gewog(&self, gewog: u16) -> &[u32] {
        self.gewogs.get(&gewog).map_or(&[], Vec::as_slice)
    }

    /// The gewogs of a dzongkhag in which somebody lives, and the dzongkhag times a hundred.
    pub(crate) fn gewogs_of(&self, dzongkhag: u32) -> impl Iterator<Item = u16> {
        let all = self.gewogs.keys().copied();
        all.filter(move |gewog| u32::from(*gewog) / 100 == dzongkhag)
    }
}

/// One bit for each letter of a word.
pub(crate) fn letter_bits(word: &str) -> u32 {
    word.chars().fold(0, |bits, c| bits | 1 << (c as u32 % 32))
}

/// The first letters and digits of a number of any system as one number, and how many numbers begin like it.
pub(crate) fn letters(value: &str) -> (u64, u64) {
    let digit = |c: char| c.to_digit(36).map(|digit| u64::from(digit) + 1);
    let mut digits = value.chars().filter_map(digit).take(LETTERS);
    let (mut code, mut beginning) = (0, 1);
    for _ in 0..LETTERS {
        let digit = digits.next();
        code = code * OF_LETTERS + digit.unwrap_or(0);
        beginning = if digit.is_some() { 1 } else { beginning * OF_LETTERS };
    }
    (code, beginning)
}

/// Numbers in order, each with a person.
#[derive(Default)]
pub(crate) struct Ordered {
    sorted: Vec<u64>,
    recent: Vec<u64>,
}

impl Ordered {
    fn put(&mut self, value: u64, person: u32) {
        // A number that is too long is that of a register whose particulars are hidden: nobody types it.
        if value < 1 << (64 - PERSON_BITS) && person < 1 << PERSON_BITS {
            self.recent.push(value << PERSON_BITS | u64::from(person));
        }
        if self.recent.len() > RECENT.max(self.sorted.len() / 4) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.sorted.append(&mut self.recent);
        self.sorted.sort_unstable();
        self.sorted.shrink_to_fit();
        self.recent = Vec::new();
    }

    /// The people whose number is in a range, at most `most`.
    pub(crate) fn people(&self, values: Range<u64>, most: usize) -> Vec<u32> {
        let last = 1 << (64 - PERSON_BITS);
        let (from, to) = (values.start.min(last - 1), values.end.min(last));
        let (from, to) = (from << PERSON_BITS, (to << PERSON_BITS).wrapping_sub(1));
        let at = self.sorted.partition_point(|entry| *entry < from);
        let sorted = self.sorted[at..].iter().take_while(|entry| **entry <= to);
        let recent = self.recent.iter().filter(|entry| (from..=to).contains(*entry));
        let people = sorted.chain(recent).take(most);
        people.map(|entry| (entry & ((1 << PERSON_BITS) - 1)) as u32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_how_they_begin() {
        let mut ordered = Ordered::default();
        let values = ["M-0012/24", "M0012", "m001", "A1", "12345678", "123456789"];
        for (person, value) in values.iter().enumerate() {
            ordered.put(letters(&value.to_lowercase()).0, person as u32);
        }
        for settled in [false, true] {
            let begin = |text: &str| {
                let (code, count) = letters(text);
                let mut people = ordered.people(code..code + count, 10);
                people.sort_unstable();
                people
            };
            assert_eq!(begin("m001"), [0, 1, 2], "{settled}");
            assert_eq!(begin("m0012"), [0, 1]);
            assert_eq!(begin("m00122"), [0]);
            assert_eq!(begin("a"), [3]);
            assert_eq!(begin("1234567"), [4, 5], "longer ones are compared in full elsewhere");
            assert!(begin("z").is_empty());
            ordered.settle();
        }
        ordered.put(99_999_999_999, 7);
        assert_eq!(ordered.people(99_999_999_999..100_000_000_000, 10), [7]);
        ordered.put(u64::MAX, 8);
        assert!(ordered.people(0..u64::MAX, 100).iter().all(|person| *person != 8));
    }
}
