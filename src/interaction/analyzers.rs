//! The tables by which texts are broken into words, as they lie in a folder of whoever runs the server.
//!
//! A file `names.tsv`, `synonyms.tsv`, `words.tsv` or `elements.tsv` there changes the built-in table line by line
//! ([`text::tables`]). The folder is looked at again while the server runs. Tables that cannot be used are told of, and
//! what held before goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use text::{Analysis, Table, Tables};

/// Bytes of a file, at most.
const FILE_MAX: u64 = 4 << 20;

/// The folder, and what lay in it when it was looked at last.
pub(crate) struct Analyzers {
    folder: PathBuf,
    seen: Mutex<Vec<Stamp>>,
}

/// When a file was changed last and how long it is; `None` where there is none.
type Stamp = Option<(SystemTime, u64)>;

impl Analyzers {
    /// The tables of a folder and what they come to; where they cannot be used, `before`, or the built-in ones.
    pub(crate) fn open(
        folder: &Path,
        before: impl FnOnce() -> Option<Analysis>,
        notice: &dyn Fn(&str),
    ) -> (Analyzers, Arc<Analysis>) {
        let analyzers = Analyzers {
            folder: folder.to_owned(),
            seen: Mutex::new(stamps(folder)),
        };
        let analysis = read(folder).unwrap_or_else(|why| {
            notice(&unusable(folder, &why));
            before().map_or_else(Analysis::built_in, Arc::new)
        });
        (analyzers, analysis)
    }

    /// What the tables come to, where files changed since they were looked at last and can be used.
    pub(crate) fn news(&self, notice: &dyn Fn(&str)) -> Option<Arc<Analysis>> {
        let now = stamps(&self.folder);
        let mut seen = self.seen();
        if *seen == now {
            return None;
        }
        *seen = now;
        drop(seen);
        let read = read(&self.folder);
        read.inspect_err(|why| notice(&unusable(&self.folder, why))).ok()
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Stamp>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unusable(folder: &Path, why: &str) -> String {
    format!(
        "The tables of the analyzers in {} cannot be used, and what held before goes on. {why}",
        folder.display()
    )
}

fn path(folder: &Path, table: Table) -> PathBuf {
    folder.join(format!("{}.tsv", table.name()))
}

fn stamps(folder: &Path) -> Vec<Stamp> {
    let stamp = |table: &Table| {
        let facts = std::fs::metadata(path(folder, *table)).ok()?;
        Some((facts.modified().ok()?, facts.len()))
    };
    Table::ALL.iter().map(stamp).collect()
}

/// The tables in force with a folder of one's own; those that are not there are as they are built in.
///
/// # Errors
/// A sentence that names the table and the line or word.
pub fn tables(folder: &Path) -> Result<Tables, String> {
    let mut tables = Tables::built_in()?;
    for table in Table::ALL {
        let path = path(folder, table);
        let Ok(facts) = std::fs::metadata(&path) else { continue };
        if facts.len() > FILE_MAX {
            return Err(format!("{} has more than {FILE_MAX} bytes.", path.display()));
        }
        let own = std::fs::read_to_string(&path).map_err(|e| format!("{} cannot be read: {e}.", path.display()))?;
        tables = tables.with(table, &own)?;
    }
    Ok(tables)
}

/// What the tables in force with a folder of one's own come to.
///
/// # Errors
/// As [`tables`], and where they contradict themselves.
pub fn read(folder: &Path) -> Result<Arc<Analysis>, String> {
    Analysis::new(&tables(folder)?).map(Arc::new)
}
