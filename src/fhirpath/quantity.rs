//! Quantities: a decimal with a unit, compared and computed in UCUM's base units.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use fhir::document::Node;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::calendar::{Precision, Span};
use crate::units;

/// A unit of a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit<'a> {
    /// `year`, `month`, `day`, `hour`, `minute`, `second`: a calendar's duration.
    Calendar(Precision),
    /// `week`
    Week,
    /// `millisecond`
    Millisecond,
    /// A UCUM code; `1` where there is no unit.
    Code(Cow<'a, str>),
}

/// A decimal with a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity<'a> {
    /// How much.
    pub value: Decimal,
    /// Of what.
    pub unit: Unit<'a>,
}

impl Unit<'static> {
    /// A calendar's duration by its word, singular or plural.
    pub(crate) fn calendar(word: &str) -> Option<Unit<'static>> {
        Some(match word {
            "year" | "years" => Unit::Calendar(Precision::Year),
            "month" | "months" => Unit::Calendar(Precision::Month),
            "week" | "weeks" => Unit::Week,
            "day" | "days" => Unit::Calendar(Precision::Day),
            "hour" | "hours" => Unit::Calendar(Precision::Hour),
            "minute" | "minutes" => Unit::Calendar(Precision::Minute),
            "second" | "seconds" => Unit::Calendar(Precision::Second),
            "millisecond" | "milliseconds" => Unit::Millisecond,
            _ => return None,
        })
    }
}

impl Unit<'_> {
    /// The UCUM code that comes nearest.
    pub fn code(&self) -> &str {
        match self {
            Unit::Calendar(Precision::Year) => "a",
            Unit::Calendar(Precision::Month) => "mo",
            Unit::Calendar(Precision::Day) => "d",
            Unit::Calendar(Precision::Hour) => "h",
            Unit::Calendar(Precision::Minute) => "min",
            Unit::Calendar(Precision::Second) => "s",
            Unit::Week => "wk",
            Unit::Millisecond => "ms",
            Unit::Code(code) => code,
        }
    }

    pub(crate) fn word(&self) -> Option<&'static str> {
        Some(match self {
            Unit::Calendar(Precision::Year) => "year",
            Unit::Calendar(Precision::Month) => "month",
            Unit::Calendar(Precision::Day) => "day",
            Unit::Calendar(Precision::Hour) => "hour",
            Unit::Calendar(Precision::Minute) => "minute",
            Unit::Calendar(Precision::Second) => "second",
            Unit::Week => "week",
            Unit::Millisecond => "millisecond",
            Unit::Code(_) => return None,
        })
    }

    /// How many months it is, of a calendar's years and months, whose lengths in days vary.
    fn months(&self) -> Option<i64> {
        match self {
            Unit::Calendar(Precision::Year) => Some(12),
            Unit::Calendar(Precision::Month) => Some(1),
            _ => None,
        }
    }
}

impl<'a> Quantity<'a> {
    /// A plain number as a quantity of unit `1`.
    pub fn plain(value: Decimal) -> Quantity<'a> {
        Quantity {
            value,
            unit: Unit::Code(Cow::Borrowed("1")),
        }
    }

    /// A FHIR Quantity with a value: its code where the code is UCUM's, else its unit as it reads.
    pub fn of_element(node: Node<'a>) -> Option<Quantity<'a>> {
        let value = decimal(node.get("value")?.as_number()?)?;
        let ucum = node.string("system").is_none_or(|system| system == ucum::SYSTEM);
        let code = if ucum { node.string("code") } else { None };
        let code = code.or_else(|| node.string("unit")).unwrap_or(Cow::Borrowed("1"));
        Some(Quantity {
            value,
            unit: Unit::Code(code),
        })
    }

    /// A quantity from its text: `4 days`, `1.5 'mg'`, `3`.
    pub fn parse(text: &str) -> Option<Quantity<'static>> {
        let text = text.trim();
        let length = text
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'))
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(length);
        let value = plain_decimal(number)?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(Quantity::plain(value));
        }
        if let Some(code) = unit.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            let unit = Unit::Code(Cow::Owned(code.to_owned()));
            return (!code.is_empty()).then_some(Quantity { value, unit });
        }
        Some(Quantity {
            value,
            unit: Unit::calendar(unit)?,
        })
    }

    /// The unit of UCUM, if it is one.
    fn ucum(&self) -> Option<ucum::Unit> {
        units::unit(self.unit.code())
    }

    /// Whether the two measure the same thing.
    pub(crate) fn comparable(&self, other: &Quantity<'_>) -> bool {
        self.unit == other.unit
            || matches!((self.ucum(), other.ucum()), (Some(left), Some(right)) if left.comparable(&right))
    }

    /// Which is more; `None` where they can't be compared. A calendar's years and months compare only with
    /// one another, because their lengths in days vary.
    pub(crate) fn compare(&self, other: &Quantity<'_>) -> Option<Ordering> {
        if self.unit == other.unit {
            return Some(self.value.cmp(&other.value));
        }
        match (self.unit.months(), other.unit.months()) {
            (Some(left), Some(right)) => {
                let left = self.value.checked_mul(left.into())?;
                return Some(left.cmp(&other.value.checked_mul(right.into())?));
            }
            (None, None) => {}
            _ => return None,
        }
        units::compare((self.value, &self.ucum()?), (other.value, &other.ucum()?))
    }

    /// How much it is in another unit; `None` where that measures something else.
    pub(crate) fn converted(&self, unit: &Unit<'_>) -> Option<Decimal> {
        if self.unit == *unit {
            return Some(self.value);
        }
        match (self.unit.months(), unit.months()) {
            (Some(from), Some(to)) => return self.value.checked_mul(from.into())?.checked_div(to.into()),
            (None, None) => {}
            _ => return None,
        }
        units::converted(self.value, &self.ucum()?, &units::unit(unit.code())?)
    }

    /// Whether they are the same to the precision of the one that is less precise.
    pub(crate) fn equivalent(&self, other: &Quantity<'_>) -> bool {
        let (left, right) = match (self.ucum(), other.ucum()) {
            (Some(left), Some(right)) if left.comparable(&right) => (left, right),
            _ => return self.unit == other.unit && alike(self.value, other.value),
        };
        match units::converted(other.value, &right, &left) {
            Some(converted) => alike(self.value, converted),
            None => false,
        }
    }

    /// The product or the quotient; `None` where it can't be computed.
    pub(crate) fn combined(&self, other: &Quantity<'_>, divide: bool) -> Option<Quantity<'static>> {
        let (left, right) = (self.unit.code(), other.unit.code());
        let value = if divide {
            self.value.checked_div(other.value)?.normalize()
        } else {
            self.value.checked_mul(other.value)?
        };
        let code = match (left, right, divide) {
            (_, "1", _) => left.to_owned(),
            ("1", _, false) => right.to_owned(),
            (_, _, false) => format!("{left}.{right}"),
            (_, _, true) if right.contains(['.', '/']) => format!("{left}/({right})"),
            (_, _, true) => format!("{left}/{right}"),
        };
        // Units of which nothing is left make a number; one that stays alone is kept, though it may count too.
        if left != "1"
            && right != "1"
            && let Some(number) = units::unit(&code).and_then(|unit| units::plain(value, &unit))
        {
            return Some(Quantity::plain(number));
        }
        let unit = Unit::Code(Cow::Owned(code));
        Some(Quantity { value, unit })
    }

    /// The quantity as a span of time; an error where it is none that can be added to a date.
    pub(crate) fn span(&self, negative: bool) -> Result<Span, String> {
        let value = if negative { -self.value } else { self.value };
        let whole = || i64::try_from(value.trunc()).map_err(|_| format!("{self} is too long a time"));
        let unit = match &self.unit {
            Unit::Code(code) => Unit::calendar(code).unwrap_or(Unit::Code(Cow::Borrowed(code))),
            other => other.clone(),
        };
        let micros = |each: i64| {
            let exact = value.checked_mul(each.into()).map(|micros| micros.trunc());
            let micros = exact.and_then(|micros| i64::try_from(micros).ok());
            micros
                .map(Span::Micros)
                .ok_or_else(|| format!("{self} is too long a time"))
        };
        let hours = |count: i64| {
            let micros = whole()?.checked_mul(count * 1_000_000);
            micros
                .map(Span::Micros)
                .ok_or_else(|| format!("{self} is too long a time"))
        };
        match (&unit, unit.code()) {
            (Unit::Calendar(Precision::Year), _) => whole().map(Span::Years),
            (Unit::Calendar(Precision::Month), _) => whole().map(Span::Months),
            (_, "wk") => whole().map(|weeks| Span::Days(weeks.saturating_mul(7))),
            (_, "d") => whole().map(Span::Days),
            (_, "h") => hours(3600),
            (_, "min") => hours(60),
            (_, "s") => micros(1_000_000),
            (_, "ms") => micros(1000),
            _ => Err(format!("{self} is no time that can be added to a date")),
        }
    }
}

/// Whether two decimals agree to the digits of the one with fewer, zeros at the end not counted.
pub(crate) fn alike(left: Decimal, right: Decimal) -> bool {
    let digits = left.normalize().scale().min(right.normalize().scale());
    let round = |value: Decimal| value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    round(left) == round(right)
}

/// A JSON number as a decimal, exponents allowed.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    text.parse().ok()
}

/// A decimal as FHIRPath writes it: a sign, digits, perhaps a point between digits.
pub(crate) fn plain_decimal(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then(|| text.parse().ok())?
}

impl fmt::Display for Quantity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit.word() {
            Some(word) if self.value == Decimal::ONE => write!(f, "{} {word}", self.value),
            Some(word) => write!(f, "{} {word}s", self.value),
            None => write!(f, "{} '{}'", self.value, self.unit.code()),
        }
    }
}
