//! Records are carried between clinics and the centre on a stick, with the program as it is shipped, as the how-to says.

use std::path::{Path, PathBuf};
use std::process::Command;

use query::sample::Random;
use tests::slow_line::{Shape, SlowLine};
use tests::world::{Engine, World, eventually};

use crate::exchange::{OF_GASA, clinic_over, status, total, visit};
use crate::nodes::{invited, node};

/// A stick: a folder that goes at the end.
struct Stick(PathBuf);

impl Stick {
    fn new(world: &World, name: &str) -> Stick {
        let folder = world.folder().with_extension(name);
        std::fs::create_dir_all(&folder).expect("the folder can be written");
        Stick(folder)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("it is on the stick")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).expect("the stick can be written");
    }

    fn clear(&self) {
        std::fs::remove_dir_all(&self.0).expect("the stick is there");
        std::fs::create_dir_all(&self.0).expect("the stick can be written");
    }

    /// Carries at a clinic or at the centre: whether all went well, and what was said.
    fn carry(&self, world: &World, arguments: &[&str]) -> (bool, String) {
        let mut command = world.command("sync carry");
        let output = command.arg(&self.0).args(arguments).output().expect("epis runs");
        let words = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(words).expect("text"))
    }

    /// The same, where all goes well.
    fn carried(&self, world: &World, arguments: &[&str]) -> String {
        let (well, said) = self.carry(world, arguments);
        assert!(well, "{said}");
        said
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A clinic that was enrolled, and has had no line since.
fn clinic(world: &World, name: &str, gewog: &str) -> World {
    let (code, centre) = invited(world, &["--name", name, "--gewog", gewog]);
    let target = centre.trim_start_matches("https://").parse().expect("an address");
    let shape = Shape {
        rate: 1 << 20,
        delay: std::time::Duration::ZERO,
        lost_one_in: 0,
        cut_after: 0,
    };
    let line = SlowLine::new(target, shape, 5);
    let mut clinic = World::new(Engine::Sqlite);
    clinic.kill();
    std::fs::remove_dir_all(clinic.folder()).expect("the clinic's folder");
    let near = format!("https://{}", line.address);
    node(clinic.folder(), &["enrol", "--centre", &near, "--code", &code]).expect("enrolled");
    drop(line);
    clinic.set_arguments(&["--node"]);
    clinic.start();
    clinic
}

fn people(world: &World, count: usize) {
    for number in 0..count {
        let patient = format!(r#"{{"resourceType":"Patient","id":"c{number}",{OF_GASA}}}"#);
        world.put(&format!("Patient/c{number}"), &patient).expect(201);
    }
}

const TO_CENTRE: &str = "node-1-to-centre.epis";
const TO_NODE: &str = "centre-to-node-1.epis";

/// A clinic without a line begins from a stick, and sends what it wrote by it: servers may run, or not.
fn a_clinic_without_a_line_lives_on_a_stick(engine: Engine) {
    let mut world = World::with(engine, &["--node-listen", "127.0.0.1:0"]);
    people(&world, 30);
    let (mut clinic, stick) = (clinic(&world, "Laya", "0401"), Stick::new(&world, "stick"));
    let (well, said) = stick.carry(&world, &[]);
    assert!(!well && said.contains("nothing of a clinic on the stick"), "{said}");
    let said = stick.carried(&world, &["--for", "1"]);
    assert!(
        said.starts_with("centre-to-node-1.epis: All that this clinic is sent"),
        "{said}"
    );
    clinic
        .put(
            "Patient/own",
            &format!(r#"{{"resourceType":"Patient","id":"own",{OF_GASA}}}"#),
        )
        .expect(201);
    clinic.post("", &visit("own", 1)).expect(200);
    let said = stick.carried(&clinic, &[]);
    assert!(
        said.contains("everything that the centre had for it")
            && said.contains("13 versions that the centre may not have"),
        "{said}"
    );
    assert_eq!(total(&clinic, "Patient"), 31);
    // From here on nothing runs while the stick is read.
    clinic.post("", &visit("own", 2)).expect(200);
    clinic.kill();
    let said = stick.carried(&clinic, &[]);
    assert!(said.contains("25 versions that the centre may not have"), "{said}");
    world.kill();
    let said = stick.carried(&world, &[]);
    assert!(said.contains("25 versions were not here before"), "{said}");
    let said = stick.carried(&clinic, &[]);
    assert!(said.contains("0 versions that the centre may not have"), "{said}");
    world.start();
    clinic.start();
    for kind in ["Patient", "Encounter", "Observation", "MedicationDispense"] {
        assert_eq!(total(&clinic, kind), total(&world, kind), "{kind}");
    }
    let row = status(&clinic);
    assert_eq!(row["unsent"], 0, "{row}");
    assert!(row["contact"].is_string() && row["essentials"] == true, "{row}");
    clinic.kill();
    clinic.check().expect("the clinic's log is sound");
}

/// What is wrong with bytes, the sentence that says so, and the bytes.
fn wrongs(good: &[u8], other: &[u8], foreign: (&'static str, Vec<u8>)) -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Random::new(11);
    let torn = [0, 3, 40, 100, good.len() / 2, good.len() - 1].map(|at| {
        let said = if at < 8 {
            "is no file of a clinic"
        } else {
            "is not as it was written"
        };
        (said, good[..at].to_vec())
    });
    let changed = (0..12).map(|_| {
        let mut bytes = good.to_vec();
        bytes[9 + random.below(good.len() - 9)] ^= 1 << random.below(8);
        ("is not as it was written", bytes)
    });
    let longer = ("is not as it was written", [good, b"x"].concat());
    let text = ("is no file of a clinic", b"Dear centre, all is well.\n".to_vec());
    let own = ("It is", other.to_vec());
    torn.into_iter()
        .chain(changed)
        .chain([longer, text, own, foreign])
        .collect()
}

/// What a machine that was retired had not sent is taken when somebody says so, and not answered.
fn retired(world: &World, stick: &Stick, of_gasa: &[u8]) {
    node(world.folder(), &["retire", "2", "--reason", "burnt"]).expect("retired");
    stick.clear();
    stick.write("node-2-to-centre.epis", of_gasa);
    let (well, words) = stick.carry(world, &[]);
    assert!(
        !well && words.contains("was retired") && words.contains("--retired"),
        "{words}"
    );
    let words = stick.carried(world, &["--retired"]);
    assert!(words.contains("1 versions were not here before"), "{words}");
    assert!(!stick.0.join("centre-to-node-2.epis").exists());
    world.get("Patient/far").expect(200);
}

/// Whatever a stick may have gone through is refused with a sentence, on both sides; nothing is lost and nothing doubled.
fn sticks_that_are_wrong_change_nothing(engine: Engine) {
    let world = World::with(engine, &["--node-listen", "127.0.0.1:0"]);
    people(&world, 5);
    let (laya, gasa) = (clinic(&world, "Laya", "0401"), clinic(&world, "Gasa", "0401"));
    let stick = Stick::new(&world, "stick");
    registers(&laya, "own");
    registers(&gasa, "far");
    stick.carried(&world, &["--for", "1"]);
    stick.carried(&world, &["--for", "2"]);
    let for_gasa = stick.read("centre-to-node-2.epis");
    let (old, for_laya) = {
        stick.carried(&laya, &[]);
        stick.carried(&gasa, &[]);
        (stick.read(TO_CENTRE), stick.read(TO_NODE))
    };
    let of_gasa = stick.read("node-2-to-centre.epis");
    laya.post("", &visit("own", 1)).expect(200);
    stick.carried(&laya, &[]);
    let of_laya = stick.read(TO_CENTRE);

    let versions = |world: &World| total(world, "_history");
    stick.clear();
    let before = versions(&world);
    for (said, bytes) in wrongs(&of_laya, &for_laya, ("It is not what its name says", of_gasa.clone())) {
        stick.write(TO_CENTRE, &bytes);
        let (well, words) = stick.carry(&world, &[]);
        assert!(!well && words.contains(said), "{said}: {words}");
        assert!(!stick.0.join(TO_NODE).exists(), "what is refused is not answered");
    }
    assert_eq!(versions(&world), before);
    let before = versions(&laya);
    for (said, bytes) in wrongs(
        &for_laya,
        &of_laya,
        ("It is for node 2; this is node 1 (Laya)", for_gasa),
    ) {
        stick.write(TO_NODE, &bytes);
        let (well, words) = stick.carry(&laya, &[]);
        assert!(!well && words.contains(said), "{said}: {words}");
        assert!(
            words.contains("13 versions that the centre may not have") || words.contains("14 versions"),
            "{words}"
        );
    }
    assert_eq!(versions(&laya), before);

    // What comes twice, or is old, is taken for what it is; one that is wrong keeps no other from being taken.
    stick.clear();
    stick.write("node-2-to-centre.epis", &of_gasa[..90]);
    for (bytes, new) in [(&of_laya, 13), (&of_laya, 0), (&old, 0)] {
        stick.write(TO_CENTRE, bytes);
        let (well, words) = stick.carry(&world, &[]);
        assert!(
            !well && words.contains(&format!("{new} versions were not here before")),
            "{words}"
        );
    }
    let answered = stick.read(TO_NODE);
    for bytes in [&for_laya, &answered, &for_laya, &answered] {
        stick.write(TO_NODE, bytes);
        stick.carried(&laya, &[]);
    }
    assert_eq!(status(&laya)["unsent"], 0);
    assert_eq!(total(&world, "Observation"), 6);
    retired(&world, &stick, &of_gasa);
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.expect("cp runs").success());
}

fn registers(world: &World, id: &str) {
    let patient = format!(r#"{{"resourceType":"Patient","id":"{id}",{OF_GASA}}}"#);
    world.put(&format!("Patient/{id}"), &patient).expect(201);
}

/// A backup of a clinic's folder is put back. `exchange` brings clinic and centre together once.
fn a_backup_is_put_back(world: &World, clinic: &mut World, exchange: &dyn Fn(&World)) {
    let backup = Stick(clinic.folder().with_extension("backup"));
    registers(clinic, "before");
    exchange(clinic);
    clinic.kill();
    copy(clinic.folder(), &backup.0);
    clinic.start();
    registers(clinic, "since");
    registers(clinic, "lately");
    exchange(clinic);
    clinic.kill();
    copy(&backup.0, clinic.folder());
    clinic.start();
    registers(clinic, "anew");
    (0..4).for_each(|_| exchange(clinic));
    for id in ["before", "since", "lately", "anew"] {
        world.get(&format!("Patient/{id}")).expect(200);
        clinic.get(&format!("Patient/{id}")).expect(200);
    }
    assert_eq!((total(world, "Patient"), total(clinic, "Patient")), (4, 4));
    let row = status(clinic);
    assert_eq!((&row["number"], &row["unsent"]), (&2.into(), &0.into()), "{row}");
    let listed = node(world.folder(), &["list"]).expect("a list");
    assert!(
        listed.contains("went on from an old copy of its data, as node 2"),
        "{listed}"
    );
    clinic.kill();
    clinic.check().expect("the clinic's log is sound");
}

fn a_backup_is_put_back_at_a_clinic_with_a_line(engine: Engine) {
    let world = World::with(engine, &["--node-listen", "127.0.0.1:0"]);
    let shape = Shape {
        rate: 1 << 20,
        delay: std::time::Duration::ZERO,
        lost_one_in: 0,
        cut_after: 0,
    };
    let (mut clinic, _line) = clinic_over(&world, shape, "Laya", &[]);
    a_backup_is_put_back(&world, &mut clinic, &|clinic| {
        eventually("they agree", || status(clinic)["synced"] == true);
    });
}

fn a_backup_is_put_back_at_a_clinic_without_a_line(engine: Engine) {
    let world = World::with(engine, &["--node-listen", "127.0.0.1:0"]);
    let (mut clinic, stick) = (clinic(&world, "Laya", "0401"), Stick::new(&world, "stick"));
    a_backup_is_put_back(&world, &mut clinic, &|clinic| {
        stick.carry(clinic, &[]);
        stick.carry(&world, &[]);
        stick.carry(clinic, &[]);
    });
}

/// What the centre calls a clinic, and what it holds, comes to the clinic by stick as by line.
#[test]
fn a_clinic_takes_over_its_new_name_and_catchment() {
    let world = World::with(Engine::Sqlite, &["--node-listen", "127.0.0.1:0"]);
    let (laya, stick) = (clinic(&world, "Laya", "0401"), Stick::new(&world, "stick"));
    node(
        world.folder(),
        &["move", "1", "--name", "Laya BHU-II", "--gewog", "0402"],
    )
    .expect("moved");
    stick.carried(&world, &["--for", "1"]);
    stick.carried(&laya, &[]);
    assert_eq!(status(&laya)["name"], "Laya BHU-II");
    let kept = std::fs::read_to_string(laya.folder().join("node/identity.json")).expect("its identity");
    assert!(kept.contains("BT0402") && !kept.contains("BT0401"), "{kept}");
}

on_both!(
    a_clinic_without_a_line_lives_on_a_stick,
    sticks_that_are_wrong_change_nothing,
    a_backup_is_put_back_at_a_clinic_with_a_line,
    a_backup_is_put_back_at_a_clinic_without_a_line,
);
