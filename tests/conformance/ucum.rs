//! The cases of others: which codes are valid, what units are called, conversions, products and quotients.

use ucum::{Amount, Unit, convert, divide, multiply};

use super::Tally;

const CASES: &str = include_str!("../fixtures/ucum/cases.tsv");

/// Runs the suite.
pub fn tally() -> Tally {
    let cases = CASES.lines().skip(1).map(|case| {
        let id = case.split('\t').nth(1).unwrap_or_default();
        (id.to_owned(), fails(case).map_or(Ok(()), Err))
    });
    Tally::of("UCUM", "Ucum-java 0247922, open part", &[], cases)
}

/// Whether the number is the expected one, to the digits the expected one is written with.
fn agrees(found: Amount, expected: &str) -> bool {
    let mantissa = expected.split(['e', 'E']).next().unwrap_or("");
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0').len().max(1) as u32;
    let expected = Amount::parse(expected).expect("a number");
    found.rounded(digits) == expected.rounded(digits)
}

fn fails(case: &str) -> Option<String> {
    let columns: Vec<&str> = case.split('\t').collect();
    let [kind, _, left, left_unit, right, right_unit, value, unit] = columns[..] else {
        return Some("it has not eight columns".into());
    };
    let parsed = Unit::parse(left_unit);
    match kind {
        "valid" => return parsed.err().map(|why| why.to_string()),
        "invalid" => return parsed.ok().map(|_| "the code was taken for valid".into()),
        "display" => {
            let found = parsed.map(|unit| unit.to_string());
            return (found.as_deref() != Ok(unit)).then(|| format!("{found:?}"));
        }
        _ => {}
    }
    let number = |text: &str| Amount::parse(text).expect("a number");
    let read = |code: &str| Unit::parse(code).expect("a unit");
    if kind == "convert" {
        let found = convert(number(left), &read(left_unit), &read(unit));
        let agreed = found.as_ref().is_ok_and(|found| agrees(*found, value));
        return (!agreed).then(|| format!("{found:?}"));
    }
    let (left_unit, right_unit) = (read(left_unit), read(right_unit));
    let (left, right) = ((number(left), &left_unit), (number(right), &right_unit));
    let found = if kind == "multiply" {
        multiply(left, right)
    } else {
        divide(left, right)
    };
    let unit = if unit.is_empty() { "1" } else { unit };
    let agreed = found
        .as_ref()
        .is_ok_and(|found| agrees(found.amount, value) && found.dimension.to_string() == unit);
    (!agreed).then(|| format!("{found:?}"))
}
