//! Reads XML 1.0 with namespaces strictly into a document.
//!
//! What is not well-formed is refused, and so is what a record never needs and an attacker does: a DOCTYPE (entities,
//! external files), another encoding than UTF-8, nesting, attributes and namespaces beyond a limit. One pass, without
//! recursion. Errors name the line and the column.

use crate::document::{Document, Entry, What};
use crate::escape::reference;
use crate::name::{self, is_space};
use crate::namespace::{DECLARATION, NONE, Namespaces};

/// What a text may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of the JSON that a FHIR resource becomes; XML itself may nest elements to [`DEPTH_MAX`].
    pub depth: usize,
    /// Bytes; never above 2 GiB, the reach of the tape's spans.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let fhir::parse::Limits { depth, bytes } = fhir::parse::Limits::default();
        Limits { depth, bytes }
    }
}

/// Nesting of elements: more than FHIR's JSON may have, for narratives.
pub const DEPTH_MAX: usize = 256;
/// Attributes an element may have: FHIR's own have three, a narrative's a handful.
pub const ATTRIBUTES_MAX: usize = 64;
/// Bytes of a name.
const NAME_MAX: usize = 1_000;

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, as the end of a sentence that starts with the place.
    pub what: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Malformed { what, line, column } = self;
        write!(f, "The XML cannot be read: at line {line}, column {column}, {what}.")
    }
}

impl std::error::Error for Malformed {}

impl Malformed {
    /// What is wrong at a byte of a text.
    pub(crate) fn at(text: &[u8], at: usize, what: String) -> Malformed {
        let before = &text[..at.min(text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        Malformed { what, line, column }
    }
}

impl<'a> Document<'a> {
    /// Parses an XML text.
    ///
    /// # Errors
    /// [`Malformed`], with the place, for anything but one well-formed document within the limits.
    pub fn parse(bytes: &'a [u8], limits: Limits) -> Result<Document<'a>, Malformed> {
        if bytes.len() > limits.bytes.min(1 << 31) {
            return Err(Malformed::at(bytes, 0, "the text is longer than the limit".into()));
        }
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Malformed::at(bytes, e.valid_up_to(), "a byte is not valid UTF-8".into()))?;
        if let Some(at) = not_allowed(bytes) {
            return Err(Malformed::at(
                bytes,
                at,
                "a character stands that XML does not allow".into(),
            ));
        }
        let mut reader = Reader {
            text,
            bytes,
            at: 0,
            tape: Vec::with_capacity(bytes.len() / 24 + 4),
            open: Vec::new(),
            spaces: Namespaces::default(),
            root: None,
        };
        reader.read().map_err(|what| Malformed::at(bytes, reader.at, what))?;
        Ok(Document {
            text,
            root: reader.root.expect("read says so where there is none"),
            tape: reader.tape,
            spaces: reader.spaces.into_addresses(),
        })
    }
}

/// The first place of a character that may not stand in XML.
fn not_allowed(bytes: &[u8]) -> Option<usize> {
    let wrong = |at: usize| match bytes[at] {
        b'\t' | b'\n' | b'\r' => false,
        0..=0x1f => true,
        // U+FFFE and U+FFFF are EF BF BE and EF BF BF; that it is UTF-8 is known.
        0xef => bytes[at + 1] == 0xbf && bytes[at + 2] >= 0xbe,
        _ => false,
    };
    (0..bytes.len()).find(|at| wrong(*at))
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tape: Vec<Entry>,
    /// The elements that are open, each with the declarations in force before it.
    open: Vec<(u32, usize)>,
    spaces: Namespaces,
    root: Option<u32>,
}

type Step<T = ()> = Result<T, String>;

impl Reader<'_> {
    fn read(&mut self) -> Step {
        self.declaration()?;
        while self.at < self.bytes.len() {
            if self.bytes[self.at] != b'<' {
                self.run_of_text()?;
                continue;
            }
            match self.bytes.get(self.at + 1) {
                Some(b'/') => self.end_tag()?,
                Some(b'?') => self.instruction()?,
                Some(b'!') if self.starts("<!--") => self.comment()?,
                Some(b'!') if self.starts("<![CDATA[") => self.run_of_text()?,
                Some(b'!') => return Err("a DOCTYPE or another declaration stands, which is never read".into()),
                _ => self.start_tag()?,
            }
        }
        match (self.open.last(), self.root) {
            (Some((place, _)), _) => Err(format!("the text ends within <{}>", self.name_of(*place))),
            (None, None) => Err("the text ends before any element".into()),
            (None, Some(_)) => Ok(()),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts(&self, with: &str) -> bool {
        self.bytes[self.at..].starts_with(with.as_bytes())
    }

    fn space(&mut self) -> bool {
        let from = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > from
    }

    /// Passes everything to the end of a mark.
    fn pass(&mut self, mark: &str, what: &str) -> Step {
        let found = self.text[self.at..].find(mark);
        self.at += found.ok_or_else(|| format!("the text ends within {what}"))? + mark.len();
        Ok(())
    }

    fn name_of(&self, place: u32) -> &str {
        let entry = &self.tape[place as usize];
        let start = entry.start as usize + 1;
        &self.text[start..start + entry.name as usize]
    }

    /// Passes a name, and gives the lengths of its prefix and of all of it.
    fn name(&mut self, what: &str) -> Step<(u16, u16)> {
        let first = name::length(&self.text[self.at..]);
        let mut lengths = (0, first);
        if first > 0 && self.bytes.get(self.at + first) == Some(&b':') {
            let second = name::length(&self.text[self.at + first + 1..]);
            if second == 0 {
                return Err(format!("nothing follows the colon in the name of {what}"));
            }
            lengths = (first, first + 1 + second);
        }
        match lengths.1 {
            0 => return Err(format!("the name of {what} was expected")),
            1..=NAME_MAX => self.at += lengths.1,
            _ => return Err(format!("the name of {what} is longer than {NAME_MAX} bytes")),
        }
        Ok((lengths.0 as u16, lengths.1 as u16))
    }

    fn push(&mut self, what: What, start: usize, (prefix, name): (u16, u16)) -> usize {
        let place = self.tape.len();
        self.tape.push(Entry {
            what,
            plain: true,
            prefix,
            name,
            space: NONE,
            start: start as u32,
            end: self.at as u32,
            inner: start as u32,
            next: place as u32 + 1,
        });
        place
    }

    /// `<?xml version="1.0" encoding="UTF-8"?>`, where the text starts with it.
    fn declaration(&mut self) -> Step {
        if !self.starts("<?xml") || !self.bytes.get(5).copied().is_some_and(is_space) {
            return Ok(());
        }
        let end = self.text.find("?>").ok_or("the text ends within the XML declaration")?;
        let mut rest = self.text[5..end].trim_end();
        let mut expected = ["version", "encoding", "standalone"].iter();
        let wrong = || "the XML declaration is not version, encoding and standalone in this order";
        let mut version = false;
        while !rest.is_empty() {
            let (name, after) = rest.trim_start().split_once('=').ok_or_else(wrong)?;
            let name = name.trim_end();
            let after = after.trim_start();
            let quote = after
                .chars()
                .next()
                .filter(|c| matches!(c, '"' | '\''))
                .ok_or_else(wrong)?;
            let (value, after) = after[1..].split_once(quote).ok_or_else(wrong)?;
            if !expected.any(|e| *e == name) || !rest.starts_with(|c: char| c.is_ascii_whitespace()) {
                return Err(wrong().into());
            }
            version |= name == "version" && value.starts_with("1.");
            if name == "encoding" && !["utf-8", "us-ascii"].iter().any(|e| e.eq_ignore_ascii_case(value)) {
                return Err("the encoding is declared to be another than UTF-8".into());
            }
            rest = after;
        }
        if !version {
            return Err("the XML declaration names no version 1".into());
        }
        self.at = end + 2;
        Ok(())
    }

    fn instruction(&mut self) -> Step {
        let start = self.at;
        self.at += 2;
        let lengths = self.name("a processing instruction")?;
        let target = &self.text[start + 2..self.at];
        if lengths.0 > 0 || target.eq_ignore_ascii_case("xml") {
            self.at = start;
            return Err("the XML declaration stands only at the very start, and no instruction has such a name".into());
        }
        if !self.starts("?>") && !self.space() {
            return Err("white space was expected after the name of a processing instruction".into());
        }
        self.pass("?>", "a processing instruction")?;
        self.push(What::Instruction, start, lengths);
        Ok(())
    }

    fn comment(&mut self) -> Step {
        let start = self.at;
        self.at += 4;
        self.pass("--", "a comment")?;
        if self.peek() != Some(b'>') {
            return Err("two dashes stand within a comment".into());
        }
        self.at += 1;
        self.push(What::Comment, start, (0, 0));
        Ok(())
    }

    /// Text and CDATA sections up to the next tag, comment or instruction.
    fn run_of_text(&mut self) -> Step {
        let start = self.at;
        let mut plain = true;
        loop {
            match self.peek() {
                Some(b'<') if self.starts("<![CDATA[") => {
                    plain = false;
                    self.pass("]]>", "a CDATA section")?;
                }
                None | Some(b'<') => break,
                Some(b'&') => {
                    plain = false;
                    self.reference()?;
                }
                Some(b']') if self.starts("]]>") => return Err("\"]]>\" stands in a text; write ]]&gt;".into()),
                Some(byte) => {
                    plain &= byte != b'\r';
                    self.at += 1;
                }
            }
        }
        let blank = self.bytes[start..self.at].iter().copied().all(is_space);
        if !self.open.is_empty() {
            let place = self.push(What::Text, start, (0, 0));
            self.tape[place].plain = plain;
        } else if !blank {
            self.at = start;
            return Err("text stands outside the outermost element".into());
        }
        Ok(())
    }

    fn reference(&mut self) -> Step {
        let (_, length) = reference(&self.text[self.at + 1..])?;
        self.at += 1 + length;
        Ok(())
    }

    fn start_tag(&mut self) -> Step {
        let start = self.at;
        if self.open.is_empty() && self.root.is_some() {
            return Err("a second element stands outermost".into());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("elements are nested deeper than {DEPTH_MAX} levels"));
        }
        self.at += 1;
        let lengths = self.name("an element")?;
        let place = self.push(What::Element, start, lengths);
        self.root.get_or_insert(place as u32);
        self.open.push((place as u32, self.spaces.mark()));
        loop {
            let space = self.space();
            match self.peek() {
                Some(b'>') => {
                    self.resolve(place)?;
                    self.at += 1;
                    self.tape[place].inner = self.at as u32;
                    return Ok(());
                }
                Some(b'/') if self.starts("/>") => {
                    self.resolve(place)?;
                    self.tape[place].inner = self.at as u32;
                    self.at += 2;
                    self.close();
                    return Ok(());
                }
                None => return Err("the text ends within a tag".into()),
                Some(_) if space => self.attribute()?,
                Some(_) => return Err("white space, an attribute or the end of the tag was expected".into()),
            }
            if self.tape.len() - place > ATTRIBUTES_MAX {
                return Err(format!("an element has more than {ATTRIBUTES_MAX} attributes"));
            }
        }
    }

    fn attribute(&mut self) -> Step {
        let start = self.at;
        let lengths = self.name("an attribute")?;
        self.space();
        if self.peek() != Some(b'=') {
            return Err("an equals sign was expected after the name of an attribute".into());
        }
        self.at += 1;
        self.space();
        let quote = self.peek().filter(|b| matches!(b, b'"' | b'\''));
        let quote = quote.ok_or("the value of an attribute was expected, in quotation marks")?;
        self.at += 1;
        let (inner, mut plain) = (self.at, true);
        loop {
            match self.peek() {
                Some(byte) if byte == quote => break,
                Some(b'<') => return Err("\"<\" stands in the value of an attribute; write &lt;".into()),
                Some(b'&') => {
                    plain = false;
                    self.reference()?;
                }
                Some(byte) => {
                    plain &= byte >= b' ';
                    self.at += 1;
                }
                None => return Err("the text ends within the value of an attribute".into()),
            }
        }
        self.at += 1;
        let place = self.push(What::Attribute, start, lengths);
        (self.tape[place].inner, self.tape[place].plain) = (inner as u32, plain);
        Ok(())
    }

    /// Takes in the declarations of a start tag, and finds the namespaces of its names.
    fn resolve(&mut self, place: usize) -> Step {
        let (text, attributes) = (self.text, place + 1..self.tape.len());
        let name_of = |entry: &Entry| &text[entry.start as usize..][..entry.name as usize];
        for at in attributes.clone() {
            let entry = self.tape[at];
            let name = name_of(&entry);
            let declared = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) if rest.starts_with(':') => &rest[1..],
                _ => continue,
            };
            self.tape[at].space = DECLARATION;
            let raw = &text[entry.inner as usize..entry.end as usize - 1];
            self.spaces.declare(declared, &crate::escape::attribute_value(raw))?;
        }
        let element = self.tape[place];
        let prefix = &text[element.start as usize + 1..][..element.prefix as usize];
        if prefix == "xmlns" {
            return Err("the prefix \"xmlns\" is no element's".into());
        }
        self.tape[place].space = self.spaces.find(prefix)?;
        for at in attributes {
            let entry = self.tape[at];
            let name = name_of(&entry);
            if entry.prefix > 0 && entry.space == NONE {
                self.tape[at].space = self.spaces.find(&name[..entry.prefix as usize])?;
            }
            let local = |entry: &Entry| name_of(entry).rsplit(':').next();
            let (own, space) = (local(&entry), self.tape[at].space);
            let before = &self.tape[place + 1..at];
            if before.iter().any(|other| other.space == space && local(other) == own) {
                self.at = entry.start as usize;
                return Err(format!("the attribute \"{name}\" stands twice in one element"));
            }
        }
        Ok(())
    }

    fn end_tag(&mut self) -> Step {
        let start = self.at;
        let Some((place, _)) = self.open.last().copied() else {
            return Err("an end tag stands without its start tag".into());
        };
        self.at += 2;
        let lengths = self.name("an element")?;
        let name = &self.text[start + 2..][..lengths.1 as usize];
        if name != self.name_of(place) {
            self.at = start;
            return Err(format!(
                "</{name}> stands where <{}> must end first",
                self.name_of(place)
            ));
        }
        self.space();
        if self.peek() != Some(b'>') {
            return Err("the end of an end tag was expected".into());
        }
        self.at += 1;
        self.close();
        Ok(())
    }

    fn close(&mut self) {
        if let Some((place, mark)) = self.open.pop() {
            let next = self.tape.len() as u32;
            let entry = &mut self.tape[place as usize];
            (entry.end, entry.next) = (self.at as u32, next);
            self.spaces.back_to(mark);
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
