//! The particulars of a person that tell her from others, and how a Patient is read for them.

use fhir::document::Node;
use query::fold;
use text::Spellings;

use crate::birth::Birth;
use crate::places::Place;

/// The identifier system of the citizen number.
pub const CITIZEN: &str = "http://id.gov.bt/citizen";
const EXTENSIONS: &str = "http://fhir.moh.gov.bt/StructureDefinition/";
/// Of each kind of particular so many are looked at: whoever has more is told by those.
const EACH_MAX: usize = 8;
/// Digits of a citizen number.
pub const CITIZEN_DIGITS: usize = 11;
/// Digits of a telephone number that count: without the country's code.
pub const TELEPHONE_DIGITS: usize = 8;

/// The tokens of one name, in no order, each as it counts.
pub type Name<T = String> = Vec<T>;

/// What is known of the sex.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sex {
    /// Nothing.
    #[default]
    Unknown,
    /// Female.
    Female,
    /// Male.
    Male,
    /// Other.
    Other,
}

/// A number of some system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identifier<T = String> {
    /// The system's address; empty where none is named.
    pub system: T,
    /// The number, without spaces.
    pub value: T,
}

/// The particulars of a person; her texts are her own, or lent by the register that has her.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person<T = String> {
    /// Her names: one, or several where she has changed it or it is written in two scripts.
    pub names: Vec<Name<T>>,
    /// The date of birth.
    pub birth: Option<Birth>,
    /// The sex.
    pub sex: Sex,
    /// The citizen number, as digits.
    pub citizen: Option<u64>,
    /// Other numbers.
    pub identifiers: Vec<Identifier<T>>,
    /// The number the mother is known by.
    pub mother: Option<Identifier<T>>,
    /// The names of mother and father.
    pub parents: [Name<T>; 2],
    /// Telephone numbers, as their last eight digits.
    pub telephones: Vec<u64>,
    /// Where she lives.
    pub place: Place,
    /// Which of twins or more, from 1; 0 where it is not said.
    pub birth_order: u32,
}

impl Person {
    /// Reads a Patient, spellings of names by the table; whatever it lacks is not known, whatever cannot be read is passed
    /// over.
    pub fn read(patient: Node<'_>, names: &Spellings) -> Person {
        let mut person = Person {
            birth: patient.string("birthDate").and_then(|text| Birth::read(&text)),
            sex: match patient.string("gender").as_deref() {
                Some("female") => Sex::Female,
                Some("male") => Sex::Male,
                Some("other") => Sex::Other,
                _ => Sex::Unknown,
            },
            birth_order: patient.get("multipleBirthInteger").and_then(number).unwrap_or(0),
            ..Person::default()
        };
        each(patient, "extension").for_each(|extension| person.read_extension(extension));
        // A number that counts no more, as of a record that was merged into this one, is not the one she has.
        let is_old = |identifier: &Node<'_>| identifier.string("use").is_some_and(|code| code == "old");
        let (old, own): (Vec<Node<'_>>, Vec<Node<'_>>) = each(patient, "identifier").partition(is_old);
        own.into_iter()
            .chain(old)
            .for_each(|identifier| person.read_identifier(identifier));
        each(patient, "contact").for_each(|contact| person.read_contact(contact, names));
        each(patient, "name").for_each(|name| person.read_name(name, names));
        each(patient, "telecom").for_each(|telecom| person.read_telecom(telecom));
        person.place = home(patient);
        person
    }

    /// Whether nothing is known that could tell her from anybody.
    pub fn is_unknown(&self) -> bool {
        let numbers = self.citizen.is_some() || !self.identifiers.is_empty() || !self.telephones.is_empty();
        self.names.is_empty() && self.birth.is_none() && !numbers && self.mother.is_none()
    }

    /// Whether a number of hers is one of another's: the citizen number, one of the same system, a telephone.
    pub(crate) fn shares_number(&self, other: &Person) -> bool {
        let citizen = self.citizen.is_some() && self.citizen == other.citizen;
        let identifier = self.identifiers.iter().any(|own| other.identifiers.contains(own));
        citizen || identifier || self.telephones.iter().any(|own| other.telephones.contains(own))
    }

    /// Takes in what another record of the same person has more: names, numbers, telephones, and what is not known of her.
    pub fn join(&mut self, other: &Person) {
        for name in &other.names {
            if !self.names.iter().any(|known| same_tokens(known, name)) {
                self.names.push(name.clone());
            }
        }
        other.citizen.iter().for_each(|number| self.add_citizen(*number));
        for identifier in &other.identifiers {
            self.add_identifier(identifier.clone());
        }
        for telephone in &other.telephones {
            if !self.telephones.contains(telephone) {
                self.telephones.push(*telephone);
            }
        }
        self.birth = self.birth.or(other.birth);
        if self.sex == Sex::Unknown {
            self.sex = other.sex;
        }
        if self.place.is_unknown() {
            self.place = other.place;
        }
    }

    fn read_extension(&mut self, extension: Node<'_>) {
        let url = extension.string("url").unwrap_or_default();
        if url.strip_prefix(EXTENSIONS) == Some("bt-mother-identifier") {
            self.mother = extension.get("valueIdentifier").and_then(read_identifier);
        }
    }

    fn read_identifier(&mut self, node: Node<'_>) {
        let Some(identifier) = read_identifier(node) else {
            return;
        };
        if identifier.system != CITIZEN {
            self.add_identifier(identifier);
        } else if let Some(number) = citizen(&identifier.value) {
            self.add_citizen(number);
        }
    }

    /// Adds a citizen number: the first is hers, and she is found by the others.
    fn add_citizen(&mut self, number: u64) {
        if *self.citizen.get_or_insert(number) != number {
            self.add_identifier(Identifier {
                system: CITIZEN.to_owned(),
                value: format!("{number:011}"),
            });
        }
    }

    fn add_identifier(&mut self, identifier: Identifier) {
        if !self.identifiers.contains(&identifier) {
            self.identifiers.push(identifier);
        }
    }

    fn read_contact(&mut self, contact: Node<'_>, names: &Spellings) {
        let codings = each(contact, "relationship").flat_map(|relationship| each(relationship, "coding"));
        let mut codes = codings.filter_map(|coding| coding.string("code"));
        let at = codes.find_map(|code| match &*code {
            "MTH" | "NMTH" => Some(0),
            "FTH" | "NFTH" => Some(1),
            _ => None,
        });
        if let (Some(at), Some(name)) = (at, contact.get("name")) {
            self.parents[at] = tokens(name, names);
        }
    }

    fn read_name(&mut self, name: Node<'_>, names: &Spellings) {
        let mut tokens = tokens(name, names);
        if is_newborn(name) {
            // "Baby of Pema Lhamo", "B/O Pema Lhamo": the name is the mother's.
            tokens.retain(|token| token.len() > 1);
            if self.parents[0].is_empty() {
                self.parents[0] = tokens;
            }
        } else if tokens.is_empty() {
            // It says nothing.
        } else if !self.names.iter().any(|known| same_tokens(known, &tokens)) {
            self.names.push(tokens);
        }
    }

    fn read_telecom(&mut self, telecom: Node<'_>) {
        if !matches!(telecom.string("system").as_deref(), Some("phone" | "sms")) {
            return;
        }
        let telephone = telecom.string("value").and_then(|value| telephone(&value));
        if let Some(telephone) = telephone
            && !self.telephones.contains(&telephone)
        {
            self.telephones.push(telephone);
        }
    }
}

impl Person<&str> {
    /// She, with texts of her own.
    pub(crate) fn to_own(&self) -> Person {
        let name = |name: &Name<&str>| name.iter().map(|token| (*token).to_owned()).collect::<Name>();
        let identifier = |it: &Identifier<&str>| Identifier {
            system: it.system.to_owned(),
            value: it.value.to_owned(),
        };
        Person {
            names: self.names.iter().map(name).collect(),
            birth: self.birth,
            sex: self.sex,
            citizen: self.citizen,
            identifiers: self.identifiers.iter().map(identifier).collect(),
            mother: self.mother.as_ref().map(identifier),
            parents: self.parents.each_ref().map(name),
            telephones: self.telephones.clone(),
            place: self.place,
            birth_order: self.birth_order,
        }
    }
}

/// A citizen number as digits; `None` where it is none.
pub fn citizen(value: &str) -> Option<u64> {
    let digits: String = value.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    (digits.len() == CITIZEN_DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// A telephone number as its last eight digits; `None` where it has fewer than six.
pub fn telephone(value: &str) -> Option<u64> {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let from = digits.len().saturating_sub(TELEPHONE_DIGITS);
    (digits.len() >= 6).then(|| digits[from..].parse().ok())?
}

/// Whether two names have the same tokens, in whatever order.
pub(crate) fn same_tokens<A: AsRef<str>, B: AsRef<str>>(a: &[A], b: &[B]) -> bool {
    let has = |token: &A| b.iter().any(|other| other.as_ref() == token.as_ref());
    a.len() == b.len() && a.iter().all(has)
}

fn each<'a>(node: Node<'a>, name: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let list = node.get(name);
    list.into_iter().flat_map(|list| list.each()).take(EACH_MAX)
}

fn number(node: Node<'_>) -> Option<u32> {
    node.as_number()?.parse().ok()
}

fn read_identifier(node: Node<'_>) -> Option<Identifier> {
    let value: String = node.string("value")?.chars().filter(|c| !c.is_whitespace()).collect();
    let system = node.string("system").unwrap_or_default().into_owned();
    (!value.is_empty()).then_some(Identifier { system, value })
}

/// Where a Patient lives: the first of her addresses that is known; an unknown place where none is.
pub fn home(patient: Node<'_>) -> Place {
    let mut places = each(patient, "address")
        .map(read_address)
        .filter(|place| !place.is_unknown());
    places.next().unwrap_or_default()
}

/// The tokens of a HumanName: of its parts, or where it has none of its text.
fn tokens(name: Node<'_>, names: &Spellings) -> Name {
    let parts = each(name, "given").chain(each(name, "family"));
    let parts: Vec<_> = parts.filter_map(|part| part.as_str()).collect();
    let text = match parts.is_empty() {
        true => name.string("text").unwrap_or_default().into_owned(),
        false => parts.join(" "),
    };
    names.tokens(&text)
}

/// Whether a name stands for a child that has none yet.
fn is_newborn(name: Node<'_>) -> bool {
    let text = name.string("text").or_else(|| each(name, "given").next()?.as_str());
    let text = fold(&text.unwrap_or_default()).into_owned();
    let first = text.split(' ').next().unwrap_or_default();
    matches!(first, "baby" | "infant" | "newborn" | "child" | "bo") || text.starts_with("b o ")
}

fn read_address(address: Node<'_>) -> Place {
    let codes = each(address, "extension").filter_map(|extension| {
        let url = extension.string("url")?;
        let name = url.strip_prefix(EXTENSIONS)?;
        let code = extension.get("valueCoding")?.string("code")?;
        matches!(name, "bt-dzongkhag" | "bt-gewog" | "bt-chiwog").then(|| Place::of_code(&code))?
    });
    let finest = codes.max_by_key(|place| (place.chiwog, place.gewog));
    let text = |name: &str| address.string(name).unwrap_or_default();
    let mut place = finest
        .or_else(|| Place::of_names(&text("district"), &text("city")))
        .unwrap_or_default();
    let line = each(address, "line").next().and_then(|line| line.as_str());
    let line = line.map(|line| fold(&line).into_owned()).unwrap_or_default();
    if place.gewog > 0 && line.bytes().any(|b| b.is_ascii_digit()) {
        let within = place.chiwog.max(place.gewog);
        place.house = crate::keys::hash("house", &[&within.to_string(), &line]) & 0xffff_ffff;
    }
    place
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use super::*;

    fn read(json: &str) -> Person {
        let document = Document::parse(json.as_bytes(), Limits::default()).unwrap();
        Person::read(document.root(), &text::Analysis::built_in().names)
    }

    #[test]
    fn a_patient_is_read_for_what_tells_her_apart() {
        let person = read(
            r#"{"resourceType":"Patient","birthDate":"1987-04-09","gender":"female","multipleBirthInteger":2,
            "extension":[{"url":"http://fhir.moh.gov.bt/StructureDefinition/bt-mother-identifier",
                "valueIdentifier":{"system":"http://id.gov.bt/citizen","value":"11404000002"}}],
            "identifier":[{"system":"http://id.gov.bt/citizen","value":"1-14-04-000581"},{"system":"x","value":" A 1"}],
            "name":[{"given":["Sonam","Dorjee"]},{"text":"བསོད་ནམས་རྡོ་རྗེ"},{"family":"Rai","given":["Maya"]}],
            "telecom":[{"system":"phone","value":"+975 17 12 34 56"},{"system":"email","value":"17999999"}],
            "address":[{"district":"Bumthang","city":"Tang","line":["House 7"]}],
            "contact":[{"relationship":[{"coding":[{"code":"N"},{"code":"MTH"}]}],"name":{"text":"Pema Lhamo"}}]}"#,
        );
        assert_eq!(person.names, [vec!["sonam", "dorji"], vec!["maya", "rai"]]);
        assert_eq!(
            (person.citizen, person.telephones, person.birth_order),
            (Some(11_404_000_581), vec![17_123_456], 2)
        );
        assert_eq!(
            person.identifiers,
            [Identifier {
                system: "x".into(),
                value: "A1".into()
            }]
        );
        assert_eq!(person.mother.unwrap().value, "11404000002");
        assert_eq!(person.parents, [vec!["pema", "lhamo"], vec![]]);
        assert!(person.place.gewog == 103 && person.place.house > 0 && person.sex == Sex::Female);
    }

    #[test]
    fn who_has_two_citizen_numbers_has_the_one_that_counts_and_is_found_by_both() {
        let number = |value: &str, code: &str| {
            format!(r#"{{"system":"http://id.gov.bt/citizen","value":"{value}","use":"{code}"}}"#)
        };
        let (old, own) = (number("10101000001", "old"), number("11404000581", "official"));
        let other = Identifier {
            system: CITIZEN.to_owned(),
            value: "10101000001".to_owned(),
        };
        for both in [format!("{old},{own}"), format!("{own},{old}")] {
            let person = read(&format!(r#"{{"identifier":[{both}]}}"#));
            assert_eq!(
                (person.citizen, person.identifiers),
                (Some(11_404_000_581), vec![other.clone()])
            );
        }
        let mut joined = read(&format!(
            r#"{{"identifier":[{own}],"name":[{{"text":"Sonam Dorji"}}],"gender":"male"}}"#
        ));
        joined.join(&read(&format!(
            r#"{{"identifier":[{old}],"name":[{{"text":"Dorjee Soenam"}},{{"text":"Karma"}}],"gender":"female","birthDate":"1987"}}"#
        )));
        assert_eq!(
            (joined.citizen, &joined.identifiers[..]),
            (Some(11_404_000_581), &[other][..])
        );
        assert_eq!(joined.names, [vec!["sonam", "dorji"], vec!["karma"]]);
        assert_eq!((joined.sex, joined.birth), (Sex::Male, Birth::read("1987")));
    }

    #[test]
    fn newborns_have_their_mother_s_name_and_none_of_their_own() {
        for name in ["Baby of Pema Lhamo", "B/O Pema Lhamo", "baby Pema Lhamo"] {
            let person = read(&format!(r#"{{"name":[{{"use":"temp","text":"{name}"}}]}}"#));
            assert!(person.names.is_empty(), "{name}");
            assert_eq!(person.parents[0], ["pema", "lhamo"], "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_passed_over() {
        let person = read(
            r#"{"name":[{"text":" "},{}],"identifier":[{"system":"http://id.gov.bt/citizen","value":"12"},{"value":""}],
            "telecom":[{"system":"phone","value":"12"}],"birthDate":"soon","gender":5,"address":[{"text":"there"}],
            "extension":[{"url":"http://fhir.moh.gov.bt/StructureDefinition/bt-mother-identifier"}]}"#,
        );
        assert!(person.is_unknown() && person.place.is_unknown());
    }
}
