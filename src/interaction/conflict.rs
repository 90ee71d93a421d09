//! The worklist of what sites said differently without knowing of each other: a Task for each element of a record.
//!
//! `focus` is the record; `input` names the element, each version that said something of it, and what it said. Which Tasks
//! of a record are open, and how far back its versions have to be read for them, is noted down beside the records. Whoever
//! settles a conflict writes an ordinary version of the record: it knew of all sides, so it counts, and the Task is
//! completed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use query::values::hash;
use rustc_hash::FxHashSet;
use store::{Note, Write};
use sync::Conflict;

use crate::engine::Engine;
use crate::question::{Question, completed};
use crate::refusal::Refusal;

/// What the keys of the notes begin with.
pub(crate) const NOTES: &str = "conflict/";

/// The key of a record's note of what was open.
fn key_once_open(kind: &Kind, id: &Id) -> String {
    format!("conflicted/{kind}/{id}")
}

/// Between which places of the log conflicts of a record were open that are settled.
///
/// # Errors
/// Those of the store.
pub(crate) fn once_open(engine: &Engine, kind: &Kind, id: &Id) -> Result<Option<Range<u64>>, Refusal> {
    let note = engine.store.note(&key_once_open(kind, id))?;
    Ok(note.and_then(|note| {
        let (start, end) = std::str::from_utf8(&note).ok()?.split_once(' ')?;
        Some(start.parse().ok()?..end.parse().ok()?)
    }))
}

/// The note of it: two places.
pub(crate) fn note_once_open(kind: &Kind, id: &Id, places: &Range<u64>) -> Note {
    Note::new(key_once_open(kind, id), format!("{} {}", places.start, places.end))
}

/// The conflicts of one record that are open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// The place in the log from which on the record's versions are needed to know of them.
    pub(crate) since: Option<u64>,
    /// The elements, and the ids of their Tasks.
    tasks: Vec<(String, Id)>,
}

/// The key of a record's note.
fn key(kind: &Kind, id: &Id) -> String {
    format!("{NOTES}{kind}/{id}")
}

/// The record that a note is about.
pub(crate) fn record_of(key: &str) -> Option<(Kind, Id)> {
    let (kind, id) = key.strip_prefix(NOTES)?.split_once('/')?;
    Some((Kind::new(kind)?, Id::new(id)?))
}

impl Open {
    /// What is open of a record.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn of(engine: &Engine, kind: &Kind, id: &Id) -> Result<Open, Refusal> {
        let note = engine.store.note(&key(kind, id))?;
        Ok(note.as_deref().and_then(Open::read).unwrap_or_default())
    }

    fn read(bytes: &[u8]) -> Option<Open> {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        let since = lines.next()?.parse().ok()?;
        let task = |line: &str| {
            let (id, element) = line.split_once(' ')?;
            Some((element.to_owned(), Id::new(id)?))
        };
        Some(Open {
            since: Some(since),
            tasks: lines.filter_map(task).collect(),
        })
    }

    /// Whether anything is open.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The note: the place, then a line for each Task.
    fn note(&self, kind: &Kind, id: &Id) -> Note {
        if self.is_empty() {
            return Note::without(key(kind, id));
        }
        let mut text = format!("{}\n", self.since.unwrap_or(0));
        for (element, task) in &self.tasks {
            text += &format!("{task} {element}\n");
        }
        Note::new(key(kind, id), text)
    }

    /// What the worklist and the note become where the record's versions now disagree on this, read back to a place in
    /// the log. `record` is what is shown. Tasks that are `busy`, written by others in the same unit, are left for later.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn settle(
        &self,
        engine: &Engine,
        (kind, id): (&Kind, &Id),
        (conflicts, since): (Vec<Conflict>, u64),
        record: Option<&Tree>,
        busy: &FxHashSet<Id>,
    ) -> Result<(Vec<Write>, Option<Note>), Refusal> {
        let (mut writes, mut now_open) = (Vec::new(), Open::default());
        for (element, conflict) in by_element(conflicts) {
            let known = self.tasks.iter().find(|(known, _)| *known == element);
            let task = known.map_or_else(|| task_id(kind, id, &conflict), |(_, task)| task.clone());
            if !busy.contains(&task) {
                writes.extend(question((kind, id), &conflict, record).raised(engine, &task)?);
            }
            now_open.tasks.push((element, task));
        }
        for open in &self.tasks {
            match now_open.tasks.contains(open) {
                true => {}
                false if busy.contains(&open.1) => now_open.tasks.push(open.clone()),
                false => writes.extend(completed(engine, &open.1, "A later version knew of all sides")?),
            }
        }
        now_open.since = Some(since);
        let note = (now_open != *self && !(self.is_empty() && now_open.is_empty())).then(|| now_open.note(kind, id));
        Ok((writes, note))
    }
}

/// One conflict for each element: what was written inside of it and that it was taken out are told together.
fn by_element(conflicts: Vec<Conflict>) -> BTreeMap<String, Conflict> {
    let mut all: BTreeMap<String, Conflict> = BTreeMap::new();
    for conflict in conflicts {
        match all.entry(element(&conflict)) {
            Entry::Vacant(place) => drop(place.insert(conflict)),
            Entry::Occupied(mut place) => {
                let known = &mut place.get_mut().said;
                let more = conflict.said.into_iter().filter(|said| !known.contains(said));
                let more: Vec<_> = more.collect();
                known.extend(more);
            }
        }
    }
    all
}

/// The element as the Task and the note have it: the whole record where it is that.
fn element(conflict: &Conflict) -> String {
    match conflict.address.to_string() {
        whole if whole.is_empty() => "(record)".to_owned(),
        element => element.replace(['\n', '\r'], " "),
    }
}

/// The id of a conflict's Task follows from what it is about.
fn task_id(kind: &Kind, id: &Id, conflict: &Conflict) -> Id {
    let mut sides: Vec<VersionId> = conflict.said.iter().map(|(version, _)| *version).collect();
    sides.sort_unstable();
    let sides: Vec<String> = sides.iter().map(ToString::to_string).collect();
    let text = format!("{kind}/{id} {} {}", element(conflict), sides.join(" "));
    let half = |salt: &[u8]| hash(&[salt, text.as_bytes()]);
    Id::new(&format!("conflict-{:016x}{:016x}", half(b"one "), half(b"other "))).expect("hexadecimal digits are an id")
}

/// What is asked of a person: the element, then each version that said something of it, and what.
fn question<'a>((kind, id): (&'a Kind, &'a Id), conflict: &Conflict, record: Option<&'a Tree>) -> Question<'a> {
    let sides = conflict.said.iter();
    Question {
        focus: (kind, id),
        record,
        element: element(conflict),
        description: format!(
            "Sites that did not know of each other wrote different things: {kind}/{id}, {}. Write the record as it is to be; \
             that settles it.",
            element(conflict)
        ),
        sides: sides
            .map(|(version, said)| (format!("{kind}/{id}/_history/{version}"), said.clone()))
            .collect(),
    }
}
