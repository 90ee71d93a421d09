//! LOINC: the table `Loinc.csv` of a release (<https://hl7.org/fhir/R4/loinc.html>).

use std::path::PathBuf;

use fhir::tree::Tree;

use crate::packed::Entry;
use crate::release::{Columns, Lines, Progress, Release, Unreadable, details, property};

const URL: &str = "http://loinc.org";
/// Columns that are properties of a code.
const PROPERTIES: [&str; 14] = [
    "COMPONENT",
    "PROPERTY",
    "TIME_ASPCT",
    "SYSTEM",
    "SCALE_TYP",
    "METHOD_TYP",
    "CLASS",
    "CLASSTYPE",
    "ORDER_OBS",
    "STATUS",
    "EXAMPLE_UCUM_UNITS",
    "UNITSREQUIRED",
    "PanelType",
    "VersionLastChanged",
];
/// Columns that are other names of a code.
const NAMES: [&str; 3] = ["SHORTNAME", "CONSUMER_NAME", "DisplayName"];

/// Reads the one file of a release.
///
/// # Errors
/// Where it is no table with `LOINC_NUM` and `LONG_COMMON_NAME`.
pub(crate) fn read(files: &[PathBuf], progress: &mut Progress<'_>) -> Result<Release, Unreadable> {
    let [path] = files else {
        return Err(Unreadable("LOINC is loaded from one file: Loinc.csv.".to_owned()));
    };
    let mut lines = Lines::open(path, progress)?;
    let head = row(&mut lines)?.unwrap_or_default();
    let columns = Columns::of(head.iter().map(String::as_str));
    if !columns.has("loinc_num") || !columns.has("long_common_name") {
        return Err(lines.wrong("the first line has to name the columns LOINC_NUM and LONG_COMMON_NAME"));
    }
    let (mut entries, mut newest) = (Vec::new(), String::new());
    while let Some(row) = row(&mut lines)? {
        let cell = |name: &str| columns.cell(&row, &name.to_lowercase());
        if cell("LOINC_NUM").is_empty() {
            return Err(lines.wrong("it has no LOINC_NUM"));
        }
        if crate::version::compare(cell("VersionLastChanged"), &newest).is_gt() {
            newest = cell("VersionLastChanged").to_owned();
        }
        let named = |name: &&&str| !cell(name).is_empty();
        let properties = PROPERTIES
            .iter()
            .filter(named)
            .map(|name| property(name, "valueString", cell(name)));
        let names = NAMES.iter().filter(named).map(|name| designation(name, cell(name)));
        entries.push(Entry {
            code: cell("LOINC_NUM").to_owned(),
            display: cell("LONG_COMMON_NAME").to_owned(),
            deprecated: matches!(cell("STATUS"), "DEPRECATED" | "DISCOURAGED"),
            details: details(cell("DefinitionDescription"), names.collect(), properties.collect()),
            ..Entry::default()
        });
    }
    Ok(Release {
        url: URL,
        name: "LOINC",
        version: Some(newest).filter(|version| !version.is_empty()),
        language: "en",
        entries,
    })
}

fn designation(name: &str, value: &str) -> Tree {
    let usage = Tree::object([("system", Tree::string(URL)), ("code", Tree::string(name))]);
    Tree::object([("use", usage), ("value", Tree::string(value))])
}

/// The next row of a table with commas (RFC 4180): quoted cells may hold commas, quotation marks and line ends.
fn row(lines: &mut Lines<'_, '_>) -> Result<Option<Vec<String>>, Unreadable> {
    let Some(mut text) = lines.next()? else {
        return Ok(None);
    };
    while text.matches('"').count() % 2 == 1 {
        let Some(more) = lines.next()? else {
            return Err(lines.wrong("a quotation mark is never closed"));
        };
        text.push('\n');
        text.push_str(&more);
        if text.len() > ROW_MAX {
            return Err(lines.wrong("a quotation mark is never closed"));
        }
    }
    Ok(Some(cells(&text)))
}

/// A row at most, in bytes.
const ROW_MAX: usize = 1 << 20;

fn cells(text: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quoted) {
            ('"', true) if chars.next_if_eq(&'"').is_some() => cell.push('"'),
            ('"', _) => quoted = !quoted,
            (',', false) => cells.push(std::mem::take(&mut cell)),
            _ => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_read_with_their_quotes() {
        let cells = super::cells(r#""a","b, ""c""",,d"#);
        assert_eq!(cells, ["a", r#"b, "c""#, "", "d"]);
    }
}
