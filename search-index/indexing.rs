//! The thread that takes versions into tantivy, commits, merges segments and hands over new ones.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use store::Store;
use tantivy::index::SegmentId;
use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::NoMergePolicy;
use tantivy::{IndexWriter, TantivyError};

use crate::columns::{Fields, Segment};
use crate::entry::{Before, Entry};
use crate::merging;
use crate::recorded::Records;
use crate::segments;
use crate::settings::Settings;
use crate::shared::{Shared, Task};
use crate::slots::Slots;
use crate::stored;
use crate::tail::Tail;

/// How long to rest after a failure before trying again.
const REST: Duration = Duration::from_millis(500);
/// How long nothing is written before the segments are brought together.
const QUIET: Duration = Duration::from_secs(1);

/// What the indexing thread works with.
pub(crate) struct Indexing {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Store,
    pub(crate) index: tantivy::Index,
    pub(crate) fields: Arc<Fields>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) settings: Settings,
    directory: PathBuf,
    writer: Option<IndexWriter>,
    fed: u64,
    pending: usize,
    /// Those of them that are indexed again.
    again: usize,
    due: Option<Instant>,
    /// When to bring the segments together, where nothing is written until then.
    settle: Option<Instant>,
    merging: bool,
}

/// Why a step failed.
pub(crate) enum Failure {
    Tantivy(TantivyError),
    Store(store::Trouble),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Tantivy(error) => error.fmt(f),
            Failure::Store(trouble) => trouble.fmt(f),
        }
    }
}

impl From<TantivyError> for Failure {
    fn from(error: TantivyError) -> Failure {
        Failure::Tantivy(error)
    }
}

impl From<store::Trouble> for Failure {
    fn from(trouble: store::Trouble) -> Failure {
        Failure::Store(trouble)
    }
}

impl Indexing {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the index is being written by another process, or the thread cannot be started.
    pub(crate) fn start(
        shared: Arc<Shared>,
        store: Store,
        index: tantivy::Index,
        (fields, slots, directory): (Arc<Fields>, Arc<Slots>, PathBuf),
        settings: Settings,
    ) -> Result<JoinHandle<()>, TantivyError> {
        let writer = Some(open_writer(&index, &settings)?);
        let fed = shared.lock().view.position;
        let mut indexing = Indexing {
            shared,
            store,
            index,
            fields,
            slots,
            directory,
            settings,
            writer,
            fed,
            pending: 0,
            again: 0,
            due: None,
            settle: Some(Instant::now() + QUIET),
            merging: false,
        };
        let thread = thread::Builder::new()
            .name("search-index".to_owned())
            .spawn(move || indexing.run());
        Ok(thread?)
    }

    fn run(&mut self) {
        loop {
            let (taken, most) = ((self.fed, self.pending), self.settings.commit_records);
            let task = self.shared.next_task(taken, most, self.due, self.settle);
            let last = matches!(task, Task::Stop);
            let done = match task {
                Task::Feed(entries) => self.feed(&entries),
                Task::Commit => self.commit(),
                Task::Refresh => self.after_merge(),
                Task::Settle => self.settle(),
                Task::Stop if self.pending > 0 && !self.shared.lock().retired => self.commit(),
                Task::Stop => Ok(()),
            };
            if last {
                return self.end();
            }
            if let Err(failure) = done {
                self.recover(&failure);
            }
        }
    }

    /// Lets the writer go once its merges have ended: one that ends later would write down the segments as it knew them,
    /// and remove the files of those that the next writer has committed since.
    fn close(&mut self) {
        if let Some(writer) = self.writer.take() {
            // A merge that failed leaves the old segments in place.
            let _ = writer.wait_merging_threads();
        }
    }

    /// Ends writing; removes the folder of an index whose place another has taken.
    fn end(&mut self) {
        self.close();
        if !self.shared.lock().retired {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            let folder = self.directory.display();
            (self.settings.notice)(&format!(
                "The search index in {folder} is no longer used and could not be removed: {error}."
            ));
        }
    }

    fn writer(&mut self) -> Result<&mut IndexWriter, TantivyError> {
        if self.writer.is_none() {
            self.writer = Some(open_writer(&self.index, &self.settings)?);
        }
        Ok(self.writer.as_mut().expect("it was just opened"))
    }

    /// Takes versions in; only the last of each record counts.
    fn feed(&mut self, entries: &[Arc<Entry>]) -> Result<(), Failure> {
        let mut last: FxHashMap<u64, usize> = FxHashMap::default();
        let mut replaced = Vec::new();
        for (place, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.aside) {
            last.insert(entry.record, place);
            if entry.before != Before::Nothing {
                replaced.push(entry.record);
            }
        }
        if !replaced.is_empty() {
            let records = Records::new(replaced);
            self.writer()?.delete_query(Box::new(records))?;
        }
        for (place, entry) in entries.iter().enumerate() {
            self.fed = self.fed.max(entry.seq);
            if entry.live && last[&entry.record] == place {
                let document = stored::document(&self.fields, &self.slots, entry);
                self.writer()?.add_document(document)?;
            }
            self.pending += 1;
            self.again += usize::from(entry.again);
        }
        self.due
            .get_or_insert_with(|| Instant::now() + Duration::from_millis(self.settings.commit_every_ms));
        Ok(())
    }

    /// Makes what was taken in durable, and hands it over to searchers together with the shorter tail.
    fn commit(&mut self) -> Result<(), Failure> {
        let payload = segments::payload(&self.store, self.fed)?;
        let mut prepared = self.writer()?.prepare_commit()?;
        prepared.set_payload(&payload);
        prepared.commit()?;
        let fed = self.fed;
        self.hand_over(|tail| tail.after(fed), fed)?;
        (self.pending, self.due) = (0, None);
        let mut state = self.shared.lock();
        state.repairing = state.repairing.saturating_sub(std::mem::take(&mut self.again));
        state.resting = false;
        drop(state);
        self.shared.tell();
        self.settle = Some(Instant::now() + QUIET);
        let chosen = merging::choose(&self.segments());
        self.merge(chosen)
    }

    fn hand_over(&mut self, left: impl FnOnce(&Tail) -> Tail, position: u64) -> Result<(), TantivyError> {
        let known = Arc::clone(&self.shared.lock().view.segments);
        let opened = segments::open(&self.index, &self.fields, &self.slots, &known)?;
        let mut state = self.shared.lock();
        state.view.segments = Arc::new(opened);
        state.view.position = position;
        state.view.tail = left(&state.view.tail);
        (state.failure, state.failures) = (None, 0);
        drop(state);
        self.shared.tell();
        Ok(())
    }

    fn segments(&self) -> Arc<Vec<Segment>> {
        Arc::clone(&self.shared.lock().view.segments)
    }

    /// Nothing is being written: merges what will make searches cheaper.
    fn settle(&mut self) -> Result<(), Failure> {
        self.settle = None;
        let chosen = merging::choose_at_rest(&self.segments());
        self.shared.lock().resting = chosen.is_none() && !self.merging;
        self.merge(chosen)
    }

    /// Starts a merge where one is worth it; one at a time, and none when all shall end.
    fn merge(&mut self, chosen: Option<Vec<SegmentId>>) -> Result<(), Failure> {
        let ending = self.shared.lock().stop;
        let Some(chosen) = chosen.filter(|_| !self.merging && !ending) else {
            return Ok(());
        };
        let result = self.writer()?.merge(&chosen);
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name("search-merge".to_owned())
            .spawn(move || {
                // A merge that failed leaves the old segments in place; the next commit tries again.
                let _ = result.wait();
                shared.lock().merged = true;
                shared.ring();
            })
            .map_err(TantivyError::from)?;
        self.merging = true;
        Ok(())
    }

    fn after_merge(&mut self) -> Result<(), Failure> {
        self.merging = false;
        let position = self.shared.lock().view.position;
        self.hand_over(Tail::clone, position)?;
        self.writer()?.garbage_collect_files().wait()?;
        self.settle = Some(Instant::now() + QUIET);
        let chosen = merging::choose(&self.segments());
        self.merge(chosen)
    }

    /// Begins again from the last commit: everything after it is still in the tail.
    fn recover(&mut self, failure: &Failure) {
        (self.settings.notice)(&format!(
            "The search index could not take versions in, and tries again: {failure}."
        ));
        self.close();
        thread::sleep(REST);
        let mut state = self.shared.lock();
        state.failure = Some(failure.to_string());
        state.failures += 1;
        state.queue = VecDeque::from(state.view.tail.all());
        state.repairing = 0;
        self.fed = state.view.position;
        drop(state);
        (self.pending, self.again, self.due, self.merging) = (0, 0, None, false);
        self.settle = None;
        self.shared.tell();
    }
}

fn open_writer(index: &tantivy::Index, settings: &Settings) -> Result<IndexWriter, TantivyError> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .num_merge_threads(1)
        .memory_budget_per_thread(settings.heap_bytes)
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    writer.set_merge_policy(Box::new(NoMergePolicy));
    Ok(writer)
}
