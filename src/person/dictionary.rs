//! The words of names: how each is written and sounds, and which begin alike.
//!
//! It is the same for the same lexicon, word for word, so that what is kept under a beginning's place is found there again.

use rustc_hash::FxHashMap;

use crate::keys;
use crate::lookup::By;
use crate::pack::Lexicon;
use crate::sound::{letter_bits, sound};

/// Letters of a beginning whose people are kept together.
const BEGINNING: usize = 3;

/// A token of the register's lexicon.
pub(crate) struct Token {
    pub(crate) word: Box<str>,
    /// Its first letters, one to three of them, as places in the list of beginnings.
    pub(crate) begins: Box<[u32]>,
}

/// How a token is written and sounds, in short.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// One bit for each letter that it has.
    pub(crate) letters: u32,
    /// How many characters it has, as far as 255.
    pub(crate) length: u8,
}

/// The tokens of a lexicon.
#[derive(Default)]
pub(crate) struct Dictionary {
    /// By the token's number in the lexicon, as the next.
    tokens: Vec<Token>,
    shapes: Vec<Shape>,
    /// Tokens by a hash of how they sound.
    sounds: FxHashMap<u32, Vec<u32>>,
    /// Of each beginning the tokens.
    beginnings: Vec<Vec<u32>>,
    by_letters: FxHashMap<Box<str>, u32>,
}

impl Dictionary {
    /// Takes in tokens that are new in the lexicon.
    pub fn learn(&mut self, lexicon: &Lexicon) {
        for word in lexicon.words_from(self.tokens.len()) {
            let number = self.tokens.len() as u32;
            let mut begins = Vec::with_capacity(BEGINNING);
            for (at, letter) in word.char_indices().take(BEGINNING) {
                let place = self.beginning_place(&word[..at + letter.len_utf8()]);
                self.beginnings[place as usize].push(number);
                begins.push(place);
            }
            let sounds = keys::hash("sound", &[&sound(word)]) as u32;
            self.sounds.entry(sounds).or_default().push(number);
            self.shapes.push(Shape {
                letters: letter_bits(word),
                length: word.chars().count().min(255) as u8,
            });
            self.tokens.push(Token {
                word: word.into(),
                begins: begins.into(),
            });
        }
    }

    fn beginning_place(&mut self, letters: &str) -> u32 {
        if let Some(place) = self.by_letters.get(letters) {
            return *place;
        }
        let place = self.beginnings.len() as u32;
        self.by_letters.insert(letters.into(), place);
        self.beginnings.push(Vec::new());
        place
    }

    pub fn token(&self, number: u32) -> &Token {
        &self.tokens[number as usize]
    }

    /// The shape of each token, in their order.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The tokens that sound like a name.
    pub fn sounding(&self, name: &str) -> &[u32] {
        let sounds = keys::hash("sound", &[&sound(name)]) as u32;
        self.sounds.get(&sounds).map_or(&[], Vec::as_slice)
    }

    /// What people are kept by who have a token that begins with a text: one thing for a few letters, else each token.
    pub fn beginning(&self, text: &str, each: &mut dyn FnMut(By)) {
        let (few, more) = match text.char_indices().nth(BEGINNING) {
            Some((at, _)) => (&text[..at], true),
            None => (text, false),
        };
        let Some(place) = self.by_letters.get(few) else { return };
        match more {
            false => each(By::Beginning(*place)),
            true => {
                let tokens = self.beginnings[*place as usize].iter();
                let begin = tokens.filter(|number| self.token(**number).word.starts_with(text));
                begin.for_each(|number| each(By::Token(*number)));
            }
        }
    }
}
