//! Judges a Measure: that the expressions of its populations can be found.

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::Code;

use crate::focus::Focus;
use crate::response::each;
use crate::walk::Walk;

impl Walk<'_> {
    /// Judges a Measure (<https://hl7.org/fhir/R4/measure.html>).
    pub(crate) fn measure(&mut self, focus: &Focus<'_, '_>) {
        let measure = focus.element.node;
        let libraries = Place::Member(focus.place, "library");
        for (at, address) in each(measure, "library").enumerate() {
            let Some(address) = address.as_str() else { continue };
            if self.library.definition("Library", &address).is_none() {
                self.found.warning(Code::NotFound, &Place::Item(&libraries, at), || {
                    format!(
                        "The library {} is not known here, so no expression of it is judged.",
                        quoted(&address)
                    )
                });
            }
        }
        let written = measure.get("library").is_some();
        let list = Place::Member(focus.place, "group");
        for (at, group) in each(measure, "group").enumerate() {
            let place = Place::Item(&list, at);
            for name in ["population", "stratifier"] {
                self.criteria(group, name, &place, written);
            }
        }
        self.criteria(measure, "supplementalData", focus.place, written);
    }

    /// An expression of CQL stands in a library: "a reference to a Library resource containing the formal logic used by
    /// the measure" (<https://hl7.org/fhir/R4/measure-definitions.html#Measure.library>).
    fn criteria(&mut self, holder: Node<'_>, name: &str, place: &Place<'_>, written: bool) {
        let list = Place::Member(place, name);
        for (at, part) in each(holder, name).enumerate() {
            let place = Place::Item(&list, at);
            let criteria = part.get("criteria");
            let language = criteria.and_then(|criteria| criteria.string("language"));
            if !written && language.is_some_and(|language| language == "text/cql") {
                self.found
                    .warning(Code::NotFound, &Place::Member(&place, "criteria"), || {
                        "This is CQL, and the measure names no library that it could stand in.".to_owned()
                    });
            }
        }
    }
}
