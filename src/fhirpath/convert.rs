//! Conversions between the System types, `toX()`, and whether they would succeed, `convertsToX()`.

use std::borrow::Cow;

use rust_decimal::Decimal;

use crate::calendar::{Date, DateTime, Time};
use crate::context::Failure;
use crate::evaluate::{Evaluator, List, Scope};
use crate::functions::Target;
use crate::model::Model;
use crate::quantity::{Quantity, Unit, plain_decimal};
use crate::syntax::Call;
use crate::value::Item;

/// `toX()`: the converted item, or none.
pub(crate) fn convert<'a>(
    run: &mut Evaluator<'_, 'a>,
    target: Target,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let item = run.value(&input)?;
    input.clear();
    let Some(item) = item else {
        return Ok(input);
    };
    input.extend(converted(run, target, call, &item, scope)?);
    Ok(input)
}

/// `convertsToX()`: whether there is a converted item.
pub(crate) fn converts<'a>(
    run: &mut Evaluator<'_, 'a>,
    target: Target,
    call: &'a Call,
    mut input: List<'a>,
    scope: Scope<'_, 'a>,
) -> Result<List<'a>, Failure> {
    let Some(item) = run.value(&input)? else {
        input.clear();
        return Ok(input);
    };
    let answer = converted(run, target, call, &item, scope)?.is_some();
    Ok(run.one(input, Item::Boolean(answer)))
}

fn converted<'a>(
    run: &mut Evaluator<'_, 'a>,
    target: Target,
    call: &'a Call,
    item: &Item<'a>,
    scope: Scope<'_, 'a>,
) -> Result<Option<Item<'a>>, Failure> {
    let model = run.context.model;
    let item = item.clone();
    let found = match target {
        Target::Boolean => boolean(&item).map(Item::Boolean),
        Target::Integer => integer(&item)
            .filter(|value| i32::try_from(*value).is_ok())
            .map(Item::Integer),
        Target::Long => integer(&item).map(Item::Long),
        Target::Decimal => decimal(&item).map(Item::Decimal),
        Target::String => string(model, &item).map(Item::String),
        Target::Date => date(&item).map(Item::Date),
        Target::DateTime => moment(&item).map(Item::DateTime),
        Target::Time => time(&item).map(Item::Time),
        Target::Quantity => quantity(model, &item).map(Item::Quantity),
    };
    let (Some(Item::Quantity(quantity)), Some(unit)) = (&found, call.arguments.first()) else {
        return Ok(found);
    };
    let Some(unit) = run.single(unit, scope)?.and_then(|unit| unit.text()) else {
        return Ok(None);
    };
    let unit = Unit::calendar(&unit).unwrap_or(Unit::Code(unit));
    let value = quantity.converted(&unit);
    Ok(value.map(|value| Item::Quantity(Quantity { value, unit })))
}

fn boolean(item: &Item<'_>) -> Option<bool> {
    match item {
        Item::Boolean(value) => Some(*value),
        Item::Integer(0) | Item::Long(0) => Some(false),
        Item::Integer(1) | Item::Long(1) => Some(true),
        Item::Decimal(value) if value.is_zero() => Some(false),
        Item::Decimal(value) if *value == Decimal::ONE => Some(true),
        Item::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(item: &Item<'_>) -> Option<i64> {
    match item {
        Item::Integer(value) | Item::Long(value) => Some(*value),
        Item::Boolean(value) => Some((*value).into()),
        Item::String(text) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse().ok())?
        }
        _ => None,
    }
}

fn decimal(item: &Item<'_>) -> Option<Decimal> {
    match item {
        Item::Integer(value) | Item::Long(value) => Some(Decimal::from(*value)),
        Item::Decimal(value) => Some(*value),
        Item::Boolean(value) => Some(if *value { Decimal::ONE } else { Decimal::ZERO }),
        Item::String(text) => plain_decimal(text),
        _ => None,
    }
}

fn string<'a>(model: &dyn Model, item: &Item<'a>) -> Option<Cow<'a, str>> {
    Some(match item {
        Item::String(text) => text.clone(),
        Item::Boolean(value) => Cow::Owned(value.to_string()),
        Item::Integer(value) | Item::Long(value) => Cow::Owned(value.to_string()),
        Item::Decimal(value) => Cow::Owned(value.to_string()),
        Item::Date(value) => Cow::Owned(value.to_string()),
        Item::DateTime(value) => Cow::Owned(value.to_string()),
        Item::Time(value) => Cow::Owned(value.to_string()),
        other => Cow::Owned(other.quantity(model)?.to_string()),
    })
}

fn date(item: &Item<'_>) -> Option<Date> {
    match item {
        Item::Date(date) => Some(*date),
        Item::DateTime(moment) => Some(moment.date),
        Item::String(text) => Date::parse(text).or_else(|| DateTime::parse(text).map(|moment| moment.date)),
        _ => None,
    }
}

fn moment(item: &Item<'_>) -> Option<DateTime> {
    match item {
        Item::Date(date) => Some(DateTime::from(*date)),
        Item::DateTime(moment) => Some(*moment),
        Item::String(text) => DateTime::parse(text),
        _ => None,
    }
}

fn time(item: &Item<'_>) -> Option<Time> {
    match item {
        Item::Time(time) => Some(*time),
        Item::DateTime(moment) => moment.time,
        Item::String(text) => Time::parse(text),
        _ => None,
    }
}

fn quantity<'a>(model: &dyn Model, item: &Item<'a>) -> Option<Quantity<'a>> {
    match item {
        Item::String(text) => Quantity::parse(text),
        Item::Integer(_) | Item::Long(_) | Item::Decimal(_) | Item::Boolean(_) => decimal(item).map(Quantity::plain),
        other => other.quantity(model),
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn values_convert_where_they_can() {
        check(&[
            ("'1'.toInteger()", "1"),
            ("'1.1'.toInteger()", ""),
            ("'-1'.toInteger()", "-1"),
            ("true.toInteger()", "1"),
            ("'99999999999999999999'.toInteger()", ""),
            ("'2147483648'.toInteger()", ""),
            ("'2147483648'.convertsToInteger()", "false"),
            ("'2147483648'.toLong()", "2147483648L"),
            ("5.toLong()", "5L"),
            ("5L.toInteger()", "5"),
            ("true.toLong()", "1L"),
            ("1.5.toLong()", ""),
            ("'9223372036854775808'.convertsToLong()", "false"),
            ("5L.toString()", "'5'"),
            ("5L.toDecimal()", "5"),
            ("5L.toQuantity()", "5 '1'"),
            ("'1.50'.toDecimal()", "1.50"),
            ("'st'.toDecimal()", ""),
            ("'.5'.toDecimal()", ""),
            ("1.toDecimal()", "1"),
            ("1.0.toString()", "'1.0'"),
            ("1 'wk'.toString()", "'1 'wk''"),
            ("1 week.toString()", "'1 week'"),
            ("@2014-12-14.toString()", "'2014-12-14'"),
            ("{}.toString()", ""),
            ("'True'.toBoolean()", "true"),
            ("2.toBoolean()", ""),
            ("0.0.toBoolean()", "false"),
            ("2.convertsToBoolean()", "false"),
            ("'2015-02'.toDate()", "@2015-02"),
            ("'2015-02-30'.toDate()", ""),
            ("'2015-02-04T10:00'.toDate()", "@2015-02-04"),
            ("birthDate.toDateTime()", "@1974-12-25"),
            ("'14:34:28.123'.toTime()", "@T14:34:28.123"),
            ("'25'.toTime()", ""),
            ("'14'.convertsToTime()", "true"),
            ("'1 day'.toQuantity()", "1 day"),
            ("'1 \\'wk\\''.toQuantity() = 1 week", "true"),
            ("'1 wk'.convertsToQuantity()", "false"),
            ("1.toQuantity()", "1 '1'"),
            ("1 'kg'.toQuantity('g')", "1000 'g'"),
            ("1 'kg'.convertsToQuantity('m')", "false"),
            ("(1 | 2).toString()", "Values:"),
            ("name[0].toString()", ""),
        ]);
    }
}
