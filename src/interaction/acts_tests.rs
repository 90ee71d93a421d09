//! Runs text tables of acts and their expected outcomes against an engine of its own, without HTTP.
//!
//! An act is a line `METHOD path  Header: value  … => status facts`, then its body up to an empty line. Facts: `.a.0.b=x`
//! a member is, `.a~x` contains, `!.a` is absent, `#.a=2` has so many items; `etag`, `location~x`, `!location` of the
//! headers; `issue=code`; `matches=a,b` in any order, `ordered=a,b`, `includes=a`; `$name=.a` keeps a value for `{name}`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fhir::moment::http_date;
use fhir::tree::Tree;

use crate::{Caller, Engine, Generations, Limits, Method, Prefer, Reply, Request, Settings, answer, ready};

const BASE: &str = "http://h/fhir";
/// Searches that were answered at hand.
static SEARCHED_AT_HAND: AtomicU32 = AtomicU32::new(0);

/// An engine in a folder of its own, which goes with it.
struct World {
    generations: Option<Generations>,
    folder: PathBuf,
}

impl World {
    fn with(limits: Limits) -> World {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("epis-acts-{}-{number}", std::process::id()));
        let log = store::Settings::at(store::Place::Sqlite(folder.join("log.db")));
        let settings = Settings {
            limits,
            unique_systems: vec!["http://e.org/unique".into()],
            ..Settings::at(log, folder.join("index"))
        };
        World {
            generations: Some(Generations::open(settings).expect("an engine in a fresh folder")),
            folder,
        }
    }

    fn engine(&self) -> Arc<Engine> {
        self.generations.as_ref().expect("open until dropped").now()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.generations = None;
        // A folder left over in the system's temporary directory does no harm.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a table; panics with every act that did not come out as written.
fn run(world: &World, table: &str) {
    let mut kept = HashMap::new();
    let mut failures = Vec::new();
    let mut lines = table.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (act, facts) = line.split_once("=>").expect("an act has an arrow");
        let mut body = String::new();
        let goes_on = |line: &str| !line.is_empty() && !line.contains(" => ") && !line.starts_with('#');
        while let Some((_, line)) = lines.next_if(|(_, line)| goes_on(line)) {
            body.push_str(line);
        }
        let fill = |text: &str| {
            kept.iter()
                .fold(text.to_owned(), |text, (name, value): (&String, &String)| {
                    text.replace(&format!("{{{name}}}"), value)
                })
        };
        let reply = ask(world, &fill(act), &fill(&body));
        let facts = fill(facts);
        let mut facts = facts.split_whitespace();
        let status = facts.next().expect("a status").parse::<u16>().expect("a number");
        let text = String::from_utf8_lossy(reply.body.bytes()).into_owned();
        let wrong: Vec<&str> = facts.filter(|fact| !holds(&reply, fact, &mut kept)).collect();
        if status != reply.status || !wrong.is_empty() {
            failures.push(format!(
                "line {}: {line}\n  {} {wrong:?} {text}",
                number + 1,
                reply.status
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} acts failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn ask(world: &World, act: &str, body: &str) -> Reply {
    let mut parts = act.split("  ").map(str::trim).filter(|part| !part.is_empty());
    let first = parts.next().expect("a method and a path");
    let (method, address) = first.split_once(' ').unwrap_or((first, ""));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut request = Request::new(Method::parse(method), path, query, BASE);
    let path = path
        .strip_prefix(BASE)
        .map_or(path, |path| path.trim_start_matches('/'));
    request.path = path;
    request.body = body.as_bytes();
    for header in parts {
        let (name, value) = header.split_once(": ").expect("a header has a value");
        match name {
            "If-Match" => request.if_match = Some(value),
            "If-None-Match" => request.if_none_match = Some(value),
            "If-Modified-Since" => request.if_modified_since = Some(value),
            "If-None-Exist" => request.if_none_exist = Some(value),
            "Accept" => request.accept = Some(value),
            "Prefer" => request.prefer = Prefer::parse(value),
            "Content-Type" if value.contains("form") => (request.form, request.body) = (Some(body), &[]),
            "Content-Type" => request.content_type = Some(value),
            other => panic!("no such header: {other}"),
        }
    }
    let reply = answer(&world.engine(), &Caller::Operator, &request);
    // What is at hand, as it is now that it was read, is the same answer or none.
    if let Some(at_hand) = ready(&world.engine(), &Caller::Operator, &request) {
        let told = |reply: &Reply| (reply.status, reply.etag, reply.location.clone(), undated(reply));
        assert_eq!(told(&at_hand), told(&reply), "at hand: {act}");
        if act.contains('?') {
            SEARCHED_AT_HAND.fetch_add(1, Ordering::Relaxed);
        }
    }
    reply
}

/// The body of a reply without the moment at which a page was made.
fn undated(reply: &Reply) -> Vec<u8> {
    let mut tree = match Tree::parse(reply.body.bytes()) {
        Ok(tree) => tree,
        Err(_) => return reply.body.bytes().to_vec(),
    };
    if at(&tree, "type").as_deref() == Some("searchset") {
        tree.remove("meta");
    }
    tree.to_bytes()
}

fn header(reply: &Reply, name: &str) -> Option<String> {
    match name {
        "etag" => reply.etag.map(|version| format!("W/\"{version}\"")),
        "last-modified" => reply.last_modified.map(http_date),
        "location" => reply.location.clone(),
        "content-location" => reply.content_location.clone(),
        "retry-after" => reply.retry_after.map(|seconds| seconds.to_string()),
        "allow" => reply.allow.map(str::to_owned),
        other => panic!("no such header: {other}"),
    }
}

fn holds(reply: &Reply, fact: &str, kept: &mut HashMap<String, String>) -> bool {
    let tree = Tree::parse(reply.body.bytes()).unwrap_or(Tree::Null);
    let value = |place: &str| match place.strip_prefix('.') {
        Some(path) => at(&tree, path),
        None => header(reply, place.trim_start_matches('@')),
    };
    if let Some(place) = fact.strip_prefix('!') {
        return value(place).is_none();
    }
    if let Some((name, place)) = fact.strip_prefix('$').and_then(|fact| fact.split_once('=')) {
        let found = value(place);
        kept.extend(found.clone().map(|found| (name.to_owned(), found)));
        return found.is_some();
    }
    match fact.split_once(['=', '~']) {
        None => value(fact).is_some(),
        Some(("issue", code)) => at(&tree, "issue.0.code").as_deref() == Some(code),
        Some(("matches", ids)) => sorted(entries(&tree, "match")) == sorted(split(ids)),
        Some(("ordered", ids)) => entries(&tree, "match") == split(ids),
        Some(("includes", ids)) => sorted(entries(&tree, "include")) == sorted(split(ids)),
        Some((place, wanted)) => match place.strip_prefix('#') {
            Some(path) => at(&tree, &format!("{}.{wanted}", path.trim_start_matches('.'))).is_none(),
            None if fact[place.len()..].starts_with('~') => value(place).is_some_and(|v| v.contains(wanted)),
            None => value(place).as_deref() == Some(wanted),
        },
    }
}

fn split(ids: &str) -> Vec<String> {
    ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort();
    ids
}

fn entries(bundle: &Tree, mode: &str) -> Vec<String> {
    let entries = bundle.get("entry").map_or(&[][..], Tree::items).iter();
    let of_mode = entries.filter(|entry| at(entry, "search.mode").as_deref() == Some(mode));
    of_mode.filter_map(|entry| at(entry, "resource.id")).collect()
}

/// The text at a path such as `entry.0.resource.id`.
fn at(tree: &Tree, path: &str) -> Option<String> {
    let found = path
        .split('.')
        .try_fold(tree, |tree, step| match step.parse::<usize>() {
            Ok(index) => tree.items().get(index),
            Err(_) => tree.get(step),
        })?;
    Some(match found {
        Tree::String(text) | Tree::Number(text) => text.clone(),
        other => String::from_utf8(other.to_bytes()).expect("JSON is UTF-8"),
    })
}

#[test]
fn acts_come_out_as_written() {
    let limits = Limits {
        page_max: 50,
        query_bytes: 300,
        body_bytes: 4000,
        json_depth: 20,
        includes_max: 3,
        ..Limits::default()
    };
    run(&World::with(limits), include_str!("acts.txt"));
    assert!(
        SEARCHED_AT_HAND.load(Ordering::Relaxed) >= 10,
        "short searches are answered at hand"
    );
}

#[test]
fn many_racing_conditional_creates_make_one_record() {
    let world = World::with(Limits::default());
    let body = r#"{"resourceType":"Patient","identifier":[{"system":"http://e.org/mrn","value":"1"}]}"#;
    let act = "POST Patient  If-None-Exist: identifier=http://e.org/mrn|1";
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16).map(|_| scope.spawn(|| ask(&world, act, body).status)).collect();
        racers
            .into_iter()
            .map(|racer| racer.join().expect("no racer falls"))
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 201)),
        "{statuses:?}"
    );
    run(&world, "GET Patient?_summary=count => 200 .total=1");
}

#[test]
fn a_search_beyond_its_limit_ends_with_advice() {
    let limits = Limits {
        search_steps: 3,
        ..Limits::default()
    };
    let world = World::with(limits);
    for id in 0..6 {
        let body = format!(r#"{{"resourceType":"Patient","id":"{id}","name":[{{"family":"Wangmo {id}"}}]}}"#);
        assert_eq!(ask(&world, &format!("PUT Patient/{id}"), &body).status, 201);
    }
    let costly = "=> 422 issue=too-costly .issue.0.diagnostics";
    let table = format!(
        "GET Patient?name:contains=ang {costly}~:contains\n\
         GET Patient?name=w {costly}~letters\n\
         GET Patient?birthdate:missing=true {costly}~identifier\n\
         GET ?_id=1 {costly}~_type\n\
         GET Patient?_id=1&__explain=true {costly}~steps\n\
         GET Patient/1 => 200 .id=1\n"
    );
    run(&world, &table);
}

#[test]
fn one_winner_a_round_and_reads_see_it() {
    let world = World::with(Limits::default());
    run(
        &world,
        "PUT Patient/a => 201\n{\"resourceType\":\"Patient\",\"id\":\"a\"}\n",
    );
    for round in 0..20 {
        let version = ask(&world, "GET Patient/a", "").etag.expect("a version");
        let winners: u32 = std::thread::scope(|scope| {
            let racer = |n: u32| {
                let body = format!(r#"{{"resourceType":"Patient","id":"a","multipleBirthInteger":{n}}}"#);
                let reply = ask(&world, &format!("PUT Patient/a  If-Match: W/\"{version}\""), &body);
                // Whoever was acknowledged reads its own write or a later one, never an older one.
                let read = ask(&world, "GET Patient/a", "").etag.expect("a version");
                assert!(reply.etag.is_none_or(|own| read.counter >= own.counter));
                u32::from(reply.status == 200)
            };
            let racers: Vec<_> = (0..4).map(|n| scope.spawn(move || racer(n))).collect();
            racers
                .into_iter()
                .map(|racer| racer.join().expect("no racer falls"))
                .sum()
        });
        assert_eq!(winners, 1, "round {round}");
    }
}
