//! FHIRPath's dates and times, with the precision they were written in.

use std::cmp::Ordering;
use std::fmt;

use fhir::moment::{DAY, SECOND, civil_from_days, days_from_civil, days_in_month};

const HOUR: i64 = 3600 * SECOND;
const MINUTE: i64 = 60 * SECOND;
/// How far a clock without a zone may be from Greenwich.
const ZONE_REACH: i64 = 14 * HOUR;

/// How far a date or time is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// A year.
    Year,
    /// A month of a year.
    Month,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second, with or without a fraction.
    Second,
}

/// A date, known to the year, the month or the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12; 1 where it is not known.
    pub month: u8,
    /// 1 to 31; 1 where it is not known.
    pub day: u8,
    /// Year, month or day.
    pub precision: Precision,
}

/// A time of day, known to the hour, the minute or the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// Microseconds since midnight.
    pub micros: i64,
    /// Hour, minute or second.
    pub precision: Precision,
    /// How many digits of the second's fraction were written, at most 6.
    pub fraction: u8,
}

/// A date with a time of day and perhaps a zone; a partial one may lack the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// The date.
    pub date: Date,
    /// The time of day, where the date is known to the day.
    pub time: Option<Time>,
    /// Minutes east of Greenwich, where the text says it.
    pub zone: Option<i16>,
}

/// A span to be added to a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Years(i64),
    Months(i64),
    Days(i64),
    Micros(i64),
}

/// The number that is all of some digits.
fn digits(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(*digit - b'0'))
    })
}

impl Date {
    /// A date from its text: `2015`, `2015-02` or `2015-02-04`.
    pub fn parse(text: &str) -> Option<Date> {
        Date::read(text.as_bytes())
    }

    fn read(text: &[u8]) -> Option<Date> {
        let (year, month, day, precision) = match text {
            [_, _, _, _] => (text, None, None, Precision::Year),
            [_, _, _, _, b'-', _, _] => (&text[..4], Some(&text[5..]), None, Precision::Month),
            [_, _, _, _, b'-', _, _, b'-', _, _] => (&text[..4], Some(&text[5..7]), Some(&text[8..]), Precision::Day),
            _ => return None,
        };
        let (year, month, day) = (
            digits(year)?,
            month.map_or(Some(1), digits)?,
            day.map_or(Some(1), digits)?,
        );
        let fits = year > 0 && (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        fits.then_some(Date {
            year: year as u16,
            month: month as u8,
            day: day as u8,
            precision,
        })
    }

    /// The date with only as much as the precision says.
    pub(crate) fn at(year: i64, month: i64, day: i64, precision: Precision) -> Option<Date> {
        if !(1..=9999).contains(&year) {
            return None;
        }
        Some(Date {
            year: year as u16,
            month: if precision >= Precision::Month { month as u8 } else { 1 },
            day: if precision >= Precision::Day { day as u8 } else { 1 },
            precision: precision.min(Precision::Day),
        })
    }

    fn days(&self) -> i64 {
        days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day))
    }

    fn of_days(days: i64) -> Option<Date> {
        let (year, month, day) = civil_from_days(days);
        Date::at(year, month, day, Precision::Day)
    }

    fn plus_months(self, months: i64) -> Option<Date> {
        let counted = (i64::from(self.year) * 12 + i64::from(self.month) - 1).checked_add(months)?;
        let (year, month) = (counted.div_euclid(12), counted.rem_euclid(12) + 1);
        let day = i64::from(self.day).min(days_in_month(year, month));
        Date::at(year, month, day, self.precision)
    }

    fn plus_days(self, days: i64) -> Option<Date> {
        match self.precision {
            Precision::Year => self.plus_months((days / 365).checked_mul(12)?),
            Precision::Month => self.plus_months(days / 30),
            _ => Date::of_days(self.days().checked_add(days)?),
        }
    }

    /// The date after a span; `None` outside the years 1 to 9999. A date that lacks what the span counts
    /// takes its whole multiples: a year and 24 months are two years later.
    pub(crate) fn plus(self, span: Span) -> Option<Date> {
        match span {
            Span::Years(years) => self.plus_months(years.checked_mul(12)?),
            Span::Months(months) if self.precision == Precision::Year => self.plus_months(months / 12 * 12),
            Span::Months(months) => self.plus_months(months),
            Span::Days(days) => self.plus_days(days),
            Span::Micros(micros) => self.plus_days(micros / DAY),
        }
    }
}

impl Time {
    /// A time from its text: `14`, `14:30`, `14:30:05` or `14:30:05.123`.
    pub fn parse(text: &str) -> Option<Time> {
        Time::read(text.as_bytes())
    }

    fn read(text: &[u8]) -> Option<Time> {
        let (hour, minute, second, fraction, precision) = match text {
            [_, _] => (text, None, None, None, Precision::Hour),
            [_, _, b':', _, _] => (&text[..2], Some(&text[3..]), None, None, Precision::Minute),
            [_, _, b':', _, _, b':', _, _, fraction @ ..] => {
                let fraction = Some(fraction).filter(|fraction| !fraction.is_empty());
                (
                    &text[..2],
                    Some(&text[3..5]),
                    Some(&text[6..8]),
                    fraction,
                    Precision::Second,
                )
            }
            _ => return None,
        };
        let (hour, minute) = (digits(hour)?, minute.map_or(Some(0), digits)?);
        let (second, (fraction, written)) = (
            second.map_or(Some(0), digits)?,
            fraction.map_or(Some((0, 0)), Time::fraction)?,
        );
        (hour < 24 && minute < 60 && second < 60).then_some(Time {
            micros: hour * HOUR + minute * MINUTE + second * SECOND + fraction,
            precision,
            fraction: written,
        })
    }

    /// The microseconds of a fraction with its point, and how many digits they have.
    fn fraction(text: &[u8]) -> Option<(i64, u8)> {
        let [b'.', fraction @ ..] = text else { return None };
        let kept = &fraction[..fraction.len().min(6)];
        let plain = !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit);
        plain.then(|| Some((digits(kept)? * 10_i64.pow(6 - kept.len() as u32), kept.len() as u8)))?
    }

    fn unit(&self) -> i64 {
        match self.precision {
            Precision::Hour => HOUR,
            Precision::Minute => MINUTE,
            _ => 1,
        }
    }

    /// Hour, minute, and microseconds of the minute.
    pub(crate) fn fields(&self) -> [i64; 3] {
        [self.micros / HOUR, self.micros / MINUTE % 60, self.micros % MINUTE]
    }

    /// A time's digits after the second that its microseconds need, in steps of three.
    fn fraction_for(micros: i64, written: u8) -> u8 {
        match micros {
            _ if micros % SECOND == 0 => written,
            _ if micros % 1000 == 0 => written.max(3),
            _ => 6,
        }
    }

    /// The time after a span, past midnight where need be; `None` where the span counts days or more.
    pub(crate) fn plus(self, span: Span) -> Option<Time> {
        let Span::Micros(added) = span else {
            return None;
        };
        let micros = (self.micros + added % DAY / self.unit() * self.unit()).rem_euclid(DAY);
        Some(Time {
            micros,
            fraction: Time::fraction_for(micros, self.fraction),
            ..self
        })
    }

    /// Which is earlier; `None` where one is known less far and they agree that far.
    pub(crate) fn compare(&self, other: &Time) -> Option<Ordering> {
        let shared = match self.precision.min(other.precision) {
            Precision::Hour => 1,
            Precision::Minute => 2,
            _ => 3,
        };
        let order = self.fields()[..shared].cmp(&other.fields()[..shared]);
        (order.is_ne() || self.precision == other.precision).then_some(order)
    }
}

impl DateTime {
    /// A date with time from its text: a date, then perhaps `T` with perhaps a time and a zone.
    pub fn parse(text: &str) -> Option<DateTime> {
        let text = text.as_bytes();
        let at = [10, 7, 4].into_iter().find(|at| text.get(*at) == Some(&b'T'));
        let date = Date::read(&text[..at.unwrap_or(text.len())])?;
        let clock = at.map_or(&[][..], |at| &text[at + 1..]);
        if clock.is_empty() {
            return Some(DateTime::from(date));
        }
        let (clock, zone) = split_zone(clock)?;
        let time = Time::read(clock)?;
        (date.precision == Precision::Day).then_some(DateTime {
            date,
            time: Some(time),
            zone,
        })
    }

    /// The moment in a zone, to the millisecond.
    pub(crate) fn of_instant(micros: i64, zone: i32) -> Option<DateTime> {
        let local = micros.checked_add(i64::from(zone) * MINUTE)?;
        DateTime::of_local(local, Precision::Second, 3, Some(zone as i16))
    }

    fn of_local(local: i64, precision: Precision, fraction: u8, zone: Option<i16>) -> Option<DateTime> {
        let micros = local.rem_euclid(DAY);
        let time = Time {
            micros,
            precision,
            fraction: Time::fraction_for(micros, fraction),
        };
        Some(DateTime {
            date: Date::of_days(local.div_euclid(DAY))?,
            time: Some(time),
            zone,
        })
    }

    /// How far it is known.
    pub fn precision(&self) -> Precision {
        self.time.map_or(self.date.precision, |time| time.precision)
    }

    fn local(&self) -> i64 {
        self.date.days() * DAY + self.time.map_or(0, |time| time.micros)
    }

    /// Microseconds since 1970 on Greenwich's clock; on its own where it names no zone.
    fn instant(&self) -> i64 {
        self.local() - i64::from(self.zone.unwrap_or(0)) * MINUTE
    }

    /// The moment after a span; `None` outside the years 1 to 9999.
    pub(crate) fn plus(self, span: Span) -> Option<DateTime> {
        match (self.time, span) {
            (Some(time), Span::Micros(added)) => {
                let local = self.local().checked_add(added / time.unit() * time.unit())?;
                DateTime::of_local(local, time.precision, time.fraction, self.zone)
            }
            _ => Some(DateTime {
                date: self.date.plus(span)?,
                ..self
            }),
        }
    }

    /// Which is earlier; `None` where that can't be told from what is known of both.
    ///
    /// Both are read on the same clock where both name a zone. Where only one does, the other may be
    /// anywhere on earth.
    pub(crate) fn compare(&self, other: &DateTime) -> Option<Ordering> {
        if self.time.is_none() || other.time.is_none() || (self.zone.is_none() && other.zone.is_none()) {
            return self.compare_fields(other);
        }
        let (left, right) = (self.instant(), other.instant());
        if self.zone.is_none() || other.zone.is_none() {
            return ((left - right).abs() > ZONE_REACH + HOUR).then(|| left.cmp(&right));
        }
        // As far as both are known.
        let unit = match self.precision().min(other.precision()) {
            Precision::Hour => HOUR,
            Precision::Minute => MINUTE,
            _ => 1,
        };
        let order = left.div_euclid(unit).cmp(&right.div_euclid(unit));
        (order.is_ne() || self.precision() == other.precision()).then_some(order)
    }

    fn compare_fields(&self, other: &DateTime) -> Option<Ordering> {
        let (left, right) = (self.fields(), other.fields());
        let shared = self.precision().min(other.precision());
        let order = left[..=shared as usize].cmp(&right[..=shared as usize]);
        (order.is_ne() || self.precision() == other.precision()).then_some(order)
    }

    fn fields(&self) -> [i64; 6] {
        let [hour, minute, micros] = self.time.map_or([0; 3], |time| time.fields());
        let date = self.date;
        [
            date.year.into(),
            date.month.into(),
            date.day.into(),
            hour,
            minute,
            micros,
        ]
    }
}

impl From<Date> for DateTime {
    fn from(date: Date) -> DateTime {
        DateTime {
            date,
            time: None,
            zone: None,
        }
    }
}

/// A clock's text without its zone, and the zone in minutes.
fn split_zone(text: &[u8]) -> Option<(&[u8], Option<i16>)> {
    match text {
        [clock @ .., b'Z'] => Some((clock, Some(0))),
        [clock @ .., sign @ (b'+' | b'-'), hour, hours, b':', minute, minutes] => {
            let (hours, minutes) = (digits(&[*hour, *hours])?, digits(&[*minute, *minutes])?);
            let offset = (hours * 60 + minutes) as i16;
            let offset = if *sign == b'-' { -offset } else { offset };
            (hours <= 14 && minutes < 60).then_some((clock, Some(offset)))
        }
        clock => Some((clock, None)),
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.year, self.month, self.day);
        match self.precision {
            Precision::Year => write!(f, "{year:04}"),
            Precision::Month => write!(f, "{year:04}-{month:02}"),
            _ => write!(f, "{year:04}-{month:02}-{day:02}"),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [hour, minute, micros] = self.fields();
        write!(f, "{hour:02}")?;
        if self.precision >= Precision::Minute {
            write!(f, ":{minute:02}")?;
        }
        if self.precision == Precision::Second {
            write!(f, ":{:02}", micros / SECOND)?;
        }
        if self.precision == Precision::Second && self.fraction > 0 {
            let digits = format!("{:06}", micros % SECOND);
            write!(f, ".{}", &digits[..usize::from(self.fraction.min(6))])?;
        }
        Ok(())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date)?;
        let Some(time) = self.time else {
            return Ok(());
        };
        write!(f, "T{time}")?;
        match self.zone {
            Some(0) => f.write_str("Z"),
            Some(zone) => {
                let sign = if zone < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", zone.abs() / 60, zone.abs() % 60)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_both_ways() {
        let kept = [
            "2015",
            "2015-02",
            "2015-02-04",
            "2015-02-04T14",
            "2015-02-04T14:05",
            "2015-02-04T14:05:06.120+05:30",
            "2015-02-04T14:05:06Z",
        ];
        for text in kept {
            let parsed = DateTime::parse(text).map(|moment| moment.to_string());
            assert_eq!(parsed.as_deref(), Some(text));
        }
        for text in [
            "",
            "15",
            "2015-13",
            "2015-02-30",
            "2015-02T10",
            "2015-02-04T24",
            "2015-02-04T10:00:00.",
            "0000",
        ] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn orders_need_what_both_know() {
        use Ordering::*;
        let table = [
            ("2015", "2016", Some(Less)),
            ("2015", "2015-01", None),
            ("2015-02-04", "2015-02-04T10:00", None),
            ("2015-02-04T10:00:00", "2015-02-04T10:00:00.0", Some(Equal)),
            ("2015-02-04T10:00:00Z", "2015-02-04T12:00:00+02:00", Some(Equal)),
            ("2015-02-04T10:00:00Z", "2015-02-04T15:00:00", None),
            ("2015-02-04T10:00:00Z", "2015-02-06T15:00:00", Some(Less)),
            ("2015-02-04T23:00-05:00", "2015-02-05T03:00:00Z", Some(Greater)),
        ];
        for (left, right, expected) in table {
            let parse = |text| DateTime::parse(text).expect("a date with time");
            assert_eq!(parse(left).compare(&parse(right)), expected, "{left} {right}");
        }
    }

    #[test]
    fn spans_are_added() {
        let table = [
            ("2015-01-31", Span::Months(1), "2015-02-28"),
            ("2016-02-29", Span::Years(1), "2017-02-28"),
            ("2014", Span::Months(23), "2015"),
            ("2016", Span::Days(365), "2017"),
            ("2015-12-31T23:30", Span::Micros(HOUR), "2016-01-01T00:30"),
            (
                "2015-12-31T23:30:00Z",
                Span::Micros(1500),
                "2015-12-31T23:30:00.001500Z",
            ),
            ("2015-12-31", Span::Micros(25 * HOUR), "2016-01-01"),
            ("2015-03-01", Span::Days(-1), "2015-02-28"),
        ];
        for (text, span, expected) in table {
            let after = DateTime::parse(text).and_then(|moment| moment.plus(span));
            assert_eq!(after.map(|m| m.to_string()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(Date::parse("9999").and_then(|date| date.plus(Span::Years(1))), None);
    }
}
