//! The kinds a query is over.

use fhir::identity::Kind;
use rustc_hash::FxHashSet;

/// So few kinds are compared one by one.
const FEW: usize = 4;

/// The kinds a query is over; every kind where none is named.
pub(crate) struct Among<'a> {
    kinds: &'a [Kind],
    names: FxHashSet<&'a str>,
}

impl<'a> Among<'a> {
    /// These kinds, or every kind where there are none.
    pub(crate) fn new(kinds: &'a [Kind]) -> Among<'a> {
        let names = if kinds.len() > FEW {
            kinds.iter().map(Kind::as_str).collect()
        } else {
            FxHashSet::default()
        };
        Among { kinds, names }
    }

    /// Whether the kind is among them.
    pub(crate) fn has(&self, kind: &Kind) -> bool {
        match self.kinds.len() {
            0 => true,
            few if few <= FEW => self.kinds.contains(kind),
            _ => self.names.contains(kind.as_str()),
        }
    }

    /// The kinds named.
    pub(crate) fn named(&self) -> &'a [Kind] {
        self.kinds
    }
}
