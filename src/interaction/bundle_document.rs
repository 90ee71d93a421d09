//! Writes a document: a Bundle that begins with its Composition (<https://hl7.org/fhir/R4/documents.html>).

use fhir::identity::Kind;
use fhir::moment;
use fhir::parse::write_string;
use query::values::hash;

use crate::record::Record;

/// A document being put together.
pub(crate) struct DocumentBundle {
    out: Vec<u8>,
    entries: usize,
}

impl DocumentBundle {
    /// Starts one: when it was made, its identifier (a `urn:uuid:`), and a profile it claims.
    pub(crate) fn start(made: i64, identifier: &str, profile: Option<&str>) -> DocumentBundle {
        let mut out = b"{\"resourceType\":\"Bundle\"".to_vec();
        if let Some(profile) = profile {
            out.extend_from_slice(b",\"meta\":{\"profile\":[");
            write_string(&mut out, profile);
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b",\"identifier\":{\"system\":\"urn:ietf:rfc:3986\",\"value\":");
        write_string(&mut out, identifier);
        let rest = format!("}},\"type\":\"document\",\"timestamp\":\"{}\"", moment::instant(made));
        out.extend_from_slice(rest.as_bytes());
        DocumentBundle { out, entries: 0 }
    }

    /// Adds a resource under an address.
    pub(crate) fn add(&mut self, full_url: &str, json: &[u8]) {
        let start: &[u8] = if self.entries == 0 { b",\"entry\":[" } else { b"," };
        self.out.extend_from_slice(start);
        self.entries += 1;
        self.out.extend_from_slice(b"{\"fullUrl\":");
        write_string(&mut self.out, full_url);
        self.out.extend_from_slice(b",\"resource\":");
        self.out.extend_from_slice(json);
        self.out.push(b'}');
    }

    /// Adds a record of this server.
    pub(crate) fn add_record(&mut self, base: &str, record: &Record) {
        self.add(&address(base, &record.kind, record.id.as_str()), &record.json);
    }

    /// The Bundle's JSON.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(if self.entries > 0 { b"]}" } else { b"}" });
        self.out
    }
}

/// The address of a record.
pub(crate) fn address(base: &str, kind: &Kind, id: &str) -> String {
    format!("{base}/{kind}/{id}")
}

/// A UUID (RFC 9562, version 8) that follows from its seeds alone: of the same, the same.
pub(crate) fn uuid(seeds: &[&[u8]]) -> String {
    let half = |salt: &[u8]| hash(&[&[salt], seeds].concat());
    let (high, low) = (half(b"high"), half(b"low"));
    let bits = (u128::from(high) << 64) | u128::from(low);
    let version = (bits & !(0xf << 76)) | (0x8 << 76);
    let variant = (version & !(0x3 << 62)) | (0x2 << 62);
    let text = format!("{variant:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &text[..8],
        &text[8..12],
        &text[12..16],
        &text[16..20],
        &text[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_formed_as_they_shall_be() {
        let one = uuid(&[b"a"]);
        assert_eq!(one.len(), 36);
        assert_eq!((&one[14..15], one.split('-').count()), ("8", 5));
        assert!("89ab".contains(&one[19..20]));
        assert_eq!(one, uuid(&[b"a"]));
        assert_ne!(one, uuid(&[b"b"]));
    }

    #[test]
    fn a_document_is_json() {
        let mut bundle = DocumentBundle::start(0, "urn:uuid:x", Some("http://p\""));
        bundle.add("http://h/Composition/1", b"{}");
        bundle.add("http://h/Patient/1", b"{}");
        let tree = fhir::tree::Tree::parse(&bundle.finish()).unwrap();
        assert_eq!(tree.get("entry").unwrap().items().len(), 2);
        assert_eq!(tree.get("type").unwrap().as_str(), Some("document"));
    }
}
