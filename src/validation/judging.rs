//! Answers `conformsTo()` and `slice()` for expressions that are evaluated on their own, not while a record is judged.

use conformance::Terminology;
use fhirpath::evaluate::{Failure, Profiles};
use fhirpath::value::Element;

use crate::entries::Bundles;
use crate::findings::Findings;
use crate::focus::Scope;
use crate::invariant::Asking;
use crate::library::{Library, Shelf};
use crate::validator::{Purpose, Validator};
use crate::walk::Walk;

/// Steps that one question may take.
const STEPS_MAX: u64 = 200_000;

/// What an expression is judged by: as the validator judges, with the same profiles.
#[derive(Clone, Copy)]
pub struct Judging<'v> {
    /// The validator.
    pub validator: &'v Validator,
    /// Where profiles and other records come from.
    pub library: &'v dyn Library,
    /// What answers for codes.
    pub terminology: &'v dyn Terminology,
    /// The moment of `now()`, in microseconds since 1970.
    pub now: i64,
}

impl Judging<'_> {
    /// Asks with a judgement of its own; the outermost resource of the element's document is what stands around it.
    fn asked<T>(
        &self,
        element: Element<'_>,
        ask: impl FnOnce(&dyn Profiles) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let definitions = &*self.validator.definitions;
        let (shelf, bundles) = (Shelf::default(), Bundles::default());
        let walk = Walk {
            validator: self.validator,
            definitions,
            library: self.library,
            terminology: self.terminology,
            shelf: &shelf,
            bundles: &bundles,
            now: self.now,
            purpose: Purpose::Writing,
            found: Findings::of_steps(STEPS_MAX),
            depth: 0,
            under_way: Vec::new(),
            away: false,
        };
        let scope = Scope::alone(Element::resource(definitions, element.node.document().root()));
        let answer = ask(&Asking {
            walk: &walk,
            scope: &scope,
        })?;
        match walk.found.steps_left() {
            0 => Err(Failure::unsupported("Judging this by a profile takes too long")),
            _ => Ok(answer),
        }
    }
}

impl Profiles for Judging<'_> {
    fn conforms(&self, element: Element<'_>, profile: &str) -> Result<bool, Failure> {
        self.asked(element, |profiles| profiles.conforms(element, profile))
    }

    fn is_in_slice(&self, element: Element<'_>, profile: &str, slice: &str) -> Result<bool, Failure> {
        self.asked(element, |profiles| profiles.is_in_slice(element, profile, slice))
    }
}

#[cfg(test)]
mod tests {
    use conformance::Definitions;
    use fhir::document::Document;
    use fhir::parse::Limits;
    use fhirpath::evaluate::Context;
    use fhirpath::expression::Expression;
    use fhirpath::value::Item;

    use super::*;
    use crate::library::Empty;

    const PATIENT: &str = r#"{"resourceType":"Patient","identifier":[
        {"use":"official","system":"http://id.gov.bt/citizen","value":"10101000001"},{"system":"http://other","value":"1"}],
        "name":[{"text":"Karma"}],"gender":"male","birthDate":"1980-01-01"}"#;

    const JUDGED: &[(&str, &str)] = &[
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", "true"),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Person')", "false"),
        (
            "conformsTo('http://fhir.moh.gov.bt/StructureDefinition/bt-patient')",
            "true",
        ),
        (
            "conformsTo('http://fhir.moh.gov.bt/StructureDefinition/bt-condition')",
            "false",
        ),
        (
            "identifier.slice('http://fhir.moh.gov.bt/StructureDefinition/bt-patient', 'cid').count()",
            "1",
        ),
        (
            "identifier.slice('http://fhir.moh.gov.bt/StructureDefinition/bt-patient', 'none').count()",
            "There is no slice none in a profile http://fhir.moh.gov.bt/StructureDefinition/bt-patient known here",
        ),
        (
            "name.conformsTo('http://hl7.org/fhir/StructureDefinition/HumanName')",
            "true",
        ),
        (
            "conformsTo('http://nowhere')",
            "Judging by http://nowhere needs the profile",
        ),
        (
            "identifier.slice('http://nowhere', 'cid').count()",
            "There is no slice cid in a profile http://nowhere known here",
        ),
        ("identifier.slice({}, 'cid').count()", "0"),
        ("elementDefinition().path = 'Patient'", "true"),
        ("birthDate.elementDefinition().type.code = 'date'", "true"),
        (
            "name.text.elementDefinition().where(path = 'HumanName.text').count()",
            "1",
        ),
        (
            "identifier.use.elementDefinition().binding.strength.first() = 'required'",
            "true",
        ),
        (
            "elementDefinition().elementDefinition().path = 'StructureDefinition.snapshot.element'",
            "true",
        ),
    ];

    #[test]
    fn expressions_are_judged_by_profiles() {
        let validator = Validator::new(Definitions::r4());
        let model = &*validator.definitions;
        let document = Document::parse(PATIENT.as_bytes(), Limits::default()).expect("JSON");
        let terminology = terminology::standard();
        let judging = Judging {
            validator: &validator,
            library: &Empty,
            terminology: &*terminology,
            now: 0,
        };
        let resource = Element::resource(model, document.root());
        for (text, expected) in JUDGED {
            let expression = Expression::parse(text).expect(text);
            let mut context = Context::new(model, resource, 0);
            context.profiles = Some(&judging);
            let found = match expression.evaluate(&context, resource).as_deref() {
                Ok([Item::Boolean(answer)]) => answer.to_string(),
                Ok([Item::Integer(count)]) => count.to_string(),
                Ok(items) => format!("{items:?}"),
                Err(failure) => failure.message().to_owned(),
            };
            assert_eq!(found, *expected, "{text}");
        }
    }
}
