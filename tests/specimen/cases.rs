//! What is asked of a specimen: every modifier and prefix of the parameter's type, and whether it finds it.

use conformance::ParameterType;

use super::value::{ADDRESS, CODE, MOMENT, SYSTEM, TARGET, TEXT, TYPES};

/// One search by one parameter.
#[derive(Clone, Debug)]
pub struct Case {
    /// What follows the parameter's code: a modifier with its colon, a chain with its dot.
    pub suffix: String,
    /// The value.
    pub value: String,
    /// Whether the specimen is found.
    pub found: bool,
}

fn cases(list: &[(&str, &str, bool)]) -> Vec<Case> {
    let case = |(suffix, value, found): &(&str, &str, bool)| Case {
        suffix: (*suffix).to_owned(),
        value: (*value).to_owned(),
        found: *found,
    };
    list.iter().map(case).collect()
}

/// The searches by a parameter of the type over a value of the data type that [`value`](super::value::value) makes;
/// `kind` is what a reference points to. `None` where the standard gives the pair no meaning.
pub fn of(parameter: ParameterType, data_type: &str, kind: &str) -> Option<Vec<Case>> {
    let mut found = match parameter {
        ParameterType::Token => token(data_type)?,
        ParameterType::String => string(data_type)?,
        ParameterType::Uri => uri(data_type)?,
        ParameterType::Reference => reference(data_type, kind)?,
        ParameterType::Date => dates(data_type)?,
        ParameterType::Number => ranges(data_type, "")?,
        ParameterType::Quantity => quantities(data_type)?,
        ParameterType::Composite | ParameterType::Special => return None,
    };
    found.extend(cases(&[(":missing", "false", true), (":missing", "true", false)]));
    Some(found)
}

fn token(data_type: &str) -> Option<Vec<Case>> {
    let mut found = match data_type {
        "Coding" | "CodeableConcept" | "Identifier" => {
            let both = format!("{SYSTEM}|{CODE}");
            let mut found = cases(&[
                ("", &both, true),
                ("", &format!("{SYSTEM}|{}", CODE.to_lowercase()), true),
                ("", &format!("{SYSTEM}|"), true),
                ("", &format!("http://example.org/none|{CODE}"), false),
                ("", &format!("|{CODE}"), false),
                (":not", &both, false),
            ]);
            if data_type != "Identifier" {
                found.extend(terminology());
            }
            if data_type == "Identifier" {
                found.extend(cases(&[
                    (":of-type", &format!("{TYPES}|MR|{CODE}"), true),
                    (":of-type", &format!("{TYPES}|XX|{CODE}"), false),
                ]));
            } else {
                found.extend(cases(&[(":text", "sample", true), (":text", "nothing", false)]));
            }
            found
        }
        "code" | "id" | "ContactPoint" => Vec::new(),
        "string" => return Some(plain(TEXT)),
        "boolean" => return Some(plain("true")),
        "uri" => return Some(plain(ADDRESS)),
        _ => return None,
    };
    found.extend(plain(CODE));
    Some(found)
}

fn terminology() -> Vec<Case> {
    let sets = [
        "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
        "http://hl7.org/fhir/ValueSet/administrative-gender",
    ];
    cases(&[
        (":in", sets[0], true),
        (":in", sets[1], false),
        (":not-in", sets[0], false),
        (":not-in", sets[1], true),
        (":below", &format!("{SYSTEM}|_ActEncounterCode"), true),
        (":below", &format!("{SYSTEM}|{CODE}"), true),
        (":below", &format!("{SYSTEM}|AMB"), false),
        (":above", &format!("{SYSTEM}|ACUTE"), true),
        (":above", &format!("{SYSTEM}|AMB"), false),
    ])
}

fn plain(code: &str) -> Vec<Case> {
    cases(&[
        ("", code, true),
        ("", &format!("none,{code}"), true),
        ("", "none", false),
        (":not", code, false),
        (":not", "none", true),
    ])
}

fn string(data_type: &str) -> Option<Vec<Case>> {
    let text = match data_type {
        "string" | "markdown" | "HumanName" | "Address" => TEXT,
        "CodeableConcept" => "Other words",
        "uri" => return None,
        _ => return None,
    };
    let (start, inner) = (&text[..4], &text[2..5]);
    Some(cases(&[
        ("", text, true),
        ("", &start.to_uppercase(), true),
        ("", "nothing", false),
        (":exact", text, true),
        (":exact", start, false),
        (":exact", &text.to_lowercase(), false),
        (":contains", inner, true),
        (":contains", "zzz", false),
    ]))
}

fn uri(data_type: &str) -> Option<Vec<Case>> {
    let address = match data_type {
        "uri" | "url" | "canonical" => ADDRESS,
        "oid" => return Some(cases(&[("", "urn:oid:1.2.3", true), ("", "urn:oid:1.2", false)])),
        _ => return None,
    };
    Some(cases(&[
        ("", address, true),
        ("", "http://example.org/sample", false),
        (":below", "http://example.org/sample", true),
        (":below", "http://example.org/sam", false),
        (":above", &format!("{address}/two"), true),
        (":above", "http://example.org/sample", false),
    ]))
}

fn reference(data_type: &str, kind: &str) -> Option<Vec<Case>> {
    if matches!(data_type, "canonical" | "uri") {
        return Some(cases(&[
            ("", ADDRESS, true),
            ("", "http://example.org/none", false),
            (":below", ADDRESS, true),
            (":below", &format!("{ADDRESS}|1"), false),
        ]));
    }
    let named = format!(":{kind}");
    let mut hierarchy = Vec::new();
    if matches!(kind, "Organization" | "Location" | "Encounter") {
        hierarchy = cases(&[
            (":below", TARGET, true),
            (":above", &format!("{kind}/{TARGET}"), true),
            (":below", &format!("{kind}/none"), false),
        ]);
    }
    matches!(data_type, "Reference" | "Resource").then(|| {
        let mut found = cases(&[
            ("", &format!("{kind}/{TARGET}"), true),
            ("", TARGET, true),
            ("", &format!("{kind}/none"), false),
            (&named, TARGET, true),
            (&named, "none", false),
            (&format!("{named}._id"), TARGET, true),
            (&format!("{named}._id"), "none", false),
            (":identifier", "http://example.org/none|none", false),
        ]);
        found.extend(hierarchy);
        found
    })
}

fn dates(data_type: &str) -> Option<Vec<Case>> {
    let (exact, later) = match data_type {
        "date" => (&MOMENT[..10], "2020-03-01"),
        "dateTime" | "instant" | "Period" | "Timing" => (MOMENT, "2020-02-29T10:30:01+06:00"),
        _ => return None,
    };
    let mut found = cases(&[("", exact, true), ("", "2020-02", true), ("", later, false)]);
    // The value against a search for it, for what is later, and for what is earlier.
    let earlier = "2020-02-28";
    let table = [
        ("eq", true, false, false),
        ("ne", false, true, true),
        ("gt", false, false, true),
        ("lt", false, true, false),
        ("ge", true, false, true),
        ("le", true, true, false),
        ("sa", false, false, true),
        ("eb", false, true, false),
    ];
    for (prefix, same, before, after) in table {
        for (value, is_found) in [(exact, same), (later, before), (earlier, after)] {
            found.extend(cases(&[("", &format!("{prefix}{value}"), is_found)]));
        }
    }
    found.extend(cases(&[("", &format!("ap{exact}"), true), ("", "ap1900", false)]));
    Some(found)
}

fn quantities(data_type: &str) -> Option<Vec<Case>> {
    let unit = match data_type {
        "Money" => "|urn:iso:std:iso:4217|BTN",
        _ => "|http://unitsofmeasure.org|mg",
    };
    let mut found = ranges(data_type, unit)?;
    found.extend(ranges(data_type, "")?);
    if data_type != "Money" {
        found.extend(cases(&[
            ("", "7.5||mg", true),
            ("", "7.5||kg", false),
            ("", "0.0075|http://unitsofmeasure.org|g", true),
            ("", "7.5|http://unitsofmeasure.org|g", false),
            ("", "gt7|http://unitsofmeasure.org|ug", true),
            ("", "lt7|http://unitsofmeasure.org|kg", true),
        ]));
    }
    Some(found)
}

fn ranges(data_type: &str, unit: &str) -> Option<Vec<Case>> {
    let (value, rough) = match data_type {
        "integer" | "positiveInt" | "unsignedInt" => ("7", "7"),
        "decimal" | "Range" | "Money" => ("7.5", "8"),
        "Quantity" | "Age" | "Duration" | "Count" | "Distance" | "SimpleQuantity" | "MoneyQuantity" => ("7.5", "8"),
        _ => return None,
    };
    let mut found = Vec::new();
    let table = [
        ("", true, false, false),
        ("eq", true, false, false),
        ("ne", false, true, true),
        ("gt", false, false, true),
        ("lt", false, true, false),
        ("ge", true, false, true),
        ("le", true, true, false),
        ("sa", false, false, true),
        ("eb", false, true, false),
        ("ap", true, false, false),
    ];
    for (prefix, same, before, after) in table {
        for (value, is_found) in [(value, same), ("20", before), ("2", after)] {
            found.extend(cases(&[("", &format!("{prefix}{value}{unit}"), is_found)]));
        }
    }
    found.extend(cases(&[("", &format!("{rough}{unit}"), true)]));
    Some(found)
}
