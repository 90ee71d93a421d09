//! `_include` and `_revinclude`, also with `:iterate` (<https://hl7.org/fhir/R4/search.html#include>).

use std::collections::BTreeSet;
use std::sync::Arc;

use conformance::ParameterType;
use fhir::document::Document;
use fhir::identity::{Id, Kind};
use fhir::parse::Limits;
use query::canonical::{AddressSet, each_key, pointed_to};
use query::predicate::{Predicate, RecordSet};
use query::{Include, ParamId, Search, Target, Value, record_hash, replaced};
use search_index::{Clock, Query};

use crate::engine::{Engine, cached_of};
use crate::record::{self, Record};
use crate::refusal::Refusal;

/// The records that come along with a page.
#[derive(Default)]
pub struct Included {
    /// The records, in the order found, none twice and none that is a match.
    pub records: Vec<Record>,
    /// Whether the limit left some out.
    pub cut: bool,
    /// Whether there is more further away than references are followed.
    pub far: bool,
}

/// What is under way.
struct Gathering<'a> {
    engine: &'a Engine,
    seen: RecordSet,
    included: Included,
    /// How many records of the round before are part of the answer.
    held: usize,
    at: u64,
    clock: &'a Clock,
}

/// The canonical addresses that records hold, and the kinds they may point to.
#[derive(Default)]
struct Pointed {
    addresses: BTreeSet<Box<str>>,
    kinds: BTreeSet<Kind>,
}

/// Gathers what comes along with the matches of a page. Rounds and records are bounded by the limits.
///
/// # Errors
/// Those of the store and the index.
pub fn gather(
    engine: &Engine,
    search: &Search,
    matches: &[Record],
    at: u64,
    clock: &Clock,
) -> Result<Included, Refusal> {
    if (search.includes.is_empty() && search.revincludes.is_empty()) || matches.is_empty() {
        return Ok(Included::default());
    }
    let hash = |record: &Record| record_hash(record.kind.as_str(), record.id.as_str());
    let mut gathering = Gathering {
        engine,
        seen: matches.iter().map(hash).collect(),
        included: Included::default(),
        held: 0,
        at,
        clock,
    };
    let mut from: Vec<Record> = matches.to_vec();
    for round in 0..=engine.limits.include_rounds + 1 {
        gathering.held = if round == 0 { 0 } else { from.len() };
        let wanted = |include: &&Include| round == 0 || include.iterate;
        let mut found = Vec::new();
        for include in search.includes.iter().filter(wanted) {
            gathering.forward(include, &from, &mut found)?;
        }
        for include in search.revincludes.iter().filter(wanted) {
            gathering.backward(include, &from, &mut found)?;
        }
        gathering.included.records.append(&mut from_previous(round, &mut from));
        if round > engine.limits.include_rounds {
            gathering.included.far = !found.is_empty();
            break;
        }
        from = found;
        if from.is_empty() || gathering.included.cut {
            break;
        }
    }
    gathering.included.records.append(&mut from);
    Ok(gathering.included)
}

/// The records of the round before, which are part of the answer; the matches themselves, in round 0, are not.
fn from_previous(round: usize, from: &mut Vec<Record>) -> Vec<Record> {
    if round == 0 { Vec::new() } else { std::mem::take(from) }
}

impl Gathering<'_> {
    fn is_full(&mut self, found: usize) -> bool {
        let full = self.included.records.len() + self.held + found >= self.engine.limits.includes_max;
        self.included.cut |= full;
        full
    }

    /// Adds what the records refer to.
    fn forward(&mut self, include: &Include, from: &[Record], found: &mut Vec<Record>) -> Result<(), Refusal> {
        let mut pointed = Pointed::default();
        for record in from
            .iter()
            .filter(|record| include.source.as_ref().is_none_or(|kind| *kind == record.kind))
        {
            let Ok(document) = Document::parse(&record.json, Limits::default()) else {
                continue;
            };
            let values = self.engine.registry.extract(&record.kind, document.root());
            for entry in values
                .entries
                .iter()
                .filter(|entry| include.param.is_none_or(|param| param == entry.param))
            {
                let (kind, id, version) = match &entry.value {
                    Value::Reference(Target::Local { kind, id, version }) => (kind, id, version),
                    Value::Reference(Target::Elsewhere(address)) => {
                        self.point(include, record, entry.param, address, &mut pointed);
                        continue;
                    }
                    _ => continue,
                };
                if include.target.as_ref().is_some_and(|target| target != kind) {
                    continue;
                }
                if !self.seen.insert(record_hash(kind.as_str(), id.as_str())) {
                    continue;
                }
                if self.is_full(found.len()) {
                    return Ok(());
                }
                let Some(record) = self.fetch(kind, id, version.as_deref())? else {
                    continue;
                };
                self.lead_on(&record, found)?;
                found.push(record);
            }
        }
        if pointed.addresses.is_empty() {
            return Ok(());
        }
        let condition = pointed_to(pointed.addresses.iter().map(|address| &**address));
        self.take(pointed.kinds.into_iter().collect(), condition, from.len(), found)
    }

    /// Adds those that replace a record, one after the other: whoever asks for a patient is also given whom she was merged into.
    fn lead_on(&mut self, record: &Record, found: &mut Vec<Record>) -> Result<(), Refusal> {
        if record.kind.as_str() != replaced::KIND || !self.engine.index.has_replaced() {
            return Ok(());
        }
        let mut next = self.replacing(record);
        while let Some(id) = next.take() {
            let hash = record_hash(replaced::KIND, id.as_str());
            if !self.seen.insert(hash) || self.is_full(found.len()) {
                break;
            }
            if let Some(record) = self.fetch(replaced::kind(), &id, None)? {
                next = self.replacing(&record);
                found.push(record);
            }
        }
        Ok(())
    }

    /// The record that replaces a record.
    fn replacing(&self, record: &Record) -> Option<Id> {
        let document = Document::parse(&record.json, Limits::default()).ok()?;
        let values = self.engine.registry.extract(&record.kind, document.root());
        replaced::replacing(&record.kind, &values).next().cloned()
    }

    /// Remembers a canonical address, where the parameter has such and not only references elsewhere.
    fn point(&self, include: &Include, record: &Record, param: ParamId, address: &str, pointed: &mut Pointed) {
        let registry = &self.engine.registry;
        let code = registry.code(param).unwrap_or_default();
        let Some(parameter) = registry.parameter(&record.kind, code).filter(|found| found.canonical) else {
            return;
        };
        let target = |kind: &&Kind| include.target.as_ref().is_none_or(|target| target == *kind);
        let mut targets = parameter.targets.iter().filter(target).cloned().peekable();
        if targets.peek().is_some() && pointed.addresses.len() < self.engine.limits.includes_max {
            pointed.kinds.extend(targets);
            pointed.addresses.insert(address.into());
        }
    }

    fn fetch(&self, kind: &Kind, id: &Id, version: Option<&str>) -> Result<Option<Record>, Refusal> {
        self.clock.check(search_index::STEPS_PER_RECORD)?;
        let record = |json| Record {
            kind: kind.clone(),
            id: id.clone(),
            json,
            inside: None,
            score: None,
        };
        if version.is_none()
            && let Some(cached) = self.engine.cached(kind.as_str(), id.as_str())
            && cached.seq <= self.at
        {
            return Ok(Some(record(cached.json)));
        }
        self.clock.wait()?;
        if let Some(version) = version.and_then(|text| text.parse().ok()) {
            let named = self.engine.store.version(kind, id, version)?;
            let named = named.filter(|version| version.seq <= self.at);
            return Ok(named.as_ref().and_then(cached_of).map(|cached| record(cached.json)));
        }
        // What is referred to need not be here.
        let found = self.engine.record_at(kind, id, self.at)?;
        Ok(found.map(|cached| record(cached.json)))
    }

    /// The kinds that may refer and the parameters they refer by, those named or all; with each whether it may also
    /// hold canonical addresses.
    fn referring(&self, include: &Include) -> (Vec<Kind>, BTreeSet<(ParamId, bool)>) {
        let registry = &self.engine.registry;
        let kinds = match &include.source {
            Some(kind) => vec![kind.clone()],
            None => registry.kinds().to_vec(),
        };
        let parameters = kinds.iter().flat_map(|kind| registry.parameters(kind));
        let references = parameters.filter(|p| p.kind == ParameterType::Reference);
        let wanted = references.filter(|p| include.param.is_none_or(|param| param == p.id));
        let params = wanted.map(|p| (p.id, p.canonical)).collect();
        (kinds, params)
    }

    /// Adds what refers to the records.
    fn backward(&mut self, include: &Include, from: &[Record], found: &mut Vec<Record>) -> Result<(), Refusal> {
        let fits = |record: &&Record| include.target.as_ref().is_none_or(|kind| *kind == record.kind);
        let set: RecordSet = from
            .iter()
            .filter(fits)
            .map(|record| record_hash(record.kind.as_str(), record.id.as_str()))
            .collect();
        if set.is_empty() {
            return Ok(());
        }
        let (kinds, params) = self.referring(include);
        let set = Arc::new(set);
        let mut addresses = AddressSet::default();
        if params.iter().any(|(_, canonical)| *canonical) {
            let documents = from.iter().filter(fits).map(|record| &record.json);
            for document in documents.flat_map(|json| Document::parse(json, Limits::default())) {
                each_key(document.root(), &mut |key| {
                    addresses.insert(key.into());
                });
            }
        }
        let addresses = Arc::new(addresses);
        let mut choices = Vec::new();
        for (param, canonical) in params {
            let set = Arc::clone(&set);
            choices.push(Predicate::RefersTo { param, set });
            if canonical && !addresses.is_empty() {
                let set = Arc::clone(&addresses);
                choices.push(Predicate::PointsTo { param, set });
            }
        }
        self.take(kinds, Predicate::any(choices), from.len(), found)
    }

    /// Adds the records of the kinds that meet the condition, as of the page; `from` of them may be known already.
    fn take(
        &mut self,
        kinds: Vec<Kind>,
        predicate: Predicate,
        from: usize,
        found: &mut Vec<Record>,
    ) -> Result<(), Refusal> {
        // Where kinds are named, what lies under the log is meant too.
        let under = kinds.len() < self.engine.registry.kinds().len();
        let query = Query {
            kinds,
            predicate,
            sort: Vec::new(),
            limit: self.engine.limits.includes_max + from,
            place: search_index::Place::First,
            at: Some(self.at),
            under,
            total: query::Total::None,
            clock: self.clock.clone(),
        };
        let answer = self.engine.index.find(&query)?;
        self.included.cut |= answer.next.is_some();
        let mut fresh = Vec::new();
        for hit in answer.hits {
            if self.seen.insert(record_hash(hit.kind.as_str(), hit.id.as_str())) {
                if self.is_full(found.len() + fresh.len()) {
                    break;
                }
                fresh.push(hit);
            }
        }
        found.extend(record::fetch(self.engine, &fresh, self.clock)?);
        Ok(())
    }
}
