//! A person as a few bytes within a register, her tokens and systems as numbers in its lexicon.

use rustc_hash::FxHashMap;

use crate::birth::Birth;
use crate::columns::{TextReader, Texts};
use crate::person::{Identifier, Name, Person, Sex};
use crate::places::Place;

/// Words that occur again and again, each once.
#[derive(Default)]
pub(crate) struct Lexicon {
    words: Vec<Box<str>>,
    numbers: FxHashMap<Box<str>, u32>,
    /// How many people have the word in a name.
    counts: Vec<u32>,
}

impl Lexicon {
    /// The number of a word, new where it has none.
    pub fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.words.len() as u32;
        self.words.push(word.into());
        self.numbers.insert(word.into(), number);
        self.counts.push(0);
        number
    }

    fn word(&self, number: u64) -> &str {
        self.words.get(number as usize).map_or("", |word| word)
    }

    /// The number of a word, where it has one.
    pub fn find(&self, word: &str) -> Option<u32> {
        self.numbers.get(word).copied()
    }

    /// The words from a number on.
    pub fn words_from(&self, number: usize) -> impl Iterator<Item = &str> {
        self.words[number.min(self.words.len())..].iter().map(|word| &**word)
    }

    /// Appends all words and counts, to be read by [`Lexicon::read`].
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut texts = Texts::default();
        self.words.iter().for_each(|word| texts.push(word));
        put(out, self.words.len() as u64);
        put(out, texts.bytes().len() as u64);
        out.extend_from_slice(texts.bytes());
        self.counts.iter().for_each(|count| put(out, u64::from(*count)));
    }

    /// Reads what [`Lexicon::write`] wrote; `None` where it is none.
    pub fn read(reader: &mut Reader<'_>) -> Option<Lexicon> {
        let count = reader.number()?;
        let length = usize::try_from(reader.number()?).ok()?;
        let mut texts = TextReader::new(reader.bytes(length)?);
        let mut lexicon = Lexicon::default();
        for _ in 0..count {
            lexicon.number(texts.next()?);
        }
        for count in &mut lexicon.counts {
            *count = u32::try_from(reader.number()?).ok()?;
        }
        Some(lexicon)
    }

    /// How many people have the word in a name.
    pub fn count(&self, word: &str) -> u32 {
        self.numbers.get(word).map_or(0, |number| self.counts[*number as usize])
    }

    /// Counts the people of a word up or down.
    pub fn add(&mut self, word: &str, people: i32) {
        let number = self.number(word) as usize;
        self.counts[number] = self.counts[number].saturating_add_signed(people);
    }
}

/// Appends a number, seven bits a byte, the lowest first.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a text, its length before it.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads what [`put`] and [`put_text`] wrote.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next number; `None` where the bytes end before it, or it is beyond 64 bits.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The next text.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.bytes(usize::try_from(length).ok()?)?).ok()
    }
}

/// Appends a person, with her id and what was noted of her.
pub(crate) fn write(out: &mut Vec<u8>, (id, note): (&str, &[u8]), person: &Person, lexicon: &mut Lexicon) {
    put_text(out, id);
    put(out, note.len() as u64);
    out.extend_from_slice(note);
    put(out, person.names.len() as u64);
    person
        .names
        .iter()
        .chain(&person.parents)
        .for_each(|name| write_name(out, name, lexicon));
    let birth = person.birth.unwrap_or(Birth::of_year(0));
    [birth.year, birth.month, birth.day]
        .iter()
        .for_each(|part| put(out, u64::from(*part)));
    out.push(match person.sex {
        Sex::Unknown => 0,
        Sex::Female => 1,
        Sex::Male => 2,
        Sex::Other => 3,
    });
    put(out, person.citizen.unwrap_or(0));
    let identifiers: Vec<&Identifier> = person.mother.iter().chain(&person.identifiers).collect();
    put(out, 2 * identifiers.len() as u64 + u64::from(person.mother.is_some()));
    for identifier in identifiers {
        put(out, u64::from(lexicon.number(&identifier.system)));
        put_text(out, &identifier.value);
    }
    put(out, person.telephones.len() as u64);
    person.telephones.iter().for_each(|number| put(out, *number));
    let place = person.place;
    [place.dzongkhag, place.gewog, place.chiwog]
        .iter()
        .for_each(|part| put(out, u64::from(*part)));
    put(out, place.house);
    put(out, u64::from(person.birth_order));
}

fn write_name(out: &mut Vec<u8>, name: &Name, lexicon: &mut Lexicon) {
    put(out, name.len() as u64);
    name.iter().for_each(|token| put(out, u64::from(lexicon.number(token))));
}

/// The id of a packed person.
pub(crate) fn id(bytes: &[u8]) -> Option<&str> {
    Reader(bytes).text()
}

/// What was noted of a packed person.
pub(crate) fn note(bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader(bytes);
    reader.text()?;
    let length = usize::try_from(reader.number()?).ok()?;
    reader.bytes(length)
}

/// Tokens of one person's names that typed words are compared with, at most.
pub(crate) const TOKENS_MAX: usize = 255;

/// What a typed word is compared with.
#[derive(Default)]
pub(crate) struct Told {
    /// The tokens of her names, each once; of her mother's where she has none yet.
    pub tokens: Vec<u32>,
    pub birth: Birth,
    pub place: Place,
}

/// What a packed person says to who compares typed words; nothing else of her is unpacked.
pub(crate) fn told(bytes: &[u8]) -> Option<Told> {
    let mut reader = Reader(bytes);
    reader.text()?;
    let length = usize::try_from(reader.number()?).ok()?;
    reader.bytes(length)?;
    let names = reader.number()?;
    let mut told = Told::default();
    for name in 0..names + 2 {
        let counts = name < names || names == 0 && name == 0;
        for _ in 0..reader.number()? {
            let token = reader.number()? as u32;
            if counts && told.tokens.len() < TOKENS_MAX && !told.tokens.contains(&token) {
                told.tokens.push(token);
            }
        }
    }
    let mut part = || Some(reader.number()? as u32);
    told.birth = Birth {
        year: part()?,
        month: part()?,
        day: part()?,
    };
    reader.bytes(1)?;
    reader.number()?;
    for _ in 0..reader.number()? / 2 {
        reader.number()?;
        reader.text()?;
    }
    for _ in 0..reader.number()? {
        reader.number()?;
    }
    let mut part = || Some(reader.number()? as u32);
    told.place = Place {
        dzongkhag: part()?,
        gewog: part()?,
        ..Place::default()
    };
    Some(told)
}

/// A packed person with her id.
pub(crate) fn read(bytes: &[u8], lexicon: &Lexicon) -> Option<(String, Person)> {
    Some((id(bytes)?.to_owned(), person(bytes, lexicon)?.to_own()))
}

/// A packed person, her texts those of the bytes and the lexicon.
pub(crate) fn person<'a>(bytes: &'a [u8], lexicon: &'a Lexicon) -> Option<Person<&'a str>> {
    let mut reader = Reader(bytes);
    reader.text()?;
    let length = usize::try_from(reader.number()?).ok()?;
    reader.bytes(length)?;
    let count = reader.number()?;
    let names: Option<Vec<Name<&str>>> = (0..count).map(|_| read_name(&mut reader, lexicon)).collect();
    let parents = [read_name(&mut reader, lexicon)?, read_name(&mut reader, lexicon)?];
    let mut part = || Some(reader.number()? as u32);
    let birth = Birth {
        year: part()?,
        month: part()?,
        day: part()?,
    };
    let sex = [Sex::Unknown, Sex::Female, Sex::Male, Sex::Other][usize::from(reader.bytes(1)?[0] & 3)];
    let citizen = reader.number()?;
    let count = reader.number()?;
    let mut identifiers = Vec::new();
    for _ in 0..count / 2 {
        identifiers.push(Identifier {
            system: lexicon.word(reader.number()?),
            value: reader.text()?,
        });
    }
    let mother = (count % 2 == 1 && !identifiers.is_empty()).then(|| identifiers.remove(0));
    let telephones: Option<Vec<u64>> = (0..reader.number()?).map(|_| reader.number()).collect();
    let mut part = || Some(reader.number()? as u32);
    let place = Place {
        dzongkhag: part()?,
        gewog: part()?,
        chiwog: part()?,
        house: 0,
    };
    let house = reader.number()?;
    Some(Person {
        names: names?,
        birth: (birth.year > 0).then_some(birth),
        sex,
        citizen: (citizen > 0).then_some(citizen),
        identifiers,
        mother,
        parents,
        telephones: telephones?,
        place: Place { house, ..place },
        birth_order: reader.number()? as u32,
    })
}

fn read_name<'a>(reader: &mut Reader<'_>, lexicon: &'a Lexicon) -> Option<Name<&'a str>> {
    let count = reader.number()?;
    (0..count).map(|_| Some(lexicon.word(reader.number()?))).collect()
}
