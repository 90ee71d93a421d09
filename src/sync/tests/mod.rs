//! The room's tests: what sites wrote apart, in a table and at random.

mod frames;
mod model;
mod random;
mod segments;
mod simulation;
mod table;

use std::sync::{Arc, LazyLock};

use conformance::Definitions;
use fhir::identity::VersionId;
use fhir::tree::Tree;

use crate::history::{History, Version};
use crate::merge::{State, state};
use crate::rules::Rules;

static DEFINITIONS: LazyLock<Arc<Definitions>> = LazyLock::new(Definitions::r4);

pub(crate) fn tree(json: &str) -> Tree {
    Tree::parse(json.as_bytes()).unwrap_or_else(|why| panic!("{json}: {why}"))
}

pub(crate) fn name(node: u32, counter: u64) -> VersionId {
    VersionId { node, counter }
}

pub(crate) fn version(node: u32, counter: u64, parents: &[VersionId], clock: i64, body: Option<&str>) -> Version {
    Version {
        name: name(node, counter),
        parents: parents.to_vec(),
        clock,
        body: body.map(tree),
    }
}

pub(crate) fn state_of(versions: impl IntoIterator<Item = Version>) -> State {
    let history = History::new(versions).unwrap_or_else(|why| panic!("{why}"));
    state(&history, &DEFINITIONS, Rules::national())
}

pub(crate) fn text(record: &Option<Tree>) -> String {
    let told = record
        .as_ref()
        .map(|tree| String::from_utf8(tree.to_bytes()).expect("text"));
    told.unwrap_or_else(|| "deleted".to_owned())
}
