//! Pages of records of which one cannot be written as XML: the others are, and an outcome stands in its place.
//!
//! JSON holds a narrative as a string, whatever is in it; XML cannot hold one that is not well-formed. One such record is
//! no reason to keep the whole page from a caller who reads XML.

use conformance::Definitions;
use fhir::document::Node;
use fhir::outcome::{Code, Issue, Severity, write_outcome};
use fhir::tree::Tree;

/// The page, as JSON, with an OperationOutcome for each record that cannot be written as XML; `None` for what is no page
/// of a search or a history.
pub(crate) fn without_unwritable(definitions: &Definitions, page: Node<'_>) -> Option<Vec<u8>> {
    let kind = page.string("type")?;
    let (is_search, is_history) = (kind == "searchset", kind == "history");
    if page.string("resourceType")? != "Bundle" || !(is_search || is_history) {
        return None;
    }
    let mut whole = Tree::from_node(page);
    let Some(Tree::Array(entries)) = whole.get_mut("entry") else {
        return None;
    };
    for (entry, node) in entries.iter_mut().zip(page.get("entry")?.each()) {
        let Some(record) = node.get("resource") else { continue };
        let Err(why) = xml::write(definitions, record, false) else {
            continue;
        };
        let outcome = outcome(record, &why)?;
        entry.remove("resource");
        if is_search {
            // An outcome is at no address.
            entry.remove("fullUrl");
            entry.set("resource", outcome);
            entry.set("search", Tree::object([("mode", Tree::string("outcome"))]));
        } else if let Some(response) = entry.get_mut("response") {
            response.set("outcome", outcome);
        }
    }
    Some(whole.to_bytes())
}

fn outcome(record: Node<'_>, why: &xml::Unwritable) -> Option<Tree> {
    let text = |name: &str| record.string(name).unwrap_or_default();
    let sentence = format!(
        "{}/{} cannot be written as XML: {why} Ask for it as application/fhir+json.",
        text("resourceType"),
        text("id")
    );
    let issue = Issue {
        severity: Severity::Warning,
        ..Issue::error(Code::NotSupported, sentence)
    };
    let mut json = Vec::new();
    write_outcome(&[issue], &mut json);
    Tree::parse(&json).ok()
}
