//! Versions written by earlier programs, one for each dictionary, must open for ever.
//!
//! `golden/versions.tsv`: kind, id, seq, record, node, counter, base node, base counter, updated,
//! operation, dictionary, hash, packed body; bytes in hexadecimal. Lines are added, never changed.

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
