//! A FHIRPath expression: parsed once, evaluated many times.

use std::fmt;

use crate::context::{Context, Failure};
use crate::syntax::Expr;
use crate::value::{Element, Item};
use crate::{evaluate, parse};

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// A sentence that says what is wrong.
    pub message: String,
    /// Where, as a byte offset into the text.
    pub at: usize,
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
}

impl Expression {
    /// Parses and compiles a text.
    ///
    /// Refuses what is no FHIRPath, unknown functions, wrong numbers of arguments, patterns that are no
    /// regular expressions, and texts that are too long or nested too deeply to be evaluated safely.
    pub fn parse(text: &str) -> Result<Expression, Invalid> {
        Ok(Expression {
            source: text.into(),
            compiled: parse::parse(text)?,
        })
    }

    /// The text it was parsed from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Evaluates it with `focus` as `$this` and `%context`.
    pub fn evaluate<'a>(&'a self, context: &Context<'a>, focus: Element<'a>) -> Result<Vec<Item<'a>>, Failure> {
        evaluate::evaluate(&self.compiled, context, focus)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}
