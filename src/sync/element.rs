//! A record as its elements: what is compared, joined and kept apart, each at its address.
//!
//! An element is a value as a whole, or the fact that something is there which has elements of its own: the record, an
//! item of a list. What may be joined inside is what the definitions call a backbone, and the items that
//! `schema/sync/identity.tsv` tells apart; an amount or a coded concept is one value, so that no number ends up with
//! another's unit. A choice (`value[x]`) is one element, whatever its type. Items of which one version has several of the same
//! identity (two names without a use) are one value each in all versions: nothing but their places tells them apart.

use std::fmt;

use conformance::Definitions;
use conformance::definitions::Form;
use fhir::tree::Tree;
use fhirpath::model::{Model, TypeId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::rules::{Class, Identity, Rules};

/// One step from a record to an element.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// A member by its element's name, without `[x]`.
    Member(String),
    /// An item of a list by what makes it the same on both sides.
    Item(String),
}

/// The steps to an element; none for the record itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub Vec<Step>);

impl Address {
    fn with(&self, step: Step) -> Address {
        let mut steps = self.0.clone();
        steps.push(step);
        Address(steps)
    }

    /// Whether the element is this one or inside of it.
    pub fn holds(&self, other: &Address) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The record's own member that the element belongs to; `None` for the record.
    pub fn member(&self) -> Option<&str> {
        match self.0.first() {
            Some(Step::Member(name)) => Some(name),
            _ => None,
        }
    }

    /// The records and items that the element is inside of, from the record on.
    fn holders(&self) -> impl Iterator<Item = Address> + '_ {
        let is_holder = |end: &usize| matches!(self.0[..*end].last(), None | Some(Step::Item(_)));
        (0..self.0.len())
            .filter(is_holder)
            .map(|end| Address(self.0[..end].to_vec()))
    }
}

impl fmt::Display for Address {
    /// `telecom[phone 17654321].rank`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Member(name) if place == 0 => write!(f, "{name}")?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Item(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

/// What an element is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// It is there, and has elements of its own.
    There,
    /// Its value, written to the digit as it was, and the name that its member has in JSON; an item has none.
    Value {
        /// The member's name: `valueQuantity` for the element `value`.
        name: String,
        /// The JSON text.
        json: String,
    },
}

/// A record's elements, in its own order.
#[derive(Clone, Debug, Default)]
pub struct Elements {
    list: Vec<(Address, Leaf)>,
    places: FxHashMap<Address, usize>,
    singles: Vec<(Address, Address)>,
}

impl Elements {
    /// The elements of a record.
    pub fn of(record: &Tree, definitions: &Definitions, rules: &Rules) -> Elements {
        let all = Elements::of_all(&[Some(record)], definitions, rules);
        all.into_iter().next().unwrap_or_default()
    }

    /// The elements of each of a record's versions; none of one that deleted it.
    pub fn of_all(versions: &[Option<&Tree>], definitions: &Definitions, rules: &Rules) -> Vec<Elements> {
        let of = |known: &FxHashSet<Address>, repeated: &mut FxHashSet<Address>| -> Vec<Elements> {
            let each = versions.iter().map(|version| match version {
                Some(record) => Elements::walked(record, (definitions, rules), known, repeated),
                None => Elements::default(),
            });
            each.collect()
        };
        let mut repeated = FxHashSet::default();
        let all = of(&FxHashSet::default(), &mut repeated);
        match repeated.is_empty() {
            true => all,
            false => of(&repeated, &mut FxHashSet::default()),
        }
    }

    fn walked(
        record: &Tree,
        (definitions, rules): (&Definitions, &Rules),
        repeated: &FxHashSet<Address>,
        found_repeated: &mut FxHashSet<Address>,
    ) -> Elements {
        let kind = record.get("resourceType").and_then(Tree::as_str).unwrap_or_default();
        let mut found = Elements::default();
        match (rules.of(kind).class, definitions.type_id(kind), record) {
            (Class::Workflow | Class::Register, Some(of), Tree::Object(members)) => {
                let mut walk = Walk {
                    definitions,
                    rules,
                    repeated,
                    found_repeated,
                    found: &mut found,
                };
                walk.found.add(Address::default(), Leaf::There);
                walk.object(of, members, &Address::default());
            }
            _ => found.add(Address::default(), value("", record)),
        }
        found
    }

    fn add(&mut self, address: Address, leaf: Leaf) {
        self.places.insert(address.clone(), self.list.len());
        self.list.push((address, leaf));
    }

    /// The elements in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &Leaf)> {
        self.list.iter().map(|(address, leaf)| (address, leaf))
    }

    /// Items of which a record should have one, each with what it is one of: a national number, and the system it is in.
    pub fn singles(&self) -> &[(Address, Address)] {
        &self.singles
    }

    /// The JSON text of what stands at an address and inside of it; `None` where there is nothing.
    pub fn text(&self, address: &Address) -> Option<String> {
        let inside = self.list.iter().filter(|(at, _)| address.holds(at));
        let parts: Vec<(&[Step], &Leaf)> = inside.map(|(at, leaf)| (&at.0[address.0.len()..], leaf)).collect();
        (!parts.is_empty()).then(|| text(&built(&parts)))
    }

    /// What stands at an address.
    pub fn get(&self, address: &Address) -> Option<&Leaf> {
        self.places.get(address).map(|place| &self.list[*place].1)
    }

    /// The record that elements make up, without those whose holder is not there; `None` where there is no record.
    pub fn record(&self) -> Option<Tree> {
        let there: FxHashSet<&Address> = self.list.iter().map(|(address, _)| address).collect();
        let held = |address: &Address| address.holders().all(|holder| there.contains(&holder));
        let kept: Vec<(&[Step], &Leaf)> = self
            .list
            .iter()
            .filter(|(address, _)| held(address))
            .map(|(address, leaf)| (&address.0[..], leaf))
            .collect();
        kept.iter().any(|(steps, _)| steps.is_empty()).then(|| built(&kept))
    }
}

impl FromIterator<(Address, Leaf)> for Elements {
    fn from_iter<T: IntoIterator<Item = (Address, Leaf)>>(all: T) -> Elements {
        let mut found = Elements::default();
        all.into_iter().for_each(|(address, leaf)| found.add(address, leaf));
        found
    }
}

fn value(name: &str, value: &Tree) -> Leaf {
    Leaf::Value {
        name: name.to_owned(),
        json: text(value),
    }
}

fn text(value: &Tree) -> String {
    String::from_utf8(value.to_bytes()).expect("JSON is text")
}

struct Walk<'a> {
    definitions: &'a Definitions,
    rules: &'a Rules,
    repeated: &'a FxHashSet<Address>,
    found_repeated: &'a mut FxHashSet<Address>,
    found: &'a mut Elements,
}

impl Walk<'_> {
    fn object(&mut self, of: TypeId, members: &[(String, Tree)], at: &Address) {
        for (name, held) in members {
            let element = match self.definitions.step(of, name) {
                Some(step) if step.typed => step.element.name(),
                _ => name,
            };
            let address = at.with(Step::Member(element.to_owned()));
            let member = self.definitions.json_member(of, name);
            match (member, held) {
                (Some(member), Tree::Array(items)) if member.list => self.list(member.kind, name, items, address),
                (Some(member), Tree::Object(members)) if member.form == Form::Object && self.is_open(member.kind) => {
                    self.object(member.kind, members, &address);
                }
                _ => self.found.add(address, value(name, held)),
            }
        }
    }

    /// Whether a single value of the type is joined inside: a type that has no name but its place, and what is said about
    /// the record.
    fn is_open(&self, of: TypeId) -> bool {
        let name = self.definitions.type_name(of);
        name.contains('.') || name == "Meta"
    }

    fn list(&mut self, of: TypeId, name: &str, items: &[Tree], at: Address) {
        let identity = self.rules.identity(self.definitions.type_name(of));
        let objects = items.iter().all(|item| matches!(item, Tree::Object(_)));
        let (Some(identity), true) = (identity, objects) else {
            return self.found.add(at, value(name, &Tree::Array(items.to_vec())));
        };
        let mut seen: FxHashMap<Address, usize> = FxHashMap::default();
        for item in items {
            let mut address = at.with(Step::Item(key(identity, item)));
            let is_value = *identity == Identity::Whole || self.repeated.contains(&address);
            if is_value {
                address = at.with(Step::Item(text(item)));
            }
            let before = seen.entry(address.clone()).or_default();
            *before += 1;
            if *before > 1 {
                self.found_repeated.insert(address.clone());
                address = numbered(&address, *before);
            }
            if let Some(single) = self.rules.single(self.definitions.type_name(of), item) {
                self.found.singles.push((address.clone(), at.with(Step::Item(single))));
            }
            match item {
                Tree::Object(members) if !is_value => {
                    self.found.add(address.clone(), Leaf::There);
                    self.object(of, members, &address);
                }
                _ => self.found.add(address, value("", item)),
            }
        }
    }
}

/// The address of an item that is alike to ones before it.
fn numbered(address: &Address, count: usize) -> Address {
    let mut steps = address.0.clone();
    if let Some(Step::Item(key)) = steps.last_mut() {
        *key = format!("{key} #{count}");
    }
    Address(steps)
}

/// What makes an item the same on both sides, as a person can read it where it is made of plain members.
fn key(identity: &Identity, item: &Tree) -> String {
    match identity {
        Identity::Whole => text(item),
        Identity::Members(members) => {
            let at = |path: &&str| path.split('.').try_fold(item, |item, name| item.get(name));
            let told = members.iter().filter_map(at).map(plain);
            told.collect::<Vec<_>>().join(" ")
        }
    }
}

/// A value as a person reads it.
pub(crate) fn plain(value: &Tree) -> String {
    match value {
        Tree::String(plain) => plain.clone(),
        other => text(other),
    }
}

/// A value from its elements, which have the steps from it.
fn built(elements: &[(&[Step], &Leaf)]) -> Tree {
    if let Some((_, Leaf::Value { json, .. })) = elements.iter().find(|(steps, _)| steps.is_empty()) {
        return Tree::parse(json.as_bytes()).expect("it was written from a tree");
    }
    let inside: Vec<(&[Step], &Leaf)> = elements
        .iter()
        .copied()
        .filter(|(steps, _)| !steps.is_empty())
        .collect();
    let groups = grouped(&inside);
    if matches!(inside.first(), Some(([Step::Item(_), ..], _))) {
        return Tree::Array(groups.iter().map(|(_, group)| built(group)).collect());
    }
    Tree::Object(
        groups
            .iter()
            .map(|(step, group)| (name_of(step, group), built(group)))
            .collect(),
    )
}

type Group<'a> = Vec<(&'a [Step], &'a Leaf)>;

/// The elements by their first step, in the order in which those first come.
fn grouped<'a>(elements: &[(&'a [Step], &'a Leaf)]) -> Vec<(&'a Step, Group<'a>)> {
    let mut groups: Vec<(&Step, Group<'_>)> = Vec::new();
    let mut places: FxHashMap<&Step, usize> = FxHashMap::default();
    for (steps, leaf) in elements {
        let place = *places.entry(&steps[0]).or_insert_with(|| {
            groups.push((&steps[0], Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push((&steps[1..], leaf));
    }
    groups
}

/// The name that a member has in JSON.
fn name_of(step: &Step, group: &Group<'_>) -> String {
    match (&group[..], step) {
        ([([], Leaf::Value { name, .. })], _) => name.clone(),
        (_, Step::Member(name) | Step::Item(name)) => name.clone(),
    }
}
