//! Cuts an expression's text into tokens (<http://hl7.org/fhirpath/N1/#lexical-elements>).

use crate::calendar::{Date, DateTime, Time};
use crate::expression::Invalid;
use crate::value::Item;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// An identifier or a keyword; keywords are told apart by where they stand.
    Word(Box<str>),
    /// An identifier in backticks, which is never a keyword.
    Delimited(Box<str>),
    /// A string literal, escapes resolved.
    String(Box<str>),
    /// A number's digits.
    Number(Box<str>),
    /// An integer's digits before an `L`.
    Long(Box<str>),
    /// A date, date with time, or time literal.
    Moment(Item<'static>),
    /// `$this`, `$index`, `$total`: the name.
    Dollar(Box<str>),
    /// `%name`: the name.
    Percent(Box<str>),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

const SYMBOLS: [&str; 25] = [
    "!=", "!~", "<=", ">=", "=", "~", "<", ">", "(", ")", "[", "]", "{", "}", ".", ",", "|", "&", "+", "-", "*", "/",
    ";", ":", "?",
];

/// The tokens of a text, each with its byte offset, an `End` last.
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, Invalid> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_blank()?;
        let at = lexer.at;
        let token = lexer.next()?;
        let end = token == Token::End;
        found.push((token, at));
        if end {
            return Ok(found);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn invalid<T>(&self, at: usize, message: &str) -> Result<T, Invalid> {
        Err(Invalid {
            message: message.to_owned(),
            at,
            grammatical: false,
        })
    }

    fn skip_blank(&mut self) -> Result<(), Invalid> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                match trimmed.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return self.invalid(self.at, "A comment is not closed"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token, Invalid> {
        let Some(first) = self.peek() else {
            return Ok(Token::End);
        };
        match first {
            'A'..='Z' | 'a'..='z' | '_' => Ok(Token::Word(self.word().into())),
            '0'..='9' => Ok(self.number()),
            '\'' => Ok(Token::String(self.quoted('\'')?.into())),
            '`' => Ok(Token::Delimited(self.quoted('`')?.into())),
            '@' => self.moment(),
            '$' => {
                self.at += 1;
                Ok(Token::Dollar(self.word().into()))
            }
            '%' => self.variable(),
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> Result<Token, Invalid> {
        match SYMBOLS.iter().find(|symbol| self.rest().starts_with(**symbol)) {
            Some(symbol) => {
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
            None => self.invalid(self.at, &format!("The character {first:?} has no meaning here")),
        }
    }

    fn variable(&mut self) -> Result<Token, Invalid> {
        self.at += 1;
        let name = match self.peek() {
            Some('`') => self.quoted('`')?,
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            _ => self.word().to_owned(),
        };
        if name.is_empty() {
            return self.invalid(self.at, "A % must be followed by a variable's name");
        }
        Ok(Token::Percent(name.into()))
    }

    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn digits(&mut self, limit: usize) -> usize {
        let count = self.rest().bytes().take(limit).take_while(u8::is_ascii_digit).count();
        self.at += count;
        count
    }

    fn number(&mut self) -> Token {
        let start = self.at;
        self.digits(usize::MAX);
        let bytes = self.rest().as_bytes();
        let goes_on = bytes.get(1).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if bytes.first() == Some(&b'L') && !goes_on {
            self.at += 1;
            return Token::Long(self.text[start..self.at - 1].into());
        }
        if bytes.first() == Some(&b'.') && bytes.get(1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            self.digits(usize::MAX);
        }
        Token::Number(self.text[start..self.at].into())
    }

    fn quoted(&mut self, quote: char) -> Result<String, Invalid> {
        let start = self.at;
        self.at += 1;
        let mut found = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                _ if c == quote => return Ok(found),
                '\\' => found.push(self.escape()?),
                _ => found.push(c),
            }
        }
        self.invalid(start, "A quoted text is not closed")
    }

    fn escape(&mut self) -> Result<char, Invalid> {
        let at = self.at - 1;
        let Some(c) = self.peek() else {
            return self.invalid(at, "A quoted text ends in a backslash");
        };
        self.at += c.len_utf8();
        Ok(match c {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            '\\' | '/' | '\'' | '"' | '`' => c,
            'u' => return self.unicode(at),
            _ => return self.invalid(at, &format!("\\{c} is no escape")),
        })
    }

    fn unicode(&mut self, at: usize) -> Result<char, Invalid> {
        let Some(first) = self.unit() else {
            return self.invalid(at, "\\u must be followed by four hexadecimal digits");
        };
        if (0xD800..0xDC00).contains(&first) && self.rest().starts_with("\\u") {
            self.at += 2;
            let second = self.unit().unwrap_or(0);
            if (0xDC00..0xE000).contains(&second) {
                let point = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(point).unwrap_or('\u{FFFD}'));
            }
            return self.invalid(at, "A surrogate is not followed by its other half");
        }
        match char::from_u32(first) {
            Some(c) => Ok(c),
            None => self.invalid(at, "A surrogate stands alone"),
        }
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Takes a separator where digits follow it.
    fn separated(&mut self, separator: u8, limit: usize) -> bool {
        let bytes = self.rest().as_bytes();
        let follows = bytes.first() == Some(&separator) && bytes.get(1).is_some_and(u8::is_ascii_digit);
        if follows {
            self.at += 1;
            self.digits(limit);
        }
        follows
    }

    fn clock(&mut self) {
        if self.digits(2) > 0 && self.separated(b':', 2) && self.separated(b':', 2) {
            self.separated(b'.', usize::MAX);
        }
    }

    fn moment(&mut self) -> Result<Token, Invalid> {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some('T') {
            self.at += 1;
            self.clock();
            let text = &self.text[start + 2..self.at];
            return match Time::parse(text) {
                Some(time) => Ok(Token::Moment(Item::Time(time))),
                None => self.invalid(start, &format!("@T{text} is no time")),
            };
        }
        self.digits(4);
        let _ = self.separated(b'-', 2) && self.separated(b'-', 2);
        if self.peek() != Some('T') {
            let text = &self.text[start + 1..self.at];
            return match Date::parse(text) {
                Some(date) => Ok(Token::Moment(Item::Date(date))),
                None => self.invalid(start, &format!("@{text} is no date")),
            };
        }
        self.at += 1;
        self.clock();
        self.zone();
        let text = &self.text[start + 1..self.at];
        match DateTime::parse(text) {
            Some(moment) => Ok(Token::Moment(Item::DateTime(moment))),
            None => self.invalid(start, &format!("@{text} is no date with time")),
        }
    }

    fn zone(&mut self) {
        let bytes = self.rest().as_bytes();
        if bytes.first() == Some(&b'Z') {
            self.at += 1;
        } else if bytes.len() >= 6
            && matches!(bytes[0], b'+' | b'-')
            && bytes[3] == b':'
            && [1, 2, 4, 5].iter().all(|i| bytes[*i].is_ascii_digit())
        {
            self.at += 6;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_tokens() {
        let table = [
            ("a.b", "a . b"),
            ("1.5.x", "1.5 . x"),
            ("1.x // y\n+ /* z */ 2", "1 . x + 2"),
            ("'a\\'\\u0041'", "'a'A'"),
            ("%`vs-x` $this", "%vs-x $this"),
            ("%\"vs-x\" %'ext-y'", "%vs-x %ext-y"),
            ("5L.x 5Lx", "5L . x 5 Lx"),
            ("`div` != 3", "`div` != 3"),
        ];
        for (text, expected) in table {
            let shown: Vec<String> = tokens(text).expect(text).iter().map(|(t, _)| show(t)).collect();
            assert_eq!(shown.join(" ").trim_end(), expected, "{text}");
        }
        for text in [
            "'a",
            "`",
            "/* x",
            "'\\q'",
            "'\\u12'",
            "'\\ud800'",
            "@",
            "@T",
            "@2015-13",
            "#",
            "%",
        ] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    fn show(token: &Token) -> String {
        match token {
            Token::Word(x) | Token::Number(x) => x.to_string(),
            Token::Long(x) => format!("{x}L"),
            Token::Delimited(x) => format!("`{x}`"),
            Token::String(x) => format!("'{x}'"),
            Token::Dollar(x) => format!("${x}"),
            Token::Percent(x) => format!("%{x}"),
            Token::Symbol(x) => (*x).to_owned(),
            Token::Moment(x) => format!("{x:?}"),
            Token::End => String::new(),
        }
    }
}
