//! Judges that a profile only narrows what R4 allows of an element (<https://hl7.org/fhir/R4/profiling.html#limitations>).

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::Code;
use fhirpath::model::{Model, TypeId};

use crate::response::each;
use crate::rules::Strength;
use crate::walk::Walk;

/// The types whose values are codes, or may be.
const CODED: [&str; 6] = ["code", "Coding", "CodeableConcept", "Quantity", "string", "uri"];

impl Walk<'_> {
    /// Judges an element of a differential by the element of R4 with its path: cardinality, types, binding.
    pub(crate) fn narrows(&mut self, element: Node<'_>, place: &Place<'_>) {
        let path = element.string("path").unwrap_or_default();
        let Some(known) = self.definitions.element(&path) else {
            return;
        };
        // `valueQuantity` names one type of several; a slice may be there less often than the whole.
        let whole = element.get("sliceName").is_none() && !element.string("id").is_some_and(|id| id.contains(':'));
        let number = |text: &str| if text == "*" { Some(u32::MAX) } else { text.parse().ok() };
        let min = element.get("min").and_then(|min| number(min.as_number()?));
        let max = element.string("max").and_then(|max| number(&max));
        let base = known.max.unwrap_or(u32::MAX);
        if let Some(min) = min.filter(|min| whole && *min < known.min) {
            self.found.error(Code::Value, &Place::Member(place, "min"), || {
                format!(
                    "{path} occurs {} times at least in R4, which cannot be widened to {min}.",
                    known.min
                )
            });
        }
        if max.is_some_and(|max| max > base) {
            self.found.error(Code::Value, &Place::Member(place, "max"), || {
                format!("{path} occurs {base} times at most in R4; a profile cannot allow more.")
            });
        }
        if let Some(min) = min.filter(|min| *min > max.unwrap_or(base)) {
            self.found.error(Code::Value, &Place::Member(place, "min"), || {
                format!("{path} cannot be needed {min} times where it may occur less often.")
            });
        }
        self.types_narrow(element, &path, place);
        self.binding_narrows(element, place);
    }

    fn types_narrow(&mut self, element: Node<'_>, path: &str, place: &Place<'_>) {
        let Some(known) = self.definitions.element(path) else {
            return;
        };
        let list = Place::Member(place, "type");
        for (at, one) in each(element, "type").enumerate() {
            let Some(kind) = one.string("code").and_then(|code| self.definitions.type_id(&code)) else {
                continue;
            };
            let fits = |base: TypeId| {
                let any_element = self.definitions.type_name(base) == "Element";
                self.definitions.is_a(kind, base) || self.definitions.is_a(base, kind) || any_element
            };
            if !known.types.iter().any(|base| fits(base.kind)) {
                let name = self.definitions.type_name(kind);
                self.found.error(Code::Value, &Place::Item(&list, at), || {
                    format!("{path} cannot be of the type {name} in R4.")
                });
            }
        }
    }

    fn binding_narrows(&mut self, element: Node<'_>, place: &Place<'_>) {
        let Some(binding) = element.get("binding") else { return };
        let kinds = self.kinds_of(element);
        let coded = |kind: &TypeId| {
            let is = |name: &&str| {
                self.definitions
                    .type_id(name)
                    .is_some_and(|coded| self.definitions.is_a(*kind, coded))
            };
            CODED.iter().any(is)
        };
        if !kinds.is_empty() && !kinds.iter().any(coded) {
            let names: Vec<&str> = kinds.iter().map(|kind| self.definitions.type_name(*kind)).collect();
            return self.found.error(Code::Value, place, || {
                format!("A binding has no meaning for the type {}.", names.join(", "))
            });
        }
        let path = element.string("path").unwrap_or_default();
        let own = Strength::from_code(&binding.string("strength").unwrap_or_default());
        let parent = path.rsplit_once('.');
        let base = parent.and_then(|(above, name)| {
            let kind = self.definitions.type_id(above)?;
            let (place, _) = self.definitions.own_element(kind, name.trim_end_matches("[x]"))?;
            self.validator.rules.binding_of(place)
        });
        if let Some(base) = base.filter(|base| base.strength == Strength::Required && own < Strength::Required) {
            let set = quoted(&base.value_set);
            self.found.error(Code::Value, &Place::Member(place, "binding"), || {
                format!("R4 requires a code of {set} here, which a profile cannot loosen.")
            });
        }
    }
}
