//! `GET [base]/metadata`: what this server can do, generated from what is really there.
//!
//! See <https://hl7.org/fhir/R4/http.html#capabilities>.

use conformance::ParameterType;
use fhir::identity::Kind;
use fhir::moment;
use fhir::tree::Tree;

use crate::built_in;
use crate::engine::Engine;
use crate::operation::{self, At, Operation};
use crate::operation_definition;
use crate::operation_parameters;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::shape::Shape;
use crate::terminology_capabilities::terminology_capabilities;

/// Stands where the base address goes; no definition has it.
const BASE: &str = "@base@";

/// What a record of any kind can be asked to do (<https://hl7.org/fhir/R4/valueset-type-restful-interaction.html>).
const INTERACTIONS: [&str; 9] = [
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
];

/// Search parameters that every kind has and no expression gives.
const OF_EVERY_KIND: [(&str, &str); 7] = [
    ("_id", "token"),
    ("_lastUpdated", "date"),
    ("_text", "string"),
    ("_content", "string"),
    ("_has", "special"),
    ("_list", "special"),
    ("_filter", "special"),
];

/// Answers with the CapabilityStatement; with the TerminologyCapabilities for `mode=terminology`.
///
/// # Errors
/// Those of reading the records that the TerminologyCapabilities name.
pub fn capabilities(engine: &Engine, _caller: &Caller, request: &Request<'_>, shape: &Shape) -> Result<Reply, Refusal> {
    if request
        .query
        .split('&')
        .any(|parameter| parameter == "mode=terminology")
    {
        return terminology_capabilities(engine, request.base);
    }
    let statement = engine.capabilities.get_or_init(|| {
        let text = String::from_utf8(statement(engine).to_bytes()).expect("a tree writes UTF-8");
        text.into_boxed_str()
    });
    let mut base = Vec::new();
    fhir::parse::write_string(&mut base, request.base);
    let base = String::from_utf8_lossy(&base[1..base.len() - 1]).into_owned();
    let whole = statement.replace(BASE, &base).into_bytes();
    let mut out = Vec::with_capacity(whole.len());
    shape.write(&engine.definitions, &whole, &mut out);
    Ok(Reply::json(200, out))
}

fn statement(engine: &Engine) -> Tree {
    let text = |text: &str| Tree::string(text);
    let codes = |codes: &[&str]| Tree::Array(codes.iter().map(|code| Tree::string(*code)).collect());
    let patches = crate::format::PATCH_FORMATS.split(", ").collect::<Vec<_>>();
    let version = env!("CARGO_PKG_VERSION");
    Tree::object([
        ("resourceType", text("CapabilityStatement")),
        ("url", text(&format!("{BASE}/metadata"))),
        ("version", text(version)),
        ("name", text("Epis")),
        ("title", text("The national record server")),
        ("status", text("active")),
        ("date", text(&moment::instant(engine.opened))),
        ("kind", text("instance")),
        (
            "instantiates",
            codes(&["http://hl7.org/fhir/CapabilityStatement/terminology-server"]),
        ),
        (
            "software",
            Tree::object([("name", text("epis")), ("version", text(version))]),
        ),
        (
            "implementation",
            Tree::object([("description", text("The national record server")), ("url", text(BASE))]),
        ),
        ("fhirVersion", text("4.0.1")),
        (
            "format",
            codes(&["application/fhir+json", "json", "application/fhir+xml", "xml"]),
        ),
        ("patchFormat", codes(&patches)),
        ("rest", Tree::Array(vec![rest(engine)])),
    ])
}

fn rest(engine: &Engine) -> Tree {
    let interactions = ["transaction", "batch", "search-system", "history-system"];
    let resources = engine
        .registry
        .kinds()
        .iter()
        .map(|kind| resource(engine, kind))
        .collect();
    let centers = engine.compartments.centers();
    let compartments = centers.map(|c| {
        Tree::string(format!(
            "http://hl7.org/fhir/CompartmentDefinition/{}",
            c.as_str().to_ascii_lowercase()
        ))
    });
    Tree::object([
        ("mode", Tree::string("server")),
        ("documentation", Tree::string(limits(engine))),
        ("resource", Tree::Array(resources)),
        ("interaction", codes(&interactions)),
        (
            "searchParam",
            Tree::Array(OF_EVERY_KIND.map(|(name, kind)| parameter(name, kind, None)).into()),
        ),
        ("operation", operations(|operation| operation.is_at(At::System))),
        ("compartment", Tree::Array(compartments.collect())),
    ])
}

/// The limits, in words: the CapabilityStatement has no elements for them.
fn limits(engine: &Engine) -> String {
    let limits = &engine.limits;
    format!(
        "Limits: a body has at most {} bytes ({} for a bundle) nested at most {} deep; a bundle {} entries; a query {} \
         characters; a page {} matches ({} where _count says nothing) and {} included records; a search {} seconds.",
        limits.body_bytes,
        limits.bundle_bytes,
        limits.json_depth,
        limits.bundle_entries,
        limits.query_bytes,
        limits.page_max,
        limits.page_default.min(limits.page_max),
        limits.includes_max,
        limits.search_time.as_secs()
    )
}

/// The operations that a test picks.
fn operations(picks: impl Fn(&Operation) -> bool) -> Tree {
    let picked = operation::OPERATIONS.iter().filter(|operation| picks(operation));
    let entry = |operation: &Operation| {
        let definition = operation_definition::address(operation);
        let mut members = vec![
            ("name".to_owned(), Tree::string(operation.name)),
            ("definition".to_owned(), Tree::string(definition)),
        ];
        let said = [operation.text.to_owned(), operation_parameters::beyond(operation)];
        let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
        if !said.is_empty() {
            members.push(("documentation".to_owned(), Tree::string(said.join(" "))));
        }
        Tree::Object(members)
    };
    Tree::Array(picked.map(entry).collect())
}

fn codes(codes: &[&str]) -> Tree {
    let object = |code: &&str| Tree::object([("code", Tree::string(*code))]);
    Tree::Array(codes.iter().map(object).collect())
}

fn parameter(name: &str, kind: &str, definition: Option<&str>) -> Tree {
    let mut members = vec![("name".to_owned(), Tree::string(name))];
    members.extend(definition.map(|url| ("definition".to_owned(), Tree::string(url))));
    members.push(("type".to_owned(), Tree::string(kind)));
    Tree::Object(members)
}

fn resource(engine: &Engine, kind: &Kind) -> Tree {
    let parameters = engine.registry.parameters(kind);
    let includes = parameters.iter().filter(|p| p.kind == ParameterType::Reference);
    let includes = includes.map(|p| Tree::string(format!("{kind}:{}", p.code))).collect();
    let mut listed: Vec<Tree> = OF_EVERY_KIND.map(|(name, kind)| parameter(name, kind, None)).into();
    listed.extend(
        parameters
            .iter()
            .map(|p| parameter(&p.code, p.kind.as_str(), Some(&p.url))),
    );
    let single = engine.limits.conditional_delete_max <= 1;
    let is_here = |operation: &Operation| engine.store.node() > 0 || !operation::AT_CLINICS.contains(&operation.name);
    let profiles = built_in::national_profiles(kind.as_str()).iter();
    let mut members = vec![
        ("type", Tree::string(kind.as_str())),
        ("profile", Tree::string(engine.definitions.address(kind.as_str()))),
        ("supportedProfile", Tree::Array(profiles.map(Tree::string).collect())),
        ("interaction", codes(&INTERACTIONS)),
        ("versioning", Tree::string("versioned")),
        ("readHistory", Tree::Bool(true)),
        ("updateCreate", Tree::Bool(true)),
        ("conditionalCreate", Tree::Bool(true)),
        ("conditionalRead", Tree::string("full-support")),
        ("conditionalUpdate", Tree::Bool(true)),
        (
            "conditionalDelete",
            Tree::string(if single { "single" } else { "multiple" }),
        ),
        ("searchInclude", Tree::Array(includes)),
        ("searchRevInclude", Tree::Array(reverse_includes(engine, kind))),
        ("searchParam", Tree::Array(listed)),
        (
            "operation",
            operations(|operation| operation.is_of(kind.as_str()) && is_here(operation)),
        ),
    ];
    // FHIR has no empty arrays.
    members.retain(|(_, value)| !matches!(value, Tree::Array(items) if items.is_empty()));
    Tree::Object(
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// What can be asked to come along because it refers to the kind.
fn reverse_includes(engine: &Engine, kind: &Kind) -> Vec<Tree> {
    let mut found = Vec::new();
    for other in engine.registry.kinds() {
        let parameters = engine.registry.parameters(other).iter();
        // A parameter that may point anywhere is not listed under every kind: the list would be all of it.
        let all = engine.registry.kinds().len();
        let refers = parameters.filter(|p| p.targets.len() < all && p.targets.contains(kind));
        found.extend(refers.map(|p| Tree::string(format!("{other}:{}", p.code))));
    }
    found
}
