//! What a caller asks: method, path, query, headers that FHIR gives a meaning, and the body.

use crate::outlet::Outlet;

/// Who asks. Access decides by it; until that room is built there is only the operator of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The person who runs this server, on its own machine.
    Operator,
}

/// The HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`: answered like `GET`; the server leaves the body away.
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// Any other method: always refused with 405.
    Other,
}

impl Method {
    /// The method by its name in capitals.
    pub fn parse(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            _ => Method::Other,
        }
    }
}

/// What a write should answer (<https://hl7.org/fhir/R4/http.html#ops>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// `return=minimal`: headers only.
    Minimal,
    /// `return=representation`: the record.
    Representation,
    /// `return=OperationOutcome`: what was found in judging it.
    Outcome,
}

/// What to do with search parameters that are unknown (<https://hl7.org/fhir/R4/search.html#errors>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// `handling=strict`: refuse them.
    Strict,
    /// `handling=lenient`: leave them away and say so.
    Lenient,
}

/// The `Prefer` header, read (RFC 7240). What is not known in it is left away, as that RFC says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefer {
    /// `return=`
    pub answer: Option<Return>,
    /// `handling=`
    pub handling: Option<Handling>,
}

impl Prefer {
    /// Reads the header's value. The first of several equal preferences counts.
    pub fn parse(header: &str) -> Prefer {
        let mut prefer = Prefer::default();
        for part in header.split([',', ';']) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match (
                name.trim().to_ascii_lowercase().as_str(),
                value.to_ascii_lowercase().as_str(),
            ) {
                ("return", "minimal") => prefer.answer = prefer.answer.or(Some(Return::Minimal)),
                ("return", "representation") => prefer.answer = prefer.answer.or(Some(Return::Representation)),
                ("return", "operationoutcome") => prefer.answer = prefer.answer.or(Some(Return::Outcome)),
                ("handling", "strict") => prefer.handling = prefer.handling.or(Some(Handling::Strict)),
                ("handling", "lenient") => prefer.handling = prefer.handling.or(Some(Handling::Lenient)),
                _ => {}
            }
        }
        prefer
    }

    /// Whether the caller wants to read what was found in judging a record.
    pub fn wants_remarks(&self) -> bool {
        self.answer == Some(Return::Outcome)
    }
}

/// One request, as the server or an entry of a bundle asks it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path below the base, without a leading slash, percent-encoded as received: `Patient/17`.
    pub path: &'a str,
    /// What stands after the question mark, percent-encoded as received; empty for nothing.
    pub query: &'a str,
    /// The body of a `POST …/_search` of type `application/x-www-form-urlencoded`.
    pub form: Option<&'a str>,
    /// The body otherwise; empty for none.
    pub body: &'a [u8],
    /// The body as it was sent, where that was XML: `body` is then the JSON it says.
    pub xml: Option<&'a [u8]>,
    /// `Content-Type`
    pub content_type: Option<&'a str>,
    /// `Accept`
    pub accept: Option<&'a str>,
    /// `Accept-Language`
    pub accept_language: Option<&'a str>,
    /// `If-Match`
    pub if_match: Option<&'a str>,
    /// `If-None-Match`
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`
    pub if_modified_since: Option<&'a str>,
    /// `If-None-Exist`: a search, with or without a leading question mark.
    pub if_none_exist: Option<&'a str>,
    /// `X-Security-Context`: a reference to the record whose protection the content of a Binary shares.
    pub security_context: Option<&'a str>,
    /// `Prefer`, read.
    pub prefer: Prefer,
    /// Whether the answer shall be given only where it is at hand: see [`ready`](crate::ready).
    pub at_hand: bool,
    /// The base address that links and locations start with, without a final slash: `http://host/fhir`.
    pub base: &'a str,
    /// Where an answer can go that is too long to be held; `None` where it has to be given whole.
    pub outlet: Option<&'a dyn Outlet>,
}

impl<'a> Request<'a> {
    /// A request without headers and body: the start for building one.
    pub fn new(method: Method, path: &'a str, query: &'a str, base: &'a str) -> Request<'a> {
        Request {
            method,
            path,
            query,
            form: None,
            body: &[],
            xml: None,
            content_type: None,
            accept: None,
            accept_language: None,
            if_match: None,
            if_none_match: None,
            if_modified_since: None,
            if_none_exist: None,
            security_context: None,
            prefer: Prefer::default(),
            at_hand: false,
            base,
            outlet: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read() {
        let table = [
            ("return=minimal", Some(Return::Minimal), None),
            (
                "handling=strict, return=OperationOutcome",
                Some(Return::Outcome),
                Some(Handling::Strict),
            ),
            (
                "return=representation; handling=lenient",
                Some(Return::Representation),
                Some(Handling::Lenient),
            ),
            ("respond-async, return=nothing", None, None),
        ];
        for (header, answer, handling) in table {
            assert_eq!(Prefer::parse(header), Prefer { answer, handling }, "{header}");
        }
    }
}
