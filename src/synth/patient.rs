//! Writes a registration as a Patient of the national profile.

use fhir::tree::Tree;

use crate::country::P_CODE;
use crate::person::Parent;
use crate::places::Places;
use crate::registration::{Home, Registration};

const CITIZEN: &str = "http://id.gov.bt/citizen";
const IDENTIFIER: &str = "http://fhir.moh.gov.bt/identifier/";
pub(crate) const PROFILE: &str = "http://fhir.moh.gov.bt/StructureDefinition/";
const LANGUAGE: &str = "http://hl7.org/fhir/StructureDefinition/language";
const RELATION: &str = "http://terminology.hl7.org/CodeSystem/v2-0131";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";

/// The Patient resource of a registration.
pub fn patient(places: &Places, id: &str, it: &Registration) -> Tree {
    let mut patient = Tree::object([
        ("resourceType", Tree::string("Patient")),
        ("id", Tree::string(id)),
        ("meta", claims("bt-patient")),
    ]);
    if let Some(mother) = it.mother.as_ref().and_then(|mother| mother.citizen_number.as_ref()) {
        let identifier = number(CITIZEN, mother);
        patient.set(
            "extension",
            list([extension("bt-mother-identifier", "valueIdentifier", identifier)]),
        );
    }
    patient.set("identifier", Tree::Array(identifiers(it)));
    patient.set("active", Tree::Bool(true));
    patient.set("name", Tree::Array(names(it)));
    if !it.telephones.is_empty() {
        let telecom = |number: &String| {
            Tree::object([
                ("system", Tree::string("phone")),
                ("value", Tree::string(format!("+975{number}"))),
                ("use", Tree::string("mobile")),
            ])
        };
        patient.set("telecom", Tree::Array(it.telephones.iter().map(telecom).collect()));
    }
    patient.set("gender", Tree::string(if it.female { "female" } else { "male" }));
    if let Some(birth) = it.birth {
        patient.set("birthDate", Tree::string(birth.text()));
    }
    if let Some(home) = &it.home {
        patient.set("address", list([address(places, home)]));
    }
    if let Some(order) = it.birth_order {
        patient.set("multipleBirthInteger", Tree::number(order));
    }
    let contacts = [(&it.mother, "MTH"), (&it.father, "FTH")];
    let contacts: Vec<Tree> = contacts
        .iter()
        .filter_map(|(parent, role)| contact(parent.as_ref()?, role))
        .collect();
    if !contacts.is_empty() {
        patient.set("contact", Tree::Array(contacts));
    }
    patient
}

/// `meta` that claims one of the national profiles.
pub(crate) fn claims(profile: &str) -> Tree {
    Tree::object([("profile", list([Tree::string(format!("{PROFILE}{profile}"))]))])
}

pub(crate) fn list<const N: usize>(items: [Tree; N]) -> Tree {
    Tree::Array(items.into())
}

fn extension(name: &str, member: &str, value: Tree) -> Tree {
    Tree::object([("url", Tree::string(format!("{PROFILE}{name}"))), (member, value)])
}

fn number(system: &str, value: &str) -> Tree {
    Tree::object([("system", Tree::string(system)), ("value", Tree::string(value))])
}

fn identifiers(it: &Registration) -> Vec<Tree> {
    let citizen = it.citizen_number.iter().map(|value| number(CITIZEN, value));
    let other = it
        .identifiers
        .iter()
        .map(|i| number(&format!("{IDENTIFIER}{}", i.system), &i.value));
    citizen.chain(other).collect()
}

fn names(it: &Registration) -> Vec<Tree> {
    let strings = |parts: &[String]| Tree::Array(parts.iter().map(Tree::string).collect());
    if it.is_unnamed() {
        // As delivery rooms write it, until the name is given.
        let mother = it.mother.as_ref().map(|mother| mother.name.text());
        let text = mother.map_or_else(|| "Baby".to_owned(), |mother| format!("Baby of {mother}"));
        return vec![Tree::object([
            ("use", Tree::string("temp")),
            ("text", Tree::string(text)),
        ])];
    }
    let mut name = Tree::object([
        ("use", Tree::string("official")),
        ("text", Tree::string(it.name.text())),
    ]);
    if let Some(family) = &it.name.family {
        name.set("family", Tree::string(family));
    }
    if !it.name.given.is_empty() {
        name.set("given", strings(&it.name.given));
    }
    let mut names = vec![name];
    if let Some(parts) = &it.dzongkha {
        let language = Tree::object([("url", Tree::string(LANGUAGE)), ("valueCode", Tree::string("dz"))]);
        names.push(Tree::object([
            ("extension", list([language])),
            ("text", Tree::string(parts.join("་"))),
            ("given", strings(parts)),
        ]));
    }
    names
}

fn address(places: &Places, home: &Home) -> Tree {
    let dzongkhag = &places.dzongkhags[home.dzongkhag];
    let gewog = home.gewog.map(|at| &places.gewogs[at]);
    let place = |name: &str, code: &str| {
        let coding = Tree::object([("system", Tree::string(P_CODE)), ("code", Tree::string(code))]);
        extension(name, "valueCoding", coding)
    };
    let mut codes = vec![place("bt-dzongkhag", &dzongkhag.code)];
    codes.extend(gewog.map(|gewog| place("bt-gewog", &gewog.code)));
    codes.extend(home.chiwog.map(|at| place("bt-chiwog", &places.chiwogs[at].code)));
    let mut address = Tree::object([("extension", Tree::Array(codes)), ("use", Tree::string("home"))]);
    if let Some(house) = home.house {
        address.set("line", list([Tree::string(format!("House {}", house + 1))]));
    }
    if let Some(gewog) = gewog {
        address.set("city", Tree::string(&gewog.name));
    }
    address.set("district", Tree::string(&dzongkhag.name));
    address.set("country", Tree::string("BT"));
    address
}

fn contact(parent: &Parent, role: &str) -> Option<Tree> {
    let coding =
        |system: &str, code: &str| Tree::object([("system", Tree::string(system)), ("code", Tree::string(code))]);
    let relationship = Tree::object([("coding", list([coding(RELATION, "N"), coding(ROLE, role)]))]);
    let text = parent.name.text();
    (!text.is_empty()).then(|| {
        Tree::object([
            ("relationship", list([relationship])),
            ("name", Tree::object([("text", Tree::string(text))])),
        ])
    })
}
