//! Versions from other nodes: what becomes current, what is only kept, joins, clocks, claims, and the log as a whole.

use std::collections::HashMap;

use fhir::identity::VersionId;

use super::*;
use crate::{Appended, Elsewhere, Follower, HistoryRange, Made, Note, Scope};

const MINUTE: i64 = 60_000_000;

fn name(node: u32, counter: u64) -> VersionId {
    VersionId { node, counter }
}

fn elsewhere(version: VersionId, base: Option<VersionId>, updated: i64, aside: bool) -> Elsewhere {
    Elsewhere {
        version,
        base,
        merged: None,
        updated,
        aside,
    }
}

fn from(made: Elsewhere, write: Write) -> Write {
    Write {
        made: Made::Elsewhere(made),
        ..write
    }
}

fn joining(merged: VersionId, write: Write) -> Write {
    Write {
        made: Made::Joining(merged),
        ..write
    }
}

/// A version of node 7, made in 1970.
fn seventh(counter: u64, base: Option<VersionId>, aside: bool, write: Write) -> Write {
    from(elsewhere(name(7, counter), base, counter as i64, aside), write)
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_micros() as i64
}

/// How a record stands: the version that is current, what it is based on, and whether it is there.
fn standing(store: &Store, name: &str) -> String {
    let Some(version) = current(store, name) else {
        return "nothing".to_owned();
    };
    let based: Vec<String> = version
        .base
        .iter()
        .chain(&version.merged)
        .map(ToString::to_string)
        .collect();
    let live = if version.operation.is_live() { "there" } else { "gone" };
    format!("{} on [{}] {live}", version.version, based.join(" "))
}

/// What was written before, and what comes; how the record stands then, and its history, newest first.
type Arrival = (Vec<Write>, Write, &'static str, &'static str);

fn arrivals() -> Vec<Arrival> {
    let (own, far) = (name(0, 1), Some(name(3, 9)));
    vec![
        (
            vec![],
            seventh(1, None, false, put("a", "\"a\":1")),
            "7-1 on [] there",
            "7-1",
        ),
        (
            vec![],
            seventh(1, far, false, put("a", "\"a\":1")),
            "7-1 on [3-9] there",
            "7-1",
        ),
        (
            vec![],
            seventh(1, far, true, put("a", "\"a\":1")),
            "7-1 on [3-9] there",
            "7-1",
        ),
        (vec![], seventh(1, far, false, delete("a")), "7-1 on [3-9] gone", "7-1"),
        (
            vec![put("a", "\"a\":1")],
            seventh(1, Some(own), false, put("a", "\"a\":2")),
            "7-1 on [0-1] there",
            "7-1 0-1",
        ),
        (
            vec![put("a", "\"a\":1")],
            seventh(1, Some(own), true, put("a", "\"a\":2")),
            "0-1 on [] there",
            "7-1 0-1",
        ),
        (
            vec![put("a", "\"a\":1")],
            seventh(1, Some(own), false, delete("a")),
            "7-1 on [0-1] gone",
            "7-1 0-1",
        ),
        (
            vec![put("a", "\"a\":1"), delete("a")],
            seventh(1, Some(own), false, delete("a")),
            "7-1 on [0-1] gone",
            "7-1 0-2 0-1",
        ),
        (
            vec![put("a", "\"a\":1"), seventh(1, None, true, put("a", "\"a\":2"))],
            joining(name(7, 1), put("a", "\"a\":3")),
            "0-2 on [0-1 7-1] there",
            "0-2 7-1 0-1",
        ),
        (
            vec![put("a", "\"a\":1"), delete("a"), seventh(1, None, true, delete("a"))],
            joining(name(7, 1), delete("a")),
            "0-3 on [0-2 7-1] gone",
            "0-3 7-1 0-2 0-1",
        ),
    ]
}

#[test]
fn what_comes_from_elsewhere_is_appended_as_it_is() {
    for (row, (before, comes, stands, history)) in arrivals().iter().enumerate() {
        on_both(|store, fresh| {
            let what = format!("row {row} on {}", fresh.engine);
            let writes = before.iter().chain([comes]).cloned().collect();
            store.submit(Unit::of(writes)).unwrap();
            assert_eq!(standing(store, "a"), *stands, "{what}");
            let scope = Scope::Record(kind("Patient"), id("a"));
            let versions = store.history(&scope, &HistoryRange::newest(9)).unwrap();
            let names: Vec<String> = versions.iter().map(|v| v.version.to_string()).collect();
            assert_eq!(names.join(" "), *history, "{what}");
            let report = store.check(&|_, _| ()).unwrap();
            assert_eq!((report.findings, report.repairs), (vec![], vec![]), "{what}");
        });
    }
}

#[test]
fn what_cannot_be_kept_is_refused() {
    on_both(|store, _| {
        let nothing = joining(name(7, 1), put("a", "\"a\":1"));
        assert!(matches!(
            submit(store, nothing),
            Err(Refused::Expectation { current: None, .. })
        ));
        let made = elsewhere(name(7, 1), None, 1, false);
        let wrong = [
            Elsewhere {
                version: name(u32::MAX, 1),
                ..made
            },
            Elsewhere {
                version: name(7, u64::MAX),
                ..made
            },
            Elsewhere {
                merged: Some(name(8, 1)),
                ..made
            },
            Elsewhere {
                updated: i64::MAX,
                ..made
            },
        ];
        for made in wrong {
            let refused = submit(store, from(made, put("a", "\"a\":1")));
            assert!(matches!(refused, Err(Refused::Trouble(_))), "{made:?}");
        }
        let expecting = expecting(
            Expect::Current(Some(name(0, 1))),
            seventh(1, None, false, put("a", "\"a\":1")),
        );
        assert!(matches!(submit(store, expecting), Err(Refused::Expectation { .. })));
        assert_eq!(store.head(), 0);
    });
}

#[test]
fn a_version_is_sealed_alike_on_every_replica() {
    on_both(|centre, fresh| {
        let clinic = Fresh::sqlite();
        let mut settings = clinic.settings();
        settings.node = Some(7);
        let clinic = Store::open(settings).unwrap();
        submit(&clinic, put("other", "\"b\":1")).unwrap();
        submit(&clinic, put("a", "\"a\":1")).unwrap();
        submit(centre, put("a", "\"a\":0")).unwrap();
        submit(centre, seventh(9, None, true, put("a", "\"a\":5"))).unwrap();
        submit(centre, joining(name(7, 9), put("a", "\"a\":6"))).unwrap();
        let copy = |from: &Store, to: &Store| {
            let version = current(from, "a").unwrap();
            let made = Elsewhere {
                merged: version.merged,
                ..elsewhere(version.version, version.base, version.updated, false)
            };
            let write = write(version.operation, "a", std::str::from_utf8(&version.body[4..]).unwrap());
            submit(to, super::elsewhere::from(made, write)).unwrap();
            let copied = current(to, "a").unwrap();
            assert_eq!(copied.seal(), version.seal(), "{}", fresh.engine);
            let same = Version {
                seq: version.seq,
                record: version.record,
                arrived: version.arrived,
                ..copied
            };
            assert_eq!(same, version);
        };
        copy(centre, &clinic);
        copy(&clinic, centre);
        let mut one = current(centre, "a").unwrap();
        let (seal, merged) = (one.seal(), one.merged.take());
        assert!(
            merged.is_some() && one.seal() != seal,
            "the seal covers what a join is based on"
        );
        clinic.close();
    });
}

#[test]
fn a_clock_elsewhere_moves_this_one_on_unless_it_is_wild() {
    on_both(|store, fresh| {
        let from_ahead = |counter: u64, ahead: i64| {
            let made = elsewhere(name(7, counter), None, now() + ahead, false);
            submit(store, from(made, put("a", "\"a\":1"))).unwrap()
        };
        let near = from_ahead(1, MINUTE);
        let own = submit(store, put("b", "\"a\":1")).unwrap();
        assert!(own.updated > near.updated, "what follows is later");
        let wild = from_ahead(2, 1_000_000 * MINUTE);
        let past = from_ahead(3, -1_000_000 * MINUTE);
        let own = submit(store, put("b", "\"a\":2")).unwrap();
        assert!(
            own.updated < wild.updated && own.updated < now() + 2 * MINUTE,
            "{}",
            fresh.engine
        );
        assert!(past.updated < near.updated);
        let log = store.log(0, 9).unwrap();
        assert!(log.is_sorted_by_key(|version| version.arrived));
        // Moments of a history are those of arrival.
        for version in &log {
            let range = HistoryRange {
                since: Some(version.arrived),
                ..HistoryRange::newest(9)
            };
            let since = seqs(&store.history(&Scope::All, &range).unwrap());
            assert_eq!(since, (version.seq..=5).rev().collect::<Vec<_>>());
        }
        assert_eq!(store.check(&|_, _| ()).unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn what_is_only_kept_is_not_current_at_any_time() {
    on_both(|store, fresh| {
        submit(store, put("a", "\"a\":1")).unwrap();
        submit(store, seventh(1, None, true, put("a", "\"a\":2"))).unwrap();
        submit(store, put("b", "\"b\":1")).unwrap();
        submit(store, joining(name(7, 1), put("a", "\"a\":3"))).unwrap();
        let patient = kind("Patient");
        let log = store.log(0, 9).unwrap();
        let scope = || Scope::Record(patient.clone(), id("a"));
        let (at, moment) = (3, log[2].arrived);
        let live = |at| seqs(&store.records_of(&patient, None, at, 9).unwrap().0);
        assert_eq!((live(at), live(4)), (vec![1, 3], vec![4, 3]), "{}", fresh.engine);
        assert_eq!(store.latest(0, 9, at).unwrap(), [(1, 1), (2, 3)]);
        assert_eq!([0, 1, 2, 3, 9].map(|at| store.records(at).unwrap()), [0, 1, 1, 2, 2]);
        assert_eq!(
            seqs(&store.history(&scope(), &HistoryRange::newest(9)).unwrap()),
            [4, 2, 1]
        );
        assert_eq!(
            seqs(&store.history(&scope(), &HistoryRange::current_before(4, 9)).unwrap()),
            [1]
        );
        let range = HistoryRange {
            at: Some(fhir::moment::Stretch {
                start: moment,
                end: moment + 1,
            }),
            ..HistoryRange::newest(9)
        };
        assert_eq!(seqs(&store.history(&scope(), &range).unwrap()), [1]);
        assert_eq!(store.history_count(&scope(), &range), Ok(1));
        let named = store.version(&patient, &id("a"), name(7, 1)).unwrap().unwrap();
        assert!(
            named.aside && named.body == body("\"a\":2"),
            "it can be read all the same"
        );
        // Guards are about what became current.
        let guard = |since| crate::Guard {
            since,
            disturbed_by: Box::new(|_: &Appended| true),
        };
        let alone = |since| Unit {
            guard: Some(guard(since)),
            ..Unit::one(put("c", "\"c\":1"))
        };
        submit(store, seventh(2, None, true, put("a", "\"a\":4"))).unwrap();
        assert_eq!(store.submit(alone(3)), Err(Refused::Disturbed));
        store.submit(alone(4)).unwrap();
    });
}

#[test]
fn what_is_claimed_elsewhere_refuses_nothing() {
    on_both(|store, fresh| {
        submit(store, claiming(&["1"], put("a", "\"a\":1"))).unwrap();
        let comes =
            |counter, claims: &[&str], write| submit(store, claiming(claims, seventh(counter, None, false, write)));
        assert_eq!(
            comes(1, &["1", "2"], put("b", "\"b\":1")).unwrap().unclaimed,
            1,
            "{}",
            fresh.engine
        );
        let taken = submit(store, claiming(&["2"], put("c", "\"c\":1")));
        assert!(matches!(taken, Err(Refused::Claimed { .. })), "what is free is held");
        let aside = claiming(&["3"], seventh(2, None, true, put("b", "\"b\":2")));
        assert_eq!(submit(store, aside).unwrap().unclaimed, 0);
        submit(store, claiming(&["3"], put("c", "\"c\":1"))).expect("what is only kept holds nothing");
        let joined = submit(store, claiming(&["1", "3"], joining(name(7, 2), put("b", "\"b\":3")))).unwrap();
        assert_eq!(joined.unclaimed, 2);
        submit(store, delete("a")).unwrap();
        assert_eq!(comes(3, &["1"], put("b", "\"b\":4")).unwrap().unclaimed, 0);
        assert_eq!(store.check(&|_, _| ()).unwrap().findings, Vec::<String>::new());
    });
}

#[test]
fn notes_are_written_with_their_unit_or_not_at_all() {
    on_both(|store, fresh| {
        let with = |writes, notes| {
            store.submit(Unit {
                writes,
                notes,
                guard: None,
            })
        };
        let kept = |key: &str| store.note(key).unwrap();
        with(
            vec![put("a", "\"a\":1")],
            vec![Note::new("peer/1", "x"), Note::new("peer/2", "y")],
        )
        .unwrap();
        assert_eq!(kept("peer/1"), Some(b"x".to_vec()), "{}", fresh.engine);
        with(
            vec![],
            vec![
                Note::new("peer/1", "z"),
                Note::without("peer/2"),
                Note::new("other", ""),
            ],
        )
        .unwrap();
        let all = store.notes("peer/", 9).unwrap();
        assert_eq!(all, [("peer/1".to_owned(), b"z".to_vec())]);
        assert_eq!(
            (kept("other"), kept("peer/2"), store.notes("", 1).unwrap().len()),
            (Some(vec![]), None, 1)
        );
        let refused = with(
            vec![expecting(Expect::New, put("a", "\"a\":2"))],
            vec![Note::new("peer/1", "no")],
        );
        assert!(matches!(refused, Err(Refused::Expectation { .. })));
        let long = Note::new("x".repeat(257), "");
        let large = Note::new("x", vec![0; (1 << 20) + 1]);
        for note in [long, large, Note::new("", ""), Note::new("a\0b", "")] {
            assert!(matches!(with(vec![], vec![note]), Err(Refused::Trouble(_))));
        }
        assert_eq!((kept("peer/1"), store.head()), (Some(b"z".to_vec()), 1));
        store.close();
        let store = Store::open(fresh.settings()).unwrap();
        assert_eq!(store.note("peer/1").unwrap(), Some(b"z".to_vec()));
        submit(&store, put("a", "\"a\":3")).unwrap();
        store.close();
    });
}

#[test]
fn what_was_made_here_is_found_among_the_rest() {
    on_both(|store, fresh| {
        let (mut own, mut far, mut random) = (Vec::new(), 0, Random(99));
        for number in 0..200 {
            if random.next() % 4 == 0 {
                own.push(submit(store, put(&number.to_string(), "\"a\":1")).unwrap().seq);
            } else {
                far += 1;
                submit(store, seventh(far, None, false, put(&number.to_string(), "\"a\":1"))).unwrap();
            }
        }
        let head = store.head();
        for counter in 0..=own.len() {
            let place = store.place_of(store.node(), counter as u64).unwrap();
            let (versions, reached) = store.made_by(store.node(), place, 3).unwrap();
            let expected: Vec<u64> = own[counter..].iter().copied().take(3).collect();
            assert_eq!(seqs(&versions), expected, "after {counter} on {}", fresh.engine);
            assert_eq!(reached, if expected.len() == 3 { expected[2] } else { head });
        }
        assert_eq!(store.made_by(store.node(), head, 3).unwrap(), (vec![], head));
        assert_eq!(store.made_by(store.node(), u64::MAX, 3).unwrap().0, []);
    });
}

#[test]
fn what_was_made_by_an_old_copy_gets_new_names() {
    on_both(|store, fresh| {
        // 0-1 a; 7-1 b; 0-2 b, on 7-1; 0-3 b, on 0-2; 7-2 b, aside; 0-4 joins it.
        submit(store, put("a", "\"a\":1")).unwrap();
        submit(store, seventh(1, Some(name(0, 1)), false, put("b", "\"b\":1"))).unwrap();
        submit(store, put("b", "\"b\":2")).unwrap();
        submit(store, put("b", "\"b\":3")).unwrap();
        submit(store, seventh(2, None, true, put("b", "\"b\":4"))).unwrap();
        submit(store, joining(name(7, 2), put("b", "\"b\":5"))).unwrap();
        for taken in [0, 7] {
            assert!(matches!(store.rename_own(2, taken), Err(Refused::Trouble(_))));
        }
        store.rename_own(2, 8).unwrap();
        assert_eq!(store.node(), 8);
        let told = |version: &Version| {
            let based = version.base.iter().chain(&version.merged);
            let based: Vec<String> = based.map(ToString::to_string).collect();
            format!("{} on {}", version.version, based.join(" "))
        };
        let log: Vec<String> = store.log(0, 9).unwrap().iter().map(told).collect();
        let expected = [
            "0-1 on ",
            "7-1 on 0-1",
            "0-2 on 7-1",
            "8-1 on 0-2",
            "7-2 on ",
            "8-2 on 8-1 7-2",
        ];
        assert_eq!(log, expected, "{}", fresh.engine);
        assert!(store.mint().as_str().starts_with("8-"));
        assert_eq!(submit(store, put("a", "\"a\":2")).unwrap().version, name(8, 3));
        store.close();
        let store = Store::open(fresh.settings()).unwrap();
        assert_eq!(
            (store.node(), standing(&store, "b")),
            (8, "8-2 on [8-1 7-2] there".to_owned())
        );
        assert_eq!(
            seqs(
                &store
                    .made_by(store.node(), store.place_of(store.node(), 0).unwrap(), 9)
                    .unwrap()
                    .0
            ),
            [4, 6, 7]
        );
        let report = store.check(&|_, _| ()).unwrap();
        assert_eq!((report.findings, report.repairs), (vec![], vec![]));
        store.close();
    });
}

#[test]
fn a_copy_of_a_database_mints_other_ids() {
    for fresh in Fresh::both() {
        let mut settings = fresh.settings();
        settings.node = Some(7);
        let mut minted = std::collections::HashSet::new();
        // The numbers stand in the database; without them, as in an older copy, the epochs alone tell ids apart.
        for _ in 0..5 {
            let store = Store::open(settings.clone()).unwrap();
            for _ in 0..100 {
                let id = store.mint();
                let parts: Vec<&str> = id.as_str().split('-').collect();
                assert!(parts.len() == 3 && parts[0] == "7" && parts[1].len() == 5, "{id}");
                assert!(minted.insert(id));
            }
            store.close();
            tamper(&fresh, "UPDATE head SET minted = 0");
        }
        settings.opening = Some(36);
        let store = Store::open(settings).unwrap();
        assert_eq!(store.mint().as_str(), "7-01000-1", "what is handed in decides");
        submit(&store, put("7-01000-2", "\"a\":1")).unwrap();
        assert_eq!(
            store.mint().as_str(),
            "7-01000-3",
            "an id like ours that was chosen is not minted"
        );
        store.close();
    }
}

/// Keeps what it is told became current.
#[derive(Default)]
struct Current(std::sync::Mutex<HashMap<Id, VersionId>>);

impl Follower for Current {
    fn committed(&self, appended: &[Appended]) {
        let current = appended.iter().filter(|appended| !appended.aside);
        self.0
            .lock()
            .unwrap()
            .extend(current.map(|a| (a.id.clone(), a.version)));
    }
}

#[test]
fn any_log_is_in_order() {
    for seed in 1..=6_u64 {
        on_both(|store, fresh| {
            let mut random = Random(seed * 7_919);
            let follower = std::sync::Arc::new(Current::default());
            store.follow(follower.clone());
            let (mut expected, mut counters) = (HashMap::new(), [0_u64; 9]);
            for round in 0..120 {
                let mut unit = Unit::default();
                for _ in 0..1 + random.next() % 4 {
                    let record = format!("r{}", random.next() % 8);
                    let plain = match random.next() % 5 {
                        0 => delete(&record),
                        _ => put(&record, &format!("\"round\":{round}")),
                    };
                    let node = 1 + (random.next() % 8) as usize;
                    counters[node] += 1;
                    let made = Elsewhere {
                        version: name(node as u32, counters[node]),
                        base: (!random.next().is_multiple_of(3)).then_some(name(1, 1)),
                        merged: None,
                        updated: now() + (random.next() % 2_000) as i64 * MINUTE - 1_000 * MINUTE,
                        aside: random.next().is_multiple_of(3),
                    };
                    unit.writes.push(match random.next() % 4 {
                        0 => plain,
                        1 => joining(made.version, plain),
                        _ => from(made, plain),
                    });
                }
                let names: Vec<(Id, Made)> = unit.writes.iter().map(|w| (w.id.clone(), w.made)).collect();
                // A join of a record that never was refuses its unit.
                let Ok(done) = store.submit(unit) else { continue };
                for ((id, made), done) in names.into_iter().zip(done).filter(|(_, done)| done.seq > 0) {
                    let aside = matches!(made, Made::Elsewhere(made) if made.aside) && expected.contains_key(&id);
                    if !aside {
                        expected.insert(id, done.version);
                    }
                }
            }
            let what = format!("seed {seed} on {}", fresh.engine);
            for (id, version) in &expected {
                let current = store.current(&kind("Patient"), id).unwrap().unwrap();
                assert_eq!(current.version, *version, "{what}");
            }
            assert_eq!(*follower.0.lock().unwrap(), expected, "{what}");
            let report = store.check(&|_, _| ()).unwrap();
            assert_eq!((report.findings, report.repairs), (vec![], vec![]), "{what}");
            tamper(fresh, "UPDATE record SET seq = 1");
            assert!(!store.check(&|_, _| ()).unwrap().repairs.is_empty(), "{what}");
            for (id, version) in &expected {
                let current = store.current(&kind("Patient"), id).unwrap().unwrap();
                assert_eq!(current.version, *version, "{what}, put right");
            }
        });
    }
}
