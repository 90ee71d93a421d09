//! FHIR's dates and times: partial ones as the stretch of time they cover, instants to and from text.
//!
//! Every moment is a whole number of microseconds since 1970-01-01T00:00:00Z. A partial date covers a
//! stretch: `2012` is all of that year (<https://hl7.org/fhir/R4/search.html#date>). Where a text says
//! no time zone, the caller's own zone holds, in minutes east of Greenwich (Bhutan: 360).

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const DAY: i64 = 86_400 * SECOND;
/// The beginning of time for open stretches: far before the year 1.
pub const BEGINNING: i64 = i64::MIN / 4;
/// The end of time for open stretches: far after the year 9999.
pub const END: i64 = i64::MAX / 4;

/// A stretch of time: from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The first microsecond in it.
    pub start: i64,
    /// The first microsecond after it.
    pub end: i64,
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// How many days the month has.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// A date, dateTime or instant as the stretch it covers; `None` where the text is none of them.
///
/// `zone` is the offset that holds where the text names none, in minutes east of Greenwich.
/// Minutes and seconds may be missing, as search values allow; a second of 60 is a leap second.
pub fn stretch(text: &str, zone: i32) -> Option<Stretch> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let year = digits(parts.first()?, 4)?;
    let month = parts.get(1).map_or(Some(1), |m| digits(m, 2))?;
    let day = parts.get(2).map_or(Some(1), |d| digits(d, 2))?;
    if parts.len() > 3 || year == 0 || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let start = days_from_civil(year, month, day) * DAY;
    if let Some(time) = time {
        return if parts.len() == 3 {
            time_of_day(time, start, zone)
        } else {
            None
        };
    }
    let end = match parts.len() {
        1 => days_from_civil(year + 1, 1, 1) * DAY,
        2 if month == 12 => days_from_civil(year + 1, 1, 1) * DAY,
        2 => days_from_civil(year, month + 1, 1) * DAY,
        _ => start + DAY,
    };
    let shift = i64::from(zone) * 60 * SECOND;
    Some(Stretch {
        start: start - shift,
        end: end - shift,
    })
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn time_of_day(text: &str, day: i64, zone: i32) -> Option<Stretch> {
    let (clock, zone) = split_zone(text, zone)?;
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = parts.next().map(|m| digits(m, 2).ok_or(())).transpose().ok()?;
    let second = parts.next();
    if parts.next().is_some() || hour > 24 || minute.is_some_and(|m| m > 59) {
        return None;
    }
    let mut start = day + (hour * 3600 + minute.unwrap_or(0) * 60) * SECOND - i64::from(zone) * 60 * SECOND;
    let length = match (minute, second) {
        (None, _) => 3600 * SECOND,
        (_, None) => 60 * SECOND,
        (_, Some(second)) => {
            let (offset, length) = seconds(second)?;
            start += offset;
            length
        }
    };
    Some(Stretch {
        start,
        end: start + length,
    })
}

/// The offset of a second with its fraction, and the length its precision covers.
fn seconds(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = digits(whole, 2)?;
    let plain = fraction.bytes().all(|b| b.is_ascii_digit());
    if whole > 60 || !plain || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    let kept = &fraction[..fraction.len().min(6)];
    let length = 10_i64.pow(6 - kept.len() as u32);
    let value = if kept.is_empty() { 0 } else { kept.parse::<i64>().ok()? };
    Some((whole * SECOND + value * length, length))
}

fn split_zone(text: &str, zone: i32) -> Option<(&str, i32)> {
    if let Some(clock) = text.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-', ' ']) else {
        return Some((text, zone));
    };
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let offset = (hours * 60 + minutes) as i32;
    Some((&text[..at], if text.as_bytes()[at] == b'-' { -offset } else { offset }))
}

/// An instant with milliseconds, in UTC: `2026-11-21T18:31:59.123Z`.
pub fn instant(micros: i64) -> String {
    let (days, of_day) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    let (seconds, millis) = (of_day / SECOND, of_day % SECOND / 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// An HTTP date (RFC 9110, 5.6.7): `Sat, 21 Nov 2026 18:31:59 GMT`.
pub fn http_date(micros: i64) -> String {
    let days = micros.div_euclid(DAY);
    let (year, month, day) = civil_from_days(days);
    let seconds = micros.rem_euclid(DAY) / SECOND;
    let (weekday, month) = (WEEKDAYS[days.rem_euclid(7) as usize], MONTHS[month as usize - 1]);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The moment an HTTP date names, to the second; `None` where the text is none.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, clock, "GMT"] = parts[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let iso = format!("{year}-{month:02}-{day:0>2}T{clock}Z");
    stretch(&iso, 0).map(|s| s.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for days in (-800_000..800_000).step_by(37) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
    }

    #[test]
    fn partial_dates_cover_their_stretch() {
        let table = [
            ("2012", 0, "2012-01-01T00:00:00.000Z", "2013-01-01T00:00:00.000Z"),
            ("2012-12", 0, "2012-12-01T00:00:00.000Z", "2013-01-01T00:00:00.000Z"),
            (
                "2012-02-29",
                360,
                "2012-02-28T18:00:00.000Z",
                "2012-02-29T18:00:00.000Z",
            ),
            (
                "2012-02-01T10:30",
                0,
                "2012-02-01T10:30:00.000Z",
                "2012-02-01T10:31:00.000Z",
            ),
            (
                "2012-02-01T10:30:05+05:30",
                0,
                "2012-02-01T05:00:05.000Z",
                "2012-02-01T05:00:06.000Z",
            ),
            (
                "2012-02-01T10:30:05 05:30",
                0,
                "2012-02-01T05:00:05.000Z",
                "2012-02-01T05:00:06.000Z",
            ),
            (
                "2012-02-01T10:30:05.12Z",
                360,
                "2012-02-01T10:30:05.120Z",
                "2012-02-01T10:30:05.130Z",
            ),
        ];
        for (text, zone, start, end) in table {
            let s = stretch(text, zone).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (instant(s.start).as_str(), instant(s.end).as_str()),
                (start, end),
                "{text}"
            );
        }
        for text in [
            "",
            "12",
            "2012-13",
            "2013-02-29",
            "2012-1",
            "2012-02T10:00",
            "2012-02-01T25:00",
            "2012-01-01T10:00:00.Z",
            "0000",
        ] {
            assert_eq!(stretch(text, 0), None, "{text}");
        }
    }

    #[test]
    fn http_dates_go_both_ways() {
        let micros = 1_795_285_919 * SECOND;
        assert_eq!(http_date(micros), "Sat, 21 Nov 2026 18:31:59 GMT");
        assert_eq!(parse_http_date(&http_date(micros)), Some(micros));
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
