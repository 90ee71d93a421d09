//! What each version changed, and which of the changes count.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::element::{Address, Elements, Leaf};
use crate::history::History;

/// A change of one element: by which version, and to what; `None` takes it out.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) by: usize,
    pub(crate) to: Option<Leaf>,
}

/// What was taken out by one version while others, which did not know, wrote to it: it stays.
pub(crate) struct Beaten {
    pub(crate) address: Address,
    pub(crate) remover: usize,
    pub(crate) writers: Vec<usize>,
}

/// The changes of a history, by element.
pub(crate) struct Changes {
    pub(crate) of: FxHashMap<Address, Vec<Change>>,
    pub(crate) beaten: Vec<Beaten>,
}

impl Changes {
    /// What the versions with these elements changed. A join changes nothing.
    pub(crate) fn new(history: &History, elements: &[Elements]) -> Changes {
        let nothing = Elements::default();
        let mut each: Vec<Vec<(Address, Option<Leaf>)>> = Vec::with_capacity(elements.len());
        for (place, version) in history.versions().iter().enumerate() {
            let before = match version.parents[..] {
                [] => &nothing,
                [parent] => &elements[history.place(parent).expect("a history is whole")],
                _ => &elements[place],
            };
            each.push(between(before, &elements[place]));
        }
        let beaten = beaten(history, &each);
        let mut of: FxHashMap<Address, Vec<Change>> = FxHashMap::default();
        for (by, changes) in each.into_iter().enumerate() {
            let lost: Vec<&Address> = beaten.iter().filter(|b| b.remover == by).map(|b| &b.address).collect();
            for (address, to) in changes {
                if to.is_some() || !lost.iter().any(|at| at.holds(&address)) {
                    of.entry(address).or_default().push(Change { by, to });
                }
            }
        }
        Changes { of, beaten }
    }

    /// The versions that changed an element or something inside of it.
    pub(crate) fn inside(&self, address: &Address) -> FxHashSet<usize> {
        let changed = self.of.iter().filter(|(at, _)| address.holds(at));
        changed
            .flat_map(|(_, changes)| changes.iter().map(|change| change.by))
            .collect()
    }

    /// The changes of an element that no other change of it knew of.
    pub(crate) fn last<'a>(&'a self, history: &History, address: &Address) -> Vec<&'a Change> {
        let all = self.of.get(address).map_or(&[][..], Vec::as_slice);
        let known = |change: &&Change| !all.iter().any(|other| history.knew(other.by, change.by));
        all.iter().filter(known).collect()
    }
}

/// What changed from one record to another.
fn between(before: &Elements, after: &Elements) -> Vec<(Address, Option<Leaf>)> {
    let written = after.iter().filter(|(address, leaf)| before.get(address) != Some(leaf));
    let written = written.map(|(address, leaf)| (address.clone(), Some(leaf.clone())));
    let taken = before.iter().filter(|(address, _)| after.get(address).is_none());
    written
        .chain(taken.map(|(address, _)| (address.clone(), None)))
        .collect()
}

/// What is taken out: the outermost of what one version no longer has.
fn taken(changes: &[(Address, Option<Leaf>)]) -> Vec<&Address> {
    let gone: Vec<&Address> = changes
        .iter()
        .filter(|(_, to)| to.is_none())
        .map(|(address, _)| address)
        .collect();
    let all: FxHashSet<&Address> = gone.iter().copied().collect();
    let inside = |address: &Address| (0..address.0.len()).any(|end| all.contains(&Address(address.0[..end].to_vec())));
    gone.into_iter().filter(|address| !inside(address)).collect()
}

/// A change inside of what another takes out counts more than the taking out.
fn beaten(history: &History, each: &[Vec<(Address, Option<Leaf>)>]) -> Vec<Beaten> {
    let mut found = Vec::new();
    for (remover, changes) in each.iter().enumerate() {
        for address in taken(changes) {
            let inside = |(at, to): &(Address, Option<Leaf>)| to.is_some() && address.holds(at);
            let wrote = |by: &usize| history.apart(*by, remover) && each[*by].iter().any(inside);
            let writers: Vec<usize> = (0..each.len()).filter(wrote).collect();
            if !writers.is_empty() {
                let address = address.clone();
                found.push(Beaten {
                    address,
                    remover,
                    writers,
                });
            }
        }
    }
    found
}
