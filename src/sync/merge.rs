//! What a record is after everything that was written to it, and what its writers disagree on.

use conformance::Definitions;
use fhir::identity::VersionId;
use fhir::tree::Tree;
use rustc_hash::FxHashSet;

use crate::changes::{Change, Changes};
use crate::element::{Address, Elements, Leaf};
use crate::history::History;
use crate::rival;
use crate::rules::{Class, Rule, Rules};

/// What a history comes to.
#[derive(Clone, Debug)]
pub struct State {
    /// The record; `None` where it is deleted.
    pub record: Option<Tree>,
    /// What versions that did not know of each other said differently, in the order of addresses.
    pub conflicts: Vec<Conflict>,
}

impl State {
    /// Where there is too much to look at: the record as it is shown goes on, and a person looks at all these versions.
    pub(crate) fn unjoined(shown: Option<Tree>, versions: impl Iterator<Item = VersionId>) -> State {
        State {
            record: shown,
            conflicts: vec![Conflict {
                address: Address::default(),
                said: versions.map(|name| (name, Some(String::new()))).collect(),
                review: true,
            }],
        }
    }
}

/// What versions that did not know of each other said of one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The element; the record itself where it is one value, or was deleted by one of them.
    pub address: Address,
    /// What each said, the one that is shown first: a JSON text, or `None` where it took the element out.
    pub said: Vec<(VersionId, Option<String>)>,
    /// Whether a person settles it; else it is only kept.
    pub review: bool,
}

/// What a history comes to. It depends on nothing but the versions: not on their order, nor on who joined what.
pub fn state(history: &History, definitions: &Definitions, rules: &Rules) -> State {
    let bodies = || history.versions().iter().filter_map(|version| version.body.as_ref());
    let kind = bodies().find_map(|body| body.get("resourceType")?.as_str());
    let rule = rules.of(kind.unwrap_or_default());
    let versions: Vec<Option<&Tree>> = history.versions().iter().map(|version| version.body.as_ref()).collect();
    let elements = Elements::of_all(&versions, definitions, rules);
    let changes = Changes::new(history, &elements);
    let (mut list, mut conflicts) = (Vec::new(), removals(history, &changes, rule));
    for address in in_order(history, &elements) {
        let last = changes.last(history, &address);
        let judged = Judged::of(history, rule, &address, last);
        conflicts.extend(judged.conflict(history, rule, &address));
        if let Some(leaf) = judged.shown {
            list.push((address, leaf));
        }
    }
    let shown = Elements::from_iter(list);
    conflicts.extend(rival::rivals(history, &changes, &elements, &shown, rule));
    conflicts.sort_by(|a, b| a.address.cmp(&b.address));
    State {
        record: shown.record(),
        conflicts,
    }
}

/// All addresses: as the last version has them, with those of earlier ones behind what they stood behind there. Joins have
/// no say: there may be any.
fn in_order(history: &History, elements: &[Elements]) -> Vec<Address> {
    let mut order: Vec<Address> = Vec::new();
    let mut known: FxHashSet<Address> = FxHashSet::default();
    let versions = history.versions().iter().zip(elements);
    for (_, version) in versions.rev().filter(|(version, _)| !version.is_join()) {
        let mut before: Option<&Address> = None;
        for (address, _) in version.iter() {
            if known.insert(address.clone()) {
                let place = before.and_then(|before| order.iter().position(|known| known == before));
                order.insert(place.map_or(0, |place| place + 1), address.clone());
            }
            before = Some(address);
        }
    }
    order
}

/// The last changes of one element.
struct Judged<'c> {
    /// The changes, what is shown first.
    said: Vec<&'c Change>,
    shown: Option<Leaf>,
    agreed: bool,
}

impl<'c> Judged<'c> {
    fn of(history: &History, rule: &Rule, address: &Address, mut said: Vec<&'c Change>) -> Judged<'c> {
        let weight = |change: &Change| Weight::of(history, rule, address, change);
        said.sort_by_key(|change| std::cmp::Reverse(weight(change)));
        let shown = said.first().and_then(|change| change.to.clone());
        let agreed = match &said[..] {
            [] | [_] => true,
            [first, others @ ..] => {
                let further = |other: &&Change| weight(first).further(&weight(other));
                others.iter().all(|other| other.to == first.to || further(other))
            }
        };
        Judged { said, shown, agreed }
    }

    fn conflict(&self, history: &History, rule: &Rule, address: &Address) -> Option<Conflict> {
        (!self.agreed).then(|| Conflict {
            address: address.clone(),
            said: self
                .said
                .iter()
                .map(|change| (name(history, change.by), told(&change.to)))
                .collect(),
            review: is_reviewed(rule, address),
        })
    }
}

/// How much a change counts among those that did not know of each other: whose it is, how far it brings the record, when.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Weight {
    owner: bool,
    there: bool,
    rank: Option<usize>,
    stamp: (i64, VersionId),
    settles: bool,
}

impl Weight {
    fn of(history: &History, rule: &Rule, address: &Address, change: &Change) -> Weight {
        let version = &history.versions()[change.by];
        let first = history.versions()[0].name.node;
        let code = code(rule, address, &change.to);
        Weight {
            owner: rule.class == Class::Owned && version.name.node == first,
            there: change.to.is_some(),
            rank: code.and_then(|code| rule.rank(&code)),
            stamp: (version.clock, version.name),
            // A correction of a fact is kept beside another one, however far each is.
            settles: rule.class == Class::Workflow || rule.class == Class::Register,
        }
    }

    /// Whether both are on the kind's scale and this one is further: then it is no disagreement.
    fn further(&self, other: &Weight) -> bool {
        self.settles && other.rank.is_some() && self.rank > other.rank
    }
}

/// The code that says how far the record got, where the element is or holds it.
fn code(rule: &Rule, address: &Address, leaf: &Option<Leaf>) -> Option<String> {
    let Some(Leaf::Value { json, .. }) = leaf else {
        return None;
    };
    let (state, value) = (rule.state()?, Tree::parse(json.as_bytes()).ok()?);
    let code = match address.member() {
        None => value.get(state)?.as_str()?,
        Some(member) if member == state && address.0.len() == 1 => value.as_str()?,
        Some(_) => return None,
    };
    Some(code.to_owned())
}

/// What was taken out while others wrote inside of it, until somebody who knew of both has written there too.
fn removals(history: &History, changes: &Changes, rule: &Rule) -> Vec<Conflict> {
    let conflict = |beaten: &crate::changes::Beaten| {
        let later = changes.inside(&beaten.address);
        let settled = |writer: usize| {
            let knew_both = |by: &usize| history.knew(*by, writer) && history.knew(*by, beaten.remover);
            later.iter().any(knew_both)
        };
        let open = beaten.writers.iter().copied().filter(|writer| !settled(*writer));
        let said = open.map(|by| (name(history, by), written(changes, by, &beaten.address)));
        let said: Vec<_> = said.collect();
        (!said.is_empty()).then(|| Conflict {
            address: beaten.address.clone(),
            said: said
                .into_iter()
                .chain([(name(history, beaten.remover), None)])
                .collect(),
            review: beaten.address.member().is_none() || is_reviewed(rule, &beaten.address),
        })
    };
    changes.beaten.iter().filter_map(conflict).collect()
}

/// What a version wrote to an element that has a value of its own; an empty text where it wrote inside of it.
fn written(changes: &Changes, by: usize, address: &Address) -> Option<String> {
    let own = changes
        .of
        .get(address)
        .and_then(|all| all.iter().find(|change| change.by == by));
    Some(own.and_then(|change| told(&change.to)).unwrap_or_default())
}

pub(crate) fn is_reviewed(rule: &Rule, address: &Address) -> bool {
    rule.reviews(address.member().unwrap_or("*"))
}

pub(crate) fn name(history: &History, place: usize) -> VersionId {
    history.versions()[place].name
}

fn told(leaf: &Option<Leaf>) -> Option<String> {
    leaf.as_ref().map(|leaf| match leaf {
        Leaf::Value { json, .. } => json.clone(),
        Leaf::There => String::new(),
    })
}
