//! What a unit measures: its base units with their exponents.

use std::fmt;

use crate::table::table;

/// Exponents beyond this are no measurement.
const EXPONENT_LIMIT: i32 = 999;

/// The base units of a unit, and its arbitrary units, each with its exponent. Units of the same dimension
/// can be converted into one another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dimension {
    /// Numbers of units in the table, ascending, with exponents that are not zero.
    exponents: Vec<(usize, i32)>,
}

impl Dimension {
    pub(crate) fn base(number: usize) -> Dimension {
        Dimension {
            exponents: vec![(number, 1)],
        }
    }

    /// Whether it is that of a plain number.
    pub fn is_number(&self) -> bool {
        self.exponents.is_empty()
    }

    /// A stable number of the dimension, for indexes to keep: never 0 or 1.
    pub fn key(&self) -> u64 {
        // FNV-1a of the text, which is the same whatever the order of the table.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let key = self.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        if key < 2 { key + 2 } else { key }
    }

    /// The dimension of the product with a power of the other; `None` where an exponent is out of reach.
    pub(crate) fn times(&self, other: &Dimension, exponent: i32) -> Option<Dimension> {
        let mut exponents = self.exponents.clone();
        for (number, more) in &other.exponents {
            let more = more.checked_mul(exponent)?;
            match exponents.binary_search_by_key(number, |entry| entry.0) {
                Ok(at) => exponents[at].1 = exponents[at].1.checked_add(more)?,
                Err(at) => exponents.insert(at, (*number, more)),
            }
        }
        exponents.retain(|entry| entry.1 != 0);
        let reach = exponents.iter().all(|entry| entry.1.abs() <= EXPONENT_LIMIT);
        reach.then_some(Dimension { exponents })
    }
}

/// The base units as a code, in alphabetical order: `g.m-3`; `1` of a plain number.
impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = table();
        let mut parts: Vec<(&str, i32)> = self.exponents.iter().map(|(n, e)| (table.atoms[*n].code, *e)).collect();
        parts.sort_unstable_by_key(|(code, _)| *code);
        if parts.is_empty() {
            return f.write_str("1");
        }
        for (place, (code, exponent)) in parts.into_iter().enumerate() {
            let point = if place == 0 { "" } else { "." };
            match exponent {
                1 => write!(f, "{point}{code}")?,
                _ => write!(f, "{point}{code}{exponent}")?,
            }
        }
        Ok(())
    }
}
