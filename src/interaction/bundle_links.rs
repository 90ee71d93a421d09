//! What references inside a transaction become: new ids for `fullUrl`s, in references, uris and narrative.
//!
//! <https://hl7.org/fhir/R4/http.html#trules>: every link to an entry's `fullUrl` follows the record to its new
//! address, wherever it stands: `Reference.reference`, elements of type uri, url, canonical, oid and uuid, and `href`
//! and `src` in the narrative. A reference that names a version is left as it is.

use fhir::identity::Reference;
use rustc_hash::{FxHashMap, FxHashSet};

/// The new addresses of a transaction's entries, by `fullUrl`.
#[derive(Default)]
pub struct Links {
    known: FxHashMap<String, Known>,
    /// Whether some `fullUrl` is no URN: then every address has to be looked up.
    addresses: bool,
}

struct Known {
    /// `Patient/0-17`
    new: String,
    /// The `fullUrl` is the resource's own canonical address, which is its name and doesn't change.
    canonical: bool,
}

impl Links {
    /// Adds an entry; `canonical` is the resource's own `url`, where it has one. `false` where the `fullUrl` is known
    /// already.
    pub fn insert(&mut self, full_url: &str, new: String, canonical: Option<&str>) -> bool {
        self.addresses |= !full_url.starts_with("urn:");
        let known = Known {
            new,
            canonical: canonical == Some(full_url),
        };
        self.known.insert(full_url.to_owned(), known).is_none()
    }

    /// What a `Reference.reference` becomes, seen from an entry whose `fullUrl` has the base `base`.
    pub fn reference(&self, text: &str, base: Option<&str>) -> Option<String> {
        if let Some(new) = self.find(text, true) {
            return Some(new);
        }
        match (base, Reference::parse(text)) {
            (
                Some(base),
                Reference::Literal {
                    base: "",
                    version: None,
                    ..
                },
            ) if self.addresses => self.find(&format!("{base}/{text}"), true),
            _ => None,
        }
    }

    /// What an element of type uri becomes.
    pub fn uri(&self, text: &str) -> Option<String> {
        self.find(text, false)
    }

    fn find(&self, text: &str, reference: bool) -> Option<String> {
        if self.known.is_empty() || !(self.addresses || text.starts_with("urn:")) {
            return None;
        }
        let (whole, fragment) = match text.find('#') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let known = self.known.get(whole)?;
        (reference || !known.canonical).then(|| format!("{}{fragment}", known.new))
    }

    /// What a narrative becomes; `None` where nothing in it links to an entry.
    pub fn narrative(&self, html: &str) -> Option<String> {
        if self.known.is_empty() {
            return None;
        }
        let mut out = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some((start, end)) = attribute(html, at) {
            if let Some(new) = self.find(&html[start..end], true) {
                out.push_str(&html[copied..start]);
                out.push_str(&new);
                copied = end;
            }
            at = end;
        }
        (copied > 0).then(|| out + &html[copied..])
    }

    /// What the string under a name becomes, given what conditional references become.
    pub fn rewrite(
        &self,
        name: &str,
        text: &str,
        base: Option<&str>,
        uri_members: &FxHashSet<Box<str>>,
        conditional: &dyn Fn(&str) -> Option<String>,
    ) -> Option<String> {
        match name {
            "reference" if text.contains('?') => conditional(text).or_else(|| self.reference(text, base)),
            "reference" => self.reference(text, base),
            "div" => self.narrative(text),
            _ if self.addresses || text.starts_with("urn:") => uri_members.contains(name).then(|| self.uri(text))?,
            _ => None,
        }
    }
}

/// The base of a RESTful `fullUrl`: `http://x/fhir` of `http://x/fhir/Patient/1`.
pub fn base_of(full_url: &str) -> Option<&str> {
    match Reference::parse(full_url) {
        Reference::Literal { base, .. } if !base.is_empty() => Some(base),
        _ => None,
    }
}

/// The next value of an `href` or `src` attribute from `from` on: where it starts and ends.
fn attribute(html: &str, from: usize) -> Option<(usize, usize)> {
    let bytes = html.as_bytes();
    let skip_space = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        at
    };
    let mut at = from;
    loop {
        let equals = at + html[at..].find('=')?;
        at = equals + 1;
        let name = html[..equals].trim_end();
        let named = ["href", "src"].iter().any(|n| {
            let before = name.strip_suffix(n);
            before.is_some_and(|before| before.ends_with(|c: char| c.is_ascii_whitespace()))
        });
        let quote = skip_space(at);
        if let (true, Some(b'"' | b'\'')) = (named, bytes.get(quote)) {
            let start = quote + 1;
            let length = html[start..].find(char::from(bytes[quote]))?;
            return Some((start, start + length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        let mut links = Links::default();
        assert!(links.insert("urn:uuid:a", "Patient/1".into(), None));
        assert!(links.insert("http://x/fhir/Group/7", "Group/2".into(), None));
        assert!(links.insert("http://x/vs", "ValueSet/3".into(), Some("http://x/vs")));
        assert!(!links.insert("urn:uuid:a", "Patient/1".into(), None));
        links
    }

    #[test]
    fn strings_follow_the_records() {
        let uris: FxHashSet<Box<str>> = ["url".into(), "system".into()].into_iter().collect();
        let base = Some("http://x/fhir");
        let table = [
            ("reference", "urn:uuid:a", base, Some("Patient/1")),
            ("reference", "urn:uuid:a#p", base, Some("Patient/1#p")),
            ("reference", "urn:uuid:b", base, None),
            ("reference", "http://x/fhir/Group/7", None, Some("Group/2")),
            ("reference", "http://x/fhir/Group/7/_history/1", None, None),
            ("reference", "Group/7", base, Some("Group/2")),
            ("reference", "Group/7", None, None),
            ("reference", "Group/7/_history/1", base, None),
            ("reference", "#a", base, None),
            ("reference", "Group?a=b", base, Some("found")),
            ("url", "urn:uuid:a", base, Some("Patient/1")),
            ("display", "urn:uuid:a", base, None),
            ("url", "http://x/fhir/Group/7", base, Some("Group/2")),
            ("url", "http://x/vs", base, None),
            ("reference", "http://x/vs", base, Some("ValueSet/3")),
        ];
        for (name, text, base, expected) in table {
            let found = links().rewrite(name, text, base, &uris, &|_| Some("found".into()));
            assert_eq!(found.as_deref(), expected, "{name} {text}");
        }
    }

    #[test]
    fn narratives_follow_the_records() {
        let table = [
            (
                r#"<div><a href="urn:uuid:a">x</a></div>"#,
                Some(r#"<div><a href="Patient/1">x</a></div>"#),
            ),
            (
                r#"<a href = 'urn:uuid:a'/><img src="http://x/fhir/Group/7"/>"#,
                Some(r#"<a href = 'Patient/1'/><img src="Group/2"/>"#),
            ),
            (r#"<a title="urn:uuid:a" href="urn:uuid:b">urn:uuid:a</a>"#, None),
            (r#"<p>a=b</p>"#, None),
            (r#"<a href="urn:uuid:a"#, None),
            ("=é= href=é", None),
        ];
        for (html, expected) in table {
            assert_eq!(links().narrative(html).as_deref(), expected, "{html}");
        }
    }

    #[test]
    fn bases_are_those_of_restful_addresses() {
        assert_eq!(base_of("http://x/fhir/Group/7"), Some("http://x/fhir"));
        assert_eq!(base_of("urn:uuid:a"), None);
    }
}
