//! Clinical concepts and the phrases that name them, abbreviations among them, by an editable table.

use rustc_hash::FxHashMap;

use crate::fold;
use crate::words::Words;

/// Words of a phrase, at most.
const PHRASE_MAX: usize = 6;

/// The table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Synonyms {
    /// By the first token of a phrase: its other tokens and the concept, the longest phrase first.
    of: FxHashMap<String, Vec<(Vec<String>, String)>>,
}

impl Synonyms {
    /// Reads the lines of the table: the concept's name, which is a phrase for it too, and other phrases with commas between.
    ///
    /// # Errors
    /// A sentence that names the phrase: one of nothing but words that say nothing, one too long, one for two concepts.
    pub(crate) fn read<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>, words: &Words) -> Result<Synonyms, String> {
        let mut synonyms = Synonyms::default();
        for (concept, said) in lines {
            let name = format!("={}", fold::fold(concept).replace(' ', "_"));
            for phrase in said.split(',').chain([concept]) {
                let mut tokens = Vec::new();
                fold::words(phrase, &mut |word| tokens.extend(words.token(word)));
                if tokens.is_empty() || tokens.len() > PHRASE_MAX {
                    return Err(format!(
                        "The table synonyms has \"{phrase}\" for {concept}; a phrase has 1 to {PHRASE_MAX} words that say \
                         something."
                    ));
                }
                let of_first = synonyms.of.entry(tokens.remove(0)).or_default();
                match of_first.iter().find(|(rest, _)| *rest == tokens) {
                    Some((_, other)) if *other != name => {
                        let other = other[1..].replace('_', " ");
                        return Err(format!(
                            "The table synonyms has \"{}\" for both {other} and {concept}; their words count as the same.",
                            phrase.trim()
                        ));
                    }
                    Some(_) => {}
                    None => of_first.push((tokens, name.clone())),
                }
                of_first.sort_by_key(|(rest, _)| std::cmp::Reverse(rest.len()));
            }
        }
        Ok(synonyms)
    }

    /// The phrases that tokens begin with, the longest first: the concept each names, and of how many tokens it is.
    pub(crate) fn at(&self, tokens: &[impl AsRef<str>]) -> impl Iterator<Item = (&str, usize)> {
        let of_first = tokens.first().and_then(|first| self.of.get(first.as_ref()));
        let fits = |phrase: &[String]| {
            let rest = &tokens[1..];
            rest.len() >= phrase.len() && rest.iter().zip(phrase).all(|(token, wanted)| token.as_ref() == wanted)
        };
        let fitting = of_first.into_iter().flatten().filter(move |(phrase, _)| fits(phrase));
        fitting.map(|(phrase, name)| (name.as_str(), 1 + phrase.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_name_concepts() {
        let words = Words::read([("of", "-")].into_iter()).unwrap();
        let lines = [
            ("blood pressure", "BP"),
            ("hypertension", "HTN, high blood pressure"),
            ("chart", "blood pressure chart"),
            ("dyspnoea", "shortness of breath"),
        ];
        let synonyms = Synonyms::read(lines.into_iter(), &words).unwrap();
        type Found = &'static [(&'static str, usize)];
        let table: [(&[&str], Found); 6] = [
            (&["bp", "high"], &[("=blood_pressure", 1)]),
            (&["blood", "pressur", "chart"], &[("=chart", 3), ("=blood_pressure", 2)]),
            (&["high", "blood", "pressur", "x"], &[("=hypertension", 3)]),
            (&["high", "blood"], &[]),
            (&["short", "breath"], &[("=dyspnoea", 2)]),
            (&[], &[]),
        ];
        for (tokens, expected) in table {
            assert_eq!(synonyms.at(tokens).collect::<Vec<_>>(), expected, "{tokens:?}");
        }
    }

    #[test]
    fn a_phrase_names_one_concept() {
        let words = Words::read([("of", "-")].into_iter()).unwrap();
        let wrong: [&[(&str, &str)]; 3] = [&[("a", "x"), ("b", "x")], &[("a", "of")], &[("a", "b c d e f g h")]];
        for lines in wrong {
            let refused = Synonyms::read(lines.iter().copied(), &words);
            assert!(refused.is_err(), "{lines:?}");
        }
    }
}
