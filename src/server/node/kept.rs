//! The register is kept in the store's notes, beside the records.

use std::sync::Arc;

use interaction::Generations;
use store::{Note, Unit};

use super::register::Notes;

/// Notes read at once: more than there can be nodes and invitations.
const NOTES_MAX: usize = 1 << 20;

/// The notes of the store.
pub struct Kept(pub Arc<Generations>);

impl Notes for Kept {
    fn all(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let notes = self.0.now().store.notes(prefix, NOTES_MAX);
        notes.map_err(|trouble| trouble.to_string())
    }

    fn put(&self, notes: Vec<(String, Option<Vec<u8>>)>) -> Result<(), String> {
        let notes = notes.into_iter().map(|(key, value)| Note { key, value }).collect();
        let done = self.0.now().store.submit(Unit {
            notes,
            ..Unit::default()
        });
        done.map(drop)
            .map_err(|refused| format!("it cannot be written: {refused:?}"))
    }
}
