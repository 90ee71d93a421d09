//! Tells what cannot be a code of LOINC or SNOMED CT by its form and its check digit, where their releases are not loaded.

/// The address of LOINC.
pub(crate) const LOINC: &str = "http://loinc.org";
/// The address of SNOMED CT.
pub(crate) const SNOMED: &str = "http://snomed.info/sct";

/// Whether no release of a system can have the code. Of systems without check digits nothing is said.
///
/// See <https://hl7.org/fhir/R4/loinc.html> and <https://hl7.org/fhir/R4/snomedct.html>.
pub(crate) fn is_impossible(system: &str, code: &str) -> bool {
    match system {
        LOINC => !is_loinc(code),
        SNOMED => !is_snomed(code),
        _ => false,
    }
}

/// `8867-4`: the last digit is that of Luhn. Parts, answers and lists (`LA6683-2`) are only known by their form.
fn is_loinc(code: &str) -> bool {
    let Some((number, digit)) = code.split_once('-') else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digit.len() != 1 || !digits(digit) {
        return false;
    }
    let mut letters = number.chars();
    if letters.next() == Some('L') && letters.next().is_some_and(|c| c.is_ascii_uppercase()) {
        return digits(letters.as_str());
    }
    digits(number) && number.len() <= 7 && luhn(number) == digit.bytes().next().map_or(10, |b| u32::from(b - b'0'))
}

fn luhn(number: &str) -> u32 {
    let weighed = number.bytes().rev().enumerate().map(|(at, b)| {
        let digit = u32::from(b - b'0');
        match at % 2 {
            0 => digit * 2 / 10 + digit * 2 % 10,
            _ => digit,
        }
    });
    (10 - weighed.sum::<u32>() % 10) % 10
}

/// An identifier of 6 to 18 digits, the last of them Verhoeff's; an expression is told by its first identifier.
fn is_snomed(code: &str) -> bool {
    let start = code.trim_start_matches(['=', '<', ' ', '(']);
    let end = start.find(|c: char| !c.is_ascii_digit()).unwrap_or(start.len());
    let (concept, rest) = start.split_at(end);
    let expression = rest.is_empty() || rest.trim_start().starts_with(['|', ':', '+', ',', ')']);
    expression && (6..=18).contains(&concept.len()) && !concept.starts_with('0') && is_verhoeff(concept)
}

/// Whether the digits end in Verhoeff's check digit: they are multiplied out in the group of a pentagon's symmetries, each
/// permuted by its place, and must come to nothing.
fn is_verhoeff(number: &str) -> bool {
    /// What the permutation makes of each digit; applied once for every place from the right, it repeats after eight.
    const PERMUTED: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let times = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b) % 5,
        (false, true) => 5 + (a - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let sum = number.bytes().rev().enumerate().fold(0, |sum, (at, b)| {
        let permuted = (0..at % 8).fold(b - b'0', |digit, _| PERMUTED[usize::from(digit)]);
        times(sum, permuted)
    });
    sum == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_what_cannot_be_one() {
        let table = [
            (LOINC, "8867-4 29463-7 85354-9 100066-0 LA6683-2 LP173421-1", true),
            (LOINC, "1234-5 8867-5 88674 8867- -4 abc LA-2 8867-44", false),
            (
                SNOMED,
                "138875005 276885007 35901911000001104 264358009 734137005:363698007=39057004",
                true,
            ),
            (SNOMED, "276885007x 1 234234 something 138875006 0138875005", false),
            ("http://elsewhere", "1 x", true),
        ];
        for (system, codes, possible) in table {
            for code in codes.split(' ') {
                assert_eq!(!is_impossible(system, code), possible, "{system} {code}");
            }
        }
        assert!(!is_impossible(SNOMED, "=== 46866001 |Fracture| + 428151000124102 |Y|"));
    }
}
