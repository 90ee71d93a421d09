//! The stored form of a version's JSON, and how an answer is spliced from it.
//!
//! A stored body is the received JSON without white space and without what the server itself says
//! (`resourceType`, `id`, `meta.versionId`, `meta.lastUpdated`), so that a node can keep the same
//! bytes for ever and a read only has to put the server's words in front:
//!
//! ```text
//! length of the meta part, u32 little endian
//! meta part    the remaining members of `meta`, without braces     "profile":["…"]
//! rest part    the remaining members of the record, without braces "active":true,"name":[…]
//! ```
//!
//! A deletion has no body. Member order and every number and escape stay as they were received.

use crate::document::Node;
use crate::identity::{Id, Kind, VersionId};
use crate::moment;
use crate::parse::write_string;

/// What a server says about a version, in front of its body.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The kind: `resourceType`.
    pub kind: &'a Kind,
    /// The record's id.
    pub id: &'a Id,
    /// `meta.versionId`.
    pub version: VersionId,
    /// `meta.lastUpdated`, microseconds since 1970.
    pub updated: i64,
}

/// Gives the new text of a string value, or `None` to keep it: (member name, value).
pub type Rewrite<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

/// The stored form of a record's JSON.
pub fn store(record: Node<'_>) -> Vec<u8> {
    store_rewritten(record, &|_, _| None)
}

/// The stored form of a record's JSON, with some of its strings replaced (references in a bundle).
pub fn store_rewritten(record: Node<'_>, rewrite: Rewrite<'_>) -> Vec<u8> {
    let mut out = vec![0; 4];
    if let Some(meta) = record.get("meta") {
        let kept = |key: &str| key != "versionId" && key != "lastUpdated";
        write_members(meta, &kept, rewrite, &mut out);
    }
    let length = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&length.to_le_bytes());
    let kept = |key: &str| key != "resourceType" && key != "id" && key != "meta";
    write_members(record, &kept, rewrite, &mut out);
    out
}

fn write_members(object: Node<'_>, kept: &dyn Fn(&str) -> bool, rewrite: Rewrite<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    for (key, value) in object.members().filter(|(key, _)| kept(key)) {
        if out.len() > start {
            out.push(b',');
        }
        write_string(out, &key);
        out.push(b':');
        write_value(&key, value, rewrite, out);
    }
}

fn write_value(name: &str, value: Node<'_>, rewrite: Rewrite<'_>, out: &mut Vec<u8>) {
    if value.is_object() {
        out.push(b'{');
        write_members(value, &|_| true, rewrite, out);
        out.push(b'}');
    } else if value.is_array() {
        out.push(b'[');
        for (i, item) in value.items().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_value(name, item, rewrite, out);
        }
        out.push(b']');
    } else {
        match value.as_str().and_then(|text| rewrite(name, &text)) {
            Some(text) => write_string(out, &text),
            None => out.extend_from_slice(value.text().as_bytes()),
        }
    }
}

/// The meta part and the rest part of a stored body; `None` where the bytes are no stored body.
pub fn parts(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, text) = body.split_first_chunk::<4>()?;
    text.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// Appends the record's JSON to `out`: the header's words, then the stored body.
///
/// # Panics
/// Where `body` is no stored body: the store checks every body's hash before it hands it out.
pub fn splice(header: Header<'_>, body: &[u8], out: &mut Vec<u8>) {
    let (meta, rest) = parts(body).expect("a stored body");
    out.reserve(body.len() + 160);
    out.extend_from_slice(b"{\"resourceType\":\"");
    out.extend_from_slice(header.kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"id\":\"");
    out.extend_from_slice(header.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"meta\":{\"versionId\":\"");
    out.extend_from_slice(header.version.to_string().as_bytes());
    out.extend_from_slice(b"\",\"lastUpdated\":\"");
    out.extend_from_slice(moment::instant(header.updated).as_bytes());
    out.push(b'"');
    append_members(meta, out);
    out.push(b'}');
    append_members(rest, out);
    out.push(b'}');
}

fn append_members(members: &[u8], out: &mut Vec<u8>) {
    if !members.is_empty() {
        out.push(b',');
        out.extend_from_slice(members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::parse::Limits;

    fn spliced(text: &str, rewrite: Rewrite<'_>) -> String {
        let d = Document::parse(text.as_bytes(), Limits::default()).unwrap();
        let body = store_rewritten(d.root(), rewrite);
        let (kind, id) = (Kind::new("Patient").unwrap(), Id::new("7").unwrap());
        let version = VersionId { node: 0, counter: 3 };
        let mut out = Vec::new();
        splice(
            Header {
                kind: &kind,
                id: &id,
                version,
                updated: 0,
            },
            &body,
            &mut out,
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn splices_the_servers_words_in_front() {
        let front =
            r#"{"resourceType":"Patient","id":"7","meta":{"versionId":"0-3","lastUpdated":"1970-01-01T00:00:00.000Z""#;
        let table = [
            (r#"{"resourceType":"Patient"}"#, "}}"),
            (
                r#"{"id":"1","meta":{"versionId":"9","tag":[ ]},"active":true,"x":1.0}"#,
                r#","tag":[]},"active":true,"x":1.0}"#,
            ),
            (
                r#"{"b":["\u0041",{}], "a":{"a": 2}}"#,
                r#"},"b":["\u0041",{}],"a":{"a":2}}"#,
            ),
        ];
        for (text, end) in table {
            assert_eq!(spliced(text, &|_, _| None), format!("{front}{end}"));
        }
    }

    #[test]
    fn rewrites_strings_by_name() {
        let rewrite = |name: &str, text: &str| (name == "reference" && text == "urn:a").then(|| "Patient/1".to_owned());
        let text = spliced(r#"{"link":[{"reference":"urn:a"},{"display":"urn:a"}]}"#, &rewrite);
        assert!(
            text.ends_with(r#""link":[{"reference":"Patient/1"},{"display":"urn:a"}]}"#),
            "{text}"
        );
    }
}
