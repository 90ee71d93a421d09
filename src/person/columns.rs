//! The columns of a roster: what they are packed with, and texts and numbers laid out so that they pack small.

use crate::pack::{self, Reader};

/// How hard zstd tries. Rosters are written seldom and carried far.
const EFFORT: i32 = 19;
/// A column is refused beyond so many bytes unpacked.
const BYTES_MAX: usize = 256 << 20;

/// Appends a column: its packed length, its length, its bytes packed.
pub(crate) fn append(out: &mut Vec<u8>, column: &[u8]) {
    let packed = zstd::bulk::compress(column, EFFORT).expect("memory is there to compress into");
    out.extend_from_slice(&(packed.len() as u32).to_le_bytes());
    out.extend_from_slice(&(column.len() as u32).to_le_bytes());
    out.extend_from_slice(&packed);
}

/// Takes a column off the front.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(bytes);
    let length = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize);
    let packed = length(reader.bytes(4)?)?;
    let plain = length(reader.bytes(4)?).filter(|plain| *plain <= BYTES_MAX)?;
    let column = zstd::bulk::decompress(reader.bytes(packed)?, plain).ok()?;
    *bytes = reader.0;
    (column.len() == plain).then_some(column)
}

/// Texts of which each begins like the one before: how many bytes it shares with it, then the rest.
#[derive(Default)]
pub(crate) struct Texts {
    bytes: Vec<u8>,
    last: String,
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        let shared = self.last.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        let shared = (0..=shared).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        pack::put(&mut self.bytes, shared as u64);
        pack::put_text(&mut self.bytes, &text[shared..]);
        self.last.clear();
        self.last.push_str(text);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads what [`Texts`] wrote.
pub(crate) struct TextReader<'a> {
    reader: Reader<'a>,
    last: String,
}

impl<'a> TextReader<'a> {
    pub fn new(bytes: &'a [u8]) -> TextReader<'a> {
        TextReader {
            reader: Reader(bytes),
            last: String::new(),
        }
    }

    /// The next text; `None` at the end, or where it is none.
    pub fn next(&mut self) -> Option<&str> {
        let shared = usize::try_from(self.reader.number()?).ok()?;
        let rest = self.reader.text()?;
        if !self.last.is_char_boundary(shared) {
            return None;
        }
        self.last.truncate(shared);
        self.last.push_str(rest);
        Some(&self.last)
    }
}

/// Numbers of so many bytes each, laid out as all first bytes, then all second bytes: the like beside the like.
pub(crate) fn planes<const N: usize>(numbers: &[u64]) -> Vec<u8> {
    let plane = |at: usize| numbers.iter().map(move |number| (number >> (8 * at)) as u8);
    (0..N).rev().flat_map(plane).collect()
}

/// The number at a place of what [`planes`] laid out.
pub(crate) fn of_planes<const N: usize>(planes: &[u8], at: usize) -> Option<u64> {
    let count = planes.len() / N;
    let byte = |plane: usize| Some(u64::from(*planes.get(plane * count + at)?));
    (at < count).then_some(())?;
    (0..N).try_fold(0, |number, plane| Some(number << 8 | byte(plane)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_as_they_were() {
        let mut texts = Texts::default();
        let all = ["900-1", "900-2", "", "ཚེ་རིང", "ཚེ་བ", "900-12"];
        all.iter().for_each(|text| texts.push(text));
        let mut bytes = Vec::new();
        append(&mut bytes, texts.bytes());
        append(&mut bytes, &planes::<3>(&[1, 70_000, 16_777_215]));
        let mut rest = bytes.as_slice();
        let column = take(&mut rest).unwrap();
        let mut reader = TextReader::new(&column);
        for text in all {
            assert_eq!(reader.next(), Some(text));
        }
        assert_eq!(reader.next(), None);
        let numbers = take(&mut rest).unwrap();
        let read: Vec<_> = (0..4).map(|at| of_planes::<3>(&numbers, at)).collect();
        assert_eq!(read, [Some(1), Some(70_000), Some(16_777_215), None]);
        assert!(rest.is_empty() && take(&mut rest).is_none());
    }
}
