//! Exact numbers: a fraction times a power of ten, so that no conversion by a fixed factor loses a digit.

use std::cmp::Ordering;
use std::fmt;

/// A number below this, in numerator and denominator, can still be multiplied by ten.
const LIMIT: u128 = 10_u128.pow(37);
/// How many digits are kept where a fraction outgrows [`LIMIT`].
const KEPT: u32 = 36;
/// Half of the digits that two factors have together, when a product is put together from halves.
const HALF: u128 = 10_u128.pow(18);
/// Powers of ten beyond this are no measurement.
const POWER_LIMIT: i32 = 100_000;
/// The longest number that is read, in bytes.
const LENGTH_LIMIT: usize = 400;
/// How many digits [`Amount::to_f64`] rounds to: every one of them survives in a float.
const FLOAT_DIGITS: u32 = 15;

/// A number: numerator / denominator × 10^power. Exact as long as numerator and denominator stay below
/// 10^37; beyond that 36 digits are kept.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    numerator: i128,
    denominator: u128,
    power: i32,
}

impl Amount {
    /// One.
    pub const ONE: Amount = Amount {
        numerator: 1,
        denominator: 1,
        power: 0,
    };

    /// So many times a power of ten: 54 and -1 are 5.4. Of a longer number the first 36 digits are kept.
    pub fn new(digits: i128, power: i32) -> Amount {
        let (mut shorter, mut power) = (digits, power);
        while shorter.unsigned_abs() >= LIMIT {
            (shorter, power) = (shorter / 10, power.saturating_add(1));
        }
        Amount {
            numerator: shorter,
            denominator: 1,
            power: power.clamp(-POWER_LIMIT, POWER_LIMIT),
        }
    }

    /// A decimal number, perhaps with an exponent: `5.40`, `-1e-7`. Digits after the 36th are dropped.
    /// `None` where it is no such number, or one of more than 400 characters.
    pub fn parse(text: &str) -> Option<Amount> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.len() + fraction.len() == 0 || text.len() > LENGTH_LIMIT || exponent.abs() > POWER_LIMIT {
            return None;
        }
        let (mut digits, mut power) = (0_u128, exponent - fraction.len() as i32);
        for digit in whole.bytes().chain(fraction.bytes()) {
            if !digit.is_ascii_digit() {
                return None;
            }
            if digits >= LIMIT / 10 {
                power += 1;
            } else {
                digits = digits * 10 + u128::from(digit - b'0');
            }
        }
        let digits = digits as i128;
        Some(Amount::new(
            if mantissa.starts_with('-') { -digits } else { digits },
            power,
        ))
    }

    /// A float, to 15 digits; `None` where it is infinite or no number.
    pub fn from_f64(number: f64) -> Option<Amount> {
        number.is_finite().then(|| Amount::parse(&format!("{number:.14e}")))?
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// The product; `None` where its power of ten is out of reach.
    pub fn times(self, other: Amount) -> Option<Amount> {
        let power = bounded(self.power.checked_add(other.power)?)?;
        let exact = |left: Amount, right: Amount| {
            let numerator = left.numerator.checked_mul(right.numerator)?;
            let denominator = left.denominator.checked_mul(right.denominator)?;
            (numerator.unsigned_abs() < LIMIT && denominator < LIMIT).then_some((numerator, denominator))
        };
        if let Some((numerator, denominator)) = exact(self, other) {
            return Some(Amount {
                numerator,
                denominator,
                power,
            });
        }
        let (left, right) = crossed(self, other);
        let power = bounded(left.power.checked_add(right.power)?)?;
        if let Some((numerator, denominator)) = exact(left, right) {
            return Some(Amount {
                numerator,
                denominator,
                power,
            });
        }
        left.rounded_product(right)
    }

    /// The product from 36 digits of each.
    fn rounded_product(self, other: Amount) -> Option<Amount> {
        if self.is_zero() || other.is_zero() {
            return Some(Amount::new(0, 0));
        }
        let ((a, p), (b, q)) = (self.digits(KEPT), other.digits(KEPT));
        let (a_high, a_low) = (a.unsigned_abs() / HALF, a.unsigned_abs() % HALF);
        let (b_high, b_low) = (b.unsigned_abs() / HALF, b.unsigned_abs() % HALF);
        let product = a_high * b_high + (a_high * b_low + a_low * b_high) / HALF;
        let negative = (a < 0) != (b < 0);
        let product = product as i128;
        let power = bounded(p.checked_add(q)?.checked_add(36)?)?;
        Some(Amount::new(if negative { -product } else { product }, power))
    }

    /// One divided by it; `None` for zero.
    pub fn inverse(self) -> Option<Amount> {
        let sign = self.numerator.signum();
        (sign != 0).then(|| Amount {
            numerator: sign * self.denominator as i128,
            denominator: self.numerator.unsigned_abs(),
            power: -self.power,
        })
    }

    /// The quotient; `None` where the divisor is zero or the power of ten is out of reach.
    pub fn over(self, other: Amount) -> Option<Amount> {
        self.times(other.inverse()?)
    }

    /// The sum; exact where the digits of both together stay below 10^37.
    pub fn plus(self, other: Amount) -> Amount {
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other } else { self };
        }
        if let Some(sum) = self.exact_sum(other) {
            return sum;
        }
        let (mut more, mut less) = (self.digits(KEPT), other.digits(KEPT));
        if more.1 < less.1 {
            (more, less) = (less, more);
        }
        let shift = more.1.abs_diff(less.1).min(KEPT + 1);
        Amount::new(more.0 + less.0 / 10_i128.pow(shift), more.1)
    }

    fn exact_sum(self, other: Amount) -> Option<Amount> {
        let (left, right) = (self.reduced(), other.reduced());
        let power = left.power.min(right.power);
        let side = |one: Amount, with: u128| {
            let shift = u32::try_from(one.power - power).ok().filter(|shift| *shift < 38)?;
            let scaled = one.numerator.checked_mul(10_i128.pow(shift))?;
            scaled.checked_mul(i128::try_from(with).ok()?)
        };
        let numerator = side(left, right.denominator)?.checked_add(side(right, left.denominator)?)?;
        let denominator = left.denominator.checked_mul(right.denominator)?;
        (numerator.unsigned_abs() < LIMIT && denominator < LIMIT).then_some(Amount {
            numerator,
            denominator,
            power,
        })
    }

    /// With the other sign.
    pub fn negated(self) -> Amount {
        Amount {
            numerator: -self.numerator,
            ..self
        }
    }

    /// The power with a whole exponent; `None` where it is out of reach.
    pub fn raised(self, exponent: i32) -> Option<Amount> {
        let (mut square, mut left) = (
            if exponent < 0 { self.inverse()? } else { self },
            exponent.unsigned_abs(),
        );
        let mut product = Amount::ONE;
        while left > 0 {
            if left % 2 == 1 {
                product = product.times(square)?;
            }
            left /= 2;
            if left > 0 {
                square = square.times(square)?;
            }
        }
        Some(product)
    }

    /// The fraction in its lowest terms, without factors of ten.
    fn reduced(self) -> Amount {
        let common = common(self.numerator.unsigned_abs(), self.denominator).max(1);
        let mut amount = Amount {
            numerator: self.numerator / common as i128,
            denominator: self.denominator / common,
            power: self.power,
        };
        for (prime, other) in [(10, 1), (2, 5), (5, 2)] {
            while amount.denominator.is_multiple_of(prime) && amount.numerator.unsigned_abs() < LIMIT / 10 {
                amount.denominator /= prime;
                amount.numerator *= other;
                amount.power -= 1;
            }
        }
        while amount.numerator != 0 && amount.numerator % 10 == 0 {
            amount.numerator /= 10;
            amount.power += 1;
        }
        amount
    }

    /// Exactly so many digits (at most 37), rounded half away from zero, and the power of ten of the last.
    fn digits(self, wanted: u32) -> (i128, i32) {
        if self.is_zero() {
            return (0, 0);
        }
        let size = self.numerator.unsigned_abs();
        let (mut digits, mut rest) = (size / self.denominator, size % self.denominator);
        let (bound, mut power) = (10_u128.pow(wanted), self.power);
        let up = if digits >= bound {
            let length = digits.ilog10() + 1 - wanted;
            let scale = 10_u128.pow(length);
            let dropped = digits % scale;
            (digits, power) = (digits / scale, power + length as i32);
            dropped * 2 >= scale
        } else {
            while digits < bound / 10 {
                if rest == 0 {
                    let missing = wanted - digits.checked_ilog10().map_or(0, |log| log + 1);
                    (digits, power) = (digits * 10_u128.pow(missing), power - missing as i32);
                    break;
                }
                rest *= 10;
                digits = digits * 10 + rest / self.denominator;
                (rest, power) = (rest % self.denominator, power - 1);
            }
            rest > 0 && rest * 2 >= self.denominator
        };
        let mut digits = digits + u128::from(up);
        if digits == bound {
            (digits, power) = (digits / 10, power + 1);
        }
        (self.numerator.signum() * digits as i128, power)
    }

    /// Rounded to so many digits (1 to 36), half away from zero: digits without zeros at the end, and their
    /// power of ten.
    pub fn rounded(self, digits: u32) -> (i128, i32) {
        let (mut rounded, mut power) = self.digits(digits.clamp(1, KEPT));
        while rounded != 0 && rounded % 10 == 0 {
            (rounded, power) = (rounded / 10, power + 1);
        }
        (rounded, power)
    }

    /// Which is more, when both are rounded to so many digits (1 to 36).
    pub fn compare(self, other: Amount, digits: u32) -> Ordering {
        let ((a, p), (b, q)) = (self.rounded(digits), other.rounded(digits));
        if a.signum() != b.signum() || a == 0 {
            return a.signum().cmp(&b.signum());
        }
        let length = |number: i128| number.unsigned_abs().ilog10() as i32;
        let (top, least) = ((length(a) + p, length(b) + q), p.min(q));
        let order = if top.0 == top.1 {
            // The same first place, so that both have at most 36 digits from it to the least place.
            let scaled = |number: i128, power: i32| number * 10_i128.pow(power.abs_diff(least));
            return scaled(a, p).cmp(&scaled(b, q));
        } else {
            top.0.cmp(&top.1)
        };
        if a < 0 { order.reverse() } else { order }
    }

    /// The nearest float to the number rounded to 15 digits: equal numbers give equal bits, however they were
    /// computed. Too large a number gives the largest float.
    pub fn to_f64(self) -> f64 {
        let (digits, power) = match self.numerator.unsigned_abs() < 10_u128.pow(FLOAT_DIGITS) && self.denominator == 1 {
            true => (self.numerator, self.power),
            false => self.rounded(FLOAT_DIGITS),
        };
        // Both are whole floats here, so that one operation rounds once, as reading the text would.
        match power {
            0..=22 => digits as f64 * 10_f64.powi(power),
            -22..0 => digits as f64 / 10_f64.powi(-power),
            _ => {
                let read: f64 = format!("{digits}e{power}").parse().unwrap_or(0.0);
                read.clamp(f64::MIN, f64::MAX)
            }
        }
    }
}

impl From<i64> for Amount {
    fn from(number: i64) -> Amount {
        Amount::new(number.into(), 0)
    }
}

/// As a decimal with at most 28 digits; with an exponent where that is shorter by far.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, power) = self.rounded(28);
        let size = digits.unsigned_abs().to_string();
        let sign = if digits < 0 { "-" } else { "" };
        let places = power.unsigned_abs() as usize;
        match power {
            0..=12 => write!(f, "{sign}{size}{}", "0".repeat(places)),
            -60..0 if places < size.len() => {
                let (whole, fraction) = size.split_at(size.len() - places);
                write!(f, "{sign}{whole}.{fraction}")
            }
            -60..0 => write!(f, "{sign}0.{}{size}", "0".repeat(places - size.len())),
            _ => write!(f, "{sign}{size}e{power}"),
        }
    }
}

fn bounded(power: i32) -> Option<i32> {
    (power.abs() <= POWER_LIMIT).then_some(power)
}

/// Both in their lowest terms, and without what the numerator of one shares with the denominator of the other.
fn crossed(left: Amount, right: Amount) -> (Amount, Amount) {
    let (mut left, mut right) = (left.reduced(), right.reduced());
    let one = common(left.numerator.unsigned_abs(), right.denominator).max(1);
    (left.numerator, right.denominator) = (left.numerator / one as i128, right.denominator / one);
    let other = common(right.numerator.unsigned_abs(), left.denominator).max(1);
    (right.numerator, left.denominator) = (right.numerator / other as i128, left.denominator / other);
    (left, right)
}

/// The greatest common divisor; zero of two zeros.
fn common(mut a: u128, mut b: u128) -> u128 {
    if a == 1 || b == 1 {
        return 1;
    }
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn numbers_are_read_and_written() {
        let table = [
            ("5.40", "5.4"),
            ("-0.0054", "-0.0054"),
            ("1e-7", "0.0000001"),
            ("1E+2", "100"),
            ("0", "0"),
            ("-0.00", "0"),
            ("946073047258080000", "946073047258080000"),
            (
                "1.05700083402461546370946e-18",
                "0.00000000000000000105700083402461546370946",
            ),
            ("1e300", "1e300"),
            (
                "123456789012345678901234567890123456789012345",
                "1234567890123456789012345679e17",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(amount(text).to_string(), expected);
        }
        for text in [
            "",
            "-",
            ".",
            "1,5",
            "NaN",
            "1e",
            "0x1",
            "--1",
            "1e99999999999",
            "1e999999",
        ] {
            assert!(Amount::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact_or_keeps_36_digits() {
        let third = amount("1").over(amount("3")).unwrap();
        assert_eq!(third.times(amount("3")).unwrap().to_string(), "1");
        assert_eq!(third.plus(amount("0.1")).times(amount("30")).unwrap().to_string(), "13");
        let long = amount("3.14159265358979323846264338327950288");
        let square = long.times(long).unwrap();
        assert_eq!(
            square.rounded(30),
            amount("9.86960440108935861883449099988").rounded(30)
        );
        assert_eq!(square.over(long).unwrap().rounded(32), long.rounded(32));
        assert_eq!(amount("2").raised(-3).unwrap().to_string(), "0.125");
        assert_eq!(amount("1e-60").plus(amount("273.15")).to_string(), "273.15");
        assert!(amount("1").over(amount("0")).is_none());
        assert!(amount("1e99999").raised(2).is_none());
    }

    #[test]
    fn equal_numbers_have_equal_floats() {
        let table = [
            ("5.4", "1e-3", "0.0054"),
            ("5400", "1e-6", "0.0054"),
            ("0.1", "3", "0.3"),
            ("123456789012345678", "1e-18", "0.123456789012346"),
            ("7", "1e300", "7e300"),
            ("7", "1e-300", "7e-300"),
            ("1", "1e400", "1.7976931348623157e308"),
        ];
        for (a, b, product) in table {
            let found = amount(a).times(amount(b)).unwrap().to_f64();
            assert_eq!(found.to_bits(), product.parse::<f64>().unwrap().to_bits(), "{a} {b}");
        }
        let ninth = amount("1").over(amount("9")).unwrap();
        assert_eq!(ninth.to_f64(), 0.111111111111111);
    }

    #[test]
    fn amounts_are_compared_by_their_digits() {
        let table = [
            ("1", "2", Ordering::Less),
            ("-1", "-2", Ordering::Greater),
            ("-1", "1", Ordering::Less),
            ("0", "0.000", Ordering::Equal),
            ("0", "1e-30", Ordering::Less),
            ("99", "100", Ordering::Less),
            ("-99", "-100", Ordering::Greater),
            ("100", "1e2", Ordering::Equal),
            ("1.0000000000000000001", "1", Ordering::Equal),
            ("1.00000000000000001", "1", Ordering::Greater),
            ("1e90", "2e-90", Ordering::Greater),
        ];
        for (a, b, expected) in table {
            assert_eq!(amount(a).compare(amount(b), 18), expected, "{a} {b}");
        }
    }
}
