//! Tables of FHIRPath Patches and what they make of a record.

use conformance::Definitions;
use fhir::document::Document;
use fhir::outcome::{Code, Issue};
use fhir::parse::Limits;
use fhir::tree::Tree;

use super::*;

/// The Parameters of operations that are written `{type path name? index? source? destination?} value`.
fn parameters(operations: &[&str]) -> String {
    let operations: Vec<String> = operations
        .iter()
        .map(|parts| format!(r#"{{"name":"operation","part":[{parts}]}}"#))
        .collect();
    format!(
        r#"{{"resourceType":"Parameters","parameter":[{}]}}"#,
        operations.join(",")
    )
}

fn operation(action: &str, path: &str, rest: &[&str]) -> String {
    let mut parts = vec![
        format!(r#"{{"name":"type","valueCode":"{action}"}}"#),
        format!(r#"{{"name":"path","valueString":"{path}"}}"#),
    ];
    parts.extend(rest.iter().map(|part| format!("{{{part}}}")));
    parts.join(",")
}

fn patched(record: &str, operations: &[&str]) -> Result<String, Issue> {
    let read = |text: &str| Document::parse(text.as_bytes(), Limits::default()).expect("the table's JSON");
    let (record, patch) = (read(record), read(&parameters(operations)));
    let definitions = Definitions::r4();
    let moment = Moment { now: 0, zone: 0 };
    let tree = apply(&Definer(&definitions), moment, record.root(), patch.root())?;
    Ok(String::from_utf8(tree.to_bytes()).expect("JSON is UTF-8"))
}

const NAME: &str = r#""name":"name","valueString""#;

#[test]
fn operations_change_the_record() {
    let name = |text: &str| format!(r#"{NAME}:"{text}""#);
    let number = |part: &str, n: usize| format!(r#""name":"{part}","valueInteger":{n}"#);
    let value = |json: &str| format!(r#""name":"value",{json}"#);
    let table: [(&str, &str, &str, Vec<String>, &str); 27] = [
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![name("birthDate"), value(r#""valueDate":"1930""#)],
            r#""x":1,"birthDate":"1930""#,
        ),
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![name("name"), value(r#""valueHumanName":{"text":"A"}"#)],
            r#""x":1,"name":[{"text":"A"}]"#,
        ),
        (
            "add",
            r#""name":[{"text":"A"}]"#,
            "Patient",
            vec![name("name"), value(r#""valueHumanName":{"text":"B"}"#)],
            r#""name":[{"text":"A"},{"text":"B"}]"#,
        ),
        (
            "add",
            r#""name":[{"text":"A"}]"#,
            "Patient.name[0]",
            vec![name("given"), value(r#""valueString":"B""#)],
            r#""name":[{"text":"A","given":["B"]}]"#,
        ),
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![name("deceased"), value(r#""valueBoolean":true"#)],
            r#""x":1,"deceasedBoolean":true"#,
        ),
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![name("deceasedBoolean"), value(r#""valueBoolean":true"#)],
            r#""x":1,"deceasedBoolean":true"#,
        ),
        (
            "add",
            r#""birthDate":"1930""#,
            "Patient.birthDate",
            vec![
                name("extension"),
                value(r#""valueExtension":{"url":"u","valueString":"v"}"#),
            ],
            r#""birthDate":"1930","_birthDate":{"extension":[{"url":"u","valueString":"v"}]}"#,
        ),
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![name("birthDate"), value(r#""_valueDate":{"id":"i"}"#)],
            r#""x":1,"_birthDate":{"id":"i"}"#,
        ),
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![
                name("contact"),
                value(
                    r#""part":[{"name":"name","valueHumanName":{"text":"A"}},{"name":"gender","valueCode":"male"},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}}]"#,
                ),
            ],
            r#""x":1,"contact":[{"name":{"text":"A"},"gender":"male","telecom":[{"value":"1"},{"value":"2"}]}]"#,
        ),
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![
                name("contact"),
                value(
                    r#""part":[{"name":"name","part":[{"name":"family","valueString":"A"},{"name":"given","valueString":"B"}]}]"#,
                ),
            ],
            r#""x":1,"contact":[{"name":{"family":"A","given":["B"]}}]"#,
        ),
        (
            "add",
            r#""x":1"#,
            "Patient",
            vec![
                name("contained"),
                value(r#""resource":{"resourceType":"Group","id":"g"}"#),
            ],
            r#""x":1,"contained":[{"resourceType":"Group","id":"g"}]"#,
        ),
        (
            "insert",
            r#""name":[{"text":"A"}]"#,
            "Patient.name",
            vec![number("index", 0), value(r#""valueHumanName":{"text":"B"}"#)],
            r#""name":[{"text":"B"},{"text":"A"}]"#,
        ),
        (
            "insert",
            r#""name":[{"text":"A"}]"#,
            "Patient.name",
            vec![number("index", 1), value(r#""valueHumanName":{"text":"B"}"#)],
            r#""name":[{"text":"A"},{"text":"B"}]"#,
        ),
        (
            "insert",
            r#""x":1"#,
            "Patient.name",
            vec![number("index", 0), value(r#""valueHumanName":{"text":"B"}"#)],
            r#""x":1,"name":[{"text":"B"}]"#,
        ),
        (
            "insert",
            r#""name":[{"given":["A"],"_given":[{"id":"i"}]}]"#,
            "Patient.name.given",
            vec![number("index", 0), value(r#""valueString":"B""#)],
            r#""name":[{"given":["B","A"],"_given":[null,{"id":"i"}]}]"#,
        ),
        (
            "delete",
            r#""x":1,"birthDate":"1930","_birthDate":{"id":"i"}"#,
            "Patient.birthDate",
            vec![],
            r#""x":1"#,
        ),
        ("delete", r#""x":1"#, "Patient.birthDate", vec![], r#""x":1"#),
        (
            "delete",
            r#""x":1,"contact":[{"name":{"text":"A"}}]"#,
            "Patient.contact[0].name.text",
            vec![],
            r#""x":1"#,
        ),
        (
            "delete",
            r#""name":[{"text":"A"},{"text":"B"}]"#,
            "Patient.name.where(text = 'A')",
            vec![],
            r#""name":[{"text":"B"}]"#,
        ),
        (
            "delete",
            r#""birthDate":"1930","_birthDate":{"extension":[{"url":"u"}]}"#,
            "Patient.birthDate.extension",
            vec![],
            r#""birthDate":"1930""#,
        ),
        (
            "replace",
            r#""birthDate":"1930","_birthDate":{"id":"i"}"#,
            "Patient.birthDate",
            vec![value(r#""valueDate":"1940""#)],
            r#""birthDate":"1940""#,
        ),
        (
            "replace",
            r#""deceasedBoolean":true,"x":1"#,
            "Patient.deceased",
            vec![value(r#""valueDateTime":"2020""#)],
            r#""deceasedDateTime":"2020","x":1"#,
        ),
        (
            "replace",
            r#""name":[{"text":"A"},{"text":"B"}]"#,
            "Patient.name[1]",
            vec![value(r#""valueHumanName":{"text":"C"}"#)],
            r#""name":[{"text":"A"},{"text":"C"}]"#,
        ),
        (
            "replace",
            r#""contact":[{"gender":"male","x":1}]"#,
            "Patient.contact[0]",
            vec![value(r#""part":[{"name":"gender","valueCode":"female"}]"#)],
            r#""contact":[{"gender":"female"}]"#,
        ),
        (
            "move",
            r#""name":[{"text":"A"},{"text":"B"},{"text":"C"}]"#,
            "Patient.name",
            vec![number("source", 0), number("destination", 2)],
            r#""name":[{"text":"B"},{"text":"C"},{"text":"A"}]"#,
        ),
        (
            "move",
            r#""name":[{"text":"A"},{"text":"B"},{"text":"C"}]"#,
            "Patient.name",
            vec![number("source", 2), number("destination", 0)],
            r#""name":[{"text":"C"},{"text":"A"},{"text":"B"}]"#,
        ),
        (
            "move",
            r#""name":[{"given":["A","B"],"_given":[null,{"id":"i"}]}]"#,
            "Patient.name.given",
            vec![number("source", 1), number("destination", 0)],
            r#""name":[{"given":["B","A"],"_given":[{"id":"i"},null]}]"#,
        ),
    ];
    for (action, before, path, parts, after) in table {
        let record = |members: &str| format!(r#"{{"resourceType":"Patient",{members}}}"#);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let found = patched(&record(before), &[&operation(action, path, &parts)]);
        assert_eq!(
            found.as_deref().map_err(|issue| issue.text.clone()),
            Ok(record(after).as_str()),
            "{action} {path}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let text = r#""name":"value","valueString":"x""#;
    let index = |n: i32| format!(r#""name":"index","valueInteger":{n}"#);
    let (one, minus) = (index(5), index(-1));
    let name = |of: &str| format!(r#"{NAME}:"{of}""#);
    let (family, nonsense, birth) = (name("family"), name("nonsense"), name("birthDate"));
    let table: [(&str, &str, &[&str], Code); 21] = [
        (
            "add",
            "Patient",
            &[&birth, r#""name":"value","valueDate":"1930""#],
            Code::BusinessRule,
        ),
        ("add", "Patient", &[&nonsense, text], Code::BusinessRule),
        ("add", "Patient.name", &[&family, text], Code::BusinessRule),
        ("add", "Patient.contact", &[&family, text], Code::BusinessRule),
        (
            "add",
            "Patient.contact.where(use = 'x",
            &[&family, text],
            Code::Structure,
        ),
        ("add", "Patient", &[text], Code::Structure),
        ("add", "Patient", &[&birth], Code::Structure),
        ("add", "Patient", &[&name("multipleBirth"), text], Code::BusinessRule),
        (
            "add",
            "Patient",
            &[
                &name("contact"),
                r#""name":"value","part":[{"name":"nonsense","valueString":"x"}]"#,
            ],
            Code::BusinessRule,
        ),
        ("insert", "Patient.name", &[&one, text], Code::BusinessRule),
        ("insert", "Patient.name", &[&minus, text], Code::Structure),
        ("insert", "Patient.birthDate", &[&index(0), text], Code::BusinessRule),
        ("delete", "Patient.name", &[], Code::BusinessRule),
        ("delete", "Patient", &[], Code::BusinessRule),
        ("delete", "Patient.name.count()", &[], Code::BusinessRule),
        ("replace", "Patient.name", &[text], Code::BusinessRule),
        ("replace", "Patient.contact", &[text], Code::BusinessRule),
        ("replace", "Patient", &[text], Code::BusinessRule),
        (
            "move",
            "Patient.name",
            &[
                r#""name":"source","valueInteger":0"#,
                r#""name":"destination","valueInteger":2"#,
            ],
            Code::BusinessRule,
        ),
        (
            "move",
            "Patient.name",
            &[r#""name":"source","valueInteger":0"#],
            Code::Structure,
        ),
        ("frob", "Patient", &[], Code::Structure),
    ];
    let record = r#"{"resourceType":"Patient","name":[{"text":"A"},{"text":"B"}],"birthDate":"1930"}"#;
    for (action, path, parts, code) in table {
        let fine = operation("delete", "Patient.gender", &[]);
        let issue = patched(record, &[&fine, &operation(action, path, parts)]).expect_err(path);
        let found = (issue.code, issue.expression.as_str());
        assert_eq!(
            found,
            (code, "Parameters.parameter[1]"),
            "{action} {path}: {}",
            issue.text
        );
    }
}

#[test]
fn each_operation_sees_what_the_one_before_left() {
    let record = r#"{"resourceType":"Patient"}"#;
    let add = operation(
        "add",
        "Patient",
        &[
            &format!(r#"{NAME}:"name""#),
            r#""name":"value","valueHumanName":{"text":"A"}"#,
        ],
    );
    let replace = operation(
        "replace",
        "Patient.name[1].text",
        &[r#""name":"value","valueString":"B""#],
    );
    let found = patched(record, &[&add, &add, &replace]);
    let expected = Tree::parse(br#"{"resourceType":"Patient","name":[{"text":"A"},{"text":"B"}]}"#).expect("JSON");
    assert_eq!(Tree::parse(found.expect("applies").as_bytes()).expect("JSON"), expected);
}
