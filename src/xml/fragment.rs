//! Writes an element of one document so that it means the same in another.

use crate::document::{Node, What};
use crate::escape::write_attribute;
use crate::namespace::XML;

/// Appends an element that stands by itself, where the default namespace is `space`: names without prefixes, each
/// namespace declared where it begins. Everything else stays as it is written.
pub(crate) fn write(node: Node<'_>, space: &str, out: &mut String) {
    out.push('<');
    out.push_str(node.name());
    if node.space() != space {
        declare("xmlns", node.space(), out);
    }
    let mut declared: Vec<&str> = Vec::new();
    for attribute in node.attributes().filter(|attribute| !attribute.is_declaration()) {
        let prefix = attribute.prefix();
        if !prefix.is_empty() && attribute.space() != XML && !declared.contains(&prefix) {
            declare(&format!("xmlns:{prefix}"), attribute.space(), out);
            declared.push(prefix);
        }
        out.push(' ');
        out.push_str(attribute.source());
    }
    if node.is_one_tag() {
        return out.push_str("/>");
    }
    out.push('>');
    for child in node.children() {
        match child.what() {
            What::Element => write(child, node.space(), out),
            _ => out.push_str(child.source()),
        }
    }
    out.push_str("</");
    out.push_str(node.name());
    out.push('>');
}

fn declare(name: &str, space: &str, out: &mut String) {
    let mut escaped = Vec::new();
    // An address that was read from XML has no character that XML cannot say.
    let _ = write_attribute(&mut escaped, space);
    out.push_str(&format!(" {name}=\"{}\"", String::from_utf8_lossy(&escaped)));
}
