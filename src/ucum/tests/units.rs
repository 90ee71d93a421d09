//! What UCUM says about units, as tables; and that no text whatever makes the room panic.

use ucum::{Amount, Unit, convert};

fn unit(code: &str) -> Unit {
    Unit::parse(code).unwrap_or_else(|why| panic!("{code}: {why}"))
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn amounts_are_converted() {
    let table = [
        ("5.4", "mg", "g", "0.0054"),
        ("98.6", "[degF]", "Cel", "37"),
        ("37", "Cel", "[degF]", "98.6"),
        ("-40", "Cel", "[degF]", "-40"),
        ("37", "Cel", "K", "310.15"),
        ("37000", "mCel", "K", "310.15"),
        ("29.6", "[degRe]", "Cel", "37"),
        ("310.15", "K", "mCel", "37000"),
        ("2", "Cel/h", "K/h", "2"),
        ("18", "[degF]/h", "Cel/h", "10"),
        ("120", "mm[Hg]", "kPa", "15.99864"),
        ("7.4", "[pH]", "nmol/L", "39.8107170553497"),
        ("1e-7", "mol/L", "[pH]", "7"),
        ("3", "dB", "1", "1.99526231496888"),
        ("100", "1", "dB", "20"),
        ("2", "B[V]", "V", "10"),
        ("0", "dB[SPL]", "uPa", "20"),
        ("1", "Np", "1", "2.71828182845905"),
        ("8", "bit_s", "1", "256"),
        ("3", "[hp'_X]", "1", "0.001"),
        ("100", "%[slope]", "deg", "45"),
        ("100", "[p'diop]", "deg", "45"),
        ("9", "m2/s4/Hz", "[m/s2/Hz^(1/2)]", "3"),
        ("1", "mo", "d", "30.4375"),
        ("1", "[lb_av]", "kg", "0.45359237"),
        ("1", "u", "g", "0.0000000000000000000000016605390666"),
        ("1", "mol", "1", "602214076000000000000000"),
        ("1", "[IU]/L", "m[iU]/mL", "1"),
        ("60", "/min", "Hz", "1"),
        ("60", "{beats}/min", "/s", "1"),
        ("1", "KiBy", "bit", "8192"),
        ("180", "deg", "[pi].rad", "1"),
        ("1", "m/(s.(4.g))", "m/s/g", "0.25"),
    ];
    for (value, from, to, expected) in table {
        let found = convert(amount(value), &unit(from), &unit(to)).unwrap_or_else(|why| panic!("{why}"));
        let expected = amount(expected);
        assert_eq!(
            found.rounded(14),
            expected.rounded(14),
            "{value} {from} in {to}: {found}"
        );
    }
}

#[test]
fn what_measures_something_else_is_not_converted() {
    let table = [
        ("g", "m"),
        ("[iU]", "1"),
        ("[iU]", "[arb'U]"),
        ("[iU]", "mol"),
        ("[CFU]", "1"),
        ("g/L", "mol/L"),
        ("rad", "1"),
        ("B/m", "m-1"),
    ];
    for (from, to) in table {
        assert!(!unit(from).comparable(&unit(to)), "{from} {to}");
        assert!(convert(Amount::ONE, &unit(from), &unit(to)).is_err(), "{from} {to}");
    }
}

#[test]
fn equal_amounts_have_equal_bits() {
    let table: [&[(&str, &str)]; 9] = [
        &[
            ("5.4", "mg"),
            ("0.0054", "g"),
            ("5400", "ug"),
            ("0.0000054", "kg"),
            ("5.40e0", "mg{x}"),
        ],
        &[("1", "[in_i]"), ("2.54", "cm"), ("25400", "um")],
        &[
            ("98.6", "[degF]"),
            ("37", "Cel"),
            ("310.15", "K"),
            ("37.0", "Cel{oral}"),
        ],
        &[("1", "/min"), ("60", "/h"), ("1440", "/d"), ("1", "{beats}/min")],
        &[("3", "a"), ("1095.75", "d"), ("94672800", "s"), ("36", "mo")],
        &[("1", "[degF]/h"), ("24", "[degF]/d")],
        &[("1", "[yd_us]"), ("3", "[ft_us]"), ("36", "[in_us]")],
        &[("30", "dB"), ("3", "B"), ("1000", "1"), ("100000", "%")],
        &[("1", "10*9/L"), ("1000", "10*6/L"), ("1", "/nL")],
    ];
    for equal in table {
        let found: Vec<(u64, u64)> = equal
            .iter()
            .map(|(value, code)| {
                let unit = unit(code);
                let canonical = unit.canonical_f64(amount(value)).expect("a form");
                (canonical.to_bits(), unit.key().expect("a dimension"))
            })
            .collect();
        assert!(found.iter().all(|one| *one == found[0]), "{equal:?}: {found:?}");
    }
}

#[test]
fn codes_are_read_by_the_grammar() {
    for code in [
        "m", "/m3", "{score}", "1{c}", "10*-3", "10^3", "m+2", "m-2{x}", "(m)", "B[10.nV]", "%", "{}",
    ] {
        assert!(Unit::parse(code).is_ok(), "{code}");
    }
    for code in [
        "",
        "/",
        ".",
        "m.",
        ".m",
        "m//s",
        "(m",
        "m)",
        "()",
        "kmin",
        "m+",
        "m-",
        "4m",
        "m 2",
        "m{",
        "m}",
        "{a}{b}",
        "{{a}}",
        "MM",
        "[H'ead]",
        "mmHg",
        "0",
        "0.m",
        "+3",
        "m9999",
        "(/m)",
        "µg",
        "kg(m)",
        "[in_i",
        "100000000000000000000",
    ] {
        assert!(Unit::parse(code).is_err(), "{code}");
    }
    let deep = format!("{}m{}", "(".repeat(40), ")".repeat(40));
    assert!(Unit::parse(&deep).is_err());
    assert!(Unit::parse(&"m.".repeat(5_000)).is_err());
}

#[test]
fn dimensions_have_keys_that_stay() {
    assert_eq!(unit("mg/dL").dimension().expect("a dimension").to_string(), "g.m-3");
    assert_eq!(unit("mg/dL").key(), Some(13_474_298_055_391_808_911));
    assert_eq!(
        unit("[IU]/mL").dimension().expect("a dimension").to_string(),
        "[iU].m-3"
    );
    assert_eq!(unit("%").dimension().expect("a dimension").to_string(), "1");
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

const PIECES: [&str; 40] = [
    "m", "g", "s", "k", "u", "10*", "10^", "-", "+", "2", "9", "99", "/", ".", "(", ")", "{", "}", "[", "]", "Cel",
    "[degF]", "[pH]", "B[10.nV]", "[pi]", "mol", "mm[Hg]", "[iU]", "Np", "bit_s", "a", "é", " ", "[lb_av]", "%",
    "[hp'_M]", "L", "Ym", "ym", "999",
];

#[test]
fn no_text_makes_it_panic() {
    let mut random = Random(17);
    let mut valid = 0;
    for _ in 0..40_000 {
        let code: String = (0..1 + random.below(9))
            .map(|_| PIECES[random.below(PIECES.len())])
            .collect();
        let Ok(unit) = Unit::parse(&code) else {
            continue;
        };
        valid += 1;
        let values = ["-1e300", "0", "1", "123456789.987654321", "-40.5", "7e-200"];
        let mut last: Option<f64> = None;
        for value in ["-40.5", "0", "7e-200", "1", "123456789.987654321"] {
            let Some(found) = unit.canonical_f64(amount(value)) else {
                break;
            };
            assert!(found.is_finite(), "{value} {code}");
            let kept = last.is_none_or(|last| {
                if unit.is_reversed() {
                    found <= last
                } else {
                    last <= found
                }
            });
            assert!(kept, "the order of {code} is lost at {value}: {last:?} {found}");
            last = Some(found);
        }
        for value in values {
            let there = convert(amount(value), &unit, &unit_of(&unit));
            let _ = (
                there.map(|there| there.to_string()),
                unit.to_string(),
                unit.comparable(&unit),
            );
        }
    }
    assert!(valid > 2_000, "{valid} of the texts were units");
}

fn unit_of(other: &Unit) -> Unit {
    let code = other.dimension().map_or("1".to_owned(), ToString::to_string);
    unit(&code)
}
