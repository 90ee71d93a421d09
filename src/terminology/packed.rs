//! A large code system in a file of its own: what every question needs in memory, the rest read by offset.
//!
//! The file is little-endian: `EPISTERM`, a version, a table of sections (offset and length), the sections one after
//! another. Codes have numbers in the order of the release.
//!
//! ```text
//! facts      JSON: url, version, name, language, case, properties
//! codes      texts: all codes, end to end; ends: u32, where each ends
//! displays   the same of the displays
//! flags      one byte a code: 1 abstract, 2 inactive, 4 deprecated
//! slots      u32: an open table from the hash of a code to its number + 1
//! up, down   u32: where the list of each code ends, then the lists
//! members    the same of reference sets and lists; files of version 1 have none
//! names      two sections, `packed_names.rs`; files of versions 1 and 2 have none
//! details    u64: where each ends; then JSON of each concept without code and display (these stay in the file)
//! ```
//!
//! A release of 500,000 codes takes some 60 MB of memory.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use fhir::document::Document;
use fhir::parse::Limits;
use fhir::tree::Tree;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use text::fold;

use crate::packed_names::{self, PackedNames};
use crate::recorded::{details, facts};
use crate::system::{Details, Facts, Place, State, System};

const MAGIC: &[u8; 8] = b"EPISTERM";
const VERSION: u32 = 3;
const SECTIONS: usize = 14;
const HEAD: usize = 12 + SECTIONS * 16;
/// What one concept's details may take, in bytes.
const DETAILS_MAX: u64 = 4 << 20;

const ABSTRACT: u8 = 1;
const INACTIVE: u8 = 2;
const DEPRECATED: u8 = 4;

/// One code on its way into a file.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The code.
    pub code: String,
    /// Its display.
    pub display: String,
    /// The codes directly above it.
    pub parents: Vec<String>,
    /// The codes in the reference set or list that it names.
    pub members: Vec<String>,
    /// Whether it groups others and is not to be chosen.
    pub is_abstract: bool,
    /// Whether it is not to be used any more.
    pub inactive: bool,
    /// Whether its use is discouraged.
    pub deprecated: bool,
    /// A CodeSystem concept of `definition`, `designation` and `property`, as JSON; empty for none.
    pub details: Vec<u8>,
}

fn hash(code: &str) -> u64 {
    use std::hash::Hasher;
    let mut hasher = FxHasher::default();
    hasher.write(code.as_bytes());
    let mixed = hasher.finish().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ mixed >> 29
}

/// Writes a system to a file, in place of what was there. `about` is a CodeSystem resource without its concepts.
///
/// # Errors
/// Where the file cannot be written, or a release is too large for the form.
pub fn write(path: &Path, about: &Tree, entries: &[Entry]) -> io::Result<()> {
    let too_large = || io::Error::other("the release is too large for this form");
    let count = u32::try_from(entries.len()).map_err(|_| too_large())?;
    let mut numbers: FxHashMap<&str, u32> = FxHashMap::default();
    for (number, entry) in (0..count).zip(entries) {
        numbers.entry(entry.code.as_str()).or_insert(number);
    }
    let (codes, code_ends) = texts(entries.iter().map(|entry| entry.code.as_str())).ok_or_else(too_large)?;
    let (displays, display_ends) = texts(entries.iter().map(|entry| entry.display.as_str())).ok_or_else(too_large)?;
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    let flags = entries.iter().map(|entry| {
        flag(entry.is_abstract, ABSTRACT) | flag(entry.inactive, INACTIVE) | flag(entry.deprecated, DEPRECATED)
    });
    let numbered = |codes: &Vec<String>| -> Vec<u32> {
        let known = codes.iter().filter_map(|code| numbers.get(code.as_str()).copied());
        known.collect()
    };
    let up: Vec<Vec<u32>> = entries.iter().map(|entry| numbered(&entry.parents)).collect();
    let members: Vec<Vec<u32>> = entries.iter().map(|entry| numbered(&entry.members)).collect();
    let mut down: Vec<Vec<u32>> = vec![Vec::new(); entries.len()];
    for (number, parents) in (0..count).zip(&up) {
        parents.iter().for_each(|parent| down[*parent as usize].push(number));
    }
    let (mut details, mut detail_ends) = (0u64, Vec::new());
    for entry in entries {
        details += entry.details.len() as u64;
        detail_ends.extend(details.to_le_bytes());
    }
    let slots = slots(entries, count);
    let [name_rows, name_texts] = packed_names::sections(entries).ok_or_else(too_large)?;
    let sections: [Vec<u8>; SECTIONS - 1] = [
        about.to_bytes(),
        codes,
        code_ends,
        displays,
        display_ends,
        flags.collect(),
        words(&slots),
        lists(&up),
        lists(&down),
        detail_ends,
        lists(&members),
        name_rows,
        name_texts,
    ];
    save(path, &sections, entries)
}

fn texts<'t>(all: impl Iterator<Item = &'t str>) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for text in all {
        bytes.extend_from_slice(text.as_bytes());
        ends.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
    }
    Some((bytes, ends))
}

fn slots(entries: &[Entry], count: u32) -> Vec<u32> {
    let size = (2 * entries.len()).next_power_of_two().max(2);
    let mut slots = vec![0u32; size];
    for (number, entry) in (0..count).zip(entries) {
        let mut at = hash(&entry.code) as usize & (size - 1);
        while slots[at] != 0 {
            at = (at + 1) & (size - 1);
        }
        slots[at] = number + 1;
    }
    slots
}

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Where each list ends, counted in words after those ends, then the lists.
fn lists(all: &[Vec<u32>]) -> Vec<u8> {
    let mut end = 0;
    let ends: Vec<u32> = all
        .iter()
        .map(|list| {
            end += list.len() as u32;
            end
        })
        .collect();
    let mut bytes = words(&ends);
    all.iter().for_each(|list| bytes.extend(words(list)));
    bytes
}

/// The details come last, from the entries themselves: they are most of the file.
fn save(path: &Path, sections: &[Vec<u8>; SECTIONS - 1], entries: &[Entry]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut out = BufWriter::new(File::create(&beside)?);
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    let mut offset = HEAD as u64;
    let details = entries.iter().map(|entry| entry.details.len() as u64).sum();
    for length in sections.iter().map(|section| section.len() as u64).chain([details]) {
        out.write_all(&offset.to_le_bytes())?;
        out.write_all(&length.to_le_bytes())?;
        offset += length;
    }
    for bytes in sections.iter().chain(entries.iter().map(|entry| &entry.details)) {
        out.write_all(bytes)?;
    }
    out.into_inner()?.sync_all()?;
    std::fs::rename(&beside, path)
}

/// A system that is served from a file.
pub struct Packed {
    file: File,
    facts: Facts,
    codes: Texts,
    displays: Texts,
    flags: Vec<u8>,
    slots: Vec<u32>,
    up: Lists,
    down: Lists,
    members: Lists,
    names: Option<PackedNames>,
    /// Where the details begin, and the ends of each.
    details: (u64, u64),
    detail_ends: u64,
    /// The numbers by lower-case codes, where case does not count.
    folded: FxHashMap<Box<str>, u32>,
}

struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Texts {
    fn get(&self, number: u32) -> Option<&str> {
        let at = number as usize;
        let from = match at {
            0 => 0,
            _ => *self.ends.get(at - 1)? as usize,
        };
        let bytes = self.bytes.get(from..*self.ends.get(at)? as usize)?;
        std::str::from_utf8(bytes).ok()
    }
}

struct Lists {
    count: usize,
    words: Vec<u32>,
}

impl Lists {
    fn get(&self, number: u32) -> Option<&[u32]> {
        let at = number as usize;
        if at >= self.count {
            return None;
        }
        let from = match at {
            0 => 0,
            _ => *self.words.get(at - 1)? as usize,
        };
        self.words
            .get(self.count + from..self.count + *self.words.get(at)? as usize)
    }
}

/// The bytes of the sections, as the head of a file places them.
struct Sections {
    places: Vec<(u64, u64)>,
}

impl Sections {
    fn read(file: &File) -> io::Result<Sections> {
        let mut begin = [0u8; 12];
        file.read_exact_at(&mut begin, 0)?;
        let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let version = u32::from_le_bytes([begin[8], begin[9], begin[10], begin[11]]);
        let count = match version {
            1 => SECTIONS - 3,
            2 => SECTIONS - 2,
            VERSION => SECTIONS,
            _ => 0,
        };
        if &begin[..8] != MAGIC || count == 0 {
            return Err(broken(
                "it is no terminology file of this version: load the release again",
            ));
        }
        let mut table = vec![0u8; count * 16];
        file.read_exact_at(&mut table, begin.len() as u64)?;
        let length = file.metadata()?.len();
        let mut places = Vec::with_capacity(count);
        for row in table.chunks_exact(16) {
            let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            let place = (number(&row[..8]), number(&row[8..]));
            if place.0.checked_add(place.1).is_none_or(|end| end > length) {
                return Err(broken("it is shorter than it says: load the release again"));
            }
            places.push(place);
        }
        Ok(Sections { places })
    }

    fn bytes(&self, file: &File, number: usize) -> io::Result<Vec<u8>> {
        let (offset, length) = self.places[number];
        let mut bytes = vec![0u8; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn words(&self, file: &File, number: usize) -> io::Result<Vec<u32>> {
        let bytes = self.bytes(file, number)?;
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        Ok(bytes.chunks_exact(4).map(word).collect())
    }
}

impl Packed {
    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be read, or is none of this form.
    pub fn open(path: &Path) -> io::Result<Packed> {
        let file = File::open(path)?;
        let sections = Sections::read(&file)?;
        let about = Document::parse(&sections.bytes(&file, 0)?, Limits::default()).map_err(io::Error::other)?;
        let flags = sections.bytes(&file, 5)?;
        let lists = |number| -> io::Result<Lists> {
            Ok(Lists {
                count: flags.len(),
                words: sections.words(&file, number)?,
            })
        };
        let (up, down) = (lists(7)?, lists(8)?);
        let details = sections.places[sections.places.len() - 1];
        // The details come last, so that what was added since stands before them.
        let has = |number: usize| number + 1 < sections.places.len();
        let members = match has(10) {
            true => lists(10)?,
            false => Lists {
                count: 0,
                words: Vec::new(),
            },
        };
        let names = has(12).then(|| PackedNames::at(sections.places[11], sections.places[12]));
        let mut packed = Packed {
            facts: facts(about.root()),
            codes: Texts {
                bytes: sections.bytes(&file, 1)?,
                ends: sections.words(&file, 2)?,
            },
            displays: Texts {
                bytes: sections.bytes(&file, 3)?,
                ends: sections.words(&file, 4)?,
            },
            slots: sections.words(&file, 6)?,
            detail_ends: sections.places[9].0,
            details,
            folded: FxHashMap::default(),
            flags,
            up,
            down,
            members,
            names,
            file,
        };
        if !packed.facts.case_sensitive {
            let all = 0..packed.flags.len() as u32;
            let lower = |number: u32| Some((packed.codes.get(number)?.to_lowercase().into_boxed_str(), number));
            packed.folded = all.filter_map(lower).collect();
        }
        Ok(packed)
    }

    fn slot(&self, code: &str) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash(code) as usize & mask;
        for _ in 0..self.slots.len() {
            let number = self.slots[at].checked_sub(1)?;
            if self.codes.get(number) == Some(code) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// The details of a code, as they lie in the file.
    fn lying(&self, number: u32) -> Option<Vec<u8>> {
        let end = |number: u64| -> Option<u64> {
            let mut bytes = [0u8; 8];
            self.file
                .read_exact_at(&mut bytes, self.detail_ends + 8 * number)
                .ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let number = u64::from(number);
        let from = if number == 0 { 0 } else { end(number - 1)? };
        let to = end(number)?;
        let length = to
            .checked_sub(from)
            .filter(|length| *length > 0 && *length <= DETAILS_MAX)?;
        if to > self.details.1 {
            return None;
        }
        let mut bytes = vec![0u8; length as usize];
        self.file.read_exact_at(&mut bytes, self.details.0 + from).ok()?;
        Some(bytes)
    }

    fn concept(&self, number: u32) -> Option<Document> {
        Document::parse(&self.lying(number)?, Limits::default()).ok()
    }

    /// What a file with names in order finds by them, found in one without by looking at every code.
    fn starting_by_looking(&self, start: &str, most: usize) -> FxHashSet<u32> {
        let starts = |name: &str| fold(name).starts_with(start);
        let named = |number: &u32| {
            let place = Place::At(*number);
            self.display(&place).is_some_and(|display| starts(&display))
                || self
                    .details(&place)
                    .designations
                    .iter()
                    .any(|other| starts(&other.value))
        };
        let all = 0..self.flags.len() as u32;
        all.filter(named).take(most + 1).collect()
    }
}

impl System for Packed {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn find(&self, code: &str) -> Option<Place> {
        let folded = || match self.folded.is_empty() {
            true => None,
            false => self.folded.get(code.to_lowercase().as_str()).copied(),
        };
        self.slot(code).or_else(folded).map(Place::At)
    }

    fn code<'s>(&'s self, place: &'s Place) -> Cow<'s, str> {
        match place {
            Place::At(number) => Cow::Borrowed(self.codes.get(*number).unwrap_or_default()),
            Place::Written(code) => Cow::Borrowed(code),
        }
    }

    fn display(&self, place: &Place) -> Option<Cow<'_, str>> {
        let Place::At(number) = place else { return None };
        self.displays
            .get(*number)
            .filter(|text| !text.is_empty())
            .map(Cow::Borrowed)
    }

    fn state(&self, place: &Place) -> State {
        let Place::At(number) = place else {
            return State::default();
        };
        let flags = self.flags.get(*number as usize).copied().unwrap_or_default();
        let status = match flags & (INACTIVE | DEPRECATED) {
            0 => None,
            DEPRECATED => Some("deprecated".to_owned()),
            _ => Some("inactive".to_owned()),
        };
        State {
            is_abstract: flags & ABSTRACT != 0,
            inactive: flags & INACTIVE != 0,
            status,
        }
    }

    fn details(&self, place: &Place) -> Details {
        let Place::At(number) = place else {
            return Details::default();
        };
        self.concept(*number)
            .map_or_else(Details::default, |concept| details(concept.root(), None))
    }

    /// Looks for the word in the text as it lies, which is far less than reading it.
    fn may_name(&self, place: &Place, word: &str) -> bool {
        let Place::At(number) = place else { return false };
        let found = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).to_lowercase().contains(word);
        // What JSON writes otherwise than it is cannot be looked for like this.
        word.contains(['"', '\\']) || self.lying(*number).is_some_and(found)
    }

    fn starting(&self, start: &str, most: usize) -> io::Result<FxHashSet<u32>> {
        match &self.names {
            Some(names) => names.starting(&self.file, start, most),
            None => Ok(self.starting_by_looking(start, most)),
        }
    }

    fn count(&self) -> Option<u32> {
        Some(self.flags.len() as u32)
    }

    fn members(&self, place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(self.members.get(place).unwrap_or_default())
    }

    fn parents(&self, place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(self.up.get(place).unwrap_or_default())
    }

    fn children(&self, place: u32) -> Cow<'_, [u32]> {
        Cow::Borrowed(self.down.get(place).unwrap_or_default())
    }
}
