//! Writes an answer as HTTP: status, headers, body, compressed where the caller likes it.

use std::io::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LOCATION, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, LOCATION, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder};
use interaction::{Body, Reply};

use crate::stream::Begun;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const COMPLETENESS: HeaderName = HeaderName::from_static("x-completeness");
const SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");
/// What strangers' content may do in a browser: nothing.
const HARMLESS: &str = "default-src 'none'; sandbox";
/// Smaller bodies are not worth compressing.
const COMPRESS_MIN: usize = 1400;

/// An answer ready to be sent: the reply, and its body in gzip where that was asked for.
#[derive(Debug)]
pub struct Packed {
    reply: Reply,
    gzip: Option<Vec<u8>>,
}

impl Packed {
    /// Compresses the reply's body where the caller accepts it and it is worth it.
    pub fn new(reply: Reply, gzip: bool) -> Packed {
        let body = reply.body.bytes();
        let gzip = (gzip && body.len() >= COMPRESS_MIN).then(|| compress(body)).flatten();
        Packed { reply, gzip }
    }
}

fn compress(body: &[u8]) -> Option<Vec<u8>> {
    let out = Vec::with_capacity(body.len() / 4);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

/// The HTTP response of an answer, named by the request's id.
pub fn respond(packed: Packed, request_id: &str) -> HttpResponse {
    let Packed { reply, gzip } = packed;
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    headers(&mut response, &reply, request_id);
    let media = (CONTENT_TYPE, media(&reply));
    if let Some(bytes) = gzip {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
        response.insert_header(media);
        return response.body(Bytes::from(bytes));
    }
    match reply.body {
        Body::Empty => response.finish(),
        Body::Owned(bytes) => response.insert_header(media).body(Bytes::from(bytes)),
        Body::Shared(bytes) => response.insert_header(media).body(Bytes::from_owner(bytes)),
    }
}

/// The HTTP response of an answer that was begun, named by the request's id.
pub fn respond_begun(begun: Begun, request_id: &str) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    headers(&mut response, &begun.head, request_id);
    if begun.gzip {
        response.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    }
    response
        .insert_header((CONTENT_TYPE, media(&begun.head)))
        .body(begun.body)
}

/// The `Content-Type` of an answer.
fn media(reply: &Reply) -> HeaderValue {
    let unknown = HeaderValue::from_static("application/octet-stream");
    HeaderValue::from_str(&reply.media).unwrap_or(unknown)
}

fn headers(response: &mut HttpResponseBuilder, reply: &Reply, request_id: &str) {
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
    response.insert_header((VARY, HeaderValue::from_static("Accept, Accept-Encoding")));
    response.insert_header((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.insert_header((name, value));
        }
    };
    put(REQUEST_ID, request_id);
    if let Some(disposition) = reply.disposition {
        put(CONTENT_DISPOSITION, disposition);
        put(CONTENT_SECURITY_POLICY, HARMLESS);
    }
    if let Some(context) = &reply.security_context {
        put(SECURITY_CONTEXT, context);
    }
    if let Some(version) = reply.etag {
        put(ETAG, &format!("W/\"{version}\""));
    }
    if let Some(micros) = reply.last_modified {
        put(LAST_MODIFIED, &fhir::moment::http_date(micros));
    }
    if let Some(address) = &reply.location {
        put(LOCATION, address);
    }
    if let Some(address) = &reply.content_location {
        put(CONTENT_LOCATION, address);
    }
    if let Some(completeness) = &reply.completeness {
        put(COMPLETENESS, completeness);
    }
    if let Some(seconds) = reply.retry_after {
        put(RETRY_AFTER, &seconds.to_string());
    }
    if let Some(methods) = reply.allow {
        put(ALLOW, methods);
    }
    if let Some(formats) = reply.accept_patch {
        put(ACCEPT_PATCH, formats);
    }
}
