//! LOINC: the tables of a release; codes, and with them answer lists, parts and the hierarchy where their files are named.
//!
//! See <https://hl7.org/fhir/R4/loinc.html>.

use std::collections::HashMap;
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

/// Reads the files of a release. Which is which shows in its first line; `Loinc.csv` has to be among them.
///
/// # Errors
/// Where a file is none of those that are read, or a row lacks its code.
pub(crate) fn read(files: &[PathBuf], progress: &mut Progress<'_>) -> Result<Release, Unreadable> {
    let mut reading = Reading::default();
    for path in files {
        let mut lines = Lines::open(path, progress)?;
        let head = row(&mut lines)?.unwrap_or_default();
        let columns = Columns::of(head.iter().map(String::as_str));
        let Some((_, take)) = FILES
            .iter()
            .find(|(needed, _)| needed.iter().all(|name| columns.has(name)))
        else {
            let what = "its first line is of none of the files that are read: Loinc.csv, AnswerList.csv, Part.csv, \
                        ComponentHierarchyBySystem.csv";
            return Err(Unreadable::file(path, what));
        };
        while let Some(row) = row(&mut lines)? {
            let cell = |name: &str| columns.cell(&row, &name.to_lowercase()).to_owned();
            take(&mut reading, &cell).ok_or_else(|| lines.wrong("it lacks its code"))?;
        }
    }
    if reading.codes == 0 {
        let text = "Loinc.csv has to be among the files: without it there are no codes.";
        return Err(Unreadable(text.to_owned()));
    }
    Ok(Release {
        url: URL,
        name: "LOINC",
        version: Some(reading.newest).filter(|version| !version.is_empty()),
        language: "en",
        entries: reading.entries,
    })
}

/// Takes in a row, whose cells are known by the names of their columns.
type Take = fn(&mut Reading, &dyn Fn(&str) -> String) -> Option<()>;

/// The columns by which a file is known, in lower case, and what takes its rows in.
const FILES: [(&[&str], Take); 4] = [
    (&["loinc_num", "long_common_name"], Reading::code),
    (&["answerlistid", "answerstringid"], Reading::answer),
    (&["partnumber", "partname"], Reading::part),
    (&["immediate_parent", "code"], Reading::below),
];

#[derive(Default)]
struct Reading {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
    /// How many rows `Loinc.csv` had.
    codes: usize,
    newest: String,
}

impl Reading {
    /// The entry of a code; an empty one where there was none. The release may speak of a code before it is defined.
    fn entry(&mut self, code: String) -> Option<&mut Entry> {
        if code.is_empty() {
            return None;
        }
        let place = *self.places.entry(code.clone()).or_insert_with(|| {
            let code = Entry {
                code,
                ..Entry::default()
            };
            self.entries.push(code);
            self.entries.len() - 1
        });
        self.entries.get_mut(place)
    }

    /// A row of `Loinc.csv`.
    fn code(&mut self, cell: &dyn Fn(&str) -> String) -> Option<()> {
        let last = cell("VersionLastChanged");
        if crate::version::compare(&last, &self.newest).is_gt() {
            self.newest = last;
        }
        self.codes += 1;
        let filled = |name: &&'static str| Some((*name, cell(name))).filter(|(_, value)| !value.is_empty());
        let properties = PROPERTIES.iter().filter_map(filled);
        let properties = properties.map(|(name, value)| property(name, "valueString", &value));
        let names = NAMES.iter().filter_map(filled);
        let names = names.map(|(name, value)| designation(name, &value));
        let entry = self.entry(cell("LOINC_NUM"))?;
        entry.display = cell("LONG_COMMON_NAME");
        entry.deprecated = matches!(cell("STATUS").as_str(), "DEPRECATED" | "DISCOURAGED");
        entry.details = details(&cell("DefinitionDescription"), names.collect(), properties.collect());
        Some(())
    }

    /// A row of `AnswerList.csv`: an answer in a list. A list that is kept elsewhere has a row without an answer.
    fn answer(&mut self, cell: &dyn Fn(&str) -> String) -> Option<()> {
        let (list, answer) = (cell("AnswerListId"), cell("AnswerStringId"));
        let entry = self.entry(list)?;
        (entry.display, entry.is_abstract) = (cell("AnswerListName"), true);
        if !answer.is_empty() {
            entry.members.push(answer.clone());
            self.entry(answer)?.display = cell("DisplayText");
        }
        Some(())
    }

    /// A row of `Part.csv`.
    fn part(&mut self, cell: &dyn Fn(&str) -> String) -> Option<()> {
        let kind = property("PartTypeName", "valueString", &cell("PartTypeName"));
        let shown = [cell("PartDisplayName"), cell("PartName")];
        let entry = self.entry(cell("PartNumber"))?;
        entry.display = shown.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        entry.deprecated = cell("Status") == "DEPRECATED";
        entry.details = details("", Vec::new(), vec![kind]);
        Some(())
    }

    /// A row of `ComponentHierarchyBySystem.csv`: a code below another.
    fn below(&mut self, cell: &dyn Fn(&str) -> String) -> Option<()> {
        let (parent, text) = (cell("IMMEDIATE_PARENT"), cell("CODE_TEXT"));
        let entry = self.entry(cell("CODE"))?;
        if entry.display.is_empty() {
            entry.display = text;
        }
        if !parent.is_empty() && !entry.parents.contains(&parent) {
            entry.parents.push(parent);
        }
        Some(())
    }
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
