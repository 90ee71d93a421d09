//! Comparing the ranges of a column: which documents have a range in the windows asked for.

use std::sync::Arc;

use query::span::{Span, Window};
use query::term::UnitKey;
use tantivy::DocId;
use tantivy::columnar::ColumnIndex;
use tantivy::columnar::column_index::MultiValueIndex;

use crate::blocks::{Sieve, keep_where};
use crate::columns::Ranges;

/// Ranges with what is asked of them, and room for those of a block.
pub(crate) struct Ranged {
    ranges: Arc<Ranges>,
    windows: Vec<Window>,
    /// Whether any window bounds the ends, so that lengths have to be read.
    ends: bool,
    /// Which units will do, by their numbers; `None` where every row will.
    units: Option<Vec<bool>>,
    read: Read,
    fits: Vec<bool>,
    unit: Vec<u64>,
}

/// The ranges of a block: for each the document, the row and the ends.
#[derive(Default)]
struct Read {
    docs: Vec<DocId>,
    rows: Vec<u32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    found: Vec<DocId>,
    ranks: Vec<u32>,
    firsts: Vec<u32>,
    lasts: Vec<u32>,
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
            read: Read::default(),
            fits: Vec::new(),
            unit: Vec::new(),
        }
    }

    fn unit_fits(&self, row: u32) -> bool {
        match &self.units {
            Some(fitting) => fitting.get(self.ranges.unit_at(row)).copied().unwrap_or(false),
            None => true,
        }
    }

    /// Whether one of a document's ranges is as asked, by its place among them.
    pub(crate) fn holds_at(&self, doc: DocId, place: u32) -> bool {
        let rows = self.ranges.index.value_row_ids(doc);
        place < rows.end - rows.start && self.row_holds(rows.start + place)
    }

    fn row_holds(&self, row: u32) -> bool {
        let (start, end) = self.ranges.at(row);
        let inside = |window: &Window| window.holds(fhir::moment::Stretch { start, end });
        self.windows.iter().any(inside) && self.unit_fits(row)
    }

    /// Says of every range that was read whether it lies in a window: without a branch, as nobody can foretell it.
    fn judge(&mut self) {
        let Read { rows, starts, ends, .. } = &self.read;
        self.fits.clear();
        self.fits.resize(rows.len(), false);
        let empty = |window: &&Window| window.start_min > window.start_max || window.end_min > window.end_max;
        for window in self.windows.iter().filter(|window| !empty(window)) {
            let begins = Within::new(window.start_min, window.start_max);
            let finishes = Within::new(window.end_min, window.end_max);
            let fits = self.fits.iter_mut();
            match (begins.all, finishes.all) {
                (true, true) => fits.for_each(|fits| *fits = true),
                (false, true) => fits.zip(starts).for_each(|(fits, start)| *fits |= begins.has(*start)),
                (true, false) => fits.zip(ends).for_each(|(fits, end)| *fits |= finishes.has(*end)),
                (false, false) => fits
                    .zip(starts.iter().zip(ends))
                    .for_each(|(fits, (start, end))| *fits |= begins.has(*start) & finishes.has(*end)),
            }
        }
    }
}

/// A closed range of numbers that is not empty, asked with one comparison.
#[derive(Clone, Copy)]
struct Within {
    least: i64,
    width: u64,
    all: bool,
}

impl Within {
    fn new(least: i64, greatest: i64) -> Within {
        Within {
            least,
            width: greatest.wrapping_sub(least) as u64,
            all: (least, greatest) == (i64::MIN, i64::MAX),
        }
    }

    fn has(self, number: i64) -> bool {
        number.wrapping_sub(self.least) as u64 <= self.width
    }
}

impl Read {
    /// Reads the ranges of ascending documents.
    fn of(&mut self, ranges: &Ranges, docs: &[DocId], ends: bool) {
        self.docs.clear();
        self.rows.clear();
        match &ranges.index {
            ColumnIndex::Full => {
                self.docs.extend_from_slice(docs);
                self.rows.extend_from_slice(docs);
            }
            ColumnIndex::Multivalued(MultiValueIndex::MultiValueIndexV2(index)) => {
                self.found.clear();
                self.ranks.clear();
                index
                    .optional_index
                    .rank_if_exists_batch(docs, &mut self.found, &mut self.ranks);
                self.firsts.resize(self.ranks.len(), 0);
                self.lasts.resize(self.ranks.len(), 0);
                index.start_index_column.get_vals(&self.ranks, &mut self.firsts);
                self.ranks.iter_mut().for_each(|rank| *rank += 1);
                index.start_index_column.get_vals(&self.ranks, &mut self.lasts);
                let lengths = self.firsts.iter().zip(&self.lasts);
                if lengths.fold(0, |most, (first, last)| (last - first).max(most)) <= 1 {
                    // Whoever has any has one.
                    self.docs.extend_from_slice(&self.found);
                    self.rows.extend_from_slice(&self.firsts);
                } else {
                    for ((doc, first), last) in self.found.iter().zip(&self.firsts).zip(&self.lasts) {
                        self.docs.extend(std::iter::repeat_n(*doc, (last - first) as usize));
                        self.rows.extend(*first..*last);
                    }
                }
            }
            other => other.docids_to_rowids(docs, &mut self.docs, &mut self.rows),
        }
        self.starts.resize(self.rows.len(), 0);
        ranges.start.get_vals(&self.rows, &mut self.starts);
        self.ends.resize(self.rows.len(), 0);
        if ends {
            // Plain numbers, and days, are all of one length.
            match (ranges.length.min_value(), ranges.length.max_value()) {
                (least, greatest) if least == greatest => self.ends.fill(least),
                _ => ranges.length.get_vals(&self.rows, &mut self.ends),
            }
            for (end, start) in self.ends.iter_mut().zip(&self.starts) {
                *end = start.wrapping_add(*end);
            }
        }
    }
}

impl Sieve for Ranged {
    fn keep(&mut self, docs: &mut Vec<DocId>) {
        self.read.of(&self.ranges, docs, self.ends);
        self.judge();
        let Read { docs: found, rows, .. } = &mut self.read;
        let fits = &self.fits;
        keep_where(found, |place, _| fits[place]);
        if let Some(fitting) = &self.units {
            // Few rows are left of which the unit has to be read.
            keep_where(rows, |place, _| fits[place]);
            self.ranges.units_at(rows, &mut self.unit);
            let unit = &self.unit;
            keep_where(found, |place, _| {
                unit.get(place)
                    .and_then(|unit| fitting.get(*unit as usize))
                    .is_some_and(|fits| *fits)
            });
        }
        docs.clear();
        docs.extend_from_slice(found);
        // The ranges of a document lie side by side.
        docs.dedup();
    }

    fn holds(&mut self, doc: DocId) -> bool {
        self.ranges.index.value_row_ids(doc).any(|row| self.row_holds(row))
    }
}
