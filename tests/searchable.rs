//! Every search parameter that the CapabilityStatement lists finds what it should, with every modifier and prefix.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use conformance::{Definitions, SearchParameter};
use fhir::tree::Tree;
use serde_json::{Value, json};
use tests::specimen::{self, Builder, Specimen, TARGET};
use tests::world::{Engine, World};

/// Entries of one batch.
const BATCH: usize = 500;

/// Parameters of every kind that come from the version or its words; the scripts have their cases.
const OF_THE_VERSION: [&str; 7] = ["_id", "_lastUpdated", "_text", "_content", "_has", "_list", "_filter"];

/// Claimed parameters that no specimen can be built for, each with the test that has its cases.
const ELSEWHERE: &[(&str, &str, &str)] = &[("Location", "near", "`tests/scripts/`")];

fn claimed(world: &World) -> Vec<(String, String)> {
    let statement = world.get("metadata").expect(200).json();
    let mut claimed = Vec::new();
    for resource in statement["rest"][0]["resource"].as_array().expect("a list of kinds") {
        let kind = resource["type"].as_str().expect("a type");
        for parameter in resource["searchParam"].as_array().into_iter().flatten() {
            claimed.push((kind.to_owned(), parameter["name"].as_str().expect("a name").to_owned()));
        }
    }
    claimed
}

fn definition<'a>(definitions: &'a Definitions, kind: &str, code: &str) -> Option<&'a SearchParameter> {
    let fits = |base: &String| matches!(base.as_str(), "Resource" | "DomainResource") || base == kind;
    let mut found = definitions.search_parameters().iter();
    found.find(|p| p.code == code && p.base.iter().any(fits))
}

fn specimens(definitions: &Definitions, claimed: &[(String, String)]) -> (Vec<Specimen>, Vec<String>) {
    let (mut all, mut without) = (Vec::new(), Vec::new());
    for (kind, code) in claimed {
        if OF_THE_VERSION.contains(&code.as_str()) {
            continue;
        }
        let found = definition(definitions, kind, code).map(|p| specimen::of(definitions, kind, p));
        let found = found.unwrap_or_default();
        if found.is_empty() && !ELSEWHERE.iter().any(|(k, c, _)| k == kind && c == code) {
            without.push(format!("{kind}.{code}"));
        }
        all.extend(found);
    }
    (all, without)
}

fn text(tree: &Tree) -> Value {
    serde_json::from_slice(&tree.to_bytes()).expect("a tree writes JSON")
}

/// Sends entries in batches and gives every answer.
fn batch(world: &World, entries: &[Value]) -> Vec<Value> {
    let mut answers = Vec::new();
    for chunk in entries.chunks(BATCH) {
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": chunk});
        let answer = world.post("", &bundle.to_string()).expect(200).json();
        answers.extend(answer["entry"].as_array().expect("an answer for each").iter().cloned());
    }
    assert_eq!(answers.len(), entries.len());
    answers
}

fn put(kind: &str, id: &str, mut record: Value) -> Value {
    record["id"] = json!(id);
    json!({"resource": record, "request": {"method": "PUT", "url": format!("{kind}/{id}")}})
}

fn stored(world: &World, entries: &[Value]) {
    for (entry, answer) in entries.iter().zip(batch(world, entries)) {
        let status = answer["response"]["status"].as_str().unwrap_or_default();
        assert!(status.starts_with("201"), "{entry}: {answer}");
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'/' | b',' => {
                out.push(char::from(byte));
            }
            _ => write!(out, "%{byte:02X}").expect("a string takes it"),
        }
    }
    out
}

/// The searches of a specimen: the query, and whether the specimen is found.
fn asked(specimen: &Specimen, id: &str) -> Vec<(String, bool)> {
    let Specimen { kind, code, .. } = specimen;
    let own = specimen.cases.iter().map(|case| {
        let query = format!(
            "{kind}?_id={id}&{code}{}={}",
            encoded(&case.suffix),
            encoded(&case.value)
        );
        (query, case.found)
    });
    let mut asked: Vec<(String, bool)> = own.collect();
    if let Some(target) = &specimen.target {
        asked.push((format!("{target}?_id={TARGET}&_has:{kind}:{code}:_id={id}"), true));
        asked.push((format!("{target}?_id={TARGET}&_has:{kind}:{code}:_id=none"), false));
    }
    asked
}

fn told(answer: &Value) -> String {
    match &answer["resource"]["total"] {
        Value::Null => format!("{:.300}", answer.to_string()),
        total => format!("the total is {total}"),
    }
}

fn every_parameter_finds_its_specimens(engine: Engine) {
    let definitions = Definitions::r4();
    let world = World::with(engine, &["--validate", "off"]);
    let claimed = claimed(&world);
    let (specimens, without) = specimens(&definitions, &claimed);
    assert!(without.is_empty(), "no specimen of {}", without.join(", "));
    let builder = Builder {
        definitions: &definitions,
        target: "Patient",
    };
    let kinds: BTreeSet<&str> = claimed.iter().map(|(kind, _)| kind.as_str()).collect();
    let targets = kinds
        .iter()
        .map(|kind| put(kind, TARGET, text(&builder.minimal(kind).expect("a record"))));
    stored(&world, &targets.collect::<Vec<_>>());
    let id = |place: usize| format!("s{place}");
    let records = specimens
        .iter()
        .enumerate()
        .map(|(place, s)| put(&s.kind, &id(place), text(&s.record)));
    stored(&world, &records.collect::<Vec<_>>());
    let asked: Vec<(String, bool)> = specimens
        .iter()
        .enumerate()
        .flat_map(|(place, specimen)| self::asked(specimen, &id(place)))
        .collect();
    let requests: Vec<Value> = asked
        .iter()
        .map(|(query, _)| json!({"request": {"method": "GET", "url": format!("{query}&_summary=count")}}))
        .collect();
    let mut wrong = Vec::new();
    for ((query, found), answer) in asked.iter().zip(batch(&world, &requests)) {
        if answer["resource"]["total"] != json!(u64::from(*found)) {
            wrong.push(format!("{query}: found is to be {found}, but {}", told(&answer)));
        }
    }
    eprintln!(
        "{} parameters, {} specimens, {} searches",
        claimed.len(),
        specimens.len(),
        asked.len()
    );
    let shown: Vec<&String> = wrong.iter().take(20).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong: {shown:#?}",
        wrong.len(),
        asked.len()
    );
}

fn page(definitions: &Definitions, claimed: &[(String, String)]) -> String {
    let mut rows: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut common: BTreeMap<&str, String> = BTreeMap::new();
    for (kind, code) in claimed {
        let Some(definition) = definition(definitions, kind, code) else {
            continue;
        };
        let row = row(definitions, kind, definition);
        if definition
            .base
            .iter()
            .any(|base| matches!(base.as_str(), "Resource" | "DomainResource"))
        {
            common.entry(code).or_insert(row);
        } else {
            rows.entry(kind).or_default().push(row);
        }
    }
    let mut page = String::from(HEAD);
    let head = "\n| parameter | type | over | modifiers | tested |\n|---|---|---|---|---|\n";
    write!(page, "\n## Every kind\n{head}").expect("a string takes it");
    common.values().for_each(|row| page.push_str(row));
    for (kind, rows) in rows {
        write!(page, "\n## {kind}\n{head}").expect("a string takes it");
        rows.iter().for_each(|row| page.push_str(row));
    }
    page
}

const HEAD: &str = "# What can be searched\n\nWritten by `EPIS_BLESS=1 tests/run searchable` from the definitions and from \
    the searches that the tests make of every\nparameter: each number counts searches over a record made for it, as many \
    that must find it as its type has ways, and as\nmany that must not. Chains, `_has`, paging and the rest have their \
    tests in `tests/scripts/`, `tests/paging.rs` and the\nproperty test of `search-index`.\n";

fn row(definitions: &Definitions, kind: &str, definition: &SearchParameter) -> String {
    let specimens = specimen::of(definitions, kind, definition);
    let over: BTreeSet<&str> = specimens.iter().map(|s| s.data_type.as_str()).collect();
    let modifiers: BTreeSet<&str> = specimens
        .iter()
        .flat_map(|s| &s.cases)
        .filter_map(|case| case.suffix.strip_prefix(':'))
        .map(|suffix| {
            if suffix.starts_with(char::is_uppercase) {
                "[type]"
            } else {
                suffix
            }
        })
        .collect();
    let tested: usize = specimens.iter().map(|s| s.cases.len()).sum();
    let list = |set: BTreeSet<&str>| set.into_iter().collect::<Vec<_>>().join(", ");
    if OF_THE_VERSION.contains(&definition.code.as_str()) {
        let kind = definition.kind.as_str();
        return format!(
            "| `{}` | {kind} | every record | | `tests/scripts/` |\n",
            definition.code
        );
    }
    let tested = match ELSEWHERE.iter().find(|(k, c, _)| *k == kind && *c == definition.code) {
        Some((_, _, place)) => (*place).to_owned(),
        None => tested.to_string(),
    };
    format!(
        "| `{}` | {} | {} | {} | {tested} |\n",
        definition.code,
        definition.kind.as_str(),
        list(over),
        list(modifiers)
    )
}

#[test]
fn the_reference_page_is_that_of_the_specimens() {
    let world = World::new(Engine::Sqlite);
    let text = page(&Definitions::r4(), &claimed(&world));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/search.md");
    if std::env::var_os("EPIS_BLESS").is_some() {
        std::fs::write(&path, &text).expect("the page can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/reference/search.md is out of date: EPIS_BLESS=1 tests/run searchable writes it anew"
    );
}

on_both!(every_parameter_finds_its_specimens);
