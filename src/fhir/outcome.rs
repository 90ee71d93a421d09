//! What was found in judging a record or a request: a list of issues, an OperationOutcome at the door.

use crate::parse::write_string;

/// How bad an issue is (<https://hl7.org/fhir/R4/valueset-issue-severity.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Information,
    /// Done, but perhaps not as meant.
    Warning,
    /// Not done.
    Error,
    /// Not done, and the server is in trouble.
    Fatal,
}

impl Severity {
    /// FHIR's code.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Information => "information",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        }
    }
}

/// The kind of an issue (<https://hl7.org/fhir/R4/valueset-issue-type.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The content is not valid.
    Invalid,
    /// The content is not in the expected structure.
    Structure,
    /// A required element is missing.
    Required,
    /// An element's value is not acceptable.
    Value,
    /// A code is none of those that may stand there.
    CodeInvalid,
    /// An extension is not known, or may not stand there.
    Extension,
    /// An invariant or a business rule does not hold.
    BusinessRule,
    /// An invariant does not hold.
    Invariant,
    /// A parameter, an interaction or a content is not supported.
    NotSupported,
    /// The same thing exists already.
    Duplicate,
    /// Several things match where one was expected.
    MultipleMatches,
    /// There is no such thing.
    NotFound,
    /// There was such a thing, and it was deleted.
    Deleted,
    /// Something is longer than the limit.
    TooLong,
    /// The answer would cost more than the limit.
    TooCostly,
    /// Somebody changed the record in between.
    Conflict,
    /// The caller may not.
    Forbidden,
    /// There is no room left to store anything.
    NoStore,
    /// A limit on requests under way was met.
    Throttled,
    /// Out of time.
    Timeout,
    /// A passing fault; the same request may succeed later.
    Transient,
    /// A fault of the server's.
    Exception,
    /// All is well; a remark.
    Informational,
}

impl Code {
    /// FHIR's code.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Invalid => "invalid",
            Code::Structure => "structure",
            Code::Required => "required",
            Code::Value => "value",
            Code::CodeInvalid => "code-invalid",
            Code::Extension => "extension",
            Code::BusinessRule => "business-rule",
            Code::Invariant => "invariant",
            Code::NotSupported => "not-supported",
            Code::Duplicate => "duplicate",
            Code::MultipleMatches => "multiple-matches",
            Code::NotFound => "not-found",
            Code::Deleted => "deleted",
            Code::TooLong => "too-long",
            Code::TooCostly => "too-costly",
            Code::Conflict => "conflict",
            Code::Forbidden => "forbidden",
            Code::NoStore => "no-store",
            Code::Throttled => "throttled",
            Code::Timeout => "timeout",
            Code::Transient => "transient",
            Code::Exception => "exception",
            Code::Informational => "informational",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of finding it is.
    pub code: Code,
    /// A sentence a person can act on.
    pub text: String,
    /// Where: a FHIRPath expression, or `http.name` for a header or a parameter; empty if nowhere.
    pub expression: String,
}

impl Issue {
    /// An error, without a place.
    pub fn error(code: Code, text: impl Into<String>) -> Issue {
        Issue {
            severity: Severity::Error,
            code,
            text: text.into(),
            expression: String::new(),
        }
    }

    /// A warning, without a place.
    pub fn warning(code: Code, text: impl Into<String>) -> Issue {
        Issue {
            severity: Severity::Warning,
            ..Issue::error(code, text)
        }
    }

    /// A remark, without a place.
    pub fn information(code: Code, text: impl Into<String>) -> Issue {
        Issue {
            severity: Severity::Information,
            ..Issue::error(code, text)
        }
    }

    /// The same issue at a place.
    pub fn at(self, expression: impl Into<String>) -> Issue {
        Issue {
            expression: expression.into(),
            ..self
        }
    }
}

/// Appends an OperationOutcome's JSON.
pub fn write_outcome(issues: &[Issue], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"resourceType\":\"OperationOutcome\",\"issue\":[");
    for (i, issue) in issues.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_issue(issue, out);
    }
    out.extend_from_slice(b"]}");
}

fn write_issue(issue: &Issue, out: &mut Vec<u8>) {
    let start = format!(
        "{{\"severity\":\"{}\",\"code\":\"{}\",\"diagnostics\":",
        issue.severity.as_str(),
        issue.code.as_str()
    );
    out.extend_from_slice(start.as_bytes());
    write_string(out, &issue.text);
    if !issue.expression.is_empty() {
        out.extend_from_slice(b",\"expression\":[");
        write_string(out, &issue.expression);
        out.push(b']');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_an_operation_outcome() {
        let issue = Issue::error(Code::Required, "Say \"who\".").at("Patient.name");
        let mut out = Vec::new();
        write_outcome(&[issue], &mut out);
        let expected = r#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"required","diagnostics":"Say \"who\".","expression":["Patient.name"]}]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
