//! Reads the entries of a batch or a transaction: method, address, conditions and resource of each.

use fhir::document::Node;
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};

use crate::address;
use crate::request::Method;

/// Which record an entry writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `Patient`: a new record.
    New(Kind),
    /// `Patient/17`
    Record(Kind, Id),
    /// `Patient?identifier=…`: whatever matches, the query as written.
    Matching(Kind, String),
}

impl Target {
    /// The kind.
    pub fn kind(&self) -> &Kind {
        match self {
            Target::New(kind) | Target::Record(kind, _) | Target::Matching(kind, _) => kind,
        }
    }
}

/// One entry of a bundle.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its place in the bundle, from 0.
    pub index: usize,
    /// `fullUrl`
    pub full_url: Option<String>,
    /// `resource`
    pub resource: Option<Node<'a>>,
    /// `request.method`
    pub method: Method,
    /// The part of `request.url` before the question mark, below the server's base.
    pub path: String,
    /// The part of `request.url` after the question mark.
    pub query: String,
    /// `request.ifMatch`
    pub if_match: Option<String>,
    /// `request.ifNoneMatch`
    pub if_none_match: Option<String>,
    /// `request.ifModifiedSince`
    pub if_modified_since: Option<String>,
    /// `request.ifNoneExist`
    pub if_none_exist: Option<String>,
}

impl<'a> Entry<'a> {
    /// Reads one entry. `base` is the server's own address, which `request.url` may start with.
    ///
    /// # Errors
    /// The issue, located as `Bundle.entry[index]…`.
    pub fn read(index: usize, node: Node<'a>, base: &str) -> Result<Entry<'a>, Issue> {
        let refuse =
            |part: &str, code: Code, text: &str| Issue::error(code, text).at(format!("Bundle.entry[{index}]{part}"));
        let request = node.get("request").filter(Node::is_object);
        let request = request.ok_or_else(|| {
            refuse(
                ".request",
                Code::Required,
                "An entry of a batch or transaction needs a request with method and url.",
            )
        })?;
        let text = |name: &str| request.string(name).map(|text| text.into_owned());
        let method = text("method").map_or(Method::Other, |name| Method::parse(&name));
        if method == Method::Other {
            let text = "The method of an entry is one of GET, HEAD, POST, PUT, PATCH and DELETE.";
            return Err(refuse(".request.method", Code::Value, text));
        }
        let url =
            text("url").ok_or_else(|| refuse(".request.url", Code::Required, "An entry's request needs a url."))?;
        let relative = url.strip_prefix(base).unwrap_or(&url).trim_start_matches('/');
        let (path, query) = relative.split_once('?').unwrap_or((relative, ""));
        if path.contains(':') || (path.is_empty() && query.is_empty()) {
            let text =
                "The url of an entry's request is relative to this server: a type, a type and an id, or a search.";
            return Err(refuse(".request.url", Code::Value, text));
        }
        Ok(Entry {
            index,
            full_url: node.string("fullUrl").map(|text| text.into_owned()),
            resource: node.get("resource").filter(Node::is_object),
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            if_match: text("ifMatch"),
            if_none_match: text("ifNoneMatch"),
            if_modified_since: text("ifModifiedSince"),
            if_none_exist: text("ifNoneExist"),
        })
    }

    /// Whether it writes nothing.
    pub fn is_reading(&self) -> bool {
        matches!(self.method, Method::Get | Method::Head)
    }

    /// An issue about this entry; `part` is what stands after `Bundle.entry[index]`.
    pub fn issue(&self, part: &str, code: Code, text: impl Into<String>) -> Issue {
        Issue::error(code, text).at(self.place(part))
    }

    /// The FHIRPath expression of a part of this entry.
    pub fn place(&self, part: &str) -> String {
        format!("Bundle.entry[{}]{part}", self.index)
    }

    /// The place of an issue that was found in carrying out the entry: `Patient.name` is
    /// `Bundle.entry[3].resource.name`, a header is its part of the request.
    pub fn place_of(&self, expression: &str) -> String {
        match expression {
            "" => self.place(""),
            "http.If-Match" => self.place(".request.ifMatch"),
            "http.If-None-Match" => self.place(".request.ifNoneMatch"),
            "resourceType" => self.place(".resource.resourceType"),
            text if text.starts_with("http.") => self.place(".request.url"),
            // An operation of a JSON Patch, which lies inside a Binary.
            text if text.starts_with('[') => self.place(".resource"),
            text => match text.find(['.', '[']) {
                Some(at) => self.place(&format!(".resource{}", &text[at..])),
                None => self.place(".resource"),
            },
        }
    }

    /// The record this entry writes, its kind and its resource checked against `request.url`.
    ///
    /// # Errors
    /// The issue, located.
    pub fn target(&self, kind_of: &dyn Fn(&str) -> Option<Kind>) -> Result<Target, Issue> {
        let refuse = |text: String| Err(self.issue(".request.url", Code::Value, text));
        let mut segments = self.path.split('/');
        let name = segments.next().and_then(address::decode).unwrap_or_default();
        let Some(kind) = kind_of(&name) else {
            return refuse(format!("There is no resource type \"{name}\"."));
        };
        let id = segments
            .next()
            .map(|text| address::decode(text).and_then(|text| Id::new(&text)));
        let rest = segments.next().is_some();
        let target = match (self.method, id, self.query.is_empty()) {
            (Method::Post, None, true) => Target::New(kind),
            (Method::Put | Method::Patch | Method::Delete, Some(Some(id)), true) if !rest => Target::Record(kind, id),
            (Method::Put | Method::Patch | Method::Delete, None, false) => Target::Matching(kind, self.query.clone()),
            (Method::Post, _, _) => {
                return refuse("A POST in a transaction creates: its url is a type alone. Searches go by GET.".into());
            }
            (_, Some(None), _) => return refuse("The url names an id that is no FHIR id.".into()),
            _ => return refuse("The url of a write is a type and an id, or a type and a search.".into()),
        };
        self.check_resource(&target)?;
        Ok(target)
    }

    fn check_resource(&self, target: &Target) -> Result<(), Issue> {
        if self.method == Method::Delete {
            return Ok(());
        }
        let Some(resource) = self.resource else {
            return Err(self.issue(".resource", Code::Required, "An entry that writes needs a resource."));
        };
        if self.method == Method::Patch {
            return Ok(());
        }
        let kind = target.kind();
        let found = resource.string("resourceType").unwrap_or_default();
        if found != kind.as_str() {
            let text = format!("The url names {kind}, and the resource is of the type \"{found}\".");
            return Err(self.issue(".resource.resourceType", Code::Invalid, text));
        }
        match target {
            Target::Record(_, id) if resource.string("id").as_deref() != Some(id.as_str()) => {
                let text = format!("The url names the id {id}: the resource must have the same.");
                Err(self.issue(".resource.id", Code::Invalid, text))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::document::Document;
    use fhir::parse::Limits;

    fn read(entry: &str) -> Result<Target, String> {
        let document = Document::parse(entry.as_bytes(), Limits::default()).unwrap();
        let entry = Entry::read(3, document.root(), "http://x/fhir").map_err(|issue| issue.expression)?;
        entry
            .target(&|name| Kind::new(name).filter(|_| name == "Patient"))
            .map_err(|issue| issue.expression)
    }

    #[test]
    fn entries_are_read() {
        let (kind, id) = (Kind::new("Patient").unwrap(), Id::new("1").unwrap());
        let record = || Ok(Target::Record(kind.clone(), id.clone()));
        let refused = |part: &str| Err(format!("Bundle.entry[3]{part}"));
        let patient = r#""resource":{"resourceType":"Patient","id":"1"}"#;
        let table = [
            ("POST", "Patient", patient, Ok(Target::New(kind.clone()))),
            ("PUT", "Patient/1", patient, record()),
            ("PUT", "/Patient/1", patient, record()),
            ("PUT", "http://x/fhir/Patient/1", patient, record()),
            ("DELETE", "Patient/1", r#""x":1"#, record()),
            (
                "PUT",
                "Patient?a=b",
                patient,
                Ok(Target::Matching(kind.clone(), "a=b".into())),
            ),
            (
                "PATCH",
                "Patient/1",
                r#""resource":{"resourceType":"Binary"}"#,
                record(),
            ),
            ("PUT", "Patient/2", patient, refused(".resource.id")),
            ("PUT", "Patient", patient, refused(".request.url")),
            ("PUT", "http://y/fhir/Patient/1", patient, refused(".request.url")),
            ("POST", "Patient/1", patient, refused(".request.url")),
            ("POST", "Nonsense", patient, refused(".request.url")),
            (
                "POST",
                "Patient",
                r#""resource":{"resourceType":"Group"}"#,
                refused(".resource.resourceType"),
            ),
            ("POST", "Patient", r#""x":1"#, refused(".resource")),
            ("FROB", "Patient", patient, refused(".request.method")),
            ("PUT", "Patient/a_b", patient, refused(".request.url")),
            ("POST", "", patient, refused(".request.url")),
        ];
        for (method, url, resource, expected) in table {
            let entry = format!(r#"{{{resource},"request":{{"method":"{method}","url":"{url}"}}}}"#);
            assert_eq!(read(&entry), expected, "{method} {url}");
        }
        assert_eq!(read("{}"), refused(".request"));
    }
}
