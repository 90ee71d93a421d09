//! The documents of a segment that meet a predicate, a block at a time: one list leads, the rest takes out.
//!
//! Going through millions of candidates, what costs is asking for each of them anew: through pointers, one
//! column here, one column there. A block is asked as a whole.

use std::sync::Arc;

use tantivy::{BitSet, COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet, TERMINATED};

use crate::clock::Clock;
use crate::documents::{Listed, Tested, catch_up};
use crate::explain::Probe;

/// Steps between two looks at the clock.
const PATIENCE: u64 = 2_048;
/// A list that was asked about more than one in so many of its documents is better off as a bit set.
const ASKED_ONE_IN: u64 = 8;

/// Says of many documents at once which belong. It knows of every document of the segment.
pub(crate) trait Sieve: Send {
    /// Takes out the documents that do not belong; they are ascending, and stay so.
    fn keep(&mut self, docs: &mut Vec<DocId>);

    /// Whether one document belongs.
    fn holds(&mut self, doc: DocId) -> bool {
        let mut docs = vec![doc];
        self.keep(&mut docs);
        !docs.is_empty()
    }
}

/// Keeps the documents that `keep` names by place and number: without a branch, as nobody can foretell what it says.
pub(crate) fn keep_where(docs: &mut Vec<DocId>, mut keep: impl FnMut(usize, DocId) -> bool) {
    let mut kept = 0;
    for place in 0..docs.len() {
        let doc = docs[place];
        docs[kept] = doc;
        kept += usize::from(keep(place, doc));
    }
    docs.truncate(kept);
}

/// What takes documents out of a block.
pub(crate) enum Filter {
    /// Those a list lacks.
    List(Asked),
    /// Those a set lacks.
    Bits(BitSet),
    /// Those a test refuses, one by one.
    Test(Tested),
    /// Those a sieve does not keep.
    Sieve(Box<dyn Sieve>),
    /// The same, counted for an explanation.
    Watched(Box<Filter>, Arc<Probe>),
}

/// A list that is asked about candidates, and how often it was.
pub(crate) struct Asked {
    list: Listed,
    max: DocId,
    left: u64,
}

impl Filter {
    /// A list of documents below `max`.
    pub(crate) fn list(list: Listed, max: DocId) -> Filter {
        let left = u64::from(list.size_hint()) / ASKED_ONE_IN;
        Filter::List(Asked { list, max, left })
    }

    fn keep(&mut self, docs: &mut Vec<DocId>) {
        match self {
            Filter::List(asked) => match asked.left.checked_sub(docs.len() as u64) {
                Some(left) => {
                    asked.left = left;
                    docs.retain(|doc| catch_up(&mut asked.list, *doc) == *doc);
                }
                None => {
                    let bits = asked.rest();
                    keep_where(docs, |_, doc| bits.contains(doc));
                    *self = Filter::Bits(bits);
                }
            },
            Filter::Bits(bits) => keep_where(docs, |_, doc| bits.contains(doc)),
            Filter::Test(test) => docs.retain(|doc| test(*doc)),
            Filter::Sieve(sieve) => sieve.keep(docs),
            Filter::Watched(filter, probe) => {
                let asked = docs.len();
                filter.keep(docs);
                probe.tested(asked, docs.len());
            }
        }
    }
}

impl Asked {
    /// What the list still has, as a set.
    fn rest(&mut self) -> BitSet {
        let mut bits = BitSet::with_max_value(self.max);
        let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
        loop {
            let read = self.list.fill_buffer(&mut buffer);
            buffer[..read].iter().for_each(|doc| {
                bits.insert(*doc);
            });
            if read < buffer.len() {
                return bits;
            }
        }
    }
}

/// The candidates of one segment, ascending.
pub(crate) struct Candidates {
    lead: Listed,
    filters: Vec<Filter>,
    docs: Vec<DocId>,
    clock: Clock,
    /// Since the last look at the clock.
    steps: u64,
    looked_at: u64,
    most: u32,
}

impl Candidates {
    /// The documents of `lead` that every filter lets pass.
    pub(crate) fn new(lead: Listed, filters: Vec<Filter>, clock: &Clock) -> Candidates {
        let most = lead.size_hint();
        Candidates {
            lead,
            filters,
            docs: Vec::with_capacity(COLLECT_BLOCK_BUFFER_LEN),
            clock: clock.clone(),
            steps: 0,
            looked_at: 0,
            most,
        }
    }

    /// How many documents there are at most.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// How many documents of the leading list were looked at.
    pub(crate) fn read(&self) -> u64 {
        self.looked_at
    }

    /// Passes over everything below `doc`.
    pub(crate) fn seek(&mut self, doc: DocId) {
        catch_up(&mut self.lead, doc);
    }

    /// The next documents, never none; `None` at the end, or where the query may not go on.
    pub(crate) fn next(&mut self) -> Option<&mut Vec<DocId>> {
        let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
        while self.lead.doc() != TERMINATED {
            if self.steps >= PATIENCE && !self.clock.tick(std::mem::take(&mut self.steps)) {
                return None;
            }
            let read = self.lead.fill_buffer(&mut buffer);
            self.steps += (read * (1 + self.filters.len())) as u64;
            self.looked_at += read as u64;
            self.docs.clear();
            self.docs.extend_from_slice(&buffer[..read]);
            for filter in &mut self.filters {
                filter.keep(&mut self.docs);
                if self.docs.is_empty() {
                    break;
                }
            }
            if !self.docs.is_empty() {
                return Some(&mut self.docs);
            }
        }
        None
    }
}

impl Drop for Candidates {
    fn drop(&mut self) {
        self.clock.charge(self.steps);
    }
}
