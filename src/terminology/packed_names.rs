//! The names of a packed system in order, so that those which begin with a text are found without reading the others.
//!
//! Two sections of the file (little-endian). The rows, by name, are twelve bytes each and stay in the file:
//!
//! ```text
//! begin   u32: where the name begins among the texts
//! length  u32: its length in bytes
//! number  u32: the code that has the name
//! ```
//!
//! The texts are the names, folded ([`text::fold`]), end to end. A code has a row for its display and for each designation.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use fhir::document::Document;
use fhir::parse::Limits;
use rustc_hash::FxHashSet;
use text::fold;

use crate::packed::Entry;
use crate::recorded::details;

const ROW: usize = 12;
/// Rows that are read at once.
const ROWS_AT_ONCE: u64 = 4_096;
/// No name is longer, in bytes; what follows cannot be searched by.
const NAME_MAX: usize = 4 << 10;

/// The two sections of some entries; `None` where the names together are too long for the form.
pub(crate) fn sections(entries: &[Entry]) -> Option<[Vec<u8>; 2]> {
    let mut texts = String::new();
    let mut rows: Vec<(usize, usize, u32)> = Vec::with_capacity(entries.len());
    for (number, entry) in (0..).zip(entries) {
        let mut name = |name: &str| {
            let folded = fold(name);
            let folded = &folded[..folded.floor_char_boundary(NAME_MAX)];
            if !folded.is_empty() {
                rows.push((texts.len(), folded.len(), number));
                texts.push_str(folded);
            }
        };
        name(&entry.display);
        others(entry).iter().for_each(|other| name(other));
    }
    u32::try_from(texts.len()).ok()?;
    let text = |&(begin, length, _): &(usize, usize, u32)| &texts[begin..begin + length];
    rows.sort_unstable_by(|a, b| text(a).cmp(text(b)).then(a.2.cmp(&b.2)));
    let words = rows
        .iter()
        .flat_map(|(begin, length, number)| [*begin as u32, *length as u32, *number]);
    let rows = words.flat_map(u32::to_le_bytes).collect();
    Some([rows, texts.into_bytes()])
}

/// The designations of an entry.
fn others(entry: &Entry) -> Vec<String> {
    let concept = Document::parse(&entry.details, Limits::default());
    let found = concept.map(|concept| details(concept.root(), None).designations);
    let found = found.unwrap_or_default();
    found.into_iter().map(|designation| designation.value).collect()
}

/// The sections of a file.
pub(crate) struct PackedNames {
    rows: u64,
    texts: u64,
    count: u64,
}

impl PackedNames {
    /// The sections that lie there, each by offset and length.
    pub(crate) fn at(rows: (u64, u64), texts: (u64, u64)) -> PackedNames {
        PackedNames {
            rows: rows.0,
            texts: texts.0,
            count: rows.1 / ROW as u64,
        }
    }

    /// The codes of which a name begins with a folded text, in no order: all, or some where there are more than `most`.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) fn starting(&self, file: &File, start: &str, most: usize) -> io::Result<FxHashSet<u32>> {
        let first = self.first(file, |name| name < start.as_bytes())?;
        let end = self.first(file, |name| {
            name.starts_with(start.as_bytes()) || name.cmp(start.as_bytes()) == Ordering::Less
        })?;
        let mut found = FxHashSet::default();
        let mut at = first;
        while at < end && found.len() <= most {
            let next = end.min(at + ROWS_AT_ONCE);
            let mut bytes = vec![0u8; (next - at) as usize * ROW];
            file.read_exact_at(&mut bytes, self.rows + at * ROW as u64)?;
            found.extend(bytes.chunks_exact(ROW).map(|row| word(&row[8..])));
            at = next;
        }
        Ok(found)
    }

    /// The first row of which the name is not `before`, as all those after it.
    fn first(&self, file: &File, before: impl Fn(&[u8]) -> bool) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match before(&self.name(file, middle)?) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    fn name(&self, file: &File, at: u64) -> io::Result<Vec<u8>> {
        let mut row = [0u8; ROW];
        file.read_exact_at(&mut row, self.rows + at * ROW as u64)?;
        let length = (word(&row[4..]) as usize).min(NAME_MAX);
        let mut name = vec![0u8; length];
        file.read_exact_at(&mut name, self.texts + u64::from(word(&row)))?;
        Ok(name)
    }
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
