//! Amounts across units: what a quantity, and what a search for one, comes to in UCUM's base units.
//!
//! <https://hl7.org/fhir/R4/search.html#quantity>: with a unit of UCUM, a search finds what is equal after
//! conversion. A unit that reverses its scale, such as `[pH]`, reverses ranges and prefixes with it.

use fhir::moment::Stretch;
use ucum::{Amount, Unit};

use crate::literal::Number;
use crate::span::{Prefix, Span, order};
use crate::values::Canonical;

/// The closed range of amounts in base units; an end without text is open. `None` where the system is not
/// UCUM's, or the code is none that can be converted.
pub(crate) fn canonical(
    system: Option<&str>,
    code: Option<&str>,
    low: Option<&str>,
    high: Option<&str>,
) -> Option<Canonical> {
    let unit = unit(system?, code?)?;
    let end = |text: Option<&str>, open: f64| match text {
        Some(text) => unit.canonical_f64(Amount::parse(text)?),
        None if unit.is_reversed() => Some(-open),
        None => Some(open),
    };
    let first = end(low, f64::NEG_INFINITY)?;
    let last = if low.is_some() && low == high {
        first
    } else {
        end(high, f64::INFINITY)?
    };
    let (low, high) = if unit.is_reversed() {
        (last, first)
    } else {
        (first, last)
    };
    Some(Canonical {
        low,
        high,
        dimension: unit.key()?,
    })
}

/// The unit of a code, if it is one of UCUM that can be converted.
fn unit(system: &str, code: &str) -> Option<Unit> {
    let unit = (system == ucum::SYSTEM).then(|| Unit::parse(code).ok())??;
    unit.dimension().is_some().then_some(unit)
}

/// The comparison of a prefix and a number in base units, and what is measured; `None` as [`canonical`].
pub(crate) fn span(prefix: Prefix, number: &Number, system: &str, code: &str) -> Option<(Span, u64)> {
    let unit = unit(system, code)?;
    let at = |amount: Amount| unit.canonical_f64(amount).map(order);
    let closed = |from: i64, to: i64| Stretch {
        start: from.min(to),
        end: from.max(to).saturating_add(1),
    };
    let range = match prefix {
        Prefix::Equal | Prefix::NotEqual => {
            let (low, high) = (at(number.low())?, at(number.high())?);
            // The search range holds its lower end and not its upper one, which a reversed scale turns round.
            let (start, end) = match unit.is_reversed() {
                false => (low, high),
                true => (high.saturating_add(1), low.saturating_add(1)),
            };
            // More digits than are compared still cover the number itself.
            let end = end.max(start.saturating_add(1));
            Stretch { start, end }
        }
        Prefix::Approximate => {
            let [nine, eleven] = number.tenth_around();
            closed(at(nine)?, at(eleven)?)
        }
        _ => {
            let value = at(number.value())?;
            closed(value, value)
        }
    };
    let prefix = if unit.is_reversed() { prefix.reversed() } else { prefix };
    Some((Span::new(prefix, range), unit.key()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(low: Option<&str>, high: Option<&str>, code: &str) -> Option<(f64, f64)> {
        canonical(Some(ucum::SYSTEM), Some(code), low, high).map(|found| (found.low, found.high))
    }

    #[test]
    fn quantities_come_to_base_units() {
        let (none, all) = (f64::NEG_INFINITY, f64::INFINITY);
        let table = [
            (Some("5.4"), Some("5.4"), "mg", Some((0.0054, 0.0054))),
            (None, Some("5.4"), "mg", Some((none, 0.0054))),
            (Some("37"), None, "Cel", Some((310.15, all))),
            (Some("7"), Some("9"), "[pH]", Some((6.02214076e17, 6.02214076e19))),
            (None, Some("7"), "[pH]", Some((6.02214076e19, all))),
            (Some("7"), None, "[pH]", Some((none, 6.02214076e19))),
            (Some("5"), Some("5"), "tablet", None),
            (Some("5"), Some("5"), "B/m", None),
            (Some("x"), Some("x"), "m", None),
        ];
        for (low, high, code, expected) in table {
            assert_eq!(amounts(low, high, code), expected, "{low:?} {high:?} {code}");
        }
        assert_eq!(canonical(Some("http://other"), Some("mg"), Some("1"), Some("1")), None);
        assert_eq!(canonical(None, Some("mg"), Some("1"), Some("1")), None);
    }
}
