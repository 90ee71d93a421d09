//! Answers that are sent while they are made: whole where they can be, broken off where they cannot, and never held.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use tests::world::{Engine, World, eventually};

/// A view with a row for each patient, and so many bytes in each row.
fn view(bytes: usize) -> String {
    let filler = "x".repeat(bytes);
    format!(
        r#"{{"resourceType":"ViewDefinition","resource":"Patient","select":[{{"column":[{{"name":"family","path":"name.family"}},{{"name":"filler","path":"'{filler}'"}}]}}]}}"#
    )
}

fn patients(count: usize) -> String {
    let entry = |n: usize| {
        format!(
            r#"{{"resource":{{"resourceType":"Patient","id":"p{n}","name":[{{"family":"F{n}"}}]}},"request":{{"method":"PUT","url":"Patient/p{n}"}}}}"#
        )
    };
    let entries: Vec<String> = (0..count).map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        entries.join(",")
    )
}

const RUN: &str = "ViewDefinition/$viewdefinition-run?_format=ndjson";

fn a_table_longer_than_may_be_held(engine: Engine) {
    let world = World::with(engine, &["--table-bytes-max", "100 KiB"]);
    world.post("", &patients(400)).expect(200);
    let whole = world.post(RUN, &view(1_000)).expect(200);
    assert_eq!(whole.body.lines().count(), 400);
    assert!(whole.header("content-length").is_none(), "{:?}", whole.headers);
    // Within a batch it would have to be held.
    let batch = format!(
        r#"{{"resourceType":"Bundle","type":"batch","entry":[{{"request":{{"method":"POST","url":"{RUN}"}},"resource":{}}}]}}"#,
        view(1_000)
    );
    let answer = world.post("", &batch).expect(200).json();
    assert!(
        answer["entry"][0]["response"]["status"]
            .as_str()
            .is_some_and(|status| status.starts_with("422")),
        "{answer}"
    );
    // A view that cannot go on says so while that can still be said, and is broken off afterwards.
    world
        .put(
            "Patient/zz",
            r#"{"resourceType":"Patient","id":"zz","name":[{"family":"A"},{"family":"B"}]}"#,
        )
        .expect(201);
    world.post(RUN, &view(10)).expect(422);
    let broken = world.try_send("POST", RUN, &[], view(1_000).as_bytes());
    assert!(broken.is_err(), "a table that is not whole was taken for one");
}

fn a_caller_who_takes_nothing(engine: Engine) {
    let world = World::with(engine, &["--requests-max", "1", "--body-seconds", "1"]);
    world.post("", &patients(1_000)).expect(200);
    let body = view(40_000);
    let address = world.base.trim_start_matches("http://").trim_end_matches("/fhir");
    let mut idle = TcpStream::connect(address).expect("the server listens");
    write!(
        idle,
        "POST /fhir/{RUN} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/fhir+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("the server reads");
    // Asked before the view has the one place, another request would take it, and the view be refused.
    let mut begun = [0; 12];
    idle.read_exact(&mut begun).expect("the answer begins");
    assert_eq!(&begun, b"HTTP/1.1 200");
    // A short search would be answered where it comes in, whoever else is busy.
    let is_busy = || world.get("Patient/_history?_count=1").status == 503;
    eventually("the view was under way", is_busy);
    eventually("the caller was given up", || !is_busy());
    drop(idle);
}

on_both!(a_table_longer_than_may_be_held, a_caller_who_takes_nothing);
