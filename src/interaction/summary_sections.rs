//! The sections of an International Patient Summary: what each is called, and which records it lists.
//!
//! Codes and displays are LOINC's, as the Composition profile of IPS 2.0.0 names them
//! (<https://hl7.org/fhir/uv/ips/StructureDefinition-Composition-uv-ips.html>).

use fhir::tree::Tree;

use crate::current::{ALLERGIES, PRESCRIPTIONS, PROBLEMS, STATEMENTS};

/// A section.
pub(crate) struct Section {
    /// Its title.
    pub(crate) title: &'static str,
    /// Its code in LOINC.
    pub(crate) code: &'static str,
    /// The code's display.
    pub(crate) display: &'static str,
    /// Whether it is there when it is empty.
    pub(crate) required: bool,
    /// What it lists.
    pub(crate) lists: &'static [List],
}

/// Records of one kind.
pub(crate) struct List {
    /// The kind; it has a search parameter `patient`.
    pub(crate) kind: &'static str,
    /// Which of the patient's, as a search.
    pub(crate) criteria: &'static str,
    /// The status a record has to have, where there is no search parameter for that.
    pub(crate) statuses: &'static [&'static str],
    /// The search parameter by which the newest come first.
    pub(crate) newest_by: Option<&'static str>,
    /// How many at most, where a section wants the newest alone.
    pub(crate) most: Option<usize>,
}

const fn list(kind: &'static str, criteria: &'static str, newest_by: &'static str) -> List {
    List {
        kind,
        criteria,
        statuses: &[],
        newest_by: Some(newest_by),
        most: None,
    }
}

/// The one newest observation of some codes.
const fn newest(criteria: &'static str) -> List {
    List {
        most: Some(1),
        ..list("Observation", criteria, "date")
    }
}

const fn section(
    title: &'static str,
    code: &'static str,
    display: &'static str,
    required: bool,
    lists: &'static [List],
) -> Section {
    Section {
        title,
        code,
        display,
        required,
        lists,
    }
}

/// All sections, in their order. Functional status and the patient's story are left out: no record says by itself that
/// it is one.
pub(crate) const SECTIONS: [Section; 14] = [
    section(
        "Active Problems",
        "11450-4",
        "Problem list - Reported",
        true,
        &[list("Condition", PROBLEMS, "recorded-date")],
    ),
    section(
        "Allergies and Intolerances",
        "48765-2",
        "Allergies and adverse reactions Document",
        true,
        &[list("AllergyIntolerance", ALLERGIES, "date")],
    ),
    section(
        "Medication Summary",
        "10160-0",
        "History of Medication use Narrative",
        true,
        &[
            list("MedicationStatement", STATEMENTS, "effective"),
            list("MedicationRequest", PRESCRIPTIONS, "authoredon"),
        ],
    ),
    section(
        "Immunizations",
        "11369-6",
        "History of Immunization note",
        false,
        &[list("Immunization", "status=completed", "date")],
    ),
    section(
        "Results",
        "30954-2",
        "Relevant diagnostic tests/laboratory data note",
        false,
        &[
            list(
                "Observation",
                "category=laboratory,imaging&status=final,amended,corrected",
                "date",
            ),
            list("DiagnosticReport", "status=final,amended,corrected,appended", "date"),
        ],
    ),
    section(
        "History of Procedures",
        "47519-4",
        "History of Procedures Document",
        false,
        &[list(
            "Procedure",
            "status:not=entered-in-error,not-done,preparation",
            "date",
        )],
    ),
    section(
        "Device Use",
        "46264-8",
        "History of medical device use",
        false,
        &[List {
            statuses: &["active", "completed", "intended", "stopped", "on-hold"],
            newest_by: None,
            ..list("DeviceUseStatement", "", "")
        }],
    ),
    section(
        "Vital Signs",
        "8716-3",
        "Vital signs note",
        false,
        &[list(
            "Observation",
            "category=vital-signs&status=final,amended,corrected",
            "date",
        )],
    ),
    section(
        "Social History",
        "29762-2",
        "Social history note",
        false,
        &[
            newest("code=http://loinc.org|72166-2&status=final,amended,corrected"),
            newest("code=http://loinc.org|74013-4&status=final,amended,corrected"),
        ],
    ),
    section(
        "History of Pregnancy",
        "10162-6",
        "History of pregnancies Narrative",
        false,
        &[
            newest("code=http://loinc.org|82810-3&status=final,amended,corrected"),
            list(
                "Observation",
                "code=http://loinc.org|11636-8,http://loinc.org|11637-6,http://loinc.org|11638-4,\
                 http://loinc.org|11639-2,http://loinc.org|11640-0,http://loinc.org|11612-9,http://loinc.org|11613-7,\
                 http://loinc.org|11614-5,http://loinc.org|33065-4&status=final,amended,corrected",
                "date",
            ),
        ],
    ),
    section(
        "History of Past Problems",
        "11348-0",
        "History of Past illness note",
        false,
        &[list(
            "Condition",
            "clinical-status=inactive,remission,resolved&verification-status:not=entered-in-error,refuted",
            "recorded-date",
        )],
    ),
    section(
        "Plan of Care",
        "18776-5",
        "Plan of care note",
        false,
        &[
            list("CarePlan", "status=active,on-hold", "date"),
            list("ImmunizationRecommendation", "", "date"),
        ],
    ),
    section(
        "Advance Directives",
        "42348-3",
        "Advance healthcare directives",
        false,
        &[list("Consent", "status=active&scope=adr", "date")],
    ),
    section(
        "Alerts",
        "104605-1",
        "Alert",
        false,
        &[List {
            statuses: &["active"],
            ..list("Flag", "", "date")
        }],
    ),
];

/// Whether a record that was found has a status that the list wants.
pub(crate) fn belongs(list: &List, json: &[u8]) -> bool {
    if list.statuses.is_empty() {
        return true;
    }
    let record = Tree::parse(json);
    let status = record.as_ref().ok().and_then(|record| record.get("status")?.as_str());
    status.is_some_and(|status| list.statuses.contains(&status))
}
