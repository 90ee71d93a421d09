//! A register as a small file: of everybody, or of what changed between two places in the log. A clinic carries it.
//!
//! ```text
//! 8   "EPISWHO" and the format's number, 1
//! 8   the place in the log after which changes are in it; 0 where everybody is
//! 8   the place in the log up to which they are
//! 16  what tells the key that particulars are hidden by (`hidden.rs`); zeros where they are readable
//! 4   how many people
//! 4   how many records that went
//!     columns, each: 4 its bytes packed, 4 its bytes, those packed by zstd
//! 8   the first bytes of the BLAKE3 hash of everything before
//! ```
//! Numbers are little-endian. The columns, in this order; a `number` has seven bits a byte, the lowest first; a `text`
//! has a number of bytes before it; `planes` are all highest bytes, then all next ones:
//!
//! ```text
//! words       each token and system once, in the order they are first used: bytes shared with the word before, text
//! dates       each date once, likewise: year, month, day as numbers, 0 for what is not known
//! went        ids of records that went, as words are
//! ids         of each person: the record's id, as words are
//! names       of each person: how many names; of each how many tokens; their words
//! births      planes of 3: the date, from 1; 0 for none
//! sexes       a byte: 0 unknown, 1 female, 2 male, 3 other
//! citizens    planes of 6: the citizen number, 0 for none
//! numbers     of each person: how many other identifiers; of each the word of its system, its value as text
//! counts      a byte: how many telephones
//! telephones  planes of 4: all numbers, person by person
//! places      planes of 4: the number of the gewog, or of the dzongkhag (below 100); 0 for none
//! ```
//! A file of changes is read over the one before it: whoever stands in it has those particulars now, whoever went is
//! taken out. Read twice, it changes nothing.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::birth::Birth;
use crate::columns::{TextReader, Texts, append, of_planes, planes, take};
use crate::pack::{Reader, put, put_text};
use crate::person::{Identifier, Name, Person, Sex};
use crate::places::Place;
use crate::register::Register;

const MAGIC: &[u8; 8] = b"EPISWHO\x01";
const HEAD: usize = 48;
const SUM: usize = 8;
const COLUMNS: usize = 12;
/// Telephones of one person that are carried.
const TELEPHONES_MAX: usize = 4;

/// What a roster is about, and up to when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The place in the log after which changes are in it; 0 where everybody is.
    pub after: u64,
    /// The place in the log up to which they are.
    pub up_to: u64,
    /// What tells the key that particulars are hidden by; zeros where they are readable.
    pub key: [u8; 16],
}

/// Writes a roster, person by person.
pub struct Writer {
    head: Head,
    words: FxHashMap<String, u64>,
    word_texts: Texts,
    dates: FxHashMap<Birth, u64>,
    date_bytes: Vec<u8>,
    went: (u32, Texts),
    ids: Texts,
    names: Vec<u8>,
    births: Vec<u64>,
    sexes: Vec<u8>,
    citizens: Vec<u64>,
    numbers: Vec<u8>,
    counts: Vec<u8>,
    telephones: Vec<u64>,
    places: Vec<u64>,
}

impl Writer {
    /// Begins one.
    pub fn new(head: Head) -> Writer {
        Writer {
            head,
            words: FxHashMap::default(),
            word_texts: Texts::default(),
            dates: FxHashMap::default(),
            date_bytes: Vec::new(),
            went: (0, Texts::default()),
            ids: Texts::default(),
            names: Vec::new(),
            births: Vec::new(),
            sexes: Vec::new(),
            citizens: Vec::new(),
            numbers: Vec::new(),
            counts: Vec::new(),
            telephones: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Adds a person; what a roster does not carry is left out.
    pub fn put(&mut self, id: &str, person: &Person) {
        self.ids.push(id);
        put(&mut self.names, person.names.len() as u64);
        for name in &person.names {
            put(&mut self.names, name.len() as u64);
            for token in name {
                let word = self.word(token);
                put(&mut self.names, word);
            }
        }
        let birth = person.birth.map_or(0, |birth| self.date(birth));
        self.births.push(birth);
        self.sexes.push(match person.sex {
            Sex::Unknown => 0,
            Sex::Female => 1,
            Sex::Male => 2,
            Sex::Other => 3,
        });
        self.citizens.push(person.citizen.unwrap_or(0));
        put(&mut self.numbers, person.identifiers.len() as u64);
        for identifier in &person.identifiers {
            let word = self.word(&identifier.system);
            put(&mut self.numbers, word);
            put_text(&mut self.numbers, &identifier.value);
        }
        let telephones = &person.telephones[..person.telephones.len().min(TELEPHONES_MAX)];
        self.counts.push(telephones.len() as u8);
        self.telephones.extend_from_slice(telephones);
        let place = if person.place.gewog > 0 {
            person.place.gewog
        } else {
            person.place.dzongkhag
        };
        self.places.push(u64::from(place));
    }

    /// Notes that a record went.
    pub fn went(&mut self, id: &str) {
        self.went.0 += 1;
        self.went.1.push(id);
    }

    fn word(&mut self, word: &str) -> u64 {
        let next = self.words.len() as u64;
        if let Some(number) = self.words.get(word) {
            return *number;
        }
        self.words.insert(word.to_owned(), next);
        self.word_texts.push(word);
        next
    }

    fn date(&mut self, birth: Birth) -> u64 {
        let next = self.dates.len() as u64 + 1;
        *self.dates.entry(birth).or_insert_with(|| {
            let parts = [birth.year, birth.month, birth.day];
            parts
                .iter()
                .for_each(|part| put(&mut self.date_bytes, u64::from(*part)));
            next
        })
    }

    /// The bytes of the file.
    pub fn finish(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.head.after.to_le_bytes());
        out.extend_from_slice(&self.head.up_to.to_le_bytes());
        out.extend_from_slice(&self.head.key);
        out.extend_from_slice(&(self.sexes.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.went.0.to_le_bytes());
        let columns: [&[u8]; COLUMNS] = [
            self.word_texts.bytes(),
            &self.date_bytes,
            self.went.1.bytes(),
            self.ids.bytes(),
            &self.names,
            &planes::<3>(&self.births),
            &self.sexes,
            &planes::<6>(&self.citizens),
            &self.numbers,
            &self.counts,
            &planes::<4>(&self.telephones),
            &planes::<4>(&self.places),
        ];
        columns.iter().for_each(|column| append(&mut out, column));
        let sum = blake3::hash(&out);
        out.extend_from_slice(&sum.as_bytes()[..SUM]);
        out
    }
}

/// Writes everybody of a register.
pub fn whole(register: &Register, head: Head, hide: &dyn Fn(&Person) -> Person) -> Vec<u8> {
    let mut writer = Writer::new(head);
    register.each(&mut |id, person| writer.put(id, &hide(person)));
    writer.finish()
}

/// Why a roster cannot be read: a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unreadable {}

const DAMAGED: Unreadable = Unreadable("The file of persons is damaged or cut short; fetch it again.");

/// A roster that was read: its columns, unpacked.
pub struct Roster {
    /// What it is about.
    pub head: Head,
    people: usize,
    went: usize,
    words: Vec<String>,
    dates: Vec<Birth>,
    columns: Vec<Vec<u8>>,
}

impl Roster {
    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// [`Unreadable`] where it is none, of a later format, or damaged.
    pub fn read(bytes: &[u8]) -> Result<Roster, Unreadable> {
        match bytes.get(..8) {
            Some(magic) if magic == MAGIC => {}
            Some(magic) if magic[..7] == MAGIC[..7] => {
                return Err(Unreadable(
                    "The file of persons is of a later format; this program is too old for it.",
                ));
            }
            _ => return Err(Unreadable("This is no file of persons.")),
        }
        let body = bytes
            .len()
            .checked_sub(SUM)
            .filter(|length| *length >= HEAD)
            .ok_or(DAMAGED)?;
        let (body, sum) = bytes.split_at(body);
        if blake3::hash(body).as_bytes()[..SUM] != *sum {
            return Err(DAMAGED);
        }
        Roster::unpack(body).ok_or(DAMAGED)
    }

    fn unpack(body: &[u8]) -> Option<Roster> {
        let long = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(u32::from_le_bytes(body.get(at..at + 4)?.try_into().ok()?) as usize);
        let head = Head {
            after: long(8)?,
            up_to: long(16)?,
            key: body.get(24..40)?.try_into().ok()?,
        };
        let mut rest = &body[HEAD..];
        let columns: Option<Vec<Vec<u8>>> = (0..COLUMNS).map(|_| take(&mut rest)).collect();
        let columns = columns.filter(|_| rest.is_empty())?;
        let (mut texts, mut words) = (TextReader::new(&columns[0]), Vec::new());
        while let Some(word) = texts.next() {
            words.push(word.to_owned());
        }
        let (mut reader, mut dates) = (Reader(&columns[1]), Vec::new());
        while let Some(year) = reader.number() {
            let mut part = || Some(reader.number()? as u32);
            dates.push(Birth {
                year: year as u32,
                month: part()?,
                day: part()?,
            });
        }
        Some(Roster {
            head,
            people: short(40)?,
            went: short(44)?,
            words,
            dates,
            columns,
        })
    }

    /// How many people stand in it.
    pub fn len(&self) -> usize {
        self.people
    }

    /// Whether nobody stands in it.
    pub fn is_empty(&self) -> bool {
        self.people == 0
    }

    /// Everybody in it.
    ///
    /// # Errors
    /// [`Unreadable`] where what is written contradicts itself.
    pub fn each(&self, each: &mut dyn FnMut(&str, Person)) -> Result<(), Unreadable> {
        let mut reading = Reading {
            roster: self,
            ids: TextReader::new(&self.columns[3]),
            names: Reader(&self.columns[4]),
            numbers: Reader(&self.columns[8]),
            telephones: 0,
        };
        for at in 0..self.people {
            let person = reading.person(at).ok_or(DAMAGED)?;
            each(reading.ids.next().ok_or(DAMAGED)?, person);
        }
        Ok(())
    }

    /// Who stands in it or went.
    ///
    /// # Errors
    /// As [`Roster::each`].
    pub fn changed(&self) -> Result<Changed, Unreadable> {
        let mut changed = FxHashSet::default();
        for (column, count) in [(2, self.went), (3, self.people)] {
            let mut ids = TextReader::new(&self.columns[column]);
            for _ in 0..count {
                changed.insert(Changed::hash(ids.next().ok_or(DAMAGED)?));
            }
        }
        Ok(Changed(changed))
    }

    /// A register of everybody in it.
    ///
    /// # Errors
    /// As [`Roster::each`].
    pub fn register(&self) -> Result<Register, Unreadable> {
        let mut register = Register::default();
        self.each(&mut |id, person| register.add_unsorted(id, &person, &[]))?;
        Ok(register.sorted_anew())
    }

    /// Brings a register up to date that was made of the roster up to [`Head::after`].
    ///
    /// # Errors
    /// As [`Roster::each`].
    pub fn apply(&self, register: &mut Register) -> Result<(), Unreadable> {
        let mut went = TextReader::new(&self.columns[2]);
        for _ in 0..self.went {
            register.remove(went.next().ok_or(DAMAGED)?);
        }
        self.each(&mut |id, person| register.put(id, &person))
    }
}

/// The records that a roster tells of, in eight bytes each: a nation may have changed.
pub struct Changed(FxHashSet<u64>);

impl Changed {
    fn hash(id: &str) -> u64 {
        let hash = blake3::hash(id.as_bytes());
        let bytes = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(bytes)
    }

    /// Whether a record is one of them; of 780,000 one is taken for another once in ten million times.
    pub fn has(&self, id: &str) -> bool {
        self.0.contains(&Changed::hash(id))
    }
}

/// Where in the columns reading stands.
struct Reading<'a> {
    roster: &'a Roster,
    ids: TextReader<'a>,
    names: Reader<'a>,
    numbers: Reader<'a>,
    telephones: usize,
}

impl Reading<'_> {
    fn person(&mut self, at: usize) -> Option<Person> {
        let columns = &self.roster.columns;
        let names: Option<Vec<Name>> = (0..self.names.number()?).map(|_| self.name()).collect();
        let birth = match of_planes::<3>(&columns[5], at)? {
            0 => None,
            date => Some(*self.roster.dates.get(date as usize - 1)?),
        };
        let sex = *[Sex::Unknown, Sex::Female, Sex::Male, Sex::Other].get(usize::from(*columns[6].get(at)?))?;
        let citizen = Some(of_planes::<6>(&columns[7], at)?).filter(|number| *number > 0);
        let identifiers: Option<Vec<Identifier>> = (0..self.numbers.number()?).map(|_| self.identifier()).collect();
        let count = usize::from(*columns[9].get(at)?);
        let telephones = (self.telephones..self.telephones + count).map(|at| of_planes::<4>(&columns[10], at));
        let telephones: Option<Vec<u64>> = telephones.collect();
        self.telephones += count;
        let place = of_planes::<4>(&columns[11], at)? as u32;
        Some(Person {
            names: names?,
            birth,
            sex,
            citizen,
            identifiers: identifiers?,
            telephones: telephones?,
            place: match (self.roster.head.key == [0; 16], place) {
                (true, 0..100) => Place {
                    dzongkhag: place,
                    ..Place::default()
                },
                (true, gewog) => Place::of_gewog(gewog),
                (false, hash) => Place {
                    gewog: hash,
                    ..Place::default()
                },
            },
            ..Person::default()
        })
    }

    fn word(&self, number: u64) -> Option<String> {
        self.roster.words.get(usize::try_from(number).ok()?).cloned()
    }

    fn name(&mut self) -> Option<Name> {
        let count = self.names.number()?;
        (0..count)
            .map(|_| self.names.number().and_then(|number| self.word(number)))
            .collect()
    }

    fn identifier(&mut self) -> Option<Identifier> {
        let system = self.numbers.number().and_then(|number| self.word(number))?;
        Some(Identifier {
            system,
            value: self.numbers.text()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
