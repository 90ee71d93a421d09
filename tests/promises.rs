//! What the CapabilityStatement claims is there: every parameter, every include, every interaction.

use std::collections::BTreeSet;

use interaction::operation::{AT_CLINICS, At, OPERATIONS, Operation};
use serde_json::Value;
use tests::world::{Engine, World};

const STRICT: &[(&str, &str)] = &[("Prefer", "handling=strict")];

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

/// A value that any parameter of the type takes.
fn sample(kind: &str, name: &str) -> &'static str {
    match (kind, name) {
        (_, "_type") => "Patient",
        (_, "_list") => "a",
        (_, "_filter") => "_id%20eq%20a",
        ("date", _) => "ge2020",
        ("number" | "quantity", _) => "1",
        ("special", _) => "27.47|89.64|10|km",
        ("uri", _) => "http://example.org/a",
        ("reference", _) => "Patient/a",
        _ => "a",
    }
}

fn every_search_parameter_answers(engine: Engine) {
    let world = World::new(engine);
    let statement = world.get("metadata").expect(200).json();
    let (mut asked, mut failed) = (0, Vec::new());
    for resource in list(&statement["rest"][0], "resource") {
        let kind = resource["type"].as_str().expect("a type");
        let parameters = list(resource, "searchParam").map(|p| (p["name"].as_str(), p["type"].as_str()));
        let queries = parameters.map(|(name, of)| {
            let name = name.expect("a name");
            match of.expect("a type") {
                // Each composite has parts of its own; the specimens ask for them.
                "composite" => format!("{name}:missing=false"),
                _ if name == "_has" => "_has:Provenance:target:_id=a".to_owned(),
                of => format!("{name}={}", sample(of, name)),
            }
        });
        let includes = list(resource, "searchInclude")
            .filter_map(Value::as_str)
            .map(|i| format!("_include={i}"));
        let reverse = list(resource, "searchRevInclude")
            .filter_map(Value::as_str)
            .map(|i| format!("_revinclude={i}"));
        for query in queries.chain(includes).chain(reverse) {
            asked += 1;
            let answer = world.send("GET", &format!("{kind}?{query}&_count=1"), STRICT, b"");
            if answer.status != 200 {
                failed.push(format!("{kind}?{query}: {} {:.200}", answer.status, answer.body));
            }
        }
    }
    assert!(asked > 2_000, "only {asked} promises");
    assert!(
        failed.is_empty(),
        "{} of {asked} promises are not kept:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// Every kind claims the same interactions, and each of them is there.
fn every_interaction_is_claimed_and_there(engine: Engine) {
    let world = World::new(engine);
    let statement = world.get("metadata").expect(200).json();
    let claimed = |resource: &Value| {
        let mut codes: Vec<String> = list(resource, "interaction")
            .filter_map(|i| i["code"].as_str().map(str::to_owned))
            .collect();
        codes.sort();
        codes
    };
    let all = [
        "create",
        "delete",
        "history-instance",
        "history-type",
        "patch",
        "read",
        "search-type",
        "update",
        "vread",
    ];
    for resource in list(&statement["rest"][0], "resource") {
        assert_eq!(claimed(resource), all, "{}", resource["type"]);
    }
    let system = claimed(&statement["rest"][0]);
    assert_eq!(system, ["batch", "history-system", "search-system", "transaction"]);
    let patient = r#"{"resourceType":"Patient","id":"p"}"#;
    let bundle = |kind: &str| format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[]}}"#);
    let version = world.put("Patient/p", patient).expect(201).json()["meta"]["versionId"]
        .as_str()
        .expect("a version")
        .to_owned();
    world.post("Patient", patient).expect(201);
    for path in [
        "Patient/p",
        &format!("Patient/p/_history/{version}"),
        "Patient/p/_history",
        "Patient/_history",
        "_history",
    ] {
        world.get(path).expect(200);
    }
    world.get("?_type=Patient").expect(200);
    world.post("", &bundle("batch")).expect(200);
    world.post("", &bundle("transaction")).expect(200);
    world.get("Patient/p/$everything").expect(200);
}

/// Where the scripts ask for operations and are answered: name, kind (nothing at the base address), whether of a record.
fn operations_asked() -> BTreeSet<(String, String, bool)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    let mut asked = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("the scripts").flatten() {
        let script = std::fs::read_to_string(file.path()).expect("a text");
        let acts = script.lines().filter_map(|line| line.split_once(" => "));
        for (request, _) in acts.filter(|(_, facts)| facts.trim_start().starts_with('2')) {
            let path = request.split_whitespace().nth(1).unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default();
            let segments: Vec<&str> = path.split('/').collect();
            let (front, name) = segments.split_at(segments.len() - 1);
            if let Some(name) = name[0].strip_prefix('$') {
                let kind = front.first().copied().unwrap_or_default();
                asked.insert((name.to_owned(), kind.to_owned(), front.len() == 2));
            }
        }
    }
    asked
}

/// The rows of the table are what the statement lists, and every row is asked for, and answered, by an act of the scripts
/// wherever it says it can be: at the base address, of each kind it names, of records of each.
#[test]
fn every_operation_claimed_has_acts_at_each_level() {
    let world = World::new(Engine::Sqlite);
    let statement = world.get("metadata").expect(200).json();
    let names = |value: &Value| -> BTreeSet<String> {
        let names = list(value, "operation").map(|operation| operation["name"].as_str().expect("a name"));
        names.map(str::to_owned).collect()
    };
    let of = |test: &dyn Fn(&Operation) -> bool| -> BTreeSet<String> {
        let rows = OPERATIONS.iter().filter(|operation| test(operation));
        rows.map(|operation| operation.name.to_owned()).collect()
    };
    assert_eq!(
        names(&statement["rest"][0]),
        of(&|operation| operation.is_at(At::System))
    );
    let is_here = |operation: &Operation| !AT_CLINICS.contains(&operation.name);
    for resource in list(&statement["rest"][0], "resource") {
        let kind = resource["type"].as_str().expect("a type");
        let claimed = of(&|operation| operation.is_of(kind) && is_here(operation));
        assert_eq!(names(resource), claimed, "{kind}");
    }
    let asked = operations_asked();
    let mut without = Vec::new();
    // What only clinics answer is asked of one by `exchange`.
    for operation in OPERATIONS.iter().filter(|operation| is_here(operation)) {
        let there = |kind: &str, of_record: bool| {
            let fits = |(name, at, record): &(String, String, bool)| {
                let any = kind == "Resource" && !at.is_empty();
                name == operation.name && *record == of_record && (any || at == kind)
            };
            asked.iter().any(fits)
        };
        let levels = operation.kinds.iter().map(|kind| (*kind, false));
        let levels = levels.chain(operation.records.iter().map(|kind| (*kind, true)));
        let levels = levels.chain(operation.system.then_some(("", false)));
        let missing = levels.filter(|(kind, of_record)| !there(kind, *of_record));
        without.extend(missing.map(|(kind, of_record)| (operation.name, kind, of_record)));
    }
    assert!(without.is_empty(), "no act of the scripts is answered for {without:?}");
}

/// A value of a type that an input of an operation has, as the address and as a parameter say it; none of objects.
fn input(kind: &str) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        "boolean" => ("true", r#""valueBoolean":true"#),
        "integer" | "positiveInt" => ("1", r#""valueInteger":1"#),
        "decimal" => ("1.5", r#""valueDecimal":1.5"#),
        "date" => ("2020-01-01", r#""valueDate":"2020-01-01""#),
        "dateTime" | "instant" => ("2020-01-01T00:00:00Z", r#""valueDateTime":"2020-01-01T00:00:00Z""#),
        "code" => ("a", r#""valueCode":"a""#),
        "id" => ("a", r#""valueId":"a""#),
        "string" => ("a", r#""valueString":"a""#),
        "uri" | "canonical" => ("http://e.org/a", r#""valueUri":"http://e.org/a""#),
        _ => return None,
    })
}

/// Every input that R4 defines for an operation is known to it, and means the same in the address and in a Parameters
/// resource; what no operation has is refused by name by all that answer with records.
#[test]
fn every_input_that_is_defined_is_known_either_way() {
    let world = World::new(Engine::Sqlite);
    let patient = r#"{"resourceType":"Patient","id":"a"}"#;
    world.put("Patient/a", patient).expect(201);
    let (mut asked, mut failed) = (0, Vec::new());
    for operation in OPERATIONS.iter().filter(|operation| operation.safe) {
        let Some(url) = operation.definition else { continue };
        let found = world.get(&format!("OperationDefinition?url={url}")).expect(200).json();
        let path = match (operation.system, operation.kinds.first(), operation.records.first()) {
            (true, ..) => format!("${}", operation.name),
            (_, Some(kind), _) => format!("{kind}/${}", operation.name),
            (_, _, kind) => format!("{}/a/${}", kind.expect("a place"), operation.name),
        };
        let inputs = list(&found["entry"][0]["resource"], "parameter").filter(|one| one["use"] == "in");
        for (name, (text, value)) in
            inputs.filter_map(|one| Some((one["name"].as_str()?, input(one["type"].as_str()?)?)))
        {
            let body = format!(r#"{{"resourceType":"Parameters","parameter":[{{"name":"{name}",{value}}}]}}"#);
            let by_address = world.get(&format!("{path}?{name}={text}"));
            let by_body = world.post(&path, &body);
            asked += 1;
            if by_address.status != by_body.status || by_address.body.contains("knows no parameter") {
                let answers = (by_address.status, by_address.body, by_body.status, by_body.body);
                failed.push(format!("{path} {name}: {answers:.300?}"));
            }
        }
    }
    assert!(asked > 60, "only {asked} inputs");
    assert!(failed.is_empty(), "{} of {asked}:\n{}", failed.len(), failed.join("\n"));
}

/// Every definition that the statement names by its address is found by it, but those that other guides define.
#[test]
fn every_definition_named_is_there() {
    let world = World::new(Engine::Sqlite);
    let statement = world.get("metadata").expect(200).json();
    let rest = &statement["rest"][0];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut named = BTreeSet::new();
    let all = list(rest, "resource").chain([rest]);
    for holder in all {
        let mut name = |kind: &'static str, url: Option<String>| named.extend(url.map(|url| (kind, url)));
        name("StructureDefinition", text(&holder["profile"]));
        list(holder, "supportedProfile").for_each(|url| name("StructureDefinition", text(url)));
        list(holder, "searchParam").for_each(|one| name("SearchParameter", text(&one["definition"])));
        list(holder, "operation").for_each(|one| name("OperationDefinition", text(&one["definition"])));
        list(holder, "compartment").for_each(|url| name("CompartmentDefinition", text(url)));
    }
    assert!(named.len() > 1_400, "{}", named.len());
    let missing = named.iter().filter(|(kind, url)| {
        let found = world.get(&format!("{kind}?url={url}")).expect(200).json();
        found["total"] != 1
    });
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Every definition that this program writes itself, or completes, is one: judged in full, nothing is wrong with it.
#[test]
fn every_definition_that_is_written_here_is_valid() {
    let world = World::new(Engine::Sqlite);
    let (mut judged, mut wrong) = (0, Vec::new());
    for kind in [
        "StructureDefinition",
        "SearchParameter",
        "CompartmentDefinition",
        "OperationDefinition",
    ] {
        let mut next = Some(format!("{kind}?_count=200&_elements=id"));
        while let Some(path) = next {
            let page = world.get(&path).expect(200).json();
            for entry in list(&page, "entry") {
                let path = format!("{kind}/{}/$validate", entry["resource"]["id"].as_str().expect("an id"));
                let outcome = world.get(&path).expect(200).json();
                judged += 1;
                // R4's list of its own kinds lacks what is added to them.
                let added = |issue: &&Value| {
                    let text = issue["diagnostics"].as_str().unwrap_or_default();
                    text.starts_with("`ViewDefinition` must be a code of the value set")
                };
                let errors = list(&outcome, "issue").filter(|issue| issue["severity"] == "error" && !added(issue));
                wrong.extend(errors.map(|issue| format!("{path}: {} {}", issue["expression"], issue["diagnostics"])));
            }
            let link = list(&page, "link").find(|link| link["relation"] == "next");
            next = link.and_then(|link| Some(link["url"].as_str()?.split_once("/fhir/")?.1.to_owned()));
        }
    }
    assert!(judged > 2_000, "{judged}");
    assert!(wrong.is_empty(), "{} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
}

fn bytes_that_are_no_text(engine: Engine) {
    let world = World::new(engine);
    for body in [
        &b"{\"resourceType\":\"Patient\",\"language\":\"\xff\"}"[..],
        b"\x00",
        b"\xff\xfe{\x00}\x00",
    ] {
        let answer = world.send("POST", "Patient", &[], body);
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    }
    assert_eq!(world.get("_history").expect(200).json()["total"], 0);
}

on_both!(
    every_search_parameter_answers,
    every_interaction_is_claimed_and_there,
    bytes_that_are_no_text
);
