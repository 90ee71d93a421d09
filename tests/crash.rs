//! Kill at any moment under load: what was acknowledged is there, nothing is half there.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tests::random::Random;
use tests::world::{Engine, World};

const WRITERS: u64 = 6;
const ROUNDS: u64 = 4;

/// What the clients were told: id to the last acknowledged count, and the pairs of each transaction.
#[derive(Default)]
struct Told {
    counts: HashMap<String, u64>,
    pairs: Vec<(String, String)>,
}

fn patient(id: &str, count: u64) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{id}","multipleBirthInteger":{count}}}"#)
}

fn transaction(a: &str, b: &str) -> String {
    let entry = |id: &str| {
        format!(
            r#"{{"resource":{},"request":{{"method":"PUT","url":"Patient/{id}"}}}}"#,
            patient(id, 1)
        )
    };
    format!(
        r#"{{"resourceType":"Bundle","type":"transaction","entry":[{},{}]}}"#,
        entry(a),
        entry(b)
    )
}

/// Writes until the server is gone; what was acknowledged is told.
fn write(world: &World, round: u64, writer: u64, told: &Mutex<Told>, gone: &AtomicBool) {
    let own = format!("w{writer}");
    for i in 0.. {
        if gone.load(Ordering::Relaxed) {
            return;
        }
        if i % 3 == 0 {
            let (a, b) = (format!("a{round}-{writer}-{i}"), format!("b{round}-{writer}-{i}"));
            match world.try_send("POST", "", &[], transaction(&a, &b).as_bytes()) {
                Ok(answer) if answer.status == 200 => told.lock().expect("told").pairs.push((a, b)),
                Ok(answer) => panic!("{}: {}", answer.status, answer.body),
                Err(_) => return,
            }
        } else {
            let count = round * 1_000_000 + i;
            match world.try_send("PUT", &format!("Patient/{own}"), &[], patient(&own, count).as_bytes()) {
                Ok(answer) if answer.status < 300 => {
                    told.lock().expect("told").counts.insert(own.clone(), count);
                }
                Ok(answer) => panic!("{}: {}", answer.status, answer.body),
                Err(_) => return,
            }
        }
    }
}

/// Everything told is there; of a transaction that was not told, both halves or none.
fn verify(world: &World, told: &Told) {
    for (id, count) in &told.counts {
        let found = world.get(&format!("Patient/{id}")).expect(200).json()["multipleBirthInteger"]
            .as_u64()
            .expect("a count");
        assert!(found >= *count, "{id} went back from {count} to {found}");
    }
    for (a, b) in &told.pairs {
        world.get(&format!("Patient/{a}")).expect(200);
        world.get(&format!("Patient/{b}")).expect(200);
    }
    let mut page = Some("Patient?_count=500&_elements=id".to_owned());
    let mut halves: HashMap<String, i64> = HashMap::new();
    while let Some(path) = page {
        let answer = world.get(&path).expect(200);
        for id in answer.ids("match").iter().filter(|id| !id.starts_with('w')) {
            *halves.entry(id[1..].to_owned()).or_default() += if id.starts_with('a') { 1 } else { -1 };
        }
        page = answer.link("next");
    }
    assert!(
        halves.values().all(|balance| *balance == 0),
        "a transaction is half there"
    );
    assert!(halves.len() >= told.pairs.len(), "the search lost a transaction");
}

fn survives_being_killed(engine: Engine) {
    let seed = Random::fresh_seed();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut world = World::new(engine);
    let told = Mutex::new(Told::default());
    for round in 0..ROUNDS {
        let gone = AtomicBool::new(false);
        let patience = Duration::from_millis(150 + random.below(500));
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (world, told, gone) = (&world, &told, &gone);
                scope.spawn(move || write(world, round, writer, told, gone));
            }
            std::thread::sleep(patience);
            signal_kill(world.process().expect("runs"));
            gone.store(true, Ordering::Relaxed);
        });
        world.kill();
        world.check().unwrap_or_else(|words| panic!("round {round}: {words}"));
        world.start();
        verify(&world, &told.lock().expect("told"));
    }
    let told = told.into_inner().expect("told");
    assert!(
        told.counts.len() as u64 == WRITERS && !told.pairs.is_empty(),
        "nothing was written"
    );
}

fn signal_kill(process: u32) {
    let status = std::process::Command::new("kill")
        .args(["-9", &process.to_string()])
        .status();
    assert!(status.expect("kill runs").success());
}

on_both!(survives_being_killed);
