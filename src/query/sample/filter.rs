//! Random filters (`_filter`).

use super::search::{PARAMETERS, Sort, address, escaped, near, quoted_amount, tuple};
use super::{ACT, ACT_CODES, CODES, DATES, IDS, NAMES, NUMBERS, PROFILES, Random, SYSTEMS, VALUE_SETS};

/// A filter on records of the kind. Always valid.
pub(crate) fn filter(random: &mut Random, kind: &str, depth: usize) -> String {
    match random.below(6) {
        0 if depth < 3 => format!("not ({})", filter(random, kind, depth + 1)),
        1 if depth < 3 => format!(
            "({} {} {})",
            filter(random, kind, depth + 1),
            random.pick(&["and", "or"]),
            filter(random, kind, depth + 1)
        ),
        2 if depth < 3 => format!(
            "{} {} {}",
            comparison(random, kind, depth),
            random.pick(&["and", "or"]),
            filter(random, kind, depth + 1)
        ),
        _ => comparison(random, kind, depth),
    }
}

fn comparison(random: &mut Random, kind: &str, depth: usize) -> String {
    let of_kind: Vec<_> = PARAMETERS.iter().filter(|(of, _, _)| *of == kind).collect();
    let (_, code, sort) = of_kind[random.below(of_kind.len())];
    match random.below(14) {
        0 => return format!("{code} pr {}", random.once_in(2)),
        1 => return format!("_id eq a{}", random.below(IDS)),
        2 => {
            return format!(
                "_lastUpdated {} {}",
                random.pick(&["lt", "ge", "po"]),
                random.pick(&DATES)
            );
        }
        _ => {}
    }
    let (operator, value) = match sort {
        Sort::Text => (random.pick(&["eq", "co", "sw", "ew"]), text(random)),
        Sort::Plain(codes) => {
            let unequal: &[&str] = if *code == "gender" { &["ne", "eq"] } else { &["eq"] };
            (random.pick(unequal), random.pick(codes).to_owned())
        }
        Sort::Token => token(random),
        Sort::Date => (operator(random, &["po"]), random.pick(&DATES).to_owned()),
        Sort::Number => (operator(random, &[]), random.pick(&NUMBERS).to_owned()),
        Sort::Quantity => (operator(random, &[]), quoted_amount(random)),
        Sort::Uri | Sort::Address => {
            let part = random.pick(&["http://a.bt/", "one", "/q/", "1.0", "two"]);
            match random.below(4) {
                0 => ("eq", escaped(random.pick(&PROFILES))),
                1 => ("sw", "http://a.bt/fhir/one".to_owned()),
                2 => ("co", part.to_owned()),
                _ => ("ew", part.to_owned()),
            }
        }
        Sort::Near => ("eq", format!("\"{}\"", near(random))),
        Sort::Tuple(parts) => ("eq", format!("\"{}\"", tuple(random, parts))),
        Sort::Reference(targets) | Sort::Canonical(targets) => {
            let target = random.pick(targets);
            if depth < 3 && random.once_in(2) {
                let inner = comparison(random, target, depth + 1);
                return match random.once_in(3) {
                    true => format!("{code}:{target}[{}].{inner}", filter(random, target, depth + 2)),
                    false => format!("{code}:{target}.{inner}"),
                };
            }
            match sort {
                Sort::Canonical(_) => ("eq", address(random)),
                _ => (random.pick(&["eq", "re"]), format!("{target}/a{}", random.below(IDS))),
            }
        }
    };
    format!("{code} {operator} {value}")
}

fn operator(random: &mut Random, more: &[&'static str]) -> &'static str {
    let all = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
    match random.below(all.len() + more.len()) {
        n if n < all.len() => all[n],
        n => more[n - all.len()],
    }
}

fn text(random: &mut Random) -> String {
    let whole = random.pick(&NAMES);
    let part: String = whole.chars().skip(random.below(3)).take(4).collect();
    let chosen = if random.once_in(2) && part.chars().any(char::is_alphabetic) {
        part
    } else {
        whole.to_owned()
    };
    format!("\"{chosen}\"")
}

fn token(random: &mut Random) -> (&'static str, String) {
    let code = escaped(random.pick(&CODES));
    match random.below(7) {
        0 => ("in", random.pick(&VALUE_SETS).to_owned()),
        1 => ("ni", random.pick(&VALUE_SETS).to_owned()),
        2 => ("ss", format!("{ACT}|{}", random.pick(&ACT_CODES[..3]))),
        3 => ("sb", format!("\"{ACT}|{}\"", random.pick(&ACT_CODES[..3]))),
        4 => ("eq", format!("{}|{code}", random.pick(&SYSTEMS))),
        _ => ("eq", code),
    }
}
