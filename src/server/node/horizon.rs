//! What a node holds: the people of its catchment, and whoever was seen there lately.

use serde::{Deserialize, Serialize};
use synth::places::Places;

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon {
    /// The place codes of its gewogs, `BT0501`, in order, each once; at least one.
    pub gewogs: Vec<String>,
    /// Besides these people, whoever was seen here within so many months; from 1 to 1,200.
    pub seen_within_months: u32,
    /// The record of the clinic itself, such as `Location/gasa-bhu`; `None` where none was named.
    pub place: Option<String>,
}

/// What becomes another in a node's horizon, and its name; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The place codes of its gewogs.
    pub gewogs: Option<Vec<String>>,
    /// For how many months whoever was seen there stays.
    pub seen_within_months: Option<u32>,
    /// The record of the clinic itself.
    pub place: Option<String>,
    /// What people call it.
    pub name: Option<String>,
}

impl Moved {
    /// What is moved as it is written on the command line; nothing is said with no gewogs.
    ///
    /// # Errors
    /// A sentence that says which part is wrong.
    pub fn read(
        gewogs: &[String],
        seen_within: Option<&str>,
        place: Option<&str>,
        name: Option<String>,
    ) -> Result<Moved, String> {
        Ok(Moved {
            gewogs: (!gewogs.is_empty()).then(|| codes(gewogs)).transpose()?,
            seen_within_months: seen_within.map(months).transpose()?,
            place: place.map(|place| checked(place).map(str::to_owned)).transpose()?,
            name,
        })
    }

    /// The same where the gewogs are named as there are any.
    ///
    /// # Errors
    /// A sentence where one is no gewog.
    pub fn checked(self) -> Result<Moved, String> {
        let gewogs = self.gewogs.map(|gewogs| codes(&gewogs)).transpose()?;
        if self
            .seen_within_months
            .is_some_and(|months| !(1..=MONTHS_MAX).contains(&months))
        {
            return Err(format!("Whoever was seen stays from 1 to {MONTHS_MAX} months."));
        }
        self.place.as_deref().map(checked).transpose()?;
        Ok(Moved { gewogs, ..self })
    }

    /// Moves a horizon; the name is none of its own.
    pub fn apply(self, horizon: &mut Horizon) {
        horizon.gewogs = self.gewogs.unwrap_or_else(|| horizon.gewogs.clone());
        horizon.seen_within_months = self.seen_within_months.unwrap_or(horizon.seen_within_months);
        horizon.place = self.place.or_else(|| horizon.place.take());
    }
}

/// A place, where it can name one.
fn checked(place: &str) -> Result<&str, String> {
    let fits = !place.is_empty() && place.len() <= PLACE_MAX && place.bytes().all(|b| b.is_ascii_graphic());
    fits.then_some(place).ok_or_else(|| {
        format!("{place:?} names no place: write it like Location/gasa-bhu, at most {PLACE_MAX} characters.")
    })
}

/// Months of the longest horizon.
const MONTHS_MAX: u32 = 1200;
/// Bytes of a place at most.
const PLACE_MAX: usize = 256;

impl Horizon {
    /// A horizon as it is written on the command line: gewogs as `0501` or `BT0501`, a stretch as `5y` or `18m`.
    ///
    /// # Errors
    /// A sentence that says which part is wrong.
    pub fn read(gewogs: &[String], seen_within: &str, place: Option<&str>) -> Result<Horizon, String> {
        place.map(checked).transpose()?;
        Ok(Horizon {
            gewogs: codes(gewogs)?,
            seen_within_months: months(seen_within)?,
            place: place.map(str::to_owned),
        })
    }

    /// The names of its gewogs, as people call them.
    pub fn names(&self) -> String {
        let places = Places::bhutan();
        let found = self
            .gewogs
            .iter()
            .map(|code| places.gewogs.iter().find(|gewog| gewog.code == *code));
        let names: Vec<&str> = found.flatten().map(|gewog| gewog.name.as_str()).collect();
        names.join(", ")
    }
}

/// The place codes of gewogs that there are, in order, each once.
///
/// # Errors
/// A sentence where none is given, or one is no gewog.
pub fn codes(gewogs: &[String]) -> Result<Vec<String>, String> {
    let places = Places::bhutan();
    let code = |text: &String| {
        let digits = text
            .trim()
            .trim_start_matches(['B', 'b'])
            .trim_start_matches(['T', 't']);
        let code = format!("BT{digits}");
        let known = places.gewogs.iter().any(|gewog| gewog.code == code);
        known.then_some(code).ok_or_else(|| {
            format!(
                "{text:?} is no gewog: write its place code, two digits of the dzongkhag and two of its own, like 0501."
            )
        })
    };
    let mut codes = gewogs.iter().map(code).collect::<Result<Vec<String>, String>>()?;
    codes.sort_unstable();
    codes.dedup();
    match codes.is_empty() {
        true => Err("A node needs a catchment: name a gewog with --gewog, as often as there are gewogs.".to_owned()),
        false => Ok(codes),
    }
}

fn months(text: &str) -> Result<u32, String> {
    let (number, months) = match (text.strip_suffix('y'), text.strip_suffix('m')) {
        (Some(years), _) => (years, 12),
        (_, Some(months)) => (months, 1),
        _ => ("", 0),
    };
    let found = number.parse::<u32>().ok().and_then(|number| number.checked_mul(months));
    found
        .filter(|months| (1..=MONTHS_MAX).contains(months))
        .ok_or_else(|| format!("{text:?} is no stretch of time: write it like 5y or 18m, at most 100y."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn horizons_are_read() {
        let table = [
            (&["0501"] as &[&str], "5y", None, Ok((vec!["BT0501"], 60))),
            (
                &["BT0502", "0501", "bt0502"],
                "18m",
                Some("Location/7"),
                Ok((vec!["BT0501", "BT0502"], 18)),
            ),
            (&[], "5y", None, Err("needs a catchment")),
            (&["9901"], "5y", None, Err("\"9901\" is no gewog")),
            (&["BT05"], "5y", None, Err("is no gewog")),
            (&["0501"], "five", None, Err("\"five\" is no stretch")),
            (&["0501"], "0y", None, Err("is no stretch")),
            (&["0501"], "101y", None, Err("is no stretch")),
            (&["0501"], "400000000y", None, Err("is no stretch")),
            (&["0501"], "5y", Some("a b"), Err("names no place")),
            (&["0501"], "5y", Some(""), Err("names no place")),
        ];
        for (gewogs, within, place, expected) in table {
            let gewogs: Vec<String> = gewogs.iter().map(|code| (*code).to_owned()).collect();
            match (Horizon::read(&gewogs, within, place), expected) {
                (Ok(got), Ok((codes, months))) => {
                    assert_eq!(
                        (
                            got.gewogs.iter().map(String::as_str).collect::<Vec<_>>(),
                            got.seen_within_months
                        ),
                        (codes, months)
                    );
                    assert_eq!(got.place.as_deref(), place);
                    assert!(!got.names().is_empty());
                }
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
                (got, _) => panic!("{gewogs:?} {within}: {got:?}"),
            }
        }
    }
}
