//! Tables of comma- or tab-separated values whose first line names the columns.

/// A row of a table, its fields by the names in the table's first line.
pub(crate) struct Row<'a>(Vec<(&'a str, String)>);

impl Row<'_> {
    /// A field; empty where the table has no such column.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// A field that is a whole number; 0 where it is empty.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or(0)
    }
}

/// The rows of a table of comma-separated values; fields with commas stand in quotes.
pub(crate) fn commas(table: &str) -> Vec<Row<'_>> {
    rows(table, ',', fields)
}

/// The rows of a table of tab-separated values; lines that begin with `#` are remarks.
pub(crate) fn tabs(table: &str) -> Vec<Row<'_>> {
    rows(table, '\t', |line| line.split('\t').map(str::to_owned).collect())
}

fn rows(table: &str, separator: char, fields: impl Fn(&str) -> Vec<String>) -> Vec<Row<'_>> {
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.next().unwrap_or("").split(separator).collect();
    lines
        .map(|line| Row(names.iter().copied().zip(fields(line)).collect()))
        .collect()
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.last_mut().expect("starts with one").push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_under_their_names() {
        assert_eq!(fields("\"a, b\",c,"), ["a, b", "c", ""]);
        let rows = tabs("# a remark\nname\tcount\nSonam\t7\n");
        assert_eq!((rows[0].get("name"), rows[0].number("count")), ("Sonam", 7));
        assert_eq!((rows[0].get("other"), rows[0].number("name")), ("", 0));
    }
}
