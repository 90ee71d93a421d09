//! XML Patch: documents of any kind, patches, and what must come of them.

use xml::patch::Patch;
use xml::{Document, Limits, Node, What};

use super::Tally;

const CASES: &str = include_str!("../fixtures/patch/xml-patch.xml");

/// The suite was written with comments, and comes without them.
const LOST: &str = "the suite has lost its comments, so the one that is selected is not there: \"a single unique node \
                    (typically an element) could not be located with the 'sel' attribute value\" is an error \
                    (https://www.rfc-editor.org/rfc/rfc5261#section-5.1, unlocated-node)";

const EXCUSES: [(&str, &str); 2] = [
    ("A.9.  Replacing a Comment Node", LOST),
    ("A.15.  Removing a Comment Node", LOST),
];

/// Runs the suite.
pub fn tally() -> Tally {
    let suite = Document::parse(CASES.as_bytes(), Limits::default()).expect("the suite is XML");
    let cases = suite.root().elements().map(|case| {
        let name = case.attribute("name").expect("a case has a name").value().into_owned();
        (name, outcome(case))
    });
    Tally::of(
        "XML Patch",
        "fhir-test-cases 2dee8a0, r4/patch, open part",
        &EXCUSES,
        cases,
    )
}

fn part<'d>(case: Node<'d>, name: &str) -> Option<Node<'d>> {
    case.elements().find(|part| part.name() == name)
}

fn inner(case: Node<'_>, name: &str) -> String {
    let inner = part(case, name).and_then(|part| part.elements().next());
    inner.map(|element| element.standalone()).unwrap_or_default()
}

fn outcome(case: Node<'_>) -> Result<(), String> {
    let patch = part(case, "patch").expect("a patch").standalone();
    let patched = Patch::read(patch.as_bytes(), Limits::default())
        .and_then(|patch| patch.apply(&inner(case, "target"), Limits::default()));
    match (patched, part(case, "error")) {
        (Err(_), Some(_)) => Ok(()),
        (Err(issue), None) => Err(issue.text),
        (Ok(patched), Some(_)) => Err(format!("was not refused: {patched}")),
        (Ok(patched), None) => {
            let expected = inner(case, "patched");
            match meaning(&patched) == meaning(&expected) {
                true => Ok(()),
                false => Err(format!("{patched} instead of {expected}")),
            }
        }
    }
}

/// What a document says: names with their namespaces, attributes in order, text without the blanks around it.
fn meaning(xml: &str) -> String {
    let document = Document::parse(xml.as_bytes(), Limits::default()).expect("it is XML");
    let mut out = String::new();
    say(document.root(), &mut out);
    out
}

fn say(node: Node<'_>, out: &mut String) {
    match node.what() {
        What::Text => out.push_str(node.value().trim()),
        What::Element => {
            out.push_str(&format!("<{{{}}}{}", node.space(), node.name()));
            let attributes = node.attributes().filter(|attribute| !attribute.is_declaration());
            let mut attributes: Vec<String> = attributes.map(|a| format!(" {}={:?}", a.name(), a.value())).collect();
            attributes.sort();
            out.push_str(&attributes.concat());
            out.push('>');
            node.children().for_each(|child| say(child, out));
            out.push_str("</>");
        }
        _ => out.push_str(node.source()),
    }
}
