//! Writes the Bundle that answers a batch or a transaction, entry by entry in the order of the request.

use fhir::identity::VersionId;
use fhir::moment;
use fhir::parse::write_string;

use crate::reply::Reply;

/// What became of one entry.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `response.location`
    pub location: Option<String>,
    /// `response.etag`
    pub etag: Option<VersionId>,
    /// `response.lastModified`, microseconds since 1970.
    pub last_modified: Option<i64>,
    /// `resource`, as JSON; empty for none.
    pub resource: Vec<u8>,
    /// `response.outcome`, as JSON; empty for none.
    pub outcome: Vec<u8>,
}

impl Answer {
    /// What a single request was answered with, as the answer of an entry; `reading` says whether it only read.
    pub fn from_reply(reply: Reply, reading: bool) -> Answer {
        let body = reply.body.bytes().to_vec();
        let outcome = !reading && body.starts_with(br#"{"resourceType":"OperationOutcome""#);
        let failed = reply.status >= 400 || outcome;
        let (resource, outcome) = if failed { (Vec::new(), body) } else { (body, Vec::new()) };
        Answer {
            status: reply.status,
            location: reply.location,
            etag: reply.etag,
            last_modified: reply.last_modified,
            resource,
            outcome,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if !self.resource.is_empty() {
            out.extend_from_slice(b"\"resource\":");
            out.extend_from_slice(&self.resource);
            out.push(b',');
        }
        let status = format!("\"response\":{{\"status\":\"{} {}\"", self.status, phrase(self.status));
        out.extend_from_slice(status.as_bytes());
        if let Some(location) = &self.location {
            out.extend_from_slice(b",\"location\":");
            write_string(out, location);
        }
        if let Some(version) = self.etag {
            out.extend_from_slice(format!(",\"etag\":\"W/\\\"{version}\\\"\"").as_bytes());
        }
        if let Some(updated) = self.last_modified {
            out.extend_from_slice(format!(",\"lastModified\":\"{}\"", moment::instant(updated)).as_bytes());
        }
        if !self.outcome.is_empty() {
            out.extend_from_slice(b",\"outcome\":");
            out.extend_from_slice(&self.outcome);
        }
        out.extend_from_slice(b"}}");
    }
}

/// The JSON of the Bundle; `kind` is `batch-response` or `transaction-response`.
pub fn write(kind: &str, answers: &[Answer]) -> Vec<u8> {
    let bodies: usize = answers.iter().map(|a| a.resource.len() + a.outcome.len() + 220).sum();
    let mut out = Vec::with_capacity(bodies + 64);
    out.extend_from_slice(b"{\"resourceType\":\"Bundle\",\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
    for (i, answer) in answers.iter().enumerate() {
        out.extend_from_slice(if i == 0 { b",\"entry\":[" } else { b"," });
        answer.write(&mut out);
    }
    out.extend_from_slice(if answers.is_empty() { b"}" } else { b"]}" });
    out
}

/// The words that go with a status.
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        507 => "Insufficient Storage",
        _ => "See Outcome",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_entries_in_order() {
        let version = VersionId { node: 0, counter: 7 };
        let created = Answer {
            status: 201,
            location: Some("http://x/fhir/Patient/1/_history/0-7".into()),
            etag: Some(version),
            last_modified: Some(0),
            ..Answer::default()
        };
        let failed = Answer {
            status: 404,
            outcome: b"{}".to_vec(),
            ..Answer::default()
        };
        let text = String::from_utf8(write("batch-response", &[created, failed])).unwrap();
        let expected = concat!(
            r#"{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"201 Created","#,
            r#""location":"http://x/fhir/Patient/1/_history/0-7","etag":"W/\"0-7\"","#,
            r#""lastModified":"1970-01-01T00:00:00.000Z"}},{"response":{"status":"404 Not Found","outcome":{}}}]}"#
        );
        assert_eq!(text, expected);
        assert_eq!(
            write("batch-response", &[]),
            br#"{"resourceType":"Bundle","type":"batch-response"}"#
        );
    }
}
