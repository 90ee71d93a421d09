//! Search parameters that records define: refused until they are indexed, then searched by like any other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir::document::Document;
use fhir::parse::Limits;
use fhir::tree::Tree;
use query::Registry;
use search_index::Index;

use crate::generations_tests::{World, background};
use crate::upkeep::Pace;
use crate::{Caller, Handling, Method, Prefer, Request, answer};

const SHOE: &str = "Patient.extension('http://a.bt/shoe').value";

fn parameter(id: &str, code: &str, kind: &str, expression: &str) -> String {
    format!(
        r#"{{"resourceType":"SearchParameter","id":"{id}","url":"http://a.bt/{id}","name":"X","status":"active","description":"x","code":"{code}","base":["Patient"],"type":"{kind}","expression":"{expression}"}}"#
    )
}

fn define(world: &World, id: &str, code: &str, kind: &str, expression: &str) {
    let body = parameter(id, code, kind, expression);
    world.put(&format!("SearchParameter/{id}"), &body);
}

/// Patients with shoes, and observations of them.
fn shod(world: &World) {
    for number in 0..6 {
        let body = format!(
            r#"{{"resourceType":"Patient","id":"s{number}","extension":[{{"url":"http://a.bt/shoe","valueInteger":{}}},{{"url":"http://a.bt/host","valueReference":{{"reference":"Organization/o{}"}}}}]}}"#,
            40 + number,
            number % 2
        );
        world.put(&format!("Patient/s{number}"), &body);
        let body = format!(
            r#"{{"resourceType":"Observation","id":"o{number}","status":"final","code":{{"text":"x"}},"subject":{{"reference":"Patient/s{number}"}}}}"#
        );
        world.put(&format!("Observation/o{number}"), &body);
    }
    for number in 0..2 {
        let body = format!(r#"{{"resourceType":"Organization","id":"o{number}","name":"Host {number}"}}"#);
        world.put(&format!("Organization/o{number}"), &body);
    }
}

fn text(tree: &Tree) -> String {
    String::from_utf8(tree.to_bytes()).unwrap()
}

/// The ids a search finds, in order, those included after a plus.
fn ids(world: &World, address: &str) -> String {
    let (status, found) = world.get(address);
    assert_eq!(status, 200, "{address}: {found:?}");
    let entries = found.get("entry").map_or(&[][..], Tree::items).iter();
    let id = |entry: &Tree| {
        let mode = entry.get("search")?.get("mode")?.as_str()?;
        let plus = if mode == "include" { "+" } else { "" };
        Some(format!("{plus}{}", entry.get("resource")?.get("id")?.as_str()?))
    };
    entries.filter_map(id).collect::<Vec<_>>().join(" ")
}

fn strictly(world: &World, address: &str) -> (u16, String) {
    let (path, query) = address.split_once('?').unwrap();
    let mut request = Request::new(Method::Get, path, query, "http://h/fhir");
    request.prefer = Prefer {
        handling: Some(Handling::Strict),
        ..Prefer::default()
    };
    let reply = answer(&world.generations().now(), &Caller::Operator, &request);
    (reply.status, String::from_utf8(reply.body.bytes().to_vec()).unwrap())
}

fn works(world: &World) {
    let table = [
        ("Patient?shoe=43", "s3"),
        ("Patient?shoe=gt43&_sort=-shoe", "s5 s4"),
        ("Patient?_sort=shoe&_count=2", "s0 s1"),
        ("Patient?shoe:missing=false&_count=0", ""),
        ("Observation?subject:Patient.shoe=lt42", "o0 o1"),
        ("Observation?subject.shoe=42", "o2"),
        ("Patient?host=Organization/o1&shoe=gt41", "s3 s5"),
        ("Patient?host.name=Host 1&_sort=shoe", "s1 s3 s5"),
        ("Organization?_has:Patient:host:shoe=44", "o0"),
        ("Patient?shoe=41&_include=Patient:host", "s1 +o1"),
        ("Organization?_id=o1&_revinclude=Patient:host", "o1 +s1 +s3 +s5"),
        ("Patient?_filter=shoe gt 44", "s5"),
    ];
    for (address, expected) in table {
        assert_eq!(ids(world, address), expected, "{address}");
    }
    assert_eq!(world.count("Patient?shoe:missing=false"), 6);
    let (_, statement) = world.get("metadata");
    let statement = text(&statement);
    assert!(statement.contains(r#"{"name":"shoe","definition":"http://a.bt/shoe","type":"number"}"#));
    assert!(statement.contains("\"Patient:host\""));
}

fn define_both(world: &World) {
    define(world, "shoe", "shoe", "number", SHOE);
    let host = SHOE.replace("shoe", "host");
    define(world, "host", "host", "reference", &host);
}

#[test]
fn a_posted_parameter_is_refused_until_it_is_indexed() {
    let mut world = World::new(Pace::default());
    shod(&world);
    assert_eq!(strictly(&world, "Patient?shoe=43").0, 400, "there is none yet");
    define_both(&world);
    let barred = [
        "Patient?shoe=43",
        "Patient?shoe:missing=true",
        "Patient?_sort=-shoe",
        "Patient?_id=s1&_include=Patient:host",
        "Organization?_revinclude=Patient:host:Organization",
        "Observation?subject.shoe=42",
        "Observation?subject:Patient.shoe=42",
        "Organization?_has:Patient:host:shoe=44",
        "Patient?_filter=shoe gt 44",
    ];
    for address in barred {
        let (status, outcome) = world.get(address);
        let outcome = text(&outcome);
        assert_eq!(status, 503, "{address}: {outcome}");
        assert!(outcome.contains("is being indexed"), "{address}: {outcome}");
    }
    assert_eq!(world.count("Patient?_id=s1"), 1, "all else goes on");
    world.open();
    assert_eq!(world.get("Patient?shoe=43").0, 503, "also after a restart");
    assert_eq!(world.count("Observation?subject=Patient/s1"), 1);
    world.generations().rebuild(&|_, _| {}).unwrap();
    works(&world);
    world.open();
    works(&world);
    world.generations().rebuild(&|_, _| {}).unwrap();
    works(&world);
}

#[test]
fn a_build_that_was_left_off_goes_on_at_the_next_start() {
    let mut world = World::new(Pace::default());
    shod(&world);
    define(&world, "shoe", "shoe", "number", SHOE);
    let engine = world.generations().now();
    let json = parameter("shoe", "shoe", "number", SHOE);
    let document = Document::parse(json.as_bytes(), Limits::default()).unwrap();
    let shoe = query::custom::read(&engine.definitions, document.root())
        .unwrap()
        .unwrap();
    let registry = Registry::with(Arc::clone(&engine.definitions), engine.zone, vec![shoe]);
    let folder = world.folder.join("index/2");
    let settings = search_index::Settings::default();
    let begun = Index::make(&folder, Arc::new(registry), engine.store.clone(), settings).unwrap();
    begun.catch_up(&mut |_, _| false).unwrap();
    drop((begun, engine));
    world.open();
    assert_eq!(world.get("Patient?shoe=43").0, 503);
    world.generations().rebuild(&|_, _| {}).unwrap();
    assert_eq!(ids(&world, "Patient?shoe=43"), "s3");
    let current = std::fs::read_to_string(world.folder.join("index/current")).unwrap();
    assert_eq!(current, "2\n", "what was begun is used");
    world.generations().rebuild(&|_, _| {}).unwrap();
    let current = std::fs::read_to_string(world.folder.join("index/current")).unwrap();
    assert_eq!(current, "3\n", "a build that is asked for begins at the beginning");
}

#[test]
fn parameters_are_indexed_in_the_background() {
    let world = World::new(background());
    shod(&world);
    define_both(&world);
    for number in 0..5 {
        define(
            &world,
            &format!("n{number}"),
            &format!("n{number}"),
            "string",
            "Patient.name.family",
        );
    }
    world.until("the parameters are indexed", || {
        world.get("Patient?shoe=43&n4:missing=true").0 == 200
    });
    works(&world);
    let jobs = world.generations().now().upkeep.job().unwrap().id;
    assert!(jobs <= 2, "several definitions are gathered: {jobs} builds");
    // What is written afterwards is found at once.
    shod(&world);
    works(&world);
}

#[test]
fn a_changed_parameter_is_refused_and_a_deleted_one_unknown() {
    let world = World::new(Pace::default());
    shod(&world);
    define_both(&world);
    world.generations().rebuild(&|_, _| {}).unwrap();
    works(&world);
    define(&world, "shoe", "shoe", "number", "Patient.multipleBirth");
    assert_eq!(
        world.get("Patient?shoe=43").0,
        503,
        "neither the old meaning nor the new"
    );
    assert_eq!(ids(&world, "Patient?host=Organization/o1&_sort=_id"), "s1 s3 s5");
    define(&world, "shoe", "shoe", "number", SHOE);
    works(&world);
    assert_eq!(world.ask(Method::Delete, "SearchParameter/shoe", "").0, 204);
    let (status, said) = strictly(&world, "Patient?shoe=43");
    assert!(
        status == 400 && said.contains("has no search parameter `shoe`"),
        "{said}"
    );
    assert!(!text(&world.get("metadata").1).contains("\"shoe\""));
    define(&world, "shoe", "shoe", "number", SHOE);
    works(&world);
}

#[test]
fn composites_and_parameters_of_every_kind_can_be_defined() {
    let world = World::new(Pace::default());
    let composite = r#"{"resourceType":"SearchParameter","id":"both","url":"http://a.bt/both","name":"X","status":"draft","description":"x","code":"both","base":["Patient"],"type":"composite","expression":"Patient.name","component":[{"definition":"http://hl7.org/fhir/SearchParameter/individual-family","expression":"family"},{"definition":"http://hl7.org/fhir/SearchParameter/individual-given","expression":"given"}]}"#;
    world.put("SearchParameter/both", composite);
    let language =
        parameter("language", "tongue", "token", "Resource.language").replace("[\"Patient\"]", "[\"Resource\"]");
    world.put("SearchParameter/language", &language);
    world.generations().rebuild(&|_, _| {}).unwrap();
    let names = [("a", "Dorji", "Pema"), ("b", "Dorji", "Karma")];
    for (id, family, given) in names {
        let body = format!(
            r#"{{"resourceType":"Patient","id":"{id}","language":"dz","name":[{{"family":"{family}","given":["{given}"]}},{{"family":"Wangmo","given":["Sonam"]}}]}}"#
        );
        world.put(&format!("Patient/{id}"), &body);
    }
    assert_eq!(ids(&world, "Patient?both=dorji$pema"), "a");
    assert_eq!(ids(&world, "Patient?both=dorji$sonam"), "");
    assert_eq!(ids(&world, "Patient?tongue=dz&_sort=_id"), "a b");
    assert_eq!(ids(&world, "?tongue=dz&_type=Patient,Observation&_sort=_id"), "a b");
    let body = r#"{"resourceType":"Binary","id":"x","language":"dz","contentType":"text/plain"}"#;
    world.put("Binary/x", body);
    assert_eq!(ids(&world, "Binary?tongue=dz"), "x");
}

#[test]
fn what_cannot_be_used_is_kept_and_says_why() {
    let world = World::new(Pace::default());
    shod(&world);
    let table = [
        (
            "bad",
            "token",
            "Patient.name.where(",
            "has an expression that cannot be read",
        ),
        (
            "strange",
            "token",
            "Patient.shoes",
            "asks for shoes, which Patient does not have",
        ),
        ("other", "token", "Observation.code", "says nothing about this kind"),
        (
            "unfit",
            "quantity",
            "Patient.active",
            "none that a quantity parameter compares",
        ),
        ("name", "token", "Patient.active", "has the code of another parameter"),
        ("odd:code", "token", "Patient.active", "has the code"),
    ];
    for (place, (code, kind, expression, _)) in table.iter().enumerate() {
        define(&world, &format!("u{place}"), code, kind, expression);
        assert_eq!(world.get(&format!("SearchParameter/u{place}")).0, 200, "it is stored");
    }
    let status = text(&world.get("$reindex").1);
    for (code, _, _, why) in table {
        assert!(status.contains(why), "{code}: {status}");
        if code != "name" && !code.contains(':') {
            let (status, outcome) = world.get(&format!("Patient?{code}=x"));
            let outcome = text(&outcome);
            assert!(status == 400 && outcome.contains(why), "{code}: {outcome}");
        }
    }
    assert_eq!(world.get("Patient?name=x").0, 200, "R4's own is as it was");
    let r4 = parameter("own", "birthdate", "string", "Patient.gender");
    let r4 = r4.replace(
        "http://a.bt/own",
        "http://hl7.org/fhir/SearchParameter/individual-birthdate",
    );
    world.put("SearchParameter/own", &r4);
    assert_eq!(world.get("Patient?birthdate=1990").0, 200);
}

#[test]
fn an_expression_without_end_holds_nobody_up() {
    let world = World::new(Pace::default());
    let hostile = (0..8).fold("1".to_owned(), |inner, _| {
        format!("%resource.descendants().select({inner})")
    });
    let hostile = format!("Patient.name.select({hostile})");
    define(&world, "slow", "slow", "number", &hostile);
    world.generations().rebuild(&|_, _| {}).unwrap();
    let begun = Instant::now();
    world.patients(0, 20);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(world.count("Patient?slow:missing=true"), 20, "no value");
    let status = text(&world.get("$reindex").1);
    assert!(
        status.contains("Patient.slow") && status.contains("20 records"),
        "{status}"
    );
}
