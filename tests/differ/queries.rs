//! Reads the file of queries: names, queries, and what explains a difference.

use std::collections::BTreeMap;

/// One query.
pub struct Query {
    /// As it stands in the file.
    pub shown: String,
    /// With names replaced and percent-encoded, ready to be sent.
    pub text: String,
    /// What explains a difference; empty where nothing does yet.
    pub why: String,
}

/// Reads the queries: `let NAME = VALUE`, `# a heading`, a query, `> what explains it`.
pub fn read(text: &str) -> Vec<Query> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queries: Vec<Query> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some((name, value)) = line.strip_prefix("let ").and_then(|rest| rest.split_once(" = ")) {
            names.insert(name, value);
        } else if let Some(why) = line.strip_prefix("> ") {
            let last = queries.last_mut().expect("an explanation follows its query");
            last.why = format!("{} {why}", last.why).trim().to_owned();
        } else if !line.is_empty() && !line.starts_with('#') {
            queries.push(Query {
                shown: line.to_owned(),
                text: encoded(&replaced(line, &names)),
                why: String::new(),
            });
        }
    }
    queries
}

/// The longest names first, so that none stands for the beginning of another. A `$` before no name stays.
fn replaced(line: &str, names: &BTreeMap<&str, &str>) -> String {
    let mut text = line.to_owned();
    for (name, value) in names.iter().rev() {
        text = text.replace(&format!("${name}"), value);
    }
    text
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~?&=:/,$*".contains(&byte);
    let one = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(one).collect()
}
