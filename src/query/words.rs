//! The words of a record, for `_text` and `_content`.
//!
//! `_text` reads the narrative. `_content` reads the narrative and every string of the record except
//! those that nobody would write as words: ids, references, addresses, moments and encoded data.
//! What a record contains is part of its content, by R4's "search on the entire content of the resource";
//! it has no narrative of its own (dom-1), so that it adds nothing to `_text`.

use fhir::document::{Document, Node};
use fhir::moment::stretch;
use fhir::parse::Limits;

use crate::fold::words;
use crate::predicate::Words;
use crate::values::Contained;

impl Words for Node<'_> {
    fn narrative(&self, each: &mut dyn FnMut(&str)) {
        if let Some(markup) = self.get("text").and_then(|text| text.string("div")) {
            words(&without_markup(&markup), each);
        }
    }

    fn content(&self, each: &mut dyn FnMut(&str)) {
        self.narrative(each);
        visit(*self, each);
    }
}

impl Words for Contained {
    fn narrative(&self, each: &mut dyn FnMut(&str)) {
        if let Some(document) = self.document() {
            document.root().narrative(each);
        }
    }

    fn content(&self, each: &mut dyn FnMut(&str)) {
        if let Some(document) = self.document() {
            document.root().content(each);
        }
    }
}

impl Contained {
    /// It was read before, as part of its record, so this cannot fail.
    fn document(&self) -> Option<Document> {
        Document::parse(self.text.as_bytes(), Limits::default()).ok()
    }
}

const WITHOUT_WORDS: [&str; 7] = [
    "resourceType",
    "id",
    "meta",
    "reference",
    "data",
    "div",
    "implicitRules",
];

fn visit(node: Node<'_>, each: &mut dyn FnMut(&str)) {
    for (_, value) in node.members().filter(|(name, _)| !WITHOUT_WORDS.contains(&&**name)) {
        for item in value.each() {
            match item.as_str() {
                Some(text) if !is_address(&text) && !is_moment(&text) => words(&text, each),
                Some(_) => {}
                None => visit(item, each),
            }
        }
    }
}

fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("urn:")
}

fn is_moment(text: &str) -> bool {
    text.len() >= 7 && text.starts_with(|c: char| c.is_ascii_digit()) && stretch(text, 0).is_some()
}

/// The text of XHTML: tags become spaces, the common entities characters.
fn without_markup(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        let (close, is_tag) = if rest[at..].starts_with('<') {
            ('>', true)
        } else {
            (';', false)
        };
        let Some(length) = rest[at..].find(close).filter(|length| is_tag || *length <= 10) else {
            out.push(' ');
            rest = &rest[at + 1..];
            continue;
        };
        match &rest[at..at + length] {
            "&amp" => out.push('&'),
            "&lt" => out.push('<'),
            "&gt" => out.push('>'),
            "&quot" => out.push('"'),
            "&apos" | "&#39" => out.push('\''),
            entity => out.push(character(entity).unwrap_or(' ')),
        }
        rest = &rest[at + length + 1..];
    }
    out.push_str(rest);
    out
}

/// The character of a numeric entity without its semicolon: `&#233`, `&#xE9`.
fn character(entity: &str) -> Option<char> {
    let number = entity.strip_prefix("&#")?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_gives_its_text() {
        let table = [
            ("<div><p>Caf&#233; &amp; <b>tea</b></p></div>", "  Café &  tea   "),
            ("a &unknown; b & c < d", "a   b   c   d"),
            ("&#xE9;&#x110000;", "é "),
        ];
        for (markup, text) in table {
            assert_eq!(without_markup(markup), text, "{markup}");
        }
    }
}
