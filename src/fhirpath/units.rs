//! UCUM units for quantities: decimals into the exact amounts of the room of units, and back.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use ucum::{Amount, Unit};

/// To how many digits amounts are compared after conversion.
const COMPARED_DIGITS: u32 = 18;
/// To how many where a function of floats was part of it.
const COMPARED_FLOAT_DIGITS: u32 = 14;
/// The most digits of a decimal, and the most after its point.
const DECIMAL_DIGITS: u32 = 28;

/// The unit of a code; `None` where it is none of UCUM, or none that can be converted.
pub(crate) fn unit(code: &str) -> Option<Unit> {
    Unit::parse(code).ok().filter(|unit| unit.dimension().is_some())
}

/// Which is more; `None` where the units measure different things.
pub(crate) fn compare(left: (Decimal, &Unit), right: (Decimal, &Unit)) -> Option<Ordering> {
    if !left.1.comparable(right.1) {
        return None;
    }
    let digits = match left.1.is_special() || right.1.is_special() {
        true => COMPARED_FLOAT_DIGITS,
        false => COMPARED_DIGITS,
    };
    let canonical = |(value, unit): (Decimal, &Unit)| unit.canonical(amount(value));
    Some(canonical(left)?.compare(canonical(right)?, digits))
}

/// So many of one unit, in another; `None` where that measures something else or a decimal cannot hold it.
pub(crate) fn converted(value: Decimal, from: &Unit, to: &Unit) -> Option<Decimal> {
    decimal(ucum::convert(amount(value), from, to).ok()?)
}

/// So many of a unit as a plain number; `None` where it measures something, or a decimal cannot hold it.
pub(crate) fn plain(value: Decimal, unit: &Unit) -> Option<Decimal> {
    unit.dimension()?
        .is_number()
        .then(|| unit.canonical(amount(value)))?
        .and_then(decimal)
}

fn amount(value: Decimal) -> Amount {
    Amount::new(value.mantissa(), -(value.scale() as i32))
}

/// To 28 digits, and as many after the point.
fn decimal(amount: Amount) -> Option<Decimal> {
    let (mut digits, power) = amount.rounded(DECIMAL_DIGITS);
    if let Ok(power) = u32::try_from(power) {
        digits = digits.checked_mul(10_i128.checked_pow(power)?)?;
        return Decimal::try_from_i128_with_scale(digits, 0).ok();
    }
    let scale = power.unsigned_abs();
    let dropped = scale.saturating_sub(DECIMAL_DIGITS);
    let digits = 10_i128.checked_pow(dropped).map_or(0, |dropped| digits / dropped);
    let decimal = Decimal::try_from_i128_with_scale(digits, scale.min(DECIMAL_DIGITS)).ok()?;
    Some(decimal.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_across_units() {
        let table = [
            ("4", "g", "4000", "mg", Some(Ordering::Equal)),
            ("1", "kg", "1", "[lb_av]", Some(Ordering::Greater)),
            ("4", "cm.m", "0.04", "m2", Some(Ordering::Equal)),
            ("1", "mmol/L", "1", "umol/mL", Some(Ordering::Equal)),
            ("120", "mm[Hg]", "15.99864", "kPa", Some(Ordering::Equal)),
            ("98.6", "[degF]", "37", "Cel", Some(Ordering::Equal)),
            ("1", "10*9/L", "1000", "10*6/L", Some(Ordering::Equal)),
            ("5", "%", "0.05", "1", Some(Ordering::Equal)),
            ("1", "{score}", "1", "1", Some(Ordering::Equal)),
            ("1", "/min", "60", "/h", Some(Ordering::Equal)),
            ("1", "kg/(m.s2)", "1", "Pa", Some(Ordering::Equal)),
            ("1", "Ymol", "1", "ymol", Some(Ordering::Greater)),
            ("7", "[pH]", "100", "nmol/L", Some(Ordering::Equal)),
            ("1", "g", "1", "m", None),
            ("1", "[iU]", "1", "mol", None),
        ];
        for (left, left_unit, right, right_unit, expected) in table {
            let read = |code| unit(code).unwrap_or_else(|| panic!("{code}"));
            let value = |text: &str| text.parse::<Decimal>().expect("a decimal");
            let order = compare((value(left), &read(left_unit)), (value(right), &read(right_unit)));
            assert_eq!(order, expected, "{left} {left_unit}, {right} {right_unit}");
        }
        assert!(unit("xyz").is_none() && unit("B/m").is_none());
    }

    #[test]
    fn decimals_hold_what_they_can() {
        let table = [
            ("1", "kg", "mg", Some("1000000")),
            ("1", "ym", "Ym", Some("0")),
            ("1", "Ym", "ym", None),
            ("1", "[in_i]", "[ft_i]", Some("0.0833333333333333333333333333")),
            ("7.0", "m", "cm", Some("700")),
        ];
        for (value, from, to, expected) in table {
            let read = |code| unit(code).unwrap_or_else(|| panic!("{code}"));
            let found = converted(value.parse().expect("a decimal"), &read(from), &read(to));
            assert_eq!(
                found.map(|found| found.to_string()).as_deref(),
                expected,
                "{value} {from} in {to}"
            );
        }
    }
}
