//! How records of each kind come together: the tables under `schema/sync`, read once.

use std::sync::LazyLock;

use fhir::tree::Tree;
use rustc_hash::FxHashMap;

use crate::element::plain;

/// How concurrent changes to records of a kind are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What was found or done: the record is one value. A correction is another version; two of them are both kept.
    Fact,
    /// A request and how far it got: element by element, its state on a scale.
    Workflow,
    /// What is known of somebody or something: element by element.
    Register,
    /// Something scarce: the site that made it decides.
    Owned,
}

/// What makes an item of a list the same item on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The item as a whole: the list is a set.
    Whole,
    /// Members of the item.
    Members(Vec<&'static str>),
}

/// The codes of an element from the earliest to the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    element: &'static str,
    ranks: FxHashMap<&'static str, usize>,
}

/// What holds for one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How changes are joined.
    pub class: Class,
    scale: Option<Scale>,
    review: Vec<&'static str>,
}

impl Rule {
    /// The element whose code says how far a record got.
    pub fn state(&self) -> Option<&'static str> {
        self.scale.as_ref().map(|scale| scale.element)
    }

    /// How far a code is along the kind's scale; `None` where it is not on it. What is further counts.
    pub fn rank(&self, code: &str) -> Option<usize> {
        self.scale.as_ref()?.ranks.get(code).copied()
    }

    /// Whether a person settles what sites disagree on about an element of the record, by its name without `[x]`. What
    /// stands beside its value (`_birthDate`: why there is none) is of the element.
    pub fn reviews(&self, element: &str) -> bool {
        let element = element.strip_prefix('_').unwrap_or(element);
        self.review.iter().any(|known| *known == "*" || *known == element)
    }
}

/// The rules of all kinds.
#[derive(Debug)]
pub struct Rules {
    kinds: FxHashMap<&'static str, Rule>,
    other: Rule,
    identities: FxHashMap<&'static str, Identity>,
    singles: FxHashMap<&'static str, Vec<&'static str>>,
}

const KINDS: &str = include_str!("../../schema/sync/kinds.tsv");
const IDENTITIES: &str = include_str!("../../schema/sync/identity.tsv");

static NATIONAL: LazyLock<Rules> = LazyLock::new(|| Rules::read(KINDS, IDENTITIES));

impl Rules {
    /// The rules of the country.
    pub fn national() -> &'static Rules {
        &NATIONAL
    }

    /// What holds for a kind.
    pub fn of(&self, kind: &str) -> &Rule {
        self.kinds.get(kind).unwrap_or(&self.other)
    }

    /// What makes items of a type, or of an element (`Patient.contact`), the same; `None` where the list is one value.
    pub fn identity(&self, of: &str) -> Option<&Identity> {
        self.identities.get(of)
    }

    /// What an item is one of, where a record should have one such: the members that are alike in two of them. `None` where
    /// there may be any number, where a member is not there, and for what is in use no more.
    pub fn single(&self, of: &str, item: &Tree) -> Option<String> {
        let members = self.singles.get(of)?;
        if item.get("use").and_then(Tree::as_str) == Some("old") {
            return None;
        }
        let told: Option<Vec<String>> = members.iter().map(|name| item.get(name).map(plain)).collect();
        Some(told?.join(" "))
    }

    /// The kinds with a line of their own, sorted.
    pub fn kinds(&self) -> Vec<&'static str> {
        let mut kinds: Vec<&str> = self.kinds.keys().copied().collect();
        kinds.sort_unstable();
        kinds
    }

    /// The types and elements whose lists are joined item by item, sorted.
    pub fn identities(&self) -> Vec<&'static str> {
        let mut types: Vec<&str> = self.identities.keys().copied().collect();
        types.sort_unstable();
        types
    }

    fn read(kinds: &'static str, identities: &'static str) -> Rules {
        let mut kinds: FxHashMap<&str, Rule> = rows(kinds).map(|row| (row[0], rule(&row))).collect();
        let other = kinds.remove("*").expect("kinds.tsv has a line for every other kind");
        Rules {
            kinds,
            other,
            identities: rows(identities).map(|row| (row[0], identity(row[1]))).collect(),
            singles: rows(identities)
                .filter_map(|row| Some((row[0], row.get(2)?.split(' ').collect())))
                .collect(),
        }
    }
}

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split('\t').collect())
}

fn rule(row: &[&'static str]) -> Rule {
    let class = match row[1] {
        "fact" => Class::Fact,
        "workflow" => Class::Workflow,
        "register" => Class::Register,
        "owned" => Class::Owned,
        other => panic!("kinds.tsv names the class {other}, which is none"),
    };
    let scale = row[2].split_once(": ").map(|(element, codes)| {
        let groups = codes.split(" < ").enumerate();
        let ranks = groups.flat_map(|(rank, group)| group.split(' ').map(move |code| (code, rank)));
        Scale {
            element,
            ranks: ranks.collect(),
        }
    });
    Rule {
        class,
        scale,
        review: row[3].split_whitespace().collect(),
    }
}

fn identity(members: &'static str) -> Identity {
    match members {
        "*" => Identity::Whole,
        members => Identity::Members(members.split(' ').collect()),
    }
}
