//! Runs predicates against an index that follows the log; the only room that knows tantivy.

mod columns;
mod compile;
mod cursor;
mod documents;
mod entry;
mod find;
mod index;
mod indexing;
mod merging;
mod order;
mod past;
mod recorded;
mod segments;
mod settings;
mod shared;
mod slots;
mod snapshot;
mod stored;
mod tail;
mod terms;
mod trouble;

pub use cursor::{Cursor, NoCursor};
pub use entry::Prepared;
pub use find::{Found, Hit, Query};
pub use index::Index;
pub use settings::Settings;
pub use trouble::Trouble;
