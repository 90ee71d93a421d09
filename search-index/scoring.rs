//! How well the documents of a segment fit the words asked for, as [`query::score`] says.

use std::sync::Arc;

use query::score::{SCORE_MAX, Wanted, score};
use tantivy::columnar::ColumnValues;
use tantivy::{BitSet, DocId};

use crate::among::Among;
use crate::columns::Segment;
use crate::compile::Named;
use crate::find::Run;
use crate::trouble::Trouble;

/// What the scores of a segment's documents are made of.
pub(crate) struct Scoring {
    wanted: u32,
    /// The words that every match has.
    sure: u32,
    /// The words that only these documents have.
    others: Vec<(u32, BitSet)>,
    distinct: Arc<dyn ColumnValues<u64>>,
}

impl Scoring {
    /// The score of a document that matches.
    pub(crate) fn of(&self, doc: DocId) -> u32 {
        let others = self.others.iter().filter(|(_, docs)| docs.contains(doc));
        let found = self.sure + others.map(|(words, _)| words).sum::<u32>();
        let distinct = u32::try_from(self.distinct.get_val(doc)).unwrap_or(u32::MAX);
        score(found, self.wanted, distinct)
    }
}

/// The score of a document, where words are asked for; the greatest where none are.
pub(crate) fn score_of(scoring: Option<&Scoring>, doc: DocId) -> u32 {
    scoring.map_or(SCORE_MAX, |scoring| scoring.of(doc))
}

impl Run<'_> {
    /// What scores are made of; `None` where no words are asked for.
    pub(crate) fn scoring(
        &self,
        segment: &Segment,
        among: &Among<'_>,
        words: &[Wanted<'_>],
        named: &Named,
    ) -> Result<Option<Scoring>, Trouble> {
        if words.is_empty() {
            return Ok(None);
        }
        let mut others = Vec::new();
        for wanted in words.iter().filter(|wanted| !wanted.sure) {
            let mut docs = BitSet::with_max_value(segment.reader.max_doc());
            let mut candidates = self.candidates(segment, among, wanted.condition, named)?;
            while let Some(block) = candidates.next() {
                block.iter().for_each(|doc| {
                    docs.insert(*doc);
                });
            }
            self.clock.check(0)?;
            others.push((wanted.words, docs));
        }
        Ok(Some(Scoring {
            wanted: words.iter().map(|wanted| wanted.words).sum(),
            sure: words
                .iter()
                .filter(|wanted| wanted.sure)
                .map(|wanted| wanted.words)
                .sum(),
            others,
            distinct: Arc::clone(&segment.columns.distinct.values),
        }))
    }
}
