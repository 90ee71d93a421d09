//! Functions over one date or time that take a part of it: its year, its hour, its date, its zone.

use rust_decimal::Decimal;

use crate::calendar::{Date, DateTime, Precision, Time};
use crate::context::Failure;
use crate::evaluate::{Evaluator, List};
use crate::functions::Moments;
use crate::value::Item;

/// Applies a function to a collection of at most one date or time; nothing comes of what it doesn't know.
pub(crate) fn apply<'a>(
    run: &mut Evaluator<'_, 'a>,
    function: Moments,
    mut input: List<'a>,
) -> Result<List<'a>, Failure> {
    let found = run.value(&input)?;
    input.clear();
    input.extend(found.and_then(|item| part(function, &item)));
    Ok(input)
}

fn part<'a>(function: Moments, item: &Item<'a>) -> Option<Item<'a>> {
    let (date, time, zone) = match item {
        Item::Date(date) => (Some(*date), None, None),
        Item::DateTime(DateTime { date, time, zone }) => (Some(*date), *time, *zone),
        Item::Time(time) => (None, Some(*time), None),
        _ => return None,
    };
    let known = |precision| move |date: &Date| date.precision >= precision;
    let clock = |precision| move |time: &Time| time.precision >= precision;
    let integer = |value: i64| Some(Item::Integer(value));
    match function {
        Moments::Year => integer(date?.year.into()),
        Moments::Month => integer(date.filter(known(Precision::Month))?.month.into()),
        Moments::Day => integer(date.filter(known(Precision::Day))?.day.into()),
        Moments::Hour => integer(time?.fields()[0]),
        Moments::Minute => integer(time.filter(clock(Precision::Minute))?.fields()[1]),
        Moments::Second => integer(time.filter(clock(Precision::Second))?.fields()[2] / 1_000_000),
        Moments::Millisecond => {
            let time = time.filter(|time| time.precision == Precision::Second && time.fraction > 0)?;
            integer(time.fields()[2] / 1_000 % 1_000)
        }
        Moments::Zone => Some(Item::Decimal((Decimal::from(zone?) / Decimal::from(60)).normalize())),
        Moments::Date => Some(Item::Date(date?)),
        Moments::Time => Some(Item::Time(time?)),
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn parts_are_taken() {
        check(&[
            ("birthDate.yearOf()", "1974"),
            ("birthDate.monthOf()", "12"),
            ("birthDate.dayOf()", "25"),
            ("birthDate.hourOf()", ""),
            ("@2014.monthOf()", ""),
            ("@2014-01-05T10:30:05.120+05:30.hourOf()", "10"),
            ("@2014-01-05T10:30:05.120+05:30.minuteOf()", "30"),
            ("@2014-01-05T10:30:05.120+05:30.secondOf()", "5"),
            ("@2014-01-05T10:30:05.120+05:30.millisecondOf()", "120"),
            ("@2014-01-05T10:30:05.millisecondOf()", ""),
            ("@2014-01-05T10:30:05.120+05:30.timezoneOffsetOf()", "5.5"),
            ("@2014-01-05T10:30:05-08:00.timezoneOffsetOf()", "-8"),
            ("@2014-01-05T10:30:05.timezoneOffsetOf()", ""),
            ("@2014-01-05T10:30Z.dateOf()", "@2014-01-05"),
            ("@2014-01-05T10:30Z.timeOf()", "@T10:30"),
            ("@T10:30.minuteOf()", "30"),
            ("@T10.minuteOf()", ""),
            ("'a'.yearOf()", ""),
            ("{}.yearOf()", ""),
            ("(@2014 | @2015).yearOf()", "Values:"),
        ]);
    }
}
