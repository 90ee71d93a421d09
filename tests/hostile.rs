//! Requests made to be costly: each is answered within bounded time, with a sentence, and the server goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::world::{Engine, World};

/// No request may take longer, on the slowest machine that runs tests.
const TIME_MAX: Duration = Duration::from_secs(30);
/// The codes of a large system.
const CODES: usize = 100_000;

/// In place of a status: a table that was begun and breaks off.
const BROKEN_OFF: u16 = 0;

/// A request: method, address, body; the status of its answer, and part of what it says.
type Row = (&'static str, &'static str, String, u16, &'static str);

fn evaluated(expression: &str) -> String {
    let patient = json!({"resourceType": "Patient", "name": vec![json!({"given": ["a", "b", "c"]}); 40], "contact": [{"gender": "male"}, {"gender": "female"}]});
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "expression", "valueString": expression}, {"name": "resource", "resource": patient}]})
    .to_string()
}

fn value_set(name: &str, includes: &str) -> String {
    json!({"resourceType": "ValueSet", "id": name, "url": format!("http://e.org/{name}"), "status": "active",
        "compose": {"include": [{"valueSet": [format!("http://e.org/{includes}")]}]}})
    .to_string()
}

fn profile(name: &str, base: &str, element: &Value) -> String {
    json!({"resourceType": "StructureDefinition", "id": name, "url": format!("http://e.org/{name}"), "name": "X",
        "status": "active", "kind": "resource", "abstract": false, "type": "Patient", "baseDefinition": base,
        "derivation": "constraint", "differential": {"element": [element]}})
    .to_string()
}

/// A Patient of about ten megabytes.
fn large() -> String {
    let name =
        json!({"use": "official", "family": "Dorji", "given": ["Karma", "Pema"], "period": {"start": "2001-01-01"}});
    json!({"resourceType": "Patient", "id": "large", "name": vec![name; 95_000]}).to_string()
}

fn code_system() -> String {
    let concepts: Vec<Value> = (0..CODES)
        .map(|at| json!({"code": format!("c{at}"), "display": format!("Code {at}")}))
        .collect();
    json!({"resourceType": "CodeSystem", "id": "many", "url": "http://e.org/many", "status": "active", "content": "complete",
 "concept": concepts})
    .to_string()
}

/// What has to be there for the rest: definitions that lead back to themselves, and much of everything.
fn written() -> Vec<Row> {
    let patient = "http://hl7.org/fhir/StructureDefinition/Patient";
    let link =
        json!({"path": "Patient.link.other", "type": [{"code": "Reference", "targetProfile": ["http://e.org/link"]}]});
    let all = r#"{"resourceType":"ValueSet","id":"all","url":"http://e.org/all","status":"active","compose":{"include":[{"system":"http://e.org/many"}]}}"#.to_owned();
    let slow = json!({"path": "Patient", "constraint": [{"key": "s-1", "severity": "error", "human": "slow",
        "expression": "descendants().all(%resource.descendants().all(%resource.descendants().exists()))"}]});
    vec![
        ("PUT", "ValueSet/own", value_set("own", "own"), 201, ""),
        ("PUT", "ValueSet/one", value_set("one", "two"), 201, ""),
        ("PUT", "ValueSet/two", value_set("two", "one"), 201, ""),
        (
            "PUT",
            "StructureDefinition/own",
            profile("own", "http://e.org/own", &json!({"path": "Patient.name", "min": 1})),
            201,
            "",
        ),
        (
            "PUT",
            "StructureDefinition/link",
            profile("link", patient, &link),
            201,
            "",
        ),
        (
            "PUT",
            "StructureDefinition/slow",
            profile("slow", patient, &slow),
            201,
            "",
        ),
        (
            "PUT",
            "Patient/a",
            r#"{"resourceType":"Patient","id":"a","link":[{"other":{"reference":"Patient/a"},"type":"seealso"}]}"#
                .to_owned(),
            201,
            "",
        ),
        ("PUT", "ValueSet/all", all, 201, ""),
        ("PUT", "CodeSystem/many", code_system(), 201, ""),
        ("PUT", "Patient/large", large(), 201, ""),
    ]
}

/// Addresses that are asked, with the status of the answer and part of what it says.
const ADDRESSES: &str = "
    ValueSet/own/$expand                                           422  VALUESET_CIRCULAR_REFERENCE
    ValueSet/one/$expand                                           422  VALUESET_CIRCULAR_REFERENCE
    ValueSet/$validate-code?url=http://e.org/own&system=http://e.org/many&code=c1  422  VALUESET_CIRCULAR_REFERENCE
    ValueSet/$expand?url=http://e.org/all&count=10                 200  \"total\":100000
    ValueSet/$expand?url=http://e.org/all&filter=99999             200  c99999
    ValueSet/$expand?url=http://e.org/all                          422  too-costly
    Patient/a/$validate?profile=http://e.org/own                   200  stand on each other
    Patient/a/$validate?profile=http://e.org/link                  200  OperationOutcome
    Patient/large/$validate                                        200  OperationOutcome
    Patient/large/$validate?profile=http://e.org/slow              200  steps
    Patient?name=a,a,a,a,a,a&name=b&_has:Observation:patient:_has:Observation:patient:code=x  200  searchset
";

fn addresses() -> impl Iterator<Item = Row> {
    let rows = ADDRESSES.lines().map(str::trim).filter(|row| !row.is_empty());
    rows.map(|row| {
        let mut columns = row.split("  ").map(str::trim).filter(|column| !column.is_empty());
        let (address, status) = (columns.next().expect("an address"), columns.next().expect("a status"));
        let part = columns.next().expect("part of the answer");
        ("GET", address, String::new(), status.parse().expect("a number"), part)
    })
}

/// Expressions on a record, with the status of the answer and part of what it says.
fn expressions() -> impl Iterator<Item = Row> {
    let product = (0..4).fold("%resource.descendants()".to_owned(), |inner, _| {
        format!("%resource.descendants().select({inner})")
    });
    let nested = "(".repeat(5_000) + "1" + &")".repeat(5_000);
    let backtracking = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')";
    [
        (product, 422, "steps"),
        ("1.repeat($this + 1)".to_owned(), 422, ""),
        ("'a'.repeat($this & $this)".to_owned(), 422, ""),
        (
            "('b' | 'c').aggregate($total & $total & $this, 'a')".to_owned(),
            200,
            "",
        ),
        (nested, 422, "nest"),
        (backtracking.to_owned(), 200, "false"),
        (
            "'a'.matches('((a{1,1000}){1,1000}){1,1000}')".to_owned(),
            422,
            "size limit",
        ),
        ("name.".repeat(20_000), 422, "bytes long"),
    ]
    .into_iter()
    .map(|(expression, status, part)| ("POST", "$fhirpath", evaluated(&expression), status, part))
}

/// A view whose rows are every combination of what a record has, eight times over.
fn multiplied() -> String {
    let each = |at| json!({"forEach": "%resource.descendants()", "column": [{"name": format!("c{at}"), "path": "1"}]});
    let view = json!({"resourceType": "ViewDefinition", "resource": "Patient", "select": (0..8).map(each).collect::<Vec<_>>()});
    let names = vec![json!({"family": "a", "given": ["b", "c"]}); 20];
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "viewResource", "resource": view},
        {"name": "resource", "resource": {"resourceType": "Patient", "name": names}}]})
    .to_string()
}

/// Bodies that are sent.
fn bodies() -> Vec<Row> {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let deep = format!(r#"{{"resourceType":"Patient","extension":{deep}}}"#);
    let bomb = r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Patient xmlns="http://hl7.org/fhir"><language value="&b;"/></Patient>"#;
    vec![
        ("POST", "Patient/$validate", large(), 200, "OperationOutcome"),
        ("POST", "Patient", deep, 400, "nested"),
        ("POST", "Patient", bomb.to_owned(), 400, "DOCTYPE"),
        (
            "POST",
            "ViewDefinition/$viewdefinition-run",
            multiplied(),
            BROKEN_OFF,
            "",
        ),
    ]
}

#[test]
fn costly_requests_are_answered_and_the_server_goes_on() {
    let world = World::with(Engine::Sqlite, &["--body-bytes-max", "16 MiB"]);
    let mut wrong = Vec::new();
    for (method, address, body, status, part) in written()
        .into_iter()
        .chain(expressions())
        .chain(addresses())
        .chain(bodies())
    {
        let kind = match body.starts_with('<') {
            true => "application/fhir+xml",
            false => "application/fhir+json",
        };
        let begun = Instant::now();
        let answer = world.try_send(method, address, &[("Content-Type", kind)], body.as_bytes());
        let taken = begun.elapsed();
        let (found, said) = answer.map_or_else(|why| (BROKEN_OFF, why), |answer| (answer.status, answer.body));
        if taken > TIME_MAX || found != status || !said.contains(part) {
            wrong.push(format!(
                "{method} {address} {body:.200}: {taken:?}, {found} {said:.300}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.get("metadata").expect(200);
}
