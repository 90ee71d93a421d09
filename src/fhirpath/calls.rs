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
    let pattern = ready(function, &expressions)?;
    Ok(Link::Gather(Gather::Call(Call {
        function,
        arguments: expressions,
        pattern,
        descending: arguments.descending,
    })))
}

/// The pattern of a function that matches, where it and its flags are literals.
fn ready(function: Function, arguments: &[Expr]) -> Result<Option<Regex>, String> {
    let flags = match function {
        Function::Strings(Strings::Matches | Strings::MatchesFull) => arguments.get(1),
        Function::Strings(Strings::ReplaceMatches) => arguments.get(2),
        _ => return Ok(None),
    };
    match (arguments.first(), flags) {
        (Some(Expr::Constant(Item::String(text))), None) => prepared(function, text, "").map(Some),
        (Some(Expr::Constant(Item::String(text))), Some(Expr::Constant(Item::String(flags)))) => {
            prepared(function, text, flags).map(Some)
        }
        _ => Ok(None),
    }
}

/// The pattern that a function matches with: `.` matches line ends too, as FHIRPath asks, and `matchesFull` binds it to
/// both ends. Flags are `i`, case does not matter, and `m`, `^` and `$` match at line ends.
pub(crate) fn prepared(function: Function, text: &str, flags: &str) -> Result<Regex, String> {
    if let Some(unknown) = flags.chars().find(|flag| !matches!(flag, 'i' | 'm' | 's')) {
        return Err(format!("A pattern has the flags i and m, not {unknown}"));
    }
    let bound = match function {
        Function::Strings(Strings::MatchesFull) => &format!(r"\A(?:{text})\z"),
        _ => text,
    };
    RegexBuilder::new(bound)
        .dot_matches_new_line(true)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(PATTERN_LIMIT)
        .build()
        .map_err(|error| format!("'{text}' is no regular expression that can be used: {error}"))
}
