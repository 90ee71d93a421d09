//! The words of a record, for `_text` and `_content`.
//!
//! `_text` reads the narrative. `_content` reads the narrative and every string of the record, each as the table of
//! elements says ([`text::elements`]); addresses and moments are none that anybody would write as words. The text of what
//! is attached (`Attachment.data`, `Binary.data` of type `text/plain` or `text/html`) is part of the content.
//! What a record contains is part of its content, by R4's "search on the entire content of the resource";
//! it has no narrative of its own (dom-1), so that it adds nothing to `_text`.

use fhir::base64;
use fhir::document::{Document, Node};
use fhir::moment::stretch;
use fhir::parse::Limits;
use text::markup::without_markup;
use text::{Analysis, Analyzer};

use crate::predicate::Words;
use crate::values::Contained;

/// Bytes of an attached text that are read: its beginning.
const ATTACHED_MAX: usize = 1 << 20;
/// The element of a narrative that holds its markup.
const DIV: &str = "div";
/// Elements that are whole resources; a record itself has no name.
const RESOURCES: [&str; 3] = ["", "contained", "resource"];

/// The words of a record, as an analysis breaks its texts.
#[derive(Clone, Copy)]
pub struct WordsIn<'a> {
    /// How texts are broken.
    pub analysis: &'a Analysis,
    /// The record.
    pub root: Node<'a>,
}

impl Words for WordsIn<'_> {
    fn narrative(&self, each: &mut dyn FnMut(&str)) {
        if let Some(markup) = self.root.get("text").and_then(|text| text.string(DIV)) {
            let analyzer = self.analysis.of_element("text", DIV).unwrap_or(Analyzer::Clinical);
            self.analysis.tokens(&without_markup(&markup), analyzer, each);
        }
    }

    fn content(&self, each: &mut dyn FnMut(&str)) {
        visit(self.analysis, self.root, ("", Analyzer::Clinical), each);
    }
}

impl Words for Contained {
    fn narrative(&self, each: &mut dyn FnMut(&str)) {
        self.read(&mut |words| words.narrative(each));
    }

    fn content(&self, each: &mut dyn FnMut(&str)) {
        self.read(&mut |words| words.content(each));
    }
}

impl Contained {
    /// It was read before, as part of its record, so this cannot fail.
    fn read(&self, act: &mut dyn FnMut(&WordsIn<'_>)) {
        if let Ok(document) = Document::parse(self.text.as_bytes(), Limits::default()) {
            act(&WordsIn {
                analysis: &self.analysis,
                root: document.root(),
            });
        }
    }
}

/// Reads all texts of an element, of which the name and the analyzer are given.
fn visit(analysis: &Analysis, node: Node<'_>, (before, inherited): (&str, Analyzer), each: &mut dyn FnMut(&str)) {
    let kind = RESOURCES
        .contains(&before)
        .then(|| node.string("resourceType"))
        .flatten();
    let before = kind.as_deref().unwrap_or(before);
    for (name, value) in node.members() {
        let analyzer = analysis.of_element(before, &name).unwrap_or(inherited);
        if analyzer == Analyzer::Nothing {
            continue;
        }
        if &*name == "data" && node.get("contentType").is_some() {
            if let Some(attached) = attached(node) {
                analysis.tokens(&attached, analyzer, each);
            }
            continue;
        }
        for item in value.each() {
            match item.as_str() {
                Some(markup) if &*name == DIV => analysis.tokens(&without_markup(&markup), analyzer, each),
                Some(text) if !is_address(&text) && !is_moment(&text) => analysis.tokens(&text, analyzer, each),
                Some(_) => {}
                None => visit(analysis, item, (&name, analyzer), each),
            }
        }
    }
}

/// The text of an Attachment or Binary, where it is of a type that is text.
fn attached(node: Node<'_>) -> Option<String> {
    let media = node.string("contentType")?;
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_markup = match media.as_str() {
        "text/plain" => false,
        "text/html" | "application/xhtml+xml" => true,
        _ => return None,
    };
    let data = node.string("data")?;
    // Four letters of base64 are three bytes.
    let most = (ATTACHED_MAX / 3 * 4).min(data.len());
    let bytes = base64::decode(data.get(..most)?)?;
    let text = String::from_utf8_lossy(&bytes);
    Some(if is_markup {
        without_markup(&text)
    } else {
        text.into_owned()
    })
}

fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("urn:")
}

fn is_moment(text: &str) -> bool {
    text.len() >= 7 && text.starts_with(|c: char| c.is_ascii_digit()) && stretch(text, 0).is_some()
}
