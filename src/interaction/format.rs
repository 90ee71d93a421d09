//! Which format a caller sends and wants, JSON or XML, and the one place where the one becomes the other.
//!
//! Every interaction reads and answers JSON. A body in XML becomes JSON before any of them sees it ([`Sent`]), and an
//! answer becomes what its caller wants after all of them ([`Wanted`]); see <https://hl7.org/fhir/R4/http.html#mime-type>.

use std::borrow::Cow;

use conformance::Definitions;
use fhir::document::Document;
use fhir::parse;

use crate::engine::Engine;
use crate::page_in_xml as page;
use crate::refusal::{Reason, Refusal};
use crate::reply::{Body, FHIR_JSON, FHIR_XML, Reply};
use crate::request::Request;

/// The patch formats the server reads, for `Accept-Patch`.
pub const PATCH_FORMATS: &str =
    "application/json-patch+json, application/xml-patch+xml, application/fhir+json, application/fhir+xml";

/// What a record can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// FHIR JSON.
    Json,
    /// FHIR XML.
    Xml,
}

/// A format, and the Content-Type of its answers.
type Named = (Format, &'static str);

/// The names of the formats in `_format`, `Accept` and `Content-Type`, and the Content-Type they are answered with: the
/// one that was asked for, as the standard would have it.
const NAMES: [(&str, Format, &str); 8] = [
    ("application/fhir+json", Format::Json, FHIR_JSON),
    ("application/fhir+xml", Format::Xml, FHIR_XML),
    ("application/json", Format::Json, "application/json; charset=utf-8"),
    ("application/xml", Format::Xml, "application/xml; charset=utf-8"),
    ("text/json", Format::Json, "text/json; charset=utf-8"),
    ("text/xml", Format::Xml, "text/xml; charset=utf-8"),
    ("json", Format::Json, FHIR_JSON),
    ("xml", Format::Xml, FHIR_XML),
];

/// The format and the Content-Type of its answers that a media type names, with its parameters; `None` for another, or
/// for another version of FHIR or another charset than UTF-8.
fn named(media: &str) -> Option<Named> {
    let mut parts = media.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let right_version = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("fhirVersion") => {
            value.trim().trim_matches('"') == "4.0"
        }
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    let found = NAMES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
    parts.all(right_version).then_some((found.1, found.2))
}

/// Whether a media type, or a value of `_format`, is one of FHIR's.
pub(crate) fn is_fhir(media: &str) -> bool {
    named(&media.replace("fhir ", "fhir+")).is_some()
}

/// Whether an `Accept` header wants a resource, where the resource itself holds a content of some type: it names one of
/// FHIR's formats, or nothing but JSON or XML that are not the content's type.
pub(crate) fn wants_resource(accept: Option<&str>, content: &str) -> bool {
    let ranges = || {
        accept
            .unwrap_or_default()
            .split(',')
            .filter(|range| weight(range) > 0.0)
    };
    let name = |range: &str| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let explicit = |range: &str| name(range).starts_with("application/fhir+") && named(range).is_some();
    let general = |range: &str| named(range).is_some() && !name(range).eq_ignore_ascii_case(content);
    ranges().any(explicit) || ranges().next().is_some() && ranges().all(general)
}

/// How an answer shall be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The format.
    pub format: Format,
    /// The `Content-Type`.
    pub media: &'static str,
    /// Whether it shall be indented.
    pub pretty: bool,
}

impl Wanted {
    /// FHIR JSON, as it is.
    pub const PLAIN: Wanted = Wanted {
        format: Format::Json,
        media: FHIR_JSON,
        pretty: false,
    };

    /// How a request would be answered: by `_format`, or by what it accepts, or by what it sends. `parameter` is the
    /// value of `_format`.
    ///
    /// # Errors
    /// 406 where it would have neither JSON nor XML.
    pub fn of(request: &Request<'_>, parameter: Option<&str>) -> Result<Wanted, Refusal> {
        let found = match (parameter, request.accept) {
            // A plus sign in a query is a space once decoded, and `_format=application/fhir+json` is often written plainly.
            (Some(wanted), _) => named(&wanted.replace("fhir ", "fhir+")),
            (None, Some(header)) if !header.trim().is_empty() => accepted(header, sent(request)),
            _ => Some(sent(request)),
        };
        let refused = || {
            Refusal::because(
                Reason::NotAcceptable,
                "This server answers FHIR R4 as JSON and as XML: ask for application/fhir+json or application/fhir+xml \
                 in Accept, or _format=json or _format=xml.",
            )
        };
        let (format, media) = found.ok_or_else(refused)?;
        Ok(Wanted {
            format,
            media,
            pretty: false,
        })
    }

    /// How to write a refusal of a request that was not read to its end: as the request would have it, as far as that
    /// can be told.
    pub fn of_refused(request: &Request<'_>) -> Wanted {
        let parameters = crate::address::pairs(request.query).unwrap_or_default();
        let parameter = parameters
            .iter()
            .find(|(name, value)| name == "_format" && !value.is_empty());
        Wanted::of(request, parameter.map(|(_, value)| value.as_str())).unwrap_or(Wanted::PLAIN)
    }

    /// The answer, written so. Answers of another type than FHIR JSON stay as they are.
    pub fn write(self, definitions: &Definitions, reply: Reply) -> Reply {
        if reply.media != FHIR_JSON || reply.disposition.is_some() {
            return reply;
        }
        let body = match (&reply.body, self.format, self.pretty) {
            (Body::Empty, ..) => Body::Empty,
            (body, Format::Xml, pretty) => match to_xml(definitions, body.bytes(), pretty) {
                Ok(xml) => Body::Owned(xml),
                // A refusal stays what it is, in JSON rather than not at all.
                Err(_) if reply.status >= 400 => return reply,
                Err(refusal) => return self.write(definitions, refusal.into()),
            },
            (body, Format::Json, true) => Body::Owned(pretty(body.bytes())),
            (_, Format::Json, false) => {
                return Reply {
                    media: self.media.into(),
                    ..reply
                };
            }
        };
        Reply {
            body,
            media: self.media.into(),
            ..reply
        }
    }
}

fn to_xml(definitions: &Definitions, json: &[u8], pretty: bool) -> Result<Vec<u8>, Refusal> {
    // A page holds records deeper than any of them is.
    let limits = parse::Limits {
        depth: 1_000,
        ..parse::Limits::default()
    };
    let read = |json: &[u8]| {
        Document::parse(json, limits).map_err(|e| Refusal::broken(format!("its own answer cannot be read. {e}")))
    };
    let document = read(json)?;
    let mut written = xml::write(definitions, document.root(), pretty);
    if written.is_err()
        && let Some(page) = page::without_unwritable(definitions, document.root())
    {
        written = xml::write(definitions, read(&page)?.root(), pretty);
    }
    written.map_err(|e| {
        let text = format!("The answer cannot be written as XML: {e} Ask for application/fhir+json.");
        Refusal::because(Reason::NotAcceptable, text).at(e.place)
    })
}

/// The format of a request's own body, which an answer has where the caller does not say: JSON unless it is XML.
fn sent(request: &Request<'_>) -> Named {
    let plain = (Format::Json, FHIR_JSON);
    request.content_type.and_then(named).unwrap_or(plain)
}

/// The format that an `Accept` header likes best (RFC 9110, 12.5.1): by its q, then by how exactly it is named, then by
/// the order of naming; among what is not named, `otherwise` before the other.
fn accepted(header: &str, otherwise: Named) -> Option<Named> {
    let mut best: Option<((f32, u8), Named)> = None;
    for range in header.split(',') {
        let (weight, exact) = (weight(range), named(range));
        let any = ["*/*", "application/*"].contains(&range.split(';').next().unwrap_or_default().trim());
        let found = match exact {
            Some(found) => (2, found),
            None if any => match [otherwise, other(otherwise)]
                .into_iter()
                .find(|(f, _)| !is_named(header, *f))
            {
                Some(found) => (1, found),
                None => continue,
            },
            None => continue,
        };
        let rank = (weight, found.0);
        if weight > 0.0 && best.is_none_or(|(before, _)| rank > before) {
            best = Some((rank, found.1));
        }
    }
    best.map(|(_, found)| found)
}

fn other((format, _): Named) -> Named {
    match format {
        Format::Json => (Format::Xml, FHIR_XML),
        Format::Xml => (Format::Json, FHIR_JSON),
    }
}

/// Whether a header names a format itself, so that `*/*` does not speak of it.
fn is_named(header: &str, format: Format) -> bool {
    header.split(',').filter_map(named).any(|(named, _)| named == format)
}

/// The `q` of a media range; 1 where it is none, or none that can be read.
fn weight(range: &str) -> f32 {
    let q = range.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| value.trim().parse().ok())?
    });
    q.unwrap_or(1.0)
}

/// The body of a request as JSON, and its Content-Type.
pub struct Sent<'a> {
    body: Cow<'a, [u8]>,
    xml: Option<&'a [u8]>,
    content_type: Option<&'a str>,
}

impl<'a> Sent<'a> {
    /// Turns a body of FHIR XML into JSON; leaves every other as it is.
    ///
    /// # Errors
    /// 413 where it is too long for any request, 400 with the place where it cannot be read.
    pub fn read(engine: &Engine, request: &Request<'a>) -> Result<Sent<'a>, Refusal> {
        let xml = request
            .content_type
            .and_then(named)
            .is_some_and(|(format, _)| format == Format::Xml);
        if !xml {
            return Ok(Sent {
                body: Cow::Borrowed(request.body),
                xml: None,
                content_type: request.content_type,
            });
        }
        let bytes = engine.limits.bundle_bytes.max(engine.limits.body_bytes);
        if request.body.len() > bytes {
            let text = format!("The body has {} bytes; this server takes {bytes}.", request.body.len());
            return Err(Refusal::because(Reason::TooLarge, text));
        }
        let limits = xml::Limits {
            depth: engine.limits.json_depth,
            bytes,
        };
        let body = match request.body {
            [] => Cow::Borrowed(request.body),
            body => Cow::Owned(xml::read(&engine.definitions, body, limits).map_err(|e| malformed(&e))?),
        };
        Ok(Sent {
            body,
            xml: Some(request.body).filter(|xml| !xml.is_empty()),
            content_type: Some("application/fhir+json"),
        })
    }

    /// The request, sent as JSON.
    pub fn request<'b>(&'b self, request: &Request<'b>) -> Request<'b> {
        Request {
            body: &self.body,
            xml: self.xml,
            content_type: self.content_type,
            ..*request
        }
    }
}

fn malformed(e: &xml::Malformed) -> Refusal {
    Refusal::because(Reason::Malformed, e.to_string())
}

/// Says no to a body that is not FHIR JSON. A body without a type is taken for JSON; XML was made JSON by [`Sent`].
///
/// # Errors
/// 415, naming the formats there are.
pub fn body_is_json(request: &Request<'_>) -> Result<(), Refusal> {
    match request.content_type {
        Some(media) if !named(media).is_some_and(|(format, _)| format == Format::Json) => Err(Refusal::because(
            Reason::UnsupportedMedia,
            format!(
                "The body is sent as \"{media}\"; this server reads application/fhir+json and application/fhir+xml in \
                 UTF-8, FHIR version 4.0."
            ),
        )
        .at("http.Content-Type")),
        _ => Ok(()),
    }
}

/// The JSON text with line breaks and two spaces a level. What is no JSON comes back as it was.
pub fn pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (i, &byte) in json.iter().enumerate() {
        if in_string {
            out.push(byte);
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                if json.get(i + 1).is_some_and(|next| *next != byte + 2) {
                    depth += 1;
                    break_line(depth, &mut out);
                }
            }
            b'}' | b']' => {
                if i == 0 || json[i - 1] + 2 != byte {
                    depth = depth.saturating_sub(1);
                    break_line(depth, &mut out);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                break_line(depth, &mut out);
            }
            b':' => out.extend_from_slice(b": "),
            b'"' => {
                in_string = true;
                out.push(byte);
            }
            byte => out.push(byte),
        }
    }
    out
}

fn break_line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + depth * 2, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Method;

    #[test]
    fn the_format_is_the_one_liked_best() {
        let xml = Some(Format::Xml);
        let json = Some(Format::Json);
        let table = [
            (None, None, json),
            (Some("*/*"), None, json),
            (Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), None, json),
            (Some("application/fhir+xml"), None, xml),
            (Some("text/xml"), None, xml),
            (Some("application/fhir+xml"), Some("json"), json),
            (Some("application/fhir+json"), Some("application/fhir+xml"), xml),
            (Some("application/fhir+json; fhirVersion=4.0"), None, json),
            (Some("application/fhir+json; fhirVersion=3.0"), None, None),
            (
                Some("application/fhir+json; fhirVersion=3.0, application/fhir+xml; fhirVersion=4.0"),
                None,
                xml,
            ),
            (Some("application/json;q=0"), None, None),
            (Some("application/json;q=0, */*"), None, xml),
            (
                Some("application/fhir+xml;q=0.9, application/fhir+json;q=0.8"),
                None,
                xml,
            ),
            (
                Some("application/fhir+json;q=0.8, application/fhir+xml;q=0.9"),
                None,
                xml,
            ),
            (Some("application/fhir+xml, application/fhir+json"), None, xml),
            (Some("application/fhir+json, application/fhir+xml"), None, json),
            (Some("application/fhir+xml;q=0.5, */*;q=0.4"), None, xml),
            (Some("application/fhir+xml;q=0.5, */*;q=0.6"), None, json),
            (Some("*/*, application/fhir+xml"), None, xml),
            (Some("application/*;q=0.1"), None, json),
            (Some("text/turtle"), None, None),
            (None, Some("xml"), xml),
            (None, Some("ttl"), None),
            (None, Some("application/fhir json"), json),
            (None, Some("application/fhir xml"), xml),
        ];
        for (header, parameter, expected) in table {
            let request = Request {
                accept: header,
                ..Request::new(Method::Get, "Patient", "", "http://x/fhir")
            };
            let found = Wanted::of(&request, parameter).ok().map(|wanted| wanted.format);
            assert_eq!(found, expected, "{header:?} {parameter:?}");
        }
    }

    #[test]
    fn the_content_of_a_binary_is_wanted_unless_the_resource_is() {
        let table = [
            (None, "image/png", false),
            (Some("*/*"), "image/png", false),
            (Some("image/png"), "image/png", false),
            (Some("application/fhir+json"), "image/png", true),
            (Some("application/fhir+xml;q=0.5, */*"), "image/png", true),
            (Some("application/fhir+json;q=0, */*"), "image/png", false),
            (Some("application/json"), "image/png", true),
            (Some("application/json"), "application/json", false),
            (Some("application/fhir+json"), "application/fhir+json", true),
            (
                Some("text/html,application/xml;q=0.9,*/*;q=0.8"),
                "application/pdf",
                false,
            ),
        ];
        for (accept, content, expected) in table {
            assert_eq!(wants_resource(accept, content), expected, "{accept:?} {content}");
        }
    }

    #[test]
    fn who_sends_xml_and_says_nothing_gets_xml() {
        for (accept, format) in [
            (None, Format::Xml),
            (Some("*/*"), Format::Xml),
            (Some("text/json"), Format::Json),
        ] {
            let request = Request {
                accept,
                content_type: Some("application/fhir+xml; charset=UTF-8"),
                ..Request::new(Method::Post, "Patient", "", "http://x/fhir")
            };
            assert_eq!(Wanted::of(&request, None).unwrap().format, format, "{accept:?}");
        }
        let generic = Request {
            accept: Some("application/xml"),
            ..Request::new(Method::Get, "Patient", "_format=text/xml", "http://x/fhir")
        };
        assert_eq!(
            Wanted::of(&generic, None).unwrap().media,
            "application/xml; charset=utf-8"
        );
        assert_eq!(Wanted::of_refused(&generic).media, "text/xml; charset=utf-8");
    }

    #[test]
    fn pretty_breaks_lines_outside_strings_only() {
        let text = br#"{"a":[1,{"b":"x,{\"y\\"}],"c":[],"d":{}}"#;
        let expected =
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{\\\"y\\\\\"\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}";
        assert_eq!(String::from_utf8(pretty(text)).unwrap(), expected);
    }
}
