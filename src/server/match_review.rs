//! `epis match review`: looks for everybody among all others and puts those who may be one person on the worklist.

use std::time::Duration;

use interaction::review::Review;

use crate::command::Set;
use crate::progress::Progress;

/// People who are looked for at once.
const STEP: usize = 256;
/// How long reading everybody may take.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// Reviews everybody, and says how many pairs are new on the worklist.
///
/// # Errors
/// A sentence where the data cannot be opened, read or written.
pub(crate) fn review(set: &Set) -> Result<(), String> {
    let said = |refusal: interaction::Refusal| {
        let texts: Vec<&str> = refusal.issues.iter().map(|issue| issue.text.as_str()).collect();
        texts.join(" ")
    };
    let opened = crate::engine::open(&set.gather(&[])?, false);
    let engine = opened.map_err(|why| format!("{why} {WHERE_SERVED}"))?.now();
    let mut review = Review::begin(&engine, PATIENCE).map_err(said)?;
    let progress = Progress::new("Reviewing", review.reached().of as u64);
    progress.show_during(|| {
        while review.step(&engine, STEP).map_err(said)? {
            progress.reach(review.reached().people as u64);
        }
        Ok::<(), String>(())
    })?;
    let reached = review.reached();
    println!(
        "{} people: {} of {} pairs that may be one person are new on the worklist.",
        reached.people, reached.put, reached.pairs
    );
    Ok(())
}

/// What to do where a server has the data open.
const WHERE_SERVED: &str = "Where a server runs on the data, ask it: POST [base]/Patient/$review-duplicates.";
