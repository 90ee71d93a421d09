//! The operations: what each is called, where it can be asked for, and who answers it.
//!
//! One table, from which requests find their way and the CapabilityStatement is written
//! (<https://hl7.org/fhir/R4/operations.html>). Of one name there may be several rows, each for its own kinds.

use fhir::identity::{Id, Kind};

use crate::engine::Engine;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Caller, Request};
use crate::{
    batch_validate_code, closure, convert, diff, document, everything, expand, fetch, fhirpath, find, keep_apart,
    lastn, lookup, match_patient, merge, meta, meta_add, meta_delete, reindex, review_duplicates, stats, subsumes,
    summary, translate, unmerge, validate, validate_code, viewdefinition_run,
};

/// Stands for every kind of record, as in `OperationDefinition.resource`.
pub(crate) const EVERY: &str = "Resource";

/// The operations that answer in formats of their own, and look themselves at what the caller accepts.
const OF_OWN_FORMATS: [&str; 2] = ["run", "viewdefinition-run"];

/// The operations that can be asked of one version of a record too, as well as of the record.
const OF_VERSIONS: [&str; 3] = ["meta", "meta-add", "meta-delete"];

/// The operations that are answered on the spot where that takes next to no work: asked by GET, of no record.
const AT_HAND: [&str; 3] = ["lookup", "subsumes", "validate-code"];

/// The operations that only a clinic answers: at the centre they are not listed, and refused.
pub const AT_CLINICS: [&str; 1] = ["fetch"];

/// What an operation is asked, besides the request itself.
pub struct Call<'a> {
    /// Which it is.
    pub operation: &'static Operation,
    /// The kind in the address, where there is one.
    pub kind: Option<&'a Kind>,
    /// The id in the address, where there is one.
    pub id: Option<&'a Id>,
    /// The version in the address, as it stands there, where there is one.
    pub version: Option<&'a str>,
    /// The parameters in the address, but `_format` and `_pretty`.
    pub params: &'a [(String, String)],
    /// `_format` in the address.
    pub format: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// The kind and id in the address of an operation on records.
    ///
    /// # Panics
    /// Where the operation can be asked for elsewhere: [`find`] hands it only such addresses as its row has.
    pub(crate) fn record(&self) -> (&'a Kind, &'a Id) {
        self.kind.zip(self.id).expect("it is asked of records only")
    }
}

/// Who answers an operation.
type Answer = fn(&Engine, &Caller, &Request<'_>, &Call<'_>) -> Result<Reply, Refusal>;

/// One operation.
pub struct Operation {
    /// The name, without the `$`.
    pub name: &'static str,
    /// The canonical address of its definition; `None` where it is this server's own.
    pub definition: Option<&'static str>,
    /// What it does, where its definition does not say it already.
    pub text: &'static str,
    /// Whether it can be asked for at the base address.
    pub system: bool,
    /// The kinds that it can be asked of as a whole; [`EVERY`] for all.
    pub kinds: &'static [&'static str],
    /// The kinds whose records it can be asked of.
    pub records: &'static [&'static str],
    /// Whether it leaves everything as it is, so that it can be asked for by GET as well.
    pub safe: bool,
    /// Who answers it.
    pub answer: Answer,
}

/// All operations, by name.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "batch-validate-code",
        definition: None,
        text: "Many questions of $validate-code at once: each parameter `validation` holds the Parameters of one, and is \
               answered by one of that name. All other parameters hold for every question.",
        system: true,
        kinds: &["CodeSystem", "ValueSet"],
        records: &[],
        safe: false,
        answer: batch_validate_code::batch_validate_code,
    },
    Operation {
        name: "closure",
        definition: Some("http://hl7.org/fhir/OperationDefinition/ConceptMap-closure"),
        text: "At ConceptMap/$closure as well, where R4's page on terminology services has it.",
        system: true,
        kinds: &["ConceptMap"],
        records: &[],
        safe: false,
        answer: closure::closure,
    },
    Operation {
        name: "convert",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-convert"),
        text: "",
        system: true,
        kinds: &[],
        records: &[],
        safe: false,
        answer: convert::convert,
    },
    Operation {
        name: "diff",
        definition: None,
        text: "Answers the FHIRPath Patch that makes `to` of `from`: of a record, its versions `fromVersion` (the one \
               before) and `toVersion` (the current); at the base, two references or resources. `includeMeta` compares \
               labels too.",
        system: true,
        kinds: &[],
        records: &[EVERY],
        safe: true,
        answer: diff::diff,
    },
    Operation {
        name: "document",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Composition-document"),
        text: "What is referred to comes along as far as it is of the same patient or of nobody; `graph` is refused.",
        system: false,
        kinds: &["Composition"],
        records: &["Composition"],
        safe: true,
        answer: document::document,
    },
    Operation {
        name: "everything",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Patient-everything"),
        text: "The compartments as matches; as included, what those refer to and no other patient's compartment has. Of all \
               patients it comes in pages, without a total.",
        system: false,
        kinds: &["Patient"],
        records: &["Patient"],
        safe: true,
        answer: everything::everything,
    },
    Operation {
        name: "everything",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Encounter-everything"),
        text: "The compartment as matches; as included, what those refer to, of the same patient or of nobody.",
        system: false,
        kinds: &[],
        records: &["Encounter"],
        safe: true,
        answer: everything::everything,
    },
    Operation {
        name: "expand",
        definition: Some("http://hl7.org/fhir/OperationDefinition/ValueSet-expand"),
        text: "",
        system: false,
        kinds: &["ValueSet"],
        records: &["ValueSet"],
        safe: true,
        answer: expand::expand,
    },
    Operation {
        name: "fetch",
        definition: None,
        text: "At a clinic: asks for the records of a patient who is not in its horizon, with who asks (agent) and why \
               (reason). They come with the next contact. Answers the Task that asks.",
        system: false,
        kinds: &[],
        records: &["Patient"],
        safe: false,
        answer: fetch::fetch,
    },
    Operation {
        name: "fhirpath",
        definition: None,
        text: "Evaluates an expression on a resource; Parameters in and out as public FHIRPath servers have them.",
        system: true,
        kinds: &[],
        records: &[],
        safe: true,
        answer: fhirpath::fhirpath,
    },
    Operation {
        name: "find",
        definition: Some("http://hl7.org/fhir/OperationDefinition/List-find"),
        text: "Knows $current-problems, $current-medications, $current-allergies and $current-drug-allergies; where no \
               List is kept for the purpose, one is made of what the records say is current.",
        system: false,
        kinds: &["List"],
        records: &[],
        safe: true,
        answer: find::find,
    },
    Operation {
        name: "keep-apart",
        definition: None,
        text: "Remembers that the records `patient` and `other` are of two persons, with who says so (agent) and why (reason): \
               they are never proposed as duplicates again. Answers the Task of the pair.",
        system: false,
        kinds: &["Patient"],
        records: &["Patient"],
        safe: false,
        answer: keep_apart::keep_apart,
    },
    Operation {
        name: "lastn",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Observation-lastn"),
        text: "",
        system: false,
        kinds: &["Observation"],
        records: &[],
        safe: true,
        answer: lastn::lastn,
    },
    Operation {
        name: "lookup",
        definition: Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
        text: "Of one CodeSystem as well, as R4's page on terminology services has it.",
        system: false,
        kinds: &["CodeSystem"],
        records: &["CodeSystem"],
        safe: true,
        answer: lookup::lookup,
    },
    Operation {
        name: "match",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Patient-match"),
        text: "Each match has search.score, a calibrated probability, and the extension match-grade; __explain=true adds what \
               every feature says. Name and year of birth alone are never certain.",
        system: false,
        kinds: &["Patient"],
        records: &[],
        safe: true,
        answer: match_patient::match_patient,
    },
    Operation {
        name: "merge",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Patient-merge"),
        text: "As in R5. Nothing that refers to either patient is rewritten: searches by one id find what refers to the other. \
               Asked again, nothing is written. Beside R5's parameters: agent (Reference) and reason (string) for the \
               Provenance, key (id) for the request.",
        system: false,
        kinds: &["Patient"],
        records: &[],
        safe: false,
        answer: merge::merge,
    },
    Operation {
        name: "meta",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta"),
        text: "",
        system: true,
        kinds: &[EVERY],
        records: &[EVERY],
        safe: true,
        answer: meta::meta,
    },
    Operation {
        name: "meta-add",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-add"),
        text: "",
        system: false,
        kinds: &[],
        records: &[EVERY],
        safe: false,
        answer: meta_add::meta_add,
    },
    Operation {
        name: "meta-delete",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete"),
        text: "",
        system: false,
        kinds: &[],
        records: &[EVERY],
        safe: false,
        answer: meta_delete::meta_delete,
    },
    Operation {
        name: "reindex",
        definition: None,
        text: "POST builds the search index anew, beside the one in use; GET tells how that stands.",
        system: true,
        kinds: &[],
        records: &[],
        safe: true,
        answer: reindex::reindex,
    },
    Operation {
        name: "review-duplicates",
        definition: None,
        text: "POST has everybody looked for among all others, in the background, and those who may be one person put on the \
               worklist; GET tells how far that is.",
        system: false,
        kinds: &["Patient"],
        records: &[],
        safe: true,
        answer: review_duplicates::review_duplicates,
    },
    Operation {
        name: "run",
        definition: None,
        text: "The name that $viewdefinition-run had in earlier drafts of SQL on FHIR.",
        system: false,
        kinds: &["ViewDefinition"],
        records: &["ViewDefinition"],
        safe: true,
        answer: viewdefinition_run::viewdefinition_run,
    },
    Operation {
        name: "stats",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Observation-stats"),
        text: "Variance and standard deviation are those of a sample; a regression answers Gradient (a day) and Intercept.",
        system: false,
        kinds: &["Observation"],
        records: &[],
        safe: true,
        answer: stats::stats,
    },
    Operation {
        name: "subsumes",
        definition: Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes"),
        text: "",
        system: false,
        kinds: &["CodeSystem"],
        records: &["CodeSystem"],
        safe: true,
        answer: subsumes::subsumes,
    },
    Operation {
        name: "summary",
        definition: Some("http://hl7.org/fhir/uv/ips/OperationDefinition/summary"),
        text: "The International Patient Summary, by the Composition profile of IPS 2.0.0.",
        system: false,
        kinds: &["Patient"],
        records: &["Patient"],
        safe: true,
        answer: summary::summary,
    },
    Operation {
        name: "translate",
        definition: Some("http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
        text: "",
        system: false,
        kinds: &["ConceptMap"],
        records: &["ConceptMap"],
        safe: true,
        answer: translate::translate,
    },
    Operation {
        name: "unmerge",
        definition: None,
        text: "Undoes a merge of two patients. Of each, the version before is taken, and what was changed since is changed \
               again on it. Takes the parameters of $merge but result-patient; of a record, source-patient is in the address.",
        system: false,
        kinds: &["Patient"],
        records: &["Patient"],
        safe: false,
        answer: unmerge::unmerge,
    },
    Operation {
        name: "validate",
        definition: Some("http://hl7.org/fhir/OperationDefinition/Resource-validate"),
        text: "",
        system: true,
        kinds: &[EVERY],
        records: &[EVERY],
        safe: true,
        answer: validate::validate,
    },
    Operation {
        name: "validate-code",
        definition: Some("http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code"),
        text: "",
        system: false,
        kinds: &["CodeSystem"],
        records: &["CodeSystem"],
        safe: true,
        answer: validate_code::of_code_system,
    },
    Operation {
        name: "validate-code",
        definition: Some("http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code"),
        text: "",
        system: false,
        kinds: &["ValueSet"],
        records: &["ValueSet"],
        safe: true,
        answer: validate_code::of_value_set,
    },
    Operation {
        name: "viewdefinition-run",
        definition: Some("http://sql-on-fhir.org/OperationDefinition/$viewdefinition-run"),
        text: "Answers with the rows of a view as CSV, NDJSON or JSON, as _format or Accept says.",
        system: false,
        kinds: &["ViewDefinition"],
        records: &["ViewDefinition"],
        safe: true,
        answer: viewdefinition_run::viewdefinition_run,
    },
];

/// Where an operation is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum At<'a> {
    /// At the base address.
    System,
    /// Of a kind as a whole.
    Kind(&'a str),
    /// Of a record of a kind.
    Record(&'a str),
    /// Of one version of a record of a kind.
    Version(&'a str),
}

impl Operation {
    /// Whether it can be asked for there.
    pub fn is_at(&self, at: At<'_>) -> bool {
        let among = |kinds: &[&str], kind: &str| kinds.iter().any(|k| *k == kind || *k == EVERY);
        match at {
            At::System => self.system,
            At::Kind(kind) => among(self.kinds, kind),
            At::Record(kind) => among(self.records, kind),
            At::Version(kind) => OF_VERSIONS.contains(&self.name) && among(self.records, kind),
        }
    }

    /// Whether the CapabilityStatement lists it under a kind.
    pub fn is_of(&self, kind: &str) -> bool {
        self.is_at(At::Kind(kind)) || self.is_at(At::Record(kind))
    }

    /// Whether it may be answered on the spot.
    pub(crate) fn may_be_at_hand(&self) -> bool {
        AT_HAND.contains(&self.name)
    }

    /// The methods it is asked for by, for `Allow`.
    pub fn methods(&self) -> &'static str {
        if self.safe { "GET, HEAD, POST" } else { "POST" }
    }
}

/// Whether a path is of an operation that answers in formats of its own, and looks itself at what the caller accepts.
pub fn has_own_formats(path: &str) -> bool {
    let last = path.rsplit('/').next().and_then(|name| name.strip_prefix('$'));
    last.is_some_and(|name| OF_OWN_FORMATS.contains(&name))
}

/// The operation of that name, `$` included, where it can be asked for there.
pub fn find(name: &str, at: At<'_>) -> Option<&'static Operation> {
    let name = name.strip_prefix('$')?;
    OPERATIONS.iter().find(|o| o.name == name && o.is_at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_where_it_is_and_nowhere_else() {
        let table = [
            ("$reindex", At::System, true),
            ("$reindex", At::Kind("Patient"), false),
            ("reindex", At::System, false),
            ("$everything", At::Record("Patient"), true),
            ("$everything", At::Record("Observation"), false),
            ("$everything", At::Kind("Patient"), true),
            ("$everything", At::Kind("Encounter"), false),
            ("$everything", At::System, false),
            ("$everything", At::Version("Patient"), false),
            ("$meta", At::Version("Patient"), true),
        ];
        for (name, at, there) in table {
            assert_eq!(find(name, at).is_some(), there, "{name}");
        }
    }

    #[test]
    fn names_are_in_order_and_no_two_rows_are_for_the_same_place() {
        assert!(OPERATIONS.is_sorted_by_key(|o| o.name));
        for pair in OPERATIONS.windows(2).filter(|pair| pair[0].name == pair[1].name) {
            assert!(!(pair[0].system && pair[1].system), "{}", pair[0].name);
            for kind in pair[0].kinds.iter().chain(pair[0].records) {
                assert!(!pair[1].is_of(kind), "{} of {kind}", pair[0].name);
            }
        }
    }
}
