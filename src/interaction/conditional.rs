//! What conditional interactions share: the search they depend on, and the guard that keeps its answer true.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fhir::identity::{Id, Kind};
use query::predicate::{Predicate, Subject};
use query::{Registry, replaced};
use search_index::Prepared;
use store::{Appended, Guard, Refused};

use crate::address;
use crate::engine::{Engine, now};
use crate::refusal::{Reason, Refusal, of_refused};

/// What a conditional interaction's search found.
pub struct Found {
    /// The log position at which this is the answer.
    pub at: u64,
    /// The ids found, at most as many as asked for.
    pub ids: Vec<Id>,
    /// The criteria, for messages.
    pub criteria: String,
    depends: Arc<Depends>,
}

/// What the answer depends on.
struct Depends {
    registry: Arc<Registry>,
    kind: Kind,
    predicate: Predicate,
    /// Other kinds whose records decide the answer too.
    touched: BTreeSet<Kind>,
    /// Whether the answer depends on other records, so that no version alone decides it.
    joined: bool,
    /// What was found, where all of it was.
    ids: Vec<Id>,
}

/// How one attempt ended.
pub enum Attempt<T> {
    /// It is done.
    Done(T),
    /// Somebody changed what it was decided upon: decide again.
    Disturbed,
}

/// Searches one kind by the criteria of a conditional interaction, strictly: what is not understood is refused.
///
/// # Errors
/// 400 where the criteria are not understood, 412 where there are none; what the index refuses.
pub fn find(engine: &Engine, kind: &Kind, criteria: &str, limit: usize) -> Result<Found, Refusal> {
    let criteria = criteria.trim().trim_start_matches('?');
    // A client may send the whole address, `Patient?identifier=…`, in If-None-Exist.
    let criteria = criteria
        .strip_prefix(kind.as_str())
        .and_then(|c| c.strip_prefix('?'))
        .unwrap_or(criteria);
    if criteria.len() > engine.limits.query_bytes {
        return Err(too_long(criteria.len(), engine.limits.query_bytes));
    }
    let params = address::pairs(criteria).ok_or_else(|| bad_encoding(criteria))?;
    let mut params: Vec<_> = params
        .into_iter()
        .filter(|(name, _)| name != "_format" && name != "_pretty")
        .collect();
    params.retain(|(name, _)| name != "_count" && name != "_total");
    let handling = query::Handling {
        strict: true,
        now: now(),
        base: "",
    };
    let search =
        query::parse(&engine.registry, std::slice::from_ref(kind), &params, &handling).map_err(Refusal::of_search)?;
    if search.predicate == Predicate::All {
        let text = format!(
            "Every {kind} would match; a conditional interaction needs criteria, such as identifier=system|value."
        );
        return Err(Refusal::because(Reason::MultipleMatches, text));
    }
    let query = search_index::Query {
        kinds: vec![kind.clone()],
        predicate: search.predicate,
        sort: Vec::new(),
        limit,
        place: search_index::Place::First,
        at: None,
        under: false,
        total: query::Total::None,
        clock: engine.clock(false),
    };
    let answer = engine.index.find(&query)?;
    let ids: Vec<Id> = answer.hits.into_iter().map(|hit| hit.id).collect();
    let predicate = query.predicate;
    // Where patients are merged, a reference to one is met by references to others.
    let joined = !predicate.joins().is_empty() || predicate.names_persons() && engine.index.has_replaced();
    let depends = Depends {
        registry: Arc::clone(&engine.registry),
        kind: kind.clone(),
        touched: predicate.kinds_touched(),
        joined,
        predicate,
        ids: ids.clone(),
    };
    Ok(Found {
        at: answer.at,
        ids,
        criteria: criteria.to_owned(),
        depends: Arc::new(depends),
    })
}

pub(crate) fn too_long(length: usize, limit: usize) -> Refusal {
    let text =
        format!("The query has {length} characters; this server takes {limit}. POST to _search, or ask for less.");
    Refusal::because(Reason::TooLong, text)
}

pub(crate) fn bad_encoding(query: &str) -> Refusal {
    let text = format!("The query \"{query}\" has a percent sign that encodes no character; write % as %25.");
    Refusal::because(Reason::Invalid, text)
}

impl Found {
    /// The one record found, or none.
    ///
    /// # Errors
    /// 412 where there are several.
    pub fn at_most_one(&self) -> Result<Option<Id>, Refusal> {
        match self.ids.as_slice() {
            [] => Ok(None),
            [id] => Ok(Some(id.clone())),
            _ => {
                let text = format!(
                    "Several {} match \"{}\"; nothing was written. Add criteria until one matches.",
                    self.depends.kind, self.criteria
                );
                Err(Refusal::because(Reason::MultipleMatches, text))
            }
        }
    }

    /// Refuses a unit where this is no longer the answer when it is written.
    pub fn guard(&self) -> Guard {
        let depends = Arc::clone(&self.depends);
        Guard {
            since: self.at,
            disturbed_by: Box::new(move |appended| depends.is_changed_by(appended)),
        }
    }
}

impl Depends {
    fn is_changed_by(&self, appended: &Appended) -> bool {
        let carried = appended
            .attachment
            .as_deref()
            .and_then(|any| any.downcast_ref::<Prepared>());
        if carried.is_some_and(|carried| replaced::replacing(&appended.kind, &carried.values).next().is_some()) {
            return true;
        }
        if appended.kind != self.kind {
            return self.touched.contains(&appended.kind);
        }
        if self.ids.contains(&appended.id) || self.touched.contains(&appended.kind) {
            return true;
        }
        if !appended.operation.is_live() {
            return false;
        }
        // A version that carries nothing along, or an answer that other records decide: better decide again.
        let (Some(carried), false) = (carried, self.joined) else {
            return true;
        };
        // What other search parameters made of it says nothing of these.
        if !carried.is_of(&self.registry) {
            return true;
        }
        self.predicate.matches(&Subject {
            kind: &appended.kind,
            id: Some(&appended.id),
            updated: appended.updated,
            values: &carried.values,
            words: carried,
            contained: false,
        })
    }
}

/// A guard that both disturb.
pub fn both(one: Option<Guard>, other: Option<Guard>) -> Option<Guard> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Guard {
            since: one.since.min(other.since),
            disturbed_by: Box::new(move |appended| (one.disturbed_by)(appended) || (other.disturbed_by)(appended)),
        }),
        (one, other) => one.or(other),
    }
}

/// Tries until an attempt is not disturbed, as often as the limits allow.
///
/// # Errors
/// Those of `attempt`; 503 with Retry-After where others kept disturbing it.
pub fn persist<T>(engine: &Engine, mut attempt: impl FnMut() -> Result<Attempt<T>, Refusal>) -> Result<T, Refusal> {
    for round in 0..engine.limits.attempts.max(1) {
        if let Attempt::Done(done) = attempt()? {
            return Ok(done);
        }
        // Disturbed again and again: let the others through.
        if round >= 3 {
            std::thread::sleep(Duration::from_millis(u64::from(round.min(20))));
        }
    }
    Err(of_refused(Refused::Disturbed, &[]))
}
