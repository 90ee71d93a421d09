//! A node takes records as the centre has them: each replaces what is here, unless that is the node's own and not there yet.

use fhir::identity::VersionId;
use store::{Expect, Note, Refused, Unit};
use sync::Change;

use crate::arrive::{Untaken, write_of};
use crate::engine::Engine;

/// Versions in one unit at most.
const UNIT_MAX: usize = 256;
/// How often a unit is decided anew because somebody wrote in between.
const TRIES: usize = 16;

/// What came of records that the centre sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// How many were taken.
    pub taken: usize,
    /// How many were here already.
    pub known: usize,
    /// How many were passed over because the centre does not know of what was written to them here. It will, and then sends
    /// them joined.
    pub ahead: usize,
}

/// Takes the current versions of records from the centre, which knows this node's own versions up to a counter. The notes
/// are written with the last of them.
///
/// # Errors
/// [`Untaken`]; what was taken before stays, and is known when the same records come again.
pub fn take_states(
    engine: &Engine,
    states: &[Change],
    acknowledged: u64,
    notes: Vec<Note>,
) -> Result<Received, Untaken> {
    let mut received = Received::default();
    let mut notes = Some(notes);
    let last = states.len().div_ceil(UNIT_MAX).saturating_sub(1);
    // Without states there is one unit all the same, of the notes.
    for place in 0..=last {
        let end = ((place + 1) * UNIT_MAX).min(states.len());
        let noted = notes.take_if(|_| place == last).unwrap_or_default();
        let more = some(engine, &states[place * UNIT_MAX..end], acknowledged, &noted)?;
        received.taken += more.taken;
        received.known += more.known;
        received.ahead += more.ahead;
    }
    Ok(received)
}

fn some(engine: &Engine, states: &[Change], acknowledged: u64, notes: &[Note]) -> Result<Received, Untaken> {
    for _ in 0..TRIES {
        let (mut received, mut writes) = (Received::default(), Vec::new());
        for state in states {
            match what_of(engine, state, acknowledged)? {
                What::Known => received.known += 1,
                What::Ahead => received.ahead += 1,
                What::Replaces(current) => {
                    let mut write = write_of(engine, state, false)?;
                    write.expect = Expect::Current(current);
                    writes.push(write);
                    received.taken += 1;
                }
            }
        }
        let unit = Unit {
            writes,
            notes: notes.to_vec(),
            guard: None,
        };
        if unit.writes.is_empty() && unit.notes.is_empty() {
            return Ok(received);
        }
        match engine.store.submit(unit) {
            Ok(_) => return Ok(received),
            Err(Refused::Expectation { .. }) => {}
            Err(refused) => return Err(Untaken::Refused(refused)),
        }
    }
    Err(Untaken::Refused(Refused::Busy))
}

/// What becomes of a state.
enum What {
    /// The version is here.
    Known,
    /// What is here is this node's own, and the centre does not know of it.
    Ahead,
    /// It replaces this version.
    Replaces(Option<VersionId>),
}

fn what_of(engine: &Engine, state: &Change, acknowledged: u64) -> Result<What, Untaken> {
    let (kind, id) = (&state.kind, &state.id);
    // Neither is opened: what a disk has made of one must not keep a newer one away.
    let Some((current, _)) = engine.store.name_of(kind, id)? else {
        return Ok(What::Replaces(None));
    };
    let own = current.node == engine.store.node();
    if current != state.version && own && current.counter > acknowledged {
        return Ok(What::Ahead);
    }
    // One that is here and was replaced since came late, or twice.
    Ok(match engine.store.place_at(kind, id, state.version)? {
        Some(_) => What::Known,
        None => What::Replaces(Some(current)),
    })
}
