//! The oracle of contradictions: who knew of what is read off each site's own log, and not off what the centre took it to know.

use std::collections::BTreeSet;

use fhir::identity::{Id, Kind};
use fhir::tree::Tree;
use store::{HistoryRange, Scope, Store, Version};
use sync::Change;

use crate::take_tests::Network;

/// A record as it was shown at a place of a log.
fn at(store: &Store, (kind, id): &(Kind, Id), place: u64) -> Option<Tree> {
    let scope = Scope::Record(kind.clone(), id.clone());
    let range = HistoryRange::current_before(place + 1, 1);
    let version = store.history(&scope, &range).unwrap().into_iter().next()?;
    sync::Version::of(&Change::from(version)).unwrap().body
}

/// The versions of a record that a node made and brought between two places of the centre's log, oldest first, each with
/// its place in the node's own.
fn made(
    own: &Store,
    node: u32,
    (kind, id): &(Kind, Id),
    centre: &Store,
    (before, after): (u64, u64),
) -> Vec<(u64, Option<Tree>)> {
    let scope = Scope::Record(kind.clone(), id.clone());
    let all = |store: &Store| store.history(&scope, &HistoryRange::newest(10_000)).unwrap();
    let brought: Vec<_> = all(centre)
        .into_iter()
        .filter(|version| version.seq > before && version.seq <= after)
        .collect();
    let is_it = |version: &Version| {
        version.version.node == node && brought.iter().any(|brought| brought.version == version.version)
    };
    let mut made: Vec<Version> = all(own).into_iter().filter(is_it).collect();
    made.sort_by_key(|version| version.seq);
    made.into_iter()
        .map(|version| (version.seq, sync::Version::of(&Change::from(version)).unwrap().body))
        .collect()
}

/// A record, and what it has to say.
type Side<'a> = (&'a (Kind, Id), &'a dyn Fn(Option<Tree>) -> bool);

impl Network {
    /// What was dispensed on a cancelled prescription by sites that did not know of each other, as their own logs have it.
    pub(crate) fn contradictions(&self) -> BTreeSet<String> {
        let rule = &sync::contradictions::all()[0];
        let centre = &self.sites[0].engine().store;
        let names = |kind: &str| {
            let (all, _) = centre
                .records_of(&Kind::new(kind).unwrap(), None, u64::MAX, 1_000)
                .unwrap();
            all.into_iter()
                .map(|version| (version.kind, version.id))
                .collect::<Vec<_>>()
        };
        let mut found = BTreeSet::new();
        for request in names(rule.request) {
            for fact in names(rule.fact) {
                let withdrawn = |version: Option<Tree>| version.is_some_and(|record| rule.is_withdrawn(&record));
                let done = |version: Option<Tree>| {
                    version.is_some_and(|record| rule.is_done(&record) && rule.requests(&record).contains(&request.1))
                };
                let asked = self.contacts.borrow().pushed.iter().any(|(node, before, after)| {
                    let sides: [Side<'_>; 2] = [(&request, &withdrawn), (&fact, &done)];
                    let at = |side: usize, place| sides[side].1(at(centre, sides[side].0, place));
                    let both = |place| at(0, place) && at(1, place);
                    // The second of the two came, and at its own site there was nothing of the first when it was written.
                    let second = |second: usize| {
                        let own = &self.sites[*node as usize].engine().store;
                        let made = made(own, *node, sides[second].0, centre, (*before, *after));
                        let first = made.into_iter().find(|(_, record)| sides[second].1(record.clone()));
                        at(1 - second, *before)
                            && first.is_some_and(|(place, _)| {
                                !sides[1 - second].1(self::at(own, sides[1 - second].0, place))
                            })
                    };
                    !both(*before) && both(*after) && (second(0) || second(1))
                });
                if asked && withdrawn(at(centre, &request, centre.head())) && done(at(centre, &fact, centre.head())) {
                    found.insert(format!("{}/{} against {}/{}", request.0, request.1, fact.0, fact.1));
                }
            }
        }
        found
    }
}
