//! Many clients at once: one winner, no lost update, no double.

use std::sync::Barrier;

use tests::world::{Answer, Engine, World};

const CLIENTS: usize = 64;

fn all_at_once(act: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    let barrier = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        let spawn = |i| {
            let (barrier, act) = (&barrier, &act);
            scope.spawn(move || {
                barrier.wait();
                act(i)
            })
        };
        let threads: Vec<_> = (0..CLIENTS).map(spawn).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("no client panics"))
            .collect()
    })
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|a| a.status == status).count()
}

fn the_same_conditional_create(engine: Engine) {
    let world = World::new(engine);
    for round in 0..8 {
        let body =
            format!(r#"{{"resourceType":"Patient","identifier":[{{"system":"http://e.org","value":"{round}"}}]}}"#);
        let condition = format!("identifier=http://e.org|{round}");
        let answers = all_at_once(|_| world.send("POST", "Patient", &[("If-None-Exist", &condition)], body.as_bytes()));
        assert_eq!(
            (count(&answers, 201), count(&answers, 200)),
            (1, CLIENTS - 1),
            "{:?}",
            answers[0]
        );
        let found = world.get(&format!("Patient?{condition}")).expect(200);
        assert_eq!(found.json()["total"], 1);
    }
}

fn updates_of_one_version(engine: Engine) {
    let world = World::new(engine);
    let mut version = world
        .put("Patient/x", r#"{"resourceType":"Patient","id":"x"}"#)
        .expect(201)
        .json()["meta"]["versionId"]
        .clone();
    for _ in 0..8 {
        let etag = format!("W/\"{}\"", version.as_str().expect("a version"));
        let answers = all_at_once(|i| {
            let body = format!(r#"{{"resourceType":"Patient","id":"x","multipleBirthInteger":{i}}}"#);
            world.send("PUT", "Patient/x", &[("If-Match", &etag)], body.as_bytes())
        });
        assert_eq!((count(&answers, 200), count(&answers, 412)), (1, CLIENTS - 1));
        version = answers.iter().find(|a| a.status == 200).expect("one won").json()["meta"]["versionId"].clone();
    }
    assert_eq!(world.get("Patient/x/_history").expect(200).json()["total"], 9);
}

fn patches_without_a_condition_lose_nothing(engine: Engine) {
    let world = World::new(engine);
    world
        .put(
            "Patient/x",
            r#"{"resourceType":"Patient","id":"x","name":[]}"#.replace(",\"name\":[]", "").as_str(),
        )
        .expect(201);
    world
        .put(
            "Patient/x",
            r#"{"resourceType":"Patient","id":"x","name":[{"text":"first"}]}"#,
        )
        .expect(200);
    let answers = all_at_once(|i| {
        let body = format!(r#"[{{"op":"add","path":"/name/-","value":{{"text":"n{i}"}}}}]"#);
        world.send(
            "PATCH",
            "Patient/x",
            &[("Content-Type", "application/json-patch+json")],
            body.as_bytes(),
        )
    });
    let done = count(&answers, 200);
    assert!(done > 0 && done + count(&answers, 503) == CLIENTS, "{:?}", answers[0]);
    let names = world.get("Patient/x").expect(200).json()["name"]
        .as_array()
        .map_or(0, Vec::len);
    assert_eq!(names, done + 1, "an acknowledged patch was lost");
}

fn conditional_updates_of_one_record(engine: Engine) {
    let world = World::new(engine);
    let answers = all_at_once(|i| {
        let body =
            format!(r#"{{"resourceType":"Patient","identifier":[{{"value":"one"}}],"multipleBirthInteger":{i}}}"#);
        world.send("PUT", "Patient?identifier=one", &[], body.as_bytes())
    });
    assert_eq!(
        (count(&answers, 201), count(&answers, 200)),
        (1, CLIENTS - 1),
        "{:?}",
        answers[0]
    );
    assert_eq!(world.get("Patient?identifier=one").expect(200).json()["total"], 1);
    assert_eq!(
        world.get("Patient/_history?_count=1").expect(200).json()["total"],
        CLIENTS
    );
}

on_both!(
    the_same_conditional_create,
    updates_of_one_version,
    patches_without_a_condition_lose_nothing,
    conditional_updates_of_one_record,
);
