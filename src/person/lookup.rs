//! What people are looked up by while somebody types: sets of people by name, birth and place; their numbers in order.
//!
//! Beside a register's packed people lie, of each in memory, what a typed word is compared with: the tokens of her names, year
//! and day of birth, gewog. That is read at once, without unpacking her; of whom is at rest in a file, what is packed says it.
//! People are only ever added; who is gone, the register knows.

use std::borrow::Cow;
use std::ops::Range;

use rustc_hash::FxHashMap;

use crate::birth::Birth;
use crate::crowd::{List, Set};
use crate::dictionary::Dictionary;
use crate::keys::Key;
use crate::pack::{self, Lexicon};
use crate::person::Person;
use crate::places::Place;
use crate::settled::{Held, Settled};

/// Bits of a person's number.
const PERSON_BITS: u32 = 27;
/// Numbers are below this, so that a person's fits beside them.
const NUMBERS: u64 = 1 << (64 - PERSON_BITS);
/// Numbers that lie unsorted, at least.
const RECENT: usize = 4_096;
/// Letters and digits of a number of any system that are in order: 37 to the power of 7 fits beside a person's number.
pub(crate) const LETTERS: usize = 7;
const OF_LETTERS: u64 = 37;

/// Names of so many tokens, and of more, are told apart.
pub(crate) const TOKENS_TOLD: usize = 4;

/// What people are kept by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// A key that they are found by when they are matched.
    Key(Key),
    /// A token of their names, by its number.
    Token(u32),
    /// First letters of such a token, by their place in the dictionary.
    Beginning(u32),
    /// The year of birth; 0 where it is not known.
    Year(u16),
    /// The year and the day of birth: the month times 32 and the day.
    Day(u16, u16),
    /// The gewog.
    Gewog(u16),
    /// The dzongkhag, also where the gewog is not known.
    Dzongkhag(u32),
    /// How many tokens their names have; the last is of more.
    Tokens(usize),
    /// A number of some kind.
    Number(Numbered, u64),
}

/// A kind of number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbered {
    /// The citizen number.
    Citizen,
    /// A telephone number.
    Telephone,
    /// Any other, by its first letters and digits ([`letters`]).
    Other,
}

impl By {
    /// The same as one number; in the order of the numbers for each kind.
    pub fn code(self) -> u64 {
        let (kind, number) = match self {
            By::Key(key) => (0, u64::from(key)),
            By::Token(token) => (1, u64::from(token)),
            By::Beginning(place) => (2, u64::from(place)),
            By::Year(year) => (3, u64::from(year)),
            By::Day(year, day) => (4, u64::from(year) << 16 | u64::from(day)),
            By::Gewog(gewog) => (5, u64::from(gewog)),
            By::Dzongkhag(dzongkhag) => (6, u64::from(dzongkhag)),
            By::Tokens(count) => (7, count as u64),
            By::Number(kind, number) => (8 + kind as u64, number),
        };
        kind << 60 | number
    }
}

/// What a typed word is compared with, beside names.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts {
    /// The year of birth; 0 where it is not known.
    pub(crate) year: u16,
    /// The month times 32 and the day.
    pub(crate) day: u16,
    /// The gewog (1401), or the dzongkhag times a hundred; 0 where it is not known.
    pub(crate) gewog: u16,
}

impl Facts {
    pub fn of(birth: Birth, place: Place) -> Facts {
        let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        Facts {
            year: small(birth.year),
            day: small(birth.month.saturating_mul(32).saturating_add(birth.day)),
            gewog: small(if place.gewog > 0 {
                place.gewog
            } else {
                place.dzongkhag.saturating_mul(100)
            }),
        }
    }
}

/// Calls `each` with what somebody is kept by whose names have these tokens.
pub(crate) fn each_by(facts: &Facts, tokens: &[u32], dictionary: &Dictionary, each: &mut dyn FnMut(By)) {
    each(By::Tokens(tokens.len().min(TOKENS_TOLD)));
    each(By::Year(facts.year));
    each(By::Day(facts.year, facts.day));
    each(By::Gewog(facts.gewog));
    each(By::Dzongkhag(u32::from(facts.gewog) / 100));
    for token in tokens {
        each(By::Token(*token));
        let begins = dictionary.token(*token).begins.iter();
        begins.for_each(|place| each(By::Beginning(*place)));
    }
}

/// Calls `each` with somebody's numbers. One that is too long is that of a register whose particulars are hidden: nobody
/// types it.
pub(crate) fn each_number_of(person: &Person, each: &mut dyn FnMut(Numbered, u64)) {
    let citizens = person.citizen.iter().map(|number| (Numbered::Citizen, *number));
    let telephones = person.telephones.iter().map(|number| (Numbered::Telephone, *number));
    let others = person.identifiers.iter();
    let others = others.map(|identifier| (Numbered::Other, letters(&identifier.value).0));
    let all = citizens.chain(telephones).chain(others);
    all.filter(|(_, number)| *number < NUMBERS)
        .for_each(|(kind, number)| each(kind, number));
}

/// Somebody in memory: her facts, and where the tokens of her names are.
struct Own {
    facts: Facts,
    names_from: u32,
    names: u8,
}

/// What a typed word is compared with.
pub(crate) struct Told<'l> {
    pub facts: Facts,
    /// The tokens of her names, by their numbers.
    pub names: Cow<'l, [u32]>,
}

/// The people under a code: those at rest, and those in memory, whose numbers are above.
pub(crate) struct Listed<'l> {
    settled: Option<Held<'l>>,
    own: Option<&'l List>,
}

impl<'l> Listed<'l> {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.settled.as_ref().map_or(0, Held::len) + self.own.map_or(0, List::len)
    }

    /// They.
    pub fn set(&self) -> Set<'l> {
        match (&self.settled, self.own) {
            (None, own) => own.map(List::set).unwrap_or_default(),
            (Some(held), None) => held.set(),
            (Some(held), Some(own)) => Set::any(&[held.set(), own.set()]),
        }
    }
}

/// What people are looked up by.
#[derive(Default)]
pub(crate) struct Lookup {
    settled: Option<Settled>,
    dictionary: Dictionary,
    /// By [`By::code`].
    lists: FxHashMap<u64, List>,
    /// By the kind of number.
    ordered: [Ordered; 3],
    own: Vec<Own>,
    names: Vec<u32>,
}

impl Lookup {
    /// Of people at rest, of whom the lexicon has all words.
    pub(crate) fn of(settled: Settled, lexicon: &Lexicon) -> Lookup {
        let mut lookup = Lookup {
            settled: Some(settled),
            ..Lookup::default()
        };
        lookup.dictionary.learn(lexicon);
        lookup
    }

    /// The people at rest.
    pub(crate) fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }

    fn first(&self) -> u32 {
        self.settled.as_ref().map_or(0, Settled::count)
    }

    /// Adds the person of the next number, whose tokens are in the lexicon.
    pub(crate) fn add(&mut self, person: &Person, lexicon: &Lexicon) {
        let number = self.first() + self.own.len() as u32;
        self.dictionary.learn(lexicon);
        let from = self.names.len();
        // Who has no name yet is looked for by her mother's.
        let mother = Some(&person.parents[0]).filter(|_| person.names.is_empty());
        for token in person.names.iter().chain(mother).flatten() {
            let token = lexicon.find(token).filter(|token| !self.names[from..].contains(token));
            self.names.extend(token);
        }
        self.names.truncate(from + pack::TOKENS_MAX);
        let facts = Facts::of(person.birth.unwrap_or_default(), person.place);
        let (lists, names) = (&mut self.lists, &self.names[from..]);
        each_by(&facts, names, &self.dictionary, &mut |by| {
            lists.entry(by.code()).or_default().push(number);
        });
        each_number_of(person, &mut |kind, value| {
            self.ordered[kind as usize].put(value, number)
        });
        self.own.push(Own {
            facts,
            names_from: from as u32,
            names: names.len() as u8,
        });
    }

    /// Gives up what memory was taken beforehand, and puts all numbers in order.
    pub(crate) fn settle(&mut self) {
        self.lists.values_mut().for_each(List::shrink);
        self.own.shrink_to_fit();
        self.names.shrink_to_fit();
        self.ordered.iter_mut().for_each(Ordered::settle);
    }

    /// What a typed word is compared with of somebody.
    pub(crate) fn told(&self, person: u32) -> Told<'_> {
        let Some(own) = person.checked_sub(self.first()) else {
            let packed = self.settled.as_ref().map(|settled| settled.packed(person));
            let told = packed.and_then(|packed| pack::told(&packed)).unwrap_or_default();
            return Told {
                facts: Facts::of(told.birth, told.place),
                names: Cow::Owned(told.tokens),
            };
        };
        let own = &self.own[own as usize];
        let from = own.names_from as usize;
        Told {
            facts: own.facts,
            names: Cow::Borrowed(&self.names[from..from + usize::from(own.names)]),
        }
    }

    /// The words of names.
    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// The people who are kept by something, but no key and no number.
    pub(crate) fn listed(&self, by: By) -> Listed<'_> {
        Listed {
            settled: self.settled.as_ref().and_then(|settled| settled.under(by)),
            own: self.lists.get(&by.code()),
        }
    }

    /// The people who have a number of a kind in a range, at most `most`.
    pub(crate) fn numbered(&self, kind: Numbered, numbers: Range<u64>, most: usize) -> Vec<u32> {
        let by = |number: u64| By::Number(kind, number.min(NUMBERS));
        let settled = self.settled.as_ref();
        let settled = settled.map(|settled| settled.between(by(numbers.start), by(numbers.end), most));
        let mut people = settled.unwrap_or_default();
        people.extend(self.ordered[kind as usize].people(numbers, most - people.len()));
        people
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
        if value < NUMBERS && person < 1 << PERSON_BITS {
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
        let (from, to) = (values.start.min(NUMBERS - 1), values.end.min(NUMBERS));
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
