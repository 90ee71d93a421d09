//! A version as a row, and the version that a row holds, opened and its seal checked.

use fhir::identity::{Id, VersionId};

use crate::kinds::Kinds;
use crate::packing::Packer;
use crate::trouble::Trouble;
use crate::unit::Operation;
use crate::version::Version;

/// The columns of [`Row`], for a query over `version`.
macro_rules! columns {
    () => {
        (
            $crate::tables::version::seq,
            $crate::tables::version::record,
            $crate::tables::version::counter,
            $crate::tables::version::updated,
            $crate::tables::version::base_counter,
            $crate::tables::version::node,
            $crate::tables::version::base_node,
            $crate::tables::version::dictionary,
            $crate::tables::version::kind,
            $crate::tables::version::operation,
            $crate::tables::version::id,
            $crate::tables::version::hash,
            $crate::tables::version::body,
            $crate::tables::version::lag,
            $crate::tables::version::merged_counter,
            $crate::tables::version::merged_node,
            $crate::tables::version::aside,
        )
    };
}
pub(crate) use columns;

/// One row of `version`, as [`columns`] selects it.
pub(crate) type Row = (
    i64,
    i64,
    i64,
    i64,
    Option<i64>,
    i32,
    Option<i32>,
    i32,
    i16,
    i16,
    String,
    Vec<u8>,
    Vec<u8>,
    i64,
    Option<i64>,
    Option<i32>,
    i16,
);

/// Opens a row: unpacks the body and checks the seal.
///
/// # Errors
/// [`Trouble`] where the row does not hold what was written.
pub(crate) fn open(row: Row, kinds: &Kinds, packer: &Packer) -> Result<Version, Trouble> {
    let (seq, record, counter, updated, base_counter, node, base_node, dictionary, kind, operation, id, hash, body, ..) =
        row;
    let (lag, merged_counter, merged_node, aside) = (row.13, row.14, row.15, row.16);
    let damaged = |what: &str| Trouble::new(format!("Version {seq} in the log is damaged: {what}."));
    let kind = kinds.name(kind).ok_or_else(|| damaged("its kind is unknown"))?.clone();
    let id = Id::new(&id).ok_or_else(|| damaged("its id is none"))?;
    let operation = Operation::of_number(operation).ok_or_else(|| damaged("its operation is unknown"))?;
    let body = packer
        .unpack(dictionary, &body)
        .map_err(|trouble| damaged(trouble.sentence().trim_end_matches('.')))?;
    let name = |node: i32, counter: i64| VersionId {
        node: node as u32,
        counter: counter as u64,
    };
    let version = Version {
        seq: seq as u64,
        record: record as u64,
        kind,
        id,
        version: name(node, counter),
        base: base_node.zip(base_counter).map(|(node, counter)| name(node, counter)),
        merged: merged_node
            .zip(merged_counter)
            .map(|(node, counter)| name(node, counter)),
        updated,
        arrived: updated.saturating_add(lag),
        aside: aside != 0,
        operation,
        body,
    };
    if version.seal().as_slice() != hash {
        return Err(damaged("its hash is another"));
    }
    Ok(version)
}
