//! People at rest in a file, found and read where they lie, a page at a time: a nation in little memory.
//!
//! A [`Register`](crate::Register) stands on them ([`Register::open`](crate::Register::open)): what changed since is in
//! memory and comes after them. The file is written by [`Settler`](crate::Settler) and no other program's: where its form or
//! what people are found by is another, it is made anew.
//!
//! ```text
//! people      a table (`table.rs`): by number, each as within a register (`pack.rs`)
//! under       a table: by code (`lookup.rs`) how many people; then their numbers ascending, each less that before, or where
//!             they are many, a bit for each person at rest, in eight bytes each 64, the lowest first
//! directory   of the words in names and systems, by number: their texts (`columns.rs`), the people of each; how many have
//!             each year, place and day (`counts.rs`); where the tables' pages lie
//! last page   8 "EPISREST", 4 the form (below), 8 and 8 the places in the log that it is after and up to, 16 the key that
//!             it is hidden by, 4 how many people, 8 where the directory lies, 8 its length
//! ```

use std::fs::File;

use crate::counts::Counts;
use crate::crowd::{List, Set};
use crate::keys;
use crate::lookup::By;
use crate::pack::{Lexicon, Reader, put};
use crate::pages::{Pages, ROOM};
use crate::roster::{Head, Unreadable};
use crate::table::{Table, Value};

pub(crate) const MAGIC: &[u8; 8] = b"EPISREST";
/// Bytes of the directory at most.
const DIRECTORY_MAX: u64 = 256 << 20;

const DAMAGED: Unreadable = Unreadable("The file of people at rest is damaged or cut short; it is made anew.");

/// What tells this form from others, and how people are found from how another program finds them.
pub(crate) fn form() -> u32 {
    const LAYOUT: &str = "1";
    let beginnings = crate::lookup::letters("b1").0;
    (keys::probe() ^ beginnings ^ keys::hash("layout", &[LAYOUT])) as u32
}

/// People at rest.
pub(crate) struct Settled {
    pub(crate) pages: Pages,
    people: Table,
    under: Table,
    count: u32,
}

/// What is known of all of them.
pub(crate) struct Directory {
    pub head: Head,
    pub lexicon: Lexicon,
    pub counts: Counts,
}

impl Settled {
    /// Opens a file: its last page and its directory are read.
    ///
    /// # Errors
    /// A sentence where it is none, of another form, or damaged there.
    pub fn open(file: File) -> Result<(Settled, Directory), Unreadable> {
        let pages = Pages::open(file).ok().flatten().ok_or(DAMAGED)?;
        let last = pages.page(pages.count() - 1).ok_or(DAMAGED)?;
        if last[..8] != *MAGIC || last[8..12] != form().to_le_bytes() {
            return Err(Unreadable(
                "The file of people at rest is of another release; it is made anew.",
            ));
        }
        Settled::read(pages, &last[12..]).ok_or(DAMAGED)
    }

    fn read(pages: Pages, last: &[u8]) -> Option<(Settled, Directory)> {
        let long = |at: usize| Some(u64::from_le_bytes(last.get(at..at + 8)?.try_into().ok()?));
        let head = Head {
            after: long(0)?,
            up_to: long(8)?,
            key: last.get(16..32)?.try_into().ok()?,
        };
        let count = u32::from_le_bytes(last.get(32..36)?.try_into().ok()?);
        let bytes = pages.bytes(long(36)?, long(44).filter(|length| *length <= DIRECTORY_MAX)?)?;
        let mut reader = Reader(&bytes);
        let lexicon = Lexicon::read(&mut reader)?;
        let counts = Counts::read(&mut reader)?;
        let people = Table::read(&mut reader)?;
        let under = Table::read(&mut reader)?;
        let settled = Settled {
            pages,
            people,
            under,
            count,
        };
        let directory = Directory { head, lexicon, counts };
        reader.0.is_empty().then_some((settled, directory))
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Somebody, packed; nothing where she cannot be read.
    pub fn packed(&self, person: u32) -> Vec<u8> {
        let value = self.people.get(&self.pages, u64::from(person));
        value.and_then(|value| value.bytes(&self.pages)).unwrap_or_default()
    }

    /// The people under a code; `None` where there is nobody.
    pub fn under(&self, by: By) -> Option<Held<'_>> {
        Held::read(self, self.under.get(&self.pages, by.code())?)
    }

    /// The people under codes from one up to another, at most `most`.
    pub fn between(&self, from: By, to: By, most: usize) -> Vec<u32> {
        let (mut people, end) = (Vec::new(), to.code());
        self.under.each_from(&self.pages, from.code(), &mut |code, value| {
            let held = Held::read(self, value).filter(|_| code < end && people.len() < most);
            held.map(|held| people.extend(held.numbers())).is_some()
        });
        people.truncate(most);
        people
    }
}

/// Whether people lie as a bit for each person at rest: where they are one in so many, that is read as soon as their numbers
/// are.
fn is_dense(count: usize, of: u32) -> bool {
    const ONE_IN: usize = 32;
    count * ONE_IN > of as usize
}

/// People under a code as they lie in the file.
pub(crate) fn packed(people: &[u32], of: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, people.len() as u64);
    if is_dense(people.len(), of) {
        let mut bits = vec![0_u64; (of as usize).div_ceil(64)];
        people
            .iter()
            .for_each(|person| bits[*person as usize / 64] |= 1 << (person % 64));
        bits.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        return out;
    }
    let mut before = 0;
    for person in people {
        put(&mut out, u64::from(person - before));
        before = *person;
    }
    out
}

/// The people under a code, not read yet where they are many.
pub(crate) struct Held<'s> {
    settled: &'s Settled,
    count: usize,
    value: Value,
}

/// Bytes of a count at most.
const COUNT: u64 = 5;

impl<'s> Held<'s> {
    fn read(settled: &'s Settled, value: Value) -> Option<Held<'s>> {
        let count = match &value {
            Value::Within(bytes) => Reader(bytes).number()?,
            Value::Apart(at, length) => Reader(&settled.pages.bytes(*at, COUNT.min(*length))?).number()?,
        };
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= settled.count as usize)?;
        Some(Held { settled, count, value })
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// They; nobody where they cannot be read.
    pub fn set(&self) -> Set<'static> {
        self.bytes(|rest| match is_dense(self.count, self.settled.count) {
            true => {
                let (words, _) = rest.as_chunks::<8>();
                Set::of_bits(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
            }
            false if List::is_dense(self.count, self.settled.count) => {
                let mut bits = vec![0_u64; (self.settled.count as usize).div_ceil(64)];
                each_number(rest, |person| {
                    if let Some(word) = bits.get_mut(person as usize / 64) {
                        *word |= 1 << (person % 64);
                    }
                });
                Set::of_bits(bits)
            }
            false => Set::ascending(self.few(rest)),
        })
    }

    /// Their numbers, ascending.
    pub fn numbers(&self) -> Vec<u32> {
        if is_dense(self.count, self.settled.count) {
            let mut numbers = Vec::with_capacity(self.count);
            self.set().each(&mut |person| {
                numbers.push(person);
                true
            });
            return numbers;
        }
        self.bytes(|rest| self.few(rest))
    }

    fn few(&self, rest: &[u8]) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(self.count);
        each_number(rest, |person| numbers.push(person));
        numbers
    }

    /// What `read` makes of the bytes after the count.
    fn bytes<T: Default>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        let apart;
        let bytes = match &self.value {
            Value::Within(bytes) => bytes.as_slice(),
            Value::Apart(at, length) => {
                apart = self.settled.pages.bytes(*at, *length).unwrap_or_default();
                &apart
            }
        };
        let mut reader = Reader(bytes);
        match reader.number() {
            Some(_) => read(reader.0),
            None => T::default(),
        }
    }
}

/// Calls `each` with numbers that lie each less the one before. Most of long lists have one byte.
fn each_number(bytes: &[u8], mut each: impl FnMut(u32)) {
    let (mut reader, mut person) = (Reader(bytes), 0_u32);
    loop {
        while let Some((more @ 0..0x80, rest)) = reader.0.split_first() {
            reader.0 = rest;
            person = person.wrapping_add(u32::from(*more));
            each(person);
        }
        let Some(more) = reader.number() else { return };
        person = person.wrapping_add(more as u32);
        each(person);
    }
}

/// The most that the last page has.
const _: () = assert!(12 + 52 <= ROOM);

#[cfg(test)]
mod tests;
