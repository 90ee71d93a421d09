//! Which segments become one: a handful of about the same size, laid in the order of their records.

use std::collections::BTreeMap;

use tantivy::index::SegmentId;

use crate::columns::Segment;

/// Segments of one size that are merged together, at least.
const ALIKE: usize = 6;
/// Segments below this many documents count as being of one size.
const SMALL: u32 = 1_000;
/// Segments above this many documents are left alone, unless much of them is dead.
const LARGE: u32 = 4_000_000;
/// A segment with more than one dead document in so many is written again.
const DEAD_ONE_IN: u32 = 3;

/// The segments to merge next, in the order of their first records: where their records do not overlap,
/// merging is mere concatenation.
pub(crate) fn choose(segments: &[Segment]) -> Option<Vec<SegmentId>> {
    let sizes: Vec<(u32, u32)> = segments
        .iter()
        .map(|segment| (segment.reader.num_docs(), segment.reader.max_doc()))
        .collect();
    let mut chosen = pick(&sizes)?;
    let first = |place: &usize| segments[*place].columns.record.min_value();
    chosen.sort_by_key(first);
    Some(
        chosen
            .iter()
            .map(|place| segments[*place].reader.segment_id())
            .collect(),
    )
}

/// Chooses by (living documents, all documents) of each segment.
fn pick(sizes: &[(u32, u32)]) -> Option<Vec<usize>> {
    let mut levels: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (place, (living, _)) in sizes.iter().enumerate().filter(|(_, (living, _))| *living <= LARGE) {
        levels.entry(level(*living)).or_default().push(place);
    }
    if let Some(alike) = levels.into_values().find(|alike| alike.len() >= ALIKE) {
        return Some(alike);
    }
    let rotten = |(living, all): &(u32, u32)| *all >= SMALL && (all - living) > all / DEAD_ONE_IN;
    sizes.iter().position(rotten).map(|place| vec![place])
}

fn level(living: u32) -> u32 {
    (living.max(SMALL) / SMALL).ilog(ALIKE as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_sizes_come_together_and_the_dead_are_left_behind() {
        type Sizes = &'static [(u32, u32)];
        let table: [(Sizes, Option<&[usize]>); 6] = [
            (&[], None),
            (&[(10, 10), (20, 20), (30, 30), (1, 1), (1, 1)], None),
            (
                &[(10, 10), (90_000, 90_000), (30, 30), (1, 1), (1, 1), (5, 5), (7, 7)],
                Some(&[0, 2, 3, 4, 5, 6]),
            ),
            (&[(6_000, 6_000), (10, 10), (90_000, 90_000)], None),
            (&[(6_000, 6_000), (500, 2_000)], Some(&[1])),
            (&[(0, 10)], None),
        ];
        for (sizes, expected) in table {
            assert_eq!(pick(sizes).as_deref(), expected, "{sizes:?}");
        }
    }
}
