//! The documents of some records, found in the sorted record column: how the index forgets versions.

use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{BitSet, DocId, Score, SegmentReader, TantivyError};

use crate::columns::RECORD;

/// The documents of these records.
#[derive(Clone, Debug)]
pub(crate) struct Records(Arc<[u64]>);

impl Records {
    /// Of these records, in any order.
    pub(crate) fn new(mut records: Vec<u64>) -> Records {
        records.sort_unstable();
        records.dedup();
        Records(records.into())
    }

    /// The documents, ascending.
    pub(crate) fn find(&self, column: &Column<u64>, max: DocId) -> Vec<DocId> {
        let mut found = Vec::new();
        let mut from = 0;
        for record in self.0.iter() {
            from = first_from(column, *record, from, max);
            while from < max && column.values.get_val(from) == *record {
                found.push(from);
                from += 1;
            }
        }
        found
    }
}

/// The first document in `from..max` whose record is not below `record`; `max` if there is none.
pub(crate) fn first_from(column: &Column<u64>, record: u64, from: DocId, max: DocId) -> DocId {
    let (mut low, mut high) = (from, max);
    while low < high {
        let middle = low + (high - low) / 2;
        if column.values.get_val(middle) < record {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

impl Query for Records {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for Records {
    fn scorer(&self, reader: &SegmentReader, _: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let column = reader.fast_fields().u64(RECORD)?;
        let found = self.find(&column, reader.max_doc());
        if found.is_empty() {
            return Ok(Box::new(EmptyScorer));
        }
        let mut bits = BitSet::with_max_value(reader.max_doc());
        for doc in found {
            bits.insert(doc);
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(bits), 1.0)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument(
            "records have no score to explain".to_owned(),
        ))
    }
}
