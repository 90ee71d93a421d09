//! JSON Patch (RFC 6902): a list of operations on places named by JSON Pointers (RFC 6901).
//!
//! Whatever a patch says, the work it causes is bounded: operations, nesting and copied values are
//! counted, and a patch beyond the limits is refused before it is carried out.

use fhir::outcome::{Code, Issue};
use fhir::tree::Tree;

/// Operations one patch may have.
pub const OPERATIONS_MAX: usize = 10_000;
/// Nesting a patched record may reach; the reader's own limit is the same.
const DEPTH_MAX: usize = 64;
/// Values that all `copy` operations of one patch may add together.
const COPIED_MAX: usize = 1_000_000;

/// Why one operation cannot be carried out: what kind of issue it is, and the end of the sentence.
type Failed = (Code, String);

/// Applies a JSON Patch document to a record.
///
/// # Errors
/// The issue of the first operation that cannot be carried out, located as `[index]`:
/// [`Code::Structure`] where the patch itself is malformed, [`Code::BusinessRule`] where it does not fit the record
/// (also a `test` that fails). Nothing of the patch holds then: the record given is used up.
pub fn apply(mut record: Tree, patch: &Tree) -> Result<Tree, Issue> {
    let Tree::Array(operations) = patch else {
        return Err(Issue::error(
            Code::Structure,
            "A JSON Patch is an array of operations, each an object with \"op\" and \"path\".",
        ));
    };
    if operations.len() > OPERATIONS_MAX {
        let text = format!(
            "The patch has {} operations; the limit is {OPERATIONS_MAX}.",
            operations.len()
        );
        return Err(Issue::error(Code::TooCostly, text));
    }
    let mut copied = 0;
    for (i, operation) in operations.iter().enumerate() {
        step(&mut record, operation, &mut copied).map_err(|(code, text)| {
            let name = operation.get("op").and_then(Tree::as_str).unwrap_or("without a name");
            let path = operation.get("path").and_then(Tree::as_str).unwrap_or_default();
            Issue::error(code, format!("Operation {i} of the JSON Patch ({name} {path}) {text}.")).at(format!("[{i}]"))
        })?;
    }
    Ok(record)
}

fn step(record: &mut Tree, operation: &Tree, copied: &mut usize) -> Result<(), Failed> {
    let path = pointer(member(operation, "path")?)?;
    match member(operation, "op")? {
        "add" => add(record, &path, value(operation)?.clone()),
        "remove" => remove(record, &path).map(|_| ()),
        "replace" => {
            let new = value(operation)?.clone();
            fits(&path, &new)?;
            *find_mut(record, &path)? = new;
            Ok(())
        }
        "move" => {
            let from = pointer(member(operation, "from")?)?;
            if path.len() > from.len() && path.starts_with(&from) {
                return Err((Code::BusinessRule, "would move a value into itself".into()));
            }
            if path == from {
                return find(record, &from).map(|_| ());
            }
            let moved = remove(record, &from)?;
            add(record, &path, moved)
        }
        "copy" => {
            let from = pointer(member(operation, "from")?)?;
            let copy = find(record, &from)?.clone();
            *copied += size(&copy);
            if *copied > COPIED_MAX {
                return Err((Code::TooCostly, format!("copies more than {COPIED_MAX} values in all")));
            }
            add(record, &path, copy)
        }
        "test" => {
            let found = find(record, &path)?;
            if found == value(operation)? {
                return Ok(());
            }
            let found = String::from_utf8_lossy(&found.to_bytes())
                .chars()
                .take(200)
                .collect::<String>();
            Err((Code::BusinessRule, format!("failed: the value there is {found}")))
        }
        other => Err((
            Code::Structure,
            format!("is unknown: \"{other}\" is none of add, remove, replace, move, copy, test"),
        )),
    }
}

fn member<'a>(operation: &'a Tree, name: &str) -> Result<&'a str, Failed> {
    let text = operation.get(name).and_then(Tree::as_str);
    text.ok_or_else(|| (Code::Structure, format!("has no \"{name}\", or not as a string")))
}

fn value(operation: &Tree) -> Result<&Tree, Failed> {
    operation
        .get("value")
        .ok_or_else(|| (Code::Structure, "has no \"value\"".into()))
}

/// The tokens of a JSON Pointer, escapes resolved.
fn pointer(text: &str) -> Result<Vec<String>, Failed> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some(rest) = text.strip_prefix('/') else {
        return Err((
            Code::Structure,
            format!("has a pointer that does not start with a slash: \"{text}\""),
        ));
    };
    let tokens = rest.split('/').map(unescape).collect::<Option<Vec<String>>>();
    let tokens = tokens.ok_or_else(|| {
        (
            Code::Structure,
            format!("has \"~\" without 0 or 1 after it in \"{text}\""),
        )
    })?;
    if tokens.len() > DEPTH_MAX {
        return Err((Code::TooCostly, format!("points deeper than {DEPTH_MAX} levels")));
    }
    Ok(tokens)
}

fn unescape(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(c) = characters.next() {
        out.push(match c {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

/// The index a token names in an array of `length` items; `-` is no item.
fn index(token: &str, length: usize) -> Result<usize, Failed> {
    let canonical = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    match token.parse::<usize>() {
        Ok(index) if canonical && index < length => Ok(index),
        Ok(_) if canonical => Err((
            Code::BusinessRule,
            format!("names item {token} of an array that has {length}"),
        )),
        _ => Err((
            Code::BusinessRule,
            format!("names \"{token}\" where an array wants an index"),
        )),
    }
}

fn absent(token: &str) -> Failed {
    (Code::BusinessRule, format!("names \"{token}\", which is not there"))
}

fn find<'a>(record: &'a Tree, path: &[String]) -> Result<&'a Tree, Failed> {
    let mut at = record;
    for token in path {
        at = match at {
            Tree::Array(items) => &items[index(token, items.len())?],
            other => other.get(token).ok_or_else(|| absent(token))?,
        };
    }
    Ok(at)
}

fn find_mut<'a>(record: &'a mut Tree, path: &[String]) -> Result<&'a mut Tree, Failed> {
    let mut at = record;
    for token in path {
        at = match at {
            Tree::Array(items) => {
                let index = index(token, items.len())?;
                &mut items[index]
            }
            other => other.get_mut(token).ok_or_else(|| absent(token))?,
        };
    }
    Ok(at)
}

fn add(record: &mut Tree, path: &[String], value: Tree) -> Result<(), Failed> {
    fits(path, &value)?;
    let Some((last, parents)) = path.split_last() else {
        *record = value;
        return Ok(());
    };
    match find_mut(record, parents)? {
        Tree::Array(items) => {
            let at = if last == "-" {
                items.len()
            } else {
                index(last, items.len() + 1)?
            };
            items.insert(at, value);
        }
        object @ Tree::Object(_) => object.set(last, value),
        _ => {
            return Err((
                Code::BusinessRule,
                "adds to something that is neither an object nor an array".into(),
            ));
        }
    }
    Ok(())
}

fn remove(record: &mut Tree, path: &[String]) -> Result<Tree, Failed> {
    let Some((last, parents)) = path.split_last() else {
        return Err((Code::BusinessRule, "would take away the whole record".into()));
    };
    match find_mut(record, parents)? {
        Tree::Array(items) => Ok(items.remove(index(last, items.len())?)),
        other => other.remove(last).ok_or_else(|| absent(last)),
    }
}

fn fits(path: &[String], value: &Tree) -> Result<(), Failed> {
    if path.len() + depth(value) > DEPTH_MAX {
        return Err((Code::TooCostly, format!("would nest deeper than {DEPTH_MAX} levels")));
    }
    Ok(())
}

fn depth(value: &Tree) -> usize {
    match value {
        Tree::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Tree::Object(members) => 1 + members.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        _ => 0,
    }
}

fn size(value: &Tree) -> usize {
    match value {
        Tree::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Tree::Object(members) => 1 + members.iter().map(|(_, v)| size(v)).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(record: &str, patch: &str) -> Result<String, Issue> {
        let tree = |text: &str| Tree::parse(text.as_bytes()).unwrap();
        apply(tree(record), &tree(patch)).map(|t| String::from_utf8(t.to_bytes()).unwrap())
    }

    #[test]
    fn operations_change_the_record() {
        let table = [
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b","value":2}]"#,
                r#"{"a":1,"b":2}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"/a","value":2}]"#, r#"{"a":2}"#),
            (
                r#"{"a":[1,3]}"#,
                r#"[{"op":"add","path":"/a/1","value":2}]"#,
                r#"{"a":[1,2,3]}"#,
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/1","value":2}]"#,
                r#"{"a":[1,2]}"#,
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/-","value":[2]}]"#,
                r#"{"a":[1,[2]]}"#,
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"","value":{"b":2}}]"#,
                r#"{"b":2}"#,
            ),
            (r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, r#"{"b":2}"#),
            (r#"{"a":[1,2]}"#, r#"[{"op":"remove","path":"/a/0"}]"#, r#"{"a":[2]}"#),
            (
                r#"{"a":[1,2]}"#,
                r#"[{"op":"replace","path":"/a/0","value":null}]"#,
                r#"{"a":[null,2]}"#,
            ),
            (
                r#"{"a":[1,2,3]}"#,
                r#"[{"op":"move","from":"/a/0","path":"/a/2"}]"#,
                r#"{"a":[2,3,1]}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"move","from":"/a/b","path":"/c"}]"#,
                r#"{"a":{},"c":1}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"move","from":"/a","path":"/a"}]"#, r#"{"a":1}"#),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/a/c"}]"#,
                r#"{"a":{"b":1,"c":{"b":1}}}"#,
            ),
            (
                r#"{"a/b":1,"m~n":2}"#,
                r#"[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"}]"#,
                "{}",
            ),
            (r#"{"":1}"#, r#"[{"op":"remove","path":"/"}]"#, "{}"),
            (
                r#"{"a":{"x":1.0,"y":[]}}"#,
                r#"[{"op":"test","path":"/a","value":{"y":[],"x":1}}]"#,
                r#"{"a":{"x":1.0,"y":[]}}"#,
            ),
        ];
        for (record, patch, expected) in table {
            assert_eq!(patched(record, patch).as_deref(), Ok(expected), "{patch}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let table = [
            (r#"{"op":"add","path":"/x/y","value":1}"#, Code::BusinessRule),
            (r#"{"op":"add","path":"/s/y","value":1}"#, Code::BusinessRule),
            (r#"{"op":"add","path":"/l/2","value":1}"#, Code::BusinessRule),
            (r#"{"op":"add","path":"/l/01","value":1}"#, Code::BusinessRule),
            (r#"{"op":"add","path":"/l/+1","value":1}"#, Code::BusinessRule),
            (r#"{"op":"remove","path":"/l/-"}"#, Code::BusinessRule),
            (r#"{"op":"remove","path":"/x"}"#, Code::BusinessRule),
            (r#"{"op":"remove","path":""}"#, Code::BusinessRule),
            (r#"{"op":"replace","path":"/x","value":1}"#, Code::BusinessRule),
            (r#"{"op":"move","from":"/o","path":"/o/i"}"#, Code::BusinessRule),
            (r#"{"op":"test","path":"/s","value":1}"#, Code::BusinessRule),
            (r#"{"op":"test","path":"/x","value":null}"#, Code::BusinessRule),
            (r#"{"op":"add","path":"x","value":1}"#, Code::Structure),
            (r#"{"op":"add","path":"/~2","value":1}"#, Code::Structure),
            (r#"{"op":"add","path":"/a"}"#, Code::Structure),
            (r#"{"op":"frob","path":"/a"}"#, Code::Structure),
            (r#"{"path":"/a"}"#, Code::Structure),
            (r#"1"#, Code::Structure),
        ];
        for (operation, code) in table {
            let patch = format!(r#"[{{"op":"test","path":"","value":{{"s":"t","l":["i"],"o":{{}}}}}},{operation}]"#);
            let issue = patched(r#"{"s":"t","l":["i"],"o":{}}"#, &patch).unwrap_err();
            assert_eq!(
                (issue.code, issue.expression.as_str()),
                (code, "[1]"),
                "{operation}: {}",
                issue.text
            );
        }
        assert_eq!(patched("{}", "{}").unwrap_err().code, Code::Structure);
    }

    #[test]
    fn copies_cannot_grow_without_bound() {
        let doubling = format!("[{}]", vec![r#"{"op":"copy","from":"/a","path":"/a/-"}"#; 40].join(","));
        assert_eq!(patched(r#"{"a":[1]}"#, &doubling).unwrap_err().code, Code::TooCostly);
    }
}
