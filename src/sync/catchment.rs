//! What is in a node's horizon: gewogs, for how long whoever was seen stays, and the clinic to which people are referred.

use std::collections::BTreeMap;

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

impl Within {
    fn hours(&self) -> i64 {
        (f64::from(self.months) * MONTH_HOURS) as i64
    }
}

/// What a node's horizon is to be from now on.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The gewogs, as the digits of their place codes.
    pub gewogs: &'a [u32],
    /// For how many months whoever was seen stays.
    pub within_months: u32,
    /// The record of the clinic itself.
    pub clinic: Option<&'a String>,
}

impl Catchment {
    /// Whether it is what is wanted.
    pub fn is(&self, wanted: &Wanted<'_>) -> bool {
        let gewogs = self.gewogs.len() == wanted.gewogs.len();
        gewogs
            && wanted.gewogs.iter().all(|gewog| self.gewogs.contains_key(gewog))
            && self.within.last().map(|within| within.months) == Some(wanted.within_months)
            && self.clinic.as_ref().map(|(clinic, _)| clinic) == wanted.clinic
    }

    /// What it becomes at a place of the log, at an hour: what is in it stays so since when it was.
    #[must_use]
    pub fn changed(mut self, to: &Wanted<'_>, place: u64, hour: i32) -> Catchment {
        let since = |gewog: &u32| self.gewogs.get(gewog).copied().unwrap_or(place);
        let gewogs = to.gewogs.iter().map(|gewog| (*gewog, since(gewog))).collect();
        let months = to.within_months;
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
        let same = self.clinic.filter(|(clinic, _)| Some(clinic) == to.clinic);
        let clinic = same.or_else(|| Some((to.clinic.cloned()?, place)));
        Catchment { gewogs, clinic, ..self }
    }

    /// Since which place of the log somebody is in the horizon who was seen in these stretches; `None` where she was not, or
    /// longer ago than she stays. Who comes back, or is brought back because whoever was seen stays longer now, comes anew.
    pub fn stays(&self, stretches: &mut [Stretch], now: i32) -> Option<u64> {
        stretches.sort_unstable();
        let present = self.within.last()?;
        for (at, _) in stretches.iter().enumerate().rev() {
            // An earlier stretch, at another place, may have ended later.
            let last = stretches[..=at].iter().map(|stretch| stretch.last).max()?;
            let away = |until: i32| i64::from(until) - i64::from(last);
            let next = stretches.get(at + 1);
            match next {
                None if away(now) > present.hours() => return None,
                Some(next) if away(next.first) > self.before(next.since).hours() => return Some(next.since),
                _ => {}
            }
            // By their places: what was set in the hour in which she was seen again was set before that or after.
            let until_next = |set: &Within| next.is_none_or(|next| set.place < next.since);
            let changes = self.within.windows(2).rev();
            let mut changes = changes.filter(|change| change[1].hour >= last && until_next(&change[1]));
            if let Some(back) = changes.find(|change| away(change[1].hour) > change[0].hours()) {
                return Some(back[1].place);
            }
        }
        stretches.first().map(|first| first.since)
    }

    /// What was set before a place of the log.
    fn before(&self, place: u64) -> Within {
        let set = self.within.iter().rev().find(|within| within.place < place);
        set.or(self.within.first()).copied().unwrap_or(Within {
            place: 0,
            hour: 0,
            months: 0,
        })
    }
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
        let table: [(&str, &[_], &[_], i32, Option<u64>); 14] = [
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
            (
                "back in the hour of the change, and before it",
                &[(1, 1, 10), (40, 40, 499)],
                longer,
                45,
                Some(499),
            ),
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
