//! Every limit answers clearly, and stores nothing.

use tests::world::{Engine, World};

fn a_body_that_is_too_long(engine: Engine) {
    let world = World::with(engine, &["--body-bytes-max", "20000"]);
    let long = format!(
        r#"{{"resourceType":"Patient","name":[{{"text":"{}"}}]}}"#,
        "x".repeat(30_000)
    );
    let answer = world.post("Patient", &long);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_eq!(answer.json()["issue"][0]["code"], "too-long");
    assert_eq!(world.get("Patient?_summary=count").expect(200).json()["total"], 0);
}

fn a_bundle_with_too_many_entries(engine: Engine) {
    let world = World::with(engine, &["--bundle-entries-max", "3"]);
    let entry = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#;
    let bundle = |n: usize| {
        format!(
            r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
            vec![entry; n].join(",")
        )
    };
    let answer = world.post("", &bundle(4));
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    world.post("", &bundle(3)).expect(200);
}

fn nesting_that_is_too_deep(engine: Engine) {
    let world = World::with(engine, &["--json-depth-max", "20"]);
    let deep = format!(
        r#"{{"resourceType":"Patient","extension":{}{}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    );
    let answer = world.post("Patient", &deep);
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("nested"), "{}", answer.body);
}

fn a_page_that_is_too_large(engine: Engine) {
    let world = World::with(engine, &["--page-size-max", "2"]);
    for _ in 0..5 {
        world.post("Patient", r#"{"resourceType":"Patient"}"#).expect(201);
    }
    let answer = world.get("Patient?_count=1000").expect(200);
    assert_eq!(answer.ids("match").len(), 2, "the page is capped");
    assert!(answer.link("next").is_some());
}

fn a_query_that_is_too_long(engine: Engine) {
    let world = World::with(engine, &["--query-bytes-max", "2000"]);
    let answer = world.get(&format!("Patient?name={}", "x".repeat(3000)));
    assert!([400, 414].contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{}", answer.body);
}

fn a_header_that_is_too_long(engine: Engine) {
    let world = World::new(engine);
    let long = "x".repeat(300_000);
    let answer = world.try_send("GET", "Patient/a", &[("X-Long", &long)], b"");
    if let Ok(answer) = answer {
        assert!([400, 413, 431].contains(&answer.status), "{}", answer.status);
    }
    world.get("metadata").expect(200);
}

fn a_search_that_takes_too_long(engine: Engine) {
    let world = World::with(engine, &["--search-ms", "0"]);
    world
        .post("Patient", r#"{"resourceType":"Patient","name":[{"family":"Dorji"}]}"#)
        .expect(201);
    let answer = world.get("Patient?name:contains=orj");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.json()["resourceType"], "OperationOutcome");
}

fn more_requests_than_can_be_answered(engine: Engine) {
    let world = World::with(engine, &["--requests-max", "1"]);
    let body = patients(2_000);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let post = || scope.spawn(|| world.post("", &body));
        let threads: Vec<_> = (0..8).map(|_| post()).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("no client panics"))
            .collect()
    });
    let refused: Vec<_> = answers.iter().filter(|a| a.status == 503).collect();
    assert!(
        !refused.is_empty() && refused.len() < 8,
        "{} of 8 were refused",
        refused.len()
    );
    for answer in refused {
        assert!(answer.header("retry-after").is_some() && answer.json()["resourceType"] == "OperationOutcome");
    }
    let done = 8 - answers.iter().filter(|a| a.status == 503).count();
    assert_eq!(
        world.get("Patient?_summary=count").expect(200).json()["total"],
        done * 2_000
    );
}

fn patients(count: usize) -> String {
    let entry = r#"{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}"#;
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#,
        vec![entry; count].join(",")
    )
}

/// The store says that it is full, goes on answering reads, and takes writes again when there is room.
#[test]
fn a_full_store() {
    let mut world = World::with(Engine::Sqlite, &["--store-bytes-max", "2 MiB"]);
    world
        .put("Patient/first", r#"{"resourceType":"Patient","id":"first"}"#)
        .expect(201);
    let mut acknowledged = 0;
    let refused = loop {
        let answer = world.post("", &patients(500));
        if answer.status != 200 {
            break answer;
        }
        acknowledged += 500;
        assert!(acknowledged < 1_000_000, "the store never was full");
    };
    assert_eq!(refused.status, 507, "{}", refused.body);
    assert_eq!(refused.json()["issue"][0]["code"], "no-store");
    world.get("Patient/first").expect(200);
    assert_eq!(
        world.get("Patient?_summary=count").expect(200).json()["total"],
        acknowledged + 1
    );
    world.kill();
    world.check().expect("a clean store");
    world.set_arguments(&[]);
    world.start();
    world.post("", &patients(500)).expect(200);
    assert_eq!(
        world.get("Patient?_summary=count").expect(200).json()["total"],
        acknowledged + 501
    );
}

on_both!(
    a_search_that_takes_too_long,
    more_requests_than_can_be_answered,
    a_body_that_is_too_long,
    a_bundle_with_too_many_entries,
    nesting_that_is_too_deep,
    a_page_that_is_too_large,
    a_query_that_is_too_long,
    a_header_that_is_too_long,
);
