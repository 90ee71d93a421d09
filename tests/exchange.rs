//! A clinic and the centre exchange records, with the program as it is shipped, over lines that are cut, slow and lossy.

use std::process::Command;
use std::time::{Duration, Instant};

use query::sample::Random;
use serde_json::Value;
use tests::slow_line::{Shape, SlowLine};
use tests::world::{Engine, World, binary, eventually};

use crate::nodes::{invited, node};

/// A clinic that serves, enrolled over a line; cuts are no hindrance, the same command goes on.
pub(crate) fn clinic_over(world: &World, shape: Shape, name: &str, arguments: &[&str]) -> (World, SlowLine) {
    let (code, centre) = invited(world, &["--name", name, "--gewog", "0401"]);
    let target = centre.trim_start_matches("https://").parse().expect("an address");
    let line = SlowLine::new(target, shape, 5);
    let mut clinic = World::new(Engine::Sqlite);
    clinic.kill();
    std::fs::remove_dir_all(clinic.folder()).expect("the clinic's folder");
    let near = format!("https://{}", line.address);
    let enrolled = (0..9).any(|_| node(clinic.folder(), &["enrol", "--centre", &near, "--code", &code]).is_ok());
    assert!(enrolled, "{name} is enrolled");
    clinic.set_arguments(&[&["--node", "--contact-seconds", "1"], arguments].concat());
    clinic.start();
    (clinic, line)
}

/// A visit of a dozen records, as a clinic's screen writes it: one transaction.
pub(crate) fn visit(patient: &str, number: usize) -> String {
    let about = format!(
        r#""subject":{{"reference":"Patient/{patient}"}},"encounter":{{"reference":"urn:uuid:00000000-0000-4000-8000-000000000001"}}"#
    );
    let entry = |kind: &str, members: String| {
        format!(r#"{{"resource":{{"resourceType":"{kind}",{members}}},"request":{{"method":"POST","url":"{kind}"}}}}"#)
    };
    let moment = format!("2026-11-26T{:02}:{:02}:00+06:00", 8 + number / 8, number * 7 % 60);
    let encounter = format!(
        r#"{{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{{"resourceType":"Encounter","status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},"subject":{{"reference":"Patient/{patient}"}},"period":{{"start":"{moment}"}}}},"request":{{"method":"POST","url":"Encounter"}}}}"#
    );
    let signs = [
        ("8310-5", 371),
        ("8867-4", 72),
        ("9279-1", 16),
        ("2708-6", 96),
        ("29463-7", 61),
        ("8480-6", 121),
    ];
    let mut noise = Random::new(number as u64);
    let observations = signs.map(|(code, value)| {
        let value = value + noise.below(41);
        entry(
            "Observation",
            format!(
                r#""status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}},{about},"effectiveDateTime":"{moment}","valueQuantity":{{"value":{value}}}"#
            ),
        )
    });
    let reason = noise.pick(&["J06.9", "A09", "I10", "E11.9", "K29.7", "M54.5"]);
    let condition = format!(
        r#""code":{{"coding":[{{"system":"http://hl7.org/fhir/sid/icd-10","code":"{reason}"}}]}},{about},"recordedDate":"{moment}""#
    );
    let prescribed = [
        noise.pick(&["N02BE01", "A07CA", "C08CA01"]),
        noise.pick(&["R06AB04", "J01CA04", "A02BC01"]),
    ];
    let medicines = prescribed.map(|code| {
        entry(
            "MedicationRequest",
            format!(
                r#""status":"completed","intent":"order","medicationCodeableConcept":{{"coding":[{{"system":"http://www.whocc.no/atc","code":"{code}"}}]}},{about},"authoredOn":"{moment}""#
            ),
        )
    });
    let given = prescribed.map(|code| {
        entry(
            "MedicationDispense",
            format!(
                r#""status":"completed","medicationCodeableConcept":{{"coding":[{{"system":"http://www.whocc.no/atc","code":"{code}"}}]}},"subject":{{"reference":"Patient/{patient}"}},"whenHandedOver":"{moment}""#
            ),
        )
    });
    let entries: Vec<String> = std::iter::once(encounter)
        .chain(observations)
        .chain([entry("Condition", condition)])
        .chain(medicines)
        .chain(given)
        .collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        entries.join(",")
    )
}

/// What `/sync/status` says of the only node there is.
pub(crate) fn status(world: &World) -> Value {
    let rows: Value = world.get(&world.base.replace("/fhir", "/sync/status")).json();
    rows[0].clone()
}

pub(crate) fn total(world: &World, question: &str) -> u64 {
    let found = world.get(&format!("{question}?_summary=count")).json();
    found["total"].as_u64().expect("a count")
}

pub(crate) const OF_GASA: &str = r#""address":[{"extension":[{"url":"http://fhir.moh.gov.bt/StructureDefinition/bt-gewog","valueCoding":{"code":"BT0401"}}]}]"#;

/// Over a line that is cut every few kilobytes, with power cuts on both sides, all arrives on both sides, once.
fn records_are_exchanged_over_a_line_that_is_cut(engine: Engine) {
    let mut world = World::with(engine, &["--node-listen", "127.0.0.1:0"]);
    let shape = Shape {
        rate: 1 << 20,
        delay: Duration::from_millis(2),
        lost_one_in: 0,
        cut_after: 8_000,
    };
    let (mut clinic, line) = clinic_over(&world, shape, "Laya", &[]);
    // More in one segment than the line brings between two cuts.
    let mut noise = Random::new(9);
    for number in 0..150 {
        let text: String = (0..40).map(|_| format!("{:04x}", noise.below(1 << 16))).collect();
        let patient = format!(
            r#"{{"resourceType":"Patient","id":"c{number}","name":[{{"text":"Pema {number} {text}"}}],{OF_GASA}}}"#
        );
        world.put(&format!("Patient/c{number}"), &patient).expect(201);
    }
    let own = format!(r#"{{"resourceType":"Patient","id":"own",{OF_GASA}}}"#);
    clinic.put("Patient/own", &own).expect(201);
    for number in 0..40 {
        clinic.post("", &visit("own", number)).expect(200);
        if number == 20 {
            clinic.kill();
            clinic.start();
        }
    }
    eventually("the clinic and the centre agree", || {
        status(&clinic)["synced"] == true && total(&clinic, "Patient") == 151
    });
    for kind in ["Patient", "Encounter", "Observation", "MedicationDispense"] {
        assert_eq!(total(&clinic, kind), total(&world, kind), "{kind}");
    }
    assert_eq!(total(&world, "Observation"), 240);
    let row = status(&clinic);
    assert_eq!(
        (&row["unsent"], &row["essentials"]),
        (&serde_json::json!(0), &serde_json::json!(true)),
        "{row}"
    );
    println!("bytes up, bytes down, connections: {:?}", line.counted());
    world.kill();
    clinic.post("", &visit("own", 41)).expect(200);
    let row = status(&clinic);
    assert!(
        row["synced"] == false
            && row["unsent"] == 12
            && row["oldest"].is_string()
            && row["said"] != "Everything was exchanged.",
        "{row}"
    );
    clinic.kill();
    clinic.check().expect("the clinic's log is sound");
}

on_both!(
    records_are_exchanged_over_a_line_that_is_cut,
    the_centre_is_asked_and_records_are_fetched,
    what_was_cancelled_and_dispensed_is_asked
);

/// A day of 55 visits over the slowest line: how long it takes and how many bytes, told with `--nocapture`.
#[test]
fn a_day_is_sent_over_the_slowest_line() {
    let world = World::with(Engine::Sqlite, &["--node-listen", "127.0.0.1:0"]);
    let (mut clinic, line) = clinic_over(&world, Shape::REMOTE, "Lunana", &[]);
    eventually("the first contact", || status(&clinic)["synced"] == true);
    clinic.set_arguments(&["--node", "--contact-seconds", "100000"]);
    clinic.kill();
    clinic.start();
    let own = format!(r#"{{"resourceType":"Patient","id":"own",{OF_GASA}}}"#);
    clinic.put("Patient/own", &own).expect(201);
    for number in 0..55 {
        clinic.post("", &visit("own", number)).expect(200);
    }
    clinic.set_arguments(&["--node", "--contact-seconds", "1"]);
    clinic.kill();
    let before = line.counted();
    let begun = Instant::now();
    clinic.start();
    eventually("the day is at the centre", || status(&clinic)["synced"] == true);
    let (took, after) = (begun.elapsed(), line.counted());
    println!(
        "{} versions in {took:?}, {} bytes up, {} down",
        status(&clinic)["acknowledged"],
        after.0 - before.0,
        after.1 - before.1
    );
    assert_eq!(total(&world, "Observation"), 330);
}

/// One clinic cancels what another dispenses, and neither has heard of the other: both stay, a Task asks at all three, and is
/// completed when one of the two is corrected.
fn what_was_cancelled_and_dispensed_is_asked(engine: Engine) {
    let world = World::with(engine, &["--node-listen", "127.0.0.1:0"]);
    let shape = Shape {
        rate: 1 << 20,
        delay: Duration::from_millis(2),
        lost_one_in: 0,
        cut_after: u64::MAX,
    };
    let (mut ward, _line) = clinic_over(&world, shape, "Laya", &[]);
    let (mut pharmacy, _other) = clinic_over(&world, shape, "Lunana", &[]);
    let of_her = r#""subject":{"reference":"Patient/own"},"medicationCodeableConcept":{"text":"amoxicillin"}"#;
    let request = |status: &str| {
        format!(r#"{{"resourceType":"MedicationRequest","id":"m","status":"{status}","intent":"order",{of_her}}}"#)
    };
    let dispense = |status: &str| {
        let by = r#""authorizingPrescription":[{"reference":"MedicationRequest/m"}]"#;
        format!(r#"{{"resourceType":"MedicationDispense","id":"d","status":"{status}",{of_her},{by}}}"#)
    };
    let own = format!(r#"{{"resourceType":"Patient","id":"own",{OF_GASA}}}"#);
    world.put("Patient/own", &own).expect(201);
    world.put("MedicationRequest/m", &request("active")).expect(201);
    for clinic in [&ward, &pharmacy] {
        eventually("the prescription is at the clinic", || {
            clinic.get("MedicationRequest/m").status == 200
        });
    }
    let serve = |clinic: &mut World, seconds: &str| {
        clinic.set_arguments(&["--node", "--contact-seconds", seconds]);
        clinic.kill();
        clinic.start();
    };
    serve(&mut ward, "100000");
    serve(&mut pharmacy, "100000");
    ward.put("MedicationRequest/m", &request("cancelled")).expect(200);
    pharmacy.put("MedicationDispense/d", &dispense("completed")).expect(201);
    serve(&mut ward, "1");
    serve(&mut pharmacy, "1");
    let asked = |world: &World, status: &str| {
        let open = format!("Task?focus=MedicationRequest/m&status={status}");
        world.get(&open).ids("match").len()
    };
    for site in [&world, &ward, &pharmacy] {
        eventually("it is asked", || asked(site, "requested") == 1);
        assert!(site.get("MedicationRequest/m").expect(200).body.contains("cancelled"));
        eventually("both stay", || site.get("MedicationDispense/d").status == 200);
    }
    let wrong = dispense("entered-in-error");
    pharmacy.put("MedicationDispense/d", &wrong).expect(200);
    for site in [&world, &ward, &pharmacy] {
        eventually("it is settled", || {
            (asked(site, "requested"), asked(site, "completed")) == (0, 1)
        });
    }
}

/// Of a person who is not the clinic's, the centre is asked while there is a line; asked for, her records come, and all that
/// the clinic has is what the centre holds it should have.
fn the_centre_is_asked_and_records_are_fetched(engine: Engine) {
    let mut world = World::with(engine, &["--node-listen", "127.0.0.1:0"]);
    let shape = Shape {
        rate: 1 << 20,
        delay: Duration::from_millis(2),
        lost_one_in: 0,
        cut_after: u64::MAX,
    };
    let (clinic, line) = clinic_over(&world, shape, "Laya", &[]);
    world
        .put("Patient/far", r#"{"resourceType":"Patient","id":"far"}"#)
        .expect(201);
    world.post("", &visit("far", 1)).expect(200);
    eventually("the first contact", || status(&clinic)["synced"] == true);
    let of_far = "Observation?patient=far";
    let said = clinic.get(of_far);
    assert_eq!(said.header("x-completeness"), Some("unknown"), "{}", said.body);
    let before = line.counted();
    let asked = clinic.get(&format!("{of_far}&_centre=true")).expect(200);
    let after = line.counted();
    println!(
        "a search at the centre: {} bytes up, {} down",
        after.0 - before.0,
        after.1 - before.1
    );
    assert_eq!(
        (asked.ids("match").len(), asked.header("x-completeness")),
        (6, Some("centre"))
    );
    let own = asked.link("self").expect("a link");
    assert!(own.starts_with(&clinic.base) && own.contains("_centre=true"), "{own}");
    let refused = clinic.get("Observation?nothing=x&_centre=true&_page=1");
    assert!(
        refused.status == 503 && refused.body.contains("damaged"),
        "{}",
        refused.body
    );

    clinic
        .post(
            "Patient/far/$fetch",
            r#"{"resourceType":"Parameters","parameter":[{"name":"reason","valueString":"she is here"}]}"#,
        )
        .expect(200);
    eventually("her records are here", || {
        let here = clinic.get(of_far);
        here.ids("match").len() == 6
            && here
                .header("x-completeness")
                .is_some_and(|said| said.starts_with("complete"))
    });
    let address = clinic.base.trim_start_matches("http://").trim_end_matches("/fhir");
    let mut verify = Command::new(binary());
    let verified = verify.args(["sync", "verify", "--listen", address]).output();
    let verified = verified.expect("epis runs");
    let said = String::from_utf8_lossy(&verified.stdout).into_owned() + &String::from_utf8_lossy(&verified.stderr);
    assert!(said.contains("is what the centre holds it should have"), "{said}");
    assert!(status(&clinic)["verified"].is_string() && status(&world)["verified"].is_string());

    world.kill();
    let alone = clinic.get(&format!("{of_far}&_centre=true"));
    assert!(
        alone.status == 503 && alone.body.contains("The centre cannot be asked now"),
        "{}",
        alone.body
    );
    assert_eq!(clinic.get(of_far).ids("match").len(), 6);
}
