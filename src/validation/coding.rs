//! Judges a Coding or a unit by itself: that its system is one, that it has the code, and that it calls it so.

use conformance::Unanswered;
use conformance::place::{Place, quoted};
use fhir::outcome::{Code, Severity};

use crate::binding::is_absolute;
use crate::check_digit::is_impossible;
use crate::focus::Focus;
use crate::validator::Purpose;
use crate::walk::Walk;

/// Where HL7's own code systems and value sets have their addresses.
const HL7: [&str; 2] = ["http://hl7.org/fhir/", "http://terminology.hl7.org/"];
/// The system of UCUM's units.
const UCUM: &str = "http://unitsofmeasure.org";
/// The system of kinds of identifiers, in which `NNxxx` stands for a code for every country.
const IDENTIFIER_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
/// Names of a code that are shown, at most.
const NAMES_SHOWN: usize = 3;

/// How a code stands to its system.
pub(crate) enum Known {
    /// The system has it, under these names.
    Named(Vec<String>),
    /// The system has no such code, which is an error where all of it is known here.
    Missing(Severity),
    /// It cannot be told.
    Open,
}

impl Walk<'_> {
    /// Judges a Coding (<https://hl7.org/fhir/R4/datatypes.html#Coding>), or a Quantity's unit.
    pub(crate) fn coding(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let Some(system) = node.string("system") else { return };
        if !self.names_a_system(&system, &Place::Member(focus.place, "system")) {
            return;
        }
        let Some(code) = node.string("code") else { return };
        let place = Place::Member(focus.place, "code");
        if system == UCUM {
            if ucum::Unit::parse(&code).is_err() {
                self.found.warning(Code::CodeInvalid, &place, || {
                    format!("{} is no unit that UCUM knows.", quoted(&code))
                });
            }
            return;
        }
        if focus.kind != self.validator.kinds.coding {
            return;
        }
        match self.code_in(&system, &code) {
            // Of countries, currencies and languages only one name of many is known here.
            Known::Named(_) if system.starts_with("urn:") => {}
            Known::Named(names) => self.display(focus, &names),
            Known::Missing(severity) => self.found.report(severity, Code::CodeInvalid, &place, || {
                format!("The code system {} has no code {}.", quoted(&system), quoted(&code))
            }),
            Known::Open => {}
        }
    }

    fn names_a_system(&mut self, system: &str, place: &Place<'_>) -> bool {
        if !is_absolute(system) {
            self.found.error(Code::Value, place, || {
                format!(
                    "{} is no address of a code system: it must be absolute.",
                    quoted(system)
                )
            });
            return false;
        }
        // HL7 names its value sets so, whether they are known here or not.
        let is_set = HL7
            .iter()
            .any(|hl7| system.strip_prefix(hl7).is_some_and(|rest| rest.contains("ValueSet/")));
        if is_set || self.library.definition("ValueSet", system).is_some() {
            self.found.error(Code::Value, place, || {
                format!("{} is a value set; `system` names a code system.", quoted(system))
            });
            return false;
        }
        true
    }

    /// How a code stands to its system.
    pub(crate) fn code_in(&self, system: &str, code: &str) -> Known {
        match self.terminology.names(system, code) {
            Ok(names) => Known::Named(names),
            Err(Unanswered::Unknown(_)) if self.is_of_a_country(system, code) => Known::Open,
            Err(Unanswered::Unknown(_)) if self.is_complete(system) => Known::Missing(Severity::Error),
            Err(Unanswered::Unknown(_)) => Known::Missing(Severity::Warning),
            Err(_) if is_impossible(system, code) => Known::Missing(Severity::Error),
            Err(_) => Known::Open,
        }
    }

    fn is_of_a_country(&self, system: &str, code: &str) -> bool {
        let country = code.strip_prefix("NN").filter(|_| system == IDENTIFIER_TYPES);
        country.is_some_and(|country| country.len() == 3 && country.bytes().all(|b| b.is_ascii_uppercase()))
    }

    /// Whether all codes of a system are known here: HL7's own, and those of records that say so.
    fn is_complete(&self, system: &str) -> bool {
        HL7.iter().any(|hl7| system.starts_with(hl7))
            || self.library.definition("CodeSystem", system).is_some_and(|document| {
                let content = document.root().string("content");
                content.is_some_and(|content| content == "complete")
            })
    }

    /// A display is one of the names that the system has for the code, in some language; case and spacing do not count.
    /// Systems reword their displays from release to release, so that it is no reason not to write a record.
    fn display(&mut self, focus: &Focus<'_, '_>, names: &[String]) {
        let Some(display) = focus.element.node.string("display") else {
            return;
        };
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let wanted = plain(&display);
        if names.is_empty() || names.iter().any(|name| plain(name) == wanted) {
            return;
        }
        let severity = match self.purpose {
            Purpose::Writing => Severity::Warning,
            Purpose::Asking | Purpose::WritingExactly => Severity::Error,
        };
        self.found
            .report(severity, Code::Value, &Place::Member(focus.place, "display"), || {
                let right: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| quoted(name)).collect();
                format!(
                    "{} is no name of the code; it is {}.",
                    quoted(&display),
                    right.join(" or ")
                )
            });
    }
}
