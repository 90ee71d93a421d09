//! Definitions that are given with what is judged: from files, without a server.

use std::collections::HashMap;
use std::sync::Arc;

use fhir::document::Document;
use terminology::{Records, Unread};

use crate::library::{Library, version_fits};

/// Definitions by their kind and address. It answers both rooms: this one, and what it asks of terminology.
#[derive(Clone, Debug, Default)]
pub struct Given {
    number: u64,
    by_address: HashMap<(String, String), Vec<Arc<Document>>>,
}

impl Given {
    /// Takes definitions; what has no `url` is left out. The number tells these from others that the same
    /// [`Validator`](crate::Validator) judges by.
    pub fn new(number: u64, definitions: impl IntoIterator<Item = Arc<Document>>) -> Given {
        let mut by_address: HashMap<_, Vec<_>> = HashMap::new();
        for document in definitions {
            let text = |name: &str| document.root().string(name).map(|text| text.into_owned());
            if let (Some(kind), Some(url)) = (text("resourceType"), text("url")) {
                by_address.entry((kind, url)).or_default().push(document);
            }
        }
        Given { number, by_address }
    }

    fn all(&self, kind: &str, url: &str) -> &[Arc<Document>] {
        let found = self.by_address.get(&(kind.to_owned(), url.to_owned()));
        found.map(Vec::as_slice).unwrap_or_default()
    }
}

impl Library for Given {
    fn definition(&self, kind: &str, address: &str) -> Option<Arc<Document>> {
        let (url, wanted) = terminology::version::split(address);
        let version = |document: &Document| document.root().string("version").unwrap_or_default().into_owned();
        let fitting = self.all(kind, url).iter().filter_map(|document| {
            let version = version(document);
            Some((version_fits(wanted, &version)?, version, document))
        });
        let best = fitting.max_by(|(a, one, _), (b, other, _)| {
            let newer = || terminology::version::compare(one, other);
            a.cmp(b).then_with(newer)
        });
        best.map(|(_, _, document)| Arc::clone(document))
    }

    fn record(&self, _kind: &str, _id: &str) -> Option<Arc<Document>> {
        None
    }

    fn generation(&self) -> u64 {
        self.number
    }
}

impl Records for Given {
    fn versions(&self, kind: &str, url: &str) -> Result<Vec<Arc<Document>>, Unread> {
        Ok(self.all(kind, url).to_vec())
    }

    fn maps(&self) -> Result<Vec<Arc<Document>>, Unread> {
        Ok(Vec::new())
    }

    fn systems(&self) -> Result<Vec<Arc<Document>>, Unread> {
        Ok(Vec::new())
    }

    fn generation(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::parse::Limits;

    #[test]
    fn the_version_asked_for_is_found_or_the_newest() {
        let set = |version: &str| {
            let text = format!(r#"{{"resourceType":"ValueSet","url":"http://a/b","version":"{version}"}}"#);
            Arc::new(Document::parse(text.as_bytes(), Limits::default()).unwrap())
        };
        let given = Given::new(1, ["0.2.9", "0.2.10", "0.10", "0.2"].map(set));
        for (address, version) in [
            ("http://a/b", Some("0.10")),
            ("http://a/b|0.2", Some("0.2")),
            ("http://a/b|0.2.9", Some("0.2.9")),
            ("http://a/b|0", Some("0.10")),
            ("http://a/b|1", None),
            ("http://a/c", None),
        ] {
            let found = given.definition("ValueSet", address);
            let found = found.map(|set| set.root().string("version").unwrap().into_owned());
            assert_eq!(found.as_deref(), version, "{address}");
        }
        assert_eq!(given.versions("ValueSet", "http://a/b").unwrap().len(), 4);
    }
}
