//! `$translate`: the codes that a ConceptMap gives for a code (<https://hl7.org/fhir/R4/conceptmap-operation-translate.html>).
//!
//! Maps are read as R4 writes them and as later versions do, which call the equivalence a relationship.

use std::borrow::Cow;
use std::sync::Arc;

use fhir::document::{Document, Node};
use fhir::tree::Tree;

use crate::finding::{Finding, Unable};
use crate::library::Session;
use crate::membership::Trail;
use crate::validate::Coding;
use crate::version;

/// Matches of one translation.
const MATCHES_MAX: usize = 1_000;
/// How deep maps may hand codes on to other maps.
const DEPTH_MAX: usize = 8;

/// What is to be translated.
#[derive(Debug, Default)]
pub struct Translation {
    /// The map; of all maps where there is none.
    pub map: Option<Arc<Document>>,
    /// The codes.
    pub codings: Vec<Coding>,
    /// The value set that the map has to lead from.
    pub source: Option<String>,
    /// The value set that the map has to lead to.
    pub target: Option<String>,
    /// The system that codes are wanted of, or, in reverse, that the codes are of.
    pub target_system: Option<String>,
    /// The system that, in reverse, codes are wanted of.
    pub source_system: Option<String>,
    /// What is known beside the codes: elements, by their address, and the codes they hold.
    pub dependencies: Vec<(String, Vec<Coding>)>,
    /// Whether the codes are targets, and their sources are sought.
    pub reverse: bool,
}

struct Match {
    equivalence: String,
    concept: Tree,
    source: Option<Tree>,
    /// What the map says of other elements: the address, and the code it holds.
    products: Vec<(String, Tree)>,
    map: String,
    comment: Option<String>,
}

/// Translates.
///
/// # Errors
/// 422 where there would be too many matches.
pub fn translate(session: &Session<'_>, asked: &Translation) -> Result<Tree, Unable> {
    let maps = match &asked.map {
        Some(map) => vec![Arc::clone(map)],
        None => session.maps()?,
    };
    let mut found = Vec::new();
    for map in &maps {
        let root = map.root();
        if !leads(session, root, "source", asked.source.as_deref())?
            || !leads(session, root, "target", asked.target.as_deref())?
        {
            continue;
        }
        for coding in &asked.codings {
            match asked.reverse {
                true => reversed(root, coding, asked, &mut found),
                false => forward(session, root, coding, asked, 0, &mut found)?,
            }
        }
        if found.len() > MATCHES_MAX {
            let text =
                format!("The translation has more than {MATCHES_MAX} matches; name the map or the target system");
            return Err(Unable::too_costly(text));
        }
    }
    Ok(answer(&found))
}

/// Whether a map leads from or to a value set, where one is asked for.
fn leads(session: &Session<'_>, map: Node<'_>, end: &str, wanted: Option<&str>) -> Result<bool, Unable> {
    let Some(wanted) = wanted else { return Ok(true) };
    let names = [
        format!("{end}Uri"),
        format!("{end}Canonical"),
        format!("{end}ScopeUri"),
        format!("{end}ScopeCanonical"),
    ];
    let said = names.iter().find_map(|name| map.string(name));
    let Some(said) = said else { return Ok(false) };
    if version::split(&said).0 == version::split(wanted).0 {
        return Ok(true);
    }
    // A map from a larger value set is one from the smaller, too; whether the code is in it, the map itself says.
    let Some(set) = session.set(wanted)? else {
        return Ok(false);
    };
    let mut systems = Vec::new();
    session.drawn_on(&set, &Trail::default(), &mut systems)?;
    Ok(systems.contains(&said.into_owned()))
}

fn list<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    node.get(name).into_iter().flat_map(|list| list.each())
}

fn is(node: Node<'_>, name: &str, wanted: Option<&str>) -> bool {
    let said = node.string(name);
    wanted.is_none_or(|wanted| {
        said.as_deref()
            .is_none_or(|said| version::split(said).0 == version::split(wanted).0)
    })
}

fn canonical(map: Node<'_>) -> String {
    version::join(&map.string("url").unwrap_or_default(), map.string("version").as_deref())
}

fn forward(
    session: &Session<'_>,
    map: Node<'_>,
    coding: &Coding,
    asked: &Translation,
    depth: usize,
    found: &mut Vec<Match>,
) -> Result<(), Unable> {
    for group in list(map, "group") {
        if !is(group, "source", coding.system.as_deref()) || !is(group, "target", asked.target_system.as_deref()) {
            continue;
        }
        let mut elements = list(group, "element");
        let element = elements.find(|element| element.string("code").as_deref() == Some(coding.code.as_str()));
        match element {
            Some(element) => {
                let none = element.get("noMap").and_then(|node| node.as_bool()) == Some(true);
                for target in list(element, "target").filter(|target| !none && applies(*target, asked)) {
                    found.push(matched(map, group, target, None));
                }
            }
            None => unmapped(session, map, group, coding, asked, depth, found)?,
        }
    }
    Ok(())
}

fn unmapped(
    session: &Session<'_>,
    map: Node<'_>,
    group: Node<'_>,
    coding: &Coding,
    asked: &Translation,
    depth: usize,
    found: &mut Vec<Match>,
) -> Result<(), Unable> {
    let Some(rule) = group.get("unmapped") else {
        return Ok(());
    };
    match rule.string("mode").as_deref() {
        Some("fixed") => found.push(matched(map, group, rule, None)),
        Some("provided" | "use-source-code") => {
            let mut one = matched(map, group, rule, None);
            one.concept.set("code", Tree::string(&coding.code));
            found.push(one);
        }
        Some("other-map") => {
            let names = ["url", "otherMap"];
            let Some(other) = names.iter().find_map(|name| rule.string(name)) else {
                return Ok(());
            };
            if depth >= DEPTH_MAX {
                let text = format!("Maps hand codes on to each other more than {DEPTH_MAX} deep, at {other}");
                return Err(Unable::unusable(Finding::error("too-costly", "too-costly", text)));
            }
            if let Some(other) = session.map(&other)? {
                forward(session, other.root(), coding, asked, depth + 1, found)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn reversed(map: Node<'_>, coding: &Coding, asked: &Translation, found: &mut Vec<Match>) {
    let system = coding.system.as_deref().or(asked.target_system.as_deref());
    for group in list(map, "group") {
        if !is(group, "target", system) || !is(group, "source", asked.source_system.as_deref()) {
            continue;
        }
        for element in list(group, "element") {
            let targets = list(element, "target")
                .filter(|target| target.string("code").as_deref() == Some(&*coding.code) && applies(*target, asked));
            for target in targets {
                let source = Tree::object([
                    ("system", Tree::string(group.string("source").unwrap_or_default())),
                    ("code", Tree::string(element.string("code").unwrap_or_default())),
                ]);
                found.push(matched(map, group, target, Some(source)));
            }
        }
    }
}

/// Whether a target holds with what is known beside the code: it may depend on other elements, each of which has to hold
/// a certain code.
fn applies(target: Node<'_>, asked: &Translation) -> bool {
    list(target, "dependsOn").all(|needed| {
        let (element, value) = (needed.string("property"), needed.string("value"));
        let holds = |coding: &Coding| value.as_deref() == Some(&coding.code) && is_of(needed, coding);
        asked
            .dependencies
            .iter()
            .filter(|(known, _)| element.as_deref() == Some(known))
            .any(|(_, codings)| codings.iter().any(holds))
    })
}

fn is_of(needed: Node<'_>, coding: &Coding) -> bool {
    let system = needed.string("system");
    system.is_none_or(|system| coding.system.as_deref().is_none_or(|own| own == system))
}

/// What a target says of other elements.
fn products(target: Node<'_>) -> Vec<(String, Tree)> {
    let product = |node: Node<'_>| {
        let mut concept = Tree::object([]);
        for (name, member) in [("system", "system"), ("code", "value"), ("display", "display")] {
            if let Some(value) = node.string(member) {
                concept.set(name, Tree::string(value));
            }
        }
        Some((node.string("property")?.into_owned(), concept))
    };
    list(target, "product").filter_map(product).collect()
}

/// One match; in reverse, the concept is still the target of the map, and the source is told beside it.
fn matched(map: Node<'_>, group: Node<'_>, target: Node<'_>, source: Option<Tree>) -> Match {
    let mut concept = Tree::object([]);
    for (name, value) in [
        ("system", group.string("target")),
        ("version", group.string("targetVersion")),
    ] {
        if let Some(value) = value {
            concept.set(name, Tree::string(value));
        }
    }
    for name in ["code", "display"] {
        if let Some(value) = target.string(name) {
            concept.set(name, Tree::string(value));
        }
    }
    let later = target
        .string("relationship")
        .map(|relationship| Cow::Borrowed(equivalence(&relationship)));
    let said = target.string("equivalence").or(later);
    Match {
        equivalence: said.unwrap_or(Cow::Borrowed("relatedto")).into_owned(),
        concept,
        source,
        products: products(target),
        map: canonical(map),
        comment: target.string("comment").map(Cow::into_owned),
    }
}

/// What R4 calls a relationship of later versions. R4 says how the target lies to the source, they the other way.
fn equivalence(relationship: &str) -> &'static str {
    match relationship {
        "equivalent" => "equivalent",
        "source-is-narrower-than-target" => "wider",
        "source-is-broader-than-target" => "narrower",
        "not-related-to" => "disjoint",
        _ => "relatedto",
    }
}

fn answer(found: &[Match]) -> Tree {
    let related = |one: &&Match| !matches!(one.equivalence.as_str(), "unmatched" | "disjoint");
    let named = |name: &str, member: &str, value: Tree| Tree::object([("name", Tree::string(name)), (member, value)]);
    let result = found.iter().any(|one| related(&one));
    let mut parameters = vec![named("result", "valueBoolean", Tree::Bool(result))];
    if !result {
        let text = "No ConceptMap that is known here has a match for the code";
        parameters.push(named("message", "valueString", Tree::string(text)));
    }
    for one in found {
        let mut parts = vec![
            named("equivalence", "valueCode", Tree::string(&one.equivalence)),
            named("concept", "valueCoding", one.concept.clone()),
        ];
        if let Some(source) = &one.source {
            parts.push(named("source", "valueCoding", source.clone()));
        }
        for (element, concept) in &one.products {
            let inner = vec![
                named("element", "valueUri", Tree::string(element)),
                named("concept", "valueCoding", concept.clone()),
            ];
            parts.push(Tree::object([
                ("name", Tree::string("product")),
                ("part", Tree::Array(inner)),
            ]));
        }
        if let Some(comment) = &one.comment {
            parts.push(named("comment", "valueString", Tree::string(comment)));
        }
        parts.push(named("originMap", "valueCanonical", Tree::string(&one.map)));
        parameters.push(Tree::object([
            ("name", Tree::string("match")),
            ("part", Tree::Array(parts)),
        ]));
    }
    Tree::object([
        ("resourceType", Tree::string("Parameters")),
        ("parameter", Tree::Array(parameters)),
    ])
}
