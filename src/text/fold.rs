//! The one way texts are made comparable: case, accents, punctuation and spacing do not count.
//!
//! What <https://hl7.org/fhir/R4/search.html#string> asks of a string search. Apostrophes and full
//! stops vanish (O'Brien is OBrien), other punctuation of the Latin scripts is a space, runs of space
//! are one space, and combining marks are dropped from Latin, Greek and Cyrillic letters. Scripts whose
//! marks are letters keep every character. In Tibetan script the tsheg between syllables is a space like all other
//! punctuation, digits are those of everybody, and letters that can be written in several ways are one: precomposed
//! or not, in their fixed form or not, with marks of emphasis or without.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// A text made comparable. Folding a folded text changes nothing.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        return Cow::Borrowed(text);
    }
    let mut out = Folded(String::with_capacity(text.len()));
    if text.is_ascii() {
        text.bytes().for_each(|b| out.push(char::from(b)));
    } else {
        for character in text.nfkd().flat_map(char::to_lowercase).nfkd() {
            out.push(character);
        }
    }
    if out.0.ends_with(' ') {
        out.0.pop();
    }
    Cow::Owned(out.0)
}

struct Folded(String);

impl Folded {
    fn push(&mut self, character: char) {
        match character {
            'a'..='z' | '0'..='9' => self.0.push(character),
            'A'..='Z' => self.0.push(character.to_ascii_lowercase()),
            '\'' | '.' | '`' | '\u{2018}' | '\u{2019}' | '\u{2bc}' => {}
            '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' => {}
            '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}' | '\u{ad}' | '\u{200b}' | '\u{feff}' => {}
            'ß' => self.0.push_str("ss"),
            'æ' => self.0.push_str("ae"),
            'œ' => self.0.push_str("oe"),
            'þ' => self.0.push_str("th"),
            'ø' => self.0.push('o'),
            'đ' | 'ð' => self.0.push('d'),
            'ł' => self.0.push('l'),
            'ħ' => self.0.push('h'),
            'ı' => self.0.push('i'),
            'ς' => self.0.push('σ'),
            '\u{2010}'..='\u{2027}' => self.space(),
            '\u{f01}'..='\u{fda}' => self.tibetan(character),
            _ if character.is_ascii() || character.is_whitespace() => self.space(),
            _ => self.0.push(character),
        }
    }

    /// A character of the Tibetan block, decomposed (the Unicode Standard, 13.4).
    fn tibetan(&mut self, character: char) {
        match character {
            // Head marks, tsheg, shad, brackets, signs of astrology.
            '\u{f01}'..='\u{f17}' | '\u{f1a}'..='\u{f1f}' | '\u{f34}' | '\u{f36}' | '\u{f38}' => self.space(),
            '\u{f3a}'..='\u{f3d}' | '\u{f85}' | '\u{fbe}'..='\u{fc5}' | '\u{fc7}'..='\u{fda}' => self.space(),
            // Marks of emphasis and of foreign sounds.
            '\u{f18}' | '\u{f19}' | '\u{f35}' | '\u{f37}' | '\u{f39}' | '\u{f3e}' | '\u{f3f}' | '\u{fc6}' => {}
            '\u{f20}'..='\u{f29}' => self.0.push(char::from(b'0' + (character as u32 - 0xf20) as u8)),
            // The fixed forms of ra, wa and ya.
            '\u{f6a}' => self.0.push('\u{f62}'),
            '\u{fba}' => self.0.push('\u{fad}'),
            '\u{fbb}' => self.0.push('\u{fb1}'),
            '\u{fbc}' => self.0.push('\u{fb2}'),
            '\u{f82}' | '\u{f83}' => self.0.push('\u{f7e}'),
            _ => self.0.push(character),
        }
    }

    fn space(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(' ') {
            self.0.push(' ');
        }
    }
}

/// A code made comparable: only case does not count.
pub fn fold_code(code: &str) -> Cow<'_, str> {
    if code.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return Cow::Borrowed(code);
    }
    Cow::Owned(code.to_lowercase())
}

/// The words of a text, folded: runs of letters, digits and their marks. In Tibetan script they are syllables.
pub fn words(text: &str, each: &mut dyn FnMut(&str)) {
    fold(text)
        .split(|c: char| !is_of_word(c))
        .filter(|word| !word.is_empty())
        .for_each(each);
}

/// Whether a character of a folded text is part of a word; the vowel killer of Tibetan script is no letter, but is.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\u{f84}'
}

/// Whether a word is of Tibetan script.
pub fn is_tibetan(word: &str) -> bool {
    word.starts_with(|c: char| ('\u{f00}'..='\u{fff}').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_and_stays_folded() {
        let table = [
            ("Dorji", "dorji"),
            ("JOSÉ", "jose"),
            ("Jose\u{301}", "jose"),
            ("O'Brien", "obrien"),
            ("O’Brien", "obrien"),
            ("Jean-Paul  \t Müller ", "jean paul muller"),
            ("Straße", "strasse"),
            ("Łódź", "lodz"),
            ("İstanbul", "istanbul"),
            ("Dr. Karma", "dr karma"),
            ("ﬁn", "fin"),
            ("Ἀθῆναι", "αθηναι"),
            ("ཐིམ་ཕུ", "ཐིམ ཕུ"),
            ("ཐིམ༌ཕུ་", "ཐིམ ཕུ"),
            ("༄༅། །བཀྲ་ཤིས།", "བཀྲ ཤིས"),
            ("༢༠༢༥", "2025"),
            // One stack, precomposed and not; a vowel, precomposed, and its parts in another order.
            ("\u{f43}", "\u{f42}\u{fb7}"),
            ("\u{f40}\u{f77}", "\u{f40}\u{fb2}\u{f71}\u{f80}"),
            ("\u{f40}\u{f79}", "\u{f40}\u{fb3}\u{f71}\u{f80}"),
            ("\u{f40}\u{f72}\u{f71}", "\u{f40}\u{f71}\u{f72}"),
            ("\u{f6a}\u{f90}", "\u{f62}\u{f90}"),
            ("ཕ༹ར", "ཕར"),
            ("รัก", "รัก"),
            ("- -", ""),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(fold(text), expected, "{text}");
            assert_eq!(fold(&fold(text)), expected, "{text} twice");
        }
    }

    #[test]
    fn every_character_stays_folded() {
        for character in '\0'..=char::MAX {
            let text = format!("a{character}b");
            let folded = fold(&text).into_owned();
            assert_eq!(fold(&folded), folded, "{character:?}");
        }
    }

    #[test]
    fn words_are_runs_of_letters() {
        let mut found = Vec::new();
        words("Severe asthma (with ÉTAT), ཐིམ་ཕུ 5.5", &mut |word| {
            found.push(word.to_owned())
        });
        assert_eq!(found, ["severe", "asthma", "with", "etat", "ཐིམ", "ཕུ", "55"]);
    }
}
