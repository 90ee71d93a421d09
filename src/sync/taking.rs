//! What becomes of versions that a node wrote: which go on, which are only kept, and what each record then comes to.
//!
//! A version based on a record's current one goes on from it. Another is only kept, *aside*, and in the same unit follows a
//! *join* of the centre's own, based on both, which says what the record comes to. The centre's log and the simulated one are
//! both told of by [`Records`], so the seeds of the simulation try what the product does.

use std::ops::Range;

use conformance::Definitions;
use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use rustc_hash::FxHashMap;
use store::{Operation, Seal};

use crate::change::Change;
use crate::history::{History, Unreadable, Version};
use crate::merge::{Conflict, State, state};
use crate::past::Past;
use crate::rules::Rules;

/// A record's kind and id.
pub type Name = (Kind, Id);

/// Up to which of a node's versions they are here, and the seal of that one; zeros where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// The counter.
    pub counter: u64,
    /// The seal.
    pub seal: Seal,
}

/// Why versions are not those that come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNext {
    /// Versions are missing before the first one.
    Gap {
        /// The counter that comes next.
        expected: u64,
        /// The counter of the first one.
        found: u64,
    },
    /// The version that was taken last is another one than the node's of that name: its database is an old copy, or ours.
    Other(VersionId),
    /// A version is not the one of this name, which follows on the one before it.
    OutOfOrder(VersionId, VersionId),
}

impl Acknowledged {
    /// Where a version is the last that is here.
    pub fn to(change: &Change) -> Acknowledged {
        Acknowledged {
            counter: change.version.counter,
            seal: change.seal(),
        }
    }

    /// Those of a node's versions that are not here yet.
    ///
    /// # Errors
    /// [`NotNext`].
    pub fn fresh(self, node: u32, changes: &[Change]) -> Result<&[Change], NotNext> {
        let Some(first) = changes.first() else {
            return Ok(&[]);
        };
        for (change, counter) in changes.iter().zip(first.version.counter..) {
            let next = VersionId { node, counter };
            if change.version != next || counter == 0 {
                return Err(NotNext::OutOfOrder(change.version, next));
            }
        }
        let expected = self.counter + 1;
        let Some(known) = expected.checked_sub(first.version.counter) else {
            let found = first.version.counter;
            return Err(NotNext::Gap { expected, found });
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if known > 0
            && let Some(last) = changes.get(known - 1).filter(|last| last.seal() != self.seal)
        {
            return Err(NotNext::Other(last.version));
        }
        Ok(changes.get(known..).unwrap_or_default())
    }
}

/// What is known of records where versions are taken, before the unit.
pub trait Records {
    /// Why a record cannot be told of.
    type Trouble: From<Unreadable>;

    /// The name of a record's current version, and whether the record is live; `None` where there never was one.
    fn current(&self, name: &Name) -> Result<Option<(VersionId, bool)>, Self::Trouble>;

    /// A record's versions before a place of the log, or all, with their places: the newest first, as many as are read at
    /// once; none where there are no more.
    fn before(&self, name: &Name, place: Option<u64>) -> Result<Vec<(u64, Change)>, Self::Trouble>;

    /// The place of the log from which on a record's versions are needed to know of its conflicts; `None` where none is open.
    fn open_since(&self, name: &Name) -> Result<Option<u64>, Self::Trouble>;

    /// Between which places of the log conflicts of a record were open that are settled. A node may write on that does not
    /// know of the deletion that settled one: then the record is back, and so is what was open of it.
    fn once_open(&self, name: &Name) -> Result<Option<Range<u64>>, Self::Trouble>;

    /// The end of the log.
    fn head(&self) -> u64;
}

/// A record as a unit leaves it so far.
#[derive(Debug)]
pub struct Standing<'a> {
    current: Option<VersionId>,
    live: bool,
    came: Vec<&'a Change>,
    apart: Vec<VersionId>,
}

impl<'a> Standing<'a> {
    /// The versions that came, in their order.
    pub fn came(&self) -> &[&'a Change] {
        &self.came
    }

    /// Versions that the current one does not know of, and none of which knows another: each gets a join.
    pub fn apart(&self) -> &[VersionId] {
        &self.apart
    }

    /// What a join does that leaves the record so.
    pub fn operation(&self, record: Option<&Tree>) -> Operation {
        match (record, self.live) {
            (None, _) => Operation::Delete,
            (Some(_), true) => Operation::Update,
            (Some(_), false) => Operation::Create,
        }
    }
}

/// How one version is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The record's current version before.
    pub before: Option<VersionId>,
    /// Whether it is the first version of its record in the unit.
    pub first: bool,
    /// Whether it is kept without becoming current.
    pub aside: bool,
}

/// What a record comes to when all that was written to it is known.
#[derive(Debug)]
pub struct Joined {
    /// The record; `None` where it is deleted.
    pub record: Option<Tree>,
    /// What its writers disagree on and a person settles.
    pub conflicts: Vec<Conflict>,
    /// The place of the oldest version in the log that was looked at.
    pub since: u64,
    /// What is to be noted of [`Records::once_open`]; `None` where that stays as it is.
    pub once_open: Option<Range<u64>>,
}

/// What one unit takes.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    records: FxHashMap<Name, Standing<'a>>,
    order: Vec<Name>,
}

impl<'a> Plan<'a> {
    /// The records in the order they came.
    pub fn names(&self) -> &[Name] {
        &self.order
    }

    /// A record as the unit leaves it so far; `None` where the unit has nothing of it.
    pub fn standing(&self, name: &Name) -> Option<&Standing<'a>> {
        self.records.get(name)
    }

    /// Looks at a record, though nothing of it need have come.
    ///
    /// # Errors
    /// Those of the records.
    pub fn meet<R: Records>(&mut self, records: &R, name: &Name) -> Result<&mut Standing<'a>, R::Trouble> {
        if !self.records.contains_key(name) {
            let current = records.current(name)?;
            let standing = Standing {
                current: current.map(|(version, _)| version),
                live: current.is_some_and(|(_, live)| live),
                came: Vec::new(),
                apart: Vec::new(),
            };
            self.records.insert(name.clone(), standing);
            self.order.push(name.clone());
        }
        Ok(self.records.get_mut(name).expect("it was just met"))
    }

    /// Takes the next version.
    ///
    /// # Errors
    /// Those of the records.
    pub fn take<R: Records>(&mut self, records: &R, change: &'a Change) -> Result<Step, R::Trouble> {
        let based_on = |version: &VersionId| [change.base, change.merged].contains(&Some(*version));
        let standing = self.meet(records, &(change.kind.clone(), change.id.clone()))?;
        let before = standing.current;
        let step = Step {
            before,
            first: standing.came.is_empty(),
            aside: before.is_some_and(|before| !based_on(&before)),
        };
        standing.apart.retain(|apart| !based_on(apart));
        standing.came.push(change);
        if step.aside {
            standing.apart.push(change.version);
        } else {
            standing.live = change.operation.is_live();
            standing.current = Some(change.version);
        }
        Ok(step)
    }

    /// What a record comes to, where versions of it are apart or a conflict is open; `None` where all is agreed.
    ///
    /// # Errors
    /// Those of the records.
    pub fn joined<R: Records>(
        &self,
        records: &R,
        name: &Name,
        (definitions, rules): (&Definitions, &Rules),
    ) -> Result<Option<Joined>, R::Trouble> {
        let Some((standing, current)) = self.standing(name).and_then(|it| Some((it, it.current?))) else {
            return Ok(None);
        };
        let open = records.open_since(name)?;
        if standing.apart.is_empty() && open.is_none() {
            return Ok(None);
        }
        let once = records.once_open(name)?;
        // A version that everybody knows of stands for all before it, unless a conflict was open there.
        let may_stand = |place: u64| {
            open.is_none_or(|since| place <= since)
                && once
                    .as_ref()
                    .is_none_or(|once| place <= once.start || place >= once.end)
        };
        let came: Result<Vec<Version>, Unreadable> = standing.came.iter().map(|came| Version::of(came)).collect();
        let past = Past::read(records, name, &came?, may_stand)?;
        let (since, versions) = past.into_versions();
        let shown = versions.iter().find(|version| version.name == current);
        let shown = shown.and_then(|version| version.body.clone());
        let state = match History::new(versions) {
            Ok(history) => state(&history, definitions, rules),
            // There is too much to look at: the current version goes on, and a person looks at the others.
            Err(_) => State::unjoined(shown, std::iter::once(current).chain(standing.apart.iter().copied())),
        };
        let conflicts: Vec<Conflict> = state.conflicts.into_iter().filter(|conflict| conflict.review).collect();
        let once_open = match (open, once) {
            (Some(since), once) if conflicts.is_empty() => {
                Some(once.map_or(since, |once| once.start.min(since))..u64::MAX)
            }
            // What settled it was taken since, so it is in the log by now.
            (None, Some(once)) if once.end == u64::MAX => Some(once.start..records.head()),
            _ => None,
        };
        Ok(Some(Joined {
            record: state.record,
            conflicts,
            since,
            once_open,
        }))
    }
}
