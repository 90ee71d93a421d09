//! Bytes as hexadecimal text, in what is kept and sent about nodes.

/// The text, in small letters.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of a text; `None` where it is none of ours.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(value(&pair[0])? * 16 + value(&pair[1])?).ok();
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks_exact(2).map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_back() {
        assert_eq!(hex(&[0, 255, 16]), "00ff10");
        for (text, bytes) in [
            ("00ff10", Some(vec![0, 255, 16])),
            ("", Some(vec![])),
            ("0", None),
            ("0g", None),
            ("éé", None),
        ] {
            assert_eq!(unhex(text), bytes, "{text}");
        }
    }
}
