//! `GET [base]/metadata?mode=terminology`: which code systems are known, and what the operations on codes take.
//!
//! See <https://hl7.org/fhir/R4/terminologycapabilities.html>.

use fhir::moment;
use fhir::tree::Tree;

use crate::engine::Engine;
use crate::reply::Reply;

/// Parameters of `$expand` that are heard.
const PARAMETERS: [&str; 18] = [
    "activeOnly",
    "check-system-version",
    "count",
    "default-valueset-version",
    "designation",
    "displayLanguage",
    "excludeNested",
    "excludeNotForUI",
    "filter",
    "force-system-version",
    "includeDefinition",
    "includeDesignations",
    "offset",
    "property",
    "system-version",
    "tx-resource",
    "useSupplement",
    "valueSetVersion",
];

/// Answers with the TerminologyCapabilities: the systems that are built in or were loaded. Those that records define are
/// found by searching CodeSystem.
pub(crate) fn terminology_capabilities(engine: &Engine) -> Reply {
    let system = |(url, versions): (String, Vec<String>)| {
        let mut system = Tree::object([("uri", Tree::string(url))]);
        if !versions.is_empty() {
            let version = |code: String| Tree::object([("code", Tree::string(code))]);
            system.set("version", Tree::Array(versions.into_iter().map(version).collect()));
        }
        system
    };
    let systems = engine.library.known().into_iter().map(system).collect();
    let parameter = |name: &str| Tree::object([("name", Tree::string(name))]);
    let expansion = Tree::object([
        ("hierarchical", Tree::Bool(true)),
        ("paging", Tree::Bool(true)),
        ("incomplete", Tree::Bool(false)),
        (
            "parameter",
            Tree::Array(PARAMETERS.iter().map(|name| parameter(name)).collect()),
        ),
    ]);
    let version = env!("CARGO_PKG_VERSION");
    let statement = Tree::object([
        ("resourceType", Tree::string("TerminologyCapabilities")),
        ("version", Tree::string(version)),
        ("name", Tree::string("EpisTerminology")),
        ("title", Tree::string("What the national record server knows of codes")),
        ("status", Tree::string("active")),
        ("date", Tree::string(moment::instant(engine.opened))),
        ("kind", Tree::string("instance")),
        (
            "software",
            Tree::object([("name", Tree::string("epis")), ("version", Tree::string(version))]),
        ),
        (
            "implementation",
            Tree::object([("description", Tree::string("The national record server"))]),
        ),
        ("codeSystem", Tree::Array(systems)),
        ("expansion", expansion),
        ("codeSearch", Tree::string("all")),
        ("validateCode", Tree::object([("translations", Tree::Bool(true))])),
        ("translation", Tree::object([("needsMap", Tree::Bool(false))])),
        ("closure", Tree::object([("translation", Tree::Bool(false))])),
    ]);
    Reply::json(200, statement.to_bytes())
}
