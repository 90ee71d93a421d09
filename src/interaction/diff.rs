//! `$diff`: what makes one record, or one version of it, another, as a FHIRPath Patch that can be sent as it is.
//!
//! This server's own; the patch is one of <https://hl7.org/fhir/R4/fhirpatch.html>.

use fhir::document::Node;
use fhir::identity::{Id, Kind, VersionId};
use fhir::tree::Tree;
use store::{HistoryRange, Scope, Version};

use crate::difference::difference;
use crate::engine::{Engine, not_found, spliced};
use crate::inputs::Inputs;
use crate::operation::Call;
use crate::outputs;
use crate::patch_path::OPERATIONS_MAX;
use crate::record::parsed;
use crate::refusal::{Reason, Refusal};
use crate::related::local;
use crate::reply::Reply;
use crate::request::{Caller, Request};

/// 200 with a Parameters resource that is a FHIRPath Patch: applied to the one, it gives the other, but for `id` and
/// `meta`. Of a record: from the version `fromVersion` (the one before) to `toVersion` (the current). At the base
/// address: `from` and `to`, each a reference, with a version or without, or a resource. With `includeMeta=true`
/// profiles, tags, security labels and source are compared too.
///
/// # Errors
/// 400 where something is missing or the two are of different types; 404, 410 where there is no such record or version;
/// 422 where the difference has more than [`OPERATIONS_MAX`] operations, or is none that a patch can say.
pub fn diff(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    let inputs = Inputs::read(engine, request, call)?;
    let of_record = call.id.is_some();
    let (from, to) = if of_record {
        versions(engine, call, &inputs)?
    } else {
        let side = |name: &str| side(engine, &inputs, name, request.base);
        (side("from")?, side("to")?)
    };
    let kind = |tree: &Tree| {
        tree.get("resourceType")
            .and_then(Tree::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if kind(&from) != kind(&to) {
        let text = format!(
            "The one is a {}, the other a {}: there is no patch between them.",
            kind(&from),
            kind(&to)
        );
        return Err(Refusal::because(Reason::Invalid, text));
    }
    let meta = inputs.flag("includeMeta")? == Some(true);
    let sides = (&prepared(from, meta), &prepared(to, meta));
    let operations = difference(&engine.definitions, &kind(sides.0), sides, &[]).map_err(|why| {
        let text = format!("The difference cannot be said as a patch: {why}.");
        Refusal::because(Reason::Unprocessable, text)
    })?;
    if operations.len() > OPERATIONS_MAX {
        let text = format!(
            "The difference has {} operations; a patch has at most {OPERATIONS_MAX}.",
            operations.len()
        );
        return Err(Refusal::because(Reason::TooCostly, text));
    }
    Ok(outputs::reply(operations))
}

/// What is compared: without `meta`, or with what is not the server's own of it.
fn prepared(mut tree: Tree, with_meta: bool) -> Tree {
    let meta = tree.remove("meta").filter(|_| with_meta);
    if let Some(mut meta) = meta {
        ["versionId", "lastUpdated"]
            .iter()
            .for_each(|name| drop(meta.remove(name)));
        if !matches!(&meta, Tree::Object(members) if members.is_empty()) {
            tree.set("meta", meta);
        }
    }
    tree
}

fn bad(name: &str, text: impl Into<String>) -> Refusal {
    Refusal::because(Reason::Invalid, text).at(format!("http.{name}"))
}

fn versions(engine: &Engine, call: &Call<'_>, inputs: &Inputs) -> Result<(Tree, Tree), Refusal> {
    let (kind, id) = call.record();
    let named = |name: &str| -> Result<Option<VersionId>, Refusal> {
        let Some(text) = inputs.text(name) else {
            return Ok(None);
        };
        let text = text.rsplit('/').next().unwrap_or_default();
        let version = text
            .parse()
            .map_err(|_| bad(name, format!("{name} is \"{text}\", which is no version.")))?;
        Ok(Some(version))
    };
    let (from, to) = (named("fromVersion")?, named("toVersion")?);
    let to = match to {
        Some(version) => of_version(engine, kind, id, version)?,
        None => {
            let current = engine.store.current(kind, id)?;
            current.ok_or_else(|| not_found(kind, id))?
        }
    };
    let from = match from {
        Some(version) => of_version(engine, kind, id, version)?,
        None => before(engine, kind, id, &to)?,
    };
    Ok((tree(&from)?, tree(&to)?))
}

fn of_version(engine: &Engine, kind: &Kind, id: &Id, version: VersionId) -> Result<Version, Refusal> {
    let found = engine.store.version(kind, id, version)?;
    found.ok_or_else(|| Refusal::because(Reason::NotFound, format!("{kind}/{id} has no version {version}.")))
}

/// The version before another.
fn before(engine: &Engine, kind: &Kind, id: &Id, version: &Version) -> Result<Version, Refusal> {
    let range = HistoryRange::current_before(version.seq, 1);
    let mut found = engine.store.history(&Scope::Record(kind.clone(), id.clone()), &range)?;
    found.pop().ok_or_else(|| {
        let text = format!(
            "{kind}/{id} has no version before {}; name two versions.",
            version.version
        );
        Refusal::because(Reason::NotFound, text).at("http.fromVersion")
    })
}

fn tree(version: &Version) -> Result<Tree, Refusal> {
    if !version.operation.is_live() {
        return Err(crate::engine::deleted(version));
    }
    Ok(Tree::from_node(parsed(&spliced(version))?.root()))
}

/// A resource that is given, or the record that a reference names.
fn side(engine: &Engine, inputs: &Inputs, name: &str, base: &str) -> Result<Tree, Refusal> {
    if let Some(resource) = inputs.resource(name, "") {
        judged(engine, resource)?;
        return Ok(Tree::from_node(resource));
    }
    let object = inputs.object(name).and_then(|object| object.string("reference"));
    let reference = inputs.text(name).or(object);
    let reference = reference.ok_or_else(|| {
        bad(
            name,
            format!("$diff needs {name}: a reference such as Patient/1/_history/0-2, or a resource."),
        )
    })?;
    let (kind, id, version) = local(&reference, base).ok_or_else(|| {
        bad(
            name,
            format!("\"{reference}\" is no reference to a record of this server."),
        )
    })?;
    let kind = engine.kind(kind.as_str())?;
    match version {
        Some(version) => {
            let version = version
                .parse()
                .map_err(|_| bad(name, format!("\"{version}\" is no version.")))?;
            tree(&of_version(engine, &kind, &id, version)?)
        }
        None => Ok(Tree::from_node(parsed(&engine.record(&kind, &id)?.json)?.root())),
    }
}

/// A resource from outside has to be one before it is compared.
fn judged(engine: &Engine, resource: Node<'_>) -> Result<(), Refusal> {
    let kind = resource.string("resourceType").unwrap_or_default();
    engine.prepare(&engine.kind(&kind)?, resource, false).map(drop)
}
