//! What a record and a version of it are called.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a kind of record: a FHIR resource type or a national kind. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(Arc<str>);

impl Kind {
    /// A kind by name: a letter, then letters, digits and dots, at most 64. Whether it exists is the
    /// definitions' to say.
    pub fn new(name: &str) -> Option<Kind> {
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        (starts && letters && name.len() <= 64).then(|| Kind(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a record within its kind: FHIR's `id`, 1 to 64 of `A-Z a-z 0-9 - .`
/// (<https://hl7.org/fhir/R4/datatypes.html#id>). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Arc<str>);

impl Id {
    /// An id, where the text is one.
    pub fn new(text: &str) -> Option<Id> {
        let fits = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        (fits && (1..=64).contains(&text.len())).then(|| Id(text.into()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of one version of a record everywhere: the node that wrote it and that node's count.
///
/// Written `node-counter`, as in `0-1742`; this is `meta.versionId` and the inside of the ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId {
    /// The node that wrote the version; the national centre is 0.
    pub node: u32,
    /// How many versions that node had written, with this one.
    pub counter: u64,
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node, self.counter)
    }
}

/// The text is no version id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoVersionId;

impl FromStr for VersionId {
    type Err = NoVersionId;

    fn from_str(text: &str) -> Result<Self, NoVersionId> {
        let (node, counter) = text.split_once('-').ok_or(NoVersionId)?;
        let canonical =
            |part: &str| part == "0" || (!part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()));
        if !canonical(node) || !canonical(counter) {
            return Err(NoVersionId);
        }
        Ok(VersionId {
            node: node.parse().map_err(|_| NoVersionId)?,
            counter: counter.parse().map_err(|_| NoVersionId)?,
        })
    }
}

/// A reference's text, taken apart (<https://hl7.org/fhir/R4/references.html#literal>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `#id`, or `#` for the container.
    Contained(&'a str),
    /// `Type/id`, `base/Type/id`, each perhaps with `/_history/version`.
    Literal {
        /// What stands before `Type/id`, without the slash; empty for a relative reference.
        base: &'a str,
        /// The resource type.
        kind: &'a str,
        /// The logical id.
        id: &'a str,
        /// The version, where one is named.
        version: Option<&'a str>,
    },
    /// `Type?query`: to be resolved by a search when written.
    Conditional {
        /// The resource type.
        kind: &'a str,
        /// What stands after the question mark.
        query: &'a str,
    },
    /// Anything else: `urn:uuid:…`, `urn:oid:…`, a web address, a canonical.
    Other(&'a str),
}

impl<'a> Reference<'a> {
    /// Takes a reference apart. Never fails: what fits no form is [`Reference::Other`].
    pub fn parse(text: &'a str) -> Reference<'a> {
        if let Some(id) = text.strip_prefix('#') {
            return Reference::Contained(id);
        }
        if let Some((kind, query)) = text.split_once('?')
            && is_type_name(kind)
        {
            return Reference::Conditional { kind, query };
        }
        Self::literal(text).unwrap_or(Reference::Other(text))
    }

    fn literal(text: &'a str) -> Option<Reference<'a>> {
        let (path, version) = match text.split_once("/_history/") {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (front, id) = path.rsplit_once('/')?;
        let (base, kind) = front.rsplit_once('/').unwrap_or(("", front));
        let absolute = base.starts_with("http://") || base.starts_with("https://");
        let fits = is_type_name(kind) && Id::new(id).is_some() && (base.is_empty() || absolute);
        (fits && version.is_none_or(|v| Id::new(v).is_some())).then_some(Reference::Literal {
            base,
            kind,
            id,
            version,
        })
    }
}

fn is_type_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_fhir_ids() {
        for (text, fits) in [
            ("a", true),
            ("A-1.b", true),
            ("", false),
            ("a_b", false),
            ("a/b", false),
            ("ü", false),
        ] {
            assert_eq!(Id::new(text).is_some(), fits, "{text}");
        }
        assert!(Id::new(&"x".repeat(64)).is_some() && Id::new(&"x".repeat(65)).is_none());
    }

    #[test]
    fn version_ids_have_one_spelling() {
        let v = VersionId { node: 3, counter: 17 };
        assert_eq!(v.to_string().parse(), Ok(v));
        for text in [
            "",
            "3",
            "3-",
            "-3",
            "03-1",
            "3-01",
            "3-1-1",
            "+3-1",
            "3-99999999999999999999",
        ] {
            assert_eq!(text.parse::<VersionId>(), Err(NoVersionId), "{text}");
        }
    }

    #[test]
    fn references_come_apart() {
        let literal = |base, kind, id, version| Reference::Literal {
            base,
            kind,
            id,
            version,
        };
        let table = [
            ("Patient/1", literal("", "Patient", "1", None)),
            ("Patient/1/_history/2", literal("", "Patient", "1", Some("2"))),
            (
                "http://a.b/fhir/Patient/1",
                literal("http://a.b/fhir", "Patient", "1", None),
            ),
            ("#x", Reference::Contained("x")),
            (
                "Patient?identifier=a|b",
                Reference::Conditional {
                    kind: "Patient",
                    query: "identifier=a|b",
                },
            ),
            ("urn:uuid:a/b", Reference::Other("urn:uuid:a/b")),
            ("x/Patient/1", Reference::Other("x/Patient/1")),
        ];
        for (text, expected) in table {
            assert_eq!(Reference::parse(text), expected, "{text}");
        }
    }
}
