//! What a query did and what that cost, told for a person while it runs.
//!
//! A clock may carry a [`Watch`]. Only then is every part of a compiled predicate wrapped so that it counts
//! what is asked of it; otherwise nothing of this runs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use fhir::identity::Kind;
use query::{Join, Predicate, Registry, SortBy, SortKey};
use rustc_hash::FxHashMap;
use tantivy::{DocId, DocSet, TERMINATED};

use crate::documents::{Listed, Part, Tested};

/// Parts told of one plan at most.
const PARTS_MAX: usize = 200;
/// Letters told of one condition at most.
const LETTERS_MAX: usize = 400;

/// How a part was used, as bits: some segments may use it one way and some another.
const LEADS: u8 = 1;
const BESIDE: u8 = 2;
const TESTS: u8 = 4;
const MERGED: u8 = 8;

/// Counts what is asked of one part of a plan, over all segments.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    role: AtomicU8,
    estimated: AtomicU64,
    gave: AtomicU64,
    asked: AtomicU64,
    passed: AtomicU64,
}

impl Probe {
    fn used_as(&self, role: u8) {
        self.role.fetch_or(role, Ordering::Relaxed);
    }

    /// The part is taken apart into its parts, each of which is used for itself.
    pub(crate) fn merged(&self) {
        self.used_as(MERGED);
    }

    /// The part leads: all its documents are candidates.
    pub(crate) fn leading(self: &Arc<Probe>, estimated: u64, list: Listed) -> Listed {
        self.used_as(LEADS);
        self.counting(estimated, list)
    }

    /// The part is a list beside one that leads: it is skipped through.
    pub(crate) fn beside(self: &Arc<Probe>, estimated: u64, list: Listed) -> Listed {
        self.used_as(BESIDE);
        self.counting(estimated, list)
    }

    /// The list, counting the documents it comes to.
    pub(crate) fn counting(self: &Arc<Probe>, estimated: u64, list: Listed) -> Listed {
        self.estimated.fetch_add(estimated, Ordering::Relaxed);
        let probe = Arc::clone(self);
        let counted = Counted { list, probe };
        counted.come_to(counted.list.doc());
        Box::new(counted)
    }

    /// The part is asked of candidates.
    pub(crate) fn testing(self: &Arc<Probe>, mut test: Tested) -> Tested {
        self.used_as(TESTS);
        let probe = Arc::clone(self);
        Box::new(move |doc| {
            let passed = test(doc);
            probe.asked.fetch_add(1, Ordering::Relaxed);
            probe.passed.fetch_add(u64::from(passed), Ordering::Relaxed);
            passed
        })
    }

    /// The part was asked of so many candidates at once, of which so many passed.
    pub(crate) fn tested(&self, asked: usize, passed: usize) {
        self.used_as(TESTS);
        self.asked.fetch_add(asked as u64, Ordering::Relaxed);
        self.passed.fetch_add(passed as u64, Ordering::Relaxed);
    }

    fn tell(&self) -> String {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let role = self.role.load(Ordering::Relaxed);
        let (about, gave) = (get(&self.estimated), get(&self.gave));
        let mut told = Vec::new();
        if role & MERGED != 0 {
            told.push("its parts are weighed one by one".to_owned());
        }
        if role & LEADS != 0 {
            told.push(format!("leads: about {about} documents, gave {gave}"));
        } else if role & BESIDE != 0 {
            told.push(format!("skipped through: about {about} documents, came to {gave}"));
        }
        if role & TESTS != 0 {
            let (asked, passed) = (get(&self.asked), get(&self.passed));
            told.push(format!("tested: asked of {asked} documents, {passed} passed"));
        }
        if told.is_empty() {
            told.push("not needed".to_owned());
        }
        told.join("; ")
    }
}

/// A list that counts the documents it comes to.
struct Counted {
    list: Listed,
    probe: Arc<Probe>,
}

impl Counted {
    fn come_to(&self, doc: DocId) -> DocId {
        if doc != TERMINATED {
            self.probe.gave.fetch_add(1, Ordering::Relaxed);
        }
        doc
    }
}

impl DocSet for Counted {
    fn advance(&mut self) -> DocId {
        let doc = self.list.advance();
        self.come_to(doc)
    }

    fn seek(&mut self, target: DocId) -> DocId {
        let before = self.list.doc();
        let doc = self.list.seek(target);
        if doc == before { doc } else { self.come_to(doc) }
    }

    fn doc(&self) -> DocId {
        self.list.doc()
    }

    fn size_hint(&self) -> u32 {
        self.list.size_hint()
    }
}

/// One part of a plan, in words.
#[derive(Debug)]
struct Node {
    heading: String,
    probe: Arc<Probe>,
    inner: Vec<Node>,
}

/// One query, or one join of it.
#[derive(Debug)]
struct Told {
    heading: String,
    since: Instant,
    steps: u64,
    /// The parts by where the condition they stand for lies in memory.
    probes: FxHashMap<usize, Arc<Probe>>,
    plan: Vec<Node>,
    /// Documents that came out of the plan, over all segments, and how many of those count.
    listed: (u64, u64),
    /// What else was done, and how often.
    notes: BTreeMap<&'static str, u64>,
    /// Versions in memory matched, and how many of them met it.
    memory: (u64, u64),
    joins: Vec<Told>,
    answer: String,
}

/// What a query found, to be told.
pub(crate) struct Outcome {
    /// Where the snapshot is in the log.
    pub(crate) at: u64,
    /// The segments of the index, and the documents in them.
    pub(crate) segments: (usize, u64),
    /// How many match, where all were counted.
    pub(crate) total: Option<u64>,
    /// How many are on the page.
    pub(crate) hits: usize,
}

/// The explanation of one request's queries, written while they run.
#[derive(Debug)]
pub(crate) struct Watch {
    registry: Arc<Registry>,
    /// Those under way, outer before inner, and those done.
    state: Mutex<(Vec<Told>, Vec<Told>)>,
}

impl Watch {
    /// An explanation in the words of a registry.
    pub(crate) fn new(registry: Arc<Registry>) -> Watch {
        let state = Mutex::default();
        Watch { registry, state }
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Told>, Vec<Told>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, heading: String, steps: u64) {
        self.lock().0.push(Told {
            heading: shortened(heading),
            since: Instant::now(),
            steps,
            probes: FxHashMap::default(),
            plan: Vec::new(),
            listed: (0, 0),
            notes: BTreeMap::new(),
            memory: (0, 0),
            joins: Vec::new(),
            answer: String::new(),
        });
    }

    /// A query begins.
    pub(crate) fn query(&self, kinds: &[Kind], predicate: &Predicate, sort: &[SortKey], steps: u64) {
        let mut heading = format!(
            "{} where {}",
            of(kinds, &self.registry),
            predicate.describe(&self.registry)
        );
        let keys: Vec<String> = sort.iter().map(|key| self.key(key)).collect();
        if !keys.is_empty() {
            heading.push_str(&format!(", sorted by {}", keys.join(", then ")));
        }
        self.begin(heading, steps);
    }

    fn key(&self, key: &SortKey) -> String {
        let by = match key.by {
            SortBy::Id => "_id",
            SortBy::Updated => "_lastUpdated",
            SortBy::Score => "_score",
            SortBy::Parameter(param, _) => self.registry.code(param).unwrap_or("an unknown parameter"),
        };
        format!("{by} {}", if key.descending { "descending" } else { "ascending" })
    }

    /// A join of the query under way begins.
    pub(crate) fn join(&self, join: &Join, steps: u64) {
        self.begin(join.describe(&self.registry), steps);
    }

    /// What was begun last is planned: the condition as it runs, of which nothing moves until it has run.
    pub(crate) fn plan(&self, kinds: &[Kind], predicate: &Predicate) {
        let mut probes = FxHashMap::default();
        let mut left = PARTS_MAX;
        let mut plan = vec![self.node(predicate, &mut probes, &mut left)];
        if !kinds.is_empty() {
            let probe = Arc::<Probe>::default();
            probes.insert(place_of_kinds(), Arc::clone(&probe));
            plan.push(Node {
                heading: format!("{}, the kinds searched", of(kinds, &self.registry)),
                probe,
                inner: Vec::new(),
            });
        }
        if let Some(told) = self.lock().0.last_mut() {
            told.plan.extend(plan);
            told.probes.extend(probes);
        }
    }

    fn node(&self, predicate: &Predicate, probes: &mut FxHashMap<usize, Arc<Probe>>, left: &mut usize) -> Node {
        *left = left.saturating_sub(1);
        let probe = Arc::<Probe>::default();
        probes.insert(place(predicate), Arc::clone(&probe));
        let mut inner = Vec::new();
        for part in predicate.inner() {
            if *left == 0 {
                break;
            }
            inner.push(self.node(part, probes, left));
        }
        Node {
            heading: shortened(predicate.heading(&self.registry)),
            probe,
            inner,
        }
    }

    /// The part of a condition, watched.
    pub(crate) fn part(&self, predicate: &Predicate, part: Part) -> Part {
        self.watched(place(predicate), part)
    }

    /// The part that stands for the kinds searched, watched.
    pub(crate) fn kinds(&self, part: Part) -> Part {
        self.watched(place_of_kinds(), part)
    }

    fn watched(&self, place: usize, part: Part) -> Part {
        let state = self.lock();
        let probe = state.0.last().and_then(|told| told.probes.get(&place));
        match probe {
            Some(probe) => Part::Watched(Box::new(part), Arc::clone(probe)),
            None => part,
        }
    }

    /// So many documents came out of the plan, and so many of those count.
    pub(crate) fn came_out(&self, listed: usize, counted: usize) {
        if let Some(told) = self.lock().0.last_mut() {
            told.listed = (told.listed.0 + listed as u64, told.listed.1 + counted as u64);
        }
    }

    /// Something was done that the plan does not show.
    pub(crate) fn note(&self, what: &'static str) {
        if let Some(told) = self.lock().0.last_mut() {
            *told.notes.entry(what).or_default() += 1;
        }
    }

    /// So many versions in memory were matched, and so many of them met the condition.
    pub(crate) fn memory(&self, matched: usize, met: usize) {
        if let Some(told) = self.lock().0.last_mut() {
            told.memory = (told.memory.0 + matched as u64, told.memory.1 + met as u64);
        }
    }

    /// The join begun last stands for this condition.
    pub(crate) fn joined(&self, resolved: &Predicate, steps: u64) {
        let mut state = self.lock();
        let Some(mut told) = state.0.pop() else {
            return;
        };
        told.answer = format!("{}; {}", shortened(resolved.describe(&self.registry)), told.cost(steps));
        match state.0.last_mut() {
            Some(outer) => outer.joins.push(told),
            None => state.1.push(told),
        }
    }

    /// The query begun last is answered; `waited` microseconds of the request were spent waiting for a turn.
    pub(crate) fn answered(&self, found: &Outcome, steps: u64, waited: u64) {
        let mut state = self.lock();
        let Some(mut told) = state.0.pop() else {
            return;
        };
        let total = match found.total {
            Some(total) => format!("{total} in all"),
            None => "not counted in all".to_owned(),
        };
        told.answer = format!(
            "{total}, {} on this page; snapshot at {} of the log; {} segments with {} documents; {}; {waited} µs waiting for a turn",
            found.hits,
            found.at,
            found.segments.0,
            found.segments.1,
            told.cost(steps)
        );
        state.1.push(told);
    }

    /// All that was told so far, one line for each part of each plan.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        for told in &self.lock().1 {
            // Writing to a text does not fail.
            let _ = writeln!(out, "Query: {}", told.heading);
            told.write(1, &mut out);
        }
        out.truncate(out.trim_end().len());
        out
    }
}

impl Told {
    fn cost(&self, steps: u64) -> String {
        let micros = self.since.elapsed().as_micros();
        format!("{} steps, {micros} µs", steps.saturating_sub(self.steps))
    }

    fn write(&self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        for join in &self.joins {
            let _ = writeln!(out, "{indent}Join: {}", join.heading);
            join.write(depth + 1, out);
        }
        for node in &self.plan {
            node.write(depth, out);
        }
        let (listed, counted) = self.listed;
        let hidden = listed - counted;
        let _ = writeln!(
            out,
            "{indent}Index: {listed} documents came out of the plan; {hidden} of them were replaced or deleted since"
        );
        for (what, times) in &self.notes {
            let _ = writeln!(out, "{indent}Also: {what} ({times} x)");
        }
        let _ = writeln!(
            out,
            "{indent}Memory: {} versions matched one by one, {} met it",
            self.memory.0, self.memory.1
        );
        let _ = writeln!(out, "{indent}Answer: {}", self.answer);
    }
}

impl Node {
    fn write(&self, depth: usize, out: &mut String) {
        let _ = writeln!(out, "{}- {} [{}]", "  ".repeat(depth), self.heading, self.probe.tell());
        self.inner.iter().for_each(|node| node.write(depth + 1, out));
    }
}

/// Where a condition lies in memory, which names it as long as it does not move.
fn place(predicate: &Predicate) -> usize {
    std::ptr::from_ref(predicate) as usize
}

/// What names the kinds searched: no condition lies there.
fn place_of_kinds() -> usize {
    0
}

fn of(kinds: &[Kind], registry: &Registry) -> String {
    match kinds {
        [] => "every kind".to_owned(),
        kinds if kinds.len() == registry.kinds().len() => "every kind".to_owned(),
        kinds => Predicate::Kind(kinds.to_vec())
            .heading(registry)
            .replacen("is a record of ", "", 1),
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LETTERS_MAX {
        text.truncate(text.floor_char_boundary(LETTERS_MAX));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use query::sample::{self, Random};
    use query::{Handling, parse};

    use super::*;
    use crate::oracle::World;
    use crate::{Clock, Query, Settings};

    /// The number in front of some words.
    fn before(text: &str, words: &str) -> u64 {
        let line = text.lines().rev().find(|line| line.contains(words)).unwrap();
        let front = &line[..line.find(words).unwrap()];
        front.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn ask(world: &World, kinds: &[Kind], predicate: &Predicate, explain: bool) -> (crate::Found, Option<String>) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let words = explain.then(|| Arc::clone(&world.registry));
        let clock = Clock::new(deadline, u64::MAX, None, words);
        let query = Query {
            kinds: kinds.to_vec(),
            predicate: predicate.clone(),
            sort: Vec::new(),
            limit: 5,
            place: crate::Place::First,
            at: None,
            under: false,
            total: query::Total::Accurate,
            clock: clock.clone(),
        };
        (world.index().find(&query).unwrap(), clock.explanation())
    }

    fn filled(random: &mut Random) -> World {
        let settings = Settings {
            commit_every_ms: 100_000,
            ..Settings::default()
        };
        let mut world = World::new(settings);
        for round in 0..120 {
            world.write(random);
            if round % 50 == 40 {
                world.index().flush().unwrap();
            }
        }
        world
    }

    #[test]
    fn an_explanation_changes_no_answer_and_adds_up() {
        let mut random = Random::new(7);
        let world = filled(&mut random);
        let handling = Handling {
            strict: true,
            now: 0,
            base: "",
        };
        for _ in 0..300 {
            let (kind, params) = sample::search(&mut random);
            let kinds = [kind];
            let predicate = parse(&world.registry, &kinds, &params, &handling).unwrap().predicate;
            let (plain, none) = ask(&world, &kinds, &predicate, false);
            let (found, text) = ask(&world, &kinds, &predicate, true);
            let text = text.unwrap();
            assert_eq!((plain, none), (found.clone(), None), "{params:?}");
            let total = found.total.unwrap();
            assert_eq!(before(&text, " in all"), total, "{params:?}\n{text}");
            let (listed, met) = (before(&text, " documents came out"), before(&text, " met it"));
            let hidden = before(&text, " of them were replaced");
            assert_eq!(listed + met - hidden, total, "{params:?}\n{text}");
            for part in predicate.inner().iter().filter(|_| predicate.joins().is_empty()) {
                assert!(text.contains(&part.heading(&world.registry)), "{params:?}\n{text}");
            }
            assert_eq!(
                text.matches("Join: ").count(),
                predicate.joins().len(),
                "{params:?}\n{text}"
            );
        }
    }

    #[test]
    fn the_cheapest_list_leads_and_the_rest_are_tests() {
        let mut random = Random::new(8);
        let world = filled(&mut random);
        let handling = Handling {
            strict: true,
            now: 0,
            base: "",
        };
        let table = [
            ("Patient?", "- every record [;Patient, the kinds searched [leads"),
            (
                "Observation?status=final&date=gt1900",
                "- all of [its parts;- status is final [leads;- date ends after 1900-12-31T18:00:00.000Z [tested",
            ),
            ("Patient?gender:not=male", "- not [tested;- gender is male [tested"),
            (
                "Observation?subject:Patient.gender=female",
                "Join: subject refers to a record of Patient;subject refers to one of ",
            ),
            (
                "Patient?_has:Observation:patient:status=final",
                "Join: a record of Observation;is one of ",
            ),
        ];
        for (question, expected) in table {
            let (kind, params) = question.split_once('?').unwrap();
            let kinds = [Kind::new(kind).unwrap()];
            let params = params.split('&').filter_map(|param| param.split_once('='));
            let params: Vec<_> = params.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            let predicate = parse(&world.registry, &kinds, &params, &handling).unwrap().predicate;
            let (_, text) = ask(&world, &kinds, &predicate, true);
            let text = text.unwrap();
            for words in expected.split(';') {
                assert!(text.contains(words), "{words}\n{text}");
            }
        }
    }
}
