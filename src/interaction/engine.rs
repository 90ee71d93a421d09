//! The engine: the rooms below wired together, behind one door for every interaction.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use analytics::View;
use conformance::{Definitions, RequiredCodes};
use fhir::body::{self, Header};
use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::outcome::{Issue, Severity};
use fhir::parse;
use query::{ParamId, Registry, Value, Values, replaced};
use search_index::{Clock, Gate, Index};
use store::{Claim, Expect, Follower, HistoryRange, Made, Operation, Scope, Store, Trouble, Version, Write};
use terminology::Library;
use validation::{Purpose, Validator};

use crate::built_in;
use crate::cache::{Cached, ReadCache, VersionCache};
use crate::canonical::Canonicals;
use crate::clinic::Clinic;
use crate::compartment::Compartments;
use crate::country::Country;
use crate::format;
use crate::limits::Limits;
use crate::match_weights::KeptWeights;
use crate::people::People;
use crate::policy::{self, Duplicates, Judging, Merging, Newcomers, Policy};
use crate::refusal::{Reason, Refusal};
use crate::request::Request;
use crate::upkeep::{Pace, Upkeep};
use crate::validate;

/// The identifier system of the national citizen number: no two live patients may hold the same one.
pub const CITIZEN_NUMBER: &str = "http://id.gov.bt/citizen";

/// The kind of records that views are compiled from: one is stored only if it can be run.
pub const VIEW_DEFINITION: &str = "ViewDefinition";

/// How an engine works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log of versions.
    pub store: store::Settings,
    /// Where the search index lives; made anew from the log where it is missing.
    pub index_folder: PathBuf,
    /// Where the large code systems lie that were loaded from their releases; looked at again while the engine runs.
    pub terminology_folder: PathBuf,
    /// Where tables of one's own for the analyzers lie; looked at again while the engine runs.
    pub analyzers_folder: PathBuf,
    /// How the search index works.
    pub index: search_index::Settings,
    /// How much one request may ask for.
    pub limits: Limits,
    /// The zone that holds where a date or time names none, in minutes east of Greenwich.
    pub zone: i32,
    /// Bytes of records kept ready: half for reading by id, half for pages.
    pub cache_bytes: u64,
    /// Identifier systems of which each value belongs to one live record of a kind.
    pub unique_systems: Vec<String>,
    /// How strictly records are judged when they are written.
    pub policy: Policy,
    /// What is done about patients who may be registered already.
    pub duplicates: Duplicates,
    /// What is done about patients whom clinics registered.
    pub newcomers: Newcomers,
    /// Who may merge patients.
    pub merging: Merging,
    /// How the index is kept in order.
    pub pace: Pace,
}

impl Settings {
    /// The usual settings for a store and an index: Bhutan's zone, 32 MiB of read cache.
    pub fn at(store: store::Settings, index_folder: PathBuf) -> Settings {
        Settings {
            store,
            terminology_folder: index_folder.with_file_name("terminology"),
            analyzers_folder: index_folder.with_file_name("analyzers"),
            index_folder,
            index: search_index::Settings::default(),
            limits: Limits::default(),
            zone: 360,
            cache_bytes: 32 << 20,
            unique_systems: vec![CITIZEN_NUMBER.to_owned()],
            policy: Policy::default(),
            duplicates: Duplicates::default(),
            newcomers: Newcomers::default(),
            merging: Merging::default(),
            pace: Pace::default(),
        }
    }
}

/// One server's data and everything that answers questions about it, as of one generation of what can be searched
/// ([`Generations`](crate::Generations)). Shared by all threads.
pub struct Engine {
    /// The log.
    pub store: Store,
    /// What answers searches.
    pub index: Index,
    /// The search parameters.
    pub registry: Arc<Registry>,
    /// What records look like.
    pub definitions: Arc<Definitions>,
    /// What judges records in full.
    pub validator: Arc<Validator>,
    /// The codes that R4's required bindings allow.
    pub(crate) codes: Arc<RequiredCodes>,
    /// How strictly records are judged when they are written.
    pub(crate) policy: Arc<Policy>,
    /// What is done about patients who may be registered already.
    pub(crate) duplicates: Duplicates,
    /// What is done about patients whom clinics registered.
    pub(crate) newcomers: Newcomers,
    /// Who may merge patients.
    pub(crate) merging: Merging,
    /// How much one request may ask for.
    pub limits: Limits,
    /// The zone that holds where none is named, in minutes east of Greenwich.
    pub zone: i32,
    /// When the engine was opened, in microseconds since 1970.
    pub opened: i64,
    /// How the index is kept in order.
    pub upkeep: Arc<Upkeep>,
    /// What a clinic knows of how complete it is.
    pub clinic: Arc<Clinic>,
    pub(crate) compartments: Compartments,
    /// The CapabilityStatement, once it was asked for.
    pub(crate) capabilities: OnceLock<Box<str>>,
    /// Versions that pages were lately made of.
    pub(crate) versions: Arc<VersionCache>,
    cache: Arc<ReadCache>,
    /// Definitions by address.
    pub(crate) canonicals: Arc<Canonicals>,
    /// All patients' particulars.
    pub(crate) people: Arc<People>,
    /// Those of the whole country, where this server is a node.
    pub(crate) country: Arc<Country>,
    /// The weights they are matched by.
    pub(crate) weights: Arc<KeptWeights>,
    /// What codes mean.
    pub(crate) library: Arc<Library>,
    /// The places for long searches.
    gate: Gate,
    unique_systems: Arc<[String]>,
}

/// A record that was judged and can be written.
#[derive(Clone)]
pub struct Prepared {
    /// The stored form of its JSON.
    pub body: Vec<u8>,
    /// What searching needs of it: its values and words.
    pub found_by: Arc<search_index::Prepared>,
    /// The unique values it holds.
    pub claims: Vec<Claim>,
    /// What was found that does not forbid writing it: warnings, remarks.
    pub issues: Vec<Issue>,
}

impl Prepared {
    /// The write that brings the record into the log.
    pub fn into_write(self, kind: Kind, id: Id, operation: Operation, expect: Expect) -> Write {
        Write {
            kind,
            id,
            operation,
            body: self.body,
            expect,
            made: Made::Here,
            claims: self.claims,
            attachment: Some(self.found_by),
        }
    }
}

impl Engine {
    /// The first engine of a server. Lets its read cache follow the log.
    pub(crate) fn new(
        settings: Settings,
        definitions: Arc<Definitions>,
        registry: Arc<Registry>,
        library: Arc<Library>,
        store: Store,
        index: Index,
        upkeep: Arc<Upkeep>,
    ) -> Engine {
        let cache = Arc::new(ReadCache::new(settings.cache_bytes / 2));
        store.follow(Arc::clone(&cache) as Arc<dyn Follower>);
        let canonicals = Arc::new(Canonicals::default());
        store.follow(Arc::clone(&canonicals) as Arc<dyn Follower>);
        let notice = Arc::clone(&settings.index.notice);
        let people = People::new(Arc::clone(registry.analysis()), notice, &store);
        let limits = settings.limits;
        let gate = match limits.long_searches {
            0 => Gate::for_half_the_processors(limits.long_searches_waiting),
            places => Gate::new(places, limits.long_searches_waiting),
        };
        Engine {
            compartments: Compartments::new(&definitions, &registry),
            capabilities: OnceLock::new(),
            versions: Arc::new(VersionCache::new(settings.cache_bytes / 2)),
            store,
            index,
            registry,
            validator: Arc::new(Validator::new(Arc::clone(&definitions))),
            // The standard's own bindings are to the standard's own value sets, whatever records say of them.
            codes: Arc::new(RequiredCodes::new(&definitions, terminology::standard())),
            policy: Arc::new(settings.policy),
            duplicates: settings.duplicates,
            newcomers: settings.newcomers,
            merging: settings.merging,
            definitions,
            limits,
            gate,
            zone: settings.zone,
            opened: now(),
            upkeep,
            clinic: Arc::default(),
            cache,
            canonicals,
            people,
            country: Arc::default(),
            weights: Arc::default(),
            library,
            unique_systems: settings.unique_systems.into(),
        }
    }

    /// The engine of the next generation: the same data and caches, searched by other parameters or another index.
    ///
    /// # Errors
    /// Those of the store, where the patients are read anew because their names are to be read otherwise.
    pub(crate) fn next(&self, registry: Arc<Registry>, index: Index) -> Result<Engine, Trouble> {
        let people = self.people.renewed(registry.analysis(), &self.store)?;
        Ok(Engine {
            compartments: Compartments::new(&self.definitions, &registry),
            capabilities: OnceLock::new(),
            versions: Arc::clone(&self.versions),
            store: self.store.clone(),
            index,
            registry,
            definitions: Arc::clone(&self.definitions),
            validator: Arc::clone(&self.validator),
            codes: Arc::clone(&self.codes),
            policy: Arc::clone(&self.policy),
            duplicates: self.duplicates,
            newcomers: self.newcomers,
            merging: self.merging,
            limits: self.limits.clone(),
            zone: self.zone,
            gate: self.gate.clone(),
            opened: self.opened,
            upkeep: Arc::clone(&self.upkeep),
            clinic: Arc::clone(&self.clinic),
            cache: Arc::clone(&self.cache),
            canonicals: Arc::clone(&self.canonicals),
            people,
            country: Arc::clone(&self.country),
            weights: Arc::clone(&self.weights),
            library: Arc::clone(&self.library),
            unique_systems: Arc::clone(&self.unique_systems),
        })
    }

    /// The kind of that name.
    ///
    /// # Errors
    /// 404 where there is none.
    pub fn kind(&self, name: &str) -> Result<Kind, Refusal> {
        self.registry.kind(name).cloned().ok_or_else(|| {
            let text = format!("This server has no resource type \"{name}\"; GET /fhir/metadata lists those it has.");
            Refusal::because(Reason::NoSuchPath, text)
        })
    }

    /// Reads the body of a request as one JSON value.
    ///
    /// # Errors
    /// 415 for another format, 413 beyond the limit, 400 where it is missing or malformed.
    pub fn parse(&self, request: &Request<'_>, bytes_max: usize) -> Result<Document, Refusal> {
        format::body_is_json(request)?;
        if request.body.len() > bytes_max {
            let text = format!(
                "The body has {} bytes; this server takes {bytes_max} for such a request.",
                request.body.len()
            );
            return Err(Refusal::because(Reason::TooLarge, text));
        }
        if request.body.is_empty() {
            return Err(Refusal::because(
                Reason::Malformed,
                "The request has no body; send the resource as JSON.",
            ));
        }
        let limits = parse::Limits {
            depth: self.limits.json_depth,
            bytes: bytes_max,
        };
        Ok(Document::parse(request.body, limits)?)
    }

    /// Judges a record, as the policy of its kind says, and makes everything ready that writing it takes. Where the
    /// caller wants `remarks`, the issues that do not forbid it come along.
    ///
    /// # Errors
    /// 400 where it is no resource of the kind; 422 with all issues where it does not conform.
    pub fn prepare(&self, kind: &Kind, record: Node<'_>, remarks: bool) -> Result<Prepared, Refusal> {
        self.check_type(kind, record)?;
        let issues = self.judged(kind, record, remarks)?;
        Ok(Prepared {
            issues,
            ..self.as_it_is(kind, record)
        })
    }

    /// Makes everything ready that writing a record takes, without judging it: what another site accepted, or what follows
    /// from that, is never refused.
    pub(crate) fn as_it_is(&self, kind: &Kind, record: Node<'_>) -> Prepared {
        let found_by = search_index::Prepared::new(&self.registry, kind, record);
        Prepared {
            body: body::store(record),
            claims: self.claims(kind, &found_by.values),
            found_by: Arc::new(found_by),
            issues: Vec::new(),
        }
    }

    /// Judges a record that is to be written, as the policy of its kind says: the issues that do not forbid it.
    ///
    /// # Errors
    /// 422 with all issues where it does not conform.
    pub(crate) fn judged(&self, kind: &Kind, record: Node<'_>, remarks: bool) -> Result<Vec<Issue>, Refusal> {
        let policy = self.policy.of(kind);
        let mut issues = match policy {
            Judging::Off => conformance::judge(&self.definitions, kind, record),
            _ => conformance::judge_with_codes(&self.definitions, &self.codes, kind, record),
        };
        let strict = matches!(policy, Judging::Reject | Judging::Exact);
        if !strict && policy::defines(&self.definitions, kind) {
            policy::let_be_unfinished(&mut issues);
        }
        let failed = |issues: &[Issue]| issues.iter().any(|issue| issue.severity >= Severity::Error);
        let rest = match policy {
            Judging::Off => None,
            Judging::Warn if remarks && !failed(&issues) => Some(Severity::Warning),
            Judging::Warn => None,
            Judging::Reject | Judging::Exact => Some(Severity::Error),
        };
        if let Some(worst) = rest {
            let purpose = match policy {
                Judging::Exact => Purpose::WritingExactly,
                _ => Purpose::Writing,
            };
            issues = validate::judged(self, Some(kind), record, &[], purpose);
            issues
                .iter_mut()
                .for_each(|issue| issue.severity = issue.severity.min(worst));
        }
        // A view is stored only if it can be run.
        if kind.as_str() == VIEW_DEFINITION
            && !failed(&issues)
            && let Err(faults) = View::compile(&*self.definitions, record)
        {
            issues = faults;
        }
        if failed(&issues) {
            return Err(Refusal::with(Reason::Unprocessable, issues));
        }
        Ok(issues)
    }

    fn check_type(&self, kind: &Kind, record: Node<'_>) -> Result<(), Refusal> {
        let text = match record.string("resourceType") {
            Some(name) if name == kind.as_str() => return Ok(()),
            Some(name) => format!("The body is a {name}, but the address is of {kind}."),
            None => format!("The body is no resource: an object with \"resourceType\": \"{kind}\" is needed."),
        };
        Err(Refusal::because(Reason::Malformed, text).at("resourceType"))
    }

    /// The unique identifiers a record holds, by its values of the search parameter `identifier`. A record that another
    /// replaces holds none: they pass to that one.
    pub(crate) fn claims(&self, kind: &Kind, values: &Values) -> Vec<Claim> {
        let Some(param) = self.identifier_of(kind) else {
            return Vec::new();
        };
        if replaced::replacing(kind, values).next().is_some() {
            return Vec::new();
        }
        let mut claims = Vec::new();
        for value in values.of(param) {
            if let Value::Token {
                system: Some(system),
                code: Some(code),
                ..
            } = value
                && self.unique_systems.iter().any(|unique| **unique == **system)
            {
                let claim = Claim {
                    scope: format!("{kind}.identifier|{system}"),
                    value: code.to_string(),
                };
                if !claims.contains(&claim) {
                    claims.push(claim);
                }
            }
        }
        claims
    }

    fn identifier_of(&self, kind: &Kind) -> Option<ParamId> {
        if self.unique_systems.is_empty() {
            return None;
        }
        self.registry
            .parameter(kind, "identifier")
            .map(|parameter| parameter.id)
    }

    /// Whether the particulars of all patients are in memory, and of how many.
    pub fn people_read(&self) -> (bool, u64) {
        self.people.reached()
    }

    /// The record as reading it answers it, where the read cache has it.
    pub(crate) fn cached(&self, kind: &str, id: &str) -> Option<Cached> {
        self.cache.get(kind, id)
    }

    /// The record as reading it answers it.
    ///
    /// # Errors
    /// 404 where there never was one, 410 where it is deleted.
    pub fn record(&self, kind: &Kind, id: &Id) -> Result<Cached, Refusal> {
        self.cache.get_or(kind, id, || match self.store.current(kind, id)? {
            Some(version) => cached_of(&version).ok_or_else(|| deleted(&version)),
            None => built_in::record(kind, id).ok_or_else(|| not_found(kind, id)),
        })
    }

    /// The record as it was at a place in the log; `None` where it was not there.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn record_at(&self, kind: &Kind, id: &Id, at: u64) -> Result<Option<Cached>, Refusal> {
        match self.record(kind, id) {
            Ok(cached) if cached.seq <= at => return Ok(Some(cached)),
            // It changed since, or is gone since.
            Ok(_) => {}
            Err(refusal) if refusal.status == 410 => {}
            Err(refusal) if refusal.status == 404 => return Ok(None),
            Err(refusal) => return Err(refusal),
        }
        let range = HistoryRange::current_before(at + 1, 1);
        let versions = self.store.history(&Scope::Record(kind.clone(), id.clone()), &range)?;
        Ok(versions.first().and_then(cached_of))
    }

    /// The last log position that any answer so far can have named: the index may be a moment ahead of the store's head.
    pub(crate) fn head(&self) -> u64 {
        self.store.head().max(self.index.head())
    }

    /// What a search that starts now may take; one clock for all that one request asks.
    /// Where it shall `explain`, it tells what was done.
    pub(crate) fn clock(&self, explain: bool) -> Clock {
        let deadline = Instant::now() + self.limits.search_time;
        let words = explain.then(|| Arc::clone(&self.registry));
        Clock::new(deadline, self.limits.search_steps, Some(&self.gate), words)
    }
}

/// A live version as it is answered; `None` for a deletion.
pub(crate) fn cached_of(version: &Version) -> Option<Cached> {
    version.operation.is_live().then(|| Cached {
        seq: version.seq,
        version: version.version,
        updated: version.updated,
        json: spliced(version).into(),
    })
}

/// The JSON of a live version.
pub fn spliced(version: &Version) -> Vec<u8> {
    let mut out = Vec::with_capacity(version.body.len() + 200);
    body::splice(header(version), &version.body, &mut out);
    out
}

/// What the server says about a version.
pub fn header(version: &Version) -> Header<'_> {
    Header {
        kind: &version.kind,
        id: &version.id,
        version: version.version,
        updated: version.updated,
    }
}

/// The refusal to read or change what was never there.
pub fn not_found(kind: &Kind, id: &Id) -> Refusal {
    let text = match built_in::has(kind, id) {
        true => format!(
            "{kind}/{id} is part of the program and cannot be changed; PUT a {kind} of your own with the same url, which \
             counts before it."
        ),
        false => format!("There is no {kind}/{id}."),
    };
    Refusal::because(Reason::NotFound, text)
}

/// The refusal to read what was deleted.
pub fn deleted(version: &Version) -> Refusal {
    let text = format!(
        "{}/{} was deleted at {}; its history is at {0}/{1}/_history.",
        version.kind,
        version.id,
        fhir::moment::instant(version.updated)
    );
    Refusal::because(Reason::Deleted, text)
}

/// The clock, in microseconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}
