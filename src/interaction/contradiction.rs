//! Sites that did not know of each other did what a request forbade by then, or took one thing twice: both stay, a person looks.
//!
//! Found at the centre in the unit that brings the second of the two (`schema/sync/contradictions.tsv`): the site that wrote it
//! had not been sent the first, and the first came before there was anything to be sent. Which are open is noted, and looked
//! at twice a minute: where the two contradict each other no more, the Task is completed.

use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use query::values::hash;
use rustc_hash::FxHashSet;
use store::{Appended, HistoryRange, Note, Scope, Version, Write};
use sync::Change;
use sync::contradictions::{Contradiction, all, status};

use crate::arrive::Untaken;
use crate::conditional;
use crate::engine::Engine;
use crate::question::{Question, completed, current, is_closed};
use crate::take_changes::{decided, submit};

/// What the keys of the notes begin with.
const NOTES: &str = "contradiction/";
/// Requests that one fact names, and facts on one request, that are looked at.
const LOOKED_AT: usize = 64;

/// Whether a version of this log had come to the node when it wrote its version of a counter.
pub type Knew<'a> = &'a dyn Fn(u64, &Version) -> bool;

/// A record's name.
type Name = (Kind, Id);

/// A fact, and the request on which it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    rule: &'static Contradiction,
    request: Name,
    fact: Name,
}

/// A contradiction that a unit brings about: the versions of both sides, and what they say.
pub(crate) struct Found {
    pair: Pair,
    request: (VersionId, Tree),
    fact: (VersionId, Tree),
}

/// What a unit was decided upon besides the records that it writes.
#[derive(Default)]
pub(crate) struct Watched {
    records: FxHashSet<Name>,
    kinds: FxHashSet<Kind>,
}

impl Watched {
    /// Whether a version that came in between matters.
    pub(crate) fn is(&self, appended: &Appended) -> bool {
        self.kinds.contains(&appended.kind) || self.records.contains(&(appended.kind.clone(), appended.id.clone()))
    }
}

impl Pair {
    fn key(&self) -> String {
        let [request, fact] = [&self.request, &self.fact].map(|(kind, id)| format!("{kind}/{id}"));
        format!("{NOTES}{request} {fact}")
    }

    /// The pair that a note is about.
    fn of(key: &str) -> Option<Pair> {
        let name = |text: &str| {
            let (kind, id) = text.split_once('/')?;
            Some((Kind::new(kind)?, Id::new(id)?))
        };
        let (request, fact) = key.strip_prefix(NOTES)?.split_once(' ')?;
        let (request, fact) = (name(request)?, name(fact)?);
        let is_rule = |rule: &&Contradiction| rule.request == request.0.as_str() && rule.fact == fact.0.as_str();
        let rule = all().iter().find(is_rule)?;
        Some(Pair { rule, request, fact })
    }

    /// The id of its Task follows from what it is about.
    fn task(&self) -> Id {
        let key = self.key();
        let half = |salt: &[u8]| hash(&[salt, key.as_bytes()]);
        Id::new(&format!("contradiction-{:016x}{:016x}", half(b"one "), half(b"other ")))
            .expect("hexadecimal digits are an id")
    }

    fn contradicts(&self, request: &Tree, fact: &Tree) -> bool {
        let named = self.rule.requests(fact);
        let names = || match self.rule.shared {
            None => named.contains(&self.request.1),
            Some(_) => self.rule.requests(request).iter().any(|taken| named.contains(taken)),
        };
        self.rule.is_withdrawn(request) && self.rule.is_done(fact) && names()
    }
}

impl Found {
    /// The Task that tells of it, unless others write that in the same unit, and the note that it is open.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn told(&self, engine: &Engine, busy: &FxHashSet<Id>) -> Result<(Option<Write>, Note), Untaken> {
        let (pair, task) = (&self.pair, self.pair.task());
        let side = |(kind, id): &Name, (version, record): &(VersionId, Tree)| {
            let said = format!("\"{}\"", status(record));
            (format!("{kind}/{id}/_history/{version}"), Some(said))
        };
        let question = Question {
            focus: (&pair.request.0, &pair.request.1),
            record: Some(&self.request.1),
            element: "status".to_owned(),
            description: self.description(),
            sides: vec![side(&pair.request, &self.request), side(&pair.fact, &self.fact)],
        };
        let write = match busy.contains(&task) {
            true => None,
            false => question.raised(engine, &task)?,
        };
        Ok((write, Note::new(pair.key(), "")))
    }
}

impl Found {
    /// What happened and what is to be done.
    fn description(&self) -> String {
        let ((kind, id), (fact, fact_id)) = (&self.pair.request, &self.pair.fact);
        match self.pair.rule.shared {
            None => format!(
                "Sites that did not know of each other: {kind}/{id} was withdrawn ({}), and {fact}/{fact_id} says that it was done \
                 ({}). Both are kept. Correct the one that is wrong; where both are right, complete this task.",
                status(&self.request.1),
                status(&self.fact.1)
            ),
            Some(shared) => format!(
                "Sites that did not know of each other: {kind}/{id} and {fact}/{fact_id} take the same {shared}. Both are kept. Move or \
                 cancel one of them; where both are right, complete this task."
            ),
        }
    }
}

/// The look at what came from a node.
pub(crate) struct Look<'a> {
    /// Where it came to.
    pub(crate) engine: &'a Engine,
    /// Whose versions came.
    pub(crate) node: u32,
    /// What that node knew.
    pub(crate) knew: Knew<'a>,
}

/// The versions that came of a record, in their order.
pub(crate) type Came<'a, 'b> = &'a dyn Fn(&Name) -> &'a [&'b Change];

impl Look<'_> {
    /// What contradictions the versions that came of a record bring about, where this is shown of it now. What this was
    /// decided upon is watched from now on.
    ///
    /// # Errors
    /// [`Untaken`] where the log or the index cannot be read.
    pub(crate) fn found(
        &self,
        name: &Name,
        shown: &Tree,
        came: Came<'_, '_>,
        watched: &mut Watched,
    ) -> Result<Vec<Found>, Untaken> {
        let mut found = Vec::new();
        for rule in all() {
            if rule.shared.is_some() {
                if rule.fact == name.0.as_str() && rule.is_done(shown) {
                    self.taken(rule, (name, shown), came, (&mut found, watched))?;
                }
                continue;
            }
            if rule.fact == name.0.as_str() && rule.is_done(shown) {
                self.done(rule, name, came, (&mut found, watched))?;
            }
            if rule.request == name.0.as_str() && rule.is_withdrawn(shown) {
                self.withdrawn(rule, name, came, (&mut found, watched))?;
            }
        }
        Ok(found)
    }

    /// A fact came. Where it was here already, it was looked at then, or when the request was withdrawn.
    fn done(
        &self,
        rule: &'static Contradiction,
        name: &Name,
        came: Came<'_, '_>,
        (found, watched): (&mut Vec<Found>, &mut Watched),
    ) -> Result<(), Untaken> {
        let Some((change, fact)) = first(came(name), |record| rule.is_done(record))? else {
            return Ok(());
        };
        let before = self.here(name)?;
        for id in rule.requests(&fact).into_iter().take(LOOKED_AT) {
            let pair = Pair {
                rule,
                request: (self.engine.kind(rule.request)?, id),
                fact: name.clone(),
            };
            watched.records.insert(pair.request.clone());
            let Some(request) = self.here(&pair.request)? else {
                continue;
            };
            let is_known = before
                .as_ref()
                .is_some_and(|(_, before)| pair.contradicts(&request.1, before));
            let knew = |request: &Tree| rule.is_withdrawn(request);
            if pair.contradicts(&request.1, &fact) && !is_known && !self.knew(change, &pair.request, came, &knew)? {
                let fact = (change.version, fact.clone());
                found.push(Found { pair, request, fact });
            }
        }
        Ok(())
    }

    /// A request was withdrawn. Where it was before, facts were looked at when they came.
    fn withdrawn(
        &self,
        rule: &'static Contradiction,
        name: &Name,
        came: Came<'_, '_>,
        (found, watched): (&mut Vec<Found>, &mut Watched),
    ) -> Result<(), Untaken> {
        let Some((change, request)) = first(came(name), |record| rule.is_withdrawn(record))? else {
            return Ok(());
        };
        if self.here(name)?.is_some_and(|(_, before)| rule.is_withdrawn(&before)) {
            return Ok(());
        }
        let kind = self.engine.kind(rule.fact)?;
        watched.kinds.insert(kind.clone());
        let criteria = format!("{}={}/{}", rule.parameter, name.0, name.1);
        for id in conditional::find(self.engine, &kind, &criteria, LOOKED_AT)?.ids {
            let pair = Pair {
                rule,
                request: name.clone(),
                fact: (kind.clone(), id),
            };
            let Some(fact) = self.here(&pair.fact)? else { continue };
            let knew = |fact: &Tree| rule.is_done(fact);
            if pair.contradicts(&request, &fact.1) && !self.knew(change, &pair.fact, came, &knew)? {
                let request = (change.version, request.clone());
                found.push(Found { pair, request, fact });
            }
        }
        Ok(())
    }

    /// A record takes what only one can have. Where it took it before, that was looked at then.
    fn taken(
        &self,
        rule: &'static Contradiction,
        (name, shown): (&Name, &Tree),
        came: Came<'_, '_>,
        (found, watched): (&mut Vec<Found>, &mut Watched),
    ) -> Result<(), Untaken> {
        let Some(change) = came(name).last() else {
            return Ok(());
        };
        let before = self.here(name)?;
        watched.kinds.insert(name.0.clone());
        for id in rule.requests(shown).into_iter().take(LOOKED_AT) {
            let criteria = format!("{}={}/{id}", rule.parameter, rule.shared.unwrap_or_default());
            let others = conditional::find(self.engine, &name.0, &criteria, LOOKED_AT)?.ids;
            for other in others.into_iter().filter(|other| *other != name.1) {
                let other = (name.0.clone(), other);
                let Some(there) = self.here(&other)? else { continue };
                let mut sides = [(name.clone(), (change.version, shown.clone())), (other, there)];
                let pair = |sides: &[(Name, (VersionId, Tree))]| Pair {
                    rule,
                    request: sides[0].0.clone(),
                    fact: sides[1].0.clone(),
                };
                let both = pair(&sides);
                let there = &sides[1].1.1;
                let is_known = before.as_ref().is_some_and(|(_, own)| both.contradicts(own, there));
                let knew = |there: &Tree| both.contradicts(shown, there);
                if both.contradicts(shown, there) && !is_known && !self.knew(change, &both.fact, came, &knew)? {
                    // A pair is one, whichever side comes last.
                    sides.sort_by(|one, other| one.0.1.as_str().cmp(other.0.1.as_str()));
                    let pair = pair(&sides);
                    let [(_, request), (_, fact)] = sides;
                    found.push(Found { pair, request, fact });
                }
            }
        }
        Ok(())
    }

    /// A record as it is before the unit.
    fn here(&self, (kind, id): &Name) -> Result<Option<(VersionId, Tree)>, Untaken> {
        here(self.engine, (kind, id))
    }

    /// Whether a record, as the node had it when it made a version of another, is such.
    fn knew(
        &self,
        change: &Change,
        name: &Name,
        came: Came<'_, '_>,
        is: &dyn Fn(&Tree) -> bool,
    ) -> Result<bool, Untaken> {
        let counter = change.version.counter;
        let own = came(name).iter().rev().find(|own| own.version.counter < counter);
        if let Some(own) = own {
            return Ok(read(own)?.is_some_and(|record| is(&record)));
        }
        let scope = Scope::Record(name.0.clone(), name.1.clone());
        let versions = self.engine.store.history(&scope, &HistoryRange::newest(LOOKED_AT))?;
        let had = |version: &Version| {
            let made = version.version.node == self.node && version.version.counter < counter;
            made || !version.aside && (self.knew)(counter, version)
        };
        match versions.into_iter().find(had) {
            Some(version) => Ok(read(&Change::from(version))?.is_some_and(|record| is(&record))),
            None => Ok(false),
        }
    }
}

fn here(engine: &Engine, (kind, id): (&Kind, &Id)) -> Result<Option<(VersionId, Tree)>, Untaken> {
    let Some(version) = engine.store.current(kind, id)? else {
        return Ok(None);
    };
    let name = version.version;
    Ok(read(&Change::from(version))?.map(|record| (name, record)))
}

fn read(change: &Change) -> Result<Option<Tree>, Untaken> {
    Ok(sync::Version::of(change)?.body)
}

/// The first of the versions that is such.
fn first<'b>(came: &[&'b Change], is: impl Fn(&Tree) -> bool) -> Result<Option<(&'b Change, Tree)>, Untaken> {
    for change in came {
        if let Some(record) = read(change)?.filter(|record| is(record)) {
            return Ok(Some((change, record)));
        }
    }
    Ok(None)
}

/// Completes the Tasks of contradictions that are none any more, and forgets those whose Task a person has completed; how
/// many Tasks changed. At most so many are looked at.
///
/// # Errors
/// [`Untaken`].
pub fn settle_contradictions(engine: &Engine, most: usize) -> Result<usize, Untaken> {
    let mut tasks = 0;
    for (key, _) in engine.store.notes(NOTES, most)? {
        let Some(pair) = Pair::of(&key) else { continue };
        tasks += decided(|| settled(engine, &pair))?;
    }
    Ok(tasks)
}

/// `None` where somebody wrote in between.
fn settled(engine: &Engine, pair: &Pair) -> Result<Option<usize>, Untaken> {
    let since = engine.store.head();
    let both = [&pair.request, &pair.fact].map(|(kind, id)| here(engine, (kind, id)));
    let contradicts = match both {
        [Ok(Some((_, request))), Ok(Some((_, fact)))] => pair.contradicts(&request, &fact),
        [Err(untaken), _] | [_, Err(untaken)] => return Err(untaken),
        _ => false,
    };
    let is_asked = current(engine, &pair.task())?.is_some_and(|(_, task)| !is_closed(&task));
    if contradicts && is_asked {
        return Ok(Some(0));
    }
    let why = "The two contradict each other no more";
    let write = match contradicts {
        true => None,
        false => completed(engine, &pair.task(), why)?,
    };
    let tasks = usize::from(write.is_some());
    let records = [pair.request.clone(), pair.fact.clone()].into_iter().collect();
    let watched = Watched {
        records,
        kinds: FxHashSet::default(),
    };
    let forget = Note::without(pair.key());
    let written = (write.into_iter().collect(), vec![forget]);
    let submitted = submit(engine, written, since, Box::new(move |appended| watched.is(appended)));
    submitted.map(|done| done.map(|()| tasks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_known_by_its_note_and_its_task() {
        let key = "contradiction/MedicationRequest/a MedicationDispense/1-7";
        let pair = Pair::of(key).unwrap();
        assert_eq!(pair.key(), key);
        // Kept in records for ever.
        assert_eq!(pair.task().as_str().len(), 46);
        for key in [
            "contradiction/",
            "contradiction/Patient/a Observation/b",
            "conflict/Patient/a",
        ] {
            assert_eq!(Pair::of(key), None, "{key}");
        }
    }
}
