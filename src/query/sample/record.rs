//! Random records.

use super::{
    ACT, ACT_CODES, AMOUNTS, CODES, DATES, IDS, NAMES, NUMBERS, PLACES, PROFILES, RELATIONS, Random, SYSTEMS, UNITS,
    URLS, VERSIONS, WORDS,
};

/// Kinds that other records contain.
const INSIDE: [&str; 4] = ["Patient", "Practitioner", "Organization", "Observation"];

/// A record of one of [`KINDS`] as JSON; some contain others, `c0` and `c1`.
pub fn record(random: &mut Random, kind: &str, id: &str) -> String {
    let mut record = resource(random, kind, id);
    if random.once_in(5) {
        let mut inside = Vec::new();
        for number in 0..=random.below(2) {
            let kind = random.pick(&INSIDE);
            inside.push(resource(random, kind, &format!("c{number}")));
        }
        record.pop();
        record.push_str(&format!(r#","contained":[{}]}}"#, inside.join(",")));
    }
    record
}

fn resource(random: &mut Random, kind: &str, id: &str) -> String {
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
        "Questionnaire" => questionnaire(random, &mut members),
        "QuestionnaireResponse" => response(random, &mut members),
        "List" => list(random, &mut members),
        "Location" => location(random, &mut members),
        "Group" => group(random, &mut members),
        "DocumentReference" => document(random, &mut members),
        _ => risk(random, &mut members),
    }
    format!("{{{}}}", members.join(","))
}

fn coding(random: &mut Random) -> String {
    let code = random.pick(&CODES);
    let display = random.pick(&WORDS);
    match random.below(6) {
        0 => format!(r#"{{"code":"{code}"}}"#),
        4 | 5 => format!(r#"{{"system":"{ACT}","code":"{}"}}"#, random.pick(&ACT_CODES)),
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
    match random.below(10) {
        8 | 9 => format!(r##"{{"reference":"#c{}"}}"##, random.below(2)),
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
    let (value, unit) = match random.once_in(2) {
        true => AMOUNTS[random.below(AMOUNTS.len())],
        false => (random.pick(&NUMBERS), random.pick(&UNITS)),
    };
    let comparator = random.pick(&["<", "<=", ">", ">="]);
    match random.below(7) {
        0 => format!(r#"{{"value":{value}}}"#),
        1 => format!(r#"{{"value":{value},"unit":"{unit}"}}"#),
        2 => format!(r#"{{"value":{value},"comparator":"{comparator}","unit":"{unit}"}}"#),
        3 => format!(
            r#"{{"value":{value},"comparator":"{comparator}","system":"http://unitsofmeasure.org","code":"{unit}"}}"#
        ),
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
    if random.once_in(4) {
        let (other, how) = (
            reference(random, &["Patient"]),
            random.pick(&["replaced-by", "replaces"]),
        );
        members.push(format!(r#""link":[{{"other":{other},"type":"{how}"}}]"#));
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
    match random.below(7) {
        4 => members.push(format!(r#""valueDateTime":"{}""#, random.pick(&DATES))),
        5 => members.push(format!(r#""valuePeriod":{}"#, period(random))),
        0 => members.push(format!(r#""valueString":"{}""#, random.pick(&NAMES))),
        1 => members.push(format!(r#""valueCodeableConcept":{}"#, concept(random))),
        2 | 3 => members.push(format!(r#""valueQuantity":{}"#, quantity(random))),
        _ => {}
    }
    if random.once_in(3) {
        let part =
            |random: &mut Random| format!(r#"{{"code":{},"valueQuantity":{}}}"#, concept(random), quantity(random));
        let coded = |random: &mut Random| {
            format!(
                r#"{{"code":{},"valueCodeableConcept":{}}}"#,
                concept(random),
                concept(random)
            )
        };
        members.push(format!(
            r#""component":[{},{},{}]"#,
            part(random),
            coded(random),
            part(random)
        ));
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
    if random.once_in(2) {
        members.push(format!(r#""partOf":{}"#, reference(random, &["Encounter"])));
    }
}

fn location(random: &mut Random, members: &mut Vec<String>) {
    members.push(format!(r#""name":"{}""#, random.pick(&NAMES)));
    if !random.once_in(4) {
        let (latitude, longitude) = PLACES[random.below(PLACES.len())];
        members.push(format!(
            r#""position":{{"longitude":{longitude},"latitude":{latitude}}}"#
        ));
    }
    if random.once_in(2) {
        members.push(format!(r#""partOf":{}"#, reference(random, &["Location"])));
    }
}

fn group(random: &mut Random, members: &mut Vec<String>) {
    members.push(r#""type":"person","actual":true"#.to_owned());
    let part = |random: &mut Random| {
        let value = match random.below(3) {
            0 => format!(r#""valueCodeableConcept":{}"#, concept(random)),
            1 => format!(r#""valueQuantity":{}"#, quantity(random)),
            _ => format!(r#""valueBoolean":{}"#, random.once_in(2)),
        };
        format!(r#"{{"code":{},{value},"exclude":false}}"#, concept(random))
    };
    members.push(format!(r#""characteristic":[{},{}]"#, part(random), part(random)));
}

fn document(random: &mut Random, members: &mut Vec<String>) {
    let relation = |random: &mut Random| {
        let (code, target) = (random.pick(&RELATIONS), reference(random, &["DocumentReference"]));
        format!(r#"{{"code":"{code}","target":{target}}}"#)
    };
    members.push(format!(
        r#""status":"current","subject":{}"#,
        reference(random, &["Patient"])
    ));
    members.push(format!(r#""relatesTo":[{},{}]"#, relation(random), relation(random)));
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

fn canonical(random: &mut Random) -> String {
    let (url, version) = (random.pick(&URLS), random.pick(&VERSIONS));
    match random.below(4) {
        0 => format!("Questionnaire/a{}", random.below(IDS)),
        1 => format!("{url}|{version}"),
        _ => url.to_owned(),
    }
}

fn questionnaire(random: &mut Random, members: &mut Vec<String>) {
    members.push(format!(r#""status":"active","name":"{}""#, random.pick(&NAMES)));
    if !random.once_in(4) {
        members.push(format!(r#""url":"{}""#, random.pick(&URLS)));
    }
    if random.once_in(2) {
        members.push(format!(r#""version":"{}""#, random.pick(&VERSIONS)));
    }
}

fn response(random: &mut Random, members: &mut Vec<String>) {
    let status = random.pick(&["completed", "amended"]);
    members.push(format!(
        r#""status":"{status}","questionnaire":"{}""#,
        canonical(random)
    ));
    members.push(format!(r#""subject":{}"#, reference(random, &["Patient"])));
}

fn list(random: &mut Random, members: &mut Vec<String>) {
    let item = |random: &mut Random| {
        let to = reference(random, &["Patient", "Observation", "Questionnaire"]);
        format!(r#"{{"item":{to}}}"#)
    };
    members.push(format!(
        r#""status":"current","mode":"working","code":{},"entry":[{},{},{}]"#,
        concept(random),
        item(random),
        item(random),
        item(random)
    ));
}
