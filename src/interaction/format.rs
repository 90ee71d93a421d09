//! Which format a caller wants and sends: FHIR JSON is the one there is, and anything else is refused clearly.

use crate::refusal::{Reason, Refusal};
use crate::request::Request;

/// The patch formats the server reads, for `Accept-Patch`.
pub const PATCH_FORMATS: &str = "application/json-patch+json, application/fhir+json";

/// Names that mean FHIR JSON in `_format`, `Accept` and `Content-Type` (<https://hl7.org/fhir/R4/http.html#mime-type>).
const JSON: [&str; 4] = ["application/fhir+json", "application/json", "text/json", "json"];

/// Whether one media type, with its parameters, is FHIR R4 JSON.
fn is_json(media: &str) -> bool {
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
    JSON.iter().any(|json| json.eq_ignore_ascii_case(name)) && parts.all(right_version)
}

/// Says no to a caller that accepts no JSON. `wanted` is the value of `_format`, which goes before `Accept`.
///
/// # Errors
/// 406, naming the formats there are.
pub fn accept(request: &Request<'_>, wanted: Option<&str>) -> Result<(), Refusal> {
    let accepted = match (wanted, request.accept) {
        // A plus sign in a query is a space once decoded, and `_format=application/fhir+json` is often written plainly.
        (Some(wanted), _) => is_json(&wanted.replace("fhir json", "fhir+json")),
        (None, Some(header)) if !header.trim().is_empty() => header.split(',').any(is_acceptable),
        _ => true,
    };
    if accepted {
        return Ok(());
    }
    Err(Refusal::because(
        Reason::NotAcceptable,
        "This server answers FHIR R4 as JSON only: ask for application/fhir+json in Accept or _format=json.",
    ))
}

fn is_acceptable(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let refused = parts.any(|part| part.strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()) == Some(0.0));
    !refused && (name == "*/*" || name == "application/*" || is_json(range))
}

/// Says no to a body that is not FHIR JSON. A body without a type is taken for JSON.
///
/// # Errors
/// 415, naming the formats there are.
pub fn body_is_json(request: &Request<'_>) -> Result<(), Refusal> {
    match request.content_type {
        Some(media) if !is_json(media) => Err(Refusal::because(
            Reason::UnsupportedMedia,
            format!(
                "The body is sent as \"{media}\"; this server reads application/fhir+json in UTF-8, FHIR version 4.0."
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
    fn accepts_json_and_says_no_to_the_rest() {
        let table = [
            (None, None, true),
            (Some("*/*"), None, true),
            (Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), None, true),
            (Some("application/fhir+xml"), None, false),
            (Some("application/fhir+xml"), Some("json"), true),
            (Some("application/fhir+json; fhirVersion=4.0"), None, true),
            (Some("application/fhir+json; fhirVersion=3.0"), None, false),
            (Some("application/json;q=0"), None, false),
            (None, Some("xml"), false),
            (None, Some("application/fhir json"), true),
        ];
        for (header, format, accepted) in table {
            let request = Request {
                accept: header,
                ..Request::new(Method::Get, "Patient", "", "http://x/fhir")
            };
            assert_eq!(accept(&request, format).is_ok(), accepted, "{header:?} {format:?}");
        }
    }

    #[test]
    fn pretty_breaks_lines_outside_strings_only() {
        let text = br#"{"a":[1,{"b":"x,{\"y\\"}],"c":[],"d":{}}"#;
        let expected =
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x,{\\\"y\\\\\"\n    }\n  ],\n  \"c\": [],\n  \"d\": {}\n}";
        assert_eq!(String::from_utf8(pretty(text)).unwrap(), expected);
    }
}
