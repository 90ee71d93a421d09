//! Finds records by the resources they contain (<https://hl7.org/fhir/R4/search.html#contained>).
//!
//! The index knows of a record only which kinds it contains and which terms those have. That leads to
//! candidates; whether what is contained meets the condition is decided on the record, read from the log.

use std::sync::Arc;

use fhir::identity::Kind;
use query::term::{Form, Lookup, Term};
use query::{NoWords, ParamId, Predicate, RecordSet, Subject, record_hash};
use tantivy::TantivyError;

use crate::among::Among;
use crate::compile::{Compiler, postings};
use crate::documents::Part;
use crate::entry::document_of;
use crate::explain::Outcome;
use crate::find::{Hit, Run, STEPS_PER_RECORD};
use crate::terms;
use crate::trouble::Trouble;

/// So many records are read at once.
const CHUNK: usize = 256;

/// A record that contains what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The record.
    pub record: Hit,
    /// What it contains that meets the condition: the places among all it contains, ascending.
    pub places: Vec<usize>,
}

/// All containers of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// The place in the log they were looked for.
    pub at: u64,
    /// The records, in the order of their creation.
    pub list: Vec<Container>,
}

impl Run<'_> {
    /// The records that contain a resource of one of the kinds that meets the condition, and which those are.
    ///
    /// # Errors
    /// As for a page.
    pub(crate) fn containers(&self, kinds: &[Kind], inner: &Predicate) -> Result<Containers, Trouble> {
        let contains = |inner: Predicate| Predicate::Contains {
            by: None,
            kinds: kinds.to_vec(),
            inner: Box::new(inner),
        };
        if let Some(watch) = self.clock.watch() {
            watch.query(&[], &contains(inner.clone()), &[], self.clock.steps());
        }
        let contains = contains(self.resolved(inner)?);
        let mut list = Vec::new();
        self.each_container(&contains, &mut |record, subject| {
            let held = contains.found_inside(subject);
            let places = held.iter().map(|held| held.place).collect();
            list.push(Container { record, places });
        })?;
        list.sort_by_key(|container| container.record.record);
        let held = list.iter().map(|container| container.places.len()).sum();
        self.clock.answered(&Outcome {
            hits: held,
            total: Some(held as u64),
            ..self.outcome(None, 0)
        });
        let at = self.snapshot.at;
        Ok(Containers { at, list })
    }

    /// A resolved condition on what is contained, beside the records that meet it; `None` where there are none.
    ///
    /// # Errors
    /// As for a page.
    pub(crate) fn containing(
        &self,
        by: Option<ParamId>,
        kinds: &[Kind],
        inner: &Predicate,
    ) -> Result<Option<Predicate>, Trouble> {
        let (kinds, inner) = (kinds.to_vec(), Box::new(inner.clone()));
        let contains = Predicate::Contains { by, kinds, inner };
        let mut set = RecordSet::default();
        self.each_container(&contains, &mut |hit, _| {
            set.insert(record_hash(hit.kind.as_str(), hit.id.as_str()));
        })?;
        // The condition finds candidates, the set says which of them it is.
        Ok((!set.is_empty()).then(|| Predicate::And(vec![contains, Predicate::OneOf(Arc::new(set))])))
    }

    /// Calls `each` with every record that meets a resolved condition on what it contains.
    fn each_container(&self, contains: &Predicate, each: &mut dyn FnMut(Hit, &Subject<'_>)) -> Result<(), Trouble> {
        let among = &Among::new(&[]);
        self.tell_plan(&[], contains);
        let named = self.named(contains, among)?;
        let mut places = Vec::new();
        for segment in self.snapshot.segments() {
            let mut candidates = self.candidates(segment, among, contains, &named)?;
            self.visit(segment, &mut candidates, &mut |docs| {
                places.extend(docs.iter().map(|doc| segment.columns.seq_of(*doc)));
                Ok(self.clock.tick(docs.len() as u64 * STEPS_PER_RECORD))
            })?;
        }
        for some in places.chunks(CHUNK) {
            self.clock.wait()?;
            self.clock.check(0)?;
            self.read_containers(some, contains, each)?;
        }
        let mut entries = self.snapshot.entries(among);
        entries.retain(|entry| !entry.values.contained.is_empty());
        self.clock.check(entries.len() as u64)?;
        for entry in entries {
            let subject = entry.subject(&NoWords);
            if contains.matches(&subject) {
                let (seq, record, score) = (entry.seq, entry.record, None);
                let (kind, id) = (entry.kind.clone(), entry.id.clone());
                let hit = Hit {
                    seq,
                    record,
                    kind,
                    id,
                    score,
                };
                each(hit, &subject);
            }
        }
        Ok(())
    }

    fn read_containers(
        &self,
        places: &[u64],
        contains: &Predicate,
        each: &mut dyn FnMut(Hit, &Subject<'_>),
    ) -> Result<(), Trouble> {
        for version in self.store.by_seq(places)? {
            let Some(document) = document_of(&version) else {
                continue;
            };
            let values = self.registry.extract(&version.kind, document.root());
            let subject = Subject {
                kind: &version.kind,
                id: Some(&version.id),
                updated: version.updated,
                values: &values,
                words: &NoWords,
                contained: false,
            };
            if contains.matches(&subject) {
                let hit = Hit {
                    seq: version.seq,
                    record: version.record,
                    kind: version.kind.clone(),
                    id: version.id.clone(),
                    score: None,
                };
                each(hit, &subject);
            }
        }
        Ok(())
    }
}

impl Compiler<'_> {
    /// The documents that may contain a resource of one of the kinds which meets a condition: all that do, and
    /// perhaps some that do not.
    pub(crate) fn holding(&self, kinds: &[Kind], inner: &Predicate) -> Result<Part, TantivyError> {
        let mut any = Vec::new();
        for kind in kinds {
            let Some(all) = postings(&self.columns.terms, &terms::hashed(&Term::holds(kind)))? else {
                continue;
            };
            let mut parts = vec![Part::Listed(all)];
            parts.extend(self.needed(kind, inner)?);
            any.push(Part::And(parts));
        }
        Ok(match any.len() {
            0 => Part::nothing(),
            1 => any.remove(0),
            _ => Part::Or(any),
        })
    }

    /// What a document has to have so that something in it can meet the condition; `None` where nothing is known.
    fn needed(&self, kind: &Kind, inner: &Predicate) -> Result<Option<Part>, TantivyError> {
        Ok(match inner {
            Predicate::Nothing => Some(Part::nothing()),
            Predicate::And(all) => {
                let mut parts = Vec::new();
                for part in all {
                    parts.extend(self.needed(kind, part)?);
                }
                (!parts.is_empty()).then_some(Part::And(parts))
            }
            Predicate::Or(any) => {
                let mut parts = Vec::new();
                for part in any {
                    let Some(part) = self.needed(kind, part)? else {
                        return Ok(None);
                    };
                    parts.push(part);
                }
                Some(Part::Or(parts)).filter(|_| !any.is_empty())
            }
            Predicate::Kind(kinds) if !kinds.contains(kind) => Some(Part::nothing()),
            Predicate::Test { param, test } => Some(self.held(kind, *param, &Lookup::of(*param, test))?),
            Predicate::RefersTo { param, .. } | Predicate::PointsTo { param, .. } => Some(self.present(kind, *param)?),
            _ => None,
        })
    }

    fn held(&self, kind: &Kind, param: ParamId, lookup: &Lookup) -> Result<Part, TantivyError> {
        match lookup {
            Lookup::Term(term) => self.held_term(kind, term),
            Lookup::AnyOf(lookups) => {
                let parts = lookups.iter().map(|lookup| self.held(kind, param, lookup));
                Ok(Part::Or(parts.collect::<Result<_, _>>()?))
            }
            _ => self.present(kind, param),
        }
    }

    fn present(&self, kind: &Kind, param: ParamId) -> Result<Part, TantivyError> {
        self.held_term(kind, &Term::new(param, Form::Present, ""))
    }

    fn held_term(&self, kind: &Kind, term: &Term<'_>) -> Result<Part, TantivyError> {
        let found = postings(&self.columns.terms, &terms::hashed(&term.held(kind)))?;
        Ok(found.map_or_else(Part::nothing, Part::Listed))
    }
}
