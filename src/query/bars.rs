//! Parameters that exist and cannot be searched by just now: a search that names one is refused, with the reason.
//!
//! A parameter that is being indexed would be answered short, one that cannot be used not at all. Neither is ever
//! ignored, under lenient handling neither.

use std::fmt;
use std::sync::Arc;

use conformance::SearchParameter;
use fhir::identity::Kind;
use fhir::outcome::{Code, Issue};

use crate::registry::{Registry, applies};

/// One parameter that is barred, on some kinds.
#[derive(Clone)]
pub struct Bar {
    /// Its code.
    pub code: String,
    /// The kinds, or Resource and DomainResource, for which it is barred.
    pub base: Vec<String>,
    /// Why.
    pub why: Why,
}

/// Why a parameter is barred.
#[derive(Clone)]
pub enum Why {
    /// It is gone, and still in the index: it is as if it had never been.
    Gone,
    /// It cannot be used: the rest of a sentence that begins with the parameter.
    Unusable(String),
    /// It is being indexed: how far that is, the end of a sentence.
    Pending(Arc<dyn Fn() -> String + Send + Sync>),
}

impl fmt::Debug for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match &self.why {
            Why::Gone => "gone",
            Why::Unusable(why) => why,
            Why::Pending(_) => "pending",
        };
        write!(f, "{} of {}: {why}", self.code, self.base.join(", "))
    }
}

impl Bar {
    /// A bar of a whole definition.
    pub fn of(definition: &SearchParameter, why: Why) -> Bar {
        Bar {
            code: definition.code.clone(),
            base: definition.base.clone(),
            why,
        }
    }

    /// Whether the parameter is barred on a kind.
    pub(crate) fn is_on(&self, kind: &Kind) -> bool {
        applies(&self.base, kind)
    }

    /// The refusal.
    fn issue(&self, name: &str) -> Option<Issue> {
        let (code, base) = (&self.code, self.base.join(", "));
        let issue = match &self.why {
            Why::Gone => return None,
            Why::Unusable(why) => {
                let text = format!("`{code}` of {base} is defined here and cannot be searched by: it {why}.");
                Issue::error(Code::NotSupported, text)
            }
            Why::Pending(reached) => {
                let text = format!("`{code}` of {base} is being indexed: {}; try again.", reached());
                Issue::error(Code::Transient, text)
            }
        };
        Some(issue.at(format!("http.{name}")))
    }
}

/// The parameters whose values name other parameters.
const NAMING: [&str; 4] = ["_sort", "_include", "_revinclude", "_filter"];

/// What a search of the kinds is refused for: every barred parameter it names, first in a name, in a chain or `_has`,
/// in a sort, an include or a filter. Where it names the kinds on its way, only theirs count.
pub(crate) fn refusals(registry: &Registry, kinds: &[Kind], params: &[(String, String)]) -> Vec<Issue> {
    let mut issues = Vec::new();
    for bar in registry.bars() {
        for (name, value) in params {
            if names(registry, bar, kinds, name, value) {
                issues.extend(bar.issue(name));
            }
        }
    }
    issues
}

fn names(registry: &Registry, bar: &Bar, kinds: &[Kind], name: &str, value: &str) -> bool {
    // Where another parameter has the code, that one is meant.
    let is_on = |kind: &Kind| bar.is_on(kind) && registry.parameter(kind, &bar.code).is_none();
    let searched = || kinds.iter().any(is_on);
    let head = name.split([':', '.']).next().unwrap_or_default();
    if head == bar.code {
        return searched();
    }
    let text = if NAMING.contains(&head) { value } else { name };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words = text.split(|c: char| !word(c));
    let words: Vec<&str> = words.map(|word| word.strip_prefix('-').unwrap_or(word)).collect();
    if !words.contains(&bar.code.as_str()) {
        return false;
    }
    if head == "_sort" {
        return searched();
    }
    let mut named = words.iter().filter_map(|word| registry.kind(word)).peekable();
    match named.peek() {
        None => registry.kinds().iter().any(is_on),
        Some(_) => named.any(is_on) || (head == "_filter" && searched()),
    }
}
