//! Who is who: persons compared feature by feature, found among a nation, and carried in a small file.
//!
//! Pure: no clock and no socket, and of a disk only files that are handed in.
//!
//! 1. [`Person::read`] takes from a Patient what tells people apart, names folded by an editable table of spellings ([`text::names`]).
//! 2. [`compare`] says how far two persons agree in each [`Feature`]; [`score`] weighs that ([`Weights`]), with how common
//!    the particulars are among the people at hand ([`Frequencies`]), grades it and explains it.
//! 3. A [`Register`] keeps the particulars of many people in memory and finds those who may be a given person
//!    ([`Register::best`]); it takes changes one by one.
//!    [`Register::find`] does it as somebody types, by the beginnings of names and numbers. Of a nation on a small machine most
//!    are at rest in a file ([`Settler`], [`Register::open`]).
//! 4. [`train`](train::train) learns the weights from records alone; [`report`] measures matching where the truth is known.
//! 5. A [`roster`] is a register as a small file, whole or what changed, readable or [`hidden`]; it is [carried](carry) to
//!    clinics piece by piece.

pub mod asked;
pub mod birth;
pub mod carry;
mod columns;
pub mod compare;
mod counts;
mod crowd;
mod dictionary;
pub mod feature;
pub mod find;
pub mod frequency;
pub mod hidden;
mod keys;
mod lookup;
mod pack;
mod pages;
pub mod person;
pub mod places;
mod plan;
pub mod register;
pub mod report;
pub mod roster;
pub mod score;
mod settle;
mod settled;
mod sort;
mod sorted;
pub mod sound;
mod table;
pub mod train;
#[cfg(test)]
mod trial;
pub mod weights;

pub use asked::Asked;
pub use birth::Birth;
pub use compare::{Agreement, compare};
pub use feature::Feature;
pub use frequency::Frequencies;
pub use person::{Identifier, Person, Sex, home};
pub use places::Place;
pub use register::{Found, Register};
pub use roster::Roster;
pub use score::{Grade, Score, score};
pub use settle::Settler;
pub use weights::Weights;
