//! What one segment gives to a page: the hits that lie next in the direction asked for, and how many there are in all.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use query::score::{self, SCORE_MAX};
use query::{Predicate, SortBy, SortKey, Total};
use tantivy::{BitSet, DocId, TantivyError};

use crate::among::Among;
use crate::blocks::Candidates;
use crate::columns::{Columns, Segment};
use crate::compile::Named;
use crate::counted::Question;
use crate::find::{Hit, Run, damaged};
use crate::order::{Rank, Sorter};
use crate::orders::{Layout, Sorted};
use crate::scoring::{Scoring, score_of};
use crate::trouble::Trouble;
use crate::turn::Turn;

/// Walking along an order past so many documents costs about what sorting one match does.
const STRIDE: u64 = 8;
/// Documents walked past between two looks at the clock.
const PATIENCE: usize = 4_096;
/// Documents looked through at once when going backwards, at least; more each time.
const STEP: u64 = 256;
/// Up to so many matches an estimate counts them.
const COUNTED: u64 = 10_000;

/// What is asked of every segment.
pub(crate) struct Wanted<'a> {
    pub(crate) among: &'a Among<'a>,
    pub(crate) predicate: &'a Predicate,
    pub(crate) named: &'a Named,
    pub(crate) words: Vec<score::Wanted<'a>>,
    pub(crate) sort: &'a [SortKey],
    pub(crate) turn: Turn<'a>,
    /// Hits, at most.
    pub(crate) most: usize,
    /// Whether orders may be laid out.
    pub(crate) laid_out: bool,
    /// What can be counted without visiting every match, where it was asked before.
    pub(crate) question: Option<Question<'a>>,
    pub(crate) tally: Tally,
}

/// What one segment gives.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) hits: Vec<(Rank, Hit)>,
    pub(crate) total: u64,
}

/// How far matches are counted.
pub(crate) struct Tally {
    count: Total,
    /// Matches counted, and the candidates that were looked at for them.
    counted: Cell<(u64, u64)>,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new(count: Total) -> Tally {
        Tally {
            count,
            counted: Cell::default(),
        }
    }

    /// Whether anything is counted at all.
    pub(crate) fn counts(&self) -> bool {
        self.count != Total::None
    }

    /// How many more matches are to be counted one by one.
    fn left(&self) -> u64 {
        match self.count {
            Total::None => 0,
            Total::Estimate => COUNTED.saturating_sub(self.counted.get().0),
            Total::Accurate => u64::MAX,
        }
    }

    /// How many matches there are among `most` candidates, of which the first `read` gave `found`.
    fn total(&self, found: u64, read: u64, most: u64) -> u64 {
        let (all_found, all_read) = self.counted.get();
        let (all_found, all_read) = (all_found + found, all_read + read);
        self.counted.set((all_found, all_read));
        if self.count != Total::Estimate || read >= most {
            return found;
        }
        let (found, read) = if read > 0 { (found, read) } else { (all_found, all_read) };
        let total = u128::from(found) * u128::from(most) / u128::from(read.max(1));
        u64::try_from(total).unwrap_or(u64::MAX)
    }
}

/// A walk along an order: which documents count.
struct Walk<'a> {
    sorter: &'a Sorter<'a>,
    order: &'a [DocId],
    /// Those that match; all where there is none.
    matching: Option<&'a BitSet>,
}

impl Run<'_> {
    /// What a segment gives.
    pub(crate) fn part(&self, segment: &Segment, wanted: &Wanted<'_>) -> Result<Part, Trouble> {
        let all = *wanted.predicate == Predicate::All;
        let counted = match (wanted.tally.counts(), all) {
            (false, _) => None,
            (true, true) => self.count_by_kind(segment, wanted.among)?,
            (true, false) => self.count_laid_out(segment, wanted)?,
        };
        if let Some(total) = counted.filter(|_| wanted.most == 0) {
            return Ok(Part {
                hits: Vec::new(),
                total,
            });
        }
        let scoring = match wanted.most {
            0 => None,
            _ => self.scoring(segment, wanted.among, &wanted.words, wanted.named)?,
        };
        let to_count = wanted.tally.counts() && counted.is_none();
        let mut part = match (wanted.sort.is_empty(), wanted.turn.back) {
            (true, false) => self.forwards(segment, wanted, to_count)?,
            (true, true) if to_count => self.backwards_in_one(segment, wanted)?,
            (true, true) => self.backwards(segment, wanted)?,
            (false, _) => self.sorted(segment, wanted, scoring.as_ref(), (all, to_count))?,
        };
        for (_, hit) in part.hits.iter_mut().filter(|_| scoring.is_some()) {
            let doc = segment.columns.document_of(hit.record, hit.seq);
            hit.score = Some(score_of(scoring.as_ref(), doc));
        }
        part.total = counted.unwrap_or(part.total);
        Ok(part)
    }

    fn count_by_kind(&self, segment: &Segment, among: &Among<'_>) -> Result<Option<u64>, TantivyError> {
        self.note("a segment was counted by kind, without looking at its documents");
        self.snapshot.count(segment, among)
    }

    pub(crate) fn note(&self, what: &'static str) {
        if let Some(watch) = self.clock.watch() {
            watch.note(what);
        }
    }

    fn candidates_of(&self, segment: &Segment, wanted: &Wanted<'_>) -> Result<Candidates, TantivyError> {
        self.candidates(segment, wanted.among, wanted.predicate, wanted.named)
    }

    /// Documents lie in the order of their records: the page is the first few after the cursor.
    fn forwards(&self, segment: &Segment, wanted: &Wanted<'_>, count: bool) -> Result<Part, Trouble> {
        let mut candidates = self.candidates_of(segment, wanted)?;
        let first = wanted
            .turn
            .from
            .map_or(0, |rank| segment.columns.first_from(rank.record + 1));
        let left = if count { wanted.tally.left() } else { 0 };
        if !count {
            candidates.seek(first);
        }
        let mut found = Part::default();
        let (mut ended, most) = (true, wanted.most);
        if left > 0 || most > 0 {
            self.visit(segment, &mut candidates, &mut |docs| {
                found.total += docs.len() as u64;
                let from = docs.partition_point(|doc| *doc < first);
                let room = most - found.hits.len();
                for doc in docs[from..].iter().take(room) {
                    found.hits.push((by_record(segment, *doc), hit(segment, *doc)?));
                }
                ended = found.total < left || found.hits.len() < most;
                Ok(ended)
            })?;
        } else {
            ended = false;
        }
        if count {
            let whole = u64::from(candidates.most());
            let read = if ended { whole } else { candidates.read() };
            found.total = wanted.tally.total(found.total, read, whole);
        }
        Ok(found)
    }

    /// The last few before the cursor, where all have to be visited anyway.
    fn backwards_in_one(&self, segment: &Segment, wanted: &Wanted<'_>) -> Result<Part, Trouble> {
        let end = wanted.turn.from.map(|rank| segment.columns.first_from(rank.record));
        let mut last: VecDeque<DocId> = VecDeque::new();
        let mut found = Part::default();
        self.visit(segment, &mut self.candidates_of(segment, wanted)?, &mut |docs| {
            found.total += docs.len() as u64;
            last.extend(docs.iter().filter(|doc| end.is_none_or(|end| **doc < end)));
            last.drain(..last.len().saturating_sub(wanted.most));
            Ok(true)
        })?;
        for doc in last {
            found.hits.push((by_record(segment, doc), hit(segment, doc)?));
        }
        Ok(found)
    }

    /// The last few before the cursor, looked for in ever larger steps back from it.
    fn backwards(&self, segment: &Segment, wanted: &Wanted<'_>) -> Result<Part, Trouble> {
        let max = segment.reader.max_doc();
        let mut end = wanted
            .turn
            .from
            .map_or(max, |rank| segment.columns.first_from(rank.record));
        let mut found = Part::default();
        let mut step = 0;
        while end > 0 && found.hits.len() < wanted.most {
            let mut candidates = self.candidates_of(segment, wanted)?;
            if step == 0 {
                // About where the page begins, if the matches are spread evenly.
                let spread = u64::from(max) / u64::from(candidates.most()).max(1);
                step = STEP.max((wanted.most as u64).saturating_mul(spread).saturating_mul(2));
            }
            let begin = end - u32::try_from(step).unwrap_or(u32::MAX).min(end);
            candidates.seek(begin);
            let mut docs_found = Vec::new();
            self.visit(segment, &mut candidates, &mut |docs| {
                let within = docs.partition_point(|doc| *doc < end);
                docs_found.extend_from_slice(&docs[..within]);
                Ok(within == docs.len())
            })?;
            let room = wanted.most - found.hits.len();
            for doc in docs_found.iter().rev().take(room) {
                found.hits.push((by_record(segment, *doc), hit(segment, *doc)?));
            }
            (end, step) = (begin, step.saturating_mul(2));
        }
        Ok(found)
    }

    fn sorted(
        &self,
        segment: &Segment,
        wanted: &Wanted<'_>,
        scoring: Option<&Scoring>,
        (all, count): (bool, bool),
    ) -> Result<Part, Trouble> {
        let mut candidates = self.candidates_of(segment, wanted)?;
        let sorter = Sorter::new(&segment.columns, self.slots, wanted.among, wanted.sort, scoring);
        let mut order = None;
        if wanted.laid_out && self.orders.worth(candidates.most()) {
            order = self.laid_out(&segment.columns, wanted.among, &sorter)?;
        }
        let Some(order) = order else {
            return self.picked(segment, &sorter, candidates, wanted);
        };
        let walk = |matching| Walk {
            sorter: &sorter,
            order: &order,
            matching,
        };
        if all && !count {
            return self.walk(segment, &walk(None), wanted);
        }
        let mut matching = BitSet::with_max_value(segment.reader.max_doc());
        let mut found = 0;
        self.visit(segment, &mut candidates, &mut |docs| {
            found += docs.len() as u64;
            docs.iter().for_each(|doc| {
                matching.insert(*doc);
            });
            Ok(true)
        })?;
        let past = (wanted.most * order.len()) as u64 / found.max(1);
        if past < found * STRIDE {
            let part = self.walk(segment, &walk(Some(&matching)), wanted)?;
            return Ok(Part { total: found, ..part });
        }
        let clock = &self.clock;
        let candidates = Candidates::new(crate::documents::from_bits(matching), Vec::new(), clock);
        self.note("the matches of a segment were gone through again to sort them");
        self.picked(segment, &sorter, candidates, wanted)
    }

    /// The hits that lie next, picked from among all.
    fn picked(
        &self,
        segment: &Segment,
        sorter: &Sorter<'_>,
        mut candidates: Candidates,
        wanted: &Wanted<'_>,
    ) -> Result<Part, Trouble> {
        let mut first = sorter.first(wanted.most, wanted.turn)?;
        let mut found = Part::default();
        self.visit(segment, &mut candidates, &mut |docs| {
            found.total += docs.len() as u64;
            for doc in docs {
                first.offer(*doc)?;
            }
            Ok(true)
        })?;
        for (rank, doc) in first.kept()? {
            found.hits.push((rank, hit(segment, doc)?));
        }
        Ok(found)
    }

    /// The hits that lie next, met while walking along an order.
    fn walk(&self, segment: &Segment, walk: &Walk<'_>, wanted: &Wanted<'_>) -> Result<Part, Trouble> {
        self.note("a segment was walked along an order laid out before");
        let (before, after) = walk.order.split_at(walk.sorter.place_in(walk.order, wanted.turn)?);
        let mut back = before.iter().rev();
        let mut forth = after.iter();
        let ahead: &mut dyn Iterator<Item = &DocId> = if wanted.turn.back { &mut back } else { &mut forth };
        let conceals = self.snapshot.conceals(segment);
        let mut found = Part::default();
        for (place, doc) in ahead.enumerate() {
            if found.hits.len() == wanted.most {
                break;
            }
            if place % PATIENCE == PATIENCE - 1 {
                self.clock.check(PATIENCE as u64)?;
            }
            if walk.matching.is_some_and(|matching| !matching.contains(*doc)) {
                continue;
            }
            if conceals && self.snapshot.hides(segment, *doc) {
                continue;
            }
            found.hits.push((walk.sorter.rank(*doc)?, hit(segment, *doc)?));
        }
        Ok(found)
    }

    /// The order of the searched documents of a segment, where there is one or one can be made.
    fn laid_out(
        &self,
        columns: &Arc<Columns>,
        among: &Among<'_>,
        sorter: &Sorter<'_>,
    ) -> Result<Option<Sorted>, TantivyError> {
        let mut kinds = columns.kinds.iter().filter(|kind| among.has(kind));
        let (first, second) = (kinds.next(), kinds.next());
        let kind = match (first, second) {
            (Some(only), None) => Some(only.clone()),
            _ if columns.kinds.iter().all(|kind| among.has(kind)) => None,
            _ => return Ok(None),
        };
        let docs = columns.of_kind(kind.as_ref())?;
        let layout = Layout::Sorted(kind, sorter.keys().to_vec());
        let size = docs.size_hint() as usize;
        let make = || match self.clock.wait() {
            Ok(()) => sorter.lay_out(docs),
            Err(_) => Ok(None),
        };
        self.orders.sorted(columns, &layout, size, make)
    }
}

/// Whether an order can be laid out once for many searches: scores differ from one to the next.
pub(crate) fn is_lasting(sort: &[SortKey]) -> bool {
    !sort.is_empty() && sort.iter().all(|key| key.by != SortBy::Score)
}

/// The score as a value to sort by.
pub(crate) fn score_value(score: Option<u32>) -> i64 {
    i64::from(score.unwrap_or(SCORE_MAX))
}

fn by_record(segment: &Segment, doc: DocId) -> Rank {
    Rank {
        values: Vec::new(),
        record: segment.columns.record_of(doc),
    }
}

fn hit(segment: &Segment, doc: DocId) -> Result<Hit, TantivyError> {
    let columns = &segment.columns;
    let id = columns.id_of(doc).ok_or_else(damaged)?;
    Ok(Hit {
        seq: columns.seq_of(doc),
        record: columns.record_of(doc),
        kind: columns.kind_of(doc).clone(),
        id,
        score: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_counts_a_share_and_extrapolates() {
        let exact = Tally::new(Total::Accurate);
        assert_eq!((exact.left(), exact.total(3, 10, 10)), (u64::MAX, 3));
        let none = Tally::new(Total::None);
        assert!(!none.counts() && none.left() == 0);
        let about = Tally::new(Total::Estimate);
        assert_eq!((about.left(), about.total(4_000, 8_000, 8_000)), (COUNTED, 4_000));
        assert_eq!((about.left(), about.total(6_000, 10_000, 50_000)), (6_000, 30_000));
        // Nothing is left to count: the share so far stands for the rest.
        assert_eq!((about.left(), about.total(0, 0, 9_000)), (0, 5_000));
        assert_eq!(about.total(0, 0, 0), 0);
    }
}
