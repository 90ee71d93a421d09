//! What a version of a Patient says to the register of persons: her particulars, what is noted of her, who replaces her.

use fhir::document::{Document, Node};
use fhir::identity::{Id, Reference};
use fhir::parse::Limits;
use person::Person;
use store::Version;
use text::Spellings;

use crate::card;
use crate::engine::spliced;

/// The kind of record whose particulars are kept.
pub(crate) const PATIENT: &str = "Patient";

/// What a version of a Patient says.
pub(crate) struct Told {
    /// Her particulars.
    pub(crate) person: Person,
    /// A [`Note`], written.
    pub(crate) note: Vec<u8>,
    /// The record that replaces this one.
    pub(crate) replaced_by: Option<Id>,
}

/// What the register keeps of a record for whoever shows it.
pub(crate) struct Note<'a> {
    /// The place of its version in the log.
    pub(crate) place: u64,
    /// What is shown of her, packed.
    pub(crate) card: &'a [u8],
}

impl Note<'_> {
    /// Bytes of the place: a log of a million million versions.
    const PLACE: usize = 5;

    fn write(&self) -> Vec<u8> {
        let mut note = Vec::with_capacity(Note::PLACE + self.card.len());
        note.extend_from_slice(&self.place.to_le_bytes()[..Note::PLACE]);
        note.extend_from_slice(self.card);
        note
    }

    pub(crate) fn read(note: &[u8]) -> Note<'_> {
        let (place, card) = note.split_at(Note::PLACE.min(note.len()));
        let place = place.iter().rev().fold(0, |place, byte| place << 8 | u64::from(*byte));
        Note { place, card }
    }
}

/// What a version of a Patient says; `None` for a deletion.
pub(crate) fn told_by(version: &Version, names: &Spellings) -> Option<Told> {
    if !version.operation.is_live() {
        return None;
    }
    let document = Document::parse(&spliced(version), Limits::default()).ok()?;
    let patient = document.root();
    let note = Note {
        place: version.seq,
        card: &card::packed(patient),
    };
    Some(Told {
        person: Person::read(patient, names),
        note: note.write(),
        replaced_by: replaced_by(patient),
    })
}

/// The record that a patient's link names as replacing hers.
fn replaced_by(patient: Node<'_>) -> Option<Id> {
    let links = patient.get("link").into_iter().flat_map(|links| links.each());
    let mut others = links
        .filter(|link| link.string("type").is_some_and(|kind| kind == "replaced-by"))
        .filter_map(|link| link.get("other")?.string("reference"));
    others.find_map(|reference| match Reference::parse(&reference) {
        Reference::Literal { kind: PATIENT, id, .. } => Id::new(id),
        _ => None,
    })
}
