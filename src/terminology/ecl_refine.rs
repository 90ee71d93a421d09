//! What a refinement of SNOMED CT's Expression Constraint Language asks of a concept: its attributes, in groups or not.

use fhir::tree::Tree;
use rustc_hash::FxHashSet;

use crate::ecl::Set;
use crate::system::{Place, Property, System};

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Concept(u32),
    Number(f64),
    Text(String),
}

/// One relationship of a concept. Those of group 0 are in no group.
pub(crate) struct Relation {
    name: u32,
    value: Value,
    group: u32,
}

/// How a value stands to the one that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    /// The longer first.
    pub(crate) const ALL: [(&'static str, Compare); 6] = [
        ("!=", Compare::NotEqual),
        ("<=", Compare::LessOrEqual),
        (">=", Compare::GreaterOrEqual),
        ("=", Compare::Equal),
        ("<", Compare::Less),
        (">", Compare::Greater),
    ];

    /// Whether a value stands so to another.
    pub(crate) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Compare::Equal => left == right,
            Compare::NotEqual => left != right,
            Compare::Less => left < right,
            Compare::LessOrEqual => left <= right,
            Compare::Greater => left > right,
            Compare::GreaterOrEqual => left >= right,
        }
    }
}

/// The values that are wanted.
pub(crate) enum Wanted {
    Concepts(Set),
    Number(f64),
    Text(String),
}

/// How often something is to be there: at least, at most.
pub(crate) type Many = (usize, usize);

/// An attribute, and how often it is to be there.
pub(crate) struct Attribute {
    /// `None` for any.
    pub(crate) names: Option<Set>,
    pub(crate) compare: Compare,
    pub(crate) wanted: Wanted,
    pub(crate) many: Many,
}

/// A part of a refinement.
pub(crate) enum Term {
    Attribute(Attribute),
    /// The concept is one of these: what a reversed attribute comes to.
    Among(Set),
    /// So many groups of relationships are as said.
    Groups(Many, Refinement),
    Within(Refinement),
}

/// Terms of which all, or any, must hold.
pub(crate) struct Refinement {
    pub(crate) any: bool,
    pub(crate) terms: Vec<Term>,
}

impl Attribute {
    fn counts(&self, relation: &Relation) -> bool {
        if self.names.as_ref().is_some_and(|names| !names.contains(&relation.name)) {
            return false;
        }
        match (&self.wanted, &relation.value) {
            (Wanted::Concepts(wanted), Value::Concept(value)) => {
                wanted.contains(value) == (self.compare == Compare::Equal)
            }
            (Wanted::Number(wanted), Value::Number(value)) => self.compare.holds(value, wanted),
            (Wanted::Text(wanted), Value::Text(value)) => self.compare.holds(value, wanted),
            _ => false,
        }
    }
}

impl Refinement {
    /// Whether it holds of a concept with these relationships.
    pub(crate) fn holds(&self, number: u32, relations: &[&Relation]) -> bool {
        let holds = |term: &Term| match term {
            Term::Attribute(attribute) => {
                let found = relations.iter().filter(|relation| attribute.counts(relation)).count();
                is_among(attribute.many, found)
            }
            Term::Among(set) => set.contains(&number),
            Term::Groups(many, inner) => {
                let groups = grouped(relations);
                let found = groups.iter().filter(|group| inner.holds(number, group)).count();
                is_among(*many, found)
            }
            Term::Within(inner) => inner.holds(number, relations),
        };
        match self.any {
            true => self.terms.iter().any(holds),
            false => self.terms.iter().all(holds),
        }
    }
}

fn is_among((least, most): Many, found: usize) -> bool {
    (least..=most).contains(&found)
}

/// The groups; a relationship in none is one by itself.
fn grouped<'r>(relations: &[&'r Relation]) -> Vec<Vec<&'r Relation>> {
    let numbers: FxHashSet<u32> = relations
        .iter()
        .map(|relation| relation.group)
        .filter(|group| *group > 0)
        .collect();
    let of = |group: u32| relations.iter().copied().filter(|one| one.group == group).collect();
    let alone = relations
        .iter()
        .filter(|relation| relation.group == 0)
        .map(|one| vec![*one]);
    numbers.into_iter().map(of).chain(alone).collect()
}

/// The relationships of a concept, none twice within a group.
pub(crate) fn relations(system: &dyn System, number: u32) -> Vec<Relation> {
    let mut found: Vec<Relation> = Vec::new();
    for property in system.details(&Place::At(number)).properties {
        let (Some(name), Some(value)) = (at(system, &property.code), value(system, &property)) else {
            continue;
        };
        let group = property.group;
        let known = found
            .iter()
            .any(|one| (one.name, &one.value, one.group) == (name, &value, group));
        if !known {
            found.push(Relation { name, value, group });
        }
    }
    found
}

fn at(system: &dyn System, code: &str) -> Option<u32> {
    match system.find(code) {
        Some(Place::At(number)) => Some(number),
        _ => None,
    }
}

fn value(system: &dyn System, property: &Property) -> Option<Value> {
    match (&*property.member, &property.value) {
        ("valueCode", _) => at(system, &property.text()).map(Value::Concept),
        (_, Tree::Number(digits)) => digits.parse().ok().map(Value::Number),
        (_, Tree::String(text)) => Some(Value::Text(text.clone())),
        _ => None,
    }
}

/// The concepts that are values of a concept's attributes of these names, none twice.
pub(crate) fn values(system: &dyn System, number: u32, names: Option<&Set>) -> Set {
    let relations = relations(system, number).into_iter();
    let named = relations.filter(|relation| names.is_none_or(|names| names.contains(&relation.name)));
    let concept = |relation: Relation| match relation.value {
        Value::Concept(number) => Some(number),
        _ => None,
    };
    named.filter_map(concept).collect()
}
