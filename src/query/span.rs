//! Comparing ranges of time and of numbers: what each prefix means, as windows on start and end.
//!
//! Dates and numbers are compared in one way: a value is the half-open range `[start, end)` of whole
//! numbers, microseconds for a date and [`order`] for a number. Every prefix of
//! <https://hl7.org/fhir/R4/search.html#prefix> is then one window, or two, on the pair (start, end),
//! which a record answers by comparing and an index by a range over two columns.

use fhir::moment::Stretch;

/// A prefix of a date, number or quantity (<https://hl7.org/fhir/R4/search.html#prefix>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `eq`: the search range contains the value's range.
    Equal,
    /// `ne`: it does not.
    NotEqual,
    /// `gt`: some of the value is above the search range.
    Greater,
    /// `lt`: some of the value is below it.
    Less,
    /// `ge`: greater or equal.
    GreaterOrEqual,
    /// `le`: less or equal.
    LessOrEqual,
    /// `sa`: the value starts after the search range.
    StartsAfter,
    /// `eb`: the value ends before the search range.
    EndsBefore,
    /// `ap`: they overlap, after the search range was widened by a tenth.
    Approximate,
}

impl Prefix {
    /// The prefix named by two letters.
    pub fn parse(text: &str) -> Option<Prefix> {
        Some(match text {
            "eq" => Prefix::Equal,
            "ne" => Prefix::NotEqual,
            "gt" => Prefix::Greater,
            "lt" => Prefix::Less,
            "ge" => Prefix::GreaterOrEqual,
            "le" => Prefix::LessOrEqual,
            "sa" => Prefix::StartsAfter,
            "eb" => Prefix::EndsBefore,
            "ap" => Prefix::Approximate,
            _ => return None,
        })
    }

    /// The prefix that means the same on a scale which runs the other way.
    pub(crate) fn reversed(self) -> Prefix {
        match self {
            Prefix::Greater => Prefix::Less,
            Prefix::Less => Prefix::Greater,
            Prefix::GreaterOrEqual => Prefix::LessOrEqual,
            Prefix::LessOrEqual => Prefix::GreaterOrEqual,
            Prefix::StartsAfter => Prefix::EndsBefore,
            Prefix::EndsBefore => Prefix::StartsAfter,
            same => same,
        }
    }
}

/// A window on the pair (start, end) of a range; all four bounds belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The least start.
    pub start_min: i64,
    /// The greatest start.
    pub start_max: i64,
    /// The least end.
    pub end_min: i64,
    /// The greatest end.
    pub end_max: i64,
}

const EVERYWHERE: Window = Window {
    start_min: i64::MIN,
    start_max: i64::MAX,
    end_min: i64::MIN,
    end_max: i64::MAX,
};

impl Window {
    /// Whether a range lies in the window.
    pub fn holds(&self, range: Stretch) -> bool {
        (self.start_min..=self.start_max).contains(&range.start) && (self.end_min..=self.end_max).contains(&range.end)
    }
}

/// A comparison with a range: it holds where any of its windows does. One or two windows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The windows.
    pub windows: Vec<Window>,
}

impl Span {
    /// The comparison a prefix makes with a search range. For `ap` the range is widened already.
    pub fn new(prefix: Prefix, search: Stretch) -> Span {
        let inside = Window {
            start_min: search.start,
            end_max: search.end,
            ..EVERYWHERE
        };
        let above = Window {
            end_min: search.end.saturating_add(1),
            ..EVERYWHERE
        };
        let below = Window {
            start_max: search.start.saturating_sub(1),
            ..EVERYWHERE
        };
        let windows = match prefix {
            Prefix::Equal => vec![inside],
            Prefix::NotEqual => vec![below, above],
            Prefix::Greater => vec![above],
            Prefix::Less => vec![below],
            Prefix::GreaterOrEqual => vec![inside, above],
            Prefix::LessOrEqual => vec![inside, below],
            Prefix::StartsAfter => vec![Window {
                start_min: search.end,
                ..EVERYWHERE
            }],
            Prefix::EndsBefore => vec![Window {
                end_max: search.start,
                ..EVERYWHERE
            }],
            Prefix::Approximate => vec![Window {
                start_max: search.end.saturating_sub(1),
                end_min: search.start.saturating_add(1),
                ..EVERYWHERE
            }],
        };
        Span { windows }
    }

    /// Whether a value's range satisfies the comparison.
    pub fn holds(&self, range: Stretch) -> bool {
        self.windows.iter().any(|window| window.holds(range))
    }
}

/// A number as a whole number in the same order, so that numbers are compared as dates are.
pub fn order(number: f64) -> i64 {
    let bits = if number == 0.0 { 0 } else { number.to_bits() as i64 };
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The number whose [`order`] this is.
pub fn number(order: i64) -> f64 {
    f64::from_bits((order ^ (((order >> 63) as u64) >> 1) as i64) as u64)
}

/// The range of a number or of a closed range of numbers.
pub fn numeric(low: f64, high: f64) -> Stretch {
    Stretch {
        start: order(low),
        end: order(high).saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_follow_the_standard() {
        let search = Stretch { start: 10, end: 20 };
        //            value          eq ne gt lt ge le sa eb ap
        let table = [
            ((10, 20), "1 0 0 0 1 1 0 0 1"),
            ((12, 15), "1 0 0 0 1 1 0 0 1"),
            ((5, 15), "0 1 0 1 0 1 0 0 1"),
            ((15, 25), "0 1 1 0 1 0 0 0 1"),
            ((5, 25), "0 1 1 1 1 1 0 0 1"),
            ((20, 25), "0 1 1 0 1 0 1 0 0"),
            ((5, 10), "0 1 0 1 0 1 0 1 0"),
            ((i64::MIN / 4, 15), "0 1 0 1 0 1 0 0 1"),
            ((15, i64::MAX / 4), "0 1 1 0 1 0 0 0 1"),
        ];
        for ((start, end), expected) in table {
            let found: Vec<&str> = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
                .iter()
                .map(|name| Span::new(Prefix::parse(name).unwrap(), search).holds(Stretch { start, end }))
                .map(|holds| if holds { "1" } else { "0" })
                .collect();
            assert_eq!(found.join(" "), expected, "{start}..{end}");
        }
    }

    #[test]
    fn numbers_keep_their_order() {
        let numbers = [
            f64::NEG_INFINITY,
            -2.5,
            -1.0,
            -1e-9,
            0.0,
            1e-9,
            1.0,
            2.5,
            1e300,
            f64::INFINITY,
        ];
        assert!(numbers.windows(2).all(|pair| order(pair[0]) < order(pair[1])));
        assert_eq!(order(-0.0), order(0.0));
        assert!(numbers.iter().all(|n| number(order(*n)) == *n));
    }
}
