//! Tests of XML Patch: what each operation does to a document, and what is refused.

use super::*;

/// The document that `content` makes of the patch `operations`; both without their outermost elements.
fn patched(content: &str, operations: &str) -> Result<String, String> {
    let patch = format!("<diff xmlns=\"http://hl7.org/fhir\" xmlns:x=\"urn:x\">{operations}</diff>");
    let limits = Limits::default();
    let patch = Patch::read(patch.as_bytes(), limits).map_err(|issue| issue.text)?;
    let xml = format!("<a xmlns=\"http://hl7.org/fhir\">{content}</a>");
    let xml = patch.apply(&xml, limits).map_err(|issue| issue.text)?;
    Ok(xml.replace(" xmlns=\"http://hl7.org/fhir\"", ""))
}

/// The content of the document, the operations, and the document they make of it.
const CHANGED: &[(&str, &str, &str)] = &[
    (
        "<b/>\r\n<b c='&#65;' />",
        "<remove sel='a/b[1]'/>",
        "<a>\r\n<b c='&#65;' /></a>",
    ),
    ("<b/>", "<add sel='a'><c/></add>", "<a><b/><c/></a>"),
    ("<b/>", "<add sel='a' pos='prepend'>x<c/></add>", "<a>x<c/><b/></a>"),
    (
        "<b/>",
        "<add sel='a/b' pos='before'><c/><d/></add>",
        "<a><c/><d/><b/></a>",
    ),
    (
        "<b/><d/>",
        "<add sel='a/b' pos='after'><c/></add>",
        "<a><b/><c/><d/></a>",
    ),
    ("<b />", "<add sel='a/b'><c/></add>", "<a><b ><c/></b></a>"),
    (
        "<b>x</b>",
        "<add sel='a/b/text()' pos='after'><c/></add>",
        "<a><b>x<c/></b></a>",
    ),
    (
        "<b/>",
        "<add sel='a/b' type='@c'>1 &lt; \"2\"</add>",
        "<a><b c=\"1 &lt; &quot;2&quot;\"/></a>",
    ),
    (
        "<b/>",
        "<add sel='a/b' type='@x:c'>1</add>",
        "<a><b xmlns:x=\"urn:x\" x:c=\"1\"/></a>",
    ),
    (
        "<b/>",
        "<add sel='a/b' type='namespace::p'>urn:p</add>",
        "<a><b xmlns:p=\"urn:p\"/></a>",
    ),
    (
        "<b/>",
        "<add sel='a'><x:c x:d='1'><e/></x:c></add>",
        "<a><b/><c xmlns=\"urn:x\" xmlns:x=\"urn:x\" x:d='1'><e/></c></a>",
    ),
    ("<b c='1'/>", "<replace sel='a/b/@c'>2</replace>", "<a><b c='2'/></a>"),
    (
        "<b>x<!--y--></b>",
        "<replace sel='a/b/text()'>y<![CDATA[<]]></replace>",
        "<a><b>y<![CDATA[<]]><!--y--></b></a>",
    ),
    (
        "<b>x<!--y--></b>",
        "<replace sel='a/b/comment()'><!--z--></replace>",
        "<a><b>x<!--z--></b></a>",
    ),
    ("<b c='1'/>", "<replace sel='//b[@c]'> <c/> </replace>", "<a><c/></a>"),
    (
        "<b xmlns:p='urn:p'/>",
        "<replace sel='a/b/namespace::p'>urn:q</replace>",
        "<a><b xmlns:p='urn:q'/></a>",
    ),
    (
        "<b xmlns:p='urn:p' c='1'/>",
        "<remove sel='a/b/namespace::p'/>",
        "<a><b c='1'/></a>",
    ),
    ("<b  c='1' d='2'/>", "<remove sel='a/b/@c'/>", "<a><b d='2'/></a>"),
    ("\n <b/>\n <c/>", "<remove sel='a/b' ws='before'/>", "<a>\n <c/></a>"),
    ("\n <b/>\n <c/>", "<remove sel='a/b' ws='both'/>", "<a><c/></a>"),
    (
        "<b>x</b>",
        "<remove sel='a/b/text()'/><add sel='a/b'>y</add>",
        "<a><b>y</b></a>",
    ),
];

#[test]
fn operations_change_what_they_name_and_nothing_else() {
    for (content, operations, expected) in CHANGED {
        assert_eq!(patched(content, operations).as_deref(), Ok(*expected), "{operations}");
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let table = [
        ("", "An XML Patch is an element <diff>"),
        ("<frob sel='a'/>", "is <frob>"),
        ("<remove/>", "has no \"sel\""),
        ("<remove sel='a['/>", "has the selector"),
        ("<remove sel='a' pos='after'/>", "has the attribute \"pos\""),
        ("<remove sel='a/b' ws='all'/>", "has ws \"all\""),
        ("<remove sel='a/b' ws='before'/>", "finds no white space before"),
        ("<remove sel='a/x'/>", "must find one node and finds 0"),
        ("<remove sel='a/c'/>", "must find one node and finds 2"),
        ("<remove sel='a'/>", "leaves no XML"),
        ("<remove sel='a/y:b'/>", "uses the prefix \"y\""),
        ("<remove sel='a/namespace::y'/>", "finds no declaration"),
        ("<add sel='a' pos='within'/>", "has pos \"within\""),
        ("<add sel='a' pos='before' type='@b'/>", "both \"type\" and \"pos\""),
        ("<add sel='a' type='b'/>", "has type \"b\""),
        ("<add sel='a' type='@b c'/>", "has type \"@b c\""),
        ("<add sel='a/b' type='@d'>1</add>", "is there already"),
        ("<add sel='a/b' type='@e'><f/></add>", "something else than text"),
        ("<add sel='a/b/@d'>1</add>", "would add to an attribute"),
        ("<add sel='a/text()'><b/></add>", "would add into what is no element"),
        ("<add sel='a' pos='after'><b/></add>", "leaves no XML"),
        ("<replace sel='a/b'>x</replace>", "not one node of the same kind"),
        ("<replace sel='a/b'><x/><y/></replace>", "not one node of the same kind"),
        (
            "<replace sel='a/text()'><x/></replace>",
            "replaces text by something else",
        ),
        ("<remove sel='a/b", "The XML cannot be read"),
    ];
    for (operations, expected) in table {
        let found = patched("<b d='1'/>x<c/><c/>", operations).expect_err(operations);
        assert!(found.contains(expected), "{operations}: {found}");
    }
    let many = "<remove sel='a'/>".repeat(OPERATIONS_MAX + 1);
    assert!(patched("", &many).unwrap_err().contains("the limit is 1000"));
}

#[test]
fn what_a_patch_may_cost_is_bounded() {
    let content = "<b><c/></b>".repeat(3_000);
    let costly = "<remove sel='//*[count(//c[count(//b) = 1]) = 1]'/>";
    let start = std::time::Instant::now();
    let found = patched(&content, costly).unwrap_err();
    assert!(found.contains("more nodes than one patch may"), "{found}");
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
