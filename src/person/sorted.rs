//! Keys of people in memory: sorted with the people under each, and a sieve for numbers that were not reached.

use crate::keys::Key;

/// Keys with the numbers under them, sorted, and where the keys of each beginning lie: most keys are sought in vain, and
/// that shall cost a look or two.
#[derive(Default)]
pub(crate) struct Sorted {
    /// Key above, number below.
    pub entries: Vec<u64>,
    /// Where the entries begin whose key's highest bits are at least so much.
    places: Vec<u32>,
    /// Of each beginning of a key, finer than a place, one bit: whether there is such a key.
    present: Vec<u64>,
}

/// Entries that share a place, about.
const OF_A_PLACE: usize = 8;
/// Bits of `present` for each entry, about.
const OF_AN_ENTRY: usize = 4;

impl Sorted {
    pub fn settle(&mut self) {
        self.entries.sort_unstable();
        self.places = Vec::new();
        self.present = Vec::new();
        let bits = (self.entries.len() / OF_A_PLACE).max(1).ilog2().min(24);
        if bits == 0 {
            return;
        }
        self.present
            .resize((self.entries.len() * OF_AN_ENTRY).next_power_of_two() >> 6, 0);
        for at in 0..self.entries.len() {
            let (word, bit) = self.present_at((self.entries[at] >> 32) as Key);
            self.present[word] |= bit;
        }
        self.places.resize((1 << bits) + 1, 0);
        for entry in &self.entries {
            self.places[(entry >> (64 - bits)) as usize + 1] += 1;
        }
        let mut before = 0;
        for place in &mut self.places {
            before += *place;
            *place = before;
        }
    }

    /// The word and the bit of `present` that tell of a key.
    fn present_at(&self, key: Key) -> (usize, u64) {
        let at = (u64::from(key) * ((self.present.len() as u64) << 6)) >> 32;
        ((at >> 6) as usize, 1 << (at & 63))
    }

    /// The entries of a key.
    pub fn of(&self, key: Key) -> &[u64] {
        if !self.present.is_empty() {
            let (word, bit) = self.present_at(key);
            if self.present[word] & bit == 0 {
                return &[];
            }
        }
        let entries = match self.places.len().checked_ilog2() {
            Some(bits) => {
                let beginning = (key >> (32 - bits)) as usize;
                &self.entries[self.places[beginning] as usize..self.places[beginning + 1] as usize]
            }
            None => &self.entries[..],
        };
        let from = entries.partition_point(|entry| ((entry >> 32) as Key) < key);
        let entries = &entries[from..];
        &entries[..entries.partition_point(|entry| (entry >> 32) as Key == key)]
    }
}

/// Says at once of most numbers that they were not put in: most people under a common key were reached by no rarer one.
pub(crate) struct Sieve([u64; 1 << SIEVE_BITS >> 6]);

/// As many places as take few kilobytes and are mostly free when all who are reached are in.
const SIEVE_BITS: usize = 16;

impl Default for Sieve {
    fn default() -> Sieve {
        Sieve([0; 1 << SIEVE_BITS >> 6])
    }
}

impl Sieve {
    fn place(number: u32) -> (usize, u64) {
        let place = number as usize & ((1 << SIEVE_BITS) - 1);
        (place >> 6, 1 << (place & 63))
    }

    pub fn put(&mut self, number: u32) {
        let (word, bit) = Sieve::place(number);
        self.0[word] |= bit;
    }

    pub fn may_have(&self, number: u32) -> bool {
        let (word, bit) = Sieve::place(number);
        self.0[word] & bit != 0
    }
}
