//! The rules of a standard as tables: bindings, invariants, and HL7's own extensions and profiles.
//!
//! ```text
//! bindings.tsv       path  strength  value set  largest value set
//! invariants.tsv     path  key  severity  expression  sentence
//! structures.ndjson  one StructureDefinition a line: what rules, and none of the prose
//! guides.ndjson      the same of implementation guides
//! ```
//!
//! * path: as in `elements.tsv`, or the name of a type. Only where it is said; types inherit.
//! * strength: `required` or `extensible`; of a weaker one only where there is a largest value set.
//! * expression: FHIRPath, with the [`ERRATA`] of 4.0.1 put right.

use std::collections::BTreeMap;

use fhir::tree::Tree;

use crate::compact::{Step, flat, items, optional, string};

/// What is known to be wrong in 4.0.1 and put right here: the invariant, what it should say, and why.
pub const ERRATA: &[(&str, &str, &str)] = &[
    (
        "app-4",
        "Appointment.cancelationReason.exists() implies (Appointment.status='noshow' or Appointment.status='cancelled')",
        "the code is `noshow`; `no-show` is none of AppointmentStatus",
    ),
    (
        "bdl-8",
        "fullUrl.exists() implies fullUrl.contains('/_history/').not()",
        "an entry without fullUrl makes it empty, which is not true",
    ),
    (
        "que-12",
        "enableWhen.count() > 1 implies enableBehavior.exists()",
        "its sentence says more than one, its expression said more than two",
    ),
    (
        "que-7",
        "operator = 'exists' implies (answer is boolean)",
        "an answer is FHIR's boolean, not the Boolean of FHIRPath",
    ),
    (
        "ras-2",
        "probability.empty() or (probability is decimal implies (probability as decimal) <= 100)",
        "a prediction without a probability makes it empty, which is not true",
    ),
    (
        "ref-1",
        "reference.exists() implies (reference = '#' or reference.startsWith('#').not() or \
         (reference.substring(1) in %rootResource.contained.id))",
        "a Reference that only has an identifier makes it empty, which is not true",
    ),
    (
        "tim-9",
        "offset.empty() or (when.exists() and when.all(($this in ('C' | 'CM' | 'CD' | 'CV')).not()))",
        "`when` repeats, and `in` takes one value",
    ),
    (
        "txt-2",
        "toString().replaceMatches('<[^>]*>', '').trim().length() > 0 or toString().contains('<img')",
        "it repeats the expression of txt-1 and does not say what its sentence does",
    ),
    (
        "vs-1",
        "$this is dateTime implies $this.toString().length() >= 10",
        "a Period makes it empty, which is not true; and a day is written with ten characters",
    ),
];

/// Judged without their expressions: in one walk, and with a better sentence.
const JUDGED: [&str; 3] = ["dom-3", "ele-1", "ext-1"];

/// Where an extension may stand too, though 4.0.1 does not say so: its own definitions have it there.
const CONTEXTS: [(&str, &str, &str); 1] = [(
    "structuredefinition-fhir-type",
    "ElementDefinition.type.code",
    "ElementDefinition.type",
)];

/// The profile of Quantity that types of elements name: the only one of any type.
const SIMPLE_QUANTITY: &str = "http://hl7.org/fhir/StructureDefinition/SimpleQuantity";

/// Its rule (<https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity>). A range, which some of the elements may be too, has no
/// comparator anyway.
fn simple_quantity() -> Tree {
    Tree::object([
        ("key", Tree::string("sqty-1")),
        ("severity", Tree::string("error")),
        ("human", Tree::string("The comparator is not used on a SimpleQuantity")),
        ("expression", Tree::string("comparator.empty()")),
    ])
}

/// The rows of the three tables.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) bindings: BTreeMap<String, String>,
    pub(crate) invariants: BTreeMap<(String, String), String>,
    pub(crate) structures: BTreeMap<String, String>,
    pub(crate) guides: BTreeMap<String, String>,
}

impl Rules {
    /// Takes what a type's definition says in its differential: what is new with it.
    pub(crate) fn add_type(&mut self, tree: &Tree) -> Step {
        for element in differential(tree) {
            let path = string(element, "path")?.trim_end_matches("[x]");
            if let Some(binding) = element.get("binding") {
                self.binding(path, binding);
            }
            for constraint in items(element, "constraint") {
                self.invariant(path, constraint)?;
            }
            let profiles = items(element, "type").iter().flat_map(|one| items(one, "profile"));
            if profiles
                .filter_map(Tree::as_str)
                .any(|profile| profile == SIMPLE_QUANTITY)
            {
                self.invariant(path, &simple_quantity())?;
            }
        }
        Ok(())
    }

    fn binding(&mut self, path: &str, binding: &Tree) {
        let strength = optional(binding, "strength");
        let largest = items(binding, "extension")
            .iter()
            .find(|e| optional(e, "url").ends_with("/elementdefinition-maxValueSet"))
            .map_or("", |e| optional(e, "valueCanonical"));
        if matches!(strength, "required" | "extensible") || !largest.is_empty() {
            let row = format!("{path}\t{strength}\t{}\t{largest}\n", optional(binding, "valueSet"));
            self.bindings.insert(path.to_owned(), row);
        }
    }

    fn invariant(&mut self, path: &str, constraint: &Tree) -> Step {
        let key = string(constraint, "key")?;
        if JUDGED.contains(&key) {
            return Ok(());
        }
        let columns = [
            path,
            key,
            string(constraint, "severity")?,
            &expression(key, optional(constraint, "expression")),
            &flat(string(constraint, "human")?),
        ];
        let row = columns.join("\t") + "\n";
        self.invariants.insert((path.to_owned(), key.to_owned()), row);
        Ok(())
    }

    /// Takes an extension or a profile, without its prose.
    pub(crate) fn add_structure(&mut self, tree: &Tree) -> Step {
        let (url, line) = ruled(tree)?;
        self.structures.insert(url, line);
        Ok(())
    }

    /// Takes a profile of an implementation guide, without its prose; a logical model describes no record of FHIR.
    pub(crate) fn add_guide(&mut self, tree: &Tree) -> Step {
        if optional(tree, "kind") != "logical" {
            let (url, line) = ruled(tree)?;
            self.guides.insert(url, line);
        }
        Ok(())
    }
}

/// The address of a StructureDefinition, and what of it rules, as a line.
fn ruled(tree: &Tree) -> Result<(String, String), String> {
    let mut members = vec![("resourceType".to_owned(), Tree::string("StructureDefinition"))];
    let kept = |name: &&str| tree.get(name).map(|value| (name.to_string(), value.clone()));
    members.extend(STRUCTURE.iter().filter_map(kept));
    let elements = differential(tree).iter().map(ruling).collect();
    members.push((
        "differential".to_owned(),
        Tree::object([("element", Tree::Array(elements))]),
    ));
    let mut text = String::from_utf8(Tree::Object(members).to_bytes()).map_err(|e| e.to_string())?;
    for (_, wrong, right) in CONTEXTS.iter().filter(|(id, ..)| *id == optional(tree, "id")) {
        text = text.replace(wrong, right);
    }
    Ok((string(tree, "url")?.to_owned(), text + "\n"))
}

/// What is kept of a StructureDefinition besides its elements.
const STRUCTURE: [&str; 14] = [
    "id",
    "url",
    "version",
    "name",
    "title",
    "status",
    "description",
    "kind",
    "abstract",
    "context",
    "contextInvariant",
    "type",
    "baseDefinition",
    "derivation",
];

const OBLIGATION: &str = "http://hl7.org/fhir/StructureDefinition/obligation";

/// What of an element rules nothing.
const PROSE: [&str; 12] = [
    "id",
    "alias",
    "base",
    "comment",
    "condition",
    "definition",
    "example",
    "isSummary",
    "label",
    "mapping",
    "requirements",
    "short",
];

fn ruling(element: &Tree) -> Tree {
    let Tree::Object(members) = element else {
        return element.clone();
    };
    let modifies = element.get("isModifier") == Some(&Tree::Bool(true)) && optional(element, "path") == "Extension";
    let mut kept = Vec::new();
    for (name, value) in members.iter().filter(|(name, _)| !PROSE.contains(&name.as_str())) {
        match name.as_str() {
            // What actors shall do with an element is no rule for a record.
            "extension" => {
                let own = value.items().iter().filter(|one| optional(one, "url") != OBLIGATION);
                let own: Vec<Tree> = own.cloned().collect();
                if !own.is_empty() {
                    kept.push((name.clone(), Tree::Array(own)));
                }
            }
            // Only of an extension as a whole it rules something: where it may stand.
            "isModifier" | "isModifierReason" if !modifies => {}
            "constraint" => {
                let own = value.items().iter().filter(|c| !JUDGED.contains(&optional(c, "key")));
                let own: Vec<Tree> = own.map(corrected).collect();
                if !own.is_empty() {
                    kept.push((name.clone(), Tree::Array(own)));
                }
            }
            _ => kept.push((name.clone(), value.clone())),
        }
    }
    Tree::Object(kept)
}

fn corrected(constraint: &Tree) -> Tree {
    let mut constraint = constraint.clone();
    let right = expression(optional(&constraint, "key"), optional(&constraint, "expression"));
    for name in ["xpath", "source", "extension"] {
        constraint.remove(name);
    }
    constraint.set("expression", Tree::String(right));
    constraint
}

/// An invariant's expression as it is meant.
fn expression(key: &str, published: &str) -> String {
    match ERRATA.iter().find(|(wrong, ..)| *wrong == key) {
        Some((_, right, _)) => (*right).to_owned(),
        None => whole_matches(&flat(published)),
    }
}

/// R4's invariants take `matches()` for the whole text; FHIRPath takes it for any part.
fn whole_matches(expression: &str) -> String {
    const CALL: &str = "matches('";
    let mut out = String::new();
    let mut rest = expression;
    while let Some((before, pattern)) = rest.split_once(CALL) {
        out.push_str(before);
        out.push_str(CALL);
        let end = end_of_string(pattern);
        let (pattern, after) = pattern.split_at(end);
        out.push_str(&if !pattern.starts_with('^') {
            format!("^({pattern})$")
        } else {
            pattern.to_owned()
        });
        rest = after;
    }
    out + rest
}

/// Where a FHIRPath string ends, that is its closing quotation mark.
fn end_of_string(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'\'' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn differential(tree: &Tree) -> &[Tree] {
    tree.get("differential").map_or(&[], |d| items(d, "element"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_whole_text() {
        let table = [
            ("name.matches('[A-Z]\\'x')", "name.matches('^([A-Z]\\'x)$')"),
            ("a.all(matches('^b$')) and c", "a.all(matches('^b$')) and c"),
            ("true", "true"),
        ];
        for (published, meant) in table {
            assert_eq!(expression("x", published), meant);
        }
    }

    #[test]
    fn what_is_wrong_in_the_standard_is_put_right() {
        for (key, right, _) in ERRATA {
            assert_eq!(&expression(key, "as published"), right);
        }
        assert!(ERRATA.is_sorted_by_key(|(key, ..)| *key));
    }
}
