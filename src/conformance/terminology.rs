//! What codes mean to a search: which belong to a value set, and which lie above and below another.
//!
//! [`Terminology`] is the question, [`R4`] the answer from the code systems that the standard itself defines
//! (<https://hl7.org/fhir/R4/terminologies-systems.html>). What belongs to a system that is not loaded is never guessed:
//! the answer says what is missing.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use crate::code_systems::CodeSystems;
use crate::value_sets::ValueSets;

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
    /// Some codes of one system.
    pub(crate) fn of<'c>(system: &str, codes: impl IntoIterator<Item = &'c str>) -> Codes {
        let pairs = codes.into_iter().map(|code| (system.into(), code.into()));
        Codes {
            systems: BTreeSet::new(),
            codes: pairs.collect(),
        }
    }

    /// A whole system.
    pub(crate) fn whole(system: &str) -> Codes {
        Codes {
            systems: BTreeSet::from([system.into()]),
            codes: BTreeSet::new(),
        }
    }

    /// Whether a code belongs to the set, case counting.
    pub fn has(&self, system: &str, code: &str) -> bool {
        self.systems.contains(system) || self.codes.contains(&(Box::from(system), Box::from(code)))
    }

    pub(crate) fn unite(&mut self, other: Codes) {
        self.systems.extend(other.systems);
        self.codes.extend(other.codes);
        self.codes.retain(|(system, _)| !self.systems.contains(system));
    }

    pub(crate) fn intersect(self, other: &Codes) -> Codes {
        let mut both = Codes {
            systems: self.systems.intersection(&other.systems).cloned().collect(),
            codes: self.codes.iter().filter(|(s, c)| other.has(s, c)).cloned().collect(),
        };
        let in_whole = other.codes.iter().filter(|(system, _)| self.systems.contains(system));
        both.codes.extend(in_whole.cloned());
        both
    }

    /// Takes codes out; the system that would have to be listed for it, where there is one.
    pub(crate) fn remove(&mut self, other: &Codes) -> Result<(), Box<str>> {
        self.systems.retain(|system| !other.systems.contains(system));
        self.codes.retain(|(s, c)| !other.has(s, c));
        let unlisted = other.codes.iter().find(|(system, _)| self.systems.contains(system));
        unlisted.map_or(Ok(()), |(system, _)| Err(system.clone()))
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

/// The code systems and value sets that FHIR R4 defines. Their tables are read when first asked.
#[derive(Debug)]
pub struct R4 {
    pub(crate) systems: CodeSystems,
    pub(crate) sets: ValueSets,
}

impl R4 {
    /// The shared one.
    pub fn shared() -> Arc<R4> {
        static SHARED: OnceLock<Arc<R4>> = OnceLock::new();
        let read = || {
            Arc::new(R4 {
                systems: CodeSystems::read(include_str!("../../schema/fhir/code-systems.tsv")),
                sets: ValueSets::read(include_str!("../../schema/fhir/value-sets.tsv")),
            })
        };
        Arc::clone(SHARED.get_or_init(read))
    }
}

/// [`R4`], read when first asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct LazyR4;

impl Terminology for LazyR4 {
    fn members(&self, value_set: &str) -> Result<Codes, Unanswered> {
        R4::shared().members(value_set)
    }

    fn validate(&self, value_set: &str, system: Option<&str>, code: &str) -> Result<bool, Unanswered> {
        R4::shared().validate(value_set, system, code)
    }

    fn below(&self, system: &str, code: &str) -> Result<Codes, Unanswered> {
        R4::shared().below(system, code)
    }

    fn above(&self, system: &str, code: &str) -> Result<Codes, Unanswered> {
        R4::shared().above(system, code)
    }
}

impl Terminology for R4 {
    fn members(&self, value_set: &str) -> Result<Codes, Unanswered> {
        self.sets.members(&self.systems, value_set, CODES_MAX)
    }

    fn validate(&self, value_set: &str, system: Option<&str>, code: &str) -> Result<bool, Unanswered> {
        self.sets.validate(&self.systems, value_set, system, code)
    }

    fn below(&self, system: &str, code: &str) -> Result<Codes, Unanswered> {
        let (known, place) = self.systems.find(system, code)?;
        Ok(known.codes_at(&known.below(place)))
    }

    fn above(&self, system: &str, code: &str) -> Result<Codes, Unanswered> {
        let (known, place) = self.systems.find(system, code)?;
        Ok(known.codes_at(&known.above(place)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

    fn set(name: &str) -> Result<Codes, Unanswered> {
        R4::shared().members(&format!("http://hl7.org/fhir/ValueSet/{name}"))
    }

    #[test]
    fn value_sets_have_their_codes() {
        let gender = "http://hl7.org/fhir/administrative-gender";
        // set, how many codes, whole systems, one that is in, one that is not
        let table = [
            ("administrative-gender", 4, 0, (gender, "male"), (gender, "Male")),
            ("administrative-gender|4.0.1", 4, 0, (gender, "other"), ("", "male")),
            ("account-type", 10, 0, (ACT, "ACCTRECEIVABLE"), (ACT, "IMP")),
            (
                "all-types",
                213,
                0,
                ("http://hl7.org/fhir/data-types", "Age"),
                (gender, "male"),
            ),
        ];
        for (name, count, systems, (system, code), (other, without)) in table {
            let found = set(name).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!((found.codes.len(), found.systems.len()), (count, systems), "{name}");
            assert!(found.has(system, code) && !found.has(other, without), "{name}");
        }
        let loinc = set("observation-codes").unwrap();
        assert!(
            loinc.has("http://loinc.org", "8480-6") && loinc.codes.is_empty(),
            "{loinc:?}"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let table = [
            ("nothing", "http://hl7.org/fhir/ValueSet/nothing"),
            ("administrative-gender|5", "5"),
            ("clinical-findings", "http://snomed.info/sct"),
        ];
        for (name, word) in table {
            let why = set(name).unwrap_err().to_string();
            assert!(why.contains(word), "{name}: {why}");
        }
        let r4 = R4::shared();
        for (system, code, word) in [("http://loinc.org", "1-8", "loaded"), (ACT, "nothing", "nothing")] {
            let why = r4.below(system, code).unwrap_err().to_string();
            assert!(why.contains(system) && why.contains(word), "{why}");
        }
        let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
        let why = r4.sets.members(&r4.systems, gender, 3).unwrap_err();
        assert!(
            matches!(&why, Unanswered::TooCostly(text) if text.contains(gender)),
            "{why}"
        );
    }

    #[test]
    fn hierarchies_go_both_ways() {
        let r4 = R4::shared();
        let below = r4.below(ACT, "_ActEncounterCode").unwrap();
        assert!(below.has(ACT, "_ActEncounterCode") && below.has(ACT, "IMP") && below.has(ACT, "ACUTE"));
        assert!(!below.has(ACT, "ACCTRECEIVABLE"));
        let above = r4.above(ACT, "ACUTE").unwrap();
        assert!(above.has(ACT, "ACUTE") && above.has(ACT, "IMP") && !above.has(ACT, "AMB"));
        // FFPS is written below one concept, and a child of two others by its property.
        assert!(r4.below(ACT, "FF").unwrap().has(ACT, "FFPS") && r4.below(ACT, "FFSS").unwrap().has(ACT, "FFPS"));
        for (system, known) in r4.systems.each() {
            for (place, code) in known.codes().enumerate().step_by(7) {
                let (below, above) = (r4.below(system, code).unwrap(), known.above(place as u32));
                assert!(below.has(system, code) && above.contains(&(place as u32)));
                let down = below.codes.iter().map(|(_, code)| known.place(code).unwrap());
                assert!(down.into_iter().all(|down| known.above(down).contains(&(place as u32))));
            }
        }
    }

    #[test]
    fn one_code_is_judged_as_the_whole_set_would_be() {
        let r4 = R4::shared();
        for url in r4.sets.urls() {
            let Ok(members) = r4.members(url) else { continue };
            for (system, code) in members.codes.iter().step_by(97) {
                assert_eq!(r4.validate(url, Some(system), code), Ok(true), "{url}: {system} {code}");
                assert_eq!(r4.validate(url, None, code), Ok(true), "{url}: {code}");
                assert_eq!(
                    r4.validate(url, Some("urn:other"), code),
                    Ok(members.systems.contains("urn:other"))
                );
            }
            assert_eq!(r4.validate(url, None, "no such code"), Ok(false), "{url}");
        }
        let act =
            |set: &str, code: &str| r4.validate(&format!("http://terminology.hl7.org/ValueSet/{set}"), Some(ACT), code);
        assert_eq!(act("v3-ActEncounterCode", "IMP"), Ok(true));
        assert_eq!(act("v3-ActEncounterCode", "ACCTRECEIVABLE"), Ok(false));
        // A part that cannot be worked out leaves open only what it could have had.
        let findings = "http://hl7.org/fhir/ValueSet/clinical-findings";
        assert_eq!(r4.validate(findings, Some(ACT), "IMP"), Ok(false));
        assert!(r4.validate(findings, Some("http://snomed.info/sct"), "1").is_err());
        assert!(r4.validate("http://hl7.org/fhir/ValueSet/nothing", None, "a").is_err());
    }

    #[test]
    fn nearly_every_value_set_can_be_expanded() {
        let r4 = R4::shared();
        let (mut expanded, mut refused) = (0, Vec::new());
        for url in r4.sets.urls() {
            match r4.members(url) {
                Ok(found) => expanded += usize::from(found.codes.len() + found.systems.len() > 0),
                Err(why) => refused.push(why),
            }
        }
        assert!(expanded > 1_240 && refused.len() < 70, "{expanded}, {}", refused.len());
        assert!(!refused.iter().any(|why| matches!(why, Unanswered::TooCostly(_))));
    }
}
