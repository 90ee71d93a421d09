//! Items of which a record should have one, and of which sites that did not know of each other added one each.
//!
//! A national number that was mistyped is put right as 112 at one clinic and as 113 at another: two items of a list, each of
//! which says something else than the other of one thing. Both are shown, and whoever knows of both settles it, by a change of
//! either.

use std::collections::{BTreeMap, BTreeSet};

use fhir::identity::VersionId;

use crate::changes::Changes;
use crate::element::{Address, Elements};
use crate::history::History;
use crate::merge::{Conflict, is_reviewed, name};
use crate::rules::Rule;

/// An item as a version added it.
struct Added<'a> {
    by: usize,
    item: &'a Address,
}

/// The conflicts between items that are shown.
pub(crate) fn rivals(
    history: &History,
    changes: &Changes,
    elements: &[Elements],
    shown: &Elements,
    rule: &Rule,
) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (of, items) in groups(elements, shown).into_iter().filter(|(_, items)| items.len() > 1) {
        let added: Vec<Added> = items.iter().flat_map(|item| added(changes, item)).collect();
        let is_open = |one: &Added| added.iter().any(|other| open(history, changes, one, other));
        let open = added.iter().filter(|one| is_open(one));
        let said: BTreeMap<VersionId, Option<String>> = open
            .map(|one| (name(history, one.by), elements[one.by].text(one.item)))
            .collect();
        if !said.is_empty() {
            found.push(Conflict {
                review: is_reviewed(rule, of),
                address: of.clone(),
                said: said.into_iter().collect(),
            });
        }
    }
    found
}

/// The items that are shown, by what they are one of.
fn groups<'a>(elements: &'a [Elements], shown: &Elements) -> BTreeMap<&'a Address, BTreeSet<&'a Address>> {
    let mut groups: BTreeMap<&Address, BTreeSet<&Address>> = BTreeMap::new();
    for (item, of) in elements.iter().flat_map(Elements::singles) {
        if shown.get(item).is_some() {
            groups.entry(of).or_default().insert(item);
        }
    }
    groups
}

/// The versions that put an item there.
fn added<'a>(changes: &Changes, item: &'a Address) -> Vec<Added<'a>> {
    let all = changes.of.get(item).map_or(&[][..], Vec::as_slice);
    let there = all.iter().filter(|change| change.to.is_some());
    there.map(|change| Added { by: change.by, item }).collect()
}

/// Whether two items were added by versions that did not know of each other, and nobody has changed either since who did.
fn open(history: &History, changes: &Changes, one: &Added, other: &Added) -> bool {
    let settles = |by: usize| history.knew(by, one.by) && history.knew(by, other.by);
    let changed = |item: &Address| changes.inside(item).into_iter().any(settles);
    one.item != other.item && history.apart(one.by, other.by) && !changed(one.item) && !changed(other.item)
}
