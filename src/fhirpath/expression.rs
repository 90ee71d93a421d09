//! A FHIRPath expression: parsed once, evaluated many times.

use std::fmt;

use crate::context::{Context, Failure};
use crate::model::{Model, TypeId};
use crate::syntax::Expr;
use crate::value::{Element, Item};
use crate::{check, evaluate, inspect, parse, plain};

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// A sentence that says what is wrong.
    pub message: String,
    /// Where, as a byte offset into the text.
    pub at: usize,
    /// Whether the text keeps to the grammar, and only calls what is no function here, or not as it wants to be called.
    pub grammatical: bool,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.at)
    }
}

impl std::error::Error for Invalid {}

/// A compiled expression. It keeps its source text, which `Display` writes.
#[derive(Debug)]
pub struct Expression {
    source: Box<str>,
    compiled: Expr,
    /// Whether it is a plain path.
    plain: bool,
}

impl Expression {
    /// Parses and compiles a text.
    ///
    /// Refuses what is no FHIRPath, unknown functions, wrong numbers of arguments, patterns that are no
    /// regular expressions, and texts that are too long or nested too deeply to be evaluated safely.
    pub fn parse(text: &str) -> Result<Expression, Invalid> {
        let compiled = parse::parse(text)?;
        Ok(Expression {
            source: text.into(),
            plain: plain::is(&compiled),
            compiled,
        })
    }

    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Evaluates it with `focus` as `$this` and `%context`. Elements in the result know their place
    /// ([`Node::place`](fhir::document::Node::place)) in the record.
    pub fn evaluate<'a>(&'a self, context: &Context<'a>, focus: Element<'a>) -> Result<Vec<Item<'a>>, Failure> {
        let mut out = Vec::new();
        self.append(context, focus, &mut out)?;
        Ok(out)
    }

    /// As [`evaluate`](Expression::evaluate), appending to a list that the caller reuses. After a failure
    /// the list may hold a part of the result.
    pub fn append<'a>(
        &'a self,
        context: &Context<'a>,
        focus: Element<'a>,
        out: &mut Vec<Item<'a>>,
    ) -> Result<(), Failure> {
        match &self.compiled {
            Expr::Path(path) if self.plain => plain::walk(context, &path.flow, focus, out),
            _ => self.append_at(context, &[Item::Element(focus)], out),
        }
    }

    /// As [`append`](Expression::append), with any items as `$this` and `%context`: computed ones, several, none.
    pub fn append_at<'a>(
        &'a self,
        context: &Context<'a>,
        focus: &[Item<'a>],
        out: &mut Vec<Item<'a>>,
    ) -> Result<(), Failure> {
        evaluate::evaluate(&self.compiled, context, focus, out)
    }

    /// Checks it by types alone, for a focus of one of some types, or of none that is known: paths that name no element,
    /// types that there are not. `ordered` also refuses steps that count on an order after `children()` and
    /// `descendants()`. Gives the types of what it may find, where they can be told.
    ///
    /// # Errors
    /// A [`Failure`] of [`Reason::Path`](crate::evaluate::Reason::Path). What can't be told is not held against it.
    pub fn check(
        &self,
        model: &dyn Model,
        focus: &Option<Vec<TypeId>>,
        ordered: bool,
    ) -> Result<Option<Vec<TypeId>>, Failure> {
        check::check(&self.compiled, model, focus, ordered)
    }

    /// The names of the `%variables` it asks for and does not define itself, sorted.
    pub fn variables(&self) -> Vec<&str> {
        inspect::variables(&self.compiled)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use crate::trial;

    const PARTS: [&str; 48] = [
        "name",
        "given",
        "Patient",
        "telecom",
        "birthDate",
        "value",
        "1",
        "-1",
        "0.5",
        "'a'",
        "@2014",
        "@2014-01-01T10:00",
        "@T10",
        "2 days",
        "3 'mg'",
        "{}",
        "$this",
        "$index",
        "$total",
        "%resource",
        "true",
        "(",
        ")",
        "[",
        "]",
        ".",
        ".",
        ",",
        "|",
        "+",
        "-",
        "*",
        "/",
        "div",
        "=",
        "~",
        "<",
        "in",
        "and",
        "implies",
        "is Quantity",
        "as string",
        "where(",
        "select(",
        ".repeat(",
        ".exists(",
        "iif(",
        ".first()",
    ];
    const CALLS: [&str; 24] = [
        ".children()",
        ".descendants()",
        ".sort()",
        ".distinct()",
        ".toString()",
        ".toQuantity()",
        ".lowBoundary()",
        ".highBoundary(6)",
        ".abs()",
        ".power(3)",
        ".round(2)",
        ".substring(1)",
        ".replace('a', 'b')",
        ".matches('a+')",
        ".split(',')",
        ".resolve()",
        ".extension('http://a')",
        ".type()",
        ".ofType(string)",
        ".not()",
        ".combine($this)",
        ".aggregate($this + $total, 0)",
        ".encode('hex')",
        ".precision()",
    ];

    #[test]
    fn no_text_makes_it_panic() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = |limit: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % limit as u64) as usize
        };
        let mut evaluated = 0;
        for _ in 0..6_000 {
            let mut text = String::new();
            for _ in 0..1 + next(10) {
                let calls = next(4) == 0;
                text.push_str(if calls {
                    CALLS[next(CALLS.len())]
                } else {
                    PARTS[next(PARTS.len())]
                });
                if !calls {
                    text.push_str([" ", ""][next(2)]);
                }
            }
            let answer = trial::answer(&text, false, |context| context.steps = 20_000);
            evaluated += usize::from(!answer.starts_with("invalid"));
        }
        assert!(evaluated > 200, "{evaluated} of the texts were expressions");
    }

    #[test]
    fn what_is_as_deep_as_allowed_can_be_evaluated() {
        let nested = |open: &str, core: &str, close: &str, times| open.repeat(times) + core + &close.repeat(times);
        let texts = [
            nested("(", "1", ")", 55),
            nested("iif(true, ", "1", ")", 55),
            nested("$this.select(", "1", ")", 55),
            nested("$this.where(", "true", ")", 55),
            nested("-", "1", "", 55),
            "1".to_owned() + &"+1".repeat(190),
            "$this".to_owned() + &".children()".repeat(190),
            "$this".to_owned() + &".first()".repeat(190),
            "true".to_owned() + &" and true".repeat(190),
        ];
        for text in texts {
            let answer = trial::answer(&text, false, |_| {});
            assert!(!answer.contains(':'), "{} {answer}", &text[..30]);
        }
    }
}
