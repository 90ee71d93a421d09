//! What the CapabilityStatement claims is there: every parameter, every include, every interaction.

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
