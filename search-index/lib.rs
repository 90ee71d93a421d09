//! Runs predicates against an index that follows the log; the only room that knows tantivy.

mod among;
mod blocks;
mod check;
mod clock;
mod columns;
mod compile;
mod cursor;
mod documents;
#[cfg(test)]
mod drift;
mod entry;
mod explain;
mod find;
mod index;
mod indexing;
mod join;
mod merging;
#[cfg(test)]
mod oracle;
mod order;
mod orders;
mod part;
mod past;
mod ranged;
mod recorded;
mod scoring;
mod segments;
mod settings;
mod shared;
mod slots;
mod snapshot;
mod stored;
mod tail;
mod terms;
mod trouble;
mod turn;

pub use check::Report;
pub use clock::{Clock, Gate};
pub use cursor::{Cursor, NoCursor};
pub use entry::Prepared;
pub use find::{Found, Hit, Place, Query, STEPS_PER_RECORD};
pub use index::Index;
pub use settings::Settings;
pub use trouble::Trouble;
