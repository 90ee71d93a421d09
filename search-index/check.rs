//! Compares the index with the log, both ways, and puts right what differs.

use std::path::PathBuf;
use std::sync::Arc;

use fhir::identity::{Id, Kind};
use rustc_hash::FxHashMap;
use store::Version;
use tantivy::DocId;

use crate::columns::Segment;
use crate::entry::{Before, Entry};
use crate::index::Index;
use crate::trouble::Trouble;

/// Versions read from the log at once.
const CHUNK: usize = 1_024;
/// Findings written out; more are only counted.
const FINDINGS_MAX: usize = 100;

/// What a check of the index found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Living records in the log.
    pub records: u64,
    /// What is wrong and stays so, a sentence each.
    pub findings: Vec<String>,
    /// What was wrong and has been put right, a sentence each.
    pub repairs: Vec<String>,
}

/// How a record in the index differs from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drift {
    /// It is not in the index.
    Missing,
    /// The index has another version of it.
    Stale,
    /// The index has it more than once.
    Twice,
    /// It is in the index and not in the log, or deleted there.
    Ghost,
}

/// What the log says of a record.
#[derive(Clone, Copy)]
struct Latest {
    seq: u64,
    live: bool,
}

impl Index {
    /// Compares every record of the log with the index, and the index's files with their checksums.
    /// With `repair`, records that differ are indexed again; damaged files need a rebuild. Writes may go
    /// on meanwhile. `progress` is called with (versions read, versions in the log).
    ///
    /// # Errors
    /// [`Trouble::Failed`] where the log or the index cannot be read.
    pub fn check(&self, progress: &dyn Fn(u64, u64), repair: bool) -> Result<Report, Trouble> {
        let mut report = Report {
            findings: self.damaged_files()?,
            ..Report::default()
        };
        self.flush()?;
        let (segments, position) = {
            let state = self.inner.shared.lock();
            (Arc::clone(&state.view.segments), state.view.position)
        };
        let log = self.latest(position, progress)?;
        report.records = log.values().filter(|latest| latest.live).count() as u64;
        let drifts = drifts(&segments, log);
        let mut sentences = Vec::new();
        for (record, (drift, seq)) in &drifts {
            let named = match self.name(&segments, *record, *seq)? {
                Some((kind, id)) => format!("{kind}/{id}"),
                None => format!("Record {record}"),
            };
            sentences.push(sentence(*drift, &named));
            if sentences.len() == FINDINGS_MAX && drifts.len() > FINDINGS_MAX {
                sentences.push(format!("{} more records differ.", drifts.len() - FINDINGS_MAX));
                break;
            }
        }
        if repair && !drifts.is_empty() {
            self.repair(&segments, &drifts)?;
            report.repairs = sentences;
        } else {
            report.findings.extend(sentences);
        }
        Ok(report)
    }

    fn damaged_files(&self) -> Result<Vec<String>, Trouble> {
        let damaged = self.inner.index.validate_checksum()?;
        let name = |file: PathBuf| {
            format!(
                "The index file {} is damaged; build the index again with `epis reindex`.",
                file.display()
            )
        };
        Ok(damaged.into_iter().map(name).collect())
    }

    /// The latest version of every record up to `position`.
    fn latest(&self, position: u64, progress: &dyn Fn(u64, u64)) -> Result<FxHashMap<u64, Latest>, Trouble> {
        let mut latest = FxHashMap::default();
        let mut after = 0;
        while after < position {
            let versions = self.inner.store.log(after, CHUNK)?;
            let Some(last) = versions.last() else {
                break;
            };
            after = last.seq;
            for Version {
                seq, record, operation, ..
            } in versions.iter().filter(|version| version.seq <= position)
            {
                latest.insert(
                    *record,
                    Latest {
                        seq: *seq,
                        live: operation.is_live(),
                    },
                );
            }
            progress(after.min(position), position);
        }
        Ok(latest)
    }

    fn name(&self, segments: &[Segment], record: u64, seq: u64) -> Result<Option<(Kind, Id)>, Trouble> {
        if seq > 0 {
            let found = self.inner.store.by_seq(&[seq])?.pop();
            return Ok(found.map(|version| (version.kind, version.id)));
        }
        let named = |(segment, doc): (&Segment, DocId)| {
            Some((segment.columns.kind_of(doc).clone(), segment.columns.id_of(doc)?))
        };
        Ok(living(segments)
            .find(|(segment, doc)| segment.columns.record_of(*doc) == record)
            .and_then(named))
    }

    /// Indexes records again as they are now, holding back newer versions for the moment it takes.
    fn repair(&self, segments: &[Segment], drifts: &FxHashMap<u64, (Drift, u64)>) -> Result<(), Trouble> {
        let inner = &self.inner;
        for (record, (_, seq)) in drifts {
            let Some((kind, id)) = self.name(segments, *record, *seq)? else {
                continue;
            };
            let mut state = inner.shared.lock();
            let mut entry = match inner.store.current(&kind, &id)? {
                Some(version) if version.record == *record => Entry::read(&inner.registry, &version),
                // The index says so, the log does not: what has this number is no record.
                _ => Entry::ghost(*record, kind, id),
            };
            entry.before = Before::Somewhere;
            if entry.seq <= state.view.head {
                state.queue.push_back(Arc::new(entry));
                state.repairing += 1;
            }
        }
        inner.shared.ring();
        let mut state = inner.shared.lock();
        while state.repairing > 0 && state.failure.is_none() {
            state.flush_to = u64::MAX;
            inner.shared.ring();
            state = inner.shared.wait_moved(state);
        }
        state.flush_to = 0;
        Ok(())
    }
}

fn living(segments: &[Segment]) -> impl Iterator<Item = (&Segment, DocId)> {
    segments
        .iter()
        .flat_map(|segment| segment.reader.doc_ids_alive().map(move |doc| (segment, doc)))
}

/// Every record that differs, with its place in the log (0 where it has none).
fn drifts(segments: &[Segment], mut log: FxHashMap<u64, Latest>) -> FxHashMap<u64, (Drift, u64)> {
    let mut drifts = FxHashMap::default();
    let mut seen: FxHashMap<u64, u64> = FxHashMap::default();
    for (segment, doc) in living(segments) {
        let (record, seq) = (segment.columns.record_of(doc), segment.columns.seq_of(doc));
        if let Some(latest) = seen.get(&record) {
            drifts.insert(record, (Drift::Twice, *latest));
            continue;
        }
        match log.remove(&record) {
            Some(latest) if latest.live => {
                seen.insert(record, latest.seq);
                if latest.seq != seq {
                    drifts.insert(record, (Drift::Stale, latest.seq));
                }
            }
            latest => {
                drifts.insert(record, (Drift::Ghost, latest.map_or(0, |latest| latest.seq)));
            }
        }
    }
    let missing = log
        .into_iter()
        .filter(|(record, latest)| latest.live && !drifts.contains_key(record));
    let missing: Vec<_> = missing
        .map(|(record, latest)| (record, (Drift::Missing, latest.seq)))
        .collect();
    drifts.extend(missing);
    drifts
}

fn sentence(drift: Drift, record: &str) -> String {
    match drift {
        Drift::Missing => format!("{record} is not in the index."),
        Drift::Stale => format!("The index has an older version of {record}."),
        Drift::Twice => format!("{record} is in the index twice."),
        Drift::Ghost => format!("{record} is in the index and not in the log, or deleted there."),
    }
}
