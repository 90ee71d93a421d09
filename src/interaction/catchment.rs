//! What is in a node's horizon: gewogs, for how long whoever was seen stays, and the clinic to which people are referred.

use std::collections::BTreeMap;

use store::{Note, Store, Unit};
use sync::session::Failed;

use crate::answer_node::{Known, trouble};
use crate::engine::{Engine, now};
use crate::own_device::OwnDevice;

/// Microseconds in an hour.
pub const HOUR: i64 = 3_600_000_000;
/// Hours in a month: the twelfth part of 365 days and a quarter.
const MONTH_HOURS: f64 = 365.25 * 24.0 / 12.0;

/// The hour of a moment in microseconds since 1970.
pub fn hour(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(HOUR)).unwrap_or(i32::MAX)
}

/// What is in a node's horizon besides what is of nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catchment {
    /// The gewogs as the digits of their place codes, and since which place of the log each is part of it.
    pub gewogs: BTreeMap<u32, u64>,
    /// For how long whoever was seen stays, as it was set one time after another.
    pub within: Vec<Within>,
    /// The record of the clinic itself, such as `Location/gasa-bhu`, and since which place of the log it is that.
    pub clinic: Option<(String, u64)>,
}

/// For how long whoever was seen stays in the horizon, from a place of the log on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// The place.
    pub place: u64,
    /// The hour.
    pub hour: i32,
    /// The months.
    pub months: u32,
}

/// A stretch of time in which a person was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// Its first hour.
    pub first: i32,
    /// Its last hour.
    pub last: i32,
    /// The place of the log where it began.
    pub since: u64,
}

impl Stretch {
    /// The same, counted from a place of the log at the earliest.
    pub fn from(self, place: u64) -> Stretch {
        Stretch {
            since: self.since.max(place),
            ..self
        }
    }
}

impl Within {
    fn hours(&self) -> i64 {
        (f64::from(self.months) * MONTH_HOURS) as i64
    }
}

impl Catchment {
    /// What is in a node's horizon: what was, and what was added to it or taken from it since, from now on.
    ///
    /// # Errors
    /// [`Failed`] where the log cannot be read or written.
    pub(crate) fn of(engine: &Engine, known: &Known) -> Result<Catchment, Failed> {
        let before = Catchment::noted(&engine.store, known)?.unwrap_or_default();
        let told = OwnDevice::read(engine, known.number).map_err(trouble)?;
        if before.is(known) && told == Some(device(known)) {
            return Ok(before);
        }
        // That a node has another horizon is a version in the log: what came into it stands there. It comes to the node, which
        // takes over what it says.
        let written = engine
            .store
            .submit(Unit::one(device(known).write(engine, known.number)));
        let written = written.map_err(|refused| Failed(refused.to_string()))?;
        let after = before.changed(known, written.first().map_or(0, |done| done.seq), hour(now()));
        let unit = Unit {
            notes: after.notes(known.number),
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
                return Ok(Some(Catchment::read(&gewogs, &rest.unwrap_or_default())));
            }
        }
        Ok(None)
    }

    /// Whether it is what the register says.
    fn is(&self, known: &Known) -> bool {
        let gewogs = self.gewogs.len() == known.gewogs.len();
        gewogs
            && known.gewogs.iter().all(|gewog| self.gewogs.contains_key(gewog))
            && self.within.last().map(|within| within.months) == Some(known.within_months)
            && self.clinic.as_ref().map(|(clinic, _)| clinic) == known.clinic.as_ref()
    }

    /// What it becomes at a place of the log.
    fn changed(mut self, known: &Known, place: u64, hour: i32) -> Catchment {
        let since = |gewog: &u32| self.gewogs.get(gewog).copied().unwrap_or(place);
        let gewogs = known.gewogs.iter().map(|gewog| (*gewog, since(gewog))).collect();
        let months = known.within_months;
        match self.within.last() {
            // What was set first holds from the beginning.
            None => self.within.push(Within {
                place: 0,
                hour: 0,
                months,
            }),
            Some(last) if last.months != months => self.within.push(Within { place, hour, months }),
            Some(_) => {}
        }
        let same = self.clinic.filter(|(clinic, _)| Some(clinic) == known.clinic.as_ref());
        let clinic = same.or_else(|| Some((known.clinic.clone()?, place)));
        Catchment { gewogs, clinic, ..self }
    }

    /// Numbers, little endian, for the gewogs; lines of text for the rest.
    fn notes(&self, number: u32) -> Vec<Note> {
        let mut gewogs = Vec::with_capacity(self.gewogs.len() * 12);
        for (gewog, since) in &self.gewogs {
            gewogs.extend_from_slice(&gewog.to_le_bytes());
            gewogs.extend_from_slice(&since.to_le_bytes());
        }
        let within = |set: &Within| format!("within {} {} {}\n", set.place, set.hour, set.months);
        let mut rest: String = self.within.iter().map(within).collect();
        if let Some((clinic, place)) = &self.clinic {
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

    /// Since which place of the log somebody is in the horizon who was seen in these stretches; `None` where she was not, or
    /// longer ago than she stays. Who comes back, or is brought back because whoever was seen stays longer now, comes anew.
    pub fn stays(&self, stretches: &mut [Stretch], now: i32) -> Option<u64> {
        stretches.sort_unstable();
        let present = self.within.last()?;
        let mut after = now;
        for (at, stretch) in stretches.iter().enumerate().rev() {
            // An earlier stretch, at another place, may have ended later.
            let last = stretches[..=at].iter().map(|stretch| stretch.last).max()?;
            let away = |until: i32| i64::from(until) - i64::from(last);
            if at + 1 == stretches.len() && away(now) > present.hours() {
                return None;
            }
            if at + 1 < stretches.len() && away(after) > self.at(after).hours() {
                return Some(stretches[at + 1].since);
            }
            let changes = self.within.windows(2).rev();
            let mut changes = changes.filter(|change| (last..=after).contains(&change[1].hour));
            if let Some(back) = changes.find(|change| away(change[1].hour) > change[0].hours()) {
                return Some(back[1].place);
            }
            after = stretch.first;
        }
        stretches.first().map(|first| first.since)
    }

    /// What was set at an hour.
    fn at(&self, hour: i32) -> Within {
        let set = self.within.iter().rev().find(|within| within.hour <= hour);
        set.or(self.within.first()).copied().unwrap_or(Within {
            place: 0,
            hour: 0,
            months: 0,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const MONTH: i32 = MONTH_HOURS as i32;

    /// Visits as (first month, last month, place), settings as (month, months, place).
    fn since(visits: &[(i32, i32, u64)], settings: &[(i32, u32, u64)], now: i32) -> Option<u64> {
        let stretch = |(first, last, since): &(i32, i32, u64)| Stretch {
            first: first * MONTH,
            last: last * MONTH,
            since: *since,
        };
        let within = |(month, months, place): &(i32, u32, u64)| Within {
            place: *place,
            hour: month * MONTH,
            months: *months,
        };
        let catchment = Catchment {
            within: settings.iter().map(within).collect(),
            ..Catchment::default()
        };
        let mut visits: Vec<Stretch> = visits.iter().map(stretch).collect();
        catchment.stays(&mut visits, now * MONTH)
    }

    #[test]
    fn who_was_seen_stays_for_a_time() {
        let two_years: &[_] = &[(0, 24, 0)];
        let longer: &[_] = &[(0, 24, 0), (40, 60, 500)];
        let shorter: &[_] = &[(0, 60, 0), (40, 24, 500)];
        let table: [(&str, &[_], &[_], i32, Option<u64>); 13] = [
            ("never seen", &[], two_years, 5, None),
            ("seen", &[(1, 1, 10)], two_years, 20, Some(10)),
            ("seen too long ago", &[(1, 1, 10)], two_years, 30, None),
            (
                "seen often",
                &[(1, 1, 10), (20, 20, 20), (40, 40, 30)],
                two_years,
                60,
                Some(10),
            ),
            ("away, and back", &[(1, 1, 10), (30, 30, 20)], two_years, 40, Some(20)),
            (
                "two places at once",
                &[(1, 30, 10), (3, 3, 20)],
                two_years,
                40,
                Some(10),
            ),
            ("brought back by a longer time", &[(1, 1, 10)], longer, 45, Some(500)),
            ("still there at the change", &[(20, 20, 10)], longer, 45, Some(10)),
            (
                "brought back, and seen since",
                &[(1, 1, 10), (50, 50, 600)],
                longer,
                55,
                Some(500),
            ),
            ("seen after the change only", &[(42, 42, 600)], longer, 45, Some(600)),
            ("too long ago for the longer time", &[(1, 1, 10)], longer, 70, None),
            ("sent away by a shorter time", &[(1, 1, 10)], shorter, 41, None),
            ("stays for a shorter time", &[(30, 30, 10)], shorter, 41, Some(10)),
        ];
        for (what, visits, settings, now, expected) in table {
            assert_eq!(since(visits, settings, now), expected, "{what}");
        }
    }
}
