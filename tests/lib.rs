//! The whole house under test: its world, its scripts and its benchmarks.

pub mod client;
pub mod control_group;
pub mod meters;
pub mod nation;
pub mod random;
pub mod script;
pub mod slow_line;
pub mod specimen;
pub mod world;
