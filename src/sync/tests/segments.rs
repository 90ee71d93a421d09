//! Segments come back to the byte, damaged ones are told, and those of every format ever shipped stay readable.

use fhir::identity::{Id, Kind};
use query::sample::Random;
use store::Operation;

use super::name;
use crate::change::Change;
use crate::segment::{self, DICTIONARY, Unreadable, pack, unpack};

/// A stored body of two parts.
fn body(meta: &str, rest: &str) -> Vec<u8> {
    let mut body = (meta.len() as u32).to_le_bytes().to_vec();
    body.extend_from_slice(meta.as_bytes());
    body.extend_from_slice(rest.as_bytes());
    body
}

fn change(kind: &str, id: &str, counter: u64, body: Vec<u8>) -> Change {
    Change {
        kind: Kind::new(kind).expect("a kind"),
        id: Id::new(id).expect("an id"),
        version: name(17, counter),
        base: (counter > 1).then(|| name(0, counter - 1)),
        merged: (counter > 2).then(|| name(3, 7)),
        updated: 1_764_120_000_000_000 - counter as i64,
        operation: match body.is_empty() {
            true => Operation::Delete,
            false if counter > 1 => Operation::Update,
            false => Operation::Create,
        },
        body,
    }
}

/// What the golden segment holds.
fn shipped() -> Vec<Change> {
    vec![
        change(
            "Patient",
            "17-k3f9a-1",
            1,
            body("", r#""name":[{"text":"Sonam Dorji"}]"#),
        ),
        change(
            "Observation",
            "17-k3f9a-2",
            2,
            body(
                r#""profile":["http://a/b"]"#,
                r#""valueQuantity":{"value":37.0},"note":"\u000a0007""#,
            ),
        ),
        change("bt.Permit", "x.0-00-1.", 3, body("", "")),
        change("Patient", "17-k3f9a-1", 4, Vec::new()),
    ]
}

#[test]
fn segments_of_every_format_stay_readable() {
    let golden: &[(&str, &[u8])] = &[
        ("1, without a dictionary", include_bytes!("golden/segment-1-0.bin")),
        ("1, dictionary 1", include_bytes!("golden/segment-1-1.bin")),
    ];
    for (what, bytes) in golden {
        assert_eq!(unpack(bytes).as_deref(), Ok(&shipped()[..]), "{what}");
    }
    assert_eq!(
        pack(&shipped(), 1),
        pack(&shipped(), 1),
        "the same bytes for the same changes"
    );
}

#[test]
fn random_changes_come_back_to_the_byte() {
    let mut random = Random::new(7);
    for _ in 0..300 {
        let changes: Vec<Change> = (1..=random.below(30))
            .map(|counter| random_change(&mut random, counter as u64))
            .collect();
        let dictionary = random.below(usize::from(DICTIONARY) + 3) as u8;
        let packed = pack(&changes, dictionary).expect("packed");
        assert_eq!(unpack(&packed), Ok(changes));
    }
}

fn random_change(random: &mut Random, counter: u64) -> Change {
    let kind = random.pick(&["Patient", "Observation", "bt.Permit"]);
    let id = random.pick(&["17-k3f9a-12", "0-7", "a", "00012"]);
    let meta = random.pick(&["", r#""tag":[]"#]);
    let rest = random.pick(&[
        "",
        r#""a":1.10"#,
        r#""text":"བཀྲ་ཤིས 007""#,
        r#""n":123456789012345678901234567890e-5"#,
    ]);
    let gone = random.below(5) == 0;
    change(kind, id, counter, if gone { Vec::new() } else { body(meta, rest) })
}

#[test]
fn what_is_no_segment_is_told() {
    let packed = pack(&shipped(), DICTIONARY).expect("packed");
    let newer = |place: usize| {
        let mut other = packed.clone();
        other[place] = 200;
        other
    };
    let table: [(&str, Vec<u8>, Unreadable); 5] = [
        ("nothing", Vec::new(), Unreadable::Damaged),
        ("no frame", packed[..2].to_vec(), Unreadable::Damaged),
        ("cut", packed[..packed.len() - 1].to_vec(), Unreadable::Damaged),
        ("another format", newer(0), Unreadable::Newer),
        ("another dictionary", newer(1), Unreadable::Newer),
    ];
    for (what, bytes, why) in table {
        assert_eq!(unpack(&bytes), Err(why), "{what}");
    }
    for place in 2..packed.len() {
        for bit in 0..8 {
            let mut other = packed.clone();
            other[place] ^= 1 << bit;
            assert_ne!(segment::hash(&other), segment::hash(&packed));
            // Bounded whatever it says, and never a panic.
            let _judged = unpack(&other);
        }
    }
}

#[test]
fn a_record_larger_than_a_segment_goes_alone() {
    let large = |counter| {
        change(
            "Binary",
            "b",
            counter,
            body("", &format!("\"data\":\"{}\"", "A".repeat(12 << 20))),
        )
    };
    let small = |counter| change("Patient", "p", counter, body("", "\"active\":true"));
    let table = [
        (vec![], 0),
        (vec![small(1), small(2)], 2),
        (vec![small(1), large(2), small(3), large(4)], 3),
        (vec![large(1), large(2)], 1),
        (
            vec![change("Binary", "b", 1, vec![0; segment::BYTES_MAX + 1]), small(2)],
            1,
        ),
    ];
    for (changes, count) in table {
        assert_eq!(segment::fitting(&changes), count);
    }
    let many: Vec<Change> = (1..=segment::CHANGES_MAX as u64 + 1).map(small).collect();
    assert_eq!(segment::fitting(&many), segment::CHANGES_MAX);
}

#[test]
fn a_body_that_json_could_not_be_is_refused() {
    for bad in [vec![1, 2], body("", "a\tb"), body("a\nb", ""), body("", "\0")] {
        let changes = [change("Patient", "p", 1, bad)];
        assert!(pack(&changes, DICTIONARY).is_err());
    }
}
