//! The keys under which the index lists records: hashes of terms, ordered texts, words, kinds.
//!
//! ```text
//! field `terms`   8 bytes: Term::hash, big endian                 every form that is not ordered
//! field `texts`   parameter (4 bytes), form (1 byte), text        the ordered forms
//! field `words`   0 or 1, word                                    narrative, whole record
//! ```

use query::term::{Form, Term};
use query::values::hash;

/// A text longer than this many bytes is listed by its beginning only.
const TEXT_MAX: usize = 8_000;
/// A word longer than this many bytes is listed by its beginning only.
const WORD_MAX: usize = 48;

/// Which words a key of field `words` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of the narrative: `_text`.
    Narrative = 0,
    /// Those of the whole record: `_content`.
    Content = 1,
}

/// The key of an unordered term.
pub(crate) fn hashed(term: &Term<'_>) -> [u8; 8] {
    term.hash().to_be_bytes()
}

/// The key of a kind, beside the hashed terms.
pub(crate) fn kind(name: &str) -> [u8; 8] {
    hash(&[b"\xffkind\xff", name.as_bytes()]).to_be_bytes()
}

/// The key of an ordered term.
pub(crate) fn ordered(term: &Term<'_>) -> Vec<u8> {
    let mut key = form(term);
    key.extend_from_slice(beginning_of(term).as_bytes());
    key
}

/// What the keys of all terms of one parameter and form begin with.
pub(crate) fn form(term: &Term<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + term.text.len());
    key.extend_from_slice(&term.param.0.to_be_bytes());
    key.push(term.form as u8);
    key
}

/// Whether terms of the form are kept in order, in field `texts`.
pub(crate) fn is_ordered(term: &Term<'_>) -> bool {
    term.form.is_ordered() || term.form == Form::Folded
}

/// Writes the key of a word into `key`, and hands it back.
pub(crate) fn word<'k>(whose: Whose, word: &str, key: &'k mut Vec<u8>) -> &'k [u8] {
    key.clear();
    key.push(whose as u8);
    key.extend_from_slice(beginning(word, WORD_MAX).as_bytes());
    key
}

/// What of an ordered term's text is kept.
pub(crate) fn beginning_of<'t>(term: &'t Term<'_>) -> &'t str {
    beginning(&term.text, TEXT_MAX)
}

/// Whether a text has another anywhere in it.
pub(crate) fn has_part(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

fn beginning(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
