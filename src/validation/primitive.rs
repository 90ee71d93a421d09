//! Judges primitives by what their formats do not say: addresses that must be absolute, UUIDs and OIDs.

use conformance::place::quoted;
use fhir::outcome::Code;

use crate::around::contained_in;
use crate::binding::is_absolute;
use crate::focus::Focus;
use crate::walk::Walk;

/// The system of identifiers that are URIs.
const URIS: &str = "urn:ietf:rfc:3986";

impl Walk<'_> {
    /// Judges a uri, a url or a canonical.
    pub(crate) fn uri(&mut self, focus: &Focus<'_, '_>) {
        let Some(text) = focus.element.node.as_str() else {
            return;
        };
        if let Some(uuid) = text.strip_prefix("urn:uuid:") {
            if !is_uuid(uuid.split(['#', '|']).next().unwrap_or_default()) {
                self.found.error(Code::Value, focus.place, || {
                    format!("{} is no UUID in lower case.", quoted(uuid))
                });
            }
            return;
        }
        if let Some(oid) = text.strip_prefix("urn:oid:") {
            if !is_oid(oid.split(['#', '|']).next().unwrap_or_default()) {
                self.found
                    .error(Code::Value, focus.place, || format!("{} is no OID.", quoted(oid)));
            }
            return;
        }
        if let Some(id) = text
            .strip_prefix('#')
            .filter(|_| focus.kind == self.validator.kinds.canonical)
        {
            if contained_in(focus.scope.root.node, id).is_none() {
                self.found.error(Code::NotFound, focus.place, || {
                    format!("{} is not contained in the resource.", quoted(&text))
                });
            }
            return;
        }
        let canonical = focus.kind == self.validator.kinds.canonical || self.is_own_address(focus);
        if canonical && !is_absolute(&text) && !text.starts_with('#') {
            self.found.error(Code::Value, focus.place, || {
                format!(
                    "{} is no canonical address: it must be absolute, or begin with #.",
                    quoted(&text)
                )
            });
        }
    }

    /// Judges an Identifier: its system is an absolute address (<https://hl7.org/fhir/R4/datatypes.html#Identifier>).
    pub(crate) fn identifier(&mut self, focus: &Focus<'_, '_>) {
        let Some(system) = focus.element.node.string("system") else {
            return;
        };
        if system == URIS {
            return self.uri_as_identifier(focus);
        }
        if !is_absolute(&system) {
            self.found.error(Code::Value, focus.place, || {
                format!("The system {} of the identifier is not absolute.", quoted(&system))
            });
        }
    }

    /// An identifier of the system of URIs is one: "if the value is a full URI, then the system SHALL be
    /// urn:ietf:rfc:3986" (<https://hl7.org/fhir/R4/datatypes.html#Identifier>).
    fn uri_as_identifier(&mut self, focus: &Focus<'_, '_>) {
        let value = focus.element.node.string("value");
        if let Some(value) = value.filter(|value| !is_absolute(value)) {
            self.found.error(Code::Value, focus.place, || {
                format!("The system {URIS} identifies by URIs, and {} is none.", quoted(&value))
            });
        }
    }

    /// Whether it is the `url` of a definition.
    fn is_own_address(&self, focus: &Focus<'_, '_>) -> bool {
        let kind = focus
            .parent
            .filter(|_| focus.path.ends_with(".url"))
            .map(|parent| parent.kind);
        kind.is_some_and(|kind| self.definitions.step(kind, "status").is_some())
            && focus.path.split('.').count() == 2
            && focus.kind == self.validator.kinds.uri
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|group| group.bytes().all(hex))
}

fn is_oid(text: &str) -> bool {
    let arcs: Vec<&str> = text.split('.').collect();
    let number = |arc: &&str| {
        !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (*arc == "0" || !arc.starts_with('0'))
    };
    arcs.len() > 1 && matches!(arcs[0], "0" | "1" | "2") && arcs.iter().all(number)
}
