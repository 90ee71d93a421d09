//! The values of a search: escapes, prefixes, dates, numbers, tokens, references.
//!
//! Every function gives a sentence that says what is wrong with the value, to be put behind its name.

use fhir::identity::{Id, Kind, Reference};
use fhir::moment::{Stretch, stretch};
use ucum::Amount;

use crate::fold::{fold, fold_code};
use crate::measure;
use crate::search::Handling;
use crate::span::{Prefix, Span, numeric, order};
use crate::test::{ReferenceTest, TokenTest, UnitTest};

/// The alternatives of a value: what stands between the commas, escapes kept.
pub(crate) fn alternatives(value: &str) -> Result<Vec<&str>, String> {
    let parts = split(value, ',');
    if parts.iter().any(|part| part.trim().is_empty()) {
        return Err(match value.trim().is_empty() {
            true => "the value is empty".into(),
            false => "one of the values between the commas is empty".into(),
        });
    }
    Ok(parts)
}

/// What stands between the separators that no `\` escapes.
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(&text[start..at]);
            start = at + character.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A value without its escapes: `\,` `\|` `\$` `\\`. A backslash before anything else stays.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(next @ (',' | '|' | '$' | '\\'))) => {
                out.push(*next);
                characters.next();
            }
            _ => out.push(character),
        }
    }
    out
}

/// The prefix of a date, number or quantity, and the rest.
fn prefixed(text: &str) -> Result<(Prefix, &str), String> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    if letters == 0 {
        return Ok((Prefix::Equal, text));
    }
    let (name, rest) = text.split_at(letters);
    let prefix = Prefix::parse(name)
        .ok_or_else(|| format!("`{name}` is no prefix; the prefixes are eq, ne, gt, lt, ge, le, sa, eb and ap"))?;
    Ok((prefix, rest))
}

/// A date: `ge2012-03`.
pub(crate) fn date(text: &str, zone: i32, handling: &Handling<'_>) -> Result<Span, String> {
    let (prefix, rest) = prefixed(text)?;
    let range = range(rest, zone)?;
    if prefix != Prefix::Approximate {
        return Ok(Span::new(prefix, range));
    }
    let distance = (handling.now - range.start).abs() / 10;
    let widened = Stretch {
        start: range.start - distance,
        end: range.end + distance,
    };
    Ok(Span::new(prefix, widened))
}

/// The range of a date without a prefix.
pub(crate) fn range(text: &str, zone: i32) -> Result<Stretch, String> {
    stretch(text, zone)
        .ok_or_else(|| format!("`{text}` is no date; write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+hh:mm"))
}

/// A number: `lt5.40`.
pub(crate) fn number(text: &str) -> Result<Span, String> {
    let (prefix, number) = prefixed_number(text)?;
    Ok(plain_span(prefix, &number))
}

fn prefixed_number(text: &str) -> Result<(Prefix, Number), String> {
    let (prefix, rest) = prefixed(text)?;
    let number = Number::parse(rest).ok_or_else(|| format!("`{rest}` is no number"))?;
    Ok((prefix, number))
}

fn plain_span(prefix: Prefix, number: &Number) -> Span {
    let (value, tenth) = (number.at(0), number.at(0).abs() / 10.0);
    let range = match prefix {
        Prefix::Equal | Prefix::NotEqual => Stretch {
            start: order(number.at(-5)),
            end: order(number.at(5)),
        },
        Prefix::Approximate => numeric(value - tenth, value + tenth),
        _ => numeric(value, value),
    };
    Span::new(prefix, range)
}

/// A quantity: `5.4`, `le5.4|http://unitsofmeasure.org|mg`, `5.4||mg`.
pub(crate) fn quantity(text: &str) -> Result<(Span, UnitTest), String> {
    let parts = split(text, '|');
    let (prefix, number) = prefixed_number(parts[0])?;
    let unit = match parts[..] {
        [_] | [_, "", ""] => UnitTest::Any,
        [_, "", name] => UnitTest::Named(unescape(name).into()),
        [_, _, ""] => return Err("a system without a unit makes no quantity; write number|system|code".into()),
        [_, system, code] => {
            let (system, code) = (unescape(system), unescape(code));
            if let Some((span, dimension)) = measure::span(prefix, &number, &system, &code) {
                return Ok((span, UnitTest::Canonical(dimension)));
            }
            UnitTest::Coded(system.into(), code.into())
        }
        _ => return Err("write a quantity as number, number|system|code or number||unit".into()),
    };
    Ok((plain_span(prefix, &number), unit))
}

/// A number as written, which covers a range as precise as it was written.
pub(crate) struct Number {
    /// Its digits without the point.
    digits: i128,
    /// The power of ten of the last digit.
    places: i32,
    /// How many more digits the ends of its range have.
    further: u32,
}

/// Digits beyond this are no measurement.
const DIGITS_MAX: usize = 30;

impl Number {
    /// `100` covers [99.5, 100.5), `100.00` covers [99.995, 100.005); `1e2` covers [95, 105), as
    /// <https://hl7.org/fhir/R4/search.html#number> has it.
    fn parse(text: &str) -> Option<Number> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent.parse::<i32>().ok()?)),
            None => (text, None),
        };
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let fits = digits(whole) && digits(fraction) && !whole.is_empty() && unsigned.len() <= DIGITS_MAX;
        if !fits || (unsigned.contains('.') && fraction.is_empty()) || exponent.is_some_and(|e| e.abs() > 300) {
            return None;
        }
        let sign = if mantissa.starts_with('-') { -1 } else { 1 };
        Some(Number {
            digits: sign * format!("{whole}{fraction}").parse::<i128>().ok()?,
            places: exponent.unwrap_or(0) - fraction.len() as i32,
            further: if exponent.is_some() && unsigned.len() == 1 {
                2
            } else {
                1
            },
        })
    }

    /// So many of the further digits away from the number: 0 is the number itself, -5 and 5 its ends.
    fn amount(&self, step: i128) -> (i128, i32) {
        let digits = self.digits * 10_i128.pow(self.further) + step;
        (digits, self.places - self.further as i32)
    }

    /// The float nearest to it.
    fn at(&self, step: i128) -> f64 {
        let (digits, places) = self.amount(step);
        format!("{digits}e{places}").parse().unwrap_or(0.0)
    }

    /// The number itself.
    pub(crate) fn value(&self) -> Amount {
        Amount::new(self.digits, self.places)
    }

    /// The lower end of its range.
    pub(crate) fn low(&self) -> Amount {
        let (digits, places) = self.amount(-5);
        Amount::new(digits, places)
    }

    /// The upper end of its range.
    pub(crate) fn high(&self) -> Amount {
        let (digits, places) = self.amount(5);
        Amount::new(digits, places)
    }

    /// A tenth less, and a tenth more.
    pub(crate) fn tenth_around(&self) -> [Amount; 2] {
        [9, 11].map(|tenths| Amount::new(self.digits * tenths, self.places - 1))
    }
}

/// A token: `code`, `system|code`, `|code`, `system|`.
pub(crate) fn token(text: &str) -> Result<TokenTest, String> {
    let folded = |code: &str| -> Box<str> { fold_code(&unescape(code)).into() };
    let Some((system, code)) = halves(text) else {
        return Ok(TokenTest::Code(folded(text)));
    };
    match (system, code) {
        ("", "") => Err("neither a system nor a code is given".into()),
        (system, "") => Ok(TokenTest::System(unescape(system).into())),
        (system, code) => Ok(TokenTest::Coded(unescape(system).into(), folded(code))),
    }
}

/// A code with its system: `system|code`.
pub(crate) fn coding(text: &str) -> Result<(String, String), String> {
    match halves(text) {
        Some((system, code)) if !system.is_empty() && !code.is_empty() => Ok((unescape(system), unescape(code))),
        _ => Err("write the code with its system, as system|code".into()),
    }
}

/// What stands before and after the first `|` that no `\` escapes.
fn halves(text: &str) -> Option<(&str, &str)> {
    let first = split(text, '|')[0];
    (first.len() < text.len()).then(|| (first, &text[first.len() + 1..]))
}

/// An identifier by its type: `system|code|value`.
pub(crate) fn of_type(text: &str) -> Result<[Box<str>; 3], String> {
    match split(text, '|')[..] {
        [system, code, value] if !system.is_empty() && !code.is_empty() && !value.is_empty() => Ok([
            unescape(system).into(),
            fold_code(&unescape(code)).into(),
            fold_code(&unescape(value)).into(),
        ]),
        _ => Err("write an identifier by its type as system|code|value".into()),
    }
}

/// A text to be found at the start of, or in, folded texts.
pub(crate) fn folded(text: &str) -> Result<Box<str>, String> {
    let plain = unescape(text);
    match fold(&plain) {
        folded if folded.is_empty() => Err(format!("`{plain}` has no letter and no digit to search for")),
        folded => Ok(folded.into()),
    }
}

/// A reference: `id`, `Kind/id`, `Kind/id/_history/version`, an absolute URL, a canonical.
pub(crate) fn reference(text: &str, targets: &[Kind], base: &str) -> Result<ReferenceTest, String> {
    let plain = unescape(text);
    if let Some(id) = Id::new(&plain) {
        let kinds = targets.to_vec();
        let version = None;
        return Ok(ReferenceTest::Record { kinds, id, version });
    }
    let no_reference = || format!("`{plain}` is no reference; write an id, Kind/id, or an absolute URL");
    let own = plain.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
    match Reference::parse(own.filter(|_| !base.is_empty()).unwrap_or(&plain)) {
        Reference::Literal {
            base: "",
            kind,
            id,
            version,
        } => Ok(ReferenceTest::Record {
            kinds: vec![Kind::new(kind).ok_or_else(no_reference)?],
            id: Id::new(id).ok_or_else(no_reference)?,
            version: version.map(Into::into),
        }),
        Reference::Contained(_) | Reference::Conditional { .. } => Err(no_reference()),
        _ if plain.contains(':') => Ok(ReferenceTest::Address(plain.into())),
        _ => Err(no_reference()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_cover_their_precision() {
        let table = [
            ("100", 99.5, 100.5),
            ("100.00", 99.995, 100.005),
            ("1e2", 95.0, 105.0),
            ("1.00e2", 99.5, 100.5),
            ("5.4", 5.35, 5.45),
            ("5.40e-3", 0.005395, 0.005405),
            ("-5.4", -5.45, -5.35),
            ("0", -0.5, 0.5),
        ];
        for (text, low, high) in table {
            let number = Number::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((number.at(-5), number.at(5)), (low, high), "{text}");
        }
        for text in [
            "", "-", "1.", ".5", "1,5", "NaN", "inf", "1e", "1e9999", "0x1", "1_0", "--1",
        ] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn escapes_hold_values_together() {
        assert_eq!(alternatives(r"a\,b,c\\,d").unwrap(), [r"a\,b", r"c\\", "d"]);
        assert_eq!(unescape(r"a\,b\|c\$d\\e\n"), r"a,b|c$d\e\n");
        assert!(alternatives("a,,b").is_err() && alternatives(" ").is_err());
        assert_eq!(halves(r"a\|b|c|d"), Some((r"a\|b", "c|d")));
    }
}
