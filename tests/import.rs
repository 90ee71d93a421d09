//! Real records through the command line: import, export, check, reindex, and starting again.

use std::fs;
use std::process::{Command, Output};

use tests::world::{Engine, World, binary};

fn fixtures() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/synthea").to_owned()
}

fn well(output: Output) -> String {
    let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    words
}

fn total(world: &World, kind: &str) -> u64 {
    world.get(&format!("{kind}?_summary=count")).expect(200).json()["total"]
        .as_u64()
        .expect("a total")
}

fn samples_go_in_and_out_again(engine: Engine) {
    let mut world = World::new(engine);
    world.kill();
    well(world.command("import").arg(fixtures()).output().expect("epis runs"));
    world.check().expect("a clean store");
    world.start();
    let (patients, observations) = (total(&world, "Patient"), total(&world, "Observation"));
    assert!(
        patients >= 10 && observations > 100,
        "{patients} patients, {observations} observations"
    );
    let history = world.get("_history?_count=1").expect(200).json()["total"].clone();
    world.kill();

    // Again: the journal knows what is in already.
    well(world.command("import").arg(fixtures()).output().expect("epis runs"));
    well(world.command("reindex").output().expect("epis runs"));
    let out = world.folder().join("out");
    well(world.command("export").arg(&out).output().expect("epis runs"));
    world.start();
    assert_eq!(
        (total(&world, "Patient"), total(&world, "Observation")),
        (patients, observations)
    );
    assert_eq!(world.get("_history?_count=1").expect(200).json()["total"], history);
    let lines = exported_lines(&out, "Observation");
    assert_eq!(lines as u64, observations);
}

/// A file of before a merge takes nothing back: that record is refused with the reason, the rest goes in.
fn no_merge_is_undone(engine: Engine) {
    let mut world = World::new(engine);
    let patient = |id: &str, year: u32| format!(r#"{{"resourceType":"Patient","id":"{id}","birthDate":"{year}"}}"#);
    for id in ["a", "b"] {
        world.put(&format!("Patient/{id}"), &patient(id, 1980)).expect(201);
    }
    let named =
        |name: &str, id: &str| format!(r#"{{"name":"{name}","valueReference":{{"reference":"Patient/{id}"}}}}"#);
    let merge = format!(
        r#"{{"resourceType":"Parameters","parameter":[{},{}]}}"#,
        named("source-patient", "a"),
        named("target-patient", "b")
    );
    world.post("Patient/$merge", &merge).expect(200);
    world.kill();
    let file = world.folder().join("before.ndjson");
    let lines: Vec<String> = ["a", "c"].iter().map(|id| patient(id, 1981)).collect();
    fs::write(&file, lines.join("\n")).expect("a file");
    let said = world.command("import").arg(&file).output().expect("epis runs");
    let refused = fs::read_to_string(world.folder().join("import-refused.ndjson")).expect("what was refused");
    assert!(
        !said.status.success() && refused.contains("Patient/a was merged into Patient/b"),
        "{refused}"
    );
    world.start();
    let record = world.get("Patient/a").expect(200).json();
    assert_eq!(
        (&record["link"][0]["type"], &record["birthDate"]),
        (&"replaced-by".into(), &"1980".into())
    );
    world.get("Patient/c").expect(200);
}

/// A record and a bundle in XML, plain and gzipped; what cannot be read is refused with its reason.
fn xml_goes_in(engine: Engine) {
    let mut world = World::new(engine);
    world.kill();
    let folder = world.folder().join("in");
    fs::create_dir_all(&folder).expect("a folder");
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    let patient = |id: &str| format!("<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"{id}\"/></Patient>");
    put("one.xml", &patient("a"));
    let bundle = "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/><entry><resource>";
    put(
        "some.xml",
        &format!("{bundle}{}</resource></entry></Bundle>", patient("b")),
    );
    world
        .command("import")
        .arg(&folder)
        .output()
        .map(well)
        .expect("epis runs");
    put("broken.xml", "<Patient>\n<name></Patient>");
    let refused = world.command("import").arg(&folder).output().expect("epis runs");
    assert_eq!(refused.status.code(), Some(1));
    let reasons = fs::read_to_string(world.folder().join("import-refused.ndjson")).expect("a file of reasons");
    assert!(
        reasons.contains("broken.xml") && reasons.contains("line 2"),
        "{reasons}"
    );
    world.start();
    assert_eq!(world.get("Patient?_sort=_id").expect(200).ids("match"), ["a", "b"]);
}

fn exported_lines(folder: &std::path::Path, kind: &str) -> usize {
    let files = fs::read_dir(folder).expect("exported").flatten().map(|f| f.path());
    let of_kind = files.filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(kind)));
    of_kind
        .map(|p| fs::read_to_string(p).expect("NDJSON").lines().count())
        .sum()
}

/// The index's files are damaged while nobody looks: it is found, said and mended, and searches answer whole.
fn a_damaged_index_is_found_and_mended(engine: Engine) {
    let mut world = World::new(engine);
    world
        .put("Patient/a", r#"{"resourceType":"Patient","id":"a","active":true}"#)
        .expect(201);
    world.kill();
    world.check().expect("a clean store");
    let index = world.folder().join("index");
    let current = fs::read_to_string(index.join("current")).expect("an index in use");
    let index = index.join(current.trim());
    let files: Vec<_> = fs::read_dir(&index)
        .expect("an index")
        .flatten()
        .map(|f| f.path())
        .collect();
    let damaged = files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e != "json" && e != "lock"));
    let count = damaged
        .map(|file| fs::write(file, b"damaged").expect("written"))
        .count();
    assert!(count > 0, "the index has no segment files");
    let words = well(world.command("check").output().expect("epis runs"));
    assert!(words.to_lowercase().contains("index"), "{words}");
    world.start();
    assert_eq!(total(&world, "Patient"), 1);
    assert_eq!(world.get("Patient?active=true").expect(200).ids("match"), ["a"]);
}

on_both!(
    no_merge_is_undone,
    samples_go_in_and_out_again,
    xml_goes_in,
    a_damaged_index_is_found_and_mended
);

/// A synthetic nation is made and taken in whole, visits and all, by a server that judges as strictly as it can.
#[test]
fn a_synthetic_nation_goes_in() {
    let mut world = World::new(Engine::Sqlite);
    world.kill();
    let nation = world.folder().join("nation");
    let made = Command::new(binary())
        .args([
            "synth",
            "--people",
            "150",
            "--duplicates",
            "0.2",
            "--visits",
            "2025",
            "--to",
        ])
        .arg(&nation)
        .output();
    let said = well(made.expect("epis runs"));
    assert!(said.contains("share their full name with somebody"), "{said}");
    let mut import = world.command("import");
    import
        .arg(&nation)
        .args(["--unique-identifiers", "", "--validate", "reject"]);
    well(import.output().expect("epis runs"));
    world.start();
    let truth = fs::read_to_string(nation.join("truth.csv")).expect("the truth");
    let duplicates = truth.lines().count() as u64 - 1;
    assert!(duplicates > 10);
    assert_eq!(total(&world, "Patient"), 150 + duplicates);
    assert!(total(&world, "Condition") > 100 && total(&world, "Organization") > 57);
}
