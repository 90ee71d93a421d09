//! The engine that answers now, and how another takes its place.
//!
//! What can be searched may change while the server runs: search parameters come and go, an index is built anew. So an
//! [`Engine`] never changes. A request takes the one of the moment and keeps it, so that what reads its question and what
//! answers it always agree; whoever comes later gets the next.

use std::sync::{Arc, PoisonError, RwLock};

use conformance::Definitions;
use query::Registry;
use search_index::Index;
use store::{Store, Trouble};

use crate::engine::{Engine, Settings};

/// The engines of one server, one after another. Shared by all threads.
pub struct Generations {
    current: RwLock<Arc<Engine>>,
}

impl Generations {
    /// Opens the log and the index, and lets the index and the read cache follow the log.
    ///
    /// # Errors
    /// [`Trouble`], a sentence, where either cannot be opened.
    pub fn open(settings: Settings) -> Result<Generations, Trouble> {
        let definitions = Definitions::r4();
        let registry = Arc::new(Registry::new(Arc::clone(&definitions), settings.zone));
        let store = Store::open(settings.store.clone())?;
        let index = Index::open(
            &settings.index_folder,
            Arc::clone(&registry),
            store.clone(),
            settings.index.clone(),
        )?;
        let engine = Engine::new(settings, definitions, registry, store, index);
        Ok(Generations {
            current: RwLock::new(Arc::new(engine)),
        })
    }

    /// The engine of this moment; a request asks once.
    pub fn now(&self) -> Arc<Engine> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}
