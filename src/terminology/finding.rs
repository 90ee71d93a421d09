//! What was found in answering a question of terminology: issues with the codes that terminology servers agree on.
//!
//! The second code of an issue comes from `http://hl7.org/fhir/tools/CodeSystem/tx-issue-type`, by which a validator
//! knows what to make of it (<https://build.fhir.org/ig/HL7/fhir-tx-ecosystem-ig/requirements.html>).

use fhir::outcome::Severity;
use fhir::tree::Tree;

const MESSAGE_ID: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id";
const ISSUE_TYPES: &str = "http://hl7.org/fhir/tools/CodeSystem/tx-issue-type";

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The code of <https://hl7.org/fhir/R4/valueset-issue-type.html>.
    pub code: &'static str,
    /// The code of `tx-issue-type`.
    pub kind: &'static str,
    /// One sentence.
    pub text: String,
    /// Where, as FHIRPath; empty for the whole.
    pub expression: String,
    /// Whether the summary of the answer says it too.
    pub spoken: bool,
    /// The name by which terminology servers know the sentence; empty for none.
    pub message: &'static str,
}

impl Finding {
    /// An error, which the summary says.
    pub fn error(code: &'static str, kind: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Error,
            code,
            kind,
            text: text.into(),
            expression: String::new(),
            spoken: true,
            message: "",
        }
    }

    /// A warning, which the summary does not say.
    pub fn warning(code: &'static str, kind: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Warning,
            spoken: false,
            ..Finding::error(code, kind, text)
        }
    }

    /// A remark, which the summary does not say.
    pub fn information(code: &'static str, kind: &'static str, text: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Information,
            ..Finding::warning(code, kind, text)
        }
    }

    /// The same at a place.
    pub fn at(self, expression: impl Into<String>) -> Finding {
        Finding {
            expression: expression.into(),
            ..self
        }
    }

    /// The same, by the name that terminology servers have for the sentence.
    pub fn known_as(self, message: &'static str) -> Finding {
        Finding { message, ..self }
    }

    /// The same, said by the summary too.
    pub fn spoken(self) -> Finding {
        Finding { spoken: true, ..self }
    }

    fn issue(&self) -> Tree {
        let severity = match self.severity {
            Severity::Fatal => "fatal",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Information => "information",
        };
        let coding = Tree::object([("system", Tree::string(ISSUE_TYPES)), ("code", Tree::string(self.kind))]);
        let mut issue = Tree::object([]);
        if !self.message.is_empty() {
            let id = Tree::object([
                ("url", Tree::string(MESSAGE_ID)),
                ("valueString", Tree::string(self.message)),
            ]);
            issue.set("extension", Tree::Array(vec![id]));
        }
        issue.set("severity", Tree::string(severity));
        issue.set("code", Tree::string(self.code));
        let coding = Tree::Array(vec![coding]);
        issue.set(
            "details",
            Tree::object([("coding", coding), ("text", Tree::string(&self.text))]),
        );
        if !self.expression.is_empty() {
            // Clients of terminology servers read the one or the other.
            for name in ["location", "expression"] {
                issue.set(name, Tree::Array(vec![Tree::string(&self.expression)]));
            }
        }
        issue
    }
}

/// An OperationOutcome of findings.
pub fn outcome(findings: &[Finding]) -> Tree {
    Tree::object([
        ("resourceType", Tree::string("OperationOutcome")),
        ("issue", Tree::Array(findings.iter().map(Finding::issue).collect())),
    ])
}

/// What the summary of an answer says: the sentences of the findings, each once, in the order of the alphabet.
pub fn summary(findings: &[Finding]) -> Option<String> {
    let mut texts: Vec<&str> = findings.iter().filter(|f| f.spoken).map(|f| f.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Unable {
    /// It cannot be answered as it was asked; the HTTP status that says so, and what was found.
    Refused(u16, Vec<Finding>),
    /// Records that it needs could not be read; whoever lent them knows why.
    Unread,
}

impl Unable {
    /// A definition that the question names is not known: 404.
    pub fn missing(text: impl Into<String>) -> Unable {
        Unable::missing_as("", text)
    }

    /// The same, by the name that terminology servers have for the sentence.
    pub fn missing_as(message: &'static str, text: impl Into<String>) -> Unable {
        let finding = Finding::error("not-found", "not-found", text);
        Unable::Refused(404, vec![finding.known_as(message)])
    }

    /// The question itself is not acceptable: 400.
    pub fn invalid(text: impl Into<String>) -> Unable {
        Unable::Refused(400, vec![Finding::error("invalid", "invalid-data", text)])
    }

    /// A definition cannot be used: 422.
    pub fn unusable(finding: Finding) -> Unable {
        Unable::Refused(422, vec![finding])
    }

    /// The answer would be too long, or take too long: 422.
    pub fn too_costly(text: impl Into<String>) -> Unable {
        Unable::Refused(422, vec![Finding::error("too-costly", "too-costly", text)])
    }

    /// The sentences of it.
    pub fn sentence(&self) -> String {
        match self {
            Unable::Refused(_, findings) => {
                let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
                texts.join("; ")
            }
            Unable::Unread => "Records that are needed could not be read".to_owned(),
        }
    }
}
