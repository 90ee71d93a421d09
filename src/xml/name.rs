//! Which characters XML 1.0 allows, in a text and in names (<https://www.w3.org/TR/xml/#charsets>).

/// Whether a character may stand in an XML text at all.
pub(crate) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// White space between the parts of a tag.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn starts(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
        | '\u{10000}'..='\u{effff}')
}

fn continues(character: char) -> bool {
    starts(character)
        || matches!(character, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// How many bytes of the text are a name without a colon; 0 where it starts with none.
pub(crate) fn length(text: &str) -> usize {
    // Names are ASCII nearly always.
    let plain = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let rest = &text[plain..];
    let more = rest.find(|c| !continues(c)).unwrap_or(rest.len());
    match text.chars().next() {
        Some(first) if starts(first) => plain + more,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_they_end() {
        let table = [
            ("a", 1),
            ("a1-b.c_d e", 8),
            ("a:b", 1),
            ("1a", 0),
            ("-a", 0),
            ("", 0),
            ("é\u{300}=", 4),
            ("a\u{d7}", 1),
            ("\u{2070}", 3),
        ];
        for (text, bytes) in table {
            assert_eq!(length(text), bytes, "{text}");
        }
        assert!(is_allowed('\n') && !is_allowed('\u{1}') && !is_allowed('\u{fffe}') && is_allowed('\u{10ffff}'));
    }
}
