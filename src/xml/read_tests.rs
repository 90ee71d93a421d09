//! Tests of reading: what XML becomes in JSON, and back; what is refused.

use super::*;
use crate::write::write;

fn read_text(xml: &str) -> Result<String, String> {
    let limits = Limits {
        depth: 64,
        ..Limits::default()
    };
    let json = read(&Definitions::r4(), xml.as_bytes(), limits);
    json.map(|json| String::from_utf8(json).unwrap())
        .map_err(|e| format!("{}:{} {}", e.line, e.column, e.what))
}

/// `P` begins a Patient and `E` ends it, in XML and in JSON.
fn expand(row: &str) -> (String, String) {
    let (xml, json) = row.split_once("  =>  ").expect("two columns");
    let (xml, json) = (xml.trim(), json.trim());
    match xml.strip_prefix("P ") {
        Some(inner) => (
            format!("<Patient xmlns=\"http://hl7.org/fhir\">{inner}</Patient>"),
            format!("{{\"resourceType\":\"Patient\",{json}}}"),
        ),
        None => (xml.to_owned(), json.to_owned()),
    }
}

/// What is the same in both, either way.
const SAME: &str = r##"
    P <id value="p"/><meta><tag><code value="x"/></tag></meta><active value="true"/>  =>  "id":"p","meta":{"tag":[{"code":"x"}]},"active":true
    P <name id="n"><given value="A"/><given value="B"/></name>  =>  "name":[{"id":"n","given":["A","B"]}]
    P <name><given value="A"/><given id="g" value="B"/></name>  =>  "name":[{"given":["A","B"],"_given":[null,{"id":"g"}]}]
    P <name><given><extension url="u"><valueCode value="c"/></extension></given><given value="B"/></name>  =>  "name":[{"given":[null,"B"],"_given":[{"extension":[{"url":"u","valueCode":"c"}]},null]}]
    P <birthDate><extension url="u"><valueCode value="c"/></extension></birthDate>  =>  "_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}
    P <birthDate id="d" value="2012"/>  =>  "birthDate":"2012","_birthDate":{"id":"d"}
    P <deceasedBoolean value="false"/><multipleBirthInteger value="-3"/>  =>  "deceasedBoolean":false,"multipleBirthInteger":-3
    P <extension id="e" url="u"><valueDecimal value="1.00"/></extension><extension url="v"><valueDecimal value="1E-5"/></extension>  =>  "extension":[{"id":"e","url":"u","valueDecimal":1.00},{"url":"v","valueDecimal":1E-5}]
    P <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">a&amp;<b>"x"</b><br/></div></text>  =>  "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a&amp;<b>\"x\"</b><br/></div>"}
    P <contained><Group><id value="g"/></Group></contained><contained><Basic/></contained>  =>  "contained":[{"resourceType":"Group","id":"g"},{"resourceType":"Basic"}]
    P <name><text value="&lt;&amp;&gt;&quot;'\/&#10;&#9;&#13;རྫོང་ཁ😀"/></name>  =>  "name":[{"text":"<&>\"'\\/\n\t\rརྫོང་ཁ😀"}]
    <Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><resource><Patient><active value="true"/></Patient></resource></entry></Bundle>  =>  {"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","active":true}}]}
    <Parameters xmlns="http://hl7.org/fhir"><parameter><name value="a"/><part><name value="b"/><resource><Basic/></resource></part></parameter></Parameters>  =>  {"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Basic"}}]}]}
    <Questionnaire xmlns="http://hl7.org/fhir"><item id="i"><linkId value="1"/><item><linkId value="2"/></item></item></Questionnaire>  =>  {"resourceType":"Questionnaire","item":[{"id":"i","linkId":"1","item":[{"linkId":"2"}]}]}
    <ExampleScenario xmlns="http://hl7.org/fhir"><instance><resourceId value="a"/><resourceType value="Patient"/></instance></ExampleScenario>  =>  {"resourceType":"ExampleScenario","instance":[{"resourceId":"a","resourceType":"Patient"}]}
    <Basic xmlns="http://hl7.org/fhir"/>  =>  {"resourceType":"Basic"}
"##;

#[test]
fn the_same_is_said_either_way() {
    for row in SAME.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (xml, json) = expand(row);
        assert_eq!(read_text(&xml).as_deref(), Ok(&*json), "{xml}");
        let document = fhir::document::Document::parse(json.as_bytes(), fhir::parse::Limits::default()).unwrap();
        let written = write(&Definitions::r4(), document.root(), false).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{xml}"));
        let pretty = write(&Definitions::r4(), document.root(), true).unwrap();
        assert_eq!(read_text(std::str::from_utf8(&pretty).unwrap()).as_deref(), Ok(&*json));
    }
}

/// What is read, and not written so.
const READ: &str = r##"
    P  <!-- c --><?p?> <active value="true"></active> <![CDATA[ ]]>  =>  "active":true
    P <name><given value="A"/><family value="F"/><given value="B"/></name>  =>  "name":[{"given":["A","B"],"family":"F"}]
    P <birthDate value=" 2012"/><gender value="x&#x20;"/>  =>  "birthDate":" 2012","gender":"x "
    P <active value="yes"/><multipleBirthInteger value="007"/>  =>  "active":"yes","multipleBirthInteger":"007"
    P <active/><name/><birthDate value=""/>  =>  "active":null,"name":[{}],"birthDate":""
    P <active value="true"/><active value="false"/>  =>  "active":[true,false]
    P <foo value="x"/><bar><baz a:schemaLocation="" xmlns:a="http://www.w3.org/2001/XMLSchema-instance"/></bar>  =>  "foo":"x","bar":{"baz":{}}
    P <deceased value="x"/>  =>  "deceased":"x"
    <f:Basic xmlns:f="http://hl7.org/fhir"><f:id value="a"/></f:Basic>  =>  {"resourceType":"Basic","id":"a"}
    <Nonsense xmlns="http://hl7.org/fhir"><id value="a"/></Nonsense>  =>  {"resourceType":"Nonsense","id":"a"}
    <Basic xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><text><h:div>x</h:div></text></Basic>  =>  {"resourceType":"Basic","text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}}
"##;

#[test]
fn what_is_read_is_left_to_the_judge() {
    for row in READ.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (xml, json) = expand(row);
        assert_eq!(read_text(&xml).as_deref(), Ok(&*json), "{xml}");
    }
}

/// What is refused, and a part of what is said of it with its place.
const REFUSED: &[(&str, &str)] = &[
    (
        "<Patient/>",
        "1:1 <Patient> is a resource and must be in the namespace http://hl7.org/fhir",
    ),
    ("P <id value='a'>x</id>", "text stands in <id>"),
    ("P x", "1:38 text stands in <Patient>"),
    ("P <name>\n<text>x</text></name>", "2:1 text stands in <text>"),
    ("P <name family='x'/>", "<name> has the attribute \"family\""),
    ("P <name value='x'/>", "<name> has the attribute \"value\""),
    ("P <name url='x'/>", "<name> has the attribute \"url\""),
    ("P <active url='x'/>", "<active> has the attribute \"url\""),
    (
        "P <name><id value='x'/></name>",
        "id is written as an attribute of <name>",
    ),
    (
        "P <extension><url value='x'/></extension>",
        "url is written as an attribute of <extension>",
    ),
    (
        "P <active id='x'><id value='y'/></active>",
        "id is written as an attribute of <active>",
    ),
    (
        "P <foo id='x'><id value='y'/></foo>",
        "id is written as an attribute of <foo>",
    ),
    (
        "P <resourceType value='Group'/>",
        "<resourceType> is no element of any FHIR type",
    ),
    (
        "P <name><given id='x'/><_given value='y'/></name>",
        "<_given> is no element of any FHIR type",
    ),
    (
        "P <text><div>x</div></text>",
        "<div> must be in the namespace http://www.w3.org/1999/xhtml",
    ),
    (
        "P <x:name xmlns:x='urn:x'/>",
        "<name> must be in the namespace http://hl7.org/fhir",
    ),
    (
        "P <div xmlns='http://www.w3.org/1999/xhtml'/>",
        "<div> must be in the namespace http://hl7.org/fhir",
    ),
    ("P <contained/>", "<contained> must hold one resource"),
    (
        "P <contained><Basic/><Basic/></contained>",
        "<contained> must hold one resource",
    ),
    (
        "P <contained>x<Basic/></contained>",
        "<contained> must hold one resource",
    ),
    (
        "P <contained id='x'><Basic/></contained>",
        "<contained> has the attribute \"id\"",
    ),
    (
        "<Patient xmlns='http://hl7.org/fhir' id='x'/>",
        "1:38 <Patient> has the attribute \"id\"",
    ),
    ("P <name xml:lang='dz'/>", "<name> has the attribute \"lang\""),
];

#[test]
fn what_json_could_not_say_is_refused_with_its_place() {
    let deep = format!(
        "<Basic xmlns='http://hl7.org/fhir'>{}",
        "<extension url='u'>".repeat(32)
    );
    let deep = deep + &"</extension>".repeat(32) + "</Basic>";
    let names: String = (0..=NAMES_MAX).map(|i| format!("<x{i}/>")).collect();
    let table = [
        (deep.as_str(), "values are nested deeper than 64 levels"),
        (&format!("P {names}"), "<Patient> has elements of more than 400 names"),
    ];
    for (xml, expected) in REFUSED.iter().copied().chain(table) {
        let xml = expand(&format!("{xml}  =>  ")).0;
        let found = read_text(&xml).expect_err(&xml);
        assert!(found.contains(expected), "{xml:.200}: {found}");
    }
}

#[test]
fn reading_is_linear() {
    let entry = "<entry><fullUrl value=\"urn:x\"/><resource><Patient><name><given value=\"A\"/></name></Patient></resource></entry>";
    let many = format!(
        "<Bundle xmlns=\"http://hl7.org/fhir\">{}</Bundle>",
        entry.repeat(20_000)
    );
    let mixed = "<entry><fullUrl value=\"u\"/></entry><link><url value=\"u\"/></link><foo/><bar/>".repeat(20_000);
    let mixed = format!("<Bundle xmlns=\"http://hl7.org/fhir\">{mixed}</Bundle>");
    let start = std::time::Instant::now();
    assert!(read_text(&many).unwrap().len() > 1_500_000);
    assert!(read_text(&mixed).unwrap().len() > 500_000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
