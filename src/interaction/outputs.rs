//! What an operation answers where that is no single resource: a Parameters resource, built parameter by parameter.
//!
//! See <https://hl7.org/fhir/R4/operations.html#response>.

use fhir::tree::Tree;

use crate::reply::Reply;

/// One parameter with a value; `member` is its element, as in `valueMeta`.
pub(crate) fn value(name: &str, member: &str, value: Tree) -> Tree {
    Tree::object([("name", Tree::string(name)), (member, value)])
}

/// One parameter that is a resource.
pub(crate) fn resource(name: &str, resource: Tree) -> Tree {
    Tree::object([("name", Tree::string(name)), ("resource", resource)])
}

/// One parameter with parts.
pub(crate) fn parts(name: &str, parts: Vec<Tree>) -> Tree {
    Tree::object([("name", Tree::string(name)), ("part", Tree::Array(parts))])
}

/// The resource of all parameters; FHIR has no empty arrays.
pub(crate) fn parameters(all: Vec<Tree>) -> Tree {
    let mut resource = Tree::object([("resourceType", Tree::string("Parameters"))]);
    if !all.is_empty() {
        resource.set("parameter", Tree::Array(all));
    }
    resource
}

/// 200 with the parameters.
pub(crate) fn reply(all: Vec<Tree>) -> Reply {
    Reply::json(200, parameters(all).to_bytes())
}
