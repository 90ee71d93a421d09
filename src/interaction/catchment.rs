//! A node's catchment: which gewogs it is of, and since which place of the log each is.

use std::collections::BTreeSet;

use store::{Note, Store, Unit};
use sync::session::Failed;

use crate::answer_node::{Known, trouble};
use crate::engine::Engine;
use crate::horizon::Catchment;
use crate::own_device::OwnDevice;

/// A node's catchment: what it was, and what was added to it or taken from it since, from now on.
pub(crate) fn catchment(engine: &Engine, known: &Known) -> Result<Catchment, Failed> {
    let store = &engine.store;
    let before = noted(store, known)?;
    let wanted: BTreeSet<u32> = known.gewogs.iter().copied().collect();
    if let Some(before) = &before
        && before.keys().copied().collect::<BTreeSet<u32>>() == wanted
        && OwnDevice::read(engine, known.number).map_err(trouble)? == Some(device(known))
    {
        return Ok(before.clone());
    }
    let before = before.unwrap_or_default();
    // That a node has another catchment is a version in the log: what came into its horizon stands there. It comes to the
    // node, which takes over what it says.
    let written = store.submit(Unit::one(device(known).write(engine, known.number)));
    let written = written.map_err(|refused| Failed(refused.to_string()))?;
    let since = written.first().map_or(0, |done| done.seq);
    let since = |gewog: &u32| before.get(gewog).copied().unwrap_or(since);
    let after: Catchment = wanted.iter().map(|gewog| (*gewog, since(gewog))).collect();
    let mut value = Vec::with_capacity(after.len() * 12);
    for (gewog, since) in &after {
        value.extend_from_slice(&gewog.to_le_bytes());
        value.extend_from_slice(&since.to_le_bytes());
    }
    let unit = Unit {
        notes: vec![Note::new(key(known.number), value)],
        ..Unit::default()
    };
    store.submit(unit).map_err(|refused| Failed(refused.to_string()))?;
    Ok(after)
}

fn key(number: u32) -> String {
    format!("catchment/{number}")
}

/// A node's catchment as it was at its last contact, under the last of its numbers that had one; `None` before the first.
pub(crate) fn noted(store: &Store, known: &Known) -> Result<Option<Catchment>, Failed> {
    for number in known.numbers() {
        if let Some(note) = store.note(&key(number)).map_err(trouble)? {
            return Ok(Some(note.chunks_exact(12).filter_map(one).collect()));
        }
    }
    Ok(None)
}

fn one(bytes: &[u8]) -> Option<(u32, u64)> {
    let (gewog, since) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*gewog), u64::from_le_bytes(since.try_into().ok()?)))
}

/// What the record of a node's machine says.
fn device(known: &Known) -> OwnDevice {
    OwnDevice {
        name: known.name.clone(),
        gewogs: known.gewogs.iter().map(|gewog| format!("BT{gewog:04}")).collect(),
    }
}
