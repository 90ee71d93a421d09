//! Makes the compact tables of code systems and value sets.
//!
//! Both list what belongs to a system or set under its row, set in by tabs:
//!
//! ```text
//! code-systems.tsv   url  version  content  flags
//!                      code  display  child  child ...      one more tab for each level of the hierarchy
//! value-sets.tsv     url  version
//!                      sign  system  value sets  filters  code  code ...
//! ```
//!
//! * content: `complete`, or what the definition says instead; only a complete system has its codes here.
//! * flags: `C` where case counts.
//! * child: codes of the `child` property: a concept that stands below several others is written below one of them.
//! * sign: `+` for what the set includes, `-` for what it excludes.
//! * system: with `|version` where the definition asks for one.
//! * value sets: divided by blanks; a code has to be in all of them.
//! * filters: `property op value`, divided by ` ; `.
//!
//! The displays of codes that a value set lists are left out: many belong to terminologies with licences of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use fhir::tree::Tree;

use crate::compact::{Step, flat, items, optional, string};

/// Divides filters; no filter of the standard has it in its value.
pub(crate) const BETWEEN_FILTERS: &str = " ; ";

/// The rows of the code systems, by address.
#[derive(Default)]
pub(crate) struct CodeSystems {
    pub(crate) rows: BTreeMap<String, String>,
    pub(crate) codes: usize,
}

impl CodeSystems {
    pub(crate) fn add(&mut self, tree: &Tree) -> Step {
        let (url, content) = (string(tree, "url")?, string(tree, "content")?);
        let case = match tree.get("caseSensitive") {
            Some(Tree::Bool(true)) => "C",
            _ => "",
        };
        let mut rows = format!("{url}\t{}\t{content}\t{case}\n", optional(tree, "version"));
        if content == "complete" {
            self.concepts(items(tree, "concept"), 1, &mut rows)?;
        }
        self.rows.insert(url.to_owned(), rows);
        Ok(())
    }

    fn concepts(&mut self, concepts: &[Tree], depth: usize, rows: &mut String) -> Step {
        for concept in concepts {
            self.codes += 1;
            let code = code(concept)?;
            write!(
                rows,
                "{}{code}\t{}",
                "\t".repeat(depth),
                flat(optional(concept, "display"))
            )
            .expect("a String");
            for property in items(concept, "property") {
                if optional(property, "code") == "child" {
                    write!(rows, "\t{}", string(property, "valueCode")?).expect("a String");
                }
            }
            rows.push('\n');
            self.concepts(items(concept, "concept"), depth + 1, rows)?;
        }
        Ok(())
    }
}

/// The rows of the value sets, by address, and which systems each draws on.
#[derive(Default)]
pub(crate) struct ValueSets {
    pub(crate) rows: BTreeMap<String, String>,
    systems: BTreeMap<String, Drawn>,
}

#[derive(Default)]
struct Drawn {
    systems: BTreeSet<String>,
    sets: BTreeSet<String>,
}

impl ValueSets {
    pub(crate) fn add(&mut self, tree: &Tree) -> Step {
        let url = string(tree, "url")?;
        let compose = tree.get("compose").ok_or("`compose` is missing")?;
        let mut rows = format!("{url}\t{}\n", optional(tree, "version"));
        let mut drawn = Drawn::default();
        for (sign, name) in [('+', "include"), ('-', "exclude")] {
            for part in items(compose, name) {
                let system = optional(part, "system");
                let sets: Vec<&str> = items(part, "valueSet").iter().filter_map(Tree::as_str).collect();
                if sign == '+' {
                    drawn.systems.extend((!system.is_empty()).then(|| system.to_owned()));
                    drawn.sets.extend(sets.iter().map(|set| bare(set).to_owned()));
                }
                let version = optional(part, "version");
                let system = match version.is_empty() {
                    true => system.to_owned(),
                    false => format!("{system}|{version}"),
                };
                let filters = filters(items(part, "filter"))?;
                write!(rows, "\t{sign}\t{system}\t{}\t{filters}", sets.join(" ")).expect("a String");
                for concept in items(part, "concept") {
                    write!(rows, "\t{}", code(concept)?).expect("a String");
                }
                rows.push('\n');
            }
        }
        self.systems.insert(url.to_owned(), drawn);
        self.rows.insert(url.to_owned(), rows);
        Ok(())
    }

    /// The one system all codes of a value set come from, where there is one.
    pub(crate) fn system(&self, url: &str) -> Option<&str> {
        let (mut found, mut seen, mut open) = (None, BTreeSet::new(), vec![bare(url)]);
        while let Some(url) = open.pop() {
            if !seen.insert(url) {
                continue;
            }
            let drawn = self.systems.get(url)?;
            open.extend(drawn.sets.iter().map(String::as_str));
            for system in &drawn.systems {
                if *found.get_or_insert(system.as_str()) != system {
                    return None;
                }
            }
        }
        found
    }
}

fn bare(canonical: &str) -> &str {
    canonical.split_once('|').map_or(canonical, |(bare, _)| bare)
}

fn code(concept: &Tree) -> Result<&str, String> {
    let code = string(concept, "code")?;
    match code.is_empty() || code.contains(['\t', '\n']) {
        true => Err(format!("`{code}` cannot be written as a code")),
        false => Ok(code),
    }
}

fn filters(list: &[Tree]) -> Result<String, String> {
    let mut texts = Vec::new();
    for filter in list {
        let value = string(filter, "value")?;
        if value.contains([';', '\t', '\n']) {
            return Err(format!("the filter value `{value}` cannot be written"));
        }
        texts.push(format!(
            "{} {} {value}",
            string(filter, "property")?,
            string(filter, "op")?
        ));
    }
    Ok(texts.join(BETWEEN_FILTERS))
}
