//! People whom clinics registered apart, and merges that they made and undid apart: who is who afterwards, everywhere.

use std::collections::BTreeSet;

use fhir::document::Document;
use fhir::identity::Kind;
use fhir::parse::Limits;
use store::testing::Fresh;
use store::{Expect, Operation, Unit};

use crate::after::After;
use crate::newcomers::look_up_newcomers;
use crate::policy::Newcomers;
use crate::site::{Site, name};
use crate::take_tests::Network;

#[test]
fn who_may_be_known_is_put_on_the_worklist() {
    let network = Network::of(Site::with(Fresh::sqlite(), 0, Newcomers::Queue), 2);
    let person = r#""name":[{"given":["Pema"],"family":"Dorji"}],"birthDate":"1984-02-29","gender":"female","identifier":[{"system":"http://id.gov.bt/citizen","value":"11410001234"}]"#;
    network.sites[1].put("Patient/a", person);
    network.sites[2].put("Patient/b", person);
    network.push(1);
    network.push(2);
    let centre = network.sites[0].engine();
    assert_eq!(look_up_newcomers(&centre, 10).unwrap(), 2);
    assert_eq!(look_up_newcomers(&centre, 10).unwrap(), 0);
    network.sync_all();
    for site in &network.sites {
        let tasks = site.tasks("requested");
        assert_eq!(tasks.len(), 1, "{tasks:#?}");
    }
}

#[test]
fn what_comes_while_somebody_looks_is_looked_at() {
    for seed in 0..8 {
        let network = Network::new(Fresh::sqlite(), 1);
        let (centre, after) = (network.sites[0].engine(), After::default());
        std::thread::scope(|scope| {
            for number in 0..12 {
                network.sites[1].put(
                    &format!("Patient/p{number}"),
                    &format!(r#""birthDate":"19{}""#, 10 + number),
                );
                network.push(1);
                scope.spawn(|| after.look(&centre).unwrap());
                if number % 3 == seed % 3 {
                    std::thread::yield_now();
                }
            }
        });
        assert_eq!(look_up_newcomers(&centre, 100).unwrap(), 0, "nobody is left");
    }
}

/// The particulars of one woman; of another where the number is.
fn pema(citizen: &str, telephone: &str) -> String {
    format!(
        r#""name":[{{"given":["Pema","Yangchen"]}}],"birthDate":"1984-02-29","gender":"female","identifier":[{{"system":"http://id.gov.bt/citizen","value":"{citizen}"}}],"telecom":[{{"system":"phone","value":"{telephone}"}}]"#
    )
}

#[test]
fn who_is_certainly_known_is_linked_at_once() {
    for fresh in Fresh::both() {
        let network = Network::new(fresh, 2);
        network.sites[1].put("Patient/a", &pema("11410001234", "17600001"));
        network.sites[2].put("Patient/b", &pema("11410001234", "17600001"));
        network.sync_all();
        network.settle();
        network.sync_all();
        network.act("stands b a");
        network.act("open 0");
        let centre = network.sites[0].engine();
        let kind = Kind::new("Provenance").unwrap();
        let told = centre.store.records_of(&kind, None, u64::MAX, 10).unwrap().0;
        let text = String::from_utf8_lossy(&crate::engine::spliced(&told[0])).into_owned();
        for part in [
            "Matching of persons by the weights",
            "Certainly one person",
            "citizen number",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        // What is taken back is not done again.
        network.act("1 unmerge b");
        network.sync_all();
        network.settle();
        network.act("stands b b");
        network.sites[2].put("Patient/b", &pema("11410009999", "17600002"));
        network.sync_all();
        network.settle();
        network.act("stands b b");
    }
}

/// Merges and their undoing at clinics that are cut off: whoever stands for a person does so everywhere afterwards.
const MERGES: &[&str] = &[
    // One clinic merges, another changes her meanwhile.
    "1 merge x y
2 put Patient/x \"active\":true,\"maritalStatus\":{\"text\":\"married\"}
sync
settle
sync
stands x y
open 0",
    // Both merge the same.
    "1 merge x y
2 merge x y
sync
settle
sync
stands x y
open 0",
    // Both merge, either way: the one that came first stands for both, and that two contradicted each other is told of each.
    "1 merge x y
2 merge y x
sync
settle
sync
stands x x
stands y x
open 2",
    // Three clinics merge in a circle.
    "1 merge x y
2 merge y z
3 merge z x
sync
settle
sync
stands x x
stands y x
stands z x
open 0",
    // Merged into two: somebody is asked whether those are one.
    "1 merge x y
2 merge x z
sync
settle
sync
open 1
2 merge z y
sync
settle
sync
stands z y
open 0",
    // Undone at a clinic after an edit elsewhere.
    "1 merge x y
sync
2 unmerge x
1 put Patient/y \"active\":true,\"maritalStatus\":{\"text\":\"married\"},\"link\":[{\"other\":{\"reference\":\"Patient/x\"},\"type\":\"replaces\"}]
sync
settle
sync
stands x x
stands y y
everywhere Patient/y \"active\":true,\"maritalStatus\":{\"text\":\"married\"}
open 0",
    // Merged here, kept apart there: somebody is asked.
    "1 merge x y
2 apart x y
sync
settle
sync
open 1
1 unmerge x
sync
settle
sync
stands x x
open 0",
];

#[test]
fn merges_made_apart_agree() {
    for (number, script) in MERGES.iter().enumerate() {
        let network = Network::new(Fresh::sqlite(), 3);
        for id in ["x", "y", "z"] {
            network.sites[0].put(&format!("Patient/{id}"), r#""active":true"#);
        }
        network.sync_all();
        for line in script.lines() {
            println!("{number}: {line}");
            network.act(line);
        }
        network.sync_all();
        let texts: Vec<BTreeSet<String>> = network.sites.iter().map(Site::all).collect();
        texts
            .iter()
            .for_each(|text| assert_eq!(text, &texts[0], "{number}: all sites have the same"));
        network.sites.iter().for_each(|site| site.sound(script));
    }
}

/// A write from elsewhere that takes back a merge is taken, and somebody is asked.
#[test]
fn a_plain_write_from_elsewhere_undoes_no_merge_without_a_word() {
    let network = Network::new(Fresh::sqlite(), 1);
    for id in ["x", "y"] {
        network.sites[0].put(&format!("Patient/{id}"), r#""active":true"#);
    }
    network.act("centre merge x y");
    network.sync_all();
    network.act("open 0");
    // The clinic's own server refuses such a write; an older program's would not.
    let clinic = network.sites[1].engine();
    let (kind, id) = name("Patient/x");
    let document = Document::parse(
        br#"{"resourceType":"Patient","id":"x","active":true}"#,
        Limits::default(),
    );
    let plain = clinic.as_it_is(&kind, document.unwrap().root());
    let write = plain.into_write(kind, id, Operation::Update, Expect::Anything);
    clinic.store.submit(Unit::one(write)).unwrap();
    network.sync_all();
    network.settle();
    network.act("stands x x");
    network.act("open 1");
    network.act("centre merge x y");
    network.act("open 0");
}
