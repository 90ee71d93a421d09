//! UCUM units in their base units: the common part of <https://ucum.org/ucum>, prefixes, powers, products.

use std::cmp::Ordering;

use rust_decimal::Decimal;

/// How many base dimensions there are; arbitrary units have one each.
const DIMENSIONS: usize = 11;
/// The base units, in the order of the dimensions.
const BASES: [&str; DIMENSIONS] = ["m", "g", "s", "rad", "K", "C", "cd", "mol", "[iU]", "[arb'U]", "[CFU]"];
/// How deeply units may be defined by units, and brackets nest.
const DEPTH_LIMIT: u32 = 12;
/// The longest code that is read, in bytes.
const LENGTH_LIMIT: usize = 100;
/// To how many digits measures are compared after conversion.
const COMPARED_DIGITS: u32 = 18;

/// A number as a decimal times a power of ten, so that tiny and huge factors keep their digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measure {
    digits: Decimal,
    power: i32,
}

/// A unit in base units: how many of them it is, and which.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Canonical {
    factor: Measure,
    /// Added before the factor applies, of temperature scales.
    offset: Decimal,
    dimensions: [i8; DIMENSIONS],
}

impl Measure {
    fn new(digits: Decimal, power: i32) -> Measure {
        let digits = digits.normalize();
        let scale = digits.scale() as i32;
        let mut whole = digits;
        if whole.set_scale(0).is_err() {
            return Measure { digits, power };
        }
        Measure {
            digits: whole,
            power: power - scale,
        }
    }

    fn times(self, other: Measure) -> Option<Measure> {
        let power = self.power.checked_add(other.power)?;
        let exact = self.digits.checked_mul(other.digits);
        let digits = exact.or_else(|| self.digits.round_sf(14)?.checked_mul(other.digits.round_sf(14)?))?;
        Some(Measure::new(digits, power))
    }

    fn over(self, other: Measure) -> Option<Measure> {
        let digits = self.digits.checked_div(other.digits)?;
        Some(Measure::new(digits, self.power.checked_sub(other.power)?))
    }

    /// The number itself, where a decimal can hold it.
    pub(crate) fn number(self) -> Option<Decimal> {
        let ten = Decimal::TEN;
        let mut digits = self.digits;
        for _ in 0..self.power.unsigned_abs().min(60) {
            digits = if self.power > 0 {
                digits.checked_mul(ten)?
            } else {
                digits.checked_div(ten)?
            };
        }
        Some(digits.normalize())
    }

    /// Which is more.
    pub(crate) fn compare(&self, other: &Measure) -> Option<Ordering> {
        let shared = self.power.max(other.power);
        let shift = |measure: &Measure| Measure {
            digits: measure.digits,
            power: measure.power - shared,
        };
        let round = |measure: &Measure| shift(measure).number()?.round_sf(COMPARED_DIGITS);
        Some(round(self)?.cmp(&round(other)?))
    }

    /// This many base units as that many of a unit.
    pub(crate) fn in_unit(self, unit: &Canonical) -> Option<Decimal> {
        let number = self.over(unit.factor)?.number()?;
        number.checked_sub(unit.offset)
    }
}

impl Canonical {
    /// Whether both measure the same thing.
    pub(crate) fn same_kind(&self, other: &Canonical) -> bool {
        self.dimensions == other.dimensions
    }

    /// Whether it is a plain number.
    pub(crate) fn is_number(&self) -> bool {
        self.dimensions == [0; DIMENSIONS]
    }

    /// So many of the unit, in base units.
    pub(crate) fn scaled(&self, value: Decimal) -> Measure {
        let value = value.checked_add(self.offset).unwrap_or(value);
        Measure::new(value, 0).times(self.factor).unwrap_or(self.factor)
    }

    fn number(digits: Decimal, power: i32) -> Canonical {
        Canonical {
            factor: Measure::new(digits, power),
            offset: Decimal::ZERO,
            dimensions: [0; DIMENSIONS],
        }
    }

    fn combined(self, other: Canonical, divide: bool) -> Option<Canonical> {
        let mut dimensions = self.dimensions;
        for (dimension, added) in dimensions.iter_mut().zip(other.dimensions) {
            *dimension = dimension.checked_add(if divide { added.checked_neg()? } else { added })?;
        }
        let factor = if divide {
            self.factor.over(other.factor)?
        } else {
            self.factor.times(other.factor)?
        };
        // A temperature scale has its offset only alone.
        Some(Canonical {
            factor,
            offset: Decimal::ZERO,
            dimensions,
        })
    }

    fn raised(self, exponent: i32) -> Option<Canonical> {
        let one = Canonical::number(Decimal::ONE, 0);
        if exponent == 1 {
            return Some(self);
        }
        (0..exponent.unsigned_abs().min(32)).try_fold(one, |product, _| product.combined(self, exponent < 0))
    }
}

/// A unit's code in base units; `None` where the code or a part of it isn't known here.
pub(crate) fn canonical(code: &str) -> Option<Canonical> {
    (code.len() <= LENGTH_LIMIT).then(|| term(code, 0))?
}

fn term(code: &str, depth: u32) -> Option<Canonical> {
    if depth > DEPTH_LIMIT {
        return None;
    }
    let mut product = Canonical::number(Decimal::ONE, 0);
    let mut rest = code;
    let mut divide = rest.starts_with('/');
    let mut first = !divide;
    while !rest.is_empty() {
        if !first {
            divide = rest.starts_with('/');
            rest = rest.strip_prefix(['.', '/'])?;
        }
        let length = component_length(rest)?;
        let part = component(&rest[..length], depth)?;
        product = if first { part } else { product.combined(part, divide)? };
        first = false;
        rest = &rest[length..];
    }
    (!first).then_some(product)
}

/// How far the component reaches: to the next `.` or `/` outside all brackets.
fn component_length(text: &str) -> Option<usize> {
    let (mut round, mut square, mut curly) = (0, 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => round += 1,
            ')' => round -= 1,
            '[' => square += 1,
            ']' => square -= 1,
            '{' => curly += 1,
            '}' => curly -= 1,
            '.' | '/' if round == 0 && square == 0 && curly == 0 => return (at > 0).then_some(at),
            _ => {}
        }
    }
    (round == 0 && square == 0 && curly == 0 && !text.is_empty()).then_some(text.len())
}

fn component(text: &str, depth: u32) -> Option<Canonical> {
    let text = text.split_once('{').map_or(text, |(unit, _)| unit);
    if text.is_empty() {
        return Some(Canonical::number(Decimal::ONE, 0));
    }
    if let Some(inner) = text.strip_prefix('(') {
        let (inner, exponent) = inner.rsplit_once(')')?;
        let exponent = if exponent.is_empty() { 1 } else { exponent.parse().ok()? };
        return term(inner, depth + 1)?.raised(exponent);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Canonical::number(text.parse().ok()?, 0));
    }
    for ten in ["10*", "10^"] {
        if let Some(exponent) = text.strip_prefix(ten) {
            let exponent: i32 = if exponent.is_empty() { 1 } else { exponent.parse().ok()? };
            return (exponent.abs() < 100).then(|| Canonical::number(Decimal::ONE, exponent));
        }
    }
    let unit = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let unit = if unit.len() < text.len() {
        unit.trim_end_matches(['+', '-'])
    } else {
        unit
    };
    let exponent = &text[unit.len()..];
    let exponent = if exponent.is_empty() { 1 } else { exponent.parse().ok()? };
    simple(unit, depth)?.raised(exponent)
}

fn simple(unit: &str, depth: u32) -> Option<Canonical> {
    if let Some((found, _)) = atom(unit, depth) {
        return found;
    }
    PREFIXES.iter().find_map(|(prefix, power)| {
        let (found, metric) = atom(unit.strip_prefix(prefix)?, depth)?;
        let mut scaled = found.filter(|_| metric)?;
        scaled.factor.power += power;
        Some(scaled)
    })
}

/// A unit without prefix, and whether it takes one; the inner `None` where its definition is out of reach.
fn atom(unit: &str, depth: u32) -> Option<(Option<Canonical>, bool)> {
    if let Some(at) = BASES.iter().position(|base| *base == unit) {
        let mut canonical = Canonical::number(Decimal::ONE, 0);
        canonical.dimensions[at] = 1;
        return Some((Some(canonical), !unit.starts_with("[C")));
    }
    match unit {
        "Cel" => return Some((temperature("1", "273.15"), true)),
        "[degF]" => return Some((temperature("0.55555555555555555556", "459.67"), false)),
        _ => {}
    }
    let (_, metric, value, of) = UNITS.iter().find(|entry| entry.0 == unit)?;
    let value: Decimal = value.parse().ok()?;
    let defined = term(of, depth + 1).and_then(|of| Canonical::number(value, 0).combined(of, false));
    Some((defined, *metric))
}

fn temperature(factor: &str, offset: &str) -> Option<Canonical> {
    let mut canonical = Canonical::number(factor.parse().ok()?, 0);
    canonical.offset = offset.parse().ok()?;
    canonical.dimensions[4] = 1;
    Some(canonical)
}

/// Prefixes with their powers of ten; `da` stands before `d`, which would hide it.
const PREFIXES: [(&str, i32); 20] = [
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

/// Code, whether it takes prefixes, and its definition: so many of a unit.
const UNITS: [(&str, bool, &str, &str); 86] = [
    ("%", false, "1", "10*-2"),
    ("[ppth]", false, "1", "10*-3"),
    ("[ppm]", false, "1", "10*-6"),
    ("[ppb]", false, "1", "10*-9"),
    ("[pptr]", false, "1", "10*-12"),
    ("[pi]", false, "3.1415926535897932384626433833", "1"),
    ("min", false, "60", "s"),
    ("h", false, "60", "min"),
    ("d", false, "24", "h"),
    ("wk", false, "7", "d"),
    ("a", false, "365.25", "d"),
    ("a_j", false, "365.25", "d"),
    ("a_t", false, "365.24219", "d"),
    ("a_g", false, "365.2425", "d"),
    ("mo", false, "30.4375", "d"),
    ("mo_j", false, "30.4375", "d"),
    ("mo_s", false, "29.53059", "d"),
    ("mo_g", false, "30.436875", "d"),
    ("deg", false, "2", "[pi].rad/360"),
    ("'", false, "1", "deg/60"),
    ("''", false, "1", "'/60"),
    ("gon", false, "0.9", "deg"),
    ("sr", true, "1", "rad2"),
    ("L", true, "1", "dm3"),
    ("l", true, "1", "dm3"),
    ("ar", true, "100", "m2"),
    ("t", true, "1000", "kg"),
    ("u", true, "1.6605402", "10*-24.g"),
    ("Hz", true, "1", "s-1"),
    ("N", true, "1", "kg.m/s2"),
    ("Pa", true, "1", "N/m2"),
    ("J", true, "1", "N.m"),
    ("W", true, "1", "J/s"),
    ("A", true, "1", "C/s"),
    ("V", true, "1", "J/C"),
    ("F", true, "1", "C/V"),
    ("Ohm", true, "1", "V/A"),
    ("S", true, "1", "Ohm-1"),
    ("Wb", true, "1", "V.s"),
    ("T", true, "1", "Wb/m2"),
    ("H", true, "1", "Wb/A"),
    ("lm", true, "1", "cd.sr"),
    ("lx", true, "1", "lm/m2"),
    ("Bq", true, "1", "s-1"),
    ("Ci", true, "37", "GBq"),
    ("Gy", true, "1", "J/kg"),
    ("Sv", true, "1", "J/kg"),
    ("bar", true, "100000", "Pa"),
    ("atm", false, "101325", "Pa"),
    ("m[Hg]", true, "133.322", "kPa"),
    ("m[H2O]", true, "9.80665", "kPa"),
    ("dyn", true, "1", "g.cm/s2"),
    ("erg", true, "1", "dyn.cm"),
    ("P", true, "1", "dyn.s/cm2"),
    ("eV", true, "1.60217733", "10*-19.J"),
    ("cal", true, "4.184", "J"),
    ("[Cal]", false, "1", "kcal"),
    ("osm", true, "1", "mol"),
    ("eq", true, "1", "mol"),
    ("kat", true, "1", "mol/s"),
    ("U", true, "1", "umol/min"),
    ("[IU]", true, "1", "[iU]"),
    ("[cfu]", true, "1", "[CFU]"),
    ("g%", true, "1", "g/dL"),
    ("[drp]", false, "0.05", "mL"),
    ("[HPF]", false, "1", "1"),
    ("[LPF]", false, "100", "1"),
    ("[in_i]", false, "2.54", "cm"),
    ("[ft_i]", false, "12", "[in_i]"),
    ("[yd_i]", false, "3", "[ft_i]"),
    ("[mi_i]", false, "5280", "[ft_i]"),
    ("[nmi_i]", false, "1852", "m"),
    ("[gr]", false, "64.79891", "mg"),
    ("[lb_av]", false, "7000", "[gr]"),
    ("[oz_av]", false, "437.5", "[gr]"),
    ("[stone_av]", false, "14", "[lb_av]"),
    ("[ston_av]", false, "2000", "[lb_av]"),
    ("[lbf_av]", false, "4.4482216152605", "N"),
    ("[psi]", false, "1", "[lbf_av]/[in_i]2"),
    ("[gal_us]", false, "231", "[in_i]3"),
    ("[qt_us]", false, "1", "[gal_us]/4"),
    ("[pt_us]", false, "1", "[qt_us]/2"),
    ("[cup_us]", false, "16", "[tbs_us]"),
    ("[foz_us]", false, "29.5735295625", "mL"),
    ("[tbs_us]", false, "14.78676478125", "mL"),
    ("[tsp_us]", false, "4.92892159375", "mL"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_compare_in_base_units() {
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
            ("1", "g", "1", "m", None),
            ("1", "[iU]", "1", "mol", None),
        ];
        for (left, left_unit, right, right_unit, expected) in table {
            let read = |code| canonical(code).unwrap_or_else(|| panic!("{code}"));
            let (a, b) = (read(left_unit), read(right_unit));
            let value = |text: &str| text.parse::<Decimal>().expect("a decimal");
            let order = a.same_kind(&b).then(|| {
                a.scaled(value(left))
                    .compare(&b.scaled(value(right)))
                    .expect("small numbers")
            });
            assert_eq!(order, expected, "{left} {left_unit}, {right} {right_unit}");
        }
        for code in [
            "",
            "/",
            ".",
            "xyz",
            "m//s",
            "(m",
            "m)",
            "kmin",
            "((((((((((((((m))))))))))))))",
            "m+",
        ] {
            assert_eq!(canonical(code), None, "{code}");
        }
    }
}
