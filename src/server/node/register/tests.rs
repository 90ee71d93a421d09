//! The register: who is invited, who may enrol, who is turned away.

use std::sync::Arc;

use super::*;

/// Gewogs to which a node is moved.
fn to(gewogs: &[&str]) -> Moved {
    Moved {
        gewogs: Some(gewogs.iter().map(|code| (*code).to_owned()).collect()),
        ..Moved::default()
    }
}

/// Notes that forget when they are dropped.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Notes for Memory {
    fn all(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let held = self.0.lock().unwrap();
        let found = held.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn put(&self, notes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), String> {
        let mut held = self.0.lock().unwrap();
        for (key, value) in notes {
            match value {
                Some(value) => held.insert(key, value),
                None => held.remove(&key),
            };
        }
        Ok(())
    }
}

const NOW: i64 = 1_764_000_000_000_000;

fn clinic(name: &str) -> Guest {
    Guest::New(
        name.to_owned(),
        Horizon::read(&["0501".to_owned()], "5y", None).unwrap(),
    )
}

fn open(notes: &Memory) -> Register {
    Register::open(Box::new(notes.clone())).unwrap()
}

/// What enrolling comes to: the node's number, or how the refusal begins.
fn outcome(enrolled: Result<Node, Turned>) -> Result<u32, String> {
    enrolled.map(|node| node.number).map_err(|turned| match turned {
        Turned::Away(text) | Turned::Trouble(text) => text,
        Turned::Guess => "guess".to_owned(),
    })
}

#[test]
fn a_code_works_once_until_it_ends() {
    let notes = Memory::default();
    let register = open(&notes);
    let (code, invitation) = register.invite(clinic("Gasa BHU-I"), &[1; 32], NOW).unwrap();
    let (late, _) = register.invite(clinic("Laya"), &[1; 32], NOW).unwrap();
    let stored = format!("{:?}", notes.0.lock().unwrap());
    assert!(!stored.contains(&code.to_string()) && stored.contains(&code.hashed()));
    let end = invitation.until;
    let table = [
        ("guessed", "00".to_owned(), 1, NOW, Err("guess")),
        ("in time", code.hashed(), 1, end, Ok(1)),
        ("again, the answer was lost", code.hashed(), 1, end + 1, Ok(1)),
        (
            "used by another",
            code.hashed(),
            2,
            NOW,
            Err("The code was used already"),
        ),
        ("ended", late.hashed(), 2, end + 1, Err("The code ended on 2025-12-01T")),
        (
            "a node already",
            late.hashed(),
            1,
            NOW,
            Err("This machine is a node already"),
        ),
        ("the next", late.hashed(), 2, NOW, Ok(2)),
    ];
    for (what, hash, key, now, expected) in table {
        match (outcome(register.enrol(&hash, &[key; 32], now)), expected) {
            (Ok(got), Ok(number)) => assert_eq!(got, number, "{what}"),
            (Err(said), Err(expected)) => assert!(said.starts_with(expected), "{what}: {said}"),
            (got, _) => panic!("{what}: {got:?}"),
        }
    }
    assert_eq!(open(&notes).nodes(), register.nodes());
    register.invite(clinic("Lunana"), &[1; 32], end + 1).unwrap();
    assert_eq!(
        notes.all(INVITATION).unwrap().len(),
        1,
        "those that have ended are forgotten"
    );
}

#[test]
fn a_machine_is_replaced_under_a_new_number() {
    let notes = Memory::default();
    let register = open(&notes);
    let join = |guest: Guest, key: u8| {
        let (code, _) = register.invite(guest, &[1; 32], NOW).unwrap();
        register.enrol(&code.hashed(), &[key; 32], NOW).unwrap()
    };
    let first = join(clinic("Gasa BHU-I"), 1);
    let moved = register.move_to(first.number, to(&["BT0502"])).unwrap();
    let (late, _) = register.invite(Guest::Replacing(1), &[1; 32], NOW).unwrap();
    let second = join(Guest::Replacing(1), 2);
    let said = outcome(register.enrol(&late.hashed(), &[4; 32], NOW)).unwrap_err();
    assert!(said.starts_with("Node 2 is in the place of node 1 already"), "{said}");
    assert_eq!(
        (second.number, second.replaces, &second.horizon),
        (2, Some(1), &moved.horizon)
    );
    assert_eq!(second.name, "Gasa BHU-I");
    let said = outcome(register.contact(&[1; 32], NOW)).unwrap_err();
    assert!(
        said.starts_with("Node 1 was retired on") && said.contains("replaced by node 2"),
        "{said}"
    );
    assert_eq!(outcome(register.contact(&[2; 32], NOW)), Ok(2));
    assert!(
        outcome(register.contact(&[3; 32], NOW))
            .unwrap_err()
            .contains("does not know the machine")
    );
    let refused = [
        register.retire(1, "again", NOW).unwrap_err(),
        register.move_to(1, Moved::default()).unwrap_err(),
    ];
    assert!(
        refused.iter().all(|said| said.starts_with("Node 1 was retired on")),
        "{refused:?}"
    );
    let again = register.invite(Guest::Replacing(1), &[1; 32], NOW).unwrap_err();
    assert!(again.starts_with("Node 2 is in the place of node 1 already"), "{again}");
    for (number, reason, expected) in [
        (9, "gone", "There is no node 9"),
        (2, " ", "The reason is one line"),
        (2, "a\nb", "one line"),
    ] {
        assert!(register.retire(number, reason, NOW).unwrap_err().contains(expected));
    }
    assert!(register.invite(clinic("two\nlines"), &[1; 32], NOW).is_err());
    register.retire(2, "stolen", NOW).unwrap();
    let third = join(Guest::Replacing(2), 3);
    assert_eq!(
        (third.number, third.replaces, third.name.as_str()),
        (3, Some(2), "Gasa BHU-I")
    );
    assert_eq!(register.nodes()[1].retired, Some((NOW, "stolen".to_owned())));
    assert_eq!(open(&notes).nodes(), register.nodes());
}

#[test]
fn a_machine_that_went_on_from_an_old_copy_has_another_number() {
    let notes = Memory::default();
    let register = open(&notes);
    let (code, _) = register.invite(clinic("Gasa BHU-I"), &[1; 32], NOW).unwrap();
    register.enrol(&code.hashed(), &[1; 32], NOW).unwrap();
    let next = register.renumber(1, NOW).unwrap();
    assert_eq!(
        (next.number, next.replaces, next.name.as_str()),
        (2, Some(1), "Gasa BHU-I")
    );
    assert_eq!(outcome(register.contact(&[1; 32], NOW)), Ok(2));
    let old = &register.nodes()[0].retired;
    assert!(
        old.as_ref().is_some_and(|(_, why)| why.ends_with("as node 2")),
        "{old:?}"
    );
    assert!(register.renumber(1, NOW).unwrap_err().starts_with("Node 1 was retired"));
    assert_eq!(open(&notes).nodes(), register.nodes());
}

#[test]
fn a_contact_is_written_down_once_a_minute() {
    let notes = Memory::default();
    let register = open(&notes);
    let (code, _) = register.invite(clinic("Gasa BHU-I"), &[1; 32], NOW).unwrap();
    register.enrol(&code.hashed(), &[1; 32], NOW).unwrap();
    for (later, expected) in [(0, 0), (59_999_999, 0), (60_000_000, 60_000_000), (1, 1)] {
        register.contact(&[1; 32], NOW + later).unwrap();
        assert_eq!(open(&notes).nodes()[0].contact, Some(NOW + expected));
    }
}

#[test]
fn a_lease_ends_without_contact_and_is_renewed_by_a_person_alone() {
    const DAY: i64 = 86_400_000_000;
    let register = open(&Memory::default()).leasing(30);
    let (code, _) = register.invite(clinic("Laya"), &[0; 32], 0).unwrap();
    register.enrol(&code.hashed(), b"key", 0).unwrap();
    let contact = |day: i64| register.contact(b"key", day * DAY);
    let refused = |day: i64| match contact(day) {
        Err(Turned::Away(why)) => why,
        other => panic!("day {day}: {other:?}"),
    };
    assert!(
        contact(29).is_ok() && contact(59).is_ok(),
        "each contact makes it longer"
    );
    let why = refused(90);
    assert!(
        why.contains("its lease ended on 1970-03-31") && why.contains("epis node renew 1"),
        "{why}"
    );
    refused(91);
    let node = register.renew(1, 92 * DAY).unwrap();
    assert_eq!(register.until(&node), Some(122 * DAY));
    assert!(contact(121).is_ok());
    // What is heard by stick counts from when it was written.
    register.heard(1, 140 * DAY).unwrap();
    register.heard(1, 130 * DAY).unwrap();
    assert!(contact(170).is_ok());
    refused(201);
    assert!(register.renew(2, 0).unwrap_err().contains("There is no node 2"));
    assert_eq!(open(&Memory::default()).leasing(0).until(&node), None);
}
