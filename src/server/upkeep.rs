//! `epis check`, `epis reindex` and `epis definitions`: what keeps the data whole.

use std::path::Path;
use std::process::ExitCode;

use crate::progress::Progress;
use crate::settings::Settings;

/// Proves that the data is whole; with `repair`, puts right what can be put right.
///
/// # Errors
/// A sentence where the data cannot be opened or read.
pub fn check(settings: Settings, repair: bool) -> Result<ExitCode, String> {
    let generations = crate::engine::open(&settings, false)?;
    let engine = generations.now();
    let progress = Progress::new("Checking the log", engine.store.head());
    let log = progress.show_during(|| engine.store.check(&|done, _| progress.reach(done)));
    let log = log.map_err(|trouble| trouble.to_string())?;
    println!("Log: {} versions of {} records.", log.versions, log.records);
    let progress = Progress::new("Checking the index", log.records);
    let index = progress.show_during(|| engine.index.check(&|done, _| progress.reach(done), repair));
    let index = index.map_err(|trouble| trouble.to_string())?;
    println!("Index: {} records.", index.records);
    for repaired in log.repairs.iter().chain(&index.repairs) {
        println!("Repaired: {repaired}");
    }
    for found in log.findings.iter().chain(&index.findings) {
        println!("Wrong: {found}");
    }
    if log.findings.is_empty() && index.findings.is_empty() {
        println!("All is well.");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// Builds the index anew.
///
/// # Errors
/// A sentence where the data cannot be opened, read or written.
pub fn reindex(settings: Settings) -> Result<ExitCode, String> {
    let generations = crate::engine::open(&settings, false)?;
    let progress = Progress::new("Building the index", generations.now().store.head());
    let built = progress.show_during(|| generations.rebuild(&|done, _| progress.reach(done)));
    let job = built.map_err(|trouble| trouble.to_string())?;
    println!("{}", job.sentence());
    for example in job.outcome.iter().flat_map(|outcome| &outcome.examples) {
        println!("Before: {example}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the compact definitions from HL7's.
///
/// # Errors
/// A sentence where a file cannot be read or written.
pub fn definitions(from: &Path, to: &Path) -> Result<ExitCode, String> {
    conformance::compact::write(from, to).map_err(|e| e.to_string())?;
    println!("The compact definitions are in {}.", to.display());
    Ok(ExitCode::SUCCESS)
}
