//! The labels in a record's `meta`: profiles, tags and security labels, each kind of them a set.
//!
//! A profile is the same by its address, a tag or security label by its system and code, whatever its display and
//! version (<https://hl7.org/fhir/R4/resource-operation-meta-add.html>).

use fhir::body;
use fhir::document::Node;
use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use store::{Expect, Operation, Refused};

use crate::conditional::{self, Attempt};
use crate::engine::{Engine, spliced};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::outputs;
use crate::patch;
use crate::record::parsed;
use crate::refusal::{Reason, Refusal, of_refused};
use crate::reply::Reply;
use crate::request::Request;
use crate::vread::version_of;
use crate::written::{expectation, submit};

/// The members of `meta` that are sets of labels.
pub(crate) const SETS: [&str; 3] = ["profile", "security", "tag"];

/// Whether two labels are the same.
pub(crate) fn same(one: &Tree, other: &Tree) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => ["system", "code"]
            .iter()
            .all(|part| text(one, part) == text(other, part)),
        _ => false,
    }
}

fn text<'a>(label: &'a Tree, part: &str) -> Option<&'a str> {
    label.get(part).and_then(Tree::as_str)
}

/// Adds a label to a set, unless it is there.
pub(crate) fn add(set: &mut Vec<Tree>, label: &Tree) {
    if !set.iter().any(|known| same(known, label)) {
        set.push(label.clone());
    }
}

/// Takes a label out of a set, where it is there.
pub(crate) fn take_out(set: &mut Vec<Tree>, label: &Tree) {
    set.retain(|known| !same(known, label));
}

/// Writes a version of a record whose labels are changed by those in the parameter `meta`, one after the other.
/// Nothing is written where nothing changes. Answers 200 with the resulting `meta`.
///
/// # Errors
/// 400 where there is no `meta`, 404, 410 where there is no such record, 405 for a version that is past, 412 where If-Match does not hold, 422 where
/// the record would not conform.
pub(crate) fn change(
    engine: &Engine,
    request: &Request<'_>,
    call: &Call<'_>,
    (operation, with): (&str, fn(&mut Vec<Tree>, &Tree)),
) -> Result<Reply, Refusal> {
    let (kind, id) = call.record();
    let inputs = Inputs::read(engine, request, call)?;
    let Some(given) = inputs.object("meta") else {
        let text = format!("${operation} needs one parameter \"meta\" with a valueMeta, in a Parameters resource.");
        return Err(Refusal::because(Reason::Invalid, text).at("Parameters.parameter"));
    };
    let given = Tree::from_node(given);
    let mut expect = expectation(request.if_match, request.if_none_match)?;
    if let Some(version) = call.version {
        expect = Expect::Version(only_current(engine, (kind, id), version, operation)?);
    }
    conditional::persist(engine, || {
        attempt(engine, (kind, id), expect, &|meta| apply(meta, &given, with))
    })
}

/// The version in an address, which must be the record's current one. The standard lets labels of past versions be changed
/// in place; here a version is sealed once it is written, and copies of the log elsewhere would never hear of it.
fn only_current(
    engine: &Engine,
    (kind, id): (&Kind, &Id),
    version: &str,
    operation: &str,
) -> Result<VersionId, Refusal> {
    let named = version_of(engine, kind, id, version)?.version;
    if engine.record(kind, id)?.version == named {
        return Ok(named);
    }
    let text = format!(
        "Version {named} of {kind}/{id} is past, and what was written is never changed; ask for {kind}/{id}/${operation}, \
         which labels a new version."
    );
    Err(Refusal::because(Reason::MethodNotAllowed, text))
}

fn apply(meta: &mut Tree, given: &Tree, with: fn(&mut Vec<Tree>, &Tree)) {
    for name in SETS {
        let mut set = meta.get(name).map_or_else(Vec::new, |set| set.items().to_vec());
        for label in given.get(name).map_or(&[][..], Tree::items) {
            with(&mut set, label);
        }
        match set.is_empty() {
            true => drop(meta.remove(name)),
            false => meta.set(name, Tree::Array(set)),
        }
    }
}

fn attempt(
    engine: &Engine,
    (kind, id): (&Kind, &Id),
    expect: Expect,
    change: &dyn Fn(&mut Tree),
) -> Result<Attempt<Reply>, Refusal> {
    let current = patch::current(engine, kind, id, expect)?;
    let mut record = Tree::from_node(parsed(&spliced(&current))?.root());
    let mut meta = record.get("meta").cloned().unwrap_or(Tree::Object(Vec::new()));
    let before = meta.to_bytes();
    change(&mut meta);
    if meta.to_bytes() == before {
        return Ok(Attempt::Done(answer(meta).of_version(current.version, current.updated)));
    }
    record.set("meta", meta);
    let prepared = engine.prepare(kind, parsed(&record.to_bytes())?.root(), false)?;
    let expected = Expect::Version(current.version);
    let write = prepared
        .clone()
        .into_write(kind.clone(), id.clone(), Operation::Update, expected);
    let done = match submit(engine, write, None) {
        Ok(done) => done,
        Err(Refused::Expectation { .. }) if !matches!(expect, Expect::Version(_)) => return Ok(Attempt::Disturbed),
        Err(refused) => return Err(of_refused(refused, &[(kind.clone(), id.clone())])),
    };
    let header = body::Header {
        kind,
        id,
        version: done.version,
        updated: done.updated,
    };
    let mut json = Vec::new();
    body::splice(header, &prepared.body, &mut json);
    let meta = of_record(parsed(&json)?.root());
    Ok(Attempt::Done(answer(meta).of_version(done.version, done.updated)))
}

/// The `meta` of a record.
pub(crate) fn of_record(record: Node<'_>) -> Tree {
    record.get("meta").map_or(Tree::Object(Vec::new()), Tree::from_node)
}

/// 200 with a `meta`, as every operation on labels answers.
pub(crate) fn answer(meta: Tree) -> Reply {
    outputs::reply(vec![outputs::value("return", "valueMeta", meta)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sets_by_system_and_code() {
        let tree = |text: &str| Tree::parse(text.as_bytes()).unwrap();
        let table = [
            (
                r#"{"tag":[{"system":"s","code":"a","display":"A"}]}"#,
                r#"{"tag":[{"system":"s","code":"a"},{"code":"a"}],"profile":["p"]}"#,
                r#"{"tag":[{"system":"s","code":"a","display":"A"},{"code":"a"}],"profile":["p"]}"#,
                r#"{}"#,
            ),
            (
                r#"{"profile":["p","q"]}"#,
                r#"{"profile":["q|1"]}"#,
                r#"{"profile":["p","q","q|1"]}"#,
                r#"{"profile":["p","q"]}"#,
            ),
            (
                r#"{"versionId":"1"}"#,
                r#"{"source":"x"}"#,
                r#"{"versionId":"1"}"#,
                r#"{"versionId":"1"}"#,
            ),
        ];
        for (before, given, added, less) in table {
            let given = tree(given);
            let mut meta = tree(before);
            apply(&mut meta, &given, add);
            assert_eq!(meta, tree(added), "{before}");
            apply(&mut meta, &given, take_out);
            assert_eq!(meta, tree(less), "{before}");
        }
    }
}
