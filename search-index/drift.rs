//! Tests of what goes wrong: damaged files, another log, drift, the past too far away, time run out.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use fhir::identity::Kind;
use query::Predicate;
use query::sample::Random;

use crate::entry::{Before, Entry};
use crate::oracle::{World, hits, soon};
use crate::{Clock, Query, Settings, Trouble};

fn everything<'a>() -> Query<'a> {
    Query {
        kinds: Vec::new(),
        predicate: Predicate::All,
        sort: Vec::new(),
        limit: 10_000,
        place: crate::Place::First,
        at: None,
        under: false,
        total: query::Total::Accurate,
        clock: Clock::until(soon()),
    }
}

fn told() -> (Settings, Arc<Mutex<Vec<String>>>) {
    let sentences = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&sentences);
    let notice = Arc::new(move |sentence: &str| heard.lock().unwrap().push(sentence.to_owned()));
    (
        Settings {
            notice,
            ..Settings::default()
        },
        sentences,
    )
}

fn filled(settings: Settings) -> World {
    let (mut world, mut random) = (World::new(settings), Random::new(7));
    for _ in 0..30 {
        world.write(&mut random);
    }
    world.index().flush().unwrap();
    world
}

#[test]
fn damaged_and_deleted_files_are_found_and_the_index_built_again() {
    let (settings, sentences) = told();
    let mut world = filled(settings);
    let before = world.index().find(&everything()).unwrap();
    let folder = world.place();
    type Harm = fn(&std::path::Path);
    let harms: [(&str, Harm); 4] = [
        ("fingerprint", |file| fs::write(file, "layout 0").unwrap()),
        ("meta.json", |file| fs::write(file, "{").unwrap()),
        (".fast", |file| fs::remove_file(file).unwrap()),
        (".term", |file| fs::write(file, b"short").unwrap()),
    ];
    for (end, harm) in harms {
        world.index = None;
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.to_string_lossy().ends_with(end) {
                harm(&file);
            }
        }
        let told = sentences.lock().unwrap().len();
        world.open();
        assert_eq!(
            sentences.lock().unwrap().len(),
            told + 1,
            "{end}: {:?}",
            sentences.lock().unwrap()
        );
        assert_eq!(
            hits(&world.index().find(&everything()).unwrap()),
            hits(&before),
            "{end}"
        );
        world.index().flush().unwrap();
    }
}

#[test]
fn drift_is_found_and_repaired() {
    let world = filled(Settings::default());
    let before = world.index().find(&everything()).unwrap();
    let (gone, stale) = (&before.hits[0], &before.hits[1]);
    let inner = &world.index().inner;
    let mut entries = vec![Entry::ghost(gone.record, gone.kind.clone(), gone.id.clone())];
    let version = world.store.by_seq(&[stale.seq]).unwrap().remove(0);
    let mut old = Entry::read(&world.registry, &version);
    (old.seq, old.before) = (stale.seq - 1, Before::Somewhere);
    entries.push(old);
    let mut invented = Entry::read(&world.registry, &version);
    (invented.seq, invented.record, invented.before) = (1, 1_000_000, Before::Nothing);
    entries.push(invented);
    let count = entries.len();
    for entry in &mut entries {
        entry.again = true;
    }
    {
        let mut state = inner.shared.lock();
        state.queue.extend(entries.into_iter().map(Arc::new));
        (state.repairing, state.flush_to) = (count, u64::MAX);
    }
    inner.shared.ring();
    while inner.shared.lock().repairing > 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let report = world.index().check(&|_, _| {}, false).unwrap();
    assert_eq!(report.findings.len(), 3, "{report:?}");
    let report = world.index().check(&|_, _| {}, true).unwrap();
    assert_eq!((report.findings.len(), report.repairs.len()), (0, 3), "{report:?}");
    let report = world.index().check(&|_, _| {}, false).unwrap();
    assert_eq!((report.findings.len(), report.repairs.len()), (0, 0), "{report:?}");
    assert_eq!(hits(&world.index().find(&everything()).unwrap()), hits(&before));
}

#[test]
fn what_the_index_says_otherwise_is_found_and_repaired() {
    let world = filled(Settings::default());
    let before = world.index().find(&everything()).unwrap();
    let wrong = &before.hits[2];
    let version = world.store.by_seq(&[wrong.seq]).unwrap().remove(0);
    let mut entry = Entry::read(&world.registry, &version);
    Arc::make_mut(&mut entry.values).entries.pop();
    (entry.before, entry.again) = (Before::Somewhere, true);
    let inner = &world.index().inner;
    {
        let mut state = inner.shared.lock();
        state.queue.push_back(Arc::new(entry));
        (state.repairing, state.flush_to) = (1, u64::MAX);
    }
    inner.shared.ring();
    while inner.shared.lock().repairing > 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let round = |repair| {
        let mut round = world.index().round().unwrap();
        let step = crate::Step {
            records: 7,
            deep_one_in: 1,
            repair,
        };
        while world.index().step(&mut round, &step).unwrap() {}
        round.report
    };
    let report = round(false);
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert!(
        report.findings[0].contains(&format!("{}/{}", wrong.kind, wrong.id)),
        "{report:?}"
    );
    assert_eq!(
        (report.records, report.deep),
        (before.hits.len() as u64, before.hits.len() as u64)
    );
    assert_eq!(round(true).repairs.len(), 1);
    let report = round(true);
    assert_eq!((report.findings.len(), report.repairs.len()), (0, 0), "{report:?}");
}

#[test]
fn a_snapshot_too_far_back_has_expired() {
    let mut world = filled(Settings {
        changes_max: 3,
        ..Settings::default()
    });
    let found = world.index().find(&Query {
        at: Some(1),
        ..everything()
    });
    assert!(matches!(found, Err(Trouble::Expired(_))), "{found:?}");
    world.open();
    let found = world.index().find(&Query {
        at: Some(1),
        ..everything()
    });
    assert!(matches!(found, Err(Trouble::Expired(_))), "{found:?}");
}

#[test]
fn a_search_ends_at_its_deadline() {
    let world = filled(Settings::default());
    let found = world.index().find(&Query {
        clock: Clock::until(Instant::now()),
        ..everything()
    });
    assert!(matches!(found, Err(Trouble::Timeout(_))), "{found:?}");
}

#[test]
fn a_kind_without_records_has_none() {
    let world = filled(Settings::default());
    let kinds = vec![Kind::new("Medication").unwrap()];
    let found = world.index().find(&Query { kinds, ..everything() }).unwrap();
    assert_eq!((found.hits.len(), found.total), (0, Some(0)));
}
