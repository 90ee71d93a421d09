//! What a site has, in few bytes: sums over ranges of records, by which two sites find where they differ.
//!
//! A record is known by its key, the first 8 bytes of the BLAKE3 of `Kind/id`; a range is the records whose keys begin with
//! some hexadecimal digits. The digest of a range is how many records it has and the sum of a number for each, so it does not
//! depend on an order, and the digests of the 16 narrower ranges add up to it.

use fhir::identity::{Id, Kind};

use crate::frame::Seal;

/// Digits of a key.
pub const DIGITS: u8 = 16;

/// The key by which a record is known in a comparison.
pub fn key(kind: &Kind, id: &Id) -> u64 {
    let hash = blake3::hash(format!("{kind}/{id}").as_bytes());
    let first = hash.as_bytes().first_chunk().expect("32 bytes begin with 8");
    u64::from_be_bytes(*first)
}

/// A record as a site has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item {
    /// The record's key.
    pub key: u64,
    /// The first 8 bytes of its current version's seal.
    pub seal: Seal,
}

/// The records whose keys begin with some digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    /// The lowest key of the range.
    pub first: u64,
    /// How many digits all its keys share: from 0 to [`DIGITS`].
    pub digits: u8,
}

impl Range {
    /// All keys.
    pub const ALL: Range = Range { first: 0, digits: 0 };

    /// The highest key.
    fn last(self) -> u64 {
        let free = u64::MAX.checked_shr(4 * u32::from(self.digits)).unwrap_or(0);
        self.first | free
    }

    /// The 16 ranges that it is made of; itself where it is a single key.
    pub fn narrower(self) -> impl Iterator<Item = Range> {
        let digits = self.digits + 1;
        let shift = (4 * u32::from(DIGITS)).checked_sub(4 * u32::from(digits));
        let parts = if shift.is_some() { 16 } else { 1 };
        (0..parts).map(move |digit: u64| match shift {
            None => self,
            Some(shift) => Range {
                first: self.first | (digit << shift),
                digits,
            },
        })
    }
}

/// The records of a range, in few bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest {
    /// How many.
    pub count: u64,
    /// The sum of a number for each, which depends on its key and its seal.
    pub sum: u64,
}

/// What a site has, in the order of the keys, each with its place in the site's own log. It takes 24 bytes a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Table(Vec<(Item, u64)>);

impl Table {
    /// The records, in any order.
    pub fn new(mut records: Vec<(Item, u64)>) -> Table {
        records.sort_unstable();
        Table(records)
    }

    /// How many records it has.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The records of a range, in the order of their keys.
    pub fn items(&self, range: Range) -> impl ExactSizeIterator<Item = Item> + Clone {
        self.records(range).iter().map(|(item, _)| *item)
    }

    /// Where the records of these keys are; of a key that it has not, nothing.
    pub fn places(&self, keys: &[u64]) -> Vec<u64> {
        let place = |first: &u64| {
            let one = Range {
                first: *first,
                digits: DIGITS,
            };
            self.records(one).first().map(|(_, place)| *place)
        };
        keys.iter().filter_map(place).collect()
    }

    /// The digest of a range.
    pub fn digest(&self, range: Range) -> Digest {
        let items = self.items(range);
        Digest {
            count: items.len() as u64,
            sum: items.fold(0, |sum: u64, item| sum.wrapping_add(number(item))),
        }
    }

    fn records(&self, range: Range) -> &[(Item, u64)] {
        let from = self.0.partition_point(|(item, _)| item.key < range.first);
        let length = self.0[from..].partition_point(|(item, _)| item.key <= range.last());
        &self.0[from..from + length]
    }
}

/// A number for a record as it is: keys and seals are hashes, mixed so that no two sums are alike by exchange.
fn number(item: Item) -> u64 {
    let mixed = (item.key ^ u64::from_le_bytes(item.seal).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: u64, seal: u8) -> Item {
        Item { key, seal: [seal; 8] }
    }

    fn table(items: impl IntoIterator<Item = Item>) -> Table {
        Table::new(items.into_iter().zip(0..).collect())
    }

    #[test]
    fn digests_of_narrower_ranges_add_up() {
        let keys = (0..500_u64).map(|number| item(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number as u8));
        let table = table(keys);
        assert_eq!((table.count(), table.digest(Range::ALL).count), (500, 500));
        let mut ahead = vec![Range::ALL];
        while let Some(range) = ahead.pop() {
            let parts: Vec<Range> = range.narrower().collect();
            let sum = parts.iter().fold(Digest::default(), |sum, part| {
                let part = table.digest(*part);
                Digest {
                    count: sum.count + part.count,
                    sum: sum.sum.wrapping_add(part.sum),
                }
            });
            assert_eq!(sum, table.digest(range), "{range:?}");
            ahead.extend(
                parts
                    .into_iter()
                    .filter(|part| part.digits < 4 && table.digest(*part).count > 1),
            );
        }
    }

    #[test]
    fn the_narrowest_range_is_one_key() {
        let table = table([item(u64::MAX, 1), item(u64::MAX - 1, 2), item(0, 3)]);
        let mut range = Range::ALL;
        for _ in 0..DIGITS {
            range = range.narrower().last().expect("sixteen");
        }
        assert_eq!((range.first, range.digits), (u64::MAX, DIGITS));
        assert_eq!(table.items(range).collect::<Vec<_>>(), [item(u64::MAX, 1)]);
        assert_eq!(table.places(&[0, 1, u64::MAX]), [2, 0]);
        assert_eq!(range.narrower().collect::<Vec<_>>(), [range]);
        assert_eq!(table.items(Range::ALL).len(), 3);
    }

    #[test]
    fn other_records_and_other_versions_have_other_digests() {
        let digest = |items: &[Item]| table(items.iter().copied()).digest(Range::ALL);
        let tables: [&[Item]; 6] = [
            &[],
            &[item(1, 1)],
            &[item(1, 2)],
            &[item(2, 1)],
            &[item(1, 1), item(2, 2)],
            &[item(1, 2), item(2, 1)],
        ];
        for (at, one) in tables.iter().enumerate() {
            for (other_at, other) in tables.iter().enumerate() {
                assert_eq!(digest(one) == digest(other), at == other_at, "{one:?} {other:?}");
            }
        }
    }
}
