//! Persons matched by the whole program: registering refused, weights learned and stored, everybody in a small file.

use std::fs;
use std::path::Path;
use std::process::Command;

use tests::world::{Engine, World, binary, eventually};

const SONAM: &str = r#"{"resourceType":"Patient","name":[{"given":["Sonam","Dorji"]}],"gender":"male",
    "birthDate":"1987-04-09","telecom":[{"system":"phone","value":"17123456"}]}"#;

fn said(command: &mut Command) -> String {
    let output = command.output().expect("epis runs");
    let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    words
}

/// `epis match` on a world's embedded store.
fn matching(world: &World, what: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(["match", what, "--data"]).arg(world.folder());
    command
}

fn registering_twice_is_refused_until_somebody_looked(engine: Engine) {
    let world = World::with(engine, &["--duplicates", "refuse"]);
    world.post("Patient", SONAM).expect(201);
    let refused = world.post("Patient", SONAM).expect(409);
    assert!(
        refused.body.contains("\"duplicate\"") && refused.body.contains("handling=lenient"),
        "{}",
        refused.body
    );
    assert_eq!(world.get("Patient?_summary=count").json()["total"], 1);
    world
        .post(
            "Patient",
            &SONAM
                .replace("1987-04-09", "1961-11-30")
                .replace("17123456", "77000001"),
        )
        .expect(201);
    let looked = [
        ("Content-Type", "application/fhir+json"),
        ("Prefer", "handling=lenient"),
    ];
    world.send("POST", "Patient", &looked, SONAM.as_bytes()).expect(201);
    assert_eq!(world.get("Patient?_summary=count").json()["total"], 3);
}

/// A nation is taken in; from it weights are learned and stored, and by these $match scores.
#[test]
fn weights_are_learned_and_stored() {
    let mut world = World::new(Engine::Sqlite);
    world.kill();
    let nation = world.folder().join("nation");
    let mut made = Command::new(binary());
    made.args(["synth", "--people", "4000", "--duplicates", "0.2", "--to"])
        .arg(&nation);
    said(&mut made);
    said(
        world
            .command("import")
            .arg(nation.join("Patient.ndjson"))
            .args(["--unique-identifiers", ""]),
    );
    let learned = said(matching(&world, "train").args(["--version", "trial-1"]));
    assert!(
        learned.contains("trial-1") && learned.contains("name\tsame\t"),
        "{learned}"
    );
    said(matching(&world, "train").args(["--version", "trial-2"]));
    world.start();
    let record = world.get("Library/person-match-weights/_history").expect(200).json();
    assert_eq!(
        (&record["total"], &record["entry"][0]["resource"]["version"]),
        (&2.into(), &"trial-2".into())
    );
    let patients = fs::read_to_string(nation.join("Patient.ndjson")).expect("patients");
    let truth = fs::read_to_string(nation.join("truth.csv")).expect("the truth");
    let (mut first, mut asked) = (0, 0);
    for (second, original) in truth.lines().skip(1).take(40).filter_map(|line| line.split_once(',')) {
        let mark = format!("\"id\":\"{second}\"");
        let patient = patients
            .lines()
            .find(|line| line.contains(&mark))
            .expect("a second registration");
        let answer = world.post("Patient/$match?count=5", patient).expect(200);
        asked += 1;
        first += usize::from(answer.ids("match").iter().any(|id| id == original));
    }
    assert!(
        first + 1 >= asked && asked == 40,
        "{first} of {asked} among the first five"
    );
}

/// Everybody is looked for among all others; a pair comes onto the worklist once, and stays off it when decided.
#[test]
fn pairs_are_reviewed_once() {
    let mut world = World::new(Engine::Sqlite);
    let put = |world: &World, id: &str, text: &str| {
        let address = format!("Patient/{id}");
        world
            .put(&address, &text.replacen('{', &format!("{{\"id\":\"{id}\","), 1))
            .expect(201);
    };
    put(&world, "a", SONAM);
    put(&world, "b", SONAM);
    put(
        &world,
        "c",
        r#"{"resourceType":"Patient","name":[{"text":"Pema"}],"birthDate":"1961"}"#,
    );
    assert_eq!(world.get("Task?_summary=count").json()["total"], 0);
    for expected in ["3 people: 1 of 1 pairs", "3 people: 0 of 1 pairs"] {
        world.kill();
        let review = said(&mut matching(&world, "review"));
        assert!(review.contains(expected), "{review}");
        world.start();
    }
    // A server does it beside its work.
    world.post("Patient/$review-duplicates", "").expect(202);
    let told = || world.get("Patient/$review-duplicates").expect(200).json()["parameter"].clone();
    eventually("the review ends", || told()[0]["valueCode"] == "done");
    let numbers: Vec<_> = (1..5).map(|at| told()[at]["valueDecimal"].as_u64()).collect();
    assert_eq!(numbers, [3, 3, 1, 0].map(Some), "people, of, pairs, new");
    let page = world
        .get("Task?status=requested&_include=Task:focus&_include=Task:patient")
        .expect(200);
    assert_eq!((page.ids("match").len(), page.ids("include").len()), (1, 2));
    // A registrar has a page for it, which needs nothing from elsewhere.
    let drawn = world.get(&world.base.replace("/fhir", "/duplicates")).expect(200).body;
    assert!(drawn.contains("$keep-apart") && !drawn.contains("http"), "{drawn}");
    let merge = r#"{"resourceType":"Parameters","parameter":[{"name":"source-patient","valueReference":{"reference":"Patient/b"}},
        {"name":"target-patient","valueReference":{"reference":"Patient/a"}}]}"#;
    world.post("Patient/$merge", merge).expect(200);
    world.kill();
    let review = said(&mut matching(&world, "review"));
    assert!(review.contains("2 people: 0 of 0 pairs"), "{review}");
}

/// What a clerk types is looked for in a readable file, and refused of a hidden one.
fn typed_words_find(whole: &Path, hidden: &Path) {
    let typed = |file: &Path| {
        let mut command = Command::new(binary());
        command
            .args(["match", "find", "--text", "dorjee son 1987", "--in"])
            .arg(file);
        command
    };
    let found = said(&mut typed(whole));
    assert!(
        found.contains("Patient/a: sonam dorji, 1987-04-09, male, 17123456")
            && found.contains("name, name-beginning, birth-year"),
        "{found}"
    );
    let refused = typed(hidden).output().expect("epis runs");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--text"));
}

/// Everybody is written to a file, then what changed; a patient is found in both, readable and hidden.
#[test]
fn everybody_is_carried_and_brought_up_to_date() {
    let mut world = World::new(Engine::Sqlite);
    world
        .put("Patient/a", &SONAM.replacen('{', "{\"id\":\"a\",", 1))
        .expect(201);
    world
        .put(
            "Patient/b",
            r#"{"resourceType":"Patient","id":"b","name":[{"text":"Pema"}]}"#,
        )
        .expect(201);
    world.kill();
    let folder = world.folder().to_owned();
    let file = |name: &str| folder.join(name);
    fs::write(file("secret"), "a secret of the country").expect("written");
    fs::write(file("patient.json"), SONAM).expect("written");
    let whole = said(matching(&world, "roster").arg("--to").arg(file("whole")));
    assert!(whole.contains("2 people") && whole.contains("place 2 "), "{whole}");
    said(
        matching(&world, "roster")
            .arg("--to")
            .arg(file("hidden"))
            .arg("--hidden-by")
            .arg(file("secret")),
    );
    let find = |rosters: &[&str], secret: bool| {
        let mut command = Command::new(binary());
        command.args(["match", "find"]).arg(file("patient.json"));
        rosters.iter().for_each(|name| {
            command.arg("--in").arg(file(name));
        });
        if secret {
            command.arg("--hidden-by").arg(file("secret"));
        }
        command
    };
    let found = said(&mut find(&["whole"], false));
    assert!(
        found.contains("Patient/a: certain") && found.contains("birth date: same day"),
        "{found}"
    );
    assert!(said(&mut find(&["hidden"], true)).contains("Patient/a: "));
    typed_words_find(&file("whole"), &file("hidden"));
    let refused = find(&["hidden"], false).output().expect("epis runs");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--hidden-by"));
    let hidden = fs::read(file("hidden")).expect("a file");
    assert!(!hidden.windows(5).any(|part| part.eq_ignore_ascii_case(b"sonam")));

    world.start();
    world
        .put("Patient/c", &SONAM.replacen('{', "{\"id\":\"c\",", 1))
        .expect(201);
    world.send("DELETE", "Patient/a", &[], b"").expect(204);
    world.kill();
    let changes = said(
        matching(&world, "roster")
            .args(["--after", "2", "--to"])
            .arg(file("changes")),
    );
    assert!(changes.contains("1 people"), "{changes}");
    let found = said(&mut find(&["whole", "changes"], false));
    assert!(
        found.contains("Patient/c: certain") && !found.contains("Patient/a"),
        "{found}"
    );
    let twice = find(&["whole", "changes", "changes"], false)
        .output()
        .expect("epis runs");
    assert!(String::from_utf8_lossy(&twice.stderr).contains("after place 2, not 4"));
}

on_both!(registering_twice_is_refused_until_somebody_looked);
