//! Functions over one string.

use std::borrow::Cow;

use regex::{Captures, Regex};

use crate::compare::describe;
use crate::context::Failure;
use crate::evaluate::{Evaluator, List, Scope, only};
use crate::functions::{Function, Strings};
use crate::syntax::{Call, Expr};
use crate::value::Item;
use crate::{calls, encode, sets};

/// The longest text that replacing may make, in bytes.
pub(crate) const LENGTH_LIMIT: usize = 16 * 1024 * 1024;
/// What compiling a computed pattern counts, in steps.
const PATTERN_STEPS: u64 = 2_000;

/// Applies a function to a collection of at most one string; `join` takes more.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Strings,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    if function == Strings::Join {
        return join(run, call, input, scope);
    }
    let found = applied(run, function, call, input, scope)?;
    run.weigh(&found)?;
    Ok(found)
}

fn applied<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Strings,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let model = run.context.model;
    let Some(item) = only(&input)?.filter(|item| !item.is_valueless(model)) else {
        input.clear();
        return Ok(input);
    };
    let text = item.text().ok_or_else(|| {
        let found = describe(model, item);
        Failure::values(format!("A string is needed here, not {found}"))
    })?;
    run.spend(text.len() as u64 / 64)?;
    input.clear();
    match function {
        Strings::ToChars => {
            input.extend(text.chars().map(|c| Item::String(Cow::Owned(c.to_string()))));
            return Ok(input);
        }
        Strings::Split => {
            let separator = argument(run, call, 0, scope)?;
            let separator = separator.unwrap_or_default();
            let parts = text
                .split(&*separator)
                .map(|part| Item::String(Cow::Owned(part.to_owned())));
            input.extend(parts);
            if separator.is_empty() {
                // Before the first and after the last character there is nothing.
                input.pop();
                input.drain(..input.len().min(1));
            }
            return Ok(input);
        }
        Strings::Substring => {
            let start = sets::integer(run, &call.arguments[0], scope)?;
            let length = match call.arguments.get(1) {
                Some(argument) => sets::integer(run, argument, scope)?,
                None => None,
            };
            input.extend(substring(text, start, length).map(Item::String));
            return Ok(input);
        }
        _ => {}
    }
    let item = match call.arguments.len() {
        0 => Some(alone(function, text)),
        _ => with_arguments(run, function, call, text, scope)?,
    };
    input.extend(item);
    Ok(input)
}

fn alone(function: Strings, text: Cow<'_, str>) -> Item<'_> {
    match function {
        Strings::Length => Item::Integer(text.chars().count() as i64),
        Strings::Lower => Item::String(Cow::Owned(text.to_lowercase())),
        Strings::Upper => Item::String(Cow::Owned(text.to_uppercase())),
        _ => Item::String(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        }),
    }
}

fn argument<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    at: usize,
    scope: Scope<'_, 'a>,
) -> Result<Option<Cow<'a, str>>, Failure> {
    if let Expr::Constant(Item::String(text)) = &call.arguments[at] {
        return Ok(Some(Cow::Borrowed(text)));
    }
    let Some(item) = run.operand(&call.arguments[at], scope)? else {
        return Ok(None);
    };
    match item.text() {
        Some(text) => Ok(Some(text)),
        None => {
            let found = describe(run.context.model, &item);
            Err(Failure::values(format!("A string is needed as argument, not {found}")))
        }
    }
}

fn with_arguments<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Strings,
    call: &'a Call,
    text: Cow<'a, str>,
    scope: Scope<'_, 'a>,
) -> Result<Option<Item<'a>>, Failure> {
    let Some(first) = argument(run, call, 0, scope)? else {
        return Ok(None);
    };
    if call.pattern.is_none()
        && matches!(
            function,
            Strings::Matches | Strings::MatchesFull | Strings::ReplaceMatches
        )
    {
        run.spend(PATTERN_STEPS)?;
    }
    let characters = |bytes: Option<usize>| match bytes {
        Some(bytes) => Item::Integer(text[..bytes].chars().count() as i64),
        None => Item::Integer(-1),
    };
    Ok(match function {
        Strings::Contains => Some(Item::Boolean(text.contains(&*first))),
        Strings::StartsWith => Some(Item::Boolean(text.starts_with(&*first))),
        Strings::EndsWith => Some(Item::Boolean(text.ends_with(&*first))),
        Strings::IndexOf => Some(characters(text.find(&*first))),
        Strings::LastIndexOf => Some(characters(text.rfind(&*first))),
        Strings::Matches | Strings::MatchesFull => {
            let pattern = pattern(run, call, function, (&first, 1), scope)?;
            Some(Item::Boolean(pattern.is_match(&text)))
        }
        Strings::Encode => encode::encode(&text, &first).map(string),
        Strings::Decode => encode::decode(&text, &first).map(string),
        Strings::Escape => encode::escape(&text, &first).map(string),
        Strings::Unescape => encode::unescape(&text, &first).map(string),
        _ => {
            let Some(second) = argument(run, call, 1, scope)? else {
                return Ok(None);
            };
            within(&text, &second)?;
            Some(string(match function {
                Strings::ReplaceMatches if first.is_empty() => text.into_owned(),
                Strings::ReplaceMatches => {
                    let pattern = pattern(run, call, function, (&first, 2), scope)?;
                    let replaced = pattern.replace_all(&text, |found: &Captures<'_>| substituted(found, &second));
                    replaced.into_owned()
                }
                _ => text.replace(&*first, &second),
            }))
        }
    })
}

fn string<'a>(text: String) -> Item<'a> {
    Item::String(Cow::Owned(text))
}

/// The pattern prepared with the expression, or the one that was computed: its text, and which argument has its flags.
fn pattern<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    function: Strings,
    (text, flags): (&str, usize),
    scope: Scope<'_, 'a>,
) -> Result<Cow<'a, Regex>, Failure> {
    if let Some(prepared) = &call.pattern {
        return Ok(Cow::Borrowed(prepared));
    }
    let flags = match call.arguments.len() > flags {
        true => argument(run, call, flags, scope)?.unwrap_or_default(),
        false => Cow::Borrowed(""),
    };
    let prepared = calls::prepared(Function::Strings(function), text, &flags);
    prepared.map(Cow::Owned).map_err(Failure::values)
}

/// Whether replacing may make a text that is too long.
fn within(text: &str, by: &str) -> Result<(), Failure> {
    match (text.len() + 1).saturating_mul(by.len() + 1) > LENGTH_LIMIT {
        true => Err(Failure::values("Replacing might make too long a text")),
        false => Ok(()),
    }
}

/// What takes the place of a match: `$1` and `${name}` stand for its groups, `$0` for all of it, `$$` for a dollar.
fn substituted(found: &Captures<'_>, template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        // Of two digits the second belongs to the text where there are fewer groups.
        let number = (1..=digits).rev().find_map(|length| {
            let group = found.get(rest[..length].parse().ok()?);
            let known = length == 1 || rest[..length].parse::<usize>().is_ok_and(|group| group < found.len());
            known.then_some((length, group))
        });
        if let Some((length, group)) = number {
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = &rest[length..];
        } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            let group = name
                .parse()
                .map_or_else(|_| found.name(name), |number| found.get(number));
            out.push_str(group.map_or("", |group| group.as_str()));
            rest = after;
        } else {
            out.push('$');
            rest = rest.strip_prefix('$').unwrap_or(rest);
        }
    }
    out.push_str(rest);
    out
}

/// `length` characters from the `start`th on; `None` where the text doesn't reach there.
fn substring<'a>(text: Cow<'a, str>, start: Option<i64>, length: Option<i64>) -> Option<Cow<'a, str>> {
    let start = usize::try_from(start?).ok()?;
    let from = text.char_indices().nth(start)?.0;
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    let to = text[from..]
        .char_indices()
        .nth(length)
        .map_or(text.len(), |(at, _)| from + at);
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[from..to]),
        Cow::Owned(text) => Cow::Owned(text[from..to].to_owned()),
    })
}

/// Room that a joined text begins with: most fit, and what `&` then adds to them.
const JOINED_BYTES: usize = 64;

fn join<'a>(
    run: &mut Evaluator<'_, 'a>,
    call: &'a Call,
    input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let separator = match call.arguments.len() {
        0 => Cow::Borrowed(""),
        _ => argument(run, call, 0, scope)?.unwrap_or_default(),
    };
    if input.is_empty() {
        return Ok(input);
    }
    let model = run.context.model;
    let mut joined = String::with_capacity(JOINED_BYTES);
    let valued = input.iter().filter(|item| !item.is_valueless(model));
    for (at, item) in valued.enumerate() {
        let Some(text) = item.text() else {
            let found = describe(model, item);
            return Err(Failure::values(format!("join() joins strings, not {found}")));
        };
        if joined.len() + text.len() + separator.len() > LENGTH_LIMIT {
            return Err(Failure::values("Joining makes too long a text"));
        }
        if at > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&text);
    }
    Ok(run.one(input, string(joined)))
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn strings_are_read_by_character() {
        check(&[
            ("'Dörji'.length()", "5"),
            ("'Dörji'.substring(1, 2)", "'ör'"),
            ("'abc'.substring(1)", "'bc'"),
            ("'abc'.substring(3)", ""),
            ("'abc'.substring(-1)", ""),
            ("'abc'.substring(0, 0)", "''"),
            ("'abc'.substring({})", ""),
            ("'öab'.indexOf('b')", "2"),
            ("'abab'.lastIndexOf('ab')", "2"),
            ("'a'.indexOf('z')", "-1"),
            ("'a'.indexOf({})", ""),
            ("'abc'.startsWith('')", "true"),
            ("'abc'.endsWith('bc')", "true"),
            ("'abc'.contains('z')", "false"),
            ("'aB'.upper()", "'AB'"),
            ("'aB'.lower()", "'ab'"),
            ("' a '.trim()", "'a'"),
            ("'ab'.toChars()", "'a', 'b'"),
            ("'a,b'.split(',')", "'a', 'b'"),
            ("'ab'.split('')", "'a', 'b'"),
            ("''.split(',')", "''"),
            ("'a,,b'.split(',')", "'a', '', 'b'"),
            ("'ab'.split('x')", "'ab'"),
            ("{}.split(',')", ""),
            ("('a' | 'b').join('-')", "'a-b'"),
            ("{}.join(',')", ""),
            ("name.given.first().join()", "'Karma'"),
            ("'abc'.replace('b', 'x')", "'axc'"),
            ("'abc'.replace('', 'x')", "'xaxbxcx'"),
            ("'abc'.replace('b', {})", ""),
            ("'FHIR'.matches('^F.*R$')", "true"),
            ("'a\\nb'.matches('a.b')", "true"),
            ("'abc'.matches('b')", "true"),
            ("'abc'.matchesFull('b')", "false"),
            ("'abc'.matchesFull('a|abc')", "true"),
            ("'abc'.matches({})", ""),
            (
                "'11/30/1972'.replaceMatches('(\\\\d+)/(\\\\d+)/(\\\\d+)', '$2-$1-$3')",
                "'30-11-1972'",
            ),
            ("'abc'.replaceMatches('(b)', '$1x$1')", "'abxbc'"),
            ("'abc'.replaceMatches('(b)', '[$10]')", "'a[b0]c'"),
            ("'abc'.replaceMatches('(?<x>b)', '<${x}>$0')", "'a<b>bc'"),
            ("'abc'.replaceMatches('b', '$$')", "'a$c'"),
            ("'abc'.replaceMatches('b', '')", "'ac'"),
            ("'abc'.replaceMatches('B', 'x', 'i')", "'axc'"),
            ("'abc'.replaceMatches({}, 'x')", ""),
            ("'ABC'.matches('b', 'i')", "true"),
            ("'a\\nb'.matches('^b$', 'm')", "true"),
            ("'a\\nb'.matches('^b$')", "false"),
            ("'ABC'.matchesFull('abc', 'i')", "true"),
            ("'ABC'.matches('b', 'q')", "invalid:"),
            ("'abc'.matches('')", "true"),
            ("'abc'.matches('(')", "invalid:"),
            ("'abc'.matches('(' & '')", "Values:"),
            ("'abc'.replaceMatches('', 'x')", "'abc'"),
            ("'a'.encode('base64')", "'YQ=='"),
            ("'YQ=='.decode('base64')", "'a'"),
            ("'<'.escape('html')", "'&lt;'"),
            ("birthDate.startsWith('1974')", "true"),
            ("1.length()", "Values:"),
            ("'a'.contains(1)", "Values:"),
            ("name.given.length()", "Values:"),
        ]);
    }
}
