//! `$closure`: a table of what subsumes what, which grows with the codes a client has seen.
//!
//! See <https://hl7.org/fhir/R4/conceptmap-operation-closure.html> and
//! <https://hl7.org/fhir/R4/terminology-service.html#closure>.
//!
//! The table of a name is a ConceptMap record: an element for each code, with the codes that subsume it as targets, each
//! with the version of the table that brought it. So it is in the log like everything else, and outlives the server.

use std::sync::Arc;

use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::moment;
use fhir::parse::Limits;
use fhir::tree::Tree;
use terminology::subsume::relation;
use terminology::validate::Coding;
use terminology::{Finding, Session, System, Unable};

use crate::engine::{Engine, now};
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Method, Request};
use crate::terminology_call::{Asked, No, answer, coding, needs, wrong};
use crate::update;

/// What the ids of tables begin with.
const TABLES: &str = "closure-";
/// Codes in one table.
const CODES_MAX: usize = 10_000;

/// A code of the table.
struct Row {
    system: String,
    /// The version of the system that it was found in.
    version: Option<String>,
    code: String,
    /// The codes that subsume it, each with the version of the table that brought it.
    above: Vec<(String, usize)>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    /// How often the table was changed.
    version: usize,
}

impl Table {
    /// Refuses a table that was made from versions of code systems that are no longer the ones in use.
    fn is_of_now(&self, session: &Session<'_>, name: &str) -> Result<(), No> {
        let mut seen: Vec<&str> = Vec::new();
        for row in &self.rows {
            if seen.contains(&row.system.as_str()) {
                continue;
            }
            seen.push(&row.system);
            let known = session.systems(&row.system)?;
            let has = |system: &Arc<dyn System>| system.facts().version == row.version;
            if !known.iter().any(has) {
                let text = format!(
                    "The table {name} must be begun anew: it was made from another version of {}",
                    row.system
                );
                let finding = Finding::error("processing", "invalid-data", text);
                return Err(Unable::unusable(finding).into());
            }
        }
        Ok(())
    }
}

/// What a client asks of a table.
enum Wish {
    /// To begin it, or to begin it anew.
    Begin,
    /// To add codes, and be told what that adds to the closure.
    Add(Vec<Coding>),
    /// To be told what was added after a version; of 0, the whole.
    Since(usize),
}

/// Begins the table of a name; adds codes to it and answers with what that adds to the closure; or answers with all that
/// was added after a version.
///
/// # Errors
/// 400 without a name, with codes and a version at once, for a version that never was and for a code that is not known; 404
/// for a table that was not begun; 412 where another call changed the table meanwhile; 422 for a table that would be too
/// long, or whose code systems have other versions than those it was made from, so that it must be begun anew.
pub fn closure(engine: &Engine, caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    answer(engine, request, call, |asked, session| {
        let name = asked
            .inputs
            .text("name")
            .ok_or_else(|| needs("the name of the table"))?;
        let (kind, id) = (engine.kind("ConceptMap")?, id_of(&name)?);
        let wish = wish(asked)?;
        let kept = read(engine, &kind, &id)?;
        let (mut table, tag) = match (kept, &wish) {
            (Some((table, tag)), _) => (table, Some(tag)),
            (None, Wish::Begin) => (Table::default(), None),
            (None, _) => return Err(not_begun(&name)),
        };
        let before = table.version;
        match wish {
            Wish::Since(since) => {
                if since > table.version {
                    return Err(wrong(format!("The table {name} never had the version {since}")));
                }
                table.is_of_now(session, &name)?;
                return Ok(map(&name, &table, Some(since)));
            }
            Wish::Begin => {
                table.version += usize::from(tag.is_some());
                table.rows.clear();
            }
            Wish::Add(codes) => {
                table.version += 1;
                table.is_of_now(session, &name)?;
                for coding in codes {
                    add(session, &mut table, coding)?;
                }
            }
        }
        let mut record = map(&name, &table, None);
        record.set("id", Tree::string(id.as_str()));
        let body = record.to_bytes();
        let put = Request {
            body: &body,
            content_type: Some("application/fhir+json"),
            if_match: tag.as_deref(),
            if_none_match: tag.is_none().then_some("*"),
            ..Request::new(Method::Put, "", "", request.base)
        };
        update::update(engine, caller, &put, &kind, &id)?;
        Ok(map(&name, &table, Some(before)))
    })
}

fn wish(asked: &Asked<'_>) -> Result<Wish, No> {
    let given = asked.inputs.of("concept");
    let given: Vec<Coding> = given.filter_map(|concept| Some(coding(concept.value()?.1))).collect();
    match (asked.inputs.number("version")?, given.is_empty()) {
        (Some(_), false) => Err(wrong("A call has concepts or a version, not both")),
        (Some(since), true) => Ok(Wish::Since(since)),
        (None, false) => Ok(Wish::Add(given)),
        (None, true) => Ok(Wish::Begin),
    }
}

fn not_begun(name: &str) -> No {
    let text = format!("There is no table {name}; begin it by a call with its name alone.");
    Refusal::because(Reason::NotFound, text).into()
}

/// Whether a ConceptMap is the table of a closure.
pub(crate) fn is_table(map: &Document) -> bool {
    let text = |name: &str| map.root().string(name).unwrap_or_default();
    text("id").starts_with(TABLES) && text("name") == "Closure"
}

fn id_of(name: &str) -> Result<Id, No> {
    let id = Id::new(&format!("{TABLES}{name}"));
    id.ok_or_else(|| wrong("The name of a table has at most 56 letters, digits, hyphens and points"))
}

/// The table as it is kept, and the tag of its version.
fn read(engine: &Engine, kind: &Kind, id: &Id) -> Result<Option<(Table, String)>, No> {
    let record = match engine.record(kind, id) {
        Ok(record) => record,
        Err(refusal) if matches!(refusal.status, 404 | 410) => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    let document = Document::parse(&record.json, Limits::default()).map_err(Refusal::from)?;
    let root = document.root();
    let mut table = Table {
        version: root
            .string("version")
            .and_then(|version| version.parse().ok())
            .unwrap_or(0),
        rows: Vec::new(),
    };
    for group in list(root, "group") {
        for element in list(group, "element") {
            let above = list(element, "target").filter_map(|target| {
                let version = target.string("comment")?.parse().ok()?;
                Some((target.string("code")?.into_owned(), version))
            });
            table.rows.push(Row {
                system: group.string("source").unwrap_or_default().into_owned(),
                version: group.string("sourceVersion").map(|version| version.into_owned()),
                code: element.string("code").unwrap_or_default().into_owned(),
                above: above.collect(),
            });
        }
    }
    Ok(Some((table, format!("W/\"{}\"", record.version))))
}

fn list<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    node.get(name).into_iter().flat_map(|list| list.each())
}

fn add(session: &Session<'_>, table: &mut Table, coding: Coding) -> Result<(), No> {
    let Some(url) = coding.system else {
        return Err(wrong(format!("The concept {} has no system", coding.code)));
    };
    let system = session.system(&url, coding.version.as_deref())?;
    if system.find(&coding.code).is_none() {
        return Err(wrong(format!("The code system {url} has no code {}", coding.code)));
    }
    if table
        .rows
        .iter()
        .any(|row| row.system == url && row.code == coding.code)
    {
        return Ok(());
    }
    if table.rows.len() >= CODES_MAX {
        let text = format!("The table has {CODES_MAX} codes and takes no more; begin another.");
        return Err(Refusal::because(Reason::TooCostly, text).into());
    }
    let mut above = Vec::new();
    for row in table.rows.iter_mut().filter(|row| row.system == url) {
        match relation(&*system, &coding.code, &row.code)? {
            "subsumes" => row.above.push((coding.code.clone(), table.version)),
            "subsumed-by" => above.push((row.code.clone(), table.version)),
            _ => {}
        }
    }
    table.rows.push(Row {
        system: url,
        version: system.facts().version.clone(),
        code: coding.code,
        above,
    });
    Ok(())
}

/// The table as a ConceptMap: the whole of it, or what came after a version.
fn map(name: &str, table: &Table, since: Option<usize>) -> Tree {
    let mut groups: Vec<(&Row, Vec<Tree>)> = Vec::new();
    for row in &table.rows {
        let fresh = row
            .above
            .iter()
            .filter(|(_, version)| since.is_none_or(|since| *version > since));
        let targets: Vec<Tree> = fresh.map(target).collect();
        if targets.is_empty() && since.is_some() {
            continue;
        }
        let mut element = Tree::object([("code", Tree::string(&row.code))]);
        if !targets.is_empty() {
            element.set("target", Tree::Array(targets));
        }
        let same = |(first, _): &&mut (&Row, Vec<Tree>)| first.system == row.system && first.version == row.version;
        match groups.iter_mut().find(same) {
            Some((_, elements)) => elements.push(element),
            None => groups.push((row, vec![element])),
        }
    }
    let group = |(first, elements): (&Row, Vec<Tree>)| {
        let mut group = Tree::object([]);
        for end in ["source", "target"] {
            group.set(end, Tree::string(&first.system));
            if let Some(version) = &first.version {
                group.set(&format!("{end}Version"), Tree::string(version));
            }
        }
        group.set("element", Tree::Array(elements));
        group
    };
    let mut map = Tree::object([
        ("resourceType", Tree::string("ConceptMap")),
        ("version", Tree::string(table.version.to_string())),
        ("name", Tree::string("Closure")),
        ("title", Tree::string(name)),
        ("status", Tree::string("active")),
        ("experimental", Tree::Bool(true)),
        ("date", Tree::string(moment::instant(now()))),
    ]);
    if !groups.is_empty() {
        map.set("group", Tree::Array(groups.into_iter().map(group).collect()));
    }
    map
}

fn target((code, version): &(String, usize)) -> Tree {
    Tree::object([
        ("code", Tree::string(code)),
        ("equivalence", Tree::string("subsumes")),
        ("comment", Tree::string(version.to_string())),
    ])
}
