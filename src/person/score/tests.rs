//! Who is linked and who is not: pairs of registrations, what is made of them, and why.

use super::*;
use crate::trial::{person, register};

/// What was registered before, what is registered now, the grade.
const PAIRS: &[(&str, &str, &str)] = &[
    // The same papers at the desk.
    (
        "Sonam Dorji, m, 1987-04-09, cid 11404000581, at BT1401",
        "Sonam Dorji, m, 1987-04-09, cid 11404000581",
        "certain",
    ),
    (
        "Sonam Dorji, m, 1987-04-09, cid 11404000581",
        "Dorjee Sonam, m, 1987, cid 11404000581",
        "certain",
    ),
    // No number, but a full date and a telephone.
    (
        "Sonam Dorji, m, 1987-04-09, tel 17123456, at BT1401",
        "Sonam Dorjee, m, 1987-04-09, tel 17123456, at BT1401",
        "certain",
    ),
    (
        "Ugyen Tshultrim, m, 1987-04-09, at BT1401",
        "Ugen Tsultrim, m, 1987-04-09, at BT1401",
        "certain",
    ),
    // Name and year never link, whatever else many people share.
    ("Sonam Dorji, m, 1987-04-09", "Sonam Dorji, m, 1987", "possible"),
    (
        "Sonam Dorji, m, 1987, at BT0104",
        "Sonam Dorji, m, 1987, at BT0104",
        "possible",
    ),
    (
        "Ugyen Tshultrim, m, 1987-01-01, at BT0104003",
        "Ugyen Tshultrim, m, 1987-01-01, at BT0104003",
        "possible",
    ),
    ("Sonam Dorji, m", "Sonam Dorji, m", "possible"),
    // Twins: all but the name is the same, and before they are named not even that.
    (
        "Karma Dema, f, 2015-03-02, mother 11404000002, tel 17123456, at BT1401003, house 7, twin 1",
        "Pema Dema, f, 2015-03-02, mother 11404000002, tel 17123456, at BT1401003, house 7, twin 2",
        "possible",
    ),
    (
        "Karma Dema, f, 2015-03-02, mother 11404000002, tel 17123456, at BT1401003, house 7",
        "Sonam Choki, f, 2015-03-02, mother 11404000002, tel 17123456, at BT1401003, house 7",
        "probable",
    ),
    (
        "f, 2026-03-02, mother 11404000002, of Pema Lhamo, twin 1",
        "f, 2026-03-02, mother 11404000002, of Pema Lhamo, twin 2",
        "possible",
    ),
    // Brothers, and father and son of one name in one house.
    (
        "Karma Dorji, m, 2012-03-02, mother 11404000002, tel 17123456, at BT1401003, house 7",
        "Sonam Dorji, m, 2014-08-21, mother 11404000002, tel 17123456, at BT1401003, house 7",
        "certainly-not",
    ),
    (
        "Sonam Dorji, m, 1987-04-09, tel 17123456, at BT1401003, house 7",
        "Sonam Dorji, m, 2015-08-21, tel 17123456, at BT1401003, house 7",
        "possible",
    ),
    // A newborn, unnamed and named later, with the same health book or with the mother alone.
    (
        "f, 2026-03-02, mother 11404000002, of Pema Lhamo, book HB1",
        "Karma Choki, f, 2026-03-02, mother 11404000002, of Pema Lhamo, book HB1",
        "certain",
    ),
    (
        "f, 2026-03-02, mother 11404000002, of Pema Lhamo, at BT1401",
        "Karma Choki, f, 2026-03-02, mother 11404000002, of Pema Lhamo, at BT1401",
        "probable",
    ),
    // An adult with a new name: the number and the date say so; the telephone and the house are the family's.
    (
        "Sonam Dorji, m, 1987-04-09, cid 11404000581",
        "Jigme Wangchuk, m, 1987-04-09, cid 11404000581",
        "certain",
    ),
    (
        "Sonam Dorji, m, 1987-04-09, tel 17123456, at BT1401003, house 7",
        "Jigme Wangchuk, m, 1987-04-09, tel 17123456, at BT1401003, house 7",
        "probable",
    ),
    // Whoever gives the old name and the new is both.
    (
        "Ugyen Tshultrim, m, 1987-04-09, at BT0104",
        "Jigme Wangchuk/Ugyen Tshultrim, m, 1987-04-09, at BT0104",
        "certain",
    ),
    // A mistyped number: of the same person, and one that is somebody else's.
    (
        "Sonam Dorji, m, 1987-04-09, cid 11404000581",
        "Sonam Dorji, m, 1987-04-09, cid 11404000518",
        "certain",
    ),
    (
        "Sonam Dorji, m, 1987-04-09, cid 11404000581",
        "Pema Lhamo, f, 1961-11-30, cid 11404000581",
        "possible",
    ),
    (
        "Sonam Dorji, m, 1987-04-09, cid 11404000581, at BT1401",
        "Pema Wangdi, m, 1961, cid 11404000581, at BT1401",
        "possible",
    ),
    // A child with the mother's number.
    (
        "Pema Lhamo, f, 1990-02-11, cid 11404000002, tel 17123456, at BT1401003, house 7",
        "Karma Choki, f, 2019-03-02, cid 11404000002, tel 17123456, at BT1401003, house 7",
        "possible",
    ),
    // Two numbers that are not a slip apart.
    (
        "Sonam Dorji, m, 1987-04-09, cid 11404000581, tel 17123456, at BT1401",
        "Sonam Dorji, m, 1987-04-09, cid 10101004711, tel 17123456, at BT1401",
        "probable",
    ),
];

#[test]
fn registrations_are_linked_or_not() {
    let weights = Weights::built_in();
    let mut wrong = Vec::new();
    for (before, now, expected) in PAIRS {
        let (a, b) = (person(before), person(now));
        for (a, b) in [(&a, &b), (&b, &a)] {
            let score = score(a, b, register(), &weights);
            if score.grade.code() != *expected {
                let why: Vec<String> = score.parts.iter().map(Part::to_string).collect();
                wrong.push(format!(
                    "{before}\n{now}\n  is {} ({:.1}), not {expected}: {why:?}",
                    score.grade.code(),
                    score.bits
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever the particulars, a link needs more than name, sex, year and region.
#[test]
fn name_and_year_never_link() {
    let weights = Weights::built_in();
    for name in ["Sonam Dorji", "Ugyen Tshultrim", "Quzzle Frobnitz", "Om"] {
        for birth in ["1987", "1987-01-01", "1987-04"] {
            for place in ["", "at BT01", "at BT0104", "at BT0104003"] {
                let text = format!("{name}, f, {birth}, {place}");
                let score = score(&person(&text), &person(&text), register(), &weights);
                assert!(score.grade <= Grade::Possible, "{text}: {score:?}");
            }
        }
    }
}

#[test]
fn a_score_is_the_sum_of_its_parts_and_says_each() {
    let both = "Sonam Dorji, m, 1987-04-09, cid 11404000581, tel 17123456, at BT1401003, house 7, mother 11404000002";
    let score = score(&person(both), &person(both), register(), &Weights::built_in());
    let sum = score.before + score.parts.iter().map(|part| part.bits).sum::<f64>();
    assert!((sum - score.bits).abs() < 1e-9);
    let family: f64 = score
        .parts
        .iter()
        .filter(|part| part.agreement.feature.is_of_family())
        .map(|part| part.bits)
        .sum();
    assert!(family <= 12.2, "{family}");
    let said: Vec<String> = score.parts.iter().map(Part::to_string).collect();
    assert!(
        said[0].starts_with("name: same (1 in ") && said[2].starts_with("sex: same, +"),
        "{said:?}"
    );
}
