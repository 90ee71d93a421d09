//! Compartments: which records belong to a patient, an encounter, a device and so on.
//!
//! See <https://hl7.org/fhir/R4/compartmentdefinition.html>.

use std::collections::BTreeSet;

use conformance::{Compartment, Definitions};
use fhir::identity::{Id, Kind};
use query::predicate::{Predicate, ReferenceTest, Test};
use query::{ParamId, Registry};

use crate::refusal::{Reason, Refusal};

/// What belongs to a record.
#[derive(Clone, Debug)]
pub struct Belonging {
    /// The kinds of which records can belong.
    pub kinds: Vec<Kind>,
    /// The condition under which a record of those kinds does.
    pub predicate: Predicate,
}

/// The members of every compartment, ready to be asked.
pub struct Compartments {
    list: Vec<Members>,
}

struct Members {
    center: Kind,
    groups: Vec<Group>,
}

/// Kinds that one condition over the union of their parameters describes: no kind has a parameter of another that could
/// point to the centre without making it a member.
#[derive(Default)]
struct Group {
    kinds: Vec<Kind>,
    params: BTreeSet<ParamId>,
}

impl Compartments {
    /// The compartments of the definitions.
    pub fn new(definitions: &Definitions, registry: &Registry) -> Compartments {
        let list = definitions
            .compartments()
            .iter()
            .filter_map(|compartment| members(compartment, registry));
        Compartments { list: list.collect() }
    }

    /// The kinds compartments are made around.
    pub fn centers(&self) -> impl Iterator<Item = &Kind> {
        self.list.iter().map(|members| &members.center)
    }

    /// All records that belong to any record of a kind.
    ///
    /// # Errors
    /// 404 where the kind has no compartment.
    pub fn of_any(&self, center: &Kind) -> Result<Belonging, Refusal> {
        Ok(self.around(center)?.belonging(None))
    }

    fn around(&self, center: &Kind) -> Result<&Members, Refusal> {
        let found = self.list.iter().find(|members| members.center == *center);
        found.ok_or_else(|| {
            let text = format!("{center} has no compartment; Patient, Practitioner, Encounter, Device have.");
            Refusal::because(Reason::NoSuchPath, text)
        })
    }

    /// All records of one kind, or of every kind (`*`), that belong to a record.
    ///
    /// # Errors
    /// 404 where the kind has no compartment, or the other kind never belongs to it.
    pub fn of(&self, registry: &Registry, center: &Kind, id: &Id, kind: Option<&Kind>) -> Result<Belonging, Refusal> {
        let members = self.around(center)?;
        match kind {
            None => Ok(members.belonging(Some(id))),
            Some(kind) => match registry.compartment(center.as_str(), id, kind) {
                Some(predicate) => Ok(Belonging {
                    kinds: vec![kind.clone()],
                    predicate,
                }),
                None => {
                    let text = format!("No {kind} ever belongs to the compartment of a {center}.");
                    Err(Refusal::because(Reason::NoSuchPath, text))
                }
            },
        }
    }
}

impl Members {
    /// What belongs to the record of that id, or to any of the kind.
    fn belonging(&self, id: Option<&Id>) -> Belonging {
        let kinds = self.groups.iter().flat_map(|group| group.kinds.iter().cloned());
        let condition = |group: &Group| match id {
            Some(id) => group.condition(&self.center, id),
            None => group.any_condition(&self.center),
        };
        let groups = self.groups.iter().map(condition);
        Belonging {
            kinds: kinds.collect(),
            predicate: Predicate::any(groups.collect()),
        }
    }
}

impl Group {
    fn condition(&self, center: &Kind, id: &Id) -> Predicate {
        let refers = |param: &ParamId| Predicate::Test {
            param: *param,
            test: Test::Reference(ReferenceTest::Record {
                kinds: vec![center.clone()],
                id: id.clone(),
                version: None,
            }),
        };
        let mut choices: Vec<Predicate> = self.params.iter().map(refers).collect();
        if self.kinds.contains(center) {
            // The center's kind is a group of its own, so that the id can be no other kind's.
            choices.push(Predicate::Is(vec![id.clone()]));
        }
        Predicate::Kind(self.kinds.clone()).and(Predicate::any(choices))
    }

    /// The condition that the centre is any record of its kind.
    fn any_condition(&self, center: &Kind) -> Predicate {
        let own = Predicate::Kind(self.kinds.clone());
        if self.kinds.contains(center) {
            return own;
        }
        let refers = |param: &ParamId| Predicate::Chain {
            param: *param,
            targets: vec![center.clone()],
            inner: Box::new(Predicate::All),
            canonical: false,
        };
        own.and(Predicate::any(self.params.iter().map(refers).collect()))
    }
}

fn members(compartment: &Compartment, registry: &Registry) -> Option<Members> {
    let center = registry.kind(&compartment.code)?.clone();
    let mut groups: Vec<Group> = Vec::new();
    for kind in registry.kinds() {
        let codes = compartment.members.get(kind.as_str()).map_or(&[][..], Vec::as_slice);
        let params: BTreeSet<ParamId> = codes
            .iter()
            .filter_map(|code| Some(registry.parameter(kind, code)?.id))
            .collect();
        if params.is_empty() && *kind != center {
            continue;
        }
        let fits = |group: &&mut Group| {
            let union = group.params.union(&params).copied().collect();
            let of = |kind: &Kind| strangers(registry, compartment, &center, kind, &union);
            *kind != center && !group.kinds.contains(&center) && !of(kind) && !group.kinds.iter().any(of)
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.kinds.push(kind.clone());
                group.params.extend(params);
            }
            None => groups.push(Group {
                kinds: vec![kind.clone()],
                params,
            }),
        }
    }
    Some(Members { center, groups })
}

/// Whether the kind has one of the parameters, able to point to the centre, that does not make it a member.
fn strangers(
    registry: &Registry,
    compartment: &Compartment,
    center: &Kind,
    kind: &Kind,
    params: &BTreeSet<ParamId>,
) -> bool {
    let codes = compartment.members.get(kind.as_str()).map_or(&[][..], Vec::as_slice);
    let is_member = |code: &str| {
        // The parameter `patient` is `subject` or its like where that is a Patient.
        codes.iter().any(|c| c == code) || (code == "patient" && codes.iter().any(|c| c == "subject"))
    };
    let mut own = registry.parameters(kind).iter();
    own.any(|p| params.contains(&p.id) && p.targets.contains(center) && !is_member(&p.code))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_patients_compartment_has_few_parts() {
        let definitions = Definitions::r4();
        let registry = Registry::new(Arc::clone(&definitions), 360);
        let compartments = Compartments::new(&definitions, &registry);
        for members in &compartments.list {
            let (center, groups) = (&members.center, &members.groups);
            assert!(groups.len() <= 6, "{center}: {}", groups.len());
            let mixed = groups.iter().any(|g| g.kinds.len() > 1 && g.kinds.contains(center));
            assert!(!mixed, "an id of the center could be another kind's: {center}");
        }
        let (patient, id) = (registry.kind("Patient").unwrap(), Id::new("1").unwrap());
        let all = compartments.of(&registry, patient, &id, None).unwrap();
        assert!(all.kinds.contains(patient));
        let organization = registry.kind("Organization").unwrap();
        assert_eq!(
            compartments
                .of(&registry, patient, &id, Some(organization))
                .unwrap_err()
                .status,
            404
        );
    }
}
