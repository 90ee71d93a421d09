//! ICD-10 as the WHO distributes it: a table of code, type, parent and title, or ClaML.

use std::path::{Path, PathBuf};

use crate::packed::Entry;
use crate::release::{Columns, Lines, Progress, Release, Unreadable, details, property};

/// <https://terminology.hl7.org/ICD.html>
const URL: &str = "http://hl7.org/fhir/sid/icd-10";
/// A ClaML file at most, in bytes.
const CLAML_BYTES_MAX: u64 = 256 << 20;

/// Reads the one file of a release.
///
/// # Errors
/// Where it is neither form.
pub(crate) fn read(files: &[PathBuf], progress: &mut Progress<'_>) -> Result<Release, Unreadable> {
    let [path] = files else {
        return Err(Unreadable(
            "ICD-10 is loaded from one file: a table or ClaML.".to_owned(),
        ));
    };
    let named = path.to_string_lossy().to_lowercase();
    let is_claml = named.trim_end_matches(".gz").ends_with(".xml") || named.trim_end_matches(".gz").ends_with(".claml");
    let (entries, version) = match is_claml {
        true => claml(path, progress)?,
        false => (table(path, progress)?, None),
    };
    Ok(Release {
        url: URL,
        name: "ICD-10",
        version,
        language: "en",
        entries,
    })
}

fn table(path: &Path, progress: &mut Progress<'_>) -> Result<Vec<Entry>, Unreadable> {
    let mut lines = Lines::open(path, progress)?;
    let head = lines.next()?.unwrap_or_default();
    let columns = Columns::of(head.split('\t'));
    if !columns.has("code") || !columns.has("title") {
        return Err(lines.wrong("the first line has to name the columns code and title, divided by tabs"));
    }
    let mut entries = Vec::new();
    while let Some(line) = lines.next()? {
        let row: Vec<&str> = line.split('\t').collect();
        let cell = |name: &str| columns.cell(&row, name);
        if cell("code").is_empty() {
            return Err(lines.wrong("it has no code"));
        }
        entries.push(entry(cell("code"), cell("type"), cell("parent"), cell("title")));
    }
    Ok(entries)
}

/// Chapters and blocks group codes; nothing is recorded with them.
fn entry(code: &str, kind: &str, parent: &str, title: &str) -> Entry {
    let properties = match kind {
        "" => Vec::new(),
        _ => vec![property("kind", "valueCode", kind)],
    };
    Entry {
        code: code.to_owned(),
        display: title.to_owned(),
        parents: (!parent.is_empty()).then(|| parent.to_owned()).into_iter().collect(),
        is_abstract: matches!(kind, "chapter" | "block"),
        details: details("", Vec::new(), properties),
        ..Entry::default()
    }
}

/// ClaML (EN 14463): a `Class` with its `SuperClass` and, in the rubric `preferred`, its title.
fn claml(path: &Path, progress: &mut Progress<'_>) -> Result<(Vec<Entry>, Option<String>), Unreadable> {
    let mut lines = Lines::open(path, progress)?;
    let mut text = String::new();
    while let Some(line) = lines.next()? {
        text.push_str(&line);
        text.push('\n');
        if text.len() as u64 > CLAML_BYTES_MAX {
            return Err(lines.wrong("the file is larger than any release"));
        }
    }
    let version = text
        .split_once("<Title ")
        .and_then(|(_, rest)| attribute(rest, "version"));
    let mut entries = Vec::new();
    for class in text.split("<Class ").skip(1) {
        let class = class.split("</Class>").next().unwrap_or_default();
        let Some(code) = attribute(class, "code") else {
            return Err(Unreadable::file(path, "a Class has no code"));
        };
        let parent = class
            .split_once("<SuperClass ")
            .and_then(|(_, rest)| attribute(rest, "code"));
        let mut rubrics = class.split("<Rubric ").skip(1);
        let preferred = rubrics.find(|rubric| attribute(rubric, "kind").as_deref() == Some("preferred"));
        let label = preferred.and_then(|rubric| rubric.split_once("<Label")?.1.split_once('>'));
        let title = label.map(|(_, rest)| plain(rest.split("</Label>").next().unwrap_or_default()));
        let kind = attribute(class, "kind").unwrap_or_default();
        entries.push(entry(
            &code,
            &kind,
            &parent.unwrap_or_default(),
            &title.unwrap_or_default(),
        ));
    }
    Ok((entries, version))
}

/// An attribute of the tag that a text begins in.
fn attribute(text: &str, name: &str) -> Option<String> {
    let tag = &text[..text.find('>')?];
    let at = tag.match_indices(name).find(|(at, _)| {
        tag[at + name.len()..].starts_with('=') && (*at == 0 || tag[..*at].ends_with(char::is_whitespace))
    });
    let rest = &tag[at?.0 + name.len() + 1..];
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = rest[1..].split(quote).next()?;
    Some(plain(value))
}

/// A text without tags, its entities read, its spaces single.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        let (end, read) = match rest.as_bytes()[at] {
            b'<' => (rest[at..].find('>'), ""),
            _ => match rest[at..].find(';') {
                Some(end) => (Some(end), entity(&rest[at + 1..at + end])),
                None => (None, "&"),
            },
        };
        out.push_str(read);
        rest = &rest[at + end.unwrap_or(0) + 1..];
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn entity(name: &str) -> &'static str {
    match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => " ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        let table = [
            ("Cholera <Reference>A00</Reference>,\n  other", "Cholera A00, other"),
            ("A &amp; B &lt; C", "A & B < C"),
            ("5 & 6", "5 & 6"),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text), expected);
        }
        assert_eq!(attribute(r#"kind="chapter" code='I'>"#, "code").as_deref(), Some("I"));
        assert_eq!(attribute(r#"xcode="1">"#, "code"), None);
    }
}
