//! Judges OperationDefinitions: the profiles of what goes in and comes out do not conflict with the parameters.
//!
//! "If present the profile shall not conflict with what is specified in the parameters in the operation definition (max/min
//! etc.), though it may provide additional constraints"
//! (<https://hl7.org/fhir/R4/operationdefinition-definitions.html#OperationDefinition.inputProfile>).

use std::sync::Arc;

use conformance::place::{Place, quoted};
use fhir::document::Node;
use fhir::outcome::Code;
use fhirpath::model::Model;

use crate::focus::Focus;
use crate::profiles::Known;
use crate::response::each;
use crate::shape::{Openness, Profile, Shape};
use crate::walk::Walk;

/// A profile's element, and the use that the operation's parameters have.
const PROFILES: [(&str, &str); 2] = [("inputProfile", "in"), ("outputProfile", "out")];

impl Walk<'_> {
    /// Judges an OperationDefinition (<https://hl7.org/fhir/R4/operationdefinition.html>).
    pub(crate) fn operation_definition(&mut self, focus: &Focus<'_, '_>) {
        let operation = focus.element.node;
        for (member, direction) in PROFILES {
            let Some(address) = operation.string(member) else {
                continue;
            };
            let place = Place::Member(focus.place, member);
            let (kind, profile) = match self.known(&address) {
                Known::Type(kind) => (kind, None),
                Known::Profile(profile) => (profile.kind, Some(profile)),
                Known::Nothing => {
                    self.found.warning(Code::NotFound, &place, || {
                        format!(
                            "The profile {} is not known here, so the parameters are not held against it.",
                            quoted(&address)
                        )
                    });
                    continue;
                }
            };
            if self.definitions.type_name(kind) != "Parameters" {
                let found = self.definitions.type_name(kind);
                self.found.error(Code::Value, &place, || {
                    format!(
                        "The profile is of {found}; what an operation takes and gives is covered by one of Parameters."
                    )
                });
            } else if let Some(profile) = profile {
                self.hold_parameters(operation, direction, &profile, &place);
            }
        }
    }

    /// Tells each conflict between the parameters of a direction and a profile of Parameters.
    fn hold_parameters(&mut self, operation: Node<'_>, direction: &str, profile: &Arc<Profile>, place: &Place<'_>) {
        let of_direction = |one: &Node<'_>| one.string("use").is_some_and(|use_| use_ == direction);
        let parameters: Vec<Node<'_>> = each(operation, "parameter").filter(of_direction).collect();
        let Some(list) = profile.shapes[0].child("parameter").map(|at| &profile.shapes[at]) else {
            return;
        };
        let mut named = Vec::new();
        for (_, at) in &list.slices {
            let slice = &profile.shapes[*at];
            let Some(name) = name_of(profile, slice) else { continue };
            let found = parameters
                .iter()
                .find(|one| one.string("name").is_some_and(|own| own == name));
            let conflict = match found {
                Some(parameter) => self.conflict(*parameter, profile, slice),
                None => Some("which the operation does not have".to_owned()),
            };
            if let Some(conflict) = conflict {
                self.found.error(Code::Value, place, || {
                    format!(
                        "The profile {} speaks of the parameter {}, {conflict}.",
                        profile.url,
                        quoted(&name)
                    )
                });
            }
            named.push(name);
        }
        let closed = list
            .slicing
            .as_ref()
            .is_some_and(|slicing| slicing.rules == Openness::Closed);
        for parameter in parameters.iter().filter(|_| closed) {
            let name = parameter.string("name").unwrap_or_default();
            if !named.iter().any(|own| *own == name) {
                self.found.error(Code::Value, place, || {
                    format!(
                        "The profile {} has no room for the parameter {}.",
                        profile.url,
                        quoted(&name)
                    )
                });
            }
        }
    }

    /// Why no parameter can be as both want it: the end of a sentence.
    fn conflict(&self, parameter: Node<'_>, profile: &Profile, slice: &Shape) -> Option<String> {
        let number = |name: &str| parameter.get(name)?.scalar()?.parse::<u32>().ok();
        let (min, max) = (number("min").unwrap_or(0), number("max").unwrap_or(u32::MAX));
        if let Some(most) = slice.max.filter(|most| *most < min) {
            return Some(format!(
                "of which there is at most {most}, and the operation asks for {min}"
            ));
        }
        if let Some(least) = slice.min.filter(|least| *least > max) {
            return Some(format!(
                "of which there are {least} or more, and the operation takes at most {max}"
            ));
        }
        let name = parameter.string("type")?;
        let kind = self.definitions.type_id(&name)?;
        let member = match self.definitions.is_a(kind, self.definitions.type_id("Resource")?) {
            true => "resource",
            false => "value",
        };
        let held = &profile.shapes[slice.child(member)?];
        if held.max == Some(0) {
            return Some(format!("without the {member} that holds its {name}"));
        }
        let fits = |rule: &crate::shape::TypeRule| {
            let both = |left, right| self.definitions.is_a(left, right) || self.definitions.is_a(right, left);
            rule.kind.is_none_or(|allowed| both(allowed, kind))
        };
        let fits = held.types.is_empty() || held.types.iter().any(fits);
        (!fits).then(|| format!("which is a {name} in the operation and cannot be one in the profile"))
    }
}

/// The name that the parameters of a slice have.
fn name_of(profile: &Profile, slice: &Shape) -> Option<String> {
    let fixed = profile.shapes[slice.child("name")?].fixed.as_ref()?;
    Some(fixed.value.node().as_str()?.into_owned())
}

#[cfg(test)]
mod tests {
    use conformance::Definitions;
    use fhir::document::Document;
    use fhir::identity::Kind;
    use fhir::outcome::Severity;
    use fhir::parse::Limits;

    use super::*;
    use crate::{Asked, Given, Purpose, Validator};

    /// The operation's parameter, the profile's slice (min, max, member, type), and part of what is told.
    const TABLE: &str = "
        a 0 1 Patient   | a 0 1 resource Patient =>
        a 0 * Patient   | a 1 1 resource Patient =>
        a 0 * Resource  | a 1 1 resource Patient =>
        a 0 1 string    | a 1 1 value[x] string =>
        a 0 1 Element   | a 1 1 value[x] string =>
        a 0 1 Patient   | b 0 1 resource Patient => `b`, which the operation does not have
        a 2 * Patient   | a 0 1 resource Patient => at most 1, and the operation asks for 2
        a 0 1 Patient   | a 2 * resource Patient => 2 or more, and the operation takes at most 1
        a 0 1 Patient   | a 0 1 resource Person => which is a Patient in the operation
        a 0 1 string    | a 0 1 value[x] integer => which is a string in the operation
        a 0 1 string    | a 0 1 resource Patient =>
    ";

    fn document(text: &str) -> Arc<Document> {
        Arc::new(Document::parse(text.as_bytes(), Limits::default()).expect(text))
    }

    fn profile(slice: &str) -> Arc<Document> {
        let [name, min, max, member, kind] = slice.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{slice}")
        };
        let at = "Parameters.parameter";
        document(&format!(
            r#"{{"resourceType":"StructureDefinition","url":"http://a/in","name":"In","status":"draft","kind":"resource",
            "abstract":false,"type":"Parameters","derivation":"constraint",
            "baseDefinition":"http://hl7.org/fhir/StructureDefinition/Parameters","differential":{{"element":[
            {{"path":"{at}","slicing":{{"discriminator":[{{"type":"value","path":"name"}}],"rules":"open"}}}},
            {{"path":"{at}","sliceName":"x","min":{min},"max":"{max}"}},
            {{"path":"{at}.name","fixedString":"{name}"}},
            {{"path":"{at}.{member}","type":[{{"code":"{kind}"}}]}}]}}}}"#
        ))
    }

    fn operation(parameter: &str) -> Arc<Document> {
        let [name, min, max, kind] = parameter.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{parameter}")
        };
        document(&format!(
            r#"{{"resourceType":"OperationDefinition","name":"O","status":"draft","kind":"operation","code":"o",
            "system":true,"type":false,"instance":false,"inputProfile":"http://a/in","parameter":[
            {{"name":"{name}","use":"in","min":{min},"max":"{max}","type":"{kind}"}},
            {{"name":"b","use":"out","min":0,"max":"1","type":"{kind}"}}]}}"#
        ))
    }

    #[test]
    fn a_profile_does_not_conflict_with_the_parameters() {
        let validator = Validator::new(Definitions::r4());
        for (number, row) in TABLE.lines().map(str::trim).filter(|row| !row.is_empty()).enumerate() {
            let (asked, part) = row.split_once("=>").expect(row);
            let (parameter, slice) = asked.split_once('|').expect(row);
            let given = Given::new(number as u64 + 1, vec![profile(slice)]);
            let operation = operation(parameter);
            let asked = Asked {
                profiles: &[],
                now: 0,
                purpose: Purpose::Asking,
            };
            let kind = Kind::new("OperationDefinition").expect("a name");
            let codes = terminology::standard();
            let mut issues = validator.validate(&given, &*codes, &kind, operation.root(), &asked);
            issues.retain(|issue| issue.severity >= Severity::Error);
            let told: Vec<&str> = issues.iter().map(|issue| &*issue.text).collect();
            assert_eq!(issues.is_empty(), part.trim().is_empty(), "{row}\n{told:?}");
            assert!(told.iter().all(|text| text.contains(part.trim())), "{row}\n{told:?}");
        }
    }
}
