//! What one site knows of the patient and of the line, as it answers at the moment.

use serde_json::Value;

use super::house::Site;
use super::request::Request;
use super::sample::CONFLICT;
use crate::node::status::Row;

/// What a site knows of her. Empty texts where it does not know her.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Her telephone.
    pub telephone: String,
    /// Village and gewog.
    pub address: String,
    /// When she was born.
    pub born: String,
    /// What she is allergic to.
    pub allergies: String,
    /// How many visits.
    pub visits: u64,
    /// The ids of what a person has to settle.
    pub questions: Vec<String>,
}

impl Known {
    /// Asks a site.
    ///
    /// # Errors
    /// A sentence where it does not answer.
    pub fn of(site: &Site, patient: &str) -> Result<Known, String> {
        let get = |path: String| Request::get(site.address, path).send();
        let (status, record) = get(format!("fhir/Patient/{patient}"))?;
        if status != 200 {
            return Ok(Known::default());
        }
        let text = |pointer: &str| {
            record
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (_, allergies) = get(format!("fhir/AllergyIntolerance?patient={patient}"))?;
        let (_, visits) = get(format!("fhir/Encounter?patient={patient}&_summary=count"))?;
        let (_, tasks) = get(questions(patient))?;
        let allergies = records(&allergies).map(|record| words(&record["code"]["text"]));
        Ok(Known {
            telephone: text("/telecom/0/value"),
            address: format!("{}, {}", text("/address/0/line/0"), text("/address/0/city")),
            born: text("/birthDate"),
            allergies: allergies.collect::<Vec<String>>().join(", "),
            visits: visits["total"].as_u64().unwrap_or(0),
            questions: records(&tasks).map(|record| words(&record["id"])).collect(),
        })
    }
}

/// The search for what a person has to settle about her.
pub fn questions(patient: &str) -> String {
    format!("fhir/Task?code={CONFLICT}&patient={patient}&status=requested")
}

/// The records in a bundle, without what a clinic says of how complete they are.
pub fn records(bundle: &Value) -> impl Iterator<Item = &Value> {
    let entries = bundle["entry"].as_array().map_or(&[][..], Vec::as_slice);
    let found = entries.iter().filter(|entry| entry["search"]["mode"] != "outcome");
    found.map(|entry| &entry["resource"])
}

/// A text; empty where it is none.
pub fn words(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a site says of itself at `/sync/status`, or the centre of each clinic.
///
/// # Errors
/// A sentence where it does not answer, or not so.
pub fn rows(site: &Site) -> Result<Vec<Row>, String> {
    let (_, said) = Request::get(site.address, "sync/status").send()?;
    serde_json::from_value(said).map_err(|_| format!("{} does not say how far clinics are.", site.name))
}
