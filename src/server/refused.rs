//! Writes down what an import refused, with its reasons: one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use fhir::parse::write_string;
use interaction::Reply;

/// The file of refused records; it is made when the first is refused.
#[derive(Debug)]
pub struct RefusedFile {
    path: PathBuf,
    file: Mutex<Option<File>>,
    count: AtomicU64,
}

impl RefusedFile {
    /// A file at a path.
    pub fn new(path: &Path) -> RefusedFile {
        RefusedFile {
            path: path.to_owned(),
            file: Mutex::new(None),
            count: AtomicU64::new(0),
        }
    }

    /// How many were refused since this was made.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Where the reasons are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down that something at a place of a source was refused.
    pub fn add(&self, source: &str, place: &str, reply: &Reply) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut line = b"{\"source\":".to_vec();
        write_string(&mut line, source);
        line.extend_from_slice(b",\"place\":");
        write_string(&mut line, place);
        line.extend_from_slice(format!(",\"status\":{},\"outcome\":", reply.status).as_bytes());
        let outcome = reply.body.bytes();
        line.extend_from_slice(if outcome.is_empty() { b"null" } else { outcome });
        line.extend_from_slice(b"}\n");
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = OpenOptions::new().create(true).append(true).open(&self.path).ok();
        }
        let written = file.as_mut().is_some_and(|file| file.write_all(&line).is_ok());
        if !written {
            eprintln!(
                "epis: {} cannot be written; refused with status {}: {source} {place}",
                self.path.display(),
                reply.status
            );
        }
    }
}
