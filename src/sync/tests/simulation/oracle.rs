//! What must be when everything is healed, worked out from all versions that there are, without anything the sites noted.

use std::collections::{BTreeMap, BTreeSet};

use fhir::identity::VersionId;

use super::World;
use super::disk::{Entry, Key, seal};
use super::people::{person, unknown};
use crate::change::Change;
use crate::history::{History, Version};
use crate::merge::{Conflict, State, state};
use crate::rules::Rules;
use crate::tests::DEFINITIONS;

/// Holds a healed world to what must be.
///
/// # Panics
/// Where it is not so: the message names the seed.
pub fn judge(world: &mut World) {
    world.tally.kept = world.ledger.judge(&world.centre.disk, world.seed);
    nothing_is_lost(world);
    nothing_unknown_is_lost(world);
    names_are_single(world);
    everybody_sees_the_same(world);
    records_are_what_their_versions_come_to(world);
}

/// Every version that a site has written is at the centre, to the byte.
fn nothing_is_lost(world: &World) {
    let at_centre: BTreeMap<VersionId, &Change> = centre(world)
        .map(|entry| (entry.change.version, &entry.change))
        .collect();
    for node in &world.nodes {
        let number = node.disk.notes.number;
        let own = node
            .disk
            .log()
            .iter()
            .filter(|entry| entry.change.version.node == number);
        for Entry { change, .. } in own {
            let there = at_centre.get(&change.version).copied();
            assert_eq!(
                there,
                Some(change),
                "seed {}: a version is not at the centre",
                world.seed
            );
        }
    }
}

/// What nobody here knows is in every version of whom it is said, to the byte, also where versions were joined.
fn nothing_unknown_is_lost(world: &World) {
    for Entry { change, .. } in centre(world).filter(|entry| entry.change.operation.is_live()) {
        let person = person(&(change.kind.clone(), change.id.clone()));
        let Some(unknown) = unknown(person.as_str()).filter(|_| change.kind.as_str() != "Device") else {
            continue;
        };
        // Where it is the first member no comma stands before it.
        let unknown = unknown.trim_start_matches(',');
        let has = change
            .body
            .windows(unknown.len())
            .any(|bytes| bytes == unknown.as_bytes());
        assert!(
            has,
            "seed {}: {} lost what it did not know, {unknown}: {}",
            world.seed,
            change.version,
            String::from_utf8_lossy(&change.body)
        );
    }
}

/// No name means two versions, and a node's counts have no gap.
fn names_are_single(world: &World) {
    let mut names = BTreeSet::new();
    let mut last: BTreeMap<u32, u64> = BTreeMap::new();
    for Entry { change, .. } in centre(world) {
        let name = change.version;
        assert!(names.insert(name), "seed {}: {name} is there twice", world.seed);
        let before = last.insert(name.node, name.counter).unwrap_or_default();
        assert_eq!(before + 1, name.counter, "seed {}: a gap before {name}", world.seed);
    }
}

/// A node's horizon is whom it should be, and what the node has of it is what the centre has.
fn everybody_sees_the_same(world: &mut World) {
    let (seed, now) = (world.seed, world.now);
    for node in &world.nodes {
        let number = node.disk.notes.number;
        let due: Vec<Change> = world.centre.horizon(number).into_iter().cloned().collect();
        for there in &due {
            let here = node.disk.current(&(there.kind.clone(), there.id.clone()));
            assert_eq!(
                here.map(|(_, change)| (change.version, seal(Some(change)))),
                Some((there.version, seal(Some(there)))),
                "seed {seed}: node {number} has another version of {}/{}",
                there.kind,
                there.id
            );
        }
        let numbers = world.centre.numbers(number);
        let people = world
            .centre
            .whose
            .people(&numbers, &world.centre.register[&numbers[0]], now);
        let all = world.centre.disk.all().filter(|(key, ..)| key.0.as_str() != "Device");
        let expected = all.filter(|(key, ..)| people.contains(&person(key)));
        let expected: BTreeSet<&Key> = expected.map(|(key, ..)| key).collect();
        let due: BTreeSet<Key> = due
            .into_iter()
            .filter(|due| due.kind.as_str() != "Device")
            .map(|due| (due.kind, due.id))
            .collect();
        assert_eq!(
            due.iter().collect::<BTreeSet<_>>(),
            expected,
            "seed {seed}: the horizon of node {number}"
        );
    }
}

/// A record at the centre, and each join on the way there, is what all versions before come to, and the worklist has what
/// is open.
fn records_are_what_their_versions_come_to(world: &mut World) {
    let mut open: BTreeMap<Key, Vec<Conflict>> = BTreeMap::new();
    let keys: Vec<Key> = world.centre.disk.all().map(|(key, ..)| key.clone()).collect();
    for key in keys {
        let versions: Vec<Version> = world
            .centre
            .disk
            .versions(&key)
            .map(|entry| version(&entry.change))
            .collect();
        for join in versions.iter().filter(|version| version.is_join()) {
            world.tally.joins += 1;
            let comes_to = of(&before(&versions, join)).record;
            assert_eq!(
                comes_to, join.body,
                "seed {}: the join {} is another",
                world.seed, join.name
            );
        }
        let State { record, mut conflicts } = of(&versions);
        let (_, current) = world.centre.disk.current(&key).expect("a record has a version");
        assert_eq!(
            record,
            version(current).body,
            "seed {}: {}/{} is another",
            world.seed,
            key.0,
            key.1
        );
        conflicts.retain(|conflict| conflict.review);
        if !conflicts.is_empty() {
            world.tally.conflicts += 1;
            open.insert(key, conflicts);
        }
    }
    let worklist = world.centre.disk.notes.worklist.iter();
    let worklist: BTreeMap<Key, Vec<Conflict>> = worklist.map(|(key, (_, open))| (key.clone(), open.clone())).collect();
    assert_eq!(worklist, open, "seed {}: the worklist", world.seed);
}

fn centre(world: &World) -> impl Iterator<Item = &Entry> {
    world.centre.disk.log().iter()
}

fn version(change: &Change) -> Version {
    Version {
        name: change.version,
        parents: change.base.iter().chain(&change.merged).copied().collect(),
        clock: change.updated,
        body: change.record().expect("a body"),
    }
}

fn of(versions: &[Version]) -> State {
    let history = History::new(versions.iter().cloned()).unwrap_or_else(|why| panic!("{why}"));
    state(&history, &DEFINITIONS, Rules::national())
}

/// The versions that a join knows of, without itself.
fn before(versions: &[Version], join: &Version) -> Vec<Version> {
    let mut wanted = join.parents.clone();
    let mut known = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if known.insert(name) {
            let version = versions.iter().find(|version| version.name == name);
            wanted.extend(&version.expect("what it is based on is there").parents);
        }
    }
    let of = versions.iter().filter(|version| known.contains(&version.name));
    of.cloned().collect()
}
