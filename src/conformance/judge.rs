//! Says whether a record has the structure its definition gives it: all issues at once, in one walk.
//!
//! Judged are the names, the JSON shapes, how often elements occur, the formats of primitives, choices, the `_name`
//! halves of primitives, resources within resources and extensions (<https://hl7.org/fhir/R4/json.html>), and where it is
//! asked for, the codes of required bindings. Not judged are other bindings, invariants, profiles, and what references, codes and extensions point to. A record that conforms costs no
//! allocation, unless its strings carry escapes.

use fhir::document::{Node, Shape};
use fhir::identity::Kind;
use fhir::name::Name;
use fhir::outcome::{Code, Issue};
use fhirpath::model::TypeId;

use crate::codes::RequiredCodes;
use crate::definitions::{Definitions, Sort};
use crate::members::{Member, Role};
use crate::place::{Place, quoted};
use crate::primitive::{Fault, Primitive};

/// Issues reported at most; one more says that there are others.
pub const ISSUES_MAX: usize = 100;

/// Judges a record of a kind. Nothing is returned for one that conforms; every issue is an error, with its place as
/// FHIRPath: `Patient.name[0].given[1]`; of what is missing or unknown, that of what should or does hold it. At most [`ISSUES_MAX`] issues and a remark that there are more.
pub fn judge(definitions: &Definitions, kind: &Kind, root: Node<'_>) -> Vec<Issue> {
    judged(definitions, None, kind, root)
}

/// As [`judge`], and by the codes that R4's required bindings allow.
pub fn judge_with_codes(definitions: &Definitions, codes: &RequiredCodes, kind: &Kind, root: Node<'_>) -> Vec<Issue> {
    judged(definitions, Some(codes), kind, root)
}

fn judged(definitions: &Definitions, codes: Option<&RequiredCodes>, kind: &Kind, root: Node<'_>) -> Vec<Issue> {
    let mut judge = Judge {
        definitions,
        codes,
        issues: Vec::new(),
    };
    judge.root(kind.as_str(), root);
    judge.issues
}

struct Judge<'d> {
    definitions: &'d Definitions,
    codes: Option<&'d RequiredCodes>,
    issues: Vec<Issue>,
}

/// The object under judgement.
#[derive(Clone, Copy)]
struct Holder<'p> {
    kind: TypeId,
    node: Node<'p>,
    place: &'p Place<'p>,
    /// Whether it is a resource.
    resource: bool,
    /// Whether it is a contained resource.
    contained: bool,
}

impl Judge<'_> {
    fn root(&mut self, kind: &str, root: Node<'_>) {
        let place = Place::Root(kind);
        match root.string("resourceType") {
            Some(name) if name != kind && self.definitions.is_resource(&name) => {
                let text = format!("`resourceType` says {name}, but a {kind} is expected.");
                self.report(Code::Structure, &place, text);
            }
            _ => self.resource(root, &place, false),
        }
    }

    fn resource(&mut self, node: Node<'_>, place: &Place<'_>, contained: bool) {
        if !node.is_object() {
            let text = format!("A resource is expected, a JSON object; here stands {}.", describe(node));
            return self.report(Code::Structure, place, text);
        }
        let Some(name) = node.string("resourceType") else {
            let text = "`resourceType` is missing; it must name the resource's type.";
            return self.report(Code::Structure, place, text.into());
        };
        let resource = self.definitions.is_resource(&name);
        let Some(kind) = self.definitions.named.get(&*name).filter(|_| resource) else {
            let text = format!("{} is no resource type of FHIR R4.", quoted(&name));
            return self.report(Code::Structure, place, text);
        };
        self.object(&Holder {
            kind: *kind,
            node,
            place,
            resource: true,
            contained,
        });
    }

    fn object(&mut self, holder: &Holder<'_>) {
        if self.issues.len() > ISSUES_MAX {
            return;
        }
        let (mut seen, mut empty) = (0, true);
        for key in holder.node.keys() {
            empty = false;
            seen |= self.member(holder, seen, key.name(&key.text()), key.value());
        }
        if empty {
            let text = "An object must not be empty; leave the element out.";
            return self.report(Code::Structure, holder.place, text.into());
        }
        let missing = self.definitions.types[holder.kind.0 as usize].required & !seen;
        if missing != 0 {
            self.missing(holder, missing);
        }
        if holder.kind == self.definitions.landmarks.extension {
            self.extension(holder, seen);
        }
    }

    /// Judges one member and gives the bit of its element.
    fn member(&mut self, holder: &Holder<'_>, seen: u128, key: Name<&str>, value: Node<'_>) -> u128 {
        if holder.resource && key.text() == "resourceType" {
            return 0;
        }
        let (named, half) = match key.text().strip_prefix('_') {
            Some(name) => (Name::of(name), true),
            None => (key, false),
        };
        let (key, name) = (key.text(), named.text());
        let definitions = self.definitions;
        let member = match definitions.named_member(holder.kind, &named) {
            Some(member) if member.role != Role::Bare => member,
            _ => {
                self.unknown(holder, key, name);
                return 0;
            }
        };
        let bit = 1 << member.bit;
        let place = match member.role {
            Role::Typed => {
                let kind = definitions.types[member.kind.0 as usize].name;
                Place::Choice(holder.place, &definitions.elements[member.element as usize], kind)
            }
            _ => Place::Member(holder.place, name),
        };
        if member.role == Role::Typed && seen & bit != 0 {
            self.one_choice(holder, name, member, &place);
        }
        if half {
            self.other_half(holder, name, member, value, &place);
        } else if member.list {
            self.list(holder, name, member, value, &place);
        } else if value.is_array() {
            let text = format!("`{name}` occurs at most once, so it must not be an array.");
            self.report(Code::Structure, holder.place, text);
        } else {
            self.value(member, value, &place, false);
        }
        bit
    }

    fn list(&mut self, holder: &Holder<'_>, name: &str, member: &Member, value: Node<'_>, place: &Place<'_>) {
        if !value.is_array() {
            let text = format!("`{name}` can occur several times, so it must be an array, also around a single value.");
            return self.report(Code::Structure, place, text);
        }
        let contained = name == "contained" && holder.resource;
        if contained && holder.contained {
            let text = "A contained resource must not contain others; put them beside it.";
            return self.report(Code::Structure, place, text.into());
        }
        let (mut empty, mut has_half) = (true, None);
        for (at, item) in value.items().enumerate() {
            empty = false;
            let place = Place::Item(place, at);
            let null = item.is_null() && matches!(member.sort, Sort::Primitive(_));
            // That the other half has an object at the same place is judged with that half.
            if !null {
                self.value(member, item, &place, contained);
            } else if !*has_half.get_or_insert_with(|| half_of(holder.node, name).is_some_and(|half| half.is_array())) {
                let text = format!("null stands only where the array `_{name}` has an object at the same place.");
                self.report(Code::Structure, &place, text);
            }
        }
        if empty {
            let text = format!("An array must not be empty; leave `{name}` out.");
            self.report(Code::Structure, place, text);
        }
    }

    /// Judges one value that is no array.
    fn value(&mut self, member: &Member, value: Node<'_>, place: &Place<'_>, contained: bool) {
        match member.sort {
            Sort::Primitive(primitive) => match primitive.check(value) {
                Ok(()) if primitive == Primitive::Code => self.code(member, value, place),
                Ok(()) => {}
                Err(fault) => self.format(primitive, fault, value, place),
            },
            Sort::Complex => {
                self.complex(member.kind, value, place);
                if value.is_object() {
                    self.code(member, value, place);
                }
            }
            Sort::AnyResource | Sort::Resource => self.resource(value, place, contained),
        }
    }

    /// Judges a code, a Coding or a CodeableConcept by the required binding of its element.
    fn code(&mut self, member: &Member, value: Node<'_>, place: &Place<'_>) {
        let Some(bound) = self.codes.and_then(|codes| codes.of(member.element)) else {
            return;
        };
        let allowed = match value.as_str() {
            Some(code) => bound.allows(None, &code),
            None => bound.allows_one(value),
        };
        if !allowed {
            let shown = quoted(&value.as_str().unwrap_or_else(|| value.text().into()));
            let text = format!("{shown} must be a code of the value set {}.", bound.address());
            self.report(Code::CodeInvalid, place, text);
        }
    }

    fn complex(&mut self, kind: TypeId, value: Node<'_>, place: &Place<'_>) {
        if value.is_object() {
            return self.object(&Holder {
                kind,
                node: value,
                place,
                resource: false,
                contained: false,
            });
        }
        let name = self.definitions.types[kind.0 as usize].name;
        let text = format!("A JSON object ({name}) is expected; here stands {}.", describe(value));
        self.report(Code::Structure, place, text);
    }

    /// Judges `_name`: the id and extensions of the primitive in `name`.
    fn other_half(&mut self, holder: &Holder<'_>, name: &str, member: &Member, half: Node<'_>, place: &Place<'_>) {
        if !matches!(member.sort, Sort::Primitive(_)) {
            let text = format!("`_{name}` cannot be: only primitives have their id and extensions beside them.");
            return self.report(Code::Structure, place, text);
        }
        let element = self.definitions.landmarks.element;
        if half.is_array() != member.list {
            let expected = if member.list { "an array" } else { "an object" };
            let text = format!(
                "`_{name}` must be {expected}, as `{name}` asks for; here stands {}.",
                describe(half)
            );
            return self.report(Code::Structure, place, text);
        }
        if !member.list {
            return self.complex(element, half, place);
        }
        let partner = holder.node.get(name).filter(Node::is_array);
        let mut values = partner.iter().flat_map(Node::items);
        let (mut aligned, mut empty) = (true, true);
        for (at, item) in half.items().enumerate() {
            empty = false;
            let value = values.next();
            aligned &= value.is_some() || partner.is_none();
            let place = Place::Item(place, at);
            if !item.is_null() {
                self.complex(element, item, &place);
            } else if aligned && value.is_none_or(|value| value.is_null()) {
                let text = format!("Both `{name}` and `_{name}` have nothing at this place; leave it out.");
                self.report(Code::Structure, &place, text);
            }
        }
        if empty || !aligned || values.next().is_some() {
            let text = format!("`{name}` and `_{name}` must be arrays of the same length, filled up with null.");
            self.report(Code::Structure, place, text);
        }
    }

    /// A second member of a choice is fine only where it is the other half of the first.
    fn one_choice(&mut self, holder: &Holder<'_>, name: &str, member: &Member, place: &Place<'_>) {
        let bare = |key: &str| key.strip_prefix('_').unwrap_or(key).to_owned();
        let of_choice = |key: &String| {
            let found = self.definitions.member(holder.kind, key);
            found.is_some_and(|other| other.element == member.element && other.role == Role::Typed)
        };
        let first = holder.node.members().map(|(key, _)| bare(&key)).find(of_choice);
        if let Some(first) = first.filter(|first| first != name) {
            let text = format!("Of a choice there can be only one: here are `{first}` and `{name}`.");
            self.report(Code::Structure, place, text);
        }
    }

    fn extension(&mut self, holder: &Holder<'_>, seen: u128) {
        let landmarks = &self.definitions.landmarks;
        let (value, extensions) = (seen & landmarks.value != 0, seen & landmarks.extensions != 0);
        if value && extensions {
            let text = "An extension has either a value or extensions of its own; this one has both.";
            self.report(Code::Invariant, holder.place, text.into());
        } else if !value && !extensions {
            let text = "An extension must have either a value or extensions of its own; this one has neither.";
            self.report(Code::Required, holder.place, text.into());
        }
    }

    fn missing(&mut self, holder: &Holder<'_>, missing: u128) {
        let definitions = self.definitions;
        let kind = &definitions.types[holder.kind.0 as usize];
        for (bit, place) in kind.elements.iter().enumerate() {
            if missing & 1 << bit == 0 {
                continue;
            }
            let element = &definitions.elements[*place as usize];
            let text = match element.choices.first() {
                None => format!("`{}` is missing; {} must have it.", element.name(), kind.name),
                Some((example, _)) => {
                    let name = element.name();
                    format!(
                        "`{name}[x]` is missing, such as `{example}`; {} must have one.",
                        kind.name
                    )
                }
            };
            self.report(Code::Required, holder.place, text);
        }
    }

    fn unknown(&mut self, holder: &Holder<'_>, key: &str, name: &str) {
        let definitions = self.definitions;
        let kind = definitions.types[holder.kind.0 as usize].name;
        let text = match definitions.member(holder.kind, name) {
            Some(member) => {
                let choices = &definitions.elements[member.element as usize].choices;
                let (example, _) = &choices[0];
                format!(
                    "{} carries its type in its name in JSON, as in `{example}`.",
                    quoted(key)
                )
            }
            None => format!("{} is no element of {kind}.", quoted(key)),
        };
        self.report(Code::Structure, holder.place, text);
    }

    fn format(&mut self, primitive: Primitive, fault: Fault, value: Node<'_>, place: &Place<'_>) {
        let expected = primitive.expected();
        let (code, text) = match fault {
            Fault::Shape => {
                let text = format!("Expected is {expected}; here stands {}.", describe(value));
                (Code::Structure, text)
            }
            Fault::Empty => {
                let text = "A string must not be empty; leave the element out.";
                (Code::Value, text.to_owned())
            }
            Fault::Long => (
                Code::TooLong,
                format!("The string is too long; expected is {expected}."),
            ),
            Fault::Format => {
                let shown = quoted(&value.scalar().unwrap_or_default());
                (Code::Value, format!("{shown} does not fit; expected is {expected}."))
            }
        };
        self.report(code, place, text);
    }

    fn report(&mut self, code: Code, place: &Place<'_>, text: String) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(code, text).at(place.path()));
        } else if self.issues.len() == ISSUES_MAX {
            let text = format!("There are more issues; these are the first {ISSUES_MAX}.");
            self.issues.push(Issue::information(Code::TooCostly, text));
        }
    }
}

/// The value of `_name`.
fn half_of<'a>(object: Node<'a>, name: &str) -> Option<Node<'a>> {
    let mut members = object.members();
    let half = members.find(|(key, _)| key.strip_prefix('_') == Some(name));
    half.map(|(_, value)| value)
}

fn describe(value: Node<'_>) -> &'static str {
    match value.shape() {
        Shape::Null => "null",
        Shape::Bool => "a boolean",
        Shape::Number => "a number",
        Shape::Plain | Shape::Escaped => "a string",
        Shape::Array => "an array",
        Shape::Object => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::document::Document;
    use fhir::outcome::Severity;
    use fhir::parse::Limits;

    fn judged(text: &str) -> Vec<Issue> {
        let document = Document::parse(text.as_bytes(), Limits::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
        let kind = document
            .root()
            .string("resourceType")
            .unwrap_or_else(|| "Patient".into());
        judge(&Definitions::r4(), &Kind::new(&kind).unwrap(), document.root())
    }

    /// Short forms keep the table readable: `P` and `O` begin a Patient and a valid Observation.
    fn expand(row: &str) -> String {
        let (letter, rest) = row.split_at(1);
        match letter {
            "P" => format!("{{\"resourceType\":\"Patient\"{rest}}}"),
            "O" => {
                format!("{{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{{\"text\":\"x\"}}{rest}}}")
            }
            _ => row.to_owned(),
        }
    }

    const TAKEN: &str = r###"
        P
        P,"id":"a","meta":{"tag":[{"code":"x"}]},"language":"dz","active":true
        P,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}
        P,"name":[{"given":["a","b"]},{"family":"c"}],"deceasedBoolean":false
        P,"name":[{"given":["a",null],"_given":[null,{"id":"x"}]}]
        P,"name":[{"_given":[{"id":"x"}]}]
        P,"birthDate":"2012","_birthDate":{"extension":[{"url":"u","valueDateTime":"2012-01-01"}]}
        P,"_deceasedDateTime":{"id":"x"},"deceasedDateTime":"2012"
        P,"extension":[{"url":"any","extension":[{"url":"x","valueQuantity":{"value":1.50}}]}]
        P,"extension":[{"url":"u","_valueString":{"extension":[{"url":"v","valueCode":"unknown"}]}}]
        P,"contained":[{"resourceType":"Organization","id":"o"}]
        P,"link":[{"other":{"reference":"urn:uuid:x"},"type":"seealso"}]
        O,"valueQuantity":{"value":1,"unit":"mg"},"component":[{"code":{"text":"y"},"referenceRange":[{"text":"z"}]}]
        {"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","active":true}}]}
        {"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Patient"}}]}]}
        {"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"string"}]}]}
        {"resourceType":"ExampleScenario","status":"draft","instance":[{"resourceId":"a","resourceType":"Patient"}]}
        {"resourceType":"Observation","_status":{"extension":[{"url":"u","valueCode":"x"}]},"code":{"text":"x"}}
    "###;

    #[test]
    fn takes_what_conforms() {
        for row in TAKEN.lines().map(str::trim).filter(|row| !row.is_empty()) {
            assert_eq!(judged(&expand(row)), [], "{row}");
        }
    }

    /// The record, the codes and places of its issues, part of the first sentence.
    const REFUSED: &str = r###"
        []  =>  structure Patient  =>  JSON object
        {"id":"x"}  =>  structure Patient  =>  resourceType
        {"resourceType":"Patent"}  =>  structure Patent  =>  no resource type
        {"resourceType":"DomainResource"}  =>  structure DomainResource  =>  no resource type
        P,"nme":[]  =>  structure Patient  =>  no element of Patient
        P,"a b`":1  =>  structure Patient  =>  no element of Patient
        P,"contact":[{"foo":1}]  =>  structure Patient.contact[0]  =>  no element of Patient.contact
        P,"name":{"text":"x"}  =>  structure Patient.name  =>  must be an array
        P,"birthDate":["2012"]  =>  structure Patient  =>  must not be an array
        P,"name":[]  =>  structure Patient.name  =>  array must not be empty
        P,"name":[{}]  =>  structure Patient.name[0]  =>  object must not be empty
        P,"name":["x"]  =>  structure Patient.name[0]  =>  HumanName
        P,"name":[null]  =>  structure Patient.name[0]  =>  here stands null
        P,"name":[{"given":["a",1]}]  =>  structure Patient.name[0].given[1]  =>  a number
        P,"active":"true"  =>  structure Patient.active  =>  a string
        P,"active":null  =>  structure Patient.active  =>  here stands null
        P,"gender":{"x":1}  =>  structure Patient.gender  =>  an object
        P,"birthDate":"2012-13"  =>  value Patient.birthDate  =>  `2012-13` does not fit
        P,"id":""  =>  value Patient.id  =>  must not be empty
        P,"id":"a_b"  =>  value Patient.id  =>  1 to 64
        P,"deceased":true  =>  structure Patient  =>  `deceasedBoolean`
        P,"deceasedString":"x"  =>  structure Patient  =>  no element
        P,"deceasedBoolean":true,"deceasedDateTime":"2012"  =>  structure Patient.deceased.ofType(dateTime)  =>  only one
        P,"deceasedBoolean":true,"_deceasedDateTime":{"id":"x"}  =>  structure Patient.deceased.ofType(dateTime)  =>  only one
        P,"_name":[{"id":"x"}]  =>  structure Patient.name  =>  only primitives
        P,"_birthDate":[{"id":"x"}]  =>  structure Patient.birthDate  =>  must be an object
        P,"_birthDate":{"x":1}  =>  structure Patient.birthDate  =>  no element of Element
        P,"_birthDate":{}  =>  structure Patient.birthDate  =>  empty
        P,"name":[{"_given":{"id":"x"}}]  =>  structure Patient.name[0].given  =>  must be an array
        P,"name":[{"given":["a",null]}]  =>  structure Patient.name[0].given[1]  =>  null stands only
        P,"name":[{"given":["a","b"],"_given":[{"id":"x"}]}]  =>  structure Patient.name[0].given  =>  same length
        P,"name":[{"given":["a"],"_given":[null,{"id":"x"}]}]  =>  structure Patient.name[0].given  =>  same length
        P,"name":[{"given":[null],"_given":[null]}]  =>  structure Patient.name[0].given[0]  =>  nothing at this place
        P,"extension":[{"valueString":"x"}]  =>  required Patient.extension[0]  =>  `url` is missing
        P,"extension":[{"url":"x"}]  =>  required Patient.extension[0]  =>  neither
        P,"extension":[{"url":"x","valueCode":"y","extension":[{"url":"z","valueCode":"y"}]}]  =>  invariant Patient.extension[0]  =>  both
        P,"text":{"status":"empty"}  =>  required Patient.text  =>  `div` is missing
        P,"text":{"status":"empty","div":"x"}  =>  value Patient.text.div  =>  <div>
        P,"link":[{"type":"seealso"},{}]  =>  required Patient.link[0], structure Patient.link[1]  =>  Patient.link must have it
        P,"contained":[{"resourceType":"Patient","contained":[{"resourceType":"Patient"}]}]  =>  structure Patient.contained[0].contained  =>  must not contain others
        P,"contained":[{"id":"x"}]  =>  structure Patient.contained[0]  =>  resourceType
        {"resourceType":"Observation","status":"final","valueInteger":1.5}  =>  value Observation.value.ofType(integer), required Observation  =>  whole number
        {"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","x":1}}]}  =>  structure Bundle.entry[0].resource  =>  no element of Patient
        P,"name":[{"resourceType":"HumanName"}]  =>  structure Patient.name[0]  =>  no element
    "###;

    #[test]
    fn refuses_what_does_not_conform() {
        for row in REFUSED.lines().map(str::trim).filter(|row| !row.is_empty()) {
            let columns: Vec<&str> = row.split("  =>  ").collect();
            let [record, places, part] = columns[..] else {
                panic!("three columns in: {row}")
            };
            let issues = judged(&expand(record));
            let found = issues.iter().map(|i| format!("{} {}", i.code.as_str(), i.expression));
            assert_eq!(found.collect::<Vec<_>>().join(", "), places, "{row}");
            assert!(issues[0].text.contains(part), "{row}: {}", issues[0].text);
            let sentence = |issue: &Issue| issue.severity == Severity::Error && issue.text.ends_with('.');
            assert!(issues.iter().all(sentence), "{row}");
        }
    }

    #[test]
    fn expects_the_kind_that_was_asked_for() {
        let document = Document::parse(br#"{"resourceType":"Group"}"#, Limits::default()).unwrap();
        let issues = judge(&Definitions::r4(), &Kind::new("Patient").unwrap(), document.root());
        assert_eq!(issues[0].text, "`resourceType` says Group, but a Patient is expected.");
    }

    #[test]
    fn stops_at_the_limit() {
        let unknown: Vec<String> = (0..500).map(|i| format!("\"x{i}\":0")).collect();
        let issues = judged(&expand(&format!("P,{}", unknown.join(","))));
        assert_eq!(issues.len(), ISSUES_MAX + 1);
        assert_eq!(issues[ISSUES_MAX].severity, Severity::Information);
    }
}
