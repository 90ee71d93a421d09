//! Makes the table of units, on standard output, from UCUM's own XML, on standard input.
//!
//! `zcat ucum-essence.xml.gz | cargo run -p ucum --example table > schema/ucum/units.tsv`

use std::collections::HashMap;
use std::io::{Read, Write};
use std::process::ExitCode;

/// What was read of the entry that is open.
#[derive(Default)]
struct Entry {
    kind: &'static str,
    code: String,
    name: Option<String>,
    flags: String,
    value: String,
    unit: String,
    function: String,
}

impl Entry {
    fn open(kind: &'static str, attributes: &HashMap<String, String>) -> Entry {
        let of = |name: &str| attributes.get(name).cloned().unwrap_or_default();
        let flag = |name: &str, letter: &'static str| if of(name) == "yes" { letter } else { "" };
        let metric = if kind == "base" { "m" } else { flag("isMetric", "m") };
        Entry {
            kind,
            code: of("Code"),
            flags: [metric, flag("isSpecial", "s"), flag("isArbitrary", "a")].concat(),
            ..Entry::default()
        }
    }

    fn line(&self) -> String {
        let name = self.name.as_deref().unwrap_or("");
        [
            self.kind,
            &self.code,
            name,
            &self.flags,
            &self.value,
            &self.unit,
            &self.function,
        ]
        .join("\t")
    }
}

/// A text without character references and with single spaces.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(match name {
            "amp" => "&",
            "lt" => "<",
            "gt" => ">",
            "quot" => "\"",
            "apos" => "'",
            _ => "",
        });
        let number = name.strip_prefix('#').and_then(|number| number.parse().ok());
        out.extend(number.and_then(char::from_u32));
        rest = after;
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn attributes(tag: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = tag;
    while let Some((name, after)) = rest.split_once("=\"") {
        let Some((value, after)) = after.split_once('"') else {
            break;
        };
        let name = name.split_whitespace().last().unwrap_or("");
        found.insert(name.to_owned(), plain(value));
        rest = after;
    }
    found
}

fn table(xml: &str) -> String {
    let mut out = String::from("kind\tcode\tname\tflags\tvalue\tunit\tfunction\n");
    let mut entry: Option<Entry> = None;
    for piece in xml.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        let name = tag.split([' ', '\n', '\r', '\t', '/']).next().unwrap_or("");
        let found = attributes(tag);
        let of = |name: &str| found.get(name).cloned().unwrap_or_default();
        match (name, &mut entry) {
            ("prefix", _) => entry = Some(Entry::open("prefix", &found)),
            ("base-unit", _) => entry = Some(Entry::open("base", &found)),
            ("unit", _) => entry = Some(Entry::open("unit", &found)),
            ("name", Some(entry)) if entry.name.is_none() => entry.name = Some(plain(text)),
            ("value", Some(entry)) => (entry.value, entry.unit) = (of("value"), of("Unit")),
            ("function", Some(entry)) => {
                (entry.function, entry.value, entry.unit) = (of("name"), of("value"), of("Unit"));
            }
            _ => {}
        }
        if matches!(tag, "/prefix" | "/base-unit" | "/unit")
            && let Some(entry) = entry.take()
        {
            out.push_str(&entry.line());
            out.push('\n');
        }
    }
    out
}

fn main() -> ExitCode {
    let mut xml = String::new();
    let done = std::io::stdin()
        .read_to_string(&mut xml)
        .and_then(|_| std::io::stdout().write_all(table(&xml).as_bytes()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("the table could not be made: {trouble}");
            ExitCode::FAILURE
        }
    }
}
