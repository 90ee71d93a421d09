//! The tables that say what counts as what: built in, and changed line by line by tables of one's own.
//!
//! A table is lines of a word, a tab, and what is said of it; lines that begin with `#` are remarks. A line of one's own
//! table takes the place of the built-in line that begins with the same word; one with nothing after the tab takes that
//! line out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Lines of one table of one's own, at most.
const LINES_MAX: usize = 20_000;
/// Characters of one line, at most.
const LINE_MAX: usize = 4_000;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Names of people, and their spellings.
    Names,
    /// Clinical concepts, and the words and abbreviations for them.
    Synonyms,
    /// Words that say nothing, endings that do not count, words that count as others.
    Words,
    /// Which element is read how.
    Elements,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 4] = [Table::Names, Table::Synonyms, Table::Words, Table::Elements];

    /// Its name; its file's, without `.tsv`.
    pub fn name(self) -> &'static str {
        match self {
            Table::Names => "names",
            Table::Synonyms => "synonyms",
            Table::Words => "words",
            Table::Elements => "elements",
        }
    }

    /// The table of that name.
    pub fn named(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// What is part of the program: the file of that name in `search-index/analyzers`.
    pub(crate) fn built_in(self) -> &'static str {
        match self {
            Table::Names => include_str!("../../search-index/analyzers/names.tsv"),
            Table::Synonyms => include_str!("../../search-index/analyzers/synonyms.tsv"),
            Table::Words => include_str!("../../search-index/analyzers/words.tsv"),
            Table::Elements => include_str!("../../search-index/analyzers/elements.tsv"),
        }
    }
}

/// The lines of one table: the word they begin with, and what is said of it.
pub type Lines = BTreeMap<String, String>;

/// All tables, as they are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables(BTreeMap<Table, Lines>);

impl Tables {
    /// Those that are part of the program.
    ///
    /// # Errors
    /// Never: a test reads them.
    pub fn built_in() -> Result<Tables, String> {
        Table::ALL
            .into_iter()
            .try_fold(Tables::default(), |tables, table| tables.with(table, table.built_in()))
    }

    /// The lines of one table.
    pub fn lines(&self, table: Table) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.0.get(&table).into_iter().flatten();
        lines.map(|(word, said)| (word.as_str(), said.as_str()))
    }

    /// These tables, one of them changed by lines of one's own.
    ///
    /// # Errors
    /// A sentence that names the line.
    pub fn with(mut self, table: Table, own: &str) -> Result<Tables, String> {
        let lines = self.0.entry(table).or_default();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, line) in own.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            if at > LINES_MAX || line.len() > LINE_MAX {
                return Err(format!(
                    "Line {at} of the table {} is beyond {LINES_MAX} lines of {LINE_MAX} characters.",
                    table.name()
                ));
            }
            let (word, said) = line.split_once('\t').ok_or_else(|| {
                format!(
                    "Line {at} of the table {} has no tab between the word and what is said of it.",
                    table.name()
                )
            })?;
            let (word, said) = (word.trim(), said.trim());
            if let Some(before) = seen.insert(word, at) {
                return Err(format!(
                    "Line {at} of the table {} begins with \"{word}\", as line {before} does.",
                    table.name()
                ));
            }
            match said.is_empty() {
                true => lines.remove(word),
                false => lines.insert(word.to_owned(), said.to_owned()),
            };
        }
        Ok(self)
    }

    /// All of them as one text, which [`Tables::read`] reads.
    pub fn write(&self) -> String {
        let mut out = String::new();
        for table in Table::ALL {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "#{}", table.name());
            for (word, said) in self.lines(table) {
                let _ = writeln!(out, "{word}\t{said}");
            }
        }
        out
    }

    /// Reads what [`Tables::write`] wrote.
    ///
    /// # Errors
    /// A sentence where it is something else.
    pub fn read(text: &str) -> Result<Tables, String> {
        let mut tables = Tables::default();
        let mut lines = String::new();
        // From the end: the lines of a table come before its name.
        for line in text.lines().rev() {
            let Some(name) = line.strip_prefix('#') else {
                lines.push_str(line);
                lines.push('\n');
                continue;
            };
            let table = Table::named(name).ok_or_else(|| format!("There is no table \"{name}\"."))?;
            tables = tables.with(table, &std::mem::take(&mut lines))?;
        }
        Ok(tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_ones_own_take_the_place_of_others() {
        let own = "# mine\nsonam\tsoonam\n\ndorji\t\nnew\tneew, nyew\n";
        let tables = Tables::built_in().unwrap().with(Table::Names, own).unwrap();
        let said = |word: &str| tables.lines(Table::Names).find(|(w, _)| *w == word).map(|(_, s)| s);
        assert_eq!(said("sonam"), Some("soonam"));
        assert_eq!(said("dorji"), None);
        assert_eq!(said("new"), Some("neew, nyew"));
        assert!(said("tshering").is_some_and(|said| said.contains("tsering")));
        assert_eq!(Tables::read(&tables.write()), Ok(tables));
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line() {
        let long = format!("a\t{}", "b".repeat(LINE_MAX));
        let table = [
            ("a\tb\nno tab\n", "Line 2 of the table words has no tab"),
            (
                "a\tb\n\na\tc\n",
                "Line 3 of the table words begins with \"a\", as line 1 does.",
            ),
            (&long, "Line 1 of the table words is beyond"),
        ];
        for (own, expected) in table {
            let refused = Tables::default().with(Table::Words, own).unwrap_err();
            assert!(refused.starts_with(expected), "{refused}");
        }
        assert!(Tables::read("#other\na\tb\n").is_err());
    }
}
