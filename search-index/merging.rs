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
/// When nothing is written, segments are merged with a larger one once they have one document to so many of its own.
const WORTH: u64 = 2;
/// A segment with more than one dead document in so many is written again.
const DEAD_ONE_IN: u32 = 3;

/// The segments to merge next, in the order of their first records: where their records do not overlap,
/// merging is mere concatenation.
pub(crate) fn choose(segments: &[Segment]) -> Option<Vec<SegmentId>> {
    chosen(segments, pick)
}

/// The segments to merge when nothing is being written: a search asks each of them, so the fewer the better.
pub(crate) fn choose_at_rest(segments: &[Segment]) -> Option<Vec<SegmentId>> {
    chosen(segments, pick_at_rest)
}

fn chosen(segments: &[Segment], pick: impl Fn(&[(u32, u32)]) -> Option<Vec<usize>>) -> Option<Vec<SegmentId>> {
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

/// The smallest segments, as many as together are worth writing the largest of them again. Each document is written
/// again only when what it lies with grows by half: about twenty times until there are five million.
fn pick_at_rest(sizes: &[(u32, u32)]) -> Option<Vec<usize>> {
    let mut places: Vec<usize> = (0..sizes.len()).collect();
    places.sort_by_key(|place| sizes[*place].0);
    let (mut sum, mut worth) = (0_u64, 0);
    for (count, place) in places.iter().enumerate() {
        let living = u64::from(sizes[*place].0);
        if living > u64::from(LARGE) || sum + living > 2 * u64::from(LARGE) {
            break;
        }
        if count > 0 && sum * WORTH >= living {
            worth = count + 1;
        }
        sum += living;
    }
    places.truncate(worth);
    (worth > 1).then_some(places)
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

    #[test]
    fn at_rest_the_small_join_the_large_once_they_are_worth_it() {
        let table: [(&[u32], &[usize]); 7] = [
            (&[], &[]),
            (&[10], &[]),
            (&[10, 4], &[]),
            (&[10, 5], &[1, 0]),
            (&[30_000, 28_000, 7_000, 6_000, 10], &[4, 3, 2, 1, 0]),
            (&[100_000, 900, 800], &[2, 1]),
            (&[5_000_000, 3_999_999, 3_999_999], &[1, 2]),
        ];
        for (sizes, expected) in table {
            let sizes: Vec<(u32, u32)> = sizes.iter().map(|size| (*size, *size)).collect();
            assert_eq!(pick_at_rest(&sizes).unwrap_or_default(), expected, "{sizes:?}");
        }
    }

    #[test]
    fn at_rest_few_segments_are_left_and_little_is_written_again() {
        // A version at a time, with a rest after each.
        let (mut sizes, mut written) = (Vec::new(), 0);
        for _ in 0..20_000 {
            sizes.push((1, 1));
            if let Some(chosen) = pick_at_rest(&sizes) {
                let sum: u32 = chosen.iter().map(|place| sizes[*place].0).sum();
                written += u64::from(sum);
                let mut place = 0;
                sizes.retain(|_| {
                    place += 1;
                    !chosen.contains(&(place - 1))
                });
                sizes.push((sum, sum));
            }
            assert!(sizes.len() <= 11, "{sizes:?}");
        }
        assert!(written < 20_000 * 30, "{written}");
    }
}
