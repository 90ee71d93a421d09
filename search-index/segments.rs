//! Opens the segments of the last commit, and knows which place in the log that commit stands for.

use fhir::identity::VersionId;
use store::Store;
use tantivy::directory::{Directory, META_LOCK};
use tantivy::{SegmentReader, TantivyError};

use crate::columns::{Columns, Fields, Segment};
use crate::slots::Slots;
use std::sync::Arc;

/// The segments of the last commit; those `known` already are not opened again.
pub(crate) fn open(
    index: &tantivy::Index,
    fields: &Fields,
    slots: &Slots,
    known: &[Segment],
) -> Result<Vec<Segment>, TantivyError> {
    let _files_stay = index.directory().acquire_lock(&META_LOCK).map_err(TantivyError::from)?;
    let mut opened = Vec::new();
    for segment in index.searchable_segments()? {
        let alike = known.iter().find(|known| known.reader.segment_id() == segment.id());
        if let Some(same) = alike.filter(|known| known.reader.delete_opstamp() == segment.meta().delete_opstamp()) {
            opened.push(same.clone());
            continue;
        }
        let reader = SegmentReader::open(&segment)?;
        let columns = match alike {
            Some(known) => Arc::clone(&known.columns),
            None => Arc::new(Columns::open(&reader, fields, slots)?),
        };
        opened.push(Segment::new(reader, columns));
    }
    Ok(opened)
}

/// What a commit carries: the place in the log it stands for and which version is there, so that an index
/// of another log is recognised.
///
/// # Errors
/// The store's, where the version cannot be read.
pub(crate) fn payload(store: &Store, position: u64) -> Result<String, store::Trouble> {
    let version = version_at(store, position)?;
    Ok(version
        .map(|(version, updated)| format!("{position} {version} {updated}"))
        .unwrap_or_default())
}

/// The place a payload stands for: 0 for none, `None` where it is of another log or damaged.
pub(crate) fn position(store: &Store, payload: &str) -> Result<Option<u64>, store::Trouble> {
    if payload.is_empty() {
        return Ok(Some(0));
    }
    let Some(position) = payload.split(' ').next().and_then(|text| text.parse().ok()) else {
        return Ok(None);
    };
    if position > store.head() {
        return Ok(None);
    }
    Ok((self::payload(store, position)? == payload).then_some(position))
}

fn version_at(store: &Store, position: u64) -> Result<Option<(VersionId, i64)>, store::Trouble> {
    if position == 0 {
        return Ok(None);
    }
    Ok(store
        .by_seq(&[position])?
        .first()
        .map(|version| (version.version, version.updated)))
}
