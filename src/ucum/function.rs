//! The functions of special units (<https://ucum.org/ucum> §21, §22): from their scale to one of ratios, and back.

use std::f64::consts::LN_10;

use crate::amount::Amount;

/// A function between a special unit's numbers and those of the unit that defines it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    /// A temperature scale: so many hundredths of the defining unit are added.
    Shift(i64),
    /// A power with this base of the number times this factor: logarithmic scales, and homoeopathic ones.
    Power(f64, f64),
    /// The angle whose tangent is a hundredth of the number, in radians.
    Slope,
    /// The same angle in degrees.
    SlopeDegrees,
    /// The square, with the sign of the number so that the order is kept.
    Square,
}

impl Function {
    /// The function by the name the table gives it.
    pub(crate) fn named(name: &str) -> Option<Function> {
        Some(match name {
            "Cel" => Function::Shift(27_315),
            "degF" => Function::Shift(45_967),
            "degRe" => Function::Shift(21_852),
            "ln" => Function::Power(std::f64::consts::E, 1.0),
            "lg" => Function::Power(10.0, 1.0),
            "lgTimes2" => Function::Power(10.0, 0.5),
            "ld" => Function::Power(2.0, 1.0),
            "pH" | "hpX" => Function::Power(10.0, -1.0),
            "hpC" => Function::Power(100.0, -1.0),
            "hpM" => Function::Power(1_000.0, -1.0),
            "hpQ" => Function::Power(50_000.0, -1.0),
            "tanTimes100" => Function::Slope,
            "100tan" => Function::SlopeDegrees,
            "sqrt" => Function::Square,
            _ => return None,
        })
    }

    /// Whether more on the one scale is less on the other.
    pub(crate) fn reverses(self) -> bool {
        matches!(self, Function::Power(_, factor) if factor < 0.0)
    }

    /// From the special scale to the defining unit. A number out of a float's reach gives the nearest one.
    pub(crate) fn forward(self, number: Amount) -> Amount {
        match self {
            Function::Shift(hundredths) => number.plus(Amount::new(hundredths.into(), -2)),
            Function::Power(base, factor) => float(base.powf(number.to_f64() * factor)),
            Function::Slope => float((number.to_f64() / 100.0).atan()),
            Function::SlopeDegrees => float((number.to_f64() / 100.0).atan().to_degrees()),
            Function::Square => {
                let size = if number.to_f64() < 0.0 {
                    number.negated()
                } else {
                    number
                };
                number.times(size).unwrap_or(number)
            }
        }
    }

    /// From the defining unit to the special scale; `None` where the scale has no such number.
    pub(crate) fn back(self, number: Amount) -> Option<Amount> {
        let found = match self {
            Function::Shift(hundredths) => return Some(number.plus(Amount::new((-hundredths).into(), -2))),
            Function::Power(10.0, factor) => number.to_f64().log10() / factor,
            Function::Power(base, factor) => number.to_f64().log10() * LN_10 / base.ln() / factor,
            Function::Slope => number.to_f64().tan() * 100.0,
            Function::SlopeDegrees => number.to_f64().to_radians().tan() * 100.0,
            Function::Square => number.to_f64().abs().sqrt().copysign(number.to_f64()),
        };
        Amount::from_f64(found)
    }
}

fn float(number: f64) -> Amount {
    Amount::from_f64(number.clamp(f64::MIN, f64::MAX)).unwrap_or(Amount::new(0, 0))
}
