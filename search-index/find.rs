//! Runs a query against a snapshot: joins first, then one pass over each segment and over the tail.

use std::sync::Arc;

use fhir::identity::{Id, Kind};
use query::{Predicate, Registry, SortKey, Total};
use store::Store;
use tantivy::{DocId, TantivyError};

use crate::among::Among;
use crate::blocks::Candidates;
use crate::clock::Clock;
use crate::columns::Segment;
use crate::compile::{Compiler, Named};
use crate::counted::Question;
use crate::cursor::Cursor;
use crate::entry::Entry;
use crate::explain::Outcome;
use crate::ground::Under;
use crate::order::Rank;
use crate::orders::{Layout, Orders};
use crate::part::{Tally, Wanted, is_lasting, score_value};
use crate::slots::Slots;
use crate::snapshot::Snapshot;
use crate::trouble::Trouble;
use crate::turn::Turn;

pub use crate::turn::Place;

/// Versions in memory matched between two looks at the clock, each charged as [`MATCHED`] steps.
const MATCHES: u64 = 256;
/// Steps that matching one version in memory is charged.
const MATCHED: u64 = 8;
/// Steps that looking up one record in the store is charged.
pub const STEPS_PER_RECORD: u64 = 256;

/// What is asked of the index.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// The kinds searched; empty is every kind.
    pub kinds: Vec<Kind>,
    /// What a record has to meet; joins are looked up at the same snapshot.
    pub predicate: Predicate,
    /// In which order; records follow in the order of their creation where the keys are equal or none.
    pub sort: Vec<SortKey>,
    /// How many hits at most; 0 only counts.
    pub limit: usize,
    /// Which page.
    pub place: Place<'a>,
    /// The log position whose state is asked for; the newest where there is none.
    pub at: Option<u64>,
    /// Whether what lies under the log is found too: of the kinds that are named.
    pub under: bool,
    /// Whether to count all matches. An estimate counts up to some ten thousand, and extrapolates beyond.
    pub total: Total,
    /// When to give up, and how much work may be done until then.
    pub clock: Clock,
}

/// The answer, as of one place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The place in the log.
    pub at: u64,
    /// The hits, in order.
    pub hits: Vec<Hit>,
    /// How many records match in all, where that was asked.
    pub total: Option<u64>,
    /// After what the next page begins; `None` where there is none.
    pub next: Option<Cursor>,
    /// Before what the previous page ends; `None` where there is none.
    pub previous: Option<Cursor>,
}

/// One record that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The place in the log of the version that matched.
    pub seq: u64,
    /// The record's number.
    pub record: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: Id,
    /// How well its words fit, in millionths, where words are asked for: see [`query::score`].
    pub score: Option<u32>,
}

/// What a run works with.
pub(crate) struct Run<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) slots: &'a Slots,
    pub(crate) store: &'a Store,
    pub(crate) registry: &'a Registry,
    pub(crate) orders: &'a Orders,
    /// What lies under the log, where it is asked for too.
    pub(crate) under: Option<&'a Under>,
    pub(crate) clock: Clock,
}

impl Run<'_> {
    /// The page the query asks for.
    ///
    /// # Errors
    /// [`Trouble::Timeout`], [`Trouble::Costly`], [`Trouble::Busy`] as the clock says, [`Trouble::Failed`] where index or store cannot be read.
    pub(crate) fn page(&self, query: &Query<'_>) -> Result<Found, Trouble> {
        if let Some(watch) = self.clock.watch() {
            watch.query(&query.kinds, &query.predicate, &query.sort, self.clock.steps());
        }
        let predicate = self.resolved(&query.predicate)?;
        self.tell_plan(&query.kinds, &predicate);
        let among = Among::new(&query.kinds);
        let named = self.named(&predicate, &among)?;
        let most = if query.limit == 0 { 0 } else { query.limit + 1 };
        let tally = Tally::new(query.total);
        let question = match tally.counts() && predicate != Predicate::All {
            true => Question::of(&query.kinds, &predicate),
            false => None,
        };
        let order = (most > 0 && is_lasting(&query.sort)).then(|| order_of(query));
        let wishes: Vec<Layout> = order
            .iter()
            .chain(question.as_ref().map(Question::layout))
            .cloned()
            .collect();
        let laid_out = order.is_some_and(|order| self.orders.was_wished(&order));
        let question = question.filter(|question| self.orders.was_wished(question.layout()));
        // A query that may not lay anything out is asked again by one that may, unless it gets through.
        let patient = self.clock.is_patient();
        if patient {
            self.orders.wish(&wishes);
        }
        let wanted = Wanted {
            among: &among,
            predicate: &predicate,
            named: &named,
            words: query::score::wanted(&predicate),
            sort: &query.sort,
            turn: Turn::to(query.place),
            most,
            laid_out,
            question,
            tally,
        };
        let (mut hits, mut total) = (Vec::new(), 0);
        for segment in self.snapshot.segments() {
            let part = self.part(segment, &wanted)?;
            total += part.total;
            hits.extend(part.hits);
        }
        total += self.add_from_memory(&wanted, &mut hits)?;
        if !patient {
            self.orders.wish(&wishes);
        }
        let total = wanted.tally.counts().then_some(total);
        let found = self.found(query, wanted.turn, hits, total);
        self.clock.answered(&self.outcome(found.total, found.hits.len()));
        Ok(found)
    }

    /// Puts the page together from what segments and memory gave.
    fn found(&self, query: &Query<'_>, turn: Turn<'_>, mut hits: Vec<(Rank, Hit)>, total: Option<u64>) -> Found {
        hits.sort_by(|(a, _), (b, _)| turn.compare(a, b, &query.sort));
        let more = query.limit > 0 && hits.len() > query.limit;
        hits.truncate(query.limit);
        if turn.back {
            hits.reverse();
        }
        let (ahead, behind) = (more, turn.from.is_some());
        let (next, previous) = if turn.back { (behind, ahead) } else { (ahead, behind) };
        let cursor = |hit: Option<&(Rank, Hit)>| hit.map(|(rank, _)| Cursor(rank.clone()));
        Found {
            at: self.snapshot.at,
            total,
            next: cursor(hits.last().filter(|_| next)),
            previous: cursor(hits.first().filter(|_| previous)),
            hits: hits.into_iter().map(|(_, hit)| hit).collect(),
        }
    }

    /// Tells how a condition is looked for, where that is told. It may not move until its candidates are made.
    pub(crate) fn tell_plan(&self, kinds: &[Kind], predicate: &Predicate) {
        if let Some(watch) = self.clock.watch() {
            watch.plan(kinds, predicate);
        }
    }

    /// What is told of an answer with so many matches, so many of them on the page.
    pub(crate) fn outcome(&self, total: Option<u64>, hits: usize) -> Outcome {
        let segments = self.snapshot.segments();
        let documents = segments.iter().map(|segment| u64::from(segment.reader.num_docs()));
        Outcome {
            at: self.snapshot.at,
            segments: (segments.len(), documents.sum()),
            total,
            hits,
        }
    }

    /// The numbers of the records that a predicate names by id.
    pub(crate) fn named(&self, predicate: &Predicate, among: &Among<'_>) -> Result<Named, Trouble> {
        let mut lists = Vec::new();
        each_id(predicate, None, &mut |ids, kinds| lists.push((ids, kinds)));
        let mut named = Named::default();
        if lists.is_empty() {
            return Ok(named);
        }
        let known = self.store.kinds();
        for (ids, kinds) in lists {
            let of = |kind: &&Kind| among.has(kind) && kinds.is_none_or(|kinds| kinds.contains(kind));
            for (kind, id) in known
                .iter()
                .filter(of)
                .flat_map(|kind| ids.iter().map(move |id| (kind, id)))
            {
                self.clock.check(STEPS_PER_RECORD)?;
                let place = (kind.clone(), id.clone());
                if !named.contains_key(&place)
                    && let Some(record) = self.number(kind, id)?
                {
                    named.insert(place, record);
                }
            }
        }
        Ok(named)
    }

    /// The number of a record, a deleted one too; `None` where there never was one.
    fn number(&self, kind: &Kind, id: &Id) -> Result<Option<u64>, Trouble> {
        if let Some(number) = self.store.number_at_hand(kind, id) {
            return Ok(Some(number));
        }
        self.clock.wait()?;
        Ok(self.store.number(kind, id)?)
    }

    pub(crate) fn candidates(
        &self,
        segment: &Segment,
        among: &Among<'_>,
        predicate: &Predicate,
        named: &Named,
    ) -> Result<Candidates, TantivyError> {
        let (columns, max) = (&segment.columns, segment.reader.max_doc());
        let (slots, clock) = (self.slots, &self.clock);
        Compiler {
            columns,
            max,
            slots,
            among,
            named,
            orders: self.orders,
            clock,
        }
        .candidates(predicate)
    }

    /// Calls `each` with the candidates that count, block by block, until it says that it has enough.
    pub(crate) fn visit(
        &self,
        segment: &Segment,
        candidates: &mut Candidates,
        each: &mut dyn FnMut(&[DocId]) -> Result<bool, TantivyError>,
    ) -> Result<(), Trouble> {
        let mut veil = self.snapshot.veil(segment, candidates.most());
        let watch = self.clock.watch();
        while let Some(docs) = candidates.next() {
            let came = docs.len();
            veil.keep(docs);
            if let Some(watch) = watch {
                watch.came_out(came, docs.len());
            }
            if !each(docs)? {
                return Ok(());
            }
        }
        // Candidates that may not go on end early.
        self.clock.check(0)
    }

    /// Adds the versions in memory that match, and says how many there are.
    fn add_from_memory(&self, wanted: &Wanted<'_>, hits: &mut Vec<(Rank, Hit)>) -> Result<u64, Trouble> {
        let mut total = 0;
        for entry in self.matching(wanted.among, wanted.predicate)? {
            total += 1;
            if wanted.most == 0 {
                continue;
            }
            let score =
                (!wanted.words.is_empty()).then(|| query::score::of(wanted.predicate, &entry.subject(&*entry.words)));
            let rank = Rank::of(entry, wanted.sort, score_value(score));
            if wanted.turn.meets(&rank, wanted.sort) {
                let (kind, id) = (entry.kind.clone(), entry.id.clone());
                let Entry { seq, record, .. } = **entry;
                hits.push((
                    rank,
                    Hit {
                        seq,
                        record,
                        kind,
                        id,
                        score,
                    },
                ));
            }
        }
        Ok(total)
    }

    pub(crate) fn matching(&self, among: &Among<'_>, predicate: &Predicate) -> Result<Vec<&Arc<Entry>>, Trouble> {
        let mut found = Vec::new();
        let mut matched = 0;
        let mut entries = self.snapshot.entries(among);
        if let Some(under) = self.under {
            let with = (self.registry, self.store, &self.clock);
            entries.extend(under.entries(among.named(), self.snapshot.at, with)?);
        }
        let all = entries.len();
        for entry in entries {
            matched += 1;
            if matched >= MATCHES {
                self.clock.check(std::mem::take(&mut matched) * MATCHED)?;
            }
            if predicate.matches(&entry.subject(&*entry.words)) {
                found.push(entry);
            }
        }
        self.clock.check(matched * MATCHED)?;
        if let Some(watch) = self.clock.watch() {
            watch.memory(all, found.len());
        }
        Ok(found)
    }
}

/// The order of a query's hits, which lies ready where it was laid out.
fn order_of(query: &Query<'_>) -> Layout {
    let only = match &query.kinds[..] {
        [kind] => Some(kind.clone()),
        _ => None,
    };
    Layout::Sorted(only, query.sort.clone())
}

/// Calls `each` with the ids that a condition names, and the kinds they can be of where the condition says so.
fn each_id<'p>(
    predicate: &'p Predicate,
    kinds: Option<&'p [Kind]>,
    each: &mut dyn FnMut(&'p [Id], Option<&'p [Kind]>),
) {
    match predicate {
        Predicate::Is(ids) => each(ids, kinds),
        Predicate::And(all) => {
            let named = all.iter().find_map(|part| match part {
                Predicate::Kind(kinds) => Some(&kinds[..]),
                _ => None,
            });
            all.iter().for_each(|part| each_id(part, named.or(kinds), each));
        }
        Predicate::Or(any) => any.iter().for_each(|part| each_id(part, kinds, each)),
        Predicate::Not(inner) => each_id(inner, kinds, each),
        _ => {}
    }
}

pub(crate) fn damaged() -> TantivyError {
    TantivyError::InternalError("a document has no id".to_owned())
}
