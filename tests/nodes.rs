//! Clinics are invited, enrolled, replaced and retired with the program as it is shipped, as the how-to pages say.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::slow_line::{Shape, SlowLine};
use tests::world::{Engine, World, binary};

/// A clinic's data folder, removed at the end.
struct Clinic(PathBuf);

impl Clinic {
    fn new(world: &World, name: &str) -> Clinic {
        Clinic(world.folder().with_extension(name))
    }
}

impl Drop for Clinic {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `epis node` on a data folder: what it printed, or said.
pub(crate) fn node(data: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(binary());
    let output = command.arg("node").args(arguments).arg("--data").arg(data).output();
    let output = output.expect("epis runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

/// The code and the address that an invitation gives.
pub(crate) fn invited(world: &World, arguments: &[&str]) -> (String, String) {
    let said = node(world.folder(), &[&["invite"], arguments].concat()).expect("an invitation");
    let port = said.split_once("https://HOST:").expect("an address").1;
    let port = port.split_whitespace().next().expect("a port");
    let code = said.lines().next().expect("a code");
    (code.to_owned(), format!("https://127.0.0.1:{port}"))
}

fn clinics_are_enrolled_and_replaced(engine: Engine) {
    let mut world = World::with(engine, &["--node-listen", "127.0.0.1:0", "--centre-name", "Thimphu"]);
    let (code, centre) = invited(&world, &["--name", "Gasa BHU-I", "--gewog", "0401", "--gewog", "0402"]);
    let (first, second) = (Clinic::new(&world, "first"), Clinic::new(&world, "second"));
    let enrol =
        |clinic: &Clinic, centre: &str, code: &str| node(&clinic.0, &["enrol", "--centre", centre, "--code", code]);
    let said = enrol(&first, &centre, &code).expect("enrolled");
    assert!(said.contains("node 1 (Gasa BHU-I) of Thimphu"), "{said}");
    assert!(enrol(&second, &centre, &code).unwrap_err().contains("used already"));

    // What the centre knows outlives a power cut.
    world.kill();
    world.start();
    let listed = node(world.folder(), &["list"]).expect("a list");
    assert!(
        listed.contains("Gasa BHU-I") && listed.contains("BT0401 BT0402") && listed.ends_with("1 in use, 0 retired.\n"),
        "{listed}"
    );
    let moved = node(world.folder(), &["move", "1", "--gewog", "0403"]).expect("moved");
    assert!(moved.contains("now holds the people of"), "{moved}");
    let (code, centre) = invited(&world, &["--replace", "1"]);
    let said = enrol(&second, &centre, &code).expect("enrolled");
    assert!(said.contains("node 2 (Gasa BHU-I) of Thimphu"), "{said}");
    let listed = node(world.folder(), &["list"]).expect("a list");
    assert!(
        listed.contains("replaced by node 2") && listed.contains("BT0403"),
        "{listed}"
    );
    let retired = node(world.folder(), &["retire", "2", "--reason", "closed"]).expect("retired");
    assert!(retired.contains("is retired"), "{retired}");
    let unknown = node(world.folder(), &["retire", "3", "--reason", "closed"]).unwrap_err();
    assert!(unknown.contains("There is no node 3"), "{unknown}");
    assert_eq!(
        world.get(&world.base.replace("/fhir", "/health")).json()["node"],
        serde_json::json!({"number": 0})
    );
    world.kill();
    let gone = node(world.folder(), &["list"]).unwrap_err();
    assert!(gone.contains("No server for nodes runs"), "{gone}");
}

on_both!(clinics_are_enrolled_and_replaced);

/// A clinic enrols over the slowest line there is, and over one that is cut at every place: the same command goes on, and
/// makes one node, also where the centre's answer was what was cut.
#[test]
fn a_clinic_enrols_over_a_bad_line() {
    let world = World::with(Engine::Sqlite, &["--node-listen", "127.0.0.1:0"]);
    let over = |shape: Shape, code: &str, centre: &str, clinic: &Clinic| {
        let target = centre.trim_start_matches("https://").parse().expect("an address");
        let line = SlowLine::new(target, shape, 1);
        let begun = Instant::now();
        let said = node(
            &clinic.0,
            &[
                "enrol",
                "--centre",
                &format!("https://{}", line.address),
                "--code",
                code,
            ],
        );
        (said, begun.elapsed(), line.counted())
    };
    let (code, centre) = invited(&world, &["--name", "Lunana", "--gewog", "0401"]);
    let clinic = Clinic::new(&world, "remote");
    let (said, took, counted) = over(Shape::REMOTE, &code, &centre, &clinic);
    assert!(said.expect("enrolled").contains("node 1 (Lunana)"));
    println!("enrolled over 64 kbit/s, 800 ms: {took:?}, {counted:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");

    let (code, centre) = invited(&world, &["--name", "Laya", "--gewog", "0401"]);
    let clinic = Clinic::new(&world, "cut");
    let cuts = (300..6000).step_by(300).map(|cut_after| Shape {
        rate: 1 << 20,
        delay: Duration::ZERO,
        lost_one_in: 0,
        cut_after,
    });
    let tries: Vec<bool> = cuts
        .map(|shape| over(shape, &code, &centre, &clinic).0.is_ok())
        .collect();
    let (first, enrolled) = (tries.iter().position(|ok| *ok), tries.iter().filter(|ok| **ok).count());
    assert!(
        first.is_some_and(|first| first > 2) && enrolled == 1,
        "once enrolled, it is not enrolled again: {tries:?}"
    );
    let listed = node(world.folder(), &["list"]).expect("a list");
    assert!(listed.ends_with("2 in use, 0 retired.\n"), "{listed}");
}

#[test]
fn a_clinic_serves_under_its_own_number() {
    let world = World::with(Engine::Sqlite, &["--node-listen", "127.0.0.1:0"]);
    let (code, centre) = invited(&world, &["--name", "Laya", "--gewog", "0401"]);
    let mut clinic = World::new(Engine::Sqlite);
    let said = node(clinic.folder(), &["enrol", "--centre", &centre, "--code", &code]).unwrap_err();
    assert!(said.contains("holds records of a server that is no node"), "{said}");
    clinic.kill();
    std::fs::remove_dir_all(clinic.folder()).expect("the clinic's folder");
    node(clinic.folder(), &["enrol", "--centre", &centre, "--code", &code]).expect("enrolled");
    clinic.set_arguments(&["--node"]);
    clinic.start();
    let health: Value = clinic.get(&clinic.base.replace("/fhir", "/health")).json();
    let expected = serde_json::json!({"number": 1, "name": "Laya", "centre": "National centre"});
    assert_eq!(health["node"], expected);
    let made = clinic.post("Patient", r#"{"resourceType":"Patient"}"#).expect(201);
    assert!(made.json()["id"].as_str().is_some_and(|id| id.starts_with("1-")));
}
