//! Judges the expressions within records: that each is FHIRPath, and that its paths name elements there are.

use conformance::place::Place;
use fhir::document::Node;
use fhir::outcome::{Code, Severity};
use fhirpath::expression::Expression;
use fhirpath::model::{Model, TypeId};

use crate::focus::Focus;
use crate::response::each;
use crate::walk::Walk;

/// How an Expression says that it is FHIRPath (<https://hl7.org/fhir/R4/valueset-expression-language.html>).
const FHIRPATH: &str = "text/fhirpath";

impl Walk<'_> {
    /// Judges an Expression (<https://hl7.org/fhir/R4/metadatatypes.html#Expression>): where it says that it is FHIRPath, it is.
    pub(crate) fn expression(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        if node.string("language").is_some_and(|language| language == FHIRPATH)
            && let Some(text) = node.string("expression")
        {
            // What its paths begin with depends on where it stands.
            self.fhirpath(&text, &None, focus.place, Severity::Warning);
        }
    }

    /// The expression of a search parameter is tried on the types that it searches.
    pub(crate) fn search_expression(&mut self, focus: &Focus<'_, '_>) {
        let node = focus.element.node;
        let Some(text) = node.string("expression") else { return };
        let bases: Option<Vec<TypeId>> = each(node, "base")
            .map(|base| self.definitions.type_id(&base.as_str()?))
            .collect();
        // What all resources have in common says nothing of what one of them has.
        let abstract_base = |kind: &TypeId| self.validator.kinds.is_any_resource(*kind);
        let bases = bases.filter(|all| !all.is_empty() && !all.iter().any(abstract_base));
        self.fhirpath(
            &text,
            &bases,
            &Place::Member(focus.place, "expression"),
            Severity::Error,
        );
    }

    /// The rules that an element of a profile adds are tried on the types that the element may have.
    pub(crate) fn constraint_expressions(&mut self, element: Node<'_>, place: &Place<'_>) {
        let list = Place::Member(place, "constraint");
        for (at, constraint) in each(element, "constraint").enumerate() {
            if let Some(text) = constraint.string("expression") {
                let place = Place::Item(&list, at);
                let kinds = Some(self.kinds_of(element)).filter(|kinds| !kinds.is_empty());
                self.fhirpath(&text, &kinds, &Place::Member(&place, "expression"), Severity::Warning);
            }
        }
    }

    /// Judges a FHIRPath, on an element of one of some types where they are known. `severity` is how bad it is that its
    /// paths name nothing there.
    fn fhirpath(&mut self, text: &str, kinds: &Option<Vec<TypeId>>, place: &Place<'_>, severity: Severity) {
        let expression = match Expression::parse(text) {
            Ok(expression) => expression,
            Err(why) => {
                // Implementation guides have functions of their own.
                let severity = match why.grammatical && kinds.is_none() {
                    true => Severity::Warning,
                    false => Severity::Error,
                };
                return self.found.report(severity, Code::Value, place, || {
                    format!("This is no FHIRPath: {}.", why.message.trim_end_matches('.'))
                });
            }
        };
        if kinds.is_some()
            && let Err(why) = expression.check(self.definitions, kinds, false)
        {
            self.found.report(severity, Code::Value, place, || {
                format!("This can find nothing: {}.", why.message().trim_end_matches('.'))
            });
        }
    }
}
