//! Every test that looks at the whole house; one binary, so that it links once.

/// Names one test body for both engines.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite { $(#[test] fn $name() { super::$name(tests::world::Engine::Sqlite) })+ }
        mod postgres { $(#[test] fn $name() { super::$name(tests::world::Engine::Postgres) })+ }
    };
}

mod command_line;
mod conformance;
mod country;
mod crash;
mod demo;
mod exchange;
mod fuzz;
mod generations;
mod hostile;
mod house;
mod import;
mod licences;
mod limits;
mod matching;
mod nodes;
mod paging;
mod power_cuts;
mod promises;
mod races;
mod releases;
mod scripts;
mod searchable;
mod stick;
mod streams;
mod summary;
