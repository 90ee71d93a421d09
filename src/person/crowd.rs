//! Sets of people by their numbers: a few as a list in order, many as one bit for each person.
//!
//! What a word of a question matches is such a set, so that whom all words match costs a pass over some thousand machine
//! words, however common the names are.

use std::borrow::Cow;

/// A list of more people than one in so many has their bits too.
const DENSE_ONE_IN: usize = 128;
/// A list of fewer people never has.
const DENSE_LEAST: usize = 1_024;
/// So many people of several lists are put in order; more become bits.
const SORTED_MAX: usize = 512;

/// People, ascending, who are only ever added.
#[derive(Default)]
pub(crate) struct List {
    people: Vec<u32>,
    /// The same as bits, where they are many.
    bits: Vec<u64>,
}

impl List {
    /// Adds somebody whose number is at least that of everybody here.
    pub fn push(&mut self, person: u32) {
        if self.people.last() == Some(&person) {
            return;
        }
        self.people.push(person);
        if !self.bits.is_empty() {
            set(&mut self.bits, person);
        } else if List::is_dense(self.people.len(), person) {
            self.people.iter().for_each(|person| set(&mut self.bits, *person));
        }
    }

    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Gives up what memory was taken beforehand.
    pub fn shrink(&mut self) {
        self.people.shrink_to_fit();
        self.bits.shrink_to_fit();
    }

    /// Whether so many people of so many have their bits.
    pub fn is_dense(count: usize, of: u32) -> bool {
        count >= DENSE_LEAST.max(of as usize / DENSE_ONE_IN)
    }

    /// They as a set.
    pub fn set(&self) -> Set<'_> {
        match self.bits.is_empty() {
            true => Set::Few(Cow::Borrowed(&self.people)),
            false => Set::Many(Cow::Borrowed(&self.bits)),
        }
    }
}

fn set(bits: &mut Vec<u64>, person: u32) {
    let word = person as usize / 64;
    if word >= bits.len() {
        bits.resize(word + 1, 0);
    }
    bits[word] |= 1 << (person % 64);
}

/// Bits for everybody up to somebody.
fn zeros(last: Option<u32>) -> Vec<u64> {
    vec![0; last.map_or(0, |last| last as usize / 64 + 1)]
}

fn add_to(people: &mut Vec<u32>, person: u32) -> bool {
    people.push(person);
    true
}

fn has(bits: &[u64], person: u32) -> bool {
    bits.get(person as usize / 64)
        .is_some_and(|word| word >> (person % 64) & 1 == 1)
}

/// As a list, so many people are gone through sooner than as bits.
const THIN_MAX: usize = 4_096;

/// A set of people.
#[derive(Clone)]
pub(crate) enum Set<'a> {
    /// Their numbers, ascending.
    Few(Cow<'a, [u32]>),
    /// A bit for each.
    Many(Cow<'a, [u64]>),
}

impl Default for Set<'_> {
    /// Nobody.
    fn default() -> Self {
        Set::Few(Cow::Borrowed(&[]))
    }
}

impl<'a> Set<'a> {
    /// These people, in whatever order.
    pub fn of(mut people: Vec<u32>) -> Set<'static> {
        if people.len() > SORTED_MAX {
            let mut bits = zeros(people.iter().max().copied());
            people.iter().for_each(|person| set(&mut bits, *person));
            return Set::Many(Cow::Owned(bits));
        }
        people.sort_unstable();
        people.dedup();
        Set::Few(Cow::Owned(people))
    }

    /// These people, ascending.
    pub fn ascending(people: Vec<u32>) -> Set<'static> {
        Set::Few(Cow::Owned(people))
    }

    /// Those whose bits are set.
    pub fn of_bits(bits: Vec<u64>) -> Set<'static> {
        Set::Many(Cow::Owned(bits))
    }

    /// Those in any of the sets.
    pub fn any(sets: &[Set<'a>]) -> Set<'a> {
        if let [set] = sets {
            return set.clone();
        }
        let few = |set: &Set<'_>| match set {
            Set::Few(people) => Some(people.len()),
            Set::Many(_) => None,
        };
        let all = sets.iter().try_fold(0, |sum, set| Some(sum + few(set)?));
        if all.is_some_and(|all| all <= SORTED_MAX) {
            let mut people = Vec::new();
            sets.iter()
                .for_each(|set| set.each(&mut |person| add_to(&mut people, person)));
            return Set::of(people);
        }
        let mut bits = zeros(sets.iter().filter_map(Set::last).max());
        sets.iter().for_each(|set| add(&mut bits, set));
        Set::Many(Cow::Owned(bits))
    }

    /// The last of them, or somebody shortly after.
    fn last(&self) -> Option<u32> {
        match self {
            Set::Few(people) => people.last().copied(),
            Set::Many(bits) => Some((64 * bits.len()).saturating_sub(1) as u32),
        }
    }

    /// Whether somebody is among them.
    pub fn has(&self, person: u32) -> bool {
        match self {
            Set::Few(people) => people.binary_search(&person).is_ok(),
            Set::Many(bits) => has(bits, person),
        }
    }

    /// The same people, borrowed.
    pub fn borrowed(&self) -> Set<'_> {
        match self {
            Set::Few(people) => Set::Few(Cow::Borrowed(people)),
            Set::Many(bits) => Set::Many(Cow::Borrowed(bits)),
        }
    }

    /// The same people as a list, where they are few.
    pub fn thinned(self) -> Set<'a> {
        if matches!(self, Set::Few(_)) || self.count() > THIN_MAX {
            return self;
        }
        let mut people = Vec::new();
        self.each(&mut |person| add_to(&mut people, person));
        Set::Few(Cow::Owned(people))
    }

    /// Those in both.
    pub fn and(&self, other: &Set<'_>) -> Set<'static> {
        match (self, other) {
            (Set::Many(a), Set::Many(b)) => {
                let words = a.iter().zip(b.iter()).map(|(a, b)| a & b);
                Set::Many(Cow::Owned(words.collect()))
            }
            (Set::Few(few), Set::Many(bits)) | (Set::Many(bits), Set::Few(few)) => {
                let both = few.iter().copied().filter(|person| has(bits, *person));
                Set::Few(Cow::Owned(both.collect()))
            }
            (Set::Few(a), Set::Few(b)) => {
                let (fewer, mut more) = if a.len() <= b.len() { (a, &b[..]) } else { (b, &a[..]) };
                let both = fewer.iter().copied().filter(|person| {
                    let at = more.partition_point(|other| other < person);
                    more = &more[at..];
                    more.first() == Some(person)
                });
                Set::Few(Cow::Owned(both.collect()))
            }
        }
    }

    /// Whether they are so many at most.
    pub fn is_at_most(&self, most: usize) -> bool {
        match self {
            Set::Few(people) => people.len() <= most,
            Set::Many(_) => self.count() <= most,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Set::Few(people) => people.len(),
            Set::Many(bits) => bits.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// Calls `each` with everybody in order, as long as it says so.
    pub fn each(&self, each: &mut dyn FnMut(u32) -> bool) {
        match self {
            Set::Few(people) => {
                people.iter().all(|person| each(*person));
            }
            Set::Many(bits) => {
                bits.iter().zip(0..).all(|(word, at)| {
                    let mut left = *word;
                    while left != 0 {
                        if !each(at * 64 + left.trailing_zeros()) {
                            return false;
                        }
                        left &= left - 1;
                    }
                    true
                });
            }
        }
    }
}

fn add(bits: &mut Vec<u64>, people: &Set<'_>) {
    match people {
        Set::Few(people) => people.iter().for_each(|person| set(bits, *person)),
        Set::Many(others) => {
            bits.resize(bits.len().max(others.len()), 0);
            bits.iter_mut()
                .zip(others.iter())
                .for_each(|(own, other)| *own |= other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(people: impl Iterator<Item = u32>) -> List {
        let mut list = List::default();
        people.for_each(|person| list.push(person));
        list
    }

    fn people(set: &Set<'_>) -> Vec<u32> {
        let mut people = Vec::new();
        set.each(&mut |person| add_to(&mut people, person));
        assert_eq!(people.len(), set.count());
        people
    }

    #[test]
    fn few_and_many_are_the_same_sets() {
        let lists = [
            list((0..60_000).step_by(3)),
            list((0..70_000).step_by(5)),
            list((0..70_000).step_by(7_001)),
            list([9, 9, 10, 69_999].into_iter()),
            List::default(),
        ];
        assert_eq!(lists.iter().filter(|list| list.bits.is_empty()).count(), 3);
        for a in &lists {
            for b in &lists {
                let has = |list: &List, person: &u32| list.people.binary_search(person).is_ok();
                let both: Vec<u32> = a.people.iter().copied().filter(|person| has(b, person)).collect();
                assert_eq!(people(&a.set().and(&b.set())), both);
                let mut either: Vec<u32> = a.people.iter().chain(&b.people).chain(&[5, 6]).copied().collect();
                let unsorted = Set::of(either.clone());
                either.sort_unstable();
                either.dedup();
                assert_eq!(people(&unsorted), either);
                assert_eq!(people(&Set::any(&[a.set(), Set::of(vec![6, 5]), b.set()])), either);
                assert!(either.iter().all(|person| unsorted.has(*person)) && !unsorted.has(70_001));
            }
        }
    }

    #[test]
    fn going_through_ends_where_it_is_told() {
        for list in [list(0..2_000), list(0..20)] {
            let mut seen = 0;
            list.set().each(&mut |_| {
                seen += 1;
                seen < 10
            });
            assert_eq!(seen, 10);
        }
    }
}
