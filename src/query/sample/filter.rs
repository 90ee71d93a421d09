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
        Sort::Text => (random.pick(&["eq", "ne", "co", "sw", "ew"]), text(random)),
        Sort::Plain(codes) => (random.pick(&["eq", "ne"]), random.pick(codes).to_owned()),
        Sort::Token => token(random),
        Sort::Date => (operator(random, &["po"]), random.pick(&DATES).to_owned()),
        Sort::Number => (operator(random, &[]), random.pick(&NUMBERS).to_owned()),
        Sort::Quantity => (operator(random, &[]), quoted_amount(random)),
        Sort::Uri | Sort::Address => {
            let part = random.pick(&["http://a.bt/", "one", "/q/", "1.0", "two"]);
            match random.below(4) {
                0 => (random.pick(&["eq", "ne"]), escaped(random.pick(&PROFILES))),
                1 => ("sw", "http://a.bt/fhir/one".to_owned()),
                2 => ("co", part.to_owned()),
                _ => ("ew", part.to_owned()),
            }
        }
        Sort::Near => ("eq", format!("\"{}\"", near(random))),
        Sort::Tuple(parts) => {
            if random.once_in(2) {
                return within_tuple(random, code, parts);
            }
            (random.pick(&["eq", "ne"]), format!("\"{}\"", tuple(random, parts)))
        }
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
                Sort::Canonical(_) => (random.pick(&["eq", "ne"]), address(random)),
                _ => (
                    random.pick(&["eq", "ne", "re"]),
                    format!("{target}/a{}", random.below(IDS)),
                ),
            }
        }
    };
    format!("{code} {operator} {value}")
}

/// What stands in brackets behind a composite, and a part behind them.
fn within_tuple(random: &mut Random, code: &str, parts: &[Sort]) -> String {
    let names = component_names(code);
    let one = |random: &mut Random| {
        let place = random.below(parts.len());
        of_part(random, names[place], parts[place])
    };
    let (first, second) = (one(random), one(random));
    let inside = match random.below(5) {
        0 => format!("not ({first})"),
        1 => format!("{first} and {second}"),
        2 => format!("{first} or {second}"),
        3 => format!("not ({first} or {second}) and {}", one(random)),
        _ => first,
    };
    match random.below(4) {
        0 => format!("{code}[{inside}] pr true"),
        1 => format!("{code}.{second}"),
        _ => format!("{code}[{inside}].{second}"),
    }
}

/// The codes of a composite's components, as the standard defines them.
fn component_names(code: &str) -> [&'static str; 2] {
    match code {
        "code-value-quantity" => ["code", "value-quantity"],
        "code-value-concept" => ["code", "value-concept"],
        "code-value-string" => ["code", "value-string"],
        "code-value-date" => ["code", "value-date"],
        "combo-code-value-quantity" => ["combo-code", "combo-value-quantity"],
        "combo-code-value-concept" => ["combo-code", "combo-value-concept"],
        "component-code-value-quantity" => ["component-code", "component-value-quantity"],
        "characteristic-value" => ["characteristic", "value"],
        _ => ["relation", "relatesto"],
    }
}

fn of_part(random: &mut Random, name: &str, sort: Sort) -> String {
    let (operator, value) = match sort {
        Sort::Text => (random.pick(&["eq", "ne", "co", "sw", "ew"]), text(random)),
        Sort::Plain(codes) => (random.pick(&["eq", "ne"]), random.pick(codes).to_owned()),
        Sort::Date => (operator(random, &["po"]), random.pick(&DATES).to_owned()),
        Sort::Quantity => (operator(random, &[]), quoted_amount(random)),
        Sort::Reference(targets) => {
            let target = format!("{}/a{}", random.pick(targets), random.below(IDS));
            (random.pick(&["eq", "ne", "re"]), target)
        }
        _ => match random.below(8) {
            0 => ("pr", random.once_in(2).to_string()),
            1 | 2 => ("ne", escaped(random.pick(&CODES))),
            _ => token(random),
        },
    };
    format!("{name} {operator} {value}")
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
        4 => (random.pick(&["eq", "ne"]), format!("{}|{code}", random.pick(&SYSTEMS))),
        5 => ("ne", code),
        _ => ("eq", code),
    }
}
