//! Reads a unit's code: the grammar of <https://ucum.org/ucum> §§1-15.

use std::fmt;

use crate::amount::Amount;
use crate::table::table;
use crate::unit::Scale;

/// The longest code that is read, in bytes.
const LENGTH_LIMIT: usize = 255;
/// How deeply brackets nest.
const DEPTH_LIMIT: u32 = 16;
/// The most digits of a whole factor.
const FACTOR_DIGITS: usize = 18;
/// Exponents beyond this are no measurement.
const EXPONENT_LIMIT: i32 = 999;

/// Why a code is no unit: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub(crate) Box<str>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// A product and quotient of components, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    /// Each component, and whether it divides.
    pub(crate) parts: Vec<(bool, Component)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Component {
    /// A unit by its number in the table, with its prefix by its number, and its exponent.
    Simple {
        prefix: Option<usize>,
        atom: usize,
        exponent: i32,
    },
    /// A whole number.
    Factor(i64),
    /// A text in braces that stands alone: the number one.
    Annotation(Box<str>),
    /// A term in brackets.
    Group(Term),
}

/// Reads a code.
///
/// # Errors
/// Where the code is no UCUM code, or has more than 255 bytes or 16 brackets within one another.
pub(crate) fn parse(code: &str) -> Result<Term, Invalid> {
    let refuse = |why: String| Err(Invalid(why.into()));
    if code.is_empty() {
        return refuse("a unit's code may not be empty".into());
    }
    if code.len() > LENGTH_LIMIT {
        return refuse(format!(
            "a unit's code may not be longer than {LENGTH_LIMIT} characters"
        ));
    }
    if !code.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse(format!("`{code}` has a space, or a letter outside ASCII"));
    }
    let mut reader = Reader { code, at: 0 };
    let divided = reader.takes('/');
    let mut term = reader.term(0)?;
    if divided {
        term.parts[0].0 = true;
    }
    match reader.peek() {
        None => Ok(term),
        Some(found) => refuse(format!(
            "`{found}` is out of place in `{code}`; units are joined by `.` and `/`"
        )),
    }
}

struct Reader<'a> {
    code: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.code[self.at..].chars().next()
    }

    fn takes(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn term(&mut self, depth: u32) -> Result<Term, Invalid> {
        let mut parts = vec![(false, self.component(depth)?)];
        while let Some(operator @ ('.' | '/')) = self.peek() {
            self.at += 1;
            parts.push((operator == '/', self.component(depth)?));
        }
        Ok(Term { parts })
    }

    fn component(&mut self, depth: u32) -> Result<Component, Invalid> {
        if depth > DEPTH_LIMIT {
            let why = format!(
                "`{}` has more than {DEPTH_LIMIT} brackets within one another",
                self.code
            );
            return Err(Invalid(why.into()));
        }
        let component = if self.takes('(') {
            let term = self.term(depth + 1)?;
            if !self.takes(')') {
                return Err(Invalid(format!("a `)` is missing in `{}`", self.code).into()));
            }
            Component::Group(term)
        } else if self.peek() == Some('{') {
            return self.annotation().map(Component::Annotation);
        } else {
            let text = self.word();
            self.at += text.len();
            word(text, self.code)?
        };
        if self.peek() == Some('{') {
            self.annotation()?;
        }
        Ok(component)
    }

    fn annotation(&mut self) -> Result<Box<str>, Invalid> {
        let rest = &self.code[self.at + 1..];
        let unclosed = || Invalid(format!("a `}}` is missing in `{}`", self.code).into());
        let (text, _) = rest.split_once('}').ok_or_else(unclosed)?;
        if text.contains('{') {
            return Err(unclosed());
        }
        self.at += text.len() + 2;
        Ok(text.into())
    }

    /// What stands up to the next operator, bracket or brace; what stands in square brackets is one piece.
    fn word(&self) -> &'a str {
        let rest = &self.code[self.at..];
        let mut square = 0_u32;
        let end = rest.bytes().position(|byte| {
            match byte {
                b'[' => square += 1,
                b']' => square = square.saturating_sub(1),
                _ => {}
            }
            square == 0 && matches!(byte, b'.' | b'/' | b'(' | b')' | b'{' | b'}')
        });
        &rest[..end.unwrap_or(rest.len())]
    }
}

/// A unit with its exponent, or a number.
fn word(text: &str, code: &str) -> Result<Component, Invalid> {
    let unknown = || {
        Invalid(
            match text {
                "" => format!("a unit is missing in `{code}`"),
                _ if text == code => format!("`{text}` is no unit of UCUM"),
                _ => format!("`{text}` in `{code}` is no unit of UCUM"),
            }
            .into(),
        )
    };
    let bare = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &text[bare.len()..];
    if bare.is_empty() && !digits.is_empty() {
        let number = Some(digits).filter(|digits| digits.len() <= FACTOR_DIGITS);
        let number = number
            .and_then(|digits| digits.parse().ok())
            .filter(|number| *number > 0);
        let out_of_reach = || Invalid(format!("the factor {digits} in `{code}` is zero or too long").into());
        return number.map(Component::Factor).ok_or_else(out_of_reach);
    }
    let (name, exponent) = match digits {
        "" => (bare, 1),
        _ => {
            let name = bare.strip_suffix(['+', '-']).unwrap_or(bare);
            let exponent = text[name.len()..].parse().ok();
            let exponent = exponent.filter(|exponent: &i32| exponent.abs() <= EXPONENT_LIMIT);
            let out_of_reach = || Invalid(format!("the exponent of `{text}` in `{code}` is too large").into());
            (name, exponent.ok_or_else(out_of_reach)?)
        }
    };
    let (prefix, atom) = simple(name).ok_or_else(unknown)?;
    Ok(Component::Simple { prefix, atom, exponent })
}

/// A unit by its code; one that stands in the table as it is comes before one with a prefix.
fn simple(name: &str) -> Option<(Option<usize>, usize)> {
    let table = table();
    if let Some(atom) = table.find(name) {
        return Some((None, atom));
    }
    table.prefixes.iter().enumerate().find_map(|(number, prefix)| {
        let atom = table.find(name.strip_prefix(prefix.code)?)?;
        table.atoms[atom].metric.then_some((Some(number), atom))
    })
}

impl Term {
    /// What the term comes to in base units; `None` where that is out of reach, or where a unit on a
    /// logarithmic or otherwise bent scale is part of a product.
    pub(crate) fn scale(&self) -> Option<Scale> {
        if let [(false, component)] = &self.parts[..] {
            return component.scale();
        }
        self.parts
            .iter()
            .try_fold(Scale::one(), |product, (divides, component)| {
                product.combined(&component.scale()?, *divides)
            })
    }
}

impl Component {
    fn scale(&self) -> Option<Scale> {
        match self {
            Component::Simple { prefix, atom, exponent } => {
                let table = table();
                let scale = table.scale(*atom)?.clone();
                let scale = match prefix {
                    Some(prefix) => scale.prefixed(table.prefixes[*prefix].factor)?,
                    None => scale,
                };
                scale.raised(*exponent)
            }
            Component::Factor(number) => Scale::one().multiplied(Amount::from(*number)),
            Component::Annotation(_) => Some(Scale::one()),
            Component::Group(term) => term.scale(),
        }
    }
}
