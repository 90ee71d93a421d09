//! `$meta` (<https://hl7.org/fhir/R4/resource-operation-meta.html>): a record's labels, or all that a kind or the log has.

use fhir::tree::Tree;
use query::Total;
use query::predicate::{Predicate, Test};

use crate::engine::Engine;
use crate::inputs::Inputs;
use crate::labels::{self, SETS};
use crate::operation::Call;
use crate::record::parsed;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::search::Wanted;
use crate::sweep::sweep;
use crate::vread::version_of;

/// Different labels that are listed.
const LABELS_MAX: usize = 10_000;
/// Records read at once.
const CHUNK: usize = 500;

/// Of a record or one version of it, its `meta`; of a kind or of all, every profile, tag and security label that some record has now.
///
/// # Errors
/// 404, 410 where there is no such record; 422 where too many records have labels, or there are too many labels.
pub fn meta(engine: &Engine, _caller: &Caller, request: &Request<'_>, call: &Call<'_>) -> Result<Reply, Refusal> {
    Inputs::read(engine, request, call)?;
    if let (Some(kind), Some(id)) = (call.kind, call.id) {
        let record = match call.version {
            Some(version) => version_of(engine, kind, id, version)?,
            None => engine.record(kind, id)?,
        };
        let document = parsed(&record.json)?;
        let meta = labels::of_record(document.root());
        return Ok(labels::answer(meta).of_version(record.version, record.updated));
    }
    let labelled = ["_profile", "_security", "_tag"].iter().filter_map(|code| {
        let param = engine.registry.id_of(code)?;
        Some(Predicate::Test {
            param,
            test: Test::Present,
        })
    });
    let predicate = Predicate::any(labelled.collect());
    let wanted = Wanted {
        kinds: call.kind.map_or(&[], std::slice::from_ref),
        predicate: &predicate,
        sort: &[],
        limit: CHUNK,
        total: Total::None,
        clock: engine.clock(false),
    };
    let mut sets: [Vec<Tree>; SETS.len()] = Default::default();
    sweep(engine, &wanted, None, &mut |_, document| {
        let meta = labels::of_record(document.root());
        for (name, set) in SETS.iter().zip(&mut sets) {
            meta.get(name)
                .map_or(&[][..], Tree::items)
                .iter()
                .for_each(|label| labels::add(set, label));
        }
        too_many(&sets)
    })?;
    let mut meta = Tree::Object(Vec::new());
    for (name, set) in SETS.iter().zip(sets).filter(|(_, set)| !set.is_empty()) {
        meta.set(name, Tree::Array(set));
    }
    Ok(labels::answer(meta))
}

fn too_many(sets: &[Vec<Tree>]) -> Result<(), Refusal> {
    if sets.iter().map(Vec::len).sum::<usize>() <= LABELS_MAX {
        return Ok(());
    }
    let text = format!("There are more than {LABELS_MAX} different labels; ask of one kind, or search by _tag.");
    Err(Refusal::because(Reason::TooCostly, text))
}
