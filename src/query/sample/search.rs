//! Random searches.

use fhir::identity::Kind;

use super::filter::filter;
use super::{
    ACT, ACT_CODES, AMOUNTS, CODES, DATES, IDS, KINDS, NAMES, NUMBERS, PLACES, PROFILES, RELATIONS, Random, SYSTEMS,
    UNITS, URLS, VALUE_SETS, VERSIONS,
};

#[derive(Clone, Copy)]
pub(super) enum Sort {
    Text,
    Token,
    Plain(&'static [&'static str]),
    Date,
    Number,
    Quantity,
    Uri,
    Address,
    Reference(&'static [&'static str]),
    Canonical(&'static [&'static str]),
    Near,
    /// A composite of these.
    Tuple(&'static [Sort]),
}

pub(super) const PARAMETERS: [(&str, &str, Sort); 67] = [
    ("Patient", "name", Sort::Text),
    ("Patient", "family", Sort::Text),
    ("Patient", "given", Sort::Text),
    ("Patient", "identifier", Sort::Token),
    ("Patient", "gender", Sort::Plain(&["male", "female", "MALE"])),
    ("Patient", "active", Sort::Plain(&["true", "false"])),
    ("Patient", "deceased", Sort::Plain(&["true", "false"])),
    ("Patient", "birthdate", Sort::Date),
    ("Patient", "death-date", Sort::Date),
    ("Patient", "organization", Sort::Reference(&["Organization"])),
    (
        "Patient",
        "general-practitioner",
        Sort::Reference(&["Practitioner", "Organization"]),
    ),
    ("Patient", "link", Sort::Reference(&["Patient"])),
    ("Patient", "replaced-by", Sort::Reference(&["Patient"])),
    ("Practitioner", "name", Sort::Text),
    ("Practitioner", "identifier", Sort::Token),
    ("Practitioner", "active", Sort::Plain(&["true", "false"])),
    ("Organization", "name", Sort::Text),
    ("Organization", "address", Sort::Text),
    ("Organization", "partof", Sort::Reference(&["Organization"])),
    ("Observation", "code", Sort::Token),
    ("Observation", "status", Sort::Plain(&["final", "amended"])),
    ("Observation", "date", Sort::Date),
    ("Observation", "value-quantity", Sort::Quantity),
    ("Observation", "component-value-quantity", Sort::Quantity),
    ("Observation", "combo-code", Sort::Token),
    ("Observation", "value-concept", Sort::Token),
    ("Observation", "value-string", Sort::Text),
    ("Observation", "subject", Sort::Reference(&["Patient"])),
    ("Observation", "patient", Sort::Reference(&["Patient"])),
    ("Observation", "encounter", Sort::Reference(&["Encounter"])),
    (
        "Observation",
        "performer",
        Sort::Reference(&["Practitioner", "Organization", "Patient"]),
    ),
    ("Condition", "code", Sort::Token),
    ("Condition", "onset-date", Sort::Date),
    ("Condition", "onset-age", Sort::Quantity),
    ("Condition", "patient", Sort::Reference(&["Patient"])),
    ("Encounter", "class", Sort::Token),
    ("Encounter", "date", Sort::Date),
    ("Encounter", "length", Sort::Quantity),
    ("Encounter", "patient", Sort::Reference(&["Patient"])),
    ("Encounter", "practitioner", Sort::Reference(&["Practitioner"])),
    ("Encounter", "part-of", Sort::Reference(&["Encounter"])),
    ("RiskAssessment", "probability", Sort::Number),
    ("Questionnaire", "name", Sort::Text),
    ("Questionnaire", "url", Sort::Address),
    ("Questionnaire", "version", Sort::Plain(&VERSIONS)),
    (
        "QuestionnaireResponse",
        "questionnaire",
        Sort::Canonical(&["Questionnaire"]),
    ),
    ("QuestionnaireResponse", "patient", Sort::Reference(&["Patient"])),
    (
        "QuestionnaireResponse",
        "status",
        Sort::Plain(&["completed", "amended"]),
    ),
    (
        "List",
        "item",
        Sort::Reference(&["Patient", "Observation", "Questionnaire"]),
    ),
    ("List", "code", Sort::Token),
    ("List", "status", Sort::Plain(&["current"])),
    ("Observation", "value-date", Sort::Date),
    (
        "Observation",
        "code-value-quantity",
        Sort::Tuple(&[Sort::Token, Sort::Quantity]),
    ),
    (
        "Observation",
        "code-value-concept",
        Sort::Tuple(&[Sort::Token, Sort::Token]),
    ),
    (
        "Observation",
        "code-value-string",
        Sort::Tuple(&[Sort::Token, Sort::Text]),
    ),
    (
        "Observation",
        "code-value-date",
        Sort::Tuple(&[Sort::Token, Sort::Date]),
    ),
    (
        "Observation",
        "combo-code-value-quantity",
        Sort::Tuple(&[Sort::Token, Sort::Quantity]),
    ),
    (
        "Observation",
        "combo-code-value-concept",
        Sort::Tuple(&[Sort::Token, Sort::Token]),
    ),
    (
        "Observation",
        "component-code-value-quantity",
        Sort::Tuple(&[Sort::Token, Sort::Quantity]),
    ),
    ("Location", "near", Sort::Near),
    ("Location", "name", Sort::Text),
    ("Location", "partof", Sort::Reference(&["Location"])),
    ("Group", "characteristic", Sort::Token),
    (
        "Group",
        "characteristic-value",
        Sort::Tuple(&[Sort::Token, Sort::Token]),
    ),
    ("DocumentReference", "patient", Sort::Reference(&["Patient"])),
    ("DocumentReference", "relation", Sort::Plain(&RELATIONS)),
    (
        "DocumentReference",
        "relationship",
        Sort::Tuple(&[Sort::Plain(&RELATIONS), Sort::Reference(&["DocumentReference"])]),
    ),
];

/// A search over one of [`KINDS`]: its kind and its parameters, decoded. Always valid.
pub fn search(random: &mut Random) -> (Kind, Vec<(String, String)>) {
    let kind = KINDS[random.below(KINDS.len())];
    let count = 1 + random.below(3);
    let params = (0..count).map(|_| clause(random, kind, 0)).collect();
    (Kind::new(kind).expect("a constant that is a kind"), params)
}

fn clause(random: &mut Random, kind: &str, depth: usize) -> (String, String) {
    let of_kind: Vec<_> = PARAMETERS.iter().filter(|(of, _, _)| *of == kind).collect();
    match random.below(12) {
        0 => return of_the_version(random),
        1 => return ("_tag".into(), token(random)),
        2 => return uri(random),
        4 if depth == 0 => return ("_filter".into(), filter(random, kind, 0)),
        3 if random.once_in(2) => return ("_list".into(), format!("a{},a{}", random.below(IDS), random.below(IDS))),
        3 if depth < 3 => {
            if let Some(found) = has(random, kind, depth) {
                return found;
            }
        }
        _ => {}
    }
    let mut chosen = of_kind[random.below(of_kind.len())];
    let tuples: Vec<_> = of_kind
        .iter()
        .filter(|(_, _, sort)| matches!(sort, Sort::Tuple(_)))
        .collect();
    if !tuples.is_empty() && random.once_in(4) {
        chosen = tuples[random.below(tuples.len())];
    }
    let (_, code, sort) = chosen;
    if random.once_in(12) {
        return (format!("{code}:missing"), random.once_in(2).to_string());
    }
    let (suffix, value) = value(random, *sort, depth);
    (format!("{code}{suffix}"), value)
}

fn of_the_version(random: &mut Random) -> (String, String) {
    match random.below(4) {
        0 => ("_id".into(), format!("a{},a{}", random.below(IDS), random.below(IDS))),
        1 => ("_lastUpdated".into(), date(random)),
        2 => (
            "_text".into(),
            random
                .pick(&[
                    "asthma",
                    "severe",
                    "eclair",
                    "BP",
                    "hypertension",
                    "the dorji",
                    "wheeze",
                ])
                .into(),
        ),
        _ => (
            "_content".into(),
            random
                .pick(&["asthma", "karma", "allergy known", "high BP", "ཁྲག་ཤེད", "dorjey"])
                .into(),
        ),
    }
}

fn uri(random: &mut Random) -> (String, String) {
    let (suffix, value) = value(random, Sort::Uri, 0);
    (format!("_profile{suffix}"), value)
}

fn has(random: &mut Random, kind: &str, depth: usize) -> Option<(String, String)> {
    let refers =
        |sort: &Sort| matches!(sort, Sort::Reference(targets) | Sort::Canonical(targets) if targets.contains(&kind));
    let ways: Vec<_> = PARAMETERS.iter().filter(|(_, _, sort)| refers(sort)).collect();
    if ways.is_empty() {
        return None;
    }
    let (source, code, _) = ways[random.below(ways.len())];
    let (name, value) = clause(random, source, depth + 1);
    Some((format!("_has:{source}:{code}:{name}"), value))
}

fn value(random: &mut Random, sort: Sort, depth: usize) -> (String, String) {
    let (suffix, value): (&str, String) = match sort {
        Sort::Text => text(random),
        Sort::Plain(codes) => (random.pick(&["", "", ":not"]), random.pick(codes).into()),
        Sort::Token => match random.below(9) {
            6 => (random.pick(&[":in", ":not-in"]), random.pick(&VALUE_SETS).into()),
            7 | 8 => (
                random.pick(&[":above", ":below"]),
                format!("{ACT}|{}", random.pick(&ACT_CODES[..3])),
            ),
            0 => (":text", random.pick(&["severe", "asth", "no known"]).into()),
            1 => (
                ":of-type",
                format!("{}|MR|{}", random.pick(&SYSTEMS), escaped(random.pick(&CODES))),
            ),
            2 => (":not", token(random)),
            _ => ("", token(random)),
        },
        Sort::Date => ("", list(random, date)),
        Sort::Number => ("", list(random, number)),
        Sort::Quantity => ("", list(random, amount)),
        Sort::Uri => (random.pick(&["", ":below", ":above"]), escaped(random.pick(&PROFILES))),
        Sort::Address => ("", address(random)),
        Sort::Reference(targets) => return to(random, targets, depth),
        Sort::Canonical(targets) => return by_address(random, targets, depth),
        Sort::Near => ("", list(random, near)),
        Sort::Tuple(parts) => match random.below(4) {
            0 => ("", format!("{},{}", tuple(random, parts), tuple(random, parts))),
            _ => ("", tuple(random, parts)),
        },
    };
    (suffix.to_owned(), value)
}

fn text(random: &mut Random) -> (&'static str, String) {
    let whole = random.pick(&NAMES);
    let start: String = whole.chars().take(1 + random.below(4)).collect();
    let part: String = whole.chars().skip(random.below(3)).take(3).collect();
    match random.below(4) {
        0 => (":exact", whole.into()),
        1 if part.chars().any(char::is_alphabetic) => (":contains", part.trim().to_lowercase()),
        2 => ("", format!("{whole},{}", start.to_uppercase())),
        _ => ("", start),
    }
}

/// The parts of a tuple, each a plain value.
pub(super) fn tuple(random: &mut Random, parts: &[Sort]) -> String {
    let texts: Vec<String> = parts.iter().map(|sort| part(random, *sort)).collect();
    texts.join("$")
}

/// One part of a tuple: a value without modifier and without alternatives.
fn part(random: &mut Random, sort: Sort) -> String {
    match sort {
        Sort::Text => random.pick(&NAMES).chars().take(1 + random.below(4)).collect(),
        Sort::Plain(codes) => random.pick(codes).into(),
        Sort::Token => match random.below(4) {
            0 => format!("{}|", random.pick(&SYSTEMS)),
            1 => format!("{}|{}", random.pick(&SYSTEMS), escaped(random.pick(&CODES))),
            _ => escaped(random.pick(&CODES)),
        },
        Sort::Date => date(random),
        Sort::Number => number(random),
        Sort::Quantity => amount(random),
        Sort::Uri => escaped(random.pick(&PROFILES)),
        Sort::Reference(targets) => format!("{}/a{}", random.pick(targets), random.below(IDS)),
        Sort::Address => address(random),
        Sort::Near => near(random),
        Sort::Tuple(_) | Sort::Canonical(_) => unreachable!("a composite has no composite and no canonical in it"),
    }
}

fn list(random: &mut Random, make: fn(&mut Random) -> String) -> String {
    match random.below(4) {
        0 => format!("{},{}", make(random), make(random)),
        _ => make(random),
    }
}

const PREFIXES: [&str; 10] = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];

fn date(random: &mut Random) -> String {
    format!("{}{}", random.pick(&PREFIXES), random.pick(&DATES))
}

pub(super) fn near(random: &mut Random) -> String {
    let (latitude, longitude) = PLACES[random.below(PLACES.len())];
    let distance = random.pick(&["", "|0", "|5", "|30|km", "|15|[mi_us]", "|250|m", "|300", "|2300"]);
    format!("{latitude}|{longitude}{distance}")
}

fn number(random: &mut Random) -> String {
    format!("{}{}", random.pick(&PREFIXES), random.pick(&NUMBERS))
}

fn amount(random: &mut Random) -> String {
    let (number, unit) = match random.once_in(2) {
        true => {
            let (number, unit) = AMOUNTS[random.below(AMOUNTS.len())];
            (format!("{}{number}", random.pick(&PREFIXES)), unit)
        }
        false => (number(random), random.pick(&UNITS)),
    };
    match random.below(4) {
        0 => number,
        1 => format!("{number}||{unit}"),
        _ => format!("{number}|http://unitsofmeasure.org|{unit}"),
    }
}

/// An amount for a filter, in quotation marks: units may have brackets.
pub(super) fn quoted_amount(random: &mut Random) -> String {
    let (number, unit) = AMOUNTS[random.below(AMOUNTS.len())];
    match random.below(3) {
        0 => number.to_owned(),
        1 => format!("\"{number}||{unit}\""),
        _ => format!("\"{number}|http://unitsofmeasure.org|{unit}\""),
    }
}

pub(super) fn escaped(code: &str) -> String {
    code.replace('|', "\\|").replace('$', "\\$")
}

fn token(random: &mut Random) -> String {
    let (system, code) = (random.pick(&SYSTEMS), escaped(random.pick(&CODES)));
    match random.below(5) {
        0 => format!("{system}|"),
        1 => format!("|{code}"),
        2 => format!("{system}|{code}"),
        3 => format!("{code},{}", escaped(random.pick(&CODES))),
        _ => code,
    }
}

pub(super) fn address(random: &mut Random) -> String {
    let (url, version) = (random.pick(&URLS), random.pick(&VERSIONS));
    match random.below(3) {
        0 => format!("{url}\\|{version}"),
        _ => url.to_owned(),
    }
}

fn by_address(random: &mut Random, targets: &[&'static str], depth: usize) -> (String, String) {
    let kind = random.pick(targets);
    if random.once_in(2) && depth < 3 {
        let (name, value) = clause(random, kind, depth + 1);
        return (format!(".{name}"), value);
    }
    if random.once_in(3) {
        let (url, release) = (
            random.pick(&URLS),
            random.pick(&["", "\\|1", "\\|1.0", "\\|2", "\\|2.0-rc"]),
        );
        return (":below".into(), format!("{url}{release}"));
    }
    (String::new(), address(random))
}

fn to(random: &mut Random, targets: &[&'static str], depth: usize) -> (String, String) {
    let (kind, id) = (random.pick(targets), random.below(IDS));
    if random.once_in(4) && matches!(kind, "Organization" | "Encounter") {
        let way = random.pick(&[":above", ":below"]);
        return (way.into(), format!("{kind}/a{id}"));
    }
    match random.below(8) {
        0 => (String::new(), format!("a{id}")),
        1 => (format!(":{kind}"), format!("a{id}")),
        2 => (":identifier".into(), token(random)),
        3 => (String::new(), format!("http://other.org/fhir/{kind}/a{id}")),
        4 => (String::new(), format!("{kind}/a{id}/_history/0-1")),
        5 | 6 if depth < 3 => {
            let (name, value) = clause(random, kind, depth + 1);
            (format!(":{kind}.{name}"), value)
        }
        _ => (String::new(), format!("{kind}/a{id}")),
    }
}
