//! Brings people to rest in a file, one after the other, in bounded memory: the form is described in `settled.rs`.

use std::fs::File;
use std::io::{self, BufWriter};

use crate::counts::Counts;
use crate::dictionary::Dictionary;
use crate::keys;
use crate::lookup::{By, Facts, each_by, each_number_of};
use crate::pack::{self, Lexicon};
use crate::pages;
use crate::person::Person;
use crate::roster::Head;
use crate::settled::{self, MAGIC, form};
use crate::sort::Sorter;
use crate::table::TableWriter;

/// Writes people at rest. Whoever reads them must not open the file before [`Settler::finish`] has returned.
pub struct Settler {
    out: pages::Writer<BufWriter<File>>,
    people: TableWriter,
    under: Sorter,
    lexicon: Lexicon,
    dictionary: Dictionary,
    counts: Counts,
    count: u32,
    /// What went wrong first; nothing is written after it.
    failed: Option<io::Error>,
}

impl Settler {
    /// Begins in an empty file. What is put in order meanwhile lies in `scratch`, readable and writable, some 250 bytes a
    /// person, which is of no use afterwards.
    pub fn new(out: File, scratch: File) -> Settler {
        Settler {
            out: pages::Writer::new(BufWriter::new(out)),
            people: TableWriter::default(),
            under: Sorter::new(scratch),
            lexicon: Lexicon::default(),
            dictionary: Dictionary::default(),
            counts: Counts::default(),
            count: 0,
            failed: None,
        }
    }

    /// Adds a person, whose id nobody has.
    pub fn put(&mut self, id: &str, person: &Person) {
        if self.failed.is_none() {
            self.failed = self.write(id, person).err();
        }
    }

    fn write(&mut self, id: &str, person: &Person) -> io::Result<()> {
        let number = self.count;
        self.count += 1;
        self.counts.add(person, 1, &mut self.lexicon);
        let mut packed = Vec::new();
        pack::write(&mut packed, (id, &[]), person, &mut self.lexicon);
        self.people.push(&mut self.out, u64::from(number), &packed)?;
        self.dictionary.learn(&self.lexicon);
        let mut codes = Vec::new();
        let keys = keys::kept(person).into_iter().chain([keys::of_id(id)]);
        codes.extend(keys.map(By::Key));
        let told = pack::told(&packed).unwrap_or_default();
        each_by(
            &Facts::of(told.birth, told.place),
            &told.tokens,
            &self.dictionary,
            &mut |by| codes.push(by),
        );
        each_number_of(person, &mut |kind, number| codes.push(By::Number(kind, number)));
        codes.into_iter().try_for_each(|by| self.under.push(by.code(), number))
    }

    /// Writes what is left; it is durable once this has returned.
    ///
    /// # Errors
    /// What went wrong first with either file.
    pub fn finish(mut self, head: Head) -> io::Result<()> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let people = self.people.finish(&mut self.out)?;
        let mut under = TableWriter::default();
        self.under
            .each(&mut |code, people| under.push(&mut self.out, code, &settled::packed(people, self.count)))?;
        let under = under.finish(&mut self.out)?;
        let mut directory = Vec::new();
        self.lexicon.write(&mut directory);
        self.counts.write(&mut directory);
        people.write(&mut directory);
        under.write(&mut directory);
        let at = self.out.append(&directory)?;
        let mut last = MAGIC.to_vec();
        last.extend_from_slice(&form().to_le_bytes());
        last.extend_from_slice(&head.after.to_le_bytes());
        last.extend_from_slice(&head.up_to.to_le_bytes());
        last.extend_from_slice(&head.key);
        last.extend_from_slice(&self.count.to_le_bytes());
        last.extend_from_slice(&at.to_le_bytes());
        last.extend_from_slice(&(directory.len() as u64).to_le_bytes());
        self.out.page(&last)?;
        let out = self.out.finish()?.into_inner().map_err(|e| e.into_error())?;
        out.sync_all()
    }
}
