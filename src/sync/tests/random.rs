//! Random sites that write apart and are joined anyhow: all end alike, and nothing that was said is lost without a word.

use fhir::identity::VersionId;
use fhir::tree::Tree;
use query::sample::Random;

use super::{DEFINITIONS, name, state_of, text, tree};
use crate::element::Elements;
use crate::history::{History, Version};
use crate::merge::State;
use crate::rules::Rules;

/// A small random record of a kind.
fn record(random: &mut Random, kind: &str) -> Tree {
    let text = match kind {
        "Patient" => {
            let mut phones: Vec<String> = Vec::new();
            for n in 1..4 {
                let uses = random.pick(&["", "home", "work", "mobile"]);
                if !uses.is_empty() {
                    phones.push(format!(r#"{{"system":"phone","value":"{n}","use":"{uses}"}}"#));
                }
            }
            let names = random.pick(&["Pema", "Dorji", "Sonam"]);
            let gender = random.pick(&["male", "female"]);
            let phones = match phones.is_empty() {
                true => String::new(),
                false => format!(r#","telecom":[{}]"#, phones.join(",")),
            };
            // A name without a use stands now and then beside another one, and a number beside another of its system.
            let other = random.pick(&["", "", r#",{"text":"Pem"}"#, r#",{"text":"Pem"},{"text":"Dor"}"#]);
            let number = random.pick(&["", "1", "2"]);
            let numbers = match number.is_empty() {
                true => String::new(),
                false => format!(r#","identifier":[{{"system":"urn:cid","value":"{number}"}}]"#),
            };
            let choice = random.pick(&["", r#","deceasedBoolean":true"#, r#","deceasedDateTime":"2026""#]);
            format!(
                r#"{{"resourceType":"Patient","name":[{{"use":"official","text":"{names}"}}{other}],"gender":"{gender}"{phones}{numbers}{choice}}}"#
            )
        }
        "MedicationRequest" => format!(
            r#"{{"resourceType":"MedicationRequest","status":"{}","note":[{{"text":"{}"}}]}}"#,
            random.pick(&["draft", "active", "on-hold", "cancelled", "completed"]),
            random.pick(&["a", "b", "c"])
        ),
        _ => format!(
            r#"{{"resourceType":"Observation","status":"{}","valueInteger":{}}}"#,
            random.pick(&["preliminary", "final", "amended"]),
            random.below(3)
        ),
    };
    tree(&text)
}

/// Sites that write apart, now and then through a join; returns all versions.
fn written(random: &mut Random) -> Vec<Version> {
    let kind = random.pick(&["Patient", "MedicationRequest", "Observation"]);
    let first = Version {
        name: name(0, 1),
        parents: Vec::new(),
        clock: 1,
        body: Some(record(random, kind)),
    };
    let mut versions = vec![first];
    let mut counters = [1_u64, 0, 0, 0];
    for clock in 2..3 + random.below(9) as i64 {
        let node = random.below(4);
        counters[node] += 1;
        let own = name(node as u32, counters[node]);
        let next = match random.below(4) {
            0 => join(&versions, random),
            _ => {
                let base = &versions[random.below(versions.len())];
                let body = match random.below(8) {
                    0 => None,
                    _ => Some(changed(random, kind, base.body.as_ref())),
                };
                Some((vec![base.name], body))
            }
        };
        match next {
            Some((parents, body)) => versions.push(Version {
                name: own,
                parents,
                // Clocks may be wrong: they have no part in what is kept.
                clock: if random.below(5) == 0 { 0 } else { clock },
                body,
            }),
            None => counters[node] -= 1,
        }
    }
    versions
}

/// A record with one or two of its members as another record has them.
fn changed(random: &mut Random, kind: &str, base: Option<&Tree>) -> Tree {
    let fresh = record(random, kind);
    let (Some(Tree::Object(base)), Tree::Object(other)) = (base, &fresh) else {
        return fresh;
    };
    let taken = other[random.below(other.len())].clone();
    let mut made: Vec<(String, Tree)> = base.iter().filter(|(name, _)| *name != taken.0).cloned().collect();
    let choice = |name: &str| name.starts_with("deceased");
    made.retain(|(name, _)| !(choice(name) && choice(&taken.0)));
    made.push(taken);
    Tree::Object(made)
}

/// A join of some versions that did not know of each other.
fn join(versions: &[Version], random: &mut Random) -> Option<(Vec<VersionId>, Option<Tree>)> {
    let (one, other) = (
        &versions[random.below(versions.len())],
        &versions[random.below(versions.len())],
    );
    let history = History::new(versions.iter().cloned()).expect("a history");
    let places = (history.place(one.name)?, history.place(other.name)?);
    if !history.apart(places.0, places.1) {
        return None;
    }
    let state = state_of(up_to(versions, &[one.name, other.name]));
    Some((vec![one.name, other.name], state.record))
}

/// The versions that some are based on, and these.
fn up_to(versions: &[Version], heads: &[VersionId]) -> Vec<Version> {
    let mut wanted = heads.to_vec();
    let mut found: Vec<Version> = Vec::new();
    while let Some(next) = wanted.pop() {
        if found.iter().any(|known| known.name == next) {
            continue;
        }
        let version = versions
            .iter()
            .find(|version| version.name == next)
            .expect("it is there")
            .clone();
        wanted.extend(&version.parents);
        found.push(version);
    }
    found
}

fn alike(one: &State, other: &State, what: &str) {
    assert_eq!(text(&one.record), text(&other.record), "{what}");
    assert_eq!(one.conflicts, other.conflicts, "{what}");
}

#[test]
fn all_orders_and_all_joins_end_alike() {
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let mut versions = written(&mut random);
        let ended = state_of(versions.clone());
        for _ in 0..3 {
            let (a, b) = (random.below(versions.len()), random.below(versions.len()));
            versions.swap(a, b);
            alike(
                &state_of(versions.clone()),
                &ended,
                &format!("seed {seed}, another order"),
            );
        }
        joined_anyhow(&mut random, &mut versions, 90);
        alike(&state_of(versions), &ended, &format!("seed {seed}, joined"));
    }
}

/// Joins two heads after another until there is one.
fn joined_anyhow(random: &mut Random, versions: &mut Vec<Version>, node: u32) {
    for counter in 1.. {
        let history = History::new(versions.iter().cloned()).expect("a history");
        let mut heads: Vec<VersionId> = history.heads().iter().map(|head| head.name).collect();
        if heads.len() < 2 {
            return;
        }
        let one = heads.swap_remove(random.below(heads.len()));
        let other = heads.swap_remove(random.below(heads.len()));
        let body = state_of(up_to(versions, &[one, other])).record;
        versions.push(Version {
            name: name(node, counter),
            parents: vec![one, other],
            clock: 1_000 + counter as i64,
            body,
        });
    }
}

/// Everything a version said is there in the end, or somebody who knew of it changed it, or it is told of.
#[test]
fn nothing_is_lost_without_a_word() {
    let (mut told, mut kept) = (0, 0);
    for seed in 0..1_500 {
        let versions = written(&mut Random::new(seed));
        let history = History::new(versions.iter().cloned()).expect("a history");
        let ended = state_of(versions);
        let bodies = history.versions().iter().map(|version| version.body.as_ref());
        let bodies: Vec<Option<&Tree>> = bodies.chain([ended.record.as_ref()]).collect();
        let elements = Elements::of_all(&bodies, &DEFINITIONS, Rules::national());
        let last = elements.last().expect("at least the end");
        for (place, version) in history
            .versions()
            .iter()
            .enumerate()
            .filter(|(_, v)| v.parents.len() < 2)
        {
            let parent = version.parents.first().and_then(|parent| history.place(*parent));
            let nothing = Elements::default();
            let before = parent.map_or(&nothing, |parent| &elements[parent]);
            let own = &elements[place];
            for (address, leaf) in own.iter().filter(|(address, leaf)| before.get(address) != Some(leaf)) {
                let later = |(other, after): (usize, &Version)| {
                    history.knew(other, place) && after.parents.len() < 2 && elements[other].get(address) != Some(leaf)
                };
                let superseded = history.versions().iter().enumerate().any(later);
                let conflict = ended
                    .conflicts
                    .iter()
                    .any(|c| c.address.holds(address) || address.holds(&c.address));
                let scaled = address.member() == Some("status");
                told += usize::from(conflict);
                kept += usize::from(last.get(address) == Some(leaf));
                assert!(
                    last.get(address) == Some(leaf) || superseded || conflict || scaled,
                    "seed {seed}: {} said {leaf:?} of {address}, and it is gone",
                    version.name
                );
            }
        }
    }
    assert!(
        told > 300 && kept > 3_000,
        "the sample says too little: {told} told, {kept} kept"
    );
}
