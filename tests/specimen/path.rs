//! A search parameter's expression read as paths, independently of how the product reads it.

/// One step from the record to the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An element by name.
    Child(String),
    /// Only this type.
    Type(String),
    /// Only where a member has this text.
    Where(String, String),
    /// Only references to this kind.
    Refers(String),
    /// Only extensions with this address; or elements that have one.
    Extension(String),
    /// Only elements that have an extension with this address.
    Extended(String),
}

/// The paths of an expression from a kind; those that are no plain paths are left out.
pub fn paths(expression: &str, kind: &str) -> Vec<Vec<Step>> {
    let parts = split(expression, '|');
    parts.iter().filter_map(|part| path(part.trim(), kind)).collect()
}

fn path(text: &str, kind: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for (place, part) in split(text, '.').into_iter().enumerate() {
        let part = part.trim();
        if place == 0 && (part == kind || part == "Resource" || part == "DomainResource") {
            continue;
        }
        if let Some(inner) = part.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            let (before, of) = inner.rsplit_once(" as ")?;
            steps.extend(path(before.trim(), kind)?);
            steps.push(Step::Type(of.trim().to_owned()));
            continue;
        }
        if let Some((before, of)) = part.rsplit_once(" as ") {
            steps.push(Step::Child(word(before)?));
            steps.push(Step::Type(word(of)?));
            continue;
        }
        step(part, &mut steps)?;
    }
    Some(steps)
}

fn step(part: &str, steps: &mut Vec<Step>) -> Option<()> {
    let Some((function, argument)) = part.strip_suffix(')').and_then(|part| part.split_once('(')) else {
        steps.push(Step::Child(word(part)?));
        return Some(());
    };
    let text = |argument: &str| Some(argument.trim().strip_prefix('\'')?.strip_suffix('\'')?.to_owned());
    match function {
        "as" | "ofType" => steps.push(Step::Type(word(argument)?)),
        "extension" => {
            steps.push(Step::Child("extension".to_owned()));
            steps.push(Step::Extension(text(argument)?));
        }
        "where" => match argument.strip_prefix("resolve() is ") {
            Some(kind) => steps.push(Step::Refers(word(kind)?)),
            None => match argument.strip_prefix("hasExtension(") {
                Some(url) => steps.push(Step::Extended(text(url.strip_suffix(')')?)?)),
                None => {
                    let (name, value) = argument.split_once('=')?;
                    steps.push(Step::Where(word(name)?, text(value)?));
                }
            },
        },
        _ => return None,
    }
    Some(())
}

fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| text.to_owned())
}

/// What stands between the separators that no parenthesis or quote encloses.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ if character == separator && depth == 0 && !quoted => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}
