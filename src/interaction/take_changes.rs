//! The centre takes what a node wrote: all of it, in its order, and what did not know of the current version is joined.
//!
//! What becomes of each is decided by `sync::taking`; here it is written: with what searches need, with what a person has to
//! settle on the worklist (`conflict.rs`), and in the same unit with how far the node's versions are here, so nothing is
//! taken twice.

use std::ops::Range;

use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use query::replaced;
use rustc_hash::FxHashSet;
use store::{Appended, Expect, Guard, HistoryRange, Made, Note, Refused, Scope, Store, Trouble, Unit, Write};
use sync::contradictions::Contradiction;
use sync::taking::{Acknowledged, Joined, Name, Plan, Records, Standing};
use sync::{Change, Rules};

use crate::arrive::{Untaken, write_of};
use crate::conflict::{self, NOTES, Open, record_of};
use crate::contradiction::{Came, Knew, Look, Watched};
use crate::engine::Engine;
use crate::merge_party::document;
use crate::newcomers;
use crate::refusal::Refusal;
use crate::untangle;

/// Versions in one unit at most.
pub(crate) const UNIT_MAX: usize = 256;
/// Versions of one record read from the log at once.
const READ_AT_ONCE: usize = 64;
/// The kind of what is on a worklist.
const TASK: &str = "Task";
/// How often a unit is decided anew because somebody wrote in between.
const TRIES: usize = 16;

/// What came of versions that a node sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How far the node's versions are here now.
    pub acknowledged: Acknowledged,
    /// How many were not here before.
    pub versions: usize,
    /// How many of those did not know of the record's current version.
    pub aside: usize,
    /// How many Tasks were put on the worklist, changed or completed.
    pub tasks: usize,
}

/// The key of the note that says how far a node's versions are here.
fn key(node: u32) -> String {
    format!("peer/{node}")
}

/// Up to which of a node's versions they are here, as it is noted.
///
/// # Errors
/// Those of the store.
pub fn acknowledged(store: &Store, node: u32) -> Result<Acknowledged, Trouble> {
    let note = store.note(&key(node))?.unwrap_or_default();
    let read = note.split_first_chunk::<8>().and_then(|(counter, seal)| {
        Some(Acknowledged {
            counter: u64::from_le_bytes(*counter),
            seal: seal.try_into().ok()?,
        })
    });
    Ok(read.unwrap_or_default())
}

fn note(node: u32, acknowledged: Acknowledged) -> Note {
    let counter = acknowledged.counter.to_le_bytes();
    Note::new(key(node), [&counter[..], &acknowledged.seal].concat())
}

/// The log of the centre, as it is before a unit.
impl Records for Engine {
    type Trouble = Untaken;

    fn current(&self, (kind, id): &Name) -> Result<Option<(VersionId, bool)>, Untaken> {
        Ok(self.store.name_of(kind, id)?)
    }

    fn before(&self, (kind, id): &Name, place: Option<u64>) -> Result<Vec<(u64, Change)>, Untaken> {
        let scope = Scope::Record(kind.clone(), id.clone());
        let range = HistoryRange {
            before: place,
            ..HistoryRange::newest(READ_AT_ONCE)
        };
        let versions = self.store.history(&scope, &range)?;
        Ok(versions
            .into_iter()
            .map(|version| (version.seq, Change::from(version)))
            .collect())
    }

    fn open_since(&self, (kind, id): &Name) -> Result<Option<u64>, Untaken> {
        let open = Open::of(self, kind, id)?;
        Ok(open.since.filter(|_| !open.is_empty()))
    }

    fn once_open(&self, (kind, id): &Name) -> Result<Option<Range<u64>>, Untaken> {
        Ok(conflict::once_open(self, kind, id)?)
    }

    fn head(&self) -> u64 {
        self.store.head()
    }
}

/// Takes versions that were made on a node, in their order and without a gap; those that are here are passed over. Each
/// 256 are durable, with all that follows from them, before the next are looked at. Of the node it is taken that it knew
/// nothing of what others wrote; where more is known, [`take_changes_knowing`] is told.
///
/// # Errors
/// [`Untaken`].
pub fn take_changes(engine: &Engine, node: u32, changes: &[Change]) -> Result<Taken, Untaken> {
    take_changes_knowing(engine, node, changes, &|_, _| false)
}

/// As [`take_changes`], of a node of which it is known what had come to it when it wrote.
///
/// # Errors
/// [`Untaken`].
pub fn take_changes_knowing(engine: &Engine, node: u32, changes: &[Change], knew: Knew<'_>) -> Result<Taken, Untaken> {
    let look = Look { engine, node, knew };
    let mut taken = Taken {
        acknowledged: acknowledged(&engine.store, node)?,
        ..Taken::default()
    };
    for changes in changes.chunks(UNIT_MAX) {
        let more = decided(|| some(&look, changes))?;
        taken.acknowledged = more.acknowledged;
        taken.versions += more.versions;
        taken.aside += more.aside;
        taken.tasks += more.tasks;
    }
    Ok(taken)
}

/// Takes versions that a node has and the centre did not name, where they are lost here: each is given back in its place, or
/// appended where its name is one that was acknowledged to the node and nowhere in the log. What is here is passed over. How
/// many were lost: this should never be any.
///
/// # Errors
/// [`Untaken`].
pub fn take_again(engine: &Engine, numbers: &[u32], changes: Vec<Change>) -> Result<usize, Untaken> {
    let (store, mut damaged, mut lost) = (&engine.store, Vec::new(), Vec::new());
    for change in changes {
        let (kind, id, name) = (&change.kind, &change.id, change.version);
        match store.place_at(kind, id, name)? {
            Some(seq) if store.version(kind, id, name).is_err() => damaged.push(change.at(seq)),
            Some(_) => {}
            None if !numbers.contains(&name.node) => {}
            None if name.counter <= acknowledged(store, name.node)?.counter => lost.push(change),
            None => {}
        }
    }
    let count = damaged.len() + lost.len();
    if count == 0 {
        return Ok(0);
    }
    store.mend(damaged).map_err(Untaken::Refused)?;
    decided(|| {
        let since = engine.store.head();
        let mut unit = Writing::default();
        for change in &lost {
            unit.take(engine, change)?;
        }
        unit.conclude(engine, None)?;
        submit(engine, (unit.writes, unit.notes), since, Box::new(|_| true))
    })?;
    Ok(count)
}

/// Completes the Tasks of conflicts that were settled by ordinary versions written here; how many Tasks changed. At most so
/// many records with open conflicts are looked at.
///
/// # Errors
/// [`Untaken`].
pub fn settle_conflicts(engine: &Engine, most: usize) -> Result<usize, Untaken> {
    let mut tasks = 0;
    for (key, _) in engine.store.notes(NOTES, most)? {
        let Some(name) = record_of(&key) else { continue };
        tasks += decided(|| {
            let since = engine.store.head();
            let mut unit = Writing::default();
            unit.plan.meet(engine, &name)?;
            unit.conclude(engine, None)?;
            let (kind, id) = name.clone();
            let is_it = move |appended: &Appended| (&appended.kind, &appended.id) == (&kind, &id);
            let tasks = unit.tasks;
            submit(engine, (unit.writes, unit.notes), since, Box::new(is_it)).map(|done| done.map(|()| tasks))
        })?;
    }
    Ok(tasks)
}

/// Decides anew as often as somebody wrote in between.
pub(crate) fn decided<T>(attempt: impl Fn() -> Result<Option<T>, Untaken> + Clone) -> Result<T, Untaken> {
    for _ in 0..TRIES {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(Untaken::Refused(Refused::Busy))
}

/// Takes what one unit holds; `None` where somebody wrote in between.
fn some(look: &Look<'_>, changes: &[Change]) -> Result<Option<Taken>, Untaken> {
    let (engine, node) = (look.engine, look.node);
    let since = engine.store.head();
    let acknowledged = acknowledged(&engine.store, node)?;
    let fresh = acknowledged.fresh(node, changes)?;
    let Some(last) = fresh.last() else {
        return Ok(Some(Taken {
            acknowledged,
            ..Taken::default()
        }));
    };
    let mut unit = Writing::default();
    for change in fresh {
        unit.take(engine, change)?;
    }
    unit.conclude(engine, Some(look))?;
    let taken = Taken {
        acknowledged: Acknowledged::to(last),
        versions: fresh.len(),
        aside: unit.aside,
        tasks: unit.tasks,
    };
    unit.notes.push(note(node, taken.acknowledged));
    // The same versions on another way: the records they are of have moved, or one of them is here.
    let watched = unit.watched;
    let disturbs = move |appended: &Appended| appended.version.node == node || watched.is(appended);
    submit(engine, (unit.writes, unit.notes), since, Box::new(disturbs)).map(|done| done.map(|()| taken))
}

/// `None` where somebody wrote in between.
pub(crate) fn submit(
    engine: &Engine,
    (writes, notes): (Vec<Write>, Vec<Note>),
    since: u64,
    disturbed_by: store::Disturbs,
) -> Result<Option<()>, Untaken> {
    let unit = Unit {
        writes,
        notes,
        guard: Some(Guard { since, disturbed_by }),
    };
    if unit.writes.is_empty() && unit.notes.is_empty() {
        return Ok(Some(()));
    }
    match engine.store.submit(unit) {
        Ok(_) => Ok(Some(())),
        Err(Refused::Expectation { .. } | Refused::Disturbed) => Ok(None),
        Err(refused) => Err(Untaken::Refused(refused)),
    }
}

/// What one unit writes.
#[derive(Default)]
struct Writing<'a> {
    plan: Plan<'a>,
    writes: Vec<Write>,
    notes: Vec<Note>,
    watched: Watched,
    aside: usize,
    tasks: usize,
}

impl<'a> Writing<'a> {
    fn take(&mut self, engine: &Engine, change: &'a Change) -> Result<(), Untaken> {
        let step = self.plan.take(engine, change)?;
        let mut write = write_of(engine, change, step.aside)?;
        if step.first {
            write.expect = Expect::Current(step.before);
        }
        if step.before.is_none() && change.operation.is_live() && change.kind == *replaced::kind() {
            self.notes.extend(newcomers::note(engine, &change.id));
        }
        self.aside += usize::from(step.aside);
        self.writes.push(write);
        Ok(())
    }

    /// Joins what is apart, and brings the worklist to what is open then, with the contradictions that came.
    fn conclude(&mut self, engine: &Engine, look: Option<&Look<'_>>) -> Result<(), Untaken> {
        let plan = std::mem::take(&mut self.plan);
        let tasks = plan.names().iter().filter(|(kind, _)| kind.as_str() == TASK);
        let busy: FxHashSet<Id> = tasks.map(|(_, id)| id.clone()).collect();
        let came: Came<'_, '_> = &|name| plan.standing(name).map_or(&[][..], Standing::came);
        for name in plan.names() {
            self.notes.extend(replacing(engine, name, came(name))?);
            let joined = plan.joined(engine, name, (&engine.definitions, Rules::national()))?;
            let agreed = joined.is_none();
            let shown = match joined {
                Some(joined) => self.join(engine, name, (plan.standing(name), joined), &busy)?,
                None => None,
            };
            let may_concern = |change: &&Change| Contradiction::may_concern(name.0.as_str(), &change.body);
            let Some(look) = look.filter(|_| came(name).iter().any(may_concern)) else {
                continue;
            };
            let shown = match (shown, came(name).last()) {
                (None, Some(last)) if agreed => last.record().ok().flatten(),
                (shown, _) => shown,
            };
            for found in shown.map_or(Ok(Vec::new()), |shown| {
                look.found(name, &shown, came, &mut self.watched)
            })? {
                let (task, note) = found.told(engine, &busy)?;
                self.tasks += usize::from(task.is_some());
                self.writes.extend(task);
                self.notes.push(note);
            }
        }
        Ok(())
    }

    /// Writes what a record comes to, and what is open of it then; the record, `None` where it is deleted.
    fn join(
        &mut self,
        engine: &Engine,
        (kind, id): &Name,
        (standing, joined): (Option<&Standing<'_>>, Joined),
        busy: &FxHashSet<Id>,
    ) -> Result<Option<Tree>, Untaken> {
        if let Some(standing) = standing {
            let writes = joins(engine, (kind, id), standing, joined.record.as_ref())?;
            self.writes.extend(writes);
        }
        let (open, found) = (Open::of(engine, kind, id)?, (joined.conflicts, joined.since));
        let (tasks, note) = open.settle(engine, (kind, id), found, joined.record.as_ref(), busy)?;
        self.tasks += tasks.len();
        self.writes.extend(tasks);
        self.notes.extend(note);
        let once_open = joined.once_open.as_ref();
        self.notes
            .extend(once_open.map(|places| conflict::note_once_open(kind, id, places)));
        Ok(joined.record)
    }
}

/// The note of whom a patient was replaced by, before the unit or by a version that came.
fn replacing(engine: &Engine, (kind, id): &Name, came: &[&Change]) -> Result<Option<Note>, Untaken> {
    if kind != replaced::kind() || came.is_empty() {
        return Ok(None);
    }
    let before = engine.store.current(kind, id)?;
    let mut others = before.as_ref().map_or_else(Vec::new, untangle::replacing);
    others.extend(came.iter().flat_map(|change| untangle::replacing_after(change)));
    Ok(untangle::note(id, others))
}

/// The versions of the centre's own that know of the current version and of all that are apart: one for each of these.
fn joins(
    engine: &Engine,
    (kind, id): (&Kind, &Id),
    standing: &Standing<'_>,
    record: Option<&Tree>,
) -> Result<Vec<Write>, Refusal> {
    let operation = standing.operation(record);
    let plain = match record {
        None => Write::new(kind.clone(), id.clone(), operation, Vec::new()),
        Some(record) => {
            let prepared = engine.as_it_is(kind, document(record)?.root());
            prepared.into_write(kind.clone(), id.clone(), operation, Expect::Anything)
        }
    };
    let join = |apart: &VersionId| Write {
        made: Made::Joining(*apart),
        ..plain.clone()
    };
    Ok(standing.apart().iter().map(join).collect())
}
