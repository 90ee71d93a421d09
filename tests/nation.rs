//! A synthetic nation in a server under test: made and imported by the program itself.

use std::fs;
use std::process::Command;

use crate::world::{World, binary};

/// Imports so many people, with their visits in some years (`2024..2025`) where these are named. The server is stopped for it
/// and serves afterwards.
pub fn import(world: &mut World, people: u64, visits: Option<&str>) {
    world.kill();
    let nation = world.folder().join("nation");
    let mut synth = Command::new(binary());
    synth.args(["synth", "--people", &people.to_string()]);
    synth.args(visits.iter().flat_map(|years| ["--visits", years]));
    done(synth.arg("--to").arg(&nation));
    done(world.command("import").arg(&nation));
    fs::remove_dir_all(&nation).expect("the files that were imported");
    world.start();
}

fn done(command: &mut Command) {
    let output = command.output().expect("epis runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
