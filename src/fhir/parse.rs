//! Reads JSON strictly (RFC 8259) into a document, and writes JSON strings.
//!
//! Stricter than most: a duplicate key, a lone surrogate, a byte that is not UTF-8, a number beyond
//! any FHIR decimal and nesting beyond the limit are refused, because two readers could understand
//! such a text differently. Errors name the line and the column.

use std::borrow::Cow;

use crate::document::{Document, Entry, Shape};
use crate::name::mark;

/// What a text may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of arrays and objects.
    pub depth: usize,
    /// Bytes; never above 2 GiB, the reach of the tape's spans.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 64,
            bytes: 256 << 20,
        }
    }
}

/// Digits a number may have, exponent aside: more than any FHIR decimal needs (18).
const NUMBER_CHARACTERS_MAX: usize = 64;
/// The largest exponent a number may carry.
const EXPONENT_MAX: u32 = 308;

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
        write!(
            f,
            "The JSON cannot be read: at line {}, column {}, {}.",
            self.line, self.column, self.what
        )
    }
}

impl std::error::Error for Malformed {}

impl Document {
    /// Parses a JSON text.
    ///
    /// # Errors
    /// [`Malformed`], with the place, for anything but one strict JSON value within the limits.
    pub fn parse(bytes: &[u8], limits: Limits) -> Result<Document, Malformed> {
        if bytes.len() > limits.bytes.min(1 << 31) {
            return Err(malformed(bytes, 0, "the text is longer than the limit".into()));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => return Err(malformed(bytes, e.valid_up_to(), "a byte is not valid UTF-8".into())),
        };
        let mut reader = Reader {
            bytes,
            at: 0,
            tape: Vec::with_capacity(bytes.len() / 12 + 4),
            has_halves: false,
            limits,
        };
        reader.read().map_err(|what| malformed(bytes, reader.at, what))?;
        let outermost = reader.list_outermost_keys();
        Ok(Document {
            text: text.into(),
            tape: reader.tape,
            outermost,
            has_halves: reader.has_halves,
        })
    }
}

fn malformed(bytes: &[u8], at: usize, what: String) -> Malformed {
    let before = &bytes[..at.min(bytes.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    Malformed { what, line, column }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    tape: Vec<Entry>,
    has_halves: bool,
    limits: Limits,
}

type Step<T = ()> = Result<T, String>;

impl Reader<'_> {
    fn read(&mut self) -> Step {
        if self.bytes.starts_with(b"\xEF\xBB\xBF") {
            self.at = 3;
        }
        self.value(0)?;
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err("something follows the end of the value".into()),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn push(&mut self, shape: Shape, start: usize, end: usize) -> usize {
        let place = self.tape.len();
        self.tape.push(Entry {
            shape,
            first: 0,
            mark: 0,
            start: start as u32,
            end: end as u32,
            next: place as u32 + 1,
        });
        place
    }

    fn value(&mut self, depth: usize) -> Step {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Shape::Bool),
            Some(b'f') => self.word("false", Shape::Bool),
            Some(b'n') => self.word("null", Shape::Null),
            Some(_) => Err("a value was expected".into()),
            None => Err("the text ends where a value was expected".into()),
        }
    }

    fn word(&mut self, word: &str, shape: Shape) -> Step {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err("a value was expected".into());
        }
        self.push(shape, self.at, self.at + word.len());
        self.at += word.len();
        Ok(())
    }

    fn open(&mut self, shape: Shape, depth: usize) -> Step<usize> {
        if depth >= self.limits.depth {
            return Err(format!("values are nested deeper than {} levels", self.limits.depth));
        }
        let place = self.push(shape, self.at, self.at);
        self.at += 1;
        self.space();
        Ok(place)
    }

    fn close(&mut self, place: usize) {
        self.at += 1;
        self.tape[place].end = self.at as u32;
        self.tape[place].next = self.tape.len() as u32;
    }

    fn array(&mut self, depth: usize) -> Step {
        let place = self.open(Shape::Array, depth)?;
        if self.peek() == Some(b']') {
            self.close(place);
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                Some(_) => return Err("a comma or a closing bracket was expected".into()),
                None => return Err("the text ends inside an array".into()),
            }
        }
        self.close(place);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Step {
        let place = self.open(Shape::Object, depth)?;
        let mut keys = Keys::default();
        if self.peek() == Some(b'}') {
            self.close(place);
            return Ok(());
        }
        loop {
            self.space();
            self.member(depth, &mut keys)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                Some(_) => return Err("a comma or a closing brace was expected".into()),
                None => return Err("the text ends inside an object".into()),
            }
        }
        self.close(place);
        Ok(())
    }

    fn member(&mut self, depth: usize, keys: &mut Keys) -> Step {
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return Err("the name of a member, in quotes, was expected".into()),
            None => return Err("the text ends inside an object".into()),
        }
        let start = self.at;
        let key = self.string()?;
        self.mark(key);
        if let Err(name) = keys.insert(self.bytes, self.tape[key]) {
            self.at = start;
            return Err(format!("the member \"{name}\" stands twice in one object"));
        }
        self.space();
        if self.peek() != Some(b':') {
            return Err("a colon was expected after the member's name".into());
        }
        self.at += 1;
        self.value(depth + 1)?;
        self.tape[key].next = self.tape.len() as u32;
        Ok(())
    }

    /// Puts the keys of the outermost object after the tape; where they begin.
    fn list_outermost_keys(&mut self) -> u32 {
        let outermost = self.tape[0];
        let mut at = 1;
        while outermost.shape == Shape::Object && at < outermost.next {
            let key = self.tape[at as usize];
            self.tape.push(Entry { next: at, ..key });
            at = key.next;
        }
        outermost.next
    }

    /// Marks a key by its name.
    fn mark(&mut self, key: usize) {
        let entry = &mut self.tape[key];
        let raw = &self.bytes[entry.start as usize..entry.end as usize];
        let name = match entry.shape {
            Shape::Escaped => Cow::Owned(unescape(std::str::from_utf8(raw).expect("checked as UTF-8")).into_bytes()),
            _ => Cow::Borrowed(raw),
        };
        entry.mark = mark(&name);
        entry.first = name.first().copied().unwrap_or_default();
        self.has_halves |= name.starts_with(b"_");
    }

    fn string(&mut self) -> Step<usize> {
        let start = self.at + 1;
        self.at = start;
        let mut shape = Shape::Plain;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    shape = Shape::Escaped;
                    self.escape()?;
                }
                Some(0..=0x1f) => return Err("a control character stands unescaped in a string".into()),
                Some(_) => self.at += 1,
                None => return Err("the text ends inside a string".into()),
            }
        }
        let place = self.push(shape, start, self.at);
        self.at += 1;
        Ok(place)
    }

    fn escape(&mut self) -> Step {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => self.unicode(),
            Some(_) => Err("a backslash is followed by no known escape".into()),
            None => Err("the text ends inside a string".into()),
        }
    }

    fn unicode(&mut self) -> Step {
        let unit = self.unit(self.at)?;
        match unit {
            0xD800..=0xDBFF => match self.unit(self.at + 6) {
                Ok(0xDC00..=0xDFFF) => {
                    self.at += 12;
                    Ok(())
                }
                _ => Err("a string holds half of a surrogate pair".into()),
            },
            0xDC00..=0xDFFF => Err("a string holds half of a surrogate pair".into()),
            _ => {
                self.at += 6;
                Ok(())
            }
        }
    }

    fn unit(&self, at: usize) -> Step<u32> {
        let escape = self.bytes.get(at..at + 6).filter(|e| e.starts_with(b"\\u"));
        escape
            .and_then(|e| hex4(&e[2..]))
            .ok_or_else(|| "\\u is not followed by four hex digits".into())
    }

    fn number(&mut self) -> Step {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err("a number has no digits".into()),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if self.at - start > NUMBER_CHARACTERS_MAX {
            return Err(format!("a number has more than {NUMBER_CHARACTERS_MAX} digits"));
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.exponent()?;
        }
        self.push(Shape::Number, start, self.at);
        Ok(())
    }

    fn exponent(&mut self) -> Step {
        self.at += 1;
        if let Some(b'+' | b'-') = self.peek() {
            self.at += 1;
        }
        let start = self.at;
        self.digits()?;
        let digits = std::str::from_utf8(&self.bytes[start..self.at]).expect("digits are UTF-8");
        match digits.parse::<u32>() {
            Ok(exponent) if exponent <= EXPONENT_MAX => Ok(()),
            _ => Err(format!("a number's exponent is beyond {EXPONENT_MAX}")),
        }
    }

    fn digits(&mut self) -> Step {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            Err("a number has no digits".into())
        } else {
            Ok(())
        }
    }
}

/// The keys of the object being read; a set beyond a few, so that a hostile object stays linear.
#[derive(Default)]
struct Keys {
    few: Vec<Entry>,
    many: Option<rustc_hash::FxHashSet<String>>,
}

const FEW_KEYS_MAX: usize = 24;

impl Keys {
    fn insert(&mut self, bytes: &[u8], key: Entry) -> Result<(), String> {
        let raw = |e: &Entry| &bytes[e.start as usize..e.end as usize];
        let plain = key.shape == Shape::Plain;
        if self.many.is_none() && plain && self.few.len() < FEW_KEYS_MAX {
            if self.few.iter().any(|e| e.mark == key.mark && raw(e) == raw(&key)) {
                return Err(String::from_utf8_lossy(raw(&key)).into_owned());
            }
            self.few.push(key);
            return Ok(());
        }
        let name = |e: &Entry| unescape(std::str::from_utf8(raw(e)).expect("checked as UTF-8"));
        let many = self.many.get_or_insert_with(|| self.few.iter().map(&name).collect());
        let text = name(&key);
        if many.insert(text.clone()) { Ok(()) } else { Err(text) }
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |sum, d| Some(sum * 16 + (*d as char).to_digit(16)?))
}

/// Whether a text is a number as JSON writes it, within the reader's limits.
pub fn is_number(text: &str) -> bool {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        tape: Vec::with_capacity(1),
        has_halves: false,
        limits: Limits::default(),
    };
    reader.number().is_ok() && reader.at == text.len()
}

/// The characters behind the escapes of a string that was parsed.
pub fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(i) = rest.find('\\') {
        out.push_str(&rest[..i]);
        let bytes = rest.as_bytes();
        let (character, length) = match bytes[i + 1] {
            b'b' => ('\u{8}', 2),
            b'f' => ('\u{c}', 2),
            b'n' => ('\n', 2),
            b'r' => ('\r', 2),
            b't' => ('\t', 2),
            b'u' => unescape_unicode(&bytes[i..]),
            other => (other as char, 2),
        };
        out.push(character);
        rest = &rest[i + length..];
    }
    out.push_str(rest);
    out
}

fn unescape_unicode(escape: &[u8]) -> (char, usize) {
    let high = hex4(&escape[2..6]).expect("checked when parsed");
    if !(0xD800..0xDC00).contains(&high) {
        return (char::from_u32(high).expect("checked when parsed"), 6);
    }
    let low = hex4(&escape[8..12]).expect("checked when parsed");
    let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    (char::from_u32(code).expect("checked when parsed"), 12)
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = 0;
    for (i, b) in text.bytes().enumerate() {
        let escape: &[u8] = match b {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..=0x1f => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[rest..i]);
        if escape.is_empty() {
            out.extend_from_slice(format!("\\u{b:04x}").as_bytes());
        } else {
            out.extend_from_slice(escape);
        }
        rest = i + 1;
    }
    out.extend_from_slice(&text.as_bytes()[rest..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text_of_every_value() {
        let text = r#" {"a":[1.00,-0,1E-5,true,null,"x\"\u0041\ud83d\ude00"],"b":{"c":{}},"d":[]} "#;
        let d = Document::parse(text.as_bytes(), Limits::default()).unwrap();
        let mut out = Vec::new();
        d.root().write_compact(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text.trim());
        let a: Vec<_> = d.root().get("a").unwrap().items().collect();
        assert_eq!(a[0].as_number(), Some("1.00"));
        assert_eq!(a[5].as_str().unwrap(), "x\"A😀");
        assert!(d.root().get("b").unwrap().get("c").unwrap().is_object());
    }

    #[test]
    fn refuses_what_two_readers_could_understand_differently() {
        let deep = "[".repeat(65) + &"]".repeat(65);
        let digits = "1".repeat(65);
        let many: String = (0..40).map(|i| format!("\"k{i}\":0,")).collect();
        let table: &[(&[u8], &str)] = &[
            (b"", "ends"),
            (b"{", "ends inside"),
            (br#"{"a":1,"a":2}"#, "twice"),
            (br#"{"a":1,"\u0061":2}"#, "twice"),
            (br#"["\ud800"]"#, "surrogate"),
            (br#"["\ude00"]"#, "surrogate"),
            (b"[\"\xff\"]", "UTF-8"),
            (b"[1e999]", "exponent"),
            (b"[01]", "comma"),
            (b"[1.]", "digits"),
            (b"[+1]", "value was expected"),
            (b"[NaN]", "value was expected"),
            (b"[\"a\nb\"]", "control"),
            (br#"["\x"]"#, "escape"),
            (b"[1,]", "value was expected"),
            (br#"{"a":1,}"#, "name of a member"),
            (b"{} {}", "follows"),
            (deep.as_bytes(), "nested deeper"),
            (digits.as_bytes(), "digits"),
        ];
        for (bytes, part) in table {
            let e = Document::parse(bytes, Limits::default()).unwrap_err();
            assert!(e.what.contains(part), "{}: {e}", String::from_utf8_lossy(bytes));
        }
        let twice = format!("{{{many}\"k3\":1}}");
        assert!(
            Document::parse(twice.as_bytes(), Limits::default())
                .unwrap_err()
                .what
                .contains("twice")
        );
    }

    #[test]
    fn names_line_and_column() {
        let e = Document::parse(b"{\n  \"a\": x}", Limits::default()).unwrap_err();
        assert_eq!((e.line, e.column), (2, 8));
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["", "a\"b\\c\n\t\u{1}é😀", "རྫོང་ཁ"] {
            let mut out = Vec::new();
            write_string(&mut out, text);
            let d = Document::parse(&out, Limits::default()).unwrap();
            assert_eq!(d.root().as_str().unwrap(), text);
        }
    }
}
