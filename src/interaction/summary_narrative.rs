//! The narrative of a summary's section: a table of what it lists, generated from the records.

use fhir::tree::Tree;

use crate::record::Record;
use crate::related::local;

/// Where a record says what it is about, the first that is there.
const SUBJECTS: [&str; 9] = [
    "code",
    "vaccineCode",
    "medicationCodeableConcept",
    "medicationReference",
    "device",
    "scope",
    "title",
    "description",
    "recommendation",
];
/// Where it says when, the first that is there.
const MOMENTS: [&str; 16] = [
    "effectiveDateTime",
    "effectivePeriod",
    "onsetDateTime",
    "onsetPeriod",
    "occurrenceDateTime",
    "performedDateTime",
    "performedPeriod",
    "timingDateTime",
    "timingPeriod",
    "authoredOn",
    "dateTime",
    "recordedDate",
    "period",
    "dateAsserted",
    "issued",
    "date",
];
/// Where it says how it is: a result, a state, a dose.
const STATES: [&str; 8] = [
    "valueQuantity",
    "valueCodeableConcept",
    "valueString",
    "clinicalStatus",
    "dosageInstruction",
    "dosage",
    "criticality",
    "status",
];

/// `section.text`: a Narrative. `more` says that not all is listed.
pub(crate) fn narrative(title: &str, records: &[Record], related: &[Record], more: bool) -> Tree {
    let mut div = String::from("<div xmlns=\"http://www.w3.org/1999/xhtml\">");
    if records.is_empty() {
        let nothing = format!("<p>No information is on record: {}.</p>", escaped(title));
        div.push_str(&nothing);
    } else {
        div.push_str("<table><thead><tr><th>What</th><th>When</th><th>Details</th></tr></thead><tbody>");
        for record in records {
            row(record, related, &mut div);
        }
        div.push_str("</tbody></table>");
    }
    if more {
        div.push_str("<p>There are more on record; the newest are listed.</p>");
    }
    div.push_str("</div>");
    Tree::object([("status", Tree::string("generated")), ("div", Tree::string(div))])
}

fn row(record: &Record, related: &[Record], div: &mut String) {
    let Ok(tree) = Tree::parse(&record.json) else {
        return;
    };
    let first = |names: &[&str]| names.iter().find_map(|name| words(tree.get(name)?));
    let what = SUBJECTS.iter().find_map(|name| {
        let value = tree.get(name)?;
        words(value).or_else(|| referred(value, related))
    });
    let what = what.unwrap_or_else(|| record.kind.to_string());
    let measured = components(&tree).or_else(|| first(&STATES));
    let cells = [Some(what), first(&MOMENTS), measured];
    div.push_str("<tr>");
    for cell in cells {
        let cell = format!("<td>{}</td>", escaped(&cell.unwrap_or_default()));
        div.push_str(&cell);
    }
    div.push_str("</tr>");
}

/// What a record that is referred to is called.
fn referred(reference: &Tree, related: &[Record]) -> Option<String> {
    let (kind, id, _) = local(reference.get("reference")?.as_str()?, "")?;
    let record = related.iter().find(|record| record.kind == kind && record.id == id)?;
    let tree = Tree::parse(&record.json).ok()?;
    ["code", "deviceName", "type"]
        .iter()
        .find_map(|name| words(tree.get(name)?))
}

/// The values of an observation's components, each with its name.
fn components(record: &Tree) -> Option<String> {
    let parts = record.get("component")?.items().iter().filter_map(|component| {
        let value = component
            .get("valueQuantity")
            .or_else(|| component.get("valueCodeableConcept"))?;
        Some(format!("{}: {}", words(component.get("code")?)?, words(value)?))
    });
    Some(parts.collect::<Vec<String>>().join("; ")).filter(|text| !text.is_empty())
}

/// A value in words: a text, a concept, an amount, a period, or the first of a list of such.
fn words(value: &Tree) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    if let Some(first) = value.items().first() {
        return words(first);
    }
    let part = |name: &str| value.get(name).and_then(|part| part.as_str().map(str::to_owned));
    if let Some(Tree::Number(number)) = value.get("value") {
        return Some(format!(
            "{number} {}",
            part("unit").or_else(|| part("code")).unwrap_or_default()
        ));
    }
    if value.get("start").is_some() || value.get("end").is_some() {
        let end = |name: &str| part(name).unwrap_or_default();
        return Some(format!("{} – {}", end("start"), end("end")));
    }
    let coding = value.get("coding").and_then(|list| list.items().first());
    let coding = coding.and_then(|coding| {
        let display = coding.get("display").or_else(|| coding.get("code"))?;
        display.as_str().map(str::to_owned)
    });
    let vaccine = || words(value.get("vaccineCode")?);
    let named = part("text")
        .or(coding)
        .or_else(|| part("display"))
        .or_else(|| part("name"));
    named.or_else(vaccine).filter(|text| !text.is_empty())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::identity::{Id, Kind};

    fn record(kind: &str, id: &str, rest: &str) -> Record {
        Record {
            kind: Kind::new(kind).unwrap(),
            id: Id::new(id).unwrap(),
            json: format!(r#"{{"resourceType":"{kind}","id":"{id}",{rest}}}"#)
                .into_bytes()
                .into(),
            inside: None,
            score: None,
        }
    }

    #[test]
    fn a_row_says_what_when_and_how() {
        let related = [record(
            "Medication",
            "m",
            r#""code":{"coding":[{"code":"x","display":"Amoxicillin"}]}"#,
        )];
        let table = [
            (
                record(
                    "Condition",
                    "1",
                    r#""code":{"text":"A < B & C"},"onsetDateTime":"2020","clinicalStatus":{"coding":[{"code":"active"}]}"#,
                ),
                "<td>A &lt; B &amp; C</td><td>2020</td><td>active</td>",
            ),
            (
                record(
                    "MedicationRequest",
                    "1",
                    r#""medicationReference":{"reference":"Medication/m"},"status":"active","dosageInstruction":[{"text":"twice a day"}]"#,
                ),
                "<td>Amoxicillin</td><td></td><td>twice a day</td>",
            ),
            (
                record(
                    "Observation",
                    "1",
                    r#""code":{"text":"BP"},"effectivePeriod":{"start":"2020"},"component":[{"code":{"text":"systolic"},"valueQuantity":{"value":120.0,"unit":"mmHg"}}]"#,
                ),
                "<td>BP</td><td>2020 – </td><td>systolic: 120.0 mmHg</td>",
            ),
            (
                record("CarePlan", "1", r#""status":"active""#),
                "<td>CarePlan</td><td></td><td>active</td>",
            ),
        ];
        for (record, expected) in table {
            let tree = narrative("T", &[record], &related, false);
            let div = tree.get("div").and_then(Tree::as_str).unwrap();
            assert!(div.contains(&format!("<tr>{expected}</tr>")), "{div}");
        }
        let empty = narrative("Problems", &[], &[], false);
        assert!(
            empty
                .get("div")
                .and_then(Tree::as_str)
                .unwrap()
                .contains("No information")
        );
    }
}
