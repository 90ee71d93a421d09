//! A record as a value: its JSON kept byte-true, its identity, and the outcome of judging it.

pub mod base64;
pub mod body;
pub mod document;
pub mod identity;
pub mod moment;
pub mod name;
pub mod outcome;
pub mod parse;
pub mod tree;
