//! Which records contradict each other, as what was done on a withdrawn request: `schema/sync/contradictions.tsv`, read once.

use std::sync::LazyLock;

use fhir::identity::{Id, Reference};
use fhir::tree::Tree;

/// A kind of what is done, and the kind of request on which it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The kind of what is done.
    pub fact: &'static str,
    /// The kind of the request.
    pub request: &'static str,
    /// The search parameter of the fact that finds it by its request.
    pub parameter: &'static str,
    done: Vec<&'static str>,
    withdrawn: Vec<&'static str>,
    element: &'static str,
    /// The kind of what both take and only one can have; `None` where the one is done on the other.
    pub shared: Option<&'static str>,
}

const TABLE: &str = include_str!("../../schema/sync/contradictions.tsv");

static ALL: LazyLock<Vec<Contradiction>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(read).collect()
});

fn read(line: &'static str) -> Contradiction {
    let fields: Vec<&str> = line.split('\t').collect();
    let (fields, shared) = match fields[..] {
        [.., shared] if fields.len() == 7 => (&fields[..6], Some(shared)),
        _ => (&fields[..], None),
    };
    let [fact, done, request, withdrawn, element, parameter] = fields[..] else {
        panic!("contradictions.tsv: {line} has neither six fields nor seven");
    };
    Contradiction {
        fact,
        request,
        parameter,
        done: done.split(' ').collect(),
        withdrawn: withdrawn.split(' ').collect(),
        element,
        shared,
    }
}

/// All of them.
pub fn all() -> &'static [Contradiction] {
    &ALL
}

/// The status of a record; empty where it has none.
pub fn status(record: &Tree) -> &str {
    record.get("status").and_then(Tree::as_str).unwrap_or_default()
}

impl Contradiction {
    /// Whether a record in its stored form may be part of any: most are none, and need not be read for it.
    pub fn may_concern(kind: &str, body: &[u8]) -> bool {
        let holds = |word: &str| body.windows(word.len()).any(|part| part == word.as_bytes());
        let names = |one: &Contradiction| one.fact == kind && holds(one.element);
        let says = |one: &Contradiction| one.request == kind && one.withdrawn.iter().any(|code| holds(code));
        ALL.iter().any(|one| names(one) || says(one))
    }

    /// Whether a fact says that it was done.
    pub fn is_done(&self, fact: &Tree) -> bool {
        self.done.contains(&status(fact))
    }

    /// Whether a request says that it shall not be done.
    pub fn is_withdrawn(&self, request: &Tree) -> bool {
        self.withdrawn.contains(&status(request))
    }

    /// The requests on which a fact was done, or what it takes, by their ids.
    pub fn requests(&self, fact: &Tree) -> Vec<Id> {
        let named = fact.get(self.element);
        let items = match named {
            Some(Tree::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        let wanted = self.shared.unwrap_or(self.request);
        let id = |item: &Tree| match Reference::parse(item.get("reference")?.as_str()?) {
            Reference::Literal { kind, id, .. } if kind == wanted => Id::new(id),
            _ => None,
        };
        items.iter().filter_map(id).collect()
    }
}

#[cfg(test)]
mod tests {
    use fhir::document::Document;
    use fhir::parse::Limits;

    use super::*;

    fn tree(json: &str) -> Tree {
        Tree::from_node(Document::parse(json.as_bytes(), Limits::default()).unwrap().root())
    }

    #[test]
    fn what_was_done_names_its_request() {
        let table = [
            (
                "MedicationDispense",
                r#"{"status":"completed","authorizingPrescription":[{"reference":"MedicationRequest/a"},{"reference":"http://x/MedicationRequest/b/_history/1"}]}"#,
                true,
                vec!["a", "b"],
            ),
            (
                "MedicationDispense",
                r#"{"status":"cancelled","authorizingPrescription":[{"display":"x"}]}"#,
                false,
                vec![],
            ),
            (
                "Observation",
                r#"{"status":"final","basedOn":[{"reference":"CarePlan/a"},{"reference":"ServiceRequest/a"}]}"#,
                true,
                vec!["a"],
            ),
            ("DiagnosticReport", r#"{"status":"registered"}"#, false, vec![]),
            (
                "Procedure",
                r#"{"status":"completed","basedOn":{"reference":"ServiceRequest/a"}}"#,
                true,
                vec!["a"],
            ),
        ];
        for (kind, json, done, requests) in table {
            let rule = all().iter().find(|rule| rule.fact == kind).unwrap();
            let named: Vec<String> = rule.requests(&tree(json)).iter().map(ToString::to_string).collect();
            let may = Contradiction::may_concern(kind, json.as_bytes());
            assert_eq!(may, kind != "DiagnosticReport", "{json}");
            assert_eq!(
                (rule.is_done(&tree(json)), named),
                (done, requests.into_iter().map(str::to_owned).collect()),
                "{json}"
            );
        }
        let rule = &all()[0];
        assert!(rule.is_withdrawn(&tree(r#"{"status":"cancelled"}"#)) && !rule.is_withdrawn(&tree("{}")));
    }
}
