//! The value set that an element is bound to: what `context` of `$expand` and `$validate-code` names.
//!
//! "The recommended format for this URI is [Structure Definition URL]#[name or path into structure definition]"
//! (<https://hl7.org/fhir/R4/valueset-operation-expand.html>).

use fhir::tree::Tree;

use crate::built_in;
use crate::engine::Engine;
use crate::refusal::{Reason, Refusal};

/// How many definitions may stand on each other.
const BASES_MAX: usize = 24;

/// The canonical address of the value set that the element of a context is bound to: by the definition named, or by the
/// one it is based on.
///
/// # Errors
/// 400 where the context is not of that format, 404 where there is no such definition or no such binding.
pub(crate) fn value_set(engine: &Engine, context: &str) -> Result<String, Refusal> {
    let Some((url, element)) = context.split_once('#') else {
        let text = format!(
            "The context \"{context}\" names no element: write the address of a StructureDefinition, # and the path of an \
             element, such as http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender."
        );
        return Err(Refusal::because(Reason::Invalid, text).at("http.context"));
    };
    let mut address = url.to_owned();
    for _ in 0..BASES_MAX {
        let definition = structure(engine, &address)?;
        if let Some(found) = binding(&definition, element) {
            return Ok(found.to_owned());
        }
        match definition.get("baseDefinition").and_then(Tree::as_str) {
            Some(base) => address = base.to_owned(),
            None => break,
        }
    }
    let text = format!("{element} of {url} is bound to no value set that this server knows of.");
    Err(Refusal::because(Reason::NotFound, text).at("http.context"))
}

/// The StructureDefinition of an address: a record, or one that is part of the program.
fn structure(engine: &Engine, address: &str) -> Result<Tree, Refusal> {
    let own = engine.canonical(&engine.kind("StructureDefinition")?, address)?;
    let found = own.map(|own| Tree::from_node(own.root()));
    found.or_else(|| built_in::structure(address)).ok_or_else(|| {
        let text = format!("There is no StructureDefinition {address} here.");
        Refusal::because(Reason::NotFound, text).at("http.context")
    })
}

/// The value set that a definition itself binds an element to, by its id or its path.
fn binding<'t>(definition: &'t Tree, element: &str) -> Option<&'t str> {
    let views = ["differential", "snapshot"]
        .iter()
        .filter_map(|view| definition.get(view));
    let elements = views.filter_map(|view| view.get("element")).flat_map(Tree::items);
    let named = |one: &&Tree| {
        ["id", "path"]
            .iter()
            .any(|name| one.get(name).and_then(Tree::as_str) == Some(element))
    };
    let mut bound = elements.filter(named).filter_map(|one| one.get("binding"));
    bound.find_map(|binding| binding.get("valueSet").and_then(Tree::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_found_by_its_id_or_its_path() {
        let text = r#"{"differential":{"element":[{"id":"A.b:x","path":"A.b","binding":{"valueSet":"x"}},
            {"id":"A.c","path":"A.c"}]},"snapshot":{"element":[{"id":"A.c","path":"A.c","binding":{"valueSet":"c"}}]}}"#;
        let tree = Tree::parse(text.as_bytes()).unwrap();
        for (element, found) in [
            ("A.b:x", Some("x")),
            ("A.b", Some("x")),
            ("A.c", Some("c")),
            ("A", None),
        ] {
            assert_eq!(binding(&tree, element), found, "{element}");
        }
    }
}
