//! What a check finds, and what it puts right.

use super::*;

#[test]
fn a_whole_log_has_no_findings() {
    on_both(|store, fresh| {
        for number in 0..30 {
            submit(store, put(&(number % 7).to_string(), &format!("\"a\":{number}"))).unwrap();
        }
        submit(store, delete("3")).unwrap();
        let steps = std::cell::RefCell::new(Vec::new());
        let report = store.check(&|done, all| steps.borrow_mut().push((done, all))).unwrap();
        assert_eq!((report.versions, report.records), (31, 7), "{}", fresh.engine);
        assert_eq!((report.findings, report.repairs), (vec![], vec![]), "{}", fresh.engine);
        assert_eq!(steps.into_inner(), [(31, 31)]);
    });
}

#[test]
fn damage_is_found() {
    // what is done, how many findings, a word in the first, repairs
    let table = [
        ("UPDATE version SET operation = 1 WHERE seq = 3", 1, "hash", 0),
        ("UPDATE version SET updated = updated + 1 WHERE seq = 3", 1, "hash", 0),
        ("UPDATE version SET counter = 77 WHERE seq = 3", 1, "hash", 0),
        ("UPDATE version SET body = hash WHERE seq = 3", 1, "damaged", 0),
        (
            "UPDATE version SET dictionary = 99 WHERE seq = 3",
            1,
            "dictionary 99",
            0,
        ),
        ("UPDATE record SET id = 'x' WHERE number = 3", 1, "has no version", 1),
        ("DELETE FROM version WHERE seq = 4", 1, "missing", 1),
        ("DELETE FROM record WHERE number = 3", 0, "", 1),
        ("UPDATE record SET number = 9 WHERE number = 3", 2, "calls it 9", 0),
        ("UPDATE version SET id = 'x' WHERE seq = 3", 2, "hash", 1),
        ("UPDATE record SET seq = 1 WHERE number = 1", 0, "", 1),
        ("UPDATE head SET seq = 3", 1, "head row", 0),
        ("UPDATE claim SET record = 3", 1, "claimed by record 3", 0),
    ];
    for (sql, findings, word, repairs) in table {
        on_both(|store, fresh| {
            submit(store, claiming(&["1"], put("a", "\"a\":1"))).unwrap();
            submit(store, put("b", "\"b\":1")).unwrap();
            submit(store, put("c", "\"c\":1")).unwrap();
            submit(store, claiming(&["1"], put("a", "\"a\":2"))).unwrap();
            if word.contains("claimed") {
                submit(store, delete("c")).unwrap();
            }
            tamper(fresh, sql);
            let report = store.check(&|_, _| ()).unwrap();
            let what = format!("{} {sql}: {report:?}", fresh.engine);
            assert_eq!(
                (report.findings.len(), report.repairs.len()),
                (findings, repairs),
                "{what}"
            );
            assert!(report.findings.first().is_none_or(|f| f.contains(word)), "{what}");
            let again = store.check(&|_, _| ()).unwrap();
            assert_eq!((again.findings.len(), again.repairs.len()), (findings, 0), "{what}");
        });
    }
}

/// What a disk has made of a version comes back from a copy, and nothing else does.
#[test]
fn a_damaged_version_is_mended_from_a_copy() {
    let table = [
        ("UPDATE version SET body = hash WHERE seq = 1", true),
        (
            "UPDATE version SET operation = 1, updated = updated + 1 WHERE seq = 1",
            true,
        ),
        ("UPDATE version SET dictionary = 99 WHERE seq = 1", true),
        ("UPDATE version SET hash = body WHERE seq = 1", false),
    ];
    for (sql, comes_back) in table {
        on_both(|store, fresh| {
            submit(store, put("a", "\"a\":1")).unwrap();
            submit(store, put("b", "\"b\":1")).unwrap();
            let copy = store.current(&kind("Patient"), &id("a")).unwrap().unwrap();
            let name = store.name_of(&kind("Patient"), &id("a")).unwrap();
            assert_eq!(name, Some((copy.version, true)));
            tamper(fresh, sql);
            assert!(store.current(&kind("Patient"), &id("a")).is_err(), "{sql}");
            assert_eq!(store.name_of(&kind("Patient"), &id("a")).unwrap(), name, "{sql}");
            assert_eq!(
                store.place_at(&kind("Patient"), &id("a"), copy.version).unwrap(),
                Some(1)
            );
            let other = Version {
                body: body("\"a\":2"),
                ..copy.clone()
            };
            store.mend(vec![other]).unwrap();
            assert!(
                store.current(&kind("Patient"), &id("a")).is_err(),
                "{sql}: what was never written"
            );
            store.mend(vec![copy.clone()]).unwrap();
            let found = store.current(&kind("Patient"), &id("a")).ok().flatten();
            assert_eq!(found, comes_back.then_some(copy), "{} {sql}", fresh.engine);
            submit(store, put("a", "\"a\":3")).unwrap();
        });
    }
}

#[test]
fn a_damaged_body_is_not_handed_out() {
    on_both(|store, fresh| {
        submit(store, put("a", "\"a\":1")).unwrap();
        submit(store, put("b", "\"b\":1")).unwrap();
        let swap = "UPDATE version SET body = (SELECT body FROM version o WHERE o.seq = 2) WHERE seq = 1";
        tamper(fresh, swap);
        let trouble = store.current(&kind("Patient"), &id("a")).unwrap_err();
        assert!(trouble.sentence().contains("Version 1"), "{trouble}");
        assert!(store.log(0, 10).is_err() && store.log(1, 10).is_ok());
    });
}
