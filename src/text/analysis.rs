//! Breaks a text into words, and says for each by which tokens it can be found.
//!
//! ```text
//! High BP, Dorjee      high: high    bp: bp, =blood_pressure    dorjee: dorje, @dorji
//! ```
//!
//! The stem of a word always finds it. The concept of a phrase finds each of its words, and so does the name of which one
//! or several words are a spelling. A record keeps all tokens of its words; of a word asked for, any token may find it.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::elements::{Analyzer, Elements};
use crate::fold;
use crate::names::Spellings;
use crate::synonyms::Synonyms;
use crate::tables::{Table, Tables};
use crate::words::{self, Words};

/// Raised whenever the same tables come to mean something else.
const VERSION: u32 = 1;

/// A word asked for: the tokens of which any finds it.
pub type Word = Box<[Box<str>]>;

/// The tables, ready to be used.
pub struct Analysis {
    /// Names and their spellings.
    pub names: Spellings,
    words: Words,
    synonyms: Synonyms,
    elements: Elements,
    /// What it was made of, as text.
    written: String,
}

impl fmt::Debug for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Analysis({} bytes of tables)", self.written.len())
    }
}

impl PartialEq for Analysis {
    fn eq(&self, other: &Analysis) -> bool {
        self.written == other.written
    }
}

/// The words of a text.
struct Broken {
    /// As they were written, folded.
    written: Vec<String>,
    /// The tokens of those that say something, each with the place of its word.
    kept: Vec<(usize, String)>,
}

impl Analysis {
    /// With the tables that are part of the program.
    pub fn built_in() -> Arc<Analysis> {
        static BUILT_IN: OnceLock<Arc<Analysis>> = OnceLock::new();
        let made = || {
            Arc::new(
                Tables::built_in()
                    .and_then(|t| Analysis::new(&t))
                    .expect("a test makes it"),
            )
        };
        Arc::clone(BUILT_IN.get_or_init(made))
    }

    /// With these tables.
    ///
    /// # Errors
    /// A sentence that names the table and the word where they contradict themselves.
    pub fn new(tables: &Tables) -> Result<Analysis, String> {
        let words = Words::read(tables.lines(Table::Words))?;
        Ok(Analysis {
            names: Spellings::read(tables.lines(Table::Names))?,
            synonyms: Synonyms::read(tables.lines(Table::Synonyms), &words)?,
            elements: Elements::read(tables.lines(Table::Elements))?,
            words,
            written: tables.write(),
        })
    }

    /// The tables, as text: [`Tables::read`] reads it.
    pub fn tables(&self) -> &str {
        &self.written
    }

    /// What an index depends on: changes whenever texts may give other tokens.
    pub fn fingerprint(&self) -> String {
        format!("{VERSION} {:?}\n{}", words::STEMS, self.written)
    }

    /// How an element is read, by its name and the name of what it is part of; `None` for as what it is part of.
    pub fn of_element(&self, before: &str, name: &str) -> Option<Analyzer> {
        self.elements.of(before, name)
    }

    /// The tokens that a record keeps of a text, as they come.
    pub fn tokens(&self, text: &str, analyzer: Analyzer, each: &mut dyn FnMut(&str)) {
        if analyzer == Analyzer::Nothing {
            return;
        }
        let broken = self.broken(text);
        broken.kept.iter().for_each(|(_, token)| each(token));
        self.more(&broken, analyzer, &mut |_, token| each(token));
    }

    /// The words of a text asked for; none where all of them say nothing.
    pub fn words(&self, text: &str) -> Vec<Word> {
        let broken = self.broken(text);
        let mut words: Vec<Vec<Box<str>>> = Vec::with_capacity(broken.kept.len());
        words.extend(broken.kept.iter().map(|(_, token)| vec![token.as_str().into()]));
        self.more(&broken, Analyzer::Mixed, &mut |range, token| {
            let place = |word: usize| broken.kept.partition_point(|(at, _)| *at < word);
            for word in &mut words[place(range.start)..place(range.end)] {
                if !word.iter().any(|known| **known == *token) {
                    word.push(token.into());
                }
            }
        });
        words.into_iter().map(Vec::into_boxed_slice).collect()
    }

    fn broken(&self, text: &str) -> Broken {
        let (mut written, mut kept) = (Vec::new(), Vec::new());
        fold::words(text, &mut |word| {
            if let Some(token) = self.words.token(word) {
                kept.push((written.len(), token));
            }
            written.push(word.to_owned());
        });
        Broken { written, kept }
    }

    /// The tokens beside the stems: concepts and names, each with the places of the words that it is of.
    fn more(&self, broken: &Broken, analyzer: Analyzer, each: &mut dyn FnMut(Range<usize>, &str)) {
        let kept = &broken.kept;
        if matches!(analyzer, Analyzer::Clinical | Analyzer::Mixed) {
            let tokens: Vec<&str> = kept.iter().map(|(_, token)| token.as_str()).collect();
            for at in 0..tokens.len() {
                for (concept, used) in self.synonyms.at(&tokens[at..]) {
                    each(kept[at].0..kept[at + used - 1].0 + 1, concept);
                }
            }
        }
        if matches!(analyzer, Analyzer::Name | Analyzer::Mixed) {
            let mut at = 0;
            while at < broken.written.len() {
                let found = self.names.at(&broken.written[at..]);
                let used = found.map_or(1, |(_, used)| used);
                if let Some((name, _)) = found.filter(|(name, _)| !name.is_empty()) {
                    each(at..at + used, &format!("@{}", name.replace(' ', "_")));
                }
                at += used;
            }
        }
    }
}

#[cfg(test)]
mod dzongkha;
#[cfg(test)]
mod tests;
