//! The page token in a link: where the page lies, and the log position all pages show.
//!
//! Written `position.total.turn.check.cursor`, the turn one letter: first, after, before, last. The check binds it to the question it continues, so that a token that was
//! changed, or is put to another question, is refused and never answers something else.

use query::values::hash;

use crate::address;
use crate::refusal::{Reason, Refusal};

/// The parameter that carries the token.
pub const PARAMETER: &str = "_page";

/// Where a page goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The log position whose state all pages show.
    pub at: u64,
    /// The total, counted for the first page.
    pub total: Option<u64>,
    /// Where the page lies.
    pub turn: Turn,
}

/// Where a page lies among all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is the first.
    First,
    /// It begins after this cursor.
    After(String),
    /// It ends before this cursor.
    Before(String),
    /// It is the last.
    Last,
}

impl Turn {
    fn letter(&self) -> char {
        match self {
            Turn::First => 'f',
            Turn::After(_) => 'a',
            Turn::Before(_) => 'b',
            Turn::Last => 'l',
        }
    }

    fn of(letter: &str, cursor: &str) -> Option<Turn> {
        Some(match (letter, cursor.is_empty()) {
            ("f", true) => Turn::First,
            ("a", false) => Turn::After(cursor.to_owned()),
            ("b", false) => Turn::Before(cursor.to_owned()),
            ("l", true) => Turn::Last,
            _ => return None,
        })
    }

    /// The cursor beside which the page lies.
    pub fn cursor(&self) -> Option<&str> {
        match self {
            Turn::After(cursor) | Turn::Before(cursor) => Some(cursor),
            Turn::First | Turn::Last => None,
        }
    }
}

impl Token {
    /// The beginning of what the index gives at a log position, nothing counted yet.
    pub fn beginning(at: u64) -> Token {
        Token {
            at,
            total: None,
            turn: Turn::First,
        }
    }

    /// The token's text for a question.
    pub fn write(&self, question: &str) -> String {
        let front = self.front();
        let cursor = self.turn.cursor().unwrap_or("");
        format!("{front}.{:x}.{cursor}", check(&front, cursor, question))
    }

    fn front(&self) -> String {
        let total = self.total.map_or_else(|| "x".to_owned(), |total| total.to_string());
        format!("{}.{total}.{}", self.at, self.turn.letter())
    }

    /// Reads a token for the question it was written for. `head` is the log's last position.
    ///
    /// # Errors
    /// 400 where it is no token of this server for this question.
    pub fn read(text: &str, question: &str, head: u64) -> Result<Token, Refusal> {
        Token::parse(text, question)
            .filter(|token| token.at <= head)
            .ok_or_else(|| {
                let text = "The page link is damaged or belongs to another search; start again without _page.";
                Refusal::because(Reason::Invalid, text).at("http._page")
            })
    }

    fn parse(text: &str, question: &str) -> Option<Token> {
        let mut parts = text.splitn(5, '.');
        let at = parts.next()?.parse().ok()?;
        let total = match parts.next()? {
            "x" => None,
            digits => Some(digits.parse().ok()?),
        };
        let (letter, given, cursor) = (parts.next()?, parts.next()?, parts.next()?);
        let token = Token {
            at,
            total,
            turn: Turn::of(letter, cursor)?,
        };
        (given == format!("{:x}", check(&token.front(), cursor, question))).then_some(token)
    }
}

/// The address of a page: the path, the question's parameters, the token.
pub fn link(path: &str, question: &[(String, String)], token: Option<&str>) -> String {
    let pairs = question.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    address::with_query(path, pairs.chain(token.map(|token| (PARAMETER, token))))
}

fn check(front: &str, cursor: &str, question: &str) -> u64 {
    hash(&[front.as_bytes(), b"\0", cursor.as_bytes(), b"\0", question.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_belong_to_their_question() {
        let token = Token {
            at: 17,
            total: Some(40),
            turn: Turn::Before("a.b-c".into()),
        };
        let text = token.write("Patient?name=a");
        assert_eq!(Token::read(&text, "Patient?name=a", 20).unwrap(), token);
        for (text, question, head) in [
            (text.as_str(), "Patient?name=b", 20),
            (text.as_str(), "Patient?name=a", 16),
            (&text.replacen("40", "41", 1), "Patient?name=a", 20),
            ("", "Patient?name=a", 20),
            ("1.2.3", "", 20),
        ] {
            assert_eq!(Token::read(text, question, head).unwrap_err().status, 400, "{text}");
        }
    }
}
