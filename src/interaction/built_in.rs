//! The definitions that are part of the program, as records: R4's, the national ones, those of this server's own operations.
//!
//! They are read and found like records, but lie under the log: nobody wrote them, and no copy of the log has them. What
//! was trimmed to be carried is tagged `SUBSETTED` (<https://hl7.org/fhir/R4/resource.html#tag-subsetted>). See decision 17.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use conformance::{Definitions, PUBLISHED};
use fhir::document::Document;
use fhir::identity::{Id, Kind, VersionId};
use fhir::moment;
use fhir::parse::Limits;
use fhir::tree::Tree;
use search_index::{Ground, UNDER};
use terminology::Packed;

use crate::cache::Cached;
use crate::element_ids;
use crate::operation_definition;

/// Where a definition comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The pack of R4's terminology and operations.
    Packed(Packed),
    /// A profile or an extension of R4.
    Standard(&'static str),
    /// A national definition, whole.
    National(&'static str),
    /// A type of R4.
    Type(&'static str),
    /// A search parameter, by its place.
    Parameter(usize),
    /// A compartment, by its place.
    Compartment(usize),
    /// An operation that R4 does not define, by its place.
    Operation(usize),
}

/// All of them, by kind and id.
struct Shelf {
    kinds: BTreeMap<Kind, BTreeMap<Id, Source>>,
}

/// Whether there is a definition of that name.
pub(crate) fn has(kind: &Kind, id: &Id) -> bool {
    Shelf::shared().source(kind, id).is_some()
}

/// The definition of that name, as reading it answers it.
pub(crate) fn record(kind: &Kind, id: &Id) -> Option<Cached> {
    let source = Shelf::shared().source(kind, id)?;
    let mut definition = source.definition()?;
    element_ids::complete(&mut definition);
    let updated = updated(&definition);
    // A definition that changes with the program is another version, and callers who kept the former hear of it.
    let mark = query::hash(&[&definition.to_bytes()]);
    let version = VersionId {
        node: 0,
        counter: mark & u64::from(u32::MAX),
    };
    let json = labelled(definition, version, updated, source.is_trimmed()).to_bytes();
    Some(Cached {
        seq: UNDER,
        version,
        updated,
        json: json.into(),
    })
}

/// The StructureDefinition of an address, `url` or `url|version`.
pub(crate) fn structure(address: &str) -> Option<Tree> {
    let r4 = Definitions::r4();
    let (url, _) = terminology::version::split(address);
    let named = r4.structures().find(|name| r4.address(name) == url);
    if let Some(name) = named {
        return r4.structure(name);
    }
    let found = validation::profiles::built_in().find("StructureDefinition", address)?;
    Some(Tree::from_node(found.root()))
}

/// The addresses of the national profiles of a kind, sorted.
pub(crate) fn national_profiles(kind: &str) -> &'static [String] {
    static PROFILES: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    let read = || {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for source in Shelf::shared().kinds.values().flat_map(BTreeMap::values) {
            let Some(definition) = source.definition().filter(|_| matches!(source, Source::National(_))) else {
                continue;
            };
            let text = |name: &str| definition.get(name).and_then(Tree::as_str).map(str::to_owned);
            if let (Some(kind), Some(url)) = (text("type"), text("url")) {
                found.entry(kind).or_default().push(url);
            }
        }
        found.values_mut().for_each(|urls| urls.sort());
        found
    };
    PROFILES.get_or_init(read).get(kind).map_or(&[], Vec::as_slice)
}

impl Shelf {
    fn shared() -> &'static Shelf {
        static SHARED: OnceLock<Shelf> = OnceLock::new();
        SHARED.get_or_init(Shelf::read)
    }

    fn read() -> Shelf {
        let mut shelf = Shelf { kinds: BTreeMap::new() };
        let r4 = Definitions::r4();
        for name in r4.structures() {
            shelf.put("StructureDefinition", name, Source::Type(name));
        }
        for (at, parameter) in r4.search_parameters().iter().enumerate() {
            shelf.put("SearchParameter", parameter.id(), Source::Parameter(at));
        }
        for (at, compartment) in r4.compartments().iter().enumerate() {
            let id = compartment.code.to_ascii_lowercase();
            shelf.put("CompartmentDefinition", &id, Source::Compartment(at));
        }
        for packed in terminology::packed() {
            shelf.put(packed.kind, packed.id, Source::Packed(packed));
        }
        for (text, national) in validation::profiles::built_in().texts() {
            let source = if national { Source::National } else { Source::Standard };
            if let (Some(kind), Some(id)) = (first_text(text, "resourceType"), first_text(text, "id")) {
                shelf.put(kind, id, source(text));
            }
        }
        for (at, operation) in operation_definition::of_no_standard() {
            shelf.put("OperationDefinition", operation.name, Source::Operation(at));
        }
        shelf
    }

    fn put(&mut self, kind: &str, id: &str, source: Source) {
        if let (Some(kind), Some(id)) = (Kind::new(kind), Id::new(id)) {
            self.kinds.entry(kind).or_default().insert(id, source);
        }
    }

    fn source(&self, kind: &Kind, id: &Id) -> Option<Source> {
        self.kinds.get(kind)?.get(id).copied()
    }
}

/// The value of the first member of that name: of definitions whose texts are part of the program.
fn first_text(text: &'static str, name: &str) -> Option<&'static str> {
    let (_, after) = text.split_once(&format!("\"{name}\""))?;
    after.split('"').nth(1)
}

impl Source {
    /// The definition, without what a server says of a record.
    fn definition(self) -> Option<Tree> {
        let r4 = Definitions::r4();
        match self {
            Source::Packed(packed) => Some(Tree::from_node(packed.document()?.root())),
            Source::Standard(text) | Source::National(text) => Tree::parse(text.as_bytes()).ok(),
            Source::Type(name) => r4.structure(name),
            Source::Parameter(at) => r4.search_parameters().get(at).map(|one| one.resource()),
            Source::Compartment(at) => r4.compartments().get(at).map(|one| r4.compartment_resource(one)),
            Source::Operation(at) => operation_definition::written(at),
        }
    }

    /// Whether HL7's own has more.
    fn is_trimmed(self) -> bool {
        !matches!(self, Source::National(_) | Source::Operation(_))
    }
}

/// When a definition was last changed: its own date, or that of R4.
fn updated(definition: &Tree) -> i64 {
    let own = definition.get("date").and_then(Tree::as_str);
    let read = |text: &str| moment::stretch(text, 0).map(|stretch| stretch.start);
    own.and_then(read).or_else(|| read(PUBLISHED)).unwrap_or_default()
}

/// The definition with its `meta`, right after its id.
fn labelled(definition: Tree, version: VersionId, updated: i64, trimmed: bool) -> Tree {
    let mut meta = Tree::object([
        ("versionId", Tree::string(version.to_string())),
        ("lastUpdated", Tree::string(moment::instant(updated))),
    ]);
    if trimmed {
        let tag = Tree::object([
            (
                "system",
                Tree::string("http://terminology.hl7.org/CodeSystem/v3-ObservationValue"),
            ),
            ("code", Tree::string("SUBSETTED")),
        ]);
        meta.set("tag", Tree::Array(vec![tag]));
    }
    let Tree::Object(members) = definition else {
        return definition;
    };
    let (mut front, rest): (Vec<_>, Vec<_>) = members
        .into_iter()
        .partition(|(name, _)| name == "resourceType" || name == "id");
    front.push(("meta".to_owned(), meta));
    front.extend(rest);
    Tree::Object(front)
}

/// What searches find under the log.
pub(crate) struct UnderTheLog;

impl Ground for UnderTheLog {
    fn kinds(&self) -> Vec<Kind> {
        Shelf::shared().kinds.keys().cloned().collect()
    }

    fn has(&self, kind: &Kind, id: &Id) -> bool {
        has(kind, id)
    }

    fn ids(&self, kind: &Kind) -> Vec<Id> {
        let of_kind = Shelf::shared().kinds.get(kind);
        of_kind.into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    fn record(&self, kind: &Kind, id: &Id) -> Option<(Document, i64)> {
        let record = record(kind, id)?;
        let document = Document::parse(&record.json, Limits::default()).ok()?;
        Some((document, record.updated))
    }
}
