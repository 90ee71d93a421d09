//! Finds the record that defines something by its canonical address: the version asked for, or the newest.
//!
//! See <https://hl7.org/fhir/R4/references.html#canonical>. What was found is kept, parsed, until a record of any kind
//! that has a canonical address is written.

use std::cmp::Ordering as Order;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fhir::document::{Document, Node};
use fhir::identity::Kind;
use fhir::parse::Limits;
use query::Total;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use store::{Appended, Follower};

use crate::engine::{Engine, now};
use crate::record;
use crate::refusal::Refusal;
use crate::search::{Wanted, find};

/// What definitions may take in memory, in bytes of their JSON.
const KEPT_BYTES: u64 = 64 << 20;
/// Of so many versions of one definition the newest is looked for.
const VERSIONS_MAX: usize = 200;

/// A kind and an address.
type Name = (Kind, String);
/// The definition, where there is one, and after how many changes that was so.
type Known = (u64, Option<Arc<Document>>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Name, Known> for Bytes {
    fn weight(&self, name: &Name, (_, found): &Known) -> u64 {
        // The tape over the text takes about as much again as the text.
        (name.1.len() + 100 + found.as_ref().map_or(0, |found| 2 * found.text().len())) as u64
    }
}

/// Definitions that were looked for lately.
pub struct Canonicals {
    /// How many definitions were written so far.
    changes: AtomicU64,
    kept: Cache<Name, Known, Bytes>,
}

impl Default for Canonicals {
    fn default() -> Canonicals {
        Canonicals {
            changes: AtomicU64::new(0),
            kept: Cache::with_weighter(1_000, KEPT_BYTES, Bytes),
        }
    }
}

impl Follower for Canonicals {
    fn committed(&self, appended: &[Appended]) {
        // They are written so seldom that one count for all kinds will do.
        let defines = |kind: &Kind| DEFINING.contains(&kind.as_str());
        if appended.iter().any(|appended| defines(&appended.kind)) {
            self.changes.fetch_add(1, Ordering::Release);
        }
    }
}

/// The kinds that define something other records name by its address.
pub const DEFINING: [&str; 11] = [
    "CodeSystem",
    "ConceptMap",
    "Measure",
    "NamingSystem",
    "OperationDefinition",
    "Questionnaire",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "ValueSet",
    "ViewDefinition",
];

impl Engine {
    /// How many definitions were written since the server started: what was compiled from some holds as long as it stays.
    pub fn definitions_written(&self) -> u64 {
        self.canonicals.changes.load(Ordering::Acquire)
    }

    /// The record of one of the kinds of [`DEFINING`] with an address, written `url` or `url|version`; a version may be
    /// named by its beginning, `0.2` for `0.2.1`, where none is exactly that.
    ///
    /// Without a version it is the newest: active before retired, then by version, then by when it was written.
    ///
    /// # Errors
    /// Those of a search.
    pub fn canonical(&self, kind: &Kind, address: &str) -> Result<Option<Arc<Document>>, Refusal> {
        let changes = self.definitions_written();
        let name = (kind.clone(), address.to_owned());
        if let Some((then, found)) = self.canonicals.kept.get(&name)
            && then == changes
        {
            return Ok(found);
        }
        let found = self.look_for(kind, address)?;
        self.canonicals.kept.insert(name, (changes, found.clone()));
        Ok(found)
    }

    fn look_for(&self, kind: &Kind, address: &str) -> Result<Option<Arc<Document>>, Refusal> {
        let (url, version) = match address.split_once('|') {
            Some((url, version)) => (url, Some(version)),
            None => (address, None),
        };
        let fit = |document: &Document| {
            let has = document.root().string("version").unwrap_or_default();
            validation::version_fits(version, &has)
        };
        let versions = self.canonical_versions(kind, url)?.into_iter();
        let fitting = versions.filter_map(|document| Some((fit(&document)?, document)));
        let best = fitting.max_by(|(a, one), (b, other)| a.cmp(b).then_with(|| by_age(one.root(), other.root())));
        Ok(best.map(|(_, document)| Arc::new(document)))
    }

    /// All records of one of the kinds of [`DEFINING`] with an address, whatever their version, the oldest first; at most
    /// 200.
    ///
    /// # Errors
    /// Those of a search.
    pub(crate) fn canonical_versions(&self, kind: &Kind, url: &str) -> Result<Vec<Document>, Refusal> {
        let escaped = url.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|");
        self.definitions_found(kind, &[("url".to_owned(), escaped)])
    }

    /// The records of a kind that a search finds, parsed; at most 200.
    ///
    /// # Errors
    /// Those of a search.
    pub(crate) fn definitions_found(&self, kind: &Kind, asked: &[(String, String)]) -> Result<Vec<Document>, Refusal> {
        let handling = query::Handling {
            strict: true,
            now: now(),
            base: "",
        };
        let search = query::parse(&self.registry, std::slice::from_ref(kind), asked, &handling);
        let predicate = search.map_err(Refusal::of_search)?.predicate;
        let wanted = Wanted {
            kinds: std::slice::from_ref(kind),
            predicate: &predicate,
            sort: &[],
            limit: VERSIONS_MAX,
            total: Total::None,
            clock: self.clock(false),
        };
        let hits = find(self, &wanted, None)?.hits;
        let records = record::fetch(self, &hits, &wanted.clock)?;
        let parsed = records
            .iter()
            .filter_map(|record| Document::parse(&record.json, Limits::default()).ok());
        Ok(parsed.collect())
    }
}

/// Which of two versions of a definition is the newer, where the later in the log is the second.
fn by_age(a: Node<'_>, b: Node<'_>) -> Order {
    let retired = |node: Node<'_>| node.string("status").is_some_and(|status| status == "retired");
    let version = |node: Node<'_>| node.string("version").unwrap_or_default().into_owned();
    let status = retired(b).cmp(&retired(a));
    status.then_with(|| terminology::version::compare(&version(a), &version(b)))
}
