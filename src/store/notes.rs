//! What is noted down beside the records: written with a unit, read by key.

use diesel::prelude::*;
use diesel::{OptionalExtension, QueryResult, delete, insert_into};

use crate::connection::{Db, both};
use crate::shared::Shared;
use crate::tables::note;
use crate::trouble::{Refused, Trouble};
use crate::unit::Note;

/// Bytes in a key at most.
const KEY_MAX: usize = 256;
/// Bytes in a value at most.
const VALUE_MAX: usize = 1 << 20;

impl Note {
    /// Something to remember.
    pub fn new(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Note {
        Note {
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// Something to forget.
    pub fn without(key: impl Into<String>) -> Note {
        Note {
            key: key.into(),
            value: None,
        }
    }

    /// Whether it can be kept.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let fits = !self.key.is_empty() && self.key.len() <= KEY_MAX && !self.key.contains('\0');
        if fits && self.value.as_ref().is_none_or(|value| value.len() <= VALUE_MAX) {
            return Ok(());
        }
        Err(Refused::Trouble(Trouble::new(format!(
            "The note {} cannot be kept: a key has at most {KEY_MAX} bytes and no NUL, a value at most {VALUE_MAX} bytes.",
            self.key.chars().take(100).collect::<String>()
        ))))
    }
}

impl Shared {
    pub(crate) fn note(&self, key: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let query = || note::table.filter(note::key.eq(key)).select(note::value);
        self.readers.read(|db| both!(db, c => query().get_result(c).optional()))
    }

    pub(crate) fn notes(&self, prefix: &str, limit: usize) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = || {
            note::table
                .filter(note::key.ge(prefix))
                .order(note::key.asc())
                .limit(limit)
        };
        let mut notes: Vec<(String, Vec<u8>)> = self.readers.read(|db| both!(db, c => query().load(c)))?;
        // The keys that begin alike stand together.
        notes.retain(|(key, _)| key.starts_with(prefix));
        Ok(notes)
    }
}

/// Writes notes in their order.
pub(crate) fn write_notes(db: &mut Db, notes: &[Note]) -> QueryResult<()> {
    for one in notes {
        both!(db, c => delete(note::table.filter(note::key.eq(&one.key))).execute(c))?;
        if let Some(value) = &one.value {
            let row = (note::key.eq(&one.key), note::value.eq(value));
            both!(db, c => insert_into(note::table).values(row).execute(c))?;
        }
    }
    Ok(())
}
