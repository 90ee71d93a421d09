//! Small random records and searches from a seed, for tests that hold two answers against each other.
//!
//! The vocabulary is small on purpose, so that searches find something, and wide enough to meet every
//! search type, modifier, prefix and join. The same seed gives the same sample for ever.

use fhir::identity::Kind;

/// A random sequence from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of the items.
    pub fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// The kinds that samples are made of.
pub const KINDS: [&str; 7] = [
    "Patient",
    "Practitioner",
    "Organization",
    "Observation",
    "Condition",
    "Encounter",
    "RiskAssessment",
];
/// How many records of a kind a sample refers to: their ids are `a0`, `a1` and so on.
pub const IDS: usize = 12;

const NAMES: [&str; 12] = [
    "Dorji",
    "DORJI",
    "Dorjé Wangmo",
    "Karma",
    "O'Brien",
    "Müller",
    "van der Berg",
    "Pema Lhamo",
    "ཀརྨ",
    "ཀརྨ་དབང་མོ",
    "Do",
    "Wang",
];
const SYSTEMS: [&str; 3] = ["http://loinc.org", "http://snomed.info/sct", "urn:oid:1.2.3"];
const CODES: [&str; 5] = ["8480-6", "8462-4", "Abc", "abc", "a|b"];
const UNITS: [&str; 3] = ["mg", "kg", "mm[Hg]"];
const NUMBERS: [&str; 9] = ["5", "5.0", "5.4", "5.35", "-1", "0", "100", "99.5", "0.054"];
const DATES: [&str; 10] = [
    "2019",
    "2020",
    "2020-02",
    "2020-02-29",
    "2020-03-01",
    "2020-02-29T10:30:00+06:00",
    "2020-02-29T04:30:00Z",
    "2020-02-29T23:59:59.999-05:00",
    "2021-12-31",
    "2021-12-31T23:00:00Z",
];
const PROFILES: [&str; 5] = [
    "http://a.bt/fhir/one",
    "http://a.bt/fhir/one|1.0",
    "http://a.bt/fhir",
    "http://a.bt/fhir/one/two",
    "urn:uuid:5",
];
const WORDS: [&str; 4] = ["severe asthma", "Asthma, mild", "no known allergy", "éclair"];

/// A record of one of [`KINDS`] as JSON.
pub fn record(random: &mut Random, kind: &str, id: &str) -> String {
    let mut members = vec![format!(r#""resourceType":"{kind}","id":"{id}""#)];
    if random.once_in(2) {
        let profile = random.pick(&PROFILES);
        let tag = coding(random);
        members.push(format!(r#""meta":{{"profile":["{profile}"],"tag":[{tag}]}}"#));
    }
    if random.once_in(3) {
        let words = random.pick(&WORDS);
        members.push(format!(
            r#""text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">{words}</div>"}}"#
        ));
    }
    match kind {
        "Patient" | "Practitioner" => person(random, kind, &mut members),
        "Organization" => organization(random, &mut members),
        "Observation" => observation(random, &mut members),
        "Condition" => condition(random, &mut members),
        "Encounter" => encounter(random, &mut members),
        _ => risk(random, &mut members),
    }
    format!("{{{}}}", members.join(","))
}

fn coding(random: &mut Random) -> String {
    let code = random.pick(&CODES);
    let display = random.pick(&WORDS);
    match random.below(4) {
        0 => format!(r#"{{"code":"{code}"}}"#),
        1 => format!(r#"{{"system":"{}"}}"#, random.pick(&SYSTEMS)),
        2 => format!(
            r#"{{"system":"{}","code":"{code}","display":"{display}"}}"#,
            random.pick(&SYSTEMS)
        ),
        _ => format!(r#"{{"system":"{}","code":"{code}"}}"#, random.pick(&SYSTEMS)),
    }
}

fn concept(random: &mut Random) -> String {
    let text = random.pick(&WORDS);
    match random.below(3) {
        0 => format!(r#"{{"coding":[{},{}]}}"#, coding(random), coding(random)),
        1 => format!(r#"{{"coding":[{}],"text":"{text}"}}"#, coding(random)),
        _ => format!(r#"{{"text":"{text}"}}"#),
    }
}

fn identifier(random: &mut Random) -> String {
    let (system, value) = (random.pick(&SYSTEMS), random.pick(&CODES));
    match random.below(3) {
        0 => format!(r#"{{"value":"{value}"}}"#),
        1 => format!(r#"{{"system":"{system}","value":"{value}"}}"#),
        _ => format!(
            r#"{{"system":"{system}","value":"{value}","type":{{"coding":[{{"system":"{}","code":"MR"}}]}}}}"#,
            random.pick(&SYSTEMS)
        ),
    }
}

fn reference(random: &mut Random, kinds: &[&str]) -> String {
    let (kind, id) = (random.pick(kinds), random.below(IDS));
    match random.below(8) {
        0 => format!(r#"{{"reference":"{kind}/a{id}/_history/0-1"}}"#),
        1 => format!(r#"{{"reference":"http://other.org/fhir/{kind}/a{id}"}}"#),
        2 => format!(r#"{{"identifier":{}}}"#, identifier(random)),
        _ => format!(r#"{{"reference":"{kind}/a{id}"}}"#),
    }
}

fn period(random: &mut Random) -> String {
    let (start, end) = (random.pick(&DATES), random.pick(&DATES));
    match random.below(3) {
        0 => format!(r#"{{"start":"{start}"}}"#),
        1 => format!(r#"{{"end":"{end}"}}"#),
        _ => format!(r#"{{"start":"{start}","end":"{end}"}}"#),
    }
}

fn quantity(random: &mut Random) -> String {
    let (value, unit) = (random.pick(&NUMBERS), random.pick(&UNITS));
    match random.below(4) {
        0 => format!(r#"{{"value":{value}}}"#),
        1 => format!(r#"{{"value":{value},"unit":"{unit}"}}"#),
        2 => format!(r#"{{"value":{value},"comparator":"<","unit":"{unit}"}}"#),
        _ => format!(r#"{{"value":{value},"system":"http://unitsofmeasure.org","code":"{unit}"}}"#),
    }
}

fn person(random: &mut Random, kind: &str, members: &mut Vec<String>) {
    let name = |random: &mut Random| {
        let (family, given) = (random.pick(&NAMES), random.pick(&NAMES));
        format!(r#"{{"family":"{family}","given":["{given}"]}}"#)
    };
    members.push(format!(r#""name":[{},{}]"#, name(random), name(random)));
    members.push(format!(r#""identifier":[{}]"#, identifier(random)));
    if random.once_in(2) {
        members.push(format!(r#""gender":"{}""#, random.pick(&["male", "female", "unknown"])));
    }
    if random.once_in(2) {
        members.push(format!(r#""active":{}"#, random.once_in(2)));
    }
    if kind != "Patient" {
        return;
    }
    if random.once_in(2) {
        let date = random.pick(&["2019", "2020-02", "2020-02-29", "2021-12-31"]);
        members.push(format!(r#""birthDate":"{date}""#));
    }
    if random.once_in(2) {
        let organization = reference(random, &["Organization"]);
        let practitioner = reference(random, &["Practitioner", "Organization"]);
        members.push(format!(r#""managingOrganization":{organization}"#));
        members.push(format!(r#""generalPractitioner":[{practitioner}]"#));
    }
    match random.below(3) {
        0 => members.push(format!(r#""deceasedDateTime":"{}""#, random.pick(&DATES))),
        1 => members.push(format!(r#""deceasedBoolean":{}"#, random.once_in(2))),
        _ => {}
    }
}

fn organization(random: &mut Random, members: &mut Vec<String>) {
    members.push(format!(
        r#""name":"{}","alias":["{}"]"#,
        random.pick(&NAMES),
        random.pick(&NAMES)
    ));
    members.push(format!(
        r#""address":[{{"city":"{}","country":"BT"}}]"#,
        random.pick(&NAMES)
    ));
    if random.once_in(2) {
        members.push(format!(r#""partOf":{}"#, reference(random, &["Organization"])));
    }
}

fn observation(random: &mut Random, members: &mut Vec<String>) {
    let status = random.pick(&["final", "amended"]);
    members.push(format!(r#""status":"{status}","code":{}"#, concept(random)));
    members.push(format!(
        r#""subject":{}"#,
        reference(random, &["Patient", "Organization"])
    ));
    match random.below(4) {
        0 => members.push(format!(r#""effectivePeriod":{}"#, period(random))),
        1 => members.push(format!(
            r#""effectiveTiming":{{"event":["{}","{}"]}}"#,
            random.pick(&DATES),
            random.pick(&DATES)
        )),
        2 => members.push(format!(r#""effectiveDateTime":"{}""#, random.pick(&DATES))),
        _ => {}
    }
    match random.below(5) {
        0 => members.push(format!(r#""valueString":"{}""#, random.pick(&NAMES))),
        1 => members.push(format!(r#""valueCodeableConcept":{}"#, concept(random))),
        2 | 3 => members.push(format!(r#""valueQuantity":{}"#, quantity(random))),
        _ => {}
    }
    if random.once_in(3) {
        let part =
            |random: &mut Random| format!(r#"{{"code":{},"valueQuantity":{}}}"#, concept(random), quantity(random));
        members.push(format!(r#""component":[{},{}]"#, part(random), part(random)));
    }
    if random.once_in(2) {
        members.push(format!(r#""encounter":{}"#, reference(random, &["Encounter"])));
        members.push(format!(
            r#""performer":[{},{}]"#,
            reference(random, &["Practitioner"]),
            reference(random, &["Organization", "Patient"])
        ));
    }
}

fn condition(random: &mut Random, members: &mut Vec<String>) {
    members.push(format!(
        r#""code":{},"subject":{}"#,
        concept(random),
        reference(random, &["Patient"])
    ));
    match random.below(4) {
        0 => members.push(format!(r#""onsetDateTime":"{}""#, random.pick(&DATES))),
        1 => members.push(format!(r#""onsetAge":{}"#, quantity(random))),
        2 => members.push(format!(
            r#""onsetRange":{{"low":{},"high":{}}}"#,
            plain(random),
            plain(random)
        )),
        _ => members.push(format!(r#""onsetString":"{}""#, random.pick(&WORDS))),
    }
}

fn plain(random: &mut Random) -> String {
    format!(r#"{{"value":{}}}"#, random.pick(&NUMBERS))
}

fn encounter(random: &mut Random, members: &mut Vec<String>) {
    members.push(format!(r#""status":"finished","class":{}"#, coding(random)));
    members.push(format!(
        r#""subject":{},"period":{}"#,
        reference(random, &["Patient"]),
        period(random)
    ));
    if random.once_in(2) {
        let practitioner = reference(random, &["Practitioner"]);
        members.push(format!(r#""participant":[{{"individual":{practitioner}}}]"#));
        members.push(format!(r#""length":{}"#, quantity(random)));
    }
}

fn risk(random: &mut Random, members: &mut Vec<String>) {
    members.push(format!(
        r#""status":"final","subject":{}"#,
        reference(random, &["Patient"])
    ));
    match random.below(3) {
        0 => members.push(format!(
            r#""prediction":[{{"probabilityRange":{{"low":{},"high":{}}}}}]"#,
            plain(random),
            plain(random)
        )),
        _ => members.push(format!(
            r#""prediction":[{{"probabilityDecimal":{}}},{{"probabilityDecimal":{}}}]"#,
            random.pick(&NUMBERS),
            random.pick(&NUMBERS)
        )),
    }
}

#[derive(Clone, Copy)]
enum Sort {
    Text,
    Token,
    Plain(&'static [&'static str]),
    Date,
    Number,
    Quantity,
    Uri,
    Reference(&'static [&'static str]),
}

const PARAMETERS: [(&str, &str, Sort); 39] = [
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
    ("RiskAssessment", "probability", Sort::Number),
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
        3 if depth < 3 => {
            if let Some(found) = has(random, kind, depth) {
                return found;
            }
        }
        _ => {}
    }
    let (_, code, sort) = of_kind[random.below(of_kind.len())];
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
        2 => ("_text".into(), random.pick(&["asthma", "severe", "eclair"]).into()),
        _ => (
            "_content".into(),
            random.pick(&["asthma", "karma", "allergy known"]).into(),
        ),
    }
}

fn uri(random: &mut Random) -> (String, String) {
    let (suffix, value) = value(random, Sort::Uri, 0);
    (format!("_profile{suffix}"), value)
}

fn has(random: &mut Random, kind: &str, depth: usize) -> Option<(String, String)> {
    let refers = |sort: &Sort| matches!(sort, Sort::Reference(targets) if targets.contains(&kind));
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
        Sort::Token => match random.below(6) {
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
        Sort::Reference(targets) => return to(random, targets, depth),
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

fn number(random: &mut Random) -> String {
    format!("{}{}", random.pick(&PREFIXES), random.pick(&NUMBERS))
}

fn amount(random: &mut Random) -> String {
    let (number, unit) = (number(random), random.pick(&UNITS));
    match random.below(3) {
        0 => number,
        1 => format!("{number}||{unit}"),
        _ => format!("{number}|http://unitsofmeasure.org|{unit}"),
    }
}

fn escaped(code: &str) -> String {
    code.replace('|', "\\|")
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

fn to(random: &mut Random, targets: &[&'static str], depth: usize) -> (String, String) {
    let (kind, id) = (random.pick(targets), random.below(IDS));
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
