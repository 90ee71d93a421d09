//! Remembers how far each file was imported, so that an import that was stopped goes on where it was.
//!
//! A text file of lines, appended to; the last line about a file counts:
//!
//! ```text
//! offset TAB length TAB modified TAB path
//! ```
//!
//! `offset` is how many unpacked bytes of the file are stored, or `end`; `length` and `modified`
//! (seconds since 1970) tell a file that has changed since, which is imported anew.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// How far a file was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// So many unpacked bytes.
    Offset(u64),
    /// All of it.
    End,
}

/// A file as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The absolute path, or the name of something built in.
    pub path: String,
    /// Its length in bytes.
    pub length: u64,
    /// When it was changed last, in seconds since 1970.
    pub modified: u64,
}

/// The journal of imports into one data folder.
#[derive(Debug)]
pub struct Journal {
    known: HashMap<Key, Reached>,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal, or begins one. `afresh` forgets what it says.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn open(path: &Path, afresh: bool) -> Result<Journal, String> {
        let failed = |e: std::io::Error| format!("The journal {} cannot be used: {e}.", path.display());
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        let text = std::fs::read(path).map_err(failed)?;
        if text.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n").map_err(failed)?;
        }
        let text = String::from_utf8_lossy(&text);
        let known = if afresh {
            HashMap::new()
        } else {
            text.lines().filter_map(line).collect()
        };
        Ok(Journal {
            known,
            file: Mutex::new(file),
        })
    }

    /// How far a file was imported before.
    pub fn reached(&self, key: &Key) -> Reached {
        self.known.get(key).copied().unwrap_or(Reached::Offset(0))
    }

    /// Writes down how far a file is imported now.
    ///
    /// # Errors
    /// A sentence where the journal cannot be written.
    pub fn reach(&self, key: &Key, reached: Reached) -> Result<(), String> {
        let offset = match reached {
            Reached::Offset(offset) => offset.to_string(),
            Reached::End => "end".to_owned(),
        };
        let line = format!("{offset}\t{}\t{}\t{}\n", key.length, key.modified, key.path);
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(line.as_bytes())
            .map_err(|e| format!("The journal of the import cannot be written: {e}."))
    }
}

fn line(line: &str) -> Option<(Key, Reached)> {
    let mut parts = line.splitn(4, '\t');
    let reached = match parts.next()? {
        "end" => Reached::End,
        offset => Reached::Offset(offset.parse().ok()?),
    };
    let length = parts.next()?.parse().ok()?;
    let modified = parts.next()?.parse().ok()?;
    let path = parts.next()?.to_owned();
    Some((Key { path, length, modified }, reached))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_across_runs_and_survives_a_torn_line() {
        let path = std::env::temp_dir().join(format!("epis-journal-{}", std::process::id()));
        let key = |path: &str| Key {
            path: path.to_owned(),
            length: 5,
            modified: 7,
        };
        let journal = Journal::open(&path, true).unwrap();
        journal.reach(&key("a b"), Reached::Offset(3)).unwrap();
        journal.reach(&key("c"), Reached::Offset(4)).unwrap();
        journal.reach(&key("a b"), Reached::End).unwrap();
        journal.file.lock().unwrap().write_all(b"12\t5").unwrap();
        let journal = Journal::open(&path, false).unwrap();
        journal.reach(&key("d"), Reached::End).unwrap();
        let journal = Journal::open(&path, false).unwrap();
        let changed = Key { length: 6, ..key("c") };
        let table = [
            (key("a b"), Reached::End),
            (key("c"), Reached::Offset(4)),
            (key("d"), Reached::End),
            (changed, Reached::Offset(0)),
        ];
        for (key, reached) in table {
            assert_eq!(journal.reached(&key), reached, "{key:?}");
        }
        assert_eq!(
            Journal::open(&path, true).unwrap().reached(&key("c")),
            Reached::Offset(0)
        );
        std::fs::remove_file(path).unwrap();
    }
}
