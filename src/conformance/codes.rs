//! The codes that R4's required bindings allow, made ready for the judge: one look-up a code.

use std::sync::{Arc, OnceLock};

use fhir::document::Node;
use fhirpath::model::Model;
use rustc_hash::FxHashMap;

use crate::definitions::Definitions;
use crate::terminology::Terminology;

/// Stands for an element without a required binding.
const NONE: u16 = u16::MAX;
/// Codings of one element looked at, at most.
const CODINGS_MAX: usize = 100;

/// The required bindings of R4. The codes of each are listed when it is first met; those that terminology cannot list,
/// such as the languages, allow every code here.
pub struct RequiredCodes {
    terminology: Arc<dyn Terminology>,
    /// By an element's place, which of the sets binds it.
    by_element: Vec<u16>,
    sets: Vec<Set>,
}

/// By code, the systems it is of.
type Codes = FxHashMap<Box<str>, Vec<Box<str>>>;

struct Set {
    address: &'static str,
    /// `None` where every code is allowed.
    codes: OnceLock<Option<Codes>>,
}

impl RequiredCodes {
    /// The bindings, as the definitions have them and terminology answers them.
    ///
    /// # Panics
    /// On a row that does not fit: the table is part of the program.
    pub fn new(definitions: &Definitions, terminology: Arc<dyn Terminology>) -> RequiredCodes {
        let mut codes = RequiredCodes {
            terminology,
            by_element: vec![NONE; definitions.element_count()],
            sets: Vec::new(),
        };
        let mut known: FxHashMap<&str, u16> = FxHashMap::default();
        for row in include_str!("../../schema/fhir/bindings.tsv").lines() {
            let columns: Vec<&'static str> = row.split('\t').collect();
            let [path, "required", address, _] = columns[..] else {
                continue;
            };
            let place = path.rsplit_once('.').and_then(|(parent, name)| {
                let (place, _) = definitions.own_element(definitions.type_id(parent)?, name)?;
                Some(place)
            });
            let place = place.unwrap_or_else(|| panic!("no such element: {row}"));
            let next = known.len() as u16;
            let set = *known.entry(address).or_insert(next);
            if set == next {
                codes.sets.push(Set {
                    address,
                    codes: OnceLock::new(),
                });
            }
            codes.by_element[place as usize] = set;
        }
        codes
    }

    /// The value set that binds an element, by its place.
    pub(crate) fn of(&self, element: u32) -> Option<Bound<'_>> {
        let set = self.by_element[element as usize];
        (set != NONE).then(|| Bound {
            codes: self,
            set: &self.sets[set as usize],
        })
    }
}

/// A value set that binds an element.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'c> {
    codes: &'c RequiredCodes,
    set: &'c Set,
}

impl Bound<'_> {
    /// The value set's address.
    pub(crate) fn address(&self) -> &'static str {
        self.set.address
    }

    /// Whether the set has a code; without a system, of any.
    pub(crate) fn allows(&self, system: Option<&str>, code: &str) -> bool {
        let Some(codes) = self.set.codes.get_or_init(|| self.list()) else {
            return true;
        };
        let systems = codes.get(code);
        systems.is_some_and(|systems| system.is_none_or(|system| systems.iter().any(|own| **own == *system)))
    }

    fn list(&self) -> Option<Codes> {
        let members = self.codes.terminology.members(self.set.address).ok()?;
        if !members.systems.is_empty() {
            return None;
        }
        let mut codes = Codes::default();
        for (system, code) in members.codes {
            codes.entry(code).or_default().push(system);
        }
        Some(codes)
    }

    /// Whether a Coding, or one of the codings of a CodeableConcept, is allowed.
    pub(crate) fn allows_one(&self, value: Node<'_>) -> bool {
        let is_allowed = |coding: Node<'_>| {
            let system = coding.string("system").unwrap_or_default();
            coding
                .string("code")
                .is_some_and(|code| self.allows(Some(&system), &code))
        };
        match value.get("coding") {
            Some(codings) => codings.each().take(CODINGS_MAX).any(is_allowed),
            None => is_allowed(value),
        }
    }
}

impl std::fmt::Debug for RequiredCodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RequiredCodes({} sets)", self.sets.len())
    }
}
