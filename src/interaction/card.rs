//! What is shown of a person who is found: a few texts of her record, kept in memory beside her particulars.
//!
//! A list under a box is drawn with each key pressed; reading ten records for it would cost far more than finding them.
//! Packed, each text is a byte for what it is, its length in two bytes, and itself.

use fhir::document::Node;
use fhir::tree::Tree;
use person::person::CITIZEN;

/// Of each kind of particular so many are shown.
const EACH_MAX: usize = 8;
/// Bytes of one text; nothing that people are called by is longer.
const TEXT_MAX: usize = 512;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Name = 1,
    Contact = 2,
    BirthDate = 3,
    Gender = 4,
    Identifier = 5,
    Telephone = 6,
    Place = 7,
    Address = 8,
}

impl Part {
    fn of(byte: u8) -> Option<Part> {
        let all = [
            Part::Name,
            Part::Contact,
            Part::BirthDate,
            Part::Gender,
            Part::Identifier,
            Part::Telephone,
            Part::Place,
            Part::Address,
        ];
        all.into_iter().find(|part| *part as u8 == byte)
    }
}

/// What is shown of a person.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Card<'a> {
    /// Her names as they are written, those that count now first.
    pub names: Vec<&'a str>,
    /// The names of her contacts.
    pub contacts: Vec<&'a str>,
    /// Her date of birth.
    pub birth_date: Option<&'a str>,
    gender: Option<&'a str>,
    /// The values of her identifiers, citizen numbers first.
    pub identifiers: Vec<&'a str>,
    /// Her telephone numbers as they are written.
    pub telephones: Vec<&'a str>,
    /// The texts of her addresses that may name a place.
    pub places: Vec<&'a str>,
    /// The first address on one line.
    address: Option<&'a str>,
}

impl<'a> Card<'a> {
    /// Reads what [`packed`] wrote; whatever follows what cannot be read is left out.
    pub fn read(packed: &'a [u8]) -> Card<'a> {
        let (mut card, mut rest) = (Card::default(), packed);
        while let Some((part, text, after)) = next(rest) {
            rest = after;
            match part {
                Part::Name => card.names.push(text),
                Part::Contact => card.contacts.push(text),
                Part::BirthDate => card.birth_date = Some(text),
                Part::Gender => card.gender = Some(text),
                Part::Identifier => card.identifiers.push(text),
                Part::Telephone => card.telephones.push(text),
                Part::Place => card.places.push(text),
                Part::Address => card.address = Some(text),
            }
        }
        card
    }

    /// Adds to a result what tells the person to whoever looks at it.
    pub fn summary(&self, result: &mut Tree) {
        let facts = [
            ("name", self.names.first().copied()),
            ("birthDate", self.birth_date),
            ("gender", self.gender),
            ("identifier", self.identifiers.first().copied()),
            ("telephone", self.telephones.first().copied()),
            ("address", self.address),
        ];
        for (name, text) in facts {
            text.into_iter().for_each(|text| result.set(name, Tree::string(text)));
        }
    }
}

fn next(bytes: &[u8]) -> Option<(Part, &str, &[u8])> {
    let (head, rest) = bytes.split_at_checked(3)?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([head[1], head[2]])))?;
    Some((Part::of(head[0])?, std::str::from_utf8(text).ok()?, rest))
}

/// The card of a Patient, packed.
pub(crate) fn packed(patient: Node<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let mut add = |part: Part, text: &str| {
        let text = &text[..text.floor_char_boundary(TEXT_MAX)];
        out.push(part as u8);
        out.extend_from_slice(&(text.len() as u16).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    names(patient).iter().for_each(|name| add(Part::Name, name));
    let contacts = each(patient, "contact").filter_map(|contact| written(contact.get("name")?));
    contacts.for_each(|name| add(Part::Contact, &name));
    for (part, element) in [(Part::BirthDate, "birthDate"), (Part::Gender, "gender")] {
        patient.string(element).iter().for_each(|text| add(part, text));
    }
    identifiers(patient)
        .iter()
        .for_each(|value| add(Part::Identifier, value));
    let phones = each(patient, "telecom");
    let phones = phones.filter(|telecom| matches!(telecom.string("system").as_deref(), Some("phone" | "sms")));
    let phones = phones.filter_map(|telecom| telecom.string("value"));
    phones.for_each(|value| add(Part::Telephone, &value));
    for address in each(patient, "address") {
        let texts = ["city", "district", "state", "text"]
            .iter()
            .filter_map(|name| address.string(name));
        texts.for_each(|text| add(Part::Place, &text));
    }
    each(patient, "address")
        .next()
        .and_then(line)
        .iter()
        .for_each(|text| add(Part::Address, text));
    out
}

fn each<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let list = node.get(name);
    list.into_iter().flat_map(|list| list.each()).take(EACH_MAX)
}

fn names(patient: Node<'_>) -> Vec<String> {
    let mut names: Vec<Node<'_>> = each(patient, "name").collect();
    names.sort_by_key(|name| match name.string("use").as_deref() {
        Some("official") | None => 0,
        Some("old") => 2,
        _ => 1,
    });
    names.into_iter().filter_map(written).collect()
}

fn identifiers(patient: Node<'_>) -> Vec<String> {
    let mut identifiers: Vec<Node<'_>> = each(patient, "identifier").collect();
    identifiers.sort_by_key(|identifier| identifier.string("system").as_deref() != Some(CITIZEN));
    let values = identifiers
        .into_iter()
        .filter_map(|identifier| identifier.string("value"));
    values.map(|value| value.into_owned()).collect()
}

/// An address on one line.
fn line(address: Node<'_>) -> Option<String> {
    let lines = address.get("line").into_iter().flat_map(|lines| lines.each());
    let mut parts: Vec<String> = lines.filter_map(|line| Some(line.as_str()?.into_owned())).collect();
    let places = ["city", "district"]
        .iter()
        .filter_map(|name| Some(address.string(name)?.into_owned()));
    parts.extend(places);
    match parts.is_empty() {
        true => address.string("text").map(|text| text.into_owned()),
        false => Some(parts.join(", ")),
    }
}

/// A HumanName as it is written: its text, or its parts.
fn written(name: Node<'_>) -> Option<String> {
    if let Some(text) = name.string("text") {
        return Some(text.into_owned());
    }
    let given = name.get("given").into_iter().flat_map(|given| given.each());
    let parts: Vec<String> = given
        .chain(name.get("family"))
        .filter_map(|part| Some(part.as_str()?.into_owned()))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use super::*;

    fn card_of(json: &str) -> Vec<u8> {
        packed(Document::parse(json.as_bytes(), Limits::default()).unwrap().root())
    }

    #[test]
    fn a_card_has_what_tells_a_person() {
        let packed = card_of(
            r#"{"resourceType":"Patient","gender":"male","birthDate":"1987-04-09",
            "name":[{"use":"old","text":"Karma"},{"given":["Sonam"],"family":"Dorji"}],
            "identifier":[{"system":"http://a.bt/book","value":"HB-1"},{"system":"http://id.gov.bt/citizen","value":"11404000581"}],
            "telecom":[{"system":"email","value":"a@b.bt"},{"system":"phone","value":"+975 17"}],
            "contact":[{"name":{"text":"Pema"}},{"gender":"female"}],
            "address":[{"line":["House 3"],"city":"Chang","district":"Thimphu"},{"text":"Paro"}]}"#,
        );
        let expected = Card {
            names: vec!["Sonam Dorji", "Karma"],
            contacts: vec!["Pema"],
            birth_date: Some("1987-04-09"),
            gender: Some("male"),
            identifiers: vec!["11404000581", "HB-1"],
            telephones: vec!["+975 17"],
            places: vec!["Chang", "Thimphu", "Paro"],
            address: Some("House 3, Chang, Thimphu"),
        };
        assert_eq!(Card::read(&packed), expected);
        for cut in 0..packed.len() {
            assert!(Card::read(&packed[..cut]).names.len() <= 2);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let packed = card_of(&format!(r#"{{"name":[{{"text":"{}"}}]}}"#, "ཚ".repeat(1_000)));
        assert_eq!(Card::read(&packed).names[0].chars().count(), TEXT_MAX / 3);
    }
}
