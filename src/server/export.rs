//! `epis export`: writes all records as NDJSON, one file a kind, as of one moment.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fhir::body::{Header, splice};
use fhir::identity::Kind;
use flate2::Compression;
use flate2::write::GzEncoder;
use store::{Operation, Store, Version};

use crate::progress::Progress;
use crate::settings::Settings;

/// What to export.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Where to.
    pub folder: PathBuf,
    /// All versions instead of the present records.
    pub history: bool,
    /// Compressed.
    pub gzip: bool,
}

/// Versions read from the log at once.
const BLOCK: usize = 1000;

/// Exports.
///
/// # Errors
/// A sentence where the folder cannot be used or the log cannot be read.
pub fn export(settings: Settings, wish: &Wish) -> Result<ExitCode, String> {
    empty_folder(&wish.folder)?;
    let engine = crate::engine::open(&settings, false)?.now();
    let head = engine.store.head();
    let passes = if wish.history { 1 } else { 2 };
    let progress = Progress::new("Exporting", head * passes);
    let mut files = Files::new(wish);
    progress.show_during(|| -> Result<(), String> {
        let last = if wish.history {
            None
        } else {
            Some(last_versions(&engine.store, head, &progress)?)
        };
        each_version(&engine.store, head, &progress, |version| {
            let wanted = last.as_ref().is_none_or(|last| {
                version.operation != Operation::Delete && last.get(&version.record) == Some(&version.seq)
            });
            if wanted {
                progress.count(1);
                files.write(version, wish.history)?;
            }
            Ok(())
        })
    })?;
    let kinds = files.close()?;
    println!(
        "{} {} in {kinds} files in {}.",
        progress.records(),
        if wish.history { "versions" } else { "records" },
        wish.folder.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder where it is missing.
///
/// # Errors
/// A sentence where it cannot be used or something is in it.
pub(crate) fn empty_folder(folder: &Path) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{} cannot be used: {e}.", folder.display());
    std::fs::create_dir_all(folder).map_err(failed)?;
    match std::fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(format!("{} is not empty: name a folder of its own.", folder.display())),
    }
}

/// Calls `each` with every version up to a place in the log, in its order.
fn each_version(
    store: &Store,
    head: u64,
    progress: &Progress,
    mut each: impl FnMut(&Version) -> Result<(), String>,
) -> Result<(), String> {
    let mut after = 0;
    while after < head {
        let versions = store.log(after, BLOCK).map_err(|trouble| trouble.to_string())?;
        let Some(last) = versions.last() else { return Ok(()) };
        progress.advance(last.seq.min(head) - after);
        after = last.seq;
        versions
            .iter()
            .filter(|version| version.seq <= head)
            .try_for_each(&mut each)?;
    }
    Ok(())
}

/// The place of each record's current version.
fn last_versions(store: &Store, head: u64, progress: &Progress) -> Result<HashMap<u64, u64>, String> {
    let mut last = HashMap::new();
    each_version(store, head, progress, |version| {
        if !version.aside {
            last.insert(version.record, version.seq);
        }
        Ok(())
    })?;
    Ok(last)
}

/// The open files, one a kind.
struct Files<'a> {
    wish: &'a Wish,
    open: HashMap<Kind, Output>,
    line: Vec<u8>,
}

enum Output {
    Plain(BufWriter<File>),
    Packed(GzEncoder<BufWriter<File>>),
}

impl<'a> Files<'a> {
    fn new(wish: &'a Wish) -> Files<'a> {
        Files {
            wish,
            open: HashMap::new(),
            line: Vec::new(),
        }
    }

    fn write(&mut self, version: &Version, as_entry: bool) -> Result<(), String> {
        self.line.clear();
        if as_entry {
            write_entry(version, &mut self.line);
        } else {
            write_record(version, &mut self.line);
        }
        self.line.push(b'\n');
        let failed = |e: std::io::Error| format!("The export cannot be written: {e}.");
        if !self.open.contains_key(&version.kind) {
            let output = open(self.wish, &version.kind).map_err(failed)?;
            self.open.insert(version.kind.clone(), output);
        }
        match self.open.get_mut(&version.kind).expect("just opened") {
            Output::Plain(file) => file.write_all(&self.line),
            Output::Packed(file) => file.write_all(&self.line),
        }
        .map_err(failed)
    }

    /// Ends the files so that they survive a power cut; how many there are.
    fn close(self) -> Result<usize, String> {
        let count = self.open.len();
        for output in self.open.into_values() {
            let buffered = match output {
                Output::Plain(file) => Ok(file),
                Output::Packed(file) => file.finish(),
            };
            let file = buffered.and_then(|file| file.into_inner().map_err(std::io::IntoInnerError::into_error));
            file.and_then(|file| file.sync_all())
                .map_err(|e| format!("The export cannot be written: {e}."))?;
        }
        Ok(count)
    }
}

fn open(wish: &Wish, kind: &Kind) -> std::io::Result<Output> {
    let middle = if wish.history { ".history" } else { "" };
    let end = if wish.gzip { ".gz" } else { "" };
    let file = BufWriter::new(File::create(wish.folder.join(format!("{kind}{middle}.ndjson{end}")))?);
    Ok(if wish.gzip {
        Output::Packed(GzEncoder::new(file, Compression::default()))
    } else {
        Output::Plain(file)
    })
}

fn write_record(version: &Version, out: &mut Vec<u8>) {
    let header = Header {
        kind: &version.kind,
        id: &version.id,
        version: version.version,
        updated: version.updated,
    };
    splice(header, &version.body, out);
}

/// A version as an entry of a history bundle (<https://hl7.org/fhir/R4/http.html#history>).
fn write_entry(version: &Version, out: &mut Vec<u8>) {
    let (method, status) = match version.operation {
        Operation::Create => ("POST", "201"),
        Operation::Update => ("PUT", "200"),
        Operation::Delete => ("DELETE", "204"),
    };
    out.push(b'{');
    if version.operation != Operation::Delete {
        out.extend_from_slice(b"\"resource\":");
        write_record(version, out);
        out.push(b',');
    }
    let path = if version.operation == Operation::Create {
        version.kind.to_string()
    } else {
        format!("{}/{}", version.kind, version.id)
    };
    let moment = fhir::moment::instant(version.updated);
    let rest = format!(
        "\"request\":{{\"method\":\"{method}\",\"url\":\"{path}\"}},\"response\":{{\"status\":\"{status}\",\
        \"etag\":\"W/\\\"{}\\\"\",\"lastModified\":\"{moment}\"}}}}",
        version.version
    );
    out.extend_from_slice(rest.as_bytes());
}
