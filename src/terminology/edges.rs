//! A hierarchy of codes: who stands directly above and below whom, in two flat lists.

/// The edges of a hierarchy. Codes are known by their number.
#[derive(Debug, Default)]
pub struct Edges {
    up: Lists,
    down: Lists,
}

#[derive(Debug, Default)]
struct Lists {
    /// Where each list begins, and where the last ends.
    starts: Vec<u32>,
    all: Vec<u32>,
}

impl Lists {
    fn new(count: usize, mut pairs: Vec<(u32, u32)>) -> Lists {
        // A stable sort keeps the order of the definition among those below one code.
        pairs.sort_by_key(|(from, _)| *from);
        let mut starts = vec![0u32; count + 1];
        for (from, _) in &pairs {
            starts[*from as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        let all = pairs.into_iter().map(|(_, to)| to).collect();
        Lists { starts, all }
    }

    fn of(&self, number: u32) -> &[u32] {
        let at = number as usize;
        match self.starts.get(at..at + 2) {
            Some(&[from, to]) => &self.all[from as usize..to as usize],
            _ => &[],
        }
    }
}

impl Edges {
    /// Those of so many codes, from pairs (above, below). What is said twice counts once.
    pub fn new(count: usize, pairs: Vec<(u32, u32)>) -> Edges {
        let mut seen = rustc_hash::FxHashSet::default();
        let fits =
            |(above, below): &(u32, u32)| above != below && (*above as usize) < count && (*below as usize) < count;
        let pairs: Vec<(u32, u32)> = pairs
            .into_iter()
            .filter(fits)
            .filter(|pair| seen.insert(*pair))
            .collect();
        let turned = pairs.iter().map(|(above, below)| (*below, *above)).collect();
        Edges {
            up: Lists::new(count, turned),
            down: Lists::new(count, pairs),
        }
    }

    /// Those directly above.
    pub fn parents(&self, number: u32) -> &[u32] {
        self.up.of(number)
    }

    /// Those directly below.
    pub fn children(&self, number: u32) -> &[u32] {
        self.down.of(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_go_both_ways_and_once() {
        let edges = Edges::new(4, vec![(0, 2), (0, 1), (1, 3), (2, 3), (0, 2), (3, 3), (9, 1)]);
        assert_eq!(
            (edges.children(0), edges.children(3), edges.children(9)),
            (&[2, 1][..], &[][..], &[][..])
        );
        assert_eq!((edges.parents(3), edges.parents(0)), (&[1, 2][..], &[][..]));
    }
}
