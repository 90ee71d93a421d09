//! What follows from what clinics sent, after they had their answer: people registered or merged apart, conflicts settled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, TryLockError};

use crate::arrive::Untaken;
use crate::contradiction::settle_contradictions;
use crate::engine::{Engine, now};
use crate::newcomers::look_up_newcomers;
use crate::take_changes::settle_conflicts;
use crate::untangle::untangle;

/// Microseconds between two looks at all that is open: what is settled is told within a minute, and a contact may lie between.
const LOOK_EVERY: i64 = 30_000_000;
/// Open conflicts, newcomers and merges that are looked at in one look.
const LOOKED_AT: usize = 4_096;

/// One thread looks at a time, and never twice at the same.
#[derive(Default)]
pub(crate) struct After {
    looked: Mutex<Looked>,
    /// Whether anything came that was not looked at yet.
    unlooked: AtomicBool,
}

/// When it was last looked at all that is open, and how far the log was then.
#[derive(Default)]
struct Looked {
    when: i64,
    head: u64,
}

impl After {
    /// Looks at people whom two clinics have registered or merged apart; and twice a minute, where anything was written, at
    /// conflicts that somebody has settled. What comes while another thread looks is left to that one.
    ///
    /// # Errors
    /// [`Untaken`]; the next look tries again.
    pub(crate) fn look(&self, engine: &Engine) -> Result<(), Untaken> {
        self.unlooked.store(true, Ordering::Release);
        while self.unlooked.load(Ordering::Acquire) {
            let mut looked = match self.looked.try_lock() {
                Ok(looked) => looked,
                Err(TryLockError::Poisoned(left)) => left.into_inner(),
                Err(TryLockError::WouldBlock) => return Ok(()),
            };
            if self.unlooked.swap(false, Ordering::AcqRel) {
                looked.look(engine)?;
            }
        }
        Ok(())
    }
}

impl Looked {
    fn look(&mut self, engine: &Engine) -> Result<(), Untaken> {
        // Notes are few, and most contacts leave none.
        untangle(engine, LOOKED_AT)?;
        look_up_newcomers(engine, LOOKED_AT)?;
        let (when, head) = (now(), engine.store.head());
        if head == self.head || when - self.when < LOOK_EVERY {
            return Ok(());
        }
        settle_conflicts(engine, LOOKED_AT)?;
        settle_contradictions(engine, LOOKED_AT)?;
        (self.when, self.head) = (when, head);
        Ok(())
    }
}
