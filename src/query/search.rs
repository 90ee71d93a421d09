//! A search as asked for: its parameters parsed into a predicate, an order and the shape of the answer.
//!
//! <https://hl7.org/fhir/R4/search.html>. A parameter or modifier that is not supported is an error
//! under `handling=strict` and a named warning otherwise; a value that makes no sense is always an error.

use std::collections::BTreeSet;

use conformance::ParameterType;
use fhir::identity::Kind;
use fhir::outcome::{Code, Issue};

use crate::bars;
use crate::clause::Reader;
use crate::predicate::Predicate;
use crate::registry::Registry;
use crate::results;
use crate::values::ParamId;

/// How a search is to be read.
#[derive(Clone, Copy, Debug)]
pub struct Handling<'a> {
    /// Whether an unsupported parameter is an error (`Prefer: handling=strict`).
    pub strict: bool,
    /// The moment of the search, for `ap` on dates; microseconds since 1970.
    pub now: i64,
    /// The server's own base, without a slash at the end (`http://host/fhir`): references that start
    /// with it are local.
    pub base: &'a str,
}

/// A search, parsed.
#[derive(Clone, Debug)]
pub struct Search {
    /// The kinds searched, at least one.
    pub kinds: Vec<Kind>,
    /// What a record has to meet.
    pub predicate: Predicate,
    /// In which order, first key first; empty leaves it to the server.
    pub sort: Vec<SortKey>,
    /// How many on a page; 0 asks for the count only, as `_summary=count` does.
    pub count: Option<usize>,
    /// Whether to count all matches.
    pub total: Total,
    /// What the matches refer to and shall come along.
    pub includes: Vec<Include>,
    /// What refers to the matches and shall come along.
    pub revincludes: Vec<Include>,
    /// How much of each record to answer.
    pub summary: Summary,
    /// The only elements to answer; empty is all.
    pub elements: Vec<String>,
    /// Whether records are searched or what they contain.
    pub contained: Containing,
    /// Whether what is contained is answered by itself, and not the record that contains it.
    pub alone: bool,
    /// The parameters applied, as given, for the self link; percent-encoding is the caller's.
    pub used: Vec<(String, String)>,
    /// A warning for each parameter that was ignored.
    pub issues: Vec<Issue>,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// By what.
    pub by: SortBy,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// What to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The id.
    Id,
    /// When the version was written.
    Updated,
    /// A parameter's values: see [`sort_key`](crate::sort::sort_key).
    Parameter(ParamId, ParameterType),
    /// How well the words match.
    Score,
}

/// Whether all matches are counted (<https://hl7.org/fhir/R4/search.html#total>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    /// Not at all.
    None,
    /// About.
    Estimate,
    /// Exactly; what an answer has unless asked otherwise.
    #[default]
    Accurate,
}

/// How much of each record is answered (<https://hl7.org/fhir/R4/search.html#summary>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Summary {
    /// All of it.
    #[default]
    False,
    /// The elements the definitions mark as summary.
    True,
    /// The narrative and what is mandatory.
    Text,
    /// All but the narrative.
    Data,
    /// Only how many there are.
    Count,
}

/// What is searched (<https://hl7.org/fhir/R4/search.html#contained>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Containing {
    /// Records.
    #[default]
    Records,
    /// Resources that records contain.
    Contained,
    /// Both.
    Both,
}

/// One `_include` or `_revinclude`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The kind whose references are followed; `None` is any (`*`).
    pub source: Option<Kind>,
    /// The reference parameter; `None` is every one (`Kind:*`).
    pub param: Option<ParamId>,
    /// Only references to this kind.
    pub target: Option<Kind>,
    /// Whether records that came along are followed too.
    pub iterate: bool,
}

impl Search {
    /// A search of the kinds that every record meets.
    pub fn all(kinds: Vec<Kind>) -> Search {
        Search {
            kinds,
            predicate: Predicate::All,
            sort: Vec::new(),
            count: None,
            total: Total::default(),
            includes: Vec::new(),
            revincludes: Vec::new(),
            summary: Summary::default(),
            elements: Vec::new(),
            contained: Containing::default(),
            alone: false,
            used: Vec::new(),
            issues: Vec::new(),
        }
    }

    /// The kinds of record that can be answered, every kind where none is named, and what they have to meet: where
    /// contained resources are searched, that is to contain one of the kinds searched which meets the condition.
    pub fn question(&self) -> (Vec<Kind>, Predicate) {
        let inside = || Predicate::Contains {
            by: None,
            kinds: self.kinds.clone(),
            inner: Box::new(self.predicate.clone()),
        };
        match self.contained {
            Containing::Records => (self.kinds.clone(), self.predicate.clone()),
            Containing::Contained => (Vec::new(), inside()),
            Containing::Both => {
                let outside = Predicate::Kind(self.kinds.clone()).and(self.predicate.clone());
                (Vec::new(), Predicate::any(vec![outside, inside()]))
            }
        }
    }

    /// The kinds whose records decide the answer: those searched and those joined, not those included.
    pub fn kinds_touched(&self) -> BTreeSet<Kind> {
        let mut kinds = self.predicate.kinds_touched();
        kinds.extend(self.kinds.iter().cloned());
        kinds
    }
}

/// Why a parameter cannot be applied.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is not supported: an error or a warning, as the handling says.
    Unsupported(String),
    /// It is not supported, and ignoring it would answer another question: always an error.
    Refused(String),
    /// Its value makes no sense, whatever the handling.
    Wrong(String),
    /// The search would cost too much.
    Costly(String),
}

/// Parses a search over `kinds`; none is a search over all, narrowed by `_type`. Names and values are
/// percent-decoded. `_format` and `_pretty` are left to the caller.
///
/// # Errors
/// Every error at once: each names the parameter in its text and, as `http.NAME`, in its expression.
pub fn parse(
    registry: &Registry,
    kinds: &[Kind],
    params: &[(String, String)],
    handling: &Handling<'_>,
) -> Result<Search, Vec<Issue>> {
    let mut errors = Vec::new();
    let mut search = Search::all(kinds.to_vec());
    let reader = Reader::new(registry, handling);
    if kinds.is_empty() {
        search.kinds = registry.kinds().to_vec();
        for (name, value) in params.iter().filter(|(name, _)| name == "_type") {
            match results::kinds(registry, value) {
                Ok(kinds) => search.kinds = kinds,
                Err(problem) => errors.push(issue(problem, name, true)),
            }
        }
    }
    let barred = bars::refusals(registry, &search.kinds, params);
    if !barred.is_empty() {
        return Err(barred);
    }
    for (at, (name, value)) in params.iter().enumerate() {
        match results::earlier(&params[..at], name) {
            Some(earlier) if earlier == value => continue,
            Some(earlier) => {
                errors.push(issue(results::given_twice(name, earlier, value), name, true));
                continue;
            }
            None => {}
        }
        let applied = match name.as_str() {
            "_format" | "_pretty" => continue,
            "_type" if kinds.is_empty() => Ok(()),
            _ => apply(&reader, &mut search, name, value),
        };
        match applied {
            Ok(()) => search.used.push((name.clone(), value.clone())),
            Err(problem) => {
                let ignored = matches!(problem, Problem::Unsupported(_)) && !handling.strict;
                let list = if ignored { &mut search.issues } else { &mut errors };
                list.push(issue(problem, name, !ignored));
            }
        }
    }
    for (name, text) in results::settle(&mut search) {
        search.used.retain(|(used, _)| used.split(':').next() != Some(name));
        let list = if handling.strict {
            &mut errors
        } else {
            &mut search.issues
        };
        list.push(issue(Problem::Unsupported(text.into()), name, handling.strict));
    }
    if errors.is_empty() { Ok(search) } else { Err(errors) }
}

fn apply(reader: &Reader<'_>, search: &mut Search, name: &str, value: &str) -> Result<(), Problem> {
    if results::is_result_parameter(name) {
        return results::apply(reader.registry, search, name, value);
    }
    let predicate = reader.clause(&search.kinds, name, value, 0)?;
    search.predicate = std::mem::replace(&mut search.predicate, Predicate::All).and(predicate);
    Ok(())
}

fn issue(problem: Problem, name: &str, error: bool) -> Issue {
    let (code, text) = match problem {
        Problem::Refused(text) => (Code::NotSupported, text),
        Problem::Unsupported(text) if error => (Code::NotSupported, text),
        Problem::Unsupported(text) => (Code::NotSupported, format!("{text} The parameter was ignored.")),
        Problem::Wrong(text) => (Code::Value, text),
        Problem::Costly(text) => (Code::TooCostly, text),
    };
    let issue = if error {
        Issue::error(code, text)
    } else {
        Issue::warning(code, text)
    };
    issue.at(format!("http.{name}"))
}
