//! `$closure` at the base address: a table of what subsumes what, which grows with the codes a client has seen.
//!
//! See <https://hl7.org/fhir/R4/conceptmap-operation-closure.html>.
//!
//! The table of a name is a ConceptMap record: an element for each code, with the codes that subsume it as targets, each
//! with the version of the table that brought it. So it is in the log like everything else, and outlives the server.

use fhir::document::{Document, Node};
use fhir::identity::{Id, Kind};
use fhir::moment;
use fhir::parse::Limits;
use fhir::tree::Tree;
use terminology::Session;
use terminology::subsume::relation;
use terminology::validate::Coding;

use crate::engine::{Engine, now};
use crate::operation::Call;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Method, Request};
use crate::terminology_call::{No, answer, coding, needs, wrong};
use crate::update;

/// What the ids of tables begin with.
const TABLES: &str = "closure-";
/// Codes in one table.
const CODES_MAX: usize = 10_000;

/// A code of the table.
struct Row {
    system: String,
    code: String,
    /// The codes that subsume it, each with the version of the table that brought it.
    above: Vec<(String, usize)>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    version: usize,
}

/// Adds codes to the table of a name and answers with what that adds to the closure; with `version`, with all that was
/// added after it; with neither, begins the table anew.
///
/// # Errors
/// 400 without a name; 404 for a code or a system that is not known; 412 where another call changed the table meanwhile;
/// 422 for a table that would be too long.
pub fn closure(engine: &Engine, caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    answer(engine, request, call, |asked, session| {
        let name = asked
            .inputs
            .text("name")
            .ok_or_else(|| needs("the name of the table"))?;
        let (kind, id) = (engine.kind("ConceptMap")?, id_of(&name)?);
        let since = asked.inputs.number("version")?;
        let given = asked
            .inputs
            .of("concept")
            .filter_map(|concept| Some(coding(concept.value()?.1)));
        let given: Vec<Coding> = given.collect();
        let (mut table, tag) = read(engine, &kind, &id)?;
        if let Some(since) = since {
            return Ok(map(&name, &table, Some(since)));
        }
        if given.is_empty() {
            table.rows.clear();
        }
        let before = table.version;
        table.version += 1;
        for coding in given {
            add(session, &mut table, coding)?;
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

/// Whether a ConceptMap is the table of a closure.
pub(crate) fn is_table(map: &Document) -> bool {
    let text = |name: &str| map.root().string(name).unwrap_or_default();
    text("id").starts_with(TABLES) && text("name") == "Closure"
}

fn id_of(name: &str) -> Result<Id, No> {
    let id = Id::new(&format!("{TABLES}{name}"));
    id.ok_or_else(|| wrong("The name of a table has at most 56 letters, digits, hyphens and points"))
}

/// The table as it is kept, and the tag of its version; an empty one where there is none yet.
fn read(engine: &Engine, kind: &Kind, id: &Id) -> Result<(Table, Option<String>), No> {
    let record = match engine.record(kind, id) {
        Ok(record) => record,
        Err(refusal) if matches!(refusal.status, 404 | 410) => return Ok((Table::default(), None)),
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
                code: element.string("code").unwrap_or_default().into_owned(),
                above: above.collect(),
            });
        }
    }
    Ok((table, Some(format!("W/\"{}\"", record.version))))
}

fn list<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    node.get(name).into_iter().flat_map(|list| list.each())
}

fn add(session: &Session<'_>, table: &mut Table, coding: Coding) -> Result<(), No> {
    let Some(url) = coding.system else {
        return Err(wrong(format!("The concept {} has no system", coding.code)));
    };
    let system = session.system(&url, coding.version.as_deref())?;
    // So that a code that is not known is refused.
    relation(&*system, &coding.code, &coding.code)?;
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
        code: coding.code,
        above,
    });
    Ok(())
}

/// The table as a ConceptMap: the whole of it, or what came after a version.
fn map(name: &str, table: &Table, since: Option<usize>) -> Tree {
    let mut groups: Vec<(&str, Vec<Tree>)> = Vec::new();
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
        match groups.iter_mut().find(|(system, _)| *system == row.system) {
            Some((_, elements)) => elements.push(element),
            None => groups.push((&row.system, vec![element])),
        }
    }
    let group = |(system, elements): (&str, Vec<Tree>)| {
        Tree::object([
            ("source", Tree::string(system)),
            ("target", Tree::string(system)),
            ("element", Tree::Array(elements)),
        ])
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
