//! Power fails while a clinic is filled, lays out everybody's list, or merges its index: it ends as if nothing had happened.
//!
//! Where a cut comes is drawn from a seed and found by what can be seen of the progress (versions, bytes of a file), never by a
//! clock. After each the data is sound, the clinic starts and says no more than it has; in the end it has what one has whose
//! power never failed, and finds what going through the log finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::nation;
use tests::random::Random;
use tests::world::{Engine, World, eventually};

use crate::country::{country, find};
use crate::exchange::{status, total};
use crate::nodes::{invited, node};

/// Cuts in each of the tests.
const CUTS: u64 = 4;
/// How often a cut is tried that may come too late.
const TRIES: usize = 60;
/// Kinds whose records are counted.
const KINDS: [&str; 6] = [
    "Patient",
    "Encounter",
    "Observation",
    "Condition",
    "MedicationRequest",
    "Location",
];

fn seeded() -> Random {
    let seed = Random::fresh_seed();
    println!("seed {seed}");
    Random::new(seed)
}

/// A centre with so many people, and their visits.
fn centre(people: u64, visits: Option<&str>) -> World {
    let arguments = ["--node-listen", "127.0.0.1:0", "--person-index-seconds", "1"];
    let mut world = World::with(Engine::Sqlite, &arguments);
    nation::import(&mut world, people, visits);
    world
}

/// A clinic of some gewogs, enrolled and not serving yet.
fn clinic(centre: &World, gewogs: &[&str]) -> World {
    let gewogs = gewogs.iter().flat_map(|gewog| ["--gewog", gewog]);
    let arguments: Vec<&str> = ["--name", "Laya"].into_iter().chain(gewogs).collect();
    let (code, address) = invited(centre, &arguments);
    let mut world = World::new(Engine::Sqlite);
    world.kill();
    fs::remove_dir_all(world.folder()).expect("the clinic's folder");
    node(world.folder(), &["enrol", "--centre", &address, "--code", &code]).expect("enrolled");
    world.set_arguments(&["--node", "--contact-seconds", "1"]);
    world
}

fn health(world: &World) -> Value {
    world.get(&world.base.replace("/fhir", "/health")).expect(200).json()
}

/// The places in the log up to which versions are durable, and committed to the index.
fn reached(world: &World) -> [u64; 2] {
    let health = health(world);
    ["head", "index"].map(|name| health[name].as_u64().expect("a place"))
}

/// The present records by kind, as going through the log of the stopped server finds them.
fn scanned(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let folder = world.folder().with_extension("scanned");
    let output = world.command("export").arg(&folder).output().expect("epis runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut kinds = BTreeMap::new();
    for file in fs::read_dir(&folder).expect("what was exported").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if let Some(kind) = name.strip_suffix(".ndjson") {
            let text = fs::read_to_string(file.path()).expect("text");
            kinds.insert(kind.to_owned(), text.lines().map(str::to_owned).collect());
        }
    }
    fs::remove_dir_all(&folder).expect("it can be removed");
    assert!(!kinds.is_empty(), "nothing was exported");
    kinds
}

/// Stops the server, holds its data to be sound, and its searches, once it serves again, to what its log has.
fn finds_what_the_log_has(world: &mut World) -> BTreeMap<String, BTreeSet<String>> {
    world.stop();
    world.check().expect("sound data");
    let scanned = scanned(world);
    world.start();
    for (kind, records) in &scanned {
        assert_eq!(total(world, kind), records.len() as u64, "{kind}");
    }
    let mut by_code: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for kind in ["Observation", "Condition"] {
        for record in scanned.get(kind).into_iter().flatten() {
            let record: Value = serde_json::from_str(record).expect("JSON");
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            let code = text(&record["code"]["coding"][0]["code"]);
            by_code.entry((kind, code)).or_default().insert(text(&record["id"]));
        }
    }
    for ((kind, code), ids) in by_code {
        let mut found = BTreeSet::new();
        let mut page = Some(format!("{kind}?code={code}&_count=1000&_elements=id"));
        while let Some(path) = page {
            let answer = world.get(&path).expect(200);
            found.extend(answer.ids("match"));
            page = answer.link("next");
        }
        assert_eq!(found, ids, "{kind}?code={code}");
    }
    scanned
}

/// A clinic that was just started says that an answer is complete only where it is.
fn says_no_more_than_it_has(clinic: &World, all: &BTreeMap<&str, u64>) {
    for (kind, all) in all {
        let answer = clinic.get(&format!("{kind}?_summary=count")).expect(200);
        let said = answer.header("x-completeness").expect("a clinic says").to_owned();
        let found = answer.json()["total"].as_u64().expect("a count");
        match said.split(';').next().expect("a word") {
            "arriving" => assert!(found <= *all, "{kind}: {found} of {all}"),
            "clinic" | "complete" => assert_eq!(found, *all, "{kind}: {said}"),
            other => panic!("{kind}: {other}"),
        }
    }
    if status(clinic)["synced"] == true {
        KINDS
            .iter()
            .for_each(|kind| assert_eq!(total(clinic, kind), all[kind], "{kind}"));
    }
}

#[test]
fn a_clinic_is_killed_while_it_is_filled() {
    let mut random = seeded();
    let centre = centre(250, Some("2024..2025"));
    let [head, _] = reached(&centre);
    let all: BTreeMap<&str, u64> = KINDS.iter().map(|kind| (*kind, total(&centre, kind))).collect();
    let places = synth::places::Places::bhutan();
    let gewogs: Vec<&str> = places
        .gewogs
        .iter()
        .map(|gewog| gewog.code.trim_start_matches("BT"))
        .collect();
    let (mut cut, mut whole) = (clinic(&centre, &gewogs), clinic(&centre, &gewogs));
    whole.start();
    eventually("the other clinic has all", || status(&whole)["synced"] == true);
    whole.stop();

    cut.start();
    let mut cuts: Vec<u64> = (0..CUTS).map(|_| random.below(head)).collect();
    cuts.sort_unstable();
    let mut within = 0;
    for place in cuts {
        eventually("the clinic is filled so far", || reached(&cut)[0] >= place);
        let [before, indexed] = reached(&cut);
        within += u64::from(before < head);
        cut.kill();
        cut.check()
            .unwrap_or_else(|words| panic!("cut at {before}, indexed to {indexed}: {words}"));
        cut.start();
        assert!(reached(&cut)[0] >= before, "what was there is gone: cut at {before}");
        says_no_more_than_it_has(&cut, &all);
    }
    assert!(within > 0, "no cut came while the clinic was filled");
    eventually("the clinic has all", || status(&cut)["synced"] == true);
    eventually("all is compared", || status(&cut)["verified"].is_string());
    assert_eq!(status(&cut)["found"], "", "nothing was lacking");
    let (mut of_cut, mut of_whole) = (finds_what_the_log_has(&mut cut), scanned(&whole));
    // Each machine's own record, by which it knows itself.
    of_cut.remove("Device");
    of_whole.remove("Device");
    assert!(of_cut == of_whole, "they differ");
}

/// The files of the list at a clinic that end so.
fn of_list(clinic: &World, ending: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(clinic.folder().join("node/persons"))
        .into_iter()
        .flatten()
        .flatten();
    let paths = folder.map(|file| file.path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == ending))
        .collect()
}

fn bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[test]
fn a_clinic_is_killed_while_everybodys_list_is_laid_out() {
    let mut random = seeded();
    let centre = centre(20_000, None);
    let mut clinic = clinic(&centre, &["0401"]);
    clinic.start();
    eventually("everybody arrives", || country(&clinic)["people"] == 20_000);
    let names = ["pema%20dorji", "sonam%201987", "karma%20thimphu", "17"];
    let asked = |clinic: &World| names.map(|typed| find(clinic, typed)["results"].clone());
    let (as_of, found) = (country(&clinic), asked(&clinic));
    assert!(found[0].as_array().is_some_and(|found| !found.is_empty()));
    let length = of_list(&clinic, "rest").iter().map(|file| bytes(file)).sum::<u64>();
    // Without a line: of what came.
    drop(centre);
    let (mut within, mut tries) = (0, 0);
    while within < CUTS {
        tries += 1;
        assert!(
            tries < TRIES,
            "{within} of {tries} cuts came while the list was laid out"
        );
        let place = random.below(length);
        clinic.kill();
        of_list(&clinic, "rest")
            .iter()
            .for_each(|file| fs::remove_file(file).expect("removed"));
        clinic.start();
        let is_there = || !of_list(&clinic, "rest").is_empty();
        let is_so_far = || of_list(&clinic, "new").iter().any(|file| bytes(file) >= place);
        while !is_there() && !is_so_far() {
            std::hint::spin_loop();
        }
        clinic.kill();
        within += u64::from(of_list(&clinic, "rest").is_empty());
        clinic.start();
        // Whatever it says before all is there, it says what it lacks.
        let said = find(&clinic, names[0]);
        let remark = said["remark"].as_str().unwrap_or_default();
        assert!(
            said["results"] == found[0] || remark.contains("has not arrived yet"),
            "{said}"
        );
        eventually("the list is laid out", || country(&clinic) == as_of);
        assert_eq!(asked(&clinic), found);
        assert_eq!((of_list(&clinic, "rest").len(), of_list(&clinic, "new").len()), (1, 0));
    }
}

/// Names and bytes of the files that make up the segments of the index in use.
fn segments(world: &World) -> BTreeMap<String, u64> {
    let index = world.folder().join("index");
    let current = fs::read_to_string(index.join("current")).expect("an index in use");
    let files = fs::read_dir(index.join(current.trim())).expect("an index").flatten();
    let files = files.filter_map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        let is_of_segment = ["fast", "fieldnorm", "idx", "pos", "store", "term"];
        let is_of_segment = is_of_segment.iter().any(|ending| name.ends_with(&format!(".{ending}")));
        is_of_segment.then(|| (name, file.metadata().map_or(0, |found| found.len())))
    });
    files.collect()
}

/// What the index in use says of its segments.
fn meta(world: &World) -> String {
    let index = world.folder().join("index");
    let current = fs::read_to_string(index.join("current")).expect("an index in use");
    fs::read_to_string(index.join(current.trim()).join("meta.json")).expect("its description")
}

/// A few hundred records, of which some replace others.
fn write(world: &World, random: &mut Random) {
    let entry = |random: &mut Random| {
        let id = random.below(4_000);
        let code = random.below(7);
        let value = random.below(200);
        format!(
            r#"{{"resource":{{"resourceType":"Observation","id":"o{id}","status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"c{code}"}}],"text":"measured {value} times"}},"subject":{{"reference":"Patient/p{value}"}},"effectiveDateTime":"2026-01-{:02}","valueQuantity":{{"value":{value}}}}},"request":{{"method":"PUT","url":"Observation/o{id}"}}}}"#,
            1 + random.below(28)
        )
    };
    let entries: Vec<String> = (0..500).map(|_| entry(random)).collect();
    let bundle = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[{}]}}"#,
        entries.join(",")
    );
    world.post("", &bundle).expect(200);
    eventually("what was written is committed", || {
        let [head, index] = reached(world);
        head == index
    });
}

#[test]
fn a_server_is_killed_while_its_index_is_merged() {
    let mut random = seeded();
    let mut world = World::new(Engine::Sqlite);
    let (mut within, mut tries) = (0, 0);
    while within < CUTS {
        tries += 1;
        assert!(
            tries < TRIES,
            "{within} of {tries} cuts came while the index was merged"
        );
        (0..1 + random.below(3)).for_each(|_| write(&world, &mut random));
        // All is committed: what comes now is of a merge.
        let before = segments(&world);
        let place = random.below(before.values().sum());
        let new = |world: &World| -> Vec<(String, u64)> {
            let now = segments(world);
            now.into_iter().filter(|(name, _)| !before.contains_key(name)).collect()
        };
        let is_so_far = |new: &[(String, u64)]| new.iter().map(|(_, bytes)| bytes).sum::<u64>() >= place;
        eventually("segments come together", || {
            let came = new(&world);
            !came.is_empty() && is_so_far(&came) || health(&world)["resting"] == true
        });
        let [head, _] = reached(&world);
        world.kill();
        let (came, meta) = (new(&world), meta(&world));
        let is_within = |name: &String| !meta.contains(name.split('.').next().unwrap_or_default());
        within += u64::from(came.iter().any(|(name, _)| is_within(name)));
        world
            .check()
            .unwrap_or_else(|words| panic!("{within} of {tries}: {words}"));
        world.start();
        assert_eq!(reached(&world)[0], head);
    }
    finds_what_the_log_has(&mut world);
    let [head, _] = reached(&world);
    assert!(head >= 500 * tries as u64, "{head}");
}
