//! Compares the index with the log, a slice of records at a time, and puts right what differs.
//!
//! The committed index stands for the log up to one place. So a slice is exact while others write: the documents of
//! some records are held against the latest versions of the same records up to that place, and newer ones do not count.

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fhir::identity::{Id, Kind};
use tantivy::index::SegmentComponent;

use crate::columns::Segment;
use crate::deep::Deep;
use crate::entry::{Before, Entry};
use crate::index::{Index, UNREADABLE};
use crate::trouble::Trouble;

/// Records of a slice where everything is checked at once.
const SLICE: u64 = 2_048;
/// The parts of a segment; deletions come and go.
const COMPONENTS: [SegmentComponent; 6] = [
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::Terms,
    SegmentComponent::FastFields,
    SegmentComponent::Store,
    SegmentComponent::FieldNorms,
];
/// Findings written out; more are only counted.
const FINDINGS_MAX: usize = 100;

/// What a check of the index found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Living records in the log.
    pub records: u64,
    /// Of those, how many were extracted again and held against all the index keeps of them.
    pub deep: u64,
    /// Records that differ, those not written out too.
    pub differing: u64,
    /// What is wrong and stays so, a sentence each.
    pub findings: Vec<String>,
    /// What was wrong and has been put right, a sentence each.
    pub repairs: Vec<String>,
}

/// How a step of a round looks.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// How many records' numbers it covers.
    pub records: u64,
    /// Of so many records one is extracted again and compared in all the index keeps of it; 0 for none.
    pub deep_one_in: u64,
    /// Whether records that differ are indexed again.
    pub repair: bool,
}

/// A walk over all files and records of an index, in steps.
#[derive(Debug)]
pub struct Round {
    files: Vec<PathBuf>,
    after: u64,
    highest: u64,
    /// What was found so far.
    pub report: Report,
}

impl Round {
    /// How many records' numbers are behind it, and how many there are.
    pub fn reached(&self) -> (u64, u64) {
        (self.after.min(self.highest), self.highest)
    }
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
    /// The index has its version, but not what that version says.
    Other,
}

/// A record that differs, and the place of its latest version; 0 where the log has none.
struct Drifted {
    record: u64,
    seq: u64,
    drift: Drift,
}

impl Index {
    /// Compares every record of the log with the index, and the index's files with their checksums.
    /// With `repair`, records that differ are indexed again; damaged files need a rebuild. Writes may go
    /// on meanwhile. `progress` is called with (records passed, records in the log).
    ///
    /// # Errors
    /// [`Trouble::Failed`] where the log or the index cannot be read.
    pub fn check(&self, progress: &dyn Fn(u64, u64), repair: bool) -> Result<Report, Trouble> {
        self.flush()?;
        let mut round = self.round()?;
        let step = Step {
            records: SLICE,
            deep_one_in: 16,
            repair,
        };
        while self.step(&mut round, &step)? {
            let (passed, of) = round.reached();
            progress(passed, of);
        }
        Ok(round.report)
    }

    /// The beginning of a round.
    ///
    /// # Errors
    /// [`Trouble`] where the log or the index cannot be read.
    pub fn round(&self) -> Result<Round, Trouble> {
        Ok(Round {
            files: self.files()?,
            after: 0,
            highest: self.inner.store.records(u64::MAX)?,
            report: Report::default(),
        })
    }

    /// Checks one file or one slice of records; false once there is no more.
    ///
    /// # Errors
    /// [`Trouble`] where the log or the index cannot be read.
    pub fn step(&self, round: &mut Round, step: &Step) -> Result<bool, Trouble> {
        // Reading a damaged file may panic.
        let taken = panic::catch_unwind(AssertUnwindSafe(|| self.take(round, step)));
        let damage = match taken {
            Ok(Err(Trouble::Damaged(why))) => why,
            Ok(taken) => return taken,
            Err(_) => UNREADABLE.to_owned(),
        };
        self.distrust(damage.clone());
        Err(Trouble::Damaged(damage))
    }

    fn take(&self, round: &mut Round, step: &Step) -> Result<bool, Trouble> {
        if let Some(file) = round.files.pop() {
            round.report.findings.extend(self.check_file(&file)?);
            return Ok(true);
        }
        if round.after > round.highest {
            return Ok(false);
        }
        let mut up_to = round.after + step.records.max(1);
        if up_to > round.highest {
            // Beyond the last record there may still be documents of records that never were.
            up_to = u64::MAX;
        }
        let (segments, position) = {
            let state = self.inner.shared.lock();
            (Arc::clone(&state.view.segments), state.view.position)
        };
        let mut slice = Slice {
            index: self,
            segments: &segments,
            drifted: Vec::new(),
        };
        slice.compare(round.after, up_to, position, &mut round.report)?;
        if let Some(one_in) = std::num::NonZeroU64::new(step.deep_one_in) {
            slice.compare_deep(round.after, up_to, one_in.get(), &mut round.report)?;
        }
        let drifted = slice.drifted;
        self.conclude(&segments, &drifted, step.repair, &mut round.report)?;
        round.after = up_to;
        Ok(up_to < u64::MAX)
    }

    /// Repairs what differs, or only tells.
    fn conclude(
        &self,
        segments: &[Segment],
        drifted: &[Drifted],
        repair: bool,
        report: &mut Report,
    ) -> Result<(), Trouble> {
        if drifted.is_empty() {
            return Ok(());
        }
        report.differing += drifted.len() as u64;
        let told = if repair {
            &mut report.repairs
        } else {
            &mut report.findings
        };
        for drifted in drifted {
            if told.len() >= FINDINGS_MAX {
                told.truncate(FINDINGS_MAX);
                told.push(format!("{} records differ in all.", report.differing));
                break;
            }
            let named = match self.name(segments, drifted)? {
                Some((kind, id)) => format!("{kind}/{id}"),
                None => format!("Record {}", drifted.record),
            };
            told.push(sentence(drifted.drift, &named));
        }
        if repair { self.repair(segments, drifted) } else { Ok(()) }
    }

    /// The files of the last commit, by name.
    fn files(&self) -> Result<Vec<PathBuf>, Trouble> {
        let known = self.inner.index.directory().list_managed_files();
        let mut files = Vec::new();
        for meta in self.inner.index.searchable_segment_metas()? {
            let deletions = meta.has_deletes().then_some(SegmentComponent::Delete);
            let all = COMPONENTS.into_iter().chain(deletions);
            files.extend(all.map(|component| meta.relative_path(component)));
        }
        // A part that a segment does not need has no file, and never had one.
        files.retain(|file| known.contains(file));
        Ok(files)
    }

    /// What is wrong with a file, where something is.
    fn check_file(&self, file: &Path) -> Result<Option<String>, Trouble> {
        let there = self.inner.place.directory.join(file).exists();
        if there && self.inner.index.directory().validate_checksum(file).unwrap_or(false) {
            return Ok(None);
        }
        if !self.files()?.iter().any(|current| current == file) {
            // It was merged into another meanwhile.
            return Ok(None);
        }
        if there {
            let what = format!("The index file {} is damaged.", file.display());
            self.distrust(what.clone());
            return Ok(Some(format!("{what} Build the index again with `epis reindex`.")));
        }
        let what = format!("The index file {} is gone.", file.display());
        self.inner.shared.lock().wanting.get_or_insert_with(|| what.clone());
        Ok(Some(format!("{what} Build the index again with `epis reindex`.")))
    }

    fn name(&self, segments: &[Segment], drifted: &Drifted) -> Result<Option<(Kind, Id)>, Trouble> {
        if drifted.seq > 0 {
            let found = self.inner.store.by_seq(&[drifted.seq])?.pop();
            return Ok(found.map(|version| (version.kind, version.id)));
        }
        let found = segments.iter().find_map(|segment| {
            let doc = living(segment, drifted.record - 1, drifted.record).next()?.0;
            Some((segment.columns.kind_of(doc).clone(), segment.columns.id_of(doc)?))
        });
        Ok(found)
    }

    /// Indexes records again as they are now, holding back newer versions for the moment it takes.
    fn repair(&self, segments: &[Segment], drifted: &[Drifted]) -> Result<(), Trouble> {
        let inner = &self.inner;
        for drifted in drifted {
            let Some((kind, id)) = self.name(segments, drifted)? else {
                continue;
            };
            let mut state = inner.shared.lock();
            let mut entry = match inner.store.current(&kind, &id)? {
                Some(version) if version.record == drifted.record => Entry::read(&inner.registry, &version),
                // The index says so, the log does not: what has this number is no record.
                _ => Entry::ghost(drifted.record, kind, id),
            };
            (entry.before, entry.again) = (Before::Somewhere, true);
            if entry.seq <= state.view.head {
                state.queue.push_back(Arc::new(entry));
                state.repairing += 1;
            }
        }
        inner.shared.ring();
        let mut state = inner.shared.lock();
        while state.repairing > 0 && state.failure.is_none() && !state.stop {
            state.flush_to = u64::MAX;
            inner.shared.ring();
            state = inner.shared.wait_moved(state);
        }
        state.flush_to = 0;
        Ok(())
    }
}

/// The living documents of the records after one and up to another, with record and version, in that order.
fn living(segment: &Segment, after: u64, up_to: u64) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
    let first = segment.columns.first_from(after.saturating_add(1));
    (first..segment.reader.max_doc())
        .map(|doc| (doc, segment.columns.record_of(doc), segment.columns.seq_of(doc)))
        .take_while(move |(_, record, _)| *record <= up_to)
        .filter(|(doc, _, _)| !segment.reader.is_deleted(*doc))
}

/// One slice being compared.
struct Slice<'a> {
    index: &'a Index,
    segments: &'a [Segment],
    drifted: Vec<Drifted>,
}

impl Slice<'_> {
    /// Compares which version of each record the index has with what the log says.
    fn compare(&mut self, after: u64, up_to: u64, position: u64, report: &mut Report) -> Result<(), Trouble> {
        let store = &self.index.inner.store;
        let log = store.latest(after, up_to, position)?;
        let mut documents: Vec<(u64, u64)> = Vec::new();
        for segment in self.segments {
            documents.extend(living(segment, after, up_to).map(|(_, record, seq)| (record, seq)));
        }
        documents.sort_unstable();
        let mut documents = documents.chunk_by(|a, b| a.0 == b.0).peekable();
        let mut unclear = Vec::new();
        for (record, seq) in log {
            while let Some(ghosts) = documents.next_if(|found| found[0].0 < record) {
                self.found(ghosts[0].0, 0, Drift::Ghost);
            }
            match documents.next_if(|found| found[0].0 == record) {
                Some([(_, found)]) if *found == seq => report.records += 1,
                Some([_]) => unclear.push((record, seq, Drift::Stale)),
                Some(_) => unclear.push((record, seq, Drift::Twice)),
                None => unclear.push((record, seq, Drift::Missing)),
            }
        }
        for ghosts in documents {
            self.found(ghosts[0].0, 0, Drift::Ghost);
        }
        self.clear_up(&unclear, report)
    }

    /// What is not in the index as the log has it may be deleted there.
    fn clear_up(&mut self, unclear: &[(u64, u64, Drift)], report: &mut Report) -> Result<(), Trouble> {
        let places: Vec<u64> = unclear.iter().map(|(_, seq, _)| *seq).collect();
        for version in self.index.inner.store.by_seq(&places)? {
            let found = unclear.iter().find(|(record, _, _)| *record == version.record);
            let drift = found.map_or(Drift::Missing, |(_, _, drift)| *drift);
            match (version.operation.is_live(), drift) {
                (true, drift) => {
                    report.records += 1;
                    self.found(version.record, version.seq, drift);
                }
                (false, Drift::Missing) => {}
                (false, _) => self.found(version.record, version.seq, Drift::Ghost),
            }
        }
        Ok(())
    }

    /// Extracts some of the records again and looks for all they say.
    fn compare_deep(&mut self, after: u64, up_to: u64, one_in: u64, report: &mut Report) -> Result<(), Trouble> {
        let inner = &self.index.inner;
        let deep = Deep {
            fields: &inner.fields,
            slots: &inner.slots,
            registry: &inner.registry,
        };
        for segment in self.segments {
            let chosen: Vec<(u32, u64, u64)> = living(segment, after, up_to)
                .filter(|(_, record, _)| record % one_in == 0)
                .filter(|(_, record, _)| !self.drifted.iter().any(|drifted| drifted.record == *record))
                .collect();
            let places: Vec<u64> = chosen.iter().map(|(_, _, seq)| *seq).collect();
            let versions = inner.store.by_seq(&places)?;
            for ((doc, record, seq), version) in chosen.into_iter().zip(versions) {
                report.deep += 1;
                if !deep.says(segment, doc, &version)? {
                    self.found(record, seq, Drift::Other);
                }
            }
        }
        Ok(())
    }

    fn found(&mut self, record: u64, seq: u64, drift: Drift) {
        self.drifted.push(Drifted { record, seq, drift });
    }
}

fn sentence(drift: Drift, record: &str) -> String {
    match drift {
        Drift::Missing => format!("{record} is not in the index."),
        Drift::Stale => format!("The index has an older version of {record}."),
        Drift::Twice => format!("{record} is in the index twice."),
        Drift::Ghost => format!("{record} is in the index and not in the log, or deleted there."),
        Drift::Other => format!("The index does not say of {record} what the record says."),
    }
}
