//! The examples of FHIR R4: each is stored, comes back as it was, means the same in XML, and is found valid.

use conformance::Definitions;
use fhir::document::Document;
use fhir::parse::Limits;
use fhir::tree::Tree;
use tests::world::{Engine, World};

use super::Tally;

const EXAMPLES: &[u8] = include_bytes!("../fixtures/r4-examples/examples.ndjson.zst");
/// The examples with an error, and which rule of R4 it breaks.
const ERRORS: &str = include_str!("../fixtures/r4-examples/errors.tsv");

/// The examples, one a line.
fn examples() -> String {
    let examples = zstd::decode_all(EXAMPLES).expect("the fixture is packed by zstd");
    String::from_utf8(examples).expect("UTF-8")
}

/// Runs the suite.
pub fn tally() -> Tally {
    let (examples, world) = (examples(), World::with(Engine::Sqlite, &["--body-bytes-max", "64MiB"]));
    let cases = examples.lines().enumerate().map(|(line, text)| {
        let example = Tree::parse(text.as_bytes()).expect("JSON");
        let part = |name: &str| example.get(name).and_then(Tree::as_str).unwrap_or_default().to_owned();
        let name = format!("{}/{}", part("resourceType"), part("id"));
        (format!("{name} (line {})", line + 1), outcome(&world, &name, &example))
    });
    Tally::of("Examples of R4", "hl7.fhir.r4.examples 4.0.1, open part", &[], cases)
}

/// Asks a server for the errors of each: there are none but those that the standard's own validator gives too.
pub fn validated() -> Tally {
    let (examples, world) = (examples(), World::with(Engine::Sqlite, &["--body-bytes-max", "64MiB"]));
    let cases = examples.lines().enumerate().map(|(line, text)| {
        let example = Tree::parse(text.as_bytes()).expect("JSON");
        let part = |name: &str| example.get(name).and_then(Tree::as_str).unwrap_or_default().to_owned();
        let name = format!("{}/{} (line {})", part("resourceType"), part("id"), line + 1);
        (name, without_errors(&world, text))
    });
    let excuses: Vec<(&str, &str)> = ERRORS.lines().filter_map(|row| row.split_once('\t')).collect();
    let version = "hl7.fhir.r4.examples 4.0.1, open part";
    Tally::of("Examples of R4, validated", version, &excuses, cases)
}

fn without_errors(world: &World, example: &str) -> Result<(), String> {
    let outcome = world.post("$validate", example).expect(200).json();
    let issues = outcome["issue"].as_array().expect("issues").iter();
    let mut errors = issues.filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal")));
    errors.next().map_or(Ok(()), |error| Err(error.to_string()))
}

fn outcome(world: &World, name: &str, example: &Tree) -> Result<(), String> {
    let json = example.to_bytes();
    let said = either_way(&json)?;
    let expected = told(example.clone());
    for (format, sent) in [
        ("application/fhir+json", json.as_slice()),
        ("application/fhir+xml", said.as_bytes()),
    ] {
        let answer = world.send("PUT", name, &[("Content-Type", format)], sent);
        if !matches!(answer.status, 200 | 201) {
            return Err(format!("as {format}: {} {:.300}", answer.status, answer.body));
        }
        let stored = world
            .send("GET", name, &[("Accept", "application/fhir+json")], b"")
            .body;
        let found = told(Tree::parse(stored.as_bytes()).map_err(|e| e.to_string())?);
        same(
            &format!("stored as {format}"),
            &found,
            &expected,
            format.ends_with("json"),
        )?;
        let xml = world.send("GET", name, &[("Accept", "application/fhir+xml")], b"").body;
        let found = told(Tree::parse(&read(&xml)?).map_err(|e| e.to_string())?);
        same(&format!("stored as {format}, read as XML"), &found, &expected, false)?;
    }
    Ok(())
}

/// The XML of an example, where JSON, XML and JSON again, and XML, JSON and XML again say the same.
fn either_way(json: &[u8]) -> Result<String, String> {
    let first = write(json)?;
    let again = read(&first)?;
    let tree = |json: &[u8]| Tree::parse(json).map_err(|e| e.to_string());
    same("through XML", &tree(&again)?, &tree(json)?, false)?;
    if write(&again)? != first {
        return Err("its XML is another after JSON".into());
    }
    Ok(first)
}

fn write(json: &[u8]) -> Result<String, String> {
    let document = Document::parse(json, Limits::default()).map_err(|e| e.to_string())?;
    let xml = xml::write(&Definitions::r4(), document.root(), false).map_err(|e| e.to_string())?;
    String::from_utf8(xml).map_err(|e| e.to_string())
}

fn read(xml: &str) -> Result<Vec<u8>, String> {
    xml::read(&Definitions::r4(), xml.as_bytes(), xml::Limits::default()).map_err(|e| e.to_string())
}

/// The record without what the server says of it, and what it says in front where the server says it.
fn told(mut record: Tree) -> Tree {
    if let Some(meta) = record.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if matches!(meta, Tree::Object(members) if members.is_empty()) {
            record.remove("meta");
        }
    }
    if let Tree::Object(members) = &mut record {
        let rank = |name: &str| ["resourceType", "id", "meta"].iter().position(|front| *front == name);
        members.sort_by_key(|(name, _)| rank(name).unwrap_or(usize::MAX));
    }
    record
}

/// Whether two records have the same digits and characters, in the same order of members where that is asked for.
fn same(how: &str, found: &Tree, expected: &Tree, ordered: bool) -> Result<(), String> {
    let arrange = |tree: &Tree| {
        let mut tree = tree.clone();
        if !ordered {
            sort(&mut tree);
        }
        String::from_utf8_lossy(&tree.to_bytes()).into_owned()
    };
    let (found, expected) = (arrange(found), arrange(expected));
    let Some(at) = found.bytes().zip(expected.bytes()).position(|(a, b)| a != b) else {
        return if found.len() == expected.len() {
            Ok(())
        } else {
            Err(format!("{how}: one is longer"))
        };
    };
    let around = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(60)..text.len().min(at + 60)]).into_owned()
    };
    Err(format!("{how}: {} instead of {}", around(&found), around(&expected)))
}

fn sort(tree: &mut Tree) {
    match tree {
        Tree::Object(members) => {
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members.iter_mut().for_each(|(_, value)| sort(value));
        }
        Tree::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}
