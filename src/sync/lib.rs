//! Brings what sites wrote without knowing of each other to agreement. Pure: no clock, no disk, no socket.
//!
//! What a record is after everything that was written to it is a function of the *set* of its versions ([`merge::state`]):
//! each version is the changes it made to the one it was based on, and of the changes to one element those count that no
//! other knew of. So it does not matter in which order sites hear of each other, or who joins what: they end alike.

pub mod catchment;
mod change;
mod changes;
pub mod compare;
pub mod contradictions;
pub mod digest;
mod digits;
pub mod element;
pub mod frame;
pub mod history;
pub mod horizon;
pub mod lanes;
pub mod merge;
mod past;
pub mod question;
mod rival;
pub mod rules;
pub mod segment;
pub mod session;
pub mod taking;
#[cfg(test)]
mod tests;

pub use change::{Change, NoChange};
pub use history::{History, Invalid, Unreadable, Version};
pub use merge::{Conflict, State, state};
pub use rules::Rules;
