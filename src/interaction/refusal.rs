//! Why a request was refused, and the one table from a reason to its status and its issue code.

use fhir::identity::{Id, Kind};
use fhir::outcome::{Code, Issue};
use fhir::parse::Malformed;
use store::{Refused, Trouble};

use crate::reply::Reply;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The JSON or the resource's outer shape cannot be read.
    Malformed,
    /// A parameter, a header or an address is not acceptable.
    Invalid,
    /// A parameter is not supported here, and the caller asked for strictness.
    NotSupported,
    /// The caller may not.
    Forbidden,
    /// There is no such kind of resource, or no such path.
    NoSuchPath,
    /// There is no such record.
    NotFound,
    /// The path knows no such method.
    MethodNotAllowed,
    /// No format is left that the caller accepts and the server writes.
    NotAcceptable,
    /// Somebody else changed the record in between.
    Conflict,
    /// A unique identifier is held by another record.
    Duplicate,
    /// The record was deleted.
    Deleted,
    /// A page link has outlived its snapshot.
    Expired,
    /// The record is not at the version the caller thinks.
    PreconditionFailed,
    /// Several records match where one was expected.
    MultipleMatches,
    /// The body or the bundle is too large.
    TooLarge,
    /// The query is too long.
    TooLong,
    /// The body's format is not supported.
    UnsupportedMedia,
    /// The record does not conform.
    Unprocessable,
    /// The question would cost more than is allowed.
    TooCostly,
    /// The question took more time than is allowed.
    Timeout,
    /// The index is being built.
    Building,
    /// The server has too much to do.
    Busy,
    /// Others kept changing what this request depends on.
    Disturbed,
    /// There is no room left on the disk.
    Full,
    /// A fault of the server's.
    Broken,
}

/// The one table: reason, status, issue code, seconds after which to try again (0: trying again is no use).
const TABLE: [(Reason, u16, Code, u32); 25] = [
    (Reason::Malformed, 400, Code::Structure, 0),
    (Reason::Invalid, 400, Code::Invalid, 0),
    (Reason::NotSupported, 400, Code::NotSupported, 0),
    (Reason::Forbidden, 403, Code::Forbidden, 0),
    (Reason::NoSuchPath, 404, Code::NotSupported, 0),
    (Reason::NotFound, 404, Code::NotFound, 0),
    (Reason::MethodNotAllowed, 405, Code::NotSupported, 0),
    (Reason::NotAcceptable, 406, Code::NotSupported, 0),
    (Reason::Conflict, 409, Code::Conflict, 0),
    (Reason::Duplicate, 409, Code::Duplicate, 0),
    (Reason::Deleted, 410, Code::Deleted, 0),
    (Reason::Expired, 410, Code::NotFound, 0),
    (Reason::PreconditionFailed, 412, Code::Conflict, 0),
    (Reason::MultipleMatches, 412, Code::MultipleMatches, 0),
    (Reason::TooLarge, 413, Code::TooLong, 0),
    (Reason::TooLong, 414, Code::TooLong, 0),
    (Reason::UnsupportedMedia, 415, Code::NotSupported, 0),
    (Reason::Unprocessable, 422, Code::BusinessRule, 0),
    (Reason::TooCostly, 422, Code::TooCostly, 0),
    (Reason::Timeout, 503, Code::Timeout, 5),
    (Reason::Building, 503, Code::Transient, 10),
    (Reason::Busy, 503, Code::Throttled, 1),
    (Reason::Disturbed, 503, Code::Transient, 1),
    (Reason::Full, 507, Code::NoStore, 0),
    (Reason::Broken, 500, Code::Exception, 0),
];

impl Reason {
    fn row(self) -> (Reason, u16, Code, u32) {
        *TABLE
            .iter()
            .find(|row| row.0 == self)
            .expect("the table names every reason")
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// The issue code.
    pub fn code(self) -> Code {
        self.row().2
    }
}

/// A refused request: the status and everything that was found. Never empty.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What was found; at least one.
    pub issues: Vec<Issue>,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u32>,
    /// The methods the path knows, with a 405.
    pub allow: Option<&'static str>,
    /// The patch formats the server reads, with a 415.
    pub accept_patch: Option<&'static str>,
}

impl Refusal {
    /// A refusal for one reason, in one sentence a person can act on.
    pub fn because(reason: Reason, text: impl Into<String>) -> Refusal {
        Refusal::with(reason, vec![Issue::error(reason.code(), text)])
    }

    /// A refusal for one reason, with issues already found.
    pub fn with(reason: Reason, issues: Vec<Issue>) -> Refusal {
        let (_, status, _, after) = reason.row();
        Refusal {
            status,
            issues,
            retry_after: (after > 0).then_some(after),
            allow: None,
            accept_patch: None,
        }
    }

    /// The same refusal at a place: a FHIRPath expression, or `http.name` for a header or a parameter.
    pub fn at(mut self, expression: impl Into<String>) -> Refusal {
        if let Some(first) = self.issues.first_mut() {
            first.expression = expression.into();
        }
        self
    }

    /// A search that cannot be asked like this; to be tried again where that is all that is wrong.
    pub fn of_search(issues: Vec<Issue>) -> Refusal {
        let only_now = issues.iter().all(|issue| issue.code == Code::Transient);
        let reason = if only_now { Reason::Building } else { Reason::Invalid };
        Refusal::with(reason, issues)
    }

    /// A fault of the server's; `what` names what it was doing.
    pub fn broken(what: impl std::fmt::Display) -> Refusal {
        Refusal::because(Reason::Broken, format!("The server failed: {what}"))
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal::broken(trouble)
    }
}

impl From<search_index::Trouble> for Refusal {
    fn from(trouble: search_index::Trouble) -> Refusal {
        let reason = match &trouble {
            search_index::Trouble::Timeout(_) => Reason::Timeout,
            search_index::Trouble::Costly(_) => Reason::TooCostly,
            search_index::Trouble::Busy(_) | search_index::Trouble::NotAtHand => Reason::Busy,
            search_index::Trouble::Expired(_) => Reason::Expired,
            search_index::Trouble::Building(_) => Reason::Building,
            search_index::Trouble::Damaged(_) | search_index::Trouble::Failed(_) => return Refusal::broken(trouble),
        };
        Refusal::because(reason, trouble.to_string())
    }
}

/// What a refused unit of writes is answered with; `names` has the record of each write.
///
/// [`Refused::Disturbed`] comes out as the 503 it is once all attempts are used up.
pub fn of_refused(refused: Refused, names: &[(Kind, Id)]) -> Refusal {
    let name = |write: usize| {
        names
            .get(write)
            .map_or_else(String::new, |(kind, id)| format!("{kind}/{id}"))
    };
    match refused {
        Refused::Expectation { write, current } => {
            let is = match current {
                Some((version, true)) => format!("is at version {version}"),
                Some((version, false)) => format!("was deleted by version {version}"),
                None => "does not exist".to_owned(),
            };
            let text = format!(
                "{} {is}, which is not what the request expects (If-Match, If-None-Match); read it and decide again.",
                name(write)
            );
            Refusal::because(Reason::PreconditionFailed, text)
        }
        Refused::Claimed {
            write,
            scope,
            value,
            holder: (kind, id),
        } => {
            let (path, system) = scope.split_once('|').unwrap_or((&scope, ""));
            let text = format!(
                "{kind}/{id} already holds the identifier {value} of {system}, which is unique; {} cannot hold it too.",
                name(write)
            );
            Refusal::because(Reason::Duplicate, text).at(path)
        }
        Refused::Disturbed => Refusal::because(
            Reason::Disturbed,
            "Other writes kept changing what this request depends on; nothing was written, try again.",
        ),
        Refused::Busy => Refusal::because(
            Reason::Busy,
            "Too many writes are waiting; nothing was written, try again in a moment.",
        ),
        Refused::Full(sentence) => Refusal::because(Reason::Full, sentence),
        Refused::Trouble(trouble) => trouble.into(),
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Refusal {
        Refusal::because(Reason::Malformed, malformed.to_string())
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        Reply {
            retry_after: refusal.retry_after,
            allow: refusal.allow,
            accept_patch: refusal.accept_patch,
            ..Reply::outcome(refusal.status, &refusal.issues)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_row_in_order() {
        let statuses: Vec<u16> = TABLE.iter().map(|row| row.0.status()).collect();
        assert_eq!(statuses, TABLE.iter().map(|row| row.1).collect::<Vec<_>>());
        let refusal = Refusal::because(Reason::Busy, "Too much to do; try again.");
        assert_eq!((refusal.status, refusal.retry_after), (503, Some(1)));
    }
}
