//! `$subsumes`: how two codes of a system lie to each other (<https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>).

use fhir::tree::Tree;

use crate::finding::Unable;
use crate::library::Session;
use crate::lookup::place_of;
use crate::system::{Place, System, is_below};

/// The code of <https://hl7.org/fhir/R4/valueset-concept-subsumption-outcome.html> for two codes.
///
/// # Errors
/// 404 where the system or a code is not known.
pub fn relation(system: &dyn System, a: &str, b: &str) -> Result<&'static str, Unable> {
    Ok(match (place_of(system, a)?, place_of(system, b)?) {
        (Place::At(a), Place::At(b)) if a == b => "equivalent",
        (Place::At(a), Place::At(b)) if is_below(system, b, a) => "subsumes",
        (Place::At(a), Place::At(b)) if is_below(system, a, b) => "subsumed-by",
        (Place::Written(a), Place::Written(b)) if a == b => "equivalent",
        _ => "not-subsumed",
    })
}

/// Answers `$subsumes`.
///
/// # Errors
/// Those of [`relation`].
pub fn subsumes(session: &Session<'_>, url: &str, version: Option<&str>, a: &str, b: &str) -> Result<Tree, Unable> {
    let system = session.system(url, version)?;
    let outcome = relation(&*system, a, b)?;
    let parameter = Tree::object([("name", Tree::string("outcome")), ("valueCode", Tree::string(outcome))]);
    Ok(Tree::object([
        ("resourceType", Tree::string("Parameters")),
        ("parameter", Tree::Array(vec![parameter])),
    ]))
}
