//! People from elsewhere are found at a clinic, with the program as it is shipped, over a line that is cut all the time.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tests::slow_line::Shape;
use tests::world::{Engine, World, eventually};

use crate::exchange::clinic_over;

/// A line that is cut every few kilobytes.
const CUT: Shape = Shape {
    rate: 1 << 20,
    delay: Duration::from_millis(2),
    lost_one_in: 0,
    cut_after: 6_000,
};
const NAMES: [&str; 8] = ["Sonam", "Pema", "Karma", "Tashi", "Ugyen", "Kinley", "Dawa", "Namgay"];

/// Somebody of Thimphu, where no clinic of these tests is.
fn patient(number: usize) -> String {
    let names = [NAMES[number % 8], NAMES[number / 8 % 8]];
    format!(
        r#"{{"resourceType":"Patient","id":"c{number}","name":[{{"text":"{} {}"}}],"gender":"female","birthDate":"19{:02}-0{}-1{}",
        "identifier":[{{"system":"http://id.gov.bt/citizen","value":"1140400{number:04}"}}],
        "telecom":[{{"system":"phone","value":"1711{number:04}"}}],
        "address":[{{"extension":[{{"url":"http://fhir.moh.gov.bt/StructureDefinition/bt-gewog","valueCoding":{{"code":"BT1401"}}}}]}}]}}"#,
        names[0],
        names[1],
        50 + number % 50,
        1 + number % 9,
        number % 10
    )
}

pub(crate) fn find(world: &World, words: &str) -> Value {
    let address = world.base.replace("/fhir", "/find?q=") + &words.replace(' ', "%20");
    world.get(&address).expect(200).json()
}

pub(crate) fn country(world: &World) -> Value {
    let health = world.get(&world.base.replace("/fhir", "/health")).json();
    health["people"]["country"].clone()
}

/// What lies of everybody in a clinic's folder: names and bytes.
fn files(clinic: &World) -> Vec<(String, Vec<u8>)> {
    let folder = fs::read_dir(clinic.folder().join("node/persons")).expect("a folder");
    let files = folder.flatten().filter_map(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        // One may go while it is looked at.
        Some((name, fs::read(file.path()).ok()?))
    });
    files.collect()
}

fn people(world: &World) -> Option<u64> {
    country(world)["people"].as_u64()
}

const MERGE: &str = r#"{"resourceType":"Parameters","parameter":[
    {"name":"source-patient","valueReference":{"reference":"Patient/c1"}},
    {"name":"target-patient","valueReference":{"reference":"Patient/c2"}}]}"#;

fn she_is_found_though_her_record_is_not_here(clinic: &World) {
    // Whose record is here comes first of equals, and nobody twice.
    let found = find(clinic, "pema sonam 1951");
    let ids: Vec<&Value> = found["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids[..2], [&json!("here"), &json!("c1")], "{found}");
    let of_centre = &found["results"][1];
    assert_eq!(
        [
            &of_centre["here"],
            &of_centre["name"],
            &of_centre["birthDate"],
            &of_centre["identifier"],
            &of_centre["address"]
        ],
        [
            &json!(false),
            &json!("Pema Sonam"),
            &json!("1951-02-11"),
            &json!("11404000001"),
            &json!("Chang, Thimphu")
        ]
    );
    assert_eq!(
        of_centre["matched"][0]["parts"][0],
        json!({"text": "Pema", "hit": true})
    );
    assert!(found["results"][0]["here"].is_null() && found["country"]["asOf"].is_string());
    clinic.get("Patient/c1").expect(404);

    let answer = clinic
        .post("Patient/$match", &patient(1).replacen(r#""id":"c1","#, "", 1))
        .expect(200);
    let matched = answer.json()["entry"][0].clone();
    assert_eq!(matched["resource"]["id"], "c1", "{matched}");
    assert_eq!(matched["resource"]["meta"]["tag"][0]["code"], "SUBSETTED");
    assert_eq!(matched["search"]["extension"][0]["valueCode"], "certain");
    assert!(
        answer.body.contains("known at the centre and not here, as of"),
        "{}",
        answer.body
    );

    // Registering her here tells of her.
    let told = [
        ("Prefer", "return=OperationOutcome"),
        ("Content-Type", "application/fhir+json"),
    ];
    let registered = clinic.send(
        "POST",
        "Patient",
        &told,
        patient(7).replacen(r#""id":"c7","#, "", 1).as_bytes(),
    );
    assert!(
        registered
            .expect(201)
            .body
            .contains("Patient/c7 (known at the centre, not here)"),
    );
}

fn changes_come_as_little(world: &World, clinic: &World) {
    // What changes at the centre comes as little: she has another name, somebody goes, two become one.
    world
        .put("Patient/c5", &patient(5).replace("Kinley Sonam", "Yangchen Lhadon"))
        .expect(200);
    world.send("DELETE", "Patient/c6", &[], b"").expect(204);
    world.post("Patient/$merge", MERGE).expect(200);
    eventually("the changes arrive", || {
        let found = find(clinic, "yangchen lhadon");
        found["results"][0]["id"] == "c5" && people(clinic) == Some(299)
    });
    let small: Vec<u64> = files(clinic)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("0-0-"))
        .map(|(_, bytes)| bytes.len() as u64)
        .collect();
    assert!(
        !small.is_empty() && small.iter().all(|bytes| *bytes < 2_000),
        "{small:?}"
    );
    let merged = find(clinic, "11404000001");
    assert_eq!(
        merged["results"][0]["id"], "c2",
        "found by the number of the record merged into hers: {merged}"
    );
}

fn everybody_is_known_at_a_clinic(engine: Engine) {
    let mut world = World::with(engine, &["--node-listen", "127.0.0.1:0", "--person-index-seconds", "1"]);
    assert_eq!(country(&world), Value::Null, "the centre has everybody itself");
    for number in 0..300 {
        world.put(&format!("Patient/c{number}"), &patient(number)).expect(201);
    }
    let (mut clinic, line) = clinic_over(&world, CUT, "Gasa", &[]);
    let here = r#"{"resourceType":"Patient","id":"here","name":[{"text":"Pema Sonam"}],"birthDate":"1951-02-11"}"#;
    clinic.put("Patient/here", here).expect(201);
    eventually("everybody arrives", || people(&clinic) >= Some(300));
    println!("bytes up, bytes down, connections: {:?}", line.counted());

    she_is_found_though_her_record_is_not_here(&clinic);
    changes_come_as_little(&world, &clinic);

    // What came is kept over a power cut, and is there without a line.
    world.kill();
    let as_of = country(&clinic);
    clinic.kill();
    clinic.start();
    eventually("everybody is read again", || country(&clinic) == as_of);
    assert_eq!(find(&clinic, "yangchen lhadon")["results"][0]["here"], false);
    what_is_damaged_is_made_anew(&mut clinic, &as_of);
}

/// The file in which people are found: its path; none while it is made anew.
fn at_rest(clinic: &World) -> Option<std::path::PathBuf> {
    let all = files(clinic);
    let mut names = all.iter().map(|(name, _)| name).filter(|name| name.ends_with(".rest"));
    let (first, more) = (names.next(), names.next());
    assert_eq!(more, None);
    Some(clinic.folder().join("node/persons").join(first?))
}

/// Without a line, of what once came: wherever the file is damaged, it lacks its end, or is gone.
fn what_is_damaged_is_made_anew(clinic: &mut World, as_of: &Value) {
    type Harm = fn(&std::path::Path, Vec<u8>);
    let harms: [(&str, Harm); 5] = [
        ("gone", |path, _| fs::remove_file(path).expect("removed")),
        ("cut short", |path, bytes| {
            fs::write(path, &bytes[..bytes.len() / 2]).expect("written")
        }),
        ("empty, as after a power cut", |path, _| {
            fs::write(path, b"").expect("written")
        }),
        ("its last page damaged", |path, mut bytes| {
            let at = bytes.len() - 4_090;
            bytes[at] ^= 0x40;
            fs::write(path, bytes).expect("written");
        }),
        ("half written beside it", |path, bytes| {
            fs::write(path.with_extension("new"), &bytes[..bytes.len() / 3]).expect("written");
        }),
    ];
    for (what, harm) in harms {
        clinic.kill();
        let path = at_rest(clinic).expect("people are at rest");
        harm(&path, fs::read(&path).expect("it is there"));
        let began = std::time::Instant::now();
        clinic.start();
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{what}: {:?}",
            began.elapsed()
        );
        eventually(what, || country(clinic) == *as_of);
        assert_eq!(find(clinic, "yangchen lhadon")["results"][0]["id"], "c5", "{what}");
        assert!(at_rest(clinic).is_some(), "{what}");
    }
    // What is found damaged only when it is read is made anew while the clinic serves.
    clinic.kill();
    let path = at_rest(clinic).expect("people are at rest");
    let whole = fs::read(&path).expect("it is there");
    let mut bytes = whole.clone();
    bytes[100] ^= 0x40;
    fs::write(&path, bytes).expect("written");
    clinic.start();
    eventually("the list is made anew", || {
        let found = find(clinic, "yangchen lhadon");
        let other = find(clinic, "pema sonam 1951");
        let now = at_rest(clinic).and_then(|path| fs::read(path).ok());
        let anew = now.is_some_and(|now| now[..4_096] == whole[..4_096]);
        anew && found["remark"].is_null() && other["remark"].is_null() && found["results"][0]["id"] == "c5"
    });
}

on_both!(everybody_is_known_at_a_clinic);

/// By the centre's policy particulars are hidden, or nobody is carried; a clinic follows at the next contact.
#[test]
fn the_centre_decides_what_clinics_are_told_of_everybody() {
    let mut world = World::with(Engine::Sqlite, &["--node-listen", "127.0.0.1:0"]);
    for number in 0..60 {
        world.put(&format!("Patient/c{number}"), &patient(number)).expect(201);
    }
    let secret = world.folder().with_extension("secret");
    fs::write(&secret, "a secret of the country").expect("written");
    let secret = secret.to_str().expect("text").to_owned();
    let (mut clinic, line) = clinic_over(&world, Shape { cut_after: 0, ..CUT }, "Gasa", &[]);
    eventually("everybody arrives", || people(&clinic) == Some(60));
    drop(line);

    // The centre listens elsewhere after each start; so does the line.
    let restarted = |world: &mut World, clinic: &mut World, arguments: &[&str], of_clinic: &[&str]| {
        world.kill();
        world.set_arguments(&[&["--node-listen", "127.0.0.1:0"], arguments].concat());
        world.start();
        let centre = crate::nodes::invited(world, &["--name", "x", "--gewog", "0401"]).1;
        let identity = clinic.folder().join("node/identity.json");
        let text = fs::read_to_string(&identity).expect("an identity");
        let mut kept: Value = serde_json::from_str(&text).expect("JSON");
        kept["address"] = json!(centre.trim_start_matches("https://"));
        clinic.kill();
        fs::write(&identity, kept.to_string()).expect("written");
        clinic.set_arguments(&[&["--node", "--contact-seconds", "1"], of_clinic].concat());
        clinic.start();
    };
    let hidden = ["--person-index", "hidden", "--person-index-secret", secret.as_str()];
    restarted(&mut world, &mut clinic, &hidden, &[]);
    let shown = |clinic: &World| {
        find(clinic, "pema sonam")["remark"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    eventually("the readable list is gone", || {
        shown(&clinic).contains("does not name the secret")
    });
    let named = |bytes: &[u8]| bytes.windows(4).any(|part| part.eq_ignore_ascii_case(b"pema"));
    assert!(files(&clinic).iter().all(|(_, bytes)| !named(bytes)));
    let who = patient(1).replacen(r#""id":"c1","#, "", 1);
    let matched = clinic.post("Patient/$match", &who).expect(200);
    assert_eq!(matched.ids("match").len(), 0, "{}", matched.body);

    restarted(
        &mut world,
        &mut clinic,
        &hidden,
        &["--person-index-secret", secret.as_str()],
    );
    eventually("who has the secret finds her", || {
        let matched = clinic.post("Patient/$match", &who).expect(200);
        matched.ids("match").first().is_some_and(|id| id == "c1") && !matched.body.contains("birthDate")
    });
    whole_numbers_find(&clinic);

    restarted(&mut world, &mut clinic, &["--person-index", "off"], &[]);
    eventually("nobody is carried any more", || files(&clinic).is_empty());
    fs::remove_file(secret).expect("removed");
}

/// A clerk who types a whole number finds her in a hidden list; words and parts say nothing to hashes, and he is told.
fn whole_numbers_find(clinic: &World) {
    let table = [
        ("11404000001", Some("c1")),
        ("1-14-04-000001", Some("c1")),
        ("17 11 00 01", Some("c1")),
        ("%2B97517110001 pema", Some("c1")),
        ("1140400000", None),
        ("11404000999", None),
        ("pema sonam", None),
    ];
    for (typed, expected) in table {
        let answer = find(clinic, typed);
        let first = &answer["results"][0];
        assert_eq!(first["id"].as_str(), expected, "{typed}: {answer}");
        assert!(
            expected.is_none() || first["here"] == false && first["name"].is_null(),
            "{answer}"
        );
        assert!(
            answer["remark"]
                .as_str()
                .is_some_and(|said| said.contains("by a whole number"))
        );
    }
}
