//! The formats of R4's primitive types, checked by hand (<https://hl7.org/fhir/R4/datatypes.html#primitive>).

use std::borrow::Cow;

use fhir::document::{Node, Shape};
use fhir::moment::days_in_month;
use fhirpath::model::Sort;

/// A primitive type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

/// How a value misses its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is another kind of JSON value.
    Shape,
    /// It is an empty string.
    Empty,
    /// It is longer than a string may be.
    Long,
    /// It is not written as the type says.
    Format,
}

/// A string or markdown is at most 1 MiB (R4, string).
const STRING_BYTES_MAX: usize = 1 << 20;

impl Primitive {
    /// What paths read it as.
    #[inline]
    pub(crate) fn for_paths(self) -> Sort {
        match self {
            Primitive::Boolean => Sort::Boolean,
            Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => Sort::Integer,
            Primitive::Decimal => Sort::Decimal,
            Primitive::Date => Sort::Date,
            Primitive::DateTime | Primitive::Instant => Sort::DateTime,
            Primitive::Time => Sort::Time,
            _ => Sort::Text,
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Primitive> {
        Some(match name {
            "base64Binary" => Primitive::Base64Binary,
            "boolean" => Primitive::Boolean,
            "canonical" => Primitive::Canonical,
            "code" => Primitive::Code,
            "date" => Primitive::Date,
            "dateTime" => Primitive::DateTime,
            "decimal" => Primitive::Decimal,
            "id" => Primitive::Id,
            "instant" => Primitive::Instant,
            "integer" => Primitive::Integer,
            "markdown" => Primitive::Markdown,
            "oid" => Primitive::Oid,
            "positiveInt" => Primitive::PositiveInt,
            "string" => Primitive::String,
            "time" => Primitive::Time,
            "unsignedInt" => Primitive::UnsignedInt,
            "uri" => Primitive::Uri,
            "url" => Primitive::Url,
            "uuid" => Primitive::Uuid,
            "xhtml" => Primitive::Xhtml,
            _ => return None,
        })
    }

    pub(crate) fn is_uri(self) -> bool {
        use Primitive::{Canonical, Oid, Uri, Url, Uuid};
        matches!(self, Uri | Url | Canonical | Oid | Uuid)
    }

    pub(crate) fn is_number(self) -> bool {
        use Primitive::{Decimal, Integer, PositiveInt, UnsignedInt};
        matches!(self, Decimal | Integer | PositiveInt | UnsignedInt)
    }

    /// What is expected of the type's values, as the end of a sentence.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Primitive::Base64Binary => "base64: groups of four of A-Z, a-z, 0-9, + and /, padded with =",
            Primitive::Boolean => "true or false, without quotation marks",
            Primitive::Canonical | Primitive::Uri | Primitive::Url => "a URI without white space",
            Primitive::Code => "a code: no white space at its ends, and single spaces at most within",
            Primitive::Date => "a date that exists, written YYYY, YYYY-MM or YYYY-MM-DD",
            Primitive::DateTime => {
                "a date that exists, written YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone \
                 (Z, or as +06:00)"
            }
            Primitive::Decimal => "a number, without quotation marks",
            Primitive::Id => "1 to 64 of A-Z, a-z, 0-9, - and .",
            Primitive::Instant => "a moment written YYYY-MM-DDThh:mm:ss with a time zone (Z, or as +06:00)",
            Primitive::Integer => "a whole number from -2147483648 to 2147483647, without quotation marks",
            Primitive::Markdown | Primitive::String => "a string of printable characters, at most 1 MiB",
            Primitive::Oid => "an OID as a URI: urn:oid:1.2.3",
            Primitive::PositiveInt => "a whole number from 1 to 2147483647, without quotation marks",
            Primitive::Time => "a time of day written hh:mm:ss",
            Primitive::UnsignedInt => "a whole number from 0 to 2147483647, without quotation marks",
            Primitive::Uuid => "a UUID as a URI in lower case: urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            Primitive::Xhtml => "an XHTML <div> element",
        }
    }

    /// Whether a value is written as the type says.
    pub(crate) fn check(self, value: Node<'_>) -> Result<(), Fault> {
        let fits = match self {
            Primitive::Boolean => return shape(value.shape() == Shape::Bool),
            Primitive::Decimal => return shape(value.shape() == Shape::Number),
            Primitive::Integer => integer(number(value)?, i64::from(i32::MIN)),
            Primitive::UnsignedInt => integer(number(value)?, 0),
            Primitive::PositiveInt => integer(number(value)?, 1),
            Primitive::String | Primitive::Markdown => return text(value),
            Primitive::Xhtml => xhtml(value)?,
            Primitive::Uri | Primitive::Url | Primitive::Canonical => no_space(value)?,
            Primitive::Code => code(value)?,
            Primitive::Id => id(&string(value)?),
            Primitive::Date => date(&string(value)?),
            Primitive::DateTime => date_time(&string(value)?),
            Primitive::Instant => instant(string(value)?.as_bytes()),
            Primitive::Time => time(string(value)?.as_bytes()),
            Primitive::Base64Binary => base64(string(value)?.as_bytes()),
            Primitive::Oid => oid(&string(value)?),
            Primitive::Uuid => uuid(&string(value)?),
        };
        if fits { Ok(()) } else { Err(Fault::Format) }
    }
}

fn shape(fits: bool) -> Result<(), Fault> {
    if fits { Ok(()) } else { Err(Fault::Shape) }
}

fn number(value: Node<'_>) -> Result<&str, Fault> {
    value.as_number().ok_or(Fault::Shape)
}

fn string(value: Node<'_>) -> Result<Cow<'_, str>, Fault> {
    let text = value.as_str().ok_or(Fault::Shape)?;
    if text.is_empty() { Err(Fault::Empty) } else { Ok(text) }
}

/// A string's text as it stands between its quotation marks, escapes unresolved: nothing is copied.
fn raw(value: Node<'_>) -> Result<&str, Fault> {
    match value.shape() {
        Shape::Plain | Shape::Escaped => {
            let quoted = value.text();
            Ok(&quoted[1..quoted.len() - 1])
        }
        _ => Err(Fault::Shape),
    }
}

fn text(value: Node<'_>) -> Result<(), Fault> {
    let raw = raw(value)?;
    if raw.is_empty() {
        return Err(Fault::Empty);
    }
    if raw.len() > STRING_BYTES_MAX && value.as_str().is_some_and(|text| text.len() > STRING_BYTES_MAX) {
        return Err(Fault::Long);
    }
    if value.shape() == Shape::Escaped && has_control_escape(raw.as_bytes()) {
        return Err(Fault::Format);
    }
    Ok(())
}

/// Whether an escape stands for a control character other than tab, line feed and carriage return.
fn has_control_escape(raw: &[u8]) -> bool {
    let mut at = 0;
    while let Some(found) = raw[at..].iter().position(|b| *b == b'\\') {
        let escape = &raw[at + found..];
        match escape.get(1) {
            Some(b'b' | b'f') => return true,
            Some(b'u') => {
                let low = escape.get(2..5) == Some(b"000") || escape.get(2..5) == Some(b"001");
                let allowed = matches!(escape.get(2..6), Some(b"0009" | b"000a" | b"000A" | b"000d" | b"000D"));
                if low && !allowed {
                    return true;
                }
            }
            _ => {}
        }
        at += found + 2;
    }
    false
}

/// A shallow look: one `<div>` element from the first character to the last. The name space may be missing.
fn xhtml(value: Node<'_>) -> Result<bool, Fault> {
    let raw = raw(value)?;
    if raw.is_empty() {
        return Err(Fault::Empty);
    }
    if is_div(raw) {
        return Ok(true);
    }
    // White space or a bracket may be written as an escape.
    Ok(value.as_str().is_some_and(|text| is_div(&text)))
}

fn is_div(text: &str) -> bool {
    let text = text.trim_ascii();
    let Some(rest) = text.strip_prefix("<div") else {
        return false;
    };
    let named = rest.starts_with(['>', ' ', '\t', '\n', '\r', '/', '\\']);
    let closed = text.ends_with("/>") || text.trim_end_matches('>').trim_ascii_end().ends_with("</div");
    named && closed && text.ends_with('>')
}

fn integer(digits: &str, least: i64) -> bool {
    let whole = digits.strip_prefix('-').unwrap_or(digits);
    let plain = whole.len() <= 10 && whole.bytes().all(|b| b.is_ascii_digit());
    plain
        && digits != "-0"
        && digits
            .parse::<i64>()
            .is_ok_and(|value| (least..=i64::from(i32::MAX)).contains(&value))
}

/// FHIR's white space (`\s`): the ASCII kind.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Whether a string is without white space. A plain one can hold only the blank, for JSON forbids the rest unescaped.
fn no_space(value: Node<'_>) -> Result<bool, Fault> {
    let text = string(value)?;
    Ok(match value.shape() {
        Shape::Plain => !text.contains(' '),
        _ => !text.bytes().any(is_space),
    })
}

fn code(value: Node<'_>) -> Result<bool, Fault> {
    if no_space(value)? {
        return Ok(true);
    }
    let mut space = true;
    for byte in string(value)?.bytes() {
        let now = is_space(byte);
        if now && space {
            return Ok(false);
        }
        space = now;
    }
    Ok(!space)
}

fn id(text: &str) -> bool {
    text.len() <= 64
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter()
        .try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

fn date(text: &str) -> bool {
    let text = text.as_bytes();
    match text.len() {
        4 => digits(text).is_some_and(|year| year > 0),
        7 => text[4] == b'-' && year_month(&text[..7]).is_some(),
        10 => day(text),
        _ => false,
    }
}

fn year_month(text: &[u8]) -> Option<(i64, i64)> {
    let (year, month) = (digits(&text[..4])?, digits(&text[5..7])?);
    (text[4] == b'-' && year > 0 && (1..=12).contains(&month)).then_some((year, month))
}

fn day(text: &[u8]) -> bool {
    let parts = text.len() == 10 && text[7] == b'-';
    let exists = |(year, month)| digits(&text[8..]).is_some_and(|day| (1..=days_in_month(year, month)).contains(&day));
    parts && year_month(&text[..7]).is_some_and(exists)
}

fn date_time(text: &str) -> bool {
    if text.len() <= 10 {
        date(text)
    } else {
        instant(text.as_bytes())
    }
}

fn instant(text: &[u8]) -> bool {
    if text.len() < 20 || text[10] != b'T' || !day(&text[..10]) {
        return false;
    }
    let clock = &text[11..];
    match clock {
        [clock @ .., b'Z'] => time(clock),
        [clock @ .., b'+' | b'-', h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2]), digits(&[*m1, *m2]));
            let zone = matches!((hours, minutes), (Some(0..=13), Some(0..=59)) | (Some(14), Some(0)));
            zone && time(clock)
        }
        _ => false,
    }
}

/// `hh:mm:ss` with a fraction of any length; 60 is a leap second.
fn time(text: &[u8]) -> bool {
    if text.len() < 8 || text[2] != b':' || text[5] != b':' {
        return false;
    }
    let within = |part: &[u8], most: i64| digits(part).is_some_and(|value| value <= most);
    let fraction = match &text[8..] {
        [] => true,
        [b'.', rest @ ..] => !rest.is_empty() && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    fraction && within(&text[..2], 23) && within(&text[3..5], 59) && within(&text[6..8], 60)
}

fn base64(text: &[u8]) -> bool {
    let (mut digits, mut padding) = (0_usize, 0_usize);
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            b'=' => padding += 1,
            byte if is_space(*byte) => {}
            _ => return false,
        }
    }
    digits > 0 && padding <= 2 && (digits + padding).is_multiple_of(4)
}

fn oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else {
        return false;
    };
    let arc = |part: &str| {
        let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        plain && (part == "0" || !part.starts_with('0'))
    };
    let mut parts = arcs.split('.');
    matches!(parts.next(), Some("0" | "1" | "2")) && arcs.contains('.') && parts.all(arc)
}

fn uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else {
        return false;
    };
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    uuid.len() == 36 && uuid.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::document::Document;
    use fhir::parse::Limits;

    const RIGHT: &str = r#"
        boolean      true | false
        integer      0 | -1 | 2147483647 | -2147483648
        unsignedInt  0 | 7
        positiveInt  1
        decimal      0 | -0.10 | 1e-7 | 1.00
        string       "x" | " " | "a\nb\t\r" | "\u0009é😀" | "\\b"
        markdown     "* x\n"
        uri          "urn:uuid:A" | "http://a/b?c=d#e" | "x" | "a\/b" | "é"
        url          "mailto:a@b.bt"
        canonical    "http://a/ValueSet/x|4.0.1#y"
        base64Binary "QUJD" | "QQ==" | "QUI=" | "QUJD\nQUJD" | "QU JD"
        instant      "2015-02-07T13:28:17.239+02:00" | "2017-01-01T00:00:00Z" | "2016-12-31T23:59:60-14:00"
        date         "2018" | "1973-06" | "1905-08-23" | "2020-02-29"
        dateTime     "2018" | "1973-06" | "1905-08-23" | "2015-02-07T13:28:17-05:00" | "2017-01-01T00:00:00.000Z"
        time         "00:00:00" | "23:59:59.123456789"
        code         "a" | "a b" | "<="
        oid          "urn:oid:1.2.3.4.5" | "urn:oid:2.0"
        id           "1" | "A-z.9" | "1234567890123456789012345678901234567890123456789012345678901234"
        uuid         "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
        xhtml        "<div>x</div>" | " <div xmlns=\"http://www.w3.org/1999/xhtml\"><p>x</p></div>\n" | "<div\n>x</div >"
    "#;

    const WRONG: &str = r#"
        boolean      "true" | 1 | null
        integer      "1" | 1.0 | 1e3 | -0 | 2147483648 | 99999999999999999999
        unsignedInt  -1
        positiveInt  0 | -1
        decimal      "1.0" | true
        string       "" | 1 | true | "\u0000" | "\b" | "a\\\u001fb"
        markdown     ""
        uri          "" | "a b" | "a\nb" | " a" | 1
        url          "a b"
        canonical    "a\tb"
        base64Binary "" | "QUJ" | "Q===" | "QQ==QQ==" | "a-b_" | "====" | " "
        instant      "2015-02-07" | "2015-02-07T13:28:17" | "2015-02-07T13:28Z" | "2015-02-30T13:28:17Z" | "2015-02-07T24:00:00Z"
        date         "18" | "0000" | "2018-13" | "2018-00" | "2019-02-29" | "2018-1-1" | "2018-01-01T00:00:00Z" | "20é8" | "2018/01"
        dateTime     "2018-01-01T10:00" | "2018-01-01T10:00:00" | "2018-01-01T10:00:00+14:30" | "2018-01-01 10:00:00Z" | "2018-01-01T10:00:00.Z"
        time         "24:00:00" | "10:00" | "10:00:61" | "10:00:00Z" | "10:00:00."
        code         "" | " a" | "a " | "a  b"
        oid          "1.2.3" | "urn:oid:3.1" | "urn:oid:1" | "urn:oid:1.02" | "urn:oid:1."
        id           "" | "a_b" | "a/b" | "12345678901234567890123456789012345678901234567890123456789012345"
        uuid         "c757873d-ec9a-4326-a141-556f43239520" | "urn:uuid:C757873D-ec9a-4326-a141-556f43239520"
        xhtml        "" | "x" | "<p>x</p>" | "<div>x" | "<divx>x</div>" | "<div>x</div> y"
    "#;

    fn each_value(table: &str, take: &mut dyn FnMut(Primitive, Node<'_>)) {
        for row in table.lines().filter(|row| !row.trim().is_empty()) {
            let (name, values) = row.trim().split_once(' ').unwrap();
            for value in values.split(" | ") {
                let document = Document::parse(value.trim().as_bytes(), Limits::default()).unwrap();
                take(Primitive::from_name(name).unwrap(), document.root());
            }
        }
    }

    #[test]
    fn takes_what_is_right() {
        each_value(RIGHT, &mut |primitive, value| {
            assert_eq!(primitive.check(value), Ok(()), "{primitive:?} {value:?}");
        });
    }

    #[test]
    fn refuses_what_is_wrong() {
        each_value(WRONG, &mut |primitive, value| {
            assert!(primitive.check(value).is_err(), "{primitive:?} {value:?}");
        });
    }
}
