//! Judges ConceptMaps: that they map what is there, from codes of their source to codes of their target.

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::{Code, Severity};

use crate::focus::Focus;
use crate::response::each;
use crate::walk::Walk;

/// Where the codes on one side of a map come from.
struct Side<'m> {
    system: Option<String>,
    /// Of another version than the one here other codes may be right.
    versioned: bool,
    /// The value set that all of them are in.
    set: Option<&'m str>,
}

impl<'m> Side<'m> {
    fn of(group: Node<'_>, name: &str, set: Option<&'m str>) -> Side<'m> {
        Side {
            system: group.string(name).map(|system| system.into_owned()),
            versioned: group.get(&format!("{name}Version")).is_some(),
            set,
        }
    }
}

impl Walk<'_> {
    /// Judges a ConceptMap (<https://hl7.org/fhir/R4/conceptmap.html>).
    pub(crate) fn concept_map(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let set = |name: &str| {
            let canonical = node.string(&format!("{name}Canonical"));
            canonical.or_else(|| node.string(&format!("{name}Uri")))
        };
        let (from, to) = (set("source"), set("target"));
        let groups = Place::Member(focus.place, "group");
        for (at, group) in each(node, "group").enumerate() {
            let place = Place::Item(&groups, at);
            let source = Side::of(group, "source", from.as_deref());
            let target = Side::of(group, "target", to.as_deref());
            let elements = Place::Member(&place, "element");
            for (at, element) in each(group, "element").enumerate() {
                let place = Place::Item(&elements, at);
                if !self.mapped(element, &source, &place) {
                    return;
                }
                let targets = Place::Member(&place, "target");
                for (at, one) in each(element, "target").enumerate() {
                    self.mapped(one, &target, &Place::Item(&targets, at));
                }
            }
        }
    }

    /// Judges the code on one side. False where no step is left.
    fn mapped(&mut self, one: Node<'_>, side: &Side<'_>, place: &Place<'_>) -> bool {
        let (Some(code), Some(system)) = (one.string("code"), &side.system) else {
            return true;
        };
        let place = Place::Member(place, "code");
        let worst = match side.versioned {
            true => Severity::Warning,
            false => Severity::Error,
        };
        self.must_have(system, &code, worst, &place);
        if let Some(set) = side.set
            && matches!(self.terminology.validate(set, Some(system), &code), Ok(false))
        {
            self.found.report(worst, Code::CodeInvalid, &place, || {
                format!("{} is no code of the value set {set} that this maps.", quoted(&code))
            });
        }
        self.found.step()
    }
}
