//! What rooms ask of codes: which belong to a value set, and which lie above and below another.
//!
//! [`Terminology`] is the question; the room `terminology` answers it. What belongs to a system that is not loaded is
//! never guessed: the answer says what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use fhir::document::Document;

/// A set of at most this many codes is listed.
pub const CODES_MAX: usize = 20_000;

/// Answers what codes belong together. An answer always includes the code asked about.
pub trait Terminology: Send + Sync {
    /// The codes of a value set, by its canonical address with or without `|version`.
    ///
    /// # Errors
    /// [`Unanswered`], which names the value set.
    fn members(&self, value_set: &str) -> Result<Codes, Unanswered>;

    /// Whether a code belongs to a value set. Without a system, as the code of a `code` element stands, any system of the
    /// set may have it.
    ///
    /// # Errors
    /// [`Unanswered`], which names the value set.
    fn validate(&self, value_set: &str, system: Option<&str>, code: &str) -> Result<bool, Unanswered> {
        let members = self.members(value_set)?;
        match system {
            Some(system) => Ok(members.has(system, code)),
            None => Ok(members.codes.iter().any(|(_, member)| **member == *code)),
        }
    }

    /// A code with all codes it subsumes.
    ///
    /// # Errors
    /// [`Unanswered`], which names the system.
    fn below(&self, system: &str, code: &str) -> Result<Codes, Unanswered>;

    /// A code with all codes that subsume it.
    ///
    /// # Errors
    /// [`Unanswered`], which names the system.
    fn above(&self, system: &str, code: &str) -> Result<Codes, Unanswered>;

    /// Every name of a code in its system: its display and its designations, in whatever language.
    ///
    /// # Errors
    /// [`Unanswered::Unknown`] where the system is here and has no such code.
    fn names(&self, system: &str, code: &str) -> Result<Vec<String>, Unanswered> {
        let text = format!("The names of {code} are not known, since the code system {system} is not loaded");
        Err(Unanswered::NotLoaded(text))
    }

    /// All codes of systems at hand of which a name ([`names`](Terminology::names)) begins with a text, both folded as the
    /// texts of a search are. By default none are known by their names.
    ///
    /// # Errors
    /// [`Unanswered::TooCostly`] beyond [`CODES_MAX`]; [`Unanswered::NotLoaded`] where the names cannot be read.
    fn starting(&self, _start: &str) -> Result<Codes, Unanswered> {
        Ok(Codes::default())
    }

    /// The CodeSystem that defines a system by its canonical address, where it is at hand as a resource.
    fn system(&self, _url: &str) -> Option<Arc<Document>> {
        None
    }
}

/// A set of codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// Systems of which every code belongs to the set; only such as are not listed code by code.
    pub systems: BTreeSet<Box<str>>,
    /// System and code of the others.
    pub codes: BTreeSet<(Box<str>, Box<str>)>,
}

impl Codes {
    /// Whether a code belongs to the set, case counting.
    pub fn has(&self, system: &str, code: &str) -> bool {
        self.systems.contains(system) || self.codes.contains(&(Box::from(system), Box::from(code)))
    }
}

/// Why a question of terminology has no answer. Each holds a sentence that names what was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no such value set or code.
    Unknown(String),
    /// The answer needs a system that is not loaded, or a filter that is not understood.
    NotLoaded(String),
    /// More than [`CODES_MAX`] codes.
    TooCostly(String),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Unanswered::Unknown(text) | Unanswered::NotLoaded(text) | Unanswered::TooCostly(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Unanswered {}
