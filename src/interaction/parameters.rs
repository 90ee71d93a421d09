//! The search parameters that this server's own SearchParameter records define, as of the last of them written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conformance::{Definitions, SearchParameter};
use fhir::document::Document;
use fhir::identity::Kind;
use fhir::parse::Limits;
use query::custom::{self, Unusable};
use store::{Appended, Follower, HistoryRange, Scope, Store, Trouble, Version};

use crate::engine::spliced;

/// Versions read at once.
const CHUNK: usize = 500;

/// What one record says, and the place of the version that says it; nothing where it is deleted or says what R4 says.
type Said = (u64, Option<Result<SearchParameter, Unusable>>);

/// The records that define parameters. They follow the log; what is new is read when somebody asks.
pub(crate) struct Parameters {
    definitions: Arc<Definitions>,
    kind: Kind,
    /// By number, so that earlier records come first.
    records: Mutex<BTreeMap<u64, Said>>,
    news: Mutex<Vec<u64>>,
    has_news: AtomicBool,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Follower for Parameters {
    fn committed(&self, appended: &[Appended]) {
        let ours = appended
            .iter()
            .filter(|appended| appended.kind == self.kind && !appended.aside);
        let places: Vec<u64> = ours.map(|appended| appended.seq).collect();
        if !places.is_empty() {
            let mut news = held(&self.news);
            news.extend(places);
            self.has_news.store(true, Ordering::Release);
        }
    }
}

impl Parameters {
    /// Reads the records of a log, and follows it.
    ///
    /// # Errors
    /// [`Trouble`] where the log cannot be read.
    pub(crate) fn open(store: &Store, definitions: &Arc<Definitions>) -> Result<Arc<Parameters>, Trouble> {
        let kind = Kind::new("SearchParameter").expect("a name of letters is a kind");
        let parameters = Arc::new(Parameters {
            definitions: Arc::clone(definitions),
            kind: kind.clone(),
            records: Mutex::default(),
            news: Mutex::default(),
            has_news: AtomicBool::new(false),
        });
        store.follow(Arc::clone(&parameters) as Arc<dyn Follower>);
        let mut range = HistoryRange {
            current_only: true,
            ..HistoryRange::newest(CHUNK)
        };
        loop {
            let versions = store.history(&Scope::Kind(kind.clone()), &range)?;
            let Some(last) = versions.last() else {
                return Ok(parameters);
            };
            range.before = Some(last.seq);
            let mut records = held(&parameters.records);
            for version in &versions {
                parameters.hear(&mut records, version);
            }
        }
    }

    /// Whether records were written since somebody asked.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire)
    }

    /// What can be used together, and what cannot be used at all.
    ///
    /// # Errors
    /// [`Trouble`] where the log cannot be read; asking again tries again.
    pub(crate) fn settled(&self, store: &Store) -> Result<(Vec<SearchParameter>, Vec<Unusable>), Trouble> {
        let mut records = held(&self.records);
        let news = std::mem::take(&mut *held(&self.news));
        let read = store.by_seq(&news);
        let versions = read.inspect_err(|_| held(&self.news).extend(&news))?;
        for version in &versions {
            self.hear(&mut records, version);
        }
        let said = records.values().filter_map(|(_, said)| said.clone());
        Ok(custom::settle(&self.definitions, said))
    }

    /// Says that what was settled is known to everybody who asks from now on; unless more has come.
    pub(crate) fn heard(&self) {
        let news = held(&self.news);
        self.has_news.store(!news.is_empty(), Ordering::Release);
    }

    /// Takes in what a version says, unless a later one has been heard.
    fn hear(&self, records: &mut BTreeMap<u64, Said>, version: &Version) {
        if records.get(&version.record).is_some_and(|(seq, _)| *seq > version.seq) {
            return;
        }
        let said = version.operation.is_live().then(|| spliced(version));
        let said = said.and_then(|json| {
            let document = Document::parse(&json, Limits::default()).ok()?;
            custom::read(&self.definitions, document.root())
        });
        records.insert(version.record, (version.seq, said));
    }
}
