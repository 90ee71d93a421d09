//! Tests of the XML reader: what is taken, what is refused and where.

use super::*;

fn refusal(text: &str) -> String {
    match Document::parse(text.as_bytes(), Limits::default()) {
        Ok(document) => format!("taken: {document:?}"),
        Err(e) => format!("{}:{} {}", e.line, e.column, e.what),
    }
}

#[test]
fn takes_what_is_well_formed() {
    let deep = "<a>".repeat(DEPTH_MAX) + &"</a>".repeat(DEPTH_MAX);
    let table = [
        "<a/>",
        "\u{feff}<?xml version='1.0' encoding=\"utf-8\" standalone='yes' ?>\n<!-- c -->\n<?p x?><a/><!--d-->\n",
        "<?xml version=\"1.1\"?><a></a >",
        "<a b='\"' c=\"'\" d = 'x&lt;&#x41;\n'>x]] > y<![CDATA[<&]]>z<?p?><!-- - --></a>",
        "<p:a xmlns:p='urn:x' p:b='1' b='2'><b xmlns='urn:y' xmlns:q='urn:x' q:c='1'/></p:a>",
        "<é xml:lang='dz'>རྫོང་ཁ</é>",
        "<a xmlns='urn:x'><b xmlns=''/></a>",
        &deep,
    ];
    for text in table {
        assert!(
            Document::parse(text.as_bytes(), Limits::default()).is_ok(),
            "{text}: {}",
            refusal(text)
        );
    }
}

/// What is refused, and how what is said of it begins, with its place.
const REFUSED: &[(&str, &str)] = &[
    ("", "1:1 the text ends before any element"),
    ("\n <!-- -->", "2:10 the text ends before any element"),
    ("<a", "1:3 the text ends within a tag"),
    ("<a>\n<b></b>", "2:8 the text ends within <a>"),
    ("<a></b>", "1:4 </b> stands where <a> must end first"),
    ("</a>", "1:1 an end tag stands without"),
    ("<a/><b/>", "1:5 a second element"),
    ("<a/>x", "1:5 text stands outside"),
    ("x<a/>", "1:1 text stands outside"),
    (
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "1:1 a DOCTYPE",
    ),
    ("<a><!ELEMENT b></a>", "1:4 a DOCTYPE"),
    ("<a>&nbsp;</a>", "1:4 &nbsp; is no reference"),
    ("<a>&#1;</a>", "1:4 &#1; is no reference"),
    ("<a>a & b</a>", "1:6 an ampersand stands for itself"),
    ("<a>]]></a>", "1:4 \"]]>\" stands in a text"),
    ("<a>\u{1}</a>", "1:4 a character stands that XML does not allow"),
    ("<a>\u{ffff}</a>", "1:4 a character stands that XML does not allow"),
    ("<a b='<'/>", "1:7 \"<\" stands in the value"),
    ("<a b=c/>", "1:6 the value of an attribute was expected"),
    ("<a b/>", "1:5 an equals sign"),
    ("<a b='1'c='2'/>", "1:9 white space, an attribute or the end"),
    ("<a b='1' b='2'/>", "1:10 the attribute \"b\" stands twice"),
    (
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        "1:36 the attribute \"q:b\" stands twice",
    ),
    ("<a xmlns='u' xmlns='v'/>", "1:14 the attribute \"xmlns\" stands twice"),
    ("<p:a/>", "1:5 the prefix \"p\" is not declared"),
    ("<a p:b=''/>", "1:10 the prefix \"p\" is not declared"),
    ("<a xmlns:p=''/>", "1:14 the prefix \"p\" is declared for no namespace"),
    ("<a xmlns:xml='u'/>", "1:17 the namespaces of xml and xmlns"),
    ("<xmlns:a/>", "1:9 the prefix \"xmlns\" is no element's"),
    ("<a:/>", "1:2 nothing follows the colon"),
    ("<1/>", "1:2 the name of an element was expected"),
    ("< a/>", "1:2 the name of an element was expected"),
    ("<a><!-- -- --></a>", "1:11 two dashes"),
    ("<a><!-- ", "1:8 the text ends within a comment"),
    ("<a><![CDATA[</a>", "1:4 the text ends within a CDATA section"),
    ("<![CDATA[x]]><a/>", "1:1 text stands outside"),
    (
        " <?xml version='1.0'?><a/>",
        "1:2 the XML declaration stands only at the very start",
    ),
    (
        "<?xml encoding='utf-8'?><a/>",
        "1:1 the XML declaration names no version",
    ),
    (
        "<?xml version='1.0' encoding='latin-1'?><a/>",
        "1:1 the encoding is declared",
    ),
    ("<?xml version='1.0' x='y'?><a/>", "1:1 the XML declaration is not"),
    ("<a><?p:q x?></a>", "1:4 the XML declaration stands only"),
];

#[test]
fn refuses_what_is_not_and_names_the_place() {
    let deep = "<a>".repeat(DEPTH_MAX + 1);
    let many: String = (0..=ATTRIBUTES_MAX).map(|i| format!(" a{i}=''")).collect();
    let many = format!("<a{many}/>");
    let spaces: String = (0..300).map(|i| format!("<a xmlns='urn:{i}'>")).collect();
    let long = format!("<{}/>", "a".repeat(NAME_MAX + 1));
    let table = [
        (deep.as_str(), "elements are nested deeper"),
        (&many, "an element has more than 64 attributes"),
        (&spaces, "there are more than 200 namespaces"),
        (&long, "is longer than 1000 bytes"),
    ];
    for (text, expected) in REFUSED.iter().copied().chain(table) {
        assert!(refusal(text).contains(expected), "{text:.80}: {}", refusal(text));
    }
    let not_text = Document::parse(b"<a>\n\xff</a>", Limits::default()).unwrap_err();
    assert_eq!((not_text.line, not_text.column), (2, 1));
    let limits = Limits {
        bytes: 3,
        ..Limits::default()
    };
    assert!(Document::parse(b"<a/>", limits).is_err());
}

#[test]
fn a_document_says_what_it_holds() {
    let text = "<p:a xmlns:p='urn:x' b='1&amp;2'>t<c/>\r\n<![CDATA[<]]>&gt;<!--n--><?go x?></p:a>";
    let document = Document::parse(text.as_bytes(), Limits::default()).unwrap();
    let root = document.root();
    assert_eq!((root.name(), root.prefix(), root.space()), ("a", "p", "urn:x"));
    assert_eq!(root.attribute("b").unwrap().value(), "1&2");
    assert!(root.attribute("p").is_none() && root.attributes().next().unwrap().is_declaration());
    let found: Vec<(What, &str, String)> = root
        .children()
        .map(|n| (n.what(), n.name(), n.value().into_owned()))
        .collect();
    let expected = [
        (What::Text, "", "t".to_owned()),
        (What::Element, "c", String::new()),
        (What::Text, "", "\n<>".to_owned()),
        (What::Comment, "", String::new()),
        (What::Instruction, "go", String::new()),
    ];
    assert_eq!(found, expected);
    assert_eq!(root.string_value(), "t\n<>");
    assert_eq!(
        (root.source(), root.elements().next().unwrap().source()),
        (text, "<c/>")
    );
    assert!(root.elements().next().unwrap().is_one_tag() && !root.is_one_tag());
}
