//! How precise a value is, and the least and greatest value it might stand for.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::calendar::{Date, DateTime, Precision, Time};
use crate::quantity::Quantity;
use crate::value::Item;
use fhir::moment::{DAY, days_in_month};

/// The digits after the point that a decimal's boundary has where none are asked for.
const DECIMAL_DIGITS: i64 = 8;
/// The most digits after the point that a decimal can have.
const DIGITS_LIMIT: i64 = 28;

/// How many digits the value is written with: of a decimal those after the point.
pub(crate) fn precision(item: &Item<'_>) -> Option<i64> {
    let count = |text: String| text.bytes().filter(u8::is_ascii_digit).count() as i64;
    Some(match item {
        Item::Integer(_) | Item::Long(_) => 0,
        Item::Decimal(value) => i64::from(value.scale()),
        Item::Quantity(quantity) => i64::from(quantity.value.scale()),
        Item::Date(date) => count(date.to_string()),
        Item::Time(time) => count(time.to_string()),
        Item::DateTime(moment) => {
            let bare = DateTime { zone: None, ..*moment };
            count(bare.to_string())
        }
        _ => return None,
    })
}

/// The least or greatest value the item might stand for, to a number of digits; `None` where that number
/// doesn't fit the item.
pub(crate) fn boundary<'a>(item: &Item<'a>, digits: Option<i64>, high: bool) -> Option<Item<'a>> {
    match item {
        Item::Integer(value) | Item::Long(value) => decimal(Decimal::from(*value), digits, high).map(Item::Decimal),
        Item::Decimal(value) => decimal(*value, digits, high).map(Item::Decimal),
        Item::Quantity(Quantity { value, unit }) => decimal(*value, digits, high).map(|value| {
            let unit = unit.clone();
            Item::Quantity(Quantity { value, unit })
        }),
        Item::Date(found) => date(*found, digits.unwrap_or(8), high).map(Item::Date),
        Item::Time(found) => time(Some(*found), digits.unwrap_or(9), high).map(Item::Time),
        Item::DateTime(found) => moment(*found, digits.unwrap_or(17), high).map(Item::DateTime),
        _ => None,
    }
}

fn decimal(value: Decimal, digits: Option<i64>, high: bool) -> Option<Decimal> {
    let digits = digits.unwrap_or(DECIMAL_DIGITS);
    if !(0..=DIGITS_LIMIT).contains(&digits) || i64::from(value.scale()) >= DIGITS_LIMIT {
        return None;
    }
    let half = Decimal::new(5, value.scale() + 1);
    let exact = if high {
        value.checked_add(half)?
    } else {
        value.checked_sub(half)?
    };
    let toward = if high {
        RoundingStrategy::ToPositiveInfinity
    } else {
        RoundingStrategy::ToNegativeInfinity
    };
    let mut rounded = exact.round_dp_with_strategy(digits as u32, toward);
    rounded.rescale(digits as u32);
    Some(rounded)
}

fn date(found: Date, digits: i64, high: bool) -> Option<Date> {
    let precision = match digits {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        _ => return None,
    };
    let (year, mut month, mut day) = (i64::from(found.year), i64::from(found.month), i64::from(found.day));
    if found.precision < Precision::Month {
        month = if high { 12 } else { 1 };
    }
    if found.precision < Precision::Day {
        day = if high { days_in_month(year, month) } else { 1 };
    }
    Date::at(year, month, day, precision)
}

fn time(found: Option<Time>, digits: i64, high: bool) -> Option<Time> {
    let (precision, fraction) = match digits {
        2 => (Precision::Hour, 0),
        4 => (Precision::Minute, 0),
        6 => (Precision::Second, 0),
        9 => (Precision::Second, 3),
        _ => return None,
    };
    let known = match found {
        None => DAY,
        Some(Time {
            precision: Precision::Hour,
            ..
        }) => 3_600_000_000,
        Some(Time {
            precision: Precision::Minute,
            ..
        }) => 60_000_000,
        Some(Time { fraction, .. }) => 10_i64.pow(6 - u32::from(fraction.min(6))),
    };
    let start = found.map_or(0, |time| time.micros);
    let edge = if high { start + known - 1 } else { start };
    let shown = match (precision, fraction) {
        (Precision::Hour, _) => 3_600_000_000,
        (Precision::Minute, _) => 60_000_000,
        (_, 0) => 1_000_000,
        _ => 1_000,
    };
    Some(Time {
        micros: edge / shown * shown,
        precision,
        fraction,
    })
}

fn moment(found: DateTime, digits: i64, high: bool) -> Option<DateTime> {
    let of_day = match digits {
        4 | 6 | 8 => None,
        _ => Some(time(found.time, digits - 8, high)?),
    };
    // Without a zone the moment may be anywhere: the first clocks to strike are 14 hours ahead of
    // Greenwich, the last 12 hours behind.
    let reach = if high { -12 * 60 } else { 14 * 60 };
    Some(DateTime {
        date: date(found.date, digits.min(8), high)?,
        time: of_day,
        zone: of_day.map(|_| found.zone.unwrap_or(reach)),
    })
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn boundaries_follow_precision() {
        check(&[
            ("1.587.lowBoundary()", "1.58650000"),
            ("1.587.lowBoundary(6)", "1.586500"),
            ("1.587.lowBoundary(2)", "1.58"),
            ("1.587.lowBoundary(-1)", ""),
            ("(-1.587).lowBoundary()", "-1.58750000"),
            ("(-1.587).lowBoundary(2)", "-1.59"),
            ("1.587.lowBoundary(39)", ""),
            ("1.lowBoundary()", "0.50000000"),
            ("1.587.highBoundary()", "1.58750000"),
            ("1.587.highBoundary(2)", "1.59"),
            ("(-1.587).highBoundary(2)", "-1.58"),
            ("12.500.highBoundary(4)", "12.5005"),
            ("1.587 'cm'.lowBoundary()", "1.58650000 'cm'"),
            ("@2014.lowBoundary(6)", "@2014-01"),
            ("@2014.highBoundary()", "@2014-12-31"),
            ("@2014-02.highBoundary()", "@2014-02-28"),
            ("@2014-01-01T08.lowBoundary(17)", "@2014-01-01T08:00:00.000+14:00"),
            ("@2014-01-01T08:05.highBoundary(17)", "@2014-01-01T08:05:59.999-12:00"),
            (
                "@2014-01-01T08:05+02:00.highBoundary(17)",
                "@2014-01-01T08:05:59.999+02:00",
            ),
            ("@2014-01-01T08.lowBoundary(8)", "@2014-01-01"),
            ("@T10:30.lowBoundary(9)", "@T10:30:00.000"),
            ("@T10:30.highBoundary()", "@T10:30:59.999"),
            ("deceased.lowBoundary()", "@2015-02-01T00:00:00.000+14:00"),
            ("1.58700.precision()", "5"),
            ("@2014.precision()", "4"),
            ("@2014-01-05T10:30:00.000.precision()", "17"),
            ("@T10:30.precision()", "4"),
            ("'a'.precision()", ""),
            ("{}.lowBoundary()", ""),
        ]);
    }
}
