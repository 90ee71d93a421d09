//! A condition on records, and whether one record meets it.
//!
//! The same predicate runs here over one record, and in the index over all of them; the two must agree.
//! `Chain`, `Has` and `Within` speak of other records: whoever runs the predicate first replaces them, innermost
//! first, by the sets they stand for ([`Predicate::resolve`]).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use fhir::identity::{Id, Kind};
use fhir::moment::Stretch;
use text::Word;

use crate::canonical::{AddressSet, key};
use crate::span::Span;
use crate::values::{Contained, ParamId, Target, Value, Values, record_hash};

pub use crate::sameness::Sameness;
pub use crate::test::{PartTest, ReferenceTest, StringTest, Test, TokenTest, UnitTest, UriTest};

/// A set of records by [`record_hash`].
pub type RecordSet = HashSet<u64, rustc_hash::FxBuildHasher>;

/// A condition on records.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Every record.
    All,
    /// No record.
    Nothing,
    /// All of these; every record where there are none.
    And(Vec<Predicate>),
    /// Any of these; no record where there are none.
    Or(Vec<Predicate>),
    /// Not this.
    Not(Box<Predicate>),
    /// The record is of one of these kinds.
    Kind(Vec<Kind>),
    /// The id is one of these.
    Is(Vec<Id>),
    /// The moment the version was written.
    Updated(Span),
    /// Some value of the parameter passes the test.
    Test {
        /// The parameter.
        param: ParamId,
        /// The test.
        test: Test,
    },
    /// The parameter's values are not all the same.
    Differ {
        /// The parameter.
        param: ParamId,
        /// By what they are compared.
        by: Sameness,
    },
    /// The narrative has all of these words, each by any of its tokens.
    Text(Vec<Word>),
    /// The record has all of these words, each by any of its tokens.
    Content(Vec<Word>),
    /// The parameter refers to a record of one of the kinds that meets the inner condition.
    Chain {
        /// The reference parameter.
        param: ParamId,
        /// The kinds it may point to here.
        targets: Vec<Kind>,
        /// The condition on the record pointed to.
        inner: Box<Predicate>,
        /// Whether the parameter also points to them by their canonical address.
        canonical: bool,
    },
    /// A record of the kind that meets the inner condition refers to this one by the parameter.
    Has {
        /// The kind of the record that refers.
        kind: Kind,
        /// Its reference parameter.
        param: ParamId,
        /// The condition on it.
        inner: Box<Predicate>,
        /// Whether the parameter also points to this one by its canonical address.
        canonical: bool,
    },
    /// The parameter refers to a record or to one in its hierarchy: `:above`, `:below`.
    Within {
        /// The reference parameter.
        param: ParamId,
        /// Where the hierarchy starts.
        hierarchy: Hierarchy,
    },
    /// The record contains a resource of one of the kinds that meets the inner condition
    /// (<https://hl7.org/fhir/R4/search.html#contained>). Resolved, it stands beside the records that were found so.
    Contains {
        /// The parameter of the record that has to refer to what is contained; none where it need not.
        by: Option<ParamId>,
        /// The kinds it may be of.
        kinds: Vec<Kind>,
        /// The condition on it.
        inner: Box<Predicate>,
    },
    /// A resolved chain: the parameter refers to one of the records.
    RefersTo {
        /// The reference parameter.
        param: ParamId,
        /// The records.
        set: Arc<RecordSet>,
    },
    /// A resolved chain by address: the parameter points to one of these canonical addresses.
    PointsTo {
        /// The reference parameter.
        param: ParamId,
        /// The addresses.
        set: Arc<AddressSet>,
    },
    /// A resolved `_has`: the record is one of these.
    OneOf(Arc<RecordSet>),
}

/// A record and all those above or below it, by the parameter with which records of its kind refer to the one they are
/// part of (<https://hl7.org/fhir/R4/search.html#recursive>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// The kind of all of them.
    pub kind: Kind,
    /// The record it starts from.
    pub id: Id,
    /// The parameter of the kind.
    pub by: ParamId,
    /// Those above; else those below.
    pub up: bool,
}

/// How many levels of a hierarchy are followed.
pub const LEVELS_MAX: usize = 32;

/// A condition on other records that has to be looked up first. Its inner condition is resolved.
#[derive(Debug)]
pub enum Join {
    /// Find the records of the target kinds that meet `inner`; the answer is
    /// [`Predicate::RefersTo`] their set, or by their addresses where it is `canonical`.
    Chain {
        /// The reference parameter.
        param: ParamId,
        /// The kinds to look among.
        targets: Vec<Kind>,
        /// The condition on them.
        inner: Predicate,
        /// Whether their canonical addresses count too.
        canonical: bool,
    },
    /// Find the records of the kind that meet `inner` and what their parameter refers to; the answer is
    /// [`Predicate::OneOf`] that set.
    Has {
        /// The kind to look among.
        kind: Kind,
        /// Its reference parameter.
        param: ParamId,
        /// The condition on it.
        inner: Predicate,
        /// Whether the canonical addresses it holds count too.
        canonical: bool,
    },
    /// Find the records that contain a resource of one of the kinds that meets `inner`; the answer is
    /// [`Predicate::Contains`] and [`Predicate::OneOf`] their set.
    Contains {
        /// The parameter that has to refer to what is contained, where one has to.
        by: Option<ParamId>,
        /// The kinds it may be of.
        kinds: Vec<Kind>,
        /// The condition on it.
        inner: Predicate,
    },
    /// Find the records of a hierarchy; the answer is [`Predicate::RefersTo`] their set.
    Within {
        /// The reference parameter.
        param: ParamId,
        /// The hierarchy.
        hierarchy: Hierarchy,
    },
}

impl Join {
    /// The join with `change` made to its condition.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn try_map<E>(mut self, change: &mut dyn FnMut(Predicate) -> Result<Predicate, E>) -> Result<Join, E> {
        if let Join::Chain { inner, .. } | Join::Has { inner, .. } | Join::Contains { inner, .. } = &mut self {
            *inner = change(std::mem::replace(inner, Predicate::All))?;
        }
        Ok(self)
    }
}

/// The words of a record, asked for only where `_text` or `_content` is.
pub trait Words {
    /// Calls `each` with the tokens of the narrative.
    fn narrative(&self, each: &mut dyn FnMut(&str));
    /// Calls `each` with the tokens of the whole record.
    fn content(&self, each: &mut dyn FnMut(&str));
    /// How many different tokens the whole record has.
    fn distinct(&self) -> u32 {
        let mut words = std::collections::HashSet::new();
        self.content(&mut |word| {
            if !words.contains(word) {
                words.insert(Box::<str>::from(word));
            }
        });
        u32::try_from(words.len()).unwrap_or(u32::MAX)
    }
}

/// A record without words.
pub struct NoWords;

impl Words for NoWords {
    fn narrative(&self, _: &mut dyn FnMut(&str)) {}
    fn content(&self, _: &mut dyn FnMut(&str)) {}
}

/// One version of a record, as a predicate sees it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its kind.
    pub kind: &'a Kind,
    /// Its id; none where it is contained in another record without one.
    pub id: Option<&'a Id>,
    /// When the version was written, microseconds since 1970.
    pub updated: i64,
    /// Its values.
    pub values: &'a Values,
    /// Its words: [`Registry::words`](crate::Registry::words).
    pub words: &'a dyn Words,
    /// Whether it is contained in another record: then its id is no record's, and no other record refers to it.
    pub contained: bool,
}

impl Predicate {
    /// Both conditions, kept flat.
    pub fn and(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::All, other) => other,
            (this, Predicate::All) => this,
            (Predicate::And(mut all), Predicate::And(more)) => {
                all.extend(more);
                Predicate::And(all)
            }
            (Predicate::And(mut all), other) => {
                all.push(other);
                Predicate::And(all)
            }
            (this, other) => Predicate::And(vec![this, other]),
        }
    }

    /// Any of the conditions, kept flat.
    pub fn any(mut choices: Vec<Predicate>) -> Predicate {
        match choices.len() {
            0 => Predicate::Nothing,
            1 => choices.remove(0),
            _ => Predicate::Or(choices),
        }
    }

    /// The opposite condition.
    pub fn negate(self) -> Predicate {
        Predicate::Not(Box::new(self))
    }

    /// Whether the record meets the condition. An unresolved join meets nothing, and
    /// neither does its negation: what cannot be known is never answered.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.judge(subject) == Some(true)
    }

    /// What the record contains that makes it meet the condition, where that is [`Predicate::Contains`].
    pub fn found_inside<'s>(&self, subject: &Subject<'s>) -> Vec<&'s Contained> {
        let Predicate::Contains { by, kinds, inner } = self else {
            return Vec::new();
        };
        candidates(*by, kinds, subject)
            .filter(|held| inner.matches(&held.subject(subject.updated)))
            .collect()
    }

    /// `None` where it depends on an unresolved join.
    fn judge(&self, subject: &Subject<'_>) -> Option<bool> {
        Some(match self {
            Predicate::All => true,
            Predicate::Nothing => false,
            Predicate::And(all) => return all_of(all, subject),
            Predicate::Or(any) => return any_of(any, subject),
            Predicate::Not(inner) => return inner.judge(subject).map(|met| !met),
            Predicate::Kind(kinds) => kinds.contains(subject.kind),
            Predicate::Is(ids) => subject.id.is_some_and(|id| ids.contains(id)),
            Predicate::Updated(span) => span.holds(moment(subject.updated)),
            Predicate::Test { param, test } => subject.values.of(*param).any(|value| test.passes(value)),
            Predicate::Differ { param, by } => by.differ(subject.values.of(*param)),
            Predicate::Text(wanted) => has_words(wanted, |each| subject.words.narrative(each)),
            Predicate::Content(wanted) => has_words(wanted, |each| subject.words.content(each)),
            Predicate::Chain { .. } | Predicate::Has { .. } | Predicate::Within { .. } => return None,
            Predicate::PointsTo { param, set } => subject.values.of(*param).any(|value| points_to(value, set)),
            Predicate::RefersTo { param, set } => subject.values.of(*param).any(|value| refers_to(value, set)),
            Predicate::Contains { by, kinds, inner } => return contains(*by, kinds, inner, subject),
            Predicate::OneOf(set) => {
                let hash = |id: &Id| record_hash(subject.kind.as_str(), id.as_str());
                !subject.contained && subject.id.is_some_and(|id| set.contains(&hash(id)))
            }
        })
    }

    /// The condition with every join replaced by what `look_up` gives for it, innermost first.
    ///
    /// # Errors
    /// The first error of `look_up`.
    pub fn resolve<E>(self, look_up: &mut dyn FnMut(Join) -> Result<Predicate, E>) -> Result<Predicate, E> {
        let every = |list: Vec<Predicate>, look_up: &mut dyn FnMut(Join) -> Result<Predicate, E>| {
            list.into_iter()
                .map(|p| p.resolve(look_up))
                .collect::<Result<Vec<_>, E>>()
        };
        Ok(match self {
            Predicate::And(all) => Predicate::And(every(all, look_up)?),
            Predicate::Or(any) => Predicate::Or(every(any, look_up)?),
            Predicate::Not(inner) => inner.resolve(look_up)?.negate(),
            Predicate::Chain {
                param,
                targets,
                inner,
                canonical,
            } => {
                let inner = inner.resolve(look_up)?;
                look_up(Join::Chain {
                    param,
                    targets,
                    inner,
                    canonical,
                })?
            }
            Predicate::Has {
                kind,
                param,
                inner,
                canonical,
            } => {
                let inner = inner.resolve(look_up)?;
                look_up(Join::Has {
                    kind,
                    param,
                    inner,
                    canonical,
                })?
            }
            Predicate::Within { param, hierarchy } => look_up(Join::Within { param, hierarchy })?,
            Predicate::Contains { by, kinds, inner } => {
                let inner = inner.resolve(look_up)?;
                look_up(Join::Contains { by, kinds, inner })?
            }
            other => other,
        })
    }

    /// Every join in the condition, outer before inner.
    pub fn joins(&self) -> Vec<&Predicate> {
        let mut found = Vec::new();
        self.walk(&mut |part| {
            if matches!(
                part,
                Predicate::Chain { .. } | Predicate::Has { .. } | Predicate::Within { .. } | Predicate::Contains { .. }
            ) {
                found.push(part);
            }
        });
        found
    }

    /// The kinds other than the searched ones whose records decide the answer, in order.
    pub fn kinds_touched(&self) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        self.walk(&mut |part| match part {
            Predicate::Chain { targets, .. } => kinds.extend(targets.iter().cloned()),
            Predicate::Has { kind, .. } => {
                kinds.insert(kind.clone());
            }
            Predicate::Within { hierarchy, .. } => {
                kinds.insert(hierarchy.kind.clone());
            }
            _ => {}
        });
        kinds
    }

    /// Calls `each` with the condition and every condition in it, outer before inner.
    pub fn walk<'a>(&'a self, each: &mut dyn FnMut(&'a Predicate)) {
        each(self);
        match self {
            Predicate::And(list) | Predicate::Or(list) => list.iter().for_each(|part| part.walk(each)),
            Predicate::Not(inner)
            | Predicate::Chain { inner, .. }
            | Predicate::Has { inner, .. }
            | Predicate::Contains { inner, .. } => inner.walk(each),
            _ => {}
        }
    }
}

/// Whether a record contains what is asked for; `None` where that depends on an unresolved join.
fn contains(by: Option<ParamId>, kinds: &[Kind], inner: &Predicate, subject: &Subject<'_>) -> Option<bool> {
    let mut known = Some(false);
    for held in candidates(by, kinds, subject) {
        match inner.judge(&held.subject(subject.updated)) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => known = None,
        }
    }
    known
}

/// What a record contains of the kinds, and refers to by the parameter where one is named.
fn candidates<'s>(by: Option<ParamId>, kinds: &[Kind], subject: &Subject<'s>) -> impl Iterator<Item = &'s Contained> {
    let values = subject.values;
    let referred = move |held: &Contained| {
        let is_it = |value: &Value| match value {
            Value::Reference(Target::Elsewhere(address)) => {
                let named = held.id.as_ref().map(Id::as_str);
                named.is_some() && address.strip_prefix('#') == named
            }
            _ => false,
        };
        by.is_none_or(|by| values.of(by).any(is_it))
    };
    let of_kinds = values.contained.iter().filter(|held| kinds.contains(&held.kind));
    of_kinds.filter(move |held| referred(held))
}

impl Contained {
    /// What is contained, as a predicate sees it: it was written with its record.
    fn subject(&self, updated: i64) -> Subject<'_> {
        Subject {
            kind: &self.kind,
            id: self.id.as_ref(),
            updated,
            values: &self.values,
            words: self,
            contained: true,
        }
    }
}

/// The range of one moment.
pub fn moment(micros: i64) -> Stretch {
    Stretch {
        start: micros,
        end: micros.saturating_add(1),
    }
}

fn all_of(list: &[Predicate], subject: &Subject<'_>) -> Option<bool> {
    let mut known = Some(true);
    for part in list {
        match part.judge(subject) {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = None,
        }
    }
    known
}

fn any_of(list: &[Predicate], subject: &Subject<'_>) -> Option<bool> {
    let mut known = Some(false);
    for part in list {
        match part.judge(subject) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => known = None,
        }
    }
    known
}

fn refers_to(value: &Value, set: &RecordSet) -> bool {
    match value {
        Value::Reference(crate::values::Target::Local { kind, id, .. }) => {
            set.contains(&record_hash(kind.as_str(), id.as_str()))
        }
        _ => false,
    }
}

fn points_to(value: &Value, set: &AddressSet) -> bool {
    match value {
        Value::Reference(crate::values::Target::Elsewhere(address)) => set.contains(&*key(address)),
        _ => false,
    }
}

fn has_words(wanted: &[Word], visit: impl FnOnce(&mut dyn FnMut(&str))) -> bool {
    let mut missing: Vec<&Word> = wanted.iter().collect();
    visit(&mut |token| missing.retain(|word| word.iter().all(|wanted| **wanted != *token)));
    missing.is_empty()
}
