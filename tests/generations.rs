//! The index replaced while the server runs: asked for, damaged, or for new search parameters; killed in between.

use std::fs;

use serde_json::Value;
use tests::world::{Engine, World, binary, eventually};

/// The patrol at full speed.
const PATROL: &[&str] = &["--patrol-records", "100000"];

fn told(world: &World) -> Value {
    world.get("$reindex").expect(200).json()
}

/// The values of the parameters of a name.
fn said<'a>(parameters: &'a Value, name: &str) -> Vec<&'a str> {
    let all = parameters["parameter"].as_array().into_iter().flatten();
    let named = all.filter(|p| p["name"] == name);
    named
        .filter_map(|p| p["valueString"].as_str().or_else(|| p["valueCode"].as_str()))
        .collect()
}

fn fill(world: &World) {
    for number in 0..40 {
        let body = format!(
            r#"{{"resourceType":"Patient","id":"p{number}","active":true,"extension":[{{"url":"http://a.bt/shoe","valueInteger":{number}}}]}}"#
        );
        world.put(&format!("Patient/p{number}"), &body).expect(201);
    }
}

fn total(world: &World, query: &str) -> Value {
    world.get(query).expect(200).json()["total"].clone()
}

/// The folder of the index in use.
fn folder(world: &World) -> std::path::PathBuf {
    let index = world.folder().join("index");
    let current = fs::read_to_string(index.join("current")).expect("an index in use");
    index.join(current.trim())
}

fn an_index_is_built_anew_on_request(engine: Engine) {
    let world = World::with(engine, PATROL);
    fill(&world);
    let before = folder(&world);
    let job = world.post("$reindex", "").expect(202).json();
    assert_eq!(said(&job, "id"), ["1"], "{job}");
    eventually("the build ends", || said(&told(&world), "state") == ["done"]);
    assert_ne!(folder(&world), before);
    eventually("the folder of the old index goes", || !before.exists());
    let summary = told(&world);
    assert!(said(&summary, "summary")[0].contains("40 records"), "{summary}");
    assert_eq!(total(&world, "Patient?active=true"), 40);
    let statement = world.get("metadata").expect(200).body;
    assert!(statement.contains("\"name\":\"reindex\""));
}

fn a_damaged_index_is_mended_while_the_server_runs(engine: Engine) {
    let world = World::with(engine, PATROL);
    fill(&world);
    world.post("$reindex", "").expect(202);
    eventually("the build ends", || said(&told(&world), "state") == ["done"]);
    // A merge that comes later would mend what is harmed.
    let health = || world.get(&world.base.replace("/fhir", "/health")).expect(200).json();
    eventually("the index rests", || health()["resting"] == true);
    let before = folder(&world);
    for file in fs::read_dir(&before).expect("an index").flatten().map(|f| f.path()) {
        if file.extension().is_some_and(|e| e == "fast") {
            fs::remove_file(file).expect("a file goes");
        }
    }
    eventually("the patrol has another built", || said(&told(&world), "id") == ["2"]);
    eventually("it is built", || said(&told(&world), "state") == ["done"]);
    assert_eq!(total(&world, "Patient?active=true"), 40);
    let health = health();
    assert!(health["patrol"]["findings"].as_u64() > Some(0), "{health}");
}

const SHOE: &str = r#"{"resourceType":"SearchParameter","id":"shoe","url":"http://a.bt/shoe","name":"Shoe","status":"active","description":"The size of shoes.","code":"shoe","base":["Patient"],"type":"number","expression":"Patient.extension('http://a.bt/shoe').value"}"#;

fn a_search_parameter_of_ones_own_survives_all(engine: Engine) {
    let mut world = World::new(engine);
    fill(&world);
    world.put("SearchParameter/shoe", SHOE).expect(201);
    let refused = world.get("Patient?shoe=7");
    assert!(refused.status == 503 || refused.status == 200, "{}", refused.body);
    world.kill();
    world.start();
    eventually("it is indexed", || world.get("Patient?shoe=7").status == 200);
    let works = |world: &World| {
        assert_eq!(world.get("Patient?shoe=7").expect(200).ids("match"), ["p7"]);
        assert_eq!(total(world, "Patient?shoe=ge30&_summary=count"), 10);
    };
    works(&world);
    world.kill();
    let reindexed = world.command("reindex").output().expect("epis runs");
    let words = String::from_utf8_lossy(&reindexed.stdout).into_owned();
    assert!(reindexed.status.success() && words.contains("41 records"), "{words}");
    world.check().expect("an index that agrees");
    world.start();
    works(&world);
    let bad = SHOE
        .replace("Patient.extension", "Patient.extension(")
        .replace("\"shoe\"", "\"boot\"");
    world
        .put("SearchParameter/boot", &bad.replace("a.bt/shoe\"", "a.bt/boot\""))
        .expect(201);
    let why = world.get("Patient?boot=7").expect(400).body;
    assert!(why.contains("cannot be read"), "{why}");
    assert_eq!(said(&told(&world), "unusable").len(), 1);
}

/// Tables of one's own come while the server runs: searches are answered all the time, by the old tables or the new.
fn tables_of_ones_own_are_heard_of_while_the_server_runs(engine: Engine) {
    let mut world = World::new(engine);
    fill(&world);
    let note = r#"{"resourceType":"Patient","id":"n","name":[{"text":"Soonam"}],"contact":[{"name":{"text":"Pema"}}],
        "telecom":[{"system":"other","value":"pigeon"}],"communication":[{"language":{"text":"seen for XYZ"}}]}"#;
    world.put("Patient/n", note).expect(201);
    let found = |world: &World, query: &str| world.get(&format!("Patient?_content={query}")).expect(200).ids("match");
    assert_eq!(found(&world, "pigeon"), ["n"]);
    assert!(found(&world, "sonam").is_empty() && found(&world, "hypertension").is_empty());
    let how = |world: &World| {
        let found = world.get("find?q=sonam").expect(200).json();
        found["results"][0]["matched"][0]["how"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(how(&world), "name-near");
    let folder = world.folder().join("analyzers");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("names.tsv"), "# ours\nsonam\tsoenam,soonam\n").expect("a table");
    fs::write(folder.join("synonyms.tsv"), "hypertension\tHTN,xyz\n").expect("a table");
    fs::write(folder.join("elements.tsv"), "Patient.telecom\tnone\n").expect("a table");
    eventually("the index is built by the new tables", || {
        assert_eq!(found(&world, "soonam"), ["n"], "it can be searched meanwhile");
        found(&world, "sonam") == ["n"]
    });
    assert_eq!(how(&world), "name", "people are found by the new tables too");
    assert_eq!(found(&world, "htn"), ["n"]);
    assert!(found(&world, "pigeon").is_empty());
    world.kill();
    world.start();
    assert_eq!(found(&world, "sonam"), ["n"]);
    // A table that contradicts itself is told of, and what held before goes on: now, and after a start.
    fs::write(folder.join("names.tsv"), "sonam\tsoonam\nkarma\tsoonam\n").expect("a table");
    let ask = |arguments: [&str; 3]| {
        let mut command = std::process::Command::new(binary());
        let command = command.args(arguments).arg("--analyzers").arg(&folder);
        command.output().expect("epis runs")
    };
    assert!(
        ask(["analyzers", "show", "names"]).status.success(),
        "a table may be looked at that cannot be used"
    );
    let refused = ask(["analyzers", "read", "soonam"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && why.contains("\"soonam\" to karma and to sonam"),
        "{why}"
    );
    world.kill();
    world.start();
    assert_eq!(found(&world, "sonam"), ["n"]);
    // What goes from the folder holds no longer.
    fs::remove_dir_all(&folder).expect("the folder goes");
    eventually("the index is built by the old tables", || {
        found(&world, "sonam").is_empty()
    });
    world.kill();
    world.check().expect("an index that agrees");
}

on_both!(
    tables_of_ones_own_are_heard_of_while_the_server_runs,
    an_index_is_built_anew_on_request,
    a_damaged_index_is_mended_while_the_server_runs,
    a_search_parameter_of_ones_own_survives_all,
);
