//! Specimens of composite parameters: the parts in one element, and each part right or wrong in turn.

use conformance::{Component, Definitions, SearchParameter};
use fhir::tree::Tree;

use super::build::{Builder, Built};
use super::cases::{self, Case};
use super::path::{self, Step};
use super::{Specimen, target};

/// A part of a composite: its value, placed in a record of its own, and the values that find and miss it.
struct Part {
    built: Built,
    right: String,
    wrong: String,
}

/// The specimens of a composite parameter, one for each element its expression leads to.
pub(super) fn of(definitions: &Definitions, kind: &str, parameter: &SearchParameter) -> Vec<Specimen> {
    let bases = path::paths(&parameter.expression, kind);
    bases
        .iter()
        .filter_map(|base| specimen(definitions, kind, parameter, base))
        .collect()
}

fn specimen(definitions: &Definitions, kind: &str, parameter: &SearchParameter, base: &[Step]) -> Option<Specimen> {
    let parts = parameter.components.iter();
    let parts: Vec<Part> = parts
        .map(|of| part(definitions, kind, base, of))
        .collect::<Option<_>>()?;
    let mut record = Tree::object([("resourceType", Tree::string(kind))]);
    parts.iter().for_each(|part| merge(&mut record, &part.built.record));
    let values = |wrong: Option<usize>| {
        let value = |(place, part): (usize, &Part)| {
            let chosen = if wrong == Some(place) { &part.wrong } else { &part.right };
            chosen.clone()
        };
        parts.iter().enumerate().map(value).collect::<Vec<_>>().join("$")
    };
    let case = |suffix: &str, value: String, found| Case {
        suffix: suffix.to_owned(),
        value,
        found,
    };
    let mut cases = vec![
        case("", values(None), true),
        case("", format!("{},{}", values(Some(0)), values(None)), true),
        case(":missing", "false".to_owned(), true),
        case(":missing", "true".to_owned(), false),
    ];
    cases.extend((0..parts.len()).map(|place| case("", values(Some(place)), false)));
    let data_types: Vec<&str> = parts.iter().map(|part| part.built.data_type.as_str()).collect();
    Some(Specimen {
        kind: kind.to_owned(),
        code: parameter.code.clone(),
        parameter: parameter.kind,
        data_type: data_types.join(" $ "),
        target: None,
        record,
        cases,
    })
}

fn part(definitions: &Definitions, kind: &str, base: &[Step], component: &Component) -> Option<Part> {
    let mut defined = definitions.search_parameters().iter();
    let parameter = defined.find(|p| p.url == component.definition)?;
    let (own, from): (&str, &[Step]) = match component.expression.strip_prefix("%resource.") {
        Some(rest) => (rest, &[]),
        None => (&component.expression, base),
    };
    for steps in path::paths(own, kind) {
        let steps = [from, &steps].concat();
        let target = target(definitions, kind, &steps, parameter);
        let builder = Builder {
            definitions,
            target: &target,
        };
        for built in builder.along(kind, &steps) {
            let Some(cases) = cases::of(parameter.kind, &built.data_type, &target) else {
                continue;
            };
            let plain = |case: &&Case| case.suffix.is_empty() && !case.value.contains(',');
            let pick = |found| cases.iter().filter(plain).find(|case| case.found == found);
            let (right, wrong) = (pick(true)?.value.clone(), pick(false)?.value.clone());
            return Some(Part { built, right, wrong });
        }
    }
    None
}

fn members_of(object: &mut Tree) -> &mut Vec<(String, Tree)> {
    match object {
        Tree::Object(members) => members,
        other => panic!("{other:?} is no object"),
    }
}

/// Adds to a value what another has; the first items of two lists become one, and of `value[x]` the later stays.
fn merge(into: &mut Tree, other: &Tree) {
    match (into, other) {
        (into @ Tree::Object(_), Tree::Object(members)) => {
            for (name, value) in members {
                if name.starts_with("value") && into.get(name).is_none() {
                    members_of(into).retain(|(known, _)| !known.starts_with("value"));
                }
                match into.get_mut(name) {
                    Some(known) => merge(known, value),
                    None => into.set(name, value.clone()),
                }
            }
        }
        (Tree::Array(items), Tree::Array(more)) => {
            if let (Some(item), Some(one)) = (items.first_mut(), more.first()) {
                merge(item, one);
            }
        }
        _ => {}
    }
}
