//! What FHIR R4 itself defines of codes and of operations on them: read one by one when asked.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use fhir::document::Document;
use rustc_hash::FxHashMap;

use crate::library::has_content;
use crate::recorded::facts;

/// One resource after another, each packed by itself.
static RECORDS: &[u8] = include_bytes!("../../schema/fhir/terminology.ndjson.gz");
/// Where each lies: `kind  url  version  id  offset  length`.
static INDEX: &str = include_str!("../../schema/fhir/terminology.tsv");
/// No resource of the standard is larger.
const BYTES_MAX: u64 = 8 << 20;

/// One resource of the standard, packed.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    /// Its kind: CodeSystem, ConceptMap, OperationDefinition or ValueSet.
    pub kind: &'static str,
    /// Its id.
    pub id: &'static str,
    /// Its canonical address.
    pub url: &'static str,
    place: (usize, usize),
}

impl Packed {
    /// The resource; `None` only where the pack is damaged.
    pub fn document(&self) -> Option<Arc<Document>> {
        BuiltIn::document(self.place)
    }
}

/// All resources of the standard that are packed.
pub fn packed() -> impl Iterator<Item = Packed> {
    INDEX.lines().filter_map(|row| {
        let columns: Vec<&'static str> = row.split('\t').collect();
        let &[kind, url, _, id, offset, length] = columns.as_slice() else {
            return None;
        };
        let place = (offset.parse().ok()?, length.parse().ok()?);
        Some(Packed { kind, id, url, place })
    })
}

/// What the standard defines.
#[derive(Debug)]
pub(crate) struct BuiltIn {
    places: FxHashMap<(&'static str, &'static str), Vec<(usize, usize)>>,
}

impl BuiltIn {
    /// The shared one.
    pub(crate) fn shared() -> &'static BuiltIn {
        static SHARED: OnceLock<BuiltIn> = OnceLock::new();
        SHARED.get_or_init(BuiltIn::read)
    }

    fn read() -> BuiltIn {
        let mut places: FxHashMap<_, Vec<_>> = FxHashMap::default();
        for Packed { kind, url, place, .. } in packed() {
            places.entry((kind, url)).or_default().push(place);
        }
        BuiltIn { places }
    }

    fn document((offset, length): (usize, usize)) -> Option<Arc<Document>> {
        let packed = RECORDS.get(offset..offset + length)?;
        let mut text = Vec::new();
        let unpacked = flate2::read::GzDecoder::new(packed)
            .take(BYTES_MAX)
            .read_to_end(&mut text);
        unpacked.ok()?;
        Document::parse(&text, fhir::parse::Limits::default())
            .ok()
            .map(Arc::new)
    }

    /// The resources of an address.
    pub(crate) fn find(&self, kind: &str, url: &str) -> Vec<Arc<Document>> {
        let places = self.places.get(&(kind, url)).into_iter().flatten();
        places.filter_map(|place| BuiltIn::document(*place)).collect()
    }

    /// All resources of a kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<Arc<Document>> {
        let places = self.places.iter().filter(|((known, _), _)| *known == kind);
        let mut places: Vec<(usize, usize)> = places.flat_map(|(_, places)| places).copied().collect();
        places.sort_unstable();
        places.into_iter().filter_map(BuiltIn::document).collect()
    }

    /// The systems whose codes are here, with their versions; every CodeSystem is read for it, once.
    pub(crate) fn systems(&self) -> &'static BTreeMap<String, BTreeSet<String>> {
        static SYSTEMS: OnceLock<BTreeMap<String, BTreeSet<String>>> = OnceLock::new();
        SYSTEMS.get_or_init(|| {
            let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for document in self.all("CodeSystem") {
                let facts = facts(document.root());
                if has_content(document.root()) {
                    all.entry(facts.url).or_default().extend(facts.version);
                }
            }
            all
        })
    }

    /// Address and version of all resources of a kind.
    #[cfg(test)]
    pub(crate) fn versions<'b>(&self, kind: &'b str) -> impl Iterator<Item = (&'static str, &'static str)> + use<'b> {
        INDEX.lines().filter_map(move |row| {
            let mut columns = row.split('\t');
            (columns.next()? == kind).then_some((columns.next()?, columns.next()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_index_leads_to_its_resource() {
        let built_in = BuiltIn::shared();
        let mut seen = 0;
        for ((kind, url), places) in &built_in.places {
            for place in places {
                let document = BuiltIn::document(*place).unwrap_or_else(|| panic!("{kind} {url}"));
                let root = document.root();
                assert_eq!(root.string("resourceType").as_deref(), Some(*kind));
                assert_eq!(root.string("url").as_deref(), Some(*url));
                seen += 1;
            }
        }
        assert!(seen > 2_300, "{seen}");
    }
}
