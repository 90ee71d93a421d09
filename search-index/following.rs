//! How the index follows the log: it catches up by reading, then every group of writes is handed to it.

use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use store::{Appended, Follower};

use crate::entry::{Before, Entry};
use crate::index::Inner;
use crate::shared::State;

/// How long to rest before the log is read again after a failure.
const REST: Duration = Duration::from_secs(1);
/// Versions read from the log at once when catching up.
const CHUNK: usize = 256;

impl Inner {
    /// Reads the log up to its head, and lets the follower take over without a gap. After every few versions `go_on`
    /// is asked, with how many of how many are read; false where it said no.
    pub(crate) fn catch_up(&self, go_on: &mut dyn FnMut(u64, u64) -> bool) -> Result<bool, store::Trouble> {
        // Up to a place, records have numbers up to this: a higher one begins a record.
        let (mut place, mut highest) = (0, 0);
        loop {
            let head = self.shared.lock().view.head;
            if place != head {
                highest = self.store.records(head)?;
            }
            let versions = self.store.log(head, CHUNK)?;
            if versions.is_empty() {
                let mut state = self.shared.lock();
                if state.view.head >= state.skipped && state.view.head >= self.store.head() {
                    (state.catching_up, state.skipped) = (false, 0);
                    return Ok(true);
                }
                continue;
            }
            let mut entries = Vec::with_capacity(versions.len());
            for version in &versions {
                let mut entry = Entry::read(&self.registry, version);
                if version.record <= highest && !version.aside {
                    entry.before = Before::Somewhere;
                }
                (place, highest) = (version.seq, highest.max(version.record));
                entries.push(entry);
            }
            self.push(entries, false);
            if !go_on(place, self.store.head()) {
                return Ok(false);
            }
        }
    }

    /// Reads the log up to its head on a thread of its own, as often as it takes.
    fn keep_catching_up(inner: Arc<Inner>) {
        let read = move || {
            while let Err(trouble) = inner.catch_up(&mut |_, _| true) {
                (inner.settings.notice)(&format!(
                    "The search index cannot read the log, and tries again: {trouble}"
                ));
                thread::sleep(REST);
                if inner.shared.lock().stop {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("search-catch-up".to_owned()).spawn(read);
        started.expect("the machine can run one more thread");
    }

    /// Takes versions into the tail, waiting for room. A follower that finds a gap leaves it, and what
    /// follows it, to whoever is catching up.
    fn push(&self, entries: Vec<Entry>, follower: bool) {
        let (Some(first), Some(last)) = (entries.first().map(|e| e.seq), entries.last().map(|e| e.seq)) else {
            return;
        };
        if follower && leaves(&mut self.shared.lock(), first, last) {
            return;
        }
        let mut state = self.shared.wait_room(entries.len(), self.settings.tail_max);
        if follower && leaves(&mut state, first, last) {
            return;
        }
        state.push(entries);
        drop(state);
        self.shared.ring();
    }

    fn follow(&self, appended: &[Appended]) -> Result<(), store::Trouble> {
        let (Some(first), Some(last)) = (appended.first(), appended.last()) else {
            return Ok(());
        };
        self.under.cover(appended);
        // While the log is being read, extracting what will be read again would only hold up the writers.
        if leaves(&mut self.shared.lock(), first.seq, last.seq) {
            return Ok(());
        }
        let mut entries: Vec<Option<Entry>> = appended.iter().map(|a| Entry::carried(&self.registry, a)).collect();
        let missing: Vec<u64> = appended
            .iter()
            .zip(&entries)
            .filter(|(_, entry)| entry.is_none())
            .map(|(a, _)| a.seq)
            .collect();
        let mut read = self.store.by_seq(&missing)?.into_iter();
        for (entry, appended) in entries.iter_mut().zip(appended).filter(|(entry, _)| entry.is_none()) {
            let found = read.next().map(|version| Entry::read(&self.registry, &version));
            *entry = found.map(|mut found| {
                found.before = appended.previous.map_or(Before::Nothing, Before::At);
                found
            });
        }
        self.push(entries.into_iter().flatten().collect(), true);
        Ok(())
    }
}

/// Whether a follower leaves versions to whoever is catching up: they come after a gap.
fn leaves(state: &mut State, first: u64, last: u64) -> bool {
    let gap = state.catching_up && first > state.view.head + 1;
    if gap {
        state.skipped = state.skipped.max(last);
    }
    gap
}

/// Follows the log for an index as long as somebody holds the index.
pub(crate) struct Following(pub(crate) Weak<Inner>);

impl Follower for Following {
    fn committed(&self, appended: &[Appended]) {
        let Some(inner) = self.0.upgrade() else {
            return;
        };
        if let Err(trouble) = inner.follow(appended) {
            // Searches would answer short: refuse them until the log has been read again.
            (inner.settings.notice)(&format!("The search index lost the log and reads it again: {trouble}"));
            let last = appended.last().map_or(0, |appended| appended.seq);
            let mut state = inner.shared.lock();
            let alone = !state.catching_up;
            (state.catching_up, state.skipped) = (true, state.skipped.max(last));
            drop(state);
            if alone {
                Inner::keep_catching_up(inner);
            }
        }
    }

    fn ended(&self) -> bool {
        self.0.strong_count() == 0
    }
}
