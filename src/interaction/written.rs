//! What the interactions that write have in common: preconditions, submitting, and the answer to a write.

use fhir::body::{self, Header};
use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use store::{Done, Expect, Guard, Refused, Unit, Write};

use crate::engine::Engine;
use crate::read::tag_version;
use crate::refusal::{Reason, Refusal};
use crate::reply::Reply;
use crate::request::{Request, Return};

/// What `If-Match` and `If-None-Match` expect of the record a request writes.
///
/// # Errors
/// 400 where a header cannot be read; 412 where it names a version this server never gave.
pub fn expectation(if_match: Option<&str>, if_none_match: Option<&str>) -> Result<Expect, Refusal> {
    match (if_match.map(str::trim), if_none_match.map(str::trim)) {
        (None, None) => Ok(Expect::Anything),
        (None, Some("*")) => Ok(Expect::Absent),
        (Some("*"), None) => Ok(Expect::Present),
        (Some(tag), None) => match tag_version(tag) {
            Some(version) => Ok(Expect::Version(version)),
            None if is_tag(tag) => {
                let text = format!("If-Match names the version {tag}, which is not the record's current one.");
                Err(Refusal::because(Reason::PreconditionFailed, text).at("http.If-Match"))
            }
            None => {
                let text = format!("If-Match is {tag}; write one ETag as this server gave it, such as W/\"0-17\".");
                Err(Refusal::because(Reason::Invalid, text).at("http.If-Match"))
            }
        },
        (None, Some(_)) => Err(Refusal::because(
            Reason::Invalid,
            "If-None-Match on a write can only be *: to write only where there is no such record.",
        )
        .at("http.If-None-Match")),
        (Some(_), Some(_)) => Err(Refusal::because(
            Reason::Invalid,
            "If-Match and If-None-Match cannot both hold; send one of them.",
        )),
    }
}

fn is_tag(tag: &str) -> bool {
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"') && !quoted[1..quoted.len() - 1].contains('"')
}

/// Submits one write.
///
/// # Errors
/// As the store refused it.
pub fn submit(engine: &Engine, write: Write, guard: Option<Guard>) -> Result<Done, Refused> {
    let unit = Unit {
        writes: vec![write],
        guard,
        ..Unit::default()
    };
    let done = engine.store.submit(unit)?;
    Ok(*done.first().expect("the store answers one Done a write"))
}

/// A record that was written or found to be there already.
pub struct Written<'a> {
    /// Its kind.
    pub kind: &'a Kind,
    /// Its id.
    pub id: &'a Id,
    /// What became of it.
    pub done: Done,
    /// The status: 201 where it is new, else 200.
    pub status: u16,
    /// Its stored form.
    pub body: &'a [u8],
    /// What was found in judging it.
    pub issues: &'a [Issue],
}

impl Written<'_> {
    /// The answer, as `Prefer: return=` wants it; the record itself where it wants nothing.
    pub fn reply(&self, request: &Request<'_>) -> Reply {
        let location = (self.status == 201).then(|| {
            let (kind, id, version) = (self.kind, self.id, self.done.version);
            format!("{}/{kind}/{id}/_history/{version}", request.base)
        });
        let reply = match request.prefer.answer {
            Some(Return::Minimal) => Reply::empty(self.status),
            Some(Return::Outcome) => Reply::outcome(self.status, &self.remarks()),
            Some(Return::Representation) | None => {
                let header = Header {
                    kind: self.kind,
                    id: self.id,
                    version: self.done.version,
                    updated: self.done.updated,
                };
                let mut json = Vec::new();
                body::splice(header, self.body, &mut json);
                Reply::json(self.status, json)
            }
        };
        Reply { location, ..reply }.of_version(self.done.version, self.done.updated)
    }

    fn remarks(&self) -> Vec<Issue> {
        let done = if self.status == 201 { "created" } else { "stored" };
        let text = format!("{}/{} is {done} as version {}.", self.kind, self.id, self.done.version);
        let mut issues = vec![Issue::information(Code::Informational, text)];
        issues.extend_from_slice(self.issues);
        issues
    }
}
