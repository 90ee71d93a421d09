//! The compiled profiles by address: those of the standard and the nation, and those that are records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use conformance::Definitions;
use fhir::document::{Document, Node};
use fhir::parse::Limits;
use fhirpath::model::{Model, TypeId};
use rustc_hash::FxHashMap;

use crate::compile::{compile, has_snapshot};
use crate::library::{Library, version_fits};
use crate::rules::Rules;
use crate::shape::{Profile, Shape};

/// Where HL7's own definitions have their addresses.
pub(crate) const STANDARD: &str = "http://hl7.org/fhir/StructureDefinition/";
/// How many profiles may stand on each other.
const BASES_MAX: usize = 24;
/// Compiled profiles kept.
const KEPT_MAX: usize = 2_000;

/// What an address stands for.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    /// A type of R4.
    Type(TypeId),
    /// A profile.
    Profile(Arc<Profile>),
    /// Nothing that is known here.
    Nothing,
}

/// All that was compiled.
#[derive(Default)]
pub(crate) struct Profiles {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    generation: u64,
    by_address: HashMap<String, Known>,
}

/// The definitions that are part of the program: HL7's extensions and profiles of R4, the profiles of its guides IPS and
/// IPA, and the national ones.
pub fn built_in() -> &'static BuiltIn {
    static READ: OnceLock<BuiltIn> = OnceLock::new();
    READ.get_or_init(BuiltIn::read)
}

/// See [`built_in`].
pub struct BuiltIn {
    /// The text, and whether it is a national definition.
    by_url: FxHashMap<String, (&'static str, bool)>,
}

impl BuiltIn {
    fn read() -> BuiltIn {
        let standard = include_str!("../../schema/fhir/structures.ndjson").lines();
        let guides = include_str!("../../schema/fhir/guides.ndjson").lines();
        let national = crate::national::DEFINITIONS.iter().map(|text| (*text, true));
        let url = |(text, national): (&'static str, bool)| {
            let (_, after) = text.split_once("\"url\"")?;
            let (_, after) = after.split_once('"')?;
            Some((after.split_once('"')?.0.to_owned(), (text, national)))
        };
        BuiltIn {
            by_url: standard
                .chain(guides)
                .map(|text| (text, false))
                .chain(national)
                .filter_map(url)
                .collect(),
        }
    }

    /// The definition with an address, `url` or `url|version`, parsed.
    pub fn find(&self, kind: &str, address: &str) -> Option<Arc<Document>> {
        let (url, version) = address
            .split_once('|')
            .map_or((address, None), |(url, v)| (url, Some(v)));
        let document = Document::parse(self.by_url.get(url)?.0.as_bytes(), Limits::default()).ok()?;
        let fits = {
            let root = document.root();
            let own = root.string("version");
            let right = own.is_none_or(|own| version_fits(version, &own).is_some());
            right && root.string("resourceType").is_some_and(|own| own == kind)
        };
        fits.then(|| Arc::new(document))
    }

    /// The texts of all, in no order, each with whether it is a national definition: StructureDefinitions, and the national
    /// value sets and code systems.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.by_url.values().copied()
    }

    /// The addresses of all, in no order.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.by_url.keys().map(String::as_str)
    }
}

impl Profiles {
    /// What an address stands for, `url` or `url|version`.
    pub(crate) fn get(&self, definitions: &Definitions, rules: &Rules, library: &dyn Library, address: &str) -> Known {
        let generation = library.generation();
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.generation != generation || kept.by_address.len() > KEPT_MAX {
                kept.by_address.clear();
                kept.generation = generation;
            }
            if let Some(known) = kept.by_address.get(address) {
                return known.clone();
            }
        }
        // Compiled outside the lock: two at the same moment may do the same work.
        let known = Finder {
            definitions,
            rules,
            library,
        }
        .find(address);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.generation == generation {
            kept.by_address.insert(address.to_owned(), known.clone());
        }
        known
    }
}

struct Finder<'f> {
    definitions: &'f Definitions,
    rules: &'f Rules,
    library: &'f dyn Library,
}

impl Finder<'_> {
    fn find(&self, address: &str) -> Known {
        if let Some(kind) = self.standard_type(address) {
            return Known::Type(kind);
        }
        let Some(document) = self.document(address) else {
            return Known::Nothing;
        };
        let root = document.root();
        let kind = root
            .string("type")
            .and_then(|name| self.definitions.type_id(last(&name)));
        let Some(kind) = kind else {
            return Known::Nothing;
        };
        Known::Profile(Arc::new(self.compiled(&document, kind, BASES_MAX)))
    }

    /// The type of R4 that one of HL7's addresses names.
    fn standard_type(&self, address: &str) -> Option<TypeId> {
        let name = address.strip_prefix(STANDARD)?;
        let name = name.split('|').next().unwrap_or(name);
        self.definitions.type_id(name).filter(|_| !name.contains('.'))
    }

    fn document(&self, address: &str) -> Option<Arc<Document>> {
        let found = self.library.definition("StructureDefinition", address);
        found.or_else(|| built_in().find("StructureDefinition", address))
    }

    fn compiled(&self, document: &Arc<Document>, kind: TypeId, left: usize) -> Profile {
        let root = document.root();
        let (mut base, mut faults) = (Vec::new(), Vec::new());
        if !has_snapshot(root) {
            match self.base(root, kind, left) {
                Ok(shapes) => base = shapes,
                Err(why) => faults.push(why),
            }
        }
        let mut profile = compile(self.definitions, self.rules, document, kind, base);
        profile.faults.extend(faults);
        profile
    }

    /// The shapes of what a definition is based on; empty where that is a type.
    fn base(&self, root: Node<'_>, kind: TypeId, left: usize) -> Result<Vec<Shape>, String> {
        let Some(address) = root.string("baseDefinition") else {
            return Ok(Vec::new());
        };
        if self.standard_type(&address).is_some() {
            return Ok(Vec::new());
        }
        if left == 0 {
            return Err(format!("more than {BASES_MAX} profiles stand on each other"));
        }
        let Some(document) = self.document(&address) else {
            return Err(format!("its base {address} is not known here"));
        };
        let profile = self.compiled(&document, kind, left - 1);
        match profile.faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(profile.shapes),
        }
    }
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
