//! Specimens: for every search parameter of every kind, records with a value in each place it looks at.
//!
//! Made from the definitions alone and read independently of the product, so that a parameter which finds nothing, or
//! too much, shows. The same definitions give the same specimens.

mod build;
mod cases;
mod composite;
mod path;
mod value;

use conformance::{Definitions, ParameterType, SearchParameter};
use fhir::tree::Tree;

pub use build::Builder;
pub use cases::Case;
pub use value::TARGET;

/// A record with one value of one parameter, and what is asked of it.
pub struct Specimen {
    /// Its kind.
    pub kind: String,
    /// The parameter's code.
    pub code: String,
    /// The parameter's type.
    pub parameter: ParameterType,
    /// The data type of the value.
    pub data_type: String,
    /// The kind that a reference in it points to.
    pub target: Option<String>,
    /// The record, without an id.
    pub record: Tree,
    /// The searches.
    pub cases: Vec<Case>,
}

/// The specimens of one parameter of one kind, one for each path and data type that can be built.
pub fn of(definitions: &Definitions, kind: &str, parameter: &SearchParameter) -> Vec<Specimen> {
    if parameter.kind == ParameterType::Composite {
        return composite::of(definitions, kind, parameter);
    }
    let mut specimens: Vec<Specimen> = Vec::new();
    for steps in path::paths(expression(kind, parameter), kind) {
        let resolved = steps.iter().rev().find_map(|step| match step {
            path::Step::Refers(kind) => Some(kind.clone()),
            _ => None,
        });
        let target = resolved.unwrap_or_else(|| target(definitions, kind, &steps, parameter));
        let builder = Builder {
            definitions,
            target: &target,
        };
        for built in builder.along(kind, &steps) {
            let Some(cases) = cases::of(parameter.kind, &built.data_type, &target) else {
                continue;
            };
            specimens.push(Specimen {
                kind: kind.to_owned(),
                code: parameter.code.clone(),
                parameter: parameter.kind,
                target: matches!(built.data_type.as_str(), "Reference" | "Resource").then(|| target.clone()),
                data_type: built.data_type,
                record: built.record,
                cases,
            });
        }
    }
    specimens
}

/// Those that the paths above cannot express are spelled out.
fn expression<'a>(kind: &str, parameter: &'a SearchParameter) -> &'a str {
    match (kind, parameter.code.as_str()) {
        ("Patient", "deceased") => "Patient.deceased as boolean",
        ("Bundle", "composition" | "message") => "Bundle.entry.resource",
        _ => &parameter.expression,
    }
}

/// A kind that the element at the end of the path may point to, and the parameter too.
fn target(definitions: &Definitions, kind: &str, steps: &[path::Step], parameter: &SearchParameter) -> String {
    let mut path = kind.to_owned();
    for step in steps {
        if let path::Step::Child(name) = step {
            path.push('.');
            path.push_str(name);
        }
    }
    let element = definitions.element(&path);
    let allowed: Vec<&str> = element
        .into_iter()
        .flat_map(|element| element.types.iter().flat_map(|of_type| of_type.targets.iter().copied()))
        .filter(|kind| *kind != "Resource")
        .collect();
    let fits = |kind: &&str| parameter.target.is_empty() || parameter.target.iter().any(|target| target == kind);
    let found = allowed.iter().copied().find(|kind| fits(kind));
    found
        .map(str::to_owned)
        .or_else(|| parameter.target.first().cloned())
        .unwrap_or_else(|| "Patient".to_owned())
}
