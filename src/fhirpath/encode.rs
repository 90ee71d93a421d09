//! Text to and from base64, hexadecimal digits, and HTML and JSON escapes.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters with their names in HTML; `&` first, so that it can be replaced first.
const HTML: [(char, &str); 5] = [
    ('&', "&amp;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
    ('"', "&quot;"),
    ('\'', "&#39;"),
];

/// The text encoded as `hex`, `base64` or `urlbase64`; `None` for any other format.
pub(crate) fn encode(text: &str, format: &str) -> Option<String> {
    Some(match format {
        "hex" => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        "base64" => base64(text.as_bytes(), STANDARD),
        "urlbase64" => base64(text.as_bytes(), URL),
        _ => return None,
    })
}

/// The text that was encoded; `None` where it wasn't, or isn't UTF-8.
pub(crate) fn decode(text: &str, format: &str) -> Option<String> {
    let bytes = match format {
        "hex" => unhex(text)?,
        "base64" => unbase64(text, STANDARD)?,
        "urlbase64" => unbase64(text, URL)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

/// The bytes in base64 (RFC 4648, 4).
pub fn to_base64(bytes: &[u8]) -> String {
    base64(bytes, STANDARD)
}

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut bits = 0_u32;
        for at in 0..3 {
            bits = bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at) & 63) as usize;
            out.push(if at > chunk.len() {
                '='
            } else {
                char::from(alphabet[sextet])
            });
        }
    }
    out
}

fn unbase64(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes() {
        let sextet = alphabet.iter().position(|letter| *letter == byte)?;
        bits = (bits << 6 | sextet as u32) & 0xFFFF;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xFF) as u8);
        }
    }
    (text.len() % 4 != 1).then_some(out)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

/// The text escaped for `html` or `json`; `None` for any other target.
pub(crate) fn escape(text: &str, target: &str) -> Option<String> {
    match target {
        "html" => Some(
            HTML.iter()
                .fold(text.to_owned(), |text, (c, name)| text.replace(*c, name)),
        ),
        "json" => Some(text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
                c => out.push(c),
            }
            out
        })),
        _ => None,
    }
}

/// The text that was escaped; `None` for any other target, or where an escape is none.
pub(crate) fn unescape(text: &str, target: &str) -> Option<String> {
    match target {
        "html" => Some(
            HTML.iter()
                .rev()
                .fold(text.to_owned(), |text, (c, name)| text.replace(name, &c.to_string())),
        ),
        "json" => unescape_json(text),
        _ => None,
    }
}

fn unescape_json(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let plain = match (c, if c == '\\' { rest.next()? } else { c }) {
            ('\\', 'u') => {
                let digits = rest.as_str().get(..4)?;
                units.push(u16::from_str_radix(digits, 16).ok()?);
                rest = rest.as_str()[4..].chars();
                continue;
            }
            ('\\', 'n') => '\n',
            ('\\', 'r') => '\r',
            ('\\', 't') => '\t',
            ('\\', 'b') => '\u{8}',
            ('\\', 'f') => '\u{c}',
            ('\\', c) if !matches!(c, '"' | '\\' | '/') => return None,
            (_, c) => c,
        };
        flush(&mut units, &mut out)?;
        out.push(plain);
    }
    flush(&mut units, &mut out)?;
    Some(out)
}

fn flush(units: &mut Vec<u16>, out: &mut String) -> Option<()> {
    if !units.is_empty() {
        out.push_str(&String::from_utf16(units).ok()?);
        units.clear();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_go_both_ways() {
        let table = [
            ("hex", "Aé", "41c3a9"),
            ("base64", "subjects?_d", "c3ViamVjdHM/X2Q="),
            ("urlbase64", "subjects?_d", "c3ViamVjdHM_X2Q="),
            ("base64", "ab", "YWI="),
            ("base64", "", ""),
        ];
        for (format, text, encoded) in table {
            assert_eq!(encode(text, format).as_deref(), Some(encoded), "{format} {text}");
            assert_eq!(decode(encoded, format).as_deref(), Some(text), "{format} {encoded}");
        }
        for (format, text) in [
            ("hex", "4"),
            ("hex", "zz"),
            ("base64", "a"),
            ("base64", "a_=="),
            ("x", "y"),
        ] {
            assert_eq!(decode(text, format), None, "{format} {text}");
        }
        let table = [
            ("html", "\"1<2\" & '", "&quot;1&lt;2&quot; &amp; &#39;"),
            ("json", "\"a\\\n\u{1}", "\\\"a\\\\\\n\\u0001"),
        ];
        for (target, text, escaped) in table {
            assert_eq!(escape(text, target).as_deref(), Some(escaped), "{target} {text}");
            assert_eq!(unescape(escaped, target).as_deref(), Some(text), "{target} {escaped}");
        }
        assert_eq!(unescape("\\ud83d\\ude00", "json").as_deref(), Some("😀"));
        for text in ["\\", "\\q", "\\u12", "\\ud83d"] {
            assert_eq!(unescape(text, "json"), None, "{text}");
        }
    }
}
