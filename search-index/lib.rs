//! Runs predicates against an index that follows the log; the only room that knows tantivy.

mod among;
mod blocks;
#[cfg(test)]
mod cases;
mod check;
mod clock;
mod columns;
mod compile;
mod containers;
mod counted;
mod cursor;
mod deep;
mod documents;
#[cfg(test)]
mod drift;
mod entry;
mod explain;
mod find;
mod following;
mod ground;
mod index;
mod indexing;
mod join;
#[cfg(test)]
mod layouts;
#[cfg(test)]
mod merged;
mod merging;
#[cfg(test)]
mod oracle;
mod order;
mod orders;
mod part;
mod past;
mod place;
mod ranged;
mod recorded;
mod replaced;
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
mod tupled;
mod tuples;
mod turn;

pub use check::{Report, Round, Step};
pub use clock::{Clock, Gate, half_the_processors};
pub use containers::{Container, Containers};
pub use cursor::{Cursor, NoCursor};
pub use entry::Prepared;
pub use find::{Found, Hit, Place, Query, STEPS_PER_RECORD};
pub use ground::{Ground, UNDER};
pub use index::Index;
pub use place::Unusable;
pub use settings::Settings;
pub use trouble::Trouble;
