//! Addresses taken apart and put together: path segments, query pairs, percent-encoding.

/// The text with its percent-encoding taken away, or `None` where it is broken or no UTF-8.
pub fn decode(text: &str) -> Option<String> {
    decoded(text, false)
}

fn decoded(text: &str, plus_is_space: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push((high * 16 + low) as u8);
            }
            b'+' if plus_is_space => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).ok()
}

/// The name-value pairs of a query or a form, decoded, in their order; empty pieces are left away.
/// `None` where a percent-encoding is broken.
pub fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Some((decoded(name, true)?, decoded(value, true)?))
        })
        .collect()
}

/// Appends the text so that it can stand in a query as a name or a value.
pub fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b',' | b'$' | b'*' | b'@' => out.push(char::from(byte)),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// An address with a query: `path?a=b&c=d`, names and values encoded.
pub fn with_query<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = path.to_owned();
    let mut mark = '?';
    for (name, value) in pairs {
        out.push(mark);
        mark = '&';
        encode(name, &mut out);
        out.push('=');
        encode(value, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_apart_and_together() {
        let read = pairs("name=a%20b+c&&code=http://x%7Cy&_pretty&date=ge2012").unwrap();
        let expected = [
            ("name", "a b c"),
            ("code", "http://x|y"),
            ("_pretty", ""),
            ("date", "ge2012"),
        ];
        assert_eq!(read, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        let together = with_query("Patient", read.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        assert_eq!(
            together,
            "Patient?name=a%20b%20c&code=http://x%7Cy&_pretty=&date=ge2012"
        );
        for broken in ["a=%2", "a=%zz", "a=%ff"] {
            assert_eq!(pairs(broken), None, "{broken}");
        }
    }
}
