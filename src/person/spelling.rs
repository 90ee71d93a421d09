//! Names as they count: folded, in whichever script and spelling they were written, by an editable table.

use std::sync::OnceLock;

use query::fold;
use rustc_hash::FxHashMap;

const TABLE: &str = include_str!("../../schema/names/spellings.tsv");
/// Tokens of one name that count.
const TOKENS_MAX: usize = 6;
/// Syllables that a name in Dzongkha has at most.
const SYLLABLES_MAX: usize = 4;

/// The table of spellings.
pub struct Spellings(FxHashMap<String, String>);

impl Spellings {
    /// The table that is part of the program, `schema/names/spellings.tsv`.
    pub fn built_in() -> &'static Spellings {
        static BUILT_IN: OnceLock<Spellings> = OnceLock::new();
        BUILT_IN.get_or_init(|| Spellings::read(TABLE).expect("a test reads it"))
    }

    /// Reads a table: of each line the name, a tab, and its other spellings with commas between.
    ///
    /// # Errors
    /// A sentence with the line where a spelling is given to two names, or a line has no tab.
    pub fn read(table: &str) -> Result<Spellings, String> {
        let mut names: FxHashMap<String, String> = FxHashMap::default();
        let lines = table.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        for (at, line) in lines.skip(1) {
            let (name, spellings) = line
                .split_once('\t')
                .ok_or_else(|| format!("Line {} has no tab between the name and its spellings.", at + 1))?;
            let counts_as = if name == "-" { String::new() } else { folded(name) };
            for spelling in spellings.split(',').map(folded).chain([counts_as.clone()]) {
                let before = names.insert(spelling.clone(), counts_as.clone());
                if before.is_some_and(|before| before != counts_as) {
                    return Err(format!("Line {}: \"{spelling}\" is given to two names.", at + 1));
                }
            }
        }
        names.remove("");
        Ok(Spellings(names))
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

    /// The first token and how many words it takes: a name in Dzongkha is several syllables.
    fn token(&self, words: &[String]) -> (String, usize) {
        if is_tibetan(&words[0]) {
            let most = words
                .iter()
                .take_while(|word| is_tibetan(word))
                .count()
                .min(SYLLABLES_MAX);
            for used in (1..=most).rev() {
                if let Some(name) = self.0.get(&words[..used].join(" ")) {
                    return (name.clone(), used);
                }
            }
        }
        let word = &words[0];
        (self.0.get(word).unwrap_or(word).clone(), 1)
    }
}

fn is_tibetan(word: &str) -> bool {
    word.chars()
        .next()
        .is_some_and(|c| ('\u{f00}'..='\u{fff}').contains(&c))
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

    #[test]
    fn spellings_count_as_their_name() {
        let spellings = Spellings::built_in();
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
            ("name\tspellings\na\tx\nb\tx\n", "Line 3"),
            ("name\tspellings\na\tb\nb\tx\n", "Line 3"),
            ("name\tspellings\nno tab\n", "Line 2"),
        ];
        for (text, expected) in table {
            let refused = Spellings::read(text).err().expect("it contradicts itself");
            assert!(refused.starts_with(expected), "{refused}");
        }
    }
}
