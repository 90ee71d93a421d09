//! How the index works, how much memory it takes and whom it tells of trouble.

use std::sync::Arc;

use crate::ground::Ground;

/// Settings of an index. Every limit is a positive number.
#[derive(Clone)]
pub struct Settings {
    /// Memory for versions being indexed, in bytes; at least 15 MB. Reached, a segment is written.
    pub heap_bytes: usize,
    /// How long a version may stay in the tail before a commit, in milliseconds.
    pub commit_every_ms: u64,
    /// Versions after which a commit is made at once; kept below half of `tail_max`.
    pub commit_records: usize,
    /// Versions the tail may hold; writers wait while it is full.
    pub tail_max: usize,
    /// Records that may have changed since the snapshot a page belongs to; more, and it has expired.
    pub changes_max: usize,
    /// Memory for what is laid out to sort and to count by, in bytes; 0 for none. Where it is not enough, both take longer.
    pub orders_bytes: usize,
    /// Fewer documents than this are sorted, counted, and looked up by name, as they come.
    pub orders_from: usize,
    /// What lies under the log, where anything does.
    pub ground: Option<Arc<dyn Ground>>,
    /// Told, in a sentence, whenever something had to be put right or cannot be done just now.
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            heap_bytes: 48 << 20,
            commit_every_ms: 500,
            commit_records: 8_192,
            tail_max: 16_384,
            changes_max: 10_000,
            orders_bytes: 256 << 20,
            orders_from: 64,
            ground: None,
            notice: Arc::new(|_| {}),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("heap_bytes", &self.heap_bytes)
            .field("commit_every_ms", &self.commit_every_ms)
            .field("commit_records", &self.commit_records)
            .field("tail_max", &self.tail_max)
            .field("changes_max", &self.changes_max)
            .field("orders_bytes", &self.orders_bytes)
            .field("orders_from", &self.orders_from)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The settings with every limit brought into the range it has to be in.
    pub(crate) fn bounded(mut self) -> Settings {
        self.heap_bytes = self.heap_bytes.clamp(15_000_000, 2 << 30);
        self.tail_max = self.tail_max.max(2);
        self.commit_records = self.commit_records.clamp(1, self.tail_max / 2);
        self
    }
}
