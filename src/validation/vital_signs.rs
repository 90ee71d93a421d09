//! Holds observations with the code of a vital sign against its profile (<https://hl7.org/fhir/R4/observation-vitalsigns.html>).

use crate::check_digit::LOINC;
use crate::focus::Focus;
use crate::profiles::STANDARD;
use crate::response::each;
use crate::walk::Walk;

/// The codes of LOINC by which R4 knows vital signs, and the profiles that observations with them must conform to.
const PROFILES: [(&str, &str); 10] = [
    ("85353-1", "vitalspanel"),
    ("9279-1", "resprate"),
    ("8867-4", "heartrate"),
    ("2708-6", "oxygensat"),
    ("8310-5", "bodytemp"),
    ("8302-2", "bodyheight"),
    ("9843-4", "headcircum"),
    ("29463-7", "bodyweight"),
    ("39156-5", "bmi"),
    ("85354-9", "bp"),
];

impl Walk<'_> {
    /// Judges an Observation by the profile of the vital sign that its code names, if it names one.
    pub(crate) fn vital_signs(&mut self, focus: &Focus<'_, '_>) {
        let Some(concept) = focus.element.node.get("code") else {
            return;
        };
        for (code, profile) in PROFILES {
            let is_it = |coding: fhir::document::Node<'_>| {
                coding.string("code").is_some_and(|own| own == code)
                    && coding.string("system").is_some_and(|system| system == LOINC)
            };
            if each(concept, "coding").any(is_it) {
                let why = format!("The profile that the code {code} asks for");
                self.conform_to(focus, &format!("{STANDARD}{profile}"), &why);
            }
        }
    }
}
