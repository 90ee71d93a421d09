//! The folder an index lives in, and what it has to be built from.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;

use query::Registry;
use store::Store;
use tantivy::directory::MmapDirectory;
use tantivy::schema::Schema;
use tantivy::store::Compressor;
use tantivy::{IndexSettings, IndexSortByField, Order, TantivyError};

use crate::columns::{Fields, RECORD};
use crate::segments;
use crate::slots::Slots;

/// Raised whenever an index written by older code can no longer be read by this one.
const LAYOUT: u32 = 8;
/// The file that says what the index was built from.
pub(crate) const FINGERPRINT: &str = "fingerprint";
/// The file that names the custom search parameters it was built with.
pub(crate) const CUSTOM: &str = "parameters";

/// The file that holds the tables by which it breaks texts into words.
pub(crate) const ANALYZERS: &str = "analyzers";

/// Why the index in a folder is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none.
    Absent,
    /// The rest of a sentence that begins with the index: `is damaged`.
    Because(String),
}

/// What an index must have been built from.
pub(crate) fn mark(registry: &Registry, slots: &Slots) -> String {
    format!(
        "layout {LAYOUT}\ndefinitions {:016x}\ncolumns {:016x}\n",
        registry.fingerprint(),
        slots.fingerprint()
    )
}

/// Where the index lives, and what it has to be built from.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    pub(crate) mark: String,
    /// The custom search parameters it is built with, as text.
    pub(crate) custom: String,
    /// The tables it breaks texts by, as text.
    pub(crate) analyzers: String,
}

impl Place {
    pub(crate) fn unusable(&self, error: &dyn std::fmt::Display) -> store::Trouble {
        store::Trouble::new(format!(
            "The search index in {} cannot be used: {error}.",
            self.directory.display()
        ))
    }

    /// The index that is there, and its place in the log.
    pub(crate) fn open(
        &self,
        fields: &Fields,
        slots: &Slots,
        store: &Store,
    ) -> Result<(tantivy::Index, u64), Unusable> {
        // Reading a file cut short may panic.
        panic::catch_unwind(AssertUnwindSafe(|| self.read(fields, slots, store)))
            .unwrap_or_else(|_| Err(Unusable::Because("is damaged".to_owned())))
    }

    fn read(&self, fields: &Fields, slots: &Slots, store: &Store) -> Result<(tantivy::Index, u64), Unusable> {
        let Ok(found) = fs::read_to_string(self.directory.join(FINGERPRINT)) else {
            return Err(Unusable::Absent);
        };
        let because = |reason: &str| Unusable::Because(reason.to_owned());
        if found != self.mark {
            return Err(because("was built from other definitions"));
        }
        let damaged = |error: TantivyError| Unusable::Because(format!("is damaged ({error})"));
        let index = tantivy::Index::open_in_dir(&self.directory).map_err(damaged)?;
        if index.schema() != fields.schema {
            return Err(because("has other columns"));
        }
        segments::open(&index, fields, slots, &[]).map_err(damaged)?;
        let payload = index.load_metas().map_err(damaged)?.payload.unwrap_or_default();
        match segments::position(store, &payload) {
            Ok(Some(position)) => Ok((index, position)),
            Ok(None) => Err(because("belongs to another log")),
            Err(trouble) => Err(Unusable::Because(format!(
                "cannot be compared with the log ({trouble})"
            ))),
        }
    }

    /// An empty index; what index was there before is gone.
    pub(crate) fn make(&self, schema: Schema) -> Result<tantivy::Index, TantivyError> {
        if self.directory.exists() {
            let ours = [FINGERPRINT, "meta.json"]
                .iter()
                .any(|name| self.directory.join(name).exists());
            if !ours && fs::read_dir(&self.directory)?.next().is_some() {
                let text = "the directory holds other files; give the index one of its own";
                return Err(TantivyError::InvalidArgument(text.to_owned()));
            }
            fs::remove_dir_all(&self.directory)?;
        }
        fs::create_dir_all(&self.directory)?;
        let settings = IndexSettings {
            sort_by_field: Some(IndexSortByField {
                field: RECORD.to_owned(),
                order: Order::Asc,
            }),
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            ..IndexSettings::default()
        };
        let directory = MmapDirectory::open(&self.directory).map_err(TantivyError::from)?;
        let index = tantivy::Index::create(directory, schema, settings)?;
        fs::write(self.directory.join(CUSTOM), &self.custom)?;
        fs::write(self.directory.join(ANALYZERS), &self.analyzers)?;
        fs::write(self.directory.join(FINGERPRINT), &self.mark)?;
        Ok(index)
    }
}
