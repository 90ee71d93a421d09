//! Makes rosters of the people here: of everybody, or of who changed since an earlier one.
//!
//! A roster has one entry a person: where records were merged, the one that stands for her, with the names, numbers and
//! telephones of the others, so that she is found by any of them. A record that another replaces went.

use std::collections::BTreeSet;

use fhir::identity::Id;
use person::Person;
use person::roster::{Head, Writer};
use query::replaced;
use rustc_hash::FxHashMap;
use store::{HistoryRange, Scope, Store, Trouble};

use crate::engine::Engine;
use crate::people::Everybody;
use crate::refusal::Refusal;

/// People who are read at once: meanwhile what was written waits to be seen.
const CHUNK: usize = 1_024;
/// Versions that are read at once.
const BLOCK: usize = 1_000;

/// How a person is written: as she is, or hidden.
pub type Hide<'a> = &'a dyn Fn(&Person) -> Person;

/// The records that each record stands for, by its id.
type StandsFor = FxHashMap<String, Vec<String>>;

impl Everybody {
    fn stands_for(&self) -> StandsFor {
        let mut all = StandsFor::default();
        for id in self.replaced() {
            let survivor = self.survivor(id);
            if survivor != id {
                all.entry(survivor.to_owned()).or_default().push(id.to_owned());
            }
        }
        all
    }

    /// The particulars of the person whom a record stands for; `None` where it is gone, or another replaces it.
    fn person(&self, id: &str, stands_for: &StandsFor) -> Option<Person> {
        let mut person = self.register().person(id).filter(|_| self.survivor(id) == id)?;
        let others = stands_for.get(id).into_iter().flatten();
        others
            .filter_map(|other| self.register().person(other))
            .for_each(|other| person.join(&other));
        Some(person)
    }

    /// Whoever stands for somebody who changed, and who changed.
    fn concerned(&self, changed: &BTreeSet<Id>) -> BTreeSet<String> {
        let ids = changed.iter().map(Id::as_str);
        ids.flat_map(|id| [id.to_owned(), self.survivor(id).to_owned()])
            .collect()
    }
}

/// A roster of everybody.
pub fn whole(everybody: &Everybody, head: Head, hide: Hide<'_>) -> Vec<u8> {
    let (ids, stands_for) = (everybody.register().ids(), everybody.stands_for());
    let mut writer = Writer::new(head);
    for id in ids {
        if let Some(person) = everybody.person(&id, &stands_for) {
            writer.put(&id, &hide(&person));
        }
    }
    writer.finish()
}

/// A roster of who changed.
pub fn changes(everybody: &Everybody, changed: &BTreeSet<Id>, head: Head, hide: Hide<'_>) -> Vec<u8> {
    let stands_for = everybody.stands_for();
    let mut writer = Writer::new(head);
    for id in everybody.concerned(changed) {
        match everybody.person(&id, &stands_for) {
            Some(person) => writer.put(&id, &hide(&person)),
            None => writer.went(&id),
        }
    }
    writer.finish()
}

/// The patients whose records changed after a place in the log.
///
/// # Errors
/// Those of the store.
pub fn changed(store: &Store, after: u64) -> Result<BTreeSet<Id>, Trouble> {
    let scope = Scope::Kind(replaced::kind().clone());
    let mut changed = BTreeSet::new();
    let mut range = HistoryRange {
        current_only: true,
        ..HistoryRange::newest(BLOCK)
    };
    loop {
        let versions = store.history(&scope, &range)?;
        let Some(last) = versions.last().map(|version| version.seq) else {
            return Ok(changed);
        };
        let new = versions.into_iter().filter(|version| version.seq > after);
        changed.extend(new.map(|version| version.id));
        if last <= after {
            return Ok(changed);
        }
        range.before = Some(last);
    }
}

impl Engine {
    /// As [`whole`], of everybody here, a few at a time: meanwhile others are found and written. Whoever changes is in it as
    /// she was at the head's place or later.
    ///
    /// # Errors
    /// 503 where the patients are not read yet; those of the store.
    pub fn roster(&self, head: Head, hide: Hide<'_>) -> Result<Vec<u8>, Refusal> {
        let patience = self.limits.search_time;
        let (ids, stands_for) = self.people.ask(&self.store, patience, |everybody| {
            (everybody.register().ids(), everybody.stands_for())
        })?;
        let mut writer = Writer::new(head);
        for ids in ids.chunks(CHUNK) {
            let people = self.people.ask(&self.store, patience, |everybody| {
                let read = |id: &String| everybody.person(id, &stands_for);
                ids.iter().map(read).collect::<Vec<Option<Person>>>()
            })?;
            for (id, person) in ids.iter().zip(people) {
                person.into_iter().for_each(|person| writer.put(id, &hide(&person)));
            }
        }
        Ok(writer.finish())
    }

    /// As [`changes`], of these patients.
    ///
    /// # Errors
    /// As [`Engine::roster`].
    pub fn roster_of(&self, ids: &BTreeSet<Id>, head: Head, hide: Hide<'_>) -> Result<Vec<u8>, Refusal> {
        self.people.ask(&self.store, self.limits.search_time, |everybody| {
            changes(everybody, ids, head, hide)
        })
    }
}
