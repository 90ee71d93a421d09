//! Index against oracle: random writes, commits, reopenings and searches; the two must answer alike.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use conformance::Definitions;
use fhir::body;
use fhir::document::Document;
use fhir::identity::{Id, Kind, VersionId};
use fhir::parse::Limits;
use fhir::tree::Tree;
use query::replaced;
use query::sample::{self, IDS, KINDS, Random};
use query::{Handling, Join, Predicate, Registry, SortBy, SortKey, Subject, Total, Values};
use store::{Elsewhere, Made, Operation, Store, Unit, Write};

use crate::merged::Merged;
use crate::order::Rank;
use crate::{Clock, Cursor, Found, Index, Place, Prepared, Query, Settings, Trouble, Unusable};

/// One version, as the oracle remembers it.
struct Known {
    seq: u64,
    record: u64,
    kind: Kind,
    id: Id,
    updated: i64,
    values: Values,
    /// Nothing for a deletion.
    document: Option<Document>,
}

impl Known {
    fn subject<'a>(&'a self, words: &'a dyn query::Words) -> Subject<'a> {
        Subject {
            kind: &self.kind,
            id: Some(&self.id),
            updated: self.updated,
            values: &self.values,
            words,
            contained: false,
        }
    }
}

/// What is asked of index and oracle.
struct Question {
    kinds: Vec<Kind>,
    predicate: Predicate,
    sort: Vec<SortKey>,
    at: u64,
    head: u64,
}

/// A hit: its place in the log, its record, its score.
type Answered = (u64, u64, Option<u32>);

/// Asks for a page of so many hits.
type Ask<'a> = &'a dyn Fn(usize, Place<'_>, Total) -> Found;

/// A store with its index, and everything ever written to it.
pub(crate) struct World {
    pub(crate) folder: PathBuf,
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Store,
    pub(crate) index: Option<Index>,
    settings: Settings,
    known: Vec<Known>,
    /// Knows other dates than the index does: what it extracts must not get into the index.
    foreign: Registry,
    /// How many versions came from elsewhere.
    came: u64,
    /// How many indexes there have been; the newest has a folder of that number.
    pub(crate) count: u32,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

fn kind(name: &str) -> Kind {
    Kind::new(name).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

impl World {
    pub(crate) fn new(settings: Settings) -> World {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("epis_index_{}_{count}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let registry = Arc::new(Registry::new(Definitions::r4(), 360));
        let store = Store::open(store::Settings::at(store::Place::Sqlite(folder.join("log.sqlite")))).unwrap();
        let mut world = World {
            folder,
            registry,
            store,
            index: None,
            settings,
            known: Vec::new(),
            foreign: Registry::new(Definitions::r4(), -720),
            came: 0,
            count: 0,
        };
        world.open();
        world
    }

    /// The folder of the index in use.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.join(format!("index{}", self.count))
    }

    /// Opens the index as a server does: the one that is there, or a new one where that is of no use.
    pub(crate) fn open(&mut self) {
        self.index = None;
        let (folder, registry) = (self.place(), Arc::clone(&self.registry));
        let index = match Index::open(&folder, registry, self.store.clone(), self.settings.clone()) {
            Ok(index) => index,
            Err(unusable) => {
                if let Unusable::Because(why) = unusable {
                    (self.settings.notice)(&why);
                }
                self.make(&folder)
            }
        };
        assert_eq!(index.catch_up(&mut |_, _| true), Ok(true));
        self.index = Some(index);
    }

    fn make(&self, folder: &Path) -> Index {
        Index::make(
            folder,
            Arc::clone(&self.registry),
            self.store.clone(),
            self.settings.clone(),
        )
        .unwrap()
    }

    /// Begins another index beside the one in use; nothing of the log is in it yet.
    pub(crate) fn begin(&mut self) -> Index {
        self.make(&self.folder.join(format!("index{}", self.count + 1)))
    }

    /// Puts another index in the place of the one in use.
    pub(crate) fn swap(&mut self, index: Index) {
        assert!(index.is_complete());
        let old = (self.place(), self.index.replace(index));
        old.1.as_ref().unwrap().retire();
        drop(old.1);
        let gone = (0..6_000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            !old.0.exists()
        });
        assert!(gone, "the folder goes with its index");
        self.count += 1;
    }

    pub(crate) fn index(&self) -> &Index {
        self.index.as_ref().unwrap()
    }

    /// Writes a few random versions in one unit; sometimes with what was extracted, sometimes without.
    pub(crate) fn write(&mut self, random: &mut Random) {
        let mut writes: BTreeMap<(Kind, Id), (Write, Values, Option<Document>)> = BTreeMap::new();
        for _ in 0..=random.below(6) {
            let name = KINDS[random.below(KINDS.len())];
            let (kind, id) = (kind(name), Id::new(&format!("a{}", random.below(IDS))).unwrap());
            let made = self.made(random);
            if random.once_in(5) {
                let mut write = Write::new(kind.clone(), id.clone(), Operation::Delete, Vec::new());
                write.made = made;
                writes.insert((kind, id), (write, Values::default(), None));
                continue;
            }
            let text = sample::record(random, name, id.as_str());
            let document = Document::parse(text.as_bytes(), Limits::default()).unwrap();
            let values = self.registry.extract(&kind, document.root());
            let mut write = Write::new(
                kind.clone(),
                id.clone(),
                Operation::Update,
                body::store(document.root()),
            );
            write.made = made;
            write.attachment = match random.below(3) {
                0 => None,
                1 => Some(Arc::new(Prepared::new(&self.foreign, &kind, document.root()))),
                _ => Some(Arc::new(Prepared::new(&self.registry, &kind, document.root()))),
            };
            writes.insert((kind, id), (write, values, Some(document)));
        }
        let unit = Unit::of(writes.values().map(|(write, _, _)| write.clone()).collect());
        let done = self.store.submit(unit).unwrap();
        let appended = writes.into_iter().zip(done).filter(|(_, done)| done.seq > 0);
        for (((kind, id), (write, values, document)), done) in appended {
            let aside = matches!(write.made, Made::Elsewhere(made) if made.aside);
            if aside && self.known.iter().any(|known| known.record == done.record) {
                // It is only kept: the record is what it was.
                continue;
            }
            let (seq, record, updated) = (done.seq, done.record, done.updated);
            self.known.push(Known {
                seq,
                record,
                kind,
                id,
                updated,
                values,
                document,
            });
        }
        self.known.sort_by_key(|known| known.seq);
    }

    /// Where a version is made: one in three elsewhere, days ago, and some of those are only kept.
    fn made(&mut self, random: &mut Random) -> Made {
        if !random.once_in(3) {
            return Made::Here;
        }
        self.came += 1;
        Made::Elsewhere(Elsewhere {
            version: VersionId {
                node: 9,
                counter: self.came,
            },
            base: None,
            merged: None,
            updated: 1_700_000_000_000_000 + random.below(1_000_000) as i64 * 1_000_000,
            aside: random.once_in(2),
        })
    }

    /// The living versions at a place in the log.
    fn living(&self, at: u64) -> Vec<&Known> {
        let mut newest: BTreeMap<u64, &Known> = BTreeMap::new();
        for known in self.known.iter().filter(|known| known.seq <= at) {
            newest.insert(known.record, known);
        }
        newest.into_values().filter(|known| known.document.is_some()).collect()
    }

    fn matching(&self, kinds: &[Kind], predicate: &Predicate, at: u64) -> Vec<&Known> {
        let meets = |known: &&Known| {
            let root = known.document.as_ref().unwrap().root();
            predicate.matches(&known.subject(&self.registry.words(root)))
        };
        let wanted = |known: &&Known| kinds.is_empty() || kinds.contains(&known.kind);
        self.living(at).into_iter().filter(wanted).filter(meets).collect()
    }

    fn look_up(&self, join: Join, at: u64) -> Predicate {
        let merged = self.merged(at);
        let is_has = matches!(join, Join::Has { .. });
        let join = join.try_map(&mut |inner| inner.of_persons(&merged));
        let Ok(join) = join;
        let found = sample::look_up(join, &|kinds, inner| {
            let found = self.matching(kinds, inner, at).into_iter();
            found
                .map(|known| sample::Found {
                    kind: &known.kind,
                    id: &known.id,
                    values: &known.values,
                    root: known.document.as_ref().unwrap().root(),
                })
                .collect()
        });
        // Who is referred to by one of her records is referred to by all.
        match found {
            Predicate::Or(parts) if is_has => Predicate::Or(parts.into_iter().map(|part| merged.whole(part)).collect()),
            found => found,
        }
    }

    /// Who is replaced by whom at a place in the log.
    fn merged(&self, at: u64) -> Merged {
        let replaced = |known: &Known| -> Vec<(Id, Id)> {
            let others = replaced::replacing(&known.kind, &known.values);
            others.map(|other| (known.id.clone(), other.clone())).collect()
        };
        Merged(self.living(at).into_iter().flat_map(replaced).collect())
    }

    /// What the oracle answers, in order.
    fn answer(&self, kinds: &[Kind], predicate: &Predicate, sort: &[SortKey], at: u64) -> Vec<Answered> {
        let resolved = predicate
            .clone()
            .resolve(&mut |join| Ok::<_, ()>(self.look_up(join, at)))
            .unwrap();
        let Ok(resolved) = resolved.of_persons(&self.merged(at));
        let words = !query::score::wanted(&resolved).is_empty();
        let of = |known: &Known| {
            let root = known.document.as_ref().unwrap().root();
            let score = query::score::of(&resolved, &known.subject(&self.registry.words(root)));
            (rank(known, sort, score), known.seq, words.then_some(score))
        };
        let mut found: Vec<(Rank, u64, Option<u32>)> =
            self.matching(kinds, &resolved, at).into_iter().map(of).collect();
        found.sort_by(|(a, ..), (b, ..)| a.compare(b, sort));
        found
            .into_iter()
            .map(|(rank, seq, score)| (seq, rank.record, score))
            .collect()
    }

    /// Asks index and oracle the same: all at once, counted, and of one case in so many page by page, there and back.
    pub(crate) fn compare(&self, random: &mut Random, paged_one_in: usize, what: &str) {
        let (kind, params) = sample::search(random);
        let handling = Handling {
            strict: true,
            now: 0,
            base: "",
        };
        let mut kinds = vec![kind.clone()];
        let parsed =
            query::parse(&self.registry, &kinds, &params, &handling).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let mut predicate = parsed.predicate;
        if random.once_in(6) {
            predicate = Predicate::All;
            kinds = if random.once_in(2) {
                Vec::new()
            } else {
                vec![kind, self::kind(KINDS[random.below(KINDS.len())])]
            };
        }
        if random.once_in(6) {
            (kinds, predicate) = self.groups(random, kinds, predicate);
        }
        if random.once_in(6) && !kinds.is_empty() {
            let inner = Box::new(predicate);
            predicate = Predicate::Contains { by: None, kinds, inner };
            kinds = Vec::new();
        }
        let sort = self.sort(random, &kinds);
        let head = self.index().head();
        let at = if random.once_in(3) {
            head - random.below(1 + head.min(40) as usize) as u64
        } else {
            head
        };
        let what = format!("{what}, {kinds:?}?{params:?} sorted by {sort:?} at {at} of {head}");
        let expected = self.answer(&kinds, &predicate, &sort, at);
        let question = Question {
            kinds,
            predicate,
            sort,
            at,
            head,
        };
        let ask = |limit: usize, place: Place<'_>, total: Total| self.ask(&question, limit, place, total, &what);
        let whole = ask(10_000, Place::First, Total::Accurate);
        assert_eq!(hits(&whole), expected, "{what}");
        let ends = (&whole.next, &whole.previous);
        assert_eq!((whole.total, whole.at), (Some(expected.len() as u64), at), "{what}");
        assert_eq!(ends, (&None, &None), "{what}");
        assert_eq!(
            ask(10_000, Place::Last, Total::None).hits,
            whole.hits,
            "{what}, backwards"
        );
        for total in [Total::Accurate, Total::Estimate] {
            assert_eq!(ask(0, Place::First, total).total, whole.total, "{what}, {total:?}");
        }
        if !random.once_in(paged_one_in) {
            return;
        }
        let limit = 1 + random.below(4);
        let forth = self.pages(random, &expected, limit, &ask);
        assert_eq!(forth.concat(), expected, "{what}, page by page of {limit}");
        self.back(random, &forth, limit, &ask, &what);
    }

    /// Asks the index, and asks it before for what is at hand: that is the same answer or none.
    fn ask(&self, question: &Question, limit: usize, place: Place<'_>, total: Total, what: &str) -> Found {
        let at = question.at;
        let query = Query {
            kinds: question.kinds.clone(),
            predicate: question.predicate.clone(),
            sort: question.sort.clone(),
            limit,
            place,
            at: (at < question.head || total != Total::None).then_some(at),
            under: false,
            total,
            clock: Clock::until(soon()),
        };
        let steps = [0, 300, 3_000, u64::MAX][(at as usize + limit) % 4];
        let at_hand = self.index().find(&Query {
            clock: Clock::at_hand(Duration::from_secs(60), steps),
            ..query.clone()
        });
        let answer = self
            .index()
            .find(&query)
            .unwrap_or_else(|trouble| panic!("{what}: {trouble}"));
        match at_hand {
            Err(Trouble::NotAtHand) => {}
            Err(trouble) => panic!("{what}, at hand within {steps} steps: {trouble}"),
            Ok(at_hand) => assert_eq!(at_hand, answer, "{what}, at hand within {steps} steps"),
        }
        answer
    }

    /// All pages from the first to the last.
    fn pages(&self, random: &mut Random, expected: &[Answered], limit: usize, ask: Ask<'_>) -> Vec<Vec<Answered>> {
        let (mut pages, mut after) = (Vec::new(), None::<Cursor>);
        while pages.len() <= expected.len() {
            let page = ask(
                limit,
                after.as_ref().map_or(Place::First, Place::After),
                counting(random),
            );
            assert_eq!(page.previous.is_some(), after.is_some() && !page.hits.is_empty());
            pages.push(hits(&page));
            let Some(next) = page.next else {
                break;
            };
            after = Some(Cursor::parse(&next.to_string()).unwrap());
        }
        pages
    }

    /// The same pages from the last to the first.
    fn back(&self, random: &mut Random, forth: &[Vec<Answered>], limit: usize, ask: Ask<'_>, what: &str) {
        let last = forth.last().map_or(0, Vec::len).max(1);
        let mut page = ask(last, Place::Last, counting(random));
        for (place, expected) in forth.iter().enumerate().rev() {
            assert_eq!(hits(&page), *expected, "{what}, page {place} of {limit}, backwards");
            let next = forth.get(place + 1).and(expected.last());
            assert_eq!(
                page.next.is_some(),
                next.is_some(),
                "{what}, after page {place} of {limit}"
            );
            let Some(previous) = page.previous else {
                assert_eq!(place, 0, "{what}, before page {place} of {limit}");
                return;
            };
            let cursor = Cursor::parse(&previous.to_string()).unwrap();
            page = ask(limit, Place::Before(&cursor), counting(random));
        }
    }

    /// A condition on each of several kinds, as a compartment has them.
    fn groups(&self, random: &mut Random, mut kinds: Vec<Kind>, predicate: Predicate) -> (Vec<Kind>, Predicate) {
        let mut groups = vec![Predicate::Kind(kinds.clone()).and(predicate)];
        while groups.len() < 4 && random.once_in(2) {
            let (kind, params) = sample::search(random);
            let handling = Handling {
                strict: true,
                now: 0,
                base: "",
            };
            let parsed = query::parse(&self.registry, std::slice::from_ref(&kind), &params, &handling).unwrap();
            groups.push(Predicate::Kind(vec![kind.clone()]).and(parsed.predicate));
            kinds.push(kind);
        }
        if random.once_in(3) {
            kinds.clear();
        }
        let any = Predicate::any(groups);
        (kinds, if random.once_in(4) { any.negate() } else { any })
    }

    fn sort(&self, random: &mut Random, kinds: &[Kind]) -> Vec<SortKey> {
        let mut sort = Vec::new();
        while random.once_in(2) && sort.len() < 3 {
            let by = match (random.below(7), kinds.first()) {
                (6, _) => SortBy::Score,
                (0, _) => SortBy::Id,
                (1, _) | (_, None) => SortBy::Updated,
                (_, Some(kind)) => {
                    let parameters = self.registry.parameters(kind);
                    let chosen = &parameters[random.below(parameters.len())];
                    SortBy::Parameter(chosen.id, chosen.kind)
                }
            };
            sort.push(SortKey {
                by,
                descending: random.once_in(2),
            });
        }
        sort
    }
}

/// One version, to be written again elsewhere.
#[derive(Clone)]
pub(crate) struct Written {
    pub(crate) kind: Kind,
    pub(crate) id: Id,
    /// Nothing for a deletion.
    pub(crate) text: Option<String>,
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.text {
            Some(text) => f.write_str(text),
            None => write!(f, "{}/{} deleted", self.kind, self.id),
        }
    }
}

impl World {
    /// Everything written so far, in order.
    pub(crate) fn versions(&self) -> Vec<Written> {
        let text = |document: &Document| String::from_utf8(Tree::from_node(document.root()).to_bytes()).unwrap();
        let written = |known: &Known| Written {
            kind: known.kind.clone(),
            id: known.id.clone(),
            text: known.document.as_ref().map(text),
        };
        self.known.iter().map(written).collect()
    }

    /// Writes one version, with what was extracted from it.
    pub(crate) fn put(&mut self, written: &Written) {
        let Written { kind, id, text } = written;
        let document = text
            .as_ref()
            .map(|text| Document::parse(text.as_bytes(), Limits::default()).unwrap());
        let values = document
            .as_ref()
            .map(|document| self.registry.extract(kind, document.root()));
        let write = match &document {
            Some(document) => {
                let body = body::store(document.root());
                let mut write = Write::new(kind.clone(), id.clone(), Operation::Update, body);
                write.attachment = Some(Arc::new(Prepared::new(&self.registry, kind, document.root())));
                write
            }
            None => Write::new(kind.clone(), id.clone(), Operation::Delete, Vec::new()),
        };
        let done = self.store.submit(Unit::one(write)).unwrap().remove(0);
        if done.seq > 0 {
            self.known.push(Known {
                seq: done.seq,
                record: done.record,
                kind: kind.clone(),
                id: id.clone(),
                updated: done.updated,
                values: values.unwrap_or_default(),
                document,
            });
        }
    }

    /// Checks that index and log agree, and on how many records.
    pub(crate) fn is_sound(&self, what: &str) {
        let report = self.index().check(&|_, _| {}, false).unwrap();
        assert_eq!(
            (report.findings.len(), report.repairs.len()),
            (0, 0),
            "{what}: {report:?}"
        );
        assert_eq!(report.records, self.living(u64::MAX).len() as u64, "{what}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.index = None;
        self.store.close();
        // What is left behind in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn rank(known: &Known, sort: &[SortKey], score: u32) -> Rank {
    let value = |key: &SortKey| match key.by {
        SortBy::Id => Some(query::SortValue::Text(known.id.as_str().into())),
        SortBy::Updated => Some(query::SortValue::Number(known.updated)),
        SortBy::Parameter(param, _) => query::sort_key(&known.values, param, key.descending),
        SortBy::Score => Some(query::SortValue::Number(i64::from(score))),
    };
    Rank {
        values: sort.iter().map(value).collect(),
        record: known.record,
    }
}

pub(crate) fn hits(found: &Found) -> Vec<Answered> {
    let hits = found.hits.iter();
    hits.map(|hit| (hit.seq, hit.record, hit.score)).collect()
}

fn counting(random: &mut Random) -> Total {
    if random.once_in(4) {
        Total::Accurate
    } else {
        Total::None
    }
}
