//! What is read back: versions, the log, histories and their pages.

use fhir::identity::VersionId;
use fhir::moment::{BEGINNING, END, Stretch};

use super::*;
use crate::{HistoryRange, Scope};

#[test]
fn versions_come_back_as_they_were_written() {
    on_both(|store, fresh| {
        let mut random = Random(42);
        let bodies = [
            body(""),
            body("\"a\":1"),
            body(&"\"name\":[{\"family\":\"Dorji\"}],".repeat(500)),
            random.bytes(100_000),
        ];
        for name in ["Patient", "Observation", "timber.Permit"] {
            for (number, body) in bodies.iter().enumerate() {
                let write = Write::new(kind(name), id(&number.to_string()), Operation::Create, body.clone());
                let done = submit(store, write).unwrap();
                let read = store.current(&kind(name), &id(&number.to_string())).unwrap().unwrap();
                let same = (read.seq, read.record, read.version, read.updated)
                    == (done.seq, done.record, done.version, done.updated);
                assert!(same && read.body == *body, "{} {name} {number}", fresh.engine);
                let named = store
                    .version(&kind(name), &id(&number.to_string()), done.version)
                    .unwrap();
                assert_eq!(named, Some(read.clone()));
                assert_eq!(store.by_seq(&[done.seq]).unwrap(), [read]);
            }
        }
        let names: Vec<String> = store.kinds().iter().map(Kind::to_string).collect();
        assert_eq!(names, ["Patient", "Observation", "timber.Permit"]);
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    on_both(|store, _| {
        submit(store, put("a", "\"a\":1")).unwrap();
        let far = VersionId {
            node: u32::MAX,
            counter: u64::MAX,
        };
        assert_eq!(store.current(&kind("Patient"), &id("A")).unwrap(), None);
        assert_eq!(store.current(&kind("Nothing"), &id("a")).unwrap(), None);
        assert_eq!(store.version(&kind("Patient"), &id("a"), far).unwrap(), None);
        assert_eq!(store.by_seq(&[0, 2, u64::MAX]).unwrap(), []);
        assert_eq!(store.log(1, 10).unwrap(), []);
        assert_eq!(store.log(u64::MAX, 10).unwrap(), []);
        let nobody = Scope::Record(kind("Patient"), id("b"));
        assert_eq!(store.history(&nobody, &HistoryRange::newest(9)).unwrap(), []);
        assert_eq!(
            store.history_count(&Scope::Kind(kind("Nothing")), &HistoryRange::newest(9)),
            Ok(0)
        );
    });
}

#[test]
fn a_record_keeps_its_number() {
    on_both(|store, _| {
        let (patient, a) = (kind("Patient"), id("a"));
        assert_eq!(store.number(&patient, &a).unwrap(), None, "nothing was written yet");
        let number = submit(store, put("a", "\"a\":1")).unwrap().record;
        submit(store, put("b", "\"a\":1")).unwrap();
        assert_eq!(store.number_at_hand(&patient, &a), None, "nobody asked yet");
        for next in [delete("a"), put("a", "\"a\":2"), put("a", "\"a\":3")] {
            assert_eq!(store.number(&patient, &a).unwrap(), Some(number));
            assert_eq!(store.number_at_hand(&patient, &a), Some(number));
            assert_eq!(submit(store, next).unwrap().record, number);
        }
        assert_eq!(store.number(&patient, &id("A")).unwrap(), None);
        assert_eq!(store.number(&kind("Nothing"), &a).unwrap(), None);
    });
}

#[test]
fn places_are_answered_in_the_order_asked() {
    on_both(|store, _| {
        let writes = (0..1500).map(|n| put(&n.to_string(), "\"a\":1")).collect();
        store.submit(Unit::of(writes)).unwrap();
        let asked: Vec<u64> = (1..=1500).rev().chain([7, 7]).collect();
        assert_eq!(seqs(&store.by_seq(&asked).unwrap()), asked);
        assert_eq!(seqs(&store.log(1490, 100).unwrap()), (1491..=1500).collect::<Vec<_>>());
        assert_eq!(seqs(&store.log(3, 4).unwrap()), [4, 5, 6, 7]);
    });
}

/// Seven versions: 1 a, 2 b, 3 a, 4 b deleted, 5 c (another kind), 6 a, 7 b again.
fn seven(store: &Store) -> Vec<i64> {
    let other = Write::new(kind("Observation"), id("a"), Operation::Create, body("\"c\":1"));
    let writes = [
        put("a", "\"a\":1"),
        put("b", "\"b\":1"),
        put("a", "\"a\":2"),
        delete("b"),
        other,
        put("a", "\"a\":3"),
        put("b", "\"b\":2"),
    ];
    let moments = writes.map(|write| submit(store, write).unwrap().updated);
    [&[0], &moments[..]].concat()
}

#[test]
fn histories_are_newest_first_and_bounded() {
    on_both(|store, fresh| {
        let t = seven(store);
        let record = || Scope::Record(kind("Patient"), id("a"));
        let patients = || Scope::Kind(kind("Patient"));
        let at = |start, end| Some(Stretch { start, end });
        // scope, before, since, at, expected
        let table = [
            (record(), None, None, None, vec![6, 3, 1]),
            (patients(), None, None, None, vec![7, 6, 4, 3, 2, 1]),
            (Scope::All, None, None, None, vec![7, 6, 5, 4, 3, 2, 1]),
            (Scope::All, Some(4), None, None, vec![3, 2, 1]),
            (Scope::All, Some(0), None, None, vec![]),
            (record(), Some(6), None, None, vec![3, 1]),
            (Scope::All, None, Some(t[5]), None, vec![7, 6, 5]),
            (record(), None, Some(t[3]), None, vec![6, 3]),
            (record(), None, Some(t[3] + 1), None, vec![6]),
            (Scope::All, None, Some(END), None, vec![]),
            (Scope::All, None, Some(BEGINNING), None, vec![7, 6, 5, 4, 3, 2, 1]),
            (Scope::All, None, None, at(BEGINNING, END), vec![7, 6, 5, 4, 3, 2, 1]),
            (record(), None, None, at(t[3], t[3] + 1), vec![3]),
            (record(), None, None, at(t[3] - 1, t[3]), vec![1]),
            (record(), None, None, at(t[3] - 1, t[3] + 1), vec![3, 1]),
            (patients(), None, None, at(t[5], t[6]), vec![4, 3]),
            (patients(), None, None, at(BEGINNING, t[1]), vec![]),
            (Scope::All, None, None, at(t[7], END), vec![7, 6, 5]),
            (Scope::All, None, Some(t[6]), at(t[7], END), vec![7, 6]),
        ];
        for (row, (scope, before, since, at, expected)) in table.iter().enumerate() {
            let range = HistoryRange {
                before: *before,
                since: *since,
                at: *at,
                current_only: false,
                limit: 100,
            };
            let history = store.history(scope, &range).unwrap();
            assert_eq!(seqs(&history), *expected, "row {row} on {}", fresh.engine);
            let count = store.history_count(scope, &range).unwrap();
            assert_eq!(count, expected.len() as u64, "row {row} on {}", fresh.engine);
        }
    });
}

#[test]
fn pages_of_a_history_miss_nothing_while_others_write() {
    on_both(|store, _| {
        for number in 0..50 {
            submit(store, put("a", &format!("\"a\":{number}"))).unwrap();
        }
        let scope = Scope::Record(kind("Patient"), id("a"));
        let (mut range, mut met) = (HistoryRange::newest(7), Vec::new());
        loop {
            let page = store.history(&scope, &range).unwrap();
            let Some(last) = page.last() else { break };
            range.before = Some(last.seq);
            met.extend(seqs(&page));
            submit(store, put("a", "\"a\":\"more\"")).unwrap();
        }
        assert_eq!(met, (1..=50).rev().collect::<Vec<_>>());
    });
}

#[test]
fn records_of_a_kind_are_read_as_of_one_moment() {
    on_both(|store, fresh| {
        seven(store);
        let patient = kind("Patient");
        // at, limit, after, expected versions, last id
        let table = [
            (7, 9, None, vec![6, 7], Some("b")),
            (7, 1, None, vec![6], Some("a")),
            (7, 1, Some("a"), vec![7], Some("b")),
            (7, 1, Some("b"), vec![], None),
            (6, 9, None, vec![6], Some("b")),
            (3, 9, None, vec![3, 2], Some("b")),
            (1, 9, None, vec![1], Some("b")),
            (0, 9, None, vec![], Some("b")),
        ];
        for (row, (at, limit, after, expected, last)) in table.into_iter().enumerate() {
            let after = after.map(id);
            let (versions, reached) = store.records_of(&patient, after.as_ref(), at, limit).unwrap();
            assert_eq!(seqs(&versions), expected, "row {row} on {}", fresh.engine);
            assert_eq!(reached, last.map(id), "row {row} on {}", fresh.engine);
        }
        assert_eq!(store.records_of(&kind("Nothing"), None, 7, 9), Ok((Vec::new(), None)));
    });
}
