//! Reads an HTTP request's headers into a FHIR request, and refuses what no interaction should see.

use actix_web::HttpRequest;
use actix_web::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH,
};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use interaction::binary;
use interaction::format::{PATCH_FORMATS, Wanted};
use interaction::{Method, Outlet, Prefer, Reason, Refusal, Request};

use crate::body::Body;
use crate::settings::Settings;

/// Where FHIR begins.
pub const ROOT: &str = "/fhir";

const IF_NONE_EXIST: HeaderName = HeaderName::from_static("if-none-exist");
const SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The formats a body may have; patches have more of them, which the patch interaction tells apart.
const FORMATS: [&str; 8] = [
    "application/fhir+json",
    "application/json",
    "text/json",
    "application/json-patch+json",
    "application/fhir+xml",
    "application/xml",
    "text/xml",
    "application/xml-patch+xml",
];
const FORM: &str = "application/x-www-form-urlencoded";

/// Refuses addresses beyond the limit, and hosts that are not this one.
///
/// # Errors
/// 414 or 403.
pub fn check(http: &HttpRequest, settings: &Settings) -> Result<(), Refusal> {
    let address = http.uri().path_and_query().map_or(0, |p| p.as_str().len());
    if address > settings.query_bytes_max.length() {
        return Err(of_status(414, query_too_long(settings)));
    }
    check_host(http, settings)
}

fn query_too_long(settings: &Settings) -> Refusal {
    let max = settings.query_bytes_max.0;
    let text = format!(
        "The address is longer than the {max} bytes allowed (setting query_bytes_max): ask with POST _search, or for less."
    );
    Refusal::because(Reason::TooLarge, text)
}

fn of_status(status: u16, refusal: Refusal) -> Refusal {
    Refusal { status, ..refusal }
}

/// Until access control exists, anybody who reaches the server is answered, and a web page can make a
/// browser reach loopback under a name of its own. So only names of this machine are answered.
fn check_host(http: &HttpRequest, settings: &Settings) -> Result<(), Refusal> {
    let Some(host) = http.headers().get(HOST).and_then(|host| host.to_str().ok()) else {
        return Ok(());
    };
    let name = host_name(host);
    let own =
        ["localhost", "[::1]"].contains(&name) || name.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback());
    let public = settings.base_url.split('/').nth(2).map(host_name);
    if own || public == Some(name) {
        return Ok(());
    }
    let text = "This server answers under the names of its own machine and that of the setting base_url, and the request's Host is another.";
    Err(Refusal::because(Reason::Forbidden, text).at("http.Host"))
}

fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The base address of links: the one set, or the one the caller used.
pub fn base(http: &HttpRequest, settings: &Settings) -> String {
    if !settings.base_url.is_empty() {
        return settings.base_url.trim_end_matches('/').to_owned();
    }
    let host = http.headers().get(HOST).and_then(|host| host.to_str().ok());
    let fits = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    format!("http://{}{ROOT}", host.filter(fits).unwrap_or(&settings.listen))
}

/// Whether a body follows, and how long it says it is.
///
/// # Errors
/// 415 where the body is packed in a way this server does not know.
pub fn announced(headers: &HeaderMap) -> Result<(Option<u64>, bool), Refusal> {
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let encoding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    let packed = match encoding.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => {
            let text = "The body's Content-Encoding is none this server unpacks: send it plain or as gzip.";
            return Err(Refusal::because(Reason::UnsupportedMedia, text).at("http.Content-Encoding"));
        }
    };
    Ok((length, packed))
}

/// The head of a FHIR request: everything but its body, and whether that body is a form.
#[derive(Debug)]
pub struct Head<'a> {
    /// The request, without its body.
    pub request: Request<'a>,
    form: bool,
}

/// The head of an HTTP request below [`ROOT`], whose links shall begin with `base`. One pass over the headers: a read has no time for more.
///
/// # Errors
/// 431 for headers beyond the limit, 400 for such as cannot be read, 415 for formats no interaction reads.
pub fn head<'a>(http: &'a HttpRequest, path: &'a str, base: &'a str, settings: &Settings) -> Result<Head<'a>, Refusal> {
    let method = Method::parse(http.method().as_str());
    let mut request = Request::new(method, path, http.uri().query().unwrap_or(""), base);
    let mut head_bytes = 0;
    for (name, value) in http.headers() {
        head_bytes += name.as_str().len() + value.len() + 4;
        let place = match *name {
            CONTENT_TYPE => &mut request.content_type,
            IF_MATCH => &mut request.if_match,
            IF_NONE_MATCH => &mut request.if_none_match,
            IF_MODIFIED_SINCE => &mut request.if_modified_since,
            _ if *name == IF_NONE_EXIST => &mut request.if_none_exist,
            _ if *name == SECURITY_CONTEXT => &mut request.security_context,
            ACCEPT => {
                request.accept = value.to_str().ok();
                continue;
            }
            ACCEPT_LANGUAGE => {
                request.accept_language = value.to_str().ok();
                continue;
            }
            _ if *name == PREFER => {
                request.prefer = value.to_str().map(Prefer::parse).unwrap_or_default();
                continue;
            }
            _ => continue,
        };
        put_once(place, name, value)?;
    }
    if head_bytes > settings.header_bytes_max.length() {
        return Err(headers_too_long(settings));
    }
    // A Binary has content of any type.
    let form = !binary::is_at(path) && format(request.content_type)? == Some(FORM);
    let last = path.rsplit('/').next().unwrap_or_default();
    let takes_forms = last == "_search" || last.starts_with('$') || last.starts_with("%24");
    if form && !(takes_forms && method == Method::Post) {
        return Err(unsupported("A form is read only by POST to _search or to an operation"));
    }
    Ok(Head { request, form })
}

/// How to write a refusal of a request, whose head may not be readable.
pub fn wanted(http: &HttpRequest) -> Wanted {
    let mut request = Request::new(Method::Get, "", http.uri().query().unwrap_or(""), "");
    let text = |name| {
        http.headers()
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    (request.accept, request.content_type) = (text(ACCEPT), text(CONTENT_TYPE));
    Wanted::of_refused(&request)
}

/// Takes the value of a header that may stand once: half of a condition must not count.
fn put_once<'a>(place: &mut Option<&'a str>, name: &HeaderName, value: &'a HeaderValue) -> Result<(), Refusal> {
    let wrong = |text: String| Refusal::because(Reason::Invalid, text).at(format!("http.{name}"));
    if place.is_some() {
        return Err(wrong(format!("The header {name} stands more than once: send it once.")));
    }
    let text = value.to_str();
    let text = text.map_err(|_| wrong(format!("The header {name} holds characters that no header may hold.")))?;
    *place = Some(text.trim());
    Ok(())
}

fn headers_too_long(settings: &Settings) -> Refusal {
    let max = settings.header_bytes_max.0;
    let text = format!("The headers are longer than the {max} bytes allowed (setting header_bytes_max).");
    of_status(431, Refusal::because(Reason::TooLarge, text))
}

/// The media type without its parameters, where this server reads it.
fn format(content_type: Option<&str>) -> Result<Option<&'static str>, Refusal> {
    let Some(content_type) = content_type else {
        return Ok(None);
    };
    let mut parts = content_type.split(';').map(str::trim);
    let name = parts.next().unwrap_or("");
    let charset = |part: &str| {
        Some(
            part.split_once('=')
                .filter(|(n, _)| n.eq_ignore_ascii_case("charset"))?
                .1
                .to_owned(),
        )
    };
    if let Some(charset) = parts.find_map(charset)
        && !charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
    {
        return Err(unsupported(&format!(
            "The body's charset is {charset:?}, and FHIR is UTF-8 here"
        )));
    }
    let known = FORMATS
        .iter()
        .chain([&FORM])
        .find(|known| known.eq_ignore_ascii_case(name));
    known
        .copied()
        .map(Some)
        .ok_or_else(|| unsupported(&format!("The Content-Type {name:?} is none this server reads")))
}

fn unsupported(what: &str) -> Refusal {
    let text = format!(
        "{what}: send application/fhir+json or application/fhir+xml, or for a patch application/json-patch+json or application/xml-patch+xml."
    );
    let refusal = Refusal::because(Reason::UnsupportedMedia, text).at("http.Content-Type");
    Refusal {
        accept_patch: Some(PATCH_FORMATS),
        ..refusal
    }
}

/// A request that owns its parts, to be answered on another thread.
#[derive(Debug)]
pub struct Asked {
    method: Method,
    texts: [Option<String>; 11],
    prefer: Prefer,
    form: bool,
    body: Body,
}

impl Asked {
    /// Takes the parts of a request over.
    pub fn new(head: &Head<'_>, body: Body) -> Asked {
        let request = &head.request;
        let texts = [
            Some(request.path),
            Some(request.query),
            Some(request.base),
            request.content_type,
            request.accept,
            request.if_match,
            request.if_none_match,
            request.if_modified_since,
            request.if_none_exist,
            request.accept_language,
            request.security_context,
        ];
        Asked {
            method: request.method,
            texts: texts.map(|text| text.map(str::to_owned)),
            prefer: request.prefer,
            form: head.form,
            body,
        }
    }

    /// The same request, its body unpacked from gzip.
    ///
    /// # Errors
    /// As [`Body::unpacked`].
    pub fn unpacked(self, limit: (&str, usize)) -> Result<Asked, Refusal> {
        let body = self.body.unpacked(limit)?;
        Ok(Asked { body, ..self })
    }

    /// The request, whole, with an outlet for an answer that is too long to be held.
    ///
    /// # Errors
    /// 414 for a form beyond the limit, 400 for one that is no UTF-8, 415 for a body without a format.
    pub fn request<'a>(&'a self, settings: &Settings, outlet: &'a dyn Outlet) -> Result<Request<'a>, Refusal> {
        let text = |at: usize| self.texts[at].as_deref();
        let required = |at: usize| text(at).expect("always there: see new");
        let mut request = Request::new(self.method, required(0), required(1), required(2));
        request.content_type = text(3);
        request.accept = text(4);
        request.if_match = text(5);
        request.if_none_match = text(6);
        request.if_modified_since = text(7);
        request.if_none_exist = text(8);
        request.accept_language = text(9);
        request.security_context = text(10);
        request.prefer = self.prefer;
        request.outlet = Some(outlet).filter(|_| self.method != Method::Head);
        if self.form {
            request.form = Some(form(&self.body.bytes, settings)?);
        } else if !self.body.bytes.is_empty() && request.content_type.is_none() {
            return Err(unsupported("The body has no Content-Type"));
        } else {
            request.body = &self.body.bytes;
        }
        Ok(request)
    }
}

fn form<'a>(body: &'a [u8], settings: &Settings) -> Result<&'a str, Refusal> {
    if body.len() > settings.query_bytes_max.length() {
        return Err(query_too_long(settings));
    }
    let wrong = |_| Refusal::because(Reason::Invalid, "The form is not UTF-8.");
    std::str::from_utf8(body).map_err(wrong)
}
