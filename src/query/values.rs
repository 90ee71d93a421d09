//! What a record says about each search parameter: typed values, ready to be matched or indexed.

use fhir::identity::{Id, Kind};
use fhir::moment::Stretch;

/// A search parameter's number: one for each code, shared by all kinds that have the code.
///
/// Numbers follow the codes' alphabetical order in the definitions; an index keeps the definitions'
/// fingerprint ([`Registry::fingerprint`](crate::registry::Registry::fingerprint)) beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u16);

/// All values of one version of a record, in the order they were found.
///
/// `_id` and `_lastUpdated` are not among them: they come from the version itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// The values.
    pub entries: Vec<Entry>,
}

impl Values {
    /// The values of one parameter, in the order they were found.
    pub fn of(&self, param: ParamId) -> impl Iterator<Item = &Value> {
        self.entries
            .iter()
            .filter(move |entry| entry.param == param)
            .map(|entry| &entry.value)
    }
}

/// One value of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The parameter.
    pub param: ParamId,
    /// Its value.
    pub value: Value,
}

/// A value in the form its search type compares (<https://hl7.org/fhir/R4/search.html#ptypes>).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A coded value; a concept's own text has neither system nor code.
    Token {
        /// The system or namespace.
        system: Option<Box<str>>,
        /// The code, identifier, contact or `true`/`false`.
        code: Option<Box<str>>,
        /// The display or text, as written.
        text: Option<Box<str>>,
    },
    /// An identifier by the type it has, for `:of-type`.
    OfType {
        /// The system of the identifier's type.
        system: Box<str>,
        /// The code of the identifier's type.
        code: Box<str>,
        /// The identifier's value.
        value: Box<str>,
    },
    /// A text, as written.
    String(Box<str>),
    /// What a reference or canonical points to.
    Reference(Target),
    /// A stretch of time.
    Date(Stretch),
    /// A number, or the closed range from `low` to `high`; equal for a plain number.
    Number {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
    },
    /// An amount of something.
    Quantity(Box<Quantity>),
    /// A URI, as written.
    Uri(Box<str>),
}

/// An amount: the closed range from `low` to `high` (equal for a plain quantity), and its unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// The least value; minus infinity where the low end is open.
    pub low: f64,
    /// The greatest value; infinity where the high end is open.
    pub high: f64,
    /// The unit's system.
    pub system: Option<Box<str>>,
    /// The unit's code; a currency for money.
    pub code: Option<Box<str>>,
    /// The unit as people read it.
    pub unit: Option<Box<str>>,
}

/// Where a reference points.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A record of this server.
    Local {
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: Id,
        /// The version named, where one is.
        version: Option<Box<str>>,
    },
    /// Any other address: an absolute URL, `urn:uuid:…`, a canonical with or without `|version`.
    Elsewhere(Box<str>),
    /// A reference by identifier.
    Identifier {
        /// The identifier's system.
        system: Option<Box<str>>,
        /// The identifier's value.
        value: Option<Box<str>>,
    },
}

/// A stable 64-bit name of a record: the hash of `Kind/id`.
///
/// Joins carry these instead of texts. Two of a billion records share a name with a chance of 3 in 100.
pub fn record_hash(kind: &str, id: &str) -> u64 {
    hash(&[kind.as_bytes(), b"/", id.as_bytes()])
}

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stable 64-bit hash of some bytes, the same whichever way they are cut into parts.
pub fn hash(parts: &[&[u8]]) -> u64 {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let (mut word, mut filled, mut length) = (0_u64, 0_u32, 0_u64);
    for part in parts {
        let mut rest = *part;
        length += rest.len() as u64;
        while !rest.is_empty() {
            if filled == 0
                && let Some((eight, more)) = rest.split_first_chunk::<8>()
            {
                state = mix(state ^ u64::from_le_bytes(*eight));
                rest = more;
                continue;
            }
            word |= u64::from(rest[0]) << (8 * filled);
            filled += 1;
            rest = &rest[1..];
            if filled == 8 {
                state = mix(state ^ word);
                (word, filled) = (0, 0);
            }
        }
    }
    mix(mix(state ^ word) ^ length)
}

fn mix(value: u64) -> u64 {
    let product = u128::from(value ^ MULTIPLIER) * u128::from(MULTIPLIER ^ 0xD6E8_FEB8_6659_FD93);
    let folded = (product as u64) ^ ((product >> 64) as u64);
    (folded ^ (folded >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_stable_and_spread() {
        assert_eq!(record_hash("Patient", "17"), hash(&[b"Patient/17"]));
        let text = b"http://loinc.org|8480-6";
        for cut in 0..text.len() {
            assert_eq!(hash(&[&text[..cut], &text[cut..]]), hash(&[text]), "cut at {cut}");
        }
        let mut seen: Vec<u64> = (0..100_000).map(|n| record_hash("Patient", &n.to_string())).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 100_000);
        assert_ne!(hash(&[b""]), hash(&[b"\0"]));
    }
}
