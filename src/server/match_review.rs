//! `epis match review`: looks for everybody among all others and puts those who may be one person on the worklist.

use std::time::Duration;

use interaction::review::{Review, Standing};

use crate::command::Set;
use crate::progress::Progress;

/// People who are looked for at once.
const STEP: usize = 256;
/// How long reading everybody may take.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// Reviews everybody, or until `most` pairs are new on the worklist, and says how many are. Goes on with a review that did not
/// come to its end.
///
/// # Errors
/// A sentence where the data cannot be opened, read or written.
pub(crate) fn review(set: &Set, most: Option<usize>) -> Result<(), String> {
    let said = |refusal: interaction::Refusal| {
        let texts: Vec<&str> = refusal.issues.iter().map(|issue| issue.text.as_str()).collect();
        texts.join(" ")
    };
    let opened = crate::engine::open(&set.gather(&[])?, false);
    let engine = opened.map_err(|why| format!("{why} {WHERE_SERVED}"))?.now();
    let mut review = Review::begin(&engine, PATIENCE, most).map_err(said)?;
    let progress = Progress::new("Reviewing", review.reached().of as u64);
    progress.show_during(|| {
        while review.step(&engine, STEP).map_err(said)? == Standing::UnderWay {
            progress.reach(review.reached().people as u64);
        }
        Ok::<(), String>(())
    })?;
    let reached = review.reached();
    println!(
        "{} people: {} of {} pairs that may be one person are new on the worklist.",
        reached.people, reached.put, reached.pairs
    );
    if reached.standing == Standing::Paused {
        println!(
            "These are as many as were wanted; the next review goes on with the other {} people.",
            reached.of - reached.people
        );
    }
    Ok(())
}

/// What to do where a server has the data open.
const WHERE_SERVED: &str = "Where a server runs on the data, ask it: POST [base]/Patient/$review-duplicates.";
