//! Comparing the ranges of a column: which documents have a range in the windows asked for.

use std::sync::Arc;

use query::span::{Span, Window};
use query::term::UnitKey;
use tantivy::DocId;

use crate::blocks::Sieve;
use crate::columns::Ranges;

/// Ranges with what is asked of them.
pub(crate) struct Ranged {
    ranges: Arc<Ranges>,
    windows: Vec<Window>,
    /// Whether any window bounds the ends, so that lengths have to be read.
    ends: bool,
    /// Which units will do, by their numbers; `None` where every row will.
    units: Option<Vec<bool>>,
    docs: Vec<DocId>,
    rows: Vec<u32>,
    starts: Vec<i64>,
    lengths: Vec<i64>,
}

impl Ranged {
    /// The documents with a range in the span, of a unit that fits.
    pub(crate) fn new(ranges: Arc<Ranges>, span: &Span, unit: UnitKey) -> Ranged {
        let bounded = |window: &Window| window.end_min != i64::MIN || window.end_max != i64::MAX;
        Ranged {
            units: ranges.fitting(unit),
            ranges,
            ends: span.windows.iter().any(bounded),
            windows: span.windows.clone(),
            docs: Vec::new(),
            rows: Vec::new(),
            starts: Vec::new(),
            lengths: Vec::new(),
        }
    }

    fn unit_fits(&self, row: u32) -> bool {
        match &self.units {
            Some(fitting) => fitting.get(self.ranges.unit_at(row)).copied().unwrap_or(false),
            None => true,
        }
    }

    fn read(&mut self, docs: &[DocId]) {
        self.docs.clear();
        self.rows.clear();
        self.ranges.index.docids_to_rowids(docs, &mut self.docs, &mut self.rows);
        self.starts.resize(self.rows.len(), 0);
        self.ranges.start.get_vals(&self.rows, &mut self.starts);
        self.lengths.resize(self.rows.len(), 0);
        if self.ends {
            self.ranges.length.get_vals(&self.rows, &mut self.lengths);
        }
    }

    /// Whether the range last read at a place passes.
    fn passes(&self, place: usize) -> bool {
        let start = self.starts[place];
        let end = start.wrapping_add(self.lengths[place]);
        let inside = |window: &Window| {
            (window.start_min <= start)
                & (start <= window.start_max)
                & (!self.ends | ((window.end_min <= end) & (end <= window.end_max)))
        };
        self.windows.iter().any(inside) && (self.units.is_none() || self.unit_fits(self.rows[place]))
    }
}

impl Sieve for Ranged {
    fn keep(&mut self, docs: &mut Vec<DocId>) {
        self.read(docs);
        docs.clear();
        for (place, doc) in self.docs.iter().enumerate() {
            // The ranges of a document lie side by side.
            if docs.last() != Some(doc) && self.passes(place) {
                docs.push(*doc);
            }
        }
    }

    fn holds(&mut self, doc: DocId) -> bool {
        self.ranges.index.value_row_ids(doc).any(|row| {
            let (start, end) = self.ranges.at(row);
            let inside = |window: &Window| window.holds(fhir::moment::Stretch { start, end });
            self.windows.iter().any(inside) && self.unit_fits(row)
        })
    }
}
