//! What the centre notes of what is in a node's horizon, and what it tells the node of it by the record of its machine.

use store::{Note, Store, Unit};
use sync::catchment::{Catchment, Wanted, Within, hour};
use sync::session::Failed;

use crate::answer_node::{Known, trouble};
use crate::engine::{Engine, now};
use crate::own_device::OwnDevice;

/// What is in a node's horizon: what was, and what was added to it or taken from it since, from now on.
///
/// # Errors
/// [`Failed`] where the log cannot be read or written.
pub(crate) fn of(engine: &Engine, known: &Known) -> Result<Catchment, Failed> {
    let before = noted(&engine.store, known)?.unwrap_or_default();
    let told = OwnDevice::read(engine, known.number).map_err(trouble)?;
    if before.is(&wanted(known)) && told == Some(device(known)) {
        return Ok(before);
    }
    // That a node has another horizon is a version in the log: what came into it stands there. It comes to the node, which
    // takes over what it says.
    let written = engine
        .store
        .submit(Unit::one(device(known).write(engine, known.number)));
    let written = written.map_err(|refused| Failed(refused.to_string()))?;
    let after = before.changed(&wanted(known), written.first().map_or(0, |done| done.seq), hour(now()));
    let unit = Unit {
        notes: notes(&after, known.number),
        ..Unit::default()
    };
    let noted = engine.store.submit(unit);
    noted.map_err(|refused| Failed(refused.to_string()))?;
    Ok(after)
}

/// As it was at the node's last contact, under the last of its numbers that had one; `None` before the first.
///
/// # Errors
/// [`Failed`] where the log cannot be read.
pub(crate) fn noted(store: &Store, known: &Known) -> Result<Option<Catchment>, Failed> {
    for number in known.numbers() {
        if let Some(gewogs) = store.note(&gewogs_key(number)).map_err(trouble)? {
            let rest = store.note(&rest_key(number)).map_err(trouble)?;
            return Ok(Some(read(&gewogs, &rest.unwrap_or_default())));
        }
    }
    Ok(None)
}

/// Numbers, little endian, for the gewogs; lines of text for the rest.
fn notes(catchment: &Catchment, number: u32) -> Vec<Note> {
    let mut gewogs = Vec::with_capacity(catchment.gewogs.len() * 12);
    for (gewog, since) in &catchment.gewogs {
        gewogs.extend_from_slice(&gewog.to_le_bytes());
        gewogs.extend_from_slice(&since.to_le_bytes());
    }
    let within = |set: &Within| format!("within {} {} {}\n", set.place, set.hour, set.months);
    let mut rest: String = catchment.within.iter().map(within).collect();
    if let Some((clinic, place)) = &catchment.clinic {
        rest.push_str(&format!("clinic {place} {clinic}\n"));
    }
    vec![
        Note::new(gewogs_key(number), gewogs),
        Note::new(rest_key(number), rest.into_bytes()),
    ]
}

fn read(gewogs: &[u8], rest: &[u8]) -> Catchment {
    let gewog = |bytes: &[u8]| {
        let (gewog, since) = bytes.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*gewog), u64::from_le_bytes(since.try_into().ok()?)))
    };
    let mut read = Catchment {
        gewogs: gewogs.chunks_exact(12).filter_map(gewog).collect(),
        ..Catchment::default()
    };
    for line in String::from_utf8_lossy(rest).lines() {
        match line.split(' ').collect::<Vec<&str>>()[..] {
            ["within", place, hour, months] => read.within.extend(within(place, hour, months)),
            ["clinic", place, clinic] => read.clinic = place.parse().ok().map(|place| (clinic.to_owned(), place)),
            _ => {}
        }
    }
    read
}

fn within(place: &str, hour: &str, months: &str) -> Option<Within> {
    Some(Within {
        place: place.parse().ok()?,
        hour: hour.parse().ok()?,
        months: months.parse().ok()?,
    })
}

fn gewogs_key(number: u32) -> String {
    format!("catchment/{number}")
}

fn rest_key(number: u32) -> String {
    format!("horizon/{number}")
}

/// What the register wants a node's horizon to be.
fn wanted(known: &Known) -> Wanted<'_> {
    Wanted {
        gewogs: &known.gewogs,
        within_months: known.within_months,
        clinic: known.clinic.as_ref(),
    }
}

/// What the record of a node's machine says.
fn device(known: &Known) -> OwnDevice {
    OwnDevice {
        name: known.name.clone(),
        gewogs: known.gewogs.iter().map(|gewog| format!("BT{gewog:04}")).collect(),
        within_months: Some(known.within_months),
        clinic: known.clinic.clone(),
        former: known.former.clone(),
    }
}

/// What a node's own record says that it holds, and the numbers it had before; nothing is known of since when.
pub(crate) fn told(device: OwnDevice) -> (Catchment, Vec<u32>) {
    let digits = |gewog: &String| gewog.trim_start_matches("BT").parse().ok();
    let within = device.within_months.map(|months| Within {
        place: 0,
        hour: 0,
        months,
    });
    let told = Catchment {
        gewogs: device
            .gewogs
            .iter()
            .filter_map(digits)
            .map(|gewog| (gewog, 0))
            .collect(),
        within: within.into_iter().collect(),
        clinic: device.clinic.map(|clinic| (clinic, 0)),
    };
    (told, device.former)
}
