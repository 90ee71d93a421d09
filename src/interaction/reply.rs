//! What a request is answered with: a status, the headers FHIR gives a meaning, and the body.

use std::borrow::Cow;
use std::sync::Arc;

use fhir::identity::VersionId;
use fhir::outcome::{Issue, write_outcome};

/// The Content-Type of FHIR JSON.
pub const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";
/// The Content-Type of FHIR XML.
pub const FHIR_XML: &str = "application/fhir+xml; charset=utf-8";

/// The bytes of an answer: FHIR JSON as the interactions give it, and what its caller wants after all of them.
#[derive(Clone, Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// Bytes made for this answer.
    Owned(Vec<u8>),
    /// Bytes that the read cache holds too.
    Shared(Arc<[u8]>),
}

impl Body {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Body::Empty => &[],
            Body::Owned(bytes) => bytes,
            Body::Shared(bytes) => bytes,
        }
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Body,
    /// `Content-Type` of the body.
    pub media: Cow<'static, str>,
    /// `Content-Disposition` of a body that is the content of a Binary, in whatever type; such a body is never rewritten.
    pub disposition: Option<&'static str>,
    /// `X-Security-Context` of such a body: a reference to the record whose protection it shares.
    pub security_context: Option<String>,
    /// `ETag`, written `W/"0-17"`.
    pub etag: Option<VersionId>,
    /// `Last-Modified`, microseconds since 1970.
    pub last_modified: Option<i64>,
    /// `Location`, absolute.
    pub location: Option<String>,
    /// `Content-Location`, absolute.
    pub content_location: Option<String>,
    /// `X-Completeness`: how complete the answer of a clinic is, and as of when.
    pub completeness: Option<String>,
    /// `Retry-After`, seconds.
    pub retry_after: Option<u32>,
    /// `Allow`, with a 405.
    pub allow: Option<&'static str>,
    /// `Accept-Patch`, with a 415 for a patch.
    pub accept_patch: Option<&'static str>,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: u16) -> Reply {
        Reply {
            status,
            body: Body::Empty,
            media: Cow::Borrowed(FHIR_JSON),
            disposition: None,
            security_context: None,
            etag: None,
            last_modified: None,
            location: None,
            content_location: None,
            completeness: None,
            retry_after: None,
            allow: None,
            accept_patch: None,
        }
    }

    /// An answer with a JSON body.
    pub fn json(status: u16, body: Vec<u8>) -> Reply {
        Reply {
            body: Body::Owned(body),
            ..Reply::empty(status)
        }
    }

    /// An answer that is an OperationOutcome.
    pub fn outcome(status: u16, issues: &[Issue]) -> Reply {
        let mut body = Vec::with_capacity(256);
        write_outcome(issues, &mut body);
        Reply::json(status, body)
    }

    /// The same answer, naming the version it is about.
    pub fn of_version(self, version: VersionId, updated: i64) -> Reply {
        Reply {
            etag: Some(version),
            last_modified: Some(updated),
            ..self
        }
    }
}
