//! The records of the simulation: few people, who move, are prescribed for and observed, by small random changes.

use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use fhir::tree::Tree;
use query::sample::Random;

use super::disk::Key;
use crate::change::Change;

const GEWOG: &str = "http://fhir.moh.gov.bt/StructureDefinition/bt-gewog";
/// To which clinics, by their numbers from 1, people are referred.
const CLINICS: usize = 5;

/// How many areas so many people live in: each eight of them in four of their own.
pub fn areas(people: usize) -> usize {
    people.div_ceil(8) * 4
}

/// One of the areas where a person, like `p17`, may live.
fn somewhere(random: &mut Random, person: &str) -> usize {
    let number: usize = person.trim_start_matches('p').parse().unwrap_or_default();
    number / 8 * 4 + random.below(4)
}

/// The stored form of a record's JSON.
pub fn stored(text: &str) -> Vec<u8> {
    let document = Document::parse(text.as_bytes(), Limits::default()).unwrap_or_else(|why| panic!("{text}: {why}"));
    fhir::body::store(document.root())
}

/// The stored form of a record; empty for a deletion.
pub fn stored_tree(record: Option<&Tree>) -> Vec<u8> {
    record.map_or_else(Vec::new, |record| {
        stored(std::str::from_utf8(&record.to_bytes()).expect("JSON is text"))
    })
}

/// What programs of later releases say of some people, in each record of theirs, and nobody here knows.
pub fn unknown(person: &str) -> Option<String> {
    let known = person.bytes().last().is_none_or(|last| last % 3 != 2);
    (!known).then(|| format!(r#","thingOfTomorrow":{{"of":"{person}","amount":1.50,"much":[1E+2,"café /"]}}"#))
}

/// A body without what nobody here knows, as a careless program would leave it.
pub fn without_unknown(body: &[u8]) -> Vec<u8> {
    let name: &[u8] = br#","thingOfTomorrow":"#;
    let found = body.windows(name.len()).position(|bytes| bytes == name);
    let Some((before, rest)) = found.map(|at| body.split_at(at)) else {
        return body.to_vec();
    };
    let end = rest
        .windows(2)
        .position(|bytes| bytes == b"]}")
        .map_or(0, |end| end + 2);
    [before, &rest[end..]].concat()
}

/// A random record of a kind, of a person where it is of one.
pub fn fresh(random: &mut Random, kind: &str, person: &str) -> Vec<u8> {
    let subject = format!(r#""subject":{{"reference":"Patient/{person}"}}"#);
    let text = match kind {
        "Patient" => {
            let (name, gender) = (
                random.pick(&["Pema", "Dorji", "Sonam"]),
                random.pick(&["male", "female"]),
            );
            let (phone, gewog) = (random.below(3), 101 + somewhere(random, person));
            format!(
                r#"{{"resourceType":"Patient","name":[{{"use":"official","text":"{name}"}}],"gender":"{gender}","telecom":[{{"system":"phone","value":"{phone}","use":"home"}}],"address":[{{"extension":[{{"url":"{GEWOG}","valueCoding":{{"code":"BT{gewog:04}"}}}}]}}]}}"#
            )
        }
        "MedicationRequest" => {
            let status = random.pick(&["draft", "active", "on-hold", "cancelled", "completed"]);
            let note = random.pick(&["a", "b", "c"]);
            format!(
                r#"{{"resourceType":"MedicationRequest","status":"{status}",{subject},"note":[{{"text":"{note}"}}]}}"#
            )
        }
        "ServiceRequest" => {
            let status = random.pick(&["draft", "active", "revoked", "completed"]);
            let clinic = 1 + random.below(CLINICS);
            format!(
                r#"{{"resourceType":"ServiceRequest","status":"{status}",{subject},"performer":[{{"reference":"Location/clinic-{clinic}"}}]}}"#
            )
        }
        // To a machine that there is from the beginning: nobody refers to a number that is not given yet.
        "Task" => {
            let status = random.pick(&["requested", "accepted", "completed"]);
            format!(
                r#"{{"resourceType":"Task","status":"{status}","for":{{"reference":"Patient/{person}"}},"owner":{{"reference":"Device/node-1"}}}}"#
            )
        }
        _ => {
            let status = random.pick(&["preliminary", "final", "amended"]);
            let value = random.below(3);
            format!(r#"{{"resourceType":"Observation","status":"{status}",{subject},"valueInteger":{value}}}"#)
        }
    };
    let members = text.strip_suffix('}').expect("an object");
    stored(&format!("{members}{}}}", unknown(person).unwrap_or_default()))
}

/// A version's record with one of its members as another has it.
pub fn changed(random: &mut Random, base: &Change) -> Vec<u8> {
    let fresh = fresh(
        random,
        base.kind.as_str(),
        person(&(base.kind.clone(), base.id.clone())).as_str(),
    );
    let new = Change {
        body: fresh,
        ..base.clone()
    };
    let (Some(Tree::Object(old)), Some(Tree::Object(new))) =
        (base.record().ok().flatten(), new.record().ok().flatten())
    else {
        return new.body;
    };
    // The first two are the kind and the id.
    let taken = new[2 + random.below(new.len() - 2)].clone();
    let mut made: Vec<(String, Tree)> = old.into_iter().filter(|(name, _)| *name != taken.0).collect();
    made.push(taken);
    let text = String::from_utf8(Tree::Object(made).to_bytes()).expect("text");
    stored(&text)
}

/// Whom a record is of: its id says so.
pub fn person(key: &Key) -> Id {
    let id = key.1.as_str();
    let person = id.rsplit('.').next().unwrap_or(id);
    Id::new(person).expect("an id")
}

/// Where a patient lives; 0 where that is not said.
pub fn gewog(patient: &Tree) -> u32 {
    let addresses = patient.get("address").map(Tree::items).unwrap_or_default();
    let code = |address: &Tree| {
        let extensions = address.get("extension")?.items();
        let code = extensions.first()?.get("valueCoding")?.get("code")?.as_str()?;
        code.trim_start_matches("BT").parse().ok()
    };
    addresses.iter().find_map(code).unwrap_or(0)
}

/// A kind by name.
pub fn kind(name: &str) -> Kind {
    Kind::new(name).expect("a kind")
}
