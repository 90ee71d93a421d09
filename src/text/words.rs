//! The words of a text as they count: those that say nothing left out, endings cut off, stems in place of forms.
//!
//! Two languages are known. Dzongkha is written in syllables, of which some are only grammar (གི, ལུ), and some have a
//! particle written onto them (པའི). English words are brought to their stem by Snowball's rules.

use std::cell::RefCell;

use frostem::{Algorithm, Stemmer};
use rustc_hash::FxHashMap;

use crate::fold;

/// Bytes of a token, at most: a longer one is its beginning.
const TOKEN_MAX: usize = 48;
/// Stems that a thread remembers.
const REMEMBERED_MAX: usize = 8_192;
/// What the table says of a word that says nothing.
const NOTHING: &str = "-";

/// The table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// What a word counts as; nothing for one that says nothing.
    counts_as: FxHashMap<String, Option<String>>,
    /// Endings of Tibetan syllables that do not count, the longest first.
    endings: Vec<String>,
}

impl Words {
    /// Reads the lines of the table: a word and what it counts as, `-` for nothing; an ending with a dash before it.
    ///
    /// # Errors
    /// A sentence that names the word.
    pub(crate) fn read<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Words, String> {
        let mut words = Words::default();
        for (word, said) in lines {
            let one = |text: &str| {
                let folded = fold::fold(text).into_owned();
                match folded.is_empty() || folded.contains(' ') {
                    true => Err(format!("The table words has \"{text}\", which is not one word.")),
                    false => Ok(folded),
                }
            };
            if let Some(ending) = word.strip_prefix('-') {
                let ending = one(ending)?;
                if said != NOTHING || !fold::is_tibetan(&ending) {
                    return Err(format!(
                        "The table words can only say \"-\" of {word}, an ending, and only of one in Tibetan script."
                    ));
                }
                words.endings.push(ending);
                continue;
            }
            let counts_as = (said != NOTHING).then(|| one(said)).transpose()?;
            words.counts_as.insert(one(word)?, counts_as);
        }
        words.endings.sort_by_key(|ending| std::cmp::Reverse(ending.len()));
        Ok(words)
    }

    /// The token by which a folded word is found; `None` where it says nothing.
    pub(crate) fn token(&self, word: &str) -> Option<String> {
        let said = |word: &str| self.counts_as.get(word).map(Option::as_deref);
        let counts_as = match said(word) {
            Some(counts_as) => counts_as?,
            None => match self.without_ending(word) {
                Some(shorter) => said(shorter).unwrap_or(Some(shorter))?,
                None => word,
            },
        };
        let mut token = stem(counts_as);
        token.truncate(token.floor_char_boundary(TOKEN_MAX));
        Some(token)
    }

    fn without_ending<'w>(&self, word: &'w str) -> Option<&'w str> {
        if !fold::is_tibetan(word) {
            return None;
        }
        let mut shorter = self
            .endings
            .iter()
            .filter_map(|ending| word.strip_suffix(ending.as_str()));
        shorter.find(|shorter| !shorter.is_empty())
    }
}

/// The stem of a word where it is one of English; the word otherwise.
pub(crate) fn stem(word: &str) -> String {
    thread_local! {
        static STEMS: RefCell<FxHashMap<Box<str>, Box<str>>> = RefCell::default();
    }
    if word.len() < 3 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word.to_owned();
    }
    // Records say the same few thousand words again and again.
    STEMS.with_borrow_mut(|stems| {
        if let Some(stem) = stems.get(word) {
            return stem.to_string();
        }
        let stem = Stemmer::new(Algorithm::English).stem(word).into_owned();
        if stems.len() >= REMEMBERED_MAX {
            stems.clear();
        }
        stems.insert(word.into(), stem.as_str().into());
        stem
    })
}

/// Some words and their stems: where these are others, every index is stale.
pub(crate) const STEMS: [(&str, &str); 16] = [
    ("hypertension", "hypertens"),
    ("hypertensive", "hypertens"),
    ("diabetes", "diabet"),
    ("diabetic", "diabet"),
    ("fractures", "fractur"),
    ("vaccinated", "vaccin"),
    ("vaccination", "vaccin"),
    ("injuries", "injuri"),
    ("breathlessness", "breathless"),
    ("running", "run"),
    ("abscesses", "abscess"),
    ("swelling", "swell"),
    ("observations", "observ"),
    ("bees", "bee"),
    ("dying", "die"),
    ("kidneys", "kidney"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_what_they_were() {
        for (word, expected) in STEMS {
            assert_eq!(
                stem(word),
                expected,
                "{word}: raise VERSION in analysis.rs where this changes"
            );
            assert_eq!(stem(word), expected, "{word}, remembered");
        }
        for same in ["5mg", "bp", "αθηναι", "ཐིམ", ""] {
            assert_eq!(stem(same), same);
        }
    }

    #[test]
    fn words_count_as_the_table_says() {
        let lines = [
            ("the", "-"),
            ("གི", "-"),
            ("-འི", "-"),
            ("haemoglobin", "hemoglobin"),
            ("པདམ", "པདྨ"),
        ];
        let words = Words::read(lines.into_iter()).unwrap();
        let table = [
            ("the", None),
            ("haemoglobin", Some("hemoglobin")),
            ("fevers", Some("fever")),
            ("གི", None),
            // The particle off, and of what is left: nothing, what it counts as, itself.
            ("གིའི", None),
            ("པདམའི", Some("པདྨ")),
            ("པའི", Some("པ")),
            ("འི", Some("འི")),
        ];
        for (word, expected) in table {
            assert_eq!(words.token(word).as_deref(), expected, "{word}");
        }
        assert_eq!(words.token(&"x9".repeat(100)).map(|token| token.len()), Some(TOKEN_MAX));
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for (word, said) in [("two words", "-"), ("a", "b c"), ("-ing", "-"), ("-འི", "x"), ("!", "-")] {
            assert!(Words::read([(word, said)].into_iter()).is_err(), "{word}");
        }
    }
}
