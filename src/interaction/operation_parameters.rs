//! What each operation takes and answers: by R4's own definitions, and by a table for what R4 does not define.
//!
//! The one declaration: inputs are held against it, and the OperationDefinitions, the CapabilityStatement and the reference
//! page are written from it. A parameter that is ignored is another question answered, so what is not here is refused.

use std::collections::HashMap;
use std::sync::OnceLock;

use fhir::tree::Tree;

use crate::operation::{OPERATIONS, Operation};
use crate::operation_definition;
use crate::request::Handling;

/// See its first lines.
const TABLE: &str = include_str!("../../schema/operations.tsv");
/// An operation takes whatever a search does.
const ANY: &str = "*";
/// An operation leaves away what it does not know, but where strict handling is preferred.
const OTHERS: &str = "?";
/// The place of what comes back.
const ANSWER: &str = "answer";
/// How deep rows may stand for those of other operations.
const DEPTH_MAX: usize = 4;

/// One row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Parameter {
    /// `any`, `record`, or `other` than of a record; `answer` of what comes back.
    at: &'static str,
    /// What it is called.
    pub(crate) name: &'static str,
    /// `0..1`
    cardinality: &'static str,
    /// Its type; `Any` for several.
    kind: &'static str,
    text: &'static str,
}

/// What comes back from an operation that R4 does not define.
pub(crate) fn answered(operation: &str) -> Vec<Parameter> {
    all_rows(operation).filter(|row| row.at == ANSWER).collect()
}

/// The rows of what an operation takes; those that stand for others too.
fn rows(operation: &str) -> impl Iterator<Item = Parameter> {
    all_rows(operation).filter(|row| row.at != ANSWER)
}

fn all_rows(operation: &str) -> impl Iterator<Item = Parameter> {
    let rows = TABLE.lines().filter(|row| !row.starts_with('#'));
    let own = rows.filter_map(move |row| row.split_once('\t').filter(|(of, _)| *of == operation));
    own.map(|(_, row)| {
        let mut columns = row.split('\t');
        let mut next = || columns.next().unwrap_or_default();
        Parameter {
            at: next(),
            name: next(),
            cardinality: next(),
            kind: next(),
            text: next(),
        }
    })
}

/// The rows of an operation, with those of others that they stand for.
pub(crate) fn own(operation: &str) -> Vec<Parameter> {
    let mut found = Vec::new();
    gather(operation, DEPTH_MAX, &mut found);
    found
}

fn gather(operation: &str, left: usize, found: &mut Vec<Parameter>) {
    for row in rows(operation) {
        match row.other().filter(|_| left > 0) {
            Some(other) => gather(other, left - 1, found),
            None => found.push(row),
        }
    }
}

/// The names of the parameters that go into an operation by R4's own definition of it.
fn standard(operation: &Operation) -> &'static [String] {
    static READ: OnceLock<HashMap<&'static str, Vec<String>>> = OnceLock::new();
    let read = || {
        let definitions = terminology::packed().filter(|packed| packed.kind == "OperationDefinition");
        let names = |packed: terminology::Packed| {
            let document = packed.document()?;
            let parameters = document.root().get("parameter")?;
            let taken = parameters
                .items()
                .filter(|one| one.string("use").is_some_and(|way| way == "in"));
            let names = taken.filter_map(|one| Some(one.string("name")?.into_owned()));
            Some((packed.url, names.collect()))
        };
        definitions.filter_map(names).collect()
    };
    let of = |url| READ.get_or_init(read).get(url);
    operation.definition.and_then(of).map_or(&[], Vec::as_slice)
}

/// The names that an operation takes at an address of a record, or at another; `None` where it takes any. What the caller
/// prefers decides over what it does not know.
pub(crate) fn known(
    operation: &Operation,
    of_record: bool,
    prefers: Option<Handling>,
) -> Option<&'static [&'static str]> {
    /// By name, definition, whether of a record, and what is preferred.
    type All = HashMap<(&'static str, Option<&'static str>, bool, Option<bool>), Option<Vec<&'static str>>>;
    static ALL: OnceLock<All> = OnceLock::new();
    let key = |operation: &Operation, of_record: bool, prefers: Option<Handling>| {
        let lenient = prefers.map(|handling| handling == Handling::Lenient);
        (operation.name, operation.definition, of_record, lenient)
    };
    let all = ALL.get_or_init(|| {
        let mut all = All::new();
        for operation in OPERATIONS {
            for of_record in [true, false] {
                for prefers in [None, Some(Handling::Lenient), Some(Handling::Strict)] {
                    let names = read(operation, of_record, prefers);
                    all.insert(key(operation, of_record, prefers), names);
                }
            }
        }
        all
    });
    all.get(&key(operation, of_record, prefers))?.as_deref()
}

/// What [`known`] answers, from the rows and the definitions.
fn read(operation: &Operation, of_record: bool, prefers: Option<Handling>) -> Option<Vec<&'static str>> {
    let mut own = own(operation.name);
    let has = |name: &str| own.iter().any(|parameter| parameter.name == name);
    let lenient = match prefers {
        Some(handling) => handling == Handling::Lenient,
        None => has(OTHERS),
    };
    if lenient || has(ANY) {
        return None;
    }
    own.retain(Parameter::is_named);
    let here = if of_record { "record" } else { "other" };
    let mut names: Vec<&str> = standard(operation).iter().map(String::as_str).collect();
    also_standard(operation.name, DEPTH_MAX, &mut names);
    names.retain(|name| own.iter().all(|parameter| parameter.name != *name));
    let fitting = own
        .iter()
        .filter(|parameter| parameter.at == "any" || parameter.at == here);
    names.extend(fitting.map(|parameter| parameter.name));
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// Appends the names that R4 gives the operations whose parameters this one has too.
fn also_standard(operation: &str, left: usize, names: &mut Vec<&'static str>) {
    for other in rows(operation).filter_map(|row| row.other()).filter(|_| left > 0) {
        let of_name = OPERATIONS.iter().filter(|one| one.name == other);
        names.extend(of_name.flat_map(|one| standard(one).iter().map(String::as_str)));
        also_standard(other, left - 1, names);
    }
}

/// What an operation takes that its definition, which is not this server's, does not say: a sentence, or nothing.
pub(crate) fn beyond(operation: &Operation) -> String {
    let standard = standard(operation);
    let mut names: Vec<&str> = own(operation.name).iter().map(|parameter| parameter.name).collect();
    names.retain(|name| *name != ANY && *name != OTHERS && !standard.iter().any(|own| own == name));
    match (operation.definition, names.is_empty()) {
        (Some(_), false) => format!("It takes too: {}.", names.join(", ")),
        _ => String::new(),
    }
}

impl Parameter {
    /// The operation that the row stands for all parameters of.
    fn other(&self) -> Option<&'static str> {
        self.name.strip_prefix('=')
    }

    /// Whether it is one, not all that a search takes.
    pub(crate) fn is_named(&self) -> bool {
        self.name != ANY && self.name != OTHERS
    }

    /// As an OperationDefinition lists it.
    pub(crate) fn listed(&self) -> Tree {
        let (min, max) = self.cardinality.split_once("..").unwrap_or(("0", "1"));
        Tree::object([
            ("name", Tree::string(self.name)),
            ("use", Tree::string(if self.at == ANSWER { "out" } else { "in" })),
            ("min", Tree::number(min)),
            ("max", Tree::string(max)),
            ("documentation", Tree::string(self.text)),
            ("type", Tree::string(self.kind)),
        ])
    }
}

/// The page `docs/reference/operations.md`.
pub fn page() -> String {
    let mut out = String::from(
        "# Operations\n\nWritten from the declarations in `src/interaction/operation.rs` and `schema/operations.tsv`; \
         `EPIS_BLESS=1 cargo test -p epis` writes it anew.\n\nParameters stand in the address or in a Parameters resource. One that \
         an operation does not know is refused (400), but with `Prefer: handling=lenient`. Those of R4's own definitions \
         are named only.\n",
    );
    for operation in OPERATIONS {
        let kinds = [operation.kinds, operation.records].concat();
        let mut places: Vec<&str> = kinds;
        places.sort_unstable();
        places.dedup();
        let system = if operation.system { " at the base" } else { "" };
        let of = if places.is_empty() {
            String::new()
        } else {
            format!(" of {}", places.join(", "))
        };
        let address = operation_definition::address(operation);
        out.push_str(&format!("\n## ${}{system}{of}\n\n`{address}`", operation.name));
        if !operation.text.is_empty() {
            out.push_str(&format!(". {}", operation.text));
        }
        out.push('\n');
        let standard = standard(operation);
        if !standard.is_empty() {
            out.push_str(&format!("\nBy its definition: {}.\n", standard.join(", ")));
        }
        rows_page(operation, &mut out);
    }
    out
}

/// Appends the rows of an operation to the page.
fn rows_page(operation: &Operation, out: &mut String) {
    let (others, mut own): (Vec<Parameter>, Vec<Parameter>) =
        rows(operation.name).partition(|row| row.other().is_some());
    let has = |name: &str| own.iter().any(|row| row.name == name);
    let (any, tolerant) = (has(ANY), has(OTHERS));
    if any {
        out.push_str("\nAny parameter of a search.\n");
    }
    if tolerant {
        out.push_str("\nOthers are left away, but with `Prefer: handling=strict`.\n");
    }
    own.retain(Parameter::is_named);
    if !own.is_empty() {
        out.push_str("\n| parameter | | type | |\n|---|---|---|---|\n");
    }
    for one in &own {
        let at = match one.at {
            "record" => " (of a record)",
            "other" => " (not of a record)",
            _ => "",
        };
        out.push_str(&format!(
            "| `{}`{at} | {} | {} | {} |\n",
            one.name, one.cardinality, one.kind, one.text
        ));
    }
    for other in others.iter().filter_map(Parameter::other) {
        out.push_str(&format!("\nAnd those of ${other}.\n"));
    }
    let answered = answered(operation.name);
    if !answered.is_empty() {
        out.push_str("\n| answer | | type | |\n|---|---|---|---|\n");
    }
    for one in answered {
        out.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            one.name, one.cardinality, one.kind, one.text
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole_and_of_an_operation() {
        for row in TABLE.lines().filter(|row| !row.starts_with('#')) {
            let columns: Vec<&str> = row.split('\t').collect();
            let [operation, at, name, cardinality, kind, text] = columns[..] else {
                panic!("six columns in: {row}")
            };
            assert!(OPERATIONS.iter().any(|one| one.name == operation), "{row}");
            assert!(
                ["any", "record", "other", ANSWER].contains(&at) && !name.is_empty(),
                "{row}"
            );
            let plain = name != ANY && name != OTHERS && !name.starts_with('=');
            assert_eq!(
                plain,
                cardinality.contains("..") && !kind.is_empty() && text.ends_with('.'),
                "{row}"
            );
            let stands_for = name.strip_prefix('=').is_none_or(|other| !own(other).is_empty());
            assert!(stands_for, "{row}");
        }
    }

    #[test]
    fn what_comes_back_is_told_of_every_operation_that_r4_does_not_define() {
        let own: Vec<&str> = operation_definition::of_no_standard()
            .map(|(_, one)| one.name)
            .collect();
        for operation in OPERATIONS {
            let told = !answered(operation.name).is_empty();
            assert_eq!(told, own.contains(&operation.name), "{}", operation.name);
        }
    }

    #[test]
    fn what_an_operation_takes_depends_on_where_it_is_asked() {
        let table = [
            ("diff", true, "fromVersion includeMeta toVersion"),
            ("diff", false, "from includeMeta to"),
            ("document", true, "graph persist"),
            ("document", false, "graph id persist"),
            ("meta", true, ""),
            ("reindex", false, ""),
            ("find", false, "name patient"),
            ("summary", true, "profile"),
        ];
        for (name, of_record, expected) in table {
            let operation = OPERATIONS.iter().find(|one| one.name == name).expect(name);
            assert_eq!(
                known(operation, of_record, None).expect(name).join(" "),
                expected,
                "{name}"
            );
        }
        let lastn = OPERATIONS.iter().find(|one| one.name == "lastn").expect("it is there");
        assert!(known(lastn, false, None).is_none());
        let lookup = OPERATIONS.iter().find(|one| one.name == "lookup").expect("it is there");
        assert!(known(lookup, false, None).is_none());
        let strictly = known(lookup, false, Some(Handling::Strict)).expect("it knows some only");
        assert!(strictly.contains(&"property") && strictly.contains(&"uuid") && !strictly.contains(&OTHERS));
    }
}
