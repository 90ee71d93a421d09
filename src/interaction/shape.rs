//! Shows a part of a record: `_summary` and `_elements` (<https://hl7.org/fhir/R4/search.html#summary>).

use conformance::Definitions;
use fhir::document::{Document, Node};
use fhir::parse::{Limits, write_string};
use fhirpath::model::Model;
use query::Summary;

use crate::refusal::{Reason, Refusal};

/// Which part of a record an answer shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// All of it.
    #[default]
    Whole,
    /// `_summary=true`: what the definitions mark as summary.
    Summary,
    /// `_summary=text`: the narrative, and what must be there.
    Text,
    /// `_summary=data`: all but the narrative.
    Data,
    /// `_elements`: the named elements of the record, what must be there and what changes its meaning.
    Elements(Vec<String>),
}

impl Shape {
    /// The shape that `_summary` and `_elements` ask for. `_elements` goes before `_summary`; `_summary=count` is a
    /// matter of searches and leaves the record whole here.
    ///
    /// # Errors
    /// 400 where `_summary` is none of its values.
    pub fn of(summary: Option<&str>, elements: Option<&str>) -> Result<Shape, Refusal> {
        let shape = match summary {
            None | Some("" | "false" | "count") => Shape::Whole,
            Some("true") => Shape::Summary,
            Some("text") => Shape::Text,
            Some("data") => Shape::Data,
            Some(other) => {
                let text = format!("_summary is \"{other}\"; it can be true, text, data, count or false.");
                return Err(Refusal::because(Reason::Invalid, text).at("http._summary"));
            }
        };
        let names = elements.into_iter().flat_map(|list| list.split(','));
        let names: Vec<String> = names
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(if names.is_empty() {
            shape
        } else {
            Shape::Elements(names)
        })
    }

    /// The shape a search asks for.
    pub fn of_search(summary: Summary, elements: &[String]) -> Shape {
        if !elements.is_empty() {
            return Shape::Elements(elements.to_vec());
        }
        match summary {
            Summary::True => Shape::Summary,
            Summary::Text => Shape::Text,
            Summary::Data => Shape::Data,
            Summary::False | Summary::Count => Shape::Whole,
        }
    }

    /// Appends the part of a record that the shape shows; `json` is the whole record.
    pub fn write(&self, definitions: &Definitions, json: &[u8], out: &mut Vec<u8>) {
        if *self == Shape::Whole {
            return out.extend_from_slice(json);
        }
        // What is stored was read once within the limits, so this cannot fail; if it did, all is better than nothing.
        match Document::parse(json, Limits::default()) {
            Ok(document) => self.write_record(definitions, document.root(), out),
            Err(_) => out.extend_from_slice(json),
        }
    }

    fn write_record(&self, definitions: &Definitions, record: Node<'_>, out: &mut Vec<u8>) {
        let kind = record.string("resourceType").unwrap_or_default();
        out.push(b'{');
        let mut first = true;
        for (key, value) in record.members() {
            let always = matches!(&*key, "resourceType" | "id" | "meta");
            if !always && !self.shows(definitions, &kind, &key) {
                continue;
            }
            write_key(&key, &mut first, out);
            match &*key {
                "meta" => write_subsetted(value, out),
                _ if *self == Shape::Summary => write_summary(definitions, &kind, &key, value, out),
                _ => value.write_compact(out),
            }
        }
        if record.get("meta").is_none() {
            write_key("meta", &mut first, out);
            out.push(b'{');
            write_tags(None, out);
            out.push(b'}');
        }
        out.push(b'}');
    }

    fn shows(&self, definitions: &Definitions, kind: &str, key: &str) -> bool {
        let key = key.strip_prefix('_').unwrap_or(key);
        let Some(element) = definitions.element(&format!("{kind}.{key}")) else {
            return *self == Shape::Data;
        };
        match self {
            Shape::Whole => true,
            Shape::Summary => element.summary,
            Shape::Text => key == "text" || element.min > 0,
            Shape::Data => key != "text",
            Shape::Elements(names) => {
                let named = names.iter().any(|name| {
                    let name = name
                        .strip_prefix(kind)
                        .and_then(|n| n.strip_prefix('.'))
                        .unwrap_or(name);
                    let name = name.split('.').next().unwrap_or(name);
                    name == element.name() || name == key
                });
                named || element.min > 0 || element.modifier
            }
        }
    }
}

fn write_key(key: &str, first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.push(b',');
    }
    write_string(out, key);
    out.push(b':');
}

/// A value that belongs to the summary: whole, but for backbone elements, whose own members are marked too.
fn write_summary(definitions: &Definitions, parent: &str, key: &str, value: Node<'_>, out: &mut Vec<u8>) {
    let backbone = definitions.element(&format!("{parent}.{key}")).and_then(|element| {
        let name = definitions.type_name(element.types.first()?.kind);
        name.contains('.').then_some(name)
    });
    let Some(backbone) = backbone else {
        return value.write_compact(out);
    };
    if value.is_array() {
        out.push(b'[');
        for (i, item) in value.items().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_summary_members(definitions, backbone, item, out);
        }
        out.push(b']');
    } else {
        write_summary_members(definitions, backbone, value, out);
    }
}

fn write_summary_members(definitions: &Definitions, backbone: &str, value: Node<'_>, out: &mut Vec<u8>) {
    if !value.is_object() {
        return value.write_compact(out);
    }
    out.push(b'{');
    let mut first = true;
    for (key, value) in value.members() {
        let name = key.strip_prefix('_').unwrap_or(&key);
        let element = definitions.element(&format!("{backbone}.{name}"));
        if element.is_some_and(|e| e.summary || e.min > 0) || name == "id" {
            write_key(&key, &mut first, out);
            write_summary(definitions, backbone, &key, value, out);
        }
    }
    out.push(b'}');
}

/// The record's `meta` with the tag that says a part is missing, so that nobody writes the part back as the whole.
fn write_subsetted(meta: Node<'_>, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (key, value) in meta.members().filter(|(key, _)| key != "tag") {
        write_key(&key, &mut first, out);
        value.write_compact(out);
    }
    if !first {
        out.push(b',');
    }
    write_tags(meta.get("tag"), out);
    out.push(b'}');
}

fn write_tags(own: Option<Node<'_>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"tag\":[");
    for tag in own.iter().flat_map(Node::items) {
        tag.write_compact(out);
        out.push(b',');
    }
    out.extend_from_slice(
        br#"{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]"#,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: &str = concat!(
        r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"0-1"},"text":{"status":"empty","div":"x"},"#,
        r#""active":true,"name":[{"family":"A","_family":{"id":"f"}}],"maritalStatus":{"text":"m"},"#,
        r#""contact":[{"gender":"male"}],"link":[{"other":{"reference":"Patient/2"},"type":"refer"}]}"#
    );

    #[test]
    fn shows_the_part_asked_for() {
        let front = concat!(
            r#"{"resourceType":"Patient","id":"1","meta":{"versionId":"0-1","tag":[{"system":"#,
            r#""http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#
        );
        let table = [
            (
                Some("true"),
                None,
                r#","active":true,"name":[{"family":"A","_family":{"id":"f"}}],"link":[{"other":{"reference":"Patient/2"},"type":"refer"}]}"#,
            ),
            (Some("text"), None, r#","text":{"status":"empty","div":"x"}}"#),
            (
                None,
                Some("name,Patient.contact"),
                r#","active":true,"name":[{"family":"A","_family":{"id":"f"}}],"contact":[{"gender":"male"}],"link":[{"other":{"reference":"Patient/2"},"type":"refer"}]}"#,
            ),
        ];
        let definitions = Definitions::r4();
        for (summary, elements, end) in table {
            let shape = Shape::of(summary, elements).unwrap();
            let mut out = Vec::new();
            shape.write(&definitions, PATIENT.as_bytes(), &mut out);
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("{front}{end}"),
                "{summary:?} {elements:?}"
            );
        }
        assert!(Shape::of(Some("maybe"), None).is_err());
    }
}
