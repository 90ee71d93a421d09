//! Loads the sample country and the sample patients into the centre of the demonstration.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use interaction::Generations;

use super::samples;
use crate::journal::{Journal, Reached};
use crate::load::Load;
use crate::progress::Progress;
use crate::refused::RefusedFile;
use crate::source::Source;

/// Loads what of the samples is not there yet, and says so in a sentence.
///
/// # Errors
/// A sentence where they cannot be read or stored, or some of them were refused.
pub fn load(generations: &Generations, folder: &Path) -> Result<String, String> {
    let stages = samples::stages();
    let journal = Journal::open(&folder.join("demo.journal"), false)?;
    let is_new = |source: &Source| journal.reached(&source.key) != Reached::End;
    if !stages.iter().flatten().any(is_new) {
        return Ok("The sample country and the sample patients are there from an earlier run.".to_owned());
    }
    let refused = RefusedFile::new(&folder.join("demo-refused.ndjson"));
    let total = stages.iter().flatten().map(|source| source.key.length).sum();
    let progress = Progress::new("Loading the samples", total);
    let stop = AtomicBool::new(false);
    let load = Load::new(generations, &journal, &refused, &progress, &stop);
    progress.show_during(|| stages.iter().try_for_each(|stage| load.stage(stage)))?;
    if refused.count() > 0 {
        let (count, path) = (refused.count(), refused.path().display());
        return Err(format!("{count} samples were refused; the reasons are in {path}."));
    }
    Ok(format!(
        "Loaded {} records of Bhutan's places and of sample patients in {:.1} s.",
        progress.records(),
        progress.elapsed().as_secs_f64()
    ))
}
