//! The national definitions that are part of the program: `schema/fhir/profiles/`, one file each.

/// Their texts.
pub(crate) const DEFINITIONS: &[&str] = &[
    include_str!("../../schema/fhir/profiles/bt-address.json"),
    include_str!("../../schema/fhir/profiles/bt-birth-date-as-told.json"),
    include_str!("../../schema/fhir/profiles/bt-chiwog.json"),
    include_str!("../../schema/fhir/profiles/bt-condition.json"),
    include_str!("../../schema/fhir/profiles/bt-dzongkhag.json"),
    include_str!("../../schema/fhir/profiles/bt-encounter.json"),
    include_str!("../../schema/fhir/profiles/bt-facility.json"),
    include_str!("../../schema/fhir/profiles/bt-facility-level-during.json"),
    include_str!("../../schema/fhir/profiles/bt-facility-place.json"),
    include_str!("../../schema/fhir/profiles/bt-gewog.json"),
    include_str!("../../schema/fhir/profiles/bt-immunization.json"),
    include_str!("../../schema/fhir/profiles/bt-medication-request.json"),
    include_str!("../../schema/fhir/profiles/bt-mother-identifier.json"),
    include_str!("../../schema/fhir/profiles/bt-patient.json"),
    include_str!("../../schema/fhir/profiles/bt-service-request.json"),
    include_str!("../../schema/fhir/profiles/bt-vital-signs.json"),
    include_str!("../../schema/fhir/profiles/code-system-bt-duplicate-review.json"),
    include_str!("../../schema/fhir/profiles/code-system-bt-facility-level.json"),
    include_str!("../../schema/fhir/profiles/value-set-bt-dzongkhag.json"),
    include_str!("../../schema/fhir/profiles/value-set-bt-facility-level.json"),
];
