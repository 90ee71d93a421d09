//! The `div` of a narrative: a string in JSON that is XHTML, and that very XHTML in XML.

use std::borrow::Cow;

use crate::document::{Document, Node};
use crate::fragment;
use crate::namespace::XHTML;
use crate::parse::Limits;

/// The string that a `div` is in JSON: its source as it stands, where that says its namespaces itself, and else the same
/// with its namespaces said.
pub(crate) fn text<'d>(div: Node<'d>) -> Cow<'d, str> {
    let mut declarations = div.attributes().filter(Node::is_declaration);
    let declares = declarations.any(|declaration| declaration.name() == "xmlns");
    let alone = |source: &str| Document::parse(source.as_bytes(), Limits::default()).is_ok();
    if declares && (is_without_prefixes(div) || alone(div.source())) {
        return Cow::Borrowed(div.source());
    }
    let mut out = String::with_capacity(div.source().len() + 40);
    fragment::write(div, "", &mut out);
    Cow::Owned(out)
}

fn is_without_prefixes(node: Node<'_>) -> bool {
    let plain = |node: Node<'_>| matches!(node.prefix(), "" | "xml") || node.is_declaration();
    plain(node) && node.attributes().all(plain) && node.elements().all(is_without_prefixes)
}

/// The XML of a narrative's string: the `div` as it stands, in its namespace.
///
/// # Errors
/// The end of a sentence, where it is no well-formed `div`.
pub(crate) fn element(text: &str) -> Result<Cow<'_, str>, String> {
    let document = Document::parse(text.as_bytes(), Limits::default());
    let document = document.map_err(|e| format!("is no well-formed XHTML: {} there", e.what))?;
    let div = document.root();
    match (div.name(), div.space(), div.prefix()) {
        // The source as it stands: a byte order mark and what may surround it stay away.
        ("div", XHTML, _) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            Ok(Cow::Borrowed(&text[div.span()]))
        }
        ("div", "", "") => {
            let source = div.source();
            Ok(Cow::Owned(format!("<div xmlns=\"{XHTML}\"{}", &source[4..])))
        }
        _ => Err(format!("is no div of XHTML but <{}>", div.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(xml: &str) -> String {
        let document = Document::parse(xml.as_bytes(), Limits::default()).unwrap();
        let div = document.root().elements().next().unwrap();
        text(div).into_owned()
    }

    #[test]
    fn a_div_is_kept_as_it_is_or_says_its_namespaces() {
        let kept = [
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">a<br />\r\n<!-- c --> &#160;<p\n class='x'/>&lt;</div>",
            "<div xmlns='http://www.w3.org/1999/xhtml' xml:lang='dz'><x:y xmlns:x='urn:x'/></div>",
            "<h:div xmlns='urn:z' xmlns:h='http://www.w3.org/1999/xhtml'><h:p/></h:div>",
        ];
        for div in kept {
            assert_eq!(of(&format!("<text xmlns='http://hl7.org/fhir'>{div}</text>")), div);
        }
        let rewritten = "<div xmlns=\"http://www.w3.org/1999/xhtml\" class='a'><p>x</p>&amp;<q xmlns=\"urn:y\" \
                         xmlns:y=\"urn:y\" y:b=''/><!-- c --></div>";
        let xml = "<text xmlns:h='http://www.w3.org/1999/xhtml' xmlns:y='urn:y'><h:div class='a'><h:p>x</h:p>&amp;\
                   <y:q y:b=''/><!-- c --></h:div></text>";
        assert_eq!(of(xml), rewritten);
    }

    #[test]
    fn what_is_no_div_is_not_written() {
        let table = [
            (
                "<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>",
                Ok("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
            ),
            (
                " <div>a</div> ",
                Ok("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"),
            ),
            ("<div/>", Ok("<div xmlns=\"http://www.w3.org/1999/xhtml\"/>")),
            ("<div>a<br></div>", Err("well-formed")),
            ("<div>&nbsp;</div>", Err("&nbsp; is no reference")),
            ("<div></div><script/>", Err("second element")),
            ("<p/>", Err("no div")),
            ("<div xmlns='http://hl7.org/fhir'/>", Err("no div")),
            ("", Err("well-formed")),
        ];
        for (text, expected) in table {
            match (element(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
