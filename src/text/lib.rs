//! How texts are read for searching: broken into words, in whichever script, spelling and language they are written.
//!
//! Pure: no clock, no disk, no socket. Indexing and asking go through the same functions, so they always agree.
//!
//! 1. [`fold`] makes writings comparable: case, accents, punctuation, the variants of Tibetan letters.
//! 2. An [`Analysis`] breaks a text into words and says for each by which tokens it can be found: its stem, the concept
//!    that it names (HTN is hypertension), the name of which it is a spelling (Dorjee is Dorji).
//! 3. What counts as what, and which element is read how, are [`Tables`]: data, built in and to be changed by whoever
//!    runs a server.
//! 4. [`markup`] takes the text out of XHTML and HTML.

pub mod analysis;
pub mod elements;
pub mod fold;
pub mod markup;
pub mod names;
pub mod synonyms;
pub mod tables;
pub mod words;

pub use analysis::{Analysis, Word};
pub use elements::Analyzer;
pub use fold::fold;
pub use names::Spellings;
pub use tables::{Table, Tables};
