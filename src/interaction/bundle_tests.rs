//! Batches and transactions against a store and an index of their own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fhir::tree::Tree;

use crate::{Caller, Engine, Generations, Method, Prefer, Request, Settings, answer};

pub(crate) const BASE: &str = "http://x/fhir";

/// An engine in a folder of its own, which goes with it.
pub(crate) struct World {
    generations: Option<Generations>,
    folder: PathBuf,
}

impl World {
    pub(crate) fn new() -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "epis-bundle-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        let log = store::Settings::at(store::Place::Sqlite(folder.join("log.db")));
        let generations =
            Generations::open(Settings::at(log, folder.join("index"))).expect("an engine in a fresh folder");
        World {
            generations: Some(generations),
            folder,
        }
    }

    pub(crate) fn engine(&self) -> Arc<Engine> {
        self.generations.as_ref().expect("open until dropped").now()
    }

    pub(crate) fn ask(&self, request: &Request<'_>) -> (u16, Tree) {
        let reply = answer(&self.engine(), &Caller::Operator, request);
        let body = reply.body.bytes();
        let tree = if body.is_empty() {
            Tree::Null
        } else {
            Tree::parse(body).expect("answers are JSON")
        };
        (reply.status, tree)
    }

    pub(crate) fn post(&self, kind: &str, entries: &[String]) -> (u16, Tree) {
        self.prefer(kind, entries, "")
    }

    fn prefer(&self, kind: &str, entries: &[String], prefer: &str) -> (u16, Tree) {
        let body = format!(
            r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#,
            entries.join(",")
        );
        let mut request = Request::new(Method::Post, "", "", BASE);
        request.body = body.as_bytes();
        request.prefer = Prefer::parse(prefer);
        self.ask(&request)
    }

    /// The record at a path, `Null` where there is none.
    pub(crate) fn get(&self, address: &str) -> Tree {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let (status, tree) = self.ask(&Request::new(Method::Get, path, query, BASE));
        if status == 200 { tree } else { Tree::Null }
    }

    fn total(&self, address: &str) -> String {
        at(&self.get(address), "total")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.generations = None;
        // A folder left over in the system's temporary directory does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The text at a path such as `entry.0.response.status`; empty where there is none.
pub(crate) fn at(tree: &Tree, path: &str) -> String {
    let found = path
        .split('.')
        .try_fold(tree, |tree, step| match step.parse::<usize>() {
            Ok(index) => tree.items().get(index),
            Err(_) => tree.get(step),
        });
    match found {
        Some(Tree::String(text) | Tree::Number(text)) => text.clone(),
        Some(other) => String::from_utf8(other.to_bytes()).expect("JSON is UTF-8"),
        None => String::new(),
    }
}

/// `PUT Patient/1`, with further parts of the request, a fullUrl and a resource; any may be empty.
fn entry(request: &str, more: &str, full_url: &str, resource: &str) -> String {
    let (method, url) = request.split_once(' ').expect("a method and a url");
    let mut parts = Vec::new();
    if !full_url.is_empty() {
        parts.push(format!(r#""fullUrl":"{full_url}""#));
    }
    if !resource.is_empty() {
        parts.push(format!(r#""resource":{resource}"#));
    }
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(",{more}")
    };
    parts.push(format!(r#""request":{{"method":"{method}","url":"{url}"{more}}}"#));
    format!("{{{}}}", parts.join(","))
}

fn patient(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"resourceType":"Patient"{comma}{members}}}"#)
}

fn observation(members: &str) -> String {
    format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}},{members}}}"#)
}

fn mrn(value: &str) -> String {
    patient(&format!(r#""identifier":[{{"system":"http://e","value":"{value}"}}]"#))
}

#[test]
fn links_follow_the_records_in_every_form() {
    let world = World::new();
    let subject = |text: &str| observation(&format!(r#""subject":{{"reference":"{text}"}}"#));
    let narrative = r#""text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:a\">p</a></div>"}"#;
    let with_uri = |members: &str| {
        [
            entry("POST Observation", "", "", &subject("urn:uuid:a")),
            entry(
                "POST Observation",
                "",
                "http://y/fhir/Observation/1",
                &subject("Patient/7"),
            ),
            entry("POST Observation", "", "", &subject("http://y/fhir/Patient/7")),
            entry("POST Observation", "", "", &observation(narrative)),
            entry("POST Observation", "", "", &observation(members)),
            entry("POST Patient", "", "urn:uuid:a", &patient(r#""id":"ignored""#)),
            entry("POST Patient", "", "http://y/fhir/Patient/7", &patient("")),
        ]
    };
    // R4's Observation has no instantiatesUri: nothing at all is written.
    let (status, reply) = world.post("transaction", &with_uri(r#""instantiatesUri":"x""#));
    let place = at(&reply, "issue.0.expression.0");
    assert_eq!((status, place.as_str()), (422, "Bundle.entry[4].resource"));
    assert_eq!(world.total("Patient?_summary=count"), "0");
    let uri = r#""extension":[{"url":"http://e","valueUri":"urn:uuid:a"}]"#;
    let (status, reply) = world.post("transaction", &with_uri(uri));
    assert_eq!(status, 200, "{reply:?}");
    let record = |entry: usize| {
        let location = at(&reply, &format!("entry.{entry}.response.location"));
        let path = location.strip_prefix("http://x/fhir/").expect("an absolute location");
        path.split("/_history/").next().expect("a version in it").to_owned()
    };
    let (a, seven) = (record(5), record(6));
    let table = [
        (0, "subject.reference", a.clone()),
        (1, "subject.reference", seven.clone()),
        (2, "subject.reference", seven.clone()),
        (4, "extension.0.valueUri", a.clone()),
    ];
    for (entry, path, expected) in table {
        assert_eq!(at(&world.get(&record(entry)), path), expected, "entry {entry}");
    }
    assert!(at(&world.get(&record(3)), "text.div").contains(&format!("href=\"{a}\"")));
    assert_eq!(world.total(&format!("Observation?subject={a}")), "1");
    assert_eq!(world.total(&format!("Observation?patient={seven}")), "2");
    assert_ne!(a, "Patient/ignored");
}

#[test]
fn conditions_are_searched_and_shared() {
    let world = World::new();
    let none = r#""ifNoneExist":"identifier=http://e|1""#;
    let subject = observation(r#""subject":{"reference":"Patient?identifier=http://e|1"}"#);
    let both = [
        entry("POST Observation", "", "", &subject),
        entry("POST Patient", none, "urn:uuid:a", &mrn("1")),
    ];
    let statuses = |reply: &Tree| {
        [
            at(reply, "entry.0.response.status"),
            at(reply, "entry.1.response.status"),
        ]
    };
    // The first time the reference is to the record that the same condition creates, then to what is there.
    let (_, first) = world.post("transaction", &both);
    assert_eq!(statuses(&first), ["201 Created", "201 Created"]);
    let (_, second) = world.post("transaction", &both);
    assert_eq!(statuses(&second), ["201 Created", "200 OK"]);
    assert_eq!(
        at(&first, "entry.1.response.location"),
        at(&second, "entry.1.response.location")
    );
    assert_eq!(
        (
            world.total("Patient?_summary=count"),
            world.total("Observation?_summary=count")
        ),
        ("1".into(), "2".into())
    );
}

#[test]
fn conditions_that_do_not_hold_refuse_everything() {
    let world = World::new();
    let none = r#""ifNoneExist":"identifier=http://e|1""#;
    let (made, _) = world.post("transaction", &[entry("POST Patient", "", "", &mrn("1"))]);
    assert_eq!(made, 200);
    let two = |identifier: &str| entry("PUT Patient?identifier=http://e|1", "", "", &mrn(identifier));
    let table = [
        // A reference that finds nothing, or several.
        (
            vec![entry(
                "POST Observation",
                "",
                "",
                &observation(r#""subject":{"reference":"Patient?identifier=none"}"#),
            )],
            412,
            "Bundle.entry[0]",
        ),
        (
            vec![entry(
                "POST Observation",
                "",
                "",
                &observation(r#""subject":{"reference":"Patient?nonsense=1"}"#),
            )],
            400,
            "Bundle.entry[0]",
        ),
        // Two entries that would both create the one match.
        (
            vec![
                entry("POST Patient", r#""ifNoneExist":"identifier=9""#, "", &mrn("9")),
                entry("POST Patient", r#""ifNoneExist":"identifier=9""#, "", &mrn("9")),
            ],
            412,
            "Bundle.entry[1].request",
        ),
        // Two entries that both write what one condition finds.
        (vec![two("1"), two("1")], 400, "Bundle.entry[1].request.url"),
        // A conditional create that finds what another entry deletes.
        (
            vec![
                entry("DELETE Patient?identifier=http://e|1", "", "", ""),
                entry("POST Patient", none, "", &mrn("1")),
            ],
            400,
            "Bundle.entry[1].request.ifNoneExist",
        ),
        (
            vec![entry(
                "PATCH Patient?identifier=none",
                "",
                "",
                r#"{"resourceType":"Parameters"}"#,
            )],
            404,
            "Bundle.entry[0]",
        ),
    ];
    for (entries, status, place) in table {
        let (found, reply) = world.post("transaction", &entries);
        let expression = at(&reply, "issue.0.expression.0");
        let fits = found == status && expression.starts_with(place);
        assert!(fits, "{entries:?}: {found} {reply:?}");
    }
    assert_eq!(world.total("Patient?_summary=count"), "1");
}

fn put(id: &str, more: &str) -> String {
    let body = patient(&format!(r#""id":"{id}""#));
    entry(&format!("PUT Patient/{id}"), more, "", &body)
}

#[test]
fn a_refused_transaction_leaves_nothing() {
    let world = World::new();
    world.post("transaction", &[put("a", ""), put("b", "")]);
    let table = [
        (vec![put("c", ""), put("a", r#""ifNoneMatch":"*""#)], 412),
        (vec![put("c", ""), put("a", r#""ifMatch":"W/\"0-99\"""#)], 412),
        (vec![put("c", ""), entry("DELETE Patient/c", "", "", "")], 400),
        (vec![put("c", ""), entry("GET Patient/nobody", "", "", "")], 404),
        (
            vec![
                put("c", ""),
                entry("GET Patient/b", "", "", ""),
                entry("DELETE Patient/b", "", "", ""),
            ],
            410,
        ),
        (
            vec![put("c", ""), entry("POST Patient", "", "", &patient(r#""nonsense":1"#))],
            422,
        ),
        (vec![put("c", ""), entry("POST Nonsense", "", "", &patient(""))], 400),
        (
            vec![
                put("c", ""),
                entry("POST Patient", "", "urn:uuid:a", &patient("")),
                entry("POST Patient", "", "urn:uuid:a", &patient("")),
            ],
            400,
        ),
        (
            vec![
                put("c", ""),
                entry("PATCH Patient/nobody", "", "", r#"{"resourceType":"Parameters"}"#),
            ],
            404,
        ),
        (vec![put("c", ""), entry("PATCH Patient/a", "", "", &patient(""))], 400),
        (vec![put("c", ""), "{}".into()], 400),
    ];
    for (entries, status) in table {
        let (found, reply) = world.post("transaction", &entries);
        assert_eq!(found, status, "{entries:?}: {reply:?}");
    }
    assert_eq!(
        world.total("Patient?_summary=count"),
        "2",
        "nothing of a refused transaction is there"
    );
}

#[test]
fn entries_are_carried_out_in_the_order_of_processing() {
    let world = World::new();
    let (_, reply) = world.post("transaction", &[put("a", ""), put("b", "")]);
    let version = at(&reply, "entry.0.response.etag").replace('"', "\\\"");
    let (status, reply) = world.post(
        "transaction",
        &[
            entry("GET Patient?_summary=count", "", "", ""),
            entry("GET Patient/d", "", "", ""),
            put("d", ""),
            entry("PATCH Patient/a", &format!(r#""ifMatch":"{version}""#), "", r#"{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2FjdGl2ZSIsInZhbHVlIjp0cnVlfV0="}"#),
            entry("DELETE Patient/b", "", "", ""),
            entry("DELETE Patient/b2", "", "", ""),
        ],
    );
    assert_eq!(status, 200, "{reply:?}");
    let expected = [
        "200 OK",
        "200 OK",
        "201 Created",
        "200 OK",
        "204 No Content",
        "204 No Content",
    ];
    for (i, expected) in expected.iter().enumerate() {
        assert_eq!(
            at(&reply, &format!("entry.{i}.response.status")),
            *expected,
            "entry {i}"
        );
    }
    assert_eq!(
        (at(&reply, "entry.0.resource.total"), at(&reply, "entry.1.resource.id")),
        ("2".into(), "d".into())
    );
    assert_eq!(at(&world.get("Patient/a"), "active"), "true");
}

#[test]
fn answers_carry_what_is_preferred() {
    let world = World::new();
    let create = [entry("POST Patient", "", "", &patient(r#""active":true"#))];
    for kind in ["batch", "transaction"] {
        let table = [
            ("", "", ""),
            ("return=minimal", "", ""),
            ("return=representation", "true", ""),
            ("return=OperationOutcome", "", "OperationOutcome"),
        ];
        for (prefer, active, outcome) in table {
            let (_, reply) = world.prefer(kind, &create, prefer);
            assert_eq!(at(&reply, "type"), format!("{kind}-response"));
            assert_eq!(at(&reply, "entry.0.resource.active"), active, "{kind} {prefer}");
            assert_eq!(
                at(&reply, "entry.0.response.outcome.resourceType"),
                outcome,
                "{kind} {prefer}"
            );
            assert!(
                at(&reply, "entry.0.response.location").starts_with("http://x/fhir/Patient/"),
                "{kind} {prefer}"
            );
        }
    }
}

#[test]
fn a_batch_goes_on_where_an_entry_fails() {
    let world = World::new();
    let entries = [
        entry("GET Patient/nobody", "", "", ""),
        "{}".to_owned(),
        entry("PUT Patient/a", "", "urn:uuid:a", &patient(r#""id":"a""#)),
        entry(
            "POST Observation",
            "",
            "",
            &observation(r#""subject":{"reference":"urn:uuid:a"}"#),
        ),
        entry(
            "PATCH Patient/a",
            "",
            "",
            r#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"delete"},{"name":"path","valueString":"Patient.active"}]}]}"#,
        ),
        entry("GET Patient?_summary=count", "", "", ""),
        entry("POST ", "", "", r#"{"resourceType":"Bundle","type":"batch"}"#),
    ];
    let (status, reply) = world.post("batch", &entries);
    assert_eq!(status, 200);
    for (i, expected) in ["404", "400", "201", "201", "200", "200", "400"].iter().enumerate() {
        assert!(
            at(&reply, &format!("entry.{i}.response.status")).starts_with(expected),
            "entry {i}: {reply:?}"
        );
    }
    assert_eq!(
        world.total("Observation?subject=urn:uuid:a"),
        "1",
        "a batch resolves no links"
    );
}

#[test]
fn other_bundles_are_refused() {
    let world = World::new();
    for kind in ["history", "searchset", "collection", "nonsense"] {
        let (status, reply) = world.post(kind, &[]);
        assert_eq!(
            (status, at(&reply, "issue.0.expression.0").as_str()),
            (400, "Bundle.type"),
            "{kind}"
        );
    }
    assert_eq!(world.post("transaction", &[]).0, 200);
}

#[test]
fn racing_transactions_create_one_match() {
    let world = World::new();
    let none = r#""ifNoneExist":"identifier=http://e|1""#;
    let subject = observation(r#""subject":{"reference":"urn:uuid:a"}"#);
    let both = [
        entry("POST Patient", none, "urn:uuid:a", &mrn("1")),
        entry("POST Observation", "", "", &subject),
    ];
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(world.post("transaction", &both).0, 200));
        }
    });
    let id = at(&world.get("Patient"), "entry.0.resource.id");
    assert_eq!(world.total("Patient?_summary=count"), "1");
    assert_eq!(world.total(&format!("Observation?subject=Patient/{id}")), "16");
}
