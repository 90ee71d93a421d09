//! A process killed at any moment loses nothing it acknowledged and leaves nothing half done.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;
use crate::{Note, Settings};

const CHILD: &str = "EPIS_TEST_KILLED";

/// The process to be killed is this test alone, told where by the environment: eight threads write units
/// of up to five records and print what was acknowledged. Run by itself there is nobody to write for.
#[test]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let place = match told.strip_prefix("sqlite:") {
        Some(file) => Place::Sqlite(file.into()),
        None => Place::Postgres(told),
    };
    let store = Store::open(Settings::at(place)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                for round in 0.. {
                    let size = 1 + (thread + round) % 5;
                    let writes = (0..size).map(|n| put(&format!("{thread}-{n}"), &format!("\"round\":{round}")));
                    let unit = Unit {
                        notes: vec![Note::new(thread.to_string(), round.to_string())],
                        ..Unit::of(writes.collect())
                    };
                    let done = store.submit(unit).unwrap();
                    let line = done
                        .iter()
                        .map(|d| format!("{}:{thread}:{round} ", d.seq))
                        .collect::<String>();
                    writeln!(std::io::stdout(), "acknowledged {line}").unwrap();
                }
            });
        }
    });
}

/// Lets a child write for a while, kills it, gives what it acknowledged: (seq, thread, round).
fn run_and_kill(fresh: &Fresh, for_millis: u64) -> Vec<(u64, u64, u64)> {
    let told = match &fresh.place {
        Place::Sqlite(file) => format!("sqlite:{}", file.display()),
        Place::Postgres(url) => url.clone(),
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["tests::killing::child", "--exact", "--nocapture"])
        .env(CHILD, told)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reader = std::thread::spawn(move || {
        let lines = lines.map_while(Result::ok).filter(|line| line.ends_with(' '));
        let acknowledged = lines.filter_map(|line| line.strip_prefix("acknowledged ").map(str::to_owned));
        let triples = acknowledged.flat_map(|line| line.split_whitespace().map(triple).collect::<Vec<_>>());
        triples.collect()
    });
    std::thread::sleep(Duration::from_millis(for_millis));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

fn triple(text: &str) -> (u64, u64, u64) {
    let mut numbers = text.split(':').map(|n| n.parse().unwrap());
    (
        numbers.next().unwrap(),
        numbers.next().unwrap(),
        numbers.next().unwrap(),
    )
}

/// A unit's size follows from its thread and round; later children begin their rounds anew.
fn no_unit_is_half_there(store: &Store, what: &str) {
    let log = store.log(0, usize::MAX).unwrap();
    assert_eq!(log.len() as u64, store.head(), "{what}");
    let (mut sizes, mut last) = (std::collections::HashMap::new(), std::collections::BTreeMap::new());
    for version in log {
        let thread: u64 = version.id.as_str()[..1].parse().unwrap();
        let text = String::from_utf8(version.body[4..].to_vec()).unwrap();
        let round: u64 = text.strip_prefix("\"round\":").unwrap().parse().unwrap();
        *sizes.entry((thread, round)).or_insert(0) += 1;
        last.insert(thread.to_string(), round.to_string().into_bytes());
    }
    let notes = store.notes("", 99).unwrap();
    assert_eq!(
        notes,
        last.into_iter().collect::<Vec<_>>(),
        "a note is as new as its unit: {what}"
    );
    let whole = |((thread, round), size): (&(u64, u64), &u64)| size % (1 + (thread + round) % 5) == 0;
    assert!(sizes.iter().all(whole), "{what}");
}

#[test]
fn a_killed_process_keeps_what_it_acknowledged() {
    let mut random = Random(20_261_121);
    for fresh in Fresh::both() {
        let mut met = 0;
        for round in 0..6 {
            let acknowledged = run_and_kill(&fresh, 80 + random.next() % 400);
            let store = Store::open(fresh.settings()).unwrap();
            let what = format!("round {round} on {}", fresh.engine);
            let report = store.check(&|_, _| ()).unwrap();
            assert_eq!((report.findings, report.repairs), (vec![], vec![]), "{what}");
            let places: Vec<u64> = acknowledged.iter().map(|a| a.0).collect();
            let versions = store.by_seq(&places).unwrap();
            assert_eq!(seqs(&versions), places, "{what}");
            for (version, (_, thread, round)) in versions.iter().zip(&acknowledged) {
                let name = version.id.as_str();
                let same =
                    name.starts_with(&format!("{thread}-")) && version.body == body(&format!("\"round\":{round}"));
                assert!(same, "{what}: {version:?}");
            }
            no_unit_is_half_there(&store, &what);
            met += acknowledged.len();
            store.close();
        }
        assert!(met > 0, "nothing was ever acknowledged on {}", fresh.engine);
    }
}
