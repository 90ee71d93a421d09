//! The store under test, every test on both engines.

mod checking;
mod elsewhere;
mod golden;
mod killing;
mod reading;
mod running;
mod writing;

use fhir::identity::{Id, Kind};

use crate::testing::Fresh;
use crate::{Claim, Done, Expect, Operation, Place, Refused, Store, Unit, Version, Write};

/// Runs a test on a fresh store of each engine.
fn on_both(test: impl Fn(&Store, &Fresh)) {
    for fresh in Fresh::both() {
        let store = Store::open(fresh.settings()).unwrap();
        test(&store, &fresh);
        store.close();
    }
}

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// A stored body without a meta part.
fn body(text: &str) -> Vec<u8> {
    [&[0; 4], text.as_bytes()].concat()
}

fn write(operation: Operation, name: &str, text: &str) -> Write {
    let bytes = if text.is_empty() { Vec::new() } else { body(text) };
    Write::new(kind("Patient"), id(name), operation, bytes)
}

fn put(name: &str, text: &str) -> Write {
    write(Operation::Update, name, text)
}

fn delete(name: &str) -> Write {
    write(Operation::Delete, name, "")
}

fn expecting(expect: Expect, write: Write) -> Write {
    Write { expect, ..write }
}

fn claiming(claims: &[&str], write: Write) -> Write {
    let claim = |value: &&str| Claim {
        scope: "national-number".to_owned(),
        value: (*value).to_owned(),
    };
    Write {
        claims: claims.iter().map(claim).collect(),
        ..write
    }
}

fn submit(store: &Store, write: Write) -> Result<Done, Refused> {
    store.submit(Unit::one(write)).map(|done| done[0])
}

fn current(store: &Store, name: &str) -> Option<Version> {
    store.current(&kind("Patient"), &id(name)).unwrap()
}

fn seqs(versions: &[Version]) -> Vec<u64> {
    versions.iter().map(|v| v.seq).collect()
}

/// Changes the database behind the store's back.
fn tamper(fresh: &Fresh, sql: &str) {
    fresh.tamper(sql);
}

/// Numbers without a pattern, the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Bytes that no compression shrinks.
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 32) as u8).collect()
    }
}
