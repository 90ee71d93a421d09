//! Tables of FHIRPath Patches and what they make of a record.

use conformance::Definitions;
use fhir::document::Document;
use fhir::outcome::{Code, Issue};
use fhir::parse::Limits;

use super::*;

/// What the members of a Patient were | the operation | its path | its other parts | its value | what they are then.
const CHANGES: &str = r#"
"x":1                 | add | Patient | name=birthDate | "valueDate":"1930" | "x":1,"birthDate":"1930"
"x":1                 | add | Patient | name=name | "valueHumanName":{"text":"A"} | "x":1,"name":[{"text":"A"}]
"name":[{"text":"A"}] | add | Patient | name=name | "valueHumanName":{"text":"B"} | "name":[{"text":"A"},{"text":"B"}]
"name":[{"text":"A"}] | add | Patient.name[0] | name=given | "valueString":"B" | "name":[{"text":"A","given":["B"]}]
"x":1                 | add | Patient | name=deceased | "valueBoolean":true | "x":1,"deceasedBoolean":true
"x":1                 | add | Patient | name=deceasedBoolean | "valueBoolean":true | "x":1,"deceasedBoolean":true
"x":1                 | add | Patient | name=birthDate | "_valueDate":{"id":"i"} | "x":1,"_birthDate":{"id":"i"}
"birthDate":"1930"    | add | Patient.birthDate | name=extension | "valueExtension":{"url":"u"} | "birthDate":"1930","_birthDate":{"extension":[{"url":"u"}]}
"x":1                 | add | Patient | name=contact | "part":[{"name":"name","valueHumanName":{"text":"A"}},{"name":"gender","valueCode":"male"}] | "x":1,"contact":[{"name":{"text":"A"},"gender":"male"}]
"x":1                 | add | Patient | name=contact | "part":[{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}}] | "x":1,"contact":[{"telecom":[{"value":"1"},{"value":"2"}]}]
"x":1                 | add | Patient | name=contact | "part":[{"name":"name","part":[{"name":"given","valueString":"B"}]}] | "x":1,"contact":[{"name":{"given":["B"]}}]
"x":1                 | add | Patient | name=contained | "resource":{"resourceType":"Group","id":"g"} | "x":1,"contained":[{"resourceType":"Group","id":"g"}]
"name":[{"text":"A"}] | insert | Patient.name | index=0 | "valueHumanName":{"text":"B"} | "name":[{"text":"B"},{"text":"A"}]
"name":[{"text":"A"}] | insert | Patient.name | index=1 | "valueHumanName":{"text":"B"} | "name":[{"text":"A"},{"text":"B"}]
"x":1                 | insert | Patient.name | index=0 | "valueHumanName":{"text":"B"} | "x":1,"name":[{"text":"B"}]
"name":[{"given":["A"],"_given":[{"id":"i"}]}] | insert | Patient.name.given | index=0 | "valueString":"B" | "name":[{"given":["B","A"],"_given":[null,{"id":"i"}]}]
"x":1,"birthDate":"1930","_birthDate":{"id":"i"} | delete | Patient.birthDate | | | "x":1
"x":1                 | delete | Patient.birthDate | | | "x":1
"x":1,"contact":[{"name":{"text":"A"}}] | delete | Patient.contact[0].name.text | | | "x":1
"name":[{"text":"A"},{"text":"B"}] | delete | Patient.name.where(text = 'A') | | | "name":[{"text":"B"}]
"birthDate":"1930","_birthDate":{"extension":[{"url":"u"}]} | delete | Patient.birthDate.extension | | | "birthDate":"1930"
"birthDate":"1930","_birthDate":{"id":"i"} | replace | Patient.birthDate | | "valueDate":"1940" | "birthDate":"1940"
"deceasedBoolean":true,"x":1 | replace | Patient.deceased | | "valueDateTime":"2020" | "deceasedDateTime":"2020","x":1
"name":[{"text":"A"},{"text":"B"}] | replace | Patient.name[1] | | "valueHumanName":{"text":"C"} | "name":[{"text":"A"},{"text":"C"}]
"contact":[{"gender":"male","x":1}] | replace | Patient.contact[0] | | "part":[{"name":"gender","valueCode":"female"}] | "contact":[{"gender":"female"}]
"name":[{"text":"A"},{"text":"B"},{"text":"C"}] | move | Patient.name | source=0 destination=2 | | "name":[{"text":"B"},{"text":"C"},{"text":"A"}]
"name":[{"text":"A"},{"text":"B"},{"text":"C"}] | move | Patient.name | source=2 destination=0 | | "name":[{"text":"C"},{"text":"A"},{"text":"B"}]
"name":[{"given":["A","B"],"_given":[null,{"id":"i"}]}] | move | Patient.name.given | source=1 destination=0 | | "name":[{"given":["B","A"],"_given":[{"id":"i"},null]}]
"#;

/// The code of the refusal | the operation | its path | its other parts | its value; of a Patient with two names.
const REFUSALS: &str = r#"
business-rule | add     | Patient | name=birthDate | "valueDate":"1931"
business-rule | add     | Patient | name=nonsense | "valueString":"x"
business-rule | add     | Patient.name | name=family | "valueString":"x"
business-rule | add     | Patient.contact | name=family | "valueString":"x"
structure     | add     | Patient.contact.where(use = 'x | name=family | "valueString":"x"
structure     | add     | Patient | | "valueString":"x"
structure     | add     | Patient | name=gender |
business-rule | add     | Patient | name=multipleBirth | "valueString":"x"
business-rule | add     | Patient | name=contact | "part":[{"name":"nonsense","valueString":"x"}]
business-rule | add     | Patient | name=contact | "part":[{"name":"gender","valueCode":"male"},{"name":"gender","valueCode":"male"}]
structure     | add     | Patient | name=gender | "valueCode":"male","valueString":"x","part":[]
business-rule | insert  | Patient.name | index=5 | "valueString":"x"
structure     | insert  | Patient.name | index=-1 | "valueString":"x"
business-rule | insert  | Patient.birthDate | index=0 | "valueString":"x"
business-rule | delete  | Patient.name | |
business-rule | delete  | Patient | |
business-rule | delete  | Patient.name.count() | |
business-rule | replace | Patient.name | | "valueString":"x"
business-rule | replace | Patient.contact | | "valueString":"x"
business-rule | replace | Patient | | "valueString":"x"
business-rule | move    | Patient.name | source=0 destination=2 |
structure     | move    | Patient.name | source=0 |
structure     | frob    | Patient | |
"#;

/// The lines of a table and their columns.
fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.is_empty());
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// An operation of a Parameters resource from the columns of a table.
fn operation(action: &str, path: &str, parts: &str, value: &str) -> String {
    let mut all = vec![
        format!(r#"{{"name":"type","valueCode":"{action}"}}"#),
        format!(r#"{{"name":"path","valueString":"{path}"}}"#),
    ];
    for (name, text) in parts.split_whitespace().filter_map(|part| part.split_once('=')) {
        all.push(match name {
            "name" => format!(r#"{{"name":"name","valueString":"{text}"}}"#),
            _ => format!(r#"{{"name":"{name}","valueInteger":{text}}}"#),
        });
    }
    if !value.is_empty() {
        all.push(format!(r#"{{"name":"value",{value}}}"#));
    }
    format!(r#"{{"name":"operation","part":[{}]}}"#, all.join(","))
}

fn patched(members: &str, operations: &[String]) -> Result<String, Issue> {
    let read = |text: &str| Document::parse(text.as_bytes(), Limits::default()).expect("the table's JSON");
    let record = read(&format!(r#"{{"resourceType":"Patient",{members}}}"#));
    let patch = read(&format!(
        r#"{{"resourceType":"Parameters","parameter":[{}]}}"#,
        operations.join(",")
    ));
    let definitions = Definitions::r4();
    let moment = Moment { now: 0, zone: 0 };
    let tree = apply(&Definer(&definitions), moment, record.root(), patch.root())?;
    Ok(String::from_utf8(tree.to_bytes()).expect("JSON is UTF-8"))
}

#[test]
fn operations_change_the_record() {
    for row in rows(CHANGES) {
        let [before, action, path, parts, value, after] = row[..] else {
            panic!("six columns: {row:?}");
        };
        let found = patched(before, &[operation(action, path, parts, value)]).map_err(|issue| issue.text);
        assert_eq!(found, Ok(format!(r#"{{"resourceType":"Patient",{after}}}"#)), "{row:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let record = r#""name":[{"text":"A"},{"text":"B"}],"birthDate":"1930""#;
    for row in rows(REFUSALS) {
        let [code, action, path, parts, value] = row[..] else {
            panic!("five columns: {row:?}");
        };
        let fine = operation("delete", "Patient.gender", "", "");
        let issue = patched(record, &[fine, operation(action, path, parts, value)]).expect_err(path);
        let found = (issue.code.as_str(), issue.expression.as_str());
        assert_eq!(found, (code, "Parameters.parameter[1]"), "{row:?}: {}", issue.text);
    }
    let many = vec![operation("delete", "Patient.gender", "", ""); OPERATIONS_MAX + 1];
    assert_eq!(patched(record, &many).expect_err("too many").code, Code::TooCostly);
}

#[test]
fn each_operation_sees_what_the_one_before_left() {
    let add = operation("add", "Patient", "name=name", r#""valueHumanName":{"text":"A"}"#);
    let replace = operation("replace", "Patient.name[1].text", "", r#""valueString":"B""#);
    let found = patched(r#""x":1"#, &[add.clone(), add, replace]).map_err(|issue| issue.text);
    let expected = r#"{"resourceType":"Patient","x":1,"name":[{"text":"A"},{"text":"B"}]}"#;
    assert_eq!(found.as_deref(), Ok(expected));
}
