//! A small model and two records, on which the tables of this room's tests are tried.

use fhir::document::Document;
use fhir::name::Name;
use fhir::parse::Limits;

use crate::context::Context;
use crate::expression::Expression;
use crate::model::{Child, Choices, Model, Sort, TypeId};
use crate::value::{Element, Item};

/// Name, base, and the members with their types; a choice lists `/`-separated types.
const TYPES: [(&str, &str, &str); 34] = [
    ("Element", "", "id:string extension:Extension"),
    ("BackboneElement", "Element", "modifierExtension:Extension"),
    (
        "Extension",
        "Element",
        "url:uri value:string/boolean/Quantity/Reference",
    ),
    ("boolean", "Element", ""),
    ("integer", "Element", ""),
    ("positiveInt", "integer", ""),
    ("decimal", "Element", ""),
    ("string", "Element", ""),
    ("code", "string", ""),
    ("id", "string", ""),
    ("uri", "Element", ""),
    ("date", "Element", ""),
    ("dateTime", "Element", ""),
    ("instant", "Element", ""),
    ("time", "Element", ""),
    ("xhtml", "Element", ""),
    ("Narrative", "Element", "status:code div:xhtml"),
    ("Meta", "Element", "lastUpdated:instant"),
    ("Period", "Element", "start:dateTime end:dateTime"),
    ("Coding", "Element", "system:uri code:code display:string"),
    ("CodeableConcept", "Element", "coding:Coding text:string"),
    ("Quantity", "Element", "value:decimal unit:string system:uri code:code"),
    ("Age", "Quantity", ""),
    ("Reference", "Element", "reference:string type:uri display:string"),
    (
        "HumanName",
        "Element",
        "use:code family:string given:string period:Period",
    ),
    ("ContactPoint", "Element", "system:code value:string rank:positiveInt"),
    ("Resource", "", "id:id meta:Meta"),
    (
        "DomainResource",
        "Resource",
        "text:Narrative contained:Resource extension:Extension",
    ),
    (
        "Patient",
        "DomainResource",
        "active:boolean name:HumanName telecom:ContactPoint birthDate:date deceased:boolean/dateTime \
         contact:Patient.contact generalPractitioner:Reference managingOrganization:Reference",
    ),
    ("Patient.contact", "BackboneElement", "name:HumanName"),
    ("Organization", "DomainResource", "name:string"),
    ("Practitioner", "DomainResource", "name:HumanName"),
    (
        "Observation",
        "DomainResource",
        "code:CodeableConcept subject:Reference value:Quantity/string/dateTime component:Observation.component",
    ),
    (
        "Observation.component",
        "BackboneElement",
        "code:CodeableConcept value:Quantity/string",
    ),
];

pub(crate) const PATIENT: &str = r##"{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"2024-03-01T10:00:00.000+06:00"},
"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Dorji</div>"},
"contained":[{"resourceType":"Organization","id":"o1","name":"Acme"}],
"extension":[{"url":"http://a","valueString":"x"},{"url":"http://b","valueBoolean":true}],
"active":true,
"name":[{"use":"official","family":"Dorji","given":["Karma","Pema"],"_given":[null,{"extension":[{"url":"http://g","valueString":"second"}]}]},
{"use":"usual","given":[null,"K\"D"],"_given":[{"id":"g0"},null]}],
"telecom":[{"system":"phone","value":"17","rank":2},{"system":"email","value":"k@d.bt","rank":1},{"system":"phone","value":"18"}],
"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://time","valueString":"14:35"}]},
"deceasedDateTime":"2015-02","contact":[{"name":{"family":"Wangmo"}}],
"generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"Organization/2"},{"reference":"#o1"},{"reference":"urn:uuid:1","type":"Practitioner"},{"display":"x"}],
"managingOrganization":{"reference":"#o1"}}"##;

const OBSERVATION: &str = r#"{"resourceType":"Observation","id":"o","code":{"coding":[{"system":"http://loinc.org","code":"29463-7"},{"code":"27113001"}],"text":"Weight"},
"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":185.0,"unit":"lbs","system":"http://unitsofmeasure.org","code":"[lb_av]"},
"component":[{"modifierExtension":[{"url":"http://m"}],"valueString":"a"},{"valueQuantity":{"value":1,"unit":"x"}}]}"#;

/// 2024-05-06T04:30:00Z
const NOW: i64 = 1_714_969_800_000_000;

type Member = (String, Choices, bool);

/// The small model.
pub(crate) struct Small {
    members: Vec<Vec<Member>>,
    /// An object with an ElementDefinition for each member, by its path.
    definitions: Document,
}

impl Small {
    pub(crate) fn new() -> Small {
        let id = |name: &str| TYPES.iter().position(|t| t.0 == name).map(|at| TypeId(at as u32));
        let member = |text: &str| {
            let (name, kinds) = text.split_once(':').expect("a member's types");
            let choice = kinds.contains('/');
            let alternative = |kind: &str| {
                let capital = kind[..1].to_uppercase() + &kind[1..];
                (
                    format!("{name}{capital}").into(),
                    id(kind).unwrap_or_else(|| panic!("{kind}")),
                )
            };
            (name.to_owned(), kinds.split('/').map(alternative).collect(), choice)
        };
        let members = TYPES.map(|(_, _, members)| members.split_whitespace().map(member).collect());
        Small {
            members: members.into(),
            definitions: definitions(),
        }
    }
}

/// An object with an ElementDefinition for each member, by its path.
fn definitions() -> Document {
    let paths = TYPES.iter().flat_map(|(kind, _, members)| {
        let names = members.split_whitespace().filter_map(|member| member.split(':').next());
        names.map(move |name| format!("{kind}.{name}"))
    });
    let members: Vec<String> = paths
        .map(|path| format!("\"{path}\":{{\"path\":\"{path}\"}}"))
        .collect();
    let text = format!("{{{}}}", members.join(","));
    Document::parse(text.as_bytes(), Limits::default()).expect("JSON")
}

impl Model for Small {
    fn type_id(&self, name: &str) -> Option<TypeId> {
        TYPES.iter().position(|t| t.0 == name).map(|at| TypeId(at as u32))
    }

    fn type_name(&self, of: TypeId) -> &str {
        TYPES[of.0 as usize].0
    }

    fn sort(&self, of: TypeId) -> Sort {
        let mut at = Some(of);
        while let Some(kind) = at {
            match self.type_name(kind) {
                "boolean" => return Sort::Boolean,
                "integer" => return Sort::Integer,
                "decimal" => return Sort::Decimal,
                "date" => return Sort::Date,
                "dateTime" | "instant" => return Sort::DateTime,
                "time" => return Sort::Time,
                "Resource" => {
                    let any = matches!(self.type_name(of), "Resource" | "DomainResource");
                    return Sort::Resource { any };
                }
                _ => at = self.base(kind),
            }
        }
        match self.type_name(of).starts_with(|c: char| c.is_ascii_lowercase()) {
            true => Sort::Text,
            false => Sort::Complex,
        }
    }

    fn base(&self, of: TypeId) -> Option<TypeId> {
        self.type_id(TYPES[of.0 as usize].1)
    }

    fn child(&self, parent: TypeId, name: &Name<&str>) -> Option<Child<'_>> {
        let own = self.members[parent.0 as usize].iter();
        let Some((_, kinds, choice)) = own.into_iter().find(|member| member.0 == name.text()) else {
            return self.child(self.base(parent)?, name);
        };
        Some(if *choice {
            Child::Choice(kinds)
        } else {
            Child::One(kinds[0].1, self.sort(kinds[0].1))
        })
    }

    fn json_child(&self, parent: TypeId, name: &Name<&str>) -> Option<(TypeId, Sort)> {
        let mut own = self.members[parent.0 as usize].iter();
        let found = own.find_map(|(plain, kinds, choice)| match choice {
            true => Some(kinds.iter().find(|(json, _)| **json == *name.text())?.1),
            false => (plain == name.text()).then(|| kinds[0].1),
        });
        match found {
            Some(kind) => Some((kind, self.sort(kind))),
            None => self.json_child(self.base(parent)?, name),
        }
    }

    fn element_definition(&self, parent: TypeId, name: Option<&str>) -> Option<Element<'_>> {
        let path = format!("{}.{}", self.type_name(parent), name?);
        let Some(node) = self.definitions.root().get(&path) else {
            return self.element_definition(self.base(parent)?, name);
        };
        Some(Element {
            node,
            sibling: None,
            kind: None,
        })
    }
}

/// An item as the tables write it.
pub(crate) fn show(model: &dyn Model, item: &Item<'_>) -> String {
    match item.system(model) {
        Item::Boolean(value) => value.to_string(),
        Item::Integer(value) => value.to_string(),
        Item::Long(value) => format!("{value}L"),
        Item::Decimal(value) => value.to_string(),
        Item::String(text) => format!("'{text}'"),
        Item::Date(date) => format!("@{date}"),
        Item::DateTime(moment) => format!("@{moment}"),
        Item::Time(time) => format!("@T{time}"),
        Item::Quantity(quantity) => quantity.to_string(),
        Item::Type(info) => format!("{}.{}", info.namespace, info.name),
        Item::Elsewhere(elsewhere) => format!("->{}", elsewhere.kind.map_or("", |kind| model.type_name(kind))),
        Item::Element(element) => match element.sibling.unwrap_or(element.node).string("id") {
            Some(id) => format!("#{id}"),
            None => element.kind.map_or("?", |kind| model.type_name(kind)).to_owned(),
        },
    }
}

/// What an expression yields on one of the records, as the tables write it.
pub(crate) fn answer(expression: &str, observation: bool, change: impl Fn(&mut Context<'_>)) -> String {
    let model = Small::new();
    let text = if observation { OBSERVATION } else { PATIENT };
    let document = Document::parse(text.as_bytes(), Limits::default()).expect("the record is JSON");
    let resource = Element::resource(&model, document.root());
    let compiled = match Expression::parse(expression) {
        Ok(compiled) => compiled,
        Err(invalid) => return format!("invalid: {invalid}"),
    };
    let mut context = Context::new(&model, resource, NOW);
    change(&mut context);
    match compiled.evaluate(&context, resource) {
        Ok(items) => items
            .iter()
            .map(|item| show(&model, item))
            .collect::<Vec<_>>()
            .join(", "),
        Err(failure) => format!("{:?}: {failure}", failure.reason()),
    }
}

/// Tries a table of expressions on the patient. An expected text that ends in a colon only says how the
/// failure begins.
pub(crate) fn check(table: &[(&str, &str)]) {
    check_on(table, false);
}

/// As [`check`], on the observation.
pub(crate) fn check_observation(table: &[(&str, &str)]) {
    check_on(table, true);
}

/// What the specification states, as a table; the page says how it is written.
#[test]
fn the_specification_holds() {
    let page = include_str!("specification.txt");
    let rows = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut wrong = Vec::new();
    let mut tried = 0;
    for row in rows {
        let (expression, expected) = row.rsplit_once("=>").expect(row);
        let found = answer(expression, false, |context| context.zone = 360);
        let fits = match expected.trim() {
            "!" => ["invalid:", "Values:"].iter().any(|failed| found.starts_with(failed)),
            expected => found.trim() == expected,
        };
        if !fits {
            wrong.push(format!("{row}\n    found {found}"));
        }
        tried += 1;
    }
    assert!(wrong.is_empty() && tried > 200, "{tried} tried\n{}", wrong.join("\n"));
}

fn check_on(table: &[(&str, &str)], observation: bool) {
    let mut wrong = Vec::new();
    for (expression, expected) in table {
        let found = answer(expression, observation, |context| context.zone = 360);
        let fits = match expected.strip_suffix(':') {
            Some(_) => found.starts_with(expected),
            None => found == *expected,
        };
        if !fits {
            wrong.push(format!("{expression}\n    expected {expected}\n    found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
