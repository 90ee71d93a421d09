//! Where a page ended: the sort values and the record of its last hit, as opaque text.

use std::fmt;
use std::str::FromStr;

use query::SortValue;

use crate::order::Rank;

/// The end of a page; the next one begins after it. As text it is safe in a URL.
///
/// It holds for the same search at the same log position only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub(crate) Rank);

/// The text is no cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCursor;

impl fmt::Display for NoCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The text is no cursor of this server.")
    }
}

impl std::error::Error for NoCursor {}

const MISSING: u8 = 0;
const NUMBER: u8 = 1;
const TEXT: u8 = 2;

impl Cursor {
    /// Reads a cursor written by its `Display`.
    ///
    /// # Errors
    /// [`NoCursor`] where the text is anything else.
    pub fn parse(text: &str) -> Result<Cursor, NoCursor> {
        let bytes = decode(text).ok_or(NoCursor)?;
        read(&bytes).map(Cursor).ok_or(NoCursor)
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Cursor, NoCursor> {
        Cursor::parse(text)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.record.to_be_bytes().to_vec();
        for value in &self.0.values {
            match value {
                None => bytes.push(MISSING),
                Some(SortValue::Number(number)) => {
                    bytes.push(NUMBER);
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
                Some(SortValue::Text(text)) => {
                    bytes.push(TEXT);
                    bytes.extend_from_slice(&(text.len() as u16).to_be_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
            }
        }
        f.write_str(&encode(&bytes))
    }
}

fn read(bytes: &[u8]) -> Option<Rank> {
    let (record, mut rest) = bytes.split_first_chunk::<8>()?;
    let mut values = Vec::new();
    while let Some((tag, after)) = rest.split_first() {
        rest = after;
        values.push(match *tag {
            MISSING => None,
            NUMBER => {
                let (number, after) = rest.split_first_chunk::<8>()?;
                rest = after;
                Some(SortValue::Number(i64::from_be_bytes(*number)))
            }
            TEXT => {
                let (length, after) = rest.split_first_chunk::<2>()?;
                let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                rest = after;
                Some(SortValue::Text(std::str::from_utf8(text).ok()?.into()))
            }
            _ => return None,
        });
    }
    Some(Rank {
        values,
        record: u64::from_be_bytes(*record),
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648 section 5, without padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for byte in chunk {
            word = (word << 6) | ALPHABET.iter().position(|known| known == byte)? as u32;
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    (encode(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_as_text() {
        let text = |text: &str| Some(SortValue::Text(text.into()));
        for values in [
            vec![],
            vec![None],
            vec![text(""), None, Some(SortValue::Number(-1))],
            vec![text("ཐིམ་ཕུ"), Some(SortValue::Number(i64::MAX))],
        ] {
            let cursor = Cursor(Rank { values, record: 17 });
            let written = cursor.to_string();
            assert!(
                written
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
                "{written}"
            );
            assert_eq!(Cursor::parse(&written), Ok(cursor));
        }
        for text in ["A", "%", "AAAA", "AAAAAAAAABEB", "ü", "AAAAAAAAABECAAE"] {
            assert_eq!(Cursor::parse(text), Err(NoCursor), "{text}");
        }
    }
}
