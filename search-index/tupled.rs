//! Comparing tuples: which documents have one whose every part is as asked.

use std::sync::Arc;

use query::ParamId;
use query::term::{Lookup, PartLookup};
use tantivy::columnar::BytesColumn;
use tantivy::{DocId, TantivyError};

use crate::blocks::Sieve;
use crate::columns::Columns;
use crate::compile::Compiler;
use crate::documents::Part;
use crate::ranged::Ranged;
use crate::tuples::{Verdict, judge};

/// Tuples with what is asked of them.
struct Tupled {
    columns: Arc<Columns>,
    column: BytesColumn,
    param: ParamId,
    asked: Vec<PartLookup>,
    /// Asked by asked and by number of the kind, the same for rows of the part's own parameter; any of them will do.
    rows: Vec<Vec<Vec<Ranged>>>,
    /// What is known of the keys, by their numbers.
    verdicts: Vec<Verdict>,
    docs: Vec<DocId>,
    places: Vec<u32>,
    keys: Vec<u64>,
}

impl Compiler<'_> {
    /// Documents with a tuple: what the heads list, and then a look at the column of tuples.
    pub(crate) fn tuple(&self, param: ParamId, heads: &[Lookup], parts: &[PartLookup]) -> Result<Part, TantivyError> {
        let Some(column) = self.columns.tuples() else {
            return Ok(Part::nothing());
        };
        let mut all = Vec::with_capacity(heads.len() + 1);
        for head in heads {
            all.push(Part::Listed(self.look_up(head)?.into_list(self.max, self.clock)));
        }
        all.push(Part::Sieved(Box::new(Tupled {
            columns: Arc::clone(self.columns),
            param,
            asked: parts.to_vec(),
            rows: parts.iter().map(|part| self.rows(&part.lookup)).collect(),
            verdicts: vec![Verdict::Unknown; column.num_terms()],
            column,
            docs: Vec::new(),
            places: Vec::new(),
            keys: Vec::new(),
        })));
        Ok(Part::And(all))
    }

    /// By number of the kind, what a look-up asks of the ranges of its parameter.
    fn rows(&self, lookup: &Lookup) -> Vec<Vec<Ranged>> {
        let mut rows: Vec<Vec<Ranged>> = self.columns.kinds.iter().map(|_| Vec::new()).collect();
        match lookup {
            Lookup::Ranges { param, span, unit } => {
                let ranges = self.by_kind(|kind| self.columns.ranges(self.slots.ranges(kind, *param)?));
                for (rows, ranges) in rows.iter_mut().zip(ranges) {
                    rows.extend(ranges.map(|ranges| Ranged::new(ranges, span, *unit)));
                }
            }
            Lookup::AnyOf(lookups) => {
                for lookup in lookups {
                    let more = self.rows(lookup);
                    rows.iter_mut().zip(more).for_each(|(rows, more)| rows.extend(more));
                }
            }
            _ => {}
        }
        rows
    }
}

impl Tupled {
    /// Whether a document has a row with a key that passes.
    fn passes(&mut self, doc: DocId, key: u64) -> bool {
        let Some(verdict) = self.verdicts.get(key as usize) else {
            return false;
        };
        if matches!(verdict, Verdict::Unknown) {
            self.verdicts[key as usize] = self.judge(key);
        }
        match &self.verdicts[key as usize] {
            Verdict::Yes => true,
            Verdict::Rows(wanted) => wanted.iter().all(|rows| self.rows_pass(doc, *rows)),
            Verdict::No | Verdict::Unknown => false,
        }
    }

    fn rows_pass(&self, doc: DocId, (asked, first, count): (usize, u32, u32)) -> bool {
        let kind = self.columns.kind.values.get_val(doc) as usize;
        let ranged = &self.rows[asked][kind];
        let found = (first..first + count).any(|place| ranged.iter().any(|ranged| ranged.holds_at(doc, place)));
        found == self.asked[asked].passes
    }

    fn judge(&self, key: u64) -> Verdict {
        let mut bytes = Vec::new();
        match self.column.ord_to_bytes(key, &mut bytes) {
            Ok(true) => judge(&bytes, self.param, &self.asked).unwrap_or(Verdict::No),
            _ => Verdict::No,
        }
    }
}

impl Sieve for Tupled {
    fn keep(&mut self, docs: &mut Vec<DocId>) {
        let (mut found, mut places, mut keys) = (
            std::mem::take(&mut self.docs),
            std::mem::take(&mut self.places),
            std::mem::take(&mut self.keys),
        );
        found.clear();
        places.clear();
        self.column.ords().index.docids_to_rowids(docs, &mut found, &mut places);
        keys.resize(places.len(), 0);
        self.column.ords().values.get_vals(&places, &mut keys);
        docs.clear();
        for (doc, key) in found.iter().zip(&keys) {
            // The tuples of a document lie side by side.
            if docs.last() != Some(doc) && self.passes(*doc, *key) {
                docs.push(*doc);
            }
        }
        (self.docs, self.places, self.keys) = (found, places, keys);
    }
}
