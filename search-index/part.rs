//! What one segment gives to a page: its first hits after the cursor, and how many there are in all.

use std::sync::Arc;

use query::{Predicate, SortKey};
use tantivy::{BitSet, DocId, TantivyError};

use crate::among::Among;
use crate::blocks::Candidates;
use crate::columns::{Columns, Segment};
use crate::compile::Named;
use crate::find::{Hit, Run, damaged};
use crate::order::{Rank, Sorter};
use crate::orders::{Layout, Sorted};
use crate::trouble::Trouble;

/// Walking along an order past so many documents costs about what sorting one match does.
const STRIDE: u64 = 8;
/// Documents walked past between two looks at the clock.
const PATIENCE: usize = 4_096;

/// What is asked of every segment.
pub(crate) struct Wanted<'a> {
    pub(crate) sort: &'a [SortKey],
    pub(crate) after: Option<&'a Rank>,
    /// Hits, at most.
    pub(crate) most: usize,
    /// Whether to count all matches.
    pub(crate) total: bool,
    /// Whether orders may be laid out.
    pub(crate) laid_out: bool,
}

/// What one segment gives.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) hits: Vec<(Rank, Hit)>,
    pub(crate) total: u64,
}

/// A walk along an order: which documents count, and how many to take.
struct Walk<'a> {
    sorter: &'a Sorter<'a>,
    order: &'a [DocId],
    /// Those that match; all where there is none.
    matching: Option<&'a BitSet>,
}

impl Run<'_> {
    /// What a segment gives.
    pub(crate) fn part(
        &self,
        segment: &Segment,
        among: &Among<'_>,
        predicate: &Predicate,
        named: &Named,
        wanted: &Wanted<'_>,
    ) -> Result<Part, Trouble> {
        let all = *predicate == Predicate::All;
        let counted = match wanted.total && all {
            true => self.snapshot.count(segment, among)?,
            false => None,
        };
        if counted.is_some() && wanted.most == 0 {
            let total = counted.unwrap_or_default();
            self.note("a segment was counted by kind, without looking at its documents");
            return Ok(Part {
                hits: Vec::new(),
                total,
            });
        }
        let candidates = self.candidates(segment, among, predicate, named)?;
        let to_count = wanted.total && counted.is_none();
        let mut part = if wanted.sort.is_empty() {
            self.in_record_order(segment, candidates, wanted, to_count)?
        } else {
            self.sorted(segment, among, candidates, wanted, (all, to_count))?
        };
        part.total = counted.unwrap_or(part.total);
        Ok(part)
    }

    fn note(&self, what: &'static str) {
        if let Some(watch) = self.clock.watch() {
            watch.note(what);
        }
    }

    /// Documents lie in the order of their records: the page is the first few after the cursor.
    fn in_record_order(
        &self,
        segment: &Segment,
        mut candidates: Candidates,
        wanted: &Wanted<'_>,
        total: bool,
    ) -> Result<Part, Trouble> {
        let first = wanted
            .after
            .map_or(0, |rank| segment.columns.first_from(rank.record + 1));
        if !total {
            candidates.seek(first);
        }
        let mut found = Part::default();
        self.visit(segment, candidates, &mut |docs| {
            found.total += docs.len() as u64;
            let from = if found.hits.len() < wanted.most {
                docs.partition_point(|doc| *doc < first)
            } else {
                docs.len()
            };
            for doc in &docs[from..] {
                if found.hits.len() == wanted.most {
                    break;
                }
                let rank = Rank {
                    values: Vec::new(),
                    record: segment.columns.record_of(*doc),
                };
                found.hits.push((rank, hit(segment, *doc)?));
            }
            Ok(total || found.hits.len() < wanted.most)
        })?;
        Ok(found)
    }

    fn sorted(
        &self,
        segment: &Segment,
        among: &Among<'_>,
        candidates: Candidates,
        wanted: &Wanted<'_>,
        (all, total): (bool, bool),
    ) -> Result<Part, Trouble> {
        let sorter = Sorter::new(&segment.columns, self.slots, among, wanted.sort);
        let mut order = None;
        if wanted.laid_out && self.orders.worth(candidates.most()) {
            order = self.laid_out(&segment.columns, among, &sorter)?;
        }
        let Some(order) = order else {
            return self.picked(segment, &sorter, candidates, wanted);
        };
        let walk = |matching| Walk {
            sorter: &sorter,
            order: &order,
            matching,
        };
        if all && !total {
            return self.walk(segment, &walk(None), wanted);
        }
        let mut matching = BitSet::with_max_value(segment.reader.max_doc());
        let mut found = 0;
        self.visit(segment, candidates, &mut |docs| {
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

    /// The first hits, picked from among all.
    fn picked(
        &self,
        segment: &Segment,
        sorter: &Sorter<'_>,
        candidates: Candidates,
        wanted: &Wanted<'_>,
    ) -> Result<Part, Trouble> {
        let mut first = sorter.first(wanted.most, wanted.after)?;
        let mut found = Part::default();
        self.visit(segment, candidates, &mut |docs| {
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

    /// The first hits, met while walking along an order.
    fn walk(&self, segment: &Segment, walk: &Walk<'_>, wanted: &Wanted<'_>) -> Result<Part, Trouble> {
        self.note("a segment was walked along an order laid out before");
        let from = match wanted.after {
            Some(rank) => walk.sorter.after(walk.order, rank)?,
            None => 0,
        };
        let conceals = self.snapshot.conceals(segment);
        let mut found = Part::default();
        for (place, doc) in walk.order[from..].iter().enumerate() {
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
        self.orders
            .sorted(columns, &layout, docs.size_hint() as usize, || sorter.lay_out(docs))
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
    })
}
