//! Chance from a seed: xoshiro256** (Blackman and Vigna), in whole numbers only, so that every machine draws the same.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// The stream of a seed and of what it is for: two purposes have nothing in common.
    pub fn new(seed: u64, purpose: u64) -> Random {
        let mut state = seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93);
        Random([(); 4].map(|()| {
            // SplitMix64 fills the state, as the authors advise.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: even to within 2^-64 · end.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as u64) as i64
    }

    /// Whether something happens that happens so often in a thousand.
    pub fn in_thousand(&mut self, often: u64) -> bool {
        self.below(1_000) < often
    }

    /// One of some; the slice is not empty.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }

    /// Puts them in a random order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            all.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

/// Things drawn as often as their weights say.
#[derive(Clone, Debug)]
pub struct Weighted<T> {
    /// The sum of the weights up to and with each.
    sums: Vec<(u64, T)>,
}

impl<T> FromIterator<(u64, T)> for Weighted<T> {
    fn from_iter<I: IntoIterator<Item = (u64, T)>>(all: I) -> Weighted<T> {
        let mut sum = 0;
        let weighed = all.into_iter().filter(|(weight, _)| *weight > 0);
        let sums = weighed.map(|(weight, thing)| {
            sum += weight;
            (sum, thing)
        });
        Weighted { sums: sums.collect() }
    }
}

impl<T> Weighted<T> {
    /// One of them; at least one has a weight.
    pub fn draw(&self, random: &mut Random) -> &T {
        let total = self.sums.last().map_or(0, |(sum, _)| *sum);
        let at = random.below(total);
        &self.sums[self.sums.partition_point(|(sum, _)| *sum <= at)].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_the_published_generator_s_and_fall_where_weights_say() {
        // From the reference implementation with the state 1, 2, 3, 4.
        let mut random = Random([1, 2, 3, 4]);
        let drawn = [(); 4].map(|()| random.next());
        assert_eq!(drawn, [11_520, 0, 1_509_978_240, 1_215_971_899_390_074_240]);
        let mut random = Random::new(1, 2);
        let weighted: Weighted<&str> = [(1, "rare"), (0, "never"), (9, "common")].into_iter().collect();
        let rare = (0..10_000).filter(|_| *weighted.draw(&mut random) == "rare").count();
        assert!((800..1_200).contains(&rare), "{rare}");
        let mut all: Vec<u32> = (0..50).collect();
        random.shuffle(&mut all);
        assert_ne!(all, (0..50).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert!((0..1_000).all(|_| (-2..=2).contains(&random.between(-2, 2))));
        assert_eq!(random.below(0), 0);
    }
}
