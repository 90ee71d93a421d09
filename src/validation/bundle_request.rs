//! Judges what the entries of a batch or transaction ask for (<https://hl7.org/fhir/R4/http.html#transaction>).

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::Code;
use rustc_hash::FxHashSet;

use crate::around::entries;
use crate::binding::is_absolute;
use crate::walk::Walk;

/// What the address of a request names.
struct Target<'t> {
    /// `Patient`; `None` for the whole server.
    kind: Option<&'t str>,
    /// `17` of `Patient/17`.
    id: Option<&'t str>,
    /// Whether it calls an operation, or searches by POST.
    called: bool,
}

impl Target<'_> {
    fn of(url: &str) -> Target<'_> {
        let path = url.split('?').next().unwrap_or_default().trim_start_matches('/');
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let called = path.split('/').any(|part| part.starts_with('$') || part == "_search");
        Target {
            kind: parts.next().filter(|part| !part.starts_with(['$', '_'])),
            id: parts.next().filter(|part| !part.starts_with(['$', '_'])),
            called,
        }
    }
}

impl Walk<'_> {
    /// Judges each request by itself, and in a transaction that no two change the same record.
    pub(crate) fn requests(&mut self, bundle: Node<'_>, list: &Place<'_>) {
        let transaction = bundle.string("type").is_some_and(|kind| kind == "transaction");
        let mut changed = FxHashSet::default();
        for (at, entry) in entries(bundle).enumerate() {
            let Some(request) = entry.get("request") else { continue };
            let (place, method) = (Place::Item(list, at), request.string("method").unwrap_or_default());
            let url = request.string("url").unwrap_or_default();
            self.request(entry, &method, &url, &place);
            let changes = matches!(&*method, "PUT" | "DELETE" | "PATCH") && !url.contains('?');
            if transaction && changes && !changed.insert(url.into_owned()) {
                let url = request.string("url").unwrap_or_default();
                self.found.error(Code::Duplicate, &place, || {
                    format!("Another entry of the transaction changes {} too.", quoted(&url))
                });
            }
        }
    }

    fn request(&mut self, entry: Node<'_>, method: &str, url: &str, place: &Place<'_>) {
        let request = Place::Member(place, "request");
        if is_absolute(url) {
            return self.found.error(Code::Value, &Place::Member(&request, "url"), || {
                format!("{} is not relative to the server's own address.", quoted(url))
            });
        }
        let target = Target::of(url);
        let takes_body = match method {
            "POST" => !target.called,
            "PUT" | "PATCH" => true,
            _ => false,
        };
        let Some(resource) = entry.get("resource") else {
            if takes_body {
                self.found.error(Code::Required, place, || {
                    format!("A {method} needs the resource that it sends.")
                });
            }
            return;
        };
        let name = resource.string("resourceType").unwrap_or_default();
        if let Some(kind) = target
            .kind
            .filter(|kind| takes_body && method != "PATCH" && **kind != *name)
        {
            return self.found.error(Code::Value, &Place::Member(&request, "url"), || {
                format!("A {name} cannot be sent to {}, which is for {kind}.", quoted(url))
            });
        }
        let own = resource.string("id");
        if let Some(id) = target.id.filter(|id| method == "PUT" && own.as_deref() != Some(id)) {
            self.found.error(Code::Value, &Place::Member(place, "resource"), || {
                format!("The request is for {}, so the resource's id must be {id}.", quoted(url))
            });
        }
    }
}
