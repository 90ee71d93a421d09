//! What is appended and what is refused: expectations, guards, claims, deletions, units.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fhir::identity::VersionId;

use super::*;
use crate::{Appended, Guard};

/// What came of a write, in a few letters: `ok`, `none` (nothing to delete) or `no`.
fn outcome(result: &Result<Done, Refused>) -> &'static str {
    match result {
        Ok(done) if done.seq == 0 => "none",
        Ok(_) => "ok",
        Err(Refused::Expectation { .. }) => "no",
        Err(_) => "other",
    }
}

#[test]
fn expectations_are_met_or_refused() {
    let old = Expect::Version(VersionId { node: 0, counter: 1 });
    // record:     never  live   deleted
    let table = [
        (Expect::Anything, ["ok", "ok", "ok"]),
        (Expect::Absent, ["ok", "no", "ok"]),
        (Expect::Present, ["no", "ok", "no"]),
        (Expect::New, ["ok", "no", "no"]),
        (old, ["no", "no", "no"]),
    ];
    on_both(|store, fresh| {
        for (row, (expect, outcomes)) in table.iter().enumerate() {
            for (column, expected) in outcomes.iter().enumerate() {
                let name = format!("r{row}-{column}");
                if column > 0 {
                    submit(store, put(&name, "\"a\":1")).unwrap();
                }
                if column > 1 {
                    submit(store, delete(&name)).unwrap();
                }
                let before = store.head();
                let result = submit(store, expecting(*expect, put(&name, "\"a\":2")));
                let appended = u64::from(*expected == "ok");
                assert_eq!(outcome(&result), *expected, "{} {expect:?} {column}", fresh.engine);
                assert_eq!(store.head() - before, appended);
            }
        }
    });
}

#[test]
fn a_version_is_expected_by_its_name() {
    on_both(|store, _| {
        let first = submit(store, put("a", "\"a\":1")).unwrap();
        assert!(!first.existed);
        let second = submit(store, expecting(Expect::Version(first.version), put("a", "\"a\":2"))).unwrap();
        assert!(second.existed && second.record == first.record && second.updated > first.updated);
        let refused = submit(store, expecting(Expect::Version(first.version), put("a", "\"a\":3")));
        let current = Some((second.version, true));
        assert_eq!(refused, Err(Refused::Expectation { write: 0, current }));
        let latest = super::current(store, "a").unwrap();
        assert_eq!((latest.base, latest.body), (Some(first.version), body("\"a\":2")));
    });
}

#[test]
fn deletions_end_a_record_and_it_can_begin_again() {
    on_both(|store, _| {
        assert_eq!(outcome(&submit(store, delete("a"))), "none");
        let first = submit(store, put("a", "\"a\":1")).unwrap();
        let gone = submit(store, delete("a")).unwrap();
        let latest = current(store, "a").unwrap();
        assert_eq!((latest.operation, latest.body.len()), (Operation::Delete, 0));
        let again = submit(store, delete("a")).unwrap();
        assert_eq!((again.seq, again.version, again.existed), (0, gone.version, false));
        let back = submit(store, put("a", "\"a\":2")).unwrap();
        assert!(!back.existed && back.record == first.record && back.seq == 3);
        assert_eq!(current(store, "a").unwrap().base, Some(gone.version));
    });
}

#[test]
fn a_unit_is_all_or_nothing() {
    on_both(|store, _| {
        submit(store, put("a", "\"a\":1")).unwrap();
        let unit = Unit {
            writes: vec![
                put("a", "\"a\":2"),
                claiming(&["1"], put("b", "\"b\":1")),
                delete("a"),
                expecting(Expect::Present, put("c", "\"c\":1")),
            ],
            ..Unit::default()
        };
        let refused = store.submit(unit).unwrap_err();
        assert_eq!(
            refused,
            Refused::Expectation {
                write: 3,
                current: None
            }
        );
        assert_eq!(store.head(), 1);
        assert!(current(store, "b").is_none());
        assert_eq!(current(store, "a").unwrap().body, body("\"a\":1"));
        // Neither its record numbers nor its claims are left behind.
        let done = submit(store, claiming(&["1"], put("d", "\"d\":1"))).unwrap();
        assert_eq!((done.seq, done.record), (2, 2));
    });
}

#[test]
fn a_unit_sees_its_own_writes() {
    on_both(|store, _| {
        let unit = Unit {
            writes: vec![
                expecting(Expect::New, put("a", "\"a\":1")),
                expecting(Expect::Present, put("a", "\"a\":2")),
                expecting(Expect::Present, delete("a")),
                expecting(Expect::Absent, put("a", "\"a\":4")),
            ],
            ..Unit::default()
        };
        let done = store.submit(unit).unwrap();
        assert_eq!(
            done.iter().map(|d| d.existed).collect::<Vec<_>>(),
            [false, true, true, false]
        );
        assert_eq!(current(store, "a").unwrap().seq, 4);
        let history = store
            .history(&crate::Scope::All, &crate::HistoryRange::newest(9))
            .unwrap();
        assert_eq!(seqs(&history), [4, 3, 2, 1]);
    });
}

#[test]
fn claims_are_held_by_one_live_record() {
    let holder = |name: &str| Refused::Claimed {
        write: 0,
        scope: "national-number".to_owned(),
        value: "1".to_owned(),
        holder: (kind("Patient"), id(name)),
    };
    on_both(|store, _| {
        submit(store, claiming(&["1", "2", "1"], put("a", "\"a\":1"))).unwrap();
        assert_eq!(submit(store, claiming(&["1"], put("b", "\"b\":1"))), Err(holder("a")));
        // An update replaces what was claimed; holding it again is no conflict.
        submit(store, claiming(&["1"], put("a", "\"a\":2"))).unwrap();
        submit(store, claiming(&["2"], put("b", "\"b\":1"))).unwrap();
        // A unit may hand a claim over.
        let unit = Unit {
            writes: vec![put("a", "\"a\":3"), claiming(&["1"], put("c", "\"c\":1"))],
            ..Unit::default()
        };
        store.submit(unit).unwrap();
        assert_eq!(submit(store, claiming(&["1"], put("a", "\"a\":4"))), Err(holder("c")));
        // A deletion drops what was claimed.
        submit(store, delete("c")).unwrap();
        submit(store, claiming(&["1"], put("a", "\"a\":4"))).unwrap();
        for value in ["x".repeat(2000), "a\0b".to_owned()] {
            let refused = submit(store, claiming(&[&value], put("d", "\"d\":1")));
            assert!(matches!(refused, Err(Refused::Trouble(_))));
        }
        assert!(store.check(&|_, _| ()).unwrap().findings.is_empty());
    });
}

fn guarded(since: u64, write: Write) -> Unit {
    let guard = Guard {
        since,
        disturbed_by: Box::new(|a: &Appended| a.kind.as_str() == "Patient" && a.operation.is_live()),
    };
    Unit {
        writes: vec![write],
        guard: Some(guard),
        ..Unit::default()
    }
}

#[test]
fn guards_refuse_what_was_disturbed() {
    on_both(|store, fresh| {
        submit(store, put("a", "\"a\":1")).unwrap();
        store.submit(guarded(1, put("b", "\"b\":1"))).unwrap();
        assert_eq!(store.submit(guarded(1, put("c", "\"c\":1"))), Err(Refused::Disturbed));
        submit(store, delete("b")).unwrap();
        store.submit(guarded(2, put("c", "\"c\":1"))).unwrap();
        // What was appended before this process began is not known any more.
        let head = store.head();
        store.close();
        let store = Store::open(fresh.settings()).unwrap();
        assert_eq!(
            store.submit(guarded(head - 1, put("d", "\"d\":1"))),
            Err(Refused::Disturbed)
        );
        store.submit(guarded(head, put("d", "\"d\":1"))).unwrap();
        store.close();
    });
}

/// Races 64 threads with one write each; counts those that were written.
fn race(store: &Store, unit: impl Fn(usize) -> Unit + Sync) -> usize {
    let won = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let (won, unit) = (&won, &unit);
            scope.spawn(move || match store.submit(unit(thread)) {
                Ok(_) => {
                    won.fetch_add(1, Ordering::Relaxed);
                }
                Err(refused) => assert!(
                    matches!(
                        refused,
                        Refused::Disturbed | Refused::Expectation { .. } | Refused::Claimed { .. }
                    ),
                    "{refused}"
                ),
            });
        }
    });
    won.into_inner()
}

#[test]
fn of_64_racing_writes_one_wins() {
    on_both(|store, fresh| {
        for round in 0..5 {
            let name = |thread: usize| format!("g{round}-{thread}");
            let since = store.head();
            let guard = |thread| guarded(since, put(&name(thread), "\"a\":1"));
            assert_eq!(race(store, guard), 1, "guard on {}", fresh.engine);
            let same = format!("s{round}");
            let absent = |_| Unit::one(expecting(Expect::Absent, put(&same, "\"a\":1")));
            assert_eq!(race(store, absent), 1, "absent on {}", fresh.engine);
            let version = current(store, &same).unwrap().version;
            let update = |_| Unit::one(expecting(Expect::Version(version), put(&same, "\"a\":2")));
            assert_eq!(race(store, update), 1, "version on {}", fresh.engine);
            let number = format!("n{round}");
            let claim = |thread| Unit::one(claiming(&[&number], put(&format!("c{round}-{thread}"), "\"a\":1")));
            assert_eq!(race(store, claim), 1, "claim on {}", fresh.engine);
        }
        assert_eq!(store.head(), 20);
    });
}

#[test]
fn attachments_reach_guards_and_followers() {
    struct Sum(AtomicUsize);
    impl crate::Follower for Sum {
        fn committed(&self, appended: &[Appended]) {
            let numbers = appended
                .iter()
                .filter_map(|a| a.attachment.as_ref()?.downcast_ref::<usize>());
            self.0.fetch_add(numbers.sum(), Ordering::Relaxed);
        }
    }
    on_both(|store, _| {
        let sum = Arc::new(Sum(AtomicUsize::new(0)));
        assert_eq!(store.follow(sum.clone()), 0);
        for number in 1..=3_usize {
            let mut write = put(&number.to_string(), "\"a\":1");
            write.attachment = Some(Arc::new(number));
            submit(store, write).unwrap();
            assert_eq!(sum.0.load(Ordering::Relaxed), (1..=number).sum());
        }
    });
}

#[test]
fn followers_that_ended_are_forgotten() {
    struct Brief(AtomicBool);
    impl crate::Follower for Brief {
        fn committed(&self, _: &[Appended]) {
            assert!(!self.0.load(Ordering::Relaxed), "it was told after its end");
        }
        fn ended(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }
    on_both(|store, _| {
        let followers: Vec<Arc<Brief>> = (0..3).map(|_| Arc::new(Brief(AtomicBool::new(false)))).collect();
        for follower in &followers {
            store.follow(follower.clone());
        }
        submit(store, put("1", "\"a\":1")).unwrap();
        for follower in &followers[..2] {
            follower.0.store(true, Ordering::Relaxed);
        }
        submit(store, put("2", "\"a\":1")).unwrap();
        assert_eq!(Arc::strong_count(&followers[0]), 1, "a write forgets those that ended");
        assert_eq!(Arc::strong_count(&followers[2]), 2);
        followers[2].0.store(true, Ordering::Relaxed);
        store.follow(Arc::new(Brief(AtomicBool::new(false))));
        assert_eq!(Arc::strong_count(&followers[2]), 1, "so does the next that follows");
    });
}
