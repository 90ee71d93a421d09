//! What people are looked up by while somebody types: sets of people by name, birth and place; their numbers in order.
//!
//! Beside a register's packed people lie, of each, what a typed word is compared with: the tokens of her names, year and
//! day of birth, gewog. That is read at once, without unpacking her. People are only ever added; who is gone, the register
//! knows.

use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::crowd::List;
use crate::keys;
use crate::pack::Lexicon;
use crate::person::Person;
use crate::sound::{letter_bits, sound};

/// Bits of a person's number.
const PERSON_BITS: u32 = 27;
/// Numbers that lie unsorted, at least.
const RECENT: usize = 4_096;
/// Letters and digits of a number of any system that are in order: 37 to the power of 7 fits beside a person's number.
pub(crate) const LETTERS: usize = 7;
const OF_LETTERS: u64 = 37;

/// Letters of a beginning whose people are kept together.
const BEGINNING: usize = 3;
/// Names of so many tokens, and of more, are told apart.
pub(crate) const TOKENS_TOLD: usize = 4;

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
    /// The people who have it in a name.
    pub(crate) people: List,
    /// Its first letters, one to three of them, as places in the list of beginnings.
    begins: Vec<u32>,
}

/// The first letters of tokens.
#[derive(Default)]
struct Beginning {
    tokens: Vec<u32>,
    people: List,
}

/// How a token is written and sounds, in short.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// One bit for each letter that it has.
    pub(crate) letters: u32,
    /// How many characters it has, as far as 255.
    pub(crate) length: u8,
}

/// What people are looked up by.
#[derive(Default)]
pub(crate) struct Lookup {
    /// By the token's number in the lexicon, as the next.
    tokens: Vec<Token>,
    shapes: Vec<Shape>,
    /// Tokens by a hash of how they sound.
    sounds: FxHashMap<u32, Vec<u32>>,
    beginnings: Vec<Beginning>,
    by_letters: FxHashMap<Box<str>, u32>,
    years: FxHashMap<u16, List>,
    days: FxHashMap<(u16, u16), List>,
    gewogs: FxHashMap<u16, List>,
    dzongkhags: FxHashMap<u32, List>,
    /// By how many tokens their names have.
    of_tokens: [List; TOKENS_TOLD + 1],
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
        let from = self.names.len();
        self.add_names(number, person, lexicon);
        let birth = person.birth.unwrap_or(crate::Birth::of_year(0));
        let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        let place = person.place;
        let names = self.names.len() - from;
        let facts = Facts {
            names_from: from as u32,
            names: names.min(255) as u8,
            year: small(birth.year),
            day: small(birth.month.saturating_mul(32).saturating_add(birth.day)),
            gewog: small(if place.gewog > 0 {
                place.gewog
            } else {
                place.dzongkhag.saturating_mul(100)
            }),
        };
        self.facts.push(facts);
        self.of_tokens[names.min(TOKENS_TOLD)].push(number);
        self.years.entry(facts.year).or_default().push(number);
        self.days.entry((facts.year, facts.day)).or_default().push(number);
        self.gewogs.entry(facts.gewog).or_default().push(number);
        let dzongkhag = u32::from(facts.gewog) / 100;
        self.dzongkhags.entry(dzongkhag).or_default().push(number);
        if let Some(value) = person.citizen {
            self.citizens.put(value, number);
        }
        for value in &person.telephones {
            self.telephones.put(*value, number);
        }
        for identifier in &person.identifiers {
            self.identifiers.put(letters(&identifier.value).0, number);
        }
    }

    fn add_names(&mut self, number: u32, person: &Person, lexicon: &Lexicon) {
        // Who has no name yet is looked for by her mother's.
        let mother = Some(&person.parents[0]).filter(|_| person.names.is_empty());
        let from = self.names.len();
        for token in person.names.iter().chain(mother).flatten() {
            let Some(token) = lexicon.find(token) else { continue };
            if self.names[from..].contains(&token) {
                continue;
            }
            self.names.push(token);
            let token = &mut self.tokens[token as usize];
            token.people.push(number);
            for beginning in &token.begins {
                self.beginnings[*beginning as usize].people.push(number);
            }
        }
    }

    /// Takes in tokens that are new in the lexicon.
    fn learn(&mut self, lexicon: &Lexicon) {
        for word in lexicon.words_from(self.tokens.len()) {
            let number = self.tokens.len() as u32;
            let mut begins = Vec::with_capacity(BEGINNING);
            for (at, letter) in word.char_indices().take(BEGINNING) {
                let place = self.beginning_place(&word[..at + letter.len_utf8()]);
                self.beginnings[place as usize].tokens.push(number);
                begins.push(place);
            }
            let sounds = keys::hash("sound", &[&sound(word)]) as u32;
            self.sounds.entry(sounds).or_default().push(number);
            self.shapes.push(Shape {
                letters: letter_bits(word),
                length: word.chars().count().min(255) as u8,
            });
            self.tokens.push(Token {
                word: word.into(),
                people: List::default(),
                begins,
            });
        }
    }

    fn beginning_place(&mut self, letters: &str) -> u32 {
        if let Some(place) = self.by_letters.get(letters) {
            return *place;
        }
        let place = self.beginnings.len() as u32;
        self.by_letters.insert(letters.into(), place);
        self.beginnings.push(Beginning::default());
        place
    }

    /// Gives up what memory was taken beforehand, and puts all numbers in order.
    pub(crate) fn settle(&mut self) {
        let by_token = self.tokens.iter_mut().map(|token| &mut token.people);
        let by_letters = self.beginnings.iter_mut().map(|beginning| &mut beginning.people);
        let others = self.years.values_mut().chain(self.days.values_mut());
        let others = others
            .chain(self.gewogs.values_mut())
            .chain(self.dzongkhags.values_mut());
        let all = by_token.chain(by_letters).chain(others).chain(&mut self.of_tokens);
        all.for_each(List::shrink);
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

    /// The shape of each token, in their order.
    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The tokens that sound like a name.
    pub(crate) fn sounding(&self, name: &str) -> &[u32] {
        let sounds = keys::hash("sound", &[&sound(name)]) as u32;
        self.sounds.get(&sounds).map_or(&[], Vec::as_slice)
    }

    /// The people who have a token that begins with a text: one list of a few letters, else one of each token.
    pub(crate) fn beginning<'l>(&'l self, text: &str, each: &mut dyn FnMut(&'l List)) {
        let (few, more) = match text.char_indices().nth(BEGINNING) {
            Some((at, _)) => (&text[..at], true),
            None => (text, false),
        };
        let Some(place) = self.by_letters.get(few) else { return };
        let beginning = &self.beginnings[*place as usize];
        match more {
            false => each(&beginning.people),
            true => {
                let tokens = beginning.tokens.iter().map(|number| self.token(*number));
                let begin = tokens.filter(|token| token.word.starts_with(text));
                begin.for_each(|token| each(&token.people));
            }
        }
    }

    /// The people whose names have so many tokens; the last has those of more.
    pub(crate) fn of_tokens(&self, count: usize) -> &List {
        &self.of_tokens[count.min(TOKENS_TOLD)]
    }

    /// The people born in a year.
    pub(crate) fn of_year(&self, year: u16) -> Option<&List> {
        self.years.get(&year)
    }

    /// The people born on a day of a year: the month times 32 and the day.
    pub(crate) fn of_day(&self, year: u16, day: u16) -> Option<&List> {
        self.days.get(&(year, day))
    }

    /// The people of a gewog.
    pub(crate) fn of_gewog(&self, gewog: u16) -> Option<&List> {
        self.gewogs.get(&gewog)
    }

    /// The people of a dzongkhag, also those whose gewog is not known.
    pub(crate) fn of_dzongkhag(&self, dzongkhag: u32) -> Option<&List> {
        self.dzongkhags.get(&dzongkhag)
    }
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
