//! A segment: many changes in few bytes, under one hash.
//!
//! ```text
//! format       1 byte     1
//! dictionary   1 byte     the number of the dictionary the frame needs, see below
//! frame                   a zstd frame without its four magic bytes; inside, packed by `digits`: the first lines of all
//!                         changes, then their second lines (`change`)
//! ```
//!
//! The dictionary holds the forms of what clinics write all day, so that even a single visit is small. It is a file of this
//! program; its number means the same bytes for ever, and better bytes get a new number. Sites tell each other the
//! highest they have, and the lower one is used.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::get_frame_content_size;

use crate::change::{Change, NoChange};
use crate::digits;

/// Changes in one segment at most.
pub const CHANGES_MAX: usize = 4_096;
/// Bytes of all lines of a segment at most, unless it is a single change.
pub const BYTES_MAX: usize = 16 << 20;
/// Bytes that a segment may come to when it is unpacked, whoever packed it: the largest single record and room.
const UNPACKED_MAX: usize = 256 << 20;

const FORMAT: u8 = 1;
const LEVEL: i32 = 19;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Every dictionary ever shipped; the first has number 1.
const DICTIONARIES: &[&[u8]] = &[include_bytes!("../../schema/dictionaries/wire-1.dictionary")];

/// The highest dictionary that this program has.
pub const DICTIONARY: u8 = DICTIONARIES.len() as u8;

/// What a segment's bytes are known by: the first 16 bytes of their BLAKE3.
pub type Hash = [u8; 16];

/// Why bytes are no segment, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is of a format or needs a dictionary that this program does not have: it was made by a newer one.
    Newer,
    /// The bytes are not what was packed.
    Damaged,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unreadable::Newer => "it was packed by a newer program",
            Unreadable::Damaged => "it is damaged",
        })
    }
}

impl From<digits::Damaged> for Unreadable {
    fn from(_: digits::Damaged) -> Self {
        Unreadable::Damaged
    }
}

impl From<NoChange> for Unreadable {
    fn from(_: NoChange) -> Self {
        Unreadable::Damaged
    }
}

/// The hash of a segment's bytes.
pub fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes)
        .as_bytes()
        .first_chunk()
        .expect("32 bytes begin with 16")
}

/// How many of the changes fit into one segment: at least one, where there is any.
pub fn fitting(changes: &[Change]) -> usize {
    let mut left = BYTES_MAX;
    let fits = |change: &&Change| {
        let size = change.body.len() + 128;
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    };
    let count = changes.iter().take(CHANGES_MAX).take_while(fits).count();
    count.max(changes.len().min(1))
}

/// Packs changes, with a dictionary that the other side has too: the same bytes for the same changes.
///
/// # Errors
/// [`NoChange`] where one cannot be written down.
pub fn pack(changes: &[Change], dictionary: u8) -> Result<Vec<u8>, NoChange> {
    let dictionary = dictionary.min(DICTIONARY);
    let mut lines = Vec::with_capacity(changes.len() * 2);
    let mut texts = Vec::with_capacity(changes.len());
    for change in changes {
        let [head, text] = change.lines()?;
        lines.push(head);
        texts.push(text);
    }
    lines.append(&mut texts);
    let words = words(dictionary).ok_or(NoChange)?;
    let compressor = Compressor::with_dictionary(LEVEL, words);
    let frame = compressor.and_then(|mut compressor| compressor.compress(&digits::pack(&lines)));
    let frame = frame.map_err(|_| NoChange)?;
    let mut bytes = vec![FORMAT, dictionary];
    bytes.extend_from_slice(frame.strip_prefix(&MAGIC).ok_or(NoChange)?);
    Ok(bytes)
}

/// Unpacks a segment.
///
/// # Errors
/// [`Unreadable`].
pub fn unpack(bytes: &[u8]) -> Result<Vec<Change>, Unreadable> {
    let [format, dictionary, frame @ ..] = bytes else {
        return Err(Unreadable::Damaged);
    };
    let words = words(*dictionary)
        .filter(|_| *format == FORMAT)
        .ok_or(Unreadable::Newer)?;
    let frame = [&MAGIC[..], frame].concat();
    let size = get_frame_content_size(&frame).ok().flatten();
    let size = size
        .and_then(|size| usize::try_from(size).ok())
        .filter(|size| *size <= UNPACKED_MAX);
    let size = size.ok_or(Unreadable::Damaged)?;
    let packed = Decompressor::with_dictionary(words).and_then(|mut unpacker| unpacker.decompress(&frame, size));
    let lines = digits::unpack(&packed.map_err(|_| Unreadable::Damaged)?, UNPACKED_MAX)?;
    if lines.len() % 2 != 0 || lines.len() / 2 > CHANGES_MAX {
        return Err(Unreadable::Damaged);
    }
    let (heads, texts) = lines.split_at(lines.len() / 2);
    let changes = heads.iter().zip(texts).map(|(head, text)| Change::read(head, text));
    Ok(changes.collect::<Result<_, _>>()?)
}

/// A dictionary by its number; 0 is none at all.
fn words(number: u8) -> Option<&'static [u8]> {
    match number {
        0 => Some(&[]),
        number => DICTIONARIES.get(usize::from(number) - 1).copied(),
    }
}

/// The forms of the changes' texts, for a dictionary.
pub fn forms(changes: &[Change]) -> Vec<Vec<u8>> {
    let lines = changes.iter().filter_map(|change| change.lines().ok()).flatten();
    lines.map(|line| digits::taken_apart(&line).0).collect()
}
