//! The centre takes what a node wrote: all of it, in its order, and what did not know of the current version is joined.
//!
//! A version based on the current one goes on from it. Another is only kept, and in the same unit follows a version of the
//! centre's own, based on both, which says what the record comes to (`apart.rs`); what a person has to settle is put on the
//! worklist (`conflict.rs`). How far the node's versions are here is noted in the same unit, so nothing is taken twice.

use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use query::replaced;
use rustc_hash::{FxHashMap, FxHashSet};
use store::{Appended, Expect, Guard, Made, Note, Operation, Refused, Seal, Store, Trouble, Unit, Write};
use sync::Change;
use sync::contradictions::Contradiction;

use crate::apart::version_of;
use crate::arrive::{Untaken, write_of};
use crate::conflict::{NOTES, Open, record_of};
use crate::contradiction::{Came, Knew, Look, Watched};
use crate::engine::Engine;
use crate::merge_party::document;
use crate::newcomers;
use crate::refusal::Refusal;
use crate::untangle;

/// Versions in one unit at most.
pub(crate) const UNIT_MAX: usize = 256;
/// The kind of what is on a worklist.
const TASK: &str = "Task";
/// How often a unit is decided anew because somebody wrote in between.
const TRIES: usize = 16;

/// Up to which of a node's versions they are here, and the seal of that one; zeros where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// The counter.
    pub counter: u64,
    /// The seal.
    pub seal: Seal,
}

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

impl Acknowledged {
    /// What is noted of a node.
    ///
    /// # Errors
    /// Those of the store.
    pub fn of(store: &Store, node: u32) -> Result<Acknowledged, Trouble> {
        let note = store.note(&key(node))?.unwrap_or_default();
        let read = note.split_first_chunk::<8>().and_then(|(counter, seal)| {
            Some(Acknowledged {
                counter: u64::from_le_bytes(*counter),
                seal: seal.try_into().ok()?,
            })
        });
        Ok(read.unwrap_or_default())
    }

    fn note(self, node: u32) -> Note {
        Note::new(key(node), [&self.counter.to_le_bytes()[..], &self.seal].concat())
    }

    fn to(change: &Change) -> Acknowledged {
        Acknowledged {
            counter: change.version.counter,
            seal: change.seal(),
        }
    }

    /// Those of a node's versions that are not here yet.
    fn fresh(self, node: u32, changes: &[Change]) -> Result<&[Change], Untaken> {
        let Some(first) = changes.first() else {
            return Ok(&[]);
        };
        for (change, counter) in changes.iter().zip(first.version.counter..) {
            if change.version != (VersionId { node, counter }) || counter == 0 {
                let why = format!("it is not version {counter} of node {node}, which comes next");
                return Err(Untaken::Unusable(change.version, why));
            }
        }
        let expected = self.counter + 1;
        let Some(known) = expected.checked_sub(first.version.counter) else {
            let found = first.version.counter;
            return Err(Untaken::Gap { expected, found });
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if known > 0
            && let Some(last) = changes.get(known - 1).filter(|last| last.seal() != self.seal)
        {
            return Err(Untaken::Other(last.version));
        }
        Ok(changes.get(known..).unwrap_or_default())
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
        acknowledged: Acknowledged::of(&engine.store, node)?,
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
            None if name.counter <= Acknowledged::of(store, name.node)?.counter => lost.push(change),
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
        let mut plan = Plan::default();
        for change in &lost {
            plan.take(engine, change)?;
        }
        plan.conclude(engine, None)?;
        submit(engine, (plan.writes, plan.notes), since, Box::new(|_| true))
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
            let mut plan = Plan::default();
            plan.meet(engine, &name)?;
            plan.conclude(engine, None)?;
            let (kind, id) = name.clone();
            let is_it = move |appended: &Appended| (&appended.kind, &appended.id) == (&kind, &id);
            let tasks = plan.tasks;
            submit(engine, (plan.writes, plan.notes), since, Box::new(is_it)).map(|done| done.map(|()| tasks))
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
    let acknowledged = Acknowledged::of(&engine.store, node)?;
    let fresh = acknowledged.fresh(node, changes)?;
    let Some(last) = fresh.last() else {
        return Ok(Some(Taken {
            acknowledged,
            ..Taken::default()
        }));
    };
    let mut plan = Plan::default();
    for change in fresh {
        plan.take(engine, change)?;
    }
    plan.conclude(engine, Some(look))?;
    let taken = Taken {
        acknowledged: Acknowledged::to(last),
        versions: fresh.len(),
        aside: plan.aside,
        tasks: plan.tasks,
    };
    plan.notes.push(taken.acknowledged.note(node));
    // The same versions on another way: the records they are of have moved, or one of them is here.
    let watched = plan.watched;
    let disturbs = move |appended: &Appended| appended.version.node == node || watched.is(appended);
    submit(engine, (plan.writes, plan.notes), since, Box::new(disturbs)).map(|done| done.map(|()| taken))
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

/// A record as a unit leaves it so far.
struct Standing<'a> {
    current: Option<VersionId>,
    live: bool,
    /// Whether a write of the unit says already how the record must be found.
    expected: bool,
    came: Vec<&'a Change>,
    /// Versions that the current one does not know of, and none of which knows another.
    apart: Vec<VersionId>,
    open: Open,
    /// Of a patient: who replaced her before the unit or by a version that came.
    replacing: Vec<Id>,
}

/// What one unit writes.
#[derive(Default)]
struct Plan<'a> {
    writes: Vec<Write>,
    notes: Vec<Note>,
    records: FxHashMap<(Kind, Id), Standing<'a>>,
    /// The records in the order they came.
    order: Vec<(Kind, Id)>,
    watched: Watched,
    aside: usize,
    tasks: usize,
}

impl<'a> Plan<'a> {
    /// The record as it is before the unit.
    fn meet(&mut self, engine: &Engine, name: &(Kind, Id)) -> Result<&mut Standing<'a>, Untaken> {
        if !self.records.contains_key(name) {
            let current = engine.store.current(&name.0, &name.1)?;
            let replacing = current.as_ref().map_or_else(Vec::new, untangle::replacing);
            let standing = Standing {
                current: current.as_ref().map(|version| version.version),
                live: current.is_some_and(|version| version.operation.is_live()),
                expected: false,
                came: Vec::new(),
                apart: Vec::new(),
                open: Open::of(engine, &name.0, &name.1)?,
                replacing,
            };
            self.records.insert(name.clone(), standing);
            self.order.push(name.clone());
        }
        Ok(self.records.get_mut(name).expect("it was just met"))
    }

    fn take(&mut self, engine: &Engine, change: &'a Change) -> Result<(), Untaken> {
        let name = (change.kind.clone(), change.id.clone());
        let based_on = |version: &VersionId| [change.base, change.merged].contains(&Some(*version));
        let standing = self.meet(engine, &name)?;
        let before = standing.current;
        let aside = before.is_some_and(|before| !based_on(&before));
        let mut write = write_of(engine, change, aside)?;
        if !std::mem::replace(&mut standing.expected, true) {
            write.expect = Expect::Current(before);
        }
        standing.apart.retain(|apart| !based_on(apart));
        standing.came.push(change);
        standing.replacing.extend(untangle::replacing_after(change));
        if aside {
            standing.apart.push(change.version);
        } else {
            standing.live = change.operation.is_live();
            standing.current = Some(change.version);
        }
        if before.is_none() && change.operation.is_live() && change.kind == *replaced::kind() {
            self.notes.extend(newcomers::note(engine, &change.id));
        }
        self.aside += usize::from(aside);
        self.writes.push(write);
        Ok(())
    }

    /// Joins what is apart, and brings the worklist to what is open then, with the contradictions that came.
    fn conclude(&mut self, engine: &Engine, look: Option<&Look<'_>>) -> Result<(), Untaken> {
        let tasks = self.order.iter().filter(|(kind, _)| kind.as_str() == TASK);
        let busy: FxHashSet<Id> = tasks.map(|(_, id)| id.clone()).collect();
        let records = std::mem::take(&mut self.records);
        let came: Came<'_, '_> = &|name| records.get(name).map_or(&[][..], |standing| standing.came.as_slice());
        for name in std::mem::take(&mut self.order) {
            let standing = &records[&name];
            if !standing.came.is_empty() {
                self.notes.extend(untangle::note(&name.1, standing.replacing.clone()));
            }
            let agreed = standing.apart.is_empty() && standing.open.is_empty();
            let joined = match standing.current.filter(|_| !agreed) {
                Some(current) => self.join(engine, &name, (standing, current), &busy)?,
                None => None,
            };
            let may_concern = |change: &&Change| Contradiction::may_concern(name.0.as_str(), &change.body);
            let Some(look) = look.filter(|_| standing.came.iter().any(may_concern)) else {
                continue;
            };
            let shown = match (joined, standing.came.last()) {
                (Some(joined), _) => Some(joined),
                (None, Some(last)) if agreed => version_of(last).ok().and_then(|version| version.body),
                _ => None,
            };
            for found in shown.map_or(Ok(Vec::new()), |shown| {
                look.found(&name, &shown, came, &mut self.watched)
            })? {
                let (task, note) = found.told(engine, &busy)?;
                self.tasks += usize::from(task.is_some());
                self.writes.extend(task);
                self.notes.push(note);
            }
        }
        Ok(())
    }

    /// Joins what is apart of a record; what it comes to, `None` where it is deleted.
    fn join(
        &mut self,
        engine: &Engine,
        name: &(Kind, Id),
        (standing, current): (&Standing<'_>, VersionId),
        busy: &FxHashSet<Id>,
    ) -> Result<Option<Tree>, Untaken> {
        let until = standing.open.since.unwrap_or(u64::MAX);
        let (kind, id) = (&name.0, &name.1);
        let unusable = |change: &Change, why| Untaken::Unusable(change.version, why);
        let read = |change: &&Change| version_of(change).map_err(|why| unusable(change, why));
        let came: Vec<sync::Version> = standing.came.iter().map(read).collect::<Result<_, _>>()?;
        let joined = engine.joined((kind, id), &came, until, (current, &standing.apart))?;
        self.writes
            .extend(joins(engine, name, standing, joined.record.as_ref())?);
        let found = (joined.conflicts, joined.since);
        let settled = standing
            .open
            .settle(engine, (kind, id), found, joined.record.as_ref(), busy);
        let (tasks, note) = settled?;
        self.tasks += tasks.len();
        self.writes.extend(tasks);
        self.notes.extend(note);
        Ok(joined.record)
    }
}

/// The versions of the centre's own that know of the current version and of all that are apart: one for each of these.
fn joins(
    engine: &Engine,
    (kind, id): &(Kind, Id),
    standing: &Standing<'_>,
    record: Option<&Tree>,
) -> Result<Vec<Write>, Refusal> {
    let plain = match record {
        None => Write::new(kind.clone(), id.clone(), Operation::Delete, Vec::new()),
        Some(record) => {
            let operation = match standing.live {
                true => Operation::Update,
                false => Operation::Create,
            };
            let prepared = engine.as_it_is(kind, document(record)?.root());
            prepared.into_write(kind.clone(), id.clone(), operation, Expect::Anything)
        }
    };
    let join = |apart: &VersionId| Write {
        made: Made::Joining(*apart),
        ..plain.clone()
    };
    Ok(standing.apart.iter().map(join).collect())
}
