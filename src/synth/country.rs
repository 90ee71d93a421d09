//! The sample country as FHIR records: Bhutan's dzongkhags, gewogs and health facilities.
//!
//! Every place is a Location; the administrations of places, the ministry and the facilities are
//! Organizations. Ids are stable: P-codes for places, names for facilities, `-office` behind a place's
//! administration. Where the facts come from is in `schema/bhutan/NOTICE`.

use serde_json::{Value, json};

use crate::table::{Row, commas as rows};

pub(crate) const DZONGKHAGS: &str = include_str!("../../schema/bhutan/dzongkhags.csv");
pub(crate) const GEWOGS: &str = include_str!("../../schema/bhutan/gewogs.csv");
pub(crate) const FACILITIES: &str = include_str!("../../schema/bhutan/facilities.csv");

/// The United Nations' place codes.
pub(crate) const P_CODE: &str = "urn:epis:bt:p-code";
/// ISO 3166-2.
const ISO: &str = "urn:iso:std:iso:3166:-2";
/// What stands for a dzongkhag in a citizen number; its order is not that of the P-codes.
const CITIZEN_NUMBER_CODE: &str = "urn:epis:bt:citizen-number-dzongkhag";
/// Levels of health facilities.
const LEVEL: &str = "urn:epis:bt:facility-level";
/// Levels of administration.
const ADMINISTRATION: &str = "urn:epis:bt:administration";
const PHYSICAL_TYPE: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";
const ORGANIZATION_TYPE: &str = "http://terminology.hl7.org/CodeSystem/organization-type";
const TRANSLATION: &str = "http://hl7.org/fhir/StructureDefinition/translation";

/// All records of the sample country as NDJSON, containers before what they contain.
pub fn ndjson() -> Vec<u8> {
    let mut out = Vec::new();
    for record in records() {
        out.extend_from_slice(record.to_string().as_bytes());
        out.push(b'\n');
    }
    out
}

fn records() -> Vec<Value> {
    let mut records = country();
    let dzongkhags = rows(DZONGKHAGS);
    for row in &dzongkhags {
        records.extend(dzongkhag(row));
    }
    let name_of = |code: &str| {
        dzongkhags
            .iter()
            .find(|row| row.get("pcode") == code)
            .map_or("", |row| row.get("name"))
            .to_owned()
    };
    for row in rows(GEWOGS) {
        records.extend(gewog(&row, &name_of(row.get("dzongkhag_pcode"))));
    }
    for row in rows(FACILITIES) {
        records.extend(facility(&row, &name_of(row.get("dzongkhag_pcode"))));
    }
    records
}

fn country() -> Vec<Value> {
    let place = json!({
        "resourceType": "Location", "id": "BT", "status": "active", "mode": "instance", "name": "Bhutan",
        "alias": ["Druk Yul", "འབྲུག་ཡུལ་"], "_name": translated("འབྲུག་ཡུལ་"),
        "identifier": [{"system": "urn:iso:std:iso:3166", "value": "BT"}],
        "type": [coded(ADMINISTRATION, "country", "Country")],
        "physicalType": coded(PHYSICAL_TYPE, "jdn", "Jurisdiction"),
        "managingOrganization": {"reference": "Organization/royal-government", "display": "Royal Government of Bhutan"},
    });
    let government = json!({
        "resourceType": "Organization", "id": "royal-government", "active": true, "name": "Royal Government of Bhutan",
        "type": [coded(ORGANIZATION_TYPE, "govt", "Government")],
    });
    let ministry = json!({
        "resourceType": "Organization", "id": "ministry-of-health", "active": true, "name": "Ministry of Health",
        "type": [coded(ORGANIZATION_TYPE, "govt", "Government")],
        "partOf": {"reference": "Organization/royal-government", "display": "Royal Government of Bhutan"},
    });
    vec![government, ministry, place]
}

fn dzongkhag(row: &Row<'_>) -> [Value; 2] {
    let (code, name) = (row.get("pcode"), row.get("name"));
    let mut place = area(row, "dzongkhag", "Dzongkhag", "BT", "Bhutan");
    place["identifier"] = json!([
        {"system": P_CODE, "value": code},
        {"system": ISO, "value": row.get("iso3166_2")},
        {"system": CITIZEN_NUMBER_CODE, "value": row.get("citizen_number_code")},
    ]);
    place["alias"] = json!([row.get("dzongkha")]);
    [
        place,
        office(
            code,
            &format!("{name} Dzongkhag Administration"),
            "royal-government",
            "Royal Government of Bhutan",
        ),
    ]
}

fn gewog(row: &Row<'_>, dzongkhag: &str) -> [Value; 2] {
    let (code, name, within) = (row.get("pcode"), row.get("name"), row.get("dzongkhag_pcode"));
    let mut place = area(row, "gewog", "Gewog", within, dzongkhag);
    place["identifier"] = json!([{"system": P_CODE, "value": code}]);
    let other = Some(row.get("other_spelling")).filter(|other| *other != name);
    let alias: Vec<&str> = other
        .into_iter()
        .chain([row.get("dzongkha")])
        .filter(|alias| !alias.is_empty())
        .collect();
    if !alias.is_empty() {
        place["alias"] = json!(alias);
    }
    let number = |name: &str| row.get(name).parse::<serde_json::Number>().ok();
    if let (Some(latitude), Some(longitude)) = (number("latitude"), number("longitude")) {
        place["position"] = json!({"longitude": longitude, "latitude": latitude});
    }
    let above = format!("{dzongkhag} Dzongkhag Administration");
    [
        place,
        office(
            code,
            &format!("{name} Gewog Administration"),
            &format!("{within}-office"),
            &above,
        ),
    ]
}

/// What the Locations of dzongkhags and gewogs have in common.
fn area(row: &Row<'_>, level: &str, shown: &str, within: &str, within_name: &str) -> Value {
    let (code, name) = (row.get("pcode"), row.get("name"));
    let people = format!(
        "{name} {level}: {} people in {} households at the census of 2017.",
        row.get("population_2017"),
        row.get("households_2017")
    );
    let mut place = json!({
        "resourceType": "Location", "id": code, "text": narrative(&people), "status": "active", "mode": "instance",
        "name": name, "description": people,
        "type": [coded(ADMINISTRATION, level, shown)],
        "physicalType": coded(PHYSICAL_TYPE, "jdn", "Jurisdiction"),
        "managingOrganization": {"reference": format!("Organization/{code}-office")},
        "partOf": {"reference": format!("Location/{within}"), "display": within_name},
    });
    if !row.get("dzongkha").is_empty() {
        place["_name"] = translated(row.get("dzongkha"));
    }
    place
}

fn office(code: &str, name: &str, above: &str, above_name: &str) -> Value {
    json!({
        "resourceType": "Organization", "id": format!("{code}-office"), "active": true, "name": name,
        "identifier": [{"system": P_CODE, "value": code}],
        "type": [coded(ORGANIZATION_TYPE, "govt", "Government")],
        "partOf": {"reference": format!("Organization/{above}"), "display": above_name},
    })
}

fn facility(row: &Row<'_>, dzongkhag: &str) -> [Value; 2] {
    let (name, level, within) = (row.get("name"), row.get("level"), row.get("dzongkhag_pcode"));
    let id = slug(name);
    let source = if row.get("confirmed") == "C" {
        "named in a public page"
    } else {
        "general knowledge"
    };
    let beds = Some(row.get("beds")).filter(|beds| !beds.is_empty());
    let beds = beds.map_or(String::new(), |beds| format!(" {beds} beds."));
    let about = format!(
        "{name}, {} in {dzongkhag} dzongkhag.{beds} Sample data ({source}); levels change.",
        level_name(level)
    );
    let place = json!({
        "resourceType": "Location", "id": id, "text": narrative(&about), "status": "active", "mode": "instance",
        "name": name, "description": about,
        "type": [coded(LEVEL, level, level_name(level))],
        "physicalType": coded(PHYSICAL_TYPE, "si", "Site"),
        "managingOrganization": {"reference": format!("Organization/{id}"), "display": name},
        "partOf": {"reference": format!("Location/{within}"), "display": dzongkhag},
    });
    let mut organization = json!({
        "resourceType": "Organization", "id": id, "active": true, "name": name,
        "type": [coded(ORGANIZATION_TYPE, "prov", "Healthcare Provider"), coded(LEVEL, level, level_name(level))],
        "address": [{"district": dzongkhag, "country": "BT"}],
    });
    if level != "military" {
        organization["partOf"] =
            json!({"reference": "Organization/ministry-of-health", "display": "Ministry of Health"});
    }
    [place, organization]
}

fn level_name(level: &str) -> &'static str {
    match level {
        "national-referral" => "National referral hospital",
        "regional-referral" => "Regional referral hospital",
        "national-traditional" => "National traditional medicine hospital",
        "specialised" => "Specialised hospital",
        "military" => "Military hospital",
        "district" => "District hospital",
        "general" => "General hospital",
        "bhu1-10bed" => "Ten-bedded hospital",
        "satellite-clinic" => "Satellite clinic",
        "phc-bhu2" => "Primary health centre",
        "sub-post" => "Sub-post",
        _ => "Hospital",
    }
}

fn coded(system: &str, code: &str, display: &str) -> Value {
    json!({"coding": [{"system": system, "code": code, "display": display}], "text": display})
}

/// The Dzongkha form of a name, as an extension of the element that has the English one.
fn translated(dzongkha: &str) -> Value {
    json!({"extension": [{"url": TRANSLATION, "extension": [
        {"url": "lang", "valueCode": "dz"}, {"url": "content", "valueString": dzongkha}]}]})
}

fn narrative(text: &str) -> Value {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{text}</div>")})
}

/// A name as an id: small letters and digits, the rest dashes, at most 64.
pub(crate) fn slug(name: &str) -> String {
    let dashed: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let parts: Vec<&str> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    let mut slug = parts.join("-");
    slug.truncate(64);
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use fhir::document::Document;
    use fhir::identity::Kind;
    use fhir::parse::Limits;

    use super::*;

    #[test]
    fn the_country_is_whole_and_every_reference_is_there() {
        let records = records();
        let name = |record: &Value| {
            format!(
                "{}/{}",
                record["resourceType"].as_str().unwrap(),
                record["id"].as_str().unwrap()
            )
        };
        let names: HashSet<String> = records.iter().map(name).collect();
        assert_eq!(names.len(), records.len(), "ids are unique");
        assert_eq!(records.len(), 3 + 2 * (20 + 205 + 57));
        for record in &records {
            for member in ["partOf", "managingOrganization"] {
                if let Some(reference) = record[member]["reference"].as_str() {
                    assert!(names.contains(reference), "{reference}");
                }
            }
        }
    }

    #[test]
    fn every_record_conforms() {
        let definitions = conformance::Definitions::r4();
        for record in records() {
            let document = Document::parse(record.to_string().as_bytes(), Limits::default()).unwrap();
            let kind = Kind::new(record["resourceType"].as_str().unwrap()).unwrap();
            let issues = conformance::judge(&definitions, &kind, document.root());
            assert!(issues.is_empty(), "{issues:?} in {record}");
        }
    }

    #[test]
    fn names_become_ids() {
        let table = [
            (
                "Eastern Regional Referral Hospital, Mongar (ERRH)",
                "eastern-regional-referral-hospital-mongar-errh",
            ),
            ("Dewathang (Deothang) Hospital (RBA)", "dewathang-deothang-hospital-rba"),
        ];
        for (name, id) in table {
            assert_eq!(slug(name), id);
        }
    }
}
