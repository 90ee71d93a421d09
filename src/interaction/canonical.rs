//! Finds the records that define something, by their canonical address: all versions, the one that counts first.
//!
//! See <https://hl7.org/fhir/R4/references.html#canonical>. Whoever needs a definition asks here: validation, views and,
//! by way of [`OfEngine`](crate::terminology_call::OfEngine), terminology. What was found is kept, parsed, until a record
//! of any kind that has a canonical address is written.

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
use crate::refusal::{Reason, Refusal};
use crate::search::{Wanted, find};

/// What definitions may take in memory, in bytes of their JSON.
const KEPT_BYTES: u64 = 64 << 20;
/// Definitions of one address, or of one kind, that are looked at at once.
const DEFINITIONS_MAX: usize = 1_000;

/// A kind and an address; all of the kind where it is empty.
type Name = (Kind, String);
/// Definitions, the one that counts first.
pub(crate) type Found = Arc<[Arc<Document>]>;
/// The definitions, and after how many changes there were these.
type Known = (u64, Found);

#[derive(Clone)]
struct Bytes;

impl Weighter<Name, Known> for Bytes {
    fn weight(&self, name: &Name, (_, found): &Known) -> u64 {
        // The tape over the text takes about as much again as the text.
        let bytes: usize = found.iter().map(|found| 2 * found.text().len()).sum();
        (name.1.len() + 100 + bytes) as u64
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
        if appended
            .iter()
            .any(|appended| defines(&appended.kind) && !appended.aside)
        {
            self.changes.fetch_add(1, Ordering::Release);
        }
    }
}

/// The kinds that define something other records name by its address.
pub const DEFINING: [&str; 12] = [
    "CodeSystem",
    "ConceptMap",
    "Library",
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
    /// named by its beginning, `0.2` for `0.2.1`, where none is exactly that. Without a version it is the one that counts.
    ///
    /// # Errors
    /// Those of [`Engine::definitions_of`].
    pub fn canonical(&self, kind: &Kind, address: &str) -> Result<Option<Arc<Document>>, Refusal> {
        let (url, version) = terminology::version::split(address);
        let fit = |document: &Arc<Document>| {
            let has = document.root().string("version").unwrap_or_default();
            validation::version_fits(version, &has)
        };
        let found = self.definitions_of(kind, url)?;
        let fitting = found.iter().filter_map(|document| Some((fit(document)?, document)));
        // Of those that fit as well as another, the first.
        let best = fitting.rev().max_by_key(|(fit, _)| *fit);
        Ok(best.map(|(_, document)| Arc::clone(document)))
    }

    /// All records of one of the kinds of [`DEFINING`] with an address, whatever their version. The one that counts stands
    /// first: active before retired, then by version, then by when it was written.
    ///
    /// # Errors
    /// Those of a search; 422 where there are more than 1,000.
    pub(crate) fn definitions_of(&self, kind: &Kind, url: &str) -> Result<Found, Refusal> {
        self.kept(kind, url, &[("url".to_owned(), escaped(url))])
    }

    /// All records of one of the kinds of [`DEFINING`].
    ///
    /// # Errors
    /// Those of a search; 422 where there are more than 1,000.
    pub(crate) fn all_definitions(&self, kind: &Kind) -> Result<Found, Refusal> {
        self.kept(kind, "", &[])
    }

    fn kept(&self, kind: &Kind, name: &str, asked: &[(String, String)]) -> Result<Found, Refusal> {
        let changes = self.definitions_written();
        let name = (kind.clone(), name.to_owned());
        if let Some((then, found)) = self.canonicals.kept.get(&name)
            && then == changes
        {
            return Ok(found);
        }
        let found = self.look_for(kind, asked)?;
        self.canonicals.kept.insert(name, (changes, Arc::clone(&found)));
        Ok(found)
    }

    /// The records of a kind that a search finds, parsed, the one that counts first.
    ///
    /// # Errors
    /// Those of a search; 422 where there are more than 1,000.
    pub(crate) fn look_for(&self, kind: &Kind, asked: &[(String, String)]) -> Result<Found, Refusal> {
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
            limit: DEFINITIONS_MAX,
            total: Total::None,
            clock: self.clock(false),
        };
        let matches = find(self, &wanted, None)?;
        if matches.next.is_some() {
            let text = format!(
                "There are more than {DEFINITIONS_MAX} records of {kind} to choose from, so that not all can be looked at; \
                 name the one that is meant by its url, or delete versions that nobody needs."
            );
            return Err(Refusal::because(Reason::TooCostly, text));
        }
        let mut records = record::fetch(self, &matches.hits, &wanted.clock)?;
        // What was written later stands first among equals.
        records.reverse();
        let parsed = records
            .iter()
            .filter_map(|record| Document::parse(&record.json, Limits::default()).ok());
        let mut found: Vec<Arc<Document>> = parsed.map(Arc::new).collect();
        found.sort_by(|a, b| by_age(b.root(), a.root()));
        Ok(found.into())
    }
}

/// A text as the value of a search, where `,`, `|` and `$` part values (<https://hl7.org/fhir/R4/search.html#escaping>).
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '|' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Which of two versions of a definition counts less.
fn by_age(a: Node<'_>, b: Node<'_>) -> Order {
    let retired = |node: Node<'_>| node.string("status").is_some_and(|status| status == "retired");
    let version = |node: Node<'_>| node.string("version").unwrap_or_default().into_owned();
    let status = retired(b).cmp(&retired(a));
    status.then_with(|| terminology::version::compare(&version(a), &version(b)))
}
