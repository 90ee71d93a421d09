//! Places on earth: where a Location is, and how far from a place it may be.
//!
//! `near=latitude|longitude|distance|units` (<https://hl7.org/fhir/R4/location.html#positional>). Degrees are kept in
//! ten-millionths, a centimetre on the ground, so that a record and an index compare the very same numbers.

use ucum::{Amount, Unit};

use crate::literal::split;

/// A degree, in the units positions are kept in.
const DEGREE: f64 = 1e7;
/// The earth's mean radius in metres (IUGG).
const RADIUS: f64 = 6_371_008.8;
/// What is near where a search does not say, in metres.
const NEAR: f64 = 50_000.0;

/// A place on earth by WGS 84, in ten-millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// North of the equator; at most 90 degrees either way.
    pub latitude: i32,
    /// East of Greenwich; at most 180 degrees either way.
    pub longitude: i32,
}

impl Position {
    /// The place of a latitude and a longitude written in degrees; `None` where there is none on earth.
    pub fn parse(latitude: &str, longitude: &str) -> Option<Position> {
        Some(Position {
            latitude: degrees(latitude, 90.0)?,
            longitude: degrees(longitude, 180.0)?,
        })
    }

    /// The way to another place along a great circle, in metres, on a sphere: off by 0.5 % at most.
    pub fn distance(self, other: Position) -> f64 {
        let radians = |degrees: i32| (f64::from(degrees) / DEGREE).to_radians();
        let (here, there) = (radians(self.latitude), radians(other.latitude));
        let east = (radians(other.longitude) - radians(self.longitude)) / 2.0;
        let north = (there - here) / 2.0;
        let half = north.sin().powi(2) + here.cos() * there.cos() * east.sin().powi(2);
        2.0 * RADIUS * half.min(1.0).sqrt().asin()
    }
}

fn degrees(text: &str, most: f64) -> Option<i32> {
    let number: f64 = text.trim().parse().ok()?;
    (number.abs() <= most).then(|| (number * DEGREE).round() as i32)
}

/// All places within a distance of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// The place.
    pub place: Position,
    /// The distance in metres.
    pub metres: f64,
}

impl Near {
    /// Whether a place is near.
    pub fn holds(&self, place: Position) -> bool {
        // Degrees of latitude are the same everywhere, and most places are not at this one.
        let north = f64::from(place.latitude.abs_diff(self.place.latitude)) / DEGREE;
        if north.to_radians() * RADIUS > self.metres + 1.0 {
            return false;
        }
        self.place.distance(place) <= self.metres
    }
}

/// Reads what a search calls near: `27.47|89.64|10|km`; kilometres, and some distance, where it does not say.
///
/// # Errors
/// A sentence that says what is wrong, to be put behind the parameter's name.
pub(crate) fn near(text: &str) -> Result<Near, String> {
    let (latitude, longitude, distance, units) = match split(text, '|')[..] {
        [latitude, longitude] => (latitude, longitude, "", ""),
        [latitude, longitude, distance] => (latitude, longitude, distance, ""),
        [latitude, longitude, distance, units] => (latitude, longitude, distance, units),
        _ => return Err("write it as latitude|longitude|distance|units, as in 27.47|89.64|10|km".into()),
    };
    let place = Position::parse(latitude, longitude).ok_or_else(|| {
        format!(
            "`{latitude}|{longitude}` is no place on earth; write degrees, first -90 to 90 north, then -180 to 180 east"
        )
    })?;
    let metres = match distance {
        "" => NEAR,
        _ => metres(distance, if units.is_empty() { "km" } else { units })?,
    };
    Ok(Near { place, metres })
}

fn metres(distance: &str, units: &str) -> Result<f64, String> {
    let number = Amount::parse(distance).ok_or_else(|| format!("`{distance}` is no distance"))?;
    let metre = Unit::parse("m").ok();
    let unit = Unit::parse(units).ok().zip(metre);
    let unit = unit.filter(|(unit, metre)| unit.comparable(metre) && !unit.is_special());
    let (unit, _) = unit.ok_or_else(|| format!("`{units}` is no unit of length; write km, m, [mi_us] or [mi_i]"))?;
    let metres = unit.canonical_f64(number).filter(|metres| *metres >= 0.0);
    metres.ok_or_else(|| format!("`{distance}` is no distance; write a number that is not below 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_on_the_map() {
        let table = [
            // Thimphu to Paro, Thimphu to Trashigang, across the date line, across a pole, to itself.
            ("27.4728|89.6390", "27.4305|89.4134", 22.7),
            ("27.4728|89.6390", "27.3317|91.5544", 189.7),
            ("10|179.9", "10|-179.9", 21.9),
            ("89.9|0", "89.9|180", 22.2),
            ("0|0", "0|180", 20_015.1),
            ("-83.694810|42.256500", "-83.694810|42.256500", 0.0),
        ];
        for (from, to, kilometres) in table {
            let place = |text: &str| near(text).unwrap().place;
            let (from, to) = (place(from), place(to));
            let found = from.distance(to) / 1000.0;
            assert!((found - kilometres).abs() < 0.06, "{found} is not {kilometres}");
            for (metres, expected) in [(found * 1001.0 + 0.1, true), (found * 999.0 - 0.1, false)] {
                assert_eq!(Near { place: from, metres }.holds(to), expected, "{found}");
            }
        }
    }

    #[test]
    fn distances_have_units() {
        for (text, metres) in [
            ("1|2", 50_000.0),
            ("1|2|", 50_000.0),
            ("1|2||km", 50_000.0),
            ("1|2|10", 10_000.0),
            ("1|2|10|km", 10_000.0),
            ("1|2|250|m", 250.0),
            ("1|2|1|[mi_i]", 1_609.344),
            ("1|2|1|[mi_us]", 1_609.347),
        ] {
            assert!((near(text).unwrap().metres - metres).abs() < 0.001, "{text}");
        }
        for text in [
            "",
            "1",
            "91|0",
            "0|181",
            "a|b",
            "1|2|-5",
            "1|2|x",
            "1|2|5|kg",
            "1|2|5|miles",
            "1|2|3|km|5",
            "NaN|0",
        ] {
            assert!(near(text).is_err(), "{text}");
        }
    }
}
