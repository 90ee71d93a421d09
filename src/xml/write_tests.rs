//! Tests of writing: the order of elements, the look of pretty XML, and what XML cannot say.

use super::*;
use fhir::document::Document;
use fhir::parse::Limits;

fn written(json: &str, pretty: bool) -> Result<String, String> {
    let document = Document::parse(json.as_bytes(), Limits::default()).unwrap_or_else(|e| panic!("{json}: {e}"));
    let xml = write(&Definitions::r4(), document.root(), pretty).map_err(|e| e.to_string())?;
    let xml = String::from_utf8(xml).unwrap();
    Ok(xml
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
        .unwrap()
        .to_owned())
}

#[test]
fn elements_come_in_the_order_of_the_definitions() {
    let json = r#"{"birthDate":"2012","resourceType":"Patient","name":[{"given":["A"],"use":"usual","extension":
        [{"valueCode":"c","url":"u","id":"i"}]}],"_active":{"id":"x"},"id":"p","\u0061ctive":true}"#;
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p\"/><active id=\"x\" value=\"true\"/><name>\
               <extension id=\"i\" url=\"u\"><valueCode value=\"c\"/></extension><use value=\"usual\"/><given value=\"A\"/>\
               </name><birthDate value=\"2012\"/></Patient>";
    // The attributes of an element have no order that means anything: they stand as JSON has them.
    assert_eq!(
        written(json, false)
            .unwrap()
            .replace("url=\"u\" id=\"i\"", "id=\"i\" url=\"u\""),
        xml
    );
}

#[test]
fn pretty_is_an_element_a_line() {
    let json = r#"{"resourceType":"Patient","text":{"status":"empty","div":"<div>a\n<b>c</b></div>"},"contained":[{"resourceType":"Basic"}]}"#;
    let xml = "
<Patient xmlns=\"http://hl7.org/fhir\">
  <text>
    <status value=\"empty\"/>
    <div xmlns=\"http://www.w3.org/1999/xhtml\">a
<b>c</b></div>
  </text>
  <contained>
    <Basic/>
  </contained>
</Patient>";
    assert_eq!(written(json, true).unwrap(), xml);
}

#[test]
fn what_xml_cannot_say_is_an_error_with_its_place() {
    let table = [
        ("[]", "\"\" is no resource type"),
        (r#"{"resourceType":"X"}"#, "\"X\" is no resource type"),
        (r#"{"resourceType":"Resource"}"#, "\"Resource\" is no resource type"),
        (
            r#"{"resourceType":"Patient","nonsense":1}"#,
            "Patient.nonsense is no element",
        ),
        (
            r#"{"resourceType":"Patient","contact":[{"name":{"x":1}}]}"#,
            "Patient.contact.name.x is no element",
        ),
        (
            r#"{"resourceType":"Patient","deceased":true}"#,
            "Patient.deceased is no element",
        ),
        (
            r#"{"resourceType":"Patient","name":["x"]}"#,
            "Patient.name is no object",
        ),
        (
            r#"{"resourceType":"Patient","active":{}}"#,
            "Patient.active is no primitive",
        ),
        (
            r#"{"resourceType":"Patient","_active":1}"#,
            "Patient.active has a second half that is no object",
        ),
        (
            r#"{"resourceType":"Patient","_name":[{}]}"#,
            "Patient.name has a second half, as only",
        ),
        (
            r#"{"resourceType":"Patient","extension":[{"_url":{"id":"x"}}]}"#,
            "Patient.extension.url is an attribute in XML",
        ),
        (
            r#"{"resourceType":"Patient","birthDate":"a\u0001"}"#,
            "Patient.birthDate has the character U+0001",
        ),
        (
            r#"{"resourceType":"Patient","text":{"div":"<div><br></div>"}}"#,
            "Patient.text.div is no well-formed XHTML",
        ),
        (
            r#"{"resourceType":"Patient","text":{"div":1}}"#,
            "Patient.text.div is no string",
        ),
        (
            r#"{"resourceType":"Patient","contained":[{"resourceType":"Group","x":1}]}"#,
            "Patient.contained.Group.x is no element",
        ),
    ];
    for (json, expected) in table {
        let found = written(json, false).expect_err(json);
        assert!(found.contains(expected), "{json}: {found}");
    }
}
