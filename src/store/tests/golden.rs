//! Versions written by earlier programs, one for each dictionary, must open for ever, and so must their databases.
//!
//! `golden/versions.tsv`: kind, id, seq, record, node, counter, base node, base counter, updated,
//! operation, dictionary, hash, packed body; bytes in hexadecimal. Layout 2 adds lag, the merged version's counter and
//! node, and 1 for a version aside. Lines are added, never changed.

use crate::dictionary::BUILT_IN;
use crate::kinds::Kinds;
use crate::packing::Packer;
use crate::rows::open;

fn bytes(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn golden_versions_open() {
    let dictionaries = BUILT_IN.iter().map(|d| (d.number, d.kind.to_owned(), d.bytes.to_vec()));
    let packer = Packer::new(dictionaries.collect());
    let mut met = Vec::new();
    for line in include_str!("golden/versions.tsv").lines() {
        let f: Vec<&str> = line.split('\t').collect();
        let (mut kinds, number) = (Kinds::default(), |at: usize| f[at].parse::<i64>().ok());
        let more = |at: usize| f.get(at)?.parse::<i64>().ok();
        let number_or = |at: usize, other: i64| more(at).unwrap_or(other);
        let kind = kinds.add(&super::kind(f[0])).unwrap();
        let row = (
            number(2).unwrap(),
            number(3).unwrap(),
            number(5).unwrap(),
            number(8).unwrap(),
            number(7),
            number(4).unwrap() as i32,
            number(6).map(|n| n as i32),
            number(10).unwrap() as i32,
            kind,
            number(9).unwrap() as i16,
            f[1].to_owned(),
            bytes(f[11]),
            bytes(f[12]),
            // Layout 2 says more: lag, the merged version's counter and node, aside.
            number_or(13, 0),
            more(14),
            more(15).map(|n| n as i32),
            number_or(16, 0) as i16,
        );
        let version = open(row, &kinds, &packer).unwrap_or_else(|trouble| panic!("{line}: {trouble}"));
        assert!(fhir::body::parts(&version.body).is_some(), "{line}");
        met.push(number(10).unwrap() as i32);
    }
    assert!(
        BUILT_IN.iter().all(|d| met.contains(&d.number)),
        "every dictionary has a line: {met:?}"
    );
}

#[test]
fn a_database_of_layout_1_is_brought_up() {
    super::on_both(|store, fresh| {
        super::submit(store, super::put("a", "\"a\":1")).unwrap();
        super::submit(store, super::put("a", "\"a\":2")).unwrap();
        let before = store.log(0, 9).unwrap();
        store.close();
        let mut undo = "DROP INDEX version_aside; DROP TABLE note; DELETE FROM migration WHERE number = 2;".to_owned();
        for column in ["lag", "merged_counter", "merged_node", "aside"] {
            undo += &format!("ALTER TABLE version DROP COLUMN {column};");
        }
        super::tamper(fresh, &undo);
        let store = crate::Store::open(fresh.settings()).unwrap();
        assert_eq!(store.log(0, 9).unwrap(), before, "{}", fresh.engine);
        super::submit(&store, super::put("a", "\"a\":3")).unwrap();
        assert_eq!(store.check(&|_, _| ()).unwrap().findings, Vec::<String>::new());
        store.close();
    });
}
