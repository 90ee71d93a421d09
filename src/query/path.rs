//! A search parameter's expression taken apart: the parts that speak of one kind, and which are plain paths.
//!
//! Nearly every expression of the standard is a union of paths, each perhaps narrowed by a type
//! (`as`, `ofType`) or by one of a few filters. Such a path is a list of [`Step`]s, which a walk over
//! the record answers without the FHIRPath engine; a test holds the two to the same answers.

/// One step of a plain path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An element by name.
    Child(String),
    /// Only values of the type: `as T`, `.as(T)`, `.ofType(T)`.
    Type(String),
    /// Only those that pass.
    Filter(Filter),
}

/// A filter on an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// `where(resolve() is Kind)`
    Resolves(String),
    /// `where(name='text')`; also what `extension('url')` asks of each extension.
    Equals(String, String),
    /// `where(hasExtension('url'))`
    HasExtension(String),
}

/// One part of a union.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Its text.
    pub(crate) text: &'a str,
    /// Its steps from the record, where it is a plain path.
    pub(crate) steps: Option<Vec<Step>>,
}

impl Part<'_> {
    /// The path of its element from the kind, without types and filters.
    pub(crate) fn path(&self, kind: &str) -> Option<String> {
        let mut path = kind.to_owned();
        for step in self.steps.as_ref()? {
            if let Step::Child(name) = step {
                path.push('.');
                path.push_str(name);
            }
        }
        Some(path)
    }
}

/// The parts of an expression that speak of one kind.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) list: Vec<Part<'a>>,
}

impl Parts<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The parts as one expression.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self.list.iter().map(|part| part.text).collect();
        texts.join(" | ")
    }

    /// The kinds that `where(resolve() is Kind)` lets through, where every part has one.
    pub(crate) fn resolved_kinds(&self) -> Option<Vec<&str>> {
        let mut kinds = Vec::new();
        for part in &self.list {
            let found = part.steps.iter().flatten().find_map(|step| match step {
                Step::Filter(Filter::Resolves(kind)) => Some(kind.as_str()),
                _ => None,
            });
            kinds.push(found?);
        }
        Some(kinds)
    }
}

/// The parts of an expression that speak of the kind, of every resource, or of no type at all.
pub(crate) fn parts_for<'a>(expression: &'a str, kind: &str) -> Parts<'a> {
    let speaks = |text: &&str| {
        let start = text.trim_start_matches('(');
        let end = start.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(start.len());
        let first = &start[..end];
        first == kind
            || first == "Resource"
            || first == "DomainResource"
            || first.starts_with(|c: char| c.is_ascii_lowercase())
    };
    let list = union(expression)
        .into_iter()
        .filter(speaks)
        .map(|text| Part {
            text,
            steps: steps(text),
        })
        .collect();
    Parts { list }
}

/// All parts of an expression that starts from an element, not from a record.
pub(crate) fn parts_of(expression: &str) -> Parts<'_> {
    let part = |text| Part {
        text,
        steps: steps(text),
    };
    Parts {
        list: union(expression).into_iter().map(part).collect(),
    }
}

/// The parts of a union: what stands between the `|` outside of parentheses and quotes.
fn union(expression: &str) -> Vec<&str> {
    split(expression, '|').into_iter().map(str::trim).collect()
}

fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ if character == separator && depth == 0 && !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The steps of a plain path from the record; `None` where it is anything more.
fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut names = split(text, '.').into_iter().enumerate();
    if let Some(inner) = text.strip_prefix('(') {
        let close = matching(inner)?;
        let (path, kind) = inner[..close].rsplit_once(" as ")?;
        steps = self::steps(path.trim())?;
        steps.push(Step::Type(kind.trim().to_owned()));
        names.next();
        names = split(&inner[close + 1..], '.').into_iter().enumerate();
        names.next().filter(|(_, rest)| rest.is_empty())?;
    }
    for (place, name) in names {
        let is_record = place == 0 && name.starts_with(|c: char| c.is_ascii_uppercase());
        if is_record && is_name(name) {
            continue;
        }
        steps.extend(step(name)?);
    }
    Some(steps)
}

fn matching(text: &str) -> Option<usize> {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn step(text: &str) -> Option<Vec<Step>> {
    if is_name(text) {
        return Some(vec![Step::Child(text.to_owned())]);
    }
    let (function, argument) = text.strip_suffix(')')?.split_once('(')?;
    match function {
        "as" | "ofType" => is_name(argument).then(|| vec![Step::Type(argument.to_owned())]),
        "extension" => {
            let url = quoted(argument)?;
            let filter = Filter::Equals("url".to_owned(), url);
            Some(vec![Step::Child("extension".to_owned()), Step::Filter(filter)])
        }
        "where" => Some(vec![Step::Filter(filter(argument)?)]),
        _ => None,
    }
}

fn filter(text: &str) -> Option<Filter> {
    if let Some(kind) = text.strip_prefix("resolve() is ") {
        return is_name(kind.trim()).then(|| Filter::Resolves(kind.trim().to_owned()));
    }
    if let Some(url) = text.strip_prefix("hasExtension(") {
        return Some(Filter::HasExtension(quoted(url.strip_suffix(')')?)?));
    }
    let (name, value) = text.split_once('=')?;
    is_name(name.trim()).then_some(())?;
    Some(Filter::Equals(name.trim().to_owned(), quoted(value.trim())?))
}

fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    (!inner.contains(['\'', '\\'])).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(expression: &str, kind: &str) -> String {
        let describe = |part: &Part<'_>| match &part.steps {
            Some(steps) => steps
                .iter()
                .map(|step| match step {
                    Step::Child(name) => name.clone(),
                    Step::Type(name) => format!("<{name}>"),
                    Step::Filter(Filter::Resolves(kind)) => format!("[{kind}]"),
                    Step::Filter(Filter::Equals(name, value)) => format!("[{name}={value}]"),
                    Step::Filter(Filter::HasExtension(url)) => format!("[+{url}]"),
                })
                .collect::<Vec<_>>()
                .join(" "),
            None => "?".to_owned(),
        };
        let parts = parts_for(expression, kind);
        parts.list.iter().map(describe).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn expressions_come_apart() {
        let table = [
            ("Patient.name.given", "name given"),
            ("Patient.name | Person.name | Resource.id", "name | id"),
            (
                "(Patient.value as Quantity) | (Person.value as Range)",
                "value <Quantity>",
            ),
            (
                "(Patient.value as CodeableConcept).text",
                "value <CodeableConcept> text",
            ),
            ("Patient.onset.as(Age)", "onset <Age>"),
            ("Patient.answer.value.ofType(Reference)", "answer value <Reference>"),
            ("Patient.subject.where(resolve() is Group)", "subject [Group]"),
            ("Patient.telecom.where(system='email')", "telecom [system=email]"),
            ("Patient.extension('http://a.b/c|d')", "extension [url=http://a.b/c|d]"),
            (
                "Patient.item.where(hasExtension('http://a.b')).answer",
                "item [+http://a.b] answer",
            ),
            ("name | alias", "name | alias"),
            ("Patient.deceased.exists() and Patient.deceased != false", "?"),
            ("Patient.entry[0].resource", "?"),
            ("Person.name", ""),
        ];
        for (expression, expected) in table {
            assert_eq!(described(expression, "Patient"), expected, "{expression}");
        }
    }
}
