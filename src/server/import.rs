//! `epis import`: takes in files and folders, and goes on where it was stopped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use crate::journal::Journal;
use crate::load::{Load, TEXT_MAX};
use crate::progress::{Progress, duration};
use crate::refused::RefusedFile;
use crate::settings::Settings;
use crate::source::Source;
use crate::value::Bytes;

/// What to import.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Whether to import again what was imported before.
    pub again: bool,
    /// Pieces stored side by side.
    pub threads: usize,
}

/// Imports; ends with 1 where something was refused.
///
/// # Errors
/// A sentence where something cannot be read or stored.
pub fn import(settings: Settings, wish: &Wish) -> Result<ExitCode, String> {
    let mut stages = Vec::new();
    for path in &wish.paths {
        stages.extend(Source::find(path)?);
    }
    let files: usize = stages.iter().map(Vec::len).sum();
    let total: u64 = stages.iter().flatten().map(|source| source.key.length).sum();
    let generations = crate::engine::open(&without_limits(settings.clone()), false)?;
    let folder = Path::new(&settings.data);
    let journal = Journal::open(&folder.join("import.journal"), wish.again)?;
    let refused = RefusedFile::new(&folder.join("import-refused.ndjson"));
    let progress = Progress::new("Importing", total);
    let stop = AtomicBool::new(false);
    let mut load = Load::new(&generations, &journal, &refused, &progress, &stop);
    load.threads = wish.threads.clamp(1, 64);
    progress.show_during(|| stages.iter().try_for_each(|stage| load.stage(stage)))?;
    let seconds = progress.elapsed().as_secs_f64();
    println!(
        "{} records in {} ({:.0} a second); files: {} taken in, {} imported before.",
        progress.records(),
        duration(seconds as u64),
        progress.records() as f64 / seconds.max(0.001),
        files as u64 - load.skipped(),
        load.skipped()
    );
    if refused.count() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{} were refused; the reasons are in {}.",
        refused.count(),
        refused.path().display()
    );
    Ok(ExitCode::FAILURE)
}

/// The limits keep strangers' requests small; the operator's own files may be as large as they are.
fn without_limits(settings: Settings) -> Settings {
    Settings {
        body_bytes_max: Bytes(TEXT_MAX as u64),
        bundle_bytes_max: Bytes(TEXT_MAX as u64),
        bundle_entries_max: usize::MAX,
        ..settings
    }
}
