//! Judges ValueSets: their systems are addresses, the codes they list are there, and their filters can hold of something.

use conformance::place::{Place, quoted};
use fhir::document::{Document, Node};
use fhir::outcome::{Code, Severity};

use crate::binding::is_absolute;
use crate::check_digit::{SNOMED, is_impossible};
use crate::coding::Known;
use crate::focus::Focus;
use crate::response::each;
use crate::walk::Walk;

/// A filter of one include.
struct Filter<'f> {
    property: &'f str,
    op: &'f str,
    value: &'f str,
    system: &'f str,
}

impl Walk<'_> {
    /// Judges a ValueSet (<https://hl7.org/fhir/R4/valueset.html#compositions>).
    pub(crate) fn value_set(&mut self, focus: &Focus<'_, '_>) {
        let Some(composed) = focus.element.node.get("compose") else {
            return;
        };
        let outer = Place::Member(focus.place, "compose");
        for name in ["include", "exclude"] {
            let list = Place::Member(&outer, name);
            for (at, include) in each(composed, name).enumerate() {
                let Some(system) = include.string("system") else {
                    continue;
                };
                let place = Place::Item(&list, at);
                if is_absolute(&system) {
                    self.listed_codes(include, &system, &place);
                    self.filters(include, &system, &place);
                    continue;
                }
                self.found.error(Code::Value, &place, || {
                    format!(
                        "The system {} is not absolute; a contained one is named by its url.",
                        quoted(&system)
                    )
                });
            }
        }
    }

    fn listed_codes(&mut self, include: Node<'_>, system: &str, place: &Place<'_>) {
        let list = Place::Member(place, "concept");
        // Another version than the one that is here may have other codes.
        let worst = match include.get("version") {
            Some(_) => Severity::Warning,
            None => Severity::Error,
        };
        for (at, concept) in each(include, "concept").enumerate() {
            if !self.found.step() {
                return;
            }
            if let Some(code) = concept.string("code") {
                self.must_have(system, &code, worst, &Place::Item(&list, at));
            }
        }
    }

    /// Reports a code that a system does not have.
    pub(crate) fn must_have(&mut self, system: &str, code: &str, worst: Severity, place: &Place<'_>) {
        if let Known::Missing(severity) = self.code_in(system, code) {
            self.found.report(severity.min(worst), Code::CodeInvalid, place, || {
                format!("The code system {} has no code {}.", quoted(system), quoted(code))
            });
        }
    }

    fn filters(&mut self, include: Node<'_>, system: &str, place: &Place<'_>) {
        let list = Place::Member(place, "filter");
        let defined = self.terminology.system(system);
        for (at, filter) in each(include, "filter").enumerate() {
            let text = |name: &str| filter.string(name).unwrap_or_default();
            let (property, op) = (text("property"), text("op"));
            // One that an extension stands in for is not known here.
            let Some(value) = filter.string("value") else { continue };
            let filter = Filter {
                property: &property,
                op: &op,
                value: &value,
                system,
            };
            let kind = kind_of(&filter, defined.as_deref());
            self.filter(&filter, kind.as_deref(), &Place::Item(&list, at));
        }
    }

    /// Judges the value of a filter by the type of what it is compared with.
    fn filter(&mut self, filter: &Filter<'_>, kind: Option<&str>, place: &Place<'_>) {
        let values: Vec<&str> = match filter.op {
            "in" | "not-in" => filter.value.split(',').map(str::trim).collect(),
            _ => vec![filter.value],
        };
        for value in values {
            let fits = match kind {
                Some("boolean") => matches!(value, "true" | "false"),
                Some("integer" | "decimal") => without_prefix(value).parse::<f64>().is_ok(),
                Some("Coding") => match value.split_once('#') {
                    Some((system, code)) => {
                        let system = system.split('|').next().unwrap_or(system);
                        self.must_have(system, code, Severity::Error, place);
                        true
                    }
                    None => false,
                },
                Some("code") => {
                    self.must_have(filter.system, value, Severity::Error, place);
                    true
                }
                _ => impossible_concept(filter.system, filter.property, value).is_none(),
            };
            if !fits {
                self.found.error(Code::Value, place, || {
                    let expected = match kind {
                        Some("boolean") => "true or false",
                        Some("Coding") => "a code written system#code",
                        Some("integer" | "decimal") => "a number",
                        _ => "codes that there are",
                    };
                    format!(
                        "The property {} is compared with {}; it takes {expected}.",
                        quoted(filter.property),
                        quoted(value)
                    )
                });
            }
        }
    }
}

/// A number after a comparison, `lt2`, as terminology servers read it.
fn without_prefix(value: &str) -> &str {
    let prefixes = ["lt", "le", "gt", "ge", "eq", "ne"];
    let rest = prefixes.iter().find_map(|prefix| value.strip_prefix(prefix));
    rest.unwrap_or(value)
}

/// An identifier within an expression constraint of SNOMED CT that no release can have.
fn impossible_concept<'v>(system: &str, property: &str, value: &'v str) -> Option<&'v str> {
    let constraint = system == SNOMED && matches!(property, "constraint" | "expression");
    // What stands between bars are names.
    let outside = value.split('|').step_by(2).filter(|_| constraint);
    let mut runs = outside.flat_map(|text| text.split(|c: char| !c.is_ascii_digit()));
    runs.find(|run| run.len() >= 6 && is_impossible(system, run))
}

/// The type of what a filter is compared with: a code of the system where it asks for the hierarchy, whether the
/// property exists, or as the system says of the property.
fn kind_of(filter: &Filter<'_>, system: Option<&Document>) -> Option<String> {
    let fixed = match (filter.op, filter.property) {
        ("exists", _) => Some("boolean"),
        ("regex", _) => Some("string"),
        ("is-a" | "descendent-of" | "is-not-a" | "generalizes", _) => Some("code"),
        (_, "notSelectable" | "inactive") => Some("boolean"),
        (_, "concept" | "code" | "parent" | "child") => Some("code"),
        _ => None,
    };
    fixed.map(str::to_owned).or_else(|| {
        let root = system?.root();
        let mut properties = each(root, "property");
        let own = properties.find(|one| one.string("code").is_some_and(|code| code == filter.property))?;
        // Codes of a property may be those of another system: only a Coding says which.
        own.string("type")
            .filter(|kind| kind != "code")
            .map(|kind| kind.into_owned())
    })
}
