//! What the commands that need no server judge by: R4, its own codes, and the profiles that are built in.

use std::sync::Arc;

use conformance::{Definitions, Terminology};
use interaction::engine::now;
use validation::library::Empty;
use validation::{Judging, Validator};

/// R4, its codes and its judge.
pub struct Offline {
    /// R4's definitions.
    pub model: Arc<Definitions>,
    /// Its own code systems and value sets.
    pub terminology: Arc<dyn Terminology>,
    validator: Validator,
    /// When the command began, in microseconds since 1970: what it evaluates happens at that moment.
    pub now: i64,
}

impl Offline {
    /// What is built into the program.
    pub fn new() -> Offline {
        let model = Definitions::r4();
        Offline {
            terminology: terminology::standard(),
            validator: Validator::new(Arc::clone(&model)),
            now: now(),
            model,
        }
    }

    /// Judges for expressions that ask whether something conforms to a profile.
    pub fn judging(&self) -> Judging<'_> {
        Judging {
            validator: &self.validator,
            library: &Empty,
            terminology: &*self.terminology,
            now: self.now,
        }
    }
}
