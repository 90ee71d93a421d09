//! What a node and its centre say to each other is carried on a USB stick: `epis sync carry`.

mod carry;
pub mod errand;
mod letter;

pub(crate) use carry::{Wish, carry};
