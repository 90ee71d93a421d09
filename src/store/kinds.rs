//! The kinds a log knows, by name and by number.

use fhir::identity::Kind;
use rustc_hash::FxHashMap;

/// Kinds numbered from 1 in the order they came.
#[derive(Clone, Default)]
pub(crate) struct Kinds {
    names: Vec<Kind>,
    numbers: FxHashMap<Kind, i16>,
}

impl Kinds {
    /// The kind with this number.
    pub fn name(&self, number: i16) -> Option<&Kind> {
        self.names.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The number of a kind.
    pub fn number(&self, kind: &Kind) -> Option<i16> {
        self.numbers.get(kind).copied()
    }

    /// Adds a kind and gives its number; `None` where there are too many.
    pub fn add(&mut self, kind: &Kind) -> Option<i16> {
        let number = i16::try_from(self.names.len() + 1).ok()?;
        self.names.push(kind.clone());
        self.numbers.insert(kind.clone(), number);
        Some(number)
    }

    /// All of them, in order.
    pub fn all(&self) -> &[Kind] {
        &self.names
    }
}
