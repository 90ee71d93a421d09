//! Names as they count: folded, in whichever script and spelling they were written, by an editable table.

use rustc_hash::FxHashMap;

use crate::fold::{self, is_tibetan};

/// Tokens of one name that count.
const TOKENS_MAX: usize = 6;
/// Syllables that a name in Dzongkha has at most.
pub const SYLLABLES_MAX: usize = 4;
/// What the table calls words that stand for no name: titles and the like.
const NO_NAME: &str = "-";

/// The table of spellings.
#[derive(Clone, Debug, Default)]
pub struct Spellings(FxHashMap<String, String>);

impl Spellings {
    /// Reads the lines of the table: the name, and its other spellings with commas between.
    ///
    /// # Errors
    /// A sentence where a spelling is given to two names.
    pub fn read<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Spellings, String> {
        let mut names: FxHashMap<String, String> = FxHashMap::default();
        for (name, spellings) in lines {
            let counts_as = if name == NO_NAME { String::new() } else { folded(name) };
            for spelling in spellings.split(',').map(folded).chain([counts_as.clone()]) {
                let before = names.insert(spelling.clone(), counts_as.clone());
                if let Some(before) = before.filter(|before| *before != counts_as) {
                    let of = |name: &str| match name {
                        "" => "no name (-)".to_owned(),
                        name => name.to_owned(),
                    };
                    return Err(format!(
                        "The table names gives \"{spelling}\" to {} and to {}; a spelling is of one name.",
                        of(&before),
                        of(&counts_as)
                    ));
                }
            }
        }
        names.remove("");
        Ok(Spellings(names))
    }

    /// Every spelling with the name it counts as; that is empty for words that stand for no name.
    pub fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(spelling, name)| (spelling.as_str(), name.as_str()))
    }

    /// The tokens of a name, each as it counts, in the order they are written; at most six.
    pub fn tokens(&self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        fold::words(text, &mut |word| words.push(word.to_owned()));
        let mut tokens: Vec<String> = Vec::new();
        let mut rest = words.as_slice();
        while !rest.is_empty() && tokens.len() < TOKENS_MAX {
            let (token, used) = self.token(rest);
            if !token.is_empty() {
                tokens.push(token);
            }
            rest = &rest[used..];
        }
        tokens
    }

    /// The first token and how many words it takes.
    fn token(&self, words: &[String]) -> (String, usize) {
        match self.at(words) {
            Some((name, used)) => (name.to_owned(), used),
            None => (words[0].clone(), 1),
        }
    }

    /// The name that folded words begin with a spelling of, empty for none, and how many words that is: a name in Dzongkha
    /// is several syllables. `None` where the table does not have it.
    pub fn at(&self, words: &[String]) -> Option<(&str, usize)> {
        if is_tibetan(words.first()?) {
            let tibetan = words.iter().take(SYLLABLES_MAX).take_while(|word| is_tibetan(word));
            for used in (2..=tibetan.count()).rev() {
                if let Some(name) = self.0.get(&words[..used].join(" ")) {
                    return Some((name, used));
                }
            }
        }
        self.0.get(&words[0]).map(|name| (name.as_str(), 1))
    }
}

/// A spelling as [`Spellings::tokens`] meets it: its words with single spaces between.
fn folded(spelling: &str) -> String {
    let mut words = Vec::new();
    fold::words(spelling, &mut |word| words.push(word.to_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Analysis;

    #[test]
    fn spellings_count_as_their_name() {
        let analysis = Analysis::built_in();
        let spellings = &analysis.names;
        let table: [(&str, &[&str]); 9] = [
            ("Sonam Dorjee", &["sonam", "dorji"]),
            ("DORJI, Sonam", &["dorji", "sonam"]),
            ("Dasho Tsering Wangdue", &["tshering", "wangdi"]),
            ("བསོད་ནམས་རྡོ་རྗེ", &["sonam", "dorji"]),
            ("ཀརྨ་བཀྲ་ཤིས་", &["karma", "tashi"]),
            ("ཀརྨ་ཞཞཞ", &["karma", "ཞཞཞ"]),
            ("Baby of Pema", &["pema"]),
            ("Unheard-of Name", &["unheard", "name"]),
            (" - ", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(spellings.tokens(text), expected, "{text}");
        }
        assert_eq!(spellings.tokens(&"a b ".repeat(100)).len(), 6);
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let table = [
            ([("a", "x"), ("b", "x")], "to a and to b"),
            ([("a", "b"), ("b", "x")], "to a and to b"),
            ([("-", "dr"), ("b", "dr")], "to no name (-) and to b"),
        ];
        for (lines, expected) in table {
            let refused = Spellings::read(lines.into_iter()).expect_err("it contradicts itself");
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
