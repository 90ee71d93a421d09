//! References in XML texts: resolved in what is read, written where a character cannot stand by itself.

use crate::name::is_allowed;

/// The character that a reference stands for, `text` beginning after its `&`, and the bytes of it with its semicolon.
///
/// # Errors
/// The end of a sentence, where it is none that XML has by itself.
pub(crate) fn reference(text: &str) -> Result<(char, usize), String> {
    let end = text.as_bytes().iter().take(12).position(|b| *b == b';');
    let name = &text[..end.ok_or("an ampersand stands for itself; write &amp;")?];
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => numbered(name).ok_or_else(|| {
            format!("&{name}; is no reference: XML knows amp, lt, gt, quot, apos and numbers of characters it allows")
        })?,
    };
    Ok((character, name.len() + 1))
}

fn numbered(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (digits, 10),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let character = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    (plain && is_allowed(character)).then_some(character)
}

/// The value of an attribute: references resolved, white space written as such is a blank (XML 1.0, 3.3.3).
/// The text was checked when it was parsed.
pub(crate) fn attribute_value(text: &str) -> String {
    resolve(text, |plain, out| {
        let unified = plain.replace("\r\n", " ");
        out.extend(
            unified
                .chars()
                .map(|c| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c }),
        );
    })
}

/// The value of a run of text: references and CDATA sections resolved, every line end one line feed (XML 1.0, 2.11).
pub(crate) fn text_value(text: &str) -> String {
    let unify = |plain: &str, out: &mut String| out.push_str(&plain.replace("\r\n", "\n").replace('\r', "\n"));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, section)) = rest.split_once("<![CDATA[") {
        out.push_str(&resolve(before, unify));
        let (inside, after) = section.split_once("]]>").unwrap_or((section, ""));
        unify(inside, &mut out);
        rest = after;
    }
    out.push_str(&resolve(rest, unify));
    out
}

fn resolve(text: &str, plain: impl Fn(&str, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain(before, &mut out);
        let (character, length) = reference(after).unwrap_or(('&', 0));
        out.push(character);
        rest = &after[length..];
    }
    plain(rest, &mut out);
    out
}

/// Appends a text as the value of an attribute, without the quotation marks. White space other than the blank is written
/// as references, for it would be read as blanks otherwise.
///
/// # Errors
/// The first character that XML cannot say.
pub fn write_attribute(out: &mut Vec<u8>, text: &str) -> Result<(), char> {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\t' => b"&#9;",
            b'\n' => b"&#10;",
            b'\r' => b"&#13;",
            0..=0x1f => return Err(char::from(*byte)),
            // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
            0xef if bytes[at + 1] == 0xbf && bytes[at + 2] >= 0xbe => {
                return Err(text[at..].chars().next().unwrap_or('\u{ffff}'));
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(escape);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved() {
        let table = [
            ("amp;x", Ok(('&', 4))),
            ("#65;", Ok(('A', 4))),
            ("#x1F600;", Ok(('😀', 8))),
            ("#10;", Ok(('\n', 4))),
            ("nbsp;", Err(())),
            ("#0;", Err(())),
            ("#x;", Err(())),
            ("#+5;", Err(())),
            ("#xFFFF;", Err(())),
            ("#xD800;", Err(())),
            ("amp", Err(())),
            ("", Err(())),
            ("éééééééé;", Err(())),
        ];
        for (text, expected) in table {
            assert_eq!(reference(text).map_err(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn white_space_is_what_the_standard_makes_of_it() {
        assert_eq!(attribute_value("a\r\nb\tc\rd&#10;e&#13;\n"), "a b c d\ne\r ");
        assert_eq!(
            text_value("a\r\nb\rc&#13;<![CDATA[&amp;\r\n]]>d&lt;"),
            "a\nb\nc\r&amp;\nd<"
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["", "a", "<a b=\"c\" & 'd'>", "\t\r\n", "རྫོང་ཁ \u{fffd}😀", "]]>"] {
            let mut out = Vec::new();
            write_attribute(&mut out, text).unwrap();
            let written = String::from_utf8(out).unwrap();
            assert_eq!(attribute_value(&written), text);
            assert!(!written.contains(['<', '"', '\n']));
        }
        for text in ["a\u{1}", "\u{fffe}", "é\u{ffff}"] {
            assert_eq!(write_attribute(&mut Vec::new(), text).err(), text.chars().last());
        }
    }
}
