//! Judges Bundles (<https://hl7.org/fhir/R4/bundle.html>): identities of entries, and links within documents and messages.

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::identity::{Id, Reference};
use fhir::outcome::{Code, Severity};
use rustc_hash::FxHashMap;

use crate::around::entries;
use crate::binding::is_absolute;
use crate::entries::absolute;
use crate::focus::Focus;
use crate::walk::Walk;

/// References of one resource that are followed, at most.
const REFERENCES_MAX: usize = 10_000;

/// What of a Composition must be in the document itself (<https://hl7.org/fhir/R4/documents.html#content>).
const DOCUMENT_PARTS: [&str; 5] = ["subject", "encounter", "author", "custodian", "attester"];

impl Walk<'_> {
    /// Judges what the entries of a Bundle are to each other; each resource is judged by itself besides.
    pub(crate) fn bundle(&mut self, focus: &Focus<'_, '_>) {
        let bundle = focus.element.node;
        let kind = bundle.string("type").unwrap_or_default();
        let list = Place::Member(focus.place, "entry");
        for (at, entry) in entries(bundle).enumerate() {
            let place = Place::Item(&list, at);
            self.full_url(&kind, entry, &place);
            if kind == "searchset" {
                self.search_result(bundle, entry, &place);
            }
        }
        if matches!(&*kind, "batch" | "transaction") {
            self.requests(bundle, &list);
        }
        if matches!(&*kind, "document" | "message") {
            self.first_links(bundle, &list);
            self.reachable(bundle, &list);
        }
    }

    fn full_url(&mut self, kind: &str, entry: Node<'_>, place: &Place<'_>) {
        let Some(resource) = entry.get("resource") else { return };
        let Some(url) = entry.string("fullUrl") else {
            let needed = !matches!(
                kind,
                "batch" | "transaction" | "batch-response" | "transaction-response"
            );
            let outcome = resource
                .string("resourceType")
                .is_some_and(|name| name == "OperationOutcome");
            if needed && !outcome && !kind.is_empty() {
                self.found.error(Code::Required, place, || {
                    format!("`fullUrl` is missing; in a Bundle of the type {kind} every entry has one.")
                });
            }
            return;
        };
        if !is_absolute(&url) {
            return self.found.error(Code::Value, place, || {
                format!("The fullUrl {} is not absolute.", quoted(&url))
            });
        }
        let Reference::Literal { id, .. } = Reference::parse(&url) else {
            return;
        };
        let restful = !matches!(kind, "batch" | "transaction");
        match resource.string("id") {
            None if restful => self.found.error(Code::Value, place, || {
                format!(
                    "The fullUrl {} is of a record with an id, but the resource has none.",
                    quoted(&url)
                )
            }),
            Some(own) if restful && own != id => self.found.error(Code::Value, place, || {
                format!(
                    "The fullUrl {} ends in {id}, but the resource's id is {}.",
                    quoted(&url),
                    quoted(&own)
                )
            }),
            _ => {}
        }
    }

    fn search_result(&mut self, bundle: Node<'_>, entry: Node<'_>, place: &Place<'_>) {
        let Some(resource) = entry.get("resource") else { return };
        let place = Place::Member(place, "resource");
        let mode = entry.get("search").and_then(|search| search.string("mode"));
        let name = resource.string("resourceType").unwrap_or_default();
        let is_outcome = name == "OperationOutcome";
        if mode.as_deref() == Some("outcome") {
            if !is_outcome {
                self.found.error(Code::Value, &place, || {
                    format!("An entry that tells of the search itself is an OperationOutcome, not {name}.")
                });
            }
            return;
        }
        if resource.string("id").is_none() && !(is_outcome && mode.is_none()) {
            self.found
                .error(Code::Required, &place, || "What a search finds has an id.".to_owned());
        }
        let searched = searched_types(bundle);
        if mode.as_deref() == Some("match") && !searched.is_empty() && !searched.iter().any(|one| *one == *name) {
            self.found.error(Code::Value, &place, || {
                format!("{name} was not searched for, but {}.", searched.join(", "))
            });
        }
    }

    /// What a document's Composition or a message's header names must be in the Bundle.
    fn first_links(&mut self, bundle: Node<'_>, list: &Place<'_>) {
        let Some((entry, resource)) = first(bundle) else { return };
        let place = Place::Item(list, 0);
        let place = Place::Member(&place, "resource");
        let parts: &[&str] = match resource.string("resourceType").as_deref() {
            Some("Composition") => &DOCUMENT_PARTS,
            Some("MessageHeader") => &["focus"],
            _ => return,
        };
        for name in parts {
            let Some(value) = resource.get(name) else { continue };
            let place = Place::Member(&place, name);
            for (at, one) in value.each().enumerate() {
                let item = Place::Item(&place, at);
                let place = if value.is_array() { &item } else { &place };
                let one = one.get("party").unwrap_or(one);
                self.in_document(bundle, entry, one, place);
            }
        }
        self.sections(bundle, entry, resource, &place, 0);
    }

    fn sections(&mut self, bundle: Node<'_>, entry: Node<'_>, holder: Node<'_>, place: &Place<'_>, depth: usize) {
        let sections = holder.get("section").into_iter().flat_map(|list| list.each());
        let list = Place::Member(place, "section");
        for (at, section) in sections.enumerate().filter(|_| depth < crate::walk::DEPTH_MAX) {
            let place = Place::Item(&list, at);
            let entries = Place::Member(&place, "entry");
            for (at, one) in section
                .get("entry")
                .into_iter()
                .flat_map(|list| list.each())
                .enumerate()
            {
                self.in_document(bundle, entry, one, &Place::Item(&entries, at));
            }
            self.sections(bundle, entry, section, &place, depth + 1);
        }
    }

    fn in_document(&mut self, bundle: Node<'_>, entry: Node<'_>, reference: Node<'_>, place: &Place<'_>) {
        let Some(text) = reference.string("reference").filter(|text| !text.starts_with('#')) else {
            return;
        };
        // That it names several entries is said of every reference.
        if self.bundles.of(bundle).matches(bundle, entry, &text).is_empty() {
            self.found.error(Code::NotFound, place, || {
                format!("{} is not in the Bundle, where this must be.", quoted(&text))
            });
        }
    }

    /// Every entry of a document or a message is linked, one way or the other, with the first.
    fn reachable(&mut self, bundle: Node<'_>, list: &Place<'_>) {
        let all: Vec<Node<'_>> = entries(bundle).collect();
        let mut by_url: FxHashMap<String, usize> = FxHashMap::default();
        for (at, entry) in all.iter().enumerate() {
            let url = entry.string("fullUrl").map(|url| url.into_owned());
            by_url.entry(url.unwrap_or_default()).or_insert(at);
        }
        let mut links: Vec<Vec<usize>> = vec![Vec::new(); all.len()];
        for (at, entry) in all.iter().enumerate() {
            let own = entry.string("fullUrl").unwrap_or_default();
            let mut found = Vec::new();
            if let Some(resource) = entry.get("resource") {
                references(resource, &mut found);
            }
            for text in found {
                let text = text.split("/_history/").next().unwrap_or_default();
                if let Some(to) = by_url.get(&absolute(&own, text)).or_else(|| by_url.get(text)) {
                    links[at].push(*to);
                    links[*to].push(at);
                }
            }
        }
        let mut reached = vec![false; all.len()];
        let mut open = vec![0; usize::from(!all.is_empty())];
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut reached[at], true) {
                open.extend(&links[at]);
            }
        }
        for (at, _) in reached.iter().enumerate().filter(|(_, reached)| !**reached) {
            let url = all[at].string("fullUrl").unwrap_or_default();
            let document = bundle.string("type").is_some_and(|kind| kind == "document");
            let severity = if document { Severity::Error } else { Severity::Warning };
            self.found
                .report(severity, Code::Structure, &Place::Item(list, at), || {
                    format!(
                        "The entry {} is not linked with the first, neither from it nor to it.",
                        quoted(&url)
                    )
                });
        }
    }
}

/// The first entry and its resource.
fn first(bundle: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    let entry = entries(bundle).next()?;
    Some((entry, entry.get("resource")?))
}

/// The types that the link `self` says were searched: `Patient?…`, or `_type`.
fn searched_types(bundle: Node<'_>) -> Vec<String> {
    let links = bundle.get("link").into_iter().flat_map(|list| list.each());
    let own = links
        .into_iter()
        .find(|link| link.string("relation").is_some_and(|name| name == "self"));
    let Some(url) = own.and_then(|link| link.string("url")) else {
        return Vec::new();
    };
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let types = query.split('&').find_map(|pair| pair.strip_prefix("_type="));
    if let Some(types) = types {
        return types.split(',').map(str::to_owned).collect();
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    let named = last.starts_with(|c: char| c.is_ascii_uppercase()) && Id::new(last).is_some();
    if named && !query.is_empty() {
        vec![last.to_owned()]
    } else {
        Vec::new()
    }
}

/// The texts of all references within a value.
fn references(node: Node<'_>, out: &mut Vec<String>) {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if out.len() >= REFERENCES_MAX {
            return;
        }
        if let Some(text) = node.string("reference") {
            out.push(text.into_owned());
        }
        open.extend(node.items().filter(|one| one.is_object() || one.is_array()));
        open.extend(
            node.members()
                .map(|(_, one)| one)
                .filter(|one| one.is_object() || one.is_array()),
        );
    }
}
