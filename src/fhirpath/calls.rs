//! Compiles calls of functions: names resolved, arguments counted, literal patterns prepared.

use regex::{Regex, RegexBuilder};

use crate::functions::{self, Function, Strings};
use crate::syntax::{Call, Expr, Gather, Link, Step};
use crate::value::Item;

/// The most memory a compiled pattern may take, in bytes.
const PATTERN_LIMIT: usize = 1 << 20;

/// The arguments of a function as they were read.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) expressions: Vec<Expr>,
    pub(crate) descending: Vec<bool>,
    pub(crate) depth: u32,
}

/// What a function with its arguments is in a path; a sentence where there is no such function or it takes
/// other arguments.
pub(crate) fn compiled(name: &str, arguments: Arguments, indexed: bool) -> Result<Link, String> {
    let mut expressions = arguments.expressions;
    let count = expressions.len();
    let one = |expressions: &mut Vec<Expr>| expressions.pop().filter(|_| count == 1);
    let takes = |least: usize, most: usize| {
        if (least..=most).contains(&count) {
            return Ok(());
        }
        let wanted = if least == most {
            least.to_string()
        } else {
            format!("{least} to {most}")
        };
        Err(format!("{name}() takes {wanted} arguments, not {count}"))
    };
    let alone = match name {
        "children" => Some(Step::Children),
        "descendants" => Some(Step::Descendants),
        "resolve" => Some(Step::Resolve),
        _ => None,
    };
    if let Some(step) = alone {
        return takes(0, 0).map(|()| Link::Step(step));
    }
    if name == "extension" {
        takes(1, 1)?;
    }
    let streams = matches!(name, "where" | "select") && !indexed;
    if (streams || name == "extension")
        && let Some(argument) = one(&mut expressions)
    {
        return Ok(Link::Step(match name {
            "where" => Step::Where(argument),
            "select" => Step::Select(argument),
            _ => Step::Extension(argument),
        }));
    }
    let Some((function, least, most)) = functions::named(name) else {
        return Err(format!("There is no function {name}()"));
    };
    takes(least, most)?;
    let pattern = match (function, expressions.first()) {
        (
            Function::Strings(Strings::Matches | Strings::MatchesFull | Strings::ReplaceMatches),
            Some(Expr::Constant(Item::String(text))),
        ) => Some(prepared(function, text)?),
        _ => None,
    };
    Ok(Link::Gather(Gather::Call(Call {
        function,
        arguments: expressions,
        pattern,
        descending: arguments.descending,
    })))
}

/// The pattern that a function matches with; `matchesFull` binds it to both ends.
pub(crate) fn prepared(function: Function, text: &str) -> Result<Regex, String> {
    match function {
        Function::Strings(Strings::MatchesFull) => pattern(&format!("^(?:{text})$")),
        _ => pattern(text),
    }
}

/// Compiles a pattern: `.` matches line ends too, as FHIRPath asks.
fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .dot_matches_new_line(true)
        .size_limit(PATTERN_LIMIT)
        .build()
        .map_err(|error| format!("'{text}' is no regular expression that can be used: {error}"))
}
