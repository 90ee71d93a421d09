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
            stop.store(true, Ordering::Relaxed);
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

on_both!(pages_are_one_snapshot, history_is_whole_while_others_write);
