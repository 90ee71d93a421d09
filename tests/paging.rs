//! Pages and history while others write: nothing missed, nothing twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tests::random::Random;
use tests::world::{Engine, World};

const RECORDS: usize = 240;

fn patient(id: &str, birth: u64) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","birthDate":"19{:02}-01-01","gender":"male"}}"#,
        birth % 100
    )
}

fn fill(world: &World, random: &mut Random) {
    let entry = |i: usize, random: &mut Random| {
        let id = format!("p{i}");
        format!(
            r#"{{"resource":{},"request":{{"method":"PUT","url":"Patient/{id}"}}}}"#,
            patient(&id, random.bits())
        )
    };
    let entries: Vec<String> = (0..RECORDS).map(|i| entry(i, random)).collect();
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        entries.join(",")
    );
    world.post("", &bundle).expect(200);
}

/// Creates, changes and deletes until told to stop.
fn disturb(world: &World, seed: u64, stop: &AtomicBool) {
    let mut random = Random::new(seed);
    for i in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("p{}", random.below(RECORDS as u64));
        match random.below(3) {
            0 => drop(world.send("DELETE", &format!("Patient/{id}"), &[], b"")),
            1 => drop(world.put(&format!("Patient/{id}"), &patient(&id, random.bits()))),
            _ => drop(world.put(&format!("Patient/new{i}"), &patient(&format!("new{i}"), random.bits()))),
        }
    }
}

fn walk(world: &World, first: &str, mut visit: impl FnMut(&Value)) {
    let mut page = Some(first.to_owned());
    let mut pages = 0;
    while let Some(path) = page {
        let answer = world.get(&path).expect(200);
        for entry in answer.json()["entry"].as_array().into_iter().flatten() {
            visit(entry);
        }
        page = answer.link("next");
        pages += 1;
        assert!(pages < 1000, "the pages never end");
    }
}

/// The ids from the last page back to the first, in the order of the pages.
fn walk_back(world: &World, last: &str) -> Vec<String> {
    let mut pages = Vec::new();
    let mut page = Some(last.to_owned());
    while let Some(path) = page {
        let answer = world.get(&path).expect(200);
        pages.push(answer.ids("match"));
        page = answer.link("previous");
        assert!(pages.len() < 1000, "the pages never end");
    }
    pages.into_iter().rev().flatten().collect()
}

/// Links made before a restart lead on after it.
fn links_survive_a_restart(engine: Engine) {
    let mut world = World::new(engine);
    fill(&world, &mut Random::new(7));
    let first = world.get("Patient?_count=17&_sort=-birthdate").expect(200);
    let next = first.link("next").expect("a next page");
    let before = world.get(&next).expect(200).ids("match");
    for i in 0..RECORDS {
        drop(world.put(&format!("Patient/later{i}"), &patient(&format!("later{i}"), 99)));
    }
    drop(world.send("DELETE", &format!("Patient/{}", before[0]), &[], b""));
    world.kill();
    world.start();
    let path = |link: &str| link.split_once("/fhir/").expect("an address of ours").1.to_owned();
    let again = world.get(&path(&next)).expect(200);
    assert_eq!(again.ids("match"), before);
    let previous = path(&again.link("previous").expect("a previous page"));
    assert_eq!(world.get(&previous).expect(200).ids("match"), first.ids("match"));
}

fn pages_are_one_snapshot(engine: Engine) {
    let seed = Random::fresh_seed();
    println!("seed {seed}");
    let world = World::new(engine);
    fill(&world, &mut Random::new(seed));
    for query in [
        "Patient?_count=17",
        "Patient?_count=17&_sort=-birthdate",
        "Patient?_count=17&gender=male&_sort=birthdate,_id",
    ] {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| disturb(&world, seed, &stop));
            let first = world.get(query).expect(200);
            let total = first.json()["total"].as_u64().expect("a total") as usize;
            let mut seen: Vec<String> = first.ids("match");
            if let Some(next) = first.link("next") {
                walk(&world, &next, |entry| {
                    seen.push(entry["resource"]["id"].as_str().unwrap_or("?").to_owned())
                });
            }
            let back = first.link("last").map(|last| walk_back(&world, &last));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(
                back.unwrap_or_default(),
                seen,
                "{query}: backwards the pages differ from forwards"
            );
            let distinct: HashSet<&String> = seen.iter().collect();
            assert_eq!(distinct.len(), seen.len(), "{query}: something came twice");
            assert_eq!(
                seen.len(),
                total,
                "{query}: the pages are not the snapshot that was counted"
            );
        });
    }
}

fn history_is_whole_while_others_write(engine: Engine) {
    let seed = Random::fresh_seed();
    println!("seed {seed}");
    let world = World::new(engine);
    fill(&world, &mut Random::new(seed));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| disturb(&world, seed, &stop));
        for scope_path in ["_history?_count=31", "Patient/_history?_count=31"] {
            let mut seen = Vec::new();
            walk(&world, scope_path, |entry| {
                let etag = entry["response"]["etag"].as_str().expect("an etag");
                seen.push(
                    etag.trim_matches(['W', '/', '"'])
                        .split('-')
                        .nth(1)
                        .expect("node-counter")
                        .parse::<u64>()
                        .expect("a counter"),
                );
            });
            let newest = *seen.first().expect("something");
            let expected: Vec<u64> = (1..=newest).rev().collect();
            assert_eq!(seen, expected, "{scope_path}: the history has a gap or a double");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

on_both!(
    pages_are_one_snapshot,
    links_survive_a_restart,
    history_is_whole_while_others_write
);
