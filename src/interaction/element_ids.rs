//! Gives the elements of a StructureDefinition their ids where they have none.
//!
//! See <https://hl7.org/fhir/R4/elementdefinition.html#id>.

use std::collections::HashMap;

use fhir::tree::Tree;

/// Completes the ids of the elements of both views: the path, with the name of the slice after each element that is one.
pub(crate) fn complete(definition: &mut Tree) {
    for view in ["snapshot", "differential"] {
        if let Some(Tree::Array(elements)) = definition.get_mut(view).and_then(|view| view.get_mut("element")) {
            name(elements);
        }
    }
}

fn name(elements: &mut [Tree]) {
    // The id that an element of a path had last: what follows below it belongs to that one.
    let mut last: HashMap<String, String> = HashMap::new();
    for element in elements {
        let text = |name: &str| element.get(name).and_then(Tree::as_str).map(str::to_owned);
        let (Some(path), slice) = (text("path"), text("sliceName")) else {
            continue;
        };
        let id = text("id").unwrap_or_else(|| {
            let plain = match path.rsplit_once('.') {
                Some((parent, own)) => format!("{}.{own}", last.get(parent).map_or(parent, String::as_str)),
                None => path.clone(),
            };
            slice.map_or_else(|| plain.clone(), |slice| format!("{plain}:{slice}"))
        });
        if element.get("id").is_none() {
            let Tree::Object(members) = element else { continue };
            members.insert(0, ("id".to_owned(), Tree::string(id.as_str())));
        }
        last.insert(path, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_below_a_slice_belongs_to_it() {
        let element = |path: &str, slice: &str| match slice {
            "" => format!(r#"{{"path":"{path}"}}"#),
            slice => format!(r#"{{"path":"{path}","sliceName":"{slice}"}}"#),
        };
        let table = [
            ("Observation", "", "Observation"),
            ("Observation.category", "", "Observation.category"),
            ("Observation.category", "vital", "Observation.category:vital"),
            ("Observation.category.coding", "", "Observation.category:vital.coding"),
            (
                "Observation.category.coding",
                "a",
                "Observation.category:vital.coding:a",
            ),
            (
                "Observation.category.coding.code",
                "",
                "Observation.category:vital.coding:a.code",
            ),
            ("Observation.code.coding", "", "Observation.code.coding"),
        ];
        let all: Vec<String> = table.iter().map(|(path, slice, _)| element(path, slice)).collect();
        let text = format!(r#"{{"differential":{{"element":[{}]}}}}"#, all.join(","));
        let mut tree = Tree::parse(text.as_bytes()).unwrap();
        complete(&mut tree);
        let elements = tree.get("differential").and_then(|d| d.get("element")).unwrap().items();
        for (element, (_, _, id)) in elements.iter().zip(table) {
            assert_eq!(element.get("id").and_then(Tree::as_str), Some(id));
        }
    }
}
