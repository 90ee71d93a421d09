//! Decides what each writing entry of a transaction does: which record, under which condition, with which new id.

use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use rustc_hash::FxHashMap;
use store::Expect;

use crate::bundle_entry::{Entry, Target};
use crate::bundle_links::Links;
use crate::bundle_search::Searches;
use crate::engine::Engine;
use crate::patch;
use crate::refusal::{Reason, Refusal};
use crate::request::Method;
use crate::update::check_id;
use crate::written::expectation;

/// What a writing entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Writes a new record under a new id.
    Create(Id),
    /// Writes the entry's resource under an id.
    Put(Id),
    /// Changes a record.
    Patch(Id),
    /// Deletes records: one, or those a search found.
    Delete(Vec<Id>),
    /// A conditional create that found the record: nothing is written.
    Existing(Id),
}

impl Act {
    /// Where it stands in the order of processing (<https://hl7.org/fhir/R4/http.html#trules>).
    pub fn rank(&self) -> u8 {
        match self {
            Act::Delete(_) => 0,
            Act::Create(_) | Act::Existing(_) => 1,
            Act::Put(_) | Act::Patch(_) => 2,
        }
    }

    /// The records that were there before, or may have been, and that it writes.
    fn written(&self) -> &[Id] {
        match self {
            Act::Create(_) | Act::Existing(_) => &[],
            Act::Put(id) | Act::Patch(id) => std::slice::from_ref(id),
            Act::Delete(ids) => ids,
        }
    }

    /// The record that links to the entry lead to.
    fn record(&self) -> Option<&Id> {
        match self {
            Act::Create(id) | Act::Put(id) | Act::Patch(id) | Act::Existing(id) => Some(id),
            Act::Delete(_) => None,
        }
    }
}

/// A writing entry, decided.
pub struct Step<'e, 'a> {
    /// The entry.
    pub entry: &'e Entry<'a>,
    /// The kind of its record.
    pub kind: Kind,
    /// What it does.
    pub act: Act,
    /// How it must find the record.
    pub expect: Expect,
}

/// All writing entries, decided, in the order of the entries.
pub struct Plan<'e, 'a> {
    /// The entries.
    pub steps: Vec<Step<'e, 'a>>,
    /// Where links to the entries lead.
    pub links: Links,
    /// The records behind the conditions of the entries: kind and criteria, to `Kind/id`. A conditional reference with
    /// the same criteria is the same record, also where this transaction is the first to write it.
    pub conditions: FxHashMap<(Kind, String), String>,
}

impl<'e, 'a> Plan<'e, 'a> {
    /// Decides all writing entries.
    ///
    /// # Errors
    /// All that is wrong with the entries at once, each issue located; the status is that of the first.
    pub fn make(engine: &Engine, searches: &Searches<'_>, entries: &'e [Entry<'a>]) -> Result<Plan<'e, 'a>, Refusal> {
        let mut plan = Plan {
            steps: Vec::with_capacity(entries.len()),
            links: Links::default(),
            conditions: FxHashMap::default(),
        };
        let mut refusals = Vec::new();
        let mut kinds: FxHashMap<String, Option<Kind>> = FxHashMap::default();
        for entry in entries.iter().filter(|entry| !entry.is_reading()) {
            let name = entry.path.split('/').next().unwrap_or_default();
            let kind = kinds
                .entry(name.to_owned())
                .or_insert_with(|| engine.kind(name).ok())
                .clone();
            let target = entry.target(&|_| kind.clone());
            let target = target.map_err(|issue| Refusal::with(Reason::Invalid, vec![issue]));
            match target.and_then(|target| decide(engine, searches, entry, target)) {
                Ok(step) => plan.steps.push(step),
                Err(refusal) => refusals.push(refusal),
            }
        }
        refusals.extend(overlaps(&plan.steps));
        for step in &plan.steps {
            refusals.extend(link(&mut plan.links, &mut plan.conditions, step).err());
        }
        match together(refusals) {
            None => Ok(plan),
            Some(refusal) => Err(refusal),
        }
    }

    /// Which step writes or deletes a record that a caller could know.
    pub fn writers(&self) -> FxHashMap<(&Kind, &Id), usize> {
        let steps = self.steps.iter().enumerate();
        let written = steps.flat_map(|(at, step)| step.act.written().iter().map(move |id| ((&step.kind, id), at)));
        written.collect()
    }
}

/// Several refusals as one: the status of the first, all issues.
pub fn together(refusals: Vec<Refusal>) -> Option<Refusal> {
    /// Issues that one answer carries; a bundle may have thousands of entries.
    const ISSUES_MAX: usize = 200;
    refusals.into_iter().reduce(|mut first, other| {
        let room = ISSUES_MAX.saturating_sub(first.issues.len());
        first.issues.extend(other.issues.into_iter().take(room));
        first
    })
}

/// A refusal located at its entry.
pub fn at_entry(entry: &Entry<'_>, mut refusal: Refusal) -> Refusal {
    for issue in &mut refusal.issues {
        issue.expression = entry.place_of(&issue.expression);
    }
    refusal
}

fn decide<'e, 'a>(
    engine: &Engine,
    searches: &Searches<'_>,
    entry: &'e Entry<'a>,
    target: Target,
) -> Result<Step<'e, 'a>, Refusal> {
    let kind = target.kind().clone();
    let expect = match entry.method {
        // A creation has no record to hold a version against.
        Method::Post => Ok(Expect::New),
        _ => expectation(entry.if_match.as_deref(), entry.if_none_match.as_deref()),
    };
    let expect = expect.map_err(|refusal| at_entry(entry, refusal))?;
    let decided = match (entry.method, target) {
        (Method::Post, _) => create(engine, searches, entry, &kind),
        (Method::Put, Target::Record(_, id)) => Ok((Act::Put(id), expect)),
        (Method::Patch, Target::Record(_, id)) => Ok((Act::Patch(id), expect)),
        (_, Target::Record(_, id)) => Ok((Act::Delete(vec![id]), expect)),
        (Method::Put, Target::Matching(_, query)) => put(engine, searches, entry, (&kind, &query), expect),
        (Method::Patch, Target::Matching(_, query)) => searches.one(&kind, &query).and_then(|found| match found {
            Some(id) => Ok((Act::Patch(id), expect)),
            None => Err(patch::none_found(&kind, &query)),
        }),
        (_, Target::Matching(_, query)) => delete(engine, searches, (&kind, &query), expect),
        (_, Target::New(_)) => Err(Refusal::because(Reason::Invalid, "Only a POST names a type alone.")),
    };
    let (act, expect) = decided.map_err(|refusal| at_entry(entry, refusal))?;
    Ok(Step {
        entry,
        kind,
        act,
        expect,
    })
}

fn create(engine: &Engine, searches: &Searches<'_>, entry: &Entry<'_>, kind: &Kind) -> Result<(Act, Expect), Refusal> {
    let found = match &entry.if_none_exist {
        None => None,
        Some(criteria) => searches.one(kind, criteria)?,
    };
    Ok(match found {
        Some(id) => (Act::Existing(id), Expect::Anything),
        None => (Act::Create(engine.store.mint()), Expect::New),
    })
}

fn put(
    engine: &Engine,
    searches: &Searches<'_>,
    entry: &Entry<'_>,
    (kind, query): (&Kind, &str),
    expect: Expect,
) -> Result<(Act, Expect), Refusal> {
    let own = entry.resource.and_then(|resource| resource.string("id"));
    let own = own
        .map(|text| Id::new(&text).ok_or_else(|| Refusal::because(Reason::Invalid, format!("\"{text}\" is no id."))));
    let own = own.transpose()?;
    match (searches.one(kind, query)?, own) {
        (Some(id), own) => {
            if let (Some(_), Some(resource)) = (own, entry.resource) {
                check_id(resource, kind, &id)?;
            }
            Ok((Act::Put(id), expect))
        }
        (None, _) if matches!(expect, Expect::Version(_) | Expect::Present) => {
            let text = "The search finds no record, but ifMatch expects one.";
            Err(Refusal::because(Reason::PreconditionFailed, text))
        }
        (None, Some(id)) => Ok((Act::Put(id), Expect::Absent)),
        (None, None) => Ok((Act::Create(engine.store.mint()), Expect::New)),
    }
}

fn delete(
    engine: &Engine,
    searches: &Searches<'_>,
    (kind, query): (&Kind, &str),
    expect: Expect,
) -> Result<(Act, Expect), Refusal> {
    let most = engine.limits.conditional_delete_max.max(1);
    let ids = searches.find(kind, query, most + 1)?;
    if ids.len() > most {
        let text = format!("The search finds more than {most} {kind}; nothing was deleted. Narrow it down.");
        return Err(Refusal::because(Reason::MultipleMatches, text));
    }
    Ok((Act::Delete(ids), expect))
}

/// What overlaps: a record that two entries write, or one that an entry deletes and another finds.
fn overlaps(steps: &[Step<'_, '_>]) -> Vec<Refusal> {
    let mut seen: FxHashMap<(&Kind, &Id), &Step<'_, '_>> = FxHashMap::default();
    let mut refusals = Vec::new();
    let mut refuse = |step: &Step<'_, '_>, part: &str, text: String| {
        let issue = step.entry.issue(part, Code::Duplicate, text);
        refusals.push(Refusal::with(Reason::Invalid, vec![issue]));
    };
    for step in steps {
        for id in step.act.written() {
            if let Some(other) = seen.insert((&step.kind, id), step) {
                let (other, kind) = (other.entry.index, &step.kind);
                let text = format!("Entry {other} writes {kind}/{id} too; a transaction writes a record once.");
                refuse(step, ".request.url", text);
            }
        }
    }
    for step in steps {
        if let Act::Existing(id) = &step.act
            && let Some(other) = seen.get(&(&step.kind, id)).filter(|other| other.act.rank() == 0)
        {
            let text = format!(
                "ifNoneExist finds {}/{id}, which entry {} deletes.",
                step.kind, other.entry.index
            );
            refuse(step, ".request.ifNoneExist", text);
        }
    }
    refusals
}

/// Notes where links and conditional references to an entry lead.
fn link(
    links: &mut Links,
    conditions: &mut FxHashMap<(Kind, String), String>,
    step: &Step<'_, '_>,
) -> Result<(), Refusal> {
    let Some(id) = step.act.record() else {
        return Ok(());
    };
    let (entry, kind) = (step.entry, &step.kind);
    let reference = format!("{kind}/{id}");
    let criteria = match entry.method {
        Method::Post => entry.if_none_exist.as_deref(),
        _ => Some(entry.query.as_str()).filter(|query| !query.is_empty()),
    };
    if let Some(criteria) = criteria {
        let key = (kind.clone(), Searches::criteria(kind, criteria).to_owned());
        let first = conditions.insert(key, reference.clone());
        let fresh = |act: &Act| matches!(act, Act::Create(_)) || step.expect == Expect::Absent;
        if first.is_some_and(|first| first != reference) && fresh(&step.act) {
            let text =
                format!("Another entry has the same condition {kind}?{criteria} and would write a second match.");
            let issue = entry.issue(".request", Code::MultipleMatches, text);
            return Err(Refusal::with(Reason::MultipleMatches, vec![issue]));
        }
    }
    let Some(full_url) = &entry.full_url else {
        return Ok(());
    };
    let canonical = entry.resource.and_then(|resource| resource.string("url"));
    if links.insert(full_url, reference, canonical.as_deref()) {
        return Ok(());
    }
    let text = format!("Another entry has the fullUrl {full_url} too; links to it would be ambiguous.");
    Err(Refusal::with(Reason::Invalid, vec![entry_issue(entry, text)]))
}

fn entry_issue(entry: &Entry<'_>, text: String) -> Issue {
    entry.issue(".fullUrl", Code::Duplicate, text)
}
