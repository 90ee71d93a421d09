//! The store under load, over restarts, in trouble.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::{Appended, Follower};

/// Keeps what it is told.
#[derive(Default)]
struct Keeper(Mutex<Vec<(u64, Option<u64>)>>);

impl Follower for Keeper {
    fn committed(&self, appended: &[Appended]) {
        let told = appended.iter().map(|a| (a.seq, a.previous));
        self.0.lock().unwrap().extend(told);
    }
}

#[test]
fn the_log_has_no_gap_under_many_writers() {
    on_both(|store, fresh| {
        let keeper = Arc::new(Keeper::default());
        store.follow(keeper.clone());
        let acknowledged = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let acknowledged = &acknowledged;
                scope.spawn(move || {
                    for number in 0..25 {
                        let name = format!("{}", (thread * 7 + number) % 40);
                        let text = format!("\"a\":\"{thread}-{number}\"");
                        let done = submit(store, put(&name, &text)).unwrap();
                        assert!(store.head() >= done.seq);
                        let read = current(store, &name).unwrap();
                        assert!(read.seq >= done.seq, "a write is seen once it is acknowledged");
                        acknowledged.lock().unwrap().push((done, text));
                    }
                });
            }
        });
        assert_eq!(store.head(), 400);
        for (done, text) in acknowledged.into_inner().unwrap() {
            let version = &store.by_seq(&[done.seq]).unwrap()[0];
            assert_eq!((version.version, &version.body), (done.version, &body(&text)));
        }
        let told = keeper.0.lock().unwrap();
        assert_eq!(
            told.iter().map(|t| t.0).collect::<Vec<_>>(),
            (1..=400).collect::<Vec<_>>()
        );
        let chain: HashSet<u64> = told.iter().filter_map(|t| t.1).collect();
        assert_eq!(
            chain.len(),
            360,
            "no two versions replace the same one on {}",
            fresh.engine
        );
        assert_eq!(store.check(&|_, _| ()).unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn a_reopened_store_goes_on_where_it_was() {
    for fresh in Fresh::both() {
        let mut minted = HashSet::new();
        let mut last = 0;
        for round in 0..4 {
            let store = Store::open(fresh.settings()).unwrap();
            assert_eq!(store.head(), round * 2);
            for _ in 0..20_000 {
                assert!(minted.insert(store.mint()), "an id was given twice on {}", fresh.engine);
            }
            let new = store.mint();
            let write = Write::new(kind("Patient"), new.clone(), Operation::Create, body("\"a\":1"));
            let done = submit(&store, expecting(Expect::New, write)).unwrap();
            assert!(done.updated > last && minted.insert(new));
            last = submit(&store, put("same", &format!("\"a\":{round}"))).unwrap().updated;
            assert_eq!(current(&store, "same").unwrap().version.counter, round * 2 + 2);
            drop(store);
        }
    }
}

#[test]
fn chosen_ids_like_ours_are_not_minted() {
    on_both(|store, _| {
        let next: u64 = store.mint().as_str()[2..].parse().unwrap();
        for ahead in [1, 3, 500_000] {
            submit(store, put(&format!("0-{}", next + ahead), "\"a\":1")).unwrap();
        }
        submit(store, put("0-18446744073709551615", "\"a\":1")).unwrap();
        let after: u64 = store.mint().as_str()[2..].parse().unwrap();
        assert_eq!(after, next + 500_001);
    });
}

#[test]
fn one_process_at_a_time_and_one_node_for_ever() {
    on_both(|store, fresh| {
        let Err(trouble) = Store::open(fresh.settings()) else {
            panic!("a second store was opened on {}", fresh.engine)
        };
        assert!(trouble.sentence().contains("nother process"), "{trouble}");
        store.close();
        let mut settings = fresh.settings();
        settings.node = Some(5);
        let Err(trouble) = Store::open(settings) else {
            panic!("another node's store was opened on {}", fresh.engine)
        };
        assert!(trouble.sentence().contains("belongs to node 0"), "{trouble}");
        assert!(matches!(submit(store, put("a", "\"a\":1")), Err(Refused::Trouble(_))));
    });
}

#[test]
fn a_newer_database_is_left_alone() {
    on_both(|store, fresh| {
        store.close();
        tamper(fresh, "INSERT INTO migration (number, name) VALUES (99, 'later')");
        let Err(trouble) = Store::open(fresh.settings()) else {
            panic!("a newer database was opened on {}", fresh.engine)
        };
        assert!(trouble.sentence().contains("newer program"), "{trouble}");
    });
}

fn large(round: usize) -> Unit {
    let writes = (0..5000).map(|n| put(&format!("big{round}-{n}"), "\"active\":true"));
    Unit {
        writes: writes.collect(),
        ..Unit::default()
    }
}

#[test]
fn small_units_do_not_queue_behind_every_large_one() {
    on_both(|store, fresh| {
        let begun = Instant::now();
        store.submit(large(0)).unwrap();
        let alone = begun.elapsed();
        let (done, longest) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let larges: Vec<_> = (1..=4)
                .map(|round| scope.spawn(move || store.submit(large(round)).unwrap()))
                .collect();
            let (done, longest) = (&done, &longest);
            scope.spawn(move || {
                let mut count = 0;
                while !done.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    submit(store, put(&format!("small{count}"), "\"a\":1")).unwrap();
                    longest.fetch_max(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
                    count += 1;
                }
            });
            larges.into_iter().for_each(|thread| drop(thread.join().unwrap()));
            done.store(true, Ordering::Relaxed);
        });
        // Four threads prepare and one applies on perhaps two cores: generous, but far below all four.
        let longest = Duration::from_micros(longest.into_inner());
        assert!(
            longest < alone * 3 + Duration::from_millis(200),
            "{longest:?}, {alone:?} on {}",
            fresh.engine
        );
    });
}

#[test]
fn a_full_queue_is_busy() {
    struct Slow;
    impl Follower for Slow {
        fn committed(&self, _: &[Appended]) {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    for fresh in Fresh::both() {
        let mut settings = fresh.settings();
        settings.queue_max = 3;
        let store = Store::open(settings).unwrap();
        store.follow(Arc::new(Slow));
        let busy = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let (store, busy) = (&store, &busy);
                scope.spawn(move || match submit(store, put(&thread.to_string(), "\"a\":1")) {
                    Ok(_) => (),
                    Err(Refused::Busy) => drop(busy.fetch_add(1, Ordering::Relaxed)),
                    Err(refused) => panic!("{refused}"),
                });
            }
        });
        let busy = busy.into_inner();
        assert!(busy > 0 && store.head() == 16 - busy, "{busy} on {}", fresh.engine);
        store.close();
    }
}

#[test]
fn a_full_disk_refuses_writes_and_keeps_reading() {
    let fresh = Fresh::sqlite();
    let mut settings = fresh.settings();
    settings.bytes_max = Some(2 << 20);
    let store = Store::open(settings).unwrap();
    let mut random = Random(7);
    submit(&store, put("a", "\"a\":1")).unwrap();
    for round in 0..3 {
        let huge = Write::new(kind("Binary"), id("huge"), Operation::Create, random.bytes(4 << 20));
        let refused = submit(&store, huge).unwrap_err();
        assert!(matches!(refused, Refused::Full(_)), "{refused}");
        assert_eq!(current(&store, "a").unwrap().seq, 1 + round, "reading goes on");
        submit(&store, put("a", &format!("\"a\":{round}"))).expect("what fits is written");
    }
    store.close();
    let store = Store::open(fresh.settings()).unwrap();
    let huge = Write::new(kind("Binary"), id("huge"), Operation::Create, random.bytes(4 << 20));
    submit(&store, huge).expect("there is room again");
    assert_eq!(store.check(&|_, _| ()).unwrap().findings, Vec::<String>::new());
}

#[test]
fn a_lost_connection_is_replaced() {
    let fresh = Fresh::postgres();
    let store = Store::open(fresh.settings()).unwrap();
    submit(&store, put("a", "\"a\":1")).unwrap();
    assert_eq!(current(&store, "a").unwrap().seq, 1);
    let schema = "current_setting('search_path')";
    let end = format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' AND \
         (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('epis log ' || {schema}, 0)"
    );
    tamper(&fresh, &end);
    submit(&store, put("a", "\"a\":2")).expect("a new connection");
    assert_eq!(current(&store, "a").unwrap().seq, 2);
    store.close();
}
