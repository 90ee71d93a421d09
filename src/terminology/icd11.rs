//! ICD-11 for mortality and morbidity statistics: the table of its linearization.
//!
//! The WHO's own table has dashes before a title for each level; a plain table of code, title and uri has its hierarchy in
//! the codes.

use std::path::PathBuf;

use crate::packed::Entry;
use crate::release::{Columns, Lines, Progress, Release, Unreadable, details, property};

/// <https://terminology.hl7.org/ICD.html>
const URL: &str = "http://id.who.int/icd/release/11/mms";

/// Reads the one file of a release.
///
/// # Errors
/// Where its first line does not name the columns `code` and `title`.
pub(crate) fn read(files: &[PathBuf], progress: &mut Progress<'_>) -> Result<Release, Unreadable> {
    let [path] = files else {
        return Err(Unreadable(
            "ICD-11 is loaded from one file: the table of the linearization.".to_owned(),
        ));
    };
    let mut lines = Lines::open(path, progress)?;
    let head = lines.next()?.unwrap_or_default();
    let columns = Columns::of(head.split('\t'));
    if !columns.has("code") || !columns.has("title") {
        return Err(lines.wrong("the first line has to name the columns code and title, divided by tabs"));
    }
    let mut entries: Vec<Entry> = Vec::new();
    // The codes of the rows that the next one may stand below.
    let mut open: Vec<String> = Vec::new();
    let mut codes = std::collections::HashSet::new();
    while let Some(line) = lines.next()? {
        let row: Vec<&str> = line.split('\t').collect();
        let cell = |name: &str| columns.cell(&row, name).trim().trim_matches('"');
        let title = cell("title").trim_start_matches("- ").trim();
        let code = [cell("code"), cell("blockid"), cell("chapterno")]
            .into_iter()
            .find(|code| !code.is_empty());
        let Some(code) = code else { continue };
        let parent = match columns.has("classkind") {
            true => {
                open.truncate(dashes(cell("title")));
                open.last().cloned()
            }
            false => shorter(code).find(|code| codes.contains(*code)).map(str::to_owned),
        };
        open.push(code.to_owned());
        codes.insert(code.to_owned());
        let uri = [
            cell("uri"),
            cell("linearization uri"),
            cell("linearization (release) uri"),
        ];
        let uri = uri.into_iter().find(|uri| !uri.is_empty());
        entries.push(Entry {
            code: code.to_owned(),
            display: title.to_owned(),
            parents: parent.into_iter().collect(),
            is_abstract: cell("code").is_empty(),
            details: details(
                "",
                Vec::new(),
                uri.map(|uri| property("uri", "valueString", uri)).into_iter().collect(),
            ),
            ..Entry::default()
        });
    }
    Ok(Release {
        url: URL,
        name: "ICD-11-MMS",
        version: None,
        language: "en",
        entries,
    })
}

/// The dashes that a title begins with.
fn dashes(title: &str) -> usize {
    let mut rest = title;
    let mut count = 0;
    while let Some(next) = rest.strip_prefix("- ") {
        rest = next;
        count += 1;
    }
    count
}

/// What a code begins with, the longest first: `1A00.1`, `1A00` of `1A00.10`.
fn shorter(code: &str) -> impl Iterator<Item = &str> {
    let ends = code.char_indices().map(|(at, _)| at).rev();
    ends.map(|at| code[..at].trim_end_matches('.'))
        .filter(|code| code.len() >= 4)
}
