//! What an entry's resource carries besides a record: a patch inside a Binary or as Parameters.

use fhir::document::Node;

/// The media type and the bytes of the patch in a PATCH entry: a Binary with a JSON Patch or an XML Patch in base64, or Parameters.
///
/// # Errors
/// The sentence that says why it is no patch.
pub fn patch(resource: Node<'_>) -> Result<(&'static str, Vec<u8>), String> {
    match resource.string("resourceType").as_deref() {
        Some("Parameters") => Ok(("application/fhir+json", resource.text().as_bytes().to_vec())),
        Some("Binary") => {
            let media = resource.string("contentType").unwrap_or_default();
            let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let media = match essence.as_str() {
                "application/json-patch+json" => "application/json-patch+json",
                "application/xml-patch+xml" => "application/xml-patch+xml",
                "application/fhir+json" => "application/fhir+json",
                _ => {
                    return Err(format!(
                        "The Binary of a PATCH is of type \"{media}\"; this server reads application/json-patch+json and application/xml-patch+xml."
                    ));
                }
            };
            let data = resource.string("data").unwrap_or_default();
            let bytes = base64(&data).ok_or("The data of the Binary is no base64.")?;
            Ok((media, bytes))
        }
        _ => Err(
            "A PATCH carries a Binary with a JSON Patch or an XML Patch, or Parameters with a FHIRPath Patch.".into(),
        ),
    }
}

/// The bytes of a base64 text (RFC 4648, 4), white space left away; `None` where it is none.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0_u32, 0_usize, 0_usize);
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count % 4 == 0 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
    }
    match (count % 4, padding) {
        (0, 0) => {}
        (2, 2) => out.push((bits >> 4) as u8),
        (3, 1) => out.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        let table = [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9v\nYmFy", Some("foobar")),
            ("Zg", None),
            ("Zg=", None),
            ("Zg==Zg==", None),
            ("Z*==", None),
        ];
        for (text, expected) in table {
            assert_eq!(base64(text), expected.map(|e| e.as_bytes().to_vec()), "{text}");
        }
    }
}
