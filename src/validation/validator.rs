//! The validator: the rules of the standard, made ready once, and what it is asked about one record.

use std::sync::Arc;

use conformance::place::Place;
use conformance::{Definitions, Terminology};
use fhir::document::Node;
use fhir::identity::Kind;
use fhir::outcome::Issue;
use fhirpath::model::{Model, TypeId};
use fhirpath::value::Element;

use crate::entries::Bundles;
use crate::findings::Findings;
use crate::focus::{Focus, Scope};
use crate::library::{Library, Shelf};
use crate::profiles::Profiles;
use crate::rules::Rules;
use crate::walk::Walk;

/// Judges records by the rules of R4 and by profiles. One for a whole server.
pub struct Validator {
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) rules: Rules,
    pub(crate) kinds: Kinds,
    pub(crate) profiles: Profiles,
}

/// Types with rules of their own.
pub(crate) struct Kinds {
    pub(crate) attachment: TypeId,
    pub(crate) bundle: TypeId,
    pub(crate) canonical: TypeId,
    pub(crate) coding: TypeId,
    pub(crate) codeable_concept: TypeId,
    pub(crate) definition: TypeId,
    pub(crate) domain_resource: TypeId,
    pub(crate) expression: TypeId,
    pub(crate) extension: TypeId,
    pub(crate) identifier: TypeId,
    pub(crate) observation: TypeId,
    pub(crate) quantity: TypeId,
    pub(crate) questionnaire: TypeId,
    pub(crate) reference: TypeId,
    pub(crate) resource: TypeId,
    pub(crate) response: TypeId,
    pub(crate) uri: TypeId,
    pub(crate) xhtml: TypeId,
}

impl Kinds {
    fn of(definitions: &Definitions) -> Kinds {
        let kind = |name: &str| definitions.type_id(name).unwrap_or_else(|| panic!("R4 has no {name}"));
        Kinds {
            attachment: kind("Attachment"),
            bundle: kind("Bundle"),
            canonical: kind("canonical"),
            coding: kind("Coding"),
            codeable_concept: kind("CodeableConcept"),
            definition: kind("ElementDefinition"),
            domain_resource: kind("DomainResource"),
            expression: kind("Expression"),
            extension: kind("Extension"),
            identifier: kind("Identifier"),
            observation: kind("Observation"),
            quantity: kind("Quantity"),
            questionnaire: kind("Questionnaire"),
            reference: kind("Reference"),
            resource: kind("Resource"),
            response: kind("QuestionnaireResponse"),
            uri: kind("uri"),
            xhtml: kind("xhtml"),
        }
    }

    /// Whether an element of the type holds any resource.
    pub(crate) fn is_any_resource(&self, kind: TypeId) -> bool {
        kind == self.resource || kind == self.domain_resource
    }
}

/// What is asked about one record.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The profiles it shall conform to, besides those it claims itself.
    pub profiles: &'a [String],
    /// The moment of `now()`, in microseconds since 1970.
    pub now: i64,
    /// What the judgement is for.
    pub purpose: Purpose,
}

/// What a judgement is for: what others have defined and written, or not yet, is no reason to refuse a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody asks whether the record is valid. An extension that nobody here knows is an error, and what the record
    /// refers to is held against the profiles it should conform to, where it is a record of this server; what that refers
    /// to is not followed further.
    Asking,
    /// The record is to be written. An extension that nobody here knows is a warning, and other records count by their
    /// types alone, and a rule that looks into one is not tried, so that the order in which records come makes no
    /// difference. A display that its code system does not have is a warning: what is meant is the code.
    Writing,
    /// As [`Writing`](Purpose::Writing), where such a display is an error too.
    WritingExactly,
}

impl Validator {
    /// A validator by the definitions of R4. Compiles the standard's rules, in a few milliseconds.
    pub fn new(definitions: Arc<Definitions>) -> Validator {
        Validator {
            rules: Rules::r4(&definitions),
            kinds: Kinds::of(&definitions),
            profiles: Profiles::default(),
            definitions,
        }
    }

    /// Judges a record of a kind: every issue at once, the worst first, each with its place as FHIRPath.
    ///
    /// Where its structure is wrong, the other rules are tried on what can be made out.
    pub fn validate(
        &self,
        library: &dyn Library,
        terminology: &dyn Terminology,
        kind: &Kind,
        record: Node<'_>,
        asked: &Asked<'_>,
    ) -> Vec<Issue> {
        self.judge(library, terminology, kind, record, asked).finish()
    }

    /// As [`Validator::validate`], with the steps that are left.
    pub(crate) fn judge(
        &self,
        library: &dyn Library,
        terminology: &dyn Terminology,
        kind: &Kind,
        record: Node<'_>,
        asked: &Asked<'_>,
    ) -> Findings {
        let mut found = Findings::default();
        for issue in conformance::judge(&self.definitions, kind, record) {
            found.take(issue);
        }
        let (shelf, bundles) = (Shelf::default(), Bundles::default());
        let mut walk = Walk {
            validator: self,
            definitions: &self.definitions,
            library,
            terminology,
            shelf: &shelf,
            bundles: &bundles,
            now: asked.now,
            purpose: asked.purpose,
            found,
            depth: 0,
            under_way: Vec::new(),
            away: false,
        };
        let named = record.string("resourceType");
        let known = named.as_deref().and_then(|name| self.definitions.type_id(name));
        if let (Some(name), Some(kind)) = (&named, known) {
            let root = Element::resource(&*self.definitions, record);
            let (place, scope) = (Place::Root(name), Scope::alone(root));
            let focus = Focus::outermost(root, kind, &place, &scope);
            walk.resource(&focus);
            for address in asked.profiles {
                let why = format!("The profile {address}");
                walk.conform_to(&focus, address, &why);
            }
        }
        walk.found
    }
}
