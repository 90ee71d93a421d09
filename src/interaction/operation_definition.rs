//! The OperationDefinitions of operations that R4 does not define, made of the table of operations.
//!
//! See <https://hl7.org/fhir/R4/operationdefinition.html>.

use fhir::tree::Tree;

use crate::operation::{EVERY, OPERATIONS, Operation};
use crate::operation_parameters::{self, Parameter};

/// Where the definitions of this server's own operations have their addresses.
const OWN: &str = "http://epis.gov.bt/fhir/OperationDefinition/";

/// The canonical address of an operation's definition.
pub(crate) fn address(operation: &Operation) -> String {
    let own = || format!("{OWN}{}", operation.name);
    operation.definition.map_or_else(own, str::to_owned)
}

/// The operations that R4 does not define, with their places in the table.
pub(crate) fn of_no_standard() -> impl Iterator<Item = (usize, &'static Operation)> {
    let standard: Vec<&str> = terminology::packed()
        .filter(|packed| packed.kind == "OperationDefinition")
        .map(|packed| packed.url)
        .collect();
    let others = move |(_, operation): &(usize, &Operation)| !standard.contains(&&*address(operation));
    OPERATIONS.iter().enumerate().filter(others)
}

/// The OperationDefinition of the operation at a place in the table.
pub(crate) fn written(at: usize) -> Option<Tree> {
    let operation = OPERATIONS.get(at)?;
    let kinds = operation.kinds.iter().chain(operation.records);
    let mut kinds: Vec<&str> = kinds.copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        kinds.push(EVERY);
    }
    let mut parameters = operation_parameters::own(operation.name);
    parameters.retain(Parameter::is_named);
    parameters.extend(operation_parameters::answered(operation.name));
    let parameters: Vec<Tree> = parameters.iter().map(Parameter::listed).collect();
    let mut definition = Tree::object([
        ("resourceType", Tree::string("OperationDefinition")),
        ("id", Tree::string(operation.name)),
        ("url", Tree::string(address(operation))),
        ("version", Tree::string(env!("CARGO_PKG_VERSION"))),
        ("name", Tree::string(camel(operation.name))),
        ("status", Tree::string("active")),
        ("kind", Tree::string("operation")),
        ("description", Tree::string(operation.text)),
        ("affectsState", Tree::Bool(!operation.safe)),
        ("code", Tree::string(operation.name)),
        ("resource", Tree::Array(kinds.into_iter().map(Tree::string).collect())),
        ("system", Tree::Bool(operation.system)),
        ("type", Tree::Bool(!operation.kinds.is_empty())),
        ("instance", Tree::Bool(!operation.records.is_empty())),
    ]);
    if !parameters.is_empty() {
        definition.set("parameter", Tree::Array(parameters));
    }
    Some(definition)
}

/// `batch-validate-code` as `BatchValidateCode`: names of definitions are words of programs.
fn camel(name: &str) -> String {
    let mut out = String::new();
    for part in name.split('-') {
        let (first, rest) = part.split_at(1);
        out.push_str(&first.to_ascii_uppercase());
        out.push_str(rest);
    }
    out
}
