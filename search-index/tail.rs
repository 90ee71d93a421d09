//! What the log holds after the index's last commit: versions in memory, ready to be matched.
//!
//! A tail is copied on write: whoever holds one sees it unchanged while the log goes on. Versions lie by
//! kind in blocks, so that a query looks only at its own kinds and a copy shares all but the last block.

use std::sync::Arc;

use fhir::identity::Kind;
use rustc_hash::FxHashMap;

use crate::entry::{Before, Entry};
use crate::replaced::is_replaced;

/// Versions in a block.
const BLOCK: usize = 256;

type Block = Arc<Vec<Arc<Entry>>>;

/// Versions after the index's position, in the order of the log within each kind.
#[derive(Clone, Default)]
pub(crate) struct Tail {
    kinds: Arc<FxHashMap<Kind, Vec<Block>>>,
    newest: Arc<FxHashMap<u64, u64>>,
    /// Versions that name the record which replaces theirs.
    replaced: Arc<Vec<Arc<Entry>>>,
    length: usize,
    replacing: usize,
}

impl Tail {
    /// How many versions it has.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Appends the log's next version.
    pub(crate) fn push(&mut self, entry: Arc<Entry>) {
        self.length += 1;
        self.replacing += usize::from(entry.before != Before::Nothing);
        if !entry.aside {
            Arc::make_mut(&mut self.newest).insert(entry.record, entry.seq);
        }
        if is_replaced(&entry) {
            Arc::make_mut(&mut self.replaced).push(Arc::clone(&entry));
        }
        let blocks = Arc::make_mut(&mut self.kinds).entry(entry.kind.clone()).or_default();
        match blocks.last_mut() {
            Some(block) if block.len() < BLOCK => Arc::make_mut(block).push(entry),
            _ => blocks.push(Arc::new(vec![entry])),
        }
    }

    /// What is left of it after the index has come to `position`.
    pub(crate) fn after(&self, position: u64) -> Tail {
        let mut left = Tail::default();
        for entry in self.all().into_iter().filter(|entry| entry.seq > position) {
            left.push(entry);
        }
        left
    }

    /// Every version, in the order of the log.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<Arc<Entry>> = self
            .kinds
            .values()
            .flatten()
            .flat_map(|block| block.iter().cloned())
            .collect();
        all.sort_unstable_by_key(|entry| entry.seq);
        all
    }

    /// The versions of a kind, in the order of the log.
    pub(crate) fn of_kind(&self, kind: &Kind) -> impl Iterator<Item = &Arc<Entry>> {
        self.kinds
            .get(kind)
            .into_iter()
            .flatten()
            .flat_map(|block| block.iter())
    }

    /// The kinds that have versions here.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.keys()
    }

    /// Whether the version is its record's newest.
    pub(crate) fn is_newest(&self, entry: &Entry) -> bool {
        self.newest.get(&entry.record) == Some(&entry.seq)
    }

    /// Whether the record has a version here, so that what the index has of it no longer counts.
    pub(crate) fn shadows(&self, record: u64) -> bool {
        self.newest.contains_key(&record)
    }

    /// The records whose documents no longer count because of a version here; also some that have no document.
    pub(crate) fn replaced<'a>(&'a self, kind: &'a Kind) -> impl Iterator<Item = u64> + 'a {
        let newest = self.of_kind(kind).filter(|entry| self.is_newest(entry));
        newest
            .filter(|entry| entry.before != Before::Nothing)
            .map(|entry| entry.record)
    }

    /// The newest versions that name the record which replaces theirs.
    pub(crate) fn replaced_by(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.replaced.iter().filter(|entry| self.is_newest(entry))
    }

    /// How many versions here replace another.
    pub(crate) fn replacing(&self) -> usize {
        self.replacing
    }

    /// Whether any version here replaces another, so that the index may hold what no longer counts.
    pub(crate) fn replaces(&self) -> bool {
        self.replacing > 0
    }
}
