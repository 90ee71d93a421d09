//! Sets of documents of one segment: intersected, united and tested, cheapest first.
//!
//! A compiled predicate is a tree of [`Part`]s. A part either lists its documents in order (postings,
//! bit sets) or can only say of one document whether it belongs (a column, a negation). Intersecting
//! lets the cheapest list lead and asks the others, so that a date on one patient's records costs as
//! much as the patient has records, and never a scan of the column.

use std::sync::Arc;

use tantivy::query::{AllScorer, BitSetDocSet, EmptyScorer};
use tantivy::{BitSet, DocId, DocSet, TERMINATED};

use crate::blocks::{Candidates, Filter, Sieve};
use crate::clock::Clock;
use crate::explain::Probe;

/// Documents in ascending order.
pub(crate) type Listed = Box<dyn DocSet>;

/// Says whether a document belongs; asked in ascending order of documents, each at most once.
pub(crate) type Tested = Box<dyn FnMut(DocId) -> bool + Send>;

/// How many candidates may pass between two looks at the clock.
const PATIENCE: u64 = 2_048;
/// Fewer documents than one in so many of a segment are united as a list rather than in a bit set.
const SPARSE_ONE_IN: u64 = 64;
/// Up to so many lists are united by looking at each; more go into a bit set.
const UNITED_MAX: usize = 8;

/// A part of a predicate, compiled for one segment.
pub(crate) enum Part {
    /// A list of documents.
    Listed(Listed),
    /// A test of one document.
    Tested(Tested),
    /// A test of one document or of many at once.
    Sieved(Box<dyn Sieve>),
    /// A list that can be tested as well.
    Either(Listed, Box<dyn Sieve>),
    /// All of these.
    And(Vec<Part>),
    /// Any of these.
    Or(Vec<Part>),
    /// Not this.
    Not(Box<Part>),
    /// This, counted for an explanation.
    Watched(Box<Part>, Arc<Probe>),
}

impl Part {
    /// No document at all.
    pub(crate) fn nothing() -> Part {
        Part::Listed(Box::new(EmptyScorer))
    }

    /// Whether no document at all can be in it.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Part::Listed(list) | Part::Either(list, _) => list.doc() == TERMINATED,
            Part::And(parts) => parts.iter().any(Part::is_nothing),
            Part::Or(parts) => parts.iter().all(Part::is_nothing),
            Part::Watched(part, _) => part.is_nothing(),
            Part::Tested(_) | Part::Sieved(_) | Part::Not(_) => false,
        }
    }

    /// Whether the part can list its documents without testing every one.
    fn lists(&self) -> bool {
        match self {
            Part::Listed(_) | Part::Either(..) => true,
            Part::Tested(_) | Part::Sieved(_) | Part::Not(_) => false,
            Part::And(parts) => parts.iter().any(Part::lists),
            Part::Or(parts) => parts.iter().all(Part::lists),
            Part::Watched(part, _) => part.lists(),
        }
    }

    /// About how many documents listing the part visits.
    fn cost(&self) -> u64 {
        match self {
            Part::Listed(list) | Part::Either(list, _) => u64::from(list.size_hint()),
            Part::Tested(_) | Part::Sieved(_) | Part::Not(_) => u64::from(u32::MAX),
            Part::And(parts) => parts.iter().map(Part::cost).min().unwrap_or(0),
            Part::Or(parts) => parts.iter().map(Part::cost).sum(),
            Part::Watched(part, _) => part.cost(),
        }
    }

    /// The part as a test.
    fn into_test(self) -> Tested {
        match self {
            Part::Listed(mut list) => Box::new(move |doc| catch_up(&mut list, doc) == doc),
            Part::Tested(test) => test,
            Part::Sieved(mut sieve) | Part::Either(_, mut sieve) => Box::new(move |doc| sieve.holds(doc)),
            Part::And(parts) => {
                let mut tests = tests(parts);
                Box::new(move |doc| tests.iter_mut().all(|test| test(doc)))
            }
            Part::Or(parts) => {
                let mut tests = tests(parts);
                Box::new(move |doc| tests.iter_mut().any(|test| test(doc)))
            }
            Part::Not(part) => {
                let mut test = part.into_test();
                Box::new(move |doc| !test(doc))
            }
            Part::Watched(part, probe) => probe.testing(part.into_test()),
        }
    }

    /// The part as a list of the segment's documents below `max`.
    pub(crate) fn into_list(self, max: DocId, clock: &Clock) -> Listed {
        if !self.lists() {
            let all: Listed = Box::new(AllScorer::new(max));
            return Filtered::over(all, Vec::new(), vec![self.into_test()], clock);
        }
        match self {
            Part::Listed(list) | Part::Either(list, _) => list,
            Part::And(parts) => intersect(parts, max, clock),
            Part::Watched(part, probe) => probe.leading(part.cost(), part.into_list(max, clock)),
            Part::Or(parts) => unite(
                parts.into_iter().map(|part| part.into_list(max, clock)).collect(),
                max,
                clock,
            ),
            Part::Tested(_) | Part::Sieved(_) | Part::Not(_) => {
                unreachable!("a part that lists is a list, an And or an Or")
            }
        }
    }

    /// The part as candidates below `max`, to be gone through block by block.
    pub(crate) fn into_candidates(self, max: DocId, clock: &Clock) -> Candidates {
        let (lead, rest) = lead_and_rest(vec![self]);
        let lead = match lead {
            Some(lead) => lead.into_list(max, clock),
            None => Box::new(AllScorer::new(max)),
        };
        let filters = rest.into_iter().map(|part| part.into_filter(max)).collect();
        Candidates::new(lead, filters, clock)
    }

    fn into_filter(self, max: DocId) -> Filter {
        match self {
            Part::Listed(list) => Filter::list(list, max),
            Part::Sieved(sieve) | Part::Either(_, sieve) => Filter::Sieve(sieve),
            Part::Watched(part, probe) => Filter::Watched(Box::new(part.into_filter(max)), probe),
            other => Filter::Test(other.into_test()),
        }
    }
}

fn tests(mut parts: Vec<Part>) -> Vec<Tested> {
    parts.sort_by_key(Part::cost);
    parts.into_iter().map(Part::into_test).collect()
}

/// Moves a list forward to the first document not below `doc`, and says which that is.
pub(crate) fn catch_up(list: &mut Listed, doc: DocId) -> DocId {
    let at = list.doc();
    if at < doc { list.seek(doc) } else { at }
}

fn flatten(parts: Vec<Part>, flat: &mut Vec<Part>) {
    for part in parts {
        match part {
            Part::And(inner) => flatten(inner, flat),
            Part::Watched(part, probe) if matches!(*part, Part::And(_)) => {
                probe.merged();
                flatten(vec![*part], flat);
            }
            other => flat.push(other),
        }
    }
}

/// What leads an intersection, where anything in it lists, and all the rest, cheapest first.
fn lead_and_rest(nested: Vec<Part>) -> (Option<Part>, Vec<Part>) {
    let mut parts = Vec::new();
    flatten(nested, &mut parts);
    parts.sort_by_key(|part| (!part.lists(), part.cost()));
    let leads = parts.first().is_some_and(Part::lists);
    let lead = leads.then(|| parts.remove(0));
    (lead, parts)
}

fn intersect(nested: Vec<Part>, max: DocId, clock: &Clock) -> Listed {
    let (lead, rest) = lead_and_rest(nested);
    let Some(lead) = lead else {
        return Box::new(AllScorer::new(max));
    };
    let lead = lead.into_list(max, clock);
    let (mut lists, mut tests) = (Vec::new(), Vec::new());
    for part in rest {
        match part {
            Part::Listed(list) => lists.push(list),
            Part::Watched(part, probe) => match *part {
                Part::Listed(list) => lists.push(probe.beside(u64::from(list.size_hint()), list)),
                other => tests.push(probe.testing(other.into_test())),
            },
            other => tests.push(other.into_test()),
        }
    }
    if lists.is_empty() && tests.is_empty() {
        return lead;
    }
    Filtered::over(lead, lists, tests, clock)
}

/// Any document of any of the lists.
pub(crate) fn unite(mut lists: Vec<Listed>, max: DocId, clock: &Clock) -> Listed {
    lists.retain(|list| list.doc() != TERMINATED);
    match lists.len() {
        0 => Box::new(EmptyScorer),
        1 => lists.remove(0),
        n if n <= UNITED_MAX => Box::new(United::over(lists)),
        _ if lists.iter().map(|list| u64::from(list.size_hint())).sum::<u64>() < u64::from(max) / SPARSE_ONE_IN => {
            let mut docs = Vec::new();
            for mut list in lists {
                while list.doc() != TERMINATED {
                    docs.push(list.doc());
                    list.advance();
                }
            }
            docs.sort_unstable();
            docs.dedup();
            from_docs(docs)
        }
        _ => {
            let mut bits = BitSet::with_max_value(max);
            for mut list in lists {
                if !clock.tick(insert(&mut bits, &mut list)) {
                    break;
                }
            }
            from_bits(bits)
        }
    }
}

/// Marks all documents of a list, and says how many steps that took.
pub(crate) fn insert(bits: &mut BitSet, list: &mut Listed) -> u64 {
    let mut steps = 1;
    while list.doc() != TERMINATED {
        bits.insert(list.doc());
        list.advance();
        steps += 1;
    }
    steps
}

/// A few documents, ascending.
pub(crate) fn from_docs(docs: Vec<DocId>) -> Listed {
    Box::new(Few { docs, place: 0 })
}

struct Few {
    docs: Vec<DocId>,
    place: usize,
}

impl DocSet for Few {
    fn advance(&mut self) -> DocId {
        self.place += 1;
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.place += self.docs[self.place.min(self.docs.len())..].partition_point(|doc| *doc < target);
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.docs.get(self.place).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        u32::try_from(self.docs.len()).unwrap_or(u32::MAX)
    }
}

/// The documents of a bit set.
pub(crate) fn from_bits(bits: BitSet) -> Listed {
    if bits.len() == 0 {
        return Box::new(EmptyScorer);
    }
    Box::new(BitSetDocSet::from(bits))
}

/// A list with documents taken out: those other lists lack, and those a test refuses.
struct Filtered {
    lead: Listed,
    lists: Vec<Listed>,
    tests: Vec<Tested>,
    clock: Clock,
    /// Candidates since the last look at the clock.
    candidates: u64,
    doc: DocId,
}

impl Filtered {
    fn over(lead: Listed, lists: Vec<Listed>, tests: Vec<Tested>, clock: &Clock) -> Listed {
        let doc = lead.doc();
        let clock = clock.clone();
        let mut filtered = Filtered {
            lead,
            lists,
            tests,
            clock,
            candidates: 0,
            doc,
        };
        filtered.settle(doc);
        Box::new(filtered)
    }

    /// The steps of the candidates since the last look at the clock, which begin again.
    fn steps(&mut self) -> u64 {
        std::mem::take(&mut self.candidates) * (1 + self.tests.len() as u64)
    }

    /// Goes on from candidate `doc`, where the lead stands, to the first one that all the rest accept.
    fn settle(&mut self, mut doc: DocId) -> DocId {
        'candidate: while doc != TERMINATED {
            self.candidates += 1;
            if self.candidates >= PATIENCE {
                let steps = self.steps();
                if !self.clock.tick(steps) {
                    doc = TERMINATED;
                    break;
                }
            }
            for list in &mut self.lists {
                let at = catch_up(list, doc);
                if at > doc {
                    doc = catch_up(&mut self.lead, at);
                    continue 'candidate;
                }
            }
            if self.tests.iter_mut().all(|test| test(doc)) {
                break;
            }
            doc = self.lead.advance();
        }
        self.doc = doc;
        doc
    }
}

impl Drop for Filtered {
    fn drop(&mut self) {
        let steps = self.steps();
        self.clock.charge(steps);
    }
}

impl DocSet for Filtered {
    fn advance(&mut self) -> DocId {
        if self.doc == TERMINATED {
            return TERMINATED;
        }
        let doc = self.lead.advance();
        self.settle(doc)
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc >= target {
            return self.doc;
        }
        let doc = catch_up(&mut self.lead, target);
        self.settle(doc)
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.lead.size_hint()
    }
}

/// A few lists as one.
struct United {
    lists: Vec<Listed>,
    doc: DocId,
}

impl United {
    fn over(lists: Vec<Listed>) -> United {
        let mut united = United { lists, doc: 0 };
        united.settle();
        united
    }

    fn settle(&mut self) -> DocId {
        self.doc = self.lists.iter().map(|list| list.doc()).min().unwrap_or(TERMINATED);
        self.doc
    }
}

impl DocSet for United {
    fn advance(&mut self) -> DocId {
        let doc = self.doc;
        if doc == TERMINATED {
            return TERMINATED;
        }
        for list in self.lists.iter_mut().filter(|list| list.doc() == doc) {
            list.advance();
        }
        self.settle()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.doc >= target {
            return self.doc;
        }
        for list in &mut self.lists {
            catch_up(list, target);
        }
        self.settle()
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.lists
            .iter()
            .fold(0, |sum, list| sum.saturating_add(list.size_hint()))
    }
}
