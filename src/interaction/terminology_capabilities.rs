//! `GET [base]/metadata?mode=terminology`: which code systems are known, and what the operations on codes take.
//!
//! See <https://hl7.org/fhir/R4/terminologycapabilities.html>.

use std::collections::BTreeSet;

use fhir::moment;
use fhir::tree::Tree;

use crate::engine::Engine;
use crate::refusal::Refusal;
use crate::reply::Reply;

/// Parameters of `$expand` that are heard.
const PARAMETERS: [&str; 19] = [
    "activeOnly",
    "check-system-version",
    "count",
    "default-valueset-version",
    "designation",
    "displayLanguage",
    "exclude-system",
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

/// Answers with the TerminologyCapabilities: the systems that are built in, were loaded, or are records.
///
/// # Errors
/// Those of reading the records.
pub(crate) fn terminology_capabilities(engine: &Engine, base: &str) -> Result<Reply, Refusal> {
    let system = |(url, versions): (String, BTreeSet<String>)| {
        let mut system = Tree::object([("uri", Tree::string(url))]);
        if !versions.is_empty() {
            let version = |code: String| Tree::object([("code", Tree::string(code))]);
            system.set("version", Tree::Array(versions.into_iter().map(version).collect()));
        }
        system
    };
    let records = engine.all_definitions(&engine.kind("CodeSystem")?)?;
    let systems = engine.library.known(&records).into_iter().map(system).collect();
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
        ("url", Tree::string(format!("{base}/metadata?mode=terminology"))),
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
            Tree::object([
                ("description", Tree::string("The national record server")),
                ("url", Tree::string(base)),
            ]),
        ),
        ("codeSystem", Tree::Array(systems)),
        ("expansion", expansion),
        ("codeSearch", Tree::string("all")),
        ("validateCode", Tree::object([("translations", Tree::Bool(true))])),
        ("translation", Tree::object([("needsMap", Tree::Bool(false))])),
        ("closure", Tree::object([("translation", Tree::Bool(false))])),
    ]);
    Ok(Reply::json(200, statement.to_bytes()))
}
